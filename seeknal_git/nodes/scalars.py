"""The scalars of a YAML file. Each keeps its text, and the reader of a key decides the meaning.

YAML's own guesses change the text that somebody typed: `NO` becomes false, `NULL` nothing, 01001
the number 513 (it is octal), 1.10 becomes 1.1, and 12:30 becomes 750.
"""

from __future__ import annotations

import math
import re

_FLAGS = {
    "true": True,
    "yes": True,
    "on": True,
    "1": True,
    "false": False,
    "no": False,
    "off": False,
    "0": False,
}
_WHOLE = re.compile(r"[-+]?[0-9]+(?:_[0-9]+)*")
_HEX = re.compile(r"[-+]?0[xX][0-9a-fA-F]+")
_NUMBER = re.compile(r"[-+]?(?:[0-9][0-9_]*\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")


class Word(str):
    """A scalar without quotes, as written. A scalar in quotes is a plain `str`."""

    __slots__ = ()


def is_nothing(value: object) -> bool:
    """Whether a key has no value, or one of YAML's words for none."""
    return value is None or (isinstance(value, Word) and value in ("~", "null", "Null", "NULL"))


def flag(value: object) -> bool:
    """A text as true or false. Raises ValueError."""
    found = _FLAGS.get(str(value).lower())
    if found is None:
        raise ValueError(f"true or false, not {_shown(value)}")
    return found


def text(value: object) -> str:
    """A text as itself, whatever it looks like. Raises ValueError for a list or a mapping."""
    if not isinstance(value, str):
        raise ValueError(f"a text, not {_shown(value)}")
    return str(value)


def whole(value: object) -> int:
    """A text as a whole number: 1000, 1_000, 1e3 or 0x3e8. Raises ValueError."""
    given = str(value).strip()
    if _WHOLE.fullmatch(given):
        return int(given)
    if _HEX.fullmatch(given):
        return int(given, 16)
    if _NUMBER.fullmatch(given) and math.isfinite(found := float(given)) and found.is_integer():
        return int(found)
    raise ValueError(f"a whole number, not {_shown(value)}")


def number(value: object) -> float:
    """A text as a number. Raises ValueError."""
    given = str(value).strip()
    if _HEX.fullmatch(given):
        return float(int(given, 16))
    if not _NUMBER.fullmatch(given):
        raise ValueError(f"a number, not {_shown(value)}")
    return float(given)


def _shown(value: object) -> str:
    return (
        repr(str(value))
        if isinstance(value, str)
        else "nothing"
        if value is None
        else f"a {type(value).__name__}"
    )
