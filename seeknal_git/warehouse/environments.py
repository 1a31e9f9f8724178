"""The views of each environment, and the record of the nodes that it shows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import duckdb

from seeknal_git.names import SNAPSHOTS, WAREHOUSE, qualified
from seeknal_git.warehouse import catalog, protocol, publish, runs, unused_tables
from seeknal_git.warehouse.catalog import Catalog
from seeknal_git.warehouse.forms import commit_id
from seeknal_git.warehouse.model.environments import EnvironmentRecord, Foreign, Published
from seeknal_git.warehouse.shown import shown
from seeknal_git.warehouse.state_tables import TABLES_OF_VIEW, of_living

if TYPE_CHECKING:
    from seeknal_git.sql.statement import Columns

# The last record of a node says which table its environment shows.
_MISSING = f"""
WITH
    shown AS (
        SELECT schema_name, node, {TABLES_OF_VIEW} AS tables
        FROM {of_living("publication_nodes")}
        WHERE schema_name IN (SELECT schema_name FROM {of_living("environments")})
        QUALIFY row_number() OVER (
            PARTITION BY schema_name, node ORDER BY publication_id DESC
        ) = 1
    ),
    there AS (
        SELECT unnest($1::VARCHAR[]) AS table_name
    )
SELECT schema_name, list(DISTINCT node ORDER BY node)
FROM (SELECT schema_name, node, unnest(tables) AS table_name FROM shown)
WHERE table_name NOT IN (FROM there)
GROUP BY schema_name ORDER BY schema_name"""


@dataclass(frozen=True, slots=True)
class EnvironmentViews(protocol.Environments):
    connection: duckdb.DuckDBPyConnection
    catalog: Catalog

    def all(self) -> dict[str, EnvironmentRecord]:
        rows = self.connection.execute(
            "SELECT schema_name, any_value(branch), "
            f"(SELECT arg_max(commit_id, id) FROM {of_living('publications')} p "
            "WHERE p.schema_name = e.schema_name), min(created_at), max(used_at) "
            f"FROM {of_living('environments')} e GROUP BY schema_name ORDER BY schema_name"
        ).fetchall()
        return {
            schema: EnvironmentRecord(schema, branch, commit_id(commit), created_at, used_at)
            for schema, branch, commit, created_at, used_at in rows
        }

    def shown(self, schema: str, at: int | None = None) -> dict[str, Published]:
        if at is None:
            return self.catalog.shown(schema)
        return shown(self.connection, schema, at, self.catalog.folder)

    def columns(self, shown: Sequence[Published]) -> dict[str, Columns]:
        found = self.catalog.columns([published.table for published in shown])
        queries = [published.relation for published in shown if published.query]
        self.catalog.guard.need_own_state(self.connection, map("SELECT * FROM {}".format, queries))
        for published in shown:
            if published.query is not None:
                with suppress(duckdb.Error):  # a table that it reads is gone
                    rows = self.connection.execute(f"DESCRIBE FROM {published.relation}").fetchall()
                    found[published.table] = tuple((row[0], row[1]) for row in rows)
        return found

    def missing(self) -> dict[str, list[str]]:
        rows = self.connection.execute(
            _MISSING, [sorted(self.catalog.tables_now(SNAPSHOTS))]
        ).fetchall()
        return dict(rows)

    def views(self, schema: str) -> dict[str, str]:
        return self.catalog.views(schema)

    def astray(self, schema: str) -> set[str]:
        return self.catalog.astray(schema)

    def made_by_others(self, schema: str, shown: Iterable[Published]) -> dict[str, Foreign]:
        return self.catalog.made_by_others(schema, shown)

    def readers(self, schema: str) -> list[str]:
        return unused_tables.readers(self.connection, schema)

    def need_places(self, schema: str, views: Iterable[str]) -> None:
        wanted = list(views)
        if {view.lower() for view in wanted}.isdisjoint(self._by_others(schema)):
            return
        with self.catalog.at_one_moment():
            publish.need_places(self._by_others(schema), wanted)

    def _by_others(self, schema: str) -> dict[str, Foreign]:
        return self.catalog.made_by_others(schema, self.catalog.shown(schema).values())

    def delete(self, schema: str) -> tuple[Foreign, ...]:
        with self.catalog.changing(schema):
            return self.catalog.change(partial(_deleted, self.catalog, schema))

    def was_deleted(self, schema: str) -> bool:
        return runs.was_deleted(self.connection, schema)


def _deleted(known: Catalog, schema: str) -> tuple[Foreign, ...]:
    """Drop the views of an environment, and record its end; returns everything that stays."""
    connection = known.connection
    views = catalog.views_of(connection, schema)
    ours = {
        published.view
        for published in shown(connection, schema).values()
        if views.get(published.view) == published.table
    }
    for view in ours:
        connection.execute(f"DROP VIEW {qualified(WAREHOUSE, schema, view)}")
    known.forget()
    yours = tuple(known.made_by_others(schema, ()).values())
    # `main` is the engine's own, which it does not drop.
    if not (yours or schema == "main" or catalog.has_functions_or_types(connection, schema)):
        connection.execute(f"DROP SCHEMA IF EXISTS {qualified(WAREHOUSE, schema)}")
    runs.record_deletion(connection, schema)
    return yours
