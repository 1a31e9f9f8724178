"""Refuse a warehouse that holds more than tables in our own schemas, before anything of it is read.

A view with the name of a table of ours, a default, a trigger: each would run somebody's SQL in our
process. Only catalogs are read here, in which the engine binds nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING

from seeknal_git.errors import WarehouseError, WarehouseRefused, some
from seeknal_git.names import SNAPSHOTS, STATE, STATE_SCHEMA
from seeknal_git.warehouse.state_tables import (
    EARLIEST,
    LATER_COLUMNS,
    LATEST,
    always_there,
    first_columns,
)

if TYPE_CHECKING:
    import duckdb

    from seeknal_git.warehouse.location import Location

_NAMED = 3
# The engine ignores the case of schemas and tables, and quotes a name that is a word of `_RUNS`.
_IN_OURS = f"lower(schema_name) IN ('{STATE_SCHEMA}', '{SNAPSHOTS}')"
_OURS = f"database_name = 'warehouse' AND {_IN_OURS}"
_RUNS = r"\b(DEFAULT|GENERATED|CHECK|REFERENCES|UNIQUE|PRIMARY)\b"
_TABLES = f"""
    SELECT schema_name, table_name,
        {_IN_OURS} AND (
            index_count > 0 OR check_constraint_count > 0 OR regexp_matches(
                regexp_replace(sql, '"[^"]*"|''[^'']*''', '', 'g'), '{_RUNS}'
            )
        ) AS runs,
        CASE WHEN lower(schema_name) = '{STATE_SCHEMA}' OR runs THEN sql END
    FROM duckdb_tables() WHERE database_name = 'warehouse'"""
_NAMES = """
    SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = 'warehouse'"""
_COLUMN = re.compile(r"[(,] ?(\w+) (\w+)(?=[,)])")
_OTHERS = {
    "view": ("duckdb_views()", "view_name"),
    "type": ("duckdb_types()", "type_name"),
    "sequence": ("duckdb_sequences()", "sequence_name"),
    "index": ("duckdb_indexes()", "index_name"),
    "trigger": ("duckdb_triggers()", "trigger_name"),
    "macro": ("duckdb_functions()", "function_name"),
}
# No SQL of ours looks for a function in the warehouse, so a macro runs nothing. To list macros
# costs as much as all the rest, so only a command that is about to write does.
_WHEN_WRITING = frozenset({"macro"})


def listed(connection: duckdb.DuckDBPyConnection) -> dict[str, list[str]]:
    """The tables of an attached warehouse that is known as sound: schema, in lower case → names."""
    tables: dict[str, list[str]] = {}
    for schema, table in connection.execute(_NAMES).fetchall():
        tables.setdefault(schema.lower(), []).append(table)
    return tables


def inspected(
    connection: duckdb.DuckDBPyConnection, place: Location, *, writing: bool
) -> dict[str, list[str]]:
    """The tables of an attached warehouse: schema, in lower case → names. Nothing of it runs here.
    Raises WarehouseRefused, or WarehouseError if a row is damaged."""
    tables: dict[str, list[str]] = {}
    wrong = []
    for schema, table, runs, sql in connection.execute(_TABLES).fetchall():
        tables.setdefault(schema.lower(), []).append(table)
        if runs:
            wrong.append(computing(f"{schema}.{table}"))
        elif sql is not None and (fault := fault_of(table.lower(), _kinds(table.lower(), sql))):
            wrong.append(f"the table {schema}.{table}, which {fault}")
    others = connection.execute(_not_tables(writing)).fetchall()
    wrong += [f"the {kind} {name}" for kind, name in others]
    need_nothing_wrong(place, wrong)
    need_whole_rows(connection, place, map(str.lower, tables.get(STATE_SCHEMA, ())))
    return tables


def need_nothing_wrong(place: Location, wrong: Sequence[str]) -> None:
    """Raise WarehouseRefused if anything is wrong with our schemas."""
    if wrong:
        raise WarehouseRefused(
            f"The warehouse {place} holds something in Seeknal's own schemas that Seeknal did not "
            f"make: {some(wrong, _NAMED)}. Nothing of it was read.",
            "Drop that, if the warehouse is yours; else move the file away: "
            "seeknal run builds it again.",
        )


def need_whole_rows(
    connection: duckdb.DuckDBPyConnection, place: Location, tables: Iterable[str]
) -> None:
    """Raise WarehouseError for a row that lacks a value, or has a time that Python cannot hold: the
    readers of the state rely on them."""
    conditions = {table: _broken(table) for table in tables}
    selects = [
        f"(SELECT '{table}' FROM {STATE}.{table} WHERE {condition} LIMIT 1)"
        for table, condition in conditions.items()
        if condition
    ]
    damaged = connection.execute(" UNION ALL ".join(selects)).fetchall() if selects else []
    if damaged:
        named = some([f"_seeknal.{table}" for (table,) in damaged], _NAMED)
        raise WarehouseError(
            f"The state of the warehouse {place} is damaged, or somebody else's: "
            f"a value is missing in {named}, or none that Seeknal writes.",
            "If the file is not yours, move it away: seeknal run builds it again.",
        )


def _broken(table: str) -> str:
    """The condition for a row that is not whole; "" if the table is not ours."""
    wrong = [f"{name} IS NULL" for name in always_there(table)]
    wrong += [
        f"{name} NOT BETWEEN {EARLIEST} AND {LATEST}"
        for name, kind in first_columns(table).items()
        if kind == "TIMESTAMP"
    ]
    if table == "publication_nodes":
        wrong.append("snapshot_id IS NOT NULL AND (table_name IS NULL OR fingerprint IS NULL)")
    return " OR ".join(wrong)


def computing(table: str) -> str:
    """A table of ours that runs somebody's SQL, in a message."""
    return f"the table {table}, which computes values, or has an index"


def _kinds(table: str, sql: str) -> dict[str, str]:
    """Column → type, of the CREATE TABLE of a state table; "" for a type that is not one word."""
    later = [name for name in LATER_COLUMNS.get(table, {}) if re.search(rf"\b{name} ", sql)]
    found = _COLUMN.findall(sql.replace('"', ""))
    return dict.fromkeys(later, "") | {name.lower(): kind for name, kind in found}


def fault_of(table: str, kinds: Mapping[str, str]) -> str | None:
    """The fault of a state table, as the end of a sentence. kinds: column → type."""
    later = LATER_COLUMNS.get(table, {})
    wanted = first_columns(table) | {name: later[name] for name in later.keys() & kinds.keys()}
    wrong = [name for name, kind in wanted.items() if kinds.get(name) != kind]
    return f"has no column {wrong[0]} of the right type" if wrong else None


def _not_tables(writing: bool) -> str:
    """The SELECT of everything in our schemas that is not a table: its kind and name."""
    selects = [
        f"SELECT '{kind}', schema_name || '.' || {column} FROM {catalog} WHERE {_OURS}"
        for kind, (catalog, column) in _OTHERS.items()
        if (writing or kind not in _WHEN_WRITING) and (kind != "trigger" or _has_triggers())
    ]
    return " UNION ALL ".join(selects)


@cache
def _has_triggers() -> bool:
    """DuckDB 2 is the first that has them."""
    import duckdb

    return int(duckdb.__version__.partition(".")[0]) > 1
