"""Publications of production by name, with the views that each of them showed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from seeknal_git.environments.files_in_place import broken
from seeknal_git.errors import UsageError, WarehouseError, some
from seeknal_git.git import repository as git
from seeknal_git.git.repository import Repository, resolved
from seeknal_git.project.workspace import Workspace
from seeknal_git.warehouse.model.environments import Published
from seeknal_git.warehouse.model.publications import Move, Record
from seeknal_git.warehouse.protocol import Warehouse

_NAMED = 3  # a message names this many nodes
_DIGITS = 7  # a commit may be abbreviated to this many


@dataclass(frozen=True, slots=True)
class Named:
    """A publication that somebody named."""

    record: Record
    # The commit that was asked for, if the commit itself was not published.
    asked: str | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    """The views of a publication."""

    named: Named
    # Node → its view and table.
    views: Mapping[str, Published]
    # Node → the number of rows, if it is known.
    rows: Mapping[str, int | None]
    # The nodes whose tables are no longer kept.
    lost: tuple[str, ...]
    # Node → what is wrong with the files that its view reads in place.
    broken: Mapping[str, str]


def never_published() -> UsageError:
    return UsageError("Production was never published.", "Build and publish it with: seeknal run")


def named(repository: Repository, records: Sequence[Record], revision: str) -> Named:
    """The publication of an id, or the newest of a commit; if the commit itself was not published,
    the newest before it. Raises UsageError."""
    by_id = {str(record.id): record for record in records}
    if revision in by_id:
        return Named(by_id[revision])
    commit = resolved(repository, revision) or _abbreviated(records, revision)
    if commit is None:
        raise UsageError(
            f"There is no publication and no commit {revision}.",
            "seeknal log lists the publications.",
        )
    if exact := next((record for record in records if record.commit == commit), None):
        return Named(exact)
    for record in records:
        # A rollback shows an older publication, which is in the records as well.
        if record.command != "rollback" and _contains(repository, commit, record.commit):
            return Named(record, commit)
    raise UsageError(
        f"Nothing was published yet at {commit[:8]}.", "seeknal log lists the publications."
    )


def nearest(found: Named) -> str:
    """A sentence about the publication that stands for a commit that was not published itself."""
    record, asked = found.record, (found.asked or "")[:8]
    commit = f" ({record.commit[:8]})" if record.commit else ""
    return (
        f"{asked} was not published itself: production showed publication {record.id}{commit} then."
    )


def _abbreviated(records: Sequence[Record], revision: str) -> str | None:
    """The published commit that begins with these digits. git forgets commits without a branch."""
    if len(revision) < _DIGITS:
        return None
    commits = (record.commit for record in records)
    return next((commit for commit in commits if commit.startswith(revision)), None)


def _contains(repository: Repository, commit: str, ancestor: str) -> bool:
    known = (
        bool(ancestor)
        and git.has_commit(repository, ancestor)
        and git.has_commit(repository, commit)
    )
    return known and git.is_ancestor(repository, ancestor, commit)


def shown(workspace: Workspace, warehouse: Warehouse, revision: str) -> Shown:
    """The views of production at a publication or a commit. Raises UsageError."""
    records = warehouse.publications.records(workspace.production_schema)
    if not records:
        raise never_published()
    return shown_by(workspace, warehouse, named(workspace.repository, records, revision))


def shown_by(
    workspace: Workspace,
    warehouse: Warehouse,
    wanted: Named,
    there: set[str] | None = None,
) -> Shown:
    """The views of a publication. there: the snapshot tables that exist, if they are known."""
    schema, number = workspace.production_schema, wanted.record.id
    views = warehouse.environments.shown(schema, number)
    there = warehouse.snapshots.tables() if there is None else there
    lost = tuple(
        sorted(node for node, shown in views.items() if not there.issuperset(shown.tables))
    )
    rows, faults = warehouse.publications.rows(schema, number), broken(workspace, warehouse, views)
    return Shown(wanted, views, rows, lost, faults)


def need_tables(workspace: Workspace, wanted: Shown, hint: str) -> None:
    """Raise WarehouseError, with some of the nodes, if tables or files of a publication are
    gone."""
    if wanted.broken:
        raise WarehouseError(
            f"Publication {wanted.named.record.id} cannot be shown: "
            f"{some([*wanted.broken.values()], _NAMED)}.",
            f"{workspace.kept.folder} has to hold the file as it was, under the same name.",
        )
    if not wanted.lost:
        return
    number, lost = wanted.named.record.id, some(wanted.lost, _NAMED)
    kept = workspace.settings.keep_promotions
    last = "publication" if kept == 1 else f"{kept} publications"
    raise WarehouseError(
        f"Publication {number} is no longer kept whole: the tables of {lost} are gone. "
        f"`seeknal gc` keeps those of the last {last} of production, and of the "
        "younger ones (keep_promotions and keep_history in seeknal_project.yml).",
        hint,
    )


def difference(before: Shown, after: Shown) -> list[Move]:
    """The moves of nodes between two publications, sorted by node."""
    found = []
    for node in sorted({**before.views, **after.views}):
        was, now = before.views.get(node), after.views.get(node)
        if was and now and (was.view, was.table) == (now.view, now.table):
            continue
        change = "added" if was is None else "removed" if now is None else "re-pointed"
        found.append(Move(node, change, before.rows.get(node), after.rows.get(node), None))
    return found
