"""Ask the engine about SQL: which tables a SELECT names and where, and which columns and types it
returns."""

from __future__ import annotations

import hashlib
import json
import os
import re
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal, InvalidOperation
from functools import cache, lru_cache
from typing import Any

import duckdb

from seeknal_git.names import folded, quote
from seeknal_git.sql.statement import Columns, Reference, rendered, tables_with_ctes

# Table functions that make rows out of their arguments alone; all others read something that is not
# an input.
PURE_FUNCTIONS = frozenset(
    {"unnest", "range", "generate_series", "repeat", "json_each", "json_tree"}
)
# A query is made of these; in a CTE, DuckDB 2 also takes what writes: INSERT, UPDATE, DELETE, COPY
# TO.
_QUERIES = frozenset({"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"})
# It binds another statement, a text, against everything that is there.
_BINDING = "json_serialize_plan"
# DuckDB 2.0's type for a bare NULL; a table stores it as INTEGER.
_UNTYPED = {'"NULL"': "INTEGER"}
_NAME = r'(?:"(?:[^"]|"")*"|\w+)'
_DOTTED = re.compile(rf"{_NAME}(?:\s*\.\s*{_NAME}){{0,2}}|'(?:[^']|'')*'")
# After these words a table takes no alias.
_BARE = re.compile(r"\b(?:TABLE|DESCRIBE|SUMMARIZE)\s+$", re.IGNORECASE)
_MATERIALIZED = re.compile(r"\b(?:NOT\s+)?MATERIALIZED\b", re.IGNORECASE)
_CALL = re.compile(r"""ref\s*\(\s*('(?:[^']|'')*'|"(?:[^"]|"")*")\s*\)""", re.IGNORECASE)


TREES = 4096  # statements whose trees are remembered


class SqlError(Exception):
    """The engine refuses a statement: its message, and the line of the statement (from 1) where it
    can tell."""

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.line = line


class Overtaken(SqlError):
    """Somebody else has committed first: the same steps may work if they are taken again."""


_TOO_DEEP = "it is nested too deep: divide it into CTEs, or nodes of their own"
# The engine's own limit, and its advice, which nobody can follow here.
_DEPTH_OF_ENGINE = "Max expression depth limit"
_DEPTH_OF_PARSER = "memory exhausted"  # DuckDB 1.5 says so once its parser is 10,000 levels deep


class TooDeep(SqlError):
    """A statement is nested deeper than a function may call itself."""

    def __init__(self) -> None:
        super().__init__(_TOO_DEEP)


@lru_cache(maxsize=TREES)
def parsed(sql: str) -> tuple[dict[str, Any], tuple[Reference, ...]]:
    """The engine's tree of a SELECT, and every table that it names, but for its own CTEs, in the
    order of the text.

    In the tree, each of these tables has the number of its reference under `reference`, and under
    `called` its name without an alias. Raises SqlError where the text is not exactly one SELECT, or
    does not parse.
    """
    tree = one_select(sql)
    queries, calls = queries_and_calls(tree)
    _complete_ctes(sql, queries)
    tables = tables_with_ctes(tree)
    found = [
        (reference, table) for table, ctes in tables if (reference := _reference(sql, table, ctes))
    ]
    binding = (call for call in calls if call["function_name"].lower() == _BINDING)
    found += [(Reference(0, 0, f"{_BINDING}()"), call) for call in binding]
    found.sort(key=lambda pair: pair[0].start)
    for number, (reference, table) in enumerate(found):
        table |= {"reference": number, "called": reference.target.rpartition(".")[2]}
    return tree["statements"][0]["node"], tuple(reference for reference, _ in found)


def one_select(sql: str) -> dict[str, Any]:
    """The engine's tree of a text that is exactly one SELECT. Raises SqlError for any other."""
    try:
        tree: dict[str, Any] = json.loads(_serialized.pop(sql, "") or _serialize(sql))
    except RecursionError as exc:
        raise TooDeep from exc
    if tree.get("error"):
        raise _without_a_tree(sql, tree)
    if not tree["statements"]:
        raise SqlError("there is no statement in it")
    if len(tree["statements"]) > 1:
        raise SqlError(
            "a node is exactly one SELECT: make earlier statements CTEs, or nodes of their own"
        )
    return tree


def need_queries(queries: Sequence[Any]) -> None:
    """Raise SqlError if one of the queries in a tree writes."""
    for query in queries:
        if query["type"] not in _QUERIES:
            raise SqlError(f"a node is one SELECT, without {query['type'].split('_')[0]} in it")


