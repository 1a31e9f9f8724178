"""Which of the tables that were made of the same code and data is meant, and when another one has
to be built."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seeknal_git.project.snapshot_ids import Identity
    from seeknal_git.warehouse.model.environments import Published
    from seeknal_git.warehouse.model.snapshots import Snapshot

_WORD = 8
# The word of a build that holds a part of the rows begins like this. Those of `_LIMITED` have some
# partitions of a node; the others are computed of such tables.
_PART = "part"
_LIMITED = (f"{_PART} since ", f"{_PART} until ")


def limited_build(since: str, until: str) -> str:
    """The build that has the partitions from one up to another, in words; at least one is given."""
    words = [_PART, *(["since", since] if since else []), *(["until", until] if until else [])]
    return " ".join(words)


def is_limited(build: str) -> bool:
    """Whether a build has some of the partitions of a node."""
    return build.startswith(_LIMITED)


def build_over_parts(build: str) -> str:
    """A build that is computed of tables in part. build: the word that it has otherwise."""
    return build if is_in_part(build) else f"{_PART} {build}".strip()


def is_in_part(build: str) -> bool:
    """Whether a build holds a part of the rows, or is computed of tables that do."""
    return build.split(" ", maxsplit=1)[0] == _PART


@dataclass(frozen=True, slots=True)
class Builds:
    """The tables that exist, and the builds that are going to be made."""

    # Identity → whole snapshots, oldest first.
    there: Mapping[str, Sequence[Snapshot]]
    lost: Mapping[str, Sequence[Snapshot]]  # the same, for those whose table is gone
    shown: Collection[str]  # ids of the snapshots that production and the environment show
    again: Collection[str]  # nodes to build again, though their table exists
    parts: Sequence[Snapshot] = ()  # those that have only some of a node's partitions
    # Identity → the build that this command made, before it found that somebody else had changed
    # the warehouse.
    made: Mapping[str, str] = field(default_factory=dict)
    begun: dict[str, str] = field(default_factory=dict)  # identity → the build to make

    def meant(self, node: str, identity: str) -> str:
        """The build of an identity that a node means.

        An environment keeps the table that it shows, and then the one that production shows; of
        these two, the newer one. So a table that somebody else built again moves nobody's numbers.
        A stable table that is gone is built as it was; any other is another build.
        """
        there, lost = self.there.get(identity, ()), self.lost.get(identity, ())
        made = self.made.get(identity)
        if made is not None and any(snapshot.build == made for snapshot in there):
            return made
        if there and node not in self.again:
            return next(
                (snapshot for snapshot in reversed(there) if snapshot.id in self.shown), there[-1]
            ).build
        if there or any(snapshot.unstable for snapshot in lost):
            return self.begin(identity)
        return ""

    def begin(self, identity: str) -> str:
        """The word of a build that is going to be made, one for each identity."""
        return self.begun.setdefault(identity, uuid.uuid4().hex[:_WORD])

    def is_begun(self, identity: Identity) -> bool:
        """Whether a build is going to be made."""
        return bool(identity.build) and self.begun.get(identity.text) == identity.build


def builds_of(
    there: Iterable[Snapshot],
    lost: Iterable[Snapshot],
    environments: Sequence[Mapping[str, Published]],
    again: Collection[str],
    made: Mapping[str, str],
) -> Builds:
    """there, lost: the snapshots whose tables exist, and those whose tables are gone; environments:
    the nodes that production and the environment show; again, made: as in `Builds`."""
    shown = {node.snapshot for published in environments for node in published.values()}
    snapshots = list(there)
    parts = [snapshot for snapshot in snapshots if is_limited(snapshot.build)]
    whole = (
        [snapshot for snapshot in snapshots if not is_limited(snapshot.build)]
        if parts
        else snapshots
    )
    gone = [snapshot for snapshot in lost if not is_limited(snapshot.build)]
    return Builds(_by_identity(whole), _by_identity(gone), shown, again, parts, made)


def _by_identity(snapshots: Iterable[Snapshot]) -> dict[str, list[Snapshot]]:
    found: dict[str, list[Snapshot]] = {}
    for snapshot in snapshots:
        found.setdefault(snapshot.identity, []).append(snapshot)
    return found
