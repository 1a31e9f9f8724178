"""A warehouse that is a lake: several machines may write it at once. `opening` chooses it by the
location."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import partial
from typing import TYPE_CHECKING

import duckdb

from seeknal_git.errors import WarehouseError
from seeknal_git.sql.sandbox import NOTHING, Reach
from seeknal_git.warehouse import protocol
from seeknal_git.warehouse.deadline import NO_WAIT, Deadline
from seeknal_git.warehouse.duckdb_file import DuckDBFile
from seeknal_git.warehouse.lake_connection import another_engine, opened, opened_for_state
from seeknal_git.warehouse.location import Lake, Location

if TYPE_CHECKING:
    from seeknal_git.warehouse.catalog import Catalog
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
    more = partial(another_engine, location, owner, reach, deadline)
    with opened(location, owner, read_only=read_only, deadline=deadline, reach=reach) as catalog:
        yield DuckLake(location, catalog, owner, more)


@contextmanager
def open_for_state(
    location: Location | None, owner: Owner | None, deadline: Deadline = NO_WAIT
) -> Iterator[protocol.Warehouse]:
    """A lake for reading its state, as `lake_connection.opened_for_state` opens it."""
    assert isinstance(location, Lake), "opening chose this module"
    more = partial(another_engine, location, owner, NOTHING, deadline)
    with opened_for_state(location, owner, deadline) as catalog:
        yield DuckLake(location, catalog, owner, more)


# Of an engine that builds. To read CSV files, it takes 1.5 GiB at once.
_LEAST_BYTES = 2 << 30


class DuckLake(DuckDBFile):
    """An open lake."""

    def __init__(
        self,
        location: Lake,
        catalog: Catalog,
        owner: Owner | None,
        another: Callable[[], duckdb.DuckDBPyConnection],
    ) -> None:
        """another: makes an engine for it."""
        super().__init__(location, catalog, owner)
        self._lake = location
        self._another = another

    def builder(self) -> protocol.Builder:
        return self._builder(self._connection.cursor())

    @contextmanager
    def more_builders(self, number: int) -> Iterator[Sequence[protocol.Builder]]:
        """Each has an engine, and all have an equal share of the memory of one."""
        rows = self._connection.execute("SELECT current_setting('memory_limit')").fetchall()
        whole = str(rows[0][0])
        number = min(number, _bytes(whole) // _LEAST_BYTES - 1)
        if number < 1:
            yield ()
            return
        with ThreadPoolExecutor(number) as pool:
            opened = [pool.submit(self._another) for _ in range(number)]
        refused = [one for one in opened if isinstance(one.exception(), WarehouseError)]
        connections = [one.result() for one in opened if one not in refused]
        share = f"SET memory_limit = '{_bytes(whole) // (1 + len(connections)) >> 20}MiB'"
        try:
            for connection in [self._connection, *connections]:
                with suppress(duckdb.OutOfMemoryException):  # it has more in use
                    connection.execute(share)
            yield [self._builder(connection) for connection in connections]
        finally:
            with suppress(duckdb.Error):  # the run broke off
                self._connection.execute(f"SET memory_limit = '{whole}'")

    def _builder(self, connection: duckdb.DuckDBPyConnection) -> protocol.Builder:
        from seeknal_git.warehouse.lake_builder import LakeBuilder

        return LakeBuilder(connection, self._catalog.built, self._catalog.guard)

    @property
    def version(self) -> str:
        return self.stamp

    @property
    def takes_turns(self) -> bool:
        # Another builder has another engine, and only a server takes several.
        return not self._lake.is_shared

    def outdated(self) -> Outdated:
        from seeknal_git.warehouse.lake_past import outdated

        return outdated(self._connection)

    def forget_outdated(self) -> Outdated:
        from seeknal_git.warehouse.lake_past import forget

        return forget(self._connection)

    def lease(self, schema: str, deadline: Deadline, /) -> AbstractContextManager[None]:
        if not self._lake.is_shared:
            return nullcontext()  # of two transactions, the file of the catalog takes one
        from seeknal_git.warehouse.lease import leased

        return leased(self._lake, schema, deadline)

    def leave(self) -> str | None:
        return self.version  # of all that is written; others may write more at any moment


def _bytes(text: str) -> int:
    """The number of bytes that the engine writes as `18.8 GiB`."""
    number, unit = text.split()
    return int(float(number) * 1024 ** "BKMGTPE".index(unit[0].upper()))
