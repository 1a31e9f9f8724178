"""A publication that is about to happen: what it is made of is loaded before the warehouse is held,
and once more where somebody committed or published in the meantime."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from seeknal_git.build.options import Options
from seeknal_git.build.work import Work, work_out
from seeknal_git.environments.environment import Environment
from seeknal_git.environments.production import recorded, refuse_to_lose
from seeknal_git.environments.revision import Revision
from seeknal_git.errors import FileFault, UsageError
from seeknal_git.names import WRITING, of_option
from seeknal_git.project.load import Loaded
from seeknal_git.project.loads_in_use import columns_of_loads, contracts_of, remember_loads
from seeknal_git.project.raw_data import contents_of, reach_of
from seeknal_git.project.workspace import Workspace
from seeknal_git.sql.sandbox import Reach
from seeknal_git.warehouse.duckdb_file import open_for_state, open_warehouse
from seeknal_git.warehouse.protocol import Warehouse

_ATTEMPTS = 10


@dataclass(frozen=True, slots=True)
class Prepared:
    """A run or a promotion, with everything that it is made of.

    revision: whose tree was loaded; now: what was asked for means now; again: prepares it once
    more.
    """

    workspace: Workspace
    revision: Revision
    loaded: Loaded
    environment: Environment
    options: Options
    now: Callable[[], Revision]
    again: Callable[[], Prepared]
    base: str | None = (
        None  # the commit that production shows, if only some nodes of it are replaced
    )


def preview(prepared: Prepared) -> Work:
    """What would be done, without writing anything."""
    path = prepared.workspace.warehouse_path
    with open_for_state(
        path if path.exists() else None, prepared.workspace.marks, prepared.workspace.until
    ) as warehouse:
        return work_of(warehouse, prepared)


def work_of(warehouse: Warehouse, prepared: Prepared) -> Work:
    """Raises FileFault where raw data moved after its columns were found: what reads it was bound
    to other columns."""
    loaded = prepared.loaded
    work = work_out(warehouse, loaded.graph, loaded.root, prepared.environment, prepared.options)
    for source, contents in loaded.binding.read.items():
        if contents_of(work.inventory.versions[source]) != contents and source in work.reasons:
            message = (
                f"{loaded.graph.node(source).definition['path']} changed while {source} was bound."
            )
            raise FileFault(message, "Run the same command again.")
    return work


@contextmanager
def held(prepared: Prepared) -> Iterator[tuple[Prepared, Warehouse]]:
    """Hold the warehouse, with what was prepared as it has to be by then.

    Raises WarehouseBusy, UsageError where another branch was checked out while this one waited, and
    GitError where production would lose what another clone released.
    """
    for _ in range(_ATTEMPTS):
        path, reach = prepared.workspace.warehouse_path, _reach(prepared)
        with open_warehouse(
            path, prepared.workspace.marks, deadline=prepared.workspace.until, reach=reach
        ) as warehouse:
            if _is_current(prepared, warehouse):
                # Somebody else may have released while we waited.
                if prepared.environment.is_production and not prepared.options.force:
                    refuse_to_lose(prepared.workspace, warehouse)
                yield prepared, warehouse
                _remember(prepared, warehouse)
                return
        prepared = prepared.again()
    raise FileFault(
        "The branch, or its raw data, keeps changing.",
        "Run the same command again when it lies still.",
    )


def _reach(prepared: Prepared) -> Reach:
    """The files that a run may have to do with: raw data of its sources, and what its exposures
    write."""
    raw = reach_of(prepared.loaded.graph, prepared.loaded.root)
    return Reach(raw.files, [*raw.folders, prepared.loaded.root.home / WRITING])


def _remember(prepared: Prepared, warehouse: Warehouse) -> None:
    schemas = (prepared.environment.production_schema, prepared.environment.schema)
    remember_loads(warehouse, prepared.workspace.warehouse_path, prepared.workspace.cache, schemas)


def _is_current(prepared: Prepared, warehouse: Warehouse) -> bool:
    """Whether neither the branch, nor production's loads, nor raw data that is read anew has moved
    while we waited."""
    loaded, revision, now = prepared.loaded, prepared.revision, prepared.now()
    if now.name != revision.name:  # nobody asked for that one
        raise UsageError(
            f"{revision.name} is no longer checked out, but {now.name}. Nothing was done.",
            f"Run it by its name: seeknal run {of_option('--env', revision.name)}",
        )
    if now.commit != revision.commit:
        return False
    if prepared.base and recorded(prepared.workspace, warehouse).commit != prepared.base:
        return False
    if any(
        loaded.root.moved(loaded.graph.node(each), contents)
        for each, contents in loaded.binding.read.items()
    ):
        return False
    schemas = (prepared.environment.production_schema, prepared.environment.schema)
    if loaded.kept is None:
        before = contracts_of(warehouse, loaded.graph, schemas)
        return all(before.get(each) == contract for each, contract in loaded.root.contracts.items())
    root = replace(loaded.root, adopted={})  # nothing was adopted yet when these were found
    return loaded.kept == columns_of_loads(warehouse, loaded.graph, root, schemas)
