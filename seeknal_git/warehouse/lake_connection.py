"""Open a lake: load extensions, log in, attach it, and then confine the engine.

A closed engine attaches no database of a server, and makes no secret. So the lake comes first: to
attach it reads the tables of its catalog, and nothing in it runs. After that, the engine is as
closed as one with a file; the guard refuses SQL that would reach through an extension.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import cast

import duckdb

from seeknal_git.errors import WarehouseError
from seeknal_git.files import make_private
from seeknal_git.names import SNAPSHOTS, SPILL, STATE_SCHEMA, WAREHOUSE, literal, qualified
from seeknal_git.sql import extensions
from seeknal_git.sql.outside import keep_secret
from seeknal_git.sql.sandbox import NOTHING, Reach, confinement, remove_spilled
from seeknal_git.sql.transaction import transaction
from seeknal_git.warehouse.connection import IN_MEMORY, SETTINGS, kept_files, make_folder
from seeknal_git.warehouse.deadline import NO_WAIT, Deadline
from seeknal_git.warehouse.engine_errors import is_conflict, is_locked, our_errors
from seeknal_git.warehouse.lake_answers import Answering, LakeAnswers
from seeknal_git.warehouse.lake_catalog import LakeCatalog
from seeknal_git.warehouse.lake_inspection import inspect
from seeknal_git.warehouse.lake_tables import Found, LakeTables
from seeknal_git.warehouse.location import SQLITE, Lake
from seeknal_git.warehouse.owner import Owner, claim, need_own
from seeknal_git.warehouse.shared_engine import attached_engine
from seeknal_git.warehouse.state_tables import STATE_FORM, STATE_TABLES
from seeknal_git.warehouse.turns import RETRY_SECONDS, files_of

# A lake tries a commit again by itself if nobody is in its way. Many commit at once, and each wait
# is longer than the one before: so there are more tries than its own ten, and shorter waits.
_RETRIES = (
    "SET ducklake_max_retry_count = 60; SET ducklake_retry_wait_ms = 20; "
    "SET ducklake_retry_backoff = 1.1"
)
# Rows of the state are few and many transactions write some: they lie in the catalog, where they
# are found faster than in as many files. Rows of nodes never do: a catalog in PostgreSQL loses
# quotation marks and backslashes in texts within a STRUCT.
_ROWS_IN_CATALOG = "; ".join(
    f"CREATE SCHEMA IF NOT EXISTS {qualified(WAREHOUSE, schema)}; "
    f"CALL {WAREHOUSE}.set_option('data_inlining_row_limit', {rows}, schema => {literal(schema)})"
    for schema, rows in ((STATE_SCHEMA, 10_000), (SNAPSHOTS, 0))
)
# Of two who append rows to a table at once, a lake keeps the least and the greatest values of one
# alone (github.com/duckdb/ducklake/issues/1094). A statement that is planned by them does not find
# the rows of the other one. To ask for them also takes longer than to read the state.
_WITHOUT_STATISTICS = "SET disabled_optimizers = 'statistics_propagation'"
# A table of the state of a lake that a file is being copied into (lake_filling.py).
MOVING = "moving"
_OF_SQLITE = ("-journal", "-wal", "-shm")


@dataclass(frozen=True, slots=True)
class _Visit:
    """A clone that opens a lake, to read or to write."""

    lake: Lake
    owner: Owner | None
    read_only: bool
    deadline: Deadline = NO_WAIT
    reach: Reach = NOTHING
    filling: bool = False  # whether a file is being copied into it


@contextmanager
def opened(
    lake: Lake,
    owner: Owner | None,
    *,
    read_only: bool = False,
    deadline: Deadline = NO_WAIT,
    reach: Reach = NOTHING,
) -> Iterator[LakeCatalog]:
    """A lake, open inside the block, with the same errors as `connection.opened`. One that is to be
    written and does not exist is created; one that is to be read and does not exist is empty."""
    with _opened(_Visit(lake, owner, read_only, deadline, reach)) as catalog:
        yield catalog


@contextmanager
def opened_for_filling(
    lake: Lake, owner: Owner, reach: Reach, deadline: Deadline, *, read_only: bool
) -> Iterator[LakeCatalog]:
    """The same, also of a lake that a file is being copied into, which does not count yet."""
    with _opened(_Visit(lake, owner, read_only, deadline, reach, filling=True)) as catalog:
        yield catalog


def another_engine(
    lake: Lake, owner: Owner | None, reach: Reach, deadline: Deadline
) -> duckdb.DuckDBPyConnection:
    """Another engine for a lake that is open for writing.

    The extension keeps a list of tables for all transactions of an engine. Two of them that commit
    at once leave it without some of the tables, or end the process.
    """
    connection = _engine(lake)
    try:
        with our_errors(lake):
            _prepared(
                connection, _Visit(lake, owner, False, deadline, _with_own(reach, lake, owner))
            )
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def _opened(visit: _Visit) -> Iterator[LakeCatalog]:
    lake, owner = visit.lake, visit.owner
    with our_errors(lake), closing(_engine(lake)) as connection:
        visit = replace(visit, reach=_with_own(visit.reach, lake, owner))
        tables = _entered(connection, visit)
        yield LakeCatalog(connection, tables, LakeTables(lake), kept_files(owner))


@contextmanager
def opened_for_state(
    lake: Lake, owner: Owner | None, deadline: Deadline = NO_WAIT
) -> Iterator[LakeCatalog]:
    """A lake for reading its state. The engine stays attached for the next caller if its catalog is
    on a server: to attach it takes longer than to ask it. If nobody has committed since this clone
    looked, its answers are known."""
    with ExitStack() as stack:
        visit = _Visit(lake, owner, True, deadline, _with_own(NOTHING, lake, owner))
        connection = stack.enter_context(_engine_for_state(visit)) if lake.is_shared else None
        if connection is None:
            opening = opened(lake, owner, read_only=True, deadline=deadline)
            yield stack.enter_context(opening)
            return
        listed, kept = LakeTables(lake), kept_files(owner)
        if owner is None:
            yield LakeCatalog(connection, _looked_at(connection, visit), listed, kept)
            return
        answers = LakeAnswers.of(owner.private, _name(lake), listed.stamp(connection))
        if not answers.is_inspected:
            tables = _inspected(connection, visit)
            if not tables:  # an empty warehouse is in its place now
                yield LakeCatalog(connection, {}, listed, kept)
                return
            answers.inspected(tables)
        asked = cast("duckdb.DuckDBPyConnection", Answering(connection, answers))
        need_own(asked, lake, owner)
        yield LakeCatalog(asked, answers.tables, listed, kept)
        answers.keep()


def version_of(lake: Lake, owner: Owner | None, deadline: Deadline = NO_WAIT) -> str:
    """See `opening.version_of`."""
    if not lake.is_shared:
        with opened(lake, owner, read_only=True, deadline=deadline) as catalog:
            return catalog.stamp()
    visit = _Visit(lake, owner, True, deadline, _with_own(NOTHING, lake, owner))
    with _engine_for_state(visit) as connection:
        return LakeTables(lake).stamp(connection) if connection else ""


@contextmanager
def _engine_for_state(visit: _Visit) -> Iterator[duckdb.DuckDBPyConnection | None]:
    """The engine that stays attached to a lake; None if it found none, as a closed engine attaches
    none later."""
    lake = visit.lake
    with our_errors(lake), attached_engine(_name(lake), partial(_engine, lake)) as connection:
        if attached_kind(connection) is None:
            _prepared(connection, visit)
        yield connection if attached_kind(connection) == "ducklake" else None


def _name(lake: Lake) -> str:
    return f"{lake.catalog} {lake.data} {lake.schema}"


def attached_kind(connection: duckdb.DuckDBPyConnection) -> str | None:
    """The type of the database that is attached as the warehouse; None if there is none."""
    rows = connection.execute(
        "SELECT type FROM duckdb_databases() WHERE database_name = 'warehouse'"
    ).fetchall()
    return rows[0][0] if rows else None


def _with_own(reach: Reach, lake: Lake, owner: Owner | None) -> Reach:
    """A reach with the lake's own places, the kept files of the clone, and a place to spill to."""
    kept, spill = kept_files(owner), reach.spill
    if spill is None and owner is not None:
        make_private(owner.private)
        spill = owner.private / SPILL
    folders = [folder for folder in (kept, lake.folder) if folder]
    files = [] if lake.file is None else files_of(lake.file)
    if lake.file is not None and lake.catalog.startswith(SQLITE):
        files += [lake.file.with_name(f"{lake.file.name}{ending}") for ending in _OF_SQLITE]
    addresses = [] if lake.folder else [lake.data]
    return replace(
        reach,
        files=[*reach.files, *files],
        folders=[*reach.folders, *folders],
        addresses=[*reach.addresses, *addresses],
        spill=spill,
    )


