"""Try the examples of nodes, in memory and without the warehouse.

An answer is a pure function of the question that the engine is asked: the SELECT over the given
rows, the types of their columns, and the rows that are expected. So one that was right is
remembered by a hash of the question, unless the SELECT may give other rows each time.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from seeknal_git.errors import Problem, ProjectError, UsageError
from seeknal_git.git.tree import Tree
from seeknal_git.names import folded, qualified, split_id
from seeknal_git.nodes.examples import Example, Result, Rows, examples_of, file_rows, time_of
from seeknal_git.nodes.node import Node
from seeknal_git.nodes.values import Values
from seeknal_git.project.bound_graph import BoundGraph
from seeknal_git.project.fingerprints import digest
from seeknal_git.project.load import Loaded
from seeknal_git.project.references import resolved
from seeknal_git.sql.run_values import at_time, with_values
from seeknal_git.sql.statement import Columns, Reading, over_tables

_TOPIC = "examples"


@dataclass(frozen=True, slots=True)
class Difference:
    """A row that is expected and was not made, or the other way round, or both side by side."""

    # The values as texts, None for NULL; None for a side that has no such row.
    expected: tuple[str | None, ...] | None
    made: tuple[str | None, ...] | None
    # The number of the expected row, from 1, and its line in the file if it has one.
    row: int | None = None
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A result that is not as expected, of the node or of one of its CTEs."""

    cte: str
    columns: Columns
    differences: tuple[Difference, ...]  # the first of them
    missing: int
    unexpected: int
    rows: int  # that were made
    count: int | None = None  # the number of rows that is expected, if that is wrong

    @property
    def words(self) -> str:
        """The difference in one clause."""
        told = []
        if self.count is not None:
            told.append(f"{_rows(self.rows)} instead of {self.count:,}")
        if self.missing:
            told.append(f"{_rows(self.missing)} missing")
        if self.unexpected:
            told.append(f"{_rows(self.unexpected)} unexpected")
        return f"{f'CTE {self.cte}: ' if self.cte else ''}{', '.join(told)}"


def _rows(number: int) -> str:
    return "1 row" if number == 1 else f"{number:,} rows"


@dataclass(frozen=True, slots=True)
class Tried:
    """An example, and how it went."""

    node: str
    name: str
    path: str
    line: int
    # Why it could not be run.
    problem: Problem | None = None
    mismatches: tuple[Mismatch, ...] = ()
    # Whether the answer is one that was given before.
    is_remembered: bool = False

    @property
    def holds(self) -> bool:
        return self.problem is None and not self.mismatches


@dataclass(frozen=True, slots=True)
class _Case:
    """An example, and the node as it is with the values that the example gives."""

    graph: BoundGraph
    member: Node  # the node of the file
    example: Example
    node: Node
    reading: Reading | None = None
    targets: tuple[str, ...] = ()
    problem: Problem | None = None

    @property
    def line(self) -> int:
        return self.member.line("examples", self.example.number)

    def refused(self, message: str, line: int | None = None, hint: str | None = None) -> Problem:
        """A problem of the example."""
        text = self.node.hides(f"The example {self.example.name!r} cannot be run: {message}.")
        return Problem(text, self.node.path, line or self.line, hint, self.node.id)


class _Refused(Exception):
    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


def tried(
    loaded: Loaded, tree: Tree, nodes: Iterable[str], text: str = "", *, afresh: bool = False
) -> list[Tried]:
    """Try the examples of some nodes of a sound project, in the order of their files.

    tree: the one that was loaded, with all its edits: `loaded` has only those that decide data.
    text: a part of the names of those that are tried; afresh: also those whose answer is known.
    Python nodes are passed over. Raises TooLong.
    """
    cases = [
        case
        for identifier in nodes
        if not loaded.graph.node(identifier).is_python
        for case in _cases(loaded, tree, identifier)
        if text.lower() in case.example.name.lower()
    ]
    cases = _read_again(loaded, cases)
    questions: dict[int, dict[str, Any]] = {}
    found: dict[int, Tried] = {}
    for number, case in enumerate(cases):
        try:
            questions[number] = question_of(tree, case)
        except _Refused as exc:
            found[number] = _told(case, exc.problem)
    return _answered(loaded, cases, questions, found, afresh=afresh)


