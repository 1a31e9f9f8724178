"""The types of DuckDB that a lake does not hold, and the ones to cast them to. Pure.

By trial of all types in DuckDB 1.5.5: a lake refuses most of these, changes a TIME WITH TIME ZONE
to one of UTC, and ends the engine for a TIME_NS.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from seeknal_git.names import bare

_QUOTED = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*\"""")
# A name of a field has a blank behind it, a type has none.
_CASTS = {
    r"\b(?:BIT|BIGNUM|TYPE|TIME WITH TIME ZONE)(?![\w ])": "VARCHAR",
    r"\bTIME_NS(?![\w ])": "TIME",
    r"\[\d+\]": "[]",
}
_WITH_PARTS = re.compile(r"\b(?:ENUM|UNION)\(")


@dataclass(frozen=True, slots=True)
class Unheld:
    """A column that a lake does not hold."""

    column: str
    type: str
    held: str  # the type to cast it to

    @property
    def cast(self) -> str:
        name = bare(self.column)
        return f"CAST({name} AS {self.held}) AS {name}"


def unheld(column: str, type_: str) -> Unheld | None:
    """Whether a lake does not hold a column of a type; None if it does.

    >>> unheld("a", "STRUCT(bit INTEGER, x DECIMAL(38,0))[]") is None
    True
    >>> unheld("a", "STRUCT(x ENUM('BIT', ')'), y UNION(n DECIMAL(9,2), b BIT)[3])").held
    'STRUCT(x VARCHAR, y VARCHAR[])'
    """
    texts: list[str] = []

    def hidden(found: re.Match[str]) -> str:
        texts.append(found[0])
        return f"\0{len(texts) - 1}\0"

    plain = _QUOTED.sub(hidden, type_)
    held = _without_parts(plain)
    for pattern, cast in _CASTS.items():
        held = re.sub(pattern, cast, held)
    if held == plain:
        return None
    return Unheld(column, type_, re.sub("\0(\\d+)\0", lambda found: texts[int(found[1])], held))


def _without_parts(text: str) -> str:
    """A type with VARCHAR in place of each ENUM and UNION."""
    while found := _WITH_PARTS.search(text):
        depth, end = 1, found.end()
        while depth and end < len(text):
            depth += {"(": 1, ")": -1}.get(text[end], 0)
            end += 1
        text = f"{text[: found.start()]}VARCHAR{text[end:]}"
    return text
