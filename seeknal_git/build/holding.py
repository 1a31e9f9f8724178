"""Hold the warehouse for a run or a promotion, once it has built beside it as much as it can. Its
nodes are loaded once more if somebody committed or published meanwhile."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from seeknal_git.build.aside import Builder
from seeknal_git.build.hold import Prepared, is_current, reach_of_run, work_of
from seeknal_git.environments.production import refuse_to_lose, remember_showing
from seeknal_git.errors import FileFault, WarehouseBusy
from seeknal_git.project.loads_in_use import remember_loads
from seeknal_git.sql.sandbox import Reach
from seeknal_git.warehouse.deadline import Deadline
from seeknal_git.warehouse.location import Lake
from seeknal_git.warehouse.opening import (
    beside,
    open_warehouse,
    publishing,
    reach_of_taking,
    remove_aside,
)
from seeknal_git.warehouse.protocol import Warehouse

if TYPE_CHECKING:
    from seeknal_git.build.ahead import Ahead
    from seeknal_git.build.progress import Report
    from seeknal_git.build.work import Work
    from seeknal_git.git.marks import Marks

_ATTEMPTS = 10
# A run that built beside the warehouse waits at least this long to publish.
_PATIENCE_SECONDS = 5.0
# A publication of a lake takes longer: each of its statements asks a server.
_LEASE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Held:
    """A run or a promotion that holds the warehouse."""

    prepared: Prepared  # on the state that it found there
    warehouse: Warehouse
    ahead: Ahead | None = None  # None if it builds in place
    started: float = 0.0  # by the monotonic clock
    after: int | None = None  # the last publication of a lake's environment

    @property
    def work(self) -> Work:
        """The work of the run, as `work_of` finds it."""
        return self.ahead.work if self.ahead else work_of(self.warehouse, self.prepared)


@contextmanager
def held(prepared: Prepared, command: str, report: Report) -> Iterator[Held]:
    """Build beside the warehouse, then hold it, and have the run prepared on the state that it
    finds there. A warehouse that does not exist yet is built in place. A lake is never locked: the
    run has the lease of its environment.

    Raises WarehouseBusy; UsageError if another branch was checked out while this one waited; and
    GitError if production would lose a release of another clone.
    """
    started = time.monotonic()
    location = prepared.workspace.warehouse_location
    if isinstance(location, Lake):
        with _held_with_lease(prepared, command, report) as run_:
            yield replace(run_, started=started)
            return
    if location.exists():
        with _held_after_building(prepared, location, command, report) as found:
            if found:
                yield replace(found, started=started)
                return
    with _held_in_place(prepared) as run_:
        yield replace(run_, started=started)


@contextmanager
def _held_after_building(
    prepared: Prepared, path: Path, command: str, report: Report
) -> Iterator[Held | None]:
    """None if somebody else changes the warehouse again and again."""
    workspace, ahead = prepared.workspace, None
    with beside(path, workspace.marks) as file:
        builder = Builder(path, file, command, report)
        for _ in range(_ATTEMPTS):
            found = builder.built(prepared, ahead)
            if found is None:
                prepared = prepared.request.prepared(prepared.workspace)
                continue
            ahead = found
            with _opened(prepared, path, ahead) as warehouse:
                if _taken(ahead, warehouse):
                    yield Held(prepared, warehouse, ahead)
                    _remember(prepared, warehouse)
                    return
    yield None


@contextmanager
def _held_in_place(prepared: Prepared) -> Iterator[Held]:
    for _ in range(_ATTEMPTS):
        location, reach = prepared.workspace.warehouse_location, reach_of_run(prepared)
        with open_warehouse(
            location, prepared.workspace.marks, deadline=prepared.workspace.until, reach=reach
        ) as warehouse:
            if is_current(prepared, warehouse):
                # Somebody else may have released while we waited.
                _need_releases(prepared, warehouse)
                yield Held(prepared, warehouse)
                _remember(prepared, warehouse)
                return
        prepared = prepared.request.prepared(prepared.workspace)
    raise _unsettled()


@contextmanager
def _held_with_lease(prepared: Prepared, command: str, report: Report) -> Iterator[Held]:
    """Build in a lake, then wait for those who publish the same environment. If they did so since
    it was looked at, begin again: all that is built is used."""
    from seeknal_git.build import in_lake

    workspace, schema, ahead = prepared.workspace, prepared.environment.schema, None
    for _ in range(_ATTEMPTS):
        with open_warehouse(
            workspace.warehouse_location,
            workspace.marks,
            deadline=workspace.until,
            reach=reach_of_run(prepared),
        ) as warehouse:
            last = _last(warehouse, schema)
            if is_current(prepared, warehouse):
                _need_releases(prepared, warehouse)
                ahead = in_lake.built(warehouse, prepared, ahead, command, report)
                with warehouse.lease(
                    schema, Deadline.after(max(workspace.lock_timeout, _LEASE_SECONDS))
                ):
                    if last == _last(warehouse, schema) and is_current(prepared, warehouse):
                        yield Held(prepared, warehouse, ahead, after=last)
                        _remember(prepared, warehouse)
                        return
        prepared = prepared.request.prepared(prepared.workspace)
    raise _unsettled()


def _last(warehouse: Warehouse, schema: str) -> int:
    """The number of an environment's last publication; 0 if there is none."""
    last = warehouse.publications.last(schema)
    return last.id if last else 0


def _need_releases(prepared: Prepared, warehouse: Warehouse) -> None:
    """Raise GitError if production would lose a release of another clone."""
    if prepared.environment.is_production and not prepared.options.force:
        refuse_to_lose(prepared.workspace, warehouse)


def _unsettled() -> FileFault:
    return FileFault(
        "The branch, its raw data or its environment keeps changing.",
        "Run the same command again when it lies still.",
    )


def _opened(prepared: Prepared, path: Path, ahead: Ahead) -> AbstractContextManager[Warehouse]:
    """Hold the warehouse. A run that has built beside it waits a while for those who read, as they
    did not have to wait for it."""
    workspace, reach = prepared.workspace, reach_of_run(prepared)
    marks = workspace.marks
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
    files = [file for built in ahead.progress.built.values() for file in built.files]
    if files and ahead.work.root.kept.faults(files):
        return False  # `gc` found nobody yet who needs them
    is_taken = warehouse.take(ahead.file)
    if is_taken:
        remove_aside(ahead.file)
    return is_taken


def _remember(prepared: Prepared, warehouse: Warehouse) -> None:
    workspace, version = prepared.workspace, warehouse.leave()
    if version is None:
        return
    location = workspace.warehouse_location
    # A lake on a server is looked at anew after each commit in any case.
    if isinstance(location, Path) or not location.is_shared:
        schemas = (prepared.environment.production_schema, prepared.environment.schema)
        remember_loads(warehouse, location, workspace.cache, schemas, version)
    remember_showing(workspace, warehouse, version)
