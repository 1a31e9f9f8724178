"""A warehouse that is a DuckDB file, which one process at a time may write."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb

from seeknal_git.errors import WarehouseError
from seeknal_git.sql.sandbox import NOTHING, Reach
from seeknal_git.sql.statement import Columns
from seeknal_git.warehouse import (
    compare,
    publications,
    publish,
    query,
    scratch,
    snapshots,
    state,
    unused_tables,
)
from seeknal_git.warehouse.connection import opened, opened_for_state
from seeknal_git.warehouse.deadline import NO_WAIT, Deadline
from seeknal_git.warehouse.model import (
    Audit,
    Comparison,
    DeliveredPath,
    Delivery,
    Environment,
    Foreign,
    Listener,
    Move,
    Outcome,
    Publication,
    Published,
    Record,
    Rows,
    Rules,
    Run,
    Snapshot,
    Unnamed,
)
from seeknal_git.warehouse.owner import Owner
from seeknal_git.warehouse.protocol import Builder, Warehouse


@contextmanager
def open_warehouse(
    path: Path | None,
    owner: Owner | None,
    *,
    read_only: bool = False,
    deadline: Deadline = NO_WAIT,
    reach: Reach = NOTHING,
) -> Iterator[Warehouse]:
    """The warehouse at a path, as `connection.opened` opens it. An error of the engine that nobody
    has caught inside the block leaves it as one of ours."""
    with opened(path, owner, read_only=read_only, deadline=deadline, reach=reach) as connection:
        yield DuckDBFile(path or Path(":memory:"), connection)


@contextmanager
def open_for_state(
    path: Path | None, owner: Owner | None, deadline: Deadline = NO_WAIT
) -> Iterator[Warehouse]:
    """A warehouse for reading its state, as `open_warehouse` opens it. Run no query of a user and
    no SQL of a node in it: the next caller gets the same engine."""
    with opened_for_state(path, owner, deadline) as connection:
        yield DuckDBFile(path or Path(":memory:"), connection)


@contextmanager
def open_for_scratch(
    path: Path | None, owner: Owner | None, reach: Reach = NOTHING
) -> Iterator[Warehouse]:
    """A warehouse for reading, or an empty one in memory without a path. Nothing is written beside
    it. Raises WarehouseError if it cannot be read."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="seeknal-")))
        reach = replace(reach, spill=folder)
        yield stack.enter_context(
            open_warehouse(path, owner, read_only=path is not None, reach=reach)
        )


@contextmanager
def open_if_readable(
    path: Path | None, owner: Owner, reach: Reach
) -> Iterator[tuple[Warehouse, str | None]]:
    """A warehouse for reading, and None; or an empty one in memory, and why the other cannot be
    read."""
    with ExitStack() as stack:
        obstacle = None
        try:
            there = path if path is not None and path.exists() else None
            warehouse = stack.enter_context(open_for_scratch(there, owner, reach))
        except WarehouseError as exc:
            obstacle = exc.message
            warehouse = stack.enter_context(open_for_scratch(None, None, reach))
        yield warehouse, obstacle


@dataclass(frozen=True, slots=True)
class _Snapshots:
    connection: duckdb.DuckDBPyConnection

    def find(self, fingerprints: Iterable[str]) -> tuple[list[Snapshot], list[Snapshot]]:
        return state.snapshots(self.connection, fingerprints)

    def tables(self) -> set[str]:
        return state.tables_there(self.connection)

    def columns(self, tables: Sequence[str]) -> dict[str, Columns]:
        return state.columns_of(self.connection, tables)

    def readings(self, tables: Sequence[str]) -> dict[str, dict[str, Any]]:
        return state.readings(self.connection, tables)

    def audits(self, ids: Sequence[str]) -> dict[str, Audit]:
        return state.audits(self.connection, ids)

    def kept(self, rules: Rules) -> dict[str, str]:
        return unused_tables.kept_tables(self.connection, rules)

    def unnamed(self, kept: Collection[str]) -> list[Unnamed]:
        return unused_tables.unnamed(self.connection, kept)

    def drop(self, tables: Sequence[str]) -> None:
        unused_tables.drop_snapshots(self.connection, tables)


@dataclass(frozen=True, slots=True)
class _Environments:
    connection: duckdb.DuckDBPyConnection

    def all(self) -> dict[str, Environment]:
        return state.environments(self.connection)

    def shown(self, schema: str, at: int | None = None) -> dict[str, Published]:
        return state.published(self.connection, schema, at)

    def views(self, schema: str) -> dict[str, str]:
        return state.views_there(self.connection, schema)

    def made_by_others(self, schema: str, shown: Iterable[Published]) -> dict[str, Foreign]:
        return state.made_by_others(self.connection, schema, shown)

    def readers(self, schema: str) -> list[str]:
        return unused_tables.readers(self.connection, schema)

    def need_places(self, schema: str, views: Iterable[str]) -> None:
        publish.need_places(self.connection, schema, views)

    def delete(self, schema: str) -> tuple[Foreign, ...]:
        return publish.drop_environment(self.connection, schema)

    def was_deleted(self, schema: str) -> bool:
        return state.was_removed(self.connection, schema)


