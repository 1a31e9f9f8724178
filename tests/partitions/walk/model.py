"""What the tables have to be, and which of their pieces may be built: those that never were."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from typing import Any, TypeVar

import duckdb

from tests.conftest import Repo
from tests.partitions.walk.intervals import Form, Label
from tests.partitions.walk.nodes import Node
from tests.partitions.walk.sources import Load, Source, select

T = TypeVar("T")
Code = Mapping[str, "Source | Node"]  # by id, inputs first


class Violation(AssertionError):
    """A table is not what it has to be, or something was built without need."""


def ordered(nodes: Mapping[str, Source | Node]) -> Code | None:
    """Nodes with their inputs first; None if an input is missing."""
    reads = {name: inputs_of(node) for name, node in sorted(nodes.items())}
    if any(read not in nodes for inputs in reads.values() for read in inputs):
        return None
    return {name: nodes[name] for name in TopologicalSorter(reads).static_order()}


def inputs_of(node: Source | Node) -> tuple[str, ...]:
    return node.inputs if isinstance(node, Node) else ()


def digest(*parts: object) -> str:
    return hashlib.md5(repr(parts).encode()).hexdigest()


@dataclass(frozen=True)
class World:
    """Code, and the loads of its sources."""

    code: Code
    loads: Mapping[str, Load]

    # The truth

    def build(self, engine: duckdb.DuckDBPyConnection) -> None:
        """All tables, by the engine alone."""
        for kind in ("source", "transform", "feature_group"):
            engine.execute(f"DROP SCHEMA IF EXISTS {kind} CASCADE; CREATE SCHEMA {kind}")
        for name, node in self.code.items():
            sql = self._load(node) if isinstance(node, Source) else node.truth
            engine.execute(f"CREATE TABLE {name} AS {sql}")

    def _load(self, source: Source) -> str:
        load, form = self.loads[source.id], source.form
        rows = tuple(load.rows.elements())
        if form and form.outside == "drop":
            rows = tuple(row for row in rows if form.holds(dict(row).get(form.by)) is not None)
        return select(load.columns, rows, source)

    def misplaced(self, engine: duckdb.DuckDBPyConnection) -> list[str]:
        """The nodes for which rows outside are an error, and that have some. The tables are built."""
        return [
            name
            for name, node in self.code.items()
            if node.form
            and node.form.outside == "error"
            and engine.execute(
                f"SELECT count(*) FROM {name} WHERE {outside(node.form)}"
            ).fetchall()[0][0]
        ]

    # What decides a table, and a piece

    def memo(self, what: str, key: object, make: Callable[[], T]) -> T:
        """Something that is made once."""
        memo = self.__dict__.setdefault("_known", {})
        if (what, key) not in memo:
            memo[what, key] = make()
        found: T = memo[what, key]
        return found

    def code_of(self, name: str) -> str:
        """All code that decides the rows of a node."""
        return self.memo("code", name, lambda: self._code_of(self.code[name]))

    def _code_of(self, node: Source | Node) -> str:
        if isinstance(node, Source):
            drops = node.form if node.form and node.form.outside == "drop" else None
            return digest(node.name, node.format, node.several, drops)
        stated = node.form if node.form and (node.reads or node.form.outside == "drop") else None
        return digest(
            node.kind,
            node.text,
            node.reads if stated else None,
            stated,
            [self.code_of(read) for read in node.inputs],
        )

    def layout(self, name: str) -> str:
        """All that decides whether a node is divided."""
        node = self.code[name]
        inputs = [self.layout(read) for read in inputs_of(node)]
        return self.memo("layout", name, lambda: digest(self.code_of(name), node.form, inputs))

    def upstream(self, name: str) -> set[str]:
        reads = inputs_of(self.code[name])
        return {*reads, *(each for read in reads for each in self.upstream(read))}

    def sources(self, name: str) -> set[str]:
        node = self.code[name]
        if isinstance(node, Source):
            return {name}
        return self.memo(
            "sources", name, lambda: {each for read in node.inputs for each in self.sources(read)}
        )

    def order(self, name: str) -> tuple[str, ...]:
        """The order of the columns, where that hangs on a file."""
        node = self.code[name]
        if isinstance(node, Source):
            return self.loads[name].columns
        return self.order(node.inputs[0]) if "SELECT *" in node.sql else ()

    def table(self, name: str) -> str:
        """All that decides a table."""
        node = self.code[name]
        is_view = isinstance(node, Node) and node.is_view
        loads = [(each, self.loads[each]) for each in sorted(self.sources(name))]
        return digest(self.code_of(name), node.form, is_view, loads)

    def rows(self, name: str) -> str:
        """All that decides the rows of a table, however they are spread over files."""
        loads = [sorted(self.loads[each].rows.items()) for each in sorted(self.sources(name))]
        return digest(self.code_of(name), loads)


def outside(form: Form) -> str:
    """The condition of a row that falls into no partition."""
    if form.buckets:
        return f"{form.by} IS NULL"
    value = f"({form.by} AT TIME ZONE 'UTC')" if form.by == "z" else form.by
    return f"({form.by} IS NULL OR {value} < TIMESTAMP '{form.first}')"


@dataclass
class Model:
    """What was ever built. layouts: table → the layout that it was built in first; divided: layout →
    whether the node is built in pieces."""

    tables: set[str] = field(default_factory=set)
    layouts: dict[str, str] = field(default_factory=dict)
    pieces: set[str] = field(default_factory=set)
    files: set[str] = field(default_factory=set)
    divided: dict[str, bool] = field(default_factory=dict)
    is_renewed: bool = False  # the order of columns and the form tell tables apart then
    rows_seen: set[str] = field(default_factory=set)  # of tables
    old: set[str] = field(default_factory=set)  # those from before a full run

    def forget(self, worlds: list[World]) -> None:
        """Only what some environments show is there for certain."""
        self.tables &= {world.table(name) for world in worlds for name in world.code}
        self.pieces &= {
            piece for world in worlds for name in world.code for piece in self._pieces(world, name)
        }
        self.files &= {
            file for world in worlds for name in world.code for file in self._files(world, name)
        }

    def renew(self) -> None:
        """A full run is about to build all pieces again."""
        self.old |= self.rows_seen
        self.tables, self.pieces, self.files, self.is_renewed = set(), set(), set(), True

    def built(self, world: World, names: Iterable[str]) -> None:
        """A command made tables of some nodes; those of the others were there."""
        for name in world.code:
            self.tables.add(world.table(name))
            self.rows_seen.add(world.rows(name))
            self.layouts.setdefault(world.table(name), world.layout(name))
        for name in names:
            if name in world.code:
                self.old.discard(world.rows(name))
        for name in names:
            if name in world.code and not self._is_vague_behind(world, name):
                self.pieces |= self._pieces(world, name)

    def _pieces(self, world: World, name: str) -> set[str]:
        if name not in world.code or not self.is_divided(world, name):
            return set()
        return {self.piece(world, name, at) for at in self.partitions(world, name)}

    def is_divided(self, world: World, name: str) -> bool | None:
        node = world.code[name]
        if isinstance(node, Source) or node.form is None:
            return node.form is not None
        return self.divided.get(world.layout(name))

    def windows(self, world: World, name: str) -> dict[str, tuple[int, int]]:
        """The inputs that are read partition by partition, and the days around."""
        node = world.code[name]
        if isinstance(node, Source) or not node.form:
            return {}
        reads = node.reads or {}
        return {
            read: reads.get(read, (0, 0))
            for read in node.inputs
            if self.is_divided(world, read) and node.form.can_read(_form_of(world, read))
        }

    def reading(self, world: World, name: str) -> dict[Label, list[tuple[str, Label]]]:
        """Partition of a node → the partitions that it reads."""
        return world.memo("reading", name, lambda: self._reading(world, name))

    def _reading(self, world: World, name: str) -> dict[Label, list[tuple[str, Label]]]:
        form, found = _form_of(world, name), dict[Label, list[tuple[str, Label]]]()
        for read, days in self.windows(world, name).items():
            other = _form_of(world, read)
            for at in self.partitions(world, read):
                for own in form.readers(at, other, *days):
                    found.setdefault(own, []).append((read, at))
        return found

    def partitions(self, world: World, name: str) -> set[Label]:
        if isinstance(world.code[name], Source):
            return set(self.rows(world, name))
        return {*self.reading(world, name), None}

    def rows(self, world: World, name: str) -> dict[Label, Counter[Any]]:
        return world.memo("rows", name, lambda: _by_partition(world, name))

    def data(self, world: World, name: str, at: Label) -> str:
        """The data behind a partition."""
        return world.memo("data", (name, at), lambda: self._data(world, name, at))

    def _data(self, world: World, name: str, at: Label) -> str:
        node = world.code[name]
        if isinstance(node, Source):
            columns = world.loads[name].columns
            return digest(
                (columns, node.form) if self.is_renewed else sorted(columns),
                sorted(self.rows(world, name).get(at, Counter()).items(), key=repr),
            )
        windows = self.windows(world, name)
        read = [(*each, self.data(world, *each)) for each in self.reading(world, name).get(at, ())]
        wholes = {
            each for read in node.inputs if read not in windows for each in world.sources(read)
        }
        return digest(
            sorted(read, key=repr),
            [(each, world.loads[each]) for each in sorted(wholes)],
            node.form if self.is_renewed else None,
        )

    def piece(self, world: World, name: str, at: Label) -> str:
        return digest(
            world.code_of(name),
            world.code[name].form,
            at,
            self.data(world, name, at),
            world.order(name),
        )

    def _is_vague_behind(self, world: World, name: str) -> bool:
        """Whether it is not certain which pieces some input has: those of other inputs, if it was
        built while these had other partitions; and those from before a full run, if it was not
        built since."""
        for read in world.upstream(name):
            table, layout = world.table(read), world.layout(read)
            if self.layouts.get(table, layout) != layout or world.rows(read) in self.old:
                return True
            if self.is_divided(world, read) is None:
                return True
        return False

    def _files(self, world: World, source: str) -> Iterator[str]:
        node = world.code.get(source)
        if isinstance(node, Source):
            for piece in world.loads[source].pieces():
                yield self._file(world, node, *piece)

    @staticmethod
    def _file(world: World, source: Source, *piece: object) -> str:
        columns = sorted(world.loads[source.id].columns)
        return digest(world.code_of(source.id), source.form, columns, piece)

    # What a run may build

    def account(self, world: World, built: Mapping[str, Any]) -> Iterator[str]:
        """What was built without need."""
        for name, made in built.items():
            if name not in world.code:
                continue
            node = world.code[name]
            if world.table(name) in self.tables:
                yield f"{name} was there"
            if not isinstance(node, Source) and node.form:
                self.divided[world.layout(name)] = "partitions" in made
        for name, made in built.items():
            if name in world.code:
                yield from self._pieces_without_need(world, name, made)
            if "files" in made:
                self.files.update(self._files(world, name))

    def _pieces_without_need(
        self, world: World, name: str, made: Mapping[str, Any]
    ) -> Iterator[str]:
        node, labels = world.code[name], made.get("partitions", {}).get("built", [])
        if "files" in made and isinstance(node, Source):
            new = [
                piece
                for piece in world.loads[name].pieces()
                if self._file(world, node, *piece) not in self.files
            ]
            if len(made["files"]["read"]) > len(new):
                yield f"{name}: {len(made['files']['read'])} files were read, {len(new)} are new"
            form = node.form
            allowed = (
                {form.holds(dict(row).get(form.by)) for file, _ in new for row in file.rows}
                if form
                else set()
            )
            if extra := [at for at in labels if _label(at) not in allowed]:
                yield f"{name}: partitions {extra} are of no new file"
            return
        if isinstance(node, Source) and node.several:
            return  # a copy of another form
        if self._is_vague_behind(world, name):
            return
        for at in labels:
            if self.piece(world, name, _label(at)) in self.pieces:
                yield f"{name}: partition {at} was there"


def _form_of(world: World, name: str) -> Form:
    form = world.code[name].form
    assert form, f"{name} is divided"
    return form


def _label(text: str) -> Label:
    return None if text == "outside" else text


def _by_partition(world: World, name: str) -> dict[Label, Counter[Any]]:
    form, found = world.code[name].form, dict[Label, Counter[Any]]()
    for row, times in world.loads[name].rows.items():
        at = form.holds(dict(row).get(form.by)) if form else None
        found.setdefault(at, Counter())[row] += times
    return found


# What is shown


def differing(
    engine: duckdb.DuckDBPyConnection,
    repo: Repo,
    schema: str,
    code: Code,
    only: Mapping[str, str] = {},
) -> Iterator[str]:
    """The tables that are not the truth, which the engine has built. only: node → the condition of
    the rows that are shown; or "" for a node that may have any."""
    engine.execute(f"ATTACH '{repo.warehouse}' AS shown (READ_ONLY)")
    try:
        rows = engine.execute(
            "SELECT view_name FROM duckdb_views() WHERE database_name = 'shown' AND schema_name = $1",
            [schema],
        ).fetchall()
        names = {name for (name,) in rows if not name.startswith("entity_")}
        if names != {name.partition(".")[2] for name in code}:
            yield f"{schema} shows {sorted(names)}"
            return
        for name in code:
            if condition := only.get(name, "true"):
                yield from _difference(
                    engine, name, f'shown."{schema}"."{name.partition(".")[2]}"', condition
                )
    finally:
        engine.execute("DETACH shown")


def _difference(
    engine: duckdb.DuckDBPyConnection, name: str, view: str, condition: str
) -> Iterator[str]:
    shown, wanted = _contents(engine, view), _contents(engine, f"{name} WHERE {condition}")
    if shown[0] != wanted[0]:
        yield f"{name} has the columns {shown[0]}, not {wanted[0]}"
    else:
        for what, rows in (("has too much", shown[1] - wanted[1]), ("lacks", wanted[1] - shown[1])):
            if rows:
                yield f"{name} {what}: {[*rows.items()][:3]} of {', '.join(name for name, _ in shown[0])}"


def _contents(
    engine: duckdb.DuckDBPyConnection, table: str
) -> tuple[list[tuple[str, str]], Counter[Any]]:
    """The columns of a table, in the order of their names, and its rows as texts."""
    done = engine.execute(f"SELECT * FROM {table}")
    columns = [(name, str(kind)) for name, kind, *_ in done.description or ()]
    if any(kind.startswith("TIMESTAMP WITH") for _, kind in columns):
        done = engine.execute(f"SELECT COLUMNS(*)::VARCHAR FROM {table}")
    order = sorted(range(len(columns)), key=columns.__getitem__)
    rows = Counter(tuple(str(row[place]) for place in order) for row in done.fetchall())
    return [columns[place] for place in order], rows
