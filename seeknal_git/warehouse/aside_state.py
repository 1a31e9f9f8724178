"""The state of a file that a run builds in, beside a warehouse that is only read (aside.py).

The rows of the state tables that a builder writes are copied from the warehouse, which is attached
as `base`; the rows that follow are the file's own. The other state tables are views of the base's.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, NamedTuple

from seeknal_git.names import SNAPSHOTS, STATE, STATE_SCHEMA, WAREHOUSE, literal, qualified
from seeknal_git.warehouse.state_tables import STATE_FORM, TABLES_OF_VIEW

if TYPE_CHECKING:
    import duckdb

BASE = "base"
# The schema of rows that were built here for tables of pieces that are in the base.
ADDED = "_added"
_OWN_SCHEMA = "_beside"
_KNOWN, _EXTENDED = f"{WAREHOUSE}.{_OWN_SCHEMA}.known", f"{WAREHOUSE}.{_OWN_SCHEMA}.extended"
# The state tables that a builder writes.
WRITTEN = ("snapshots", "audits", "pieces")
ROW = "_row"  # the number of a row in a state table


def tables_in(connection: duckdb.DuckDBPyConnection, database: str, schema: str) -> set[str]:
    rows = connection.execute(
        "SELECT table_name FROM duckdb_tables() "
        "WHERE database_name = $1 AND lower(schema_name) = $2",
        [database, schema],
    ).fetchall()
    return {name for (name,) in rows}


def own_rows(table: str, database: str) -> str:
    """The rows of a state table that are the file's own, in SQL, with their numbers."""
    known = f"(SELECT {table} FROM {database}.{_OWN_SCHEMA}.known)"
    return (
        f"SELECT rowid AS {ROW}, * FROM {database}.{STATE_SCHEMA}.{table} "
        f"WHERE rowid >= {known} ORDER BY rowid"
    )


def stamp_in(connection: duckdb.DuckDBPyConnection, database: str) -> str:
    """The stamp of the warehouse that the file belongs to."""
    rows = connection.execute(f"SELECT stamp FROM {database}.{_OWN_SCHEMA}.known").fetchall()
    return str(rows[0][0])


def begin(connection: duckdb.DuckDBPyConnection, stamp: str) -> None:
    """Make the schemas and the state of an empty file."""
    schemas = (SNAPSHOTS, ADDED, STATE_SCHEMA, _OWN_SCHEMA)
    made = [f"CREATE SCHEMA {qualified(WAREHOUSE, schema)}" for schema in schemas]
    made.append(f"CREATE TABLE {_EXTENDED} (table_name VARCHAR, pieces BIGINT, latest BIGINT)")
    connection.execute("; ".join(made))
    _copy(connection)
    _know(connection, stamp)


def _copy(connection: duckdb.DuckDBPyConnection) -> None:
    there = {name.lower() for name in tables_in(connection, BASE, STATE_SCHEMA)}
    for table, columns in STATE_FORM.items():
        base = f"{BASE}.{STATE_SCHEMA}.{table}"
        if table in there and table not in WRITTEN:
            connection.execute(f"CREATE VIEW {STATE}.{table} AS SELECT rowid, * FROM {base}")
            continue
        named = ", ".join(f"{name} {kind}" for name, kind in columns.items())
        connection.execute(f"CREATE TABLE {STATE}.{table} ({named})")
        if table in there:
            rows = f"SELECT * FROM {base} ORDER BY rowid"
            connection.execute(f"INSERT INTO {STATE}.{table} BY NAME {rows}")


def _know(connection: duckdb.DuckDBPyConnection, stamp: str) -> None:
    """Write down which state of the base the file has."""
    counts = ", ".join(f"(SELECT count(*) FROM {STATE}.{table}) AS {table}" for table in WRITTEN)
    connection.execute(
        f"CREATE OR REPLACE TABLE {_KNOWN} AS SELECT {literal(stamp)} AS stamp, {counts}"
    )


def extend(connection: duckdb.DuckDBPyConnection, table: str) -> None:
    """Let rows be added here to a table of pieces that is in the base. Whoever reads it finds both
    the rows of there and of here."""
    added, base = qualified(WAREHOUSE, ADDED, table), qualified(BASE, SNAPSHOTS, table)
    connection.execute(
        f"CREATE TABLE IF NOT EXISTS {added} AS FROM {base} LIMIT 0; "
        f"CREATE OR REPLACE VIEW {qualified(WAREHOUSE, SNAPSHOTS, table)} AS "
        f"FROM {base} UNION ALL FROM {added}"
    )
    connection.execute(
        f"INSERT INTO {_EXTENDED} SELECT $1, count(*), max(number) "
        f"FROM {BASE}.{STATE_SCHEMA}.pieces WHERE table_name = $1 "
        f"HAVING $1 NOT IN (SELECT table_name FROM {_EXTENDED})",
        [table],
    )


# A file that an earlier run left


class _Built(NamedTuple):
    """The record of a table that was built in the file."""

    number: int
    id: str
    is_unstable: bool
    is_in_pieces: bool
    tables: Sequence[str]

    def is_over_pieces_of(self, base: Collection[str]) -> bool:
        """Whether it is over a table of pieces that is in the base. Some of these may be gone: it
        is made again of those that are there."""
        return self.is_in_pieces and not set(base).isdisjoint(self.tables)


