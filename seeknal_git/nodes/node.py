"""A node as a value: what a file says, in the form that everything else works with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from seeknal_git.names import node_id


@dataclass(frozen=True, slots=True)
class Input:
    """An input that a node declares, and the line where it does."""

    id: str
    line: int


@dataclass(frozen=True, slots=True)
class Check:
    """A question to the data whose answer should be no rows: `sql` selects the rows that violate.

    `sql` reads `input_0`, … like a transform; of a node's own tests, `input_0` is the node itself.
    The check passes while violating rows are at most `allowed` (a fraction of the rows of
    `input_0`).
    """

    name: str
    sql: str
    severity: str = "error"
    allowed: float = 0.0
    line: int = 1
    key: tuple[str, ...] = ()  # columns that identify a row, by this check
    accepted: Mapping[str, Sequence[str]] = field(
        default_factory=dict
    )  # column → texts that its type has to know


@dataclass(frozen=True, slots=True)
class Node:
    """One definition, as a file gives it.

    sql: the SELECT that the node compiles to, as written (None for a rule, whose SQL is in its
    checks); sql_line: the line of the file on which it begins; aliases: further names for inputs in
    the SQL → `input_N`; promises: columns that the node has to return, with their types where they
    are declared; definition: what else decides the node's data (of a source: format, path, …), free
    of descriptions; document: the whole file as plain data; lines: `"params.path"` → the line where
    that key stands.
    """

    kind: str
    name: str
    path: str
    sql: str | None
    sql_line: int
    inputs: tuple[Input, ...]
    aliases: Mapping[str, str]
    definition: Mapping[str, Any]
    checks: tuple[Check, ...]
    document: Mapping[str, Any]
    promises: Mapping[str, str | None] = field(default_factory=dict)
    lines: Mapping[str, int] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return node_id(self.kind, self.name)

    @property
    def yields_table(self) -> bool:
        return self.kind not in ("rule", "exposure")

    @property
    def tags(self) -> tuple[str, ...]:
        return tuple(self.document.get("tags") or ())

    def line(self, *keys: str | int) -> int:
        """The line of a key, or of the nearest key around it."""
        path = [str(key) for key in keys]
        while path and ".".join(path) not in self.lines:
            path.pop()
        return self.lines.get(".".join(path), 1)


def violated(violations: int, rows: int) -> str:
    """How many rows violate a check, in words. What a statement of the user's returns may be no
    rows of the table."""
    if violations > rows:
        return "1 row violates it" if violations == 1 else f"{violations:,} rows violate it"
    noun, verb = "row" if rows == 1 else "rows", "violates" if violations == 1 else "violate"
    return f"{violations:,} of {rows:,} {noun} {verb} it"
