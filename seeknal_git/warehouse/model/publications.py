"""Publications, their records, and the runs that made them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from seeknal_git.warehouse.model.environments import Foreign, Published


@dataclass(frozen=True, slots=True)
class Publication:
    """A publication to make: the nodes that an environment is to show, and where they come from."""

    schema: str
    branch: str
    commit: str  # of the tree that was built
    author: str
    command: str  # `run`, `promote`, `hook` (a promotion by git) or `rollback`
    shows: Mapping[str, Published]  # by node
    built: Collection[str] = ()  # the nodes that this run built
    seconds: float | None = None  # since the run began
    merged: str | None = None  # the branch that came in with the commit, if that is known
    restores: int | None = None  # the earlier publication that is shown again
    base: str | None = None  # the commit under uncommitted nodes
    publisher: str | None = None  # who ran the command
    clone: str | None = None  # the git folder that it was run in
    edited: bool | None = None  # whether nodes differed from their commit
    reason: str | None = None  # why somebody insisted on it
    # The environment's last publication as its publisher saw it, 0 for none; None if nobody can
    # have made another one since.
    after: int | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """The effect of a publication, as names of nodes."""

    repointed: tuple[str, ...]
    unchanged: tuple[str, ...]
    removed: tuple[str, ...]
    publication: int | None = None  # its id; None if it changed nothing
    # Views and tables that somebody made in place of the views of removed nodes. They stay.
    yours: tuple[Foreign, ...] = ()


class Warned(NamedTuple):
    """A check of severity warn that did not hold."""

    node: str
    message: str

    def __str__(self) -> str:
        return f"{self.node}: {self.message}"


@dataclass(frozen=True, slots=True)
class Record:
    """A publication that an environment made. Fields that it shares with `Publication` mean the
    same."""

    id: int
    commit: str
    author: str
    command: str
    published_at: datetime
    seconds: float | None
    merged: str | None
    restores: int | None
    built: int
    reused: int
    removed: int
    base: str | None = None
    publisher: str | None = None
    clone: str | None = None
    edited: bool | None = None
    reason: str | None = None
    # The checks that did not hold, by the last run that left the publication as it is.
    warnings: tuple[Warned, ...] = ()


@dataclass(frozen=True, slots=True)
class Move:
    """The effect of a publication on one node."""

    node: str
    change: str  # `added`, `re-pointed`, `removed`, or `restored` if its view was damaged
    rows_before: int | None
    rows_after: int | None
    built: bool | None  # whether the run built the table, or found it


def rolled_back_to(records: Sequence[Record]) -> int | None:
    """The earlier publication that an environment shows, by its records, newest first. None if it
    shows its newest one, also after a rollback that another rollback has undone."""
    restores = records[0].restores if records else None
    newest = next((record.id for record in records if record.restores is None), None)
    return None if restores == newest else restores


@dataclass(frozen=True, slots=True)
class Run:
    """The last run of an environment."""

    schema: str
    command: str
    started_at: datetime
    status: str  # `running`, `succeeded`, `failed` or `interrupted`
    message: str | None
    # Node → why it failed; empty for a run of an earlier version.
    failures: Mapping[str, str] = field(default_factory=dict)
