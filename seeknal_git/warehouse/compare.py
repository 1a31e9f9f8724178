"""Compare what two SELECTs return, in the engine: temporary tables, and EXCEPT ALL both ways.
Nothing is written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from seeknal_git.names import qualified, quote
from seeknal_git.sql.statement import Columns
from seeknal_git.warehouse.model import Comparison, Rest
from seeknal_git.warehouse.scratch import ask, make_table
from seeknal_git.warehouse.values import selected

_SHOWN = 5
# A sum of floats depends on the order in which threads add; a FLOAT has half of the digits.
_TOLERANCE = {"DOUBLE": "1e-9", "FLOAT": "1e-6"}


@contextmanager
def one_thread(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """What is computed within is added up in the same order each time."""
    connection.execute("SET threads = 1")
    try:
        yield
    finally:
        connection.execute("RESET threads")


def columns_of(connection: duckdb.DuckDBPyConnection, sql: str) -> Columns:
    """The columns (name, type) that a SELECT returns, without executing it. Raises SqlError where
    it does not bind."""
    return tuple((row[0], row[1]) for row in ask(connection, f"DESCRIBE {sql}").fetchall())


def make_view(
    connection: duckdb.DuckDBPyConnection, name: str, relation: str, columns: Columns
) -> str:
    """A temporary view of some columns of a table, called as in `columns`. Raises SqlError where
    one is not there."""
    view = qualified("temp", "main", name)
    chosen = ", ".join(f"{quote(column)} AS {quote(column)}" for column, _ in columns)
    ask(connection, f"CREATE OR REPLACE TEMP VIEW {view} AS SELECT {chosen} FROM {relation}")
    return view


def shuffled(connection: duckdb.DuckDBPyConnection, name: str, relation: str, number: int) -> str:
    """A temporary table of the same rows in another order: each order is followed by its
    reverse."""
    direction = "DESC" if number % 2 else "ASC"
    sql = f"SELECT t.* FROM {relation} AS t ORDER BY hash(t, {number // 2}) {direction}"
    return make_table(connection, name, sql, {})


def compare(
    connection: duckdb.DuckDBPyConnection, before: str, after: str, columns: Columns
) -> Comparison:
    """Compare two tables as bags of rows, on columns that both have, of the same types. Raises
    SqlError."""
    rows = int(ask(connection, f"SELECT count(*) FROM {before}").fetchall()[0][0])
    gone = _rest(connection, "only_before", before, after, columns)
    come = _rest(connection, "only_after", after, before, columns)
    floats = any(word in _TOLERANCE for _, word in columns)
    rounded = floats and gone.count == come.count > 0 and _nearly_equal(connection, columns)
    return Comparison(rows, gone, come, rounded)


def _rest(
    connection: duckdb.DuckDBPyConnection, name: str, table: str, other: str, columns: Columns
) -> Rest:
    """The rows that a table has more often than the other, in an order that does not hang on
    floats."""
    names = ", ".join(quote(column) for column, _ in columns)
    order = sorted(
        range(1, len(columns) + 1), key=lambda place: columns[place - 1][1] in _TOLERANCE
    )
    both = f"(SELECT {names} FROM {table}) EXCEPT ALL (SELECT {names} FROM {other})"
    relation = make_table(connection, name, f"{both} ORDER BY {', '.join(map(str, order))}", {})
    count = int(ask(connection, f"SELECT count(*) FROM {relation}").fetchall()[0][0])
    return Rest(count, tuple(selected(connection, f"FROM {relation} LIMIT {_SHOWN}")[2]))


def _nearly_equal(connection: duckdb.DuckDBPyConnection, columns: Columns) -> bool:
    """Whether what only the one has is what only the other has, but for the last digits of
    floats."""
    wrong = " OR ".join(f"NOT ({_near(quote(name), word)})" for name, word in columns)
    pairs = '"temp"."main"."only_before" AS b POSITIONAL JOIN "temp"."main"."only_after" AS a'
    return not ask(connection, f"SELECT 1 FROM {pairs} WHERE {wrong} LIMIT 1").fetchall()


def _near(name: str, word: str) -> str:
    same = f"b.{name} IS NOT DISTINCT FROM a.{name}"
    if word not in _TOLERANCE:
        return same
    finite = f"coalesce(isfinite(b.{name}) AND isfinite(a.{name}), false)"
    size = f"greatest(1, abs(b.{name}), abs(a.{name}))"
    return f"{same} OR ({finite} AND abs(b.{name} - a.{name}) <= {_TOLERANCE[word]} * {size})"
