"""Sets of numbers as ranges, as text, and as conditions in SQL."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Collection, Iterable
from itertools import pairwise

Ranges = list[tuple[int, int]]  # both ends included

_FEW_RANGES = 8  # more of them are slower than a list of all numbers


def ranges_of(numbers: Iterable[int], among: Iterable[int] = ()) -> list[tuple[int, int]]:
    """Numbers as ranges, both ends included, in order.

    among: the numbers that there are, if a range may span all others.

    >>> ranges_of([5, 1, 2, 3])
    [(1, 3), (5, 5)]
    >>> ranges_of([5, 1, 2, 3], [1, 2, 3, 5, 8])
    [(1, 5)]
    """
    ordered = sorted(set(numbers))
    if not ordered:
        return []
    others = sorted(set(among) - set(ordered))
    starts, ends = [ordered[0]], []
    for low, high in pairwise(ordered):
        place = bisect(others, low)
        is_gap = place < len(others) and others[place] < high if among else high > low + 1
        if is_gap:
            ends.append(low)
            starts.append(high)
    return list(zip(starts, [*ends, ordered[-1]], strict=True))


def joined(ranges: Iterable[tuple[int, int]]) -> Ranges:
    """Ranges without those that overlap, in order.

    >>> joined([(5, 9), (1, 3), (2, 4), (20, 21)])
    [(1, 4), (5, 9), (20, 21)]
    """
    found: Ranges = []
    for low, high in sorted(ranges):
        if found and low <= found[-1][1]:
            found[-1] = (found[-1][0], max(high, found[-1][1]))
        else:
            found.append((low, high))
    return found


def is_within(number: int, ranges: Ranges) -> bool:
    """Whether one of the ranges, as `joined` gives them, has a number.

    >>> is_within(4, [(1, 4), (6, 9)]), is_within(5, [(1, 4), (6, 9)])
    (True, False)
    """
    place = bisect(ranges, number, key=lambda range_: range_[0])
    return place > 0 and number <= ranges[place - 1][1]


def is_among(expression: str, numbers: Collection[int], there: Collection[int] = ()) -> str:
    """The condition that a value is one of some numbers. there: as for `ranges_of`."""
    ranges = ranges_of(numbers, there)
    if not ranges:
        return "false"
    if len(ranges) <= _FEW_RANGES:
        return " OR ".join(f"{expression} BETWEEN {low} AND {high}" for low, high in ranges)
    return f"{expression} IN ({', '.join(map(str, sorted(set(numbers))))})"


def spelled(ranges: Iterable[tuple[int, int]]) -> str:
    """Ranges as text.

    >>> spelled([(1, 3), (5, 5)])
    '1-3 5'
    """
    return " ".join(str(low) if low == high else f"{low}-{high}" for low, high in ranges)


def ranges_in(text: str) -> list[tuple[int, int]]:
    """The ranges of a text as `spelled` makes it."""
    parts = [part.partition("-") for part in text.split()]
    return [(int(low), int(high or low)) for low, _, high in parts]
