"""A figure of the report: what was measured, against what, and whether that is good enough."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.process import Cost


@dataclass(frozen=True, slots=True)
class Figure:
    name: str
    values: Sequence[float]  # one for each repetition, in `unit`
    baseline: Sequence[float]  # measured in turns with them
    against: str  # names the baseline
    target: float | None = None  # the most that is wanted, of the median
    unit: str = "s"
    of_ratio: bool = False  # the target is one of the ratio to the baseline
    cpu: Sequence[float] = ()  # seconds of processor time

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def ratio(self) -> float:
        return self.median / statistics.median(self.baseline)

    @property
    def within(self) -> bool | None:
        """Whether the target is reached; None if there is none."""
        if self.target is None:
            return None
        return (self.ratio if self.of_ratio else self.median) <= self.target


def timed(
    name: str,
    costs: Sequence[tuple[Cost, Cost]],
    against: str,
    target: float | None = None,
    *,
    of_ratio: bool = False,
) -> Figure:
    """A figure of processes. costs: of the measured one and of its baseline, in turns."""
    measured, baseline = zip(*costs, strict=True)
    return Figure(
        name,
        [each.seconds for each in measured],
        [each.seconds for each in baseline],
        against,
        target,
        of_ratio=of_ratio,
        cpu=[each.cpu for each in measured],
    )


@dataclass(frozen=True, slots=True)
class Shape:
    """The figures of projects of one depth."""

    depth: int  # in layers of transforms
    figures: Sequence[Figure]


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


def as_data(shapes: Sequence[Shape], machine: str) -> dict[str, Any]:
    """The figures as JSON takes them."""
    derived = ("median", "ratio", "within")
    figures = [
        {
            "layers": shape.depth,
            **asdict(figure),
            **{name: getattr(figure, name) for name in derived},
        }
        for shape in shapes
        for figure in shape.figures
    ]
    return {"version": 2, "machine": machine, "figures": figures}


def _row(figure: Figure) -> tuple[str, ...]:
    unit = "x" if figure.of_ratio else figure.unit
    target = "" if figure.target is None else f"{figure.target:g} {unit}"
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
