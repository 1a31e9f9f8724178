"""The tables and views that really exist, by the engine's catalog: somebody may have dropped or
replaced one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from seeknal_git.names import SNAPSHOTS, WAREHOUSE, literal, qualified
from seeknal_git.sql.transaction import transaction
from seeknal_git.warehouse.guard import ALONE, Guard
from seeknal_git.warehouse.model.environments import Foreign, Published
from seeknal_git.warehouse.model.queries import relation
from seeknal_git.warehouse.shown import shown

if TYPE_CHECKING:
    import duckdb

    from seeknal_git.sql.statement import Columns
    from seeknal_git.warehouse.model.publications import Publication

T = TypeVar("T")
# The engine's own rendering of a view that `publish` made. With a list of columns or a WHERE, the
# view is somebody else's.
_OUR_VIEW = (
    r'^CREATE VIEW (?:(?:"[^"]+"|[^ ."(]+)\.)?(?:"[^"]+"|[^ ."(]+) AS SELECT \* FROM '
    rf'(?:warehouse\.)?{SNAPSHOTS}\."?([^"; ]+)"?;?\s*$'
)
# A view over several tables has the name of its SELECT in its comment. The engine takes the comment
# away from a view that somebody replaces, and no view gets another text in any other way.
MARK = "Seeknal: "
_MARKED = rf"^{MARK}(\w+)$"
_DESCRIBED_AT_ONCE = 100  # tables in one statement
# Everything beside tables and views that keeps the engine from dropping a schema.
_CONTENTS = (
    "duckdb_functions()",
    "duckdb_sequences()",
    "duckdb_types()",
)


class Catalog:
    """The tables and views of an open warehouse, and the nodes that its environments show.

    The engine walks its whole catalog to list tables or views, and renders the text of every view.
    So each is read once, and again after a change: nobody else can write while the warehouse is
    open.
    """

    # The guard for SQL that others wrote, by the extensions that the engine has.
    guard: Guard = ALONE
    commit_seconds = 0.005

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        tables: Mapping[str, Iterable[str]],
        folder: Path | None = None,
    ) -> None:
        """tables: schema, in lower case → its tables; folder: of kept files."""
        self.connection = connection
        self.folder = folder
        self._tables = {schema: set(names) for schema, names in tables.items()}
        self._columns: dict[str, Columns] = {}
        self._views: dict[str, dict[str, str]] = {}
        self._shown: dict[str, dict[str, Published]] = {}

    def tables(self, schema: str) -> set[str]:
        return set(self._tables.get(schema, ()))

    def tables_now(self, schema: str) -> set[str]:
        """The same, also if others have made or dropped some meanwhile."""
        return self.tables(schema)

    def snapshots(self) -> set[str]:
        return self.tables(SNAPSHOTS)

    def columns(self, snapshots: Sequence[str]) -> dict[str, Columns]:
        """Table → its columns, for those of these snapshot tables that exist."""
        there, known = self.snapshots(), self._columns
        known.update(columns_of(self.connection, [*((there & set(snapshots)) - known.keys())]))
        return {table: known[table] for table in snapshots if table in there}

    def views(self, schema: str) -> dict[str, str]:
        """As `views_of`."""
        if schema not in self._views:
            self._views[schema] = views_of(self.connection, schema)
        return dict(self._views[schema])

    def shown(self, schema: str) -> dict[str, Published]:
        """As `shown.shown`, now."""
        if schema not in self._shown:
            self._shown[schema] = shown(self.connection, schema, folder=self.folder)
        return dict(self._shown[schema])

    def astray(self, schema: str) -> set[str]:
        """The views of an environment over kept files that name them where they were before the
        clone was moved."""
        views = {one.view: one for one in self.shown(schema).values() if one.files and one.view}
        if not views:
            return set()
        ours = self.views(schema)
        rows = self.connection.execute(
            "SELECT view_name, sql FROM duckdb_views() "
            "WHERE database_name = 'warehouse' AND lower(schema_name) = $1",
            [schema],
        ).fetchall()
        texts = {name: text for name, text in rows if name in views and views[name].is_right(ours)}
        return {name for name, text in texts.items() if not views[name].names_files_in(text)}

    def made_by_others(self, schema: str, shown: Iterable[Published]) -> dict[str, Foreign]:
        """The views and tables of a schema that somebody made, by their names in lower case.

        shown: the nodes that the environment shows. A view is ours if it has a name that was
        published then, and its whole text is that of a view of the table that was.
        """
        ours = {(published.view, published.table) for published in shown}
        found = [Foreign(schema, name, "table") for name in self.tables_now(schema)]
        found += [
            Foreign(schema, view, "view")
            for view, table in self.views(schema).items()
            if (view, table) not in ours
        ]
        return {foreign.name.lower(): foreign for foreign in found}

    def built(self, tables: Collection[str]) -> None:
        """Add snapshot tables that were committed. A builder calls this from its own thread."""
        self._tables.setdefault(SNAPSHOTS, set()).update(tables)

    def dropped(self, tables: Collection[str]) -> None:
        """Remove snapshot tables that are gone."""
        self._tables.get(SNAPSHOTS, set()).difference_update(tables)

    def change(self, action: Callable[[], T]) -> T:
        """Carry out a change of the warehouse in one transaction."""
        with transaction(self.connection):
            return action()

    def sign(self, publication: Publication, number: int | None) -> None:
        """Note a publication where the warehouse itself keeps a history; a file keeps none."""

    def keep_publications_out(self) -> None:
        """Let no publication be committed beside the transaction. Nobody else writes to a file."""

    def stamp(self) -> str:
        """A text that every write changes."""
        from seeknal_git.warehouse.stamp import stamp_of

        return stamp_of(self.connection, self.snapshots())

    def sizes(self, tables: Sequence[str]) -> dict[str, int]:
        """Snapshot table → the bytes that it takes up in the warehouse."""
        rows = self.connection.execute(
            "SELECT block_size FROM pragma_database_size() WHERE database_name = 'warehouse'"
        ).fetchall()
        return {table: rows[0][0] * _blocks(self.connection, table) for table in tables}

    def tidy(self) -> None:
        """Give back the room of tables and pieces that are gone."""
        self.connection.execute("CHECKPOINT warehouse")

    def at_one_moment(self) -> AbstractContextManager[None]:
        """Inside the block, the nodes that environments show and the views that there are fit
        together. Nobody else writes to a file."""
        return nullcontext()

    def forget(self) -> None:
        """Read everything again when it is asked for."""
        self._views.clear()
        self._shown.clear()

    @contextmanager
    def changing(self, schema: str) -> Iterator[None]:
        """Read the views of an environment, and the nodes that it shows, again after the block."""
        try:
            yield
        finally:
            self._views.pop(schema, None)
            self._shown.pop(schema, None)


def _blocks(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    """The number of the file's blocks that a table takes up. One statement for all tables is
    slower: the engine plans a long UNION in quadratic time."""
    rows = connection.execute(
        "SELECT count(DISTINCT block_id) "
        f"FROM pragma_storage_info({literal(relation(table))}) WHERE persistent"
    ).fetchall()
    return int(rows[0][0])


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
    """The views of a schema: name → the snapshot table that it selects, or the name of its SELECT
    over several; "" if it is not a view of ours."""
    rows = connection.execute(
        "SELECT view_name, CASE WHEN regexp_matches(comment, $3) "
        "THEN regexp_extract(comment, $3, 1) ELSE regexp_extract(sql, $2, 1) END "
        "FROM duckdb_views() WHERE database_name = 'warehouse' AND lower(schema_name) = $1",
        [schema, _OUR_VIEW, _MARKED],
    ).fetchall()
    return dict(rows)


def has_functions_or_types(connection: duckdb.DuckDBPyConnection, schema: str) -> bool:
    """Whether a schema without tables and views holds something that keeps the engine from
    dropping it."""
    union = " UNION ALL ".join(
        f"SELECT schema_name, database_name FROM {contents}" for contents in _CONTENTS
    )
    rows = connection.execute(
        f"SELECT count(*) FROM ({union}) "
        "WHERE database_name = 'warehouse' AND lower(schema_name) = $1",
        [schema],
    ).fetchall()
    return bool(rows[0][0])
