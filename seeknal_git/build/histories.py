"""The histories of sources that keep changes: which version an environment means, and how the next
one is made (docs/design/kept-changes.md).

Production's next version is its last one and the load that it is about to publish. It belongs to
the history once it is published, so a run that failed leaves nothing in it. A branch adds its own
load for itself alone.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from seeknal_git.build.failures import NodeFailed
from seeknal_git.names import is_changes
from seeknal_git.project.fingerprints import digest
from seeknal_git.warehouse.model.clock import now
from seeknal_git.warehouse.model.histories import OF_PRODUCTION, Addition

if TYPE_CHECKING:
    from seeknal_git.build.rebuilds import Builds
    from seeknal_git.environments.environment import Environment
    from seeknal_git.nodes.node import Node
    from seeknal_git.warehouse.model.environments import Published
    from seeknal_git.warehouse.model.histories import Version
    from seeknal_git.warehouse.model.snapshots import Blueprint
    from seeknal_git.warehouse.protocol import Warehouse

_WORD, _FURTHER = 16, 8


@dataclass(frozen=True, slots=True)
class Histories:
    """The histories of production, and the versions that an environment means."""

    environment: Environment
    builds: Builds
    newest: Mapping[str, Version]  # node → the last version that production published
    shown: Collection[str]  # ids of the snapshots that production shows
    there: Set[str]  # the snapshot tables that exist
    # When the loads of this run begin to hold: one time for all sources.
    at: datetime

    @staticmethod
    def of(
        warehouse: Warehouse,
        environment: Environment,
        builds: Builds,
        production: Mapping[str, Published],
    ) -> Histories:
        """production: the nodes that it shows."""
        return Histories(
            environment,
            builds,
            warehouse.histories.newest(environment.production_schema),
            {shown.snapshot for node, shown in production.items() if is_changes(node)},
            warehouse.snapshots.tables(),
            now(),
        )

    def meant(self, node: str, identity: str) -> str:
        """The build of an identity that a node means. See `Builds.meant`."""
        if not is_changes(node):
            return self.builds.meant(node, identity)
        newest, found = self._newest(node), self.builds.there.get(identity, ())
        if newest and newest.identity == identity:
            return newest.build
        if not self.environment.is_production:
            for snapshot in found:
                if snapshot.id in self.shown:  # after a rollback, it is not the newest
                    return snapshot.build
        word = self._next(node)
        if own := [snapshot for snapshot in found if snapshot.build.startswith(word)]:
            return own[-1].build
        lost = self.builds.lost.get(identity, ())
        if any(snapshot.build.startswith(word) for snapshot in lost):
            further = f"{word}{uuid.uuid4().hex[:_FURTHER]}"
            return self.builds.begun.setdefault(identity, further)
        return word

    def _newest(self, node: str) -> Version | None:
        """Production's last version; None if nobody has published one, or if all of its tables are
        gone: then somebody dropped them to begin anew."""
        newest = self.newest.get(node)
        return newest if newest and not self.there.isdisjoint(newest.tables) else None

    def _next(self, node: str) -> str:
        """The word for a build on top of production's last version."""
        last, environment = self.newest.get(node), self.environment
        gone = "" if last is None or self._newest(node) else "gone"
        before = (node, last.id if last else "", gone)
        if environment.is_production:
            return OF_PRODUCTION + digest("changes", *before)[:_WORD]
        return digest("changes", environment.schema, *before)[:_WORD]

    def addition(self, node: Node, load: str, blueprint: Blueprint) -> Addition:
        """The load to add for a version. load: its rows as SQL names them. Raises NodeFailed if a
        part of the history is gone."""
        newest = self._newest(node.id)
        self._need_whole(node, newest)
        return Addition(
            load,
            node.definition["key"],
            node.definition["compare"],
            newest.tables if newest else (),
            newest is not None and newest.fingerprint != blueprint.fingerprint,
            self.at,
        )

    def _need_whole(self, node: Node, newest: Version | None) -> None:
        lost = [table for table in newest.tables if table not in self.there] if newest else []
        if newest is None or not lost:
            return
        rest = [table for table in newest.tables if table in self.there]
        raise NodeFailed(
            f"a part of its history is gone: the table {_listed(lost)} of the schema _snapshots. "
            f"Restore the warehouse; or export the rest, drop it too ({_listed(rest)}), and run "
            f"again: the history begins anew ({node.path}:{node.sql_line})"
        )


def _listed(tables: Sequence[str]) -> str:
    return ", ".join(tables)
