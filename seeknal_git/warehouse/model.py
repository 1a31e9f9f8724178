"""The values that a warehouse takes and gives. Nothing of the engine is in them.

Clocks go back, so ids and the order of records say which came last, never a time. Times are in UTC
and do not say so. A value that an earlier version did not record is None.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from seeknal_git.names import SNAPSHOTS, WAREHOUSE, literal, qualified
from seeknal_git.sql.engine_version import exactly
from seeknal_git.sql.partitioning import Ordinal, Partitioning, is_among
from seeknal_git.sql.statement import Columns

# The column of a table of pieces that tells these apart.
NUMBER = "_piece"
# The form of a snapshot whose rows are in one piece for each file.
BY_FILE = "files"
# The status of a deleted environment, in place of the status of its last run.
REMOVED = "removed"


def now() -> datetime:
    """The present in UTC, as the state tables keep it."""
    return datetime.now(UTC).replace(tzinfo=None)


def relation(table: str) -> str:
    """A snapshot's table as SQL names it, from anywhere."""
    return qualified(WAREHOUSE, SNAPSHOTS, table)


# Snapshots and checks


@dataclass(frozen=True, slots=True)
class Query:
    """A SELECT over snapshot tables and kept files: the text around their names, and the names."""

    pieces: tuple[str, ...]
    names: tuple[str, ...]  # one between two pieces each
    # Of the kept files; the same SELECT, wherever they are.
    folder: Path | None = field(default=None, compare=False)

    @staticmethod
    def of(text: str, folder: Path | None = None) -> Query:
        """The query of a text in which each table and file is written as `marked`."""
        parts = text.split("\0")
        return Query(tuple(parts[::2]), tuple(parts[1::2]), folder)

    @property
    def tables(self) -> tuple[str, ...]:
        return tuple(name for name in self.names if not is_file(name))

    @property
    def files(self) -> tuple[str, ...]:
        """The names of the kept files."""
        return tuple(filter(is_file, self.names))

    @property
    def text(self) -> str:
        """The SELECT in the text of another query."""
        return self._with(map(marked, self.names))

    def over(self, name_of: Callable[[str], str]) -> str:
        """The SELECT, with each table named as name_of names it, and each file by its path."""
        return self._with(
            self.path_of(name) if is_file(name) else name_of(name) for name in self.names
        )

    def path_of(self, file: str) -> str:
        """The path of a kept file, as SQL names it."""
        return literal(exactly(self.place_of(file)))

    def place_of(self, file: str) -> Path:
        """Where a kept file is."""
        assert self.folder, "a SELECT over files is read together with their folder"
        return kept_path(self.folder, file)

    def _with(self, names: Iterable[str]) -> str:
        return "".join(piece + name for piece, name in zip(self.pieces, [*names, ""], strict=True))


def marked(name: str) -> str:
    """A snapshot table's or kept file's name in the text of a query. No SQL has such a
    character."""
    return f"\0{name}\0"


_FILE = "@"  # begins the name of a kept file, and of no table


def file_name(blob: str) -> str:
    """The name of a kept file in a query. blob: the hash of its content."""
    return f"{_FILE}{blob}"


def is_file(name: str) -> bool:
    """Whether a name in a query is that of a kept file."""
    return name.startswith(_FILE)


def kept_path(folder: Path, file: str) -> Path:
    """The path of a kept file."""
    return folder / f"{file.removeprefix(_FILE)}.parquet"


def as_rows(select: str) -> str:
    """A SELECT in place of a table. Its last line may be a comment."""
    return f"({select}\n)"


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

    def limited(self, pieces: Iterable[Piece]) -> Snapshot:
        """The same with some of its pieces alone."""
        assert self.query is not None, "a snapshot in pieces is a SELECT over them"
        chosen = is_among(NUMBER, [piece.number for piece in pieces])
        return replace(
            self, query=replace(self.query, pieces=(self.query.pieces[0], f" WHERE {chosen}"))
        )

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


