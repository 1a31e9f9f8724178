"""Answer a read-only question in an environment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import duckdb

from seeknal_git.errors import UsageError
from seeknal_git.names import qualified
from seeknal_git.warehouse.connection import Warehouse
from seeknal_git.warehouse.sql import engine_words

_READING = {duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN}


@dataclass(frozen=True, slots=True)
class Answer:
    """names and types of the columns, and the rows."""

    names: Sequence[str]
    types: Sequence[str]
    rows: Sequence[Sequence[Any]]


def ask(warehouse: Warehouse, schema: str, sql: str) -> Answer:
    """Run one SELECT with an environment's views in reach by their bare names. Raises UsageError.

    The warehouse is open for reading only, and the engine reads nothing outside of it.
    """
    connection = warehouse.connection
    connection.execute(f"USE {qualified('warehouse', schema)}")
    connection.execute("SET enable_external_access = false; SET lock_configuration = true")
    try:
        statements = connection.extract_statements(sql)
        if len(statements) != 1 or statements[0].type not in _READING:
            raise UsageError("A query is one statement that reads: SELECT, FROM, WITH, DESCRIBE, SUMMARIZE or EXPLAIN.")
        cursor = connection.execute(statements[0])
        described = cursor.description or []
        return Answer([each[0] for each in described], [str(each[1]) for each in described], cursor.fetchall())
    except duckdb.Error as exc:
        message, line = engine_words(exc)
        raise UsageError(f"{message}{f' (line {line})' if line else ''}") from exc
