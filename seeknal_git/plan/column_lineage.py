"""The lineage of columns, from a graph and a plan. Pure."""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import NamedTuple

from seeknal_git.names import folded, split_id
from seeknal_git.nodes.kinds import WITHOUT_TABLE
from seeknal_git.plan.changes import Change, Plan
from seeknal_git.plan.reason import Reason
from seeknal_git.plan.wording import said_of_use
from seeknal_git.project.bound_graph import BoundGraph
from seeknal_git.project.graph import deciding
from seeknal_git.sql.statement import EVERYTHING, ROWS, Part

# Stands for the node itself in place of a column.
NODE = ""


class Place(NamedTuple):
    """A place in the lineage: a column of a node, or the node itself."""

    node: str
    # NODE for the node itself, EVERYTHING for columns whose names are not known.
    column: str


@dataclass(frozen=True, slots=True)
class LineageColumn:
    """A column, and the columns that decide its values."""

    name: str
    type: str | None
    reads: tuple[Place, ...]
    # `added`, `removed` or `changed` by an edit; None if it is the same.
    change: str | None = None


@dataclass(frozen=True, slots=True)
class LineageNode:
    """A node, with its lineage and its place in a plan."""

    id: str
    path: str
    line: int
    description: str | None
    # Of an exposure that another system delivers: its type, name and owner, and its address.
    use: str | None
    url: str | None
    # All nodes that it reads, even if it uses no column of them.
    inputs: tuple[str, ...]
    columns: tuple[LineageColumn, ...]
    # The columns that decide its row set.
    rows: tuple[Place, ...]
    # From the plan, if there is one: the category of its change, `build`, `built` or `reuse`,
    # the differences in words, and the reasons.
    change: str | None = None
    state: str | None = None
    differences: tuple[str, ...] = ()
    reasons: tuple[Reason, ...] = ()
    # The inputs that decide its data.
    feeding: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        return split_id(self.id)[0]

    @property
    def is_end(self) -> bool:
        """Whether it reads rows and columns, and has none itself."""
        return self.kind in WITHOUT_TABLE and (self.kind != "exposure" or self.use is not None)


def nodes_of(graph: BoundGraph) -> dict[str, LineageNode]:
    """The nodes of a graph, with columns as the engine spells them."""
    reads = {identifier: _reads(graph, identifier) for identifier in graph.members}
    names = _names(graph, reads)
    return {
        identifier: _node(graph, identifier, reads[identifier], names)
        for identifier in graph.members
    }


@dataclass(frozen=True, slots=True)
class _Reads:
    """The reads of a node, as its text says. Columns are in lower case and may not exist;
    EVERYTHING is all columns."""

    whole: tuple[Place, ...]
    rows: tuple[Place, ...]
    columns: Mapping[str, tuple[Place, ...]] | None


def _reads(graph: BoundGraph, identifier: str) -> _Reads:
    """The reads of a node. A rule has no columns, since it only looks for rows. A node that could
    not be taken apart reads all of its inputs."""
    member, anatomies = graph.members[identifier], graph.anatomies.get(identifier, ())
    if not anatomies:
        whole = tuple(Place(feeder, EVERYTHING) for feeder in graph.feeding(identifier))
        return _Reads(whole, whole, None)
    targets = [graph.targets[identifier][number] for number, _ in deciding(member)]
    pairs = list(zip(anatomies, targets, strict=False))
    if member.node.is_inert:  # it has neither rows nor columns, and uses those that it reads
        used = _union(_placed(anatomy.whole, at) for anatomy, at in pairs)
        return _Reads(used, used, None)
    columns = anatomies[0].columns if member.node.kind != "rule" else None
    return _Reads(
        _union(_placed(anatomy.whole, at) for anatomy, at in pairs),
        _union(_placed(anatomy.rows or anatomy.whole, at) for anatomy, at in pairs),
        None if columns is None else {name: _placed(part, targets[0]) for name, part in columns},
    )


