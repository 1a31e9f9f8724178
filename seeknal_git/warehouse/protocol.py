"""The parts of a warehouse. The rest of the program knows no other way to use one.

A warehouse holds snapshots (immutable tables), the views of environments, and a record of both.
Its parts take and give the values of `model`, and SQL only if a node's own SELECT is executed. No
connection, cursor or exception of an engine passes. Errors are those of `seeknal_git.errors`, and
`SqlError` if the engine refuses a SELECT.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from seeknal_git.sql.statement import Columns
    from seeknal_git.warehouse.deadline import Deadline
    from seeknal_git.warehouse.location import Location
    from seeknal_git.warehouse.model.answers import Comparison, Listener, Rows
    from seeknal_git.warehouse.model.deliveries import Changed, DeliveredPath, Delivery
    from seeknal_git.warehouse.model.environments import EnvironmentRecord, Foreign, Published
    from seeknal_git.warehouse.model.histories import Addition, Version
    from seeknal_git.warehouse.model.pieces import InFiles, InPieces, Piece, Stage, Store
    from seeknal_git.warehouse.model.publications import (
        Move,
        Outcome,
        Publication,
        Record,
        Run,
        Warned,
    )
    from seeknal_git.warehouse.model.snapshots import Audit, AuditQuery, Blueprint, Part, Snapshot
    from seeknal_git.warehouse.model.unused import Outdated, Rules, Unnamed, UnusedPieces


class Snapshots(Protocol):
    """The tables that were built, and the answers of their checks. All look-ups are in bulk."""

    def find(self, fingerprints: Iterable[str]) -> tuple[list[Snapshot], list[Snapshot]]:
        """The snapshots of some fingerprints, oldest first: those whose tables exist, and those
        whose tables are gone."""
        ...

    def tables(self) -> set[str]:
        """The snapshot tables that really exist: somebody may have dropped one."""
        ...

    def columns(self, tables: Sequence[str]) -> dict[str, Columns]:
        """Table → (name, type) of each column."""
        ...

    def readings(self, tables: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Table of a source → how its files were read (`dialect`), and its columns without values
        (`empty`); of a view also its `columns`, and its `files` by the names that are kept."""
        ...

    def files(self) -> dict[str, tuple[str, str]]:
        """Kept file → the source that reads it in place, and its path in the project."""
        ...

    def pieces(self, snapshot: Snapshot) -> list[Piece]:
        """The pieces of a snapshot; none if it is one table."""
        ...

    def store(self, storage: str, there: Collection[str]) -> Store | None:
        """The table of some pieces. there: names of snapshot tables, in lower case."""
        ...

    def parts(self, ids: Sequence[str]) -> dict[str, Part]:
        """Id of a snapshot in part → the part that it holds."""
        ...

    def audits(self, ids: Sequence[str]) -> dict[str, Audit]:
        """Id → the answer to a check, for those that were made."""
        ...

    def kept(self, rules: Rules) -> dict[str, str]:
        """Table → the first reason to keep it, one of `model.REASONS`."""
        ...

    def kept_files(self, rules: Rules) -> set[str]:
        """The names of the kept files that somebody needs, for one of these reasons."""
        ...

    def unnamed(self, kept: Collection[str]) -> list[Unnamed]:
        """The snapshots that are not kept. A table without a record is not ours, and not here."""
        ...

    def unused_pieces(self, rules: Rules) -> list[UnusedPieces]:
        """The pieces that nobody needs, of tables that are kept."""
        ...

    def drop_pieces(self, pieces: Sequence[UnusedPieces]) -> None:
        """Delete pieces, and the records of snapshots that need them, in one transaction. That of
        an unstable one stays, as with `drop`."""
        ...

    def drop(self, tables: Sequence[str]) -> None:
        """Drop tables and their records, in one transaction. The record of an unstable one stays: a
        later table of its identity holds other values, and is another build."""
        ...


