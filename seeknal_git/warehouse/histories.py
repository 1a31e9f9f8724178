"""The history of a source's loads, in immutable tables (docs/design/kept-changes.md).

A version of a history is a list of tables, oldest first. A table has a row for each interval that
its loads began, and a row without `_valid_from` for each older interval that they ended; the SELECT
of a version puts both together. A load adds one table, and takes in those before it that are not
much larger: so a version has few tables, and a row is written again only a few times.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from seeknal_git.names import CHANGES, VALID_FROM, VALID_TO, folded, quote
from seeknal_git.sql.engine import SqlError
from seeknal_git.warehouse import protocol
from seeknal_git.warehouse.forms import identifier
from seeknal_git.warehouse.model.histories import OF_PRODUCTION, Addition, Version
from seeknal_git.warehouse.model.queries import Query, marked, relation
from seeknal_git.warehouse.model.snapshots import Blueprint, Snapshot
from seeknal_git.warehouse.state_tables import TABLES_OF_VIEW, of_living, with_later_columns

if TYPE_CHECKING:
    import duckdb

    from seeknal_git.sql.statement import Columns

# The number of an interval: rows of later tables end it by this.
_INTERVAL = "_seeknal_interval"
_OWN = (VALID_FROM, VALID_TO, _INTERVAL)
_LOAD = 'temp."_seeknal_load"'
# A load takes in a table before it that has at most this many times its rows.
_RATIO = 2
# The last version of each history that production made and published. A rollback rewinds none, and
# a production of another name goes on with it. A branch may show a version of production, too.
_NEWEST = f"""
SELECT n.*, s.identity, s.build FROM {of_living("publication_nodes")} AS n
JOIN {with_later_columns("snapshots")} AS s ON s.id = n.snapshot_id
JOIN {of_living("publications")} AS p
    ON p.schema_name = n.schema_name AND p.id = n.publication_id
WHERE starts_with(n.node, '{CHANGES}.') AND starts_with(s.build, '{OF_PRODUCTION}')
    AND p.restores IS NULL
