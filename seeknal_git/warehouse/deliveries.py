"""The files of exposures."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seeknal_git.names import STATE
from seeknal_git.warehouse import protocol
from seeknal_git.warehouse.copied import copied
from seeknal_git.warehouse.engine_errors import refusals
from seeknal_git.warehouse.forms import delivered
from seeknal_git.warehouse.guard import ALONE, Guard
from seeknal_git.warehouse.model.clock import now
from seeknal_git.warehouse.model.deliveries import Changed, DeliveredPath, Delivery
from seeknal_git.warehouse.state_tables import of_living, with_later_columns

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True, slots=True)
class DeliveryRecords(protocol.Deliveries):
    connection: duckdb.DuckDBPyConnection
    guard: Guard = ALONE

    def last(self, schema: str, at: int | None = None) -> dict[str, Delivery]:
        rows = self.connection.execute(
            _last_of_each_path(at is not None), [schema] if at is None else [schema, at]
        ).fetchall()
        last = {node: number for number, (_, node, *_) in enumerate(rows)}
        return {
            node: _delivery(*rows[number][1:])
            for node, number in last.items()
            if not any(_overwrites(later, rows[number]) for later in rows[number + 1 :])
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

    def write(self, relation: str, definition: Mapping[str, Any], target: Path) -> None:
        rows = f"SELECT * FROM {relation}"
        with refusals():
            self.guard.need_reachable(self.connection, rows)
            copied(self.connection, rows, definition, target)

    def write_changed(self, delivery: Delivery, before: str, target: Path) -> Changed | None:
        from seeknal_git.warehouse import changed_folders

        with refusals():
            return changed_folders.write(self.connection, self.guard, delivery, before, target)


def _delivery(
    node: str, snapshot: str, path: str, table: str | None, *more: str | None
) -> Delivery:
    definition, content = more
    return Delivery(node, snapshot, Path(path), table, delivered(definition), content)


def _last_of_each_path(before: bool) -> str:
    """The SELECT of an environment's last delivery of each path of each exposure, oldest first. Its
    parameters are a schema and, if `before`, the publication before which deliveries count, if they
    are whole."""
    publication = (
        f"SELECT max(p.id) FROM {STATE}.publications p "
        "WHERE p.schema_name = $1 AND p.published_at <= written_at"
    )
    counts = f"AND snapshot_id <> '' AND coalesce(publication_id, ({publication}), 0) <= $2"
    return (
        "SELECT definition::JSON ->> 'path' AS place, node, snapshot_id, path, table_name, "
        f"definition, content FROM {of_living('exposures')} "
        f"WHERE schema_name = $1 {counts if before else ''} "
        "QUALIFY row_number() OVER (PARTITION BY node, path, place ORDER BY number DESC) = 1 "
        "ORDER BY number"
    )


def _overwrites(later: tuple[Any, ...], earlier: tuple[Any, ...]) -> bool:
    """Whether a delivery writes the file of another exposure, or one above or below it. Paths are
    compared as they were written, and by their place in the project: the data root may have been
    moved, and older versions recorded only the path."""
    later_place, later_node, _, later_path, *_ = later
    place, node, _, path, *_ = earlier
    return later_node != node and (_overlap(later_path, path) or _overlap(later_place, place))


def _overlap(one: str | None, other: str | None) -> bool:
    if one is None or other is None:
        return False
    return f"{one}/".startswith(f"{other}/") or f"{other}/".startswith(f"{one}/")
