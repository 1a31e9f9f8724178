"""Partitions, counted anew: which one a row falls into, and which ones another node reads."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache

NEVER, ALWAYS = datetime.fromisoformat("0001-01-01"), datetime.fromisoformat("9999-12-31")
Label = str | None  # of a partition; None for the rows outside
Span = tuple[datetime, datetime]


@dataclass(frozen=True)
class Form:
    """The key `partition:`. every: "" for buckets."""

    by: str
    every: str = ""
    begin: str = ""
    buckets: int = 0
    outside: str = "error"

    def __str__(self) -> str:
        more = f", outside: {self.outside}" if self.outside != "error" else ""
        if self.buckets:
            return f"{{by: {self.by}, buckets: {self.buckets}{more}}}"
        return f"{{by: {self.by}, every: {self.every}, begin: {self.begin}{more}}}"

    @property
    def first(self) -> datetime:
        """The beginning of the first partition."""
        return begin_of(self.every, datetime.fromisoformat(self.begin))

    def holds(self, value: object) -> Label:
        """The partition of a row, by its value in the column `by`."""
        if value is None:
            return None
        if self.buckets:
            return str(_bucket(str(value), self.buckets))
        begin = begin_of(self.every, datetime.fromisoformat(str(value).removesuffix("+00")))
        return None if begin < self.first else label_of(self.every, begin)

    def span(self, label: Label) -> Span:
        if label is None:
            return NEVER, self.first
        begin = datetime.fromisoformat(label + {4: "-01-01", 7: "-01"}.get(len(label), ""))
        return begin, begin_of(self.every, begin + _LONGER[self.every])

    def can_read(self, other: Form) -> bool:
        return bool(self.every and other.every) or self.buckets == other.buckets > 0

    def overlapping(self, span: Span) -> set[Label]:
        """The partitions that overlap a time."""
        begin, end = span
        found: set[Label] = {None} if begin < self.first else set()
        at = begin_of(self.every, max(begin, self.first))
        while at < end:
            found.add(label_of(self.every, at))
            at = begin_of(self.every, at + _LONGER[self.every])
        return found

    def readers(self, label: Label, other: Form, before: int, after: int) -> set[Label]:
        """The own partitions that read one of another node. before, after: days."""
        if not self.every:
            return {label}
        begin, end = other.span(label)
        found = self.overlapping((moved(begin, -after), moved(end, before)))
        return found | {None} if label is None else found


_LONGER = {
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(days=7),
    "month": timedelta(days=31),
    "year": timedelta(days=366),
}


def moved(at: datetime, days: int) -> datetime:
    return at if at in (NEVER, ALWAYS) and days < 0 else at + timedelta(days=days)


@cache
def _bucket(text: str, buckets: int) -> int:
    return int.from_bytes(hashlib.md5(text.encode()).digest()[8:], "little") % buckets


def begin_of(every: str, at: datetime) -> datetime:
    hour = at.replace(minute=0, second=0, microsecond=0)
    day = hour.replace(hour=0)
    return {
        "hour": hour,
        "day": day,
        "week": day - timedelta(days=min(day.weekday(), (day - NEVER).days)),
        "month": day.replace(day=1),
        "year": day.replace(day=1, month=1),
    }[every]


def label_of(every: str, begin: datetime) -> str:
    return begin.strftime(
        {"hour": "%Y-%m-%d %H:00", "month": "%Y-%m", "year": "%Y"}.get(every, "%Y-%m-%d")
    )
