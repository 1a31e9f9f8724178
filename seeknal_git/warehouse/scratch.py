"""SELECTs over tables that exist and tables made for the moment. Nothing of it is written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seeknal_git.names import SNAPSHOTS, literal, qualified, quote
from seeknal_git.sql.engine import as_subquery
from seeknal_git.warehouse import compare, protocol
from seeknal_git.warehouse.engine_errors import refusals
from seeknal_git.warehouse.model.answers import Comparison, Rows
from seeknal_git.warehouse.model.environments import Published
from seeknal_git.warehouse.results import selected
from seeknal_git.warehouse.shown import shown

if TYPE_CHECKING:
    import duckdb

    from seeknal_git.sql.statement import Columns
    from seeknal_git.warehouse.catalog import Catalog


@dataclass(frozen=True, slots=True)
class ScratchTables(protocol.Scratch):
    connection: duckdb.DuckDBPyConnection
    catalog: Catalog

    def built(
        self, schemas: Iterable[str], fingerprints: Mapping[str, str]
    ) -> dict[str, tuple[str, Published]]:
        tables = self.catalog.tables_now(SNAPSHOTS)
        built: dict[str, tuple[str, Published]] = {}
        for schema in schemas:
            environment = shown(self.connection, schema, folder=self.catalog.folder)
            for node, published in environment.items():
                is_as_defined = published.fingerprint == fingerprints.get(node)
                if is_as_defined and tables.issuperset(published.tables):
                    built.setdefault(node, (schema, published))
        return built

    def table(self, name: str, sql: str, parameters: Mapping[str, Any]) -> str:
        table = qualified("temp", "main", name)
        with self._within_reach(sql):
            self.connection.execute(
                f"CREATE OR REPLACE TEMP TABLE {table} AS {sql}", dict(parameters)
            )
        return table

    def view(self, name: str, relation: str, columns: Columns) -> str:
        view = qualified("temp", "main", name)
        chosen = ", ".join(f"{quote(column)} AS {quote(column)}" for column, _ in columns)
        rows = f"SELECT {chosen} FROM {relation}"
        with self._within_reach(rows):
            self.connection.execute(f"CREATE OR REPLACE TEMP VIEW {view} AS {rows}")
        return view

    def shuffled(self, name: str, relation: str, number: int) -> str:
        direction = "DESC" if number % 2 else "ASC"
        rows = f"SELECT t.* FROM {relation} AS t ORDER BY hash(t, {number // 2}) {direction}"
        return self.table(name, rows, {})

    def columns(self, sql: str) -> Columns:
        with self._within_reach(sql):
            described = self.connection.execute(f"DESCRIBE {sql}").fetchall()
        return tuple((row[0], row[1]) for row in described)

    def export(self, sql: str, path: Path) -> None:
        with self._within_reach(sql):
            self.connection.execute(f"COPY ({sql}) TO {literal(str(path))} (FORMAT parquet)")

    def first_rows(self, sql: str, parameters: Mapping[str, Any], limit: int) -> Rows:
        first = f"SELECT * FROM {as_subquery(sql)} LIMIT {limit + 1}"
        with self._within_reach(sql):
            names, types, rows = selected(self.connection, first, parameters)
        return Rows(tuple(zip(names, types, strict=True)), tuple(rows[:limit]), len(rows) > limit)

    def count(self, sql: str) -> int:
        with self._within_reach(sql):
            rows = self.connection.execute(f"SELECT count(*) FROM {as_subquery(sql)}").fetchall()
        return int(rows[0][0])

    def compare(self, before: str, after: str, columns: Columns) -> Comparison:
        with self._within_reach(*(f"SELECT * FROM {relation}" for relation in (before, after))):
            return compare.compare(self.connection, before, after, columns)

    @contextmanager
    def _within_reach(self, *selects: str) -> Iterator[None]:
        """A block in which these SELECTs may be executed. Raises SqlError if the engine refuses
        one, or the guard."""
        with refusals():
            self.catalog.guard.need_reachable(self.connection, *selects)
            yield

    def in_one_order(self) -> AbstractContextManager[None]:
        return _one_thread(self.connection)


@contextmanager
def _one_thread(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    connection.execute("SET threads = 1")
    try:
        yield
    finally:
        connection.execute("RESET threads")
