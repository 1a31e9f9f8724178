"""The snapshots that somebody still needs, and how the others go.

When in doubt a table is kept: a name in any view's text keeps it, and so does a clock that was
wrong once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from seeknal_git.errors import WarehouseError
from seeknal_git.names import SNAPSHOTS, STATE
from seeknal_git.warehouse import catalog
from seeknal_git.warehouse.histories import tables_of_histories
from seeknal_git.warehouse.model.environments import REMOVED, Published
from seeknal_git.warehouse.model.queries import file_name, relation
from seeknal_git.warehouse.model.unused import REASONS, Rules, Unnamed
from seeknal_git.warehouse.pieces import are_recorded
from seeknal_git.warehouse.shown import shown
from seeknal_git.warehouse.state_tables import (
    FILES_OF_VIEW,
    TABLES_OF_VIEW,
    of_living,
    with_later_columns,
)

if TYPE_CHECKING:
    import duckdb

    from seeknal_git.warehouse.catalog import Catalog

# A publication records only the nodes that it re-pointed: the others are in earlier ones.
_SHOWN_SINCE = f"""
WITH nodes AS (
    SELECT * FROM {of_living("publication_nodes")} WHERE schema_name = $1
)
SELECT {{values}} FROM nodes WHERE publication_id > $2
UNION
SELECT {{values}} FROM (
    SELECT * FROM nodes WHERE publication_id <= $2
    QUALIFY row_number() OVER (PARTITION BY node ORDER BY publication_id DESC) = 1
)"""
# Each view, with the names after the schema of snapshots in its text, in lower case.
VIEWS = f"""
SELECT schema_name, view_name, regexp_extract_all(lower(sql), '\\b{SNAPSHOTS}"?\\."?(\\w+)', 1)
FROM duckdb_views() WHERE database_name = 'warehouse' AND NOT internal"""
# Environments whose last runs failed or were killed: the start of the first of these runs, and the
# earliest time of it or a later run. They differ if the clock went back in the meantime. The record
# of a deletion is about no run.
_UNFINISHED = f"""
WITH r AS (
    SELECT rowid AS number, *,
        min(least(started_at, ended_at)) OVER (
            ORDER BY rowid ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING
        ) AS since
    FROM {STATE}.runs
)
SELECT schema_name, min(started_at), min(since) FROM r
WHERE number > coalesce((
    SELECT max(number) FROM r s
    WHERE s.schema_name = r.schema_name AND status IN ('succeeded', '{REMOVED}')
), -1)
GROUP BY schema_name"""


_FIRST = datetime.fromisoformat("0001-01-01")
# Each table of pieces, with its node and rows.
_OF_PIECES = f"""
SELECT p.table_name, min(s.node), min(p.row_count)::BIGINT FROM (
    SELECT table_name, sum(row_count) AS row_count FROM {STATE}.pieces GROUP BY table_name
) p JOIN {with_later_columns("snapshots")} s ON s.reads = p.table_name GROUP BY p.table_name"""


def kept_tables(known: Catalog, rules: Rules) -> dict[str, str]:
    """Table → the first of `REASONS` to keep it."""
    connection = known.connection
    tables_by_reason = (
        _shown(connection, rules.productions),
        tables_of_histories(connection),
        _shown(connection, rules.live),
        _shown_before(connection, rules, TABLES_OF_VIEW),
        _read_by_views(known, rules),
        _unfinished(connection, rules),
    )
    kept: dict[str, str] = {}
    for reason, tables in zip(REASONS, tables_by_reason, strict=True):
        for table in tables:
            kept.setdefault(table, reason)
    return kept


def kept_files(connection: duckdb.DuckDBPyConnection, rules: Rules) -> set[str]:
    """The names of the kept files that somebody still needs, for the reasons to keep a table."""
    return {
        *_shown(connection, {*rules.productions, *rules.live}, lambda published: published.files),
        *_shown_before(connection, rules, FILES_OF_VIEW),
        *_files_in_views(connection),
        *_unfinished(connection, rules, FILES_OF_VIEW),
    }


def _files_in_views(connection: duckdb.DuckDBPyConnection) -> set[str]:
    """The kept files that the text of any view names."""
    rows = connection.execute(
        "SELECT DISTINCT unnest(regexp_extract_all(sql, '/([0-9a-f]{40})\\.parquet', 1)) "
        "FROM duckdb_views() WHERE database_name = 'warehouse' AND NOT internal"
    ).fetchall()
    return {file_name(blob) for (blob,) in rows}


def unnamed(known: Catalog, kept: Collection[str]) -> list[Unnamed]:
    """The snapshots that are not kept. A table without a record is not ours."""
    connection = known.connection
    tables = f"SELECT table_name, node, row_count FROM {STATE}.snapshots"
    if are_recorded(known):
        tables += f" UNION ALL {_OF_PIECES}"
    rows = connection.execute(f"{tables} ORDER BY ALL").fetchall()
    there = known.tables_now(SNAPSHOTS) - set(kept)
    found = [row for row in rows if row[0] in there]
    sizes = known.sizes([table for table, _, _ in found])
    return [Unnamed(table, node, count, sizes[table]) for table, node, count in found]


def _shown(
    connection: duckdb.DuckDBPyConnection,
    schemas: Iterable[str],
    names_of: Callable[[Published], Iterable[str]] = lambda published: published.tables,
) -> set[str]:
    return {
        name
        for schema in schemas
        for published in shown(connection, schema).values()
        for name in names_of(published)
    }


def _shown_before(connection: duckdb.DuckDBPyConnection, rules: Rules, names: str) -> set[str]:
    """All tables, or other names, that the publications which are kept have shown."""
    rows = shown_since(connection, rules, f"unnest({names})")
    return {name for (name,) in rows if name is not None}


def shown_since(
    connection: duckdb.DuckDBPyConnection, rules: Rules, values: str
) -> list[tuple[Any, ...]]:
    """Some values of each view that a production has shown since the oldest of its publications
    that is kept was made."""
    statement = _SHOWN_SINCE.format(values=values)
    return [
        row
        for production in rules.productions
        for row in connection.execute(
            statement, [production, _oldest_kept(connection, rules, production)]
        ).fetchall()
    ]


def _oldest_kept(connection: duckdb.DuckDBPyConnection, rules: Rules, production: str) -> int:
    """The oldest publication that is one of the last, or was still shown within the time that is
    kept."""
    rows = connection.execute(
        f"SELECT id, published_at FROM {of_living('publications')} WHERE schema_name = $1 "
        "ORDER BY id DESC",
        [production],
    ).fetchall()
    oldest, replaced_at = 0, rules.now
    for place, (number, published_at) in enumerate(rows):
        # A publication is not replaced before it is made, even if a clock was slow for a while.
        age = (rules.now - max(replaced_at, published_at)).total_seconds()
        if place < max(rules.publications, 1) or age < rules.seconds:
            oldest = number
        replaced_at = published_at
    return oldest


def _read_by_views(known: Catalog, rules: Rules) -> set[str]:
    """The snapshots that views name, also those that somebody made; except for our own views of
    environments that go."""
    connection = known.connection
    schemas = connection.execute(f"SELECT DISTINCT schema_name FROM {of_living('environments')}")
    going = {
        (schema, view)
        for (schema,) in schemas.fetchall()
        if schema not in rules.live | rules.productions
        for view in views_of_ours(connection, schema)
    }
    named = {
        name
        for schema, view, names in connection.execute(VIEWS).fetchall()
        if (schema, view) not in going
        for name in names
    }
    return {table for table in known.tables_now(SNAPSHOTS) if table.lower() in named}


def views_of_ours(connection: duckdb.DuckDBPyConnection, schema: str) -> set[str]:
    """The views that an environment published, and that nobody has replaced since."""
    views = catalog.views_of(connection, schema)
    return {
        published.view
        for published in shown(connection, schema).values()
        if views.get(published.view) == published.table
    }


def _unfinished(
    connection: duckdb.DuckDBPyConnection, rules: Rules, names: str = TABLES_OF_VIEW
) -> set[str]:
    """The tables, or other names, that were built since an environment's last run that succeeded,
    if later ones failed or were killed: the next run goes on with them."""
    rows = built_since(connection, unfinished_since(connection, rules), f"unnest({names})")
    return {table for (table,) in rows}


def unfinished_since(connection: duckdb.DuckDBPyConnection, rules: Rules) -> datetime | None:
    """The start of the first run that the next run of its environment goes on with. If a clock went
    back since, the first time that there is."""
    stay = rules.live | rules.productions
    since = [
        earliest
        for schema, started_at, earliest in connection.execute(_UNFINISHED).fetchall()
        if schema in stay or (rules.now - started_at).total_seconds() < rules.idle
    ]
    if not since:
        return None
    return _FIRST if max(since) > rules.now else min(since)


def built_since(
    connection: duckdb.DuckDBPyConnection, moment: datetime | None, values: str
) -> list[tuple[Any, ...]]:
    """Some values of each snapshot that was built since a moment; none without one."""
    if moment is None:
        return []
    return connection.execute(
        f"SELECT {values} FROM {with_later_columns('snapshots')} WHERE built_at >= $1", [moment]
    ).fetchall()


def readers(connection: duckdb.DuckDBPyConnection, schema: str) -> list[str]:
    """Somebody's own views that may break if a schema goes: those in it, and those elsewhere whose
    text names it."""
    names_it = re.compile(rf'(?<!\w)"?{re.escape(schema)}"?\.', re.IGNORECASE)
    rows = connection.execute(
        "SELECT schema_name, view_name, sql FROM duckdb_views() "
        "WHERE database_name = 'warehouse' AND NOT internal ORDER BY ALL"
    ).fetchall()
    ours = views_of_ours(connection, schema)
    return [
        f"{place}.{view}"
        for place, view, sql in rows
        if (view not in ours if place.lower() == schema else names_it.search(sql))
    ]


def need_unshown(known: Catalog, is_needed: Callable[[Published], bool]) -> None:
    """Raise WarehouseError if an environment shows a view that is needed: somebody published it
    since its tables were found to be nobody's. Nobody publishes until the transaction ends."""
    known.keep_publications_out()
    schemas = known.connection.execute(
        f"SELECT DISTINCT schema_name FROM {of_living('environments')}"
    ).fetchall()
    for (schema,) in schemas:
        for published in shown(known.connection, schema).values():
            if is_needed(published):
                raise WarehouseError(
                    f"Somebody published {schema}.{published.view or published.node} in the "
                    "meantime, and its tables stay.",
                    "Run the same command again.",
                )


def drop_tables(known: Catalog, tables: Sequence[str]) -> None:
    """Drop snapshot tables and their records, and the records of views over them; the record of an
    unstable one stays. Raises WarehouseError if an environment shows one of them by now."""
    connection = known.connection
    need_unshown(known, lambda published: not {*tables}.isdisjoint(published.tables))
    connection.execute("; ".join(f"DROP TABLE IF EXISTS {relation(table)}" for table in tables))
    connection.execute(
        f"DELETE FROM {STATE}.snapshots WHERE NOT coalesce(unstable, true) "
        f"AND list_has_any({TABLES_OF_VIEW}, $1::VARCHAR[])",
        [list(tables)],
    )
