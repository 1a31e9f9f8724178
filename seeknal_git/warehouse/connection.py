"""Open a warehouse file, which one process at a time may write."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import duckdb

from seeknal_git.errors import WarehouseError
from seeknal_git.files import close_to_others, make_private
from seeknal_git.names import KEPT, STATE_SCHEMA, WAREHOUSE, argument, literal
from seeknal_git.sql.sandbox import NOTHING, Reach, confinement, remove_spilled, spill_of
from seeknal_git.warehouse.catalog import Catalog
from seeknal_git.warehouse.deadline import NO_WAIT, Deadline
from seeknal_git.warehouse.engine_errors import is_locked, our_errors
from seeknal_git.warehouse.file_version import file_version, settled_version
from seeknal_git.warehouse.inspection import inspected, listed
from seeknal_git.warehouse.owner import Owner, claim, need_own
from seeknal_git.warehouse.shared_engine import shared_engine
from seeknal_git.warehouse.state_tables import STATE_FORM, STATE_TABLES
from seeknal_git.warehouse.turns import RETRY_SECONDS, Turn
from seeknal_git.warehouse.verdict import is_sound, remember_sound

# Timestamps with a time zone mean the same for everybody who builds. A locked configuration takes
# no setting later. The log of a run is merged into the file once, when the warehouse is closed,
# unless it is long.
SETTINGS = "SET GLOBAL TimeZone = 'UTC'; SET GLOBAL checkpoint_threshold = '256MB'"
IN_MEMORY = "DETACH DATABASE IF EXISTS warehouse; ATTACH ':memory:' AS warehouse"


@contextmanager
def opened(
    path: Path | None,
    owner: Owner | None,
    *,
    read_only: bool = False,
    deadline: Deadline = NO_WAIT,
    reach: Reach = NOTHING,
) -> Iterator[Catalog]:
    """The warehouse at a path, or an empty one in memory without a path.

    A file that is to be written and does not exist is created; one that is to be read and holds
    nothing yet counts as empty.

    The file is opened as a stranger's. The engine is confined to it, and to the files in reach,
    before it is attached. It holds nothing that runs when it is read. A name in SQL of ours means
    nothing in it except by its full name.

    owner: the clone that opens it. A warehouse of another project is refused; the first clone that
    writes claims it. deadline: the end of the wait while another process holds it. Raises
    WarehouseBusy, WarehouseRefused, or WarehouseError if the file cannot be used. Errors of the
    engine inside the block leave it as WarehouseError.
    """
    if path is not None:
        _make_way(path, owner, read_only)
    with our_errors(path), closing(duckdb.connect(":memory:")) as connection:
        folder = kept_files(owner)
        reach = replace(reach, folders=[*reach.folders, *([folder] if folder else [])])
        connection.execute(f"{SETTINGS}; {confinement(path, reach)}")
        yield Catalog(connection, attach(connection, path, owner, read_only, deadline), folder)
        if path is not None and not read_only:
            leave(connection, path, owner)


@contextmanager
def opened_for_state(
    path: Path | None, owner: Owner | None, deadline: Deadline = NO_WAIT
) -> Iterator[Catalog]:
    """A warehouse for reading its state, as `opened` opens it. Only SQL of this package may be
    executed, as the next caller gets the same engine."""
    if path is not None:
        _make_way(path, owner, read_only=True)
    with our_errors(path), shared_engine(str(path), partial(_for_state, path)) as connection:
        tables = attach(connection, path, owner, True, deadline)
        yield Catalog(connection, tables, kept_files(owner))
        connection.execute("DETACH DATABASE warehouse")


def _for_state(path: Path | None) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(":memory:")
    connection.execute(f"{SETTINGS}; {confinement(path, NOTHING)}")
    return connection


def kept_files(owner: Owner | None) -> Path | None:
    """The folder of the files that views of this clone read in place. No other clone or branch puts
    anything there, and a link in it leads the engine nowhere else."""
    return owner.private / KEPT if owner else None


def attach(
    connection: duckdb.DuckDBPyConnection,
    path: Path | None,
    owner: Owner | None,
    read_only: bool,
    deadline: Deadline,
) -> dict[str, list[str]]:
    """Attach a warehouse to a confined engine, inspect it, and bring its state tables up to date.
    One that nobody has written to since it was inspected, or left by this clone, is sound. Returns
    its tables: schema, in lower case → names."""
    if path is None:
        connection.execute(f"{IN_MEMORY}; {STATE_TABLES}")
        return {}
    turn = Turn.to_read(path, owner, deadline) if read_only else Turn.to_write(deadline)
    attach_file(connection, path, turn)
    version = file_version(path)
    sound = is_sound(path, owner, version, whole=not read_only)
    tables = listed(connection) if sound else inspected(connection, path, writing=not read_only)
    state = {table.lower() for table in tables.get(STATE_SCHEMA, ())}
    if read_only and not state:
        connection.execute(f"{IN_MEMORY}; {STATE_TABLES}")
        return {}
    if not read_only and not sound:
        connection.execute(STATE_TABLES)
        tables[STATE_SCHEMA] = [*(state | STATE_FORM.keys())]
    if owner is None:
        return tables
    if not read_only:
        claim(connection, path, owner)
    elif "project" in state:  # an earlier version made no marks
        need_own(connection, path, owner)
    if read_only and not sound:
        remember_sound(path, owner, version, whole=False)
    return tables


def leave(connection: duckdb.DuckDBPyConnection, path: Path, owner: Owner | None) -> str | None:
    """Merge the log of a warehouse into its file, as closing it does, and remember the file as
    sound. Returns its version, empty if it is not known; None if there is no room for the merge,
    and nothing more can be asked. Nothing may be written after that."""
    try:
        connection.execute("CHECKPOINT warehouse")
    except duckdb.Error:  # everything is in the log, and the next command merges it
        return None
    version = settled_version(path)
    remember_sound(path, owner, version, whole=True)
    return version


def _make_way(path: Path, owner: Owner | None, read_only: bool) -> None:
    _need_files(path)
    if read_only:
        return
    make_folder(path.parent)
    remove_spilled(spill_of(path))
    if owner is not None and path.is_relative_to(owner.private):
        # An older version left them open. The engine makes its log and the folder that it spills to
        # for everybody, so only the folder around them closes them.
        for place in (path.parent, path):
            with suppress(FileNotFoundError, PermissionError):  # it may be another user's
                close_to_others(place)


def make_folder(folder: Path) -> None:
    """Make a folder that nobody else reads, unless it exists. Raises WarehouseError."""
    try:
        make_private(folder, ours=False)
    except OSError as exc:
        message = f"The folder of the warehouse cannot be created: {exc.strerror}: {exc.filename}."
        hint = "Move away what is in its place, or set another `warehouse` in seeknal_project.yml."
        raise WarehouseError(message, hint) from exc


def _need_files(path: Path) -> None:
    """Raise WarehouseError for a link, whose log would be beside another file, and for a pipe,
    which the engine would wait for."""
    for file in (path, path.with_name(f"{path.name}.wal")):
        try:
            mode = file.lstat().st_mode
        except OSError:
            continue
        if stat.S_ISLNK(mode):
            move = f"mv {argument(str(file.resolve()))} {argument(str(file))}"
            raise WarehouseError(
                f"The warehouse {file} is a link.",
                f"Put the file itself there, and its .wal if there is one: {move}",
            )
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            raise WarehouseError(
                f"The warehouse {file} is no file, but a pipe or a device.",
                "Move it away: seeknal run builds the warehouse again.",
            )


def attach_file(
    connection: duckdb.DuckDBPyConnection, path: Path, turn: Turn, name: str = WAREHOUSE
) -> None:
    """Attach a file by a name, once it is this command's turn, or it cannot wait any longer."""
    # Without its type, a file that is not DuckDB's makes the engine look for an extension, also in
    # the network.
    mode = "TYPE duckdb, READ_ONLY" if turn.reads else "TYPE duckdb"
    if not turn.reads and not path.exists():
        _create(path)
    turn.give_way()
    while True:
        try:
            connection.execute(f"ATTACH {literal(str(path))} AS {name} ({mode})")
            return
        except duckdb.IOException as exc:
            if not is_locked(exc) or not turn.may_wait:
                raise
            time.sleep(RETRY_SECONDS)


@contextmanager
def private() -> Iterator[None]:
    """Let nobody else open files that are made inside the block, not even while they are made."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)


def _create(path: Path) -> None:
    """Create a database that is there entirely or not at all: half of one, after a full disk, could
    never be opened."""
    log = path.with_name(f"{path.name}.wal")
    if log.exists() and not path.exists():  # in this order: somebody else may be creating it
        raise WarehouseError(
            f"The warehouse {path} is gone, and {log.name}, which a process that was killed left, "
            "is still there.",
            f"Put the warehouse back where it was, or move {log} away, then run again.",
        )
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    for left in (partial, partial.with_name(f"{partial.name}.wal")):
        left.unlink(missing_ok=True)  # by a process that had the same number
    try:
        with private():
            duckdb.connect(partial).close()
        # Somebody else was faster, or the file system has no links: then it is created in place.
        with suppress(OSError):
            path.hardlink_to(partial)
    finally:
        partial.unlink(missing_ok=True)
