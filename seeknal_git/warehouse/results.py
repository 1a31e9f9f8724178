"""Results of SELECTs as Python values, whole.

Python's dates know no infinity and end in 9999, its timedelta knows no months, its datetime no
nanoseconds, and a value with a time zone needs a package that may be missing. Such values leave the
engine as its own text, and nested ones as JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from seeknal_git.names import literal, quote
from seeknal_git.sql.engine import as_subquery
from seeknal_git.warehouse.model.answers import CSV, JSON, PYTHON, TABLE

_BATCH = 5_000  # rows that are in memory at once
_AS_TEXT = re.compile(r"DATE|TIME|INTERVAL|BLOB|FLOAT|VARIANT|GEOMETRY")
_NESTED = re.compile(r"(?:STRUCT|MAP|UNION)\(|.*\]$", re.DOTALL)
_NUMBER = re.compile(r"(?:U?(?:TINY|SMALL|BIG|HUGE)?INT(?:EGER)?|DOUBLE|DECIMAL\(\d+,\d+\))$")
_MAY_BE_INFINITE = re.compile("DOUBLE|FLOAT|VARIANT|JSON")
_DESCRIBES = re.compile(r"\s*(?:DESCRIBE|DESC|SUMMARIZE|SHOW)\b", re.IGNORECASE)
_HOURS = re.compile(r"[+-]\d\d$")
# The engine spells an offset `+00`, ISO 8601 `+00:00`.
_OFFSET = "regexp_replace(CAST({column} AS VARCHAR), '([+-][0-9][0-9])$', '\\1:00')"
# A text in JSON, which stays, or a number that JSON does not have.
_NOT_FINITE = re.compile(r'"(?:[^"\\]|\\.)*"|(-?)(?:(NaN)|(Infinity))')

Reader = Callable[[str], Any] | None  # None for a value that stays as it is
Fetched = tuple[list[str], list[str], list[tuple[Any, ...]]]


class _Form(NamedTuple):
    """A form of values."""

    leaving: Callable[[str, str], str]  # column and type → the expression that leaves the engine
    reading: Callable[[str], Reader]  # type → the function that reads what left the engine


class _Described(NamedTuple):
    """A statement and its columns."""

    names: list[str]
    types: list[str]
    query: str  # the statement in parentheses


def streamed(
    connection: duckdb.DuckDBPyConnection,
    statement: duckdb.Statement,
    form: str,
    limit: int | None = None,
) -> tuple[list[str], Iterator[Sequence[Any]]]:
    """The names of a statement's columns, and its rows as they come; they are never all in memory.

    limit: at most this many rows. form: with JSON, every value is a text of JSON; with PYTHON, as
    `selected` gives them; else a text of the engine or None, and with TABLE numbers stay numbers.
    """
    if statement.type != duckdb.StatementType.SELECT:
        return _explained(connection, statement, form)
    described = _describe(connection, statement.query, {})
    readers = [_FORMS[form].reading(kind) for kind in described.types]
    sql = f"{_leaving_as(_FORMS[form], described)}{_at_most(limit)}"
    return described.names, _batches(connection, sql, readers, {})


def written(
    connection: duckdb.DuckDBPyConnection,
    statement: duckdb.Statement,
    path: Path,
    limit: int | None = None,
) -> int:
    """Write the rows of a SELECT into a file of Parquet; their number.

    Parquet has no integers of 128 bits: the engine would round them to DOUBLE.
    """
    described = _describe(connection, statement.query, {})
    columns = [f"c{number}" for number in range(len(described.types))]
    triples = zip(columns, described.types, described.names, strict=True)
    values = ", ".join(
        f"CAST({column} AS DECIMAL(38, 0)) AS {quote(name)}"
        if kind in ("HUGEINT", "UHUGEINT")
        else f"{column} AS {quote(name)}"
        for column, kind, name in triples
    )
    rows = f"SELECT {values} FROM {described.query} AS t({', '.join(columns)}){_at_most(limit)}"
    made = connection.execute(
        f"COPY ({rows}) TO {literal(str(path))} (FORMAT parquet, USE_TMP_FILE false)"
    )
    return int(made.fetchall()[0][0])


def _at_most(limit: int | None) -> str:
    return "" if limit is None else f" LIMIT {limit}"


def _explained(
    connection: duckdb.DuckDBPyConnection, statement: duckdb.Statement, form: str
) -> tuple[list[str], Iterator[Sequence[Any]]]:
    """The few texts of EXPLAIN."""
    cursor = connection.execute(statement)
    rows: list[Sequence[Any]] = list(cursor.fetchall())
    if form == JSON:
        rows = [[json.dumps(value) for value in row] for row in rows]
    return [column[0] for column in cursor.description or ()], iter(rows)


def selected(
    connection: duckdb.DuckDBPyConnection, sql: str, parameters: Mapping[str, Any] | None = None
) -> Fetched:
    """The names and types of a SELECT's columns, and its rows."""
    given = dict(parameters or {})
    described = _describe(connection, sql, given)
    readers = [_reader(kind) for kind in described.types]
    query = described.query[1:-1]
    if any(map(_AS_TEXT.search, described.types)):
        query = _leaving_as(_FORMS[PYTHON], described)
    rows = [tuple(row) for row in _batches(connection, query, readers, given)]
    return described.names, described.types, rows


