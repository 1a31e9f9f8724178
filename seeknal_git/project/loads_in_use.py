"""Which load of its raw data each source has already, and the columns of that load."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

from seeknal_git.errors import SeeknalError, WarehouseBusy
from seeknal_git.git.marks import Marks
from seeknal_git.names import split_id
from seeknal_git.project.data_versions import contents_of
from seeknal_git.project.fingerprints import digest, whole_of_source
from seeknal_git.project.graph import Graph
from seeknal_git.project.raw_data import DataRoot
from seeknal_git.project.source_versions import keeps_load
from seeknal_git.sql.readers import Contract
from seeknal_git.sql.statement import Columns
from seeknal_git.warehouse.deadline import NO_WAIT, Deadline
from seeknal_git.warehouse.location import Location, exists
from seeknal_git.warehouse.opening import open_for_state, version_of

if TYPE_CHECKING:
    from seeknal_git.cache import Cache
    from seeknal_git.warehouse.model.environments import Published
    from seeknal_git.warehouse.model.snapshots import Snapshot
    from seeknal_git.warehouse.protocol import Warehouse

_TOPIC = "loads"


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
    """A load of raw data that an environment shows."""

    version: str
    # The columns of its table.
    columns: Columns
    # How its files were read, and its columns without values.
    reading: Mapping[str, Any]
    # The contents of all loads of its definition.
    contents: frozenset[str]

    @property
    def contract(self) -> Contract:
        """Its contract. The type of a column without values is not known."""
        empty = self.reading.get("empty", ())
        typed = tuple((name, "" if name in empty else word) for name, word in self.columns)
        return Contract(typed, self.reading.get("dialect", {}), self.contents)


# Fingerprint of a source → its load.
Loads = Mapping[str, Load]


def kept_columns(
    location: Location,
    graph: Graph,
    root: DataRoot,
    schemas: Sequence[str],
    deadline: Deadline | None,
) -> dict[str, Columns]:
    """The columns of the sources whose load a branch or a promotion does not read again, as their
    tables have them.

    schemas: of production, and of the environment; deadline: until when to wait while another
    process holds the warehouse; without one, the loads count that were seen last. Raises
    WarehouseBusy.
    """
    return kept_of(graph, root, _loads(location, graph, root, schemas, deadline))


def loads_before(
    location: Location,
    graph: Graph,
    root: DataRoot,
    schemas: Sequence[str],
    deadline: Deadline | None,
) -> dict[str, Load]:
    """Source → its load before. The warehouse is asked only if somebody wrote to it; while it is
    held, the last answer counts. As for `kept_columns`. Raises WarehouseBusy."""
    return _by_source(graph, _loads(location, graph, root, schemas, deadline))


def kept_of(graph: Graph, root: DataRoot, loads: Loads) -> dict[str, Columns]:
    """Source → the columns of the load that it goes on with, among those that environments show."""
    found = {}
    for source in graph.sources():
        load = loads.get(whole_of_source(source))
        if load and keeps_load(source, root, load.version):
            found[source.id] = load.columns
    return found


def contracts_of(graph: Graph, loads: Loads) -> dict[str, Contract]:
    """Source → the contract of the load of its definition, among those that environments show."""
    return {source: load.contract for source, load in _by_source(graph, loads).items()}


def _by_source(graph: Graph, loads: Loads) -> dict[str, Load]:
    own = {source.id: whole_of_source(source) for source in graph.sources()}
    return {source: loads[whole] for source, whole in own.items() if whole in loads}


def _loads(
    location: Location,
    graph: Graph,
    root: DataRoot,
    schemas: Sequence[str],
    deadline: Deadline | None,
) -> Loads:
    """The loads that environments show. The warehouse is asked if somebody wrote to it."""
    if not exists(location) or not graph.sources():
        return {}
    cache, marks, until = root.cache, Marks(root.places.repository), deadline or NO_WAIT
    try:
        version = version_of(location, marks, until)
        if (known := unmoved_loads(location, cache, schemas, version)) is not None:
            return known
        with open_for_state(location, marks, until) as warehouse:
            return remember_loads(warehouse, location, cache, schemas, version)
    except WarehouseBusy:
        if deadline is not None:
            raise
        keys = _keys(location, schemas)
        return _first(_remembered(cache.get(_TOPIC, keys), keys))
    except SeeknalError:
        return {}  # problems come up where they matter


def unmoved_loads(
    location: Location, cache: Cache, schemas: Sequence[str], version: str
) -> Loads | None:
    """The loads that environments showed when the warehouse was last asked, if nobody has written
    to it since; else None. version: of the warehouse now."""
    whole = digest(str(location))
    keys = dict(zip(schemas, _keys(location, schemas), strict=True))
    found = cache.get(_TOPIC, [whole, *keys.values()]) if version else {}
    current = {key: value for key, value in found.items() if value["version"] == version}
    if whole not in current:
        return None
    shown = [keys[schema] for schema in schemas if schema in current[whole]["schemas"]]
    return _first(_remembered(current, shown)) if current.keys() >= set(shown) else None


def remember_loads(
    warehouse: Warehouse, location: Location, cache: Cache, schemas: Sequence[str], version: str
) -> Loads:
    """Read the loads that environments show, and keep them for the time when the warehouse cannot
    be read. version: of the warehouse, as `version_of` tells it; if it is empty, the warehouse is
    asked again as soon as it can be."""
    found = _loads_by_schema(warehouse, schemas)
    values = {
        key: {
            "version": version,
            "loads": {
                whole: [load.version, load.columns, load.reading, sorted(load.contents)]
                for whole, load in loads.items()
            },
        }
        for key, loads in zip(_keys(location, schemas), found, strict=True)
    }
    whole = {"version": version, "schemas": list(warehouse.environments.all())}
    cache.put(_TOPIC, {**values, digest(str(location)): whole})
    return _first(found)


def _keys(location: Location, schemas: Sequence[str]) -> list[str]:
    return [digest(str(location), schema) for schema in schemas]


def _remembered(remembered: Mapping[str, Any], keys: Sequence[str]) -> list[Loads]:
    return [
        {
            whole: Load(
                version,
                tuple((name, word) for name, word in columns),
                reading,
                frozenset(contents),
            )
            for whole, (version, columns, reading, contents) in remembered[key]["loads"].items()
        }
        for key in keys
        if key in remembered
    ]


def loads_of(warehouse: Warehouse, schemas: Sequence[str]) -> Loads:
    """The loads that environments show, the first of them that shows one of a definition."""
    return _first(_loads_by_schema(warehouse, schemas))


def _first(environments: Iterable[Loads]) -> Loads:
    loads: dict[str, Load] = {}
    for environment in environments:
        loads = {**environment, **loads}
    return loads


def _loads_by_schema(warehouse: Warehouse, schemas: Sequence[str]) -> list[Loads]:
    """The loads that each environment shows, all read at once."""
    shown = [_shown_sources(warehouse, schema) for schema in schemas]
    wholes = {published.fingerprint for published in chain.from_iterable(shown)}
    snapshots, _ = warehouse.snapshots.find(wholes)
    by_id = {snapshot.id: snapshot for snapshot in snapshots if snapshot.data_version}
    used = [
        [by_id[published.snapshot] for published in environment if published.snapshot in by_id]
        for environment in shown
    ]
    loads = _read(warehouse, list(dict.fromkeys(chain.from_iterable(used))), snapshots)
    # Of two sources of one definition, the first counts.
    return [
        {snapshot.fingerprint: loads[snapshot.table] for snapshot in reversed(environment)}
        for environment in used
    ]


def _shown_sources(warehouse: Warehouse, schema: str) -> list[Published]:
    shown = warehouse.environments.shown(schema)
    return [published for node, published in shown.items() if split_id(node)[0] == "source"]


def _read(
    warehouse: Warehouse, used: Sequence[Snapshot], snapshots: Iterable[Snapshot]
) -> dict[str, Load]:
    """Table → load, for those that are used. snapshots: all of the same definitions."""
    contents: dict[str, set[str]] = {}
    for snapshot in snapshots:
        version = contents_of(snapshot.data_version or "")
        contents.setdefault(snapshot.fingerprint, set()).add(version)
    tables = [snapshot.table for snapshot in used]
    columns, readings = warehouse.snapshots.columns(tables), warehouse.snapshots.readings(tables)
    return {
        snapshot.table: Load(
            snapshot.data_version or "",
            _columns_of(snapshot, columns, readings),
            readings.get(snapshot.table, {}),
            frozenset(contents[snapshot.fingerprint]),
        )
        for snapshot in used
    }


def _columns_of(
    snapshot: Snapshot,
    columns: Mapping[str, Columns],
    readings: Mapping[str, Mapping[str, Any]],
) -> Columns:
    """The columns of a load; those of a view are kept with its record."""
    if snapshot.query is None:
        return columns[snapshot.table]
    return tuple((name, word) for name, word in readings[snapshot.table]["columns"])
