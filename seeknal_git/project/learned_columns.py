"""The columns of Python nodes that declare none: those of the last table of the same code.

They are remembered by fingerprint, and decide nothing: no fingerprint depends on the tables that a
clone has built. Readers are checked against them, and a doubt is a warning, as other data may give
other columns.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from seeknal_git.cache import Cache
from seeknal_git.errors import Problem
from seeknal_git.project.bound_graph import BoundGraph
from seeknal_git.project.columns import Binding
from seeknal_git.project.declared_columns import asked
from seeknal_git.project.questions import refused
from seeknal_git.sql.statement import Columns

_TOPIC = "python columns"


def learn(cache: Cache, columns: Mapping[str, Columns]) -> None:
    """Remember the columns of tables of some code, by fingerprint."""
    cache.put(_TOPIC, dict(columns))


def with_learned(binding: Binding, graph: BoundGraph, cache: Cache) -> Binding:
    """The binding, with doubts about readers of Python nodes that declare no columns."""
    silent = [node for node in sorted(graph.structure.python) if graph.known[node].columns is None]
    if not silent:
        return binding
    found = cache.get(_TOPIC, {graph.wholes[node] for node in silent})
    learned = {
        node: tuple((name, word) for name, word in found[graph.wholes[node]])
        for node in silent
        if graph.wholes[node] in found
    }
    return replace(
        binding,
        warnings=(*binding.warnings, *_doubts(graph, learned, cache)),
        unbuilt=tuple(node for node in silent if node not in learned),
    )


def _doubts(graph: BoundGraph, learned: Mapping[str, Columns], cache: Cache) -> Iterator[Problem]:
    """The readers that the engine refuses over the columns that were learned."""
    behind = graph.downstream(learned) - graph.structure.python
    read = {target for node in behind for named in graph.targets[node] for target in named}
    known: dict[str, Columns | None] = {target: graph.columns[target] for target in read}
    hint = "This goes by the columns of the last table of the Python node behind it."
    for question, answer in asked(graph, behind, {**known, **learned}, cache):
        if "error" in answer:
            yield replace(refused(question, answer), hint=hint)