# The build of a history's version that production made begins with this letter.
OF_PRODUCTION = "p"


@dataclass(frozen=True, slots=True)
class Version:
    """A version of the history of a source's loads: a snapshot over tables. The fields that it
    shares with `Snapshot` mean the same."""

    id: str
    fingerprint: str
    identity: str
    build: str
    tables: tuple[str, ...]  # oldest first; somebody may have dropped some
    view: str
    publication: int  # the first that showed it


@dataclass(frozen=True, slots=True)
class Addition:
    """A load to add to a history."""

    load: str  # its rows as SQL names them
    key: Sequence[str]
    compared: Sequence[str]  # columns; none for all
    before: Sequence[str]  # the tables of the version that it is added to
    is_redefined: bool  # whether that version has another definition
    at: datetime  # when the rows of the load began to hold, in UTC


@dataclass(frozen=True, slots=True)
class Piece:
    """One immutable version of the rows of a partition."""

    id: str
    ordinal: Ordinal
    # Fingerprint of a source, or of a node that was built again → a hash of its data behind it.
    origins: Mapping[str, str]
    number: int = 0  # the value of `_piece` in its table
    rows: int = 0
    # All that decides the rows of its file, if files are read one by one.
    file: str = ""

    @property
    def is_empty_file(self) -> bool:
        """Whether it only says that a file has no rows."""
        return bool(self.file) and not self.rows


@dataclass(frozen=True, slots=True)
class Store:
    """A table of pieces."""

    table: str
    pieces: Mapping[str, Piece]  # by id


@dataclass(frozen=True, slots=True)
class InPieces:
    """The pieces of a snapshot to build. `blueprint.sql` gives the rows of those that are
    missing."""

    blueprint: Blueprint
    storage: str  # the key of the table: everything that its rows have in common
    partitioning: Partitioning
    columns: Columns
    store: Store | None  # the table, if there is one
    # All pieces of the snapshot by their partitions.
    wanted: Mapping[Ordinal, Piece] = field(default_factory=dict)
    # The partitions that its rows may be of: those of the whole table.
    there: Collection[Ordinal] = ()
    # The rows of one partition, if each is built by a statement of its own.
    sql_of: Callable[[Ordinal], str] | None = None
    # Of a source, whose rows tell: the piece of a partition, by the hash of its rows.
    named: Callable[[Ordinal, str], Piece] | None = None


@dataclass(frozen=True, slots=True)
class InFiles:
    """A load of several files, the rows of each in pieces of its own. `blueprint.sql` gives the
    rows of those that are to be read, with the number of the file in a column `FILE`."""

    blueprint: Blueprint
    storage: str  # the key of the table: everything that its rows have in common
    partitioning: Partitioning | None  # None if all rows of a file are one piece
    columns: Columns
    kept: Columns  # the same in the order of the table, whichever file comes first
    store: Store | None  # the table, if there is one
    files: Mapping[str, str]  # path → key of the file, for all files
    read: Mapping[int, str]  # number → path, for those that are to be read
    # Path, partition, and the hash of the rows → the piece.
    named: Callable[[str, Ordinal, str], Piece]


@dataclass(frozen=True, slots=True)
class AuditQuery:
    """A check to make."""

    id: str
    node: str
    name: str
    sql: str  # returns the rows that violate the check; references are rendered
    rows: str | None  # the rows that are counted, as SQL names them


@dataclass(frozen=True, slots=True)
class Audit:
    """The answer to a check: the number of rows that violate it, and of all rows."""

    id: str
    node: str
    name: str
    violations: int
    rows: int


# Environments and publications


