"""A world: partitioned tables and whole ones, with few rows, many ties, NULLs and boundaries."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

import duckdb

from seeknal_git.sql.locality import Input
from seeknal_git.sql.statement import Known

ZONED = "TIMESTAMP WITH TIME ZONE"
UNITS = ("hour", "day", "day", "day", "week", "month", "year", "bucket")
# The ends of years, of months (a leap one), of weeks and of days.
DATES = ("2023-12-31", "2024-01-01", "2024-01-29", "2024-02-29", "2024-03-01", "2024-12-30")
CLOCKS = ("00:00:00", "00:00:00", "00:59:59.999999", "12:00:00", "23:59:59.999999")
VALUES = {
    "INTEGER": ("0", "1", "1", "2", "-1", "NULL"),
    "BIGINT": ("0", "1", "1", "2", "NULL"),
    "VARCHAR": ("'a'", "'A'", "'b'", "''", "NULL"),
    "INTEGER[]": ("[]", "[1, 2]", "[3, NULL]", "NULL"),
}
# One name mostly has one type, so that names capture each other, and USING finds something.
NAMES = {"d": "?", "e": "?", "k": "INTEGER", "j": "VARCHAR", "x": "INTEGER", "l": "INTEGER[]"}
TIMES = ("DATE", "TIMESTAMP", ZONED)


@dataclass(frozen=True)
class Table:
    name: str
    columns: tuple[tuple[str, str], ...]
    key: tuple[str, ...] = ()
    stated: bool = False

    @property
    def input(self) -> Input:
        return Input(Known(self.columns), self.key, self.stated)


@dataclass
class World:
    every: str
    tables: dict[str, Table]
    engine: duckdb.DuckDBPyConnection
    # The partitions that some table has. The tables over partition n are in schema `p{n}`.
    parts: list[str] = field(default_factory=list)

    def part(self, names: tuple[str, ...], types: tuple[str, ...]) -> str:
        """The SQL that tells the partition of a row by its key, as text."""
        if self.every == "bucket":
            return f"(hash({', '.join(names)}) % 2)::VARCHAR"
        name = names[0]
        plain = f"make_timestamp(epoch_us({name}))" if types == (ZONED,) else f"{name}::TIMESTAMP"
        return f"coalesce(date_trunc('{self.every}', {plain})::VARCHAR, 'none')"


def literal(random: Random, type_: str) -> str:
    if type_ in VALUES:
        return random.choice(VALUES[type_])
    if random.random() < 0.1:
        return "NULL"
    date = random.choice(DATES)
    if type_ == "DATE":
        return f"DATE '{date}'"
    zone = "+00" if type_ == ZONED else ""
    return f"{type_} '{date} {random.choice(CLOCKS)}{zone}'"


def draw_world(random: Random, every: str = "") -> World:
    every = every or random.choice(UNITS)
    key = ("k", "j")[: random.choice((1, 1, 2))] if every == "bucket" else ("d",)
    usual = random.choice(TIMES)
    tables: dict[str, Table] = {}
    stated = random.random() < 0.15
    for name in ("t", "u", "s", "w", "m"):
        is_partitioned = name in "tus"
        types = dict(NAMES)
        types["d"] = usual if random.random() < 0.8 else random.choice(TIMES)
        types["e"] = random.choice(TIMES)
        types["k"] = "INTEGER" if random.random() < 0.9 else "BIGINT"
        kept = [n for n in NAMES if n in key or random.random() < 0.75]
        random.shuffle(kept)
        own = key
        columns = (*((n, types[n]) for n in kept), ("i", "INTEGER"))
        if is_partitioned and every != "bucket" and random.random() < 0.2 and "e" in kept:
            own = ("e",)
        tables[name] = Table(name, columns, own if is_partitioned else (), stated and name == "s")
    engine = duckdb.connect(config={"threads": 1})
    engine.execute("SET TimeZone = 'America/New_York'")
    world = World(every, tables, engine)
    _fill(world, random)
    return world


def _fill(world: World, random: Random) -> None:
    run = world.engine.execute
    run("CREATE SCHEMA whole")
    parts: set[str] = set()
    for table in world.tables.values():
        body = ", ".join(f"{name} {type_}" for name, type_ in table.columns)
        run(f"CREATE TABLE whole.{table.name} ({body})")
        for number in range(random.choice((0, 2, 4, 6, 8))):
            values = [literal(random, type_) for name, type_ in table.columns if name != "i"]
            run(f"INSERT INTO whole.{table.name} VALUES ({', '.join([*values, str(number)])})")
        if table.key and not table.stated:
            found = run(f"SELECT DISTINCT {part_of(world, table)} FROM whole.{table.name}")
            parts |= {row[0] for row in found.fetchall()}
    world.parts = sorted(parts)
    for number, part in enumerate(world.parts):
        run(f"CREATE SCHEMA p{number}")
        for table in world.tables.values():
            asked = (
                f" WHERE {part_of(world, table)} = '{part}'"
                if table.key and not table.stated
                else ""
            )
            run(f"CREATE TABLE p{number}.{table.name} AS FROM whole.{table.name}{asked}")


def part_of(world: World, table: Table) -> str:
    types = dict(table.columns)
    return world.part(table.key, tuple(types[name] for name in table.key))
