"""Examples: rows that are given to a node, and the rows that it should make of them.

A scalar of a row is a text, as everywhere in a file, and the engine casts it to the type of its
column. docs/design/examples.md says how an example is run.
"""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from seeknal_git.nodes.scalars import is_nothing, number, whole

if TYPE_CHECKING:
    from seeknal_git.nodes.node import Node

# Before the name of a CTE, where the rows of one are expected.
CTE = "cte."
FILES = (".csv", ".json", ".jsonl")
_NOW = re.compile(
    r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?\s*(?:Z|[+-]\d\d:?\d\d)?)?"
)


def results_in(given: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """The name of each CTE (empty for the node itself), with the options of its rows."""
    if not isinstance(given, dict):
        yield "", {"rows": given}
        return
    own = {key: value for key, value in given.items() if not str(key).startswith(CTE)}
    if own.keys() & {"sql", "file"}:
        own = {"rows": own}
    if own:
        yield "", own
    for key, value in given.items():
        if str(key).startswith(CTE):
            ((_, options),) = results_in(value) if not isinstance(value, dict) else _of_cte(value)
            yield str(key).removeprefix(CTE), options


def _of_cte(value: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [("", {"rows": value} if value.keys() & {"sql", "file"} else value)]


def time_of(text: str) -> datetime.datetime:
    """The time of `now`, in UTC unless it says otherwise. Raises ValueError."""
    if not _NOW.fullmatch(text.strip()):
        raise ValueError(f"a time is written 2024-03-01 or 2024-03-01 09:30:00, not {text!r}")
    found = datetime.datetime.fromisoformat(text.strip())
    return found if found.tzinfo else found.replace(tzinfo=datetime.UTC)


# An example as a value


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows as somebody wrote them."""

    # Each as column → text, None or nested.
    rows: tuple[Mapping[str, Any], ...] = ()
    # The columns of CSV, which may have no rows.
    header: tuple[str, ...] = ()
    sql: str = ""
    file: str = ""
    # The key in the file, such as `examples.0.given.source.orders`.
    place: str = ""
    # The line of the first row of CSV, counted from that of its text; 0 for other rows.
    first: int = 0

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that are named, in the order in which they come."""
        return tuple(dict.fromkeys((*self.header, *(name for row in self.rows for name in row))))


@dataclass(frozen=True, slots=True)
class Result:
    """The rows that are expected of the node, or of one of its CTEs."""

    cte: str  # empty for the node itself
    rows: Rows | None
    only: tuple[str, ...] = ()
    strict: bool = False
    count: int | None = None
    tolerance: float | None = None


@dataclass(frozen=True, slots=True)
class Example:
    """An example of a node, by its number in the file."""

    number: int
    name: str
    given: Mapping[str, Rows]
    results: tuple[Result, ...]
    now: str | None = None
    params: Mapping[str, str] = field(default_factory=dict)
    partition: Any = None

    def place(self, *keys: str) -> str:
        """A key of the example in the file."""
        return ".".join(("examples", str(self.number), *keys))


def examples_of(node: Node) -> list[Example]:
    """The examples in a node's file."""
    found = node.document.get("examples") or ()
    return [_example(number, given) for number, given in enumerate(found)]


def _example(number: int, given: Mapping[str, Any]) -> Example:
    place = f"examples.{number}"
    rows = {
        name: rows_of(value, f"{place}.given.{name}")
        for name, value in (given.get("given") or {}).items()
    }
    return Example(
        number=number,
        name=given["name"],
        given=rows,
        results=tuple(
            _result(*pair, given["expect"], place) for pair in results_in(given["expect"])
        ),
        now=given.get("now"),
        params=given.get("params") or {},
        partition=given.get("partition"),
    )


def _result(cte: str, options: Mapping[str, Any], given: Any, around: str) -> Result:
    place = f"{around}.expect"
    inner = given
    if cte:
        place, inner = f"{place}.{CTE}{cte}", given[f"{CTE}{cte}"]
    if isinstance(inner, dict) and "rows" in inner:
        place = f"{place}.rows"
    only, count, tolerance = (options.get(key) for key in ("only", "count", "tolerance"))
    rows = None if options.get("rows") is None else rows_of(options["rows"], place)
    return Result(
        cte=cte,
        rows=rows,
        only=(only,) if isinstance(only, str) else tuple(only or ()),
        strict=options.get("order") == "strict",
        count=None if count is None else whole(count),
        tolerance=None if tolerance is None else number(tolerance),
    )


def rows_of(given: Any, place: str) -> Rows:
    """Rows as a value. given: as the form of a file takes them."""
    if isinstance(given, str):
        header, rows = csv_rows(given)
        blank = len(given) - len(given.lstrip("\n"))
        return Rows(tuple(rows), tuple(header), place=place, first=blank + 2)
    if isinstance(given, dict):
        return Rows(sql=given.get("sql", ""), file=given.get("file", ""), place=place)
    return Rows(tuple(given), place=place)


def file_rows(path: str, content: bytes, place: str) -> Rows:
    """The rows of a file. Raises ValueError if it cannot be read as its name says."""
    text = content.decode("utf-8-sig")
    found: Any
    if path.lower().endswith(".csv"):
        header, rows = csv_rows(text)
        return Rows(tuple(rows), tuple(header), place=place)
    if path.lower().endswith(".jsonl"):
        found = [
            json.loads(line, parse_float=str, parse_int=str)
            for line in text.splitlines()
            if line.strip()
        ]
    else:
        found = json.loads(text, parse_float=str, parse_int=str)
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise ValueError("a JSON file of rows is a list of objects")
    return Rows(tuple(found), place=place)


# CSV


_FIELD = re.compile(r'[ \t]*(?:"((?:[^"]|"")*)"[ \t]*|([^,"\n]*))(,|\n|\Z)')


def csv_rows(text: str) -> tuple[list[str], list[dict[str, str | None]]]:
    """The columns and the rows of a text of CSV. An empty field is NULL, and "" an empty text.

    Raises ValueError with the number of the line, from 1.
    """
    lines = list(_records(text.replace("\r\n", "\n").strip("\n")))
    header = [name for name in lines[0][1] if name] if lines else []
    if not header or len(header) < len(lines[0][1]) or len(set(header)) < len(header):
        raise ValueError("a text of CSV begins with a line of names, each once")
    rows = []
    for line, fields in lines[1:]:
        if len(fields) != len(header):
            raise ValueError(
                f"line {line} of this CSV has {len(fields)} fields, and its header {len(header)}"
            )
        rows.append(dict(zip(header, fields, strict=True)))
    return header, rows


def _text_of_field(bare: str) -> str | None:
    """The text of a field without quotes; None if there is none."""
    return bare.strip() or None


def _records(text: str) -> Iterator[tuple[int, Sequence[str | None]]]:
    """The fields of each line that is not empty, with its number."""
    at, start = 0, 0
    fields: list[str | None] = []
    while at < len(text):
        found = _FIELD.match(text, at)
        if found is None:
            line = text.count("\n", 0, at) + 1
            raise ValueError(
                f'a quote in line {line} of this CSV is not closed; within one, write ""'
            )
        quoted, bare, end = found.groups()
        if quoted is None:
            fields.append(_text_of_field(bare))
        else:
            fields.append(quoted.replace('""', '"'))
        at = found.end()
        if end != ",":
            if fields != [None]:
                yield text.count("\n", 0, start) + 1, fields
            fields, start = [], at
    if fields:  # a comma ends the text
        yield text.count("\n", 0, start) + 1, [*fields, None]


def plain(value: Any) -> Any:
    """A value of a file with None for each of YAML's words for nothing, at any depth."""
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    return None if is_nothing(value) else value