@dataclass(frozen=True, slots=True)
class Published:
    """A node as an environment shows it: its view, and the snapshot that the view selects."""

    node: str
    view: str  # "" if it has none, as the node is ephemeral
    snapshot: str
    table: str
    fingerprint: str
    # The SELECT of a view over several tables. `table` is the name of that SELECT then.
    query: Query | None = None

    @property
    def tables(self) -> tuple[str, ...]:
        """The snapshot tables that the view needs."""
        return (self.table,) if self.query is None else self.query.tables

    @property
    def text(self) -> str:
        """The rows in the text of a query; see `Query.of`."""
        return marked(self.table) if self.query is None else as_rows(self.query.text)

    @property
    def files(self) -> tuple[str, ...]:
        """The kept files that the view needs."""
        return self.query.files if self.query else ()

    @property
    def relation(self) -> str:
        """The rows as SQL names them, from anywhere."""
        return relation(self.table) if self.query is None else as_rows(self.query.over(relation))

    def names_files_in(self, text: str) -> bool:
        """Whether the text of a view names the kept files where they are now."""
        query = self.query
        return query is None or all(query.path_of(file) in text for file in query.files[:1])

    def is_right(self, views: Mapping[str, str]) -> bool:
        """Whether its view, if it has one, is there and selects this. views: those that exist, with
        the tables that they select."""
        return not self.view or views.get(self.view) == self.table


@dataclass(frozen=True, slots=True)
class EnvironmentRecord:
    """The record of an environment that was published or run."""

    schema: str
    branch: str
    commit: str | None  # of its last publication
    created_at: datetime
    used_at: datetime


@dataclass(frozen=True, slots=True)
class Foreign:
    """A view or table in an environment's schema that Seeknal did not make, or that somebody has
    replaced since."""

    schema: str
    name: str
    kind: str  # view or table

    @property
    def place(self) -> str:
        return f"{self.schema}.{self.name}"

    def __str__(self) -> str:
        return f"the {self.kind} {self.place}"


@dataclass(frozen=True, slots=True)
class Publication:
    """A publication to make: the nodes that an environment is to show, and where they come from."""

    schema: str
    branch: str
    commit: str  # of the tree that was built
    author: str
    command: str  # `run`, `promote`, `hook` (a promotion by git) or `rollback`
    shows: Mapping[str, Published]  # by node
    built: Collection[str] = ()  # the nodes that this run built
    seconds: float | None = None  # since the run began
    merged: str | None = None  # the branch that came in with the commit, if that is known
    restores: int | None = None  # the earlier publication that is shown again
    base: str | None = None  # the commit under uncommitted nodes
    publisher: str | None = None  # who ran the command
    clone: str | None = None  # the git folder that it was run in
    edited: bool | None = None  # whether nodes differed from their commit
    reason: str | None = None  # why somebody insisted on it


@dataclass(frozen=True, slots=True)
class Outcome:
    """The effect of a publication, as names of nodes."""

    repointed: tuple[str, ...]
    unchanged: tuple[str, ...]
    removed: tuple[str, ...]
    publication: int | None = None  # its id; None if it changed nothing
    # Views and tables that somebody made in place of the views of removed nodes. They stay.
    yours: tuple[Foreign, ...] = ()


class Warned(NamedTuple):
    """A check of severity warn that did not hold."""

    node: str
    message: str

    def __str__(self) -> str:
        return f"{self.node}: {self.message}"


@dataclass(frozen=True, slots=True)
class Record:
    """A publication that an environment made. Fields that it shares with `Publication` mean the
    same."""

    id: int
    commit: str
    author: str
    command: str
    published_at: datetime
    seconds: float | None
    merged: str | None
    restores: int | None
    built: int
    reused: int
    removed: int
    base: str | None = None
    publisher: str | None = None
    clone: str | None = None
    edited: bool | None = None
    reason: str | None = None
    # The checks that did not hold, by the last run that left the publication as it is.
    warnings: tuple[Warned, ...] = ()


@dataclass(frozen=True, slots=True)
class Move:
    """The effect of a publication on one node."""

    node: str
    change: str  # `added`, `re-pointed`, `removed`, or `restored` if its view was damaged
    rows_before: int | None
    rows_after: int | None
    built: bool | None  # whether the run built the table, or found it


