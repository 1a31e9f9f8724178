"""The code that decides each partition of a node: its own, or for partitions before
`effective_from` that of an earlier commit, whose pieces may be there already."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from seeknal_git.project.bound_graph import BoundGraph
from seeknal_git.project.earlier_graph import graph_before
from seeknal_git.project.fingerprints import digest
from seeknal_git.project.partitions import Layout, Layouts
from seeknal_git.project.raw_data import DataRoot
from seeknal_git.sql.partitioning import Ordinal
from seeknal_git.sql.statement import Columns


@dataclass(frozen=True, slots=True)
class Code:
    """The code of a node, over the inputs of today."""

    graph: BoundGraph
    layout: Layout
    storage: str  # the key of the table of pieces that this code has alone
    # The code of the partitions before `begin`, if their pieces have its names.
    earlier: Code | None = None
    begin: int = 0

    def of(self, ordinal: Ordinal) -> Code:
        """The code that decides a partition."""
        if self.earlier and (ordinal is None or ordinal < self.begin):
            return self.earlier.of(ordinal)
        return self

    @property
    def table(self) -> str:
        """The key of the table of pieces: that of the earliest code."""
        return self.earlier.table if self.earlier else self.storage


def storage_of(graph: BoundGraph, node: str, columns: Columns) -> str:
    """The key of the table of a node's pieces."""
    form = graph.structure.pieces[node]
    return digest("storage", graph.wholes[node], form, json.dumps(columns))


def code_of(graph: BoundGraph, node: str, layout: Layout, columns: Columns, root: DataRoot) -> Code:
    """The code of a node. columns: those of its table.

    Pieces of the earlier code are named by it if they fit into the same table, and if it reads what
    the node reads; all others are named by the node's code as a whole.
    """
    storage = storage_of(graph, node, columns)
    member = graph.members[node]
    before = graph_before(graph, node, root) if member.earlier else None
    if before is None or not _fits(graph, before, node, columns):
        return Code(graph, layout, storage)
    old = Layouts(before).of(node)
    if not isinstance(old, Layout) or not _reads_alike(old, layout):
        return Code(graph, layout, storage)
    first = datetime.fromisoformat(member.node.earlier["from"])
    earlier = code_of(before, node, old, columns, root)
    return Code(graph, layout, storage, earlier, layout.partitioning.interval(first))


def _fits(graph: BoundGraph, before: BoundGraph, node: str, columns: Columns) -> bool:
    forms = [one.structure.pieces.get(node) for one in (graph, before)]
    return forms[0] == forms[1] and before.columns[node] == columns


def _reads_alike(old: Layout, new: Layout) -> bool:
    """Whether the earlier code reads the windows of the node's. With others, it may have made other
    rows if the author of `reads` was wrong."""
    windows: Mapping[str, object] = new.windows
    return all(windows.get(read) == window for read, window in old.windows.items())
