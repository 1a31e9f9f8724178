"""Which type holds the values of two others, unchanged. Pure."""

from __future__ import annotations

import re

TEXT = "VARCHAR"
_SIGNED = {"TINYINT": 8, "SMALLINT": 16, "INTEGER": 32, "BIGINT": 64, "HUGEINT": 128}
_UNSIGNED = {"UTINYINT": 8, "USMALLINT": 16, "UINTEGER": 32, "UBIGINT": 64}
_DIGITS = {8: 3, 16: 5, 32: 10, 64: 19, 128: 38}
_FLOATS = ("FLOAT", "DOUBLE")
_TIMES = ("DATE", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP", "TIMESTAMP_NS")
_DECIMAL = re.compile(r"DECIMAL\((\d+),\s*(\d+)\)")
_WIDEST = 38


def is_number(word: str) -> bool:
    return (
        word in _SIGNED
        or word in _UNSIGNED
        or word in _FLOATS
        or _DECIMAL.fullmatch(word) is not None
    )


def wider(one: str, other: str) -> str | None:
    """The type that holds the values of both: INTEGER and DOUBLE are DOUBLE; None where there is
    none but text."""
    if one == other:
        return one
    if is_number(one) and is_number(other):
        return _wider_number(one, other)
    if one in _TIMES and other in _TIMES:
        return max(one, other, key=_TIMES.index)
    return None


def compares(one: str, other: str) -> bool:
    """Whether values of two types can be compared, and different ones stay different: a DOUBLE is
    the same for several of BIGINT.

    >>> compares("INTEGER", "DOUBLE"), compares("BIGINT", "DOUBLE"), compares("BIGINT", "HUGEINT")
    (True, False, True)
    """
    if (common := wider(one, other)) not in _FLOATS or {one, other} <= {*_FLOATS}:
        return common is not None
    exact = {word for word, bits in (_SIGNED | _UNSIGNED).items() if bits <= 32}
    return {one, other} <= exact | {"DOUBLE"}


def loses(given: str, wanted: str) -> bool:
    """Whether a cast takes something away and says nothing: digits after the point, the time of a
    day."""
    decimal = _DECIMAL.fullmatch(given)
    fraction = given in _FLOATS or (decimal is not None and int(decimal[2]) > 0)
    return (fraction and (wanted in _SIGNED or wanted in _UNSIGNED)) or (
        wanted == "DATE" and given in _TIMES[1:]
    )


def shortens(given: str, wanted: str) -> str:
    """The loss in a cast that may be meant, in words with `{}` for the column; empty if there is
    none."""
    if wanted == "TIMESTAMP" and given == "TIMESTAMP WITH TIME ZONE":
        return "The times in {} have an offset, which is left out"
    if wanted == "TIMESTAMP" and given == "TIMESTAMP_NS":
        return "The times in {} have nanoseconds, which are cut"
    if (
        scale(wanted) is not None
        and is_number(given)
        and (given in _FLOATS or _digits(given)[1] > (scale(wanted) or 0))
    ):
        return "Numbers in {} are rounded"
    return ""


def scale(word: str) -> int | None:
    """How many digits a DECIMAL has after the point; None for another type."""
    found = _DECIMAL.fullmatch(word)
    return int(found[2]) if found else None


def _wider_number(one: str, other: str) -> str:
    if one in _FLOATS or other in _FLOATS:
        return "FLOAT" if one == other == "FLOAT" else "DOUBLE"
    if _DECIMAL.fullmatch(one) or _DECIMAL.fullmatch(other):
        return _wider_decimal(one, other)
    words = (one, other)
    if not _SIGNED.keys() & set(words):
        return max(words, key=_UNSIGNED.__getitem__)
    # A type with a sign needs twice the bits of one without.
    needed = max(_SIGNED.get(word) or 2 * _UNSIGNED[word] for word in words)
    return next(word for word, bits in _SIGNED.items() if bits == needed)


def _wider_decimal(one: str, other: str) -> str:
    """A DECIMAL with enough digits on either side of the point; DOUBLE if there are too many."""
    (whole, scale), (whole_too, scale_too) = _digits(one), _digits(other)
    most, finest = max(whole, whole_too), max(scale, scale_too)
    return f"DECIMAL({most + finest},{finest})" if most + finest <= _WIDEST else "DOUBLE"


def _digits(word: str) -> tuple[int, int]:
    """The numbers of digits of a type before the point, and after it."""
    if found := _DECIMAL.fullmatch(word):
        return int(found[1]) - int(found[2]), int(found[2])
    return _DIGITS[_SIGNED.get(word) or _UNSIGNED[word]], 0
