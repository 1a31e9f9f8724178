"""Pieces of partitioned nodes: rows of an append-only table, told apart by its column `_piece`."""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from seeknal_git.names import STATE, STATE_SCHEMA, folded, quote
from seeknal_git.sql.engine import SqlError, as_subquery
from seeknal_git.sql.partition_values import in_partition
from seeknal_git.sql.partitioning import Ordinal, Partitioning
from seeknal_git.sql.ranges import is_among, ranges_in, ranges_of, spelled
from seeknal_git.warehouse.forms import mapping
from seeknal_git.warehouse.model.pieces import NUMBER, InPieces, Piece, Store
from seeknal_git.warehouse.model.queries import Query, relation
from seeknal_git.warehouse.model.snapshots import Blueprint, Partitions, Snapshot
from seeknal_git.warehouse.state_tables import insert

if TYPE_CHECKING:
    import duckdb

    from seeknal_git.sql.statement import Columns
    from seeknal_git.warehouse.catalog import Catalog

# The rows of a piece, in whatever order; those of several pieces add up.
CONTENT = "concat_ws(' ', 'rows', count(*), bit_xor(h), sum(h::HUGEINT))"
# A build that takes longer commits the pieces that it has, so that a run that is killed finds them.
STAGE_SECONDS = 2.0
_STAGED = "temp.main.staged"
_WORD = 8
_ROW_GROUP = 122_880  # rows
_FLOATS = ("FLOAT", "DOUBLE")
# Types whose values have different hashes if they are different.
PLAIN = re.compile(
    r"(U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|DECIMAL\(\d+,\d+\)|VARCHAR|BLOB|BOOLEAN|UUID|DATE|TIME"
    r"|TIMESTAMP(_S|_MS|_NS| WITH TIME ZONE)?|ENUM\((?:'(?:[^']|'')*'(, )?)*\))$"
)


def selected(columns: Columns, kept: Kept) -> Query:
    """The rows of some pieces, without their numbers."""
    names = ", ".join(quote(name) for name, _ in columns)
    chosen = is_among(NUMBER, kept.numbers, kept.there)
    return Query((f"SELECT {names} FROM ", f" WHERE {chosen}"), (kept.table,))


def of_snapshot(connection: duckdb.DuckDBPyConnection, snapshot: Snapshot) -> list[Piece]:
    """The pieces of a snapshot."""
    if not snapshot.pieces:
        return []
    chosen = [f"number BETWEEN {low} AND {high}" for low, high in ranges_in(snapshot.pieces)]
    rows = connection.execute(
        f"SELECT {_FIELDS} FROM {STATE}.pieces WHERE table_name = $1 AND ({' OR '.join(chosen)})"
        " AND (file IS NULL OR row_count > 0)",
        [snapshot.tables[0]],
    ).fetchall()
    return [_piece(*row) for row in rows]


def stretches(connection: duckdb.DuckDBPyConnection, place: str) -> list[tuple[int, int]]:
    """The least and the greatest number in each row group of a table, of a sample of its rows. The
    engine skips a row group by these. place: the table as SQL names it."""
    rows = connection.execute(
        f"SELECT min({NUMBER}), max({NUMBER}) FROM {place} "
        f"TABLESAMPLE system(5%) REPEATABLE(1) GROUP BY rowid // {_ROW_GROUP}"
    ).fetchall()
    return [(low, high) for low, high in rows]


_FIELDS = "id, ordinal, origins, number, row_count"


def _piece(id_: str, ordinal: Ordinal, origins: str, number: int, rows: int) -> Piece:
    return Piece(id_, ordinal, mapping(origins), number, rows)


def are_recorded(catalog: Catalog) -> bool:
    """Whether the state has a table of pieces: a warehouse of an earlier version that is only read
    has none."""
    return "pieces" in catalog.tables(STATE_SCHEMA)


def store_of(
    connection: duckdb.DuckDBPyConnection, storage: str, there: Collection[str]
) -> Store | None:
    """The table of some pieces that was made last. there: the tables that exist, in lower case. The
    caller knows that pieces are recorded."""
    rows = connection.execute(
        f"SELECT table_name, file, {_FIELDS} FROM {STATE}.pieces WHERE storage = $1 ORDER BY rowid",
        [storage],
    ).fetchall()
    tables = [table for table, *_ in rows if table.lower() in there]
    if not tables:
        return None
    own = (
        replace(_piece(*fields), file=file or "")
        for table, file, *fields in rows
        if table == tables[-1]
    )
    return Store(tables[-1], {piece.id: piece for piece in own})


