"""What an environment published: one record for each time, what each re-pointed, and what of it is
still kept.

The id of a publication says what came later, never its time: clocks go back. What a warehouse of an
earlier version did not write down is None.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seeknal_git.names import SNAPSHOTS, STATE
from seeknal_git.warehouse.forms import commit_id, delivered, texts
from seeknal_git.warehouse.model import Delivery, Move, Record
from seeknal_git.warehouse.state import with_later_columns

if TYPE_CHECKING:
    import duckdb


def records(connection: duckdb.DuckDBPyConnection, schema: str) -> list[Record]:
    """The publications of an environment, the newest first."""
    return _records(connection, schema)


def last_record(connection: duckdb.DuckDBPyConnection, schema: str) -> Record | None:
    """The publication that an environment shows."""
    return next(iter(_records(connection, schema, "LIMIT 1")), None)


def _records(connection: duckdb.DuckDBPyConnection, schema: str, most: str = "") -> list[Record]:
    rows = connection.execute(
        "SELECT id, commit_id, author, command, published_at, seconds, merged, restores, built, reused, removed, base, "
        "publisher, clone, edited, reason, coalesce(warnings, '[]') "
        f"FROM {with_later_columns('publications')} WHERE schema_name = $1 ORDER BY id DESC {most}",
        [schema],
    ).fetchall()
    return [Record(*_checked(*row)) for row in rows]


def _checked(number: int, commit: str, *rest: Any) -> tuple[Any, ...]:
    *middle, base, publisher, clone, edited, reason, warnings = rest
    values = (commit_id(base), publisher, clone, edited, reason, tuple(texts(warnings)))
    return number, commit_id(commit), *middle, *values


def moves(
    connection: duckdb.DuckDBPyConnection, schema: str, ids: Sequence[int]
) -> dict[int, list[Move]]:
    """Publication → what it did, by the nodes' names."""
    rows = connection.execute(
        "SELECT publication_id, node, CASE WHEN snapshot_id IS NULL THEN 'removed' WHEN was IS NULL THEN 'added' "
        "WHEN was = table_name THEN 'restored' ELSE 're-pointed' END, rows_before, rows_after, built "
        "FROM (SELECT *, lag(table_name) OVER (PARTITION BY node ORDER BY publication_id) AS was "
        f"FROM {with_later_columns('publication_nodes')} WHERE schema_name = $1) "
        "WHERE publication_id IN (SELECT unnest($2::BIGINT[])) ORDER BY publication_id, node",
        [schema, list(ids)],
    ).fetchall()
    found: dict[int, list[Move]] = {each: [] for each in ids}
    for publication, *rest in rows:
        found[publication].append(Move(*rest))
    return found


def lost(connection: duckdb.DuckDBPyConnection, schema: str) -> dict[int, list[str]]:
    """Publication → the nodes that it showed and whose tables are no longer kept, for those that
    are not whole."""
    rows = connection.execute(
        "WITH spans AS (SELECT node, table_name, publication_id AS first, "
        "lead(publication_id) OVER (PARTITION BY node ORDER BY publication_id) AS until "
        f"FROM {STATE}.publication_nodes WHERE schema_name = $1), "
        "there AS (SELECT table_name FROM duckdb_tables() WHERE database_name = 'warehouse' AND schema_name = $2) "
        f"SELECT p.id, list(s.node ORDER BY s.node) FROM spans s JOIN {STATE}.publications p "
        "ON p.schema_name = $1 AND p.id >= s.first AND (s.until IS NULL OR p.id < s.until) "
        "WHERE s.table_name IS NOT NULL AND s.table_name NOT IN (FROM there) GROUP BY p.id",
        [schema, SNAPSHOTS],
    ).fetchall()
    return dict(rows)


def rows_of(connection: duckdb.DuckDBPyConnection, schema: str, at: int) -> dict[str, int | None]:
    """Node → the rows that it had after a publication, also where its table is no longer kept."""
    rows = connection.execute(
        "SELECT n.node, coalesce(n.rows_after, (SELECT arg_max(s.row_count, s.rowid) "
        f"FROM {STATE}.snapshots s WHERE s.table_name = n.table_name)) FROM (SELECT * "
        f"FROM {with_later_columns('publication_nodes')} WHERE schema_name = $1 AND publication_id <= $2 "
        "QUALIFY row_number() OVER (PARTITION BY node ORDER BY publication_id DESC) = 1) n "
        "WHERE n.snapshot_id IS NOT NULL",
        [schema, at],
    ).fetchall()
    return dict(rows)


def deliveries(
    connection: duckdb.DuckDBPyConnection, schema: str, at: int | None = None
) -> dict[str, Delivery]:
    """Exposure → its last delivery, also one that was broken off and has no snapshot; or the last
    whole one before the publication after `at`. Without those whose file another exposure has
    overwritten since."""
    # By the path in the project too: the data root may have been moved, and older versions wrote
    # down nothing else.
    overlap = " OR ".join(
        f"starts_with({one} || '/', {other} || '/')"
        for name in ("path", "place")
        for one, other in ((f"e.{name}", f"f.{name}"), (f"f.{name}", f"e.{name}"))
    )
    rows = connection.execute(
        f"WITH d AS (SELECT *, definition::JSON ->> 'path' AS place, coalesce(publication_id, (SELECT max(p.id) "
        f"FROM {STATE}.publications p WHERE p.schema_name = $1 AND p.published_at <= d.written_at), 0) AS after "
        f"FROM {with_later_columns('exposures')} d WHERE schema_name = $1), "
        "e AS (FROM d WHERE $2 IS NULL OR (after <= $2 AND snapshot_id <> '')), "
        "f AS (FROM e QUALIFY row_number() OVER (PARTITION BY node ORDER BY number DESC) = 1) "
        "SELECT node, snapshot_id, path, table_name, definition, content FROM f "
        f"WHERE NOT EXISTS (FROM e WHERE e.node <> f.node AND e.number > f.number AND ({overlap}))",
        [schema, at],
    ).fetchall()
    return {row[0]: _delivery(*row) for row in rows}


def _delivery(
    node: str, snapshot: str, path: str, table: str | None, *more: str | None
) -> Delivery:
    definition, content = more
    return Delivery(node, snapshot, Path(path), table, delivered(definition), content)
