"""Forget the past of a lake: its own snapshots, then the files that none of them names.

A reader holds no lock. So a lake snapshot goes once it is a day old, and a file once it has been of
no lake snapshot for a day. Files that a killed build left are of no lake snapshot either, but
nobody can tell them from those of another lake in the same place: they stay.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from seeknal_git.names import WAREHOUSE, literal
from seeknal_git.warehouse.lake_connection import attached_kind
from seeknal_git.warehouse.model.unused import Outdated

if TYPE_CHECKING:
    import duckdb

LONGEST_READER = "INTERVAL 1 DAY"


def outdated(connection: duckdb.DuckDBPyConnection) -> Outdated:
    """The part of a lake's past that may go."""
    return _called(connection, dry_run=True)


def forget(connection: duckdb.DuckDBPyConnection) -> Outdated:
    """Let it go; returns what has gone."""
    return _called(connection, dry_run=False)


def _called(connection: duckdb.DuckDBPyConnection, *, dry_run: bool) -> Outdated:
    """Call the functions of the lake's extension that do this."""
    options = (
        f"{literal(WAREHOUSE)}, dry_run => {str(dry_run).lower()}, "
        f"older_than => now() - {LONGEST_READER}"
    )
    if attached_kind(connection) != "ducklake":  # there is none yet
        return Outdated()
    counts = []
    for function in ("ducklake_expire_snapshots", "ducklake_cleanup_old_files"):
        rows = connection.execute(f"SELECT count(*) FROM {function}({options})").fetchall()
        counts.append(int(rows[0][0]))
    return Outdated(*counts)
