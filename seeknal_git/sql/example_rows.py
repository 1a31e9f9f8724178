"""The rows of an example as tables of the engine, and the mistakes in them."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

import duckdb

from seeknal_git.names import folded, quote
from seeknal_git.sql.engine import SqlError, as_subquery, engine_words, need_memory, parsed

if TYPE_CHECKING:
    from seeknal_git.sql.statement import Columns

_DECIMAL = re.compile(r"DECIMAL\(\d+,\s*(\d+)\)$")
_INTEGER = re.compile(r"U?(?:TINY|SMALL|BIG|HUGE)?INT(?:EGER)?$")
_TIME_OF_DAY = re.compile(r"\d:\d\d")
_MIDNIGHT = re.compile(r"[T ]00:00(?::00(?:\.0+)?)?(?:Z|[+-]00(?::?00)?)?$")


class Wrong(Exception):
    """A mistake in the rows of an example. row: its number, from 0; column: its name."""

    def __init__(self, message: str, row: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.row = row


def fill(
    engine: duckdb.DuckDBPyConnection,
    table: str,
    columns: Columns,
    given: Mapping[str, Any],
    of: str,
) -> None:
    """Make a table with the columns of an input or a result, and the given rows.

    given: `header` and `rows`, or `sql`; of: whose columns they are, for messages. A column that is
    not given is NULL. Raises Wrong.
    """
    if given.get("sql"):
        _fill_from(engine, table, columns, given["sql"], of)
        return
    header: Sequence[str] = given["header"]
    places = _places(header, columns, of)
    _refuse_losses(columns, places, given["rows"])
    parameters: dict[str, list[str | None]] = {"n": ["" for _ in given["rows"]]}
    values = []
    for number, (name, word) in enumerate(columns):
        at = places.get(folded(name))
        if at is None:
            values.append(f"CAST(NULL AS {word}) AS {quote(name)}")
            continue
        cells = [row[at] for row in given["rows"]]
        values.append(f"{_cast(number, word, cells, parameters)} AS {quote(name)}")
    arrays = ", ".join(f"unnest(${key}::VARCHAR[]) AS {key}" for key in parameters)
    sql = f"CREATE TABLE {table} AS SELECT {', '.join(values)} FROM (SELECT {arrays})"
    try:
        engine.execute(sql, parameters)
    except duckdb.Error as exc:
        need_memory(exc)
        engine.execute("ROLLBACK")
        _blame(engine, columns, places, given["rows"])
        raise Wrong(engine_words(exc)[0]) from exc


def _cast(
    number: int, word: str, cells: Sequence[Any], parameters: dict[str, list[str | None]]
) -> str:
    """The expression of a column. Its cells are added to the parameters: those with lists or
    mappings as JSON, the others as texts."""
    nested = [json.dumps(cell) if isinstance(cell, list | dict) else None for cell in cells]
    parameters[f"t{number}"] = [None if isinstance(cell, list | dict) else cell for cell in cells]
    if not any(nested):
        return f"CAST(t{number} AS {word})"
    parameters[f"j{number}"] = nested
    from_json = f"CAST(CAST(j{number} AS JSON) AS {word})"
    return f"CASE WHEN j{number} IS NULL THEN CAST(t{number} AS {word}) ELSE {from_json} END"


def _fill_from(
    engine: duckdb.DuckDBPyConnection, table: str, columns: Columns, sql: str, of: str
) -> None:
    need_rows_alone(sql)
    try:
        engine.execute(f"CREATE TABLE raw AS FROM {as_subquery(sql)}")
        names = [row[0] for row in engine.execute("DESCRIBE raw").fetchall()]
        places = _places(names, columns, of)
        values = ", ".join(
            f"CAST({quote(name) if folded(name) in places else 'NULL'} AS {word}) AS {quote(name)}"
            for name, word in columns
        )
        engine.execute(f"CREATE TABLE {table} AS SELECT {values} FROM raw; DROP TABLE raw")
    except duckdb.Error as exc:
        need_memory(exc)
        raise Wrong(engine_words(exc)[0]) from exc


def need_rows_alone(sql: str) -> None:
    """Raise Wrong for SQL that is no SELECT, or reads anything."""
    try:
        named = parsed(sql)[1]
    except SqlError as exc:
        raise Wrong(exc.message.replace("a node is", "the SQL of an example is")) from exc
    if named:
        raise Wrong(
            f"the SQL of an example makes rows of its own, and this reads {named[0].target}"
        )


def _places(header: Iterable[str], columns: Columns, of: str) -> dict[str, int]:
    """Column in lower case → its place in the header. Raises Wrong for one that there is not."""
    known = {folded(name): name for name, _ in columns}
    places: dict[str, int] = {}
    for at, name in enumerate(header):
        if folded(name) not in known:
            raise Wrong(no_column(name, known.values(), of))
        places[folded(name)] = at
    return places


def no_column(name: str, known: Iterable[str], of: str) -> str:
    """The message for a column that does not exist."""
    names = list(known)
    by_case = {folded(one): one for one in names}
    near = difflib.get_close_matches(folded(name), by_case, 1)
    if near:
        return f"{of} has no column {name}: did you mean {by_case[near[0]]}?"
    return f"{of} has no column {name}: it has {', '.join(names)}"


def _refuse_losses(
    columns: Columns, places: Mapping[str, int], rows: Sequence[Sequence[Any]]
) -> None:
    """Raise Wrong for a cell that its type would round."""
    for name, word in columns:
        at = places.get(folded(name))
        if at is None:
            continue
        for number, row in enumerate(rows):
            if isinstance(row[at], str) and is_lossy(row[at], word):
                raise _no_value(row[at], name, word, number)


def is_lossy(text: str, word: str) -> bool:
    """Whether a text has more digits, or a time of day, than its type keeps."""
    if word == "DATE":
        return bool(_TIME_OF_DAY.search(text)) and not _MIDNIGHT.search(text.strip())
    scale = _DECIMAL.match(word)
    if not scale and not _INTEGER.match(word):
        return False
    try:
        exponent = Decimal(text.strip().replace("_", "")).normalize().as_tuple().exponent
    except InvalidOperation:  # 0x10, or no number at all, which the cast refuses
        return False
    return isinstance(exponent, int) and -exponent > (int(scale[1]) if scale else 0)


def _no_value(cell: Any, name: str, word: str, row: int) -> Wrong:
    text = json.dumps(cell) if isinstance(cell, list | dict) else repr(cell)
    return Wrong(f"{text} is no value of {name}, which is {word}", row)


def _blame(
    engine: duckdb.DuckDBPyConnection,
    columns: Columns,
    places: Mapping[str, int],
    rows: Sequence[Sequence[Any]],
) -> None:
    """Raise Wrong for the first cell that its column does not take."""
    for name, word in columns:
        at = places.get(folded(name))
        if at is None:
            continue
        for number, row in enumerate(rows):
            parameters: dict[str, list[str | None]] = {}
            value = _cast(0, word, [row[at]], parameters)
            arrays = ", ".join(f"unnest(${key}::VARCHAR[]) AS {key}" for key in parameters)
            try:
                engine.execute(f"SELECT {value} FROM (SELECT {arrays})", parameters)
            except duckdb.Error as exc:
                need_memory(exc)
                raise _no_value(row[at], name, word, number) from exc


_NESTED = re.compile(r"(?:STRUCT|MAP|UNION)\(|.*\]$", re.DOTALL)


def is_nested(word: str) -> bool:
    """Whether the values of a type are lists or mappings."""
    return _NESTED.match(word) is not None
