"""Pieces of sources of several files: the rows of one file, of one partition if there are any."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from seeknal_git.names import folded, quote
from seeknal_git.sql.readers import FILE
from seeknal_git.warehouse.model.pieces import NUMBER, InFiles, Piece
from seeknal_git.warehouse.model.queries import Query, relation
from seeknal_git.warehouse.model.snapshots import Files
from seeknal_git.warehouse.pieces import (
    CONTENT,
    Kept,
    free_table,
    hashed,
    need_all_inside,
    need_free_name,
    record,
    selected,
)

if TYPE_CHECKING:
    import duckdb

# A piece's number is its file's, and the place of its partition after the first one: there are
# fewer hours before the year 10000.
_PLACES = 1 << 27
_OUTSIDE = 0


def load(connection: duckdb.DuckDBPyConnection, order: InFiles) -> tuple[Kept, Query]:
    """Read the files that were never read. Raises SqlError."""
    need_free_name(order.columns)
    known = order.store.pieces.values() if order.store else ()
    base = max((piece.number // _PLACES for piece in known), default=0) + 1
    table = order.store.table if order.store else free_table(order.blueprint, order.storage)
    if order.read:
        begun = f"CREATE TABLE {relation(table)} AS"
        if order.store:
            begun = f"INSERT INTO {order.store.into}"
        connection.execute(f"{begun} {_rows(order, base)}", dict(order.blueprint.parameters))
    made = [*_made(connection, order, table, base)]
    record(connection, table, order.storage, made)
    wanted = {*order.files.values()}
    there = [*known, *made]
    kept = Kept(
        table,
        [piece for piece in there if piece.file in wanted],
        made,
        sorted(piece.number for piece in there),
        order.store is None,
    )
    return kept, selected(order.columns, kept)


def files_read(order: InFiles) -> Files:
    return Files(len(order.files), tuple(order.read[number] for number in sorted(order.read)))


def _rows(order: InFiles, base: int) -> str:
    """The rows of the files, with the numbers of their pieces."""
    names = ", ".join(quote(name) for name, _ in order.kept)
    partitioning, place, outside = order.partitioning, str(_OUTSIDE), ""
    if partitioning:
        ordinal = partitioning.sql({folded(name): kind for name, kind in order.columns})
        inside = partitioning.inside(ordinal)
        place = f"CASE WHEN {inside} THEN {ordinal} - {partitioning.begin - 1} ELSE {_OUTSIDE} END"
        outside = f" WHERE {inside}" if partitioning.outside == "drop" else ""
    number = f"(({FILE} + {base}) * {_PLACES} + {place})::BIGINT"
    rows = f"({order.blueprint.sql}\n) AS _rows"
    return f"SELECT {number} AS {NUMBER}, {names} FROM {rows}{outside}"


def _made(
    connection: duckdb.DuckDBPyConnection, order: InFiles, table: str, base: int
) -> Iterator[Piece]:
    """The pieces of the files that were read; of a file without rows, an empty one."""
    if not order.read:
        return
    partitioning, new = order.partitioning, f"{NUMBER} >= {base * _PLACES}"
    rows = f"SELECT {NUMBER} FROM {relation(table)} WHERE {new}"
    content = "''"
    if partitioning:
        rows, content = hashed(order.kept, f"{relation(table)} WHERE {new}"), CONTENT
    found = connection.execute(
        f"SELECT {NUMBER}, count(*), {content} FROM ({rows}) GROUP BY {NUMBER} ORDER BY {NUMBER}"
    ).fetchall()
    if partitioning and partitioning.outside == "error":
        need_all_inside(
            partitioning, sum(count for number, count, _ in found if number % _PLACES == _OUTSIDE)
        )
    empty, before = {*order.read}, partitioning.begin - 1 if partitioning else 0
    for number, count, text in found:
        file, place = number // _PLACES - base, number % _PLACES
        piece = order.named(order.read[file], place + before if place else None, text)
        yield replace(piece, number=number, rows=count)
        empty.discard(file)
    for file in sorted(empty):
        piece = order.named(order.read[file], None, "")
        yield replace(piece, number=(file + base) * _PLACES)
