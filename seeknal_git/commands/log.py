"""The command `log`: the publications of an environment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from seeknal_git.environments.environment import Environment
from seeknal_git.environments.revision import environment_of, revision_of
from seeknal_git.git import repository as git
from seeknal_git.git.production_ref import is_kept_tree
from seeknal_git.project.workspace import Workspace
from seeknal_git.warehouse.model.publications import Move, Record
from seeknal_git.warehouse.opening import open_for_state
from seeknal_git.warehouse.protocol import Warehouse


@dataclass(frozen=True, slots=True)
class Entry:
    """A publication as the log shows it. current: it is what the environment shows now;
    uncommitted: its commit was made of uncommitted nodes, and no branch names it; lost: the nodes
    whose tables are no longer kept; subject: of the commit, if it is here."""

    record: Record
    moves: tuple[Move, ...]
    lost: tuple[str, ...]
    current: bool
    uncommitted: bool
    subject: str | None = None


@dataclass(frozen=True, slots=True)
class Log:
    """Publications of an environment, the newest first, and how many there are before them."""

    environment: Environment
    entries: tuple[Entry, ...]
    earlier: int


def log(workspace: Workspace, environment: str | None = None, most: int = 0) -> Log:
    """Read the last publications of an environment; by default, of production.

    most: how many publications to read; 0 for all of them.

    Raises UsageError if the environment does not exist.
    """
    name = environment_of(workspace, environment) if environment else workspace.production
    shown = Environment(name, workspace.production)
    entries: tuple[Entry, ...] = ()
    earlier = 0
    if workspace.has_warehouse:
        with open_for_state(
            workspace.warehouse_location, workspace.marks, workspace.until
        ) as warehouse:
            records = warehouse.publications.records(shown.schema)
            entries = _entries(workspace, warehouse, shown.schema, records[: most or None])
            earlier = len(records) - len(entries)
    if not entries and not shown.is_production:
        revision_of(workspace, environment)
    return Log(shown, entries, earlier)


def _entries(
    workspace: Workspace,
    warehouse: Warehouse,
    schema: str,
    records: Sequence[Record],
) -> tuple[Entry, ...]:
    moves = warehouse.publications.moves(schema, [record.id for record in records])
    lost = warehouse.publications.lost(schema)
    return tuple(
        Entry(
            record,
            tuple(moves[record.id]),
            tuple(lost.get(record.id, ())),
            number == 0,
            bool(record.commit) and is_kept_tree(workspace.repository, record.commit),
            git.subject_of(workspace.repository, record.commit) if record.commit else None,
        )
        for number, record in enumerate(records)
    )
