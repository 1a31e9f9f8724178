"""Which edits a node is built again for: followed from part to part, as fingerprints are. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from seeknal_git.project.fingerprints import Fingerprint, decisive
from seeknal_git.project.graph import Graph, deciding
from seeknal_git.sql.statement import EVERYTHING, Anatomy, Part


@dataclass(frozen=True, slots=True)
class Edit:
    """An edit of a node, by the parts of its table that it changes.

    columns: names in lower case, None if all parts count as changed; data: whether its raw data
    moved, which no fingerprint shows.
    """

    node: str
    rows: bool = True
    columns: frozenset[str] | None = None
    data: bool = False


def edit_of(
    node: str, before: Fingerprint, after: Fingerprint, retyped: Iterable[str] = ()
) -> Edit:
    """The parts of a node that are not the same in two fingerprints, and columns of another
    type."""
    if before.columns is None or after.columns is None:
        return Edit(node)
    names = {*before.columns, *after.columns}
    moved = {name for name in names if before.columns.get(name) != after.columns.get(name)}
    return Edit(node, before.rows != after.rows, frozenset(moved.union(retyped)))


def blamed(
    edits: Iterable[Edit], base: Graph, head: Graph, builds: set[str]
) -> dict[str, frozenset[str]]:
    """Node that is built → the edits behind that, its own aside.

    Where the parts tell nothing (a name's place among the columns, say), all edits upstream are.
    """
    tracing = _Tracing(base, head, tuple(edits))
    return {node: tracing.edits_behind(node) - {node} for node in tracing.followed(builds)}


@dataclass(frozen=True, slots=True)
class _Behind:
    """The edits behind each part of a node, as the bits of a number. order: those behind the order
    of its columns."""

    whole: int = 0
    rows: int = 0
    order: int = 0
    columns: Mapping[str, int] = field(default_factory=dict)
    every: int = 0  # the edits that count for parts that nobody knows by name

    def of(self, part: str) -> int:
        if part == EVERYTHING:
            return self.whole | self.order
        return self.columns.get(part, self.every) if part else self.rows


_NOTHING = _Behind()


@dataclass(frozen=True, slots=True)
class _Tracing:
    base: Graph
    head: Graph
    edits: tuple[Edit, ...]
    behind: dict[str, _Behind] = field(default_factory=dict)

    def followed(self, builds: set[str]) -> list[str]:
        """Trace all that the edits may reach, inputs first; the nodes of these that are built."""
        bits = {edit.node: 1 << number for number, edit in enumerate(self.edits)}
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
        """All edits that may be behind a node; else those of files that show the order of its
        rows."""
        edited = {edit.node for edit in self.edits if edit.rows or edit.columns != frozenset()}
        near = self.head.upstream([node]) & edited
        return frozenset(near or edited.intersection(self.head.readers[node]))

    def _traced(self, node: str, edit: Edit | None, bit: int, data: int) -> _Behind:
        """The edits behind a node. What has the same fingerprint as before can only be moved by raw
        data."""
        before, after = self.base.fingerprints.get(node), self.head.fingerprints[node]
        read = [_reads(graph, node) for graph in (self.base, self.head) if node in graph.members]
        whole = self._through(read, EVERYTHING)
        if before is None or (edit is not None and edit.columns is None):
            return _all_of(bit | whole)
        own = edit.columns or frozenset() if edit else frozenset()
        rows = self._through(read, "") | (bit if edit and edit.rows else 0)
        columns = {
            name: self._through(read, name) | (bit if name in own else 0)
            for name in after.columns or ()
        }
        whole |= bit if edit and (edit.rows or own) else 0
        moved_order = list(before.columns or ()) != list(after.columns or ())
        return _Behind(
            whole if before.whole != after.whole else whole & data,
            rows if before.of("") != after.of("") else rows & data,
            self._order(node, bit) if moved_order else 0,
            {
                name: mask if before.of(name) != after.of(name) else mask & data
                for name, mask in columns.items()
            },
            whole,
        )

    def _order(self, node: str, bit: int) -> int:
        return bit or _union(
            self.behind.get(feeder, _NOTHING).order for feeder in self.head.feeding(node)
        )

    def _through(self, read: Iterable[_Reads], part: str) -> int:
        """The edits behind what a part of a node reads, in either version of it."""
        return _union(
            self.behind.get(feeder, _NOTHING).of(column)
            for reads in read
            for feeder, column in reads.get(part, reads[EVERYTHING])
        )


def _all_of(mask: int) -> _Behind:
    return _Behind(mask, mask, 0, {}, mask)


# Part of a node → (input, part of it) for all that it reads.
_Reads = Mapping[str, list[tuple[str, str]]]


def _reads(graph: Graph, node: str) -> _Reads:
    member, anatomies, feeding = (
        graph.members[node],
        graph.anatomies.get(node, ()),
        graph.feeding(node),
    )
    if not anatomies or member.node.kind == "exposure":
        return {EVERYTHING: [(feeder, EVERYTHING) for feeder in feeding]}
    numbers = [number for number, _ in deciding(member)]
    pairs = [
        (anatomy, graph.targets[node][number])
        for anatomy, number in zip(anatomies, numbers, strict=False)
    ]
    named = {target for _, targets in pairs for target in targets}
    unnamed = [(feeder, EVERYTHING) for feeder in feeding if feeder not in named]
    first, targets = pairs[0]
    if member.node.kind == "rule" or first.rows is None or first.columns is None:
        whole = [
            place for anatomy, at in pairs for place in _places(decisive(member.node, anatomy), at)
        ]
        return {EVERYTHING: [*whole, *unnamed]}
    found = {"": [*_places(first.rows, targets, first), *unnamed]}
    found |= {name: _places(part, targets, first) for name, part in first.columns}
    order = _places(first.order, targets) if first.order and node in graph.delivered else []
    return {
        **found,
        EVERYTHING: [*(place for places in found.values() for place in places), *order],
    }


def _places(part: Part, targets: Sequence[str], of: Anatomy | None = None) -> list[tuple[str, str]]:
    """What is another one each time that a table is built reads all that the statement of which it
    is a part does."""
    part = of.whole if of and part.unstable else part
    return [(targets[number], column) for number, column in part.reads]


def _union(masks: Iterable[int]) -> int:
    found = 0
    for mask in masks:
        found |= mask
    return found
