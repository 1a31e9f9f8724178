"""The sources that decide a node, its rows and each of its columns. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from seeknal_git.nodes.node import Node
from seeknal_git.project.fingerprints import decisive, has_parts
from seeknal_git.project.graph import Graph, deciding
from seeknal_git.sql.statement import EVERYTHING, Anatomy, Part


@dataclass(frozen=True, slots=True)
class Origins:
    """The sources (and later builds) that decide a node, as the bits of a number each."""

    whole: int
    rows: int | None = None  # None if the node was not taken apart
    columns: Mapping[str, int] = field(default_factory=dict)

    def of(self, column: str) -> int:
        """The origins of a column; of the rows, for an empty name; of all of the node, for `*`."""
        if column == EVERYTHING:
            return self.whole
        if not column and self.rows is not None:
            return self.rows
        return self.columns.get(column, self.whole)

    def decided_by(self, bit: int) -> Origins:
        """The same, with one more thing that decides all of it."""
        rows = None if self.rows is None else self.rows | bit
        columns = {name: mask | bit for name, mask in self.columns.items()}
        return Origins(self.whole | bit, rows, columns)


NOTHING = Origins(0)


def origins_of(
    graph: Graph,
    identifier: str,
    anatomies: Sequence[Anatomy],
    behind: Mapping[str, Origins],
    *,
    bit: int = 0,
) -> Origins:
    """The origins of a node. Those of inputs whose history is frozen are not among them.

    anatomies: of each of its SELECTs that decide data; behind: the origins of its inputs; bit: its
    own, if it is a source.
    """
    member, numbered = graph.members[identifier], graph.targets[identifier]
    numbers = [number for number, _ in deciding(member)]
    targets = [_deciding(member.node, behind, numbered[number]) for number in numbers]
    feeding = graph.feeding(identifier)
    if len(anatomies) != len(targets) or not anatomies:
        return Origins(_wholes(bit, _deciding(member.node, behind, feeding)))
    named: set[str] = set()
    if member.node.kind != "exposure":  # a file shows all of a table
        named = named.union(*(numbered[number] for number in numbers))
    unnamed = [read for read in feeding if read not in named]
    own = _wholes(bit, _deciding(member.node, behind, unnamed))
    if not has_parts(member.node, anatomies):
        parts = [decisive(member.node, anatomy) for anatomy in anatomies]
        return Origins(_union(own, map(_of, parts, targets)))
    if anatomies[0].order and identifier in graph.delivered:
        own |= _of(anatomies[0].order, targets[0])
    return _in_parts(anatomies[0], targets[0], own)


def _deciding(node: Node, behind: Mapping[str, Origins], inputs: Iterable[str]) -> list[Origins]:
    """The origins of some inputs of a node, as far as they decide it."""
    frozen = node.frozen
    return [NOTHING if read in frozen else behind[read] for read in inputs]


def _in_parts(anatomy: Anatomy, inputs: Sequence[Origins], own: int) -> Origins:
    parts = {"": anatomy.rows, **dict(anatomy.columns or ())}
    masks = {
        name: _of(anatomy.whole if part.unstable else part, inputs)
        for name, part in parts.items()
        if part is not None
    }
    rows = masks.pop("") | own
    return Origins(_union(rows, masks.values()), rows, masks)


def _of(part: Part, inputs: Sequence[Origins]) -> int:
    mask = 0
    for number, column in part.reads:
        mask |= inputs[number].of(column)
    return mask


def _wholes(mask: int, inputs: Iterable[Origins]) -> int:
    return _union(mask, (origins.whole for origins in inputs))


def _union(mask: int, others: Iterable[int]) -> int:
    for other in others:
        mask |= other
    return mask
