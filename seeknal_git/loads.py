"""Which load of its raw data each source has already: production's, or the newest; and what columns that has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from seeknal_git.data import DataRoot, need_versions, sources_of, tracked_versions
from seeknal_git.errors import SeeknalError, WarehouseBusy
from seeknal_git.graph import Graph
from seeknal_git.statement import Columns
from seeknal_git.warehouse import state
from seeknal_git.warehouse.connection import open_warehouse
from seeknal_git.warehouse.state import Published, Snapshot

if TYPE_CHECKING:
    import duckdb


def pinned(graph: Graph, production: Mapping[str, Published], loads: Sequence[Snapshot]) -> dict[str, str]:
    """The data version that each source has already: production's, else the newest that was read for it."""
    by_id = {load.id: load.data_version for load in loads}
    newest = {load.fingerprint: load.data_version for load in loads}
    found = {}
    for identifier in graph.members:
        own, shown = graph.fingerprints[identifier].whole, production.get(identifier)
        known = by_id.get(shown.snapshot) if shown and shown.fingerprint == own else None
        if version := known or newest.get(own):
            found[identifier] = version
    return found


def kept_columns(
    path: Path, graph: Graph, root: DataRoot, production: str, lock_timeout: float | None
) -> dict[str, Columns]:
    """The columns of the sources whose load a branch or a promotion does not read again, as their tables have them.

    lock_timeout: seconds to wait while another process holds the warehouse; None where it can be done without, and
    nothing is known then. Raises WarehouseBusy.
    """
    if not path.exists() or len(tracked_versions(graph, root)) == len(sources_of(graph)):
        return {}
    try:
        with open_warehouse(path, read_only=True, lock_timeout=lock_timeout or 0.0) as warehouse:
            return columns_of_loads(warehouse.connection, graph, root, production)
    except WarehouseBusy:
        if lock_timeout is not None:
            raise
    except SeeknalError:
        pass  # what is wrong comes up where it matters
    return {}


def columns_of_loads(
    connection: duckdb.DuckDBPyConnection, graph: Graph, root: DataRoot, production: str
) -> dict[str, Columns]:
    """Source → the columns of the table that it is, as long as its raw data is not read again."""
    if len(tracked_versions(graph, root)) == len(sources_of(graph)):
        return {}
    loads = state.source_snapshots(connection)
    try:
        versions = need_versions(graph, root, pinned(graph, state.published(connection, production), loads))
    except SeeknalError:
        return {}  # what is wrong comes up where it matters
    tables = {(load.fingerprint, load.data_version): load.table for load in loads}
    known = {each.id: tables.get((graph.fingerprints[each.id].whole, versions[each.id])) for each in sources_of(graph)}
    columns = state.columns_of(connection, [table for table in known.values() if table])
    return {identifier: columns[table] for identifier, table in known.items() if table}
