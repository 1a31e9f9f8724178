"""Tables and pieces that nobody needs, and the reasons to keep the others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules by which tables are kept."""

    productions: frozenset[str]  # schemas of production, under any of its names
    live: frozenset[str]  # schemas of the environments that stay
    publications: int  # production's last ones that are kept
    seconds: int  # the time for which production's history is kept
    idle: int  # seconds after which nobody goes on with a run that did not succeed
    now: datetime  # the present, in UTC


@dataclass(frozen=True, slots=True)
class Unnamed:
    """A snapshot table that nobody needs."""

    table: str
    node: str
    rows: int
    bytes: int  # of the file's blocks that it takes up, about


@dataclass(frozen=True, slots=True)
class Outdated:
    """The past of a lake, which nobody needs: its state tells what was shown when."""

    lake_snapshots: int = 0
    files: int = 0  # of rows, which no lake snapshot names

    def __bool__(self) -> bool:
        return bool(self.lake_snapshots or self.files)


@dataclass(frozen=True, slots=True)
class UnusedPieces:
    """Pieces that nobody needs, in a table whose others somebody needs."""

    table: str
    node: str
    rows: int
    numbers: tuple[int, ...]


# The reasons to keep a table, in the order in which they are tried.
REASONS = ("production", "changes", "environment", "history", "view", "unfinished run")


def counted_by_reason(kept: Mapping[str, str]) -> dict[str, int]:
    """Reason → number of tables, for the reasons that keep any."""
    reasons = list(kept.values())
    return {reason: reasons.count(reason) for reason in REASONS if reason in reasons}
