"""A warehouse that is a lake: several machines may write it at once. `opening` chooses it by the
location."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING

from seeknal_git.sql.sandbox import NOTHING, Reach
from seeknal_git.warehouse import protocol
from seeknal_git.warehouse.deadline import NO_WAIT, Deadline
from seeknal_git.warehouse.duckdb_file import DuckDBFile
from seeknal_git.warehouse.lake_connection import opened, opened_for_state
from seeknal_git.warehouse.location import SQLITE, Lake, Location

if TYPE_CHECKING:
    from seeknal_git.warehouse.model.unused import Outdated
    from seeknal_git.warehouse.owner import Owner


@contextmanager
def open_warehouse(
    location: Location | None,
    owner: Owner | None,
    *,
    read_only: bool = False,
    deadline: Deadline = NO_WAIT,
    reach: Reach = NOTHING,
) -> Iterator[protocol.Warehouse]:
    """The lake at a location, as `lake_connection.opened` opens it."""
    assert isinstance(location, Lake), "opening chose this module"
    with opened(location, owner, read_only=read_only, deadline=deadline, reach=reach) as catalog:
        yield DuckLake(location, catalog, owner)


@contextmanager
def open_for_state(
    location: Location | None, owner: Owner | None, deadline: Deadline = NO_WAIT
) -> Iterator[protocol.Warehouse]:
    """A lake for reading its state, as `lake_connection.opened_for_state` opens it."""
    assert isinstance(location, Lake), "opening chose this module"
    with opened_for_state(location, owner, deadline) as catalog:
        yield DuckLake(location, catalog, owner)


class DuckLake(DuckDBFile):
    """An open lake."""

    def builder(self) -> protocol.Builder:
        from seeknal_git.warehouse.lake_builder import LakeBuilder

        return LakeBuilder(self._connection.cursor(), self._catalog.built, self._catalog.guard)

    @property
    def version(self) -> str:
        return self.stamp

    @property
    def takes_turns(self) -> bool:
        # Each transaction has a connection to the catalog. SQLite refuses one that has to wait.
        return isinstance(self._path, Lake) and self._path.catalog.startswith(SQLITE)

    def outdated(self) -> Outdated:
        from seeknal_git.warehouse.lake_past import outdated

        return outdated(self._connection)

    def forget_outdated(self) -> Outdated:
        from seeknal_git.warehouse.lake_past import forget

        return forget(self._connection)

    def lease(self, schema: str, deadline: Deadline, /) -> AbstractContextManager[None]:
        if not (isinstance(self._path, Lake) and self._path.is_shared):
            return nullcontext()  # of two transactions, the file of the catalog takes one
        from seeknal_git.warehouse.lease import leased

        return leased(self._path, schema, deadline)

    def leave(self) -> str | None:
        return self.version  # of all that is written; others may write more at any moment