def is_renewed(connection: duckdb.DuckDBPyConnection, base: Collection[str], stamp: str) -> bool:
    """Bring a file to the state of the base: tables that others built meanwhile are used, and those
    that they dropped are gone. False if nobody can tell which tables of the file are still right.

    base: the snapshot tables of the base.
    """
    if stamp_in(connection, WAREHOUSE) == stamp:
        return True
    there = set(base)
    twice = tables_in(connection, WAREHOUSE, SNAPSHOTS) & there
    built = _built(connection)
    known = _known(connection, [one.id for one in built], there)
    if any(one.id in known and one.is_unstable for one in built):
        return False  # tables of the file that read it have not read the one that is there
    gone = [one for one in built if one.id in known or one.is_over_pieces_of(there)]
    kept = {table for one in built if one not in gone for table in one.tables}
    if not kept.isdisjoint(twice):
        return False
    _drop(connection, [f"TABLE {qualified(WAREHOUSE, SNAPSHOTS, table)}" for table in twice])
    outdated = _outdated(connection, there)
    _forget_pieces(connection, outdated, [*outdated, *twice])
    _renew_state(connection, [one.number for one in gone], stamp)
    return True


def _built(connection: duckdb.DuckDBPyConnection) -> list[_Built]:
    rows = connection.execute(
        f"SELECT {ROW}, id, coalesce(unstable, true), coalesce(form, '') <> '', "
        f"{TABLES_OF_VIEW} FROM ({own_rows('snapshots', WAREHOUSE)})"
    ).fetchall()
    return [_Built(*row) for row in rows]


def _known(
    connection: duckdb.DuckDBPyConnection, ids: Sequence[str], there: Collection[str]
) -> set[str]:
    """Those of some snapshots whose tables are in the base."""
    rows = connection.execute(
        f"SELECT id, {TABLES_OF_VIEW} FROM {BASE}.{STATE_SCHEMA}.snapshots "
        "WHERE id IN (SELECT unnest($1::VARCHAR[]))",
        [list(ids)],
    ).fetchall()
    return {id_ for id_, tables in rows if set(there).issuperset(tables)}


def _outdated(connection: duckdb.DuckDBPyConnection, there: Collection[str]) -> list[str]:
    """The tables of pieces that were extended here, and changed elsewhere since."""
    rows = connection.execute(
        f"SELECT e.table_name, e.pieces IS DISTINCT FROM b.pieces "
        f"OR e.latest IS DISTINCT FROM b.latest FROM {_EXTENDED} AS e LEFT JOIN ("
        "SELECT table_name, count(*) AS pieces, max(number) AS latest "
        f"FROM {BASE}.{STATE_SCHEMA}.pieces GROUP BY table_name) AS b USING (table_name)"
    ).fetchall()
    return [table for table, is_changed in rows if is_changed or table not in there]


def _forget_pieces(
    connection: duckdb.DuckDBPyConnection, extended: Sequence[str], tables: Sequence[str]
) -> None:
    _drop(connection, [f"TABLE {qualified(WAREHOUSE, ADDED, table)}" for table in extended])
    connection.execute(
        f"DELETE FROM {_EXTENDED} WHERE table_name IN (SELECT unnest($1::VARCHAR[]))",
        [list(extended)],
    )
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE own_pieces AS FROM ({own_rows('pieces', WAREHOUSE)}) "
        "WHERE table_name NOT IN (SELECT unnest($1::VARCHAR[]))",
        [list(tables)],
    )


def _renew_state(connection: duckdb.DuckDBPyConnection, gone: Sequence[int], stamp: str) -> None:
    """Copy the state of the base anew, with the rows of the file after it. gone: the numbers of
    snapshots that do not count any more. Views of the base's tables are made when they are read."""
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE own_snapshots AS FROM ({own_rows('snapshots', WAREHOUSE)}) "
        f"WHERE {ROW} NOT IN (SELECT unnest($1::BIGINT[]))",
        [list(gone)],
    )
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE own_audits AS FROM ({own_rows('audits', WAREHOUSE)}) "
        f"WHERE id NOT IN (SELECT id FROM {BASE}.{STATE_SCHEMA}.audits)"
    )
    views = connection.execute(
        "SELECT view_name FROM duckdb_views() WHERE database_name = $1 AND schema_name = $2",
        [WAREHOUSE, SNAPSHOTS],
    ).fetchall()
    _drop(connection, [f"VIEW {qualified(WAREHOUSE, SNAPSHOTS, view)}" for (view,) in views])
    connection.execute(f"DROP SCHEMA {STATE} CASCADE; CREATE SCHEMA {STATE}")
    _copy(connection)
    _know(connection, stamp)
    for table in WRITTEN:
        connection.execute(
            f"INSERT INTO {STATE}.{table} BY NAME SELECT * EXCLUDE ({ROW}) "
            f"FROM temp.main.own_{table} ORDER BY {ROW}; DROP TABLE temp.main.own_{table}"
        )


def _drop(connection: duckdb.DuckDBPyConnection, things: Sequence[str]) -> None:
    for thing in things:
        connection.execute(f"DROP {thing}")