class Environments(Protocol):
    """The views of each environment. An environment is named by its schema."""

    def all(self) -> dict[str, EnvironmentRecord]:
        """Schema → environment."""
        ...

    def shown(self, schema: str, at: int | None = None) -> dict[str, Published]:
        """Node → its view and snapshot, now or after an earlier publication."""
        ...

    def columns(self, shown: Sequence[Published]) -> dict[str, Columns]:
        """Table → (name, type) of each column, for those nodes whose rows are there."""
        ...

    def missing(self) -> dict[str, list[str]]:
        """Schema → the nodes that its environment shows and whose tables are gone, if there are
        any."""
        ...

    def views(self, schema: str) -> dict[str, str]:
        """The views that really exist: name → the snapshot table that it selects, "" if it is not
        a view of ours."""
        ...

    def astray(self, schema: str) -> set[str]:
        """The views that name kept files where they were before the clone was moved."""
        ...

    def made_by_others(self, schema: str, shown: Iterable[Published]) -> dict[str, Foreign]:
        """The views and tables that somebody made, by their names in lower case. shown: the
        nodes that the environment shows."""
        ...

    def readers(self, schema: str) -> list[str]:
        """Somebody's own views that break if the schema goes: those in it, and those that name
        it."""
        ...

    def need_places(self, schema: str, views: Iterable[str]) -> None:
        """Raise WarehouseError if somebody else's view or table has the name of one of these
        views."""
        ...

    def delete(self, schema: str) -> tuple[Foreign, ...]:
        """Drop an environment's views and its record. Snapshots stay until `gc`. Views and tables
        that somebody made there stay too, and are returned."""
        ...

    def was_deleted(self, schema: str) -> bool:
        """Whether somebody deleted it, and nobody has run it since."""
        ...


class Publications(Protocol):
    """The publications of each environment."""

    def publish(self, publication: Publication) -> Outcome:
        """Make an environment show exactly the nodes of a publication, in one transaction. A view
        that is right already is left alone. Raises WarehouseError if something else is in a view's
        place."""
        ...

    def records(self, schema: str) -> list[Record]:
        """The publications of an environment, newest first."""
        ...

    def last(self, schema: str) -> Record | None:
        """The publication that an environment shows."""
        ...

    def moves(self, schema: str, ids: Sequence[int]) -> dict[int, list[Move]]:
        """Publication → its effects, by the nodes' names."""
        ...

    def lost(self, schema: str) -> dict[int, list[str]]:
        """Publication → the nodes that it showed and whose tables are gone, if there are any."""
        ...

    def rows(self, schema: str, at: int) -> dict[str, int | None]:
        """Node → its rows after a publication, also if its table is gone."""
        ...

    def warnings(self, schema: str) -> list[Warned]:
        """The warnings about the nodes that an environment shows."""
        ...

    def record_warnings(self, schema: str, warnings: Sequence[Warned]) -> None:
        """Write down the warnings about the nodes that an environment shows, in place of earlier
        ones."""
        ...


class Runs(Protocol):
    """How runs ended."""

    def begin(self, run_id: str, schema: str, command: str, seconds: float = 0.0) -> None:
        """Write down that a run began, some seconds ago: tables that were built since are its
        own."""
        ...

    def end(
        self,
        run_id: str,
        status: str,
        message: str | None = None,
        failures: Mapping[str, str] | None = None,
    ) -> None:
        """Write down how a run ended. failures: node → why it failed, in place of a message."""

    def last(self, schema: str) -> Run | None: ...


class Deliveries(Protocol):
    """The files of exposures."""

    def last(self, schema: str, at: int | None = None) -> dict[str, Delivery]:
        """Exposure → its last delivery, also one that was broken off and has no snapshot; or its
        last whole one before the publication after `at`. A file that another exposure has
        overwritten since is not here."""
        ...

    def ever(self) -> list[DeliveredPath]:
        """Every delivery that was made, or was about to be."""
        ...

    def paths(self) -> set[str]:
        """Every path that was ever delivered to."""
        ...

    def record(self, schema: str, delivery: Delivery) -> None:
        """Write down that a file was delivered, after the environment's last publication."""
        ...

    def write(self, relation: str, definition: Mapping[str, Any], target: Path) -> None:
        """Write the rows of a table or view, as SQL names it, to a file or a folder of files that
        is not there yet. Raises SqlError."""
        ...

    def write_changed(self, delivery: Delivery, before: str, target: Path) -> Changed | None:
        """Write those folders of a partitioned delivery whose rows are not those of an earlier
        snapshot. Returns None, and writes nothing, if the whole has to be written: because the
        two have other columns, or because their pieces do not tell. Raises SqlError.

        before: the table of the earlier snapshot. target: as for `write`.
        """
        ...


