"""Copy a warehouse file into a lake, and compare the two.

Snapshot tables are immutable, so a table that is in the lake already, and alike, was copied by a
move that was cut off. The state and the views follow in one transaction. Until everything was
compared, a table in the state says that the lake is being filled, and every other command refuses
it. The file is attached for reading all the while, so nobody publishes in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from seeknal_git.errors import WarehouseError, some
from seeknal_git.names import SNAPSHOTS, STATE, STATE_SCHEMA, WAREHOUSE, qualified
from seeknal_git.sql.sandbox import Reach
from seeknal_git.sql.transaction import transaction
from seeknal_git.warehouse.alike import Digest, columns_in, differing, digest, snapshot_in
from seeknal_git.warehouse.aside_state import BASE, tables_in
from seeknal_git.warehouse.connection import attach_file
from seeknal_git.warehouse.deadline import Deadline
from seeknal_git.warehouse.environments import EnvironmentViews
from seeknal_git.warehouse.lake_connection import MOVING, opened_for_filling
from seeknal_git.warehouse.model.copies import Answer, Contents, Copy
from seeknal_git.warehouse.model.queries import as_rows
from seeknal_git.warehouse.publish import made_view, need_places
from seeknal_git.warehouse.stamp import stamp_of
from seeknal_git.warehouse.state_tables import STATE_FORM
from seeknal_git.warehouse.turns import Turn, files_of
from seeknal_git.warehouse.view_queries import need_selects

if TYPE_CHECKING:
    import duckdb

    from seeknal_git.warehouse.catalog import Catalog
    from seeknal_git.warehouse.location import Lake
    from seeknal_git.warehouse.model.environments import Published
    from seeknal_git.warehouse.owner import Owner

Tell = Callable[[str], None]
# A commit of a lake takes as long as several small tables.
_TABLES_IN_A_COMMIT = 50
_ROWS_IN_A_COMMIT = 1_000_000
_NAMED = 5


@contextmanager
def both_opened(
    lake: Lake, file: Path, owner: Owner, deadline: Deadline, *, read_only: bool
) -> Iterator[Catalog]:
    """A lake, with a warehouse file beside it for reading. Raises WarehouseError if the lake holds
    something that the file does not."""
    reach = Reach(files=files_of(file))
    with opened_for_filling(lake, owner, reach, deadline, read_only=read_only) as catalog:
        attach_file(catalog.connection, file, Turn.to_read(file, owner, deadline), BASE)
        _need_nothing_else(catalog.connection, lake)
        yield catalog
        catalog.connection.execute(f"DETACH {BASE}")


def fill(catalog: Catalog, contents: Contents, tell: Tell) -> Copy:
    """Copy everything of a file into a lake, compare it, and let the lake count.

    catalog: of `both_opened`. Raises WarehouseError if the file has changed since it was looked at,
    or if anything is not alike: the lake does not count then.
    """
    connection = catalog.connection
    if stamp_of(connection, tables_in(connection, BASE, SNAPSHOTS), BASE) != contents.stamp:
        raise WarehouseError("Somebody wrote to the file meanwhile.", "Run the same command again.")
    connection.execute(f"CREATE TABLE IF NOT EXISTS {STATE}.{MOVING} (nothing BOOLEAN)")
    known: dict[str, Digest] = {}
    copied = _copied(catalog, contents, known, tell)
    tell("Copying the state and the views")
    with transaction(connection):
        _drop_the_rest(catalog, contents)
        _copy_state(connection)
        _make_views(catalog, contents)
    tell("Comparing every view of every environment")
    _need_same_state(connection)
    answers = [*_answers(catalog, contents)]
    connection.execute(f"DROP TABLE {STATE}.{MOVING}")
    return Copy(contents, copied, answers)


# Before anything is copied


def _need_nothing_else(connection: duckdb.DuckDBPyConnection, lake: Lake) -> None:
    """Raise WarehouseError for a lake with records that the file does not have: it was used."""
    own = []
    for table in STATE_FORM.keys() - {"project"}:  # whose it is was looked at already
        rows = connection.execute(
            f"SELECT count(*) FROM (SELECT {_columns(table)} FROM {STATE}.{table} "
            f"EXCEPT ALL SELECT {_columns(table)} FROM {_in_base(connection, table)})"
        ).fetchall()
        own += [table] if rows[0][0] else []
    if own:
        raise WarehouseError(
            f"The lake {lake} holds {' and '.join(sorted(own))} of its own. Nothing was copied.",
            "Somebody has used it, or it is older than a gc of the file. Name an empty place: "
            "another `schema` or database in `warehouse.catalog`, and another `data`.",
        )


def _columns(table: str) -> str:
    return ", ".join(STATE_FORM[table])


def _in_base(connection: duckdb.DuckDBPyConnection, table: str) -> str:
    """The rows of a state table of the file in SQL, with their order as `_row`. A file of an
    earlier version lacks columns, or the table."""
    nulls = ", ".join(f"NULL::{kind} AS {name}" for name, kind in STATE_FORM[table].items())
    none = f"SELECT NULL::BIGINT AS _row, {nulls} WHERE false"
    if table not in {name.lower() for name in tables_in(connection, BASE, STATE_SCHEMA)}:
        return f"({none})"
    rows = f"SELECT rowid AS _row, * FROM {BASE}.{STATE_SCHEMA}.{table}"
    return f"({rows} UNION ALL BY NAME ({none}))"


# Tables


def _copied(catalog: Catalog, contents: Contents, known: dict[str, Digest], tell: Tell) -> int:
    """Copy the tables that are not in the lake; returns their number."""
    connection = catalog.connection
    there = catalog.snapshots()
    missing = [
        table
        for table in contents.tables
        if table not in there or not _is_alike(connection, table, known)
    ]
    done = 0
    for some_tables in _batches(connection, missing):
        with transaction(connection):
            for table in some_tables:
                here = snapshot_in(WAREHOUSE, table)
                connection.execute(
                    f"DROP TABLE IF EXISTS {here}; "
                    f"CREATE TABLE {here} AS FROM {snapshot_in(BASE, table)}"
                )
        catalog.built(some_tables)
        for table in some_tables:
            if not _is_alike(connection, table, known):
                raise _not_alike(connection, contents.tables[table], table)
        done += len(some_tables)
        tell(f"Copied {done} of {len(missing)} tables")
    return done


def _batches(
    connection: duckdb.DuckDBPyConnection, tables: Sequence[str]
) -> Iterator[Sequence[str]]:
    """Tables that share a commit."""
    sizes = dict(
        connection.execute(
            "SELECT table_name, estimated_size FROM duckdb_tables() "
            "WHERE database_name = $1 AND schema_name = $2",
            [BASE, SNAPSHOTS],
        ).fetchall()
    )
    batch: list[str] = []
    rows = 0
    for table in tables:
        if batch and (len(batch) == _TABLES_IN_A_COMMIT or rows + sizes[table] > _ROWS_IN_A_COMMIT):
            yield batch
            batch, rows = [], 0
        batch.append(table)
        rows += sizes[table]
    if batch:
        yield batch


def _is_alike(connection: duckdb.DuckDBPyConnection, table: str, known: dict[str, Digest]) -> bool:
    """Whether a table in the lake is that of the file. known: digests of tables of the file."""
    there, here = snapshot_in(BASE, table), snapshot_in(WAREHOUSE, table)
    columns = columns_in(connection, there)
    if columns_in(connection, here) != columns:
        return False
    if table not in known:
        known[table] = digest(connection, there, columns)
    return digest(connection, here, columns) == known[table]


def _not_alike(connection: duckdb.DuckDBPyConnection, node: str, table: str) -> WarehouseError:
    there, here = snapshot_in(BASE, table), snapshot_in(WAREHOUSE, table)
    found = differing(connection, there, here, columns_in(connection, there))
    return WarehouseError(
        f"The lake does not hold all values of {node}: {some(found, _NAMED)} (table {table}).",
        "A HUGEINT is exact up to 2^53 in a lake, and an INTERVAL to the millisecond: cast the "
        "column in the node, to DECIMAL(38, 0) or VARCHAR. The file is still the warehouse.",
    )


# State and views


def _drop_the_rest(catalog: Catalog, contents: Contents) -> None:
    """Drop what an earlier copy left in the lake, and the file has no more."""
    connection = catalog.connection
    environments = EnvironmentViews(connection, catalog)
    for schema in environments.all():
        views = catalog.views(schema)
        for published in environments.shown(schema).values():
            if published.view in views and published.is_right(views):
                connection.execute(f"DROP VIEW {qualified(WAREHOUSE, schema, published.view)}")
    for table in catalog.snapshots() - contents.tables.keys():
        connection.execute(f"DROP TABLE {snapshot_in(WAREHOUSE, table)}")
    catalog.dropped(catalog.snapshots() - contents.tables.keys())
    catalog.forget()


def _copy_state(connection: duckdb.DuckDBPyConnection) -> None:
    """Copy all records. The order of rows is kept: the last one counts."""
    for table, columns in STATE_FORM.items():
        typed = ", ".join(f"{name} {kind}" for name, kind in columns.items())
        rows = f"SELECT {_columns(table)} FROM {_in_base(connection, table)} ORDER BY _row"
        connection.execute(
            f"CREATE OR REPLACE TABLE {STATE}.{table} ({typed}); INSERT INTO {STATE}.{table} {rows}"
        )


def _make_views(catalog: Catalog, contents: Contents) -> None:
    connection = catalog.connection
    for schema, shown in contents.environments.items():
        views = _complete(contents, shown.values())
        need_places(catalog.made_by_others(schema, ()), [published.view for published in views])
        need_selects(connection, catalog.guard, views)
        made = [f"CREATE SCHEMA IF NOT EXISTS {qualified(WAREHOUSE, schema)}"]
        for published in views:
            made += made_view(schema, published)
        connection.execute("; ".join(made))
    catalog.forget()


def _complete(contents: Contents, shown: Iterable[Published]) -> list[Published]:
    """The nodes with a view whose tables are all there."""
    return [one for one in shown if one.view and contents.tables.keys() >= set(one.tables)]


# Comparing


def _need_same_state(connection: duckdb.DuckDBPyConnection) -> None:
    for table in STATE_FORM:
        here = f"(SELECT rowid AS _row, * FROM {STATE}.{table})"
        states = [
            connection.execute(
                f"SELECT count(*), sum(hash(n, {_columns(table)}))::VARCHAR FROM "
                f"(SELECT *, row_number() OVER (ORDER BY _row) AS n FROM {rows})"
            ).fetchall()
            for rows in (here, _in_base(connection, table))
        ]
        if states[0] != states[1]:
            raise WarehouseError(
                f"The lake does not hold the records of {table} as the file does.",
                "Run the same command again; if it says so again, report it as a bug.",
            )


def _answers(catalog: Catalog, contents: Contents) -> Iterator[Answer]:
    """Ask every view of every environment in both places. Raises WarehouseError for one that does
    not answer alike."""
    connection = catalog.connection
    for schema, shown in contents.environments.items():
        for published in _complete(contents, shown.values()):
            there, here = _rows_in_base(published), qualified(WAREHOUSE, schema, published.view)
            columns = columns_in(connection, there)
            rows = digest(connection, there, columns)
            if columns_in(connection, here) != columns or digest(connection, here, columns) != rows:
                raise WarehouseError(
                    f"{schema}.{published.view} does not answer alike in the lake and in the file.",
                    "The file is still the warehouse. Report it as a bug.",
                )
            yield Answer(schema, published.view, rows[0])


def _rows_in_base(published: Published) -> str:
    if published.query is None:
        return snapshot_in(BASE, published.table)
    return as_rows(published.query.over(lambda table: snapshot_in(BASE, table)))
