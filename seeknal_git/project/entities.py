"""The entities that feature groups describe, and the SELECT of each view `entity_<name>`. Pure."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from types import MappingProxyType
from typing import TYPE_CHECKING

from seeknal_git.errors import Problem
from seeknal_git.names import ENTITY, IDENTIFIER, folded, node_id, quote
from seeknal_git.nodes.node import event_time_of
from seeknal_git.sql.widening import compares

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from seeknal_git.nodes.node import Node
    from seeknal_git.project.graph import Graph
    from seeknal_git.sql.statement import Columns

# A view is a join in a join for each group. The engine refuses a view that is too deep, and nothing
# could be published: DuckDB 1.5 one of 400 groups, 2.0 one of 800.
_MOST_GROUPS = 200
_PLAINLY = ' COLLATE "binary"'
_TIME = "event_time"  # the column of a view for the time of a row, however each group calls it


@dataclass(frozen=True, slots=True)
class Entity:
    """An entity, and the feature groups about it, in the order of their names."""

    name: str
    groups: tuple[Node, ...]

    @property
    def id(self) -> str:
        return node_id(ENTITY, self.name)

    @property
    def view(self) -> str:
        return f"{ENTITY}_{self.name}"


@dataclass(frozen=True, slots=True)
class _Group:
    """A feature group with the names of its columns as its table has them."""

    node: Node
    keys: Mapping[str, str]  # the key as the view calls it → as the table does
    time: str | None  # None if it has one row for each key
    features: tuple[str, ...]
    types: Mapping[str, str]  # by folded name


class _NoView(Exception):
    """Why there can be no view, and the group that is the reason."""

    def __init__(self, node: Node, message: str) -> None:
        super().__init__(message)
        self.node = node


def entities_of(graph: Graph) -> list[Entity]:
    """The entities of all feature groups that name one."""
    found: dict[str, list[Node]] = {}
    for identifier in sorted(graph.structure.of_kind("feature_group")):
        node = graph.node(identifier)
        if name := node.definition.get("entity"):
            found.setdefault(folded(name), []).append(node)
    return [Entity(nodes[0].definition["entity"], tuple(nodes)) for nodes in found.values()]


def entity_problems(graph: Graph, columns: Mapping[str, Columns | None]) -> Iterator[Problem]:
    """The entities that get no view, as far as columns are known: id → those of a node."""
    for entity in entities_of(graph):
        known = {group.id: columns.get(group.id) for group in entity.groups}
        if fault := _fault(entity, known, graph.views):
            message = f"There is no view {entity.view}: {fault}."
            yield Problem(message, fault.node.path, fault.node.line("entity"), node=fault.node.id)


def entity_query(
    entity: Entity,
    columns: Mapping[str, Columns],
    views: Mapping[str, str],
    relation_of: Callable[[str], str],
    collated: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> str | None:
    """The SELECT of an entity's view; None if there can be none.

    columns: feature group → its columns; views: of all nodes; relation_of: the table of a feature
    group, as SQL names it; collated: feature group → its columns in lower case that may have a
    collation.
    """
    if _fault(entity, columns, views):
        return None
    groups = _groups(entity, columns)
    as_is = _as_they_are(groups, collated) if len(groups) > 1 else frozenset()
    timed = [group for group in groups if group.time]
    timeless = [group for group in groups if not group.time]
    keys = [*groups[0].keys]
    parts = [
        reduce(_joined, (_part(group, relation_of, as_is) for group in some))
        for some in (timed, timeless)
        if some
    ]
    whole = reduce(lambda one, other: _joined(one, other, keys), parts)
    return whole.sql


@dataclass(frozen=True, slots=True)
class _Part:
    """A SELECT of keys, perhaps the time, and a STRUCT for each of some feature groups."""

    on: tuple[str, ...]
    structs: tuple[str, ...]
    sql: str


def _as_they_are(groups: Iterable[_Group], collated: Mapping[str, Sequence[str]]) -> frozenset[str]:
    """The keys to compare letter by letter: the engine joins no columns of two collations."""
    return frozenset(
        key
        for group in groups
        for key, column in group.keys.items()
        if folded(column) in collated.get(group.node.id, ())
    )


def _part(group: _Group, relation_of: Callable[[str], str], as_is: Container[str]) -> _Part:
    chosen = [
        f"{quote(column)}{_PLAINLY if key in as_is else ''} AS {quote(key)}"
        for key, column in group.keys.items()
    ]
    on = [*group.keys]
    if group.time:
        chosen.append(f"{quote(group.time)} AS {_TIME}")
        on.append(_TIME)
    structs: tuple[str, ...] = ()
    if group.features:
        fields = ", ".join(f"{quote(name)} := {quote(name)}" for name in group.features)
        chosen.append(f"struct_pack({fields}) AS {quote(group.node.name)}")
        structs = (group.node.name,)
    sql = f"SELECT {', '.join(chosen)} FROM {relation_of(group.node.id)}"
    return _Part(tuple(on), structs, sql)


def _joined(one: _Part, other: _Part, on: Sequence[str] | None = None) -> _Part:
    """Both parts side by side. on: the columns to join them on; by default, all of the first."""
    structs = (*one.structs, *other.structs)
    names = ", ".join(map(quote, (*one.on, *structs)))
    using = ", ".join(map(quote, on or one.on))
    sql = f"SELECT {names} FROM ({one.sql}) FULL JOIN ({other.sql}) USING ({using})"
    return _Part(one.on, structs, sql)


def _fault(
    entity: Entity, columns: Mapping[str, Columns | None], views: Mapping[str, str]
) -> _NoView | None:
    """Why an entity has no view, by the columns that are known; None if nothing speaks against
    one."""
    first = entity.groups[0]
    try:
        if not IDENTIFIER.fullmatch(entity.view):
            raise _NoView(first, "the entity's name is not made of letters, digits and _")
        if len(entity.groups) > _MOST_GROUPS:
            raise _NoView(
                first,
                f"it would have {len(entity.groups)} feature groups, and more than {_MOST_GROUPS} "
                "are too many for one",
            )
        taken = {view.lower(): node for node, view in views.items()}
        if other := taken.get(entity.view.lower()):
            raise _NoView(first, f"{other} has that name")
        _need_equal_keys(entity)
        known = {node: found for node, found in columns.items() if found is not None}
        groups = _groups(entity, known)
        _need_names(groups)
        _need_types(groups)
    except _NoView as exc:
        return exc
    return None


def _need_equal_keys(entity: Entity) -> None:
    first, *others = entity.groups
    for group in others:
        if set(map(folded, _keys(group))) != set(map(folded, _keys(first))):
            raise _NoView(
                group,
                f"{first.id} has the join keys {', '.join(_keys(first))}, "
                f"and {group.id} has {', '.join(_keys(group))}",
            )


def _need_names(groups: Sequence[_Group]) -> None:
    first = groups[0]
    names = {folded(key): "a join key" for key in first.keys}
    if any(group.time for group in groups):
        if _TIME in names:
            raise _NoView(first.node, f"a join key is called {_TIME}, as the time of a row is")
        names[_TIME] = "the time of a row"
    for group in groups:
        if (name := folded(group.node.name)) in names:
            raise _NoView(group.node, f"{group.node.id} is called like {names[name]}")


def _need_types(groups: Sequence[_Group]) -> None:
    """Raise _NoView unless the columns to join on are alike, if their types are known."""
    first = groups[0]
    for key in first.keys:
        _need_one_type(key, [(group, group.keys[key]) for group in groups])
    _need_one_type(_TIME, [(group, group.time) for group in groups if group.time])


def _need_one_type(name: str, columns: Iterable[tuple[_Group, str | None]]) -> None:
    known = [
        (group.node, group.types[folded(column or "")])
        for group, column in columns
        if folded(column or "") in group.types
    ]
    for node, word in known[1:]:
        other, before = known[0]
        if not compares(before, word):
            raise _NoView(node, f"{name} is {before} in {other.id}, and {word} in {node.id}")


def _groups(entity: Entity, columns: Mapping[str, Columns]) -> list[_Group]:
    """The groups of an entity. A group whose columns are not known has no features yet."""
    shown = _keys(entity.groups[0])
    return [_group(node, shown, columns.get(node.id, ())) for node in entity.groups]


def _group(node: Node, shown: Iterable[str], columns: Columns) -> _Group:
    own = {folded(key): key for key in _keys(node)}
    there = {folded(name): name for name, _ in columns}
    keys = {key: there.get(folded(key), own[folded(key)]) for key in shown}
    time = _time(node, there)
    for column in (*keys.values(), *([time] if time else [])):
        if columns and folded(column) not in there:
            raise _NoView(node, f"{node.id} has no column {column}")
    apart = {*own, folded(time or "")}
    features = tuple(name for name, _ in columns if folded(name) not in apart)
    return _Group(node, keys, time, features, {folded(name): word for name, word in columns})


def _keys(node: Node) -> list[str]:
    return list(node.definition["join_keys"])


def _time(node: Node, there: Mapping[str, str]) -> str | None:
    """The column with the time of a row, if there is a row for each key and time. there: folded
    name → column, if they are known."""
    named = event_time_of(node.document)
    if named is None and node.is_python and _TIME in there:
        named = _TIME
    if named is None or folded(named) in map(folded, _keys(node)):
        return None
    return there.get(folded(named), named)