def rolled_back_to(records: Sequence[Record]) -> int | None:
    """The earlier publication that an environment shows, by its records, newest first. None if it
    shows its newest one, also after a rollback that another rollback has undone."""
    restores = records[0].restores if records else None
    newest = next((record.id for record in records if record.restores is None), None)
    return None if restores == newest else restores


@dataclass(frozen=True, slots=True)
class Run:
    """The last run of an environment."""

    schema: str
    command: str
    started_at: datetime
    status: str  # `running`, `succeeded`, `failed` or `interrupted`
    message: str | None
    # Node → why it failed; empty for a run of an earlier version.
    failures: Mapping[str, str] = field(default_factory=dict)


# Files of exposures


@dataclass(frozen=True, slots=True)
class Delivery:
    """The file of an exposure."""

    node: str
    snapshot: str  # the exposure's id; "" once no exposure writes the file, or while it is replaced
    path: Path
    table: str | None  # the snapshot table that was written
    definition: Mapping[str, Any] | None  # the exposure's
    content: str | None = None  # a hash of the file; None until it is written


@dataclass(frozen=True, slots=True)
class DeliveredPath:
    """A path to which a file was delivered, or was about to be."""

    schema: str
    path: str
    place: str | None  # the path in the project
    content: str | None  # a hash of the file


# Unused tables


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules by which tables are kept."""

    productions: frozenset[str]  # schemas of production, under any of its names
    live: frozenset[str]  # schemas of the environments that stay
    publications: int  # production's last ones that are kept
    seconds: int  # the time for which production's history is kept
    idle: int  # seconds after which nobody goes on with a run that did not succeed
    now: datetime  # the present, in UTC


@dataclass(frozen=True, slots=True)
class Unnamed:
    """A snapshot table that nobody needs."""

    table: str
    node: str
    rows: int
    bytes: int  # of the file's blocks that it takes up, about


@dataclass(frozen=True, slots=True)
class UnusedPieces:
    """Pieces that nobody needs, in a table whose others somebody needs."""

    table: str
    node: str
    rows: int
    numbers: tuple[int, ...]


# The reasons to keep a table, in the order in which they are tried.
REASONS = ("production", "changes", "environment", "history", "view", "unfinished run")


def counted_by_reason(kept: Mapping[str, str]) -> dict[str, int]:
    """Reason → number of tables, for the reasons that keep any."""
    reasons = list(kept.values())
    return {reason: reasons.count(reason) for reason in REASONS if reason in reasons}


# Answers to SELECTs

# The forms of their values
TABLE, CSV, JSON, PYTHON = "table", "csv", "json", "python"
PARQUET = "parquet"  # the engine writes the rows into a file, and returns their number


@dataclass(frozen=True, slots=True)
class Rows:
    """The first rows of a result."""

    columns: tuple[tuple[str, str], ...]  # the name and type of each
    rows: tuple[tuple[Any, ...], ...]
    more: bool  # whether there are others


@dataclass(frozen=True, slots=True)
class Rest:
    """The rows that only one of two tables has."""

    count: int
    rows: tuple[tuple[Any, ...], ...]  # some of them


@dataclass(frozen=True, slots=True)
class Comparison:
    """The difference between two tables."""

    rows: int  # of the first table
    only_before: Rest
    only_after: Rest
    rounded: bool = False  # whether floats are equal except for their last digits

    @property
    def equal(self) -> bool:
        return self.rounded or not (self.only_before.count or self.only_after.count)


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a query."""

    names: Sequence[str]  # of the columns
    rows: Iterator[Sequence[Any]]  # as they come; they are never all in memory
    is_plan: bool = False  # the rows are the lines of EXPLAIN


@dataclass(frozen=True, slots=True)
class Listener:
    """Who asks a query."""

    form: str  # of the values: TABLE, CSV, JSON, PYTHON or PARQUET
    hear: Callable[[Answer], None]  # is called with the answer while the warehouse is open
    limit: int | None = None  # at most this many rows
    file: Path | None = None  # of PARQUET; it is in reach of the warehouse
