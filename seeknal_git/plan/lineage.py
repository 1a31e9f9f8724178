"""The lineage of a project, and its selections: everything that feeds a node or a column, or that
they feed."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from seeknal_git.errors import SeeknalError, UsageError
from seeknal_git.names import called, folded
from seeknal_git.plan.column_lineage import NODE, LineageColumn, LineageNode, Place, part_of


@dataclass(frozen=True)
class Lineage:
    """The lineage of a project on a branch."""

    project: str
    branch: str
    # By id, inputs before their readers.
    nodes: Mapping[str, LineageNode]
    # Why it holds nothing of a plan; None if it does.
    gap: SeeknalError | None = None
    # Whether it holds only selected nodes.
    in_part: bool = False

    @cached_property
    def columns(self) -> dict[Place, LineageColumn]:
        return {
            Place(node.id, column.name): column
            for node in self.nodes.values()
            for column in node.columns
        }

    @cached_property
    def layers(self) -> dict[str, int]:
        """For each node, the number of nodes before it on the longest way."""
        found: dict[str, int] = {}
        for node in self.nodes.values():
            found[node.id] = 1 + max((found[name] for name in node.inputs), default=-1)
        return found

    @cached_property
    def readers(self) -> dict[Place, list[Place]]:
        """For each node, its readers. For each column, the columns that it feeds, and the nodes
        whose rows it decides."""
        found: dict[Place, list[Place]] = {}
        for node in self.nodes.values():
            for column in node.columns:
                for place in column.reads:
                    found.setdefault(place, []).append(Place(node.id, column.name))
            for place in (*(Place(name, NODE) for name in node.inputs), *node.rows):
                found.setdefault(place, []).append(Place(node.id, NODE))
        return found

    def further(self, place: Place, *, up: bool) -> Sequence[Place]:
        """The places that a node or a column reads (up), or its readers."""
        if not up:
            return self.readers.get(place, ())
        if place.column:
            return self.columns[place].reads
        return [Place(name, NODE) for name in self.nodes[place.node].inputs]

    def between(self, read: str, reader: str) -> tuple[list[str], list[str]]:
        """The columns of one node that decide values of another one, and those that only decide its
        rows."""
        node = self.nodes[reader]
        values = {name for column in node.columns for at, name in column.reads if at == read}
        rows = {name for at, name in node.rows if at == read} - values
        names = [column.name for column in self.nodes[read].columns]
        return [name for name in names if name in values], [name for name in names if name in rows]


@dataclass(frozen=True, slots=True)
class Step:
    """A line of a tree."""

    level: int
    place: Place
    # The place one level above.
    before: Place | None
    # Whether the places below it stand elsewhere in the tree.
    again: bool = False
    # The number of places below it that are not shown.
    beyond: int = 0


@dataclass(frozen=True, slots=True)
class Selection:
    """The part of a lineage that was asked for."""

    # The nodes and columns that take part.
    lineage: Lineage
    # The node or the column. None for the whole project: its trees begin at the nodes that read
    # nothing, or at those that nobody reads.
    place: Place | None
    # The trees of the places that it reads, and of its readers; None if not asked for.
    up: tuple[Step, ...] | None
    down: tuple[Step, ...] | None
    # The nodes that decide the rows of a column: its own first, then those upstream.
    deciding: tuple[str, ...] = ()


def select(
    lineage: Lineage,
    name: str | None,
    *,
    upstream: bool = False,
    downstream: bool = False,
    depth: int | None = None,
) -> Selection:
    """The places that feed a node or a column, that it feeds, or both. Raises UsageError for an
    unknown name.

    name: None for the whole project. depth: the number of steps; None for all.
    """
    if name is None:
        return _whole(lineage, up=upstream and not downstream, depth=depth)
    place = find(lineage, name)
    up_steps = down_steps = None
    if upstream or not downstream:
        up_steps = _walk(lineage, [place], True, depth)
    if downstream or not upstream:
        down_steps = _walk(lineage, [place], False, depth)
    places = {step.place for step in (up_steps or ()) + (down_steps or ())}
    deciding = _deciding(lineage, up_steps or (), depth) if place.column else []
    for identifier in deciding:
        places.update(lineage.nodes[identifier].rows)
    return Selection(restricted(lineage, places), place, up_steps, down_steps, tuple(deciding))


def _whole(lineage: Lineage, *, up: bool, depth: int | None) -> Selection:
    """The whole project, as trees of reads (up) or of readers."""
    steps = _walk(lineage, _ends(lineage, up), up, depth)
    if depth is not None:
        lineage = restricted(lineage, {step.place for step in steps})
    return Selection(lineage, None, steps if up else None, None if up else steps)


def _deciding(lineage: Lineage, steps: Sequence[Step], depth: int | None) -> list[str]:
    """The nodes that decide the rows of a column. steps: the tree of the columns that it reads."""
    if depth is None:
        return _with_upstream(lineage, dict.fromkeys(step.place.node for step in steps))
    return list(dict.fromkeys(step.place.node for step in steps if step.level < depth))


def _with_upstream(lineage: Lineage, nodes: Iterable[str]) -> list[str]:
    """Nodes, and all nodes upstream that decide their data: a row that is missing there is missing
    here."""
    found = list(nodes)
    known = set(found)
    for node in found:  # grows on the way
        for feeder in lineage.nodes[node].feeding:
            if feeder in lineage.nodes and feeder not in known:
                known.add(feeder)
                found.append(feeder)
    return found


def _ends(lineage: Lineage, up: bool) -> list[Place]:
    """The nodes that nobody reads, or that read nothing."""
    places = (Place(name, NODE) for name in lineage.nodes)
    return [place for place in places if not lineage.further(place, up=not up)]


def _walk(
    lineage: Lineage, starts: Sequence[Place], up: bool, depth: int | None
) -> tuple[Step, ...]:
    """A tree, from the top. A place is expanded once: if the depth is limited, at its nearest
    occurrence, else at the first."""
    nearest = _distances(lineage, starts, up, depth) if depth is not None else {}
    steps: list[Step] = []
    expanded: set[Place] = set()
    waiting: list[tuple[int, Place, Place | None]]
    waiting = [(0, start, None) for start in reversed(starts)]
    while waiting:
        level, place, before = waiting.pop()
        below = _below(lineage, place, starts, up)
        again = bool(below) and (place in expanded or level > nearest.get(place, level))
        open_ = not again and (depth is None or level < depth)
        steps.append(Step(level, place, before, again, 0 if again or open_ else len(below)))
        if open_:
            expanded.add(place)
            waiting += [(level + 1, further, place) for further in reversed(below)]
    return tuple(steps)


def _below(lineage: Lineage, place: Place, starts: Sequence[Place], up: bool) -> Sequence[Place]:
    """The next places on the way. A way along columns ends at a node whose rows a column
    decides."""
    ends = starts[0].column and not place.column
    return () if ends else lineage.further(place, up=up)


def _distances(lineage: Lineage, starts: Sequence[Place], up: bool, depth: int) -> dict[Place, int]:
    found = dict.fromkeys(starts, 0)
    waiting = list(starts)
    for place in waiting:  # grows on the way
        if found[place] >= depth:
            continue
        for further in _below(lineage, place, starts, up):
            if further not in found:
                found[further] = found[place] + 1
                waiting.append(further)
    return found


def restricted(lineage: Lineage, places: Collection[Place]) -> Lineage:
    """The nodes of some places. If columns are among the places, these columns alone."""
    ids = {place.node for place in places}
    columns = {place for place in places if place.column}
    if not columns:
        columns = {place for place in lineage.columns if place.node in ids}
    kept = (node for node in lineage.nodes.values() if node.id in ids)
    return replace(lineage, nodes={node.id: part_of(node, ids, columns) for node in kept})


def find(lineage: Lineage, name: str) -> Place:
    """The node or the column that a name means. Raises UsageError with the nearest existing
    name."""
    if node := _node(lineage, name):
        return Place(node, NODE)
    dots = [at for at, letter in enumerate(name) if letter == "."]
    for at in reversed(dots):
        if node := _node(lineage, name[:at]):
            return Place(node, _column(lineage.nodes[node], name[at + 1 :]))
    names = [*lineage.nodes, *(called(identifier) for identifier in lineage.nodes)]
    raise UsageError(f"There is no node {name}.", _nearest(name, names))


def _node(lineage: Lineage, name: str) -> str | None:
    if name in lineage.nodes:
        return name
    found = [identifier for identifier in lineage.nodes if called(identifier) == name]
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
            f"Its inputs: seeknal lineage {node.id}",
        )
    is_unknown = any(column.type is None for column in node.columns) or not names
    if is_unknown and node.kind != "source" and node.path.endswith(".py"):
        raise UsageError(
            f"No column {name} of {node.id} is known: its code declares none.",
            'Declare them: columns={"id": "BIGINT", …}',
        )
    if is_unknown:
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
