"""Clones that share a warehouse share its environments: who published one, if that was not this
clone."""

from __future__ import annotations

from dataclasses import dataclass

from seeknal_git.git import repository as git
from seeknal_git.git.merge_source import whoami
from seeknal_git.git.repository import Repository
from seeknal_git.warehouse.protocol import Warehouse


@dataclass(frozen=True, slots=True)
class OtherClone:
    """A publication that another clone made."""

    who: str
    commit: str
    known: bool  # whether this clone has the commit
    ours: bool  # whether somebody who works in this clone made it

    def __str__(self) -> str:
        if not self.commit:
            return f"by {self.who} from another clone"
        unknown = "" if self.known else ", which this clone does not have"
        return f"by {self.who} from {self.commit[:8]}{unknown}" + (
            " in another clone" if self.known else ""
        )


def clone_folder(repository: Repository) -> str:
    """The git folder of this clone, as publications name the clone that made them."""
    return str(repository.common)


def published_elsewhere(
    repository: Repository, warehouse: Warehouse, schema: str
) -> OtherClone | None:
    """The publication that an environment shows, if another clone made it; else None."""
    found = warehouse.publications.last(schema)
    if found is None:
        return None
    known = not found.commit or git.has_commit(repository, found.commit)
    if found.clone == clone_folder(repository) or (known and found.clone is None):
        return None
    who = found.publisher or found.author
    return OtherClone(who, found.commit, known, who == whoami(repository))
