"""Values as they leave the engine: whole, whatever Python's own types can hold.

Python's dates know no infinity and end in 9999, its timedelta knows no months, its datetime no nanoseconds, and a value
with a time zone needs a package that may not be there. Such values leave the engine as its own text; and nested ones as
JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import duckdb

from seeknal_git.warehouse.sql import as_subquery

_AS_TEXT = re.compile(r"DATE|TIME|INTERVAL|BLOB|FLOAT|VARIANT|GEOMETRY")
_NESTED = re.compile(r"(?:STRUCT|MAP|UNION)\(|.*\]$", re.DOTALL)
_DESCRIBES = re.compile(r"\s*(?:DESCRIBE|DESC|SUMMARIZE|SHOW)\b", re.IGNORECASE)
_HOURS = re.compile(r"[+-]\d\d$")


Fetched = tuple[list[str], list[str], list[tuple[Any, ...]]]


def fetched(connection: duckdb.DuckDBPyConnection, statement: duckdb.Statement) -> Fetched:
    """The names and types of a statement's columns, and its rows."""
    if statement.type != duckdb.StatementType.SELECT:
        cursor = connection.execute(statement)
        described = [(each[0], str(each[1])) for each in cursor.description or ()]
        return [name for name, _ in described], [word for _, word in described], cursor.fetchall()
    return selected(connection, statement.query)


def selected(connection: duckdb.DuckDBPyConnection, sql: str, parameters: Mapping[str, Any] | None = None) -> Fetched:
    """The names and types of a SELECT's columns, and its rows."""
    query, given = as_subquery(sql), dict(parameters or {})
    whole = f"FROM {query}" if _DESCRIBES.match(sql) else query[1:-1]  # DuckDB 1 describes no DESCRIBE
    described = [row[:2] for row in connection.execute(f"DESCRIBE {whole}", given).fetchall()]
    types = [word for _, word in described]
    columns = [f"c{number}" for number in range(len(types))]
    if any(map(_AS_TEXT.search, types)):
        leaving = ", ".join(_leaving(column, word) for column, word in zip(columns, types, strict=True))
        query = f"(SELECT {leaving} FROM {query} AS t({', '.join(columns)}))"
    connection.execute(query[1:-1], given)
    readers = [_reader(word) for word in types]
    rows = connection.fetchall()
    if any(readers):
        rows = [tuple(_read(*pair) for pair in zip(readers, row, strict=True)) for row in rows]
    return without_repeats([name for name, _ in described]), types, rows


def _leaving(column: str, word: str) -> str:
    if not _AS_TEXT.search(word):
        return column
    return f"to_json({column})::VARCHAR" if _NESTED.match(word) else f"CAST({column} AS VARCHAR)"


def _reader(word: str) -> Callable[[str], Any] | None:
    """The function that makes a value of the engine's text; None for a value that stays as it is."""
    if _NESTED.match(word) and _AS_TEXT.search(word):
        return json.loads
    if word == "FLOAT":
        return float
    return _with_minutes if word.endswith("WITH TIME ZONE") else None


def _with_minutes(text: str) -> str:
    """A time zone as ISO 8601 has it: `+00:00`, for which the engine says `+00`."""
    return f"{text}:00" if _HOURS.search(text) else text


def _read(reader: Callable[[str], Any] | None, value: Any) -> Any:
    return value if reader is None or value is None else reader(value)


def without_repeats(names: Sequence[str]) -> list[str]:
    """Names as a table would have them: `id, id` → `id, id_1`. Case is no difference."""
    uses: dict[str, int] = {}
    found = []
    for name in names:
        new, low = name, name.lower()
        if low in uses:
            while (new := f"{name}_{uses[low]}").lower() in uses:
                uses[low] += 1
            uses[low] += 1
        uses[new.lower()] = 1
        found.append(new)
    return found
