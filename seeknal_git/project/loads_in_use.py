"""Which load of its raw data each source has already, and the columns of that load."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seeknal_git.errors import SeeknalError, WarehouseBusy
from seeknal_git.git.marks import Marks
from seeknal_git.names import split_id
from seeknal_git.project.data_versions import contents_of
from seeknal_git.project.fingerprints import digest, whole_of_source
from seeknal_git.project.graph import Graph
from seeknal_git.project.held_files import identity
from seeknal_git.project.raw_data import DataRoot
from seeknal_git.project.source_versions import keeps_load
from seeknal_git.sql.readers import Contract
from seeknal_git.sql.statement import Columns
from seeknal_git.warehouse.deadline import NO_WAIT, Deadline

if TYPE_CHECKING:
    from seeknal_git.cache import Cache
    from seeknal_git.warehouse.model import Published, Snapshot
    from seeknal_git.warehouse.protocol import Warehouse


def pinned(
    graph: Graph, environments: Sequence[Mapping[str, Published]], snapshots: Iterable[Snapshot]
) -> dict[str, str]:
    """The data version that each source has already: that of the load which an environment shows,
    the first of them that shows one of the same definition. If nobody shows a load, the files are
    read.

    Sources of one definition mean one load.
    """
    by_id = {snapshot.id: snapshot for snapshot in snapshots if snapshot.data_version}
    loads: dict[str, str] = {}
    for shown in environments:
        for published in shown.values():
            if load := by_id.get(published.snapshot):
                loads.setdefault(load.fingerprint, load.data_version or "")
    own = {source.id: whole_of_source(source) for source in graph.sources()}
    return {source: loads[whole] for source, whole in own.items() if whole in loads}


@dataclass(frozen=True, slots=True)
class Load:
    """A load of raw data that an environment shows: its data version, and the columns of its
    table."""

    version: str
    columns: Columns


def kept_columns(
    path: Path, graph: Graph, root: DataRoot, schemas: Sequence[str], deadline: Deadline | None
) -> dict[str, Columns]:
    """The columns of the sources whose load a branch or a promotion does not read again, as their
    tables have them.

    schemas: of production, and of the environment; deadline: until when to wait while another
    process holds the warehouse; without one, the loads count that were seen last. Raises
    WarehouseBusy.
    """
    if not path.exists() or not graph.sources():
        return {}
    if (known := unmoved_columns(path, graph, root, schemas)) is not None:
        return known
    seen = _seen(path)
    from seeknal_git.warehouse.opening import open_for_state

    try:
        with open_for_state(path, Marks(root.places.repository), deadline or NO_WAIT) as warehouse:
            remember_loads(warehouse, path, root.cache, schemas, seen)
            return columns_of_loads(warehouse, graph, root, schemas)
    except WarehouseBusy:
        if deadline is not None:
            raise
        keys = _keys(path, schemas)
        return kept_of(graph, root, _remembered_loads(root.cache.get("loads", keys), keys))
    except SeeknalError:
        return {}  # problems come up where they matter


def unmoved_columns(
    path: Path, graph: Graph, root: DataRoot, schemas: Sequence[str]
) -> dict[str, Columns] | None:
    """As `kept_columns` found them, if nobody has written to the warehouse since; else None."""
    keys, seen = _keys(path, schemas), _seen(path)
    remembered = root.cache.get("loads", keys) if seen else {}
    if not all(key in remembered and remembered[key]["seen"] == seen for key in keys):
        return None
    return kept_of(graph, root, _remembered_loads(remembered, keys))


def remember_loads(
    warehouse: Warehouse, path: Path, cache: Cache, schemas: Sequence[str], seen: str = ""
) -> None:
    """Keep what environments show for the time when the warehouse cannot be read. seen: the files
    that it was read from; without it, the warehouse is asked again as soon as it can be."""
    values = {}
    for schema, key in zip(schemas, _keys(path, schemas), strict=True):
        loads = shown_loads(warehouse, [schema])
        values[key] = {
            "seen": seen,
            "loads": {whole: [load.version, load.columns] for whole, load in loads.items()},
        }
    cache.put("loads", values)


def _keys(path: Path, schemas: Sequence[str]) -> list[str]:
    return [digest(str(path), schema) for schema in schemas]


def _remembered_loads(remembered: Mapping[str, Any], keys: Sequence[str]) -> dict[str, Load]:
    """The first environment that shows a load of a definition counts."""
    loads: dict[str, Load] = {}
    for key in keys:
        for whole, (version, columns) in remembered.get(key, {"loads": {}})["loads"].items():
            loads.setdefault(whole, Load(version, tuple((name, word) for name, word in columns)))
    return loads


def _seen(path: Path) -> str:
    """The warehouse's file and its log as they are now; empty where a further write may not
    show."""
    files = [identity(file) for file in (path, path.with_name(f"{path.name}.wal")) if file.exists()]
    return "" if any(file.recent for file in files) else " ".join(file.key for file in files)


def shown_loads(warehouse: Warehouse, schemas: Sequence[str]) -> dict[str, Load]:
    """Fingerprint of a source → the load that an environment shows of it, the first of them that
    does."""

    environments = [warehouse.environments.shown(schema) for schema in schemas]
    shown = [
        published
        for environment in environments
        for node, published in environment.items()
        if split_id(node)[0] == "source"
    ]
    snapshots, _ = warehouse.snapshots.find({published.fingerprint for published in shown})
    by_id = {snapshot.id: snapshot for snapshot in snapshots if snapshot.data_version}
    loads: dict[str, Snapshot] = {}
    for published in shown:
        if load := by_id.get(published.snapshot):
            loads.setdefault(load.fingerprint, load)
    columns = warehouse.snapshots.columns([load.table for load in loads.values()])
    return {
        whole: Load(load.data_version or "", columns[load.table]) for whole, load in loads.items()
    }


def kept_of(graph: Graph, root: DataRoot, loads: Mapping[str, Load]) -> dict[str, Columns]:
    """Source → the columns of the load that it goes on with, among those that environments show."""
    found = {}
    for source in graph.sources():
        load = loads.get(whole_of_source(source))
        if load and keeps_load(source, root, load.version):
            found[source.id] = load.columns
    return found


def columns_of_loads(
    warehouse: Warehouse, graph: Graph, root: DataRoot, schemas: Sequence[str]
) -> dict[str, Columns]:
    """Source → the columns of the table that it is, as long as its raw data is not read again."""
    return kept_of(graph, root, shown_loads(warehouse, schemas))


def contracts(
    path: Path, graph: Graph, root: DataRoot, schemas: Sequence[str], deadline: Deadline | None
) -> dict[str, Contract]:
    """Source → what was read of it before. The warehouse is asked only if somebody wrote to it;
    while it is held, the last answer counts. As for `kept_columns`. Raises WarehouseBusy."""
    if not path.exists() or not graph.sources():
        return {}
    if (known := unmoved_contracts(path, graph, root, schemas)) is not None:
        return known
    key, seen = _key(path, graph, schemas), _seen(path)
    from seeknal_git.warehouse.opening import open_for_state

    try:
        with open_for_state(path, Marks(root.places.repository), deadline or NO_WAIT) as warehouse:
            found = contracts_of(warehouse, graph, schemas)
    except WarehouseBusy:
        if deadline is not None:
            raise
        return _remembered_contracts(root.cache.get("contracts", [key]).get(key, {}))
    except SeeknalError:
        return {}  # problems come up where they matter
    values = {
        source: [contract.columns, contract.dialect, sorted(contract.contents)]
        for source, contract in found.items()
    }
    root.cache.put("contracts", {key: {"seen": seen, "contracts": values}})
    return found


def unmoved_contracts(
    path: Path, graph: Graph, root: DataRoot, schemas: Sequence[str]
) -> dict[str, Contract] | None:
    """As `contracts` found them, if nobody has written to the warehouse since; else None."""
    key, seen = _key(path, graph, schemas), _seen(path)
    remembered = root.cache.get("contracts", [key]).get(key, {}) if seen else {}
    return _remembered_contracts(remembered) if remembered.get("seen") == seen != "" else None


def _key(path: Path, graph: Graph, schemas: Sequence[str]) -> str:
    definitions = [f"{source.id} {whole_of_source(source)}" for source in graph.sources()]
    return digest(*_keys(path, schemas), *definitions)


def _remembered_contracts(remembered: Mapping[str, Any]) -> dict[str, Contract]:
    return {
        source: Contract(
            tuple((name, word) for name, word in columns), dialect, frozenset(contents)
        )
        for source, (columns, dialect, contents) in remembered.get("contracts", {}).items()
    }


def contracts_of(warehouse: Warehouse, graph: Graph, schemas: Sequence[str]) -> dict[str, Contract]:
    """Source → what the first of these environments that shows it as it is defined now has read of
    it."""

    own = {source.id: whole_of_source(source) for source in graph.sources()}
    snapshots, _ = warehouse.snapshots.find(own.values())
    by_id = {snapshot.id: snapshot for snapshot in snapshots}
    shown: dict[str, Snapshot] = {}
    for schema in schemas:
        for published in warehouse.environments.shown(schema).values():
            if load := by_id.get(published.snapshot):
                shown.setdefault(load.fingerprint, load)
    tables = [load.table for load in shown.values()]
    columns, read = warehouse.snapshots.columns(tables), warehouse.snapshots.readings(tables)
    contents: dict[str, set[str]] = {}
    for snapshot in snapshots:
        contents.setdefault(snapshot.fingerprint, set()).add(
            contents_of(snapshot.data_version or "")
        )
    return {
        source: _contract(columns[load.table], read.get(load.table, {}), contents[whole])
        for source, whole in own.items()
        if (load := shown.get(whole)) and load.table in columns
    }


def _contract(columns: Columns, read: Mapping[str, Any], contents: Iterable[str]) -> Contract:
    """The contract of a load. The type of a column without values is not known."""
    empty = read.get("empty", ())
    typed = tuple((name, "" if name in empty else word) for name, word in columns)
    return Contract(typed, read.get("dialect", {}), frozenset(contents))
