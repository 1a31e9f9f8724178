"""Snapshot tables and their records, and the answers of checks."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seeknal_git.names import STATE
from seeknal_git.sql.engine import SqlError
from seeknal_git.warehouse import pieces, protocol, unused_pieces, unused_tables
from seeknal_git.warehouse.catalog import Catalog
from seeknal_git.warehouse.forms import (
    identifier,
    mapping,
    numbers,
    packed,
    packed_part,
    part,
    query,
)
from seeknal_git.warehouse.model.clock import now
from seeknal_git.warehouse.model.pieces import Piece, Store
from seeknal_git.warehouse.model.queries import relation
from seeknal_git.warehouse.model.snapshots import Audit, Part, Snapshot
from seeknal_git.warehouse.model.unused import Rules, Unnamed, UnusedPieces
from seeknal_git.warehouse.state_tables import insert, with_later_columns

if TYPE_CHECKING:
    import duckdb

    from seeknal_git.sql.statement import Columns

# Field of a snapshot → its expression in the state table. An earlier version had no builds, and
# nothing is known of its tables.
_FIELDS = {
    "id": "id",
    "node": "node",
    "table_name": "table_name",
    "fingerprint": "fingerprint",
    "data_version": "data_version",
    "row_count": "row_count",
    "built_at": "built_at",
    "seconds": "seconds",
    "identity": "coalesce(identity, id)",
    "build": "coalesce(build, '')",
    "unstable": "coalesce(unstable, true)",
    "form": "coalesce(form, '')",
    "pieces": "coalesce(pieces, '')",
    "query": "query",
    "reads": "reads",
    "part": "part",
}


@dataclass(frozen=True, slots=True)
class SnapshotTables(protocol.Snapshots):
    connection: duckdb.DuckDBPyConnection
    catalog: Catalog

    def find(self, fingerprints: Iterable[str]) -> tuple[list[Snapshot], list[Snapshot]]:
        rows = self.connection.execute(
            f"SELECT {', '.join(_FIELDS.values())} FROM {with_later_columns('snapshots')} "
            "WHERE fingerprint IN (SELECT unnest($1::VARCHAR[])) ORDER BY number",
            [sorted(fingerprints)],
        ).fetchall()
        tables, folder = self.tables(), self.catalog.folder
        there: list[Snapshot] = []
        gone: list[Snapshot] = []
        for row in rows:
            snapshot = _snapshot(row, folder)
            (there if tables.issuperset(snapshot.tables) else gone).append(snapshot)
        return there, gone

    def tables(self) -> set[str]:
        return self.catalog.snapshots()

    def columns(self, tables: Sequence[str]) -> dict[str, Columns]:
        return self.catalog.columns(tables)

    def readings(self, tables: Sequence[str]) -> dict[str, dict[str, Any]]:
        rows = self.connection.execute(
            f"SELECT table_name, reading FROM {with_later_columns('snapshots')} "
            "WHERE reading IS NOT NULL AND table_name IN (SELECT unnest($1::VARCHAR[])) "
            "ORDER BY number",
            [sorted(tables)],
        ).fetchall()
        return {table: mapping(text) for table, text in rows}

    def pieces(self, snapshot: Snapshot) -> list[Piece]:
        return pieces.of_snapshot(self.connection, snapshot)

    def store(self, storage: str, there: Collection[str]) -> Store | None:
        if not pieces.are_recorded(self.catalog):
            return None
        return pieces.store_of(self.connection, storage, there)

    def parts(self, ids: Sequence[str]) -> dict[str, Part]:
        rows = self.connection.execute(
            f"SELECT id, part FROM {with_later_columns('snapshots')} "
            "WHERE part IS NOT NULL AND id IN (SELECT unnest($1::VARCHAR[])) ORDER BY number",
            [sorted(ids)],
        ).fetchall()
        return {id_: found for id_, text in rows if (found := part(text))}

    def audits(self, ids: Sequence[str]) -> dict[str, Audit]:
        if not ids:
            return {}
        rows = self.connection.execute(
            f"SELECT id, node, name, violations, row_count FROM {STATE}.audits "
            "WHERE id IN (SELECT unnest($1::VARCHAR[])) ORDER BY rowid",
            [sorted(ids)],
        ).fetchall()
        audits = (Audit(*row) for row in rows)
        return {audit.id: audit for audit in audits}

    def files(self) -> dict[str, tuple[str, str]]:
        rows = self.connection.execute(
            f"SELECT node, reading FROM {with_later_columns('snapshots')} "
            "WHERE reads LIKE '@%' AND reading IS NOT NULL ORDER BY number"
        ).fetchall()
        kept = ((node, mapping(text).get("files")) for node, text in rows)
        return {
            file: (node, str(path))
            for node, files in kept
            if isinstance(files, dict)  # somebody else may have written the state
            for file, path in files.items()
        }

    def kept(self, rules: Rules) -> dict[str, str]:
        return unused_tables.kept_tables(self.catalog, rules)

    def kept_files(self, rules: Rules) -> set[str]:
        return unused_tables.kept_files(self.connection, rules)

    def unnamed(self, kept: Collection[str]) -> list[Unnamed]:
        return unused_tables.unnamed(self.catalog, kept)

    def unused_pieces(self, rules: Rules) -> list[UnusedPieces]:
        return unused_pieces.unused(self.catalog, rules)

    def drop_pieces(self, pieces: Sequence[UnusedPieces]) -> None:
        self.catalog.change(partial(unused_pieces.drop, self.catalog, pieces))
        self.catalog.tidy()

    def drop(self, tables: Sequence[str]) -> None:
        self.catalog.change(partial(unused_tables.drop_tables, self.catalog, tables))
        self.catalog.dropped(tables)
        self.catalog.tidy()


def _snapshot(row: Sequence[Any], folder: Path | None) -> Snapshot:
    """A snapshot from the values of `_FIELDS`."""
    number, *rest, form, kept, text, reads, partial = row
    return replace(
        Snapshot(identifier(number), *rest),
        query=query(text, reads, folder),
        form=form,
        pieces=numbers(kept),
        part=part(partial),
    )


def need_snapshot(connection: duckdb.DuckDBPyConnection, table: str) -> Snapshot:
    """The snapshot of a table that is there, by its last record. Raises SqlError."""
    rows = connection.execute(
        f"SELECT {', '.join(_FIELDS.values())} FROM {with_later_columns('snapshots')} "
        "WHERE table_name = $1 ORDER BY number DESC LIMIT 1",
        [table],
    ).fetchall()
    if not rows:
        raise SqlError(f"{relation(table)} is there, and nobody has recorded it: drop it")
    return _snapshot(rows[0], None)


def record_snapshots(
    connection: duckdb.DuckDBPyConnection,
    made: Iterable[tuple[Snapshot, Mapping[str, Any] | None]],
) -> None:
    """Record tables that were built. A source's comes with how its files were read, and with its
    columns without values."""
    rows = [
        (
            snapshot.id,
            snapshot.node,
            snapshot.table,
            snapshot.fingerprint,
            snapshot.data_version,
            snapshot.rows,
            snapshot.built_at,
            snapshot.seconds,
            snapshot.identity,
            snapshot.build,
            snapshot.unstable,
            snapshot.form,
            snapshot.pieces,
            *packed(snapshot.query),
            packed_part(snapshot.part),
            json.dumps(reading) if reading else None,
        )
        for snapshot, reading in made
    ]
    insert(connection, "snapshots", [*_FIELDS, "reading"], rows)


def record_audits(connection: duckdb.DuckDBPyConnection, made: Iterable[Audit]) -> None:
    columns = ("id", "node", "name", "violations", "row_count", "checked_at")
    rows = [
        (audit.id, audit.node, audit.name, audit.violations, audit.rows, now()) for audit in made
    ]
    insert(connection, "audits", columns, rows)