@dataclass(frozen=True, slots=True)
class Kept:
    """The pieces of a snapshot, all of them in one table."""

    table: str
    pieces: Sequence[Piece]
    made: Sequence[Piece]  # those that were not there
    there: Sequence[int]  # the numbers of all pieces in the table
    is_new: bool  # whether the table is

    @property
    def numbers(self) -> list[int]:
        return [piece.number for piece in self.pieces]

    @property
    def spelled(self) -> str:
        """The numbers as text."""
        return spelled(ranges_of(self.numbers, self.there))

    def counted(self, partitioning: Partitioning) -> Partitions:
        """The partitions, and which of them were built."""
        made, all_ = (
            {
                piece.ordinal
                for piece in pieces
                if not piece.is_empty_file and partitioning.has(piece.ordinal)
            }
            for pieces in (self.made, self.pieces)
        )
        return Partitions(len(all_), tuple(sorted(map(partitioning.label, made))))


def build(connection: duckdb.DuckDBPyConnection, order: InPieces) -> tuple[Kept, Query]:
    """Build the pieces of a node that are not there, or some of them if that takes long. Raises
    SqlError."""
    need_free_name(order.columns)
    known = order.store.pieces if order.store else {}
    kept = [known[piece.id] for piece in order.wanted.values() if piece.id in known]
    missing = {at: piece for at, piece in order.wanted.items() if piece.id not in known}
    table, base = _table(order), _next_number(known)
    first = min((at for at in missing if at is not None), default=0)
    built, started = dict[Ordinal, Piece](), time.perf_counter()
    statement = f"CREATE TABLE {relation(table)} AS" if order.store is None else _into(order, table)
    for some, sql in _statements(order, missing):
        limit = "" if some or not missing else " LIMIT 0"
        connection.execute(f"{statement} {_numbered(order, sql, first, base, some)}{limit}")
        statement = _into(order, table)
        built |= some
        if built and time.perf_counter() - started > STAGE_SECONDS:
            break
    made = _recorded(connection, order, table, (first, base), built)
    return _done(order, table, made, kept)


def _recorded(
    connection: duckdb.DuckDBPyConnection,
    order: InPieces,
    table: str,
    numbers: tuple[int, int],
    built: Mapping[Ordinal, Piece],
) -> list[Piece]:
    """Record pieces that were built. numbers: the first partition, and the number of the piece of
    rows outside. Raises SqlError for rows that are of none."""
    first, base = numbers
    counts = _counts(connection, table, base)
    _need_no_strays(order, counts.pop(None, 0))
    if order.partitioning.outside == "error":
        need_all_inside(order.partitioning, counts.get(base, 0))
    made = []
    for at, piece in built.items():
        number = _number(at, first, base)
        made.append(replace(piece, number=number, rows=counts.get(number, 0)))
    record(connection, table, order.storage, made)
    return made


def load(connection: duckdb.DuckDBPyConnection, order: InPieces) -> tuple[Kept, Query]:
    """Read a source, and keep the partitions whose rows are not there. Raises SqlError."""
    need_free_name(order.columns)
    return _first_load(connection, order) if order.store is None else _next_load(connection, order)


def _first_load(connection: duckdb.DuckDBPyConnection, order: InPieces) -> tuple[Kept, Query]:
    table, first, base = _table(order), order.partitioning.begin, 1
    number = f"CASE WHEN {order.partitioning.inside(_ordinal(order))} THEN "
    number += f"{_ordinal(order)} - {first - base - 1} ELSE {base} END"
    parameters = dict(order.blueprint.parameters)
    connection.execute(f"CREATE TABLE {relation(table)} AS {_rows_with(order, number)}", parameters)
    made = [
        replace(piece, number=_number(piece.ordinal, first, base))
        for piece in _digested(
            connection,
            order,
            relation(table),
            lambda number: None if number == base else number + first - base - 1,
        )
    ]
    record(connection, table, order.storage, made)
    return _done(order, table, made, ())