def _answered(
    loaded: Loaded,
    cases: Sequence[_Case],
    questions: Mapping[int, dict[str, Any]],
    found: dict[int, Tried],
    *,
    afresh: bool,
) -> list[Tried]:
    from seeknal_git.sql.example import judged

    cache = loaded.root.cache
    keys = {number: digest(json.dumps(asked)) for number, asked in questions.items()}
    known = {} if afresh else cache.get(_TOPIC, keys.values())
    due = [number for number in questions if keys[number] not in known]
    for number in questions.keys() - set(due):
        found[number] = replace(_told(cases[number], None), is_remembered=True)
    answers = judged([questions[number] for number in due]) if due else []
    for number, answer in zip(due, answers, strict=True):
        found[number] = _judged(cases[number], answer)
    lasting = {
        keys[number]: 1
        for number in due
        if found[number].holds and not loaded.graph.is_unstable(cases[number].node.id)
    }
    if lasting:
        cache.put(_TOPIC, lasting)
    return [found[number] for number in range(len(cases))]


def _told(case: _Case, problem: Problem | None) -> Tried:
    return Tried(case.node.id, case.example.name, case.node.path, case.line, problem)


# The node of an example


def _cases(loaded: Loaded, tree: Tree, identifier: str) -> Iterator[_Case]:
    graph = loaded.graph
    member = graph.members[identifier]
    node, targets = member.node, graph.targets[identifier][0]
    for example in examples_of(node):
        case = _Case(graph, node, example, node, member.sql, targets)
        yield _with_values(loaded, tree, case) if _gives_values(case) else case


def _gives_values(case: _Case) -> bool:
    """Whether the node is another one with the values of the example."""
    return bool(case.example.params or (case.example.now and case.node.uses))


def _with_values(loaded: Loaded, tree: Tree, case: _Case) -> _Case:
    """The node read with other values for its templates. Its SQL is not read yet."""
    from seeknal_git.nodes.load import load_node

    example, node = case.example, case.member
    known = loaded.vocabulary.values if loaded.vocabulary else Values()
    names = {name for name, _ in node.uses} | known.named
    if unknown := [name for name in example.params if name not in names]:
        near = difflib.get_close_matches(unknown[0], names, 1)
        hint = (
            f"Did you mean {near[0]}?" if near else f"It uses {', '.join(sorted(names)) or 'none'}."
        )
        line = node.line("examples", example.number, "params", unknown[0])
        problem = case.refused(f"no template of {node.id} uses `{unknown[0]}`", line, hint)
        return replace(case, problem=problem)
    given = known.given
    if example.now:
        now = time_of(example.now)
        time = now.isoformat(timespec="seconds")
        given = replace(
            given, date=now.date().isoformat(), params={"run_date": time, **given.params}
        )
    values = replace(known, given=replace(given, params={**given.params, **example.params}))
    try:
        read, _ = load_node(tree.read_small(node.path), node.path, values)
    except ProjectError as exc:
        return replace(case, problem=case.refused(exc.problems[0].message.rstrip(".")))
    return replace(case, node=read or node, reading=None)


def _read_again(loaded: Loaded, cases: Sequence[_Case]) -> list[_Case]:
    """The cases with the tables that their SQL names, if that is other SQL."""
    due = [case for case in cases if case.reading is None and case.problem is None]
    if not due:
        return list(cases)
    from seeknal_git.sql.describe import readings

    found = iter(readings([case.node.sql or "" for case in due]))
    return [
        _resolved(loaded, case, next(found)[0])
        if case.reading is None and case.problem is None
        else case
        for case in cases
    ]


def _resolved(loaded: Loaded, case: _Case, reading: Reading) -> _Case:
    if reading.error:
        return replace(case, problem=case.refused(reading.error))
    member = replace(loaded.graph.members[case.node.id], node=case.node, sql=reading, checks=())
    member = replace(member, node=replace(case.node, checks=()))
    try:
        targets = resolved(member, loaded.graph.members)[1][0]
    except ProjectError as exc:
        return replace(case, problem=case.refused(exc.problems[0].message.rstrip(".")))
    return replace(case, reading=reading, targets=targets)


# The question


