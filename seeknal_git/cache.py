"""Remember what is a pure function of bytes, so that it is computed once in a clone.

Nothing here is ever needed: a cache that is missing, damaged or busy only costs time.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from seeknal_git.files import make_private_file

# Part of every key: raise it when what is remembered takes another form.
VERSION = 60


class Cache:
    """A table of JSON values by key, in one SQLite file that several processes share, and the
    threads of a run.

    engine: the version of DuckDB, part of every key: another one may find other columns, types and
    errors.
    """

    def __init__(self, path: Path, engine: str = "") -> None:
        self._path = path
        self._prefix = f"{VERSION}:{engine}"

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
        return _opened.connection(self._path)


class _Opened(threading.local):
    """The connection that a thread has: SQLite refuses one that another thread opened.

    All caches of a file share it. SQLite keeps the descriptor of each connection that is closed
    while another one is open on the same file, so a process with many caches would run out of them.
    """

    def __init__(self) -> None:
        self._of: tuple[object, ...] = ()
        self._connection: sqlite3.Connection | None = None
        # Those that a fork inherited. To close one would undo what the parent has of it.
        self._inherited: list[sqlite3.Connection] = []

    def connection(self, path: Path) -> sqlite3.Connection:
        if self._connection is not None:
            if self._of == _facts(path):
                return self._connection
            if self._of[0] == os.getpid():
                self._connection.close()
            else:
                self._inherited.append(self._connection)
            self._connection = None
        opened = _connected(path)
        self._of, self._connection = _facts(path), opened
        return opened


_opened = _Opened()


def _facts(path: Path) -> tuple[object, ...]:
    """The process, and the file: somebody may have deleted the one that is open."""
    with contextlib.suppress(OSError):
        found = path.stat()
        return os.getpid(), path, found.st_dev, found.st_ino
    return os.getpid(), path


def _connected(path: Path) -> sqlite3.Connection:
    make_private_file(path)
    connection = sqlite3.connect(path, timeout=5)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute(
        "CREATE TABLE IF NOT EXISTS remembered (key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID"
    )
    return connection
