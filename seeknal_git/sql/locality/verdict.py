"""The answer to the question whether a SELECT can be computed partition by partition."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Locality:
    """Whether a statement can be computed partition by partition."""

    # The construct that stands in the way; empty if there is none.
    obstacle: str = ""
    # Its place in the text, in bytes, if the engine tells it.
    location: int | None = None

    @property
    def is_local(self) -> bool:
        return not self.obstacle


def line_of(sql: str, location: int) -> int:
    """The line of a statement, from 1, of a place that the engine gives in bytes."""
    return sql.encode()[:location].count(b"\n") + 1
