"""Build snapshots and make checks, several of them in one transaction."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import duckdb

from seeknal_git.names import literal, quote
from seeknal_git.sql.engine import as_subquery
from seeknal_git.sql.partitioning import Ordinal
from seeknal_git.sql.statement import Columns
from seeknal_git.warehouse import pieces, protocol
from seeknal_git.warehouse.engine_errors import refusals
from seeknal_git.warehouse.guard import ALONE, Guard
from seeknal_git.warehouse.model.histories import Addition
from seeknal_git.warehouse.model.pieces import BY_FILE, InFiles, InPieces, Piece, Stage, Store
from seeknal_git.warehouse.model.queries import Query, as_rows, relation
from seeknal_git.warehouse.model.snapshots import Audit, AuditQuery, Blueprint, Snapshot
from seeknal_git.warehouse.pieces import Kept
from seeknal_git.warehouse.snapshots import need_snapshot, record_audits, record_snapshots

NONE: Mapping[str, Any] = MappingProxyType({})
# Every value of every row is computed, and none is kept: a view that fails is not published.
_READ = "count(*), bit_xor(hash(t))"


class Builder(protocol.Builder):
    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        committed: Callable[[Collection[str]], None],
        guard: Guard = ALONE,
    ) -> None:
        """committed: is called after each commit, with the tables that were built."""
        self._connection = connection
        self._committed = committed
        self._guard = guard
        self._snapshots: list[tuple[Snapshot, Mapping[str, Any] | None]] = []
        self._audits: list[Audit] = []
        self._tables: list[str] = []  # of pieces
        self._began: float | None = None

    @property
    def open_for(self) -> float:
        return 0.0 if self._began is None else time.perf_counter() - self._began

    def build(
        self,
        blueprint: Blueprint,
        taken: Collection[str] = (),
        confirm: Callable[[], None] = lambda: None,
    ) -> Snapshot:
        with self._undone_if_it_fails(blueprint.sql):
            started, table = time.perf_counter(), blueprint.free_name(taken)
            text = f"CREATE TABLE IF NOT EXISTS {relation(table)} AS {blueprint.sql}"
            if blueprint.query:
                text = f"SELECT {_READ} FROM {as_rows(blueprint.sql)} AS t"
            made = self._connection.execute(text, dict(blueprint.parameters)).fetchall()
            if not made:  # in a lake, somebody else has built the same meanwhile
                return need_snapshot(self._connection, table)
            seconds = time.perf_counter() - started
            snapshot = blueprint.snapshot(table, made[0][0], seconds, blueprint.query)
            reading = _reading(self._connection, blueprint, snapshot)
            confirm()
            self._record(snapshot, reading)
        return snapshot

    def extend(
        self, blueprint: Blueprint, addition: Addition, taken: Collection[str] = ()
    ) -> Snapshot:
        from seeknal_git.warehouse.histories import extended

        with self._undone_if_it_fails(f"SELECT * FROM {addition.load}"):
            made = extended(self._connection, blueprint, addition, blueprint.free_name(taken))
            for snapshot in made:
                self._record(snapshot, None)
        return made[-1]

    def pieces(self, snapshot: Snapshot) -> list[Piece]:
        with self._undone_if_it_fails():
            return pieces.of_snapshot(self._connection, snapshot)

    @property
    def threads(self) -> int:
        with self._undone_if_it_fails():
            rows = self._connection.execute("SELECT current_setting('threads')").fetchall()
        return int(rows[0][0])

    def stretches(self, snapshot: Snapshot) -> list[tuple[int, int]]:
        with self._undone_if_it_fails():
            return pieces.stretches(self._connection, relation(snapshot.tables[0]))

    def store(self, storage: str, there: Collection[str]) -> Store | None:
        with self._undone_if_it_fails():
            return pieces.store_of(self._connection, storage, there)

    def build_pieces(
        self, order: InPieces, confirm: Callable[[], None] = lambda: None
    ) -> Snapshot | Stage:
        make = pieces.build if order.named is None else pieces.load
        before = order.before or Stage(frozenset())
        with self._undone_if_it_fails(order.blueprint.sql):
            started = time.perf_counter()
            order = replace(order, statements=self._within_reach(order.statements))
            kept, query = make(self._connection, order)
            counted = kept.counted(order.partitioning)
            built = tuple(sorted({*before.partitions, *counted.built}))
            if order.named is None and len(kept.pieces) < len(order.wanted):
                self._tables += [kept.table] if kept.is_new else []
                seconds = before.seconds + time.perf_counter() - started
                return Stage(before.tables | {kept.table.lower()}, built, seconds)
            made = replace(
                _of_pieces(order.blueprint, kept, query, started - before.seconds),
                partitions=replace(counted, built=built),
            )
            self._keep(made, order.blueprint, kept, confirm)
        return made

    def _record(self, made: Snapshot, reading: Mapping[str, Any] | None) -> None:
        """Have a snapshot recorded with the next commit."""
        self._snapshots.append((made, reading))

    def _keep(
        self, made: Snapshot, blueprint: Blueprint, kept: Kept, confirm: Callable[[], None]
    ) -> None:
        """Have a snapshot in pieces recorded with the next commit."""
        reading = _reading(self._connection, blueprint, made)
        confirm()
        self._record(made, reading)
        self._tables += [kept.table] if kept.is_new else []

    def load_files(self, order: InFiles, confirm: Callable[[], None] = lambda: None) -> Snapshot:
        from seeknal_git.warehouse import file_pieces

        with self._undone_if_it_fails(order.blueprint.sql):
            started = time.perf_counter()
            kept, query = file_pieces.load(self._connection, order)
            made = replace(
                _of_pieces(order.blueprint, kept, query, started),
                form=order.blueprint.form or BY_FILE,
                partitions=kept.counted(order.partitioning) if order.partitioning else None,
                read=file_pieces.files_read(order),
            )
            self._keep(made, order.blueprint, kept, confirm)
        return made

    def check(self, question: AuditQuery) -> Audit:
        earlier = question.earlier
        selects = [question.sql, *([earlier.gone] if earlier and earlier.gone else [])]
        selects += [f"SELECT * FROM {question.rows}"] if question.rows else []
        with self._undone_if_it_fails(*selects):
            violations = self._count(as_subquery(question.sql))
            if earlier:
                gone = self._count(as_subquery(earlier.gone)) if earlier.gone else 0
                violations, rows = earlier.violations - gone + violations, earlier.rows
            else:
                rows = self._count(question.rows) if question.rows else 0
        own, *others = question.ids
        audit = Audit(own, question.node, question.name, violations, rows)
        self._audits += [audit, *(replace(audit, id=other) for other in others)]
        return audit

    def columns(self, sql: str, parameters: Mapping[str, Any] = NONE) -> Columns:
        with self._undone_if_it_fails(sql):
            rows = self._connection.execute(f"DESCRIBE {sql}", dict(parameters)).fetchall()
        return tuple((row[0], row[1]) for row in rows)

    def export(self, sql: str, path: Path) -> None:
        with self._undone_if_it_fails(sql):
            self._connection.execute(f"COPY ({sql}) TO {literal(str(path))} (FORMAT parquet)")

    def commit(self) -> None:
        if self._began is None:
            return
        with self._undone_if_it_fails():
            record_snapshots(self._connection, self._snapshots)
            record_audits(self._connection, self._audits)
            self._connection.execute("COMMIT")
        built = [snapshot.table for snapshot, _ in self._snapshots if snapshot.query is None]
        built += self._tables
        self._forget()
        self._committed(built)

    def adopt(self, snapshot: Snapshot) -> None:
        self._committed([snapshot.table])

    def undo(self) -> None:
        if self._began is not None:
            self._forget()
            with suppress(duckdb.Error):  # the engine may have undone it already
                self._connection.execute("ROLLBACK")

    def interrupt(self) -> None:
        self._connection.interrupt()

    def close(self) -> None:
        self._connection.close()

    @contextmanager
    def _undone_if_it_fails(self, *selects: str) -> Iterator[None]:
        """A block in a transaction. selects: the SELECTs of others that it executes."""
        try:
            with refusals():
                if self._began is None:
                    self._connection.execute("BEGIN")
                    self._began = time.perf_counter()
                self._guard.need_reachable(self._connection, *selects)
                yield
        except BaseException:
            self.undo()
            raise

    def _within_reach(
        self, statements: Iterable[tuple[Sequence[Ordinal], str]]
    ) -> Iterator[tuple[Sequence[Ordinal], str]]:
        """The statements of a build in pieces, each looked at before it is executed."""
        for ordinals, sql in statements:
            self._guard.need_reachable(self._connection, sql)
            yield ordinals, sql

    def _count(self, source: str) -> int:
        rows = self._connection.execute(f"SELECT count(*) FROM {source}").fetchall()
        return int(rows[0][0])

    def _forget(self) -> None:
        self._snapshots, self._audits, self._tables, self._began = [], [], [], None


def _of_pieces(blueprint: Blueprint, kept: Kept, query: Query, started: float) -> Snapshot:
    rows = sum(piece.rows for piece in kept.pieces)
    seconds = time.perf_counter() - started
    made = blueprint.snapshot(blueprint.free_name(()), rows, seconds, query)
    return replace(made, pieces=kept.spelled)


# The types of a column in which no row has a value: of CSV, and of JSON with DuckDB 1.5 and 2.0.
_MAY_BE_ANYTHING = ("VARCHAR", "JSON", '"NULL"')


def _reading(
    connection: duckdb.DuckDBPyConnection, blueprint: Blueprint, snapshot: Snapshot
) -> dict[str, Any] | None:
    """How a source was read, and its columns of text without any value: the next load may have any
    type there; of a view also its columns and files. None for another node."""
    if blueprint.dialect is None:
        return None
    described = connection.execute(f"DESCRIBE FROM {snapshot.relation}").fetchall()
    texts = [row[0] for row in described if row[1] in _MAY_BE_ANYTHING]
    values: tuple[int, ...] = ()
    if texts:
        counts = ", ".join(f"count({quote(name)})" for name in texts)
        values = connection.execute(f"SELECT {counts} FROM {snapshot.relation}").fetchall()[0]
    empty = [name for name, number in zip(texts, values, strict=True) if number == 0]
    reading: dict[str, Any] = {"dialect": dict(blueprint.dialect), "empty": empty}
    if snapshot.query:
        reading["columns"] = [list(row[:2]) for row in described]
    if blueprint.files:
        reading["files"] = dict(blueprint.files)
    return reading
