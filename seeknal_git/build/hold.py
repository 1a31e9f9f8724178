"""Hold the warehouse for a run or a promotion. Its nodes are loaded before, and once more if
somebody committed or published meanwhile."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from seeknal_git.build.options import Options
from seeknal_git.build.work import Work, work_out
from seeknal_git.environments.environment import Environment
from seeknal_git.environments.production import recorded, refuse_to_lose, remember_showing
from seeknal_git.environments.revision import Revision
from seeknal_git.errors import FileFault, UsageError, WarehouseBusy, some
from seeknal_git.names import WRITING, of_option
from seeknal_git.project.data_versions import contents_of
from seeknal_git.project.load import Loaded
from seeknal_git.project.loads_in_use import (
    contracts_of,
    kept_of,
    loads_of,
    remember_loads,
    unmoved_loads,
)
from seeknal_git.project.python_files import exchange
from seeknal_git.project.raw_data import reach_of
from seeknal_git.project.workspace import Workspace
from seeknal_git.sql.sandbox import Reach
from seeknal_git.warehouse.deadline import Deadline
from seeknal_git.warehouse.opening import (
    beside,
    open_for_state,
    open_warehouse,
    publishing,
    reach_of_taking,
    remove_aside,
)
from seeknal_git.warehouse.protocol import Warehouse

if TYPE_CHECKING:
    from pathlib import Path

    from seeknal_git.build.ahead import Ahead
    from seeknal_git.build.progress import Report
    from seeknal_git.git.marks import Marks

_ATTEMPTS = 10
# A run that built beside the warehouse waits at least this long to publish.
_PATIENCE_SECONDS = 5.0
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


@dataclass(frozen=True, slots=True)
class Held:
    """A run or a promotion that holds the warehouse."""

    prepared: Prepared  # on the state that it found there
    warehouse: Warehouse
    ahead: Ahead | None = None  # what it has found out and built; None if it builds in place
    started: float = 0.0  # by the monotonic clock

    @property
    def work(self) -> Work:
        """The work of the run, as `work_of` finds it."""
        return self.ahead.work if self.ahead else work_of(self.warehouse, self.prepared)


@contextmanager
def held(prepared: Prepared, command: str, report: Report) -> Iterator[Held]:
    """Build beside the warehouse, then hold it, and have the run prepared on the state that it
    finds there. A warehouse that does not exist yet is built in place.

    Raises WarehouseBusy; UsageError if another branch was checked out while this one waited; and
    GitError if production would lose a release of another clone.
    """
    started = time.monotonic()
    if prepared.workspace.has_warehouse:
        with _held_after_building(prepared, command, report) as found:
            if found:
                yield replace(found, started=started)
                return
    with _held_in_place(prepared) as found:
        yield replace(found, started=started)


@contextmanager
def _held_after_building(prepared: Prepared, command: str, report: Report) -> Iterator[Held | None]:
    """None if somebody else changes the warehouse again and again."""
    from seeknal_git.build.aside import Builder

    workspace, ahead = prepared.workspace, None
    with beside(workspace.warehouse_path, workspace.marks) as file:
        builder = Builder(file, command, report)
        for _ in range(_ATTEMPTS):
            found = builder.built(prepared, ahead)
            if found is None:
                prepared = prepared.request.prepared(prepared.workspace)
                continue
            ahead = found
            with _opened(prepared, ahead) as warehouse:
                if _taken(ahead, warehouse):
                    yield Held(prepared, warehouse, ahead)
                    _remember(prepared, warehouse)
                    return
    yield None


@contextmanager
def _held_in_place(prepared: Prepared) -> Iterator[Held]:
    for _ in range(_ATTEMPTS):
        path, reach = prepared.workspace.warehouse_path, reach_of_run(prepared)
        with open_warehouse(
            path, prepared.workspace.marks, deadline=prepared.workspace.until, reach=reach
        ) as warehouse:
            if is_current(prepared, warehouse):
                # Somebody else may have released while we waited.
                if prepared.environment.is_production and not prepared.options.force:
                    refuse_to_lose(prepared.workspace, warehouse)
                yield Held(prepared, warehouse)
                _remember(prepared, warehouse)
                return
        prepared = prepared.request.prepared(prepared.workspace)
    raise FileFault(
        "The branch, or its raw data, keeps changing.",
        "Run the same command again when it lies still.",
    )


def _opened(prepared: Prepared, ahead: Ahead) -> AbstractContextManager[Warehouse]:
    """Hold the warehouse. A run that has built beside it waits a while for those who read, as they
    did not have to wait for it."""
    workspace, reach = prepared.workspace, reach_of_run(prepared)
    path, marks = workspace.warehouse_path, workspace.marks
    if ahead.file is None:
        return open_warehouse(path, marks, deadline=workspace.until, reach=reach)
    reach = replace(reach, files=[*reach.files, *reach_of_taking(ahead.file)])
    until = Deadline.after(max(workspace.lock_timeout, _PATIENCE_SECONDS))
    return _published(path, marks, until, reach)


@contextmanager
def _published(path: Path, marks: Marks, until: Deadline, reach: Reach) -> Iterator[Warehouse]:
    with ExitStack() as stack:
        stack.enter_context(publishing(path, marks))
        try:
            warehouse = stack.enter_context(
                open_warehouse(path, marks, deadline=until, reach=reach)
            )
        except WarehouseBusy as exc:
            message = f"Everything is built, and nothing is published. {exc.message}"
            raise WarehouseBusy(message, exc.pid) from exc
        yield warehouse


def _taken(ahead: Ahead, warehouse: Warehouse) -> bool:
    """Whether the warehouse is as the run found it; it has then everything that was built."""
    if ahead.file is None:
        return warehouse.stamp == ahead.stamp
    is_taken = warehouse.take(ahead.file)
    if is_taken:
        remove_aside(ahead.file)
    return is_taken


def reach_of_run(prepared: Prepared) -> Reach:
    """The files that a run may read or write: the raw data of its sources, and the files of its
    exposures."""
    raw = reach_of(prepared.loaded.graph, prepared.loaded.root)
    folders = [*raw.folders, prepared.loaded.root.home / WRITING]
    if prepared.loaded.graph.structure.python:
        folders.append(exchange(prepared.workspace.repository))
    return Reach(raw.files, folders)


def _remember(prepared: Prepared, warehouse: Warehouse) -> None:
    workspace, version = prepared.workspace, warehouse.leave()
    if version is None:
        return
    schemas = (prepared.environment.production_schema, prepared.environment.schema)
    remember_loads(warehouse, workspace.warehouse_location, workspace.cache, schemas, version)
    remember_showing(workspace, warehouse, version)


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
    loads = unmoved_loads(path, prepared.workspace.cache, schemas)
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
