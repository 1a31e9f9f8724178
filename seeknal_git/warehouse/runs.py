"""The runs of each environment, and how they ended."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from seeknal_git.names import STATE
from seeknal_git.warehouse import protocol
from seeknal_git.warehouse.model.clock import now
from seeknal_git.warehouse.model.environments import REMOVED
from seeknal_git.warehouse.model.publications import Run

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True, slots=True)
class RunRecords(protocol.Runs):
    connection: duckdb.DuckDBPyConnection

    def begin(self, run_id: str, schema: str, command: str, seconds: float = 0.0) -> None:
        self.connection.execute(
            f"INSERT INTO {STATE}.runs (id, schema_name, command, started_at, status) "
            "VALUES ($1, $2, $3, $4, 'running')",
            [run_id, schema, command, now() - timedelta(seconds=seconds)],
        )

    def end(
        self,
        run_id: str,
        status: str,
        message: str | None = None,
        failures: Mapping[str, str] | None = None,
    ) -> None:
        kept = json.dumps(dict(failures)) if failures else message
        self.connection.execute(
            f"INSERT INTO {STATE}.runs "
            "(id, schema_name, command, started_at, ended_at, status, message) "
            f"SELECT id, schema_name, command, started_at, $1, $2, $3 FROM {STATE}.runs "
            "WHERE id = $4 LIMIT 1",
            [now(), status, kept, run_id],
        )

    def last(self, schema: str) -> Run | None:
        rows = self.connection.execute(
            f"SELECT schema_name, command, started_at, status, message FROM {STATE}.runs "
            "WHERE schema_name = $1 ORDER BY rowid DESC LIMIT 1",
            [schema],
        ).fetchall()
        last = Run(*rows[0]) if rows else None
        return None if last is None or last.status == REMOVED else _decoded(last)


def _decoded(run: Run) -> Run:
    """A run whose message holds why each node failed, as JSON. Other runs, and those of an earlier
    version, have a sentence."""
    try:
        failures = json.loads(run.message or "")
    except (ValueError, RecursionError):  # somebody else may have written it
        return run
    if not isinstance(failures, dict):
        return run
    message = "; ".join(f"{node}: {why}" for node, why in failures.items())
    return replace(run, message=message, failures=failures)


def was_deleted(connection: duckdb.DuckDBPyConnection, schema: str) -> bool:
    """Whether an environment was deleted, and nobody has run it since."""
    rows = connection.execute(
        f"SELECT status FROM {STATE}.runs WHERE schema_name = $1 ORDER BY rowid DESC LIMIT 1",
        [schema],
    ).fetchall()
    return rows == [(REMOVED,)]


def record_deletion(connection: duckdb.DuckDBPyConnection, schema: str) -> None:
    """Record the end of an environment."""
    connection.execute(
        f"INSERT INTO {STATE}.runs "
        "(id, schema_name, command, started_at, ended_at, status, publication_id) "
        f"SELECT $1, $2, 'env delete', $3, $3, '{REMOVED}', coalesce(max(id), 0) "
        f"FROM {STATE}.publications WHERE schema_name = $2",
        [uuid.uuid4().hex, schema, now()],
    )
