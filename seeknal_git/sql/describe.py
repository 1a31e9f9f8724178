"""Describe a SELECT: the tables that it names, the columns that it returns, and the parts of its
inputs that decide each column.

The engine computes while it reads, and the text may be a stranger's: so all of it happens in the
worker.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from seeknal_git.errors import limits, raising
from seeknal_git.names import folded
from seeknal_git.sql.run_values import marked
from seeknal_git.sql.statement import (
    Anatomy,
    Columns,
    Known,
    Reading,
    Reference,
    columns_typed,
    packed,
)
from seeknal_git.sql.type_words import read_as
from seeknal_git.sql.worker import Exhausted, answers, converse
from seeknal_git.sql.worker_process import Task

if TYPE_CHECKING:
    from seeknal_git.sql.plans import Opinion


@dataclass(frozen=True, slots=True)
class Statement:
    """A SELECT to bind."""

    sql: str
    references: Sequence[Reference]
    # The node that each reference means.
    targets: Sequence[str]
    # The known facts about the table behind each reference.
    inputs: Sequence[Known]
    # Column and declared type, for a node's own SELECT; None for the SELECT of a check.
    promises: Sequence[tuple[str, str | None]] | None
    # Column → the texts that a check compares it with.
    accepted: Mapping[str, Sequence[str]]
    # Whether it decides the node's data.
    decides: bool


def readings(statements: Iterable[str], likely: int = 0) -> list[tuple[Reading, bool]]:
    """The tables that each statement names, and whether that may be remembered.

    The statements are taken one by one, while earlier ones are read. likely: how many there may be.
    Raises TooLong.
    """
    return [_reading(answer) for answer in answers(_TASK, ([sql] for sql in statements), likely)]


def judged(statements: Sequence[Statement]) -> list[dict[str, Any]]:
    """For each statement its `columns` and its parts (`anatomy`), or its fault (`error`, `line`,
    `hint`), with `limit` if another limit would allow it. Raises TooLong."""
    asked = [_plain(statement) for statement in statements]
    return [_judgement(answer) for answer in answers(_TASK, asked, len(asked))]


def judge(
    statements: Iterable[Statement | None], heard: Callable[[int, dict[str, Any]], None]
) -> None:
    """Give the same answers as `judged` one by one: each, with the number of its statement, as soon
    as it is known.

    The statements are taken while earlier ones are judged; None means that the next one follows
    from an answer that is not here yet. Raises TooLong.
    """
    asked = (None if statement is None else _plain(statement) for statement in statements)
    converse(_TASK, asked, lambda number, answer: heard(number, _judgement(answer)))


def _judgement(answer: Any) -> dict[str, Any]:
    if isinstance(answer, Exhausted):
        return _limited(answer.message, answer.hint)
    found: dict[str, Any] = answer
    return found


def _reading(answer: Any) -> tuple[Reading, bool]:
    if isinstance(answer, Exhausted):
        answer = _limited(answer.message, answer.hint)
    if isinstance(answer, dict):
        return Reading(error=f"{answer['error']}. {answer['hint']}", error_line=1), False
    references, error, line = answer
    return Reading(tuple(Reference(*fields) for fields in references), error, line), True


def _plain(statement: Statement) -> list[Any]:
    """As JSON takes it."""
    references = [_plain_reference(reference) for reference in statement.references]
    inputs = [(known.columns, known.unique, known.collated) for known in statement.inputs]
    about = (statement.promises, statement.accepted, statement.decides)
    return [statement.sql, references, statement.targets, inputs, *about]


def _plain_reference(reference: Reference) -> list[Any]:
    return [
        reference.start,
        reference.end,
        reference.target,
        reference.explicit,
        reference.alias,
    ]


def _limited(message: str, hint: str | None) -> dict[str, Any]:
    return {"error": message, "line": 1, "hint": hint, "limit": True}


# In the worker: a question is [sql] to read it, or all values of a Statement to bind it


# The statements that this process was told to parse.
_parsed: set[str] = set()


def _load() -> None:
    import_module("seeknal_git.sql.analysis")
    import_module("seeknal_git.sql.engine")


def _prepare(questions: Sequence[Sequence[Any]]) -> None:
    from seeknal_git.sql.engine import TREES, parse_together

    fresh = [sql for sql in map(_subject, questions) if sql not in _parsed]
    if len(_parsed) + len(fresh) > TREES:  # the engine's module has forgotten the first of them
        _parsed.clear()
    _parsed.update(fresh)
    if fresh:
        parse_together(fresh)


def _subject(question: Sequence[Any]) -> str:
    return str(question[0])


def _answer(question: Sequence[Any]) -> Any:
    from seeknal_git.sql.engine import TooDeep, enough_memory

    sql, *more = question
    try:
        with enough_memory():
            if more:
                return bound(_statement(sql, *more))
            return _plain_reading(read_sql(sql))
    except (RecursionError, TooDeep):
        return _limited(TooDeep().message, raising("nesting"))


_TASK = Task(_load, _prepare, _answer, _subject)


def _plain_reading(reading: Reading) -> list[Any]:
    """As JSON takes it."""
    references = [_plain_reference(reference) for reference in reading.references]
    return [references, reading.error, reading.error_line]


def _statement(sql: str, references: Any, targets: Any, inputs: Any, *rest: Any) -> Statement:
    """As it was before JSON made lists of it."""
    known = [
        Known(None if columns is None else tuple(map(tuple, columns)), *more)
        for columns, *more in inputs
    ]
    return Statement(sql, tuple(Reference(*fields) for fields in references), targets, known, *rest)


def read_sql(sql: str) -> Reading:
    """Ask the engine which tables a statement names. Raises TooDeep."""
    from seeknal_git.sql.engine import SqlError, TooDeep, parsed

    try:
        return Reading(parsed(sql)[1])
    except TooDeep:
        raise
    except SqlError as exc:
        return Reading(error=exc.message, error_line=exc.line)


def bound(statement: Statement) -> dict[str, Any]:
    """The answer to one statement, by the engine of this process."""
    from seeknal_git.sql.analysis.reach import is_certain
    from seeknal_git.sql.analysis.volatile import is_volatile
    from seeknal_git.sql.engine import SqlError, TooDeep, bound_columns, parsed
    from seeknal_git.sql.plans import Opinion, tables_of_engine

    answer: dict[str, Any] = {}
    opinion = None
    sql, references, inputs = statement.sql, statement.references, statement.inputs
    if all(columns_typed(known.columns) for known in inputs):
        tables = {
            reference.target: known.columns or ()
            for reference, known in zip(references, inputs, strict=True)
        }
        try:
            answer["columns"] = columns = bound_columns(sql, references, tables)
            if len(columns) > (most := limits().columns):
                count = f"it returns {len(columns):,} columns"
                message = f"{count}, and {most:,} are the most that is allowed"
                return _limited(message, raising("columns"))
            if statement.promises is not None:
                _refuse_names_of_tables(columns)
            opinion = Opinion(sql, references, tables)
            if not is_certain(parsed(sql)[0], tables_of_engine()):
                opinion.refuse_strangers()
            answer["promised"] = _promised(statement)
            _refuse_misfits(statement)
        except TooDeep:
            raise
        except SqlError as exc:
            answer |= {"error": exc.message, "line": exc.line}
    if statement.promises is None:
        answer["volatile"] = marked(sql) is not None or is_volatile(parsed(sql)[0])
    if statement.decides:
        names = [name for name, _ in answer["columns"]] if "columns" in answer else None
        answer["anatomy"] = packed(_parts(statement, names, opinion))
    return answer


def _parts(statement: Statement, names: Sequence[str] | None, opinion: Opinion | None) -> Anatomy:
    """The parts of a SELECT. One with a value that is another in each run stays in one piece."""
    from seeknal_git.sql.analysis import anatomy_of, in_one_piece
    from seeknal_git.sql.engine import parsed

    tree, targets, inputs = parsed(statement.sql)[0], statement.targets, statement.inputs
    if value := marked(statement.sql):
        return in_one_piece(tree, targets, inputs, value)
    return anatomy_of(tree, targets, inputs, names, opinion)


def _promised(statement: Statement) -> dict[str, str]:
    """Column → the engine's word for its declared type. Raises SqlError."""
    from seeknal_git.sql.engine import type_name

    return {name: type_name(read_as(word)) for name, word in statement.promises or () if word}


def _refuse_names_of_tables(columns: Columns) -> None:
    """Raise SqlError for a column that the engine names after its text, if a table is named there:
    each build of the table would give the column another name."""
    from seeknal_git.sql.engine import SqlError, names_a_table

    for number, (name, _) in enumerate(columns, 1):
        if names_a_table(name):
            raise SqlError(
                f"column {number} has a sub-query and no name: "
                "give it one, as in (SELECT …) AS name"
            )


def _refuse_misfits(statement: Statement) -> None:
    """Raise SqlError for a text that a check compares with a column, and that is no value of the
    column's type."""
    from seeknal_git.sql.engine import SqlError, misfit

    types = (
        {folded(name): word for name, word in statement.inputs[0].columns or ()}
        if statement.accepted
        else {}
    )
    for column, values in statement.accepted.items():
        word = types.get(folded(column))  # none for a hidden column, such as `rowid`
        if word and (value := misfit(word, values)) is not None:
            raise SqlError(f"{value!r} is no value of {column}, which is {word}.")