def _entered(connection: duckdb.DuckDBPyConnection, visit: _Visit) -> dict[str, list[str]]:
    """Attach a lake and close the engine. Returns its tables: schema, in lower case → names."""
    lake, owner = visit.lake, visit.owner
    if not _prepared(connection, visit):
        return {}
    if visit.read_only:
        return _looked_at(connection, visit)
    if visit.reach.spill:
        remove_spilled(visit.reach.spill)
    found = _completed(connection, LakeTables(lake))
    inspect(connection, lake, found)
    _need_filled(found.names, visit)
    if owner is not None:
        claim(connection, lake, owner)
    return found.names


def _prepared(connection: duckdb.DuckDBPyConnection, visit: _Visit) -> bool:
    """Attach a lake and close the engine. False if there is none, and an empty warehouse in memory
    is in its place."""
    lake = visit.lake
    connection.execute(f"{SETTINGS}; SET autoinstall_known_extensions = false")
    load_extensions(connection, lake)
    connection.execute(f"{_RETRIES}; {_WITHOUT_STATISTICS}")
    for secret in lake.secrets:
        keep_secret(connection, secret, secret.name)
    is_there = _attached(connection, visit)
    if is_there and lake.format:
        _need_format(connection, lake)
    # Engines of one run share the memory.
    connection.execute(confinement(None, visit.reach, free=["memory_limit"]))
    return is_there


