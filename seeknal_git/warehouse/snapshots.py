"""Make one thing in the warehouse: a snapshot, the answer to a check, a file of an exposure."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import chain, count
from pathlib import Path
from typing import Any

import duckdb

from seeknal_git.names import literal, quote
from seeknal_git.sql.engine import SqlError, as_subquery, engine_words
from seeknal_git.warehouse.model import Audit, Blueprint, Question, Snapshot, now, relation
from seeknal_git.warehouse.state import record_audits, record_snapshots

_ID_LENGTH = 16


class Builder:
    """Build snapshots and make checks, several of them in one transaction: a commit waits for the
    disk, however small it is. Belongs to one thread.

    If anything fails, all that was not committed is undone.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection = connection
        self._snapshots: list[tuple[Snapshot, Mapping[str, Any] | None]] = []
        self._audits: list[Audit] = []
        self._began: float | None = None

    @property
    def open_for(self) -> float:
        """The age of the transaction in seconds; 0 if there is none."""
        return 0.0 if self._began is None else time.perf_counter() - self._began

    def build(
        self,
        blueprint: Blueprint,
        taken: Collection[str] = (),
        confirm: Callable[[], None] = lambda: None,
    ) -> Snapshot:
        """Build a table. Raises SqlError with the engine's message.

        taken: names of snapshot tables, in lower case, that are in use; confirm: called when the
        table is built, and may raise SqlError to undo it.
        """
        with self._undone_if_it_fails():
            started, table = time.perf_counter(), _free_name(blueprint, taken)
            text = f"CREATE TABLE {relation(table)} AS {blueprint.sql}"
            made = self.connection.execute(text, dict(blueprint.parameters)).fetchall()
            snapshot = Snapshot(
                id=blueprint.id,
                node=blueprint.node,
                table=table,
                fingerprint=blueprint.fingerprint,
                data_version=blueprint.data_version,
                rows=made[0][0],
                built_at=now(),
                seconds=time.perf_counter() - started,
                identity=blueprint.identity,
                build=blueprint.build,
                unstable=blueprint.unstable,
            )
            reading = _reading(self.connection, blueprint, table)
            confirm()
        self._snapshots.append((snapshot, reading))
        return snapshot

    def check(self, question: Question) -> Audit:
        """Count the rows that violate a check, and all rows. Raises SqlError."""
        with self._undone_if_it_fails():
            violations = self._count(as_subquery(question.sql))
            rows = self._count(relation(question.table)) if question.table else 0
        audit = Audit(question.id, question.node, question.name, violations, rows)
        self._audits.append(audit)
        return audit

    def commit(self) -> None:
        """Keep everything that was built and checked since the last commit. Raises SqlError."""
        if self._began is None:
            return
        with self._undone_if_it_fails():
            record_snapshots(self.connection, self._snapshots)
            record_audits(self.connection, self._audits)
            self.connection.execute("COMMIT")
        self._forget()

    def interrupt(self) -> None:
        """Stop the statement that is being executed, from another thread."""
        self.connection.interrupt()

    def close(self) -> None:
        """Undo everything that was not committed, and close the connection."""
        self.connection.close()

    @contextmanager
    def _undone_if_it_fails(self) -> Iterator[None]:
        try:
            if self._began is None:
                self.connection.execute("BEGIN")
                self._began = time.perf_counter()
            yield
        except BaseException as exc:
            self._forget()
            with suppress(duckdb.Error):  # the engine may have undone it already
                self.connection.execute("ROLLBACK")
            if isinstance(exc, duckdb.Error):
                raise SqlError(*engine_words(exc)) from exc
            raise

    def _count(self, source: str) -> int:
        rows = self.connection.execute(f"SELECT count(*) FROM {source}").fetchall()
        return int(rows[0][0])

    def _forget(self) -> None:
        self._snapshots, self._audits, self._began = [], [], None


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
