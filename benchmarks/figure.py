"""A figure of the report: what was measured, against what, and whether that is good enough."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Figure:
    """values and baseline: one each repetition, in `unit`; cpu: seconds of processor; against: what
    the baseline is.

    target: the most that is wanted, of the median, or with `of_ratio` of the ratio to the baseline.
    """

    name: str
    values: Sequence[float]
    baseline: Sequence[float]
    against: str
    target: float | None = None
    unit: str = "s"
    of_ratio: bool = False
    cpu: Sequence[float] = ()

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def ratio(self) -> float:
        return self.median / statistics.median(self.baseline)

    @property
    def within(self) -> bool | None:
        """None where nothing is wanted."""
        return (
            None
            if self.target is None
            else (self.ratio if self.of_ratio else self.median) <= self.target
        )


def as_text(figures: Sequence[Figure]) -> str:
    """The figures as aligned lines."""
    heads = ("figure", "target", "median", "cpu", "ratio", "within", "against")
    rows = [heads, *map(_row, figures)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    left = {0, len(heads) - 1}
    return "\n".join(
        "  ".join(
            cell.ljust(size) if number in left else cell.rjust(size)
            for number, (cell, size) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def as_data(figures: Sequence[Figure], machine: str) -> dict[str, Any]:
    """The figures as JSON takes them."""
    derived = ("median", "ratio", "within")
    return {
        "version": 1,
        "machine": machine,
        "figures": [
            {**asdict(each), **{name: getattr(each, name) for name in derived}} for each in figures
        ],
    }


def _row(figure: Figure) -> tuple[str, ...]:
    target = (
        ""
        if figure.target is None
        else f"{figure.target:g} {'x' if figure.of_ratio else figure.unit}"
    )
    cpu = f"{statistics.median(figure.cpu):.3f} s" if figure.cpu else ""
    within = {True: "yes", False: "NO", None: ""}[figure.within]
    return (
        figure.name,
        target,
        _measured(figure),
        cpu,
        f"{figure.ratio:.2f} x",
        within,
        figure.against,
    )


def _measured(figure: Figure) -> str:
    return f"{figure.median:.{3 if figure.unit == 's' else 1}f} {figure.unit}"
