"""Tell whether a warehouse is as it was: nothing was built, published, dropped or deleted."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from typing import TYPE_CHECKING

from seeknal_git.names import STATE_SCHEMA, WAREHOUSE
from seeknal_git.warehouse.state_tables import STATE_FORM

if TYPE_CHECKING:
    import duckdb


def stamp_of(
    connection: duckdb.DuckDBPyConnection, snapshots: Collection[str], database: str = WAREHOUSE
) -> str:
    """A hash of the number of rows in each state table, of the number of its last row, and of the
    names of the snapshot tables. Its state may lack tables, as a warehouse that is read does."""
    rows = connection.execute(
        "SELECT lower(table_name) FROM duckdb_tables() "
        "WHERE database_name = $1 AND lower(schema_name) = $2",
        [database, STATE_SCHEMA],
    ).fetchall()
    tables = sorted({name for (name,) in rows} & STATE_FORM.keys())
    selects = [
        f"SELECT '{table}', count(*), max(rowid) FROM {database}.{STATE_SCHEMA}.{table} "
        "HAVING count(*) > 0"
        for table in tables
    ]
    counts = connection.execute(" UNION ALL ".join(selects)).fetchall() if selects else []
    text = repr((sorted(counts), sorted(snapshots)))
    return hashlib.sha256(text.encode()).hexdigest()
