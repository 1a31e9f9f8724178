"""A project's lineage, and the part of it that feeds a node or a column, or that they feed."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from seeknal_git.errors import SeeknalError, UsageError
from seeknal_git.names import folded, split_id
from seeknal_git.plan.column_lineage import LineageColumn, LineageNode, Place, part_of


@dataclass(frozen=True)
class Lineage:
    """The nodes by id, inputs before their readers. gap: why there is nothing of a plan in it."""

    project: str
    branch: str
    nodes: Mapping[str, LineageNode]
    gap: SeeknalError | None = None

    @cached_property
    def columns(self) -> dict[Place, LineageColumn]:
        return {
            (node.id, column.name): column
            for node in self.nodes.values()
            for column in node.columns
        }

    @cached_property
    def layers(self) -> dict[str, int]:
        """id → how many nodes are before it, on the longest way."""
        found: dict[str, int] = {}
        for node in self.nodes.values():
            found[node.id] = 1 + max((found[each] for each in node.inputs), default=-1)
        return found

    @cached_property
    def readers(self) -> dict[Place, list[Place]]:
        """The readers of each node; of each column the columns that it feeds, and the nodes whose
        rows it decides."""
        found: dict[Place, list[Place]] = {}
        for node in self.nodes.values():
            for column in node.columns:
                for each in column.reads:
                    found.setdefault(each, []).append((node.id, column.name))
            for each in (*((name, "") for name in node.inputs), *node.rows):
                found.setdefault(each, []).append((node.id, ""))
        return found

    def further(self, place: Place, *, up: bool) -> Sequence[Place]:
        """What a node or a column reads, or what reads it."""
        if not up:
            return self.readers.get(place, ())
        return (
            self.columns[place].reads
            if place[1]
            else [(each, "") for each in self.nodes[place[0]].inputs]
        )

    def between(self, read: str, reader: str) -> tuple[list[str], list[str]]:
        """The columns of one node that decide values of another one, and those that only decide its
        rows."""
        node = self.nodes[reader]
        values = {name for column in node.columns for at, name in column.reads if at == read}
        rows = {name for at, name in node.rows if at == read} - values
        names = [column.name for column in self.nodes[read].columns]
        return [name for name in names if name in values], [name for name in names if name in rows]


# A part of it


@dataclass(frozen=True, slots=True)
class Step:
    """A line of a tree. again: what is below stands elsewhere in the tree; beyond: how many are not
    shown below it."""

    level: int
    place: Place
    before: Place | None
    again: bool = False
    beyond: int = 0


@dataclass(frozen=True, slots=True)
class Selection:
    """What was asked for. lineage: the nodes and columns that take part; up, down: the ways there,
    None if not asked.

    place: the node or the column; None for the whole project, whose trees begin at the nodes that
    read nothing, or at those that nobody reads. deciding: of a column, the nodes whose rows it
    comes from, its own first.
    """

    lineage: Lineage
    place: Place | None
    up: tuple[Step, ...] | None
    down: tuple[Step, ...] | None
    deciding: tuple[str, ...] = ()


def select(
    lineage: Lineage,
    name: str | None,
    *,
    upstream: bool = False,
    downstream: bool = False,
    depth: int | None = None,
) -> Selection:
    """What feeds a node or a column, what it feeds, or both, in so many steps. Raises UsageError
    for unknown names."""
    if name is None:
        up = upstream and not downstream
        steps = _walk(lineage, _ends(lineage, up), up, depth)
        part = lineage if depth is None else restricted(lineage, {step.place for step in steps})
        return Selection(part, None, steps if up else None, None if up else steps)
    place = find(lineage, name)
    up_steps = _walk(lineage, [place], True, depth) if upstream or not downstream else None
    down_steps = _walk(lineage, [place], False, depth) if downstream or not upstream else None
    places = {step.place for step in (*(up_steps or ()), *(down_steps or ()))}
    deciding: list[str] = []
    if place[1] and up_steps is not None:
        deciding = [step.place[0] for step in up_steps if depth is None or step.level < depth]
        deciding = (
            _with_upstream(lineage, deciding) if depth is None else list(dict.fromkeys(deciding))
        )
        places |= {each for identifier in deciding for each in lineage.nodes[identifier].rows}
    return Selection(restricted(lineage, places), place, up_steps, down_steps, tuple(deciding))


def _with_upstream(lineage: Lineage, nodes: Iterable[str]) -> list[str]:
    """Nodes, and all that decide their data: a row that is left out there is missing here."""
    found = dict.fromkeys(nodes)
    waiting = list(found)
    for node in waiting:
        more = [
            each
            for each in lineage.nodes[node].feeding
            if each in lineage.nodes and each not in found
        ]
        found |= dict.fromkeys(more)
        waiting += more
    return list(found)


def _ends(lineage: Lineage, up: bool) -> list[Place]:
    """The nodes that nobody reads, or that read nothing."""
    return [(each, "") for each in lineage.nodes if not lineage.further((each, ""), up=not up)]


def _walk(
    lineage: Lineage, starts: Sequence[Place], up: bool, depth: int | None
) -> tuple[Step, ...]:
    """A tree, from the top. A place is expanded once; where the depth is limited, where it is
    nearest."""
    nearest = _distances(lineage, starts, up, depth) if depth is not None else {}
    steps: list[Step] = []
    expanded: set[Place] = set()
    waiting: list[tuple[int, Place, Place | None]] = [(0, each, None) for each in reversed(starts)]
    while waiting:
        level, place, before = waiting.pop()
        below = _below(lineage, place, starts, up)
        again = bool(below) and (place in expanded or level > nearest.get(place, level))
        open_ = not again and (depth is None or level < depth)
        steps.append(Step(level, place, before, again, 0 if again or open_ else len(below)))
        if open_:
            expanded.add(place)
            waiting += [(level + 1, each, place) for each in reversed(below)]
    return tuple(steps)


def _below(lineage: Lineage, place: Place, starts: Sequence[Place], up: bool) -> Sequence[Place]:
    """What comes next on the way. Among columns, a node whose rows one of them decides is the end
    of it."""
    return () if starts[0][1] and not place[1] else lineage.further(place, up=up)


def _distances(lineage: Lineage, starts: Sequence[Place], up: bool, depth: int) -> dict[Place, int]:
    found = dict.fromkeys(starts, 0)
    for place in (waiting := list(starts)):
        for each in _below(lineage, place, starts, up) if found[place] < depth else ():
            if each not in found:
                found[each] = found[place] + 1
                waiting.append(each)
    return found


def restricted(lineage: Lineage, places: Collection[Place]) -> Lineage:
    """Only the nodes of some places; and where columns are among these, no other columns."""
    ids = {identifier for identifier, _ in places}
    columns = {place for place in places if place[1]} or {
        place for place in lineage.columns if place[0] in ids
    }
    nodes = {
        each: part_of(node, ids, columns) for each, node in lineage.nodes.items() if each in ids
    }
    return replace(lineage, nodes=nodes)


# By name


def find(lineage: Lineage, name: str) -> Place:
    """The node or the column that a name means. Raises UsageError, with the nearest name that there
    is."""
    if node := _node(lineage, name):
        return node, ""
    dots = [at for at, letter in enumerate(name) if letter == "."]
    for at in reversed(dots):
        if node := _node(lineage, name[:at]):
            return node, _column(lineage.nodes[node], name[at + 1 :])
    names = [*lineage.nodes, *(split_id(each)[1] for each in lineage.nodes)]
    raise UsageError(f"There is no node {name}.", _nearest(name, names))


def _node(lineage: Lineage, name: str) -> str | None:
    if name in lineage.nodes:
        return name
    found = [each for each in lineage.nodes if split_id(each)[1] == name]
    if len(found) > 1:
        raise UsageError(
            f"{len(found)} nodes are called {name}.", f"Say which: {', '.join(found)}."
        )
    return found[0] if found else None


def _column(node: LineageNode, name: str) -> str:
    names = {folded(column.name): column.name for column in node.columns}
    if folded(name) in names:
        return names[folded(name)]
    if node.kind == "rule":
        raise UsageError(
            f"{node.id} has no columns: a rule yields no table.",
            f"What it reads: seeknal lineage {node.id}",
        )
    if any(column.type is None for column in node.columns) or not names:
        raise UsageError(
            f"No column {name} of {node.id} is known: there is raw data that is not here.",
            _nearest(name, names.values()),
        )
    raise UsageError(
        f"{node.id} has no column {name}.",
        _nearest(name, names.values()) or f"It has {', '.join(names.values())}.",
    )


def _nearest(name: str, names: Iterable[str]) -> str | None:
    near = difflib.get_close_matches(name, list(names), 1)
    return f"Did you mean {near[0]}?" if near else None
