"""The engine's guess over the files of a source as a value, and files that do not fit it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from seeknal_git.errors import Problem
from seeknal_git.nodes.node import Node
from seeknal_git.sql.statement import Columns
from seeknal_git.sql.widening import TEXT

# Of two formats with day and month the other way round, both fit: nobody can know which one is
# meant.
FORMATS = {"dateformat": "DATE", "timestampformat": "TIMESTAMP"}


@dataclass(frozen=True, slots=True)
class Guess:
    """The engine's guess over the files of a source."""

    # The columns of all files together, as the source declares them or as they are found.
    columns: Columns = ()
    # Column → the engine's word for its declared type.
    declared: Mapping[str, str] = field(default_factory=dict)
    # The path of each file, and the columns that are found in it.
    files: tuple[tuple[str, Columns], ...] = ()
    # How all CSV files are written.
    dialect: Mapping[str, Any] = field(default_factory=dict)
    # `dateformat` and `timestampformat` → all formats that the values allow.
    formats: Mapping[str, Sequence[str]] = field(default_factory=dict)
    # The same keys → the columns that are read as text, as no single format is right.
    undated: Mapping[str, Sequence[str]] = field(default_factory=dict)
    # The path of the first CSV file whose lines have gaps, and where they are.
    gaps: tuple[str, str] | None = None
    # A sentence and a cure for each thing that the source had better declare.
    notes: tuple[tuple[str, str], ...] = ()
    # Whether each JSON file was looked at by itself, so that no file decides how another is read.
    is_each: bool = False
    # Why it was not, of several JSON files; empty else.
    mixed: str = ""
    # The path of a file that cannot be read, the reason, and the cure unless the reason has it.
    error: tuple[str, str, str] | None = None


def as_dict(guess: Guess) -> dict[str, Any]:
    """A guess as JSON keeps it."""
    return {name: getattr(guess, name) for name in Guess.__slots__}


def from_dict(value: Mapping[str, Any]) -> Guess:
    """A guess that was kept as JSON."""
    return Guess(
        columns=columns_of(value["columns"]),
        declared=value["declared"],
        files=tuple((path, columns_of(columns)) for path, columns in value["files"]),
        dialect=value["dialect"],
        formats=value["formats"],
        undated=value["undated"],
        notes=tuple((what, cure) for what, cure in value["notes"]),
        gaps=tuple(value["gaps"]) if value["gaps"] else None,
        is_each=value["is_each"],
        mixed=value["mixed"],
        error=tuple(value["error"]) if value["error"] else None,
    )


def columns_of(value: Iterable[Sequence[str]]) -> Columns:
    """Columns that were kept as JSON."""
    return tuple((name, word) for name, word in value)


CORRECT = "Correct the file, or the definition of its source."


def unfit(source: Node, path: str, message: str, hint: str = CORRECT) -> Problem:
    """Something wrong with a file, at the line of the node that has to do with it. hint: empty if
    the message has its own cure."""
    keys = ("schema", "columns", "params.path", "table")
    line = next((source.line(key) for key in keys if key in source.lines), 1)
    return Problem(
        f"{path} does not fit {source.id}: {message.rstrip('.')}.",
        source.path,
        line,
        hint,
        source.id,
    )


class Unfit(Exception):
    """A file cannot be read as the source says, or not as the others are."""

    def __init__(self, path: str, message: str, hint: str = CORRECT) -> None:
        super().__init__(message)
        self.path = path
        self.hint = hint


def spelt(value: Any) -> str:
    """A part of a dialect, as a node says it."""
    return json.dumps(value, ensure_ascii=False)


def said(word: str) -> str:
    """A type in words."""
    return "text" if word == TEXT else word