def _placed(part: Part, targets: Sequence[str]) -> tuple[Place, ...]:
    return tuple(Place(targets[number], column) for number, column in part.reads if column != ROWS)


def _union(places: Iterable[Iterable[Place]]) -> tuple[Place, ...]:
    return tuple(dict.fromkeys(chain.from_iterable(places)))


# For each node, and each column in lower case, the exact name and the type of the column.
_Names = Mapping[str, Mapping[str, tuple[str, str | None]]]


def _names(graph: BoundGraph, reads: Mapping[str, _Reads]) -> _Names:
    """The columns of each node. If they are not known, these are the columns that its readers
    name."""
    named: dict[str, dict[str, None]] = {identifier: {} for identifier in graph.members}
    for part in reads.values():
        for identifier, column in part.whole:
            named[identifier][column] = None
    found: dict[str, dict[str, tuple[str, str | None]]] = {}
    for identifier, member in graph.members.items():
        exact, parts = graph.columns.get(identifier), reads[identifier].columns
        if member.node.kind == "rule" or member.node.is_inert:
            found[identifier] = {}
        elif exact is not None:
            found[identifier] = {folded(name): (name, word) for name, word in exact}
        else:
            rest = {EVERYTHING: None} if graph.inputs[identifier] else {}
            known = parts if parts is not None else named[identifier] | rest
            found[identifier] = {name: (name, None) for name in known}
    return found


def _node(graph: BoundGraph, identifier: str, reads: _Reads, names: _Names) -> LineageNode:
    node, parts = graph.node(identifier), reads.columns or {}
    return LineageNode(
        id=identifier,
        path=node.path,
        line=node.line("name"),
        description=node.document.get("description"),
        use=said_of_use(node) if node.use else None,
        url=node.document.get("url") if node.use else None,
        inputs=graph.inputs[identifier],
        columns=tuple(
            LineageColumn(name, word, _exact(parts.get(lower, reads.whole), names))
            for lower, (name, word) in names[identifier].items()
        ),
        rows=_exact(reads.rows, names),
        feeding=graph.feeding(identifier),
    )


def _exact(places: Iterable[Place], names: _Names) -> tuple[Place, ...]:
    """The columns that exist, by their exact names. The text may name a column of one input as a
    column of each."""
    found: dict[Place, None] = {}
    for identifier, column in places:
        there = names[identifier]
        if column == EVERYTHING:
            found |= dict.fromkeys(Place(identifier, name) for name, _ in there.values())
        elif column in there:
            found[Place(identifier, there[column][0])] = None
    return tuple(found)


# With a plan


def planned_nodes(
    base: BoundGraph, head: BoundGraph, plan: Plan, built: Collection[str] = ()
) -> dict[str, LineageNode]:
    """The nodes of a branch with their changes, and the nodes that the branch removes.

    built: those of the plan for which nothing is left to do.
    """
    nodes = nodes_of(head)
    if not plan.changes and not plan.builds:
        return nodes
    before, changes = nodes_of(base), {change.node: change for change in plan.changes}
    gone = {node: known for node, known in before.items() if node in changes and node not in nodes}
    there = nodes | gone
    states = {**dict.fromkeys(plan.reused, "reuse"), **dict.fromkeys(plan.builds, "build")}
    states |= dict.fromkeys(built, "built")
    told = {
        identifier: replace(
            _changed(node, changes.get(identifier)),
            state=states.get(identifier),
            differences=changes[identifier].words if identifier in changes else (),
            reasons=plan.reasons.get(identifier, ()),
        )
        for identifier, node in there.items()
    }
    columns = {Place(node.id, column.name) for node in told.values() for column in node.columns}
    return {identifier: part_of(node, told.keys(), columns) for identifier, node in told.items()}


def part_of(node: LineageNode, nodes: Container[str], columns: Container[Place]) -> LineageNode:
    """A node with these columns alone, also among its reads."""
    kept = [column for column in node.columns if Place(node.id, column.name) in columns]
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
