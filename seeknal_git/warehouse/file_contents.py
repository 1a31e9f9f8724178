"""Look at a warehouse file that is to be copied into a lake."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from seeknal_git.names import SNAPSHOTS, STATE, STATE_SCHEMA
from seeknal_git.sql.lake_types import Unheld, unheld
from seeknal_git.warehouse.environments import EnvironmentViews
from seeknal_git.warehouse.model.copies import Contents, Obstacle
from seeknal_git.warehouse.stamp import stamp_of
from seeknal_git.warehouse.state_tables import TABLES_OF_VIEW, with_later_columns

if TYPE_CHECKING:
    from seeknal_git.warehouse.catalog import Catalog
    from seeknal_git.warehouse.model.environments import Published

Shown = Mapping[str, Mapping[str, "Published"]]


def contents_of(path: Path, catalog: Catalog) -> Contents:
    """The tables, environments and state of a file that is open for reading. A table without a
    record is the rest of something that failed, and is none of it."""
    connection = catalog.connection
    environments = EnvironmentViews(connection, catalog)
    shown = {schema: environments.shown(schema) for schema in environments.all()}
    nodes = _recorded(catalog)
    tables = {table: nodes[table] for table in sorted(catalog.snapshots()) if table in nodes}
    wrong = dict(_unheld(catalog, tables))
    needed = {
        table
        for views in shown.values()
        for published in views.values()
        for table in published.tables
    }
    return Contents(
        path=path,
        stamp=stamp_of(connection, catalog.snapshots()),
        tables={table: node for table, node in tables.items() if table not in wrong},
        rows=_rows(catalog),
        environments=shown,
        obstacles=[
            *_with_columns({table: wrong[table] for table in wrong if table in needed}, shown),
            *_in_place(shown),
        ],
        left={
            table: f"its column {column.column} is of type {column.type}"
            for table, column in wrong.items()
            if table not in needed
        },
        foreign=[
            found
            for schema, views in shown.items()
            for found in catalog.made_by_others(schema, views.values()).values()
        ],
    )


def _recorded(catalog: Catalog) -> dict[str, str]:
    """Table → the node that it was built for, of all tables in the state."""
    if "snapshots" not in catalog.tables(STATE_SCHEMA):
        return {}
    rows = catalog.connection.execute(
        f"SELECT unnest({TABLES_OF_VIEW}), node FROM {with_later_columns('snapshots')} "
        "ORDER BY number DESC"
    ).fetchall()
    pieces = "pieces" in catalog.tables(STATE_SCHEMA)
    of_pieces = f"SELECT DISTINCT table_name, table_name FROM {STATE}.pieces"
    found = catalog.connection.execute(of_pieces).fetchall() if pieces else []
    return {**dict(found), **dict(rows)}


def _rows(catalog: Catalog) -> int:
    rows = catalog.connection.execute(
        "SELECT coalesce(sum(estimated_size), 0)::BIGINT FROM duckdb_tables() "
        "WHERE database_name = 'warehouse' AND schema_name = $1",
        [SNAPSHOTS],
    ).fetchall()
    return int(rows[0][0])


def _unheld(catalog: Catalog, tables: Iterable[str]) -> Iterator[tuple[str, Unheld]]:
    """Tables that a lake does not hold, with the first such column of each."""
    collated = catalog.connection.execute(
        r"SELECT table_name, regexp_extract(sql, '[(,] ?\"?(\w+)\"? VARCHAR COLLATE', 1) "
        "FROM duckdb_tables() WHERE database_name = 'warehouse' AND schema_name = $1 "
        r"AND regexp_matches(sql, 'VARCHAR COLLATE \w+[,)]')",
        [SNAPSHOTS],
    ).fetchall()
    known = {table: Unheld(column, "VARCHAR COLLATE", "VARCHAR") for table, column in collated}
    for table, columns in catalog.columns(list(tables)).items():
        found = (unheld(name, word) for name, word in columns)
        if column := known.get(table) or next(filter(None, found), None):
            yield table, column


def _with_columns(wrong: Mapping[str, Unheld], shown: Shown) -> Iterator[Obstacle]:
    """The nodes whose own tables a lake does not hold."""
    nodes: dict[tuple[str, str], list[str]] = {}
    for schema, views in shown.items():
        for node, published in views.items():
            for table in published.tables:
                if table in wrong and not (published.query and len(published.tables) > 1):
                    nodes.setdefault((node, table), []).append(schema)
    for (node, table), schemas in nodes.items():
        yield Obstacle(node, schemas, wrong[table])


def _in_place(shown: Shown) -> Iterator[Obstacle]:
    """The nodes whose views read files of this clone, which no other machine has."""
    nodes: dict[str, list[str]] = {}
    for schema, views in shown.items():
        for node, published in views.items():
            if published.files:
                nodes.setdefault(node, []).append(schema)
    for node, schemas in nodes.items():
        yield Obstacle(node, schemas, None)
