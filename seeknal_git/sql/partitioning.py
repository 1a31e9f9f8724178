"""Partitions as numbers: an interval is the number of hours, days, weeks, months or years since
1970 in UTC, and a bucket is its own number. The engine and Python count alike."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from seeknal_git.names import folded, quote

# The number of a partition; None for the rows that fall into none.
Ordinal = int | None

_EPOCH = datetime.fromisoformat("1970-01-01")
_FIRST = datetime.fromisoformat("0001-01-01")
_LAST = datetime.fromisoformat("9999-12-31T23:59:59.999999")  # a later row is outside
_HOUR, _MOMENT = timedelta(hours=1), timedelta(microseconds=1)
_MONDAY = 3  # days from a Monday to the first day of 1970
_WEEKS = 102_737  # from the first day of year 1, a Monday, to 1970
_MONTHS = 12
# The rest of a date, by the length of its beginning: a year, and a month.
_REST = {4: "-01-01", 7: "-01"}
_LENGTH = re.compile(r"(\d{1,6})\s*([hdw])")
_HOURS = {"h": 1, "d": 24, "w": 168}
# Equal values of these types have one text, whoever asks for it.
_KEYS = re.compile(
    r"(U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|DECIMAL\(\d+,\d+\)|VARCHAR|DATE|TIMESTAMP|BOOLEAN|UUID)$"
)
TIMES = ("DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE")


@dataclass(frozen=True, slots=True)
class Partitioning:
    """How the rows of a node fall into partitions."""

    by: tuple[str, ...]
    every: str | None  # hour, day, week, month or year; None for buckets
    begin: int  # the first interval; 0 for buckets
    buckets: int
    outside: str  # for rows that fall into no partition: error, keep or drop

    @classmethod
    def of(cls, form: Mapping[str, Any]) -> Partitioning:
        """form: as `Node.partition` has it."""
        every = form["every"]
        begin = _ordinal(every, datetime.fromisoformat(form["begin"])) if every else 0
        return cls(tuple(form["by"]), every, begin, form["buckets"] or 0, form["outside"])

    @property
    def key(self) -> str:
        """All that decides which partition a row falls into."""
        return f"{' '.join(map(folded, self.by))} {self.every or self.buckets}"

    @property
    def end(self) -> int:
        """The last partition that there can be."""
        return _ordinal(self.every, _LAST) if self.every else self.buckets - 1

    def interval(self, moment: datetime) -> int:
        """The number of the interval that a moment lies in."""
        return _ordinal(self.every or "", moment)

    def start(self, ordinal: int, hours: int = 0) -> datetime:
        """The beginning of an interval, and some hours after it."""
        return _moved(_start(self.every or "", ordinal), hours)

    def label(self, ordinal: Ordinal) -> str:
        """A partition in words: the beginning of an interval, or the number of a bucket."""
        if ordinal is None:
            return "outside"
        if self.every is None:
            return str(ordinal)
        if self.every in ("month", "year"):
            year, month = _month(self.every, ordinal)
            return f"{year:04}-{month:02}" if self.every == "month" else f"{year:04}"
        begin = _start(self.every, ordinal)
        return f"{begin.date()} {begin:%H}:00" if self.every == "hour" else f"{begin.date()}"

    def has(self, ordinal: Ordinal) -> bool:
        """Whether there may be rows in a partition. The one of rows outside is always empty if they
        are an error."""
        return ordinal is not None or self.outside != "error"

    def ordinal(self, label: str) -> int:
        """The partition of a label, or of any time in it. Raises ValueError."""
        text = str(label).strip()
        if self.every is None:
            return int(text)
        return _ordinal(self.every, datetime.fromisoformat(as_time(text)))

    def sql(self, types: Mapping[str, str]) -> str:
        """The number of the partition of a row, as SQL; NULL if it falls into none.

        types: folded name of a column → its type. Raises Misplaced.
        """
        for name in self.by:
            if folded(name) not in types:
                raise Misplaced(f"it has no column {name}")
        if self.every is None:
            for name in self.by:
                if not _KEYS.match(kind := types[folded(name)]):
                    raise Misplaced(f"{name} is {kind}, and two texts of it may be equal")
            keys = [f"coalesce({quote(name)}::VARCHAR, '')" for name in self.by]
            sizes = [f"length({key})" for key in keys]
            text = " || ' ' || ".join([*sizes, *keys]) if len(keys) > 1 else keys[0]
            null = " OR ".join(f"{quote(name)} IS NULL" for name in self.by)
            bucket = f"(md5_number_lower({text}) % {self.buckets})::BIGINT"
            return f"CASE WHEN {null} THEN NULL ELSE {bucket} END"
        name, kind = quote(self.by[0]), types[folded(self.by[0])]
        if kind not in TIMES:
            raise Misplaced(
                f"{self.by[0]} is {kind}, and intervals are of a {', '.join(TIMES[:2])} "
                f"or {TIMES[2]}"
            )
        if kind == TIMES[2]:
            name = f"make_timestamp(epoch_us({name}))"
        if self.every == "week":  # the engine counts weeks before 1970 from another day
            days = f"date_diff('day', TIMESTAMP '0001-01-01', {name}::TIMESTAMP)"
            return f"({days} // 7 - {_WEEKS})"
        return f"date_diff('{self.every}', TIMESTAMP '1970-01-01', {name}::TIMESTAMP)"

    def inside(self, ordinal: str) -> str:
        """The condition that a row falls into a partition. ordinal: as `sql` gives it."""
        return f"coalesce({ordinal} BETWEEN {self.begin} AND {self.end}, false)"

    def overlapping(
        self, pieces: Iterable[Ordinal], other: Partitioning, before: int = 0, after: int = 0
    ) -> dict[Ordinal, list[Ordinal]]:
        """Own partition → the partitions of another node that it reads, in order.

        pieces: those that the other node has; before, after: hours around an interval.
        """
        found: dict[Ordinal, list[Ordinal]] = {}
        for piece in sorted(pieces, key=_outside_first):
            for own in self._readers(piece, other, before, after):
                found.setdefault(own, []).append(piece)
        return found

    def _readers(
        self, piece: Ordinal, other: Partitioning, before: int, after: int
    ) -> Iterator[Ordinal]:
        """The own partitions that read a partition of another node."""
        if self.every is None or other.every is None:
            yield piece
            return
        if piece is None:  # rows without a time, and those before the other's first interval
            yield None
            end = _moved(_start(other.every, other.begin), before)
            if end > _FIRST:
                yield from range(self.begin, _ordinal(self.every, end - _MOMENT) + 1)
            return
        start, end = _start(other.every, piece), _start(other.every, piece + 1)
        first = _ordinal(self.every, _moved(start, -after))
        last = _ordinal(self.every, _moved(end, before) - _MOMENT)
        if first < self.begin:
            yield None
        yield from range(max(first, self.begin), last + 1)

    def can_read(self, other: Partitioning) -> bool:
        """Whether partitions of another node can be told apart by one's own."""
        if self.every is None or other.every is None:
            return (self.every, self.buckets, len(self.by)) == (
                other.every,
                other.buckets,
                len(other.by),
            )
        return True


