"""Sources: their files, and what happens to these."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

import duckdb

from tests.partitions.walk.intervals import Form

Value = str | int | None
Row = tuple[tuple[str, Value], ...]  # names and values of those columns that are not NULL

TYPES = {"d": "DATE", "t": "TIMESTAMP", "z": "TIMESTAMP WITH TIME ZONE"}
DATES = (
    *("2026-01-01", "2026-01-02", "2026-01-04", "2026-01-05", "2026-01-14", "2026-01-15"),
    *("2026-01-31", "2026-02-01", "2026-02-02", "2026-02-28", "2026-03-01", "2027-01-01"),
)
EARLY = ("2025-12-28", "2025-12-29", "2025-12-31", "2020-02-29")
HOURS = ("00:00:00", "05:30:00", "23:59:59")


@dataclass(frozen=True)
class Source:
    """A source. time: its column of a time, d, t or z. wild: some rows have no time, or an early one,
    or no key."""

    name: str
    format: str
    several: bool
    time: str
    wild: bool
    form: Form | None

    @property
    def id(self) -> str:
        return f"source.{self.name}"

    @property
    def columns(self) -> dict[str, str]:
        return {self.time: TYPES[self.time], "k": "BIGINT", "v": "BIGINT"}

    @property
    def yml(self) -> str:
        path = (
            f"data/{self.name}/*.{self.format}"
            if self.several
            else f"data/{self.name}.{self.format}"
        )
        lines = ["kind: source", f"name: {self.name}", f"source: {self.format}", f"table: {path}"]
        lines += ["on_drift: warn"]
        lines += [f"partition: {self.form}"] if self.form else []
        if self.format == "csv":
            types = (
                f'  - {{name: {name}, data_type: "{kind}"}}' for name, kind in self.columns.items()
            )
            lines += ["params: {header: true}", "schema:", *types]
        return "\n".join(lines) + "\n"

    def row(self, chance: Random) -> Row:
        early = self.wild and chance.random() < 0.15
        time: str | None = chance.choice(EARLY if early else DATES)
        if self.time != "d":
            time = f"{time} {chance.choice(HOURS)}" + ("+00" if self.time == "z" else "")
        if self.wild and chance.random() < 0.08:
            time = None
        key = None if chance.random() < (0.15 if self.wild else 0) else chance.randrange(1, 6)
        return row_of({self.time: time, "k": key, "v": chance.randrange(1, 10)})


def row_of(values: Mapping[str, Value]) -> Row:
    return tuple(sorted((name, value) for name, value in values.items() if value is not None))


@dataclass(frozen=True)
class File:
    """columns: in their order."""

    columns: tuple[str, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Load:
    """The rows of a source, as a run reads them: by file, in the order of their names."""

    files: tuple[File, ...]
    names: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for file in self.files for name in file.columns))

    @property
    def rows(self) -> Counter[Row]:
        return Counter(row for file in self.files for row in file.rows)

    def pieces(self) -> Iterator[tuple[File, int]]:
        """The files, and how many before them have the same content."""
        seen: Counter[File] = Counter()
        for file in self.files:
            yield file, seen[file]
            seen[file] += 1


@dataclass
class Raw:
    """The raw data of a source: its files by name."""

    source: Source
    files: dict[str, File] = field(default_factory=dict)

    def load(self) -> Load:
        return Load(
            tuple(self.files[name] for name in sorted(self.files)), tuple(sorted(self.files))
        )

    def begin(self, chance: Random) -> None:
        for number in range(chance.randrange(1, 4) if self.source.several else 1):
            rows = tuple(self.source.row(chance) for _ in range(chance.randrange(1, 9)))
            self.files[f"{number}"] = File(tuple(self.source.columns), rows)

    def change(self, chance: Random) -> str:
        """Something happens to it; says what."""
        changes = [*_CHANGES, *(_OF_FILES if self.source.several else ())]
        if self.source.format == "parquet":
            changes += _OF_COLUMNS
        change = chance.choice(changes)
        change(self, chance)
        return f"{change.__name__} {self.source.name}"

    def calm(self) -> None:
        """No row is outside any more."""
        for name, file in self.files.items():
            kept = (row for row in file.rows if _is_calm(dict(row), self.source.time))
            self.files[name] = replace(file, rows=tuple(kept))

    def write(self, root: Path, connection: duckdb.DuckDBPyConnection) -> None:
        """Write the files that are not as they should be."""
        folder, source = root / "data", self.source
        if not source.several:
            paths = {
                folder / f"{source.name}.{source.format}": file for file in self.files.values()
            }
        else:
            folder /= source.name
            paths = {folder / f"{name}.{source.format}": file for name, file in self.files.items()}
            for path in set(folder.glob("*")) - paths.keys():
                path.unlink()
                _WRITTEN.pop(path, None)
        folder.mkdir(parents=True, exist_ok=True)
        for path, file in paths.items():
            if _WRITTEN.get(path) != file:
                _write(path, file, source, connection)
                _WRITTEN[path] = file


_WRITTEN: dict[Path, File] = {}


def _is_calm(values: Mapping[str, Value], time: str) -> bool:
    moment = values.get(time)
    return isinstance(moment, str) and moment >= "2026-02" and "k" in values


def type_of(name: str, source: Source) -> str:
    return source.columns.get(name, "BIGINT")


def _write(path: Path, file: File, source: Source, connection: duckdb.DuckDBPyConnection) -> None:
    if source.format == "csv":
        lines = [",".join(file.columns)]
        for row in file.rows:
            values = dict(row)
            lines.append(",".join(str(values.get(name, "")) for name in file.columns))
        path.write_text("\n".join(lines) + "\n")
        return
    connection.execute(
        f"COPY ({select(file.columns, file.rows, source)}) TO '{path}' (FORMAT parquet)"
    )


def select(columns: tuple[str, ...], rows: tuple[Row, ...], source: Source) -> str:
    """Rows as SQL."""
    kinds = {name: type_of(name, source) for name in columns}
    typed = ", ".join(f"{name}::{kind} AS {name}" for name, kind in kinds.items())
    lines = []
    for row in rows:
        values = dict(row)
        lines.append("(" + ", ".join(_literal(values.get(name)) for name in columns) + ")")
    if not lines:
        nulls = ", ".join(f"NULL::{kind} AS {name}" for name, kind in kinds.items())
        return f"SELECT {nulls} WHERE false"
    return f"SELECT {typed} FROM (VALUES {', '.join(lines)}) AS _ ({', '.join(columns)})"


def _literal(value: Value) -> str:
    return "NULL" if value is None else f"'{value}'"


# Changes


def _some_file(raw: Raw, chance: Random) -> tuple[str, File]:
    name = chance.choice(sorted(raw.files))
    return name, raw.files[name]


def append(raw: Raw, chance: Random) -> None:
    name, file = _some_file(raw, chance)
    more = tuple(raw.source.row(chance) for _ in range(chance.randrange(1, 4)))
    raw.files[name] = replace(file, rows=file.rows + more)


def correct(raw: Raw, chance: Random) -> None:
    name, file = _some_file(raw, chance)
    if file.rows:
        rows, place = list(file.rows), chance.randrange(len(file.rows))
        column = chance.choice([raw.source.time, "k", "v", "v"])
        rows[place] = row_of(
            {**dict(rows[place]), column: dict(raw.source.row(chance)).get(column)}
        )
        raw.files[name] = replace(file, rows=tuple(rows))


def delete(raw: Raw, chance: Random) -> None:
    name, file = _some_file(raw, chance)
    gone = {chance.randrange(len(file.rows) or 1) for _ in range(chance.choice([1, 1, 2, 9]))}
    kept = tuple(row for place, row in enumerate(file.rows) if place not in gone)
    raw.files[name] = replace(file, rows=kept)


def shuffle(raw: Raw, chance: Random) -> None:
    name, file = _some_file(raw, chance)
    raw.files[name] = replace(file, rows=tuple(chance.sample(file.rows, len(file.rows))))


def double(raw: Raw, chance: Random) -> None:
    """A row comes twice, or three times."""
    name, file = _some_file(raw, chance)
    if file.rows:
        raw.files[name] = replace(
            file, rows=file.rows + (chance.choice(file.rows),) * chance.randrange(1, 3)
        )


def add_file(raw: Raw, chance: Random) -> None:
    if len(raw.files) < 6:
        rows = tuple(raw.source.row(chance) for _ in range(chance.randrange(0, 5)))
        raw.files[str(chance.randrange(20))] = File(tuple(raw.source.columns), rows)


def remove_file(raw: Raw, chance: Random) -> None:
    if len(raw.files) > 1:
        del raw.files[_some_file(raw, chance)[0]]


def rename_file(raw: Raw, chance: Random) -> None:
    name, file = _some_file(raw, chance)
    del raw.files[name]
    raw.files[str(chance.randrange(20))] = file


def copy_file(raw: Raw, chance: Random) -> None:
    if len(raw.files) < 6:
        raw.files[str(chance.randrange(20))] = _some_file(raw, chance)[1]


def move_rows(raw: Raw, chance: Random) -> None:
    """Rows go from one file into another, with all their columns."""
    (one, left), (other, right) = _some_file(raw, chance), _some_file(raw, chance)
    if one != other:
        cut = chance.randrange(len(left.rows) + 1)
        columns = tuple(dict.fromkeys((*right.columns, *left.columns)))
        raw.files[one] = replace(left, rows=left.rows[:cut])
        raw.files[other] = File(columns, right.rows + left.rows[cut:])


def other_order(raw: Raw, chance: Random) -> None:
    name, file = _some_file(raw, chance)
    columns = tuple(chance.sample(file.columns, len(file.columns)))
    raw.files[name] = replace(file, columns=columns)


def column_more(raw: Raw, chance: Random) -> None:
    name, file = _some_file(raw, chance)
    column = chance.choice(["x", "y"])
    if column not in file.columns:
        rows = tuple(row_of({**dict(row), column: chance.randrange(3)}) for row in file.rows)
        raw.files[name] = File((*file.columns, column), rows)


def column_less(raw: Raw, chance: Random) -> None:
    name, file = _some_file(raw, chance)
    columns = tuple(name for name in file.columns if name not in ("x", "y"))
    rows = tuple(
        row_of({name: value for name, value in row if name in columns}) for row in file.rows
    )
    raw.files[name] = File(columns, rows)


_CHANGES = [append, append, append, correct, correct, delete, delete, shuffle, double]
_OF_FILES = [add_file, add_file, remove_file, rename_file, copy_file, move_rows]
_OF_COLUMNS = [other_order, column_more, column_less]


def draw_source(name: str, chance: Random) -> Source:
    time = chance.choice("dddtttz")
    wild = chance.random() < 0.35
    source = Source(
        name, chance.choice(["csv", "parquet"]), chance.random() < 0.45, time, wild, None
    )
    return replace(
        source, form=draw_form(time, True, wild, chance) if chance.random() < 0.9 else None
    )


def draw_form(time: str, has_key: bool, wild: bool, chance: Random, every: str = "") -> Form:
    if not time or (has_key and not every and chance.random() < 0.2):
        outside = chance.choice(["keep", "keep", "keep", "error"])
        return Form("k", buckets=chance.choice([2, 3, 3, 8]), outside=outside if wild else "error")
    units = ["day", "day", "day", "week", "month", "year"] + (["hour"] if time != "d" else [])
    every = every or chance.choice(units)
    begin = chance.choice(["2025-12-31", "2026-01-01", "2026-01-01", "2026-01-15", "2026-02-01"])
    outside = "keep" if chance.random() < 0.95 else "error"
    if not wild and begin <= "2026-01-01" and chance.random() < 0.7:
        outside = "error"
    return Form(time, every, begin, outside=outside)
