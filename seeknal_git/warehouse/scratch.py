"""Look at what a SELECT returns, over tables that exist and tables made for the moment. Nothing is
written."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb

from seeknal_git.errors import WarehouseError
from seeknal_git.names import qualified
from seeknal_git.sql.engine import SqlError, as_subquery, engine_words
from seeknal_git.sql.sandbox import NOTHING, Reach
from seeknal_git.warehouse import state
from seeknal_git.warehouse.connection import open_warehouse
from seeknal_git.warehouse.owner import Owner
from seeknal_git.warehouse.values import selected


@dataclass(frozen=True, slots=True)
class Rows:
    """The first rows of a result, and the name and type of each column; `more` where there are
    others."""

    columns: tuple[tuple[str, str], ...]
    rows: tuple[tuple[Any, ...], ...]
    more: bool


@contextmanager
def read_only(
    path: Path | None, owner: Owner | None, reach: Reach = NOTHING
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A warehouse, for reading; without a path an empty one in memory. Raises WarehouseError if it
    cannot be read."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="seeknal-")))
        yield stack.enter_context(
            open_warehouse(
                path, owner, read_only=path is not None, reach=replace(reach, spill=folder)
            )
        ).connection


@contextmanager
def reading(
    path: Path | None, owner: Owner, reach: Reach
) -> Iterator[tuple[duckdb.DuckDBPyConnection, str | None]]:
    """The warehouse, for reading; where it cannot be read an empty one in memory, and why."""
    with ExitStack() as stack:
        obstacle = None
        try:
            connection = stack.enter_context(
                read_only(path if path is not None and path.exists() else None, owner, reach)
            )
        except WarehouseError as exc:
            obstacle = exc.message
            connection = stack.enter_context(read_only(None, None, reach))
        yield connection, obstacle


def built_tables(
    connection: duckdb.DuckDBPyConnection, schemas: Iterable[str], fingerprints: Mapping[str, str]
) -> dict[str, tuple[str, str]]:
    """Node → (schema, relation) for nodes that an environment shows as they are defined now;
    earlier schemas win."""
    if not state.has_state(connection):
        return {}
    there, found = state.tables_there(connection), {}
    for schema in schemas:
        for node, shown in state.published(connection, schema).items():
            if (
                shown.fingerprint == fingerprints.get(node)
                and shown.table in there
                and node not in found
            ):
                found[node] = (schema, state.relation(shown.table))
    return found


def make_table(
    connection: duckdb.DuckDBPyConnection, name: str, sql: str, parameters: Mapping[str, Any]
) -> str:
    """Compute a table that lives as long as the connection, in place of one of that name. Raises
    SqlError.

    Returns it as SQL names it.
    """
    relation = qualified("temp", "main", name)
    ask(connection, f"CREATE OR REPLACE TEMP TABLE {relation} AS {sql}", parameters)
    return relation


def first_rows(
    connection: duckdb.DuckDBPyConnection, sql: str, parameters: Mapping[str, Any], limit: int
) -> Rows:
    """Raises SqlError, whose line counts from the beginning of `sql`."""
    try:
        names, words, rows = selected(
            connection, f"SELECT * FROM {as_subquery(sql)} LIMIT {limit + 1}", parameters
        )
    except duckdb.Error as exc:
        raise SqlError(*engine_words(exc)) from exc
    return Rows(tuple(zip(names, words, strict=True)), tuple(rows[:limit]), len(rows) > limit)


def count_rows(connection: duckdb.DuckDBPyConnection, sql: str) -> int:
    """Raises SqlError."""
    return int(ask(connection, f"SELECT count(*) FROM {as_subquery(sql)}").fetchall()[0][0])


def ask(
    connection: duckdb.DuckDBPyConnection, sql: str, parameters: Mapping[str, Any] | None = None
) -> duckdb.DuckDBPyConnection:
    """Raises SqlError."""
    try:
        return connection.execute(sql, dict(parameters or {}))
    except duckdb.Error as exc:
        raise SqlError(*engine_words(exc)) from exc
