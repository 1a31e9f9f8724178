"""Read the query of a user before the engine answers it."""

from __future__ import annotations

import re
from typing import Any

from seeknal_git.sql.engine import SqlError, parsed

_BEFORE_A_QUERY = re.compile(
    r"\A\s*(EXPLAIN(\s+ANALYZE)?|DESCRIBE|DESC|SUMMARIZE|SHOW)\b", re.IGNORECASE
)


def tables_named(sql: str) -> list[str]:
    """The tables that a query names; none if it has a mistake, which the engine explains better."""
    query = _BEFORE_A_QUERY.sub("", sql)
    for text in (query, f"FROM {query}"):  # DESCRIBE and SUMMARIZE also take a table
        try:
            return [reference.target for reference in parsed(text)[1]]
        except SqlError:
            continue
    return []


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
