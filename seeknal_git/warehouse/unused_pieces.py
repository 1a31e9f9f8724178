"""The pieces that no snapshot needs which somebody needs, and how they go.

A SELECT over pieces says which it reads. When in doubt, all pieces of a table are kept: if a view
of somebody's own names it, or a text is not one of ours.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from seeknal_git.names import STATE
from seeknal_git.sql.ranges import Ranges, is_among, is_within, joined, ranges_of
from seeknal_git.warehouse import unused_tables
from seeknal_git.warehouse.forms import query
from seeknal_git.warehouse.model.pieces import NUMBER
from seeknal_git.warehouse.model.queries import Query, relation
from seeknal_git.warehouse.model.unused import Rules, UnusedPieces
from seeknal_git.warehouse.pieces import are_recorded
from seeknal_git.warehouse.shown import shown
from seeknal_git.warehouse.state_tables import with_later_columns

if TYPE_CHECKING:
    import duckdb

    from seeknal_git.warehouse.catalog import Catalog

_RANGE = re.compile(rf"{NUMBER} BETWEEN (\d+) AND (\d+)(?: OR )?")
_LIST = re.compile(rf"{NUMBER} IN \(([\d, ]+)\)")
_GONE = "_gone"  # after the name of a table, in the record of a snapshot or a publication


def unused(known: Catalog, rules: Rules) -> list[UnusedPieces]:
    """The pieces that nobody needs, in tables whose others somebody needs."""
    if not are_recorded(known):
        return []
    connection = known.connection
    needed, named = _needed(connection, rules), _named_by_others(connection)
    rows = connection.execute(
        f"SELECT p.table_name, p.number, p.row_count, s.node FROM {STATE}.pieces p JOIN ("
        f"SELECT reads, min(node) AS node FROM {with_later_columns('snapshots')} GROUP BY reads"
        ") s ON s.reads = p.table_name ORDER BY ALL"
    ).fetchall()
    found: dict[str, UnusedPieces] = {}
    for table, number, count, node in rows:
        wanted = needed.get(table)
        if not wanted or table.lower() in named or is_within(number, wanted):
            continue
        before = found.get(table) or UnusedPieces(table, node, 0, ())
        found[table] = UnusedPieces(table, node, before.rows + count, (*before.numbers, number))
    return list(found.values())


def drop(known: Catalog, pieces: Sequence[UnusedPieces]) -> None:
    """Delete pieces, their records, and those of snapshots that need them. The record of an
    unstable snapshot stays, and names a table that is not there. Raises WarehouseError if an
    environment shows one of them by now."""
    connection, gone = known.connection, {one.table: one.numbers for one in pieces}
    unused_tables.need_unshown(known, lambda published: _reads_one_of(published.query, gone))
    for one in pieces:
        chosen = is_among(NUMBER, one.numbers)
        connection.execute(f"DELETE FROM {relation(one.table)} WHERE {chosen}")
        connection.execute(
            f"DELETE FROM {STATE}.pieces WHERE table_name = $1 AND number IN "
            "(SELECT unnest($2::BIGINT[]))",
            [one.table, list(one.numbers)],
        )
    rows = connection.execute(
        f"SELECT rowid, query, reads FROM {STATE}.snapshots WHERE query IS NOT NULL"
    ).fetchall()
    broken = [row for row, text, reads in rows if _reads_one_of(query(text, reads), gone)]
    connection.execute(
        f"DELETE FROM {STATE}.snapshots WHERE rowid IN (SELECT unnest($1::BIGINT[])) "
        "AND NOT coalesce(unstable, true)",
        [broken],
    )
    for records in ("snapshots", "publication_nodes"):
        _forget(connection, records, gone)


def _forget(
    connection: duckdb.DuckDBPyConnection, records: str, gone: Mapping[str, Sequence[int]]
) -> None:
    """Let the records that read pieces which are gone name a table that is not there, as those
    whose tables are gone do. So nobody shows them again."""
    rows = connection.execute(
        f"SELECT rowid, query, reads FROM {STATE}.{records} WHERE query IS NOT NULL"
    ).fetchall()
    for row, text, reads in rows:
        if _reads_one_of(query(text, reads), gone):
            names = " ".join(f"{name}{_GONE}" if name in gone else name for name in reads.split())
            connection.execute(
                f"UPDATE {STATE}.{records} SET reads = $1 WHERE rowid = $2", [names, row]
            )


def _reads_one_of(found: Query | None, gone: Mapping[str, Sequence[int]]) -> bool:
    """Whether a SELECT reads a piece that is gone."""
    for table, ranges in _read_by(found) if found else ():
        if table not in gone:
            continue
        if ranges is None or any(is_within(number, ranges) for number in gone[table]):
            return True
    return False


def _needed(connection: duckdb.DuckDBPyConnection, rules: Rules) -> dict[str, Ranges | None]:
    """Table → the pieces that somebody needs; None for all of them."""
    queries = [
        published.query
        for schema in rules.productions | rules.live
        for published in shown(connection, schema).values()
    ]
    since = unused_tables.unfinished_since(connection, rules)
    rows = [
        *unused_tables.shown_since(connection, rules, "query, reads"),
        *unused_tables.built_since(connection, since, "query, reads"),
    ]
    queries += [query(text, reads) for text, reads in rows]
    found: dict[str, Ranges | None] = {}
    for table, ranges in (pair for one in queries if one for pair in _read_by(one)):
        known = found.setdefault(table, [])
        found[table] = None if ranges is None or known is None else [*known, *ranges]
    return {table: None if ranges is None else joined(ranges) for table, ranges in found.items()}


def _read_by(found: Query) -> Iterable[tuple[str, Ranges | None]]:
    """Each table that a SELECT reads, with the pieces that it reads; None if it does not say."""
    for table, text in zip(found.names, found.texts[1:], strict=True):
        yield table, _numbers(text)


def _numbers(text: str) -> Ranges | None:
    """The numbers of pieces in the text after the name of a table, as ranges in order."""
    start = " WHERE "
    if not text.startswith(start):
        return None
    rest = text.removeprefix(start)
    if rest.startswith("false"):
        return []
    if listed := _LIST.match(rest):
        return ranges_of(map(int, listed[1].split(",")))
    found: Ranges = []
    place = 0
    while matched := _RANGE.match(rest, place):
        found.append((int(matched[1]), int(matched[2])))
        place = matched.end()
    return joined(found) or None


def _named_by_others(connection: duckdb.DuckDBPyConnection) -> set[str]:
    """The tables that views of somebody's own name, in lower case."""
    rows = connection.execute(unused_tables.VIEWS).fetchall()
    ours = {
        schema: unused_tables.views_of_ours(connection, schema)
        for schema in {schema for schema, _, _ in rows}
    }
    return {name for schema, view, names in rows if view not in ours[schema] for name in names}
