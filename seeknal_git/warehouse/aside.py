"""Build beside a warehouse file that others read meanwhile (docs/design/readers.md).

The warehouse is attached for reading, as `base`. A file of the run's own is attached under the name
of the warehouse, and looks like it: SQL that names a snapshot table finds a view of the one in the
base, and new tables are made in the file. So a builder works here as it does in a warehouse.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from seeknal_git.names import SNAPSHOTS, STATE_SCHEMA, WAREHOUSE, literal, qualified
from seeknal_git.sql.sandbox import Reach, confinement
from seeknal_git.sql.transaction import transaction
from seeknal_git.warehouse import pieces, protocol
from seeknal_git.warehouse.aside_state import ADDED, BASE, begin, extend, is_renewed, tables_in
from seeknal_git.warehouse.builder import Builder
from seeknal_git.warehouse.catalog import Catalog
from seeknal_git.warehouse.connection import SETTINGS, attach, attach_file, kept_files, private
from seeknal_git.warehouse.deadline import NO_WAIT, Deadline
from seeknal_git.warehouse.duckdb_file import DuckDBFile
from seeknal_git.warehouse.engine_errors import our_errors
from seeknal_git.warehouse.file_version import file_version
from seeknal_git.warehouse.model.pieces import Store
from seeknal_git.warehouse.model.snapshots import Snapshot
from seeknal_git.warehouse.stamp import stamp_of
from seeknal_git.warehouse.state_tables import STATE_FORM
from seeknal_git.warehouse.turns import Turn, files_of, remove
from seeknal_git.warehouse.verdict import is_sound

if TYPE_CHECKING:
    from seeknal_git.warehouse.owner import Owner


@contextmanager
def open_aside(
    path: Path, owner: Owner, file: Path, *, deadline: Deadline, reach: Reach
) -> Iterator[protocol.Aside]:
    """The warehouse at a path, with new tables in another file. Tables that an earlier run left in
    that file count as there, if they still belong to it. Raises as `connection.opened`."""
    folder = kept_files(owner)
    folders = [*reach.folders, *([folder] if folder else [])]
    reach = replace(reach, files=[*reach.files, *files_of(path)], folders=folders)
    with our_errors(path), closing(duckdb.connect(":memory:")) as connection:
        connection.execute(f"{SETTINGS}; {confinement(file, reach)}")
        _attach_base(connection, path, owner, deadline)
        base = tables_in(connection, BASE, SNAPSHOTS)
        stamp = stamp_of(connection, base, BASE)
        _attach_own(connection, file, base, stamp)
        own = tables_in(connection, WAREHOUSE, SNAPSHOTS)
        catalog = Catalog(connection, {SNAPSHOTS: base | own, STATE_SCHEMA: STATE_FORM}, folder)
        yield AsideFile(path, catalog, owner, base - own, stamp)
        # The warehouse is free before the log of the file is merged.
        connection.execute(f"DETACH {BASE}")


def _attach_base(
    connection: duckdb.DuckDBPyConnection, path: Path, owner: Owner, deadline: Deadline
) -> None:
    attach_file(connection, path, Turn.to_read(path, owner, deadline), BASE)
    if is_sound(path, owner, file_version(path), whole=False):
        return
    # It is inspected under its own name.
    connection.execute(f"DETACH {BASE}")
    attach(connection, path, owner, True, deadline)
    connection.execute(f"DETACH {WAREHOUSE}")
    attach_file(connection, path, Turn.to_read(path, owner, deadline), BASE)


def _attach_own(
    connection: duckdb.DuckDBPyConnection, file: Path, base: Collection[str], stamp: str
) -> None:
    """Attach the run's file. It begins anew if it cannot be read, or if nobody can tell what of it
    still belongs to the warehouse: all of it can be built again."""
    if file.exists():
        with suppress(duckdb.Error):
            attach_file(connection, file, Turn.to_write(NO_WAIT))
            with transaction(connection):
                if is_renewed(connection, base, stamp):
                    return
        connection.execute(f"DETACH DATABASE IF EXISTS {WAREHOUSE}")
        remove(file)
    with private():  # if half of it is there after a full disk, it begins anew
        connection.execute(f"ATTACH {literal(str(file))} AS {WAREHOUSE} (TYPE duckdb)")
    with transaction(connection):
        begin(connection, stamp)


class AsideFile(DuckDBFile, protocol.Aside):
    """A warehouse that is read, and a file in which everything new is built."""

    def __init__(
        self, path: Path, catalog: Catalog, owner: Owner, base: Collection[str], stamp: str
    ) -> None:
        """base: the snapshot tables of the warehouse that is read."""
        super().__init__(path, catalog, owner)
        self._base = base
        self._stamp = stamp

    @property
    def stamp(self) -> str:
        return self._stamp

    def read(self, tables: Iterable[str]) -> None:
        views = [
            f"CREATE VIEW IF NOT EXISTS {qualified(WAREHOUSE, SNAPSHOTS, table)} AS "
            f"FROM {qualified(BASE, SNAPSHOTS, table)}"
            for table in sorted(set(tables) & set(self._base))
        ]
        if views:
            with transaction(self._connection):
                self._connection.execute("; ".join(views))

    def builder(self) -> protocol.Builder:
        return _AsideBuilder(self._connection.cursor(), self._catalog.built, self._base)


class _AsideBuilder(Builder):
    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        committed: Callable[[Collection[str]], None],
        base: Collection[str],
    ) -> None:
        super().__init__(connection, committed)
        self._base = base

    def store(self, storage: str, there: Collection[str]) -> Store | None:
        found = super().store(storage, there)
        if found is None or found.table not in self._base:
            return found
        with self._undone_if_it_fails():
            extend(self._connection, found.table)
        return replace(found, schema=ADDED)

    def stretches(self, snapshot: Snapshot) -> list[tuple[int, int]]:
        table = snapshot.tables[0]
        if table not in self._base:
            return super().stretches(snapshot)
        with self._undone_if_it_fails():
            return pieces.stretches(self._connection, qualified(BASE, SNAPSHOTS, table))
