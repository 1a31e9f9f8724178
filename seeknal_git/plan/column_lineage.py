"""Who reads whom, column by column, as a graph and a plan know it. Pure."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from seeknal_git.names import folded, split_id
from seeknal_git.plan.changes import Change, Plan
from seeknal_git.project.graph import Graph, deciding
from seeknal_git.sql.statement import Part

# A node and a column of it. Instead of a column, an empty text stands for the node, `*` for columns
# that have no names.
Place = tuple[str, str]


@dataclass(frozen=True, slots=True)
class LineageColumn:
    """reads: the columns that decide its values; change: whether an edit has added, removed or
    changed it."""

    name: str
    type: str | None
    reads: tuple[Place, ...]
    change: str | None = None


@dataclass(frozen=True, slots=True)
class LineageNode:
    """rows: the columns that decide which rows there are; inputs: all that it reads, even if it
    uses no column of them; feeding: those of its inputs that decide its data.

    change, state (`build` or `reuse`), why: what the plan says of it, where there is one.
    """

    id: str
    path: str
    line: int
    description: str | None
    inputs: tuple[str, ...]
    columns: tuple[LineageColumn, ...]
    rows: tuple[Place, ...]
    change: str | None = None
    state: str | None = None
    why: str | None = None
    feeding: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        return split_id(self.id)[0]


def nodes_of(graph: Graph) -> dict[str, LineageNode]:
    """The nodes of a graph, with columns as the engine spells them."""
    reads = {identifier: _reads(graph, identifier) for identifier in graph.members}
    names = _names(graph, reads)
    return {
        identifier: _node(graph, identifier, reads[identifier], names)
        for identifier in graph.members
    }


@dataclass(frozen=True, slots=True)
class _Reads:
    """What a node reads, as its text says it: of columns in lower case, that may not be there; `*`
    is all of them."""

    whole: tuple[Place, ...]
    rows: tuple[Place, ...]
    columns: Mapping[str, tuple[Place, ...]] | None


def _reads(graph: Graph, identifier: str) -> _Reads:
    """A rule has no columns: all that it does is to look for rows. What could not be taken apart
    reads as a whole."""
    member, anatomies = graph.members[identifier], graph.anatomies.get(identifier, ())
    if not anatomies:
        whole = tuple((feeder, "*") for feeder in graph.feeding(identifier))
        return _Reads(whole, whole, None)
    targets = [graph.targets[identifier][number] for number, _ in deciding(member)]
    pairs = list(zip(anatomies, targets, strict=False))
    columns = anatomies[0].columns if member.node.kind != "rule" else None
    return _Reads(
        _union(_placed(anatomy.whole, at) for anatomy, at in pairs),
        _union(_placed(anatomy.rows or anatomy.whole, at) for anatomy, at in pairs),
        None if columns is None else {name: _placed(part, targets[0]) for name, part in columns},
    )


def _placed(part: Part, targets: Sequence[str]) -> tuple[Place, ...]:
    return tuple((targets[number], column) for number, column in part.reads if column)


def _union(places: Iterable[Iterable[Place]]) -> tuple[Place, ...]:
    return tuple(dict.fromkeys(place for some in places for place in some))


_Names = Mapping[str, Mapping[str, tuple[str, str | None]]]


def _names(graph: Graph, reads: Mapping[str, _Reads]) -> _Names:
    """id → column in lower case → its exact name and its type. Where nobody can know, those that
    others name."""
    named: dict[str, dict[str, None]] = {identifier: {} for identifier in graph.members}
    for part in reads.values():
        for identifier, column in part.whole:
            named[identifier][column] = None
    found: dict[str, dict[str, tuple[str, str | None]]] = {}
    for identifier, member in graph.members.items():
        exact, parts = graph.columns.get(identifier), reads[identifier].columns
        if member.node.kind == "rule":
            found[identifier] = {}
        elif exact is not None:
            found[identifier] = {folded(name): (name, word) for name, word in exact}
        else:
            rest = {"*": None} if graph.inputs[identifier] else {}
            found[identifier] = {
                name: (name, None)
                for name in (parts if parts is not None else named[identifier] | rest)
            }
    return found


def _node(graph: Graph, identifier: str, reads: _Reads, names: _Names) -> LineageNode:
    node, parts = graph.node(identifier), reads.columns or {}
    return LineageNode(
        id=identifier,
        path=node.path,
        line=node.line("name"),
        description=node.document.get("description"),
        inputs=graph.inputs[identifier],
        columns=tuple(
            LineageColumn(name, word, _exact(parts.get(lower, reads.whole), names))
            for lower, (name, word) in names[identifier].items()
        ),
        rows=_exact(reads.rows, names),
        feeding=graph.feeding(identifier),
    )


def _exact(places: Iterable[Place], names: _Names) -> tuple[Place, ...]:
    """Columns that are there, by their exact names. A bare name in a text stands for a column of
    every input."""
    found: dict[Place, None] = {}
    for identifier, column in places:
        there = names[identifier]
        some = there if column == "*" else [column] if column in there else []
        found |= dict.fromkeys((identifier, there[place][0]) for place in some)
    return tuple(found)


# With a plan


def planned_nodes(base: Graph, head: Graph, plan: Plan) -> dict[str, LineageNode]:
    """The nodes of a branch as its plan sees them, and those that it removes."""
    nodes = nodes_of(head)
    if not plan.changes and not plan.builds:
        return nodes
    before, changes = nodes_of(base), {change.node: change for change in plan.changes}
    there = nodes | {
        identifier: before[identifier]
        for identifier in before
        if identifier not in nodes and identifier in changes
    }
    states = {**dict.fromkeys(plan.reused, "reuse"), **dict.fromkeys(plan.builds, "build")}
    told = {
        identifier: replace(
            _changed(node, changes.get(identifier)),
            state=states.get(identifier),
            why=_why(plan, identifier, changes.get(identifier)),
        )
        for identifier, node in there.items()
    }
    columns = {(node.id, column.name) for node in told.values() for column in node.columns}
    return {identifier: part_of(node, told.keys(), columns) for identifier, node in told.items()}


def part_of(node: LineageNode, nodes: Container[str], columns: Container[Place]) -> LineageNode:
    """A node with only these columns, of what it reads too."""
    kept = [column for column in node.columns if (node.id, column.name) in columns]
    return replace(
        node,
        inputs=tuple(reference for reference in node.inputs if reference in nodes),
        columns=tuple(replace(column, reads=_among(column.reads, columns)) for column in kept),
        rows=_among(node.rows, columns),
    )


def _among(places: Iterable[Place], columns: Container[Place]) -> tuple[Place, ...]:
    return tuple(place for place in places if place in columns)


def _changed(node: LineageNode, change: Change | None) -> LineageNode:
    if change is None:
        return node
    kinds = {folded(column.name): column.kind for column in change.columns}
    columns = [replace(column, change=kinds.get(folded(column.name))) for column in node.columns]
    gone = [
        LineageColumn(column.name, column.before, (), "removed")
        for column in change.columns
        if column.kind == "removed"
    ]
    return replace(node, change=str(change.category), columns=(*columns, *gone))


def _why(plan: Plan, identifier: str, change: Change | None) -> str | None:
    words = [*(change.words if change else ()), plan.reasons.get(identifier, "")]
    return "; ".join(filter(None, words)) or None