@dataclass(frozen=True, slots=True)
class _Publications:
    connection: duckdb.DuckDBPyConnection

    def publish(self, publication: Publication) -> Outcome:
        return publish.publish(self.connection, publication)

    def records(self, schema: str) -> list[Record]:
        return publications.records(self.connection, schema)

    def last(self, schema: str) -> Record | None:
        return publications.last_record(self.connection, schema)

    def moves(self, schema: str, ids: Sequence[int]) -> dict[int, list[Move]]:
        return publications.moves(self.connection, schema, ids)

    def lost(self, schema: str) -> dict[int, list[str]]:
        return publications.lost(self.connection, schema)

    def rows(self, schema: str, at: int) -> dict[str, int | None]:
        return publications.rows_of(self.connection, schema, at)

    def warnings(self, schema: str) -> list[str]:
        return state.warnings(self.connection, schema)

    def record_warnings(self, schema: str, warnings: Sequence[str]) -> None:
        state.record_warnings(self.connection, schema, warnings)


@dataclass(frozen=True, slots=True)
class _Runs:
    connection: duckdb.DuckDBPyConnection

    def begin(self, run_id: str, schema: str, command: str) -> None:
        state.begin_run(self.connection, run_id, schema, command)

    def end(self, run_id: str, status: str, message: str | None) -> None:
        state.end_run(self.connection, run_id, status, message)

    def last(self, schema: str) -> Run | None:
        return state.last_run(self.connection, schema)


@dataclass(frozen=True, slots=True)
class _Deliveries:
    connection: duckdb.DuckDBPyConnection

    def last(self, schema: str, at: int | None = None) -> dict[str, Delivery]:
        return publications.deliveries(self.connection, schema, at)

    def ever(self) -> list[DeliveredPath]:
        return state.delivered(self.connection)

    def paths(self) -> set[str]:
        return state.exposure_paths(self.connection)

    def record(self, schema: str, delivery: Delivery) -> None:
        state.record_exposure(self.connection, schema, delivery)

    def write(self, table: str, definition: Mapping[str, Any], target: Path) -> None:
        snapshots.write_exposure(self.connection, table, definition, target)


@dataclass(frozen=True, slots=True)
class _Scratch:
    connection: duckdb.DuckDBPyConnection

    def built(
        self, schemas: Iterable[str], fingerprints: Mapping[str, str]
    ) -> dict[str, tuple[str, str]]:
        return scratch.built_tables(self.connection, schemas, fingerprints)

    def table(self, name: str, sql: str, parameters: Mapping[str, Any]) -> str:
        return scratch.make_table(self.connection, name, sql, parameters)

    def view(self, name: str, relation: str, columns: Columns) -> str:
        return compare.make_view(self.connection, name, relation, columns)

    def shuffled(self, name: str, relation: str, number: int) -> str:
        return compare.shuffled(self.connection, name, relation, number)

    def columns(self, sql: str) -> Columns:
        return compare.columns_of(self.connection, sql)

    def first_rows(self, sql: str, parameters: Mapping[str, Any], limit: int) -> Rows:
        return scratch.first_rows(self.connection, sql, parameters, limit)

    def count(self, sql: str) -> int:
        return scratch.count_rows(self.connection, sql)

    def compare(self, before: str, after: str, columns: Columns) -> Comparison:
        return compare.compare(self.connection, before, after, columns)

    def in_one_order(self) -> AbstractContextManager[None]:
        return compare.one_thread(self.connection)


@dataclass(frozen=True, slots=True)
class _Queries:
    connection: duckdb.DuckDBPyConnection

    def ask(self, schema: str, sql: str, listener: Listener) -> None:
        query.ask(self.connection, schema, sql, listener)

    def ask_past(
        self, schema: str, views: Iterable[Published], sql: str, listener: Listener
    ) -> None:
        query.ask_past(self.connection, schema, views, sql, listener)


class DuckDBFile:
    """See `protocol.Warehouse`."""

    def __init__(self, path: Path, connection: duckdb.DuckDBPyConnection) -> None:
        self.path = path
        self._connection = connection
        self.snapshots = _Snapshots(connection)
        self.environments = _Environments(connection)
        self.publications = _Publications(connection)
        self.runs = _Runs(connection)
        self.deliveries = _Deliveries(connection)
        self.scratch = _Scratch(connection)
        self.queries = _Queries(connection)

    def builder(self) -> Builder:
        return snapshots.Builder(self._connection.cursor())  # a connection that threads share fails

    def interrupt(self) -> None:
        self._connection.interrupt()
