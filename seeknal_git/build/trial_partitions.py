"""Compare partitions that were built piece by piece with a build of the whole node."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from seeknal_git.build.compute import select_of
from seeknal_git.build.trial import Verified, judged
from seeknal_git.build.trial_inputs import Obstacle
from seeknal_git.names import folded
from seeknal_git.project.bound_graph import BoundGraph
from seeknal_git.project.partitions import Layout, Layouts
from seeknal_git.sql.engine import SqlError
from seeknal_git.sql.partition_values import has_marks
from seeknal_git.sql.ranges import is_among
from seeknal_git.warehouse.protocol import Warehouse

_MOST = 1_000_000  # partitions that are looked at


def divided(graph: BoundGraph, built: Mapping[str, str]) -> list[str]:
    """The nodes that are built in pieces, and that can be compared. built: node → its rows."""
    layouts = Layouts(graph)
    return [
        node
        for node in graph.structure.pieces
        if isinstance(layouts.of(node), Layout)
        and graph.node(node).kind != "source"
        and built.keys() >= {node, *graph.targets[node][0]}
    ]


def tried_partitions(
    warehouse: Warehouse, graph: BoundGraph, built: Mapping[str, str], *, everything: bool
) -> Iterator[Verified]:
    """Compare some partitions of each node that is built in pieces, or all of them.

    built: node → its rows, as SQL names them.
    """
    for node in divided(graph, built):
        try:
            yield replace(_tried(warehouse, graph, built, node, everything), partitions=True)
        except (Obstacle, SqlError) as exc:
            yield Verified(node, "not verified", reason=str(exc), partitions=True)


def _tried(
    warehouse: Warehouse,
    graph: BoundGraph,
    built: Mapping[str, str],
    node: str,
    everything: bool,
) -> Verified:
    layout, columns = Layouts(graph).of(node), graph.columns[node]
    assert isinstance(layout, Layout), "the caller looked"
    assert columns is not None, "the caller looked"
    sql = select_of(graph, node, built)
    if frozen := graph.node(node).frozen:
        raise Obstacle(f"the history of {' and '.join(frozen)} is frozen, so there is no whole")
    if has_marks(sql):
        raise Obstacle("its SQL asks which partition it builds, so there is no whole")
    partitioning = layout.partitioning
    ordinal = partitioning.sql({folded(name): word for name, word in columns})
    found = warehouse.scratch.first_rows(
        f"SELECT DISTINCT {ordinal} AS number FROM {built[node]} ORDER BY ALL", {}, _MOST
    )
    there = [number for (number,) in found.rows if number is not None]
    chosen = there if everything else _sample(there)
    which = "true" if everything else is_among(ordinal, chosen)
    if partitioning.outside == "drop":
        which = f"({which}) AND {partitioning.inside(ordinal)}"
    whole = warehouse.scratch.table("whole", f"SELECT * FROM ({sql}\n) WHERE {which}", {})
    pieces = f"(SELECT * FROM {built[node]} WHERE {which})"
    result = judged(node, warehouse.scratch.compare(pieces, whole, columns), columns, None)
    words = f"{len(chosen):,} of {len(there):,} partitions"
    return replace(result, reason="; ".join(filter(None, [words, result.reason])))


def _sample(numbers: Sequence[int]) -> list[int]:
    """The first, the last, and one between."""
    return sorted({numbers[0], numbers[len(numbers) // 2], numbers[-1]}) if numbers else []
