"""Answer a user's SELECT over the views of one environment."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import duckdb

from seeknal_git.errors import UsageError
from seeknal_git.names import WAREHOUSE, qualified
from seeknal_git.sql.engine import engine_words
from seeknal_git.sql.queries import tables_named
from seeknal_git.warehouse import catalog, protocol
from seeknal_git.warehouse.catalog import Catalog
from seeknal_git.warehouse.engine_errors import is_damage
from seeknal_git.warehouse.interrupt import interruptible
from seeknal_git.warehouse.model.answers import Answer, Listener
from seeknal_git.warehouse.model.environments import Published
from seeknal_git.warehouse.results import streamed, written
from seeknal_git.warehouse.view_queries import need_selects, rows_of

_READING = {duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN}
# Statements that list tables: the engine's own answer has those of the schema `main` too.
_LISTINGS = {"show tables", "describe tables", "desc tables", "show", "describe", "desc"}


@dataclass(frozen=True, slots=True)
class UserQueries(protocol.Queries):
    connection: duckdb.DuckDBPyConnection
    catalog: Catalog

    def ask(self, schema: str, sql: str, listener: Listener) -> None:
        if schema != "main":
            _refuse_other_schemas(self.connection, schema, sql)
        if self.catalog.astray(schema):  # the views of a clone that was moved
            shown = self.catalog.shown(schema).values()
            self.ask_past(schema, [one for one in shown if _is_there(one)], sql, listener)
            return
        # Only the user's own SQL looks for names there.
        place = qualified(WAREHOUSE, schema)
        self.connection.execute(f"USE {place}")
        self._ask(place, sql, listener)

    def ask_past(
        self, schema: str, views: Iterable[Published], sql: str, listener: Listener
    ) -> None:
        # The views are made in the engine's memory; the warehouse stays as it is.
        place = qualified("memory", schema)
        wanted = [view for view in views if view.view]
        need_selects(self.connection, self.catalog.guard, wanted)
        statements = [
            f"CREATE SCHEMA IF NOT EXISTS {place}",
            *(
                f"CREATE VIEW {qualified('memory', schema, view.view)} AS {rows_of(view)}"
                for view in wanted
            ),
            f"USE {place}",
        ]
        self.connection.execute("; ".join(statements))
        self._ask(place, sql, listener)

    def _ask(self, place: str, sql: str, listener: Listener) -> None:
        with _usage():
            statement = _statement(self.connection, place, sql)
        with self.catalog.guard.asking(self.connection, sql), _usage():
            answer = partial(_answer, self.connection, statement, listener)
            interruptible(answer, lambda: [self.connection])


def _is_there(published: Published) -> bool:
    """Whether the files that a view reads are there. The engine opens them to make it."""
    query = published.query
    return query is None or all(query.place_of(file).exists() for file in query.files)


def _statement(connection: duckdb.DuckDBPyConnection, place: str, sql: str) -> duckdb.Statement:
    """One statement that reads. place: the schema that is asked."""
    # DuckDB 2 reads `x -> …` as a lambda only if it is told to; a query may be as old as 1.5.
    connection.execute("SET lambda_syntax = 'ENABLE_SINGLE_ARROW'")
    statements = connection.extract_statements(sql)
    if len(statements) != 1 or statements[0].type not in _READING:
        raise UsageError(
            "A query is one statement that reads: "
            "SELECT, FROM, WITH, DESCRIBE, SUMMARIZE or EXPLAIN."
        )
    if _listing(statements[0]) in _LISTINGS:
        statements = connection.extract_statements(f"SHOW TABLES FROM {place}")
    return statements[0]


@contextmanager
def _usage() -> Iterator[None]:
    """Turn an error of the engine into one of the user's SQL."""
    try:
        yield
    except duckdb.Error as exc:
        if is_damage(exc):  # only the warehouse can be read here
            raise
        message, line = engine_words(exc)
        raise UsageError(f"{message}{f' (line {line})' if line else ''}") from exc


def _listing(statement: duckdb.Statement) -> str:
    return " ".join(statement.query.rstrip("; \n").lower().split())


def _answer(
    connection: duckdb.DuckDBPyConnection, statement: duckdb.Statement, listener: Listener
) -> None:
    is_plan = statement.type == duckdb.StatementType.EXPLAIN
    if listener.file is not None:
        if is_plan:
            raise UsageError("A plan of the engine is no table: write it as csv.")
        rows = written(connection, statement, listener.file, listener.limit)
        listener.hear(Answer(("rows",), iter([(rows,)])))
        return
    found = streamed(connection, statement, listener.form, listener.limit)
    listener.hear(Answer(*found, is_plan))


def _refuse_other_schemas(connection: duckdb.DuckDBPyConnection, schema: str, sql: str) -> None:
    """Raise UsageError for a bare name that an environment does not have: the engine would look it
    up in the schema `main`."""
    names = [name for name in tables_named(sql) if "." not in name]
    there = {view.lower() for view in catalog.views_of(connection, schema)}
    elsewhere = {view.lower() for view in catalog.views_of(connection, "main")}
    if indirect := [name for name in names if name.lower() in ("query()", "query_table()")]:
        raise UsageError(f"{indirect[0]} cannot be used here: name the tables themselves.")
    for name in names:
        if name.lower() not in there and name.lower() in elsewhere:
            raise UsageError(
                f"{name} is not built in {schema}.",
                "seeknal status says why; production has it: --env prod",
            )
