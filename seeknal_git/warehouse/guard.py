"""Hold SQL of others to the warehouse, in an engine with extensions: the engine does not.

Nodes, checks, users, the state, and views of the warehouse that somebody made: all of it runs in
our process. `sql/reachable.py` reads a text; here it is known what the warehouse holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import duckdb

from seeknal_git.errors import UsageError, WarehouseError
from seeknal_git.names import SNAPSHOTS, WAREHOUSE, folded
from seeknal_git.sql.engine import SqlError

if TYPE_CHECKING:
    from seeknal_git.sql.reachable import Table

_VIEWS = (
    "SELECT schema_name, view_name, sql FROM duckdb_views() "
    "WHERE NOT internal AND database_name IN ('warehouse', 'memory', 'temp')"
)
_SCHEMAS = (
    "SELECT DISTINCT schema_name FROM duckdb_schemas() "
    "WHERE database_name IN ('warehouse', 'memory', 'temp', 'system')"
)
_MACROS = (
    "SELECT DISTINCT schema_name, function_name FROM duckdb_functions() "
    "WHERE NOT internal AND database_name = 'warehouse' ORDER BY ALL"
)


@dataclass(frozen=True, slots=True)
class Guard:
    """Refuses SQL that reaches beyond the warehouse."""

    # Whether the engine has extensions. Without any it holds SQL by itself, and nothing is asked.
    has_extensions: bool

    def need_reachable(self, connection: duckdb.DuckDBPyConnection, *selects: str) -> None:
        """Raise SqlError if a SELECT, as it is about to be executed, reaches beyond the warehouse.

        connection: the one that will execute it. In a transaction, no view is replaced meanwhile.
        """
        if not self.has_extensions:
            return
        from seeknal_git.sql.reachable import within_reach

        for select in selects:
            _need_own(connection, within_reach(select))

    def need_own_state(self, connection: duckdb.DuckDBPyConnection, selects: Iterable[str]) -> None:
        """Raise WarehouseError if a SELECT of the state reaches beyond the warehouse."""
        try:
            self.need_reachable(connection, *selects)
        except SqlError as exc:
            raise WarehouseError(
                "The warehouse's state is damaged, or somebody else's: a view reaches beyond it: "
                f"{exc.message}.",
                "Ask who may write to its catalog; seeknal log says what was published.",
            ) from exc

    @contextmanager
    def asking(self, connection: duckdb.DuckDBPyConnection, sql: str) -> Iterator[None]:
        """A block in which a user's query may be asked, of the warehouse as it is now. Raises
        UsageError if it reaches beyond the warehouse."""
        if not self.has_extensions:
            yield
            return
        from seeknal_git.sql.reachable import explained_within_reach

        with _as_usage():
            tables = explained_within_reach(sql)
        connection.execute("BEGIN")
        try:
            with _as_usage():
                _need_no_macros(connection)
                _need_own(connection, tables)
            yield
        finally:
            with suppress(duckdb.Error):  # an error may have ended it
                connection.execute("ROLLBACK")


@contextmanager
def _as_usage() -> Iterator[None]:
    try:
        yield
    except SqlError as exc:
        line = f" (line {exc.line})" if exc.line else ""
        raise UsageError(f"{exc.message}{line}") from exc


ALONE = Guard(has_extensions=False)
WITH_EXTENSIONS = Guard(has_extensions=True)


def _need_own(connection: duckdb.DuckDBPyConnection, tables: Iterable[Table]) -> None:
    """Raise SqlError for a table that is not of the warehouse, or a view whose SELECT reaches
    beyond it. A table of snapshots is no view: that is seen when the warehouse is opened."""
    waiting = [table for table in tables if not _is_snapshot(table)]
    if not waiting:
        return
    from seeknal_git.sql.reachable import OWN_CATALOGS

    schemas = {folded(name) for (name,) in connection.execute(_SCHEMAS).fetchall()}
    views = connection.execute(_VIEWS).fetchall()
    seen = set[tuple[str, ...]]()
    while waiting:
        table = waiting.pop()
        if table.path in seen or _is_snapshot(table):
            continue
        seen.add(table.path)
        if len(table.path) == 2 and table.path[0] not in schemas | OWN_CATALOGS:
            message = f"{table.written} is out of reach: there is no schema {table.path[0]}"
            raise SqlError(f"{message} in the warehouse", table.line)
        waiting += _behind(table, views)


def _behind(table: Table, views: Sequence[tuple[str, str, str]]) -> Iterator[Table]:
    """The tables that the views of a name select, in any schema that the name may mean."""
    from seeknal_git.sql.reachable import OWN_CATALOGS, select_of_view, within_reach

    *around, name = table.path
    for schema, view, text in views:
        is_meant = not around or around[-1] in {folded(schema), *OWN_CATALOGS}
        if not is_meant or folded(view) != name:
            continue
        try:
            found = within_reach(select_of_view(text))
        except SqlError as exc:
            message = f"the view {schema}.{view} is out of reach, as it selects what is: "
            raise SqlError(f"{message}{exc.message}", table.line) from exc
        yield from (inner._replace(line=table.line) for inner in found)


def _is_snapshot(table: Table) -> bool:
    """Whether a table is named in full, where there are tables alone."""
    *around, _ = table.path
    return around in ([WAREHOUSE, SNAPSHOTS], ["temp", "main"])


def _need_no_macros(connection: duckdb.DuckDBPyConnection) -> None:
    """Raise SqlError if the warehouse has a macro in place of a function of the engine. A user's
    query looks for functions there too, also for those that it writes as operators."""
    from seeknal_git.sql.reachable import is_function

    for schema, name in connection.execute(_MACROS).fetchall():
        if is_function(name):
            raise SqlError(
                f"the warehouse has a macro {schema}.{name}, which would be called in place of "
                f"DuckDB's own {name}: somebody has to drop it first (DROP MACRO {schema}.{name})"
            )
