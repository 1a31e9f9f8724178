"""The commands `gc` and `env prune`: find unused environments, tables and files, and delete them.

A deletion never uses an earlier list: it looks again while it holds the warehouse.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from seeknal_git.environments.expiry import Lifetime, lifetimes
from seeknal_git.environments.leftovers import exposures_of, leftovers, remove
from seeknal_git.environments.production import pending
from seeknal_git.environments.retention import keeping
from seeknal_git.environments.saved_plans import drop_plan
from seeknal_git.errors import GitError
from seeknal_git.git.known_names import known_names
from seeknal_git.project.branch_settings import need_authority
from seeknal_git.project.workspace import Workspace
from seeknal_git.warehouse.model.clock import now
from seeknal_git.warehouse.model.environments import Foreign
from seeknal_git.warehouse.model.histories import Version
from seeknal_git.warehouse.model.unused import Outdated, Rules, Unnamed, UnusedPieces
from seeknal_git.warehouse.opening import open_for_state, open_warehouse
from seeknal_git.warehouse.protocol import Warehouse


@dataclass(frozen=True, slots=True)
class Garbage:
    """Unused environments, snapshot tables and files, and the reasons why others stay."""

    # The environments that have expired.
    environments: tuple[Lifetime, ...] = ()
    snapshots: tuple[Unnamed, ...] = ()
    # Partitions of snapshots that nobody shows, in tables that stay.
    pieces: tuple[UnusedPieces, ...] = ()
    leftovers: tuple[Path, ...] = ()
    # Schema of an expired environment → the folder of its files.
    exposures: Mapping[str, Path] = field(default_factory=dict)
    outdated: Outdated = field(default_factory=Outdated)
    # The environments that stay.
    kept: tuple[Lifetime, ...] = ()
    # Table → why it stays.
    kept_tables: Mapping[str, str] | None = None
    # Node that production no longer shows → the history that stays of it.
    histories: Mapping[str, Version] = field(default_factory=dict)
    # Whether all of it was deleted, except the stuck files.
    deleted: bool = False
    stuck: tuple[Path, ...] = ()
    yours: tuple[
        Foreign, ...
    ] = ()  # views and tables that somebody made in schemas of environments; they stay


def gc(workspace: Workspace, *, delete: bool = False, only_environments: bool = False) -> Garbage:
    """Find what nobody needs; with `delete`, delete it: environments first, then the tables that
    no environment needs without them, then files.

    Each step leaves a whole warehouse. The next call completes a deletion that was killed.
    """
    return (_collect if delete else _find)(workspace, only_environments)


def _find(workspace: Workspace, only_environments: bool) -> Garbage:
    with open_for_state(
        workspace.readable_warehouse, workspace.marks, workspace.until
    ) as warehouse:
        return _found(workspace, warehouse, only_environments)


def _collect(workspace: Workspace, only_environments: bool) -> Garbage:
    need_authority(workspace)
    _need_what_production_says(workspace)
    with open_warehouse(
        workspace.readable_warehouse, workspace.marks, deadline=workspace.until
    ) as warehouse:
        found = _found(workspace, warehouse, only_environments)
        # Before the environments: without them, nobody would come back for their files.
        stuck = remove(found.exposures.values())
        for life in found.environments:
            warehouse.environments.delete(life.environment.schema)
            drop_plan(workspace, life.environment.branch)
        if found.snapshots:
            warehouse.snapshots.drop([snapshot.table for snapshot in found.snapshots])
        if found.pieces:
            warehouse.snapshots.drop_pieces(found.pieces)
        stuck += remove(found.leftovers)
        outdated = Outdated() if only_environments else warehouse.forget_outdated()
    return replace(found, deleted=True, outdated=outdated, stuck=tuple(dict.fromkeys(stuck)))


def _need_what_production_says(workspace: Workspace) -> None:
    """Raise GitError in a clone that is behind: newer settings of production may keep more."""
    due = pending(workspace)
    if due is not None and due.takes_back:
        raise GitError(
            f"{due.what}. It may be told to keep more than is known here. Nothing was deleted.",
            f"Bring it in: {due.cure}",
        )


def _found(workspace: Workspace, warehouse: Warehouse, only_environments: bool) -> Garbage:
    careful = keeping(workspace)
    lives = lifetimes(workspace, warehouse, careful)
    going, kept = (
        tuple(life for life in lives if life.over),
        tuple(life for life in lives if not life.over),
    )
    folders = {
        schema: exposures_of(workspace, schema)
        for schema in (one.environment.schema for one in going)
    }
    files = {schema: exposures for schema, exposures in folders.items() if exposures}
    found = Garbage(going, exposures=files, kept=kept, yours=_made_by_others(warehouse, lives))
    if only_environments:
        return found
    live = {life.environment.schema: life.environment.branch for life in kept}
    rules = Rules(
        productions=careful.productions,
        live=frozenset(live),
        publications=careful.publications,
        seconds=careful.seconds,
        idle=careful.idle,
        now=now(),
    )
    tables = warehouse.snapshots.kept(rules)
    names, delivered = known_names(workspace.repository), warehouse.deliveries.paths()
    left = leftovers(workspace, delivered, names, live.values())
    if workspace.kept.folder.is_dir():
        left += workspace.kept.others(warehouse.snapshots.kept_files(rules))
    return replace(
        found,
        snapshots=tuple(warehouse.snapshots.unnamed(tables)),
        pieces=tuple(warehouse.snapshots.unused_pieces(rules)),
        leftovers=tuple(left),
        outdated=warehouse.outdated(),
        kept_tables=tables,
        histories=_without_source(workspace, warehouse),
    )


def _without_source(workspace: Workspace, warehouse: Warehouse) -> dict[str, Version]:
    """The histories of nodes that production no longer shows, as far as their tables exist."""
    schema, there = workspace.production_schema, warehouse.snapshots.tables()
    newest = warehouse.histories.newest(schema)
    shown = warehouse.environments.shown(schema) if newest else {}
    return {
        node: version
        for node, version in newest.items()
        if node not in shown and not there.isdisjoint(version.tables)
    }


def _made_by_others(warehouse: Warehouse, lives: Iterable[Lifetime]) -> tuple[Foreign, ...]:
    schemas = [life.environment.schema for life in lives]
    shown = {schema: warehouse.environments.shown(schema).values() for schema in schemas}
    return tuple(
        foreign
        for schema in schemas
        for _, foreign in sorted(
            warehouse.environments.made_by_others(schema, shown[schema]).items()
        )
    )
