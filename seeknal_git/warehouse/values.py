"""Values as they leave the engine: whole, whatever Python's own types can hold.

Python's dates know no infinity and end in 9999, its timedelta knows no months, its datetime no
nanoseconds, and a value with a time zone needs a package that may not be there. Such values leave
the engine as its own text; and nested ones as JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import duckdb

from seeknal_git.sql.engine import as_subquery

_AS_TEXT = re.compile(r"DATE|TIME|INTERVAL|BLOB|FLOAT|VARIANT|GEOMETRY")
_NESTED = re.compile(r"(?:STRUCT|MAP|UNION)\(|.*\]$", re.DOTALL)
_DESCRIBES = re.compile(r"\s*(?:DESCRIBE|DESC|SUMMARIZE|SHOW)\b", re.IGNORECASE)
_HOURS = re.compile(r"[+-]\d\d$")


TABLE, CSV, JSON, PYTHON = "table", "csv", "json", "python"
_BATCH = 5_000  # rows that are in memory at once

Fetched = tuple[list[str], list[str], list[tuple[Any, ...]]]


def streamed(
    connection: duckdb.DuckDBPyConnection, statement: duckdb.Statement, form: str
) -> tuple[list[str], Iterator[Sequence[Any]]]:
    """The names of a statement's columns, and its rows as they come; they are never all in memory.

    form: for JSON, every value is a text of JSON; for PYTHON, see `selected`; else a text of the
    engine's, or None, but for the numbers of a table.
    """
    if statement.type != duckdb.StatementType.SELECT:  # EXPLAIN: a few texts
        cursor = connection.execute(statement)
        rows: Iterable[Sequence[Any]] = cursor.fetchall()
        as_json = [[json.dumps(value) for value in row] for row in rows]
        return [each[0] for each in cursor.description or ()], iter(
            as_json if form == JSON else rows
        )
    names, types, query = _described(connection, statement.query, {})
    leaving, reading = _FORMS[form]
    columns = [f"c{number}" for number in range(len(types))]
    texts = ", ".join(leaving(column, word) for column, word in zip(columns, types, strict=True))
    readers = [reading(word) for word in types]
    return names, _batches(
        connection, f"SELECT {texts} FROM {query} AS t({', '.join(columns)})", readers, {}
    )


def _batches(
    connection: duckdb.DuckDBPyConnection,
    sql: str,
    readers: Sequence[Callable[[str], Any] | None],
    given: Mapping[str, Any],
) -> Iterator[Sequence[Any]]:
    connection.execute(sql, dict(given))
    while rows := connection.fetchmany(_BATCH):
        if not any(readers):
            yield from rows
        else:
            yield from (
                tuple(_read(*pair) for pair in zip(readers, row, strict=True)) for row in rows
            )


# As the engine spells an offset, `+00`, and as ISO 8601 has it.
_OFFSET = "regexp_replace(CAST({column} AS VARCHAR), '([+-][0-9][0-9])$', '\\1:00')"
_BROKEN = re.compile("DOUBLE|FLOAT|VARIANT|JSON")
_NUMBERS = re.compile(r'"(?:[^"\\]|\\.)*"|(-?)(?:(NaN)|(Infinity))')


def _as_csv(column: str, word: str) -> str:
    return (
        _OFFSET.format(column=column)
        if word.endswith("WITH TIME ZONE")
        else f"CAST({column} AS VARCHAR)"
    )


def _as_json(column: str, word: str) -> str:
    """A text of JSON. A decimal number is a text there, as it may have more digits than a reader's
    numbers."""
    if word.endswith("WITH TIME ZONE") or word.startswith("DECIMAL"):
        column = _as_csv(column, word)
    if word == "FLOAT":  # 0.1, where the next DOUBLE to it has more digits
        column = f"CAST(CAST({column} AS VARCHAR) AS DOUBLE)"
    return f"coalesce(CAST(to_json({column}) AS VARCHAR), 'null')"


def _finite(text: str) -> str:
    """A text of JSON in which numbers that JSON does not have are texts."""
    if "N" not in text and "I" not in text:
        return text
    return _NUMBERS.sub(_quoted, text)


def _quoted(found: re.Match[str]) -> str:
    return f'"{found[1]}{"nan" if found[2] else "inf"}"' if found[2] or found[3] else found[0]


def _in_table(column: str, word: str) -> str:
    return column if _NUMBER.match(word) else _as_csv(column, word)


_NUMBER = re.compile(r"(?:U?(?:TINY|SMALL|BIG|HUGE)?INT(?:EGER)?|DOUBLE|DECIMAL\(\d+,\d+\))$")


def selected(
    connection: duckdb.DuckDBPyConnection, sql: str, parameters: Mapping[str, Any] | None = None
) -> Fetched:
    """The names and types of a SELECT's columns, and its rows."""
    given = dict(parameters or {})
    names, types, query = _described(connection, sql, given)
    return (
        names,
        types,
        [tuple(row) for row in _batches(connection, *_as_python(types, query), given)],
    )


def _described(
    connection: duckdb.DuckDBPyConnection, sql: str, given: Mapping[str, Any]
) -> tuple[list[str], list[str], str]:
    """The names and types of the columns, and the statement in parentheses."""
    query = as_subquery(sql)
    whole = (
        f"FROM {query}" if _DESCRIBES.match(sql) else query[1:-1]
    )  # DuckDB 1 describes no DESCRIBE
    described = connection.execute(f"DESCRIBE {whole}", dict(given)).fetchall()
    return without_repeats([row[0] for row in described]), [row[1] for row in described], query


def _as_python(types: Sequence[str], query: str) -> tuple[str, list[Callable[[str], Any] | None]]:
    """The statement that yields what Python can hold, and the functions that read it."""
    columns = [f"c{number}" for number in range(len(types))]
    if any(map(_AS_TEXT.search, types)):
        leaving = ", ".join(
            _leaving(column, word) for column, word in zip(columns, types, strict=True)
        )
        query = f"(SELECT {leaving} FROM {query} AS t({', '.join(columns)}))"
    return query[1:-1], [_reader(word) for word in types]


def _leaving(column: str, word: str) -> str:
    if not _AS_TEXT.search(word):
        return column
    return f"to_json({column})::VARCHAR" if _NESTED.match(word) else f"CAST({column} AS VARCHAR)"


def _reader(word: str) -> Callable[[str], Any] | None:
    """The function that makes a value of the engine's text; None for a value that stays as it
    is."""
    if _NESTED.match(word) and _AS_TEXT.search(word):
        return json.loads
    if word == "FLOAT":
        return float
    return _with_minutes if word.endswith("WITH TIME ZONE") else None


def _with_minutes(text: str) -> str:
    """A time zone as ISO 8601 has it: `+00:00`, for which the engine says `+00`."""
    return f"{text}:00" if _HOURS.search(text) else text


# Of each form: how a value leaves the engine, and what reads it, if anything does.
_FORMS: Mapping[
    str, tuple[Callable[[str, str], str], Callable[[str], Callable[[str], Any] | None]]
] = {
    CSV: (_as_csv, lambda _: None),
    JSON: (_as_json, lambda word: _finite if _BROKEN.search(word) else None),
    TABLE: (_in_table, lambda word: float if word == "FLOAT" else None),
    PYTHON: (_leaving, _reader),
}


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
