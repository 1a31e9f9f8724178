"""Read the query of a user before the engine answers it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from seeknal_git.names import quote
from seeknal_git.sql.engine import SqlError, parsed
from seeknal_git.sql.statement import Reference

_BEFORE_A_QUERY = re.compile(
    r"\A\s*(EXPLAIN(\s+ANALYZE)?|DESCRIBE|DESC|SUMMARIZE|SHOW)\b", re.IGNORECASE
)


_FROM = "FROM "
_QUOTED = re.compile(r'"(?:[^"]|"")*"')


def tables_named(sql: str) -> list[str]:
    """The tables that a query names; none if it has a mistake, which the engine explains better."""
    return [reference.target for reference in _references(sql)[2]]


def tables_within(sql: str, schema: str) -> set[str]:
    """The same in lower case; those of a schema by their bare names."""
    return {name.lower().removeprefix(f"{schema}.") for name in tables_named(sql)}


def with_tables(sql: str, table_of: Callable[[str], str | None]) -> str:
    """A query over other tables. It keeps its lines, and the names that its columns go by.

    table_of: gives the table, as SQL names it, for one that the query names; None to leave it.
    """
    head, text, references = _references(sql)
    pieces, position = [head], 0
    for reference in references:
        table = table_of(reference.target)
        if table is not None:
            alias = "" if reference.alias else f" AS {quote(_called(text, reference))}"
            pieces += [text[position : reference.start], table, alias]
            position = reference.end
    return "".join([*pieces, text[position:]]) if position else sql


def _called(text: str, reference: Reference) -> str:
    """The name by which a query qualifies the columns of a table."""
    is_whole = _QUOTED.fullmatch(text, reference.start, reference.end)
    return reference.target if is_whole else reference.target.rpartition(".")[2]


def _references(sql: str) -> tuple[str, str, tuple[Reference, ...]]:
    """A query in two texts, and the tables that the second one names."""
    start = found.end() if (found := _BEFORE_A_QUERY.match(sql)) else 0
    head, query = sql[:start], sql[start:]
    try:
        return head, query, parsed(query)[1]
    except SqlError:
        pass
    try:  # DESCRIBE and SUMMARIZE also take a table
        references = parsed(f"{_FROM}{query}")[1]
    except SqlError:
        return head, query, ()
    shift = -len(_FROM)
    moved = (
        replace(found, start=found.start + shift, end=found.end + shift, alias=found.target)
        for found in references
    )
    return head, query, tuple(moved)


def columns_named(expression: str) -> list[str]:
    """The names of columns in an expression, qualified as it qualifies them. Raises SqlError if it
    is no expression, or reads a table."""
    tree, references = parsed(f"SELECT ({expression}\n)")
    if references:
        raise SqlError(f"it reads the table {references[0].target}")
    found: dict[str, None] = {}
    waiting: list[Any] = [tree]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            if value.get("class") == "COLUMN_REF":
                found[".".join(value["column_names"])] = None
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
    return sorted(found)
