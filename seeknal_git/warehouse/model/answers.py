"""Answers to SELECTs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# The forms of their values
TABLE, CSV, JSON, PYTHON = "table", "csv", "json", "python"
PARQUET = "parquet"  # the engine writes the rows into a file, and returns their number


@dataclass(frozen=True, slots=True)
class Rows:
    """The first rows of a result."""

    columns: tuple[tuple[str, str], ...]  # the name and type of each
    rows: tuple[tuple[Any, ...], ...]
    more: bool  # whether there are others


@dataclass(frozen=True, slots=True)
class Rest:
    """The rows that only one of two tables has."""

    count: int
    rows: tuple[tuple[Any, ...], ...]  # some of them


@dataclass(frozen=True, slots=True)
class Comparison:
    """The difference between two tables."""

    rows: int  # of the first table
    only_before: Rest
    only_after: Rest
    rounded: bool = False  # whether floats are equal except for their last digits

    @property
    def equal(self) -> bool:
        return self.rounded or not (self.only_before.count or self.only_after.count)


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a query."""

    names: Sequence[str]  # of the columns
    rows: Iterator[Sequence[Any]]  # as they come; they are never all in memory
    is_plan: bool = False  # the rows are the lines of EXPLAIN


@dataclass(frozen=True, slots=True)
class Listener:
    """Who asks a query."""

    form: str  # of the values: TABLE, CSV, JSON, PYTHON or PARQUET
    hear: Callable[[Answer], None]  # is called with the answer while the warehouse is open
    limit: int | None = None  # at most this many rows
    file: Path | None = None  # of PARQUET; it is in reach of the warehouse
