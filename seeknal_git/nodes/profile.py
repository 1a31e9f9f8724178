"""A profile: statistics of the columns of a node, one row for each, as text.

Its SELECT depends on the columns of its input, and is made once these are known
(`project/profiles.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import ConfigDict, Field, model_validator

from seeknal_git.names import folded, literal, quote
from seeknal_git.nodes.checks import Columns
from seeknal_git.nodes.form import Form, Whole
from seeknal_git.nodes.node_file import Compiled, Mistake, NodeFile

COLUMNS = tuple((name, "VARCHAR") for name in ("column_name", "metric", "value", "detail"))
TABLE = "_table_"  # stands for all of the input, in place of a column

_OF_ALL = ("null_count", "null_percent", "distinct_count")
_OF_NUMBERS = (*_OF_ALL, "min", "max", "avg", "sum", "stddev", "p25", "p50", "p75")
_OF_TIMES = (*_OF_ALL, "min", "max")
# The age of the newest value is asked for by checks alone: it is another one at each run.
AGE = "freshness_hours"
METRICS = ("row_count", *_OF_NUMBERS, AGE)

_WHOLE = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER")
_NUMBERS = (*_WHOLE, "UBIGINT", "HUGEINT", "UHUGEINT", "FLOAT", "DOUBLE", "DECIMAL")
_LARGE = ("HUGEINT", "UHUGEINT")
_INEXACT = ("FLOAT", "DOUBLE")


class Params(Form):
    model_config = ConfigDict(extra="forbid")
    max_top_values: Whole = Field(default=5, ge=0, le=100)


class Wanted(Form):
    """The key `profile`."""

    model_config = ConfigDict(extra="forbid")
    columns: Columns | None = None
    params: Params = Field(default_factory=Params)


class File(NodeFile):
    profile: Wanted = Field(default_factory=Wanted)

    @model_validator(mode="after")
    def _of_one(self) -> File:
        if len(self.inputs) != 1:
            message = "a profile has exactly one input: `inputs: [{ref: source.orders}]`"
            raise Mistake(message, "inputs")
        return self


def compile_file(file: File, lines: Mapping[str, int]) -> Compiled:
    wanted = file.profile
    definition = {"columns": wanted.columns, "top": wanted.params.max_top_values}
    return Compiled(sql=None, definition=definition)


_NOTHING = "CAST(NULL AS VARCHAR)"
_INPUT, _MARK = "input_0", "\0"  # no name of a column has the mark


@dataclass(frozen=True, slots=True)
class Select:
    """A SELECT, and where it names its input."""

    sql: str
    places: tuple[tuple[int, int], ...]


def select_over(columns: Sequence[tuple[str, str]], top: int) -> Select:
    """The SELECT of a profile. columns: name and type of each column to profile, in the order of
    the input; top: the number of most frequent values."""
    total = f"{literal(TABLE)}, 'row_count', CAST(count(*) AS VARCHAR), {_NOTHING}"
    parts = [f"SELECT 0, 0, {total} FROM {_MARK}"]
    parts += [_rows(number, *column, top) for number, column in enumerate(columns, 1)]
    names = ", ".join(name for name, _ in COLUMNS)
    every = " UNION ALL ".join(parts)
    sql = f"SELECT {names} FROM ({every}) AS profiled(n, place, {names}) ORDER BY n, place"
    places, end = [], 0
    for text in sql.split(_MARK)[:-1]:
        start = end + len(text)
        end = start + len(_INPUT)
        places.append((start, end))
    return Select(sql.replace(_MARK, _INPUT), tuple(places))


def family(word: str) -> str:
    """The kind of statistics that a type has: number, time, blob or text."""
    base = word.partition("(")[0].strip()
    if word.endswith("]"):
        return "text"
    if base in _NUMBERS:
        return "number"
    if base == "DATE" or base.startswith("TIMESTAMP"):
        return "time"
    return "blob" if base == "BLOB" else "text"


def metrics_of(word: str) -> tuple[str, ...]:
    """The metrics of a column of a type; without the most frequent values of a text."""
    return {"number": _OF_NUMBERS, "time": _OF_TIMES}.get(family(word), _OF_ALL)


_EXPRESSIONS = {
    "null_count": "count(*) - count(v)",
    "null_percent": "round(100.0 * (count(*) - count(v)) / nullif(count(*), 0), 2)",
    "distinct_count": "count(DISTINCT v)",
    "stddev": "stddev_samp(v)",
    "p25": "quantile_cont(v, 0.25)",
    "p50": "quantile_cont(v, 0.50)",
    "p75": "quantile_cont(v, 0.75)",
}


def _metric(metric: str, word: str) -> str:
    """The expression of a metric of the values `v`."""
    base = word.partition("(")[0].strip()
    if metric == "sum" and base in _LARGE:
        return "sum(CAST(v AS DOUBLE))"
    if metric == "stddev" and base in _INEXACT:  # the engine refuses the deviation of infinity
        return "stddev_samp(v) FILTER (WHERE isfinite(v))"
    return _EXPRESSIONS.get(metric, f"{metric}(v)")


def _rows(number: int, name: str, word: str, top: int) -> str:
    """The rows of a column, from the one row of its statistics."""
    metrics, detail = metrics_of(word), _NOTHING
    column = f"(SELECT {quote(name)} AS v FROM {_MARK})"
    statistics = ", ".join(f"{_metric(metric, word)} AS {quote(metric)}" for metric in metrics)
    of = f"(SELECT {statistics} FROM {column})"
    values = [f"CAST({quote(metric)} AS VARCHAR)" for metric in metrics]
    if family(word) == "text":
        of += f" CROSS JOIN {_top(column, top)}"
        detail = f"CASE place WHEN {len(metrics)} THEN top_values END"
        metrics = (*metrics, "top_values")
    cases = " ".join(f"WHEN {place} THEN {value}" for place, value in enumerate(values))
    rows = ", ".join(f"({place}, {literal(metric)})" for place, metric in enumerate(metrics))
    value = f"CASE place {cases} END"
    of = f"{of} CROSS JOIN (VALUES {rows}) AS m(place, metric)"
    return f"SELECT {number}, place, {literal(name)}, metric, {value}, {detail} FROM {of}"


def _top(column: str, top: int) -> str:
    """The most frequent values of a column as one JSON text. Of two that are equally frequent, the
    first in the alphabet comes first."""
    groups = (
        f"SELECT CAST(v AS VARCHAR) AS v, count(*) AS n FROM {column}"
        " WHERE v IS NOT NULL GROUP BY CAST(v AS VARCHAR)"
    )
    place, share = "row_number() OVER (ORDER BY n DESC, v)", "100.0 * n / sum(n) OVER ()"
    entry = (
        "'{\"value\":' || CAST(to_json(v) AS VARCHAR) || ',\"count\":' || CAST(n AS VARCHAR)"
        f" || ',\"percent\":' || CAST(round({share}, 2) AS VARCHAR) || '}}'"
    )
    ranked = f"SELECT {entry} AS entry, {place} AS place FROM ({groups})"
    first = [f"max(entry) FILTER (WHERE place = {place})" for place in range(1, top + 1)]
    listed = f"concat_ws(', ', {', '.join(first)})" if first else "''"
    return f"(SELECT '[' || {listed} || ']' AS top_values FROM ({ranked}))"


def chosen(
    given: Sequence[tuple[str, str]], names: Sequence[str] | None
) -> tuple[list[tuple[str, str]], list[str]]:
    """The columns to profile, in the order of the input; and the names that it does not have."""
    if names is None:
        return list(given), []
    wanted = {folded(name) for name in names}
    there = {folded(name) for name, _ in given}
    missing = [name for name in names if folded(name) not in there]
    return [column for column in given if folded(column[0]) in wanted], missing
