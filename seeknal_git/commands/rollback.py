"""The command `rollback`: production shows an earlier publication again."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from seeknal_git.build.deliver import Dock, HandedOver, docked, hand_over, write_aside
from seeknal_git.build.exposures import is_intact
from seeknal_git.environments.environment import Environment
from seeknal_git.environments.publications import (
    Named,
    Shown,
    difference,
    named,
    need_tables,
    never_published,
    shown_by,
)
from seeknal_git.environments.releasing import need_leave
from seeknal_git.errors import RunFailed, UsageError
from seeknal_git.git import repository as git
from seeknal_git.git.merge_source import whoami
from seeknal_git.git.production_ref import set_production_ref
from seeknal_git.git.tree import TrackedPaths, commit_tree
from seeknal_git.names import WRITING, split_id
from seeknal_git.project.branch_settings import need_authority
from seeknal_git.project.collisions import Claims, claims_of
from seeknal_git.project.load import data_root_of
from seeknal_git.project.node_files import load_project
from seeknal_git.project.raw_data import DataRoot
from seeknal_git.project.workspace import Workspace, current_tree
from seeknal_git.sql.sandbox import Reach
from seeknal_git.warehouse.model.deliveries import Delivery
from seeknal_git.warehouse.model.publications import Move, Publication, Record
from seeknal_git.warehouse.model.queries import relation
from seeknal_git.warehouse.opening import open_warehouse
from seeknal_git.warehouse.protocol import Warehouse


@dataclass(frozen=True, slots=True)
class Rollback:
    """A rollback of production, or the preview of one."""

    environment: Environment
    # The publication that production showed before.
    before: Record
    # The publication that would undo the rollback.
    undo: Record
    # The publication that production shows again.
    to: Record
    # The tip of the production branch.
    tip: str | None
    # The nodes whose views are re-pointed.
    moves: tuple[Move, ...]
    # The sources that show an earlier load of the same definition.
    loads: tuple[str, ...]
    # The exposures whose files have to be written again.
    to_write: tuple[str, ...]
    # Exposure that was first delivered later → its file, which stays.
    left: Mapping[str, Path]
    # The number of the new publication; None for a preview.
    publication: int | None = None
    # Exposure → why its file could not be written again.
    unwritten: Mapping[str, str] = field(default_factory=dict)
    # Exposure → the place of the file that somebody had changed.
    kept: Mapping[str, Path] = field(default_factory=dict)
    # Views and tables that somebody made in place of views that go. They stay.
    yours: tuple[str, ...] = ()


def rollback(
    workspace: Workspace,
    publication: str | None = None,
    *,
    dry_run: bool = False,
    force: bool = False,
    reason: str | None = None,
) -> Rollback:
    """Show an earlier publication of production again, in one transaction; then write the files of
    its exposures.

    Nothing is built, and branches stay where they are.

    publication: its number, as `log` tells it, or its commit; by default, the last publication
    that showed something else and that no rollback has taken back.
    dry_run: find out what would be done, and do nothing.
    force: roll back even if only continuous integration releases.
    reason: why production is released by force; the log keeps it.

    Raises UsageError or WarehouseError before anything changes.
    """
    need_authority(workspace)
    if not dry_run:
        need_leave(workspace, reason, force=force)
    if not workspace.has_warehouse:
        raise never_published()
    with ExitStack() as stack:
        warehouse = stack.enter_context(
            open_warehouse(
                workspace.warehouse_location,
                workspace.marks,
                read_only=dry_run,
                deadline=workspace.until,
                reach=Reach(folders=[workspace.home / WRITING]),
            )
        )
        if not dry_run:
            stack.enter_context(warehouse.lease(workspace.production_schema, workspace.until))
        started = time.monotonic()
        last = warehouse.publications.last(workspace.production_schema)
        done, wanted, stale = _prepared(workspace, warehouse, publication)
        if dry_run:
            return done
        again = _shown_again(done, wanted, whoami(workspace.repository), reason)
        again = replace(again, seconds=time.monotonic() - started, after=last.id if last else 0)
        outcome = warehouse.publications.publish(again)
        if done.to.commit:
            set_production_ref(workspace.repository, done.to.commit)
        warehouse.publications.record_warnings(done.environment.schema, done.to.warnings)
        unwritten, kept = _deliver(workspace, warehouse, stale, wanted)
    yours = tuple(foreign.place for foreign in outcome.yours)
    return replace(
        done, publication=outcome.publication, unwritten=unwritten, kept=kept, yours=yours
    )


def _shown_again(
    done: Rollback, wanted: Shown, publisher: str | None, reason: str | None
) -> Publication:
    """The publication of an earlier one's nodes."""
    return Publication(
        done.environment.schema,
        done.environment.name,
        done.to.commit,
        publisher or done.to.author,
        "rollback",
        wanted.views,
        restores=done.to.id,
        base=done.to.base,
        reason=reason,
    )


