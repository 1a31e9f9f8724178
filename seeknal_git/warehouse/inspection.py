"""Refuse a warehouse in which more than tables stands in our own schemas, before anything of it is
read.

A view that is called like a table of ours, a default, a trigger: each would run somebody's SQL in
our process. Only catalogs are read here, in which the engine binds nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from seeknal_git.errors import WarehouseError, WarehouseRefused, some
from seeknal_git.names import SNAPSHOTS, STATE, STATE_SCHEMA
from seeknal_git.warehouse.state import LATER_COLUMNS, always_there, first_columns

if TYPE_CHECKING:
    import duckdb

_NAMED = 3
# The engine has schemas and tables without case, and quotes every name that is a word of these.
_OURS = f"database_name = 'warehouse' AND lower(schema_name) IN ('{STATE_SCHEMA}', '{SNAPSHOTS}')"
_RUNS = r"\b(DEFAULT|GENERATED|CHECK|REFERENCES|UNIQUE|PRIMARY)\b"
_TABLES = f"""
    SELECT lower(schema_name), schema_name || '.' || table_name, lower(table_name), sql,
        index_count > 0 OR check_constraint_count > 0
            OR regexp_matches(regexp_replace(sql, '"[^"]*"|''[^'']*''', '', 'g'), '{_RUNS}') AS runs
    FROM duckdb_tables() WHERE {_OURS} AND (lower(schema_name) = '{STATE_SCHEMA}' OR runs)"""
_COLUMN = re.compile(r"[(,] ?(\w+) (\w+)(?=[,)])")
_OTHERS = {
    "view": ("duckdb_views()", "view_name"),
    "type": ("duckdb_types()", "type_name"),
    "sequence": ("duckdb_sequences()", "sequence_name"),
    "index": ("duckdb_indexes()", "index_name"),
    "trigger": ("duckdb_triggers()", "trigger_name"),
    "macro": ("duckdb_functions()", "function_name"),
}
# No SQL of ours looks for a function in the warehouse, so that a macro runs nothing; and to list
# them costs as much as all the rest. Who is about to write looks all the same.
_WHEN_WRITING = frozenset({"macro"})


def inspected(
    connection: duckdb.DuckDBPyConnection, path: Path, *, writing: bool
) -> frozenset[str]:
    """The state tables of an attached warehouse; nothing of it has run then. Raises
    WarehouseRefused."""
    tables = connection.execute(_TABLES).fetchall()
    wrong = [
        f"the table {name}, which {why}" for _, name, *rest in tables if (why := _fault(*rest))
    ]
    wrong += [f"the {kind} {name}" for kind, name in _not_tables(connection, writing)]
    if wrong:
        raise WarehouseRefused(
            f"The warehouse {path} holds something in Seeknal's own schemas that Seeknal did not make: "
            f"{some(wrong, _NAMED)}. Nothing of it was read.",
            "Drop that, if the warehouse is yours; else move the file away: seeknal run builds it again.",
        )
    state_tables = frozenset(name for schema, _, name, *_ in tables if schema == STATE_SCHEMA)
    _need_whole_rows(connection, path, state_tables)
    return state_tables


def _need_whole_rows(
    connection: duckdb.DuckDBPyConnection, path: Path, tables: Iterable[str]
) -> None:
    """Raise WarehouseError for a row that lacks a value, or that has a time that Python cannot
    hold: whoever reads the state counts on them."""
    asked = [(table, wrong) for table in tables if (wrong := _broken(table))]
    looks = [
        f"(SELECT '{table}' FROM {STATE}.{table} WHERE {wrong} LIMIT 1)" for table, wrong in asked
    ]
    found = connection.execute(" UNION ALL ".join(looks)).fetchall() if looks else []
    if found:
        named = some([f"_seeknal.{table}" for (table,) in found], _NAMED)
        raise WarehouseError(
            f"The state of the warehouse {path} is damaged, or somebody else's: a value is missing in {named}, or none "
            "that Seeknal writes.",
            "If the file is not yours, move it away: seeknal run builds it again.",
        )


def _broken(table: str) -> str:
    """The condition of a row that is not whole; "" if it is no table of ours."""
    wrong = [f"{name} IS NULL" for name in always_there(table)]
    times = (name for name, kind in first_columns(table).items() if kind == "TIMESTAMP")
    wrong += [
        f"{name} NOT BETWEEN TIMESTAMP '1970-01-01' AND TIMESTAMP '9000-01-01'" for name in times
    ]
    if table == "publication_nodes":
        wrong.append("snapshot_id IS NOT NULL AND (table_name IS NULL OR fingerprint IS NULL)")
    return " OR ".join(wrong)


def _fault(table: str, sql: str, runs: bool) -> str | None:
    if runs:
        return "computes values, or has an index"
    kinds = {name.lower(): kind for name, kind in _COLUMN.findall(sql.replace('"', ""))}
    first, later = first_columns(table), LATER_COLUMNS.get(table, {})
    wrong = [name for name, kind in first.items() if kinds.get(name) != kind]
    wrong += [
        name
        for name, kind in later.items()
        if re.search(rf"\b{name} ", sql) and kinds.get(name) != kind
    ]
    return f"has no column {wrong[0]} of the right type" if wrong else None


def _not_tables(connection: duckdb.DuckDBPyConnection, writing: bool) -> Iterator[tuple[str, str]]:
    kinds = [each for each in _OTHERS if writing or each not in _WHEN_WRITING]
    selects = (
        f"SELECT '{kind}', schema_name || '.' || {column} FROM {table} WHERE {_OURS}"
        for kind in kinds
        for table, column in [_OTHERS[kind]]
        if kind != "trigger" or _has_triggers()
    )
    yield from connection.execute(" UNION ALL ".join(selects)).fetchall()


@cache
def _has_triggers() -> bool:
    """DuckDB 2 is the first that has them."""
    import duckdb

    return int(duckdb.__version__.partition(".")[0]) > 1
