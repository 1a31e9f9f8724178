"""Aggregates of rows up to a date: the common part of aggregation and second_order_aggregation.

The age of a row is the number of days from its feature date to the application date. Rows of a
negative age are after the application date, and count nowhere.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from seeknal_git.names import quote
from seeknal_git.nodes.checks import listed
from seeknal_git.nodes.node_file import InputFile, Mistake, as_input
from seeknal_git.nodes.partition import PartitionedFile
from seeknal_git.nodes.placed import Placed

AGE = "_days_between"
_SYNONYMS = {"mean": "avg", "std": "stddev"}
_AGGREGATES = ("count", "sum", "avg", "min", "max", "stddev")

Aggregates = Annotated[list[str], BeforeValidator(listed), Field(min_length=1)]


class Aggregated(PartitionedFile):
    """The keys that both kinds have. `source` is read; without it, the first of `inputs`."""

    id_col: str
    feature_date_col: str
    application_date_col: str | None = None
    source: Annotated[InputFile, BeforeValidator(as_input)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _reads_its_source(cls, given: Any) -> Any:
        if not isinstance(given, dict) or not given.get("source"):
            return given
        others = [entry for entry in given.get("inputs") or [] if entry != given["source"]]
        return {**given, "inputs": [given["source"], *others]}

    @model_validator(mode="after")
    def _on_something(self) -> Aggregated:
        if not self.inputs:
            raise Mistake("it reads a node: `source: transform.orders`", "source")
        return self


def canonical(aggregate: str) -> str:
    """The engine's name of an aggregate."""
    return _SYNONYMS.get(aggregate.lower(), aggregate.lower())


def known(aggregates: list[str], *keys: str) -> list[str]:
    """The aggregates, if all are known. Raises Mistake."""
    for aggregate in aggregates:
        if canonical(aggregate) not in _AGGREGATES:
            said = ", ".join((*_AGGREGATES, *_SYNONYMS))
            raise Mistake(f"`{aggregate}` is no aggregate here; there are {said}", *keys)
    return aggregates


def aggregate(name: str, column: str, condition: str) -> str:
    """The SQL of an aggregate of the rows that a condition holds for."""
    where = f" FILTER (WHERE {condition})" if condition else ""
    return f"{canonical(name)}({quote(column)}){where}"


def ratio(name: str, column: str, above: str, below: str) -> str:
    """One aggregate by the same of other rows; NULL if that is 0."""
    one, other = (f"CAST({aggregate(name, column, rows)} AS DOUBLE)" for rows in (above, below))
    return f"{one} / nullif({other}, 0)"


def days(value: object, *keys: str) -> list[int]:
    """The lengths of windows in days, from 7, `7d` or a list. Raises Mistake."""
    found = []
    for given in value if isinstance(value, list) else [value]:
        if not (number := re.fullmatch(r"(\d+)\s*(?:d|days?)?", str(given).strip())):
            raise Mistake(f"a window is a number of days, such as 7 or 7d, not `{given}`", *keys)
        found.append(int(number[1]))
    return found


class Outputs:
    """The columns of a SELECT by name, each once."""

    def __init__(self) -> None:
        self.columns: dict[str, tuple[int, str]] = {}

    def add(self, name: str, line: int, expression: str, key: str) -> None:
        """Add a column. Raises Mistake if another one has its name."""
        if name.lower() in (named := {column.lower(): column for column in self.columns}):
            if self.columns[named[name.lower()]][1] != expression:
                raise Mistake(f"two features give the column {name}", key)
            return
        self.columns[name] = (line, expression)


def select_of(
    file: Aggregated, outputs: Outputs, keys: Mapping[str, str], lines: Mapping[str, int]
) -> str:
    """The SELECT over the input. keys: the columns to group by, each with its key of the file."""
    sql = Placed()
    sql.add("WITH dated AS (SELECT *")
    if file.application_date_col is not None:
        feature, application = quote(file.feature_date_col), quote(file.application_date_col)
        sql.add(", date_diff('day', ")
        sql.add(f"CAST({feature} AS DATE), ", lines.get("feature_date_col", 1))
        sql.add(f"CAST({application} AS DATE)) AS {AGE}", lines.get("application_date_col", 1))
    sql.add(" FROM input_0) SELECT ")
    items = [(lines.get(place, 1), quote(key)) for key, place in keys.items()]
    items += [
        (line, f"{expression} AS {quote(name)}")
        for name, (line, expression) in outputs.columns.items()
    ]
    sql.add_all(items)
    order = ", ".join(map(quote, keys))
    # Pieces have no order.
    sql.add(" FROM dated GROUP BY ALL" + ("" if file.partition else f" ORDER BY {order}"))
    return sql.text
