"""Read the query of a user before the engine answers it."""

from __future__ import annotations

import re

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
