"""Partitions in batches, with a statement for each: a group of a day meets no row of another day,
so a statement for some of them takes less memory than one for all, and less time."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from seeknal_git.sql.partitioning import Ordinal
from seeknal_git.warehouse.protocol import Builder

if TYPE_CHECKING:
    from seeknal_git.build.reading import Reading

_ROWS = 4 * 122_880  # that a batch has at least, for each thread: a thread takes a row group
_READ = 2  # how often, on average, a stretch of the inputs may be read


def batches(
    builder: Builder, reading: Reading, missing: Sequence[Ordinal]
) -> Sequence[Sequence[Ordinal]]:
    """The missing partitions in order, in batches. All are one batch if they have few rows, or if
    each batch would read everything: an input that is not read partition by partition, or one in
    which the rows of a partition lie all over the table.

    No piece is read by two batches, so no row outside is counted twice.
    """
    if reading.snapshots.keys() == reading.layout.windows.keys():
        found = _cut(reading, missing, _ROWS * builder.threads)
        if len(found) > 1 and _lie_apart(builder, reading, found):
            return found
    return [missing] if missing else []


def _cut(reading: Reading, missing: Iterable[Ordinal], least: int) -> list[list[Ordinal]]:
    found: list[list[Ordinal]] = [[]]
    seen, rows = set[tuple[str, Ordinal]](), 0
    for ordinal in missing:
        read = {
            (name, other)
            for name, others in reading.reads.get(ordinal, {}).items()
            for other in others
        }
        if found[-1] and rows >= least and read.isdisjoint(seen):
            found.append([])
            rows = 0
        found[-1].append(ordinal)
        for name, other in read - seen:
            rows += sum(piece.rows for piece in reading.pieces[name][other])
        seen |= read
    return found


def _lie_apart(builder: Builder, reading: Reading, found: Sequence[Sequence[Ordinal]]) -> bool:
    """Whether most stretches of the inputs, as they are stored, are read by one batch."""
    stretches = times = 0
    for name in reading.layout.windows:
        numbers = [_numbers(reading, name, batch) for batch in found]
        for low, high in builder.stretches(reading.snapshots[name]):
            readers = sum(_has_any(batch, low, high) for batch in numbers)
            stretches += readers > 0
            times += readers
    return times <= _READ * stretches


def _numbers(reading: Reading, name: str, batch: Iterable[Ordinal]) -> list[int]:
    """The numbers of the pieces of an input that a batch reads."""
    read = {other for at in batch for other in reading.reads.get(at, {}).get(name, ())}
    return sorted(piece.number for other in read for piece in reading.pieces[name][other])


def _has_any(numbers: Sequence[int], low: int, high: int) -> bool:
    place = bisect_left(numbers, low)
    return place < len(numbers) and numbers[place] <= high
