"""Open the warehouse: a DuckDB file that one process at a time may write."""

from __future__ import annotations

import atexit
import contextlib
import os
import re
import stat
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import duckdb

from seeknal_git.errors import WarehouseBusy, WarehouseError
from seeknal_git.names import argument, literal
from seeknal_git.sql.sandbox import NOTHING, Reach, confinement
from seeknal_git.warehouse.deadline import NO_WAIT, Deadline
from seeknal_git.warehouse.inspection import inspected
from seeknal_git.warehouse.owner import Owner, claim, need_own
from seeknal_git.warehouse.state import STATE_TABLES

_RETRY_SECONDS = 0.1
_SAID = 60
_LOCKED = "Could not set lock"
# Timestamps with a time zone mean the same for everybody who builds; a locked configuration takes
# no setting later.
# The log of a run is merged into the file once, when the warehouse is closed, unless it is long.
_SETTINGS = "SET GLOBAL TimeZone = 'UTC'; SET GLOBAL checkpoint_threshold = '256MB'"
# (process, settings) → the engine that last read a warehouse's state. A plan reads it up to four
# times, and starting an engine takes 20 times as long as attaching a warehouse to it.
_idle: dict[tuple[int, str], duckdb.DuckDBPyConnection] = {}


@contextmanager
def transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """All of what is done within, or nothing."""
    connection.execute("BEGIN")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        with suppress(duckdb.TransactionException):  # the engine may have rolled back already
            connection.execute("ROLLBACK")
        raise