def _complete_ctes(sql: str, queries: Sequence[Any]) -> None:
    """Add to each CTE the words of the text on MATERIALIZED, which DuckDB 1 leaves out of the tree.
    Raises SqlError if one of the queries writes."""
    need_queries(queries)
    entries = [entry for query in queries for entry in query["cte_map"]["map"]]
    words = _MATERIALIZED.findall(sql) if entries else ()
    for entry in entries:
        entry["value"]["materialized"] = " ".join([entry["value"]["materialized"], *words])


# Trees as text of statements that were parsed together, until they are asked for.
_serialized: dict[str, str] = {}


def parse_together(statements: Sequence[str]) -> None:
    """Have the engine parse many statements at once, which takes it a third of the time. A failure
    shows when each of them is parsed alone."""
    try:
        rows = (
            explaining()
            .execute(
                "SELECT sql, json_serialize_sql(sql) FROM (SELECT unnest($1::VARCHAR[]) AS sql)",
                [list(statements)],
            )
            .fetchall()
        )
    except duckdb.Error:
        rows = []
    _serialized.clear()
    _serialized.update(rows)


def _serialize(sql: str) -> str:
    row = explaining().execute("SELECT json_serialize_sql($1)", [sql]).fetchone()
    return row[0] if row else "{}"


def _without_a_tree(sql: str, answer: Mapping[str, Any]) -> SqlError:
    """The engine explains no tree: the text is wrong, or it is not one SELECT whose columns the
    text alone decides."""
    need_memory(answer.get("error_type"))
    if answer.get("error_type") == "not implemented":
        return _no_select(sql)
    message = " ".join(str(answer.get("error_message", "the engine cannot parse this")).split())
    if message.startswith((_DEPTH_OF_ENGINE, _DEPTH_OF_PARSER)):
        return SqlError(_TOO_DEEP, 1)
    return SqlError(message.rstrip("."), _line(sql, answer))


_NO_KEYWORDS = re.compile(r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"", re.DOTALL)
_PIVOT = re.compile(r"\bPIVOT(?:_WIDER)?\b", re.IGNORECASE)
_QUERY = ("SELECT", "WITH", "FROM", "PIVOT", "PIVOT_WIDER")


def _no_select(sql: str) -> SqlError:
    """The text is a statement of another kind, or a PIVOT whose columns only the data tells."""
    words = _NO_KEYWORDS.sub(" ", sql)
    first = next(iter(re.findall(r"\w+", words)), "").upper()
    if first not in _QUERY:
        return SqlError(f"a node is one SELECT, and this is {first}", 1)
    if _PIVOT.search(words):
        return SqlError(
            "a node is one SELECT; a PIVOT says its columns, as in ON kind IN ('a', 'b')", 1
        )
    return SqlError("a node is one SELECT, and this is another statement", 1)


def _line(sql: str, answer: Mapping[str, Any]) -> int | None:
    """DuckDB 2 counts bytes here (and says a `location` too), DuckDB 1 characters."""
    if not str(answer.get("position", "")).isdigit():
        return None
    position = int(answer["position"])
    before = (
        sql.encode()[:position].decode(errors="ignore") if "location" in answer else sql[:position]
    )
    return before.count("\n") + 1


def _unquoted(text: str) -> str:
    return text[1:-1].replace(text[0] * 2, text[0])


def queries_and_calls(tree: Any) -> tuple[list[Any], list[Any]]:
    """All queries in a tree (the objects that may have CTEs), and all calls of functions."""
    queries, calls = [], []
    waiting = [tree]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            if "cte_map" in value:
                queries.append(value)
            if "function_name" in value:
                calls.append(value)
            value = value.values()
        waiting += [part for part in value if isinstance(part, dict | list)]
    return queries, calls


def _reference(sql: str, table: Mapping[str, Any], ctes: Collection[str]) -> Reference | None:
    # A table that DESCRIBE or SUMMARIZE reads has an entry of its own.
    if table["type"] == "SHOW_REF":
        return Reference(0, 0, "show()") if table["table_name"] else None
    if table["type"] == "TABLE_FUNCTION":
        function = table["function"]["function_name"].lower()
        if function in PURE_FUNCTIONS:
            return None
        start = _place(sql, table)
        if function == "ref" and (call := _CALL.match(sql, start)):
            return Reference(start, call.end(), _unquoted(call[1]), True, table["alias"])
        return Reference(start, start, f"{function}()")
    parts = [
        part for part in (table["catalog_name"], table["schema_name"], table["table_name"]) if part
    ]
    if len(parts) == 1 and folded(parts[0]) in ctes:
        return None
    target = ".".join([*(part.lower() for part in parts[:-1]), parts[-1]])
    start = _place(sql, table, target)
    name = _DOTTED.match(sql, start)
    alias = table["alias"] or (target if _BARE.search(sql[:start]) else "")
    return Reference(start, name.end() if name else start, target, alias=alias)


