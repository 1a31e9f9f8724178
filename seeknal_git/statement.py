"""A SELECT as a value: which tables it names and where, and the parts that it is made of.

These values are remembered between commands, so they are plain, and nothing heavy is imported to restore them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from seeknal_git.names import quote


@dataclass(frozen=True, slots=True)
class Reference:
    """A table that a statement names: `text[start:end]` is the name, `target` what it says.

    target: `kind.name`, a bare name such as `input_0`, or `function()`; explicit: written as `ref('kind.name')`;
    alias: the name that the statement itself gives to it, if any.
    """

    start: int
    end: int
    target: str
    explicit: bool = False
    alias: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """A canonical text, and what it reads: (number of the reference, column in lower case)."""

    text: str
    reads: tuple[tuple[int, str], ...]


@dataclass(frozen=True, slots=True)
class Anatomy:
    """whole: the canonical text of the statement, for when it cannot be taken apart.

    rows: what decides the row set; columns: (name, part) in order, both None where `obstacle` says what prevents it.
    outline: clause (`filter`, `column total`, …) → its canonical text, to say in words what changed; reads: all that
    the statement reads of which input, None where that is unknown.
    """

    whole: str
    outline: tuple[tuple[str, str], ...] = ()
    reads: tuple[tuple[int, str], ...] | None = None
    rows: Part | None = None
    columns: tuple[tuple[str, Part], ...] | None = None
    obstacle: str | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """All that the text of a SELECT says; `error` and `error_line` (of the SQL) where the engine cannot parse it."""

    references: tuple[Reference, ...] = ()
    anatomy: Anatomy | None = None
    error: str | None = None
    error_line: int | None = None


def rendered(sql: str, references: Sequence[Reference], relation_of: Callable[[Reference], str]) -> str:
    """The statement with each reference replaced in place; everything else, and every line, stays as written."""
    pieces, position = [], 0
    for reference in references:
        alias = "" if reference.alias else f" AS {quote(reference.target.rpartition('.')[2])}"
        pieces += [sql[position : reference.start], relation_of(reference), alias]
        position = reference.end
    return "".join([*pieces, sql[position:]])


def packed(reading: Reading) -> list[Any]:
    """A reading as JSON takes it."""
    anatomy = reading.anatomy
    return [
        [[each.start, each.end, each.target, each.explicit, each.alias] for each in reading.references],
        anatomy
        and [
            anatomy.whole,
            anatomy.outline,
            anatomy.reads,
            anatomy.rows and [anatomy.rows.text, anatomy.rows.reads],
            anatomy.columns and [[name, part.text, part.reads] for name, part in anatomy.columns],
            anatomy.obstacle,
        ],
        reading.error,
        reading.error_line,
    ]


def unpacked(value: list[Any]) -> Reading:
    references, anatomy, error, error_line = value
    return Reading(tuple(Reference(*each) for each in references), anatomy and _anatomy(anatomy), error, error_line)


def _anatomy(value: list[Any]) -> Anatomy:
    whole, outline, reads, rows, columns, obstacle = value
    return Anatomy(
        whole,
        tuple((clause, text) for clause, text in outline),
        None if reads is None else _pairs(reads),
        None if rows is None else Part(rows[0], _pairs(rows[1])),
        None if columns is None else tuple((name, Part(text, _pairs(reads))) for name, text, reads in columns),
        obstacle,
    )


def _pairs(reads: list[list[Any]]) -> tuple[tuple[int, str], ...]:
    return tuple((number, column) for number, column in reads)
