"""Run an edited query before and after in DuckDB, and hold what seeknal says of the edit against
it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random
from threading import Thread

import duckdb

from seeknal_git.plan.changes import Category
from tests.oracle.edits import EDITS, Edit
from tests.oracle.expressions import TYPES, Draw
from tests.oracle.queries import World, draw_query, draw_reader, draw_world
from tests.oracle.sql import Query, Scope
from tests.verdicts import Refused, Verdict, verdict

__all__ = ["Answer", "Engine", "Example", "Outcome", "check", "draw_example", "draw_world"]

# Where a query is no function of its tables, some of so many runs differ.
RUNS = 40
PATIENCE = 10  # seconds: a recursion over a join of everything with everything may take for ever


@dataclass(frozen=True)
class Example:
    """edits: their names; harmless: whether none of them may change anything."""

    world: World
    edits: tuple[str, ...]
    harmless: bool
    old: str
    new: str
    reader: str

    def __str__(self) -> str:
        parts = (
            ("edit", ", then ".join(self.edits)),
            ("old", self.old),
            ("new", self.new),
            ("reader", self.reader),
        )
        tables = [
            f"  {table.name}({', '.join(f'{column.name} {TYPES[column.kind]}' for column in table.columns)}): {rows}"
            for table, rows in zip(self.world.tables, self.world.rows, strict=True)
            if table.name in f"{self.old} {self.new} {self.reader}"
        ]
        return "\n".join([*(f"  {name}: {text}" for name, text in parts), *tables])


def draw_example(draw: Draw, world: World, chosen: Edit | None = None) -> Example | None:
    """An edit of a query, now and then two edits, and as often undone as done."""
    scope = Scope(world.tables, depth=draw.pick((0, 0, 0, 1, 2)))
    edit = chosen or draw.pick(EDITS)
    for _ in range(25):
        try:
            if example := _drawn(draw, world, scope, edit):
                return example
        except (
            IndexError,
            ValueError,
        ):  # an edit took an argument away that another one's template still asks for
            continue
    return None


def _drawn(draw: Draw, world: World, scope: Scope, edit: Edit) -> Example | None:
    query = draw_query(draw, scope)
    edited = edit.apply(query, draw)
    if edited is None or str(edited) == str(query):
        return None
    edits: tuple[str, ...] = (edit.name,)
    harmless = edit.harmless
    if isinstance(edited, Query) and draw.chance(0.12):
        other = draw.pick(EDITS)
        edited = other.apply(edited, draw) or edited
        edits, harmless = (*edits, other.name), harmless and other.harmless
    old: Query | str = query
    new: Query | str = edited
    if draw.chance(0.25):
        old, new, edits = edited, query, (*edits, "undone")
    node = old.columns if isinstance(old, Query) else query.columns
    return Example(world, edits, harmless, str(old), str(new), str(draw_reader(draw, world, node)))


@dataclass(frozen=True)
class Answer:
    """What a query returns: the rows as texts, so that NULL, NaN and floats compare as they
    look."""

    names: tuple[str, ...]
    types: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    spelled: tuple[str, ...] = ()

    def bag(self, columns: Sequence[str] | None = None) -> tuple[object, ...] | None:
        """What may not change: types and rows of the columns, in this order, but not the order of
        rows."""
        try:
            places = [
                self.names.index(name) for name in (self.names if columns is None else columns)
            ]
        except ValueError:
            return None
        rows = Counter(tuple(row[place] for place in places) for row in self.rows)
        return (
            tuple(self.names[place] for place in places),
            tuple(self.types[place] for place in places),
            rows,
        )


class Engine:
    """DuckDB twice: with the rows of the tables in one order and in another, for what depends on
    order."""

    def __init__(self) -> None:
        self.straight, self.shuffled = _connected(), _connected()
        self.world: World | None = None

    def close(self) -> None:
        self.straight.close()
        self.shuffled.close()

    def load(self, world: World) -> None:
        if world is self.world:
            return
        self.world = world
        for table, rows in zip(world.tables, world.rows, strict=True):
            columns = ", ".join(f'"{column.name}" {TYPES[column.kind]}' for column in table.columns)
            other = Random(7).sample(rows, len(rows))[::-1]
            for connection, ordered in ((self.straight, rows), (self.shuffled, other)):
                connection.execute(f"CREATE OR REPLACE TABLE {table.name} ({columns})")
                if ordered:
                    values = ", ".join(f"({', '.join(row)})" for row in ordered)
                    connection.execute(f"INSERT INTO {table.name} VALUES {values}")

    def disturb(self) -> None:
        """Put the rows of all tables, the node's too, in another order."""
        assert self.world is not None
        for name in ("transform.node", *(table.name for table in self.world.tables)):
            self.straight.execute(
                f"CREATE OR REPLACE TABLE {name} AS FROM {name} ORDER BY random()"
            )

    def restore(self) -> None:
        world, self.world = self.world, None
        if world is not None:
            self.load(world)