class Misplaced(Exception):
    """A column that partitions cannot be of, in words."""


def as_time(label: str) -> str:
    """The label of an interval as a time: a year or a month begins on its first day.

    >>> as_time("2026-02"), as_time("2026-02-03 09:00")
    ('2026-02-01', '2026-02-03 09:00')
    """
    return f"{label}{_REST.get(len(label), '')}"


def hours_in(text: str) -> int | None:
    """The hours of a length of time; None if the text is none.

    >>> hours_in("36h"), hours_in("2 w"), hours_in("6")
    (36, 336, None)
    """
    length = _LENGTH.fullmatch(text.strip())
    return int(length[1]) * _HOURS[length[2]] if length else None


def _outside_first(ordinal: Ordinal) -> tuple[bool, int]:
    return (ordinal is not None, ordinal or 0)


def _ordinal(every: str, moment: datetime) -> int:
    days = (moment - _EPOCH).days
    match every:
        case "hour":
            return (moment - _EPOCH) // _HOUR
        case "day":
            return days
        case "week":
            return (days + _MONDAY) // 7
        case "month":
            return (moment.year - 1970) * _MONTHS + moment.month - 1
        case _:
            return moment.year - 1970


def _month(every: str, ordinal: int) -> tuple[int, int]:
    months = ordinal if every == "month" else ordinal * _MONTHS
    return 1970 + months // _MONTHS, months % _MONTHS + 1


def _start(every: str, ordinal: int) -> datetime:
    """The beginning of an interval."""
    match every:
        case "hour":
            return _moved(_EPOCH, ordinal)
        case "day":
            return _moved(_EPOCH, ordinal * 24)
        case "week":
            return _moved(_EPOCH, (ordinal * 7 - _MONDAY) * 24)
        case _:
            year, month = _month(every, ordinal)
            return _LAST if year > _LAST.year else _EPOCH.replace(year=year, month=month)


def _moved(moment: datetime, hours: int) -> datetime:
    try:
        return moment + hours * _HOUR
    except OverflowError:
        return _LAST if hours > 0 else _FIRST
