"""The tables and views that really exist, by the engine's catalog: somebody may have dropped or
replaced one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from seeknal_git.names import SNAPSHOTS, WAREHOUSE, qualified
from seeknal_git.warehouse.model import Foreign, Published

if TYPE_CHECKING:
    import duckdb

    from seeknal_git.sql.statement import Columns

# The engine's own rendering of a view that `publish` made. With a list of columns or a WHERE, the
# view is somebody else's.
_OUR_VIEW = (
    r'^CREATE VIEW (?:(?:"[^"]+"|[^ ."(]+)\.)?(?:"[^"]+"|[^ ."(]+) AS SELECT \* FROM '
    rf'(?:warehouse\.)?{SNAPSHOTS}\."?([^"; ]+)"?;?\s*$'
)
_DESCRIBED_AT_ONCE = 100  # tables in one statement
# Everything that keeps the engine from dropping a schema.
_CONTENTS = (
    "duckdb_tables()",
    "duckdb_views()",
    "duckdb_functions()",
    "duckdb_sequences()",
    "duckdb_types()",
)


class KnownTables:
    """The snapshot tables of an open warehouse, and the columns of those that were asked for.

    The engine walks its whole catalog to list tables, so it is asked once, and again after a
    change: nobody else can write while the warehouse is open.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._names: set[str] | None = None
        self._columns: dict[str, Columns] = {}
        self._changes = 0

    def names(self) -> set[str]:
        if self._names is not None:
            return set(self._names)
        changes, names = self._changes, snapshot_tables(self._connection)
        if changes == self._changes:  # no builder has committed in the meantime
            self._names = names
        return set(names)

    def columns(self, tables: Sequence[str]) -> dict[str, Columns]:
        """Table → its columns, for those of these tables that exist."""
        there = self.names()
        unknown = [table for table in tables if table in there and table not in self._columns]
        known = self._columns = self._columns | columns_of(self._connection, unknown)
        return {table: known[table] for table in tables if table in there}

    def changed(self) -> None:
        """Forget everything. A builder calls this from its own thread, after it has committed."""
        self._changes += 1
        self._names = None
        self._columns = {}


def snapshot_tables(connection: duckdb.DuckDBPyConnection) -> set[str]:
    return set(_tables(connection, SNAPSHOTS))


def _tables(connection: duckdb.DuckDBPyConnection, schema: str) -> list[str]:
    rows = connection.execute(
        "SELECT table_name FROM duckdb_tables() "
        "WHERE database_name = 'warehouse' AND lower(schema_name) = $1",
        [schema],
    ).fetchall()
    return [name for (name,) in rows]


def columns_of(connection: duckdb.DuckDBPyConnection, tables: Sequence[str]) -> dict[str, Columns]:
    """Snapshot table → (name, type) of each column. All these tables must exist.

    Each table is described by itself: to list columns, the engine walks everything there is.
    """
    found: dict[str, list[tuple[int, str, str]]] = {}
    for start in range(0, len(tables), _DESCRIBED_AT_ONCE):
        some = tables[start : start + _DESCRIBED_AT_ONCE]
        union = " UNION ALL ".join(
            f"SELECT {number}, cid, name, type FROM pragma_table_info(${number + 1})"
            for number in range(len(some))
        )
        names = [qualified(WAREHOUSE, SNAPSHOTS, table) for table in some]
        for number, place, name, word in connection.execute(union, names).fetchall():
            found.setdefault(some[number], []).append((place, name, word))
    return {
        table: tuple((name, word) for _, name, word in sorted(columns))
        for table, columns in found.items()
    }


def views_of(connection: duckdb.DuckDBPyConnection, schema: str) -> dict[str, str]:
    """The views of a schema: name → the snapshot table that it selects, "" if it is not a view of
    ours."""
    rows = connection.execute(
        "SELECT view_name, regexp_extract(sql, $2, 1) FROM duckdb_views() "
        "WHERE database_name = 'warehouse' AND lower(schema_name) = $1",
        [schema, _OUR_VIEW],
    ).fetchall()
    return dict(rows)


def made_by_others(
    connection: duckdb.DuckDBPyConnection,
    schema: str,
    shown: Iterable[Published],
    views: Mapping[str, str] | None = None,
) -> dict[str, Foreign]:
    """The views and tables of a schema that somebody made, by their names in lower case.

    shown: the nodes that the environment shows. A view is ours if it has a name that was published
    then, and its whole text is that of a view of the table that was. views: of the schema, as
    `views_of` returns them, if they are known.
    """
    if views is None:
        views = views_of(connection, schema)
    ours = {(published.view, published.table) for published in shown}
    found = [Foreign(schema, name, "table") for name in _tables(connection, schema)]
    found += [
        Foreign(schema, view, "view") for view, table in views.items() if (view, table) not in ours
    ]
    return {foreign.name.lower(): foreign for foreign in found}


def is_empty(connection: duckdb.DuckDBPyConnection, schema: str) -> bool:
    """Whether a schema holds nothing that keeps the engine from dropping it."""
    union = " UNION ALL ".join(
        f"SELECT schema_name, database_name FROM {contents}" for contents in _CONTENTS
    )
    rows = connection.execute(
        f"SELECT count(*) FROM ({union}) "
        "WHERE database_name = 'warehouse' AND lower(schema_name) = $1",
        [schema],
    ).fetchall()
    return not rows[0][0]
