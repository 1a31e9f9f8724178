"""Remember a lake's answers about its state. They are those of its last snapshot, which never
changes: as long as nobody commits, nothing is asked again.

To ask which snapshot is the last takes some milliseconds. Each other question takes ten times as
long, and the first one reads the whole catalog.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seeknal_git.files import write_whole
from seeknal_git.names import STATE
from seeknal_git.sql.engine_version import engine_version
from seeknal_git.warehouse.verdict import FORM

if TYPE_CHECKING:
    import duckdb

# Only questions to these: they depend on nothing but the lake.
_OF_LAKE = (STATE, "FROM duckdb_views() WHERE database_name = 'warehouse'")
_MOST = 200  # answers
_TIME = "time"


@dataclass(slots=True)
class LakeAnswers:
    """The answers of one lake snapshot, as this clone's file has them."""

    file: Path
    stamp: str  # the lake, its last snapshot, and the form of our state
    # The tables that the lake had, by schema; none if nothing is known.
    tables: dict[str, list[str]] = field(default_factory=dict)
    rows: dict[str, list[tuple[Any, ...]]] = field(default_factory=dict)
    is_inspected: bool = False  # by this process
    is_kept: bool = False  # whether the file has all of it

    @classmethod
    def of(cls, private: Path, place: str, snapshot: str) -> LakeAnswers:
        """Those that are remembered. private: the folder of the clone; place: the name of the lake;
        snapshot: its last one."""
        file = private / "cache" / "lake_answers"
        words = f"{FORM} {engine_version()}\n{place}\n{snapshot}"
        stamp = hashlib.sha256(words.encode()).hexdigest()
        if (known := _read.get(file)) and known.stamp == stamp:
            return known
        found = cls(file, stamp)
        with suppress(OSError, ValueError, TypeError, KeyError):
            kept = json.loads(file.read_bytes(), object_hook=_decoded)
            if kept["stamp"] == stamp:
                rows = {key: list(map(tuple, found)) for key, found in kept["rows"].items()}
                found = cls(file, stamp, kept["tables"], rows, is_kept=True)
        _read[file] = found
        return found

    def inspected(self, tables: Mapping[str, Iterable[str]]) -> None:
        """Note that the lake is sound. Answers of one that had other tables do not count: somebody
        has changed the catalog without a snapshot."""
        found = {schema: sorted(names) for schema, names in tables.items()}
        if found != self.tables:
            self.tables, self.rows, self.is_kept = found, {}, False
        self.is_inspected = True

    def keep(self) -> None:
        """Write everything, if something is new."""
        if self.is_kept:
            return
        kept = {"stamp": self.stamp, "tables": self.tables, "rows": self.rows}
        with suppress(OSError, TypeError):  # a value of another type; it is asked again
            write_whole(self.file, json.dumps(kept, default=_encoded).encode())
        self.is_kept = True


_read: dict[Path, LakeAnswers] = {}


class Answering:
    """A connection for reading a lake's state, which gives remembered answers, by `fetchall`. In a
    transaction, everything is asked: whoever begins one wants to know what there is now.

    A question with a list in another order is another one, so those who ask sort theirs.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, answers: LakeAnswers) -> None:
        self._connection = connection
        self._answers = answers
        self._is_in_transaction = False

    def execute(self, query: str, parameters: object = None) -> Any:
        if query in ("BEGIN", "COMMIT", "ROLLBACK"):
            self._is_in_transaction = query == "BEGIN"
        asks = query.startswith(("SELECT ", "WITH ", "\nSELECT ", "\nWITH "))
        if self._is_in_transaction or not asks or not any(part in query for part in _OF_LAKE):
            return self._connection.execute(query, parameters)
        key = hashlib.sha256(repr((query, parameters)).encode()).hexdigest()
        answers = self._answers
        if key not in answers.rows:
            if len(answers.rows) >= _MOST:
                answers.rows.clear()
            answers.rows[key] = self._connection.execute(query, parameters).fetchall()
            answers.is_kept = False
        return _Answer(answers.rows[key])

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


@dataclass(frozen=True, slots=True)
class _Answer:
    rows: Sequence[tuple[Any, ...]]

    def fetchall(self) -> list[tuple[Any, ...]]:
        return list(self.rows)


def _encoded(value: object) -> dict[str, str]:
    if isinstance(value, datetime):
        return {_TIME: value.isoformat()}
    raise TypeError(f"{value!r} is no value of the state")


def _decoded(value: dict[str, Any]) -> Any:
    return datetime.fromisoformat(value[_TIME]) if value.keys() == {_TIME} else value
