"""The schema `_seeknal`: a warehouse's record of itself, written in the same transactions as the
data.

| table | one row for each |
| --- | --- |
| snapshots | table that was built, with its id, identity, node, fingerprint and data version |
| pieces | piece of a partitioned node, by its table and number |
| audits | check that was made: the rows that violate it, and all rows |
| environments | use of an environment: its schema, its branch, and when it was used |
| publications | time that an environment's views were re-pointed, or that its warnings changed |
| publication_nodes | node that a publication re-pointed; without a snapshot, it was removed |
| exposures | file that was delivered, from which table, and after which publication |
| runs | beginning of a run that had something to do, and end of one; end of an environment |
| project | mark by which the clones of a project know their warehouse (see owner.py) |

Rows are appended, and the last one counts; only `gc` takes any away. So writers on several machines
are in nobody's way. Clocks go back, so ids and the order of rows (`rowid`) say which is the last,
never a time.

An environment that was deleted leaves its rows. The record of its end, in `runs`, has the number of
its last publication: rows with a greater number are of its next life.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from seeknal_git.names import SNAPSHOTS, STATE, WAREHOUSE, qualified
from seeknal_git.warehouse.model.environments import REMOVED

if TYPE_CHECKING:
    import duckdb

_FIRST_COLUMNS = {
    "snapshots": {
        "id": "VARCHAR",
        "node": "VARCHAR",
        "table_name": "VARCHAR",
        "fingerprint": "VARCHAR",
        "data_version": "VARCHAR",
        "row_count": "BIGINT",
        "built_at": "TIMESTAMP",
        "seconds": "DOUBLE",
    },
    "pieces": {
        "table_name": "VARCHAR",
        "number": "BIGINT",
        "id": "VARCHAR",
        "storage": "VARCHAR",
        "ordinal": "BIGINT",
        "row_count": "BIGINT",
        "origins": "VARCHAR",
        "file": "VARCHAR",
    },
    "audits": {
        "id": "VARCHAR",
        "node": "VARCHAR",
        "name": "VARCHAR",
        "violations": "BIGINT",
        "row_count": "BIGINT",
        "checked_at": "TIMESTAMP",
    },
    "environments": {
        "schema_name": "VARCHAR",
        "branch": "VARCHAR",
        "created_at": "TIMESTAMP",
        "used_at": "TIMESTAMP",
    },
    "publications": {
        "id": "BIGINT",
        "schema_name": "VARCHAR",
        "branch": "VARCHAR",
        "commit_id": "VARCHAR",
        "author": "VARCHAR",
        "command": "VARCHAR",
        "published_at": "TIMESTAMP",
        "reused": "INTEGER",
        "built": "INTEGER",
        "removed": "INTEGER",
    },
    "publication_nodes": {
        "publication_id": "BIGINT",
        "schema_name": "VARCHAR",
        "node": "VARCHAR",
        "view_name": "VARCHAR",
        "snapshot_id": "VARCHAR",
        "table_name": "VARCHAR",
        "fingerprint": "VARCHAR",
    },
    "exposures": {
        "schema_name": "VARCHAR",
        "node": "VARCHAR",
        "snapshot_id": "VARCHAR",
        "path": "VARCHAR",
        "written_at": "TIMESTAMP",
    },
    "project": {"folder": "VARCHAR", "mark": "VARCHAR"},
    "runs": {
        "id": "VARCHAR",
        "schema_name": "VARCHAR",
        "command": "VARCHAR",
        "started_at": "TIMESTAMP",
        "ended_at": "TIMESTAMP",
        "status": "VARCHAR",
        "message": "VARCHAR",
    },
}
# Columns that came later. To add one that exists costs a tenth of a millisecond and writes nothing.
# `query` and `reads` are of a view over several tables or files: its SELECT around their names, as
# JSON, and their names, with blanks between them. `form` and `pieces` are of a node in pieces, and
# `part` is of a table in part.
LATER_COLUMNS = {
    "snapshots": {
        "identity": "VARCHAR",
        "build": "VARCHAR",
        "unstable": "BOOLEAN",
        "reading": "VARCHAR",
        "query": "VARCHAR",
        "reads": "VARCHAR",
        "form": "VARCHAR",
        "pieces": "VARCHAR",
        "part": "VARCHAR",
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
    "publication_nodes": {
        "rows_before": "BIGINT",
        "rows_after": "BIGINT",
        "built": "BOOLEAN",
        "query": "VARCHAR",
        "reads": "VARCHAR",
    },
    "environments": {"publication_id": "BIGINT"},
    "runs": {"publication_id": "BIGINT"},
    "exposures": {
        "publication_id": "BIGINT",
        "table_name": "VARCHAR",
        "definition": "VARCHAR",
        "content": "VARCHAR",
    },
}
# In SQL, the snapshot tables that a row of `snapshots` or `publication_nodes` needs.
TABLES_OF_VIEW = r"regexp_extract_all(coalesce(reads, table_name), '(?:^| )(\w+)', 1)"
# The same, for kept files.
FILES_OF_VIEW = r"regexp_extract_all(coalesce(reads, ''), '@\w+')"
# In SQL, the bounds of all times.
EARLIEST, LATEST = "TIMESTAMP '1970-01-01'", "TIMESTAMP '9000-01-01'"
_MAY_BE_NULL = {
    "snapshots": {"data_version"},
    "pieces": {"ordinal", "file"},
    "publication_nodes": {"snapshot_id", "table_name", "fingerprint"},
    "runs": {"ended_at", "message"},
}
# State table → its columns, with their types.
STATE_FORM = {
    table: columns | LATER_COLUMNS.get(table, {}) for table, columns in _FIRST_COLUMNS.items()
}
# Of tables in which a row is about one environment, the number of its publication.
_NUMBER = {
    "environments": "publication_id",
    "publications": "id",
    "publication_nodes": "publication_id",
    "exposures": "publication_id",
}

STATE_TABLES = "; ".join(
    [
        f"CREATE SCHEMA IF NOT EXISTS {STATE}",
        f"CREATE SCHEMA IF NOT EXISTS {qualified(WAREHOUSE, SNAPSHOTS)}",
        *(
            f"CREATE TABLE IF NOT EXISTS {STATE}.{table} "
            f"({', '.join(f'{name} {kind}' for name, kind in columns.items())})"
            for table, columns in _FIRST_COLUMNS.items()
        ),
        *(
            f"ALTER TABLE {STATE}.{table} ADD COLUMN IF NOT EXISTS {name} {kind}"
            for table, later in LATER_COLUMNS.items()
            for name, kind in later.items()
        ),
    ]
)


def first_columns(table: str) -> dict[str, str]:
    """The columns that a state table has had from the start, with their types; none if it is not a
    table of ours."""
    return _FIRST_COLUMNS.get(table, {})


def always_there(table: str) -> list[str]:
    """The columns of a state table that hold a value in every row."""
    return [name for name in first_columns(table) if name not in _MAY_BE_NULL.get(table, ())]


def with_later_columns(table: str) -> str:
    """A state table in SQL, also if it lacks later columns: a warehouse that is only read keeps its
    old form. Its column `number` is the order of the rows."""
    later = ", ".join(f"NULL::{kind} AS {name}" for name, kind in LATER_COLUMNS[table].items())
    return (
        f"(SELECT rowid AS number, * FROM {STATE}.{table} "
        f"UNION ALL BY NAME (SELECT {later} WHERE false))"
    )


def of_living(table: str) -> str:
    """The rows of a state table that are about an environment which has not been deleted since, in
    SQL, as `with_later_columns` gives them; of each publication, the last one."""
    ends = (
        "SELECT schema_name, max(publication_id) AS last "
        f"FROM {with_later_columns('runs')} WHERE status = '{REMOVED}' GROUP BY schema_name"
    )
    last = ""
    if table == "publications":
        last = (
            " QUALIFY row_number() OVER (PARTITION BY r.schema_name, id ORDER BY number DESC) = 1"
        )
    return (
        f"(SELECT r.* FROM {with_later_columns(table)} AS r "
        f"LEFT JOIN ({ends}) AS e ON e.schema_name = r.schema_name "
        f"WHERE (e.last IS NULL OR r.{_NUMBER[table]} > e.last){last})"
    )


def insert(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[Any]],
) -> None:
    """Append rows to a state table with one statement."""
    if not rows:
        return
    types = first_columns(table) | LATER_COLUMNS.get(table, {})
    values = ", ".join(
        f"unnest(${number}::{types[name]}[])" for number, name in enumerate(columns, 1)
    )
    connection.execute(
        f"INSERT INTO {STATE}.{table} ({', '.join(columns)}) SELECT {values}",
        [list(column) for column in zip(*rows, strict=True)],
    )