def question_of(tree: Tree, case: _Case) -> dict[str, Any]:
    """The question that an example asks the engine. Raises _Refused."""
    if case.problem:
        raise _Refused(case.problem)
    node, example = case.node, case.example
    given = {_input(case, name): rows for name, rows in example.given.items()}
    tables = {read: _table_name(read) for read in dict.fromkeys(case.targets)}
    sql = over_tables(node.sql or "", case.reading, case.targets, tables)
    now = time_of(example.now) if example.now else None
    return {
        "sql": at_time(sql, now) if now else with_values(sql),
        "now": now.isoformat(sep=" ") if now else None,
        "tables": [
            {
                "name": table,
                "of": read,
                "columns": _columns(case, read),
                **_plain_rows(tree, case, given.get(read, Rows())),
            }
            for read, table in tables.items()
        ],
        "results": [_plain_result(tree, case, result) for result in example.results],
    }


def _table_name(identifier: str) -> str:
    return qualified("memory", "main", identifier)


def _input(case: _Case, name: str) -> str:
    """The input that a name means: its id, its bare name, or its name in the SQL. Raises
    _Refused."""
    node = case.node
    declared = [given.id for given in node.inputs]
    inputs = list(dict.fromkeys((*case.targets, *declared)))
    numbered = {f"input_{number}": given for number, given in enumerate(declared)}
    numbered |= {alias: numbered[to] for alias, to in node.aliases.items() if to in numbered}
    found = [read for read in inputs if name in (read, split_id(read)[1])]
    if len(found) == 1:
        return found[0]
    if name in numbered:
        return numbered[name]
    line = case.member.line("examples", case.example.number, "given", name)
    if found:
        message = f"{name} may be {' or '.join(found)}"
        raise _Refused(case.refused(message, line, "Write the kind too."))
    bare = {split_id(read)[1]: read for read in inputs}
    near = difflib.get_close_matches(name, [*inputs, *bare], 1)
    if near:
        hint = f"Did you mean {bare.get(near[0], near[0])}?"
    else:
        hint = f"It reads {', '.join(inputs)}." if inputs else "It reads nothing."
    raise _Refused(case.refused(f"{node.id} does not read {name}", line, hint))


def _columns(case: _Case, read: str) -> Columns:
    columns = case.graph.columns.get(read)
    if columns is None:
        message = f"nobody knows the columns of {read} yet"
        hint = "Declare them with their types, or run it once."
        raise _Refused(case.refused(message, hint=hint))
    return columns


def _plain_rows(tree: Tree, case: _Case, rows: Rows) -> dict[str, Any]:
    """Rows as JSON takes them."""
    if rows.file:
        rows = _of_file(tree, case, rows)
    names: dict[str, str] = {}
    for name in rows.columns:
        names.setdefault(folded(name), name)
    cells = [{folded(name): value for name, value in row.items()} for row in rows.rows]
    return {
        "header": list(names.values()),
        "rows": [[row.get(name) for name in names] for row in cells],
        "sql": rows.sql,
    }


def _of_file(tree: Tree, case: _Case, rows: Rows) -> Rows:
    """The rows of a file of the project. Raises _Refused."""
    from seeknal_git.nodes.node_file import Mistake, below_project

    line = case.member.line(*rows.place.split(".", 3))
    try:
        path = below_project(rows.file.replace("\\", "/"), "tests/orders.csv")
        if path not in tree.files:
            near = difflib.get_close_matches(path, tree.files, 1)
            hint = f"Did you mean {near[0]}?" if near else "It is a file below the project."
            raise _Refused(case.refused(f"there is no file {path}", line, hint))
        return file_rows(path, tree.read_small(path), rows.place)
    except (ValueError, ProjectError, Mistake) as exc:
        raise _Refused(case.refused(f"{rows.file}: {str(exc).rstrip('.')}", line)) from exc


def _plain_result(tree: Tree, case: _Case, result: Result) -> dict[str, Any]:
    rows = {"header": None, "rows": None, "sql": ""}
    if result.rows is not None:
        rows = _plain_rows(tree, case, result.rows)
    return {
        "cte": result.cte,
        **rows,
        "only": list(result.only),
        "strict": result.strict,
        "tolerance": result.tolerance,
    }


