"""Nodes that are views: each reader computes their rows again, so these have to be the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from seeknal_git.errors import Problem, limits

if TYPE_CHECKING:
    from seeknal_git.project.bound_graph import BoundGraph
    from seeknal_git.project.columns import Binding

_TABLE = "Leave out `materialized: view`: a table keeps the rows that were checked."


def with_views(binding: Binding, graph: BoundGraph) -> Binding:
    """The binding, with the problems of nodes that cannot be views."""
    if binding.problems:  # a node that the engine refuses was not taken apart
        return binding
    return replace(binding, problems=(*_problems(graph),))


def _problems(graph: BoundGraph) -> Iterator[Problem]:
    yield from _asked_by_models(graph)
    sizes: dict[str, int] = {}
    most = limits().statement_kb << 10
    for identifier in graph.inputs:
        if identifier not in graph.structure.as_views or graph.node(identifier).kind == "source":
            continue  # the files of a source are the same each time
        sizes[identifier] = _size(graph, identifier, sizes)
        if fault := _fault(graph, identifier, sizes[identifier], most):
            node = graph.node(identifier)
            message = f"{identifier} cannot be a view: {fault}."
            yield Problem(message, node.path, node.line("materialized"), _TABLE, identifier)


def _asked_by_models(graph: BoundGraph) -> Iterator[Problem]:
    """Semantic models of ephemeral nodes: queries of their metrics read a view."""
    for model in graph.structure.of_kind("semantic_model"):
        for read in graph.structure.ephemeral.intersection(graph.inputs[model]):
            node = graph.node(model)
            message = f"{model} is asked by its metrics, and no environment shows {read}."
            hint = f"Write `materialized: view` in {graph.node(read).path}."
            yield Problem(message, node.path, node.line("model"), hint, model)


def _fault(graph: BoundGraph, identifier: str, size: int, most: int) -> str | None:
    if size > most:
        return (
            f"with the views that it reads, its SQL is longer than {most >> 10} KB; "
            "make one of them a table"
        )
    if not graph.anatomies[identifier] or graph.columns[identifier] is None:
        return "its columns are not known before its inputs are built"
    if graph.is_unstable(identifier):
        return f"it may have other rows each time it is read ({graph.why_unstable(identifier)})"
    return None


def _size(graph: BoundGraph, identifier: str, sizes: Mapping[str, int]) -> int:
    """The length of a view's SQL with that of the views that it reads in their places."""
    sql = graph.node(identifier).sql or ""
    return len(sql) + sum(sizes.get(read, 0) for read in graph.targets[identifier][0])
