"""Which load of its raw data each source has already, and the columns of that load."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from seeknal_git.data import DataRoot, need_versions, sources_of
from seeknal_git.errors import SeeknalError, WarehouseBusy
from seeknal_git.graph import Graph
from seeknal_git.statement import Columns
from seeknal_git.warehouse import state
from seeknal_git.warehouse.connection import open_warehouse
from seeknal_git.warehouse.state import Published, Snapshot

if TYPE_CHECKING:
    import duckdb


def pinned(
    graph: Graph, environments: Sequence[Mapping[str, Published]], snapshots: Iterable[Snapshot]
) -> dict[str, str]:
    """The data version that each source has already: that of the load which an environment shows, the first of them
    that shows one of the same definition. What nobody shows is no load: the files are read.

    Sources of one definition mean one load.
    """
    by_id = {each.id: each for each in snapshots if each.data_version}
    loads: dict[str, str] = {}
    for shown in environments:
        for published in shown.values():
            if load := by_id.get(published.snapshot):
                loads.setdefault(load.fingerprint, load.data_version or "")
    own = {each.id: graph.fingerprints[each.id].whole for each in sources_of(graph)}
    return {source: loads[whole] for source, whole in own.items() if whole in loads}


def kept_columns(
    path: Path, graph: Graph, root: DataRoot, schemas: Sequence[str], lock_timeout: float | None
) -> dict[str, Columns]:
    """The columns of the sources whose load a branch or a promotion does not read again, as their tables have them.

    schemas: of production, and of the environment; lock_timeout: seconds to wait while another process holds the
    warehouse; None where it can be done without, and nothing is known then. Raises WarehouseBusy.
    """
    if not path.exists() or not sources_of(graph):
        return {}
    try:
        with open_warehouse(path, read_only=True, lock_timeout=lock_timeout or 0.0) as warehouse:
            return columns_of_loads(warehouse.connection, graph, root, schemas)
    except WarehouseBusy:
        if lock_timeout is not None:
            raise
    except SeeknalError:
        pass  # what is wrong comes up where it matters
    return {}


def columns_of_loads(
    connection: duckdb.DuckDBPyConnection, graph: Graph, root: DataRoot, schemas: Sequence[str]
) -> dict[str, Columns]:
    """Source → the columns of the table that it is, as long as its raw data is not read again."""
    sources = sources_of(graph)
    own = {each.id: graph.fingerprints[each.id].whole for each in sources}
    snapshots, _ = state.snapshots(connection, own.values())
    environments = [state.published(connection, each) for each in schemas]
    try:
        versions = need_versions(graph, root, pinned(graph, environments, snapshots))
    except SeeknalError:
        return {}  # what is wrong comes up where it matters
    tables = {(each.fingerprint, each.data_version): each.table for each in snapshots}
    known = {source: tables.get((whole, versions[source])) for source, whole in own.items()}
    columns = state.columns_of(connection, [table for table in known.values() if table])
    return {source: columns[table] for source, table in known.items() if table}
