"""The engine's errors as ours: none of its exceptions leaves this package."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import duckdb

from seeknal_git.errors import WarehouseBusy, WarehouseError
from seeknal_git.sql.addresses import hidden
from seeknal_git.sql.engine import Overtaken, SqlError, engine_words
from seeknal_git.warehouse.location import Lake, Location

_LOCKED = "Could not set lock"
_MOST_OF_A_COMMAND = 60


@contextmanager
def refusals() -> Iterator[None]:
    """Raise SqlError if the engine refuses a statement."""
    try:
        yield
    except duckdb.Error as exc:
        error = Overtaken if is_conflict(exc) else SqlError
        raise error(*engine_words(exc)) from exc


@contextmanager
def our_errors(place: Location | None) -> Iterator[None]:
    """Raise WarehouseError for an error of the engine that nobody has caught."""
    try:
        yield
    except RuntimeError as exc:
        if "interrupted" in str(exc).lower():  # the engine's form of Ctrl-C in the main thread
            raise KeyboardInterrupt from exc
        raise
    except duckdb.Error as exc:
        raise translated(exc, place) from exc


def is_conflict(exc: duckdb.Error) -> bool:
    """Whether somebody else has committed first, so that a transaction has to begin again."""
    return isinstance(exc, duckdb.TransactionException) and "conflict" in str(exc).lower()


def is_locked(exc: duckdb.Error) -> bool:
    """Whether another process holds the file."""
    return isinstance(exc, duckdb.IOException) and _LOCKED in str(exc)


def is_damage(exc: duckdb.Error) -> bool:
    """Whether the engine could not read or write a file, or its contents make no sense."""
    text = str(exc).lower()
    return isinstance(exc, duckdb.IOException) or "serialize" in text or "corrupt" in text


def translated(exc: duckdb.Error, place: Location | None) -> WarehouseError:
    """The engine's error as one that says how to mend it."""
    text = " ".join(str(exc).split())
    if isinstance(place, Lake):
        return _of_lake(text, place)
    path = place
    if _LOCKED in text:
        return _busy(text, path)
    full = "No space left" in text or "File too large" in text
    if "WAL" in text and ("does not match" in text or "replaying" in text) and not full:
        return WarehouseError(
            f"The warehouse {path} and its log {path}.wal do not belong together: {text}",
            f"Put back the file that it belongs to, or move {path}.wal away, "
            "then run the same command again.",
        )
    if "version" in text and ("newer" in text or "older" in text or "storage" in text):
        return WarehouseError(
            f"Another version of DuckDB wrote the warehouse {path}, "
            f"and this one ({duckdb.__version__}) cannot read it: {text}",
            "Install the DuckDB that wrote it, or move the file away: seeknal run builds it again.",
        )
    if is_damage(exc):
        damaged = "If the file is damaged, move it away: seeknal run builds it again."
        hint = "Free some space, then run the same command again." if full else damaged
        return WarehouseError(f"The warehouse {path} cannot be used: {text}", hint)
    return WarehouseError(text)


def _of_lake(text: str, lake: Lake) -> WarehouseError:
    text = hidden(text)
    if _LOCKED in text:
        return _busy(text, lake.file)
    if "Unable to connect" in text or "Failed to attach" in text:
        return WarehouseError(
            f"The warehouse {lake} cannot be reached: {text}",
            "Start its database, or correct the address and the login.",
        )
    if "DATA_PATH parameter" in text:
        return WarehouseError(
            f"The warehouse {lake} keeps its rows elsewhere than `warehouse.data` says: {text}",
            "Name that place in the project file, or a lake of its own: another `schema`.",
        )
    if "version mismatch" in text.lower() or "AUTOMATIC_MIGRATION" in text:
        return WarehouseError(
            f"The warehouse {lake} is in another version of the lake's format: {text}",
            f"Install the DuckDB that the team uses: this is {duckdb.__version__}.",
        )
    return WarehouseError(f"The warehouse {lake} cannot be used: {text}")


def _busy(text: str, path: Path | None) -> WarehouseBusy:
    found = re.search(r"PID (\d+)", text)
    if found is None:
        return WarehouseBusy(f"The warehouse {path} is held by another process.", None)
    pid = found[1]
    return WarehouseBusy(f"The warehouse {path} is held by process {pid}{_command(pid)}.", int(pid))


def _command(pid: str) -> str:
    """The command that a process of ours executes, in parentheses; "" if the system does not
    tell."""
    with suppress(OSError):
        words = Path(f"/proc/{pid}/cmdline").read_text(errors="replace").split("\0")[:-1]
        for number, word in enumerate(words):
            if word == "seeknal_git" or Path(word).name == "seeknal":
                text = " ".join(" ".join(["seeknal", *words[number + 1 :]]).split())
                if len(text) > _MOST_OF_A_COMMAND:
                    text = f"{text[:_MOST_OF_A_COMMAND]}…"
                return f" ({text})"
    return ""