def _place(sql: str, table: Mapping[str, Any], target: str = "") -> int:
    """The engine counts bytes; and of DESCRIBE, SUMMARIZE and TABLE it does not say where the table
    stands."""
    offset = table["query_location"]
    if offset <= len(sql) * 4:
        return len(sql.encode()[:offset].decode())
    written = r"\s*\.\s*".join(f'"?{re.escape(part)}"?' for part in target.split("."))
    pattern = rf"\b(?:TABLE|DESC|DESCRIBE|SUMMARIZE)\s+({written})(?!\w)"
    found = list(re.finditer(pattern, sql, re.IGNORECASE)) if target else []
    if len(found) != 1:
        raise SqlError(
            "the engine does not say where this statement names its tables: write it as a SELECT", 1
        )
    return found[0].start(1)


def bound_columns(sql: str, found: Sequence[Reference], inputs: Mapping[str, Columns]) -> Columns:
    """The columns (name, type) that a SELECT returns, bound by the engine against empty tables.

    inputs: the columns of each reference's target. Raises SqlError with the engine's message.
    """
    text = rendered(sql, found, lambda reference: empty_table(inputs[reference.target]))
    # A table gets the names of these columns: DESCRIBE says `id` for `id AS ID`, and repeats a
    # name that a table would make unique.
    try:
        made = explaining().sql(f"FROM {as_subquery(text)}")
    except duckdb.Error as exc:
        need_memory(exc)
        made = None
    # DESCRIBE says on which line an error is, and takes one statement only.
    if made is None or ";" in text:
        _described(explaining(), text, {})
    if made is None:
        raise SqlError("the engine does not say which columns this returns")
    types = [str(kind) for kind in made.types]
    return tuple(
        (name, _UNTYPED.get(word, word)) for name, word in zip(made.columns, types, strict=True)
    )


def need_memory(failed: duckdb.Error | str | None) -> None:
    """Raise MemoryError if the engine lacks memory: that is no property of the statement. failed:
    an error, or the engine's name for one that it returns as a value."""
    if failed == "out of memory" or isinstance(failed, duckdb.OutOfMemoryException):
        raise MemoryError


@contextmanager
def enough_memory() -> Iterator[None]:
    """The engine's error for too little memory is Python's."""
    try:
        yield
    except duckdb.OutOfMemoryException as exc:
        raise MemoryError from exc


def names_a_table(column: str) -> bool:
    """Whether the engine named a column after a text in which one of the empty tables stands."""
    return _EMPTY_TABLE.search(column) is not None


@cache
def type_name(word: str) -> str:
    """The engine's own word for a type: INTEGER for INT. Raises SqlError."""
    # By a cursor of its own: the workers of a run may ask at once.
    return _described(explaining().cursor(), f"SELECT NULL::{word} AS x", {})[0][1]


def misfit(word: str, values: Sequence[str]) -> str | None:
    """The first of some texts that is no value of a type, or would be rounded to be one; None if
    there is none."""
    if word.startswith("ENUM"):  # its values are those that a file happens to have
        return None
    for value in values:
        try:
            row = explaining().execute(f"SELECT CAST($1 AS {word})::VARCHAR", [value]).fetchone()
        except duckdb.Error:
            return value
        if _EXACT.match(word) and row and _is_rounded(value, row[0]):
            return value
    return None


_EMPTY_TABLE = re.compile(r"columns_[0-9a-f]{24}")
_EXACT = re.compile(r"DECIMAL|U?(?:TINY|SMALL|BIG|HUGE)?INT(?:EGER)?$")


def _is_rounded(text: str, found: str) -> bool:
    try:
        return Decimal(text) != Decimal(found)
    except InvalidOperation:  # 0x10 and the like, which no cast rounds
        return False


def described(sql: str, parameters: Mapping[str, Any]) -> Columns:
    """The columns (name, type) of a SELECT over files. Raises SqlError."""
    return _described(file_reader(), sql, parameters)