def _describe(
    connection: duckdb.DuckDBPyConnection, sql: str, given: Mapping[str, Any]
) -> _Described:
    query = as_subquery(sql)
    # DuckDB 1 describes no DESCRIBE.
    whole = f"FROM {query}" if _DESCRIBES.match(sql) else query[1:-1]
    columns = connection.execute(f"DESCRIBE {whole}", dict(given)).fetchall()
    names = without_repeats([column[0] for column in columns])
    return _Described(names, [column[1] for column in columns], query)


def _leaving_as(form: _Form, described: _Described) -> str:
    """The statement with each column in a form. Its columns get names that do not repeat."""
    columns = [f"c{number}" for number in range(len(described.types))]
    pairs = zip(columns, described.types, strict=True)
    values = ", ".join(form.leaving(column, kind) for column, kind in pairs)
    return f"SELECT {values} FROM {described.query} AS t({', '.join(columns)})"


def _batches(
    connection: duckdb.DuckDBPyConnection,
    sql: str,
    readers: Sequence[Reader],
    given: Mapping[str, Any],
) -> Iterator[Sequence[Any]]:
    connection.execute(sql, dict(given))
    while rows := connection.fetchmany(_BATCH):
        if not any(readers):
            yield from rows
            continue
        for row in rows:
            yield tuple(_read(reader, value) for reader, value in zip(readers, row, strict=True))


def _read(reader: Reader, value: Any) -> Any:
    return value if reader is None or value is None else reader(value)


# Expressions by which a value leaves the engine


def _as_csv(column: str, kind: str) -> str:
    if kind.endswith("WITH TIME ZONE"):
        return _OFFSET.format(column=column)
    return f"CAST({column} AS VARCHAR)"


def _as_json(column: str, kind: str) -> str:
    """A decimal number is a text in JSON: it may have more digits than a reader's numbers."""
    if kind.endswith("WITH TIME ZONE") or kind.startswith("DECIMAL"):
        column = _as_csv(column, kind)
    if kind == "FLOAT":  # 0.1, and not the next DOUBLE, which has more digits
        column = f"CAST(CAST({column} AS VARCHAR) AS DOUBLE)"
    return f"coalesce(CAST(to_json({column}) AS VARCHAR), 'null')"


def _in_table(column: str, kind: str) -> str:
    return column if _NUMBER.match(kind) else _as_csv(column, kind)


def _for_python(column: str, kind: str) -> str:
    if not _AS_TEXT.search(kind):
        return column
    return f"to_json({column})::VARCHAR" if _NESTED.match(kind) else f"CAST({column} AS VARCHAR)"


# Functions that read a value


def _reader(kind: str) -> Reader:
    if _NESTED.match(kind) and _AS_TEXT.search(kind):
        return json.loads
    if kind == "FLOAT":
        return float
    return _with_minutes if kind.endswith("WITH TIME ZONE") else None


def _with_minutes(text: str) -> str:
    return f"{text}:00" if _HOURS.search(text) else text


def _finite(text: str) -> str:
    """A text of JSON, with numbers that JSON does not have as texts."""
    if "N" not in text and "I" not in text:
        return text
    return _NOT_FINITE.sub(_as_word, text)


def _as_word(found: re.Match[str]) -> str:
    sign, is_nan, is_infinity = found.groups()
    if not (is_nan or is_infinity):
        return found[0]
    return f'"{sign}nan"' if is_nan else f'"{sign}inf"'


_FORMS = {
    CSV: _Form(_as_csv, lambda _: None),
    JSON: _Form(_as_json, lambda kind: _finite if _MAY_BE_INFINITE.search(kind) else None),
    TABLE: _Form(_in_table, lambda kind: float if kind == "FLOAT" else None),
    PYTHON: _Form(_for_python, _reader),
}


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
