"""The views `entity_<name>` of an environment, over the tables that it shows of feature groups."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from seeknal_git.names import is_entity
from seeknal_git.project.entities import entities_of, entity_query
from seeknal_git.project.fingerprints import digest
from seeknal_git.warehouse.model.environments import Published
from seeknal_git.warehouse.model.queries import Query

if TYPE_CHECKING:
    from seeknal_git.build.work import Work
    from seeknal_git.project.entities import Entity
    from seeknal_git.sql.statement import Columns
    from seeknal_git.warehouse.protocol import Warehouse

_ID_LENGTH = 16


_NOTHING: Mapping[str, Columns] = MappingProxyType({})


def with_entities(
    warehouse: Warehouse,
    work: Work,
    shown: Mapping[str, Published],
    to_build: Mapping[str, Columns] = _NOTHING,
) -> dict[str, Published]:
    """The nodes that an environment is to show, with the views of entities. to_build: tables that
    are not there yet → their columns."""
    found = {node: published for node, published in shown.items() if not is_entity(node)}
    taken = {published.view.lower() for published in found.values()}
    views = {
        entity.id: _view(warehouse, work, entity, found, to_build)
        for entity in entities_of(work.graph)
    }
    if work.options.chosen is not None and not work.options.whole:
        views |= _unknown(work, views)
    free = {node: view for node, view in views.items() if view and view.view.lower() not in taken}
    return found | free


def _unknown(work: Work, views: Mapping[str, Published | None]) -> dict[str, Published]:
    """The views of entities that the graph does not have, whose groups stay in a run of some nodes;
    but not of one that is an entity of the graph in another case. views: of the graph's."""
    named = {view.view.lower() for view in views.values() if view}
    return {
        node: view
        for node, view in work.inventory.shows.items()
        if is_entity(node) and node not in views and view.view.lower() not in named
    }


def _view(
    warehouse: Warehouse,
    work: Work,
    entity: Entity,
    shown: Mapping[str, Published],
    to_build: Mapping[str, Columns],
) -> Published | None:
    """The view of an entity; None if there is none. It needs a table of each feature group as it is
    defined now; until there is one, it stays as it is."""
    tables = {
        group.id: published
        for group in entity.groups
        if (published := shown.get(group.id))
        and published.fingerprint == work.graph.wholes[group.id]
    }
    columns = {**to_build, **warehouse.environments.columns([*tables.values()])}
    names = {node: published.table for node, published in tables.items()}
    if any(names.get(group.id) not in columns for group in entity.groups):
        return work.inventory.shows.get(entity.id)
    of_groups = {node: columns[table] for node, table in names.items()}
    collated = {node: work.graph.known[node].collated for node in tables}
    text = entity_query(
        entity, of_groups, work.graph.views, lambda node: tables[node].text, collated
    )
    if text is None:
        return None
    name = digest("entity", text)
    table = f"{entity.view}__{name[:_ID_LENGTH]}"
    return Published(entity.id, entity.view, name, table, name, Query.of(text))
