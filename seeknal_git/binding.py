"""Which columns every node returns, according to the engine; and which SQL the engine refuses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seeknal_git.cache import Cache
from seeknal_git.data import DataRoot
from seeknal_git.errors import Problem
from seeknal_git.fingerprint import digest
from seeknal_git.graph import Graph
from seeknal_git.nodes.node import Node
from seeknal_git.statement import Reference

Columns = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Binding:
    """columns: id → (name, type) of each column; None where raw data is not here, so that nobody can know.

    problems: what the engine refuses; unknown: the sources whose files are missing.
    """

    columns: Mapping[str, Columns | None]
    problems: tuple[Problem, ...]
    unknown: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Question:
    """A SELECT to bind: of which node, on which line it begins, what it reads.

    position: 0 for the node's own SQL, else the number of the check.
    """

    node: Node
    position: int
    sql: str
    line: int
    references: Sequence[Reference]
    targets: Sequence[str]


def bind(graph: Graph, root: DataRoot, cache: Cache, kept: Mapping[str, Columns] | None = None) -> Binding:
    """Bind every node of a graph, layer by layer, each against the columns of its inputs.

    kept: the columns of sources whose load is not read again, whatever their files look like now.
    """
    kept = kept or {}
    columns: dict[str, Columns | None] = {}
    problems: list[Problem] = []
    for layer in graph.layers:
        columns |= {each: kept[each] for each in layer if each in kept}
        to_read = [each for each in layer if graph.node(each).kind == "source" and each not in kept]
        columns |= _sources(graph, to_read, root, cache, problems)
        for at_once in (_own_questions(graph, layer), _check_questions(graph, layer)):
            columns |= _answers(at_once, columns, cache, problems)
    problems += _collisions(graph, root)
    refused = {problem.node for problem in problems}
    sources = (each for each in graph.members if graph.node(each).kind == "source")
    unknown = [each for each in sources if columns[each] is None and each not in refused]
    return Binding(columns, tuple(problems), tuple(unknown))


def _sources(
    graph: Graph, sources: Iterable[str], root: DataRoot, cache: Cache, problems: list[Problem]
) -> dict[str, Columns | None]:
    keys = {}
    found: dict[str, Columns | None] = {}
    for identifier in sources:
        found[identifier] = None
        files = root.files(graph.node(identifier))
        if faults := root.faults(graph.node(identifier), files):
            problems += faults
        elif files:
            keys[identifier] = digest(graph.node(identifier).sql or "", *(root.blob(file) for file in files))
    known = cache.get("source", keys.values())
    for identifier, key in keys.items():
        answer = known.get(key) or _sniff(graph.node(identifier), root, key, cache)
        found[identifier] = _columns(answer)
        if "error" in answer:
            problems.append(_source_problem(graph.node(identifier), answer["error"]))
    return found


def _sniff(source: Node, root: DataRoot, key: str, cache: Cache) -> dict[str, Any]:
    from seeknal_git.warehouse.sql import SqlError, file_columns

    try:
        answer: dict[str, Any] = {"columns": file_columns(source.sql or "", root.paths(source))}
    except SqlError as exc:
        answer = {"error": exc.message}
    cache.put("source", {key: answer})
    return answer


def _source_problem(source: Node, message: str) -> Problem:
    line = next((source.line(key) for key in ("schema", "columns", "params.path", "table") if key in source.lines), 1)
    message = f"{source.definition['path']} does not fit {source.id}: {message.rstrip('.')}."
    return Problem(message, source.path, line, "Correct the file, or what the source says of it.", source.id)


def _columns(answer: Mapping[str, Any]) -> Columns | None:
    return tuple((name, word) for name, word in answer["columns"]) if answer.get("columns") else None


def _collisions(graph: Graph, root: DataRoot) -> list[Problem]:
    """Exposures that would write over what a source reads, or another exposure writes."""
    exposures = [member.node for member in graph.members.values() if member.node.kind == "exposure"]
    sources = [member.node for member in graph.members.values() if member.node.kind == "source" and exposures]
    taken = {file.path: f"{source.id} reads" for source in sources for file in root.files(source)}
    problems = []
    for node in exposures:
        path = str(node.definition["path"])
        for other, why in taken.items():
            if f"{path}/".startswith(f"{other}/") or f"{other}/".startswith(f"{path}/"):
                line = node.line("params.path" if "params.path" in node.lines else "url")
                message = f"{node.id} would write over {other}, which {why}."
                problems.append(Problem(message, node.path, line, "Give it a path of its own.", node.id))
                break
        taken[path] = f"{node.id} writes"
    return problems


def _own_questions(graph: Graph, layer: Iterable[str]) -> list[_Question]:
    return [
        _Question(
            member.node, 0, member.node.sql, member.node.sql_line, member.sql.references, graph.targets[identifier][0]
        )
        for identifier in layer
        for member in [graph.members[identifier]]
        if member.node.sql and member.sql
    ]


def _check_questions(graph: Graph, layer: Iterable[str]) -> list[_Question]:
    return [
        _Question(member.node, number, check.sql, check.line, reading.references, graph.targets[identifier][number])
        for identifier in layer
        for member in [graph.members[identifier]]
        for number, (check, reading) in enumerate(zip(member.node.checks, member.checks, strict=True), 1)
    ]


def _answers(
    questions: Sequence[_Question], columns: Mapping[str, Columns | None], cache: Cache, problems: list[Problem]
) -> dict[str, Columns | None]:
    """The columns of the nodes whose own SQL was asked about. What cannot be known is None."""
    keys = {}
    found: dict[str, Columns | None] = {question.node.id: None for question in questions if question.position == 0}
    for question in questions:
        inputs = [columns.get(target) for target in question.targets]
        if all(inputs):
            keys[question.node.id, question.position] = digest(question.sql, *map(repr, inputs))
    known = cache.get("binding", keys.values())
    fresh: dict[str, Any] = {}
    for question in questions:
        key = keys.get((question.node.id, question.position))
        if key is None:
            continue
        answer = known.get(key)
        if answer is None:
            answer = known[key] = fresh[key] = _ask(question, columns)
        if "error" in answer:
            problems.append(_refused(question, answer["error"], answer["line"]))
        elif question.position == 0:
            found[question.node.id] = _columns(answer)
            problems += _contract(question.node, found[question.node.id] or ())
    if fresh:
        cache.put("binding", fresh)
    return found


def _ask(question: _Question, columns: Mapping[str, Columns | None]) -> dict[str, Any]:
    from seeknal_git.warehouse.sql import SqlError, bound_columns

    inputs = {
        reference.target: columns[target] or ()
        for reference, target in zip(question.references, question.targets, strict=True)
    }
    try:
        return {"columns": bound_columns(question.sql, question.references, inputs)}
    except SqlError as exc:
        return {"error": exc.message, "line": exc.line}


def _refused(question: _Question, message: str, line: int | None) -> Problem:
    node = question.node
    where = question.line + (line or 1) - 1 if question.position == 0 else question.line
    what = node.id if question.position == 0 else f"{node.id}: {node.checks[question.position - 1].name}"
    return Problem(f"{what}: {message}", node.path, where, node=node.id)


def _contract(node: Node, columns: Columns) -> list[Problem]:
    """A feature group has the columns that it promises."""
    there = {name.lower() for name, _ in columns}
    return [
        Problem(f"{node.id} promises the column {name}, and its SQL returns none of that name.", node.path,
                node.line("features"), f"It returns {', '.join(each for each, _ in columns)}.", node.id)
        for name in node.promises
        if name.lower() not in there
    ]  # fmt: skip