QUALIFY row_number() OVER (
    PARTITION BY n.node ORDER BY s.number DESC, n.schema_name <> $1, n.publication_id
) = 1"""


@dataclass(frozen=True, slots=True)
class HistoryTables(protocol.Histories):
    connection: duckdb.DuckDBPyConnection

    def newest(self, schema: str) -> dict[str, Version]:
        rows = self.connection.execute(
            "SELECT node, snapshot_id, fingerprint, identity, build, "
            f"regexp_extract_all(reads, '\\w+'), view_name, publication_id FROM ({_NEWEST})",
            [schema],
        ).fetchall()
        found = {}
        for node, snapshot, fingerprint, identity, build, reads, view, publication in rows:
            # The SELECT names a table twice; in the order of the first times, the oldest is first.
            tables = tuple(dict.fromkeys(reads))
            texts = (fingerprint, identity, build)
            found[node] = Version(identifier(snapshot), *texts, tables, view, publication)
        return found


def tables_of_histories(connection: duckdb.DuckDBPyConnection) -> set[str]:
    """The tables of the histories that production published last."""
    text = f"SELECT DISTINCT unnest({TABLES_OF_VIEW}) FROM ({_NEWEST})"
    return {table for (table,) in connection.execute(text, [""]).fetchall()}


@dataclass(frozen=True, slots=True)
class _Table:
    """A table of a history, or the differences of a load."""

    place: str  # its name as SQL writes it
    name: str  # of a snapshot table
    columns: Columns  # the source's
    intervals: int  # that begin in it
    ends: int  # of older intervals

    @property
    def types(self) -> dict[str, str]:
        """Folded name of a column → its type."""
        return {folded(name): word for name, word in self.columns}

    @property
    def rows(self) -> int:
        return self.intervals + self.ends


def extended(
    connection: duckdb.DuckDBPyConnection, blueprint: Blueprint, addition: Addition, name: str
) -> list[Snapshot]:
    """Add a load to a history. Returns the table that was made, if the load makes a difference, and
    then the version. name: of the table.

    Raises SqlError for values of the history that the load's types cannot hold.
    """
    started = time.perf_counter()
    load = _described(connection, addition.load)
    _need_names(load)
    if addition.before:
        before = [_looked_at(connection, relation(table), table) for table in addition.before]
        load = _in_common(connection, addition, before, load)
        version = _continued(connection, addition, before, load, name)
    else:
        begun = _begun(addition, load)
        connection.execute(f"CREATE TABLE {relation(name)} AS {begun}")
        version = [_looked_at(connection, relation(name), name)]
    query = Query.of(_select(version, load, lambda table: marked(table.name)))
    rows, seconds = sum(table.intervals for table in version), time.perf_counter() - started
    found = blueprint.snapshot(f"{name}_version", rows, seconds, query)
    if version[-1].name != name:
        return [found]
    # No node means the table itself. Its record says that it is ours.
    part = replace(blueprint, id=_digest(blueprint.id, name), fingerprint=_digest(name))
    part = replace(part, identity=part.id, build="", unstable=False)
    return [part.snapshot(name, version[-1].rows, seconds, None), found]


def _digest(*words: str) -> str:
    return hashlib.sha256(" ".join(words).encode()).hexdigest()


def _continued(
    connection: duckdb.DuckDBPyConnection,
    addition: Addition,
    before: Sequence[_Table],
    load: Columns,
    name: str,
) -> list[_Table]:
    """The tables of the next version."""
    # A clock that goes back must not end an interval before it began.
    last = _last(connection, before)
    at = max(addition.at, last + timedelta(microseconds=1)) if last else addition.at
    differences = _differences(addition, before, load, at)
    connection.execute(f"CREATE TEMP TABLE {_LOAD} AS {differences}")
    found = _looked_at(connection, _LOAD)
    stay = _staying(before, found)
    version = list(before)
    if found.rows:
        merged = _merged([*before[stay:], found])
        connection.execute(f"CREATE TABLE {relation(name)} AS {merged}")
        version = [*before[:stay], _looked_at(connection, relation(name), name)]
    connection.execute(f"DROP TABLE {_LOAD}")
    return version


def _described(connection: duckdb.DuckDBPyConnection, rows: str) -> Columns:
    described = connection.execute(f"DESCRIBE SELECT * FROM {rows}").fetchall()
    return tuple((row[0], row[1]) for row in described)


def _looked_at(connection: duckdb.DuckDBPyConnection, place: str, name: str = "") -> _Table:
    described = _described(connection, place)
    columns = tuple(column for column in described if folded(column[0]) not in _OWN)
    counts = connection.execute(f"SELECT count({VALID_FROM}), count(*) FROM {place}").fetchall()
    intervals, rows = counts[0]
    return _Table(place, name, columns, intervals, rows - intervals)


def _last(connection: duckdb.DuckDBPyConnection, tables: Sequence[_Table]) -> datetime | None:
    """The last time at which an interval of a history began or ended; None if it has none."""
    rows = " UNION ALL ".join(
        f"SELECT max(greatest({VALID_FROM}, {VALID_TO})) AS latest FROM {table.place}"
        for table in tables
    )
    found: datetime | None = connection.execute(f"SELECT max(latest) FROM ({rows})").fetchall()[0][
        0
    ]
    return found


# The columns of a history


def _need_names(load: Columns) -> None:
    """Raise SqlError if a column of the load has a name that a history uses."""
    for name, _ in load:
        if folded(name) in _OWN:
            raise SqlError(f"its load has a column {name}, a name that its history uses")


def _in_common(
    connection: duckdb.DuckDBPyConnection,
    addition: Addition,
    before: Sequence[_Table],
    load: Columns,
) -> Columns:
    """The columns of the load, with types that the history's values fit. A column without any value
    in the load has the history's type. Raises SqlError."""
    found = []
    for name, word in load:
        others = [table for table in before if table.types.get(folded(name), word) != word]
        if others and not _count(connection, addition.load, f"{quote(name)} IS NOT NULL"):
            found.append((name, others[-1].types[folded(name)]))
            continue
        for table in others:
            _need_fit(connection, table, name, word)
        found.append((name, word))
    return tuple(found)


def _need_fit(connection: duckdb.DuckDBPyConnection, table: _Table, name: str, word: str) -> None:
    """Raise SqlError if values of a column would be lost in another type. A text may be spelled
    otherwise afterwards; a number may not be another one."""
    column, was = quote(name), table.types[folded(name)]
    lost = f"TRY_CAST({column} AS {word}) IS NULL"
    if was != "VARCHAR":
        back = f"TRY_CAST(TRY_CAST({column} AS {word}) AS {was})"
        lost = f"{back} IS DISTINCT FROM {column}"
    if number := _count(connection, table.place, f"{column} IS NOT NULL AND {lost}"):
        values = "1 value" if number == 1 else f"{number:,} values"
        raise SqlError(
            f"its load has {name} as {word}, and {values} of its history, where it is {was}, "
            f"would be lost: declare {was} for {name}, and cast it in a transform"
        )


def _count(connection: duckdb.DuckDBPyConnection, rows: str, condition: str) -> int:
    found = connection.execute(f"SELECT count(*) FROM {rows} WHERE {condition}").fetchall()
    return int(found[0][0])


def _values(table: _Table, columns: Columns) -> str:
    """The columns of a table in other types; NULL for those that it does not have."""
    types = table.types
    words = []
    for name, word in columns:
        was = types.get(folded(name))
        value = quote(name) if was == word else f"{quote(name) if was else 'NULL'}::{word}"
        words.append(f"{value} AS {quote(name)}, ")
    return "".join(words)


# SELECTs