class Scratch(Protocol):
    """SELECTs over tables that exist and tables made for the moment. Nothing stays of it."""

    def built(
        self, schemas: Iterable[str], fingerprints: Mapping[str, str]
    ) -> dict[str, tuple[str, Published]]:
        """Node → the schema of an environment that shows it as it is defined now, and its table or
        view there. Earlier schemas win."""
        ...

    def table(self, name: str, sql: str, parameters: Mapping[str, Any]) -> str:
        """Compute a table that lives as long as the warehouse is open, in place of one of that
        name. Returns it as SQL names it. Raises SqlError."""
        ...

    def view(self, name: str, relation: str, columns: Columns) -> str:
        """A view of some columns of a table, named as in `columns`. Raises SqlError."""
        ...

    def shuffled(self, name: str, relation: str, number: int) -> str:
        """A table of the same rows in another order. Each odd number gives the reverse of the even
        number before it."""
        ...

    def columns(self, sql: str) -> Columns:
        """The columns that a SELECT returns, without executing it. Raises SqlError."""
        ...

    def export(self, sql: str, path: Path) -> None:
        """Write the rows of a SELECT to a Parquet file, in their order. Raises SqlError."""
        ...

    def first_rows(self, sql: str, parameters: Mapping[str, Any], limit: int) -> Rows:
        """Raises SqlError, with a line that counts from the beginning of `sql`."""
        ...

    def count(self, sql: str) -> int:
        """The number of rows. Raises SqlError."""
        ...

    def compare(self, before: str, after: str, columns: Columns) -> Comparison:
        """Compare two tables as bags of rows, on columns that both have with the same types. Raises
        SqlError."""
        ...

    def in_one_order(self) -> AbstractContextManager[None]:
        """Sums of floats within the block are added up in the same order each time."""
        ...


class Builder(Protocol):
    """A worker that builds snapshots and makes checks, several of them in one transaction: a commit
    takes as long for one as for fifty. It belongs to one thread.

    If anything fails, everything since the last commit is undone.
    """

    @property
    def open_for(self) -> float:
        """The age of the transaction in seconds; 0 if there is none."""
        ...

    def build(
        self,
        blueprint: Blueprint,
        taken: Collection[str] = (),
        confirm: Callable[[], None] = lambda: None,
    ) -> Snapshot:
        """Build a table. Raises SqlError with the engine's message.

        taken: names of snapshot tables, in lower case, that are in use. confirm: is called when the
        table is built, and may raise SqlError to undo it.
        """
        ...

    def extend(
        self, blueprint: Blueprint, addition: Addition, taken: Collection[str] = ()
    ) -> Snapshot:
        """Make the next version of a history, as a SELECT over tables. Raises SqlError. taken: as
        for `build`."""
        ...

    def pieces(self, snapshot: Snapshot) -> list[Piece]:
        """The pieces of a snapshot; none if it is one table."""
        ...

    @property
    def threads(self) -> int:
        """How many threads build a table."""
        ...

    def stretches(self, snapshot: Snapshot) -> list[tuple[int, int]]:
        """Of a snapshot in pieces, the least and the greatest number of a piece in each of several
        stretches of its table, as far as a sample shows them."""
        ...

    def store(self, storage: str, there: Collection[str]) -> Store | None:
        """The table of some pieces. there: names of snapshot tables, in lower case."""
        ...

    def build_pieces(
        self, order: InPieces, confirm: Callable[[], None] = lambda: None
    ) -> Snapshot | Stage:
        """Build the pieces of a node that are not there. If that takes long, only some of them: the
        caller commits these, and asks for the others. Raises SqlError. See `build`."""
        ...

    def load_files(self, order: InFiles, confirm: Callable[[], None] = lambda: None) -> Snapshot:
        """Read the files of a source that were never read. Raises SqlError. See `build`."""
        ...

    def check(self, question: AuditQuery) -> Audit:
        """Count the rows that violate a check, and all rows. Raises SqlError."""
        ...

    def columns(self, sql: str, parameters: Mapping[str, Any] = ...) -> Columns:
        """The columns of a SELECT. Raises SqlError."""
        ...

    def export(self, sql: str, path: Path) -> None:
        """Write the rows of a SELECT to a Parquet file, in their order. Raises SqlError."""
        ...

    def commit(self) -> None:
        """Keep everything that was built and checked since the last commit, with its records.
        Raises SqlError."""
        ...

    def adopt(self, snapshot: Snapshot) -> None:
        """Count a table as there that another process has built and committed."""
        ...

    def undo(self) -> None:
        """Undo everything since the last commit."""
        ...

    def interrupt(self) -> None:
        """Stop the statement that is being executed, from another thread."""
        ...

    def close(self) -> None:
        """Undo everything since the last commit, for good."""
        ...


