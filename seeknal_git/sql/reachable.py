"""The functions and tables that SQL of others may name in an engine with extensions.

An engine that is closed does not hold its extensions: `postgres_scan` opens any server, and
`checkpoint` compacts a lake. So a SELECT calls functions of an engine without extensions, and names
tables of the warehouse. The engine opens a server while it binds, so a text is read before the
engine sees it. See docs/design/warehouses.md, "Confinement".
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from functools import cache, lru_cache
from typing import Any, NamedTuple

from seeknal_git.names import WAREHOUSE, folded
from seeknal_git.sql.engine import (
    PURE_FUNCTIONS,
    SqlError,
    explaining,
    need_queries,
    one_select,
    queries_and_calls,
)
from seeknal_git.sql.macros import in_parentheses, tokens
from seeknal_git.sql.statement import tables_with_ctes

# The catalogs that SQL may name: the warehouse, and those of the engine itself.
OWN_CATALOGS = frozenset({WAREHOUSE, "memory", "temp", "system"})
# Schemas of the engine itself, which each of its catalogs has.
_ENGINE_SCHEMAS = frozenset({"", "main", "pg_catalog"})
# Functions of the engine itself that bind a text, look up a name in a text, or write.
BY_NAME = frozenset({"currval", "json_serialize_plan", "nextval", "setval", "write_log"})
# They look like functions in an expression, and are words of the engine: `t.COLUMNS(*)`.
_WORDS = PURE_FUNCTIONS | {"columns"}
# httpfs has the keys of an object store, which it finds in the environment, as settings.
SETTING = "current_setting"
# Table functions and tables of the engine that bind no view, open nothing and tell no address. The
# engine binds all views to list their columns.
_CATALOG = frozenset(
    {
        "duckdb_functions",
        "duckdb_keywords",
        "duckdb_schemas",
        "duckdb_tables",
        "duckdb_types",
        "duckdb_views",
    }
)
_CATALOG_VIEWS = frozenset(
    {
        *_CATALOG,
        "pg_class",
        "pg_namespace",
        "pg_tables",
        "pg_type",
        "pg_views",
        "schemata",
        "sqlite_master",
        "sqlite_schema",
        "tables",
        "views",
    }
)
_ROWS = (
    PURE_FUNCTIONS
    | _CATALOG
    | {"icu_calendar_names", "pg_timezone_names", "repeat_row", "test_all_types"}
)
# Readers of files. The engine holds them to the files in its reach, by their paths.
_READERS = frozenset({"read_csv", "read_json", "read_parquet"})
# An address of an object store may name another server after a question mark, in one that is in
# reach too.
_ADDRESS = "://"
# The lists that SHOW makes without naming a table.
_LISTS = re.compile(r'"?(?:databases|schemas|tables|variables)"?$')
_LISTS_COLUMNS = "__show_tables_expanded"
_REMEMBERED = 4096  # statements


class Table(NamedTuple):
    """A table that a SELECT names."""

    path: tuple[str, ...]  # its name, after those of its schema and catalog, folded
    line: int | None
    written: str


@lru_cache(maxsize=_REMEMBERED)
def within_reach(sql: str) -> tuple[Table, ...]:
    """The tables that a SELECT names, but for its own CTEs.

    Raises SqlError if it calls a function that is out of reach, names a catalog of another
    database, or is not exactly one SELECT.
    """
    tree = one_select(sql)
    queries, calls = queries_and_calls(tree)
    need_queries(queries)
    tables, of_from = [], set()
    for table, ctes in tables_with_ctes(tree):
        if table["type"] == "TABLE_FUNCTION":
            of_from.add(id(table["function"]))
            _need_rows(sql, table)
        elif found := _named(sql, table, ctes):
            tables.append(found)
    for call in calls:
        if id(call) not in of_from:
            _need_function(sql, call)
    for part in _objects(tree):
        _need_own_type(sql, part)
    return tuple(tables)


def explained_within_reach(sql: str) -> tuple[Table, ...]:
    """As `within_reach`, for a query of a user, which may begin with EXPLAIN."""
    selects = _explained(sql)
    if not selects:
        return within_reach(sql)
    found, failed = list[Table](), list[SqlError]()
    for select in selects:
        try:
            one_select(select)
        except SqlError as exc:
            failed.append(exc)
        else:
            found += within_reach(select)
    if len(failed) == len(selects):
        raise SqlError("EXPLAIN takes one SELECT here", failed[-1].line)
    return tuple(found)


def select_of_view(text: str) -> str:
    """The SELECT in the text by which the engine would create a view. Raises SqlError."""
    found, depth = tokens(text), 0
    for token in found:
        depth += (token.text == "(") - (token.text == ")")
        if not depth and token.kind == "name" and token.text.upper() == "AS":
            return text[token.start + len(token.text) :]
    raise SqlError(f"no SELECT is found in the view {text[:80]}")


@cache
def functions_of_engine() -> frozenset[str]:
    """The functions that an engine without extensions has in an expression, by their folded
    names."""
    rows = explaining().execute(
        "SELECT DISTINCT function_name FROM duckdb_functions() "
        "WHERE internal AND function_type NOT IN ('table', 'table_macro', 'pragma')"
    )
    return _WORDS.union(folded(name) for (name,) in rows.fetchall())


def is_function(name: str) -> bool:
    """Whether a name is that of a function which SQL may call."""
    return folded(name) in functions_of_engine() | _ROWS | _READERS


@cache
def _settings_of_engine() -> frozenset[str]:
    """The settings of an engine without extensions that tell no password."""
    rows = explaining().execute(
        "SELECT name FROM duckdb_settings() WHERE NOT starts_with(name, 'http')"
    )
    return frozenset(folded(name) for (name,) in rows.fetchall())


@cache
def _views_of_engine() -> Mapping[str, frozenset[str]]:
    """The views of the engine itself: name → its schemas."""
    rows = explaining().execute(
        "SELECT view_name, list(schema_name) FROM duckdb_views() WHERE internal GROUP BY ALL"
    )
    return {name: frozenset(schemas) for name, schemas in rows.fetchall()}


def _named(sql: str, table: Mapping[str, Any], ctes: Collection[str]) -> Table | None:
    """A table of a FROM; None for a CTE and for a list that SHOW makes. Raises SqlError."""
    path, line = _path(table), _line(sql, table)
    if table["type"] == "SHOW_REF":
        if path[-1] == _LISTS_COLUMNS:
            raise SqlError("SHOW ALL TABLES is out of reach: SHOW TABLES lists the names", line)
        if path == ("",) or (len(path) == 1 and _LISTS.match(path[0])):
            return None
    if len(path) == 1 and path[0] in ctes:
        return None
    found = Table(path, line, ".".join(filter(None, path)))
    if len(path) == 1 and _ADDRESS in path[0]:
        raise _out_of_reach(found, "it is an address, and no table of the warehouse")
    if len(path) > 2 and (path[0] not in OWN_CATALOGS or len(path) > 3):
        raise _out_of_reach(found, f"{path[0]} is not the warehouse")
    if _is_closed(path):
        raise _out_of_reach(found, "it binds other views, or tells of other databases")
    return found


def _is_closed(path: tuple[str, ...]) -> bool:
    """Whether a name means a view of the engine itself that is not free to read."""
    schemas = _views_of_engine().get(path[-1], frozenset())
    if not schemas or path[-1] in _CATALOG_VIEWS:
        return False
    schema = path[-2] if len(path) > 1 else ""
    if schema in OWN_CATALOGS or schema in _ENGINE_SCHEMAS:
        return not schemas.isdisjoint(_ENGINE_SCHEMAS)
    return schema in schemas


def _path(table: Mapping[str, Any]) -> tuple[str, ...]:
    """The name of a table, after those of its schema and catalog. Only DuckDB 2 has a path, which
    may be longer."""
    path = (table.get("qualified_name") or {}).get("path")
    if not path:
        place = [table.get("catalog_name"), table.get("schema_name")]
        path = [*filter(None, place), table.get("table_name", "")]
    return tuple(map(folded, path))


def _out_of_reach(table: Table, why: str) -> SqlError:
    return SqlError(f"{table.written} is out of reach: {why}", table.line)


def _need_rows(sql: str, table: Mapping[str, Any]) -> None:
    """Raise SqlError for a table function that is out of reach."""
    call = table["function"]
    name = folded(call["function_name"])
    own = not _qualifiers(call) - _ENGINE_SCHEMAS - {"system"}
    if own and name in _READERS and _is_place(_arguments(call)[:1]):
        return
    if not own or name not in _ROWS:
        raise _no_function(name, _line(sql, table))


def _is_place(arguments: list[Any]) -> bool:
    """Whether the first argument of a reader is a parameter, a path, or a list of paths."""
    for argument in arguments:
        if argument["class"] == "PARAMETER":
            return True
        if argument["class"] == "CONSTANT":
            return _ADDRESS not in _text(argument)
        if argument.get("function_name") == "list_value":
            return all(_is_place([inner]) for inner in _arguments(argument))
    return False


def _arguments(call: Mapping[str, Any]) -> list[Any]:
    """The arguments of a function, as DuckDB 1 and 2 give them."""
    given = [argument["expression"] for argument in call.get("arguments") or ()]
    return [*(call.get("children") or ()), *given]


def _text(constant: Mapping[str, Any]) -> str:
    """The text of a constant, as DuckDB 2 and 1 give it."""
    if "literal" in constant:
        return str(constant["literal"].get("text", ""))
    return str(constant["value"].get("value", ""))


def _need_function(sql: str, call: Mapping[str, Any]) -> None:
    """Raise SqlError for a function of an expression that is out of reach. A function of a column,
    `name.upper()`, has the column where its schema would be."""
    name = folded(call["function_name"])
    known = name in functions_of_engine() and name not in BY_NAME
    if name == SETTING:
        known = all(
            argument["class"] == "CONSTANT" and folded(_text(argument)) in _settings_of_engine()
            for argument in _arguments(call)
        )
    if not known or WAREHOUSE in _qualifiers(call):
        raise _no_function(name, _line(sql, call))


def _no_function(name: str, line: int | None) -> SqlError:
    return SqlError(
        f"{name}() is out of reach: SQL in this warehouse calls DuckDB's own functions, "
        "of these none that opens, binds or tells something by its name, and none of an extension",
        line,
    )


def _qualifiers(part: Mapping[str, Any]) -> set[str]:
    """The names before that of a function or type."""
    path = (part.get("qualified_name") or {}).get("path") or ()
    names = [*path[:-1], part.get("catalog"), part.get("schema")]
    return {folded(name) for name in names if name}


def _need_own_type(sql: str, part: Mapping[str, Any]) -> None:
    """Raise SqlError for a type of another catalog. Functions have a catalog too."""
    if "catalog" not in part or "function_name" in part:
        return
    if others := _qualifiers(part) - _ENGINE_SCHEMAS - {"system"}:
        message = f"a type of {min(others)} is out of reach: SQL names DuckDB's own types"
        raise SqlError(message, _line(sql, part))


def _objects(tree: Any) -> Iterator[Mapping[str, Any]]:
    """All objects in a tree. Does not recurse, since a tree may be too deep for that."""
    waiting = [tree]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            yield value
            value = value.values()
        waiting += [part for part in value if isinstance(part, dict | list)]


def _line(sql: str, part: Mapping[str, Any]) -> int | None:
    """The engine counts bytes; of some parts it does not say where they stand."""
    text, offset = sql.encode(), part.get("query_location")
    known = offset is not None and offset <= len(text)
    return text[:offset].count(b"\n") + 1 if known else None


def _explained(sql: str) -> list[str]:
    """The texts in a statement that EXPLAIN may explain: some of its options may be a statement
    too. Empty for another statement. They keep the number of their lines."""
    found = tokens(sql)
    solid = [place for place, token in enumerate(found) if not token.is_blank]
    if not solid or found[solid[0]].name != "explain":
        return []
    ends = [solid[0] + 1]
    after = solid[1:]
    if after and found[after[0]].name == "analyze":
        ends.append(after[0] + 1)
        after = after[1:]
    if after and found[after[0]].text == "(" and (parted := in_parentheses(found, after[0])):
        ends.append(parted[1])
    texts = ["".join(token.text for token in found[end:]) for end in ends]
    whole = sql.count("\n")
    return ["\n" * (whole - text.count("\n")) + text for text in texts]
