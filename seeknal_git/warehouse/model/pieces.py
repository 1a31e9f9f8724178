"""Pieces: immutable rows of one partition, or of one file, in a table of several."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from seeknal_git.names import SNAPSHOTS, WAREHOUSE, qualified
from seeknal_git.sql.partitioning import Ordinal, Partitioning
from seeknal_git.sql.ranges import is_among
from seeknal_git.sql.statement import Columns
from seeknal_git.warehouse.model.snapshots import Blueprint, Snapshot

# The column of a table of pieces that tells these apart.
NUMBER = "_piece"
# The form of a snapshot whose rows are in one piece for each file.
BY_FILE = "files"


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
    # Where new rows go. Beside a warehouse, that is another table.
    schema: str = SNAPSHOTS

    @property
    def into(self) -> str:
        """The table that new rows are added to, as SQL names it."""
        return qualified(WAREHOUSE, self.schema, self.table)


@dataclass(frozen=True, slots=True)
class Stage:
    """The pieces of a node so far, of a build that takes several transactions."""

    tables: frozenset[str]  # that have them, in lower case
    partitions: tuple[str, ...] = ()  # that were built, in words
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class InPieces:
    """The pieces of a snapshot to build. `blueprint.sql` gives the rows of all of them that are
    missing, or of the whole node if each has its own statement; of a source, all rows."""

    blueprint: Blueprint
    storage: str  # the key of the table: everything that its rows have in common
    partitioning: Partitioning
    columns: Columns
    store: Store | None  # the table, if there is one
    # All pieces of the snapshot by their partitions.
    wanted: Mapping[Ordinal, Piece] = field(default_factory=dict)
    # The partitions that its rows may be of: those of the whole table.
    there: Collection[Ordinal] = ()
    # Some missing partitions, and the SQL that gives their rows.
    statements: Iterable[tuple[Sequence[Ordinal], str]] = ()
    # Whether the SQL of a partition may give rows of others, so that each has its own statement.
    is_apart: bool = False
    # The pieces of earlier transactions.
    before: Stage | None = None
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


def limited(snapshot: Snapshot, pieces: Iterable[Piece]) -> Snapshot:
    """A snapshot in pieces with some of them alone."""
    query = snapshot.query
    assert query is not None, "a snapshot in pieces is a SELECT over them"
    chosen = is_among(NUMBER, [piece.number for piece in pieces])
    return replace(snapshot, query=replace(query, texts=(query.texts[0], f" WHERE {chosen}")))
