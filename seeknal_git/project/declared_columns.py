"""Raw data that is not here: the nodes behind it are bound against the columns that its sources
declare.

Files may have more columns than a source declares. So what the engine refuses for its types is an
error, and a column that nobody declares is only told.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from seeknal_git.cache import Cache
from seeknal_git.errors import Problem
from seeknal_git.nodes.node import Node
from seeknal_git.project.bound_graph import BoundGraph
from seeknal_git.project.columns import Binding, Question, questions_of, refused
from seeknal_git.project.fingerprints import digest
from seeknal_git.project.graph import Graph
from seeknal_git.sql.describe import Statement, judged
from seeknal_git.sql.statement import Columns, Known

_OF_TYPES = re.compile(
    r"No function matches|Cannot (?:compare|mix|combine|cast|create)|cannot be (?:cast|compared)|[Cc]onver(?:t|sion)"
)


def with_declared(binding: Binding, graph: BoundGraph, cache: Cache) -> Binding:
    """The binding, with what the engine says of nodes behind raw data that is not here."""
    if not binding.absent:
        return binding
    behind = graph.downstream(each.node for each in binding.absent if each.node)
    read = {target for node in behind for named in graph.targets[node] for target in named}
    known = {target: columns for target in read if (columns := graph.columns[target])}
    known |= {
        absence.node: declared
        for absence in binding.absent
        if absence.node and (declared := _declared(graph, absence.node))
    }
    problems: list[Problem] = []
    warnings: list[Problem] = []
    for layer in graph.layers:
        for questions in questions_of(graph, [each for each in layer if each in behind]):
            for question, answer in _answers(questions, known, cache):
                if "columns" in answer and question.position == 0:
                    known[question.node.id] = tuple(
                        (name, word) for name, word in answer["columns"]
                    )
                if "error" in answer:
                    found = refused(question, answer)
                    if not answer.get("limit"):
                        found = _told(found, binding, graph)
                    certain = answer.get("limit") or _OF_TYPES.search(answer["error"])
                    (problems if certain else warnings).append(found)
    return replace(
        binding, problems=(*binding.problems, *problems), warnings=(*binding.warnings, *warnings)
    )


def _declared(graph: Graph, source: str) -> Columns:
    """The columns that a source declares, with the engine's words for their types."""
    types: Mapping[str, str] = graph.node(source).definition["types"]
    if not types:
        return ()
    from seeknal_git.sql.engine import type_name

    return tuple((name, type_name(word)) for name, word in types.items())


def _answers(
    questions: list[Question], known: Mapping[str, Columns | None], cache: Cache
) -> Iterator[tuple[Question, dict[str, Any]]]:
    """What the engine says of each SELECT whose inputs have known columns."""
    asked = [each for each in questions if all(known.get(target) for target in each.targets)]
    keys = [
        digest(each.sql, *each.targets, *(repr(known[target]) for target in each.targets))
        for each in asked
    ]
    remembered = cache.get("declared", keys)
    unknown = {key: each for key, each in zip(keys, asked, strict=True) if key not in remembered}
    fresh = dict(
        zip(unknown, judged([_statement(each, known) for each in unknown.values()]), strict=True)
    )
    if lasting := {key: answer for key, answer in fresh.items() if not answer.get("limit")}:
        cache.put("declared", lasting)
    for each, key in zip(asked, keys, strict=True):
        yield each, (remembered | fresh)[key]


def _statement(question: Question, known: Mapping[str, Columns | None]) -> Statement:
    inputs = [Known(known[target]) for target in question.targets]
    return Statement(
        question.sql, question.reading.references, question.targets, inputs, None, {}, False
    )


def _told(found: Problem, binding: Binding, graph: Graph) -> Problem:
    """What is refused, and which raw data would settle it."""
    behind = graph.upstream([found.node or ""])
    paths = [
        _path(graph.node(each.node)) for each in binding.absent if each.node in behind and each.node
    ]
    return replace(
        found,
        hint=f"This goes by the columns that are declared: {', '.join(paths)} cannot be looked into.",
    )


def _path(source: Node) -> str:
    return str(source.definition["path"])