def _next_load(connection: duckdb.DuckDBPyConnection, order: InPieces) -> tuple[Kept, Query]:
    assert order.store is not None, "the caller looked"
    known = order.store.pieces
    number = f"CASE WHEN {order.partitioning.inside(_ordinal(order))} THEN {_ordinal(order)} END"
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE staged AS {_rows_with(order, number)}",
        dict(order.blueprint.parameters),
    )
    found = _digested(connection, order, _STAGED, lambda number: number)
    missing = [piece for piece in found if piece.id not in known]
    base = _next_number(known)
    first = min((piece.ordinal for piece in missing if piece.ordinal is not None), default=0)
    made = [replace(piece, number=_number(piece.ordinal, first, base)) for piece in missing]
    if made:
        inside = [piece.ordinal for piece in made if piece.ordinal is not None]
        which = is_among(NUMBER, inside)
        if any(piece.ordinal is None for piece in made):
            which = f"{NUMBER} IS NULL OR {which}"
        connection.execute(
            f"INSERT INTO {order.store.into} "
            f"SELECT coalesce({NUMBER} - {first - base - 1}, {base}), "
            f"{_names(order)} FROM {_STAGED} WHERE {which}"
        )
        record(connection, order.store.table, order.storage, made)
    connection.execute(f"DROP TABLE {_STAGED}")
    kept = [known[piece.id] for piece in found if piece.id in known]
    return _done(order, order.store.table, made, kept)


def _done(
    order: InPieces, table: str, made: Sequence[Piece], kept: Sequence[Piece]
) -> tuple[Kept, Query]:
    known = order.store.pieces.values() if order.store else ()
    there = {piece.number for piece in [*known, *made]}
    done = Kept(table, [*kept, *made], made, sorted(there), order.store is None)
    return done, selected(order.columns, done)


# Rows and their numbers


def _ordinal(order: InPieces) -> str:
    return order.partitioning.sql({folded(name): kind for name, kind in order.columns})


def _names(order: InPieces) -> str:
    return ", ".join(quote(name) for name, _ in order.columns)


def _rows_with(
    order: InPieces, number: str, sql: str = "", conditions: Sequence[Sequence[str]] = ()
) -> str:
    """Rows with a number each. conditions: of each, one holds."""
    given = sql or order.blueprint.sql
    rows = f"SELECT {number} AS {NUMBER}, {_names(order)} FROM {as_subquery(given)} AS _rows"
    if order.partitioning.outside == "drop":
        conditions = [*conditions, [order.partitioning.inside(_ordinal(order))]]
    where = " AND ".join(f"({' OR '.join(either)})" for either in conditions)
    return f"{rows} WHERE {where}" if where else rows


def _numbered(
    order: InPieces, sql: str, first: int, base: int, missing: Mapping[Ordinal, Piece]
) -> str:
    """The rows of some partitions with the numbers of their pieces; those of partitions that no
    input has are without a number."""
    ordinal, inside = _ordinal(order), order.partitioning.inside(_ordinal(order))
    built = is_among(ordinal, [at for at in missing if at is not None])
    there = is_among(ordinal, [at for at in order.there if at is not None])
    number = f"CASE WHEN {built} THEN {ordinal} - {first - base - 1} "
    number += f"WHEN NOT {inside} THEN {base} END"
    looks = None in missing or order.partitioning.outside == "error"
    wanted = [f"({built})", *([f"NOT {inside}"] if looks else [])]
    if not order.is_apart:  # by the proof, every row is of a partition that its inputs have
        conditions = [] if len(missing) == len(order.there) and looks else [wanted]
    else:
        conditions = [[*wanted, f"({inside} AND NOT ({there}))"]]
    return _rows_with(order, number, sql, conditions)


def _statements(
    order: InPieces, missing: Mapping[Ordinal, Piece]
) -> Iterator[tuple[Mapping[Ordinal, Piece], str]]:
    """The statements that build some partitions: one for all of them, one for each batch, or one
    for each. Without any, a statement makes an empty table."""
    if order.store is None and (order.is_apart or not missing):
        yield {}, in_partition(order.blueprint.sql)
    for ordinals, sql in order.statements:
        yield {at: missing[at] for at in ordinals}, sql


def _number(ordinal: Ordinal, first: int, base: int) -> int:
    """The number of a piece among those that are built together."""
    return base if ordinal is None else ordinal - first + base + 1


