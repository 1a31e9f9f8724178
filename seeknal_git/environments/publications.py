"""Which publication of production somebody means, and what production showed then."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from seeknal_git.errors import UsageError, WarehouseError, some
from seeknal_git.git import repository as git
from seeknal_git.git.repository import Repository, resolved
from seeknal_git.project.workspace import Workspace
from seeknal_git.warehouse.model import Move, Published, Record
from seeknal_git.warehouse.protocol import Warehouse

_NAMED = 3


@dataclass(frozen=True, slots=True)
class Named:
    """A publication that somebody named. asked: the commit that was asked for, where that was not
    published itself."""

    record: Record
    asked: str | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    """What a publication showed: node → view and table, node → rows where they are known, and the
    nodes whose tables are no longer kept."""

    named: Named
    views: Mapping[str, Published]
    rows: Mapping[str, int | None]
    lost: tuple[str, ...]


def never_published() -> UsageError:
    return UsageError("Production was never published.", "Build and publish it with: seeknal run")


def named(repository: Repository, records: Sequence[Record], revision: str) -> Named:
    """The publication of an id, or the newest of a commit; of a commit that was not published
    itself, the newest before it. Raises UsageError."""
    by_id = {str(each.id): each for each in records}
    if revision in by_id:
        return Named(by_id[revision])
    commit = resolved(repository, revision) or _abbreviated(records, revision)
    if commit is None:
        raise UsageError(
            f"There is no publication and no commit {revision}.",
            "seeknal log lists the publications.",
        )
    if exact := next((each for each in records if each.commit == commit), None):
        return Named(exact)
    for each in records:  # what a rollback shows was published before
        if each.command != "rollback" and _contains(repository, commit, each.commit):
            return Named(each, commit)
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
    """A commit that git forgot, as it does with those that no branch names."""
    long_enough = len(revision) >= 7
    return next(
        (each.commit for each in records if long_enough and each.commit.startswith(revision)), None
    )


def _contains(repository: Repository, commit: str, ancestor: str) -> bool:
    known = (
        bool(ancestor)
        and git.has_commit(repository, ancestor)
        and git.has_commit(repository, commit)
    )
    return known and git.is_ancestor(repository, ancestor, commit)


def shown(workspace: Workspace, warehouse: Warehouse, revision: str) -> Shown:
    """What production showed at a publication or a commit. Raises UsageError."""
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
    """What a publication showed. there: the snapshot tables that exist, where they were asked for
    already."""
    schema, number = workspace.production_schema, wanted.record.id
    views = warehouse.environments.shown(schema, number)
    there = warehouse.snapshots.tables() if there is None else there
    lost = tuple(sorted(node for node, each in views.items() if each.table not in there))
    return Shown(wanted, views, warehouse.publications.rows(schema, number), lost)


def need_tables(workspace: Workspace, wanted: Shown, hint: str) -> None:
    """Raises WarehouseError, with some of the nodes, where not all tables of a publication are
    kept."""
    if not wanted.lost:
        return
    lost = some(wanted.lost, _NAMED)
    raise WarehouseError(
        f"Publication {wanted.named.record.id} is no longer kept whole: the tables of {lost} are gone. "
        f"`seeknal gc` keeps those of the last {workspace.settings.keep_promotions} publications of production, and of "
        "the younger ones (keep_promotions and keep_history in seeknal_project.yml).",
        hint,
    )


def difference(before: Shown, after: Shown) -> list[Move]:
    """What leads from one publication to another, by the nodes' names."""
    found = []
    for node in sorted({**before.views, **after.views}):
        was, now = before.views.get(node), after.views.get(node)
        if was and now and (was.view, was.table) == (now.view, now.table):
            continue
        change = "added" if was is None else "removed" if now is None else "re-pointed"
        found.append(Move(node, change, before.rows.get(node), after.rows.get(node), None))
    return found