def _described(
    engine: duckdb.DuckDBPyConnection, sql: str, parameters: Mapping[str, Any]
) -> Columns:
    try:
        rows = engine.execute(f"DESCRIBE {sql}", dict(parameters)).fetchall()
    except duckdb.Error as exc:
        raise SqlError(*engine_words(exc)) from exc
    return tuple((row[0], _UNTYPED.get(row[1], row[1])) for row in rows)


def empty_table(columns: Columns) -> str:
    """The name of a table with these columns, which is made once."""
    return _empty_table(columns, os.getpid())


@cache
def _empty_table(columns: Columns, _: int) -> str:
    name = f"columns_{hashlib.sha256(repr(columns).encode()).hexdigest()[:24]}"
    body = ", ".join(f"{quote(column)} {word}" for column, word in columns)
    try:
        explaining().execute(f"CREATE TABLE {name} ({body})")
    except duckdb.Error as exc:
        raise SqlError(*engine_words(exc)) from exc
    return name


def as_subquery(sql: str) -> str:
    """A statement in parentheses, whatever it ends with."""
    return f"({without_end(sql)}\n)"


def without_end(sql: str) -> str:
    """A statement up to the semicolon that ends it. One in a text or a comment does not."""
    raw = sql.encode()
    ends = (
        at
        for at, kind in duckdb.tokenize(sql)
        if kind == duckdb.token_type.operator and raw[at : at + 1] == b";"
    )
    return raw[: next(ends, len(raw))].decode()


# Where the engine begins to advise on the options of a reader, and to list all of them.
_ADVICE = re.compile(
    r"\s*(?:The search space used was:| Column .{1,80} is being converted"
    r"| Possible (?:[sS]olutions?|[fF]ixes):?| file = | Candidate functions:"
    r"|If this error occurred during read_json|Try (?:setting|increasing) ')"
)
# Its word for an option → the key of a source that says it.
_CURES = {
    "types=": "schema",
    "is being converted": "schema",
    "delim=": "params.delimiter",
    "quote=": "params.quote",
    "escape=": "params.escape",
    "skip=": "params.skip",
    "'format'": "params.format",
    **{
        name: f"params.{name}"
        for name in (
            "nullstr",
            "union_by_name",
            "strict_mode",
            "encoding",
            "null_padding",
            "compression",
            "max_line_size",
            "maximum_object_size",
        )
    },
}


def engine_words(exc: duckdb.Error) -> tuple[str, int | None]:
    """The engine's message, without its drawing of the text, and the line that it names.

    Its advice is put in the words of a source. To pass over rows that cannot be read is no advice.
    """
    text = str(exc)
    if _DEPTH_OF_ENGINE in text:
        return _TOO_DEEP, None
    found = re.search(r"^LINE (\d+):", text, re.MULTILINE)
    message = " ".join((text[: found.start()] if found else text).split())
    message = message.replace("Candidate bindings: : ", "Candidate bindings: ")
    said = _ADVICE.split(message)[0]
    advice = _advice(message[len(said) :])
    return f"{said.rstrip('.')}.{advice}" if advice else said, int(found[1]) if found else None


def _advice(text: str) -> str:
    listed = re.split(r" file = | Candidate functions:", text)[0]
    keys = dict.fromkeys(key for words, key in _CURES.items() if words in listed)
    return f" The source may say otherwise: {', '.join(f'`{key}`' for key in keys)}" if keys else ""


def explaining() -> duckdb.DuckDBPyConnection:
    """An empty database in memory, without access to anything else; statements are explained here,
    never run."""
    return _explaining(os.getpid(), threading.get_ident())


@cache
def _explaining(_: int, __: int) -> duckdb.DuckDBPyConnection:
    """That of a thread, as a connection mixes up the answers to two; and of a process, as a fork
    cannot use the one that it inherits."""
    return duckdb.connect(
        ":memory:",
        config={"threads": 1, "enable_external_access": "false", "lock_configuration": "true"},
    )


def file_reader() -> duckdb.DuckDBPyConnection:
    """Another one, for the SELECTs of sources: they are ours, and read files. Each caller has a
    cursor of its own, as the workers of a run may ask at once."""
    return _files().cursor()


@cache
def _files() -> duckdb.DuckDBPyConnection:
    """Nothing comes from the network."""
    return duckdb.connect(":memory:", config={"autoinstall_known_extensions": "false"})
