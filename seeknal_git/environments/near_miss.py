"""Whether a name that means nothing is another one with a slip of the finger in it."""

from __future__ import annotations

import re
from collections.abc import Iterable

_SHORT = 2  # of two names as short as qa and qb, neither is a slip of the other
_LONG = 8  # from here on, two slips are one typo


def near_miss(name: str, known: Iterable[str]) -> str | None:
    """The known name that was probably meant.

    >>> near_miss("dve", ["main", "dev"])
    'dev'
    >>> near_miss("Dev", ["main", "dev"])
    'dev'
    >>> near_miss("staging", ["main", "dev"])
    >>> near_miss("JIRA-102", ["JIRA-101"])
    """
    found = sorted(
        (_slips(*_that_differs(name.casefold(), other.casefold())), other) for other in known
    )
    for slips, other in found:
        if slips <= _allowed(name, other):
            return other
    return None


def _allowed(name: str, other: str) -> int:
    if re.sub(r"\d+", "0", name) == re.sub(r"\d+", "0", other):
        return 0  # numbers differ on purpose
    one, two = _that_differs(name, other)
    if min(len(one), len(two)) < _SHORT or len(one) == len(two) == _SHORT:
        return 0
    return 1 if min(len(one), len(two)) < _LONG else 2


def _that_differs(one: str, other: str) -> tuple[str, str]:
    """Two names without the folders that they share: feature/a and feature/b are as different as a
    and b."""
    left, right = one.split("/"), other.split("/")
    while len(left) > 1 and len(right) > 1 and left[0] == right[0]:
        left, right = left[1:], right[1:]
    return "/".join(left), "/".join(right)


def _slips(one: str, other: str) -> int:
    """How many letters are missing, too many, wrong, or swapped with their neighbour."""
    before, last = list[int](), list(range(len(other) + 1))
    for row, letter in enumerate(one, 1):
        now = [row]
        for column, wanted in enumerate(other, 1):
            best = min(last[column] + 1, now[-1] + 1, last[column - 1] + (letter != wanted))
            if row > 1 and column > 1 and letter == other[column - 2] and one[row - 2] == wanted:
                best = min(best, before[column - 2] + 1)
            now.append(best)
        before, last = last, now
    return last[-1]
