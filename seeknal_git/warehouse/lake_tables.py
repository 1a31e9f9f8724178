"""The tables of a lake, by the tables of its catalog.

The engine's own list of tables asks the catalog twice for each of them, also for those that are
gone. Here, one transaction asks a few times, however many there are. It sees all that is committed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from seeknal_git.names import SNAPSHOTS, STATE_SCHEMA, WAREHOUSE, qualified
from seeknal_git.sql.transaction import transaction
from seeknal_git.warehouse.state_tables import EARLIEST, LATEST

if TYPE_CHECKING:
    import duckdb

    from seeknal_git.warehouse.location import Lake

# The lake's words for the types of the state.
_TYPES = {
    "varchar": "VARCHAR",
    "int64": "BIGINT",
    "int32": "INTEGER",
    "float64": "DOUBLE",
    "boolean": "BOOLEAN",
    "timestamp": "TIMESTAMP",
}
_NAMES = """
SELECT s.schema_name, t.table_name
FROM {0}.ducklake_table t JOIN {0}.ducklake_schema s USING (schema_id)
WHERE t.end_snapshot IS NULL AND s.end_snapshot IS NULL"""
_COLUMNS = f"""
SELECT t.table_name, c.column_name, c.column_type,
    coalesce(n.record_count, 0) > 0 AND coalesce(a.contains_null, true), coalesce(
        c.column_type <> 'timestamp' OR coalesce(n.record_count, 0) = 0 OR (
            TRY_CAST(a.min_value AS TIMESTAMP) >= {EARLIEST}
            AND TRY_CAST(a.max_value AS TIMESTAMP) <= {LATEST}
        ), false
    )
FROM {{0}}.ducklake_column c
JOIN {{0}}.ducklake_table t USING (table_id) JOIN {{0}}.ducklake_schema s USING (schema_id)
LEFT JOIN {{0}}.ducklake_table_stats n USING (table_id)
LEFT JOIN {{0}}.ducklake_table_column_stats a USING (table_id, column_id)
WHERE c.end_snapshot IS NULL AND t.end_snapshot IS NULL AND s.end_snapshot IS NULL
    AND c.parent_column IS NULL AND lower(s.schema_name) = '{STATE_SCHEMA}'"""
# A lake writes the word NULL for a column without a default.
_OTHERS = f"""
WITH ours AS (
    SELECT schema_id, schema_name FROM {{0}}.ducklake_schema
    WHERE end_snapshot IS NULL AND lower(schema_name) IN ('{STATE_SCHEMA}', '{SNAPSHOTS}')
)
SELECT 'view', schema_name || '.' || view_name
FROM {{0}}.ducklake_view JOIN ours USING (schema_id) WHERE end_snapshot IS NULL
UNION ALL
SELECT 'macro', schema_name || '.' || macro_name
FROM {{0}}.ducklake_macro JOIN ours USING (schema_id) WHERE end_snapshot IS NULL
UNION ALL
SELECT DISTINCT 'table', schema_name || '.' || table_name FROM {{0}}.ducklake_column c
JOIN {{0}}.ducklake_table t USING (table_id) JOIN ours USING (schema_id)
WHERE c.end_snapshot IS NULL AND t.end_snapshot IS NULL
    AND coalesce(default_value, 'NULL') <> 'NULL'"""
_LAST = "SELECT concat_ws(' ', max(snapshot_id), max(snapshot_time)) FROM {0}.ducklake_snapshot"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a state table, as the catalog describes it."""

    type: str  # as the state has it; "" for another one
    may_lack: bool  # whether a row may lack its value
    is_in_time: bool  # whether its times, if it has any, are within the bounds of the state


@dataclass(frozen=True, slots=True)
class Found:
    """The tables of a lake."""

    names: dict[str, list[str]]  # schema, in lower case → tables
    state: dict[str, dict[str, Column]]  # state table → columns, all in lower case
    # Kind and name of each view and macro in our schemas, and of each table with a default.
    others: list[tuple[str, str]]


class LakeTables:
    """Asks the catalog of an attached lake for its tables."""

    def __init__(self, lake: Lake) -> None:
        schema = lake.schema or ("public" if lake.is_shared else "main")
        self._catalog = qualified(f"__ducklake_metadata_{WAREHOUSE}", schema)

    def names(self, connection: duckdb.DuckDBPyConnection) -> dict[str, list[str]]:
        """Schema, in lower case → its tables, outside of any transaction: one that has read a
        catalog in SQLite keeps the lake from committing there."""
        with connection.cursor() as own:
            return _by_schema(own.execute(_NAMES.format(self._catalog)).fetchall())

    def stamp(self, connection: duckdb.DuckDBPyConnection) -> str:
        """The number of the lake's last snapshot, and its time: another lake in the same place
        counts from zero."""
        rows = connection.execute(_LAST.format(self._catalog)).fetchall()
        return str(rows[0][0])

    def found(self, connection: duckdb.DuckDBPyConnection) -> Found:
        """The tables, with everything of our own schemas that may be wrong."""
        with transaction(connection):
            names, columns, others = (
                connection.execute(query.format(self._catalog)).fetchall()
                for query in (_NAMES, _COLUMNS, _OTHERS)
            )
        state: dict[str, dict[str, Column]] = {}
        for table, name, type_, may_lack, is_in_time in columns:
            column = Column(_TYPES.get(type_, ""), may_lack, is_in_time)
            state.setdefault(table.lower(), {})[name.lower()] = column
        return Found(_by_schema(names), state, others)


def _by_schema(rows: list[tuple[str, str]]) -> dict[str, list[str]]:
    tables: dict[str, list[str]] = {}
    for schema, table in rows:
        tables.setdefault(schema.lower(), []).append(table)
    return tables
