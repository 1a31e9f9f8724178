"""The publications of each environment: one record for each, and its effect on each node."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from seeknal_git.names import SNAPSHOTS, STATE
from seeknal_git.warehouse import protocol, publish
from seeknal_git.warehouse.catalog import Catalog
from seeknal_git.warehouse.forms import commit_id, texts
from seeknal_git.warehouse.model.publications import Move, Outcome, Publication, Record, Warned
from seeknal_git.warehouse.state_tables import TABLES_OF_VIEW, of_living

if TYPE_CHECKING:
    import duckdb

_MOVES = f"""
SELECT publication_id, node,
    CASE
        WHEN snapshot_id IS NULL THEN 'removed'
        WHEN was IS NULL THEN 'added'
        WHEN was = table_name THEN 'restored'
        ELSE 're-pointed'
    END,
    rows_before, rows_after, built
FROM (
    SELECT *, lag(table_name) OVER (PARTITION BY node ORDER BY publication_id) AS was
    FROM {of_living("publication_nodes")} WHERE schema_name = $1
)
WHERE publication_id IN (SELECT unnest($2::BIGINT[])) ORDER BY publication_id, node"""
# A node is shown from the publication that points its view to a table until the next one that
# re-points it.
_LOST = f"""
WITH
    spans AS (
        SELECT node, unnest({TABLES_OF_VIEW}) AS table_name, first, until
        FROM (
            SELECT *, publication_id AS first,
                lead(publication_id) OVER (PARTITION BY node ORDER BY publication_id) AS until
            FROM {of_living("publication_nodes")} WHERE schema_name = $1
        )
    ),
    there AS (
        SELECT unnest($2::VARCHAR[]) AS table_name
    )
SELECT p.id, list(DISTINCT s.node ORDER BY s.node)
FROM spans s JOIN {of_living("publications")} p
    ON p.schema_name = $1 AND p.id >= s.first AND (s.until IS NULL OR p.id < s.until)
WHERE s.table_name NOT IN (FROM there) GROUP BY p.id"""
_ROWS = f"""
SELECT n.node,
    coalesce(n.rows_after, (
        SELECT arg_max(s.row_count, s.rowid) FROM {STATE}.snapshots s
        WHERE s.table_name = n.table_name
    ))
FROM (
    SELECT * FROM {of_living("publication_nodes")}
    WHERE schema_name = $1 AND publication_id <= $2
    QUALIFY row_number() OVER (PARTITION BY node ORDER BY publication_id DESC) = 1
) n
WHERE n.snapshot_id IS NOT NULL"""


@dataclass(frozen=True, slots=True)
class PublicationRecords(protocol.Publications):
    connection: duckdb.DuckDBPyConnection
    catalog: Catalog

    def publish(self, publication: Publication) -> Outcome:
        return publish.publish(self.catalog, publication)

    def records(self, schema: str) -> list[Record]:
        return self._records(schema)

    def last(self, schema: str) -> Record | None:
        return next(iter(self._records(schema, "LIMIT 1")), None)

    def moves(self, schema: str, ids: Sequence[int]) -> dict[int, list[Move]]:
        moves: dict[int, list[Move]] = {number: [] for number in ids}
        for number, *rest in self.connection.execute(_MOVES, [schema, list(ids)]).fetchall():
            moves[number].append(Move(*rest))
        return moves

    def lost(self, schema: str) -> dict[int, list[str]]:
        there = self.catalog.tables_now(SNAPSHOTS)
        return dict(self.connection.execute(_LOST, [schema, sorted(there)]).fetchall())

    def rows(self, schema: str, at: int) -> dict[str, int | None]:
        return dict(self.connection.execute(_ROWS, [schema, at]).fetchall())

    def warnings(self, schema: str) -> list[Warned]:
        last = self.last(schema)
        return list(last.warnings) if last else []

    def record_warnings(self, schema: str, warnings: Sequence[Warned]) -> None:
        last = self.last(schema)
        if last is None or list(last.warnings) == list(warnings):
            return
        self.connection.execute(
            f"INSERT INTO {STATE}.publications BY NAME "
            "SELECT * EXCLUDE (number) REPLACE ($1 AS warnings) "
            f"FROM {of_living('publications')} WHERE schema_name = $2 AND id = $3",
            [json.dumps(list(map(str, warnings))), schema, last.id],
        )

    def _records(self, schema: str, most: str = "") -> list[Record]:
        rows = self.connection.execute(
            "SELECT id, commit_id, author, command, published_at, seconds, merged, restores, "
            "built, reused, removed, base, publisher, clone, edited, reason, warnings "
            f"FROM {of_living('publications')} WHERE schema_name = $1 "
            f"ORDER BY id DESC {most}",
            [schema],
        ).fetchall()
        return [_record(*row) for row in rows]


def _record(*row: Any) -> Record:
    *values, warnings = row
    record = Record(*values)
    return replace(
        record,
        commit=commit_id(record.commit) or "",
        base=commit_id(record.base),
        warnings=tuple(_warned(warnings)),
    )


def _warned(kept: str | None) -> list[Warned]:
    """Warnings as the state keeps them: texts, each with the id of its node in front."""
    pairs = (text.partition(": ") for text in texts(kept))
    return [Warned(node, message) for node, _, message in pairs]
