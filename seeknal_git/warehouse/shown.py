"""The nodes that an environment shows, by its publications."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from seeknal_git.warehouse.forms import identifier, query
from seeknal_git.warehouse.model.environments import Published
from seeknal_git.warehouse.state_tables import of_living

if TYPE_CHECKING:
    import duckdb


def shown(
    connection: duckdb.DuckDBPyConnection,
    schema: str,
    at: int | None = None,
    folder: Path | None = None,
) -> dict[str, Published]:
    """Node → its view and snapshot, now or after an earlier publication. A publication records the
    nodes that it re-pointed, so the last record of each node counts. folder: of kept files."""
    rows = connection.execute(
        "SELECT node, view_name, snapshot_id, table_name, fingerprint, query, reads "
        f"FROM {of_living('publication_nodes')} "
        "WHERE schema_name = $1 AND publication_id <= coalesce($2, publication_id) "
        "QUALIFY row_number() OVER (PARTITION BY node ORDER BY publication_id DESC) = 1",
        [schema, at],
    ).fetchall()
    return {
        node: Published(
            node,
            view,
            identifier(snapshot),
            table,
            identifier(fingerprint),
            query(pieces, reads, folder),
        )
        for node, view, snapshot, table, fingerprint, pieces, reads in rows
        if snapshot is not None
    }
