"""Copy tables that were built beside a warehouse, rows of pieces, and the records of both."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from seeknal_git.names import SNAPSHOTS, STATE, WAREHOUSE, qualified
from seeknal_git.sql.transaction import transaction
from seeknal_git.warehouse.aside_state import ADDED, ROW, WRITTEN, own_rows, stamp_in, tables_in
from seeknal_git.warehouse.connection import attach_file
from seeknal_git.warehouse.deadline import NO_WAIT
from seeknal_git.warehouse.state_tables import TABLES_OF_VIEW
from seeknal_git.warehouse.turns import Turn

if TYPE_CHECKING:
    import duckdb

    from seeknal_git.warehouse.catalog import Catalog

_FILE = "beside"


def take(catalog: Catalog, file: Path, stamp: str) -> bool:
    """Copy everything that was built in a file, in one transaction that writes to the warehouse
    alone. False, and nothing is copied, if the file belongs to another state of the warehouse.

    stamp: of the warehouse now.
    """
    connection = catalog.connection
    attach_file(connection, file, Turn.to_read(file, None, NO_WAIT), _FILE)
    try:
        if stamp_in(connection, _FILE) != stamp:
            return False
        with transaction(connection):
            built = _copied(connection)
    finally:
        connection.execute(f"DETACH {_FILE}")
    catalog.built(built)
    return True


def _copied(connection: duckdb.DuckDBPyConnection) -> set[str]:
    """Copy tables and records; returns the names of the tables. One without a record is the rest of
    something that failed, and stays behind."""
    recorded = connection.execute(
        f"SELECT unnest({TABLES_OF_VIEW}) FROM ({own_rows('snapshots', _FILE)}) "
        f"UNION SELECT table_name FROM ({own_rows('pieces', _FILE)})"
    ).fetchall()
    names = {name for (name,) in recorded}
    built = tables_in(connection, _FILE, SNAPSHOTS) & names
    for table in sorted(built):
        there, here = (qualified(place, SNAPSHOTS, table) for place in (_FILE, WAREHOUSE))
        connection.execute(f"CREATE TABLE {here} AS FROM {there}")
    for table in sorted(tables_in(connection, _FILE, ADDED) & names):
        here = qualified(WAREHOUSE, SNAPSHOTS, table)
        connection.execute(f"INSERT INTO {here} FROM {qualified(_FILE, ADDED, table)}")
    for table in WRITTEN:
        rows = f"SELECT * EXCLUDE ({ROW}) FROM ({own_rows(table, _FILE)}) ORDER BY {ROW}"
        connection.execute(f"INSERT INTO {STATE}.{table} BY NAME {rows}")
    return built
