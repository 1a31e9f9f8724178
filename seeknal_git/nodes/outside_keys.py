"""The keys of the file of a source outside of the project (see `outside.py`), and of a sheet."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from seeknal_git.nodes.node_file import Mistake, below_project
from seeknal_git.nodes.outside import (
    DATABASE_FILES,
    DATABASES,
    EXCEL,
    FILES,
    LAKES,
    SERVERS,
    is_url,
)
from seeknal_git.nodes.scalars import flag

if TYPE_CHECKING:
    from seeknal_git.nodes.source import File

_OF_ALL = ("connection", "version", "on_drift")
_EXCEL_OPTIONS = {
    "sheet": "sheet",
    "sheet_name": "sheet",
    "range": "range",
    "header": "header",
    "all_varchar": "all_varchar",
    "stop_at_empty": "stop_at_empty",
}
_EXCEL_FLAGS = ("header", "all_varchar", "stop_at_empty")
PARAMS = {
    **{name: frozenset({*_OF_ALL, "query"}) for name in SERVERS},
    **{name: frozenset({*_OF_ALL, "query", "path", "table", "schema"}) for name in DATABASE_FILES},
    **{name: frozenset({*_OF_ALL, "path"}) for name in LAKES},
    EXCEL: frozenset({"path", "on_drift", *_EXCEL_OPTIONS}),
}
# Keys that a connection has. They would be in git for everybody to read.
_OF_A_CONNECTION = frozenset(
    "host port database user password sslmode uri key_id secret session_token token bearer_token "
    "catalog_uri client_id client_secret".split()
)
_PART = r'(?:"(?:[^"]|"")+"|[^\s".;\'()]+)'
_OBJECT = re.compile(rf"{_PART}(?:\.{_PART}){{0,2}}")
_WATERMARK = re.compile(r"watermark\(\s*(.+?)\s*\)", re.IGNORECASE)
_SELECT = re.compile(r"(?:SELECT|WITH|FROM)\b", re.IGNORECASE)


def outside_of(file: File) -> dict[str, Any]:
    """Where the rows of a source come from, as `Node.outside` holds it; empty for files below the
    project. Raises Mistake."""
    _refuse_secrets(file)
    if file.source in DATABASES:
        found = _of_database(file)
    elif file.is_remote:
        found = {"system": FILES, "object": file.path, "query": ""}
    else:
        if given := _named(file):
            message = "files below the project need no connection"
            raise Mistake(f"{message}: leave `{given}` out", f"params.{given}", given)
        return {}
    return {**found, "connection": connection_of(file), "version": _version(file)}


def connection_of(file: File) -> str:
    """The name of the connection; empty if `source_defaults` of the profiles has to say it."""
    return str(file.params.get("connection") or file.connection or "").strip()


def sheet_of(file: File) -> dict[str, object]:
    """The options of the engine for reading a sheet. Raises Mistake."""
    found: dict[str, object] = {}
    for key, option in _EXCEL_OPTIONS.items():
        value = file.params.get(key)
        if value is None:
            continue
        try:
            found[option] = flag(value) if option in _EXCEL_FLAGS else str(value)
        except ValueError as exc:
            raise Mistake(f"the parameter `{key}` is {exc}", f"params.{key}") from exc
    return found


def _named(file: File) -> str:
    """The key of a file of ours that only sources outside have."""
    given = {"connection": connection_of(file), "query": file.query}
    return next((key for key, value in given.items() if value), "")


def _refuse_secrets(file: File) -> None:
    if given := sorted(_OF_A_CONNECTION & file.params.keys()):
        message = "a connection has them, in profiles.yml, which git ignores"
        named = ", ".join(f"`{key}`" for key in given)
        raise Mistake(
            f"a source has no {named}: {message}; name it with `connection:`",
            *(f"params.{key}" for key in given),
        )


def _of_database(file: File) -> dict[str, str]:
    query = str(file.params.get("query") or file.query or "").strip()
    path = str(file.params.get("path") or "").strip()
    named = _object(file)
    if file.source in LAKES:
        path = path or str(file.table or "").strip()
        if not path:
            way = f"`table: data/orders` or `table: s3://bucket/orders`, a {file.source} table"
            raise Mistake(f"a {file.source} source says where its folder is: {way}", "table")
        return {"system": file.source, "object": _place(path, "data/orders"), "query": ""}
    if bool(named) == bool(query):
        keys = ("table", "params.query", "query")
        message = f"a {file.source} source has a `table` or a `params.query`"
        raise Mistake(f"{message}, and not both" if query else message, *keys)
    if named and not _OBJECT.fullmatch(named):
        raise Mistake(f"`{named}` is no table: write schema.table", "table", "params.table")
    found = {"system": file.source, "object": named, "query": query}
    if file.source in DATABASE_FILES and path:
        if connection_of(file):
            message = "a source has a `connection` or a `params.path`, and not both"
            raise Mistake(message, "params.path", "connection")
        found["path"] = _below(path, "data/shop.db")
    return found


def _object(file: File) -> str:
    """The table of a database, as the file names it."""
    params = file.params if file.source in DATABASE_FILES else {}
    table = str(params.get("table") or file.table or "").strip()
    schema = str(params.get("schema") or "").strip()
    return f"{schema}.{table}" if schema and table else table


def _place(path: str, example: str) -> str:
    return path.rstrip("/") if is_url(path) else _below(path, example)


def _below(path: str, example: str) -> str:
    """A path below the project. A branch's node must not read any file of whoever runs it."""
    way = "name one below it, or a connection, which may name any"
    return below_project(path, example, "params.path", "table", way=way)


def _version(file: File) -> dict[str, str]:
    """How the source tells that it moved; empty if the node does not say it. Raises Mistake."""
    text = str(file.params.get("version") or "").strip()
    if not text:
        return {}
    if file.source not in DATABASES:
        message = "files say themselves when they moved"
        raise Mistake(f"`version` is of a table of a database: {message}", "params.version")
    if text.lower() in ("digest", "each_run"):
        return {"by": text.lower(), "text": ""}
    if found := _WATERMARK.fullmatch(text):
        column = found[1]
        plain = column[1:-1].replace('""', '"') if column.startswith('"') else column
        return {"by": "watermark", "text": plain}
    if _SELECT.match(text) and file.source in LAKES:
        message = f"a {file.source} source is one table, and no SELECT is asked of it"
        raise Mistake(f"{message}: watermark(COLUMN) or digest", "params.version")
    if _SELECT.match(text):
        return {"by": "sql", "text": text}
    ways = "watermark(COLUMN), digest, each_run, or one SELECT of one value"
    raise Mistake(f"`{text}` says no version: it is {ways}", "params.version")