def _engine(lake: Lake) -> duckdb.DuckDBPyConnection:
    return extensions.engine(lake.extensions)


def load_extensions(connection: duckdb.DuckDBPyConnection, lake: Lake) -> None:
    """Load the extensions that a lake takes. Raises WarehouseError for one that is missing."""
    try:
        extensions.load(connection, lake.extensions)
    except extensions.MissingExtension as exc:
        raise WarehouseError(exc.message, exc.hint) from exc


def _need_format(connection: duckdb.DuckDBPyConnection, lake: Lake) -> None:
    """Raise WarehouseError if a lake is in another version of the format than expected."""
    rows = connection.execute(
        "SELECT value FROM ducklake_options('warehouse') WHERE option_name = 'version'"
    ).fetchall()
    if rows != [(lake.format,)]:
        raise WarehouseError(
            f"The warehouse {lake} is in version {rows[0][0]} of the lake's format, and "
            f"`warehouse.format` says {lake.format}.",
            "Install the DuckDB that writes that version, or correct the setting.",
        )


def _need_filled(tables: Mapping[str, Collection[str]], visit: _Visit) -> None:
    """Raise WarehouseError for a lake that a file is being copied into, unless this command does
    that."""
    if MOVING in tables.get(STATE_SCHEMA, ()) and not visit.filling:
        raise WarehouseError(
            f"The warehouse {visit.lake} is not whole: `seeknal warehouse move` is at work, or was "
            "cut off.",
            "Wait for it, or finish it: seeknal warehouse move ducklake",
        )


def _looked_at(connection: duckdb.DuckDBPyConnection, visit: _Visit) -> dict[str, list[str]]:
    """Inspect a lake that is read, and whose it is."""
    tables = _inspected(connection, visit)
    if tables and visit.owner is not None:
        need_own(connection, visit.lake, visit.owner)
    return tables


def _inspected(connection: duckdb.DuckDBPyConnection, visit: _Visit) -> dict[str, list[str]]:
    """The tables of a lake that is sound. Without our state, it counts as empty."""
    found = LakeTables(visit.lake).found(connection)
    inspect(connection, visit.lake, found)
    _need_filled(found.names, visit)
    if not found.state:
        _be_empty(connection)
        return {}
    return found.names


def _attached(connection: duckdb.DuckDBPyConnection, visit: _Visit) -> bool:
    """Attach a lake; False if there is none, and an empty warehouse in memory is in its place."""
    lake, text = visit.lake, _attaching(visit)
    if visit.read_only and lake.file is not None and not lake.file.exists():
        _be_empty(connection)
        return False
    if not visit.read_only:
        for folder in (lake.folder, lake.file.parent if lake.file else None):
            if folder is not None:
                make_folder(folder)
    while True:
        try:
            connection.execute(text)
            return True
        except duckdb.Error as exc:
            if visit.read_only and _is_absent(exc):
                _be_empty(connection)
                return False
            if not (is_locked(exc) or is_conflict(exc)) or not visit.deadline.left:
                raise
            time.sleep(RETRY_SECONDS)


def _be_empty(connection: duckdb.DuckDBPyConnection) -> None:
    """Attach an empty warehouse in memory, in place of a lake that is not there."""
    connection.execute(f"{IN_MEMORY}; {STATE_TABLES}")


def _attaching(visit: _Visit) -> str:
    """The statement that attaches a lake."""
    lake = visit.lake
    options = [f"DATA_PATH {literal(lake.data)}"]
    if lake.schema:
        options.append(f"METADATA_SCHEMA {literal(lake.schema)}")
    if lake.file and lake.folder:  # both may have been moved, with the clone
        options.append("OVERRIDE_DATA_PATH true")
    if visit.read_only:
        options.append("READ_ONLY")
    return f"ATTACH {literal(f'ducklake:{lake.catalog}')} AS warehouse ({', '.join(options)})"


def _is_absent(exc: duckdb.Error) -> bool:
    """Whether the catalog has no lake in it."""
    return "does not exist - and creating a new DuckLake" in str(exc)


def _completed(connection: duckdb.DuckDBPyConnection, tables: LakeTables) -> Found:
    """Make the state tables and columns that are not there; returns everything that is."""
    found = tables.found(connection)
    if all(
        found.state.get(table, {}).keys() >= columns.keys() for table, columns in STATE_FORM.items()
    ):
        return found
    connection.execute(_ROWS_IN_CATALOG)
    with transaction(connection):
        connection.execute(STATE_TABLES)
    return tables.found(connection)
