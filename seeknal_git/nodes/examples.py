"""Examples: rows that are given to a node, and the rows that it should make of them.

A scalar of a row is a text, as everywhere in a file, and the engine casts it to the type of its
column. docs/design/examples.md says how an example is run.
"""

from __future__ import annotations

import datetime
import difflib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, ValidationError, field_validator

from seeknal_git.nodes.form import Form, Number, Whole
from seeknal_git.nodes.scalars import is_nothing

if TYPE_CHECKING:
    from seeknal_git.nodes.node import Node

# Before the name of a CTE, where the rows of one are expected.
CTE = "cte."
FILES = (".csv", ".json", ".jsonl")
_ROWS = "a list of rows, a text of CSV, {sql: SELECT …} or {file: PATH}"
_OPTIONS = ("rows", "only", "order", "count", "tolerance")
_NOW = re.compile(
    r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?\s*(?:Z|[+-]\d\d:?\d\d)?)?"
)


def _as_rows(given: Any) -> Any:
    """Rows as a file has them. Raises ValueError for another form."""
    if isinstance(given, str):
        csv_rows(given)
        return given
    if isinstance(given, list):
        for number, row in enumerate(given, 1):
            if not isinstance(row, dict) or not all(isinstance(key, str) for key in row):
                raise ValueError(f"row {number} is a mapping, as in {{id: 1, amount: 2.50}}")
        return given
    if isinstance(given, dict) and len(given) == 1 and {"sql", "file"} & given.keys():
        ((key, value),) = given.items()
        if not isinstance(value, str) or not value.strip():
            raise ValueError(f"`{key}` is a text")
        if key == "file" and not value.lower().endswith(FILES):
            raise ValueError(f"a file of rows ends in {', '.join(FILES)}: not {value!r}")
        return given
    raise ValueError(f"rows are {_ROWS}")


class _Result(Form):
    """The rows that are expected of the node, or of one of its CTEs."""

    model_config = ConfigDict(extra="forbid")

    rows: Annotated[Any, BeforeValidator(_as_rows)] = None
    only: list[str] = Field(default_factory=list)
    order: Literal["any", "strict"] = "any"
    count: Whole | None = None
    tolerance: Number | None = None

    @field_validator("only", mode="before")
    @classmethod
    def _listed(cls, given: Any) -> Any:
        return [given] if isinstance(given, str) else given

    @field_validator("tolerance")
    @classmethod
    def _not_negative(cls, given: float | None) -> float | None:
        if given is not None and not given >= 0:
            raise ValueError("a tolerance is a number from 0")
        return given


def _as_expected(given: Any) -> Any:
    """The rows that an example expects, as a file has them. Raises ValueError for another form."""
    results = dict(_results(given))
    if not results:
        raise ValueError(f"it expects {_ROWS}, or {{count: N}}")
    for cte, value in results.items():
        within = f"{CTE}{cte}" if cte else ""
        found = _checked(value, within)
        if found.rows is None and found.count is None:
            raise ValueError("it expects `rows`, or a `count` of them")
    return given


def _checked(value: Mapping[str, Any], within: str) -> _Result:
    """The options of rows. within: the key that holds them. Raises ValueError."""
    try:
        return _Result.model_validate(value)
    except ValidationError as exc:
        error = exc.errors()[0]
        key = ".".join(filter(None, (within, *map(str, error["loc"]))))
        if error["type"] == "extra_forbidden":
            near = difflib.get_close_matches(str(error["loc"][-1]), _OPTIONS, 1, 0.7)
            way = f"did you mean `{near[0]}`?" if near else f"the keys are {', '.join(_OPTIONS)}"
            raise ValueError(f"there is no key `{key}`: {way}") from exc
        message = error["msg"].removeprefix("Value error, ")
        raise ValueError(f"`{key}`: {message[0].lower()}{message[1:]}") from exc


def _results(given: Any) -> Iterator[tuple[str, dict[str, Any]]]:
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
            ((_, options),) = _results(value) if not isinstance(value, dict) else _of_cte(value)
            yield str(key).removeprefix(CTE), options


def _of_cte(value: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [("", {"rows": value} if value.keys() & {"sql", "file"} else value)]


class ExampleFile(Form):
    """An entry of `examples`."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1)
    description: str | None = None
    given: dict[str, Annotated[Any, BeforeValidator(_as_rows)]] = Field(default_factory=dict)
    expect: Annotated[Any, BeforeValidator(_as_expected)]
    now: str | None = None
    params: dict[str, Any] = Field(default_factory=dict)
    partition: Any = None

    @field_validator("now")
    @classmethod
    def _is_a_time(cls, given: str | None) -> str | None:
        if given is not None:
            _ = time_of(given)
        return given

    @field_validator("params")
    @classmethod
    def _texts(cls, given: dict[str, Any]) -> dict[str, Any]:
        if wrong := [name for name, value in given.items() if not isinstance(value, str)]:
            raise ValueError(f"the value of `{wrong[0]}` is a text or a number")
        return given


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
        results=tuple(_result(*pair, given["expect"], place) for pair in _results(given["expect"])),
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
    read = _Result.model_validate(options)
    rows = None if options.get("rows") is None else rows_of(options["rows"], place)
    return Result(
        cte=cte,
        rows=rows,
        only=tuple(read.only),
        strict=read.order == "strict",
        count=read.count,
        tolerance=read.tolerance,
    )


def rows_of(given: Any, place: str) -> Rows:
    """Rows as a value. given: as `_as_rows` takes them."""
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
    for number, fields in lines[1:]:
        if len(fields) != len(header):
            raise ValueError(
                f"line {number} of this CSV has {len(fields)} fields, and its header {len(header)}"
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
