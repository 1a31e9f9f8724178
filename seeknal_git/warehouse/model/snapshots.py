"""Snapshots: to build, built, and checked."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain, count
from typing import Any

from seeknal_git.sql.partitioning import Ordinal
from seeknal_git.warehouse.model.clock import now
from seeknal_git.warehouse.model.queries import Query, as_rows, marked, relation

_ID_LENGTH = 16


@dataclass(frozen=True, slots=True)
class Partitions:
    """The partitions of a snapshot that a run has made."""

    total: int
    built: tuple[str, ...]  # in words; all others were there


@dataclass(frozen=True, slots=True)
class Files:
    """The files of a source that a run has read."""

    total: int
    read: tuple[str, ...]  # their paths; all others were read before


@dataclass(frozen=True, slots=True)
class Part:
    """The part of a table that a run on a branch has built."""

    since: str = ""  # the first partition that it may have, in words; "" for the first of all
    until: str = ""  # the partition that it ends before; "" if it does not
    held: int = 0  # the number of its partitions
    whole: tuple[Ordinal, ...] = ()  # the partitions that the whole table has
    over: tuple[str, ...] = ()  # the inputs in part that it reads as a whole


@dataclass(frozen=True, slots=True)
class Snapshot:
    """An immutable table.

    Several tables may be made of the same code and data. They share an identity; each but the first
    has a build of its own, and therefore another id.
    """

    id: str
    node: str
    table: str
    fingerprint: str
    data_version: str | None  # of a source
    rows: int
    built_at: datetime
    seconds: float
    identity: str
    build: str  # "" for the first table of an identity
    unstable: bool  # another table of this identity may hold other values
    # The SELECT of a view, or over pieces. `table` is the name of the SELECT then.
    query: Query | None = None
    # The form of its pieces, and their numbers, such as `1-365 370`; empty if it has none.
    form: str = ""
    pieces: str = ""
    partitions: Partitions | None = None  # if this run made it
    read: Files | None = None  # if this run made it of several files
    part: Part | None = None  # None for a whole table

    @property
    def is_in_pieces(self) -> bool:
        return bool(self.form) and self.query is not None

    @property
    def tables(self) -> tuple[str, ...]:
        """The snapshot tables that hold the rows."""
        return (self.table,) if self.query is None else self.query.tables

    @property
    def files(self) -> tuple[str, ...]:
        """The kept files that hold rows."""
        return self.query.files if self.query else ()

    @property
    def text(self) -> str:
        """The rows in the text of a query; see `Query.of`."""
        return marked(self.table) if self.query is None else as_rows(self.query.text)

    @property
    def relation(self) -> str:
        """The rows as SQL names them, from anywhere."""
        return relation(self.table) if self.query is None else as_rows(self.query.over(relation))


@dataclass(frozen=True, slots=True)
class Blueprint:
    """A snapshot to build. The fields that it shares with `Snapshot` mean the same."""

    id: str
    identity: str
    build: str
    unstable: bool
    node: str
    name: str  # the table's name begins like the node's
    fingerprint: str
    data_version: str | None
    sql: str  # references are rendered
    parameters: Mapping[str, Any]  # values of the parameters in `sql`
    dialect: Mapping[str, Any] | None = None  # of a source: how its files are read
    form: str = ""  # of its pieces, if it has any
    query: Query | None = None  # of a view: `sql`, with each table and file apart
    # Of a source that is a view: kept file → its path in the project.
    files: Mapping[str, str] = field(default_factory=dict)
    part: Part | None = None  # of a table in part

    def free_name(self, taken: Collection[str]) -> str:
        """A table's name that begins like the node's. If the snapshot is built again, the name gets
        a number, as its table is in use. taken: names in use, in lower case."""
        names = chain([self.beginning], (f"{self.beginning}_{number}" for number in count(2)))
        return next(free for free in names if free.lower() not in taken)

    @property
    def beginning(self) -> str:
        """The beginning of the names of its tables."""
        return f"{self.name}__{self.id[:_ID_LENGTH]}"

    def snapshot(self, table: str, rows: int, seconds: float, query: Query | None) -> Snapshot:
        """The snapshot that was built of it just now, in a table or as a SELECT."""
        return Snapshot(
            id=self.id,
            node=self.node,
            table=table,
            fingerprint=self.fingerprint,
            data_version=self.data_version,
            rows=rows,
            built_at=now(),
            seconds=seconds,
            identity=self.identity,
            build=self.build,
            unstable=self.unstable,
            query=query,
            form=self.form,
            part=self.part,
        )


@dataclass(frozen=True, slots=True)
class Earlier:
    """The answer to a check about an earlier snapshot that shares pieces with the one to check."""

    violations: int
    gone: str | None  # returns those of them in pieces that only the earlier snapshot has
    rows: int  # of the snapshot to check
    pieces: tuple[int, int]  # of the snapshot to check: the number of those to ask, and of all


@dataclass(frozen=True, slots=True)
class AuditQuery:
    """A check to make."""

    ids: tuple[str, ...]  # its answer is remembered under each
    node: str
    name: str
    sql: str  # returns the rows that violate the check; references are rendered
    rows: str | None  # the rows that are counted, as SQL names them
    earlier: Earlier | None = None  # if `sql` asks only pieces that are new since


@dataclass(frozen=True, slots=True)
class Audit:
    """The answer to a check: the number of rows that violate it, and of all rows."""

    id: str
    node: str
    name: str
    violations: int
    rows: int
