"""A node as a value: the content of a file, in the form that all other packages use."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from seeknal_git.names import node_id
from seeknal_git.nodes.kinds import WITHOUT_TABLE
from seeknal_git.nodes.scalars import is_nothing
from seeknal_git.nodes.values import hidden


@dataclass(frozen=True, slots=True)
class Input:
    """An input that a node declares, and its line."""

    id: str
    line: int


@dataclass(frozen=True, slots=True)
class Check:
    """A question to the data that should have no rows as its answer."""

    name: str
    # Selects the rows that violate the check. It reads `input_0`, … like a transform; in a node's
    # own tests, `input_0` is the node itself.
    sql: str
    severity: str = "error"
    # The violating rows that are allowed, as a fraction of the rows of `input_0`.
    allowed: float = 0.0
    line: int = 1
    # The columns that identify a row, according to this check.
    key: tuple[str, ...] = ()
    # Column → texts that its type has to know.
    accepted: Mapping[str, Sequence[str]] = field(default_factory=dict)
    # Its condition, if the name is a message for rows that violate it.
    condition: str = ""
    # Its SQL returns rows of the table, `keys` that occur more than once, the rows of a statement
    # of the user's (`answer`), the size of the `table`, or a `statistic` of it.
    returns: str = "rows"

    @property
    def title(self) -> str:
        """Its name as long as no row is known to violate it."""
        return self.condition or self.name

    @property
    def question(self) -> tuple[str, str]:
        """Everything that decides its answer, but for the tables that it reads."""
        return self.sql, str(self.allowed)

    @property
    def promise(self) -> tuple[str, str, str]:
        """Everything that decides whether a run fails by it, but for the tables that it reads."""
        return *self.question, self.severity


@dataclass(frozen=True, slots=True)
class Node:
    """The definition of a node in a file."""

    kind: str
    name: str
    path: str
    # The SELECT that the node compiles to, as written; None for a rule, whose SQL is in its checks.
    sql: str | None
    # The line of the file on which it begins.
    sql_line: int
    inputs: tuple[Input, ...]
    # Further names of inputs in the SQL; the value is `input_N`.
    aliases: Mapping[str, str]
    # Everything else that decides the node's data, such as the path of a source; no descriptions.
    definition: Mapping[str, Any]
    checks: tuple[Check, ...]
    # The whole file as plain data.
    document: Mapping[str, Any]
    # The columns that the node has to return, with their declared types, if there are any.
    promises: Mapping[str, str | None] = field(default_factory=dict)
    # The line of each key, such as "params.path".
    lines: Mapping[str, int] = field(default_factory=dict)
    # The names that its templates use, each with whether its own `params` have it.
    uses: tuple[tuple[str, bool], ...] = ()
    # The lines of the SQL that begin within a value, and so are no lines of the file.
    breaks: tuple[int, ...] = ()
    # The file of its SQL, if that is not in its own.
    sql_file: str = ""
    # The variables of the environment that its text has the values of.
    secrets: tuple[str, ...] = ()
    # How a Python node runs, which does not decide its data; see `nodes/python/load.py`.
    python: Mapping[str, Any] = field(default_factory=dict)
    # The content of a semantic model or a metric, see `nodes/semantics.py`.
    semantics: Mapping[str, Any] = field(default_factory=dict)
    # Of a source whose history is kept: the columns of its `key`, and those to `compare`.
    keeps: Mapping[str, Sequence[str]] = field(default_factory=dict)
    # `table`, `view` (each reader computes its rows) or `ephemeral` (a view that is not published).
    materialized: str = "table"
    # How its rows are kept in pieces, see `nodes/partition.py`; empty if they are one table.
    partition: Mapping[str, Any] = field(default_factory=dict)
    # The first day of its code (`from`), and the commit whose code decides the partitions before;
    # once both are one SELECT, also the lines of its own part (`lines`). Mostly empty.
    earlier: Mapping[str, Any] = field(default_factory=dict)
    # Of a source that is not of files below the project: where its rows come from, and how it tells
    # that they moved; see `nodes/outside.py`.
    outside: Mapping[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return node_id(self.kind, self.name)

    @property
    def yields_table(self) -> bool:
        return self.kind not in WITHOUT_TABLE

    @property
    def use(self) -> str | None:
        """The type of an exposure that another system delivers, such as dashboard."""
        return None if self.kind != "exposure" else self.definition.get("use")

    @property
    def target(self) -> Mapping[str, Any] | None:
        """The place of an exposure that is delivered elsewhere than to a file of the project."""
        return None if self.kind != "exposure" else self.definition.get("target")

    @property
    def is_inert(self) -> bool:
        """Whether a run has nothing to do for the node."""
        return self.use is not None or self.kind in ("semantic_model", "metric")

    @property
    def is_view(self) -> bool:
        """Whether its rows are kept in no table."""
        return self.materialized != "table"

    @property
    def is_ephemeral(self) -> bool:
        """Whether no environment shows it."""
        return self.materialized == "ephemeral"

    @property
    def storage(self) -> str:
        """The form of its pieces, as text; empty if its rows are in no pieces."""
        return json.dumps(self.partition, sort_keys=True) if self.partition else ""

    @property
    def frozen(self) -> tuple[str, ...]:
        """The inputs whose new data changes no partition that is there."""
        return tuple(self.partition.get("frozen", ()))

    @property
    def is_python(self) -> bool:
        """Whether a function makes the node's table."""
        return bool(self.python)

    @property
    def tags(self) -> tuple[str, ...]:
        return tuple(self.document.get("tags") or ())

    def line(self, *keys: str | int) -> int:
        """The line of a key, or of the nearest key around it."""
        path = [str(key) for key in keys]
        while path and ".".join(path) not in self.lines:
            path.pop()
        return self.lines.get(".".join(path), 1)

    def hides(self, text: str) -> str:
        """A message about the node, without the values of variables of the environment."""
        return hidden(text, self.secrets) if self.secrets else text

    @property
    def sql_path(self) -> str:
        """The file that its SQL is in."""
        return self.sql_file or self.path

    def line_of_sql(self, line: int | None) -> int:
        """The line of that file for a line of the SQL, from 1."""
        number = line or 1
        if number > self.earlier.get("lines", number):
            return self.line("before")
        return self.sql_line + number - 1 - sum(start <= number for start in self.breaks)


def event_time_of(document: Mapping[str, Any]) -> str | None:
    """The column with the time of a row, of a file as plain data; None if it names none."""
    given = document.get("materialization")
    found = given.get("event_time_col") if isinstance(given, Mapping) else None
    return None if is_nothing(found) else str(found)


def violated(check: Check, violations: int, rows: int) -> str:
    """The answer to a check, in words, if it does not hold or allows some violations.

    violations: the rows that its SQL returns; rows: those of the table.
    """
    of_table = f"{rows:,} {'row' if rows == 1 else 'rows'}"
    is_one = violations == 1
    if not violations:
        return f"0 of {of_table} violate it"
    match check.returns:
        case "keys":
            nouns = ("value", "values")
            if len(check.key) != 1:
                nouns = ("combination of values", "combinations of values")
            occur = "occurs" if is_one else "occur"
            return f"{violations:,} {nouns[not is_one]} {occur} more than once in {of_table}"
        case "answer":
            return f"its SQL returns {violations:,} {'row' if is_one else 'rows'}"
        case "table":
            return f"there {'is' if rows == 1 else 'are'} {of_table}"
        case "statistic":
            return "that is so"
        case _:
            return f"{violations:,} of {of_table} {'violates' if is_one else 'violate'} it"
