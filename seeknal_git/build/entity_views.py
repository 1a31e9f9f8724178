"""The views `entity_<name>` of an environment, over the tables that it shows of feature groups."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from seeknal_git.names import is_entity
from seeknal_git.project.entities import entities_of, entity_query
from seeknal_git.project.fingerprints import digest
from seeknal_git.warehouse.model import Published, Query, marked

if TYPE_CHECKING:
    from seeknal_git.build.work import Work
    from seeknal_git.project.entities import Entity
    from seeknal_git.warehouse.protocol import Warehouse

_ID_LENGTH = 16


def with_entities(
    warehouse: Warehouse, work: Work, shown: Mapping[str, Published]
) -> dict[str, Published]:
    """The nodes that an environment is to show, with the views of entities."""
    before = work.inventory.shows
    found = {node: published for node, published in shown.items() if not is_entity(node)}
    taken = {published.view.lower() for published in found.values()}
    entities = {entity.id: entity for entity in entities_of(work.graph)}
    views = {node: _view(warehouse, work, entity, found) for node, entity in entities.items()}
    if work.options.chosen is not None and not work.options.whole:
        # The groups of an entity that the graph does not have stay as well.
        views |= {node: before[node] for node in before.keys() - views.keys() if is_entity(node)}
    free = {node: view for node, view in views.items() if view and view.view.lower() not in taken}
    return found | free


def _view(
    warehouse: Warehouse, work: Work, entity: Entity, shown: Mapping[str, Published]
) -> Published | None:
    """The view of an entity; None if there is none. It needs a table of each feature group as it is
    defined now; until there is one, it stays as it is."""
    tables = {
        group.id: published.table
        for group in entity.groups
        if (published := shown.get(group.id))
        and published.fingerprint == work.graph.wholes[group.id]
    }
    columns = warehouse.snapshots.columns([*tables.values()])
    if any(tables.get(group.id) not in columns for group in entity.groups):
        return work.inventory.shows.get(entity.id)
    of_groups = {node: columns[table] for node, table in tables.items()}
    text = entity_query(entity, of_groups, work.graph.views, lambda node: marked(tables[node]))
    if text is None:
        return None
    name = digest("entity", text)
    table = f"{entity.view}__{name[:_ID_LENGTH]}"
    return Published(entity.id, entity.view, name, table, name, Query.of(text))
