"""The parameters `$start`, `$end` and `$partition` of a node's SQL.

They stand in it as literals that nobody writes, so that the engine binds them, and the analysis
takes them for constants.
"""

from __future__ import annotations

import re

from seeknal_git.sql.partitioning import Ordinal, Partitioning

_MARKS = {
    "start": "TIMESTAMP '0001-01-01 00:00:00.000731'",
    "end": "TIMESTAMP '0001-01-01 00:00:00.000732'",
    "partition": "'0001-01-01 00:00:00.000733'",
}
_PARAMETER = re.compile(
    r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|\$(?P<tag>\w*)\$.*?\$(?P=tag)\$|--[^\n]*|/\*.*?\*/"""
    r"|\$(?P<name>start|end|partition)\b",
    re.DOTALL | re.IGNORECASE,
)
_ALWAYS = {"start": "TIMESTAMP '-infinity'", "end": "TIMESTAMP 'infinity'", "partition": "''"}


def marked(sql: str) -> str:
    """SQL with a mark for each `$start`, `$end` and `$partition`."""
    return _PARAMETER.sub(
        lambda found: _MARKS[found["name"].lower()] if found["name"] else found[0], sql
    )


def has_marks(sql: str) -> bool:
    return any(mark in sql for mark in _MARKS.values())


def in_partition(
    sql: str, partitioning: Partitioning | None = None, ordinal: Ordinal = None
) -> str:
    """The SQL for one partition; without one, for all time."""
    values = _ALWAYS
    if partitioning and ordinal is not None:
        values = {"partition": f"'{partitioning.label(ordinal)}'"}
        if partitioning.every:
            start, end = partitioning.start(ordinal), partitioning.start(ordinal + 1)
            values |= {"start": f"TIMESTAMP '{start}'", "end": f"TIMESTAMP '{end}'"}
    for name, mark in _MARKS.items():
        sql = sql.replace(mark, values.get(name, mark))
    return sql