def _prepared(
    workspace: Workspace, warehouse: Warehouse, revision: str | None
) -> tuple[Rollback, Shown, list[Delivery]]:
    """The rollback, the views to show again, and the deliveries to write again."""
    schema = workspace.production_schema
    records = warehouse.publications.records(schema)
    if not records:
        raise never_published()
    there = warehouse.snapshots.tables()
    now = shown_by(workspace, warehouse, Named(records[0]), there)
    wanted = (
        _wanted(workspace, warehouse, records, revision)
        if revision
        else _before(workspace, warehouse, records, now, there)
    )
    need_tables(
        workspace,
        wanted,
        "seeknal log says which are kept; git revert takes a change back, and builds it.",
    )
    to = _original(records, wanted.named.record)
    then, latest = (
        warehouse.deliveries.last(schema, to.id),
        warehouse.deliveries.last(schema),
    )
    stale = [
        file for file in then.values() if not _is_there(workspace, file, latest.get(file.node))
    ]
    written = {_place(workspace, file) for file in stale}
    moves = difference(now, wanted)
    if not moves and not stale:
        raise UsageError(
            f"Production shows publication {to.id} already.", "seeknal log lists the others."
        )
    found = Rollback(
        environment=Environment(workspace.production, workspace.production),
        before=records[0],
        undo=_original(records, records[0]),
        to=to,
        tip=git.production_tip(workspace.repository, workspace.production),
        moves=tuple(moves),
        loads=tuple(move.node for move in moves if _is_earlier_load(move.node, now, wanted)),
        to_write=tuple(file.node for file in stale),
        left={
            node: file.path
            for node, file in latest.items()
            if node not in then and _place(workspace, file) not in written and not file.target
        },
    )
    return found, wanted, stale


def _is_there(workspace: Workspace, then: Delivery, latest: Delivery | None) -> bool:
    """Whether a file is as it was delivered then: nothing else was since, and nobody has touched
    it."""
    same = latest is not None and latest.snapshot == then.snapshot
    if same and then.target:
        return True
    return same and is_intact(latest or then, _place(workspace, then), workspace.cache)


def _original(records: Sequence[Record], record: Record) -> Record:
    """The publication that a rollback shows again; any other is its own."""
    return next((earlier for earlier in records if earlier.id == record.restores), record)


def _wanted(
    workspace: Workspace,
    warehouse: Warehouse,
    records: Sequence[Record],
    revision: str,
) -> Shown:
    """The views of the named publication. Raises UsageError for a commit that was not published."""
    found = named(workspace.repository, records, revision)
    if found.asked:
        number, commit = found.record.id, found.record.commit[:8]
        hint = (
            f"The nearest before it is publication {number}, of {commit}: seeknal rollback {number}"
        )
        raise UsageError(f"The commit {found.asked[:8]} was not published itself.", hint)
    return shown_by(workspace, warehouse, found)


