"""What the warehouse knows of itself, in the schema `_seeknal`, written in the same transactions as
the data.

| table | one row for each |
| --- | --- |
| snapshots | table that was built: its id and identity (see identity.py), node, fingerprint, data version, rows |
| audits | check that was made: violating rows, and rows in all |
| environments | environment: its schema, its branch, and when it was last used |
| publications | time that an environment's views were re-pointed: commit, author, command (see history.py) |
| publication_nodes | node that a publication re-pointed, and its rows; without a snapshot, it was removed |
| exposures | file that was delivered, of which table, and after which publication |
| runs | run: how it ended |
| project | mark by which clones of the project know that it is theirs (see owner.py) |

Clocks go back, so what came last is told by ids and by the order of rows (`rowid`), never by a
time.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from seeknal_git.names import SNAPSHOTS, STATE, STATE_SCHEMA, WAREHOUSE, qualified
from seeknal_git.warehouse.forms import commit_id, identifier, mapping, texts
from seeknal_git.warehouse.model import (
    REMOVED,
    Audit,
    DeliveredPath,
    Delivery,
    Environment,
    Foreign,
    Published,
    Run,
    Snapshot,
    now,
)

if TYPE_CHECKING:
    import duckdb

_TABLES = {
    "snapshots": "id VARCHAR, node VARCHAR, table_name VARCHAR, fingerprint VARCHAR, data_version VARCHAR, "
    "row_count BIGINT, built_at TIMESTAMP, seconds DOUBLE",
    "audits": "id VARCHAR, node VARCHAR, name VARCHAR, violations BIGINT, row_count BIGINT, checked_at TIMESTAMP",
    "environments": "schema_name VARCHAR, branch VARCHAR, created_at TIMESTAMP, used_at TIMESTAMP",
    "publications": "id BIGINT, schema_name VARCHAR, branch VARCHAR, commit_id VARCHAR, author VARCHAR, "
    "command VARCHAR, published_at TIMESTAMP, reused INTEGER, built INTEGER, removed INTEGER",
    "publication_nodes": "publication_id BIGINT, schema_name VARCHAR, node VARCHAR, view_name VARCHAR, "
    "snapshot_id VARCHAR, table_name VARCHAR, fingerprint VARCHAR",
    "exposures": "schema_name VARCHAR, node VARCHAR, snapshot_id VARCHAR, path VARCHAR, written_at TIMESTAMP",
    "project": "folder VARCHAR, mark VARCHAR",
    "runs": "id VARCHAR, schema_name VARCHAR, command VARCHAR, started_at TIMESTAMP, ended_at TIMESTAMP, "
    "status VARCHAR, message VARCHAR",
}
# Columns that came later. Adding one that is there costs a tenth of a millisecond, and writes
# nothing.
LATER_COLUMNS = {
    "snapshots": {
        "identity": "VARCHAR",
        "build": "VARCHAR",
        "unstable": "BOOLEAN",
        "reading": "VARCHAR",
    },
    "publications": {
        "seconds": "DOUBLE",
        "merged": "VARCHAR",
        "restores": "BIGINT",
        "warnings": "VARCHAR",
        "base": "VARCHAR",
        "publisher": "VARCHAR",
        "clone": "VARCHAR",
        "edited": "BOOLEAN",
        "reason": "VARCHAR",
    },
    "publication_nodes": {"rows_before": "BIGINT", "rows_after": "BIGINT", "built": "BOOLEAN"},
    "exposures": {
        "publication_id": "BIGINT",
        "table_name": "VARCHAR",
        "definition": "VARCHAR",
        "content": "VARCHAR",
    },
}
STATE_TABLES = "; ".join(
    [
        f"CREATE SCHEMA IF NOT EXISTS {STATE}",
        f"CREATE SCHEMA IF NOT EXISTS {qualified(WAREHOUSE, SNAPSHOTS)}",
        *(
            f"CREATE TABLE IF NOT EXISTS {STATE}.{table} ({columns})"
            for table, columns in _TABLES.items()
        ),
        *(
            f"ALTER TABLE {STATE}.{table} ADD COLUMN IF NOT EXISTS {name} {kind}"
            for table, later in LATER_COLUMNS.items()
            for name, kind in later.items()
        ),
    ]
)


_MAY_BE_NULL = {
    "snapshots": {"data_version"},
    "publication_nodes": {"snapshot_id", "table_name", "fingerprint"},
    "runs": {"ended_at", "message"},
}


def always_there(table: str) -> list[str]:
    """The columns of a state table that hold a value in every row."""
    return [name for name in first_columns(table) if name not in _MAY_BE_NULL.get(table, ())]


def first_columns(table: str) -> dict[str, str]:
    """The columns that a state table has had from the start, with their types; none if it is no
    table of ours."""
    columns = _TABLES.get(table, "").split(", ")
    return {name: kind for name, _, kind in (each.partition(" ") for each in columns) if kind}


def has_state(connection: duckdb.DuckDBPyConnection) -> bool:
    found = connection.execute(
        "SELECT count(*) FROM duckdb_tables() WHERE database_name = 'warehouse' AND lower(schema_name) = $1",
        [STATE_SCHEMA],
    ).fetchall()
    return bool(found[0][0])


def tables_there(connection: duckdb.DuckDBPyConnection) -> set[str]:
    """The snapshot tables that really exist: somebody may have dropped one behind our back."""
    rows = connection.execute(
        "SELECT table_name FROM duckdb_tables() WHERE database_name = 'warehouse' AND schema_name = $1",
        [SNAPSHOTS],
    ).fetchall()
    return {row[0] for row in rows}


# The engine's own rendering of a view that `publish` made. A list of columns or a WHERE makes it
# somebody else's.
_OUR_VIEW = (
    r'^CREATE VIEW (?:(?:"[^"]+"|[^ ."(]+)\.)?(?:"[^"]+"|[^ ."(]+) AS SELECT \* FROM '
    rf'(?:warehouse\.)?{SNAPSHOTS}\."?([^"; ]+)"?;?\s*$'
)


def views_there(connection: duckdb.DuckDBPyConnection, schema: str) -> dict[str, str]:
    """The views of a schema that really exist: name → the snapshot table that it shows, "" if it is
    no view of ours."""
    rows = connection.execute(
        "SELECT view_name, regexp_extract(sql, $2, 1) FROM duckdb_views() "
        "WHERE database_name = 'warehouse' AND lower(schema_name) = $1",
        [schema, _OUR_VIEW],
    ).fetchall()
    return dict(rows)


def made_by_others(
    connection: duckdb.DuckDBPyConnection, schema: str, shown: Iterable[Published]
) -> dict[str, Foreign]:
    """The views and tables of a schema that somebody made, by their names in lower case.

    shown: what the environment published last. A view is ours if it has the name that was published
    then, and its whole text is that of a view of the table that was.
    """
    rows = connection.execute(
        "SELECT table_name, 'table' FROM duckdb_tables() WHERE database_name = 'warehouse' AND lower(schema_name) = $1",
        [schema],
    ).fetchall()
    ours = {(each.view, each.table) for each in shown}
    rows += [
        (view, "view")
        for view, table in views_there(connection, schema).items()
        if (view, table) not in ours
    ]
    return {name.lower(): Foreign(schema, name, kind) for name, kind in rows}


def is_empty(connection: duckdb.DuckDBPyConnection, schema: str) -> bool:
    """Whether a schema holds nothing that keeps the engine from dropping it."""
    kinds = (
        "duckdb_tables()",
        "duckdb_views()",
        "duckdb_functions()",
        "duckdb_sequences()",
        "duckdb_types()",
    )
    union = " UNION ALL ".join(f"SELECT schema_name, database_name FROM {kind}" for kind in kinds)
    rows = connection.execute(
        f"SELECT count(*) FROM ({union}) WHERE database_name = 'warehouse' AND lower(schema_name) = $1",
        [schema],
    ).fetchall()
    return not rows[0][0]


_SNAPSHOT = (
    "id, node, table_name, fingerprint, data_version, row_count, built_at, seconds, coalesce(identity, id), "
    "coalesce(build, ''), coalesce(unstable, true)"
)


def with_later_columns(table: str) -> str:
    """A state table with the columns that it may lack: a warehouse that is only read keeps its old
    form."""
    later = ", ".join(f"NULL::{kind} AS {name}" for name, kind in LATER_COLUMNS[table].items())
    return f"(SELECT rowid AS number, * FROM {STATE}.{table} UNION ALL BY NAME (SELECT {later} WHERE false))"


def snapshots(
    connection: duckdb.DuckDBPyConnection, fingerprints: Iterable[str]
) -> tuple[list[Snapshot], list[Snapshot]]:
    """The snapshots of some fingerprints, oldest first: those whose tables exist, and those whose
    tables are gone."""
    rows = connection.execute(
        f"SELECT {_SNAPSHOT} FROM {with_later_columns('snapshots')} "
        "WHERE fingerprint IN (SELECT unnest($1::VARCHAR[])) ORDER BY number",
        [list(fingerprints)],
    ).fetchall()
    found, there = (
        [Snapshot(identifier(row[0]), *row[1:]) for row in rows],
        tables_there(connection),
    )
    return [each for each in found if each.table in there], [
        each for each in found if each.table not in there
    ]


def record_snapshots(
    connection: duckdb.DuckDBPyConnection,
    made: Sequence[tuple[Snapshot, Mapping[str, Any] | None]],
) -> None:
    """made: with each snapshot of a source, how its files were read, and its columns without
    values."""
    if not made:
        return
    rows = [
        (
            each.id,
            each.node,
            each.table,
            each.fingerprint,
            each.data_version,
            each.rows,
            each.built_at,
            each.seconds,
            each.identity,
            each.build,
            each.unstable,
            json.dumps(reading) if reading else None,
        )
        for each, reading in made
    ]
    _insert(
        connection,
        "snapshots",
        "id, node, table_name, fingerprint, data_version, row_count, built_at, seconds, identity, "
        "build, unstable, reading",
        rows,
    )


def _insert(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    columns: str,
    rows: Sequence[tuple[Any, ...]],
) -> None:
    """Insert rows into a state table by one statement. columns: their names, with commas."""
    types = first_columns(table) | LATER_COLUMNS.get(table, {})
    values = ", ".join(
        f"unnest(${number}::{types[name]}[])" for number, name in enumerate(columns.split(", "), 1)
    )
    connection.execute(
        f"INSERT INTO {STATE}.{table} ({columns}) SELECT {values}",
        [list(column) for column in zip(*rows, strict=True)],
    )


def readings(
    connection: duckdb.DuckDBPyConnection, tables: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """Snapshot table of a source → how its files were read (`dialect`), and the columns without
    values (`empty`)."""
    rows = connection.execute(
        f"SELECT table_name, reading FROM {with_later_columns('snapshots')} WHERE reading IS NOT NULL "
        "AND table_name IN (SELECT unnest($1::VARCHAR[])) ORDER BY number",
        [list(tables)],
    ).fetchall()
    return {table: mapping(text) for table, text in rows}


def columns_of(
    connection: duckdb.DuckDBPyConnection, tables: Sequence[str]
) -> dict[str, tuple[tuple[str, str], ...]]:
    """Snapshot table → (name, type) of each column."""
    rows = connection.execute(
        "SELECT table_name, list({'name': column_name, 'type': data_type} ORDER BY column_index) FROM duckdb_columns() "
        "WHERE database_name = 'warehouse' AND schema_name = $1 AND table_name IN (SELECT unnest($2::VARCHAR[])) "
        "GROUP BY table_name",
        [SNAPSHOTS, list(tables)],
    ).fetchall()
    return {
        table: tuple((column["name"], column["type"]) for column in columns)
        for table, columns in rows
    }


def audits(connection: duckdb.DuckDBPyConnection, ids: Sequence[str]) -> dict[str, Audit]:
    rows = connection.execute(
        f"SELECT id, node, name, violations, row_count FROM {STATE}.audits "
        "WHERE id IN (SELECT unnest($1::VARCHAR[])) ORDER BY rowid",
        [list(ids)],
    ).fetchall()
    return {row[0]: Audit(*row) for row in rows}


def record_audits(connection: duckdb.DuckDBPyConnection, made: Sequence[Audit]) -> None:
    if made:
        rows = [(each.id, each.node, each.name, each.violations, each.rows, now()) for each in made]
        columns = "id, node, name, violations, row_count, checked_at"
        _insert(connection, "audits", columns, rows)


def published(
    connection: duckdb.DuckDBPyConnection, schema: str, at: int | None = None
) -> dict[str, Published]:
    """What an environment shows: node → its view and snapshot; or what it showed after an earlier
    publication."""
    rows = connection.execute(
        f"SELECT node, view_name, snapshot_id, table_name, fingerprint FROM {STATE}.publication_nodes "
        "WHERE schema_name = $1 AND publication_id <= coalesce($2, publication_id) "
        "QUALIFY row_number() OVER (PARTITION BY node ORDER BY publication_id DESC) = 1",
        [schema, at],
    ).fetchall()
    return {row[0]: _published(*row) for row in rows if row[2] is not None}


def _published(node: str, view: str, snapshot: str, table: str, fingerprint: str) -> Published:
    return Published(node, view, identifier(snapshot), table, identifier(fingerprint))


def environments(connection: duckdb.DuckDBPyConnection) -> dict[str, Environment]:
    """Schema → environment."""
    rows = connection.execute(
        f"SELECT schema_name, any_value(branch), (SELECT arg_max(commit_id, id) FROM {STATE}.publications p "
        f"WHERE p.schema_name = e.schema_name), min(created_at), max(used_at) FROM {STATE}.environments e "
        "GROUP BY schema_name ORDER BY schema_name"
    ).fetchall()
    return {row[0]: Environment(row[0], row[1], commit_id(row[2]), *row[3:]) for row in rows}


def last_publication(
    connection: duckdb.DuckDBPyConnection, schema: str
) -> tuple[str, datetime] | None:
    """The commit that an environment shows, and since when."""
    rows = connection.execute(
        f"SELECT commit_id, published_at FROM {STATE}.publications WHERE schema_name = $1 ORDER BY id DESC LIMIT 1",
        [schema],
    ).fetchall()
    return (commit_id(rows[0][0]) or "", rows[0][1]) if rows else None


def warnings(connection: duckdb.DuckDBPyConnection, schema: str) -> list[str]:
    """The warnings about what an environment shows."""
    rows = connection.execute(
        f"SELECT warnings FROM {STATE}.publications WHERE schema_name = $1 ORDER BY id DESC LIMIT 1",
        [schema],
    ).fetchall()
    return texts(rows[0][0]) if rows else []


def record_warnings(
    connection: duckdb.DuckDBPyConnection, schema: str, warnings: Sequence[str]
) -> None:
    """Write down the warnings about what an environment shows, with its last publication: the last
    run knows best."""
    connection.execute(
        f"UPDATE {STATE}.publications SET warnings = $1 WHERE schema_name = $2 AND id = (SELECT max(id) "
        f"FROM {STATE}.publications WHERE schema_name = $2) AND coalesce(warnings, '[]') <> $1",
        [json.dumps(list(warnings)), schema],
    )


def touch_environment(connection: duckdb.DuckDBPyConnection, schema: str, branch: str) -> None:
    known = connection.execute(
        f"SELECT count(*) FROM {STATE}.environments WHERE schema_name = $1", [schema]
    ).fetchall()
    if known[0][0]:  # a clock that went back makes nothing older than it is
        connection.execute(
            f"UPDATE {STATE}.environments SET used_at = greatest(used_at, $1) WHERE schema_name = $2",
            [now(), schema],
        )
    else:
        connection.execute(
            f"INSERT INTO {STATE}.environments VALUES ($1, $2, $3, $3)", [schema, branch, now()]
        )


def forget_environment(connection: duckdb.DuckDBPyConnection, schema: str) -> None:
    for table in ("environments", "publications", "publication_nodes", "exposures", "runs"):
        connection.execute(f"DELETE FROM {STATE}.{table} WHERE schema_name = $1", [schema])


def record_removal(connection: duckdb.DuckDBPyConnection, schema: str) -> None:
    """Remember that an environment was there, for whoever asks it."""
    connection.execute(
        f"INSERT INTO {STATE}.runs VALUES ($1, $2, 'env delete', $3, $3, $4, NULL)",
        [uuid.uuid4().hex, schema, now(), REMOVED],
    )


def begin_run(
    connection: duckdb.DuckDBPyConnection, run_id: str, schema: str, command: str
) -> None:
    connection.execute(
        f"INSERT INTO {STATE}.runs VALUES ($1, $2, $3, $4, NULL, 'running', NULL)",
        [run_id, schema, command, now()],
    )


def end_run(
    connection: duckdb.DuckDBPyConnection, run_id: str, status: str, message: str | None
) -> None:
    connection.execute(
        f"UPDATE {STATE}.runs SET ended_at = $1, status = $2, message = $3 WHERE id = $4",
        [now(), status, message, run_id],
    )


def was_removed(connection: duckdb.DuckDBPyConnection, schema: str) -> bool:
    """Whether somebody removed an environment, and nobody has run it since."""
    rows = connection.execute(
        f"SELECT status FROM {STATE}.runs WHERE schema_name = $1 ORDER BY rowid DESC LIMIT 1",
        [schema],
    ).fetchall()
    return bool(rows) and rows[0][0] == REMOVED


def last_run(connection: duckdb.DuckDBPyConnection, schema: str) -> Run | None:
    rows = connection.execute(
        "SELECT schema_name, command, started_at, status, message "
        f"FROM {STATE}.runs WHERE schema_name = $1 AND status <> '{REMOVED}' "
        "ORDER BY rowid DESC LIMIT 1",
        [schema],
    ).fetchall()
    return Run(*rows[0]) if rows else None


def exposure_paths(connection: duckdb.DuckDBPyConnection) -> set[str]:
    """Every path that was ever delivered to."""
    return {
        row[0]
        for row in connection.execute(f"SELECT DISTINCT path FROM {STATE}.exposures").fetchall()
    }


def delivered(connection: duckdb.DuckDBPyConnection) -> list[DeliveredPath]:
    """Every delivery that was made, or was about to be."""
    rows = connection.execute(
        "SELECT DISTINCT schema_name, path, definition::JSON ->> 'path', content "
        f"FROM {with_later_columns('exposures')} WHERE content IS NOT NULL OR snapshot_id <> ''"
    ).fetchall()
    return [DeliveredPath(*row) for row in rows]


def record_exposure(connection: duckdb.DuckDBPyConnection, schema: str, delivery: Delivery) -> None:
    """Remember that a file was delivered, after the last publication of an environment."""
    connection.execute(
        f"INSERT INTO {STATE}.exposures (schema_name, node, snapshot_id, path, written_at, publication_id, table_name, "
        "definition, content) SELECT $1, $2, $3, $4, $5, (SELECT max(id) FROM "
        f"{STATE}.publications WHERE schema_name = $1), $6, $7, $8",
        [
            schema,
            delivery.node,
            delivery.snapshot,
            str(delivery.path),
            now(),
            delivery.table,
            json.dumps(dict(delivery.definition or {})),
            delivery.content,
        ],
    )
