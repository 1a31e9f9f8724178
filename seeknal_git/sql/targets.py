"""Write rows to a table of another database, or to a file in a bucket, in an engine of its own that
runs no SQL of a node.

The rows come in a Parquet file. A table is written in one transaction of the target, together with
a row of ours that says which delivery it is: so a delivery that was cut is told from one that was
done.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from seeknal_git.names import literal, qualified, quote
from seeknal_git.sql.addresses import Address
from seeknal_git.sql.engine_version import exactly
from seeknal_git.sql.extensions import load
from seeknal_git.sql.outside import SHUT, Outside, Unreached, close_engine, keep_secret, login_of
from seeknal_git.sql.transaction import transaction

MARKS = "_seeknal_deliveries"
_COLUMNS = "target VARCHAR, exposure VARCHAR, snapshot VARCHAR, delivered_at TIMESTAMP"
_ROWS = "seeknal_rows"
# Type of the engine → the one that stands for it in Iceberg, which has fewer.
_IN_ICEBERG = {
    "TINYINT": "INTEGER",
    "SMALLINT": "INTEGER",
    "UTINYINT": "INTEGER",
    "USMALLINT": "INTEGER",
    "UINTEGER": "BIGINT",
    "UBIGINT": "DECIMAL(20, 0)",
    "JSON": "VARCHAR",
    "TIMESTAMP_S": "TIMESTAMP",
    "TIMESTAMP_MS": "TIMESTAMP",
    "TIMESTAMP_NS": "TIMESTAMP",
}
_NESTED = re.compile(r"\]$|^(?:STRUCT|MAP)\(")
_OTHER_TYPE = re.compile(rf"\b(?:{'|'.join(_IN_ICEBERG)})\b")  # also of parts of a nested type


def _in_iceberg(found: re.Match[str]) -> str:
    return _IN_ICEBERG[found[0]]


@dataclass(frozen=True, slots=True)
class Order:
    """A table to write, or a file. mode: replace, merge or partitions."""

    exposure: str
    snapshot: str
    schema: str
    table: str
    mode: str = "replace"
    columns: tuple[str, ...] = ()  # the key of a merge, or those that partitions are of
    since: int | None = (
        None  # days before the earliest time of the rows; older ones are not touched
    )

    @property
    def name(self) -> str:
        return f"{self.schema}.{self.table}"


def write_table(address: Address, rows: Path, order: Order) -> bool:
    """Write a table; false if this delivery was done before. Raises Unreached and
    MissingExtension, and nothing of the target has changed then."""
    with _writing(address, rows.parent) as made, made.faults():
        writer = _Writer(made, order, rows)
        if address.system == "iceberg":  # it makes no table in a schema of the same transaction
            writer.need_schema()
        with transaction(made.connection):
            if writer.is_done():
                return False
            writer.write()
            writer.mark()
    return True


def drop_tables(address: Address, folder: Path, schema: str) -> list[str]:
    """Drop the tables of a schema that deliveries made, and the schema if nothing else is in it.
    Returns the names of the tables that stay. Raises as `write_table`."""
    with _writing(address, folder) as made, made.faults(), transaction(made.connection):
        there = set(made.tables_in(schema))
        if MARKS not in there:
            return sorted(there)
        marks = qualified(address.catalog, schema, MARKS)
        rows = made.connection.execute(f"SELECT target FROM {marks}").fetchall()
        ours = {str(name) for (name,) in rows}
        for table in [*sorted(ours & there), MARKS]:
            made.connection.execute(f"DROP TABLE {qualified(address.catalog, schema, table)}")
        left = sorted(there - ours - {MARKS})
        if not left:
            made.connection.execute(f"DROP SCHEMA {qualified(address.catalog, schema)}")
    return left


def write_object(address: Address, rows: Path, url: str, form: str) -> None:
    """Write a file to a bucket, which shows it once it is whole. Raises as `write_table`."""
    options = {"csv": "FORMAT csv, HEADER", "json": "FORMAT json"}.get(form, "FORMAT parquet")
    with closing(duckdb.connect(":memory:", config=SHUT)) as connection:
        load(connection, ["httpfs"])
        made = Outside(connection, address, rows.parent)
        with made.faults():
            keep_secret(connection, address)
            close_engine(connection, address, rows.parent, [url])
            connection.execute(f"COPY (FROM {_read(rows)}) TO {literal(url)} ({options})")


@contextmanager
def _writing(address: Address, folder: Path) -> Iterator[Outside]:
    with closing(duckdb.connect(":memory:", config=SHUT)) as connection:
        load(connection, address.extensions)
        made = Outside(connection, address, folder)
        with made.faults():
            keep_secret(connection, address)
            connection.execute(login_of(address, read_only=False))
            close_engine(connection, address, folder, [])
        yield made


def _read(rows: Path) -> str:
    return f"read_parquet({literal(exactly(rows))})"


@dataclass(frozen=True, slots=True)
class _Writer:
    """A table that is written within a transaction."""

    made: Outside
    order: Order
    rows: Path

    @property
    def table(self) -> str:
        return self._named(self.order.table)

    def _named(self, name: str) -> str:
        return qualified(self.made.address.catalog, self.order.schema, name)

    def _asked(self, sql: str, given: list[Any] | None = None) -> list[tuple[Any, ...]]:
        return self.made.connection.execute(sql, given or []).fetchall()

    def _described(self, relation: str) -> dict[str, str]:
        return {str(row[0]): str(row[1]) for row in self._asked(f"DESCRIBE FROM {relation}")}

    def _is_there(self, name: str) -> bool:
        there = self.made.tables_in(self.order.schema)
        self._need_spelling(name, there)
        return name.lower() in map(str.lower, there)

    def _need_spelling(self, name: str, there: Iterable[str]) -> None:
        """Raise Unreached for a name that Iceberg tells from one that is there, and DuckDB does
        not."""
        alike = [one for one in there if one.lower() == name.lower()]
        if alike and name not in alike and self.made.address.system == "iceberg":
            message = f"{self.made.address.name} has {alike[0]}, which is not {name}"
            raise Unreached(message, f"Write {alike[0]}, or choose another name.")

    def need_schema(self) -> None:
        """Make the schema, unless it is there."""
        catalog, schema = self.made.address.catalog, self.order.schema
        asked = "SELECT schema_name FROM duckdb_schemas() WHERE database_name = $1"
        there = [str(name) for (name,) in self._asked(asked, [catalog])]
        self._need_spelling(schema, there)
        if schema.lower() not in map(str.lower, there):
            self._asked(f"CREATE SCHEMA {qualified(catalog, schema)}")

    def is_done(self) -> bool:
        """Whether the target says that it has this very delivery. Makes what it needs to say so."""
        self.need_schema()
        if not self._is_there(MARKS):
            self._asked(f"CREATE TABLE {self._named(MARKS)} ({_COLUMNS})")
            return False
        marks = f"SELECT snapshot FROM {self._named(MARKS)} WHERE target = $1"
        found = self._asked(marks, [self.order.table])
        return found == [(self.order.snapshot,)] and self._is_there(self.order.table)

    def mark(self) -> None:
        """Say in the target which delivery it has."""
        order = self.order
        self._asked(f"DELETE FROM {self._named(MARKS)} WHERE target = {literal(order.table)}")
        values = ", ".join(map(literal, (order.table, order.exposure, order.snapshot)))
        now = "(now() AT TIME ZONE 'UTC')::TIMESTAMP"
        self._asked(f"INSERT INTO {self._named(MARKS)} VALUES ({values}, {now})")

    def write(self) -> None:
        self._asked(f"CREATE TEMPORARY VIEW {_ROWS} AS {self._given_rows()}")
        given = self._described(_ROWS)
        if not self._is_there(self.order.table):
            self._asked(f"CREATE TABLE {self.table} AS FROM {_ROWS}")
        elif self.order.mode == "replace":
            self._replace(given)
        else:
            self._need_columns(given)
            self._merge() if self.order.mode == "merge" else self._partitions(given)

    def _given_rows(self) -> str:
        """The SELECT of the rows, with the types that the target has."""
        rows = f"SELECT * FROM {_read(self.rows)}"
        if self.made.address.system != "iceberg":
            return rows
        columns = self._described(f"({rows})").items()
        wanted = {name: (word, _OTHER_TYPE.sub(_in_iceberg, word)) for name, word in columns}
        casts = [
            f"CAST({quote(name)} AS {type_}) AS {quote(name)}"
            for name, (word, type_) in wanted.items()
            if type_ != word
        ]
        return f"SELECT * REPLACE ({', '.join(casts)}) FROM ({rows})" if casts else rows

    def _replace(self, given: Mapping[str, str]) -> None:
        """A table of the same columns keeps its grants, indexes and the views on it; one of Iceberg
        always keeps its name and its history."""
        there = self._described(self.table)
        if there != given and self.made.address.system == "iceberg":
            self._reshape(there, given)
        elif there != given:
            self._asked(f"DROP TABLE {self.table}")
            self._asked(f"CREATE TABLE {self.table} AS FROM {_ROWS}")
            return
        if self.made.address.system == "postgresql":
            own = f"DELETE FROM {qualified(self.order.schema, self.order.table)}"
            catalog = literal(self.made.address.catalog)
            self._asked(f"CALL postgres_execute({catalog}, {literal(own)})")
        else:
            self._asked(f"DELETE FROM {self.table}")
        self._insert(f"FROM {_ROWS}")

    def _reshape(self, there: Mapping[str, str], given: Mapping[str, str]) -> None:
        """Give a table of Iceberg other columns: DuckDB does not drop it and make it again in one
        transaction. Raises Unreached if none would stay, or a nested one is to come."""
        gone = [name for name, word in there.items() if given.get(name) != word]
        come = [name for name, word in given.items() if there.get(name) != word]
        nested = [name for name in come if _NESTED.search(given[name])]
        if len(gone) == len(there) or nested:
            message = f"no column of {self.order.name} is one of the rows to write"
            if nested:
                message = f"{self.order.name} cannot be given the nested column {nested[0]}"
            raise Unreached(message, "Drop the table there: the next run makes it anew.")
        for name in gone:
            self._asked(f"ALTER TABLE {self.table} DROP COLUMN {quote(name)}")
        for name in come:
            self._asked(f"ALTER TABLE {self.table} ADD COLUMN {quote(name)} {given[name]}")

    def _need_columns(self, given: Mapping[str, str]) -> None:
        there = self._described(self.table)
        if other := sorted(there.keys() ^ given.keys()):
            what = "has" if other[0] in there else "has not"
            message = f"{self.order.name} {what} the column {other[0]}, unlike the rows to write"
            raise Unreached(message, "Change its columns there, or drop it: it is made anew.")

    def _insert(self, select: str) -> None:
        names = ", ".join(map(quote, self._described(_ROWS)))
        self._asked(f"INSERT INTO {self.table} ({names}) SELECT {names} FROM ({select})")

    def _merge(self) -> None:
        keys = ", ".join(map(quote, self.order.columns))
        empty = " OR ".join(f"{quote(key)} IS NULL" for key in self.order.columns)
        doubled = f"SELECT {keys} FROM {_ROWS} GROUP BY {keys} HAVING count(*) > 1"
        if self._asked(f"SELECT 1 FROM {_ROWS} WHERE {empty} LIMIT 1"):
            raise Unreached(f"the key ({keys}) of {self.order.name} is NULL in a row", _KEY)
        if self._asked(f"{doubled} LIMIT 1"):
            raise Unreached(f"the key ({keys}) of {self.order.name} is that of several rows", _KEY)
        self._asked(f"DELETE FROM {self.table} WHERE ({keys}) IN (SELECT ({keys}) FROM {_ROWS})")
        self._insert(f"FROM {_ROWS}")

    def _partitions(self, given: Mapping[str, str]) -> None:
        """Write the partitions whose rows are not those that the table has."""
        keys = [self._key(name, given[name]) for name in self.order.columns]
        numbered = list(enumerate(keys))
        named = ", ".join(f"{key} AS k{number}" for number, key in numbered)
        group = ", ".join(str(number + 1) for number, _ in numbered)
        casts = (f"CAST({quote(name)} AS {word}) AS {quote(name)}" for name, word in given.items())
        alike = ", ".join(casts)
        hashes = "count(*) AS n, bit_xor(hash(t)) AS x, sum(hash(t)::HUGEINT) AS s"
        of = "SELECT {}, {} FROM (SELECT {} FROM {}) AS t GROUP BY {}"
        new = of.format(named, hashes, alike, _ROWS, group)
        old = of.format(named, hashes, alike, self.table, group)
        both = " AND ".join(
            f"a.k{number} IS NOT DISTINCT FROM b.k{number}" for number, _ in numbered
        )
        either = ", ".join(
            f"coalesce(a.k{number}, b.k{number}) AS k{number}" for number, _ in numbered
        )
        self._asked(
            f"CREATE TEMPORARY TABLE seeknal_moved AS SELECT {either} FROM ({new}) a FULL JOIN "
            f"({old}) b ON {both} WHERE (a.n, a.x, a.s) IS DISTINCT FROM (b.n, b.x, b.s)"
        )
        if self.order.since is not None:
            time = quote(self.order.columns[0])  # of the rows, where it is a time
            since = f"(SELECT min({time}) FROM {_ROWS}) - INTERVAL {self.order.since} DAY"
            self._asked(f"DELETE FROM seeknal_moved WHERE k0 < date_trunc('day', {since})")
        moved = " AND ".join(f"m.k{number} IS NOT DISTINCT FROM {key}" for number, key in numbered)
        chosen = f"EXISTS (FROM seeknal_moved m WHERE {moved})"
        self._asked(f"DELETE FROM {self.table} WHERE {chosen}")
        self._insert(f"FROM {_ROWS} WHERE {chosen}")

    def _key(self, name: str, word: str) -> str:
        value = f"CAST({quote(name)} AS {word})"
        return value if self.order.since is None else f"date_trunc('day', {value})"


_KEY = "A merge needs a key that tells rows apart: test it (`unique`, `not_null`)."
