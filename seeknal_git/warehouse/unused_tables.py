"""Which snapshots somebody still needs, and how the others go.

When in doubt a table is kept: a name in any view's text keeps it, and so does a clock that was
wrong once.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING

from seeknal_git.names import SNAPSHOTS, STATE, literal
from seeknal_git.warehouse import state
from seeknal_git.warehouse.connection import transaction
from seeknal_git.warehouse.model import Rules, Unnamed, relation

if TYPE_CHECKING:
    import duckdb


def kept_tables(connection: duckdb.DuckDBPyConnection, rules: Rules) -> dict[str, str]:
    """Table → the first reason to keep it: production, environment, history, view, unfinished
    run."""
    found: dict[str, str] = {}
    for reason, tables in (
        ("production", _shown(connection, rules.productions)),
        ("environment", _shown(connection, rules.live)),
        (
            "history",
            {
                table
                for each in rules.productions
                for table in _shown_since(connection, rules, each)
            },
        ),
        ("view", _read_by_views(connection, rules)),
        ("unfinished run", _unfinished(connection, rules)),
    ):
        found = dict.fromkeys(tables, reason) | found
    return found


def unnamed(connection: duckdb.DuckDBPyConnection, kept: Collection[str]) -> list[Unnamed]:
    """The snapshots that are not kept. A table that we have no record of is not ours."""
    rows = connection.execute(
        f"SELECT table_name, node, row_count FROM {STATE}.snapshots ORDER BY ALL"
    ).fetchall()
    there, block = state.tables_there(connection), _block_size(connection)
    return [
        Unnamed(table, node, count, block * _blocks(connection, table))
        for table, node, count in rows
        if table in there and table not in kept
    ]


def _shown(connection: duckdb.DuckDBPyConnection, schemas: Iterable[str]) -> set[str]:
    return {
        each.table for schema in schemas for each in state.published(connection, schema).values()
    }


def _shown_since(connection: duckdb.DuckDBPyConnection, rules: Rules, production: str) -> set[str]:
    """All that production showed since the oldest publication that is kept, and right after it.

    A publication says only what it re-pointed: what it left alone is in earlier ones.
    """
    oldest = _oldest_kept(connection, rules, production)
    rows = connection.execute(
        f"SELECT table_name FROM {STATE}.publication_nodes WHERE schema_name = $1 AND publication_id > $2 UNION "
        f"SELECT table_name FROM (SELECT * FROM {STATE}.publication_nodes WHERE schema_name = $1 AND "
        "publication_id <= $2 QUALIFY row_number() OVER (PARTITION BY node ORDER BY publication_id DESC) = 1)",
        [production, oldest],
    ).fetchall()
    return {row[0] for row in rows if row[0] is not None}


def _oldest_kept(connection: duckdb.DuckDBPyConnection, rules: Rules, production: str) -> int:
    """The oldest publication that is one of the last, or was still shown within the time that is
    kept."""
    rows = connection.execute(
        f"SELECT id, published_at FROM {STATE}.publications WHERE schema_name = $1 ORDER BY id DESC",
        [production],
    ).fetchall()
    kept, replaced_at = 0, rules.now
    for number, (identifier, published_at) in enumerate(rows):
        # It was not replaced before it was published, whatever a clock said that was slow for a
        # while.
        age = (rules.now - max(replaced_at, published_at)).total_seconds()
        if number < max(rules.publications, 1) or age < rules.seconds:
            kept = identifier
        replaced_at = published_at
    return kept


def _read_by_views(connection: duckdb.DuckDBPyConnection, rules: Rules) -> set[str]:
    """The snapshots that views name, other than our own of environments that go: also somebody's
    who made one."""
    going = {
        (schema, view)
        for schema in state.environments(connection).keys() - rules.live - rules.productions
        for view in _views_of_ours(connection, schema)
    }
    found = {
        name
        for schema, view, names in connection.execute(
            f"SELECT schema_name, view_name, regexp_extract_all(lower(sql), '\\b{SNAPSHOTS}\"?\\.\"?(\\w+)', 1) "
            "FROM duckdb_views() WHERE database_name = 'warehouse' AND NOT internal"
        ).fetchall()
        if (schema, view) not in going
        for name in names
    }
    return {table for table in state.tables_there(connection) if table.lower() in found}


def _views_of_ours(connection: duckdb.DuckDBPyConnection, schema: str) -> set[str]:
    """The views that an environment published and that still show what they did then: nobody has
    replaced them."""
    there = state.views_there(connection, schema)
    return {
        each.view
        for each in state.published(connection, schema).values()
        if there.get(each.view) == each.table
    }


def _unfinished(connection: duckdb.DuckDBPyConnection, rules: Rules) -> set[str]:
    """What was built since an environment's last run that succeeded, if its later ones did not: the
    next goes on.

    Where the clock went back in the meantime, as a later time that is earlier shows, that is since
    when.
    """
    rows = connection.execute(
        f"WITH r AS (SELECT rowid AS number, *, min(least(started_at, ended_at)) OVER (ORDER BY rowid ROWS BETWEEN "
        f"CURRENT ROW AND UNBOUNDED FOLLOWING) AS since FROM {STATE}.runs) "
        "SELECT schema_name, min(started_at), min(since) FROM r WHERE status <> 'succeeded' AND number > coalesce("
        "(SELECT max(number) FROM r s WHERE s.schema_name = r.schema_name AND status = 'succeeded'), -1) "
        "GROUP BY schema_name"
    ).fetchall()
    since = [
        earliest
        for schema, started_at, earliest in rows
        if schema in rules.live | rules.productions
        or (rules.now - started_at).total_seconds() < rules.idle
    ]
    if not since:
        return set()
    clock_went_back = max(since) > rules.now
    built = connection.execute(
        f"SELECT table_name FROM {STATE}.snapshots WHERE built_at >= $1 OR $2",
        [min(since), clock_went_back],
    ).fetchall()
    return {row[0] for row in built}


def _block_size(connection: duckdb.DuckDBPyConnection) -> int:
    rows = connection.execute(
        "SELECT block_size FROM pragma_database_size() WHERE database_name = 'warehouse'"
    ).fetchall()
    return int(rows[0][0])


def _blocks(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    rows = connection.execute(
        f"SELECT count(DISTINCT block_id) FROM pragma_storage_info({literal(relation(table))}) WHERE persistent"
    ).fetchall()
    return int(rows[0][0])


def readers(connection: duckdb.DuckDBPyConnection, schema: str) -> list[str]:
    """Somebody's own views that a schema's going may break: those in it, and those elsewhere whose
    text names it."""
    named = re.compile(rf'(?<!\w)"?{re.escape(schema)}"?\.', re.IGNORECASE)
    rows = connection.execute(
        "SELECT schema_name, view_name, sql FROM duckdb_views() WHERE database_name = 'warehouse' AND NOT internal "
        "ORDER BY ALL"
    ).fetchall()
    ours = _views_of_ours(connection, schema)
    return [
        f"{place}.{view}"
        for place, view, sql in rows
        if (view not in ours if place.lower() == schema else named.search(sql))
    ]


def drop_snapshots(connection: duckdb.DuckDBPyConnection, tables: Sequence[str]) -> None:
    """Drop snapshot tables and what is known of them, in one transaction.

    An unstable one stays on record: a later table of its identity is another build, as its values
    are others.
    """
    with transaction(connection):
        for table in tables:
            connection.execute(f"DROP TABLE IF EXISTS {relation(table)}")
        connection.execute(
            f"DELETE FROM {STATE}.snapshots WHERE NOT coalesce(unstable, true) AND table_name IN "
            "(SELECT unnest($1::VARCHAR[]))",
            [list(tables)],
        )
    connection.execute("CHECKPOINT warehouse")
