"""Columns as the proof sees them: their types, and the keys of a partition that they carry."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum

from seeknal_git.names import folded
from seeknal_git.sql.analysis.tree import Tree, objects
from seeknal_git.sql.analysis.types import is_exact
from seeknal_git.sql.statement import Known

BUCKET = "bucket"
DATE, TIMESTAMP, WITH_ZONE = "DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE"
# A table without a name gets one that begins with this, so that nobody can write it.
NAMELESS = "\x00"
_NO_PLACE = 2**31
# A name that the engine gives to no column: neither to an expression nor to the second of two
# columns of one name, which it makes `name_1`. DuckDB 2 calls a constant `true`.
_GIVEN = re.compile(r"(?!(?:true|false)$)(?!.*_\d+$)[a-z_][a-z0-9_]*", re.IGNORECASE)


class Obstruction(Exception):
    """A construct that keeps a statement from being computed partition by partition."""

    def __init__(self, words: str, tree: Tree | Sequence[Tree] | int | None = None) -> None:
        super().__init__(words)
        self.words = words
        self.location = tree if isinstance(tree, int) else place_of(tree)


def place_of(tree: Tree | Sequence[Tree] | None) -> int | None:
    """The place in the text where a tree begins, in bytes; None if the engine does not tell."""
    if isinstance(tree, Mapping) and 0 < tree.get("query_location", 0) < _NO_PLACE:
        return int(tree["query_location"])
    places = [part.get("query_location", _NO_PLACE) for part in objects(tree)] if tree else []
    return min((place for place in places if place < _NO_PLACE), default=None)


class Level(IntEnum):
    """The inputs that a query reads. A higher level may read those below too."""

    # No partitioned input.
    WHOLE = 0
    # Inputs for which the author states the window that is read, but no other partitioned ones.
    STATED = 1
    # Partitioned inputs. One partition of them is read.
    LOCAL = 2


@dataclass(frozen=True, slots=True)
class Input:
    """The table behind a reference."""

    known: Known
    # The columns of its key; empty if it is read whole.
    key: tuple[str, ...] = ()
    # Whether it is partitioned, and the author states which window of it is read.
    stated: bool = False

    @property
    def level(self) -> Level:
        if self.stated:
            return Level.STATED
        return Level.LOCAL if self.key else Level.WHOLE


@dataclass(frozen=True, slots=True)
class Partitions:
    """The partitions of a statement."""

    # `hour`, `day`, `week`, `month`, `year` or `bucket`.
    every: str
    # The number of columns of a key.
    width: int

    @property
    def keys(self) -> frozenset[int]:
        return frozenset(range(self.width))

    def check(self, given: Input) -> None:
        """Raise Obstruction if the partitions of an input cannot be told from its columns."""
        if given.level is not Level.LOCAL:
            return
        if given.known.columns is None:
            raise Obstruction("a partitioned input whose columns are not known")
        if len(given.key) != self.width:
            raise Obstruction("inputs that are not partitioned alike")
        if self.width > 1 and self.every != BUCKET:
            raise Obstruction("intervals of several columns")
        types = {folded(name): word for name, word in given.known.columns}
        for name in given.key:
            word = types.get(folded(name), "")
            if folded(name) in map(folded, given.known.collated):
                raise Obstruction(f"{name}, which has a collation")
            if not self.can_be_key(word):
                raise Obstruction(f"{name}, whose type is {word or 'not known'}")

    def can_be_key(self, word: str) -> bool:
        """Whether equal values of a type are in one partition."""
        return is_exact(word) if self.every == BUCKET else word in (DATE, TIMESTAMP, WITH_ZONE)


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """A column. Two columns are equal only if they are the same object."""

    # None if only the engine knows it.
    name: str | None = None
    # The engine's word; nothing if it is not certain, or if the column has a collation.
    type: str = ""
    # The key whose partition is that of the row's home.
    key: int | None = None
    # Set if the column carried a key on one side of a FULL JOIN: the join and the side. The first
    # column that is not NULL, of one of each side, carries it again.
    half: tuple[int, str, int] | None = None
    # Whether it carried one, but is NULL now in rows that a join adds.
    lacks: bool = False
    # The place of the item of a select list that it was made by.
    place: int | None = None


# A column that nothing is known of.
UNKNOWN = Column()


@dataclass(frozen=True, slots=True)
class Relation:
    """The result of a query."""

    level: Level
    # None if it is not known which columns it has.
    columns: tuple[Column, ...] | None = None


def carried(columns: Iterable[Column]) -> frozenset[int]:
    """The keys that columns carry."""
    return frozenset(column.key for column in columns if column.key is not None)


def titled(columns: Iterable[Column]) -> tuple[Column, ...]:
    """Columns of one query under the names that queries around it may use. Of two columns of one
    name, the engine renames the second."""
    used: set[str] = set()
    found = []
    for column in columns:
        name = folded(column.name or "")
        found.append(replace(column, name=None if name in used else column.name))
        used.add(name)
    return tuple(found)


def renamed(columns: tuple[Column, ...] | None, names: Sequence[str]) -> tuple[Column, ...] | None:
    """Columns under a list of aliases, which may be shorter."""
    if columns is None or len(names) > len(columns):
        return None
    given = [replace(column, name=name) for column, name in zip(columns, names, strict=False)]
    return titled([*given, *columns[len(names) :]]) if names else columns


def called(columns: Sequence[Column], name: str) -> Column | None:
    """The column of a folded name; None if there is none."""
    for column in columns:
        if column.name is None and not _GIVEN.fullmatch(name):
            return UNKNOWN
        if column.name is not None and folded(column.name) == name:
            return column
    return None


@dataclass(frozen=True, slots=True)
class Source:
    """A FROM."""

    level: Level = Level.WHOLE
    # The columns of each table; None if they are not known.
    tables: Mapping[str, tuple[Column, ...] | None] = field(default_factory=dict)
    # The columns that `*` stands for; None if they are not known.
    star: tuple[Column, ...] | None = ()
    # The columns that USING merges.
    merged: Mapping[str, Column] = field(default_factory=dict)

    def find(self, names: Sequence[str]) -> Column | None:
        """The column that a dotted name means; UNKNOWN if that is not certain, None if the name
        means nothing here."""
        first, rest = folded(names[0]), names[1:]
        if rest and first in self.tables:
            columns = self.tables[first]
            found = called(columns, folded(rest[0])) if columns is not None else UNKNOWN
            if found is not None:
                return found if len(rest) == 1 else UNKNOWN
        column = self._column(first)
        if column is None:
            return UNKNOWN if first in self.tables else None
        return UNKNOWN if rest else column

    def _column(self, name: str) -> Column | None:
        if name in self.merged:
            return self.merged[name]
        known = [columns for columns in self.tables.values() if columns is not None]
        found = [column for columns in known if (column := called(columns, name))]
        if not found:
            return None if len(known) == len(self.tables) else UNKNOWN
        return found[0] if len(found) == 1 else UNKNOWN

    def key(self, number: int, *, of_table: bool = False) -> str:
        """The name of a column that carries a key, as an author would write it."""
        column, table = self.carrier(number)
        is_written = of_table and table and not table.startswith(NAMELESS)
        return f"{table}.{column.name}" if is_written else column.name or "the key"

    def carrier(self, number: int) -> tuple[Column, str]:
        """A column that carries a key, and its table, if it is of one."""
        named = [
            (column, table) for table, columns in self.tables.items() for column in columns or ()
        ]
        named += [(column, "") for column in self.merged.values()]
        found = (pair for pair in named if pair[0].key == number and pair[0].name)
        return next(found, (UNKNOWN, ""))

    def keys(self, partitions: Partitions) -> str:
        """The names of columns that carry all keys."""
        return ", ".join(map(self.key, sorted(partitions.keys)))

    def mapped(self, change: Callable[[Column], Column]) -> Source:
        """The same tables with other columns. The same column becomes the same one everywhere."""
        changed: dict[Column, Column] = {}

        def once(column: Column) -> Column:
            return changed.setdefault(column, change(column))

        tables = {
            name: None if columns is None else tuple(map(once, columns))
            for name, columns in self.tables.items()
        }
        star = None if self.star is None else tuple(map(once, self.star))
        merged = {name: once(column) for name, column in self.merged.items()}
        return Source(self.level, tables, star, merged)


def as_table(name: str, relation: Relation, aliases: Sequence[str] = ()) -> Source:
    """A relation as a table of a FROM. Each use of a relation has columns of its own. A half of a
    key is one within its own query."""
    columns = renamed(relation.columns, aliases)
    own = None if columns is None else tuple(replace(column, half=None) for column in columns)
    return Source(relation.level, {name: own}, own)