class Watchdog:
    """One thread for all queries: a timer for each of them takes an eighth of the time of an
    example."""

    def __init__(self) -> None:
        self.watched: tuple[float, duckdb.DuckDBPyConnection] | None = None
        self.thread: Thread | None = None

    @contextmanager
    def watching(self, connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
        """Interrupt what takes too long."""
        if self.thread is None or not self.thread.is_alive():
            self.thread = Thread(target=self._watch, daemon=True)
            self.thread.start()
        self.watched = (time.monotonic() + PATIENCE, connection)
        try:
            yield
        finally:
            self.watched = None

    def _watch(self) -> None:
        while True:
            time.sleep(1)
            watched = self.watched
            if watched and time.monotonic() > watched[0]:
                watched[1].interrupt()


WATCHDOG = Watchdog()


def _connected() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(config={"threads": 1})
    connection.execute("CREATE SCHEMA source; CREATE SCHEMA transform")
    return connection


def answer(connection: duckdb.DuckDBPyConnection, sql: str) -> Answer | None:
    """None, if the query does not run, or not to its end within some seconds."""
    try:
        with WATCHDOG.watching(connection):
            rows = connection.execute(sql).fetchall()
    except duckdb.Error:
        return None
    described = connection.description or []
    names, types = ([str(column[place]) for column in described] for place in (0, 1))
    return Answer(
        tuple(map(_folded, names)),
        tuple(types),
        tuple(tuple(map(repr, row)) for row in rows),
        tuple(names),
    )


def _folded(name: str) -> str:
    """A name as the engine compares it: of letters beyond ASCII the case counts."""
    return "".join(letter.lower() if letter.isascii() else letter for letter in name)


def build(connection: duckdb.DuckDBPyConnection, sql: str) -> Answer | None:
    """The node as a table, as a run makes it."""
    made = answer(
        connection, f"CREATE OR REPLACE TABLE transform.node AS {sql.rstrip().rstrip(';')}\n"
    )
    return made and answer(connection, "FROM transform.node")


def fails(connection: duckdb.DuckDBPyConnection, sql: str) -> bool:
    """Whether a query binds, and fails on the values that it meets."""
    try:
        connection.execute(sql).fetchall()
    except (duckdb.ConversionException, duckdb.InvalidInputException, duckdb.OutOfRangeException):
        return True
    except duckdb.Error:
        return False
    return False


@dataclass(frozen=True)
class Outcome:
    """verdict: None, if a query does not run; same: whether the edit changed nothing; complaint:
    the promise broken."""

    verdict: Verdict | None = None
    same: bool = False
    complaint: str = ""


def check(engine: Engine, example: Example) -> Outcome:
    engine.load(example.world)
    old = build(engine.straight, example.old)
    read = answer(engine.straight, example.reader) if old else None
    new = build(engine.straight, example.new) if old else None
    if old is None or (new is None and not fails(engine.straight, example.new)):
        return Outcome()
    same = new is not None and old.spelled == new.spelled and old.bag() == new.bag()
    try:
        said = verdict(
            example.old, example.new, example.world.schemas, example.reader if read else None
        )
    except Refused:  # what an unused CTE reads is not there: the engine does not look at it
        return Outcome(same=same)
    except Exception as exc:  # noqa: BLE001 - whatever it is, it goes into the report, and a long run goes on
        return Outcome(same=same, complaint=f"{type(exc).__name__}: {exc}"[:100])
    if new is None:
        return Outcome(
            said, same, "METADATA, but it fails" if said.category == Category.METADATA else ""
        )
    complaint = _of_node(engine, example, said, old, new)
    if not complaint and read and said.reused and (same or said.category != Category.METADATA):
        complaint = _of_reader(engine, example, read, shuffled=said.category != Category.METADATA)
    return Outcome(said, same, complaint)


def _of_node(engine: Engine, example: Example, said: Verdict, old: Answer, new: Answer) -> str:
    if (
        said.category == Category.METADATA
        and old.bag() != new.bag()
        and _repeats(engine, example.old, old)
    ):
        return "METADATA, but the result is another one"
    if said.category == Category.NON_BREAKING:
        other = build(engine.shuffled, example.new)
        if new.bag(old.names) != old.bag():
            return "NON_BREAKING, but an old column is another one"
        if other is None or other.bag(old.names) != old.bag():
            return "NON_BREAKING, but an old column depends on the order of rows"
    return ""


def _repeats(engine: Engine, sql: str, first: Answer) -> bool:
    """Whether a query says the same of the same data each time: a METADATA edit is not run, so
    chance is no matter."""
    again = [build(engine.straight, sql) for _ in range(RUNS)]
    return all(one is not None and one.bag() == first.bag() for one in again)


def _of_reader(engine: Engine, example: Example, read: Answer, *, shuffled: bool) -> str:
    """The node as it is now, against what was read from the old one, in both orders of the tables.

    In one order under METADATA: no table is built again, so that a node of any rows keeps those
    that it has.
    """
    now = answer(engine.straight, example.reader)
    if now is None or (now.names, now.types) != (read.names, read.types):
        return "re-used, but it reads other columns now, or nothing at all"
    differs = now.bag() != read.bag()
    if shuffled and not differs:
        other = (
            answer(engine.shuffled, example.reader) if build(engine.shuffled, example.new) else None
        )
        differs = other is None or other.bag() != read.bag()
    return (
        "re-used, but it returns something else"
        if differs and _is_stable(engine, example, read)
        else ""
    )


def _is_stable(engine: Engine, example: Example, read: Answer) -> bool:
    """Whether the reader itself is a function of its tables; if it is not, any result of it is as
    good as another."""
    build(engine.straight, example.old)
    answers = []
    for _ in range(RUNS):
        engine.disturb()
        answers.append(answer(engine.straight, example.reader))
    engine.restore()
    return all(one is not None and one.bag() == read.bag() for one in answers)
