"""A warehouse that is a DuckDB file, which one process at a time may write. `opening` chooses it by
the address."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from seeknal_git.sql.sandbox import NOTHING, Reach
from seeknal_git.warehouse import protocol
from seeknal_git.warehouse.catalog import Catalog
from seeknal_git.warehouse.connection import leave, opened, opened_for_state
from seeknal_git.warehouse.deadline import NO_WAIT, Deadline
from seeknal_git.warehouse.deliveries import DeliveryRecords
from seeknal_git.warehouse.environments import EnvironmentViews
from seeknal_git.warehouse.file_version import file_version
from seeknal_git.warehouse.location import Lake, Location
from seeknal_git.warehouse.model.unused import Outdated
from seeknal_git.warehouse.publications import PublicationRecords
from seeknal_git.warehouse.runs import RunRecords
from seeknal_git.warehouse.snapshots import SnapshotTables

if TYPE_CHECKING:
    from seeknal_git.warehouse.owner import Owner
    from seeknal_git.warehouse.protocol import Warehouse


@contextmanager
def open_warehouse(
    location: Location | None,
    owner: Owner | None,
    *,
    read_only: bool = False,
    deadline: Deadline = NO_WAIT,
    reach: Reach = NOTHING,
) -> Iterator[Warehouse]:
    """The warehouse at a path, as `connection.opened` opens it."""
    path = _path(location)
    with opened(path, owner, read_only=read_only, deadline=deadline, reach=reach) as catalog:
        yield DuckDBFile(path, catalog, owner)


@contextmanager
def open_for_state(
    location: Location | None, owner: Owner | None, deadline: Deadline = NO_WAIT
) -> Iterator[Warehouse]:
    """A warehouse for reading its state, as `connection.opened_for_state` opens it."""
    path = _path(location)
    with opened_for_state(path, owner, deadline) as catalog:
        yield DuckDBFile(path, catalog, owner)


def _path(location: Location | None) -> Path | None:
    assert not isinstance(location, Lake), "opening chose this module"
    return location


class DuckDBFile(protocol.Warehouse):
    """An open DuckDB file, or an empty warehouse in memory. The parts that few commands use are
    imported when one does."""

    def __init__(self, path: Location | None, catalog: Catalog, owner: Owner | None) -> None:
        self._path = path
        self._owner = owner
        self._connection = catalog.connection
        self._catalog = catalog

    @property
    def location(self) -> Location:
        return self._path or Path(":memory:")

    @property
    def snapshots(self) -> protocol.Snapshots:
        return SnapshotTables(self._connection, self._catalog)

    @property
    def environments(self) -> protocol.Environments:
        return EnvironmentViews(self._connection, self._catalog)

    @property
    def publications(self) -> protocol.Publications:
        return PublicationRecords(self._connection, self._catalog)

    @property
    def runs(self) -> protocol.Runs:
        return RunRecords(self._connection)

    @property
    def deliveries(self) -> protocol.Deliveries:
        return DeliveryRecords(self._connection, self._catalog.guard)

    @property
    def histories(self) -> protocol.Histories:
        from seeknal_git.warehouse.histories import HistoryTables

        return HistoryTables(self._connection)

    @property
    def scratch(self) -> protocol.Scratch:
        from seeknal_git.warehouse.scratch import ScratchTables

        return ScratchTables(self._connection, self._catalog)

    @property
    def queries(self) -> protocol.Queries:
        from seeknal_git.warehouse.query import UserQueries

        return UserQueries(self._connection, self._catalog)

    def builder(self) -> protocol.Builder:
        from seeknal_git.warehouse.builder import Builder

        # A connection that threads share fails.
        return Builder(self._connection.cursor(), self._catalog.built, self._catalog.guard)

    def more_builders(self, number: int) -> AbstractContextManager[Sequence[protocol.Builder]]:
        return nullcontext([self.builder() for _ in range(number)])

    @property
    def commit_seconds(self) -> float:
        return self._catalog.commit_seconds

    @property
    def takes_turns(self) -> bool:
        return False

    @property
    def version(self) -> str:
        return file_version(self._path) if isinstance(self._path, Path) else ""

    @property
    def stamp(self) -> str:
        return self._catalog.stamp()

    def take(self, file: Path) -> bool:
        from seeknal_git.warehouse.taking import take

        return take(self._catalog, file, self.stamp)

    def outdated(self) -> Outdated:
        return Outdated()

    forget_outdated = outdated

    def lease(self, _schema: str, _deadline: Deadline, /) -> AbstractContextManager[None]:
        return nullcontext()  # nobody else has the file

    def leave(self) -> str | None:
        path = self._path
        return leave(self._connection, path, self._owner) if isinstance(path, Path) else ""

    def interrupt(self) -> None:
        self._connection.interrupt()