def _select(
    tables: Sequence[_Table],
    columns: Columns,
    name_of: Callable[[_Table], str] = lambda table: table.place,
    further: str = "",
) -> str:
    """The SELECT of a version, with these columns of the source. further: `, _seeknal_interval` to
    have it too."""
    first, *later = tables
    own = f"{VALID_FROM}, {VALID_TO}, {_INTERVAL}"
    if not later:
        own = f"{VALID_FROM}, {VALID_TO}"
        return f"SELECT {_values(first, columns)}{own}{further} FROM {name_of(first)}"
    begun = " UNION ALL ".join(
        f"SELECT {_values(table, columns)}{own} FROM {name_of(table)} "
        f"WHERE {VALID_FROM} IS NOT NULL"
        for table in tables
    )
    ended = " UNION ALL ".join(
        f"SELECT {_INTERVAL}, {VALID_TO} FROM {name_of(table)} WHERE {VALID_FROM} IS NULL"
        for table in later
    )
    names = "".join(f"b.{quote(name)}, " for name, _ in columns)
    return (
        f"SELECT {names}b.{VALID_FROM}, coalesce(b.{VALID_TO}, e.{VALID_TO}) AS {VALID_TO}"
        f"{further.replace(_INTERVAL, f'b.{_INTERVAL}')} FROM ({begun}) AS b "
        f"LEFT JOIN ({ended}) AS e ON e.{_INTERVAL} = b.{_INTERVAL}"
    )


def _begun(addition: Addition, load: Columns) -> str:
    """The table of the first load: an interval begins with each row."""
    names = "".join(f"{quote(name)}, " for name, _ in load)
    return (
        f"SELECT {names}TIMESTAMP '{addition.at}' AS {VALID_FROM}, NULL::TIMESTAMP AS {VALID_TO}, "
        f"row_number() OVER () AS {_INTERVAL} FROM {addition.load}"
    )


def _differences(addition: Addition, before: Sequence[_Table], load: Columns, at: datetime) -> str:
    """The rows that begin with a load, and the ends of those that it does not have."""
    keys = {folded(name) for name in addition.key}
    compared = {folded(name) for name in addition.compared} or {folded(name) for name, _ in load}
    same = [f"l.{quote(name)} = o.{quote(name)}" for name in addition.key]
    same += [
        f"l.{quote(name)} IS NOT DISTINCT FROM o.{quote(name)}"
        for name, _ in load
        if folded(name) in compared - keys
    ]
    is_same = " AND ".join(same)
    # Under another key, two open rows may be of one.
    key = ", ".join(map(quote, addition.key))
    place = f"row_number() OVER (PARTITION BY {key} ORDER BY {_INTERVAL})"
    place = place if addition.is_redefined else "1"
    number = " UNION ALL ".join(f"SELECT max({_INTERVAL}) AS n FROM {one.place}" for one in before)
    values = _values(_Table("", "", load, 0, 0), load)
    loaded = "".join(f"{quote(name)}::{word} AS {quote(name)}, " for name, word in load)
    nothing = "".join(f"NULL::{word}, " for _, word in load)
    return f"""
WITH
    o AS (
        SELECT *, {place} AS _place
        FROM ({_select(before, load, further=f", {_INTERVAL}")}) AS v WHERE {VALID_TO} IS NULL
    ),
    l AS (SELECT {loaded}1 AS _place FROM {addition.load} AS t)
SELECT {values}TIMESTAMP '{at}' AS {VALID_FROM}, NULL::TIMESTAMP AS {VALID_TO},
    row_number() OVER () + (SELECT coalesce(max(n), 0) FROM ({number})) AS {_INTERVAL}
FROM l ANTI JOIN o ON {is_same} AND o._place = 1
UNION ALL
SELECT {nothing}NULL, TIMESTAMP '{at}', {_INTERVAL}
FROM o ANTI JOIN l ON {is_same} AND o._place = l._place"""


def _staying(before: Sequence[_Table], found: _Table) -> int:
    """The number of tables that stay. The others are taken into the next one: they are not much
    larger, and no column has two types in them."""
    stay, rows, types = len(before), found.rows, found.types
    while stay:
        table = before[stay - 1]
        if table.rows > _RATIO * rows or any(
            types.get(name, word) != word for name, word in table.types.items()
        ):
            break
        stay, rows, types = stay - 1, rows + table.rows, {**table.types, **types}
    return stay


def _merged(tables: Sequence[_Table]) -> str:
    """The rows of several tables as one of them, with the ends of intervals that began before."""
    known: dict[str, tuple[str, str]] = {}
    for table in reversed(tables):
        for name, word in table.columns:
            known.setdefault(folded(name), (name, word))
    columns = tuple(known.values())
    if len(tables) == 1:
        return f"SELECT * FROM {tables[0].place}"
    nothing = "".join(f"NULL::{word}, " for _, word in columns)
    ended = " UNION ALL ".join(
        f"SELECT {_INTERVAL}, {VALID_TO} FROM {table.place} WHERE {VALID_FROM} IS NULL"
        for table in tables
    )
    numbers = " UNION ALL ".join(
        f"SELECT min({_INTERVAL}) AS n FROM {table.place} WHERE {VALID_FROM} IS NOT NULL"
        for table in tables
    )
    begun = _select(tables, columns, further=f", {_INTERVAL}")
    return (
        f"{begun} UNION ALL SELECT {nothing}NULL, {VALID_TO}, {_INTERVAL} FROM ({ended}) "
        f"WHERE {_INTERVAL} < coalesce((SELECT min(n) FROM ({numbers})), {_INTERVAL} + 1)"
    )
