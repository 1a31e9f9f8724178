"""Compare the rows that a node made with those that an example expects."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from seeknal_git.names import quote

if TYPE_CHECKING:
    import duckdb

    from seeknal_git.sql.statement import Columns

MOST = 20  # differing rows that are told
_FETCHED = 2_000  # differing rows that are looked at
_FLOATS = re.compile(r"\b(?:DOUBLE|FLOAT)\b")
_NUMBERS = re.compile(r"\b(?:DOUBLE|FLOAT|DECIMAL)\b")
# Floats are equal up to this part of their value: sums are added up in any order.
RELATIVE = 1e-9
_OF_FLOAT = 1e-6  # of the type with 32 bits
_TINY = 1e-12


@dataclass(frozen=True, slots=True)
class _Row:
    """A row that the other side does not have exactly."""

    number: int  # from 0
    group: int  # rows of one group have the same values in all columns but those of floats
    close: tuple[Any, ...]  # the values of those
    texts: tuple[str | None, ...]  # of all columns


@dataclass(frozen=True, slots=True)
class Sides:
    """Two tables with the same columns. close: the numbers of columns that are compared with a
    tolerance, each with the relative and the absolute one."""

    columns: Columns
    close: Mapping[int, tuple[float, float]]

    @classmethod
    def of(cls, columns: Columns, tolerance: float | None) -> Sides:
        """tolerance: the absolute one; by default, only floats have one, and it is tiny."""
        # 1.1 - 1.0 is a little more than 0.1.
        absolute = tolerance * (1 + RELATIVE) if tolerance else _TINY
        close = {
            number: (_OF_FLOAT if "FLOAT" in word else RELATIVE, absolute)
            for number, (_, word) in enumerate(columns)
            if (_FLOATS if tolerance is None else _NUMBERS).search(word)
        }
        return cls(columns, close)

    @property
    def keys(self) -> list[str]:
        return [f"c{number}" for number in range(len(self.columns))]

    def select(self, table: str) -> str:
        """The rows of a table with their numbers, under names that do not repeat."""
        named = (f"{quote(name)} AS c{number}" for number, (name, _) in enumerate(self.columns))
        # The engine counts the rows of a table that is not committed from 2⁶².
        number = "row_number() OVER (ORDER BY rowid) - 1"
        return f"SELECT {number} AS r, {', '.join(named)} FROM {table}"

    def are_close(self, one: Sequence[Any], other: Sequence[Any]) -> bool:
        pairs = zip(one, other, self.close.values(), strict=True)
        return all(is_close(left, right, *most) for left, right, most in pairs)


def is_close(one: Any, other: Any, relative: float, absolute: float) -> bool:
    """Whether two values, read from JSON, are equal but for the last digits of numbers in them."""
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(
            is_close(left, right, relative, absolute)
            for left, right in zip(one, other, strict=True)
        )
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(
            is_close(one[key], other[key], relative, absolute) for key in one
        )
    if isinstance(one, int | float) and isinstance(other, int | float):
        if math.isnan(one) or math.isnan(other):
            return math.isnan(one) and math.isnan(other)
        return math.isclose(one, other, rel_tol=relative, abs_tol=absolute)
    return bool(one == other)


Difference = list[Any]  # [number of the expected row, its texts, number of the row made, its texts]


def compared(
    engine: duckdb.DuckDBPyConnection, made: str, expected: str, sides: Sides, *, strict: bool
) -> tuple[list[Difference], int, int]:
    """The differing rows of two tables (the first of them), and how many are missing and
    unexpected.

    strict: the order of the rows counts too.
    """
    missing, unexpected = _leftovers(engine, made, expected, sides, strict=strict)
    if strict:
        found, *counts = _by_place(missing, unexpected, sides)
        return found[:MOST], counts[0], counts[1]
    if sides.close and missing and unexpected:
        missing, unexpected = _without_close(missing, unexpected, sides)
    found = _paired(missing, unexpected)
    return found[:MOST], len(missing), len(unexpected)


def _leftovers(
    engine: duckdb.DuckDBPyConnection, made: str, expected: str, sides: Sides, *, strict: bool
) -> tuple[list[_Row], list[_Row]]:
    """The rows of each side that the other one does not have, as often as they are too many; or
    does not have at their place."""
    keys = ", ".join(sides.keys)
    exact = [key for number, key in enumerate(sides.keys) if number not in sides.close]
    group = f"dense_rank() OVER (ORDER BY {', '.join(exact)})" if exact else "0"
    closely = [f"CAST(to_json(c{number}) AS VARCHAR)" for number in sides.close]
    texts = [f"CAST({key} AS VARCHAR)" for key in sides.keys]
    left = "k > CASE WHEN is_made THEN n_expected ELSE n_made END"
    if strict:
        left = "n_at_its_place = 1"
    sql = (
        f"WITH both_sides AS (SELECT true AS is_made, * FROM ({sides.select(made)})"
        f" UNION ALL SELECT false, * FROM ({sides.select(expected)})),"
        f" counted AS (SELECT *, row_number() OVER (PARTITION BY {keys}, is_made ORDER BY r) AS k,"
        f" count(*) FILTER (WHERE is_made) OVER (PARTITION BY {keys}) AS n_made,"
        f" count(*) FILTER (WHERE NOT is_made) OVER (PARTITION BY {keys}) AS n_expected,"
        f" count(*) OVER (PARTITION BY {keys}, r) AS n_at_its_place,"
        f" {group} AS g FROM both_sides)"
        f" SELECT is_made, r, g, {', '.join([*closely, *texts])} FROM counted"
        f" WHERE {left} ORDER BY is_made, r"
        f" LIMIT {_FETCHED}"
    )
    found: dict[bool, list[_Row]] = {False: [], True: []}
    for is_made, number, group_of, *cells in engine.execute(sql).fetchall():
        close = tuple(None if cell is None else json.loads(cell) for cell in cells[: len(closely)])
        found[is_made].append(_Row(number, group_of, close, tuple(cells[len(closely) :])))
    return found[False], found[True]


def _without_close(
    missing: Sequence[_Row], unexpected: Sequence[_Row], sides: Sides
) -> tuple[list[_Row], list[_Row]]:
    """The rows without those that are close to one of the other side: as many pairs as there can
    be, by augmenting paths."""
    pairs: dict[int, int] = {}  # unexpected → missing
    near = [
        [
            at
            for at, other in enumerate(unexpected)
            if other.group == row.group and sides.are_close(row.close, other.close)
        ]
        for row in missing
    ]

    def augment(row: int, seen: set[int]) -> bool:
        for at in near[row]:
            if at in seen:
                continue
            seen.add(at)
            if at not in pairs or augment(pairs[at], seen):
                pairs[at] = row
                return True
        return False

    for row in range(len(missing)):
        augment(row, set())
    matched = set(pairs.values())
    return (
        [row for number, row in enumerate(missing) if number not in matched],
        [row for number, row in enumerate(unexpected) if number not in pairs],
    )


def _paired(missing: Sequence[_Row], unexpected: Sequence[_Row]) -> list[Difference]:
    """Each missing row beside the unexpected one that differs from it in the fewest values, so that
    one wrong cell is seen as such."""
    left, found = list(unexpected[: 10 * MOST]), list[Difference]()
    for row in missing[:MOST]:
        best = min(left, key=lambda other: _distance(row, other), default=None)
        if best is None or _distance(row, best) == len(row.texts) > 1:
            found.append([row.number, row.texts, None, None])
            continue
        left.remove(best)
        found.append([row.number, row.texts, best.number, best.texts])
    return [*found, *([None, None, row.number, row.texts] for row in left)]


def _distance(one: _Row, other: _Row) -> int:
    return sum(left != right for left, right in zip(one.texts, other.texts, strict=True))


def _by_place(
    missing: Sequence[_Row], unexpected: Sequence[_Row], sides: Sides
) -> tuple[list[Difference], int, int]:
    """The rows that are not even close to the one at their place, and how many they are on each
    side."""
    wanted, got = ({row.number: row for row in side} for side in (missing, unexpected))
    for number in wanted.keys() & got.keys():
        one, other = wanted[number], got[number]
        if one.group == other.group and sides.are_close(one.close, other.close):
            del wanted[number], got[number]
    found: list[Difference] = []
    for number in sorted(wanted.keys() | got.keys()):
        one_side, other_side = wanted.get(number), got.get(number)
        expected = [number, one_side.texts] if one_side else [None, None]
        found.append([*expected, *([number, other_side.texts] if other_side else [None, None])])
    return found, len(wanted), len(got)