class Histories(Protocol):
    """The histories of sources that keep changes."""

    def newest(self, schema: str) -> dict[str, Version]:
        """Node → the last version of its history that production made and published, rollbacks
        aside; also of nodes that it does not show any more. schema: production's now."""
        ...


class Queries(Protocol):
    """SELECTs of a user, over the views of one environment. The warehouse is open for reading."""

    def ask(self, schema: str, sql: str, listener: Listener) -> None:
        """Run one SELECT with an environment's views in reach by their bare names. Raises
        UsageError."""
        ...

    def ask_past(
        self, schema: str, views: Iterable[Published], sql: str, listener: Listener
    ) -> None:
        """Run one SELECT with these views in reach, and no others. Raises UsageError."""
        ...


class Warehouse(Protocol):
    """An open warehouse. All of it but its builders belongs to one thread."""

    @property
    def location(self) -> Location: ...

    @property
    def snapshots(self) -> Snapshots: ...

    @property
    def environments(self) -> Environments: ...

    @property
    def publications(self) -> Publications: ...

    @property
    def runs(self) -> Runs: ...

    @property
    def deliveries(self) -> Deliveries: ...

    @property
    def histories(self) -> Histories: ...

    @property
    def scratch(self) -> Scratch: ...

    @property
    def queries(self) -> Queries: ...

    def builder(self) -> Builder:
        """A builder for the calling thread."""
        ...

    def more_builders(self, number: int) -> AbstractContextManager[Sequence[Builder]]:
        """Builders for threads beside the one that has a builder, at work inside the block. There
        are fewer than this number if they would lack memory, or cannot be had."""
        ...

    @property
    def commit_seconds(self) -> float:
        """The seconds that a commit takes, about."""
        ...

    @property
    def takes_turns(self) -> bool:
        """Whether one builder at a time has to work."""
        ...

    @property
    def version(self) -> str:
        """As `opening.version_of`."""
        ...

    @property
    def stamp(self) -> str:
        """A hash of everything that was built, published, dropped or deleted."""
        ...

    def take(self, file: Path) -> bool:
        """Copy the tables that were built in a file of `open_aside`, with their records, in one
        transaction. False if the warehouse is not as it was then: nothing is copied."""
        ...

    def outdated(self) -> Outdated:
        """The part of a lake's past that may go; nothing of a file."""
        ...

    def forget_outdated(self) -> Outdated:
        """Let that part of a lake's past go; returns what has gone."""
        ...

    def lease(self, schema: str, deadline: Deadline, /) -> AbstractContextManager[None]:
        """Keep others from publishing an environment inside the block. Raises WarehouseBusy if
        somebody else does until the deadline."""
        ...

    def leave(self) -> str | None:
        """Put everything where it stays; nothing is written after that. Returns the version that
        `opening.version_of` will give until somebody writes, empty if it is not known; None if
        there is no room for that, and nothing more can be asked."""
        ...

    def interrupt(self) -> None:
        """Stop the statement that is being executed, from another thread."""
        ...


class Aside(Warehouse, Protocol):
    """A warehouse that is only read, with a file beside it in which its builders build. Others read
    the warehouse meanwhile. Only SQL of nodes and checks is executed here; nothing is published."""

    def read(self, tables: Iterable[str]) -> None:
        """Let SQL read these snapshot tables of the warehouse."""
        ...
