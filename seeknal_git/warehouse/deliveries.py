"""The files of exposures."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seeknal_git.names import STATE, literal, quote
from seeknal_git.warehouse import protocol
from seeknal_git.warehouse.engine_errors import refusals
from seeknal_git.warehouse.forms import delivered
from seeknal_git.warehouse.model import DeliveredPath, Delivery, now, relation
from seeknal_git.warehouse.state_tables import with_later_columns

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True, slots=True)
class DeliveryRecords(protocol.Deliveries):
    connection: duckdb.DuckDBPyConnection

    def last(self, schema: str, at: int | None = None) -> dict[str, Delivery]:
        rows = self.connection.execute(_last_deliveries(), [schema, at]).fetchall()
        return {
            node: Delivery(node, snapshot, Path(path), table, delivered(definition), content)
            for node, snapshot, path, table, definition, content in rows
        }

    def ever(self) -> list[DeliveredPath]:
        rows = self.connection.execute(
            "SELECT DISTINCT schema_name, path, definition::JSON ->> 'path', content "
            f"FROM {with_later_columns('exposures')} "
            "WHERE content IS NOT NULL OR snapshot_id <> ''"
        ).fetchall()
        return [DeliveredPath(*row) for row in rows]

    def paths(self) -> set[str]:
        rows = self.connection.execute(f"SELECT DISTINCT path FROM {STATE}.exposures").fetchall()
        return {path for (path,) in rows}

    def record(self, schema: str, delivery: Delivery) -> None:
        self.connection.execute(
            f"INSERT INTO {STATE}.exposures (schema_name, node, snapshot_id, path, written_at, "
            "publication_id, table_name, definition, content) SELECT $1, $2, $3, $4, $5, "
            f"(SELECT max(id) FROM {STATE}.publications WHERE schema_name = $1), $6, $7, $8",
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

    def write(self, table: str, definition: Mapping[str, Any], target: Path) -> None:
        options = [f"FORMAT {definition['format']}"]
        if definition["format"] == "csv":
            options.append("HEADER")
        if definition["compression"]:
            options.append(f"COMPRESSION {literal(definition['compression'])}")
        if definition["partition_by"]:
            options.append(f"PARTITION_BY ({', '.join(map(quote, definition['partition_by']))})")
        rows = f"SELECT * FROM {relation(table)}"
        with refusals():
            self.connection.execute(
                f"COPY ({rows}) TO {literal(str(target))} ({', '.join(options)})"
            )


def _last_deliveries() -> str:
    """The SELECT of an environment's deliveries; its parameters are a schema and a publication."""
    # Paths are compared as they were written, and by their place in the project: the data root may
    # have been moved, and older versions recorded only the path.
    overlap = " OR ".join(
        f"starts_with({one} || '/', {other} || '/')"
        for name in ("path", "place")
        for one, other in ((f"e.{name}", f"f.{name}"), (f"f.{name}", f"e.{name}"))
    )
    publication = (
        f"SELECT max(p.id) FROM {STATE}.publications p "
        "WHERE p.schema_name = $1 AND p.published_at <= d.written_at"
    )
    return (
        "WITH d AS (SELECT *, definition::JSON ->> 'path' AS place, "
        f"coalesce(publication_id, ({publication}), 0) AS after "
        f"FROM {with_later_columns('exposures')} d WHERE schema_name = $1), "
        "e AS (FROM d WHERE $2 IS NULL OR (after <= $2 AND snapshot_id <> '')), "
        "f AS (FROM e QUALIFY row_number() OVER (PARTITION BY node ORDER BY number DESC) = 1) "
        "SELECT node, snapshot_id, path, table_name, definition, content FROM f "
        f"WHERE NOT EXISTS (FROM e WHERE e.node <> f.node AND e.number > f.number AND ({overlap}))"
    )