@contextmanager
def opened(
    path: Path | None,
    owner: Owner | None,
    *,
    read_only: bool = False,
    deadline: Deadline = NO_WAIT,
    reach: Reach = NOTHING,
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to the warehouse at a path. The file is created if it is to be written and does
    not exist. The warehouse is an empty one in memory without a path, and if there is nothing to
    read yet.

    It is opened as a stranger's: the engine is confined to it, and to what is in reach, before it
    is attached; it holds nothing that would run when we read it; and no name in SQL of ours means
    anything in it but by its full name.

    owner: the clone that opens it. A warehouse of another project is refused; whoever writes first
    claims it. deadline: until when to wait while another process holds it. Raises WarehouseBusy,
    WarehouseRefused, or WarehouseError where the file cannot be used.
    """
    if path is not None:
        _make_way(path, owner, read_only)
    with _own_errors(path), contextlib.closing(duckdb.connect(":memory:")) as connection:
        connection.execute(f"{_SETTINGS}; {confinement(path, reach)}")
        _begin(connection, path, owner, read_only, deadline)
        yield connection


@contextmanager
def opened_for_state(
    path: Path | None, owner: Owner | None, deadline: Deadline = NO_WAIT
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection that reads the state of a warehouse, as `opened` makes it. No SQL is run but
    that of this package, so that the next one can use the same engine."""
    if path is not None:
        _make_way(path, owner, read_only=True)
    settings = f"{_SETTINGS}; {confinement(path, NOTHING)}"
    with _own_errors(path), _shared_engine(settings) as connection:
        _begin(connection, path, owner, True, deadline)
        yield connection
        connection.execute("DETACH DATABASE warehouse")


@contextmanager
def _own_errors(path: Path | None) -> Iterator[None]:
    """Turn an error of the engine into one of ours."""
    try:
        yield
    except RuntimeError as exc:
        if "interrupted" in str(exc).lower():  # what the engine makes of Ctrl-C in the main thread
            raise KeyboardInterrupt from exc
        raise
    except duckdb.Error as exc:
        raise translated(exc, path) from exc


@contextmanager
def _shared_engine(settings: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """An engine with these settings, which is kept for the next caller, unless an error leaves the
    block."""
    key = (os.getpid(), settings)
    idle = _idle.pop(key, None)
    connection = idle or duckdb.connect(":memory:")
    try:
        if idle is None:
            connection.execute(settings)
        yield connection
    except BaseException:
        connection.close()
        raise
    _end_idle()
    _idle[key] = connection


@atexit.register
def _end_idle() -> None:
    """End the engine that is kept. A fork leaves alone the one that it inherited: the threads of
    that are not its own."""
    for key in [key for key in _idle if key[0] == os.getpid()]:
        _idle.pop(key).close()


def _begin(
    connection: duckdb.DuckDBPyConnection,
    path: Path | None,
    owner: Owner | None,
    read_only: bool,
    deadline: Deadline,
) -> None:
    """Attach the warehouse to a confined engine, inspect it, and bring its state up to date."""
    there: frozenset[str] = frozenset()
    if path is not None:
        _attach(connection, path, read_only, deadline)
        there = inspected(connection, path, writing=not read_only)
    empty = path is None or (read_only and not there)
    if empty:
        connection.execute("DETACH DATABASE IF EXISTS warehouse; ATTACH ':memory:' AS warehouse")
    if empty or not read_only:
        connection.execute(STATE_TABLES)
    if path is not None and owner is not None:
        _know(connection, path, owner, there, read_only)


def _make_way(path: Path, owner: Owner | None, read_only: bool) -> None:
    _need_files(path)
    if not read_only:
        private_folder(path.parent)
        if owner is not None and path.is_relative_to(owner.private):
            _close_to_others(path)


def _know(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    owner: Owner,
    there: Collection[str],
    read_only: bool,
) -> None:
    if not read_only:
        claim(connection, path, owner)
    elif "project" in there:  # no marks are in one that only an earlier version wrote
        need_own(connection, path, owner)


def _need_files(path: Path) -> None:
    """Raise WarehouseError for a link, whose log would be beside another file, and for a pipe,
    which the engine would wait for."""
    for each in (path, path.with_name(f"{path.name}.wal")):
        try:
            mode = each.lstat().st_mode
        except OSError:
            continue
        if stat.S_ISLNK(mode):
            move = f"mv {argument(str(each.resolve()))} {argument(str(each))}"
            raise WarehouseError(
                f"The warehouse {each} is a link.",
                f"Put the file itself there, and its .wal if there is one: {move}",
            )
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            raise WarehouseError(
                f"The warehouse {each} is no file, but a pipe or a device.",
                "Move it away: seeknal run builds the warehouse again.",
            )


def private_folder(folder: Path) -> None:
    """Make a folder that nobody else reads, unless it is there. Raises WarehouseError."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as exc:
        message = f"The folder of the warehouse cannot be created: {exc.strerror}: {exc.filename}."
        hint = "Move away what is in its place, or set another `warehouse` in seeknal_project.yml."
        raise WarehouseError(message, hint) from exc


def _close_to_others(path: Path) -> None:
    """Let nobody else into a folder of ours, which an older version left open. The engine makes its
    log and its folder to spill to for everybody, so that only the folder around them closes
    them."""
    for each in (path.parent, path):
        with suppress(FileNotFoundError, PermissionError):  # it is not there yet, or another user's
            if stat.S_IMODE(each.stat().st_mode) & 0o077:
                each.chmod(0o700 if each == path.parent else 0o600)


def _attach(
    connection: duckdb.DuckDBPyConnection, path: Path, read_only: bool, deadline: Deadline
) -> None:
    # Without its type, a file that is none of DuckDB's makes the engine look for an extension, in
    # the network too.
    mode = "TYPE duckdb, READ_ONLY" if read_only else "TYPE duckdb"
    if not read_only and not path.exists():
        _create(path)
    while True:
        try:
            connection.execute(f"ATTACH {literal(str(path))} AS warehouse ({mode})")
            return
        except duckdb.IOException as exc:
            if _LOCKED not in str(exc) or not deadline.left:
                raise
            time.sleep(_RETRY_SECONDS)


def _create(path: Path) -> None:
    """A database that is there entirely or not at all: half of one, after a full disk, could never
    be opened."""
    log = path.with_name(f"{path.name}.wal")
    if log.exists() and not path.exists():  # in this order: somebody else may be creating it
        message = f"The warehouse {path} is gone, and {log.name}, which a process that was killed left, is still there."
        raise WarehouseError(
            message, f"Put the warehouse back where it was, or move {log} away, then run again."
        )
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    for left in (partial, partial.with_name(f"{partial.name}.wal")):
        left.unlink(missing_ok=True)  # by a process that had the same number
    try:
        before = os.umask(0o077)  # nobody else may open it, not even while it is made
        try:
            duckdb.connect(partial).close()
        finally:
            os.umask(before)
        with contextlib.suppress(
            OSError
        ):  # somebody else was faster, or there are no links here: it is created at once
            path.hardlink_to(partial)
    finally:
        partial.unlink(missing_ok=True)


def is_damage(exc: duckdb.Error) -> bool:
    """Whether the engine could not read or write a file, or what is in it makes no sense."""
    return (
        isinstance(exc, duckdb.IOException)
        or "serialize" in str(exc).lower()
        or "corrupt" in str(exc).lower()
    )


def _command(pid: str) -> str:
    """What a process is doing, where it is one of ours and the system tells."""
    with contextlib.suppress(OSError):
        words = Path(f"/proc/{pid}/cmdline").read_text(errors="replace").split("\0")[:-1]
        for number, word in enumerate(words):
            if word == "seeknal_git" or Path(word).name == "seeknal":
                said = " ".join(" ".join(["seeknal", *words[number + 1 :]]).split())
                return f" ({said if len(said) <= _SAID else f'{said[:_SAID]}…'})"
    return ""


def translated(exc: duckdb.Error, path: Path | None) -> WarehouseError:
    """The engine's error as one that says what to do."""
    text = " ".join(str(exc).split())
    if _LOCKED in text:
        pid = re.search(r"PID (\d+)", text)
        holder = f"process {pid[1]}{_command(pid[1])}" if pid else "another process"
        return WarehouseBusy(
            f"The warehouse {path} is held by {holder}.", int(pid[1]) if pid else None
        )
    full = "No space left" in text or "File too large" in text
    if "WAL" in text and ("does not match" in text or "replaying" in text) and not full:
        hint = f"Put back the file that it belongs to, or move {path}.wal away, then run the same command again."
        return WarehouseError(
            f"The warehouse {path} and its log {path}.wal do not belong together: {text}", hint
        )
    if "version" in text and ("newer" in text or "older" in text or "storage" in text):
        return WarehouseError(
            f"Another version of DuckDB wrote the warehouse {path}, and this one ({duckdb.__version__}) cannot "
            f"read it: {text}",
            "Install the DuckDB that wrote it, or move the file away: seeknal run builds it again.",
        )
    if is_damage(exc):
        damaged = "If the file is damaged, move it away: seeknal run builds it again."
        hint = "Free some space, then run the same command again." if full else damaged
        return WarehouseError(f"The warehouse {path} cannot be used: {text}", hint)
    return WarehouseError(text)
