"""A run or a promotion with its nodes, which are loaded before the warehouse is held: its work, and
whether it is still what was asked for."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from typing import Protocol

from seeknal_git.build.options import Options
from seeknal_git.build.work import Work, work_out
from seeknal_git.environments.environment import Environment
from seeknal_git.environments.production import recorded
from seeknal_git.environments.revision import Revision
from seeknal_git.errors import FileFault, SeeknalError, UsageError, some
from seeknal_git.names import WRITING, of_option
from seeknal_git.project.data_versions import contents_of
from seeknal_git.project.load import Loaded
from seeknal_git.project.loads_in_use import (
    contracts_of,
    kept_of,
    loads_of,
    unmoved_loads,
)
from seeknal_git.project.python_files import exchange
from seeknal_git.project.raw_data import reach_of
from seeknal_git.project.workspace import Workspace
from seeknal_git.sql.sandbox import Reach
from seeknal_git.warehouse.opening import open_for_state
from seeknal_git.warehouse.protocol import Warehouse

_NAMED = 5  # nodes in a refusal


class Request(Protocol):
    """A wish to run or to promote a branch. Once the branch has moved, it means another commit."""

    def revision(self, workspace: Workspace) -> Revision:
        """The branch, tag or commit that is asked for, as it is now."""
        ...

    def prepared(self, workspace: Workspace) -> Prepared:
        """Load the nodes, before the warehouse is held."""
        ...


@dataclass(frozen=True, slots=True)
class Prepared:
    """A run or a promotion, with all that it is made of."""

    request: Request
    workspace: Workspace
    revision: Revision  # whose tree was loaded
    loaded: Loaded
    environment: Environment
    options: Options
    # The commit that production shows, if only some nodes of it are replaced.
    base: str | None = None


def preview(prepared: Prepared) -> Work:
    """The work that a run would do, with the views that it would move. Writes nothing."""
    from seeknal_git.build.forecast import forecast_of
    from seeknal_git.build.moves import moves_of

    workspace = prepared.workspace
    with open_for_state(
        workspace.readable_warehouse, workspace.marks, workspace.until
    ) as warehouse:
        work = work_of(warehouse, prepared)
        return replace(
            work,
            moves=moves_of(warehouse, work),
            partitions=forecast_of(warehouse, work.inventory, work.root, work.reasons),
        )


def work_of(warehouse: Warehouse, prepared: Prepared) -> Work:
    """The work of a run. Raises FileFault if raw data changed after its columns were found: its
    readers were bound to other columns."""
    loaded = prepared.loaded
    work = work_out(warehouse, loaded.graph, loaded.root, prepared.environment, prepared.options)
    if prepared.options.sandbox and (code := loaded.graph.structure.python & work.reasons.keys()):
        raise UsageError(
            f"{min(code)} is a Python node, and --sandbox runs none.",
            "Run it without --sandbox if you trust its code: it runs as you.",
        )
    if prepared.options.no_backfill:
        _refuse_backfill(work)
    for source, contents in loaded.binding.read.items():
        if (
            contents_of(work.inventory.versions.get(source, "")) != contents
            and source in work.reasons
        ):
            message = (
                f"{loaded.graph.node(source).definition['path']} changed while {source} was bound."
            )
            raise FileFault(message, "Run the same command again.")
    return work


def _refuse_backfill(work: Work) -> None:
    """Raise UsageError if the work completes tables that branches have built in part."""
    production, told = work.inventory.production, list[str]()
    latest = {part.fingerprint: part for part in work.inventory.builds.parts}
    whole = {one.fingerprint for one in work.inventory.there.values() if one.part is None}
    for node in work.reasons:
        fingerprint = work.graph.wholes[node]
        built = latest.get(fingerprint) if fingerprint not in whole else None
        is_new = node not in production or production[node].fingerprint != fingerprint
        if built is not None and built.part is not None and is_new:
            part = built.part
            told.append(f"{node} lacks {len(part.whole) - part.held:,} of {len(part.whole):,}")
    if told:
        raise UsageError(
            f"Nothing is published, as partitions are missing: {some(told, _NAMED)}.",
            "Promote without --no-backfill to build them, or first on the branch: seeknal run",
        )


def reach_of_run(prepared: Prepared) -> Reach:
    """The files that a run may read or write: the raw data of its sources, and the files of its
    exposures."""
    raw = reach_of(prepared.loaded.graph, prepared.loaded.root)
    folders = [*raw.folders, prepared.loaded.root.home / WRITING]
    if prepared.loaded.graph.structure.python:
        folders.append(exchange(prepared.workspace.repository))
    return Reach(raw.files, folders)


def record_end(
    warehouse: Warehouse, prepared: Prepared, command: str, exc: SeeknalError | KeyboardInterrupt
) -> None:
    """Write down that a run ended before it could publish."""
    run_id, status, message = uuid.uuid4().hex, "failed", str(exc)
    if isinstance(exc, KeyboardInterrupt):
        status, message = "interrupted", "it was interrupted"
    warehouse.runs.begin(run_id, prepared.environment.schema, command)
    warehouse.runs.end(run_id, status, message)


def is_current(prepared: Prepared, warehouse: Warehouse) -> bool:
    """Whether the branch, production's loads, and raw data that is read anew are as they were
    before we waited."""
    loaded, revision = prepared.loaded, prepared.revision
    now = prepared.request.revision(prepared.workspace)
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
        loaded.root.moved(loaded.graph.node(source), contents)
        for source, contents in loaded.binding.read.items()
    ):
        return False
    return _reads_the_same(prepared, warehouse)


def _reads_the_same(prepared: Prepared, warehouse: Warehouse) -> bool:
    """Whether the loads that the nodes were bound to are those of now. They are if the file is the
    one that they were read from: as long as it is held, nobody else writes to it."""
    loaded, path = prepared.loaded, prepared.workspace.warehouse_location
    environment = prepared.environment
    # As `load` has named them.
    schemas = list(dict.fromkeys([environment.production_schema, environment.schema]))
    loads = unmoved_loads(path, prepared.workspace.cache, schemas, warehouse.version)
    if loads is None:
        loads = loads_of(warehouse, schemas)
    if loaded.kept is None:
        before = contracts_of(loaded.graph, loads)
        return all(
            before.get(source) == contract for source, contract in loaded.root.contracts.items()
        )
    # Nothing was adopted yet when these were found.
    root = replace(loaded.root, places=loaded.root.places.afresh(), adopted={})
    return loaded.kept == kept_of(loaded.graph, root, loads)