def _before(
    workspace: Workspace,
    warehouse: Warehouse,
    records: Sequence[Record],
    now: Shown,
    there: set[str],
) -> Shown:
    """The last publication that showed something else than the current one, and that no rollback
    has taken back."""
    for record in _standing(records):
        found = shown_by(workspace, warehouse, Named(record), there)
        if difference(now, found):
            return found
    raise UsageError(
        "Production showed nothing else before.", "seeknal log lists its publications."
    )


def _standing(records: Sequence[Record]) -> list[Record]:
    """The publications that no rollback has taken back, the newest first.

    A rollback takes back all publications between its two ends: nobody gets them again unasked.
    """
    by_id, standing = {record.id: record for record in records}, list[Record]()
    for record in reversed(records):
        shown = by_id.get(record.restores or 0, record)
        standing = [earlier for earlier in standing if earlier.id < shown.id] + [shown]
    return standing[::-1]


def _is_earlier_load(node: str, now: Shown, wanted: Shown) -> bool:
    both = node in now.views and node in wanted.views
    same = both and now.views[node].fingerprint == wanted.views[node].fingerprint
    return (
        same
        and split_id(node)[0] == "source"
        and now.views[node].snapshot != wanted.views[node].snapshot
    )


def _deliver(
    workspace: Workspace,
    warehouse: Warehouse,
    stale: Sequence[Delivery],
    wanted: Shown,
) -> tuple[dict[str, str], dict[str, Path]]:
    """Write files as they were. wanted: the views that are shown again.

    Returns exposure → why that was not possible, and exposure → where the file is that somebody had
    changed.
    """
    if not stale:
        return {}, {}
    there = {table: relation(table) for table in warehouse.snapshots.tables()}
    there |= {shown.table: shown.relation for shown in wanted.views.values()}
    unwritten, kept = dict[str, str](), dict[str, Path]()
    root, claims = _claims(workspace)
    last = warehouse.deliveries.last(workspace.production_schema)
    with docked(warehouse, root, workspace.production_schema, uuid.uuid4().hex) as dock:
        for file in stale:
            if file.table is None or not file.definition:
                unwritten[file.node] = "an earlier version delivered it, and did not write down how"
            elif file.target:
                unwritten[file.node] = "a rollback leaves tables elsewhere as they are"
            elif file.table not in there:
                unwritten[file.node] = "the table that it was written from is no longer kept"
            elif claim := claims.on(file.definition):
                unwritten[file.node] = f"it would write over {claim}"
            else:
                placed = replace(file, path=_place(workspace, file))
                end = _written(workspace, dock, placed, there[file.table], last.get(file.node))
                unwritten |= {file.node: end.fault} if end.fault else {}
                kept |= {file.node: end.kept} if end.kept else {}
    return unwritten, kept


def _claims(workspace: Workspace) -> tuple[DataRoot, Claims]:
    """The data root, and the files that sources read now: an old delivery may be raw data today."""
    tip = git.branch_tip(workspace.repository, workspace.production)
    trees = [current_tree(workspace), *([commit_tree(workspace.repository, tip)] if tip else [])]
    root = data_root_of(workspace, trees[0], TrackedPaths(workspace.repository))
    members = (
        member
        for tree in trees
        for member in load_project(workspace.vocabulary(tree), workspace.cache).members
    )
    return root, claims_of(
        (member.node for member in members if member.node.kind == "source"), root
    )


def _place(workspace: Workspace, delivery: Delivery) -> Path:
    """Where a file of production belongs today: the data root may have been moved."""
    return (
        workspace.home / str(delivery.definition["path"]) if delivery.definition else delivery.path
    )


def _written(
    workspace: Workspace, dock: Dock, delivery: Delivery, rows: str, before: Delivery | None
) -> HandedOver:
    """Write a file and put it in place. rows: as SQL names them. before: the last delivery."""
    try:
        written = write_aside(dock, delivery, rows, before)
        return hand_over(dock, workspace.production_schema, written)
    except RunFailed as exc:
        return HandedOver(exc.message)
