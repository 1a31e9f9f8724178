"""Ask the engine of every node which columns it returns, and what they are made of; and which SQL it refuses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seeknal_git.cache import Cache
from seeknal_git.data import DataRoot
from seeknal_git.errors import Problem, ProjectError
from seeknal_git.fingerprint import digest
from seeknal_git.graph import Graph, deciding
from seeknal_git.nodes.node import Node
from seeknal_git.statement import Anatomy, Columns, Known, Reading, packed, unpacked


@dataclass(frozen=True, slots=True)
class Binding:
    """columns: id → (name, type) of each column; None where raw data is not here, so that nobody can know.

    anatomies: id → of each of its SELECTs that decide data; problems: what the engine refuses; unknown: the sources
    whose files are missing.
    """

    columns: Mapping[str, Columns | None]
    anatomies: Mapping[str, tuple[Anatomy, ...]]
    problems: tuple[Problem, ...]
    unknown: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Question:
    """A SELECT to bind: of which node, on which line it begins, what it reads.

    position: 0 for the node's own SQL, else the number of the check; decides: whether it decides the node's data.
    """

    node: Node
    position: int
    sql: str
    line: int
    reading: Reading
    targets: Sequence[str]
    decides: bool

    @property
    def promises(self) -> list[tuple[str, str | None]]:
        """What the node declares of the columns that this SELECT returns."""
        return sorted(self.node.promises.items()) if self.position == 0 else []


def bind(graph: Graph, root: DataRoot, cache: Cache, kept: Mapping[str, Columns] | None = None) -> Binding:
    """Bind every node of a graph, layer by layer, each against the columns of its inputs.

    kept: the columns of sources whose load is not read again, whatever their files look like now.
    """
    kept = kept or {}
    known: dict[str, Known] = {}
    anatomies: dict[str, tuple[Anatomy, ...]] = {}
    problems: list[Problem] = []
    for layer in graph.layers:
        known |= {each: Known(kept[each]) for each in layer if each in kept}
        to_read = [each for each in layer if graph.node(each).kind == "source" and each not in kept]
        known |= {each: Known(columns) for each, columns in _sources(graph, to_read, root, cache, problems).items()}
        own, checks = _questions(graph, layer)
        for questions in (own, checks):
            answers = _answers(questions, known, cache)
            known |= _taken(questions, answers, problems)
            _gather(questions, answers, anatomies)
    problems += _collisions(graph, root)
    refused = {problem.node for problem in problems}
    sources = (each for each in graph.members if graph.node(each).kind == "source")
    unknown = [each for each in sources if known[each].columns is None and each not in refused]
    columns = {each: columns_typed(of_it.columns) for each, of_it in known.items()}
    return Binding(columns, anatomies, tuple(problems), tuple(unknown))


def columns_typed(columns: Columns | None) -> Columns | None:
    """Columns with their types; where only the names are known, nothing."""
    return None if columns is None or any(not word for _, word in columns) else columns


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
        try:
            answer = known.get(key) or _sniff(graph.node(identifier), root, key, cache)
        except ProjectError as exc:  # raw data that cannot be had
            problems += exc.problems
            continue
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


def _questions(graph: Graph, layer: Iterable[str]) -> tuple[list[_Question], list[_Question]]:
    """The SELECTs of some nodes, and those of their checks, which may read the nodes themselves."""
    own, checks = [], []
    for identifier in layer:
        member, targets = graph.members[identifier], graph.targets[identifier]
        node, decide = member.node, {number for number, _ in deciding(member)}
        if node.sql and member.sql:
            own.append(_Question(node, 0, node.sql, node.sql_line, member.sql, targets[0], 0 in decide))
        for number, (check, reading) in enumerate(zip(node.checks, member.checks, strict=True), 1):
            checks.append(_Question(node, number, check.sql, check.line, reading, targets[number], number in decide))
    return own, checks


def _answers(questions: Sequence[_Question], known: Mapping[str, Known], cache: Cache) -> list[dict[str, Any]]:
    """For each question the columns (`columns`), or what is wrong (`error`, `line`), and the parts (`anatomy`)."""
    inputs = [tuple(known.get(target, Known()) for target in question.targets) for question in questions]
    keys = [
        digest(question.sql, *question.targets, *map(repr, of_it), str(question.decides), repr(question.promises))
        for question, of_it in zip(questions, inputs, strict=True)
    ]
    remembered = cache.get("binding", keys)
    fresh: dict[str, Any] = {}
    for question, of_it, key in zip(questions, inputs, keys, strict=True):
        if key not in remembered:
            remembered[key] = fresh[key] = _ask(question, of_it)
    if fresh:
        cache.put("binding", fresh)
    return [remembered[key] for key in keys]


def _ask(question: _Question, inputs: Sequence[Known]) -> dict[str, Any]:
    from seeknal_git.anatomy import anatomy_of
    from seeknal_git.warehouse.sql import SqlError, bound_columns, parsed, type_name

    answer: dict[str, Any] = {}
    if all(columns_typed(each.columns) for each in inputs):
        tables = {
            reference.target: each.columns or ()
            for reference, each in zip(question.reading.references, inputs, strict=True)
        }
        try:
            answer["columns"] = bound_columns(question.sql, question.reading.references, tables)
            answer["promised"] = {name: type_name(word) for name, word in question.promises if word}
        except SqlError as exc:
            answer |= {"error": exc.message, "line": exc.line}
    if question.decides:
        names = [name for name, _ in answer["columns"]] if "columns" in answer else None
        answer["anatomy"] = packed(anatomy_of(parsed(question.sql)[0], question.targets, inputs, names))
    return answer


def _taken(
    questions: Sequence[_Question], answers: Sequence[dict[str, Any]], problems: list[Problem]
) -> dict[str, Known]:
    """What is known of the tables of the nodes whose own SQL was asked about."""
    found = {}
    for question, answer in zip(questions, answers, strict=True):
        if "error" in answer:
            problems.append(_refused(question, answer["error"], answer["line"]))
        if question.position == 0:
            found[question.node.id] = _known_of(answer)
            columns = _columns(answer)
            problems += _contract(question.node, columns, answer["promised"]) if columns else []
    return found


def _known_of(answer: Mapping[str, Any]) -> Known:
    """Where the engine cannot be asked, the names of the columns may follow from the text all the same."""
    anatomy = unpacked(answer["anatomy"])
    if "columns" in answer or anatomy.columns is None or "error" in answer:
        return Known(_columns(answer), anatomy.unique)
    return Known(tuple((name, "") for name, _ in anatomy.columns), anatomy.unique)


def _gather(
    questions: Sequence[_Question], answers: Sequence[dict[str, Any]], anatomies: dict[str, tuple[Anatomy, ...]]
) -> None:
    for question, answer in zip(questions, answers, strict=True):
        if question.decides:
            anatomy = unpacked(answer["anatomy"])
            anatomies[question.node.id] = (*anatomies.get(question.node.id, ()), anatomy)


def _refused(question: _Question, message: str, line: int | None) -> Problem:
    node = question.node
    where = question.line + (line or 1) - 1 if question.position == 0 else question.line
    what = node.id if question.position == 0 else f"{node.id}: {node.checks[question.position - 1].name}"
    return Problem(f"{what}: {message}", node.path, where, node=node.id)


def _contract(node: Node, columns: Columns, types: Mapping[str, str]) -> list[Problem]:
    """What a node declares of its columns is what its SQL returns. types: the engine's words for the declared types."""
    there = {name.lower(): word for name, word in columns}
    found = []
    for name in node.promises:
        returned, declared = there.get(name.lower()), types.get(name)
        if returned is None:
            message = f"{node.id} promises the column {name}, and its SQL returns none of that name."
            hint = f"It returns {', '.join(each for each, _ in columns)}."
        elif declared not in (None, returned):
            message = f"{node.id} promises {name} as {declared}, and its SQL returns it as {returned}."
            hint = f"Declare {returned}, or cast it: {name}::{declared}"
        else:
            continue
        found.append(Problem(message, node.path, _line_of(node, name), hint, node.id))
    return found


def _line_of(node: Node, column: str) -> int:
    """Where a column is declared."""
    names = [entry.get("name") for entry in node.document.get("schema") or () if isinstance(entry, dict)]
    if column in names:
        return node.line("schema", names.index(column))
    places = [key for key in (f"columns.{column}", f"features.{column}", "features") if key in node.lines]
    return node.line(*places[0].split(".")) if places else node.line("entity")
