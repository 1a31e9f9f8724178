"""Look at what a SELECT returns, over tables that exist and tables made for the moment. Nothing is
written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import duckdb

from seeknal_git.names import qualified
from seeknal_git.sql.engine import SqlError, as_subquery, engine_words
from seeknal_git.warehouse import state
from seeknal_git.warehouse.model import Rows, relation
from seeknal_git.warehouse.values import selected


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
                found[node] = (schema, relation(shown.table))
    return found


def make_table(
    connection: duckdb.DuckDBPyConnection, name: str, sql: str, parameters: Mapping[str, Any]
) -> str:
    """Compute a table that lives as long as the connection, in place of one of that name. Raises
    SqlError.

    Returns it as SQL names it.
    """
    table = qualified("temp", "main", name)
    ask(connection, f"CREATE OR REPLACE TEMP TABLE {table} AS {sql}", parameters)
    return table


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
