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
from seeknal_git.project.columns import Binding
from seeknal_git.project.fingerprints import digest
from seeknal_git.project.graph import Graph
from seeknal_git.project.questions import Question, questions_of, refused
from seeknal_git.sql.describe import Statement, judged
from seeknal_git.sql.statement import Columns, Known

_OF_TYPES = re.compile(
    r"No function matches|Cannot (?:compare|mix|combine|cast|create)"
    r"|cannot be (?:cast|compared)|[Cc]onver(?:t|sion)"
)


def with_declared(binding: Binding, graph: BoundGraph, cache: Cache) -> Binding:
    """The binding, with the engine's answers about nodes behind raw data that is not here."""
    if not binding.absent:
        return binding
    absent = [absence.node for absence in binding.absent if absence.node]
    behind = graph.downstream(absent)
    read = {target for node in behind for named in graph.targets[node] for target in named}
    known: dict[str, Columns | None] = {
        target: columns for target in read if (columns := graph.columns[target])
    }
    for source in absent:
        if declared := _declared(graph, source):
            known[source] = declared
    problems: list[Problem] = []
    warnings: list[Problem] = []
    for question, answer in asked(graph, behind, known, cache):
        if "error" not in answer:
            continue
        found = refused(question, answer)
        if answer.get("limit"):
            problems.append(found)
            continue
        certain = _OF_TYPES.search(answer["error"])
        (problems if certain else warnings).append(_told(found, binding, graph))
    return replace(
        binding, problems=(*binding.problems, *problems), warnings=(*binding.warnings, *warnings)
    )


def asked(
    graph: BoundGraph, nodes: set[str], known: dict[str, Columns | None], cache: Cache
) -> Iterator[tuple[Question, dict[str, Any]]]:
    """Ask the engine about some nodes, layer by layer, and learn their columns."""
    for layer in graph.layers:
        for questions in questions_of(graph, [node for node in layer if node in nodes]):
            for question, answer in _answers(questions, known, cache):
                if "columns" in answer and question.position == 0:
                    columns = tuple((name, word) for name, word in answer["columns"])
                    known[question.node.id] = columns
                yield question, answer


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
    """The engine's answer to each SELECT whose inputs have known columns."""
    asked = [
        question for question in questions if all(known.get(target) for target in question.targets)
    ]
    keys = [
        digest(asking.sql, *asking.targets, *(repr(known[target]) for target in asking.targets))
        for asking in asked
    ]
    remembered = cache.get("declared", keys)
    pairs = list(zip(keys, asked, strict=True))
    unknown = {key: question for key, question in pairs if key not in remembered}
    statements = [_statement(question, known) for question in unknown.values()]
    fresh = dict(zip(unknown, judged(statements), strict=True))
    if lasting := {key: answer for key, answer in fresh.items() if not answer.get("limit")}:
        cache.put("declared", lasting)
    for key, question in pairs:
        yield question, (remembered | fresh)[key]


def _statement(question: Question, known: Mapping[str, Columns | None]) -> Statement:
    inputs = [Known(known[target]) for target in question.targets]
    return Statement(
        question.sql, question.reading.references, question.targets, inputs, None, {}, False
    )


def _told(found: Problem, binding: Binding, graph: Graph) -> Problem:
    """A refusal, with the raw data that would settle it."""
    behind = graph.upstream([found.node or ""])
    paths = [
        _path(graph.node(absence.node))
        for absence in binding.absent
        if absence.node in behind and absence.node
    ]
    hint = f"This goes by the columns that are declared: {', '.join(paths)} cannot be looked into."
    return replace(found, hint=hint)


def _path(source: Node) -> str:
    return str(source.definition["path"])