def _next_number(known: Mapping[str, Piece]) -> int:
    return max((piece.number for piece in known.values()), default=0) + 1


def _counts(connection: duckdb.DuckDBPyConnection, table: str, base: int) -> dict[int | None, int]:
    rows = connection.execute(
        f"SELECT {NUMBER}, count(*) FROM {relation(table)} "
        f"WHERE {NUMBER} >= {base} OR {NUMBER} IS NULL GROUP BY ALL"
    ).fetchall()
    return dict(rows)


def _digested(
    connection: duckdb.DuckDBPyConnection,
    order: InPieces,
    table: str,
    ordinal_of: Callable[[int], Ordinal],
) -> list[Piece]:
    """A piece for each number in a table, named by its rows. Raises SqlError for rows outside."""
    rows = connection.execute(
        f"SELECT {NUMBER}, count(*), {CONTENT} FROM ({hashed(order.columns, table)}) "
        f"GROUP BY {NUMBER}"
    ).fetchall()
    assert order.named is not None, "the rows of a source name its pieces"
    found = []
    for number, count, content in sorted(rows, key=lambda row: (row[0] is not None, row[0])):
        at = ordinal_of(number)
        if at is None and order.partitioning.outside == "error":
            need_all_inside(order.partitioning, count)
        found.append(replace(order.named(at, content), rows=count))
    return found


def hashed(columns: Columns, table: str) -> str:
    """The number of each row in a table, and a hash of the row."""
    return f"SELECT {NUMBER}, {hash_of_row(columns)} AS h FROM {table}"


def hash_of_row(columns: Columns) -> str:
    """A hash of all values of a row. The order of the columns has no say."""
    values = ", ".join(_told_apart(quote(name), kind) for name, kind in sorted(columns))
    return f"hash({values})"


def _told_apart(name: str, kind: str) -> str:
    """A column as arguments of hash(). The engine's hash is alike for an empty list and NULL, for
    `[[1], [2]]` and `[[1, 2]]`, for a month and 30 days, and for 0.0 and -0.0."""
    if kind in _FLOATS:
        return f"{name}, signbit({name})"
    return name if PLAIN.match(kind) else f"{name}, {name}::VARCHAR"


def _table(order: InPieces) -> str:
    """The table of the pieces."""
    return order.store.table if order.store else free_table(order.blueprint, order.storage)


def free_table(blueprint: Blueprint, storage: str) -> str:
    """A name like no other one: records of a table that somebody dropped say nothing of it."""
    return f"{blueprint.name}__{storage[:_WORD]}{uuid.uuid4().hex[:_WORD]}"


def _into(order: InPieces, table: str) -> str:
    return f"INSERT INTO {order.store.into if order.store else relation(table)}"


def record(
    connection: duckdb.DuckDBPyConnection, table: str, storage: str, made: Sequence[Piece]
) -> None:
    columns = ("table_name", "number", "id", "storage", "ordinal", "row_count", "origins", "file")
    rows = [
        (
            table,
            piece.number,
            piece.id,
            storage,
            piece.ordinal,
            piece.rows,
            json.dumps(piece.origins, sort_keys=True),
            piece.file or None,
        )
        for piece in made
    ]
    insert(connection, "pieces", columns, rows)


# Mistakes


def need_free_name(columns: Columns) -> None:
    if any(folded(name) == NUMBER for name, _ in columns):
        raise SqlError(f"no column of a node in pieces has the name {NUMBER}")


def need_all_inside(partitioning: Partitioning, rows: int) -> None:
    if rows:
        by = ", ".join(partitioning.by)
        what = f"{by} is NULL"
        if partitioning.every is not None:
            first = partitioning.label(partitioning.begin)
            what += f", or before {first}"
        many = "1 row falls" if rows == 1 else f"{rows:,} rows fall"
        raise SqlError(
            f"{many} into no partition ({what}): write `outside: keep` or `outside: drop` if that "
            "is meant"
        )


def _need_no_strays(order: InPieces, rows: int) -> None:
    if rows:
        many = "1 row is" if rows == 1 else f"{rows:,} rows are"
        raise SqlError(
            f"{many} in a partition of {', '.join(order.partitioning.by)} that none of its inputs "
            "has: leave out `partition:`"
        )
