"""Compare tables and views of two databases by their rows, whatever their order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seeknal_git.names import SNAPSHOTS, qualified
from seeknal_git.warehouse.pieces import hash_of_row

if TYPE_CHECKING:
    import duckdb

    from seeknal_git.sql.statement import Columns

Digest = tuple[int, str]


def columns_in(connection: duckdb.DuckDBPyConnection, rows: str) -> Columns:
    """The columns of rows in SQL, with their types."""
    found = connection.execute(f"DESCRIBE FROM {rows}").fetchall()
    return tuple((name, word) for name, word, *_ in found)


def digest(connection: duckdb.DuckDBPyConnection, rows: str, columns: Columns) -> Digest:
    """The number of some rows, and the sum of their hashes: of a row that is there twice, each
    counts."""
    if not columns:
        return (0, "")
    found = connection.execute(
        f"SELECT count(*), sum(h)::VARCHAR FROM (SELECT {hash_of_row(columns)} AS h FROM {rows})"
    ).fetchall()
    return (found[0][0], found[0][1] or "")


def differing(
    connection: duckdb.DuckDBPyConnection, one: str, other: str, columns: Columns
) -> list[str]:
    """The columns whose values are not alike in two tables, with their types."""
    return [
        f"{name} ({word})"
        for name, word in columns
        if digest(connection, one, ((name, word),)) != digest(connection, other, ((name, word),))
    ]


def snapshot_in(database: str, table: str) -> str:
    return qualified(database, SNAPSHOTS, table)
