"""Try the examples of nodes, in memory and without the warehouse.

An answer is a pure function of the question that the engine is asked: the SELECT over the given
rows, the types of their columns, and the rows that are expected. So one that was right is
remembered by a hash of the question, unless the SELECT may give other rows each time.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from seeknal_git.build.example_questions import (
    Case,
    Refused,
    cases_of,
    input_of,
    line_of,
    question_of,
    read_again,
)
from seeknal_git.errors import Problem, UsageError
from seeknal_git.git.tree import Tree
from seeknal_git.names import folded
from seeknal_git.nodes.examples import Example, Result, Rows
from seeknal_git.project.fingerprints import digest
from seeknal_git.project.load import Loaded
from seeknal_git.sql.statement import Columns

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
    unsaid: tuple[str, ...] = ()  # columns that differ, and that the expected rows do not give

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
    # Whether it can only be tried once the columns of an input are known.
    is_open: bool = False

    @property
    def holds(self) -> bool:
        return self.problem is None and not self.mismatches

    @property
    def reason(self) -> str:
        """Why it does not hold, in a sentence."""
        if self.problem:
            return self.problem.message
        return f"It does not hold: {'; '.join(mismatch.words for mismatch in self.mismatches)}."


@dataclass(frozen=True, slots=True)
class Choice:
    """Which examples of some nodes are tried."""

    # A part of their names.
    text: str = ""
    # Also those whose answer is known.
    afresh: bool = False
    # Also those of Python nodes, whose code is run.
    functions: bool = False


MOVED, ALL = Choice(), Choice(afresh=True)


def tried(loaded: Loaded, tree: Tree, nodes: Iterable[str], choice: Choice = MOVED) -> list[Tried]:
    """Try the examples of some nodes of a sound project, in the order of their files.

    tree: the one that was loaded, with all its edits: `loaded` has only those that decide data.
    Raises TooLong.
    """
    cases = [
        case
        for identifier in nodes
        if choice.functions or not loaded.graph.node(identifier).is_python
        for case in cases_of(loaded, tree, identifier)
        if choice.text.lower() in case.example.name.lower()
    ]
    cases = read_again(loaded, cases)
    questions: dict[int, dict[str, Any]] = {}
    found: dict[int, Tried] = {}
    for number, case in enumerate(cases):
        try:
            questions[number] = question_of(tree, case)
        except Refused as exc:
            found[number] = replace(_told(case, exc.problem), is_open=exc.is_open)
    return _answered(loaded, cases, questions, found, afresh=choice.afresh)


def _answered(
    loaded: Loaded,
    cases: Sequence[Case],
    questions: Mapping[int, dict[str, Any]],
    found: dict[int, Tried],
    *,
    afresh: bool,
) -> list[Tried]:
    """The outcome of each case. found: those of cases that ask no question."""
    cache = loaded.root.cache
    keys = {number: digest(json.dumps(asked)) for number, asked in questions.items()}
    known = {} if afresh else cache.get(_TOPIC, keys.values())
    for number, key in keys.items():
        if key in known:
            found[number] = _told(cases[number], None)
    due = {number: asked for number, asked in questions.items() if keys[number] not in known}
    for number, answer in _answers(loaded, cases, due).items():
        found[number] = _judged(cases[number], answer)
    lasting = {keys[number]: 1 for number in due if _lasts(loaded, cases[number], found[number])}
    if lasting:
        cache.put(_TOPIC, lasting)
    return [found[number] for number in range(len(cases))]


def _answers(
    loaded: Loaded, cases: Sequence[Case], questions: Mapping[int, dict[str, Any]]
) -> dict[int, dict[str, Any]]:
    """The answer to each question: of SQL by a worker, of functions by running them."""
    of_code = {number: cases[number] for number in questions if cases[number].node.is_python}
    of_sql = [number for number in questions if number not in of_code]
    given: dict[int, dict[str, Any]] = {}
    if of_sql:
        from seeknal_git.sql.example import judged

        answers = judged([questions[number] for number in of_sql])
        given |= zip(of_sql, answers, strict=True)
    if of_code:
        from seeknal_git.build.example_functions import answers_of_functions

        asked = {number: questions[number] for number in of_code}
        given |= answers_of_functions(loaded, of_code, asked)
    return given


def _lasts(loaded: Loaded, case: Case, outcome: Tried) -> bool:
    """Whether an outcome will be the same as long as its question is."""
    is_stable = not case.node.is_python and not loaded.graph.is_unstable(case.node.id)
    return outcome.holds and is_stable


def _told(case: Case, problem: Problem | None) -> Tried:
    return Tried(case.node.id, case.example.name, case.node.path, case.line, problem)


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
    case = Case(loaded.graph, member.node, example, member.node, member.sql, targets)
    try:
        asked = question_of(tree, case)
    except Refused as exc:
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


def _judged(case: Case, answer: Mapping[str, Any]) -> Tried:
    if "error" in answer:
        return _told(case, _problem(case, answer))
    pairs = zip(case.example.results, answer["results"], strict=True)
    wrong = (_mismatch(case, result, made) for result, made in pairs)
    return replace(_told(case, None), mismatches=tuple(filter(None, wrong)))


def _problem(case: Case, answer: Mapping[str, Any]) -> Problem:
    """The reason why an example could not be run."""
    node, message = case.node, str(answer["error"]).rstrip(".?")
    end = "?" if str(answer["error"]).endswith("?") else ""
    if answer["at"] == "sql":
        line = answer.get("line")
        place = f" ({node.sql_path}:{node.line_of_sql(line)})" if line else ""
        return case.refused(
            f"{node.id} fails on its rows: {message}{place}", None, answer.get("hint")
        )
    if answer["at"] == "partition":
        return case.refused(message, case.member.line("examples", case.example.number, "partition"))
    if answer["at"] == "given":
        tables = list(dict.fromkeys(case.targets))
        wanted = tables[answer["number"]]
        rows = next(
            (rows for name, rows in case.example.given.items() if input_of(case, name) == wanted),
            None,
        )
    else:
        rows = case.example.results[answer["number"]].rows
    found = case.refused(
        f"{_of_row(rows, answer.get('row'))}{message}", line_of(case, rows, answer.get("row"))
    )
    return replace(found, message=f"{found.message[:-1]}{end}") if end else found


def _of_row(rows: Rows | None, row: int | None) -> str:
    if row is None:
        return ""
    return f"row {row + 1}{f' of {rows.file}' if rows and rows.file else ''}: "


def _mismatch(case: Case, result: Result, made: Mapping[str, Any]) -> Mismatch | None:
    wrong_count = result.count is not None and result.count != made["rows"]
    if not (wrong_count or made["missing"] or made["unexpected"]):
        return None
    differences = [
        Difference(
            expected=None if expected is None else tuple(expected),
            made=None if other is None else tuple(other),
            row=None if number is None else number + 1,
            line=None if number is None else line_of(case, result.rows, number),
        )
        for number, expected, _, other in made["differences"]
    ]
    columns = tuple((name, word) for name, word in made["columns"])
    return Mismatch(
        cte=result.cte,
        columns=columns,
        differences=tuple(differences),
        missing=made["missing"],
        unexpected=made["unexpected"],
        rows=made["rows"],
        count=result.count if wrong_count else None,
        unsaid=_unsaid(result.rows, columns, differences),
    )


def _unsaid(
    rows: Rows | None, columns: Columns, differences: Sequence[Difference]
) -> tuple[str, ...]:
    """The columns in which rows differ, and that expected rows do not have."""
    if rows is None or not rows.columns:
        return ()
    given = {folded(name) for name in rows.columns}
    pairs = [(one.expected, one.made) for one in differences if one.expected and one.made]
    return tuple(
        name
        for number, (name, _) in enumerate(columns)
        if folded(name) not in given
        and any(expected[number] != made[number] for expected, made in pairs)
    )