def made_of(
    loaded: Loaded,
    tree: Tree,
    identifier: str,
    given: Mapping[str, Sequence[Mapping[str, Any]]],
    now: str | None,
) -> list[dict[str, Any]]:
    """The rows that a node makes of given rows, as a file has them; NULLs are left out.

    Raises UsageError if it fails on them.
    """
    from seeknal_git.sql.example import judged

    member = loaded.graph.members[identifier]
    rows = {read: Rows(tuple(own), place=f"given.{read}") for read, own in given.items()}
    example = Example(0, "real rows", rows, (), now)
    targets = loaded.graph.targets[identifier][0]
    case = _Case(loaded.graph, member.node, example, member.node, member.sql, targets)
    try:
        asked = question_of(tree, case)
    except _Refused as exc:
        raise UsageError(exc.problem.message, exc.problem.hint) from exc
    answer = judged([{**asked, "results": [{"cte": "", "as_rows": True}]}])[0]
    if "error" in answer:
        raise UsageError(f"{identifier} fails on these rows: {answer['error'].rstrip('.')}.")
    (result,) = answer["results"]
    names = [name for name, _ in result["columns"]]
    return [
        {name: cell for name, cell in zip(names, row, strict=True) if cell is not None}
        for row in result["made"]
    ]


# The answer


def _judged(case: _Case, answer: Mapping[str, Any]) -> Tried:
    if "error" in answer:
        return _told(case, _problem(case, answer))
    pairs = zip(case.example.results, answer["results"], strict=True)
    wrong = (_mismatch(case, result, made) for result, made in pairs)
    return replace(_told(case, None), mismatches=tuple(filter(None, wrong)))


def _problem(case: _Case, answer: Mapping[str, Any]) -> Problem:
    """The reason why an example could not be run."""
    node, message = case.node, str(answer["error"]).rstrip(".?")
    end = "?" if str(answer["error"]).endswith("?") else ""
    if answer["at"] == "sql":
        line = answer.get("line")
        place = f" ({node.sql_path}:{node.line_of_sql(line)})" if line else ""
        return case.refused(
            f"{node.id} fails on its rows: {message}{place}", None, answer.get("hint")
        )
    if answer["at"] == "given":
        tables = list(dict.fromkeys(case.targets))
        wanted = tables[answer["number"]]
        rows = next(
            (rows for name, rows in case.example.given.items() if _input(case, name) == wanted),
            None,
        )
    else:
        rows = case.example.results[answer["number"]].rows
    found = case.refused(
        f"{_of_row(rows, answer.get('row'))}{message}", _line(case, rows, answer.get("row"))
    )
    return replace(found, message=f"{found.message[:-1]}{end}") if end else found


def _of_row(rows: Rows | None, row: int | None) -> str:
    if row is None:
        return ""
    return f"row {row + 1}{f' of {rows.file}' if rows and rows.file else ''}: "


def _line(case: _Case, rows: Rows | None, row: int | None) -> int | None:
    """The line of a row of an example, or of the rows as a whole."""
    if rows is None:
        return None
    lines, node = case.member.lines, case.member
    own = lines.get(f"{rows.place}.{row}") if row is not None else None
    if own:
        return own
    around = lines.get(rows.place) or lines.get(rows.place.removesuffix(".rows")) or case.line
    if row is None or not rows.first or node.path.endswith(".py"):
        return around
    return around + rows.first + row


def _mismatch(case: _Case, result: Result, made: Mapping[str, Any]) -> Mismatch | None:
    wrong_count = result.count is not None and result.count != made["rows"]
    if not (wrong_count or made["missing"] or made["unexpected"]):
        return None
    differences = [
        Difference(
            expected=None if expected is None else tuple(expected),
            made=None if other is None else tuple(other),
            row=None if number is None else number + 1,
            line=None if number is None else _line(case, result.rows, number),
        )
        for number, expected, _, other in made["differences"]
    ]
    return Mismatch(
        cte=result.cte,
        columns=tuple((name, word) for name, word in made["columns"]),
        differences=tuple(differences),
        missing=made["missing"],
        unexpected=made["unexpected"],
        rows=made["rows"],
        count=result.count if wrong_count else None,
    )
