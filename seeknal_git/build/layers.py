"""The layers of a run: which nodes a layer has to build, and whether that is quickly done."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from seeknal_git.build.compute import reads_files, reads_row_ids, targets_of_check, verdict
from seeknal_git.build.progress import Event, Progress, Report
from seeknal_git.build.schedule import Layer, Twins
from seeknal_git.build.work import Work
from seeknal_git.project.bound_graph import BoundGraph

_FEW_ROWS = 10_000  # the engine takes some milliseconds for them


def layer_of(work: Work, report: Report, progress: Progress, nodes: Sequence[str]) -> Layer:
    """A layer of a run: it is looked at when the layers before have ended."""
    return Layer(
        lambda: all(_is_light(work, progress, node) for node in nodes),
        lambda: _opened(work, report, progress, nodes),
    )


def _is_light(work: Work, progress: Progress, identifier: str) -> bool:
    """Whether a node reads nothing but tables of few rows. It may read tables that are not
    committed."""
    node, graph = work.graph.node(identifier), work.graph
    if node.is_python or reads_files(node) or reads_row_ids(node.sql or ""):
        return False
    read = set(graph.targets[identifier][0]) if identifier in work.reasons else set()
    for number in work.checks.get(identifier, ()):
        read.update(targets_of_check(graph, identifier, number))
    if identifier in work.reasons:
        read.discard(identifier)
    tables = [progress.built.get(name) or work.inventory.snapshot(name) for name in read]
    return bool(read) and sum(table.rows for table in tables if table) <= _FEW_ROWS


def _opened(
    work: Work, report: Report, progress: Progress, layer: Sequence[str]
) -> Sequence[Twins]:
    """The nodes of a layer to build, without those that a failure blocks."""
    report(Event("layer", "", layer=(work.graph.layer_of[layer[0]], work.graph.depth)))
    _fail_again(work, layer, report, progress)
    failed = progress.failed
    lost = doomed(work.graph, failed)
    skip([node for node in layer if node in lost and node not in failed], report, progress)
    return _twins(work, [node for node in layer if node not in lost])


def _twins(work: Work, nodes: Sequence[str]) -> list[Twins]:
    """The nodes by the table that they are to have."""
    found: dict[str, list[str]] = {}
    for node in nodes:
        key = work.inventory.wanted(node) if node in work.reasons else node
        found.setdefault(key, []).append(node)
    return list(found.values())


def _fail_again(work: Work, layer: Sequence[str], report: Report, progress: Progress) -> None:
    """Let the nodes that failed in an earlier run, on the same data, fail again."""
    failed = progress.failed
    if failed and not work.options.keep_going:
        return
    lost = doomed(work.graph, failed)
    for node in layer:
        if node in work.failing and node not in lost:
            failed[node] = known_failure(work, node)
            report(Event("failed", node, failed[node]))
            report(Event("done", node))


def known_failure(work: Work, identifier: str) -> str:
    """The message of a node that failed in an earlier run and fails still."""
    node = work.graph.node(identifier)
    number = work.failing[identifier][0]
    answer = work.inventory.answer(identifier, number)
    assert answer is not None
    return verdict(node.path, node.checks[number], answer)


def doomed(graph: BoundGraph, failed: Iterable[str]) -> set[str]:
    """All nodes that a failure blocks: the failed nodes, the inputs of failed rules, and everything
    downstream."""
    roots = set(failed)
    rules = [node for node in roots if graph.node(node).kind == "rule"]
    roots.update(read for rule in rules for read in graph.inputs[rule])
    return roots | graph.downstream(roots)


def skip(nodes: Sequence[str], report: Report, progress: Progress) -> None:
    """Record and report nodes that cannot be built."""
    for node in nodes:
        progress.skipped.append(node)
        report(Event("skipped", node, "something before it failed"))
