"""Remember what is a pure function of bytes, so that it is computed once in a clone.

Nothing here is ever needed: a cache that is missing, damaged or busy only costs time.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from seeknal_git.files import make_private_file

# Part of every key: raise it when what is remembered takes another form.
VERSION = 49


class Cache:
    """A table of JSON values by key, in one SQLite file that several processes share, and the
    threads of a run.

    engine: the version of DuckDB, part of every key: another one may find other columns, types and
    errors.
    """

    def __init__(self, path: Path, engine: str = "") -> None:
        self._path = path
        self._prefix = f"{VERSION}:{engine}"
        self._of_thread = (
            threading.local()
        )  # SQLite refuses a connection that another thread opened

    def get(self, topic: str, keys: Iterable[str]) -> dict[str, Any]:
        """The values that are remembered, by key; those that are not are left out."""
        wanted = {f"{self._prefix}:{topic}:{key}": key for key in keys}
        try:
            rows = self._rows(list(wanted))
        except sqlite3.Error:
            return {}
        # All at once: of a thousand nodes, calling the parser for each takes longer than parsing.
        values = json.loads(f"[{','.join(value for _, value in rows)}]")
        return dict(zip((wanted[name] for name, _ in rows), values, strict=True))

    def put(self, topic: str, values: Mapping[str, Any]) -> None:
        rows = [
            (f"{self._prefix}:{topic}:{key}", json.dumps(value, separators=(",", ":")))
            for key, value in values.items()
        ]
        with contextlib.suppress(sqlite3.Error), self._open() as connection:
            connection.executemany("INSERT OR REPLACE INTO remembered VALUES (?, ?)", rows)

    def _rows(self, names: list[str]) -> list[tuple[str, str]]:
        connection, rows = self._open(), []
        for start in range(0, len(names), 500):
            some = names[start : start + 500]
            marks = ", ".join("?" * len(some))
            rows += connection.execute(
                f"SELECT key, value FROM remembered WHERE key IN ({marks})", some
            ).fetchall()
        return rows

    def _open(self) -> sqlite3.Connection:
        opened: sqlite3.Connection | None = getattr(self._of_thread, "connection", None)
        if opened is None:
            make_private_file(self._path)
            opened = sqlite3.connect(self._path, timeout=5)
            opened.execute("PRAGMA journal_mode = WAL")
            opened.execute("PRAGMA synchronous = OFF")
            opened.execute(
                "CREATE TABLE IF NOT EXISTS remembered"
                " (key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID"
            )
            self._of_thread.connection = opened
        return opened
