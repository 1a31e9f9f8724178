"""Compare two tables in the engine: temporary tables, and EXCEPT ALL both ways."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seeknal_git.names import qualified, quote
from seeknal_git.warehouse.model.answers import Comparison, Rest
from seeknal_git.warehouse.results import selected

if TYPE_CHECKING:
    import duckdb

    from seeknal_git.sql.statement import Columns

_SHOWN = 5
# A sum of floats depends on the order in which threads add; a FLOAT has half of the digits.
_TOLERANCE = {"DOUBLE": "1e-9", "FLOAT": "1e-6"}
_BEFORE, _AFTER = (qualified("temp", "main", name) for name in ("only_before", "only_after"))


def compare(
    connection: duckdb.DuckDBPyConnection, before: str, after: str, columns: Columns
) -> Comparison:
    """Compare two tables as bags of rows, on columns that both have with the same types. Leaves
    errors of the engine to the caller."""
    rows = _count(connection, before)
    only_before = _rest(connection, _BEFORE, before, after, columns)
    only_after = _rest(connection, _AFTER, after, before, columns)
    has_floats = any(kind in _TOLERANCE for _, kind in columns)
    is_rounded = (
        has_floats
        and only_before.count == only_after.count > 0
        and _nearly_equal(connection, columns)
    )
    return Comparison(rows, only_before, only_after, is_rounded)


def _rest(
    connection: duckdb.DuckDBPyConnection, name: str, table: str, other: str, columns: Columns
) -> Rest:
    """The rows that a table has more often than the other, in an order that does not depend on
    floats."""
    names = ", ".join(quote(column) for column, _ in columns)
    order = sorted(range(len(columns)), key=lambda place: columns[place][1] in _TOLERANCE)
    places = ", ".join(str(place + 1) for place in order)
    difference = f"(SELECT {names} FROM {table}) EXCEPT ALL (SELECT {names} FROM {other})"
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {difference} ORDER BY {places}")
    _, _, rows = selected(connection, f"FROM {name} LIMIT {_SHOWN}")
    return Rest(_count(connection, name), tuple(rows))


def _count(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    return int(connection.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0])


def _nearly_equal(connection: duckdb.DuckDBPyConnection, columns: Columns) -> bool:
    """Whether the rows of only one table are those of only the other, except for the last digits of
    floats."""
    differs = " OR ".join(f"NOT ({_near(quote(name), kind)})" for name, kind in columns)
    rows = connection.execute(
        f"SELECT 1 FROM {_BEFORE} AS b POSITIONAL JOIN {_AFTER} AS a WHERE {differs} LIMIT 1"
    ).fetchall()
    return not rows


def _near(name: str, kind: str) -> str:
    same = f"b.{name} IS NOT DISTINCT FROM a.{name}"
    if kind not in _TOLERANCE:
        return same
    finite = f"coalesce(isfinite(b.{name}) AND isfinite(a.{name}), false)"
    size = f"greatest(1, abs(b.{name}), abs(a.{name}))"
    return f"{same} OR ({finite} AND abs(b.{name} - a.{name}) <= {_TOLERANCE[kind]} * {size})"
