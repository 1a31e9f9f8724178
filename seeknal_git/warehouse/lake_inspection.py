"""Refuse a lake that holds more than tables in our own schemas, as `inspection` refuses a file.

A lake has no constraints, indexes, types, sequences or triggers. Its statistics tell which tables
may lack a value, so only the rows of these are read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from seeknal_git.names import STATE_SCHEMA
from seeknal_git.warehouse.inspection import (
    computing,
    fault_of,
    need_nothing_wrong,
    need_whole_rows,
)
from seeknal_git.warehouse.state_tables import always_there, first_columns

if TYPE_CHECKING:
    import duckdb

    from seeknal_git.warehouse.lake_tables import Column, Found
    from seeknal_git.warehouse.location import Lake

# Columns that lack a value where another one does, too.
_TOGETHER = {"publication_nodes": ("table_name", "fingerprint")}


def inspect(connection: duckdb.DuckDBPyConnection, lake: Lake, found: Found) -> None:
    """Nothing of the lake runs here. Raises WarehouseRefused, or WarehouseError if a row is
    damaged."""
    wrong = [
        computing(name) if kind == "table" else f"the {kind} {name}" for kind, name in found.others
    ]
    for table, columns in found.state.items():
        if fault := fault_of(table, {name: column.type for name, column in columns.items()}):
            wrong.append(f"the table {STATE_SCHEMA}.{table}, which {fault}")
    need_nothing_wrong(lake, wrong)
    need_whole_rows(connection, lake, _doubtful(found.state))


def _doubtful(state: Mapping[str, Mapping[str, Column]]) -> Iterator[str]:
    """The state tables in which some row may not be whole."""
    for table, columns in state.items():
        wanted = {*always_there(table), *_TOGETHER.get(table, ())}
        lacks = any(columns[name].may_lack for name in wanted)
        if lacks or not all(columns[name].is_in_time for name in first_columns(table)):
            yield table
