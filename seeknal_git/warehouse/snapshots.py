"""Make one thing in the warehouse: a snapshot, the answer to a check, a file of an exposure."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from itertools import chain, count
from pathlib import Path
from typing import Any

import duckdb

from seeknal_git.names import literal, quote
from seeknal_git.sql.engine import SqlError, as_subquery, engine_words
from seeknal_git.warehouse.connection import transaction
from seeknal_git.warehouse.model import Audit, Blueprint, Question, Snapshot, now, relation
from seeknal_git.warehouse.state import record_audits, record_snapshot

_ID_LENGTH = 16


def build_snapshot(
    connection: duckdb.DuckDBPyConnection,
    blueprint: Blueprint,
    taken: Collection[str] = (),
    confirm: Callable[[], None] = lambda: None,
) -> Snapshot:
    """Build a table and record it, in one transaction. Raises SqlError with the engine's message.

    taken: names of snapshot tables, in lower case, that are in use; confirm: asked before the
    transaction ends, and may raise SqlError to undo it.
    """
    started = time.perf_counter()
    table = _free_name(blueprint, taken)
    try:
        with transaction(connection):
            text = f"CREATE TABLE {relation(table)} AS {blueprint.sql}"
            made = connection.execute(text, dict(blueprint.parameters)).fetchall()
            rows, seconds = made[0][0], time.perf_counter() - started
            snapshot = Snapshot(
                id=blueprint.id,
                node=blueprint.node,
                table=table,
                fingerprint=blueprint.fingerprint,
                data_version=blueprint.data_version,
                rows=rows,
                built_at=now(),
                seconds=seconds,
                identity=blueprint.identity,
                build=blueprint.build,
                unstable=blueprint.unstable,
            )
            record_snapshot(connection, snapshot, _reading(connection, blueprint, table))
            confirm()
    except duckdb.Error as exc:
        raise SqlError(*engine_words(exc)) from exc
    return snapshot


# The types of a column in which no row has a value: of CSV, and of JSON with DuckDB 1.5 and 2.0.
_MAY_BE_ANYTHING = ("VARCHAR", "JSON", '"NULL"')


def _reading(
    connection: duckdb.DuckDBPyConnection, blueprint: Blueprint, table: str
) -> dict[str, Any] | None:
    """What is kept of how a source was read: a column of text without any value may be anything
    next time."""
    if blueprint.dialect is None:
        return None
    described = connection.execute(f"DESCRIBE {relation(table)}").fetchall()
    texts = [row[0] for row in described if row[1] in _MAY_BE_ANYTHING]
    counts = ", ".join(f"count({quote(name)})" for name in texts)
    found = (
        connection.execute(f"SELECT {counts} FROM {relation(table)}").fetchall()[0] if texts else ()
    )
    empty = [name for name, count in zip(texts, found, strict=True) if count == 0]
    return {"dialect": dict(blueprint.dialect), "empty": empty}


def _free_name(blueprint: Blueprint, taken: Collection[str]) -> str:
    """The table's name begins like the node's; a snapshot that is built again gets a number, as its
    table is in use."""
    name = f"{blueprint.name}__{blueprint.id[:_ID_LENGTH]}"
    names = chain([name], (f"{name}_{number}" for number in count(2)))
    return next(each for each in names if each.lower() not in taken)


def run_check(connection: duckdb.DuckDBPyConnection, question: Question) -> Audit:
    """Count the rows that violate a check, and all rows. Raises SqlError."""
    try:
        violations = connection.execute(
            f"SELECT count(*) FROM {as_subquery(question.sql)}"
        ).fetchall()[0][0]
        rows = (
            connection.execute(f"SELECT count(*) FROM {relation(question.table)}").fetchall()[0][0]
            if question.table
            else 0
        )
        audit = Audit(question.id, question.node, question.name, violations, rows)
        record_audits(connection, [audit])
    except duckdb.Error as exc:
        raise SqlError(*engine_words(exc)) from exc
    return audit


def write_exposure(
    connection: duckdb.DuckDBPyConnection, table: str, definition: Mapping[str, Any], target: Path
) -> None:
    """Write a table to a file, or to a folder of files, that is not there yet. Raises SqlError."""
    options = [f"FORMAT {definition['format']}"]
    if definition["format"] == "csv":
        options.append("HEADER")
    if definition["compression"]:
        options.append(f"COMPRESSION {literal(definition['compression'])}")
    if definition["partition_by"]:
        options.append(f"PARTITION_BY ({', '.join(map(quote, definition['partition_by']))})")
    try:
        connection.execute(
            f"COPY (SELECT * FROM {relation(table)}) TO {literal(str(target))} ({', '.join(options)})"
        )
    except duckdb.Error as exc:
        raise SqlError(*engine_words(exc)) from exc
