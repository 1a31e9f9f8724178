"""The code that decides each partition of a node: its own, or for partitions before
`effective_from` that of an earlier commit, whose pieces may be there already."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from seeknal_git.project.bound_graph import BoundGraph
from seeknal_git.project.earlier_graph import graph_before
from seeknal_git.project.fingerprints import digest
from seeknal_git.project.partitions import Layout, Layouts
from seeknal_git.project.raw_data import DataRoot
from seeknal_git.sql.partitioning import Ordinal, Partitioning
from seeknal_git.sql.statement import Columns


@dataclass(frozen=True, slots=True)
class EarlierCode:
    """The earlier code of a node, over the inputs of today."""

    graph: BoundGraph
    layout: Layout
    end: int  # the first partition that it does not decide
    before: EarlierCode | None


def earlier_codes(
    graph: BoundGraph, nodes: Iterable[str], root: DataRoot
) -> dict[str, EarlierCode]:
    """Node → its earlier code, if that can be divided too. Found before there are workers: to bind
    it may start processes, and a fork beside busy threads is not safe."""
    found = {
        node: _earlier_code(graph, node, root) for node in nodes if node in graph.structure.pieces
    }
    return {node: code for node, code in found.items() if code}


def _earlier_code(graph: BoundGraph, node: str, root: DataRoot) -> EarlierCode | None:
    member = graph.members[node]
    before = graph_before(graph, node, root) if member.earlier else None
    layout = Layouts(before).of(node) if before else None
    if before is None or not isinstance(layout, Layout):
        return None
    first = datetime.fromisoformat(member.node.earlier["from"])
    end = Partitioning.of(member.node.partition).interval(first)
    return EarlierCode(before, layout, end, _earlier_code(before, node, root))


@dataclass(frozen=True, slots=True)
class Code:
    """The code of a node, over the inputs of today."""

    graph: BoundGraph
    layout: Layout
    key: str  # decides the ids of its pieces, with their data
    # The code of the partitions before `begin`, if their pieces have its ids.
    earlier: Code | None = None
    begin: int = 0

    def of(self, ordinal: Ordinal) -> Code:
        """The code that decides a partition."""
        if self.earlier and (ordinal is None or ordinal < self.begin):
            return self.earlier.of(ordinal)
        return self

    @property
    def storage(self) -> str:
        """The key of the table of pieces: that of the earliest code."""
        return self.earlier.storage if self.earlier else self.key


def storage_of(graph: BoundGraph, node: str, columns: Columns) -> str:
    """The key of the table of the pieces that a node's code has alone."""
    form = graph.structure.pieces[node]
    return digest("storage", graph.wholes[node], form, json.dumps(columns))


def code_of(
    graph: BoundGraph, node: str, layout: Layout, columns: Columns, earlier: EarlierCode | None
) -> Code:
    """The code of a node. columns: those of its table.

    Pieces of the earlier code have its ids if they fit into the same table, and if it reads what
    the node reads; all others have ids of the node's code as a whole.
    """
    key = storage_of(graph, node, columns)
    if (
        earlier is None
        or not _fits(graph, earlier.graph, node, columns)
        or not _reads_alike(earlier.layout, layout)
    ):
        return Code(graph, layout, key)
    old = code_of(earlier.graph, node, earlier.layout, columns, earlier.before)
    return Code(graph, layout, key, old, earlier.end)


def _fits(graph: BoundGraph, before: BoundGraph, node: str, columns: Columns) -> bool:
    forms = [one.structure.pieces.get(node) for one in (graph, before)]
    return forms[0] == forms[1] and before.columns[node] == columns


def _reads_alike(old: Layout, new: Layout) -> bool:
    """Whether the earlier code reads the windows of the node's. With others, it may have made other
    rows if the author of `reads` was wrong."""
    windows: Mapping[str, object] = new.windows
    return all(windows.get(read) == window for read, window in old.windows.items())
