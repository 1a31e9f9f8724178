"""Finds the edits for which a node is built again. Follows them from part to part, as fingerprints
do. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

from seeknal_git.project.bound_graph import BoundGraph
from seeknal_git.project.fingerprints import Fingerprint, decisive
from seeknal_git.project.graph import deciding
from seeknal_git.sql.statement import EVERYTHING, ROWS, Anatomy, Part


@dataclass(frozen=True, slots=True)
class Edit:
    """An edit of a node, by the parts of its table that it changes."""

    node: str
    # Whether it changes the row set.
    rows: bool = True
    # The columns that it changes, in lower case; None if all parts count as changed.
    columns: frozenset[str] | None = None
    # Whether the raw data of the node moved, which no fingerprint shows.
    data: bool = False
    # Whether another column has the times of its rows: functions join by it.
    times: bool = False

    @property
    def is_felt(self) -> bool:
        """Whether nodes downstream may be built because of it, whatever the parts tell."""
        return self.rows or self.times or self.columns != frozenset()


def edit_of(
    node: str, before: Fingerprint, after: Fingerprint, retyped: Iterable[str] = ()
) -> Edit:
    """The parts of a node that differ in two fingerprints, and the columns of another type."""
    if before.columns is None or after.columns is None:
        return Edit(node)
    names = {*before.columns, *after.columns}
    moved = {name for name in names if before.columns.get(name) != after.columns.get(name)}
    return Edit(node, before.rows != after.rows, frozenset(moved.union(retyped)))


@dataclass(frozen=True, slots=True)
class Blame:
    """The edits behind the nodes that are built, and behind the parts of each node."""

    # For each node that is built, the edits of other nodes for which it is built.
    of_nodes: Mapping[str, frozenset[str]]
    _bits: Mapping[str, int]
    _behind: Mapping[str, _Behind]

    def is_behind(self, edit: str, node: str, part: str) -> bool:
        """Whether an edit is behind a part of a node: a column in lower case, ROWS or
        EVERYTHING."""
        return bool(self._behind.get(node, _NOTHING).of(part) & self._bits.get(edit, 0))

    def orders(self, edit: str, node: str) -> bool:
        """Whether an edit is behind the order of the columns of a node."""
        return bool(self._behind.get(node, _NOTHING).order & self._bits.get(edit, 0))


def blamed(edits: Iterable[Edit], base: BoundGraph, head: BoundGraph, builds: set[str]) -> Blame:
    """The edits for which nodes are built.

    If the parts do not show a cause (such as the order of columns), these are all edits upstream.
    """
    tracing = _Tracing(base, head, tuple(edits))
    of_nodes = {node: tracing.edits_behind(node) - {node} for node in tracing.followed(builds)}
    return Blame(of_nodes, tracing.bits, tracing.behind)


@dataclass(frozen=True, slots=True)
class _Behind:
    """The edits behind each part of a node, as the bits of a number."""

    whole: int = 0
    rows: int = 0
    # The edits behind the order of the columns.
    order: int = 0
    columns: Mapping[str, int] = field(default_factory=dict)
    # The edits behind a column that is not known by name.
    every: int = 0

    def of(self, part: str) -> int:
        if part == EVERYTHING:
            return self.whole | self.order
        return self.columns.get(part, self.every) if part else self.rows


_NOTHING = _Behind()


@dataclass(frozen=True, slots=True)
class _Tracing:
    base: BoundGraph
    head: BoundGraph
    edits: tuple[Edit, ...]
    behind: dict[str, _Behind] = field(default_factory=dict)

    @property
    def bits(self) -> dict[str, int]:
        return {edit.node: 1 << number for number, edit in enumerate(self.edits)}

    def followed(self, builds: set[str]) -> list[str]:
        """Trace every node that the edits may reach, inputs first. Returns the nodes that are
        built."""
        bits = self.bits
        own = {edit.node: edit for edit in self.edits}
        data = sum(bits[edit.node] for edit in self.edits if edit.data)
        for node in own.keys() - self.head.members.keys():
            self.behind[node] = _all_of(bits[node])
        reached = self.head.downstream(self.head.members.keys() & own.keys()) | own.keys()
        reached |= self.base.downstream(own.keys() - self.head.members.keys())
        for node in self.head.members:
            if node in reached:
                self.behind[node] = self._traced(node, own.get(node), bits.get(node, 0), data)
        return [node for node in self.head.members if node in builds]

    def edits_behind(self, node: str) -> frozenset[str]:
        found = self.behind.get(node, _NOTHING).of(EVERYTHING)
        named = frozenset(
            edit.node for number, edit in enumerate(self.edits) if found >> number & 1
        )
        return named or self._nearby(node)

    def _nearby(self, node: str) -> frozenset[str]:
        """The edits upstream of a node; if there are none, the edits of the exposures that show the
        order of its rows."""
        edited = {edit.node for edit in self.edits if edit.is_felt}
        near = self.head.upstream([node]) & edited
        return frozenset(near or edited.intersection(self.head.readers[node]))

    def _traced(self, node: str, edit: Edit | None, bit: int, data: int) -> _Behind:
        """The edits behind a node. bit: its own edit; data: the edits that moved raw data."""
        before, after = self.base.fingerprints.get(node), self.head.fingerprints[node]
        read = [_reads(graph, node) for graph in (self.base, self.head) if node in graph.members]
        whole = self._through(read, EVERYTHING)
        if before is None or (edit is not None and edit.columns is None):
            return _all_of(bit | whole)
        own = _parts_of(edit)

        def behind(part: str) -> int:
            """Only raw data can move a part that has the same fingerprint as before."""
            mask = self._through(read, part) | (bit if part in own else 0)
            return mask if before.of(part) != after.of(part) else mask & data

        whole |= bit if own else 0
        moved_order = list(before.columns or ()) != list(after.columns or ())
        return _Behind(
            whole if before.whole != after.whole else whole & data,
            behind(ROWS),
            self._order(node, bit) if moved_order else 0,
            {name: behind(name) for name in after.columns or ()},
            whole,
        )

    def _order(self, node: str, bit: int) -> int:
        return bit or _union(
            self.behind.get(feeder, _NOTHING).order for feeder in self.head.feeding(node)
        )

    def _through(self, read: Iterable[_Reads], part: str) -> int:
        """The edits behind the reads of a part, in both versions of a node."""
        return _union(
            self.behind.get(feeder, _NOTHING).of(column)
            for reads in read
            for feeder, column in reads.get(part, reads[EVERYTHING])
        )


def _parts_of(edit: Edit | None) -> frozenset[str]:
    """The rows and the columns that an edit changes."""
    if edit is None:
        return frozenset()
    columns = edit.columns or frozenset()
    return columns | {ROWS} if edit.rows else columns


def _all_of(mask: int) -> _Behind:
    return _Behind(mask, mask, 0, {}, mask)


# For each part of a node, the parts of its inputs that it reads: (input, column).
_Reads = Mapping[str, list[tuple[str, str]]]


def _reads(graph: BoundGraph, node: str) -> _Reads:
    member, anatomies = graph.members[node], graph.anatomies.get(node, ())
    if not anatomies or member.node.kind == "exposure":
        return {EVERYTHING: [(feeder, EVERYTHING) for feeder in graph.feeding(node)]}
    targets = [graph.targets[node][number] for number, _ in deciding(member)]
    pairs = list(zip(anatomies, targets, strict=False))
    unnamed = [(feeder, EVERYTHING) for feeder in _unnamed(graph, node, pairs)]
    first = anatomies[0]
    if member.node.kind == "rule" or first.rows is None or first.columns is None:
        whole = []
        for anatomy, at in pairs:
            whole += _places(decisive(member.node, anatomy), at)
        return {EVERYTHING: [*whole, *unnamed]}
    found = {ROWS: [*_places(_stable(first.rows, first), targets[0]), *unnamed]}
    found |= {name: _places(_stable(part, first), targets[0]) for name, part in first.columns}
    order = _places(first.order, targets[0]) if first.order and node in graph.delivered else []
    return {**found, EVERYTHING: [*chain.from_iterable(found.values()), *order]}


def _unnamed(
    graph: BoundGraph, node: str, pairs: Iterable[tuple[Anatomy, Sequence[str]]]
) -> Iterator[str]:
    """The inputs that no statement of a node names."""
    named = {target for _, targets in pairs for target in targets}
    return (feeder for feeder in graph.feeding(node) if feeder not in named)


def _stable(part: Part, anatomy: Anatomy) -> Part:
    """A part of a statement; if it is unstable, the whole statement, since it may depend on all of
    it."""
    return anatomy.whole if part.unstable else part


def _places(part: Part, targets: Sequence[str]) -> list[tuple[str, str]]:
    """The reads of a part: (node, column). targets: the node behind each reference."""
    return [(targets[number], column) for number, column in part.reads]


def _union(masks: Iterable[int]) -> int:
    found = 0
    for mask in masks:
        found |= mask
    return found
