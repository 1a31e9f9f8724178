"""`python -m benchmarks`: measure, and print the report."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from benchmarks.figure import Figure, Shape, as_data, as_text
from benchmarks.figures import FIGURES, SHAPED
from benchmarks.generator import DEEP, FLAT
from benchmarks.laboratory import Laboratory
from benchmarks.process import install


def main() -> None:
    given = _arguments()
    names = given.only or list(FIGURES)
    with tempfile.TemporaryDirectory(prefix="seeknal-benchmarks-") as folder:
        install(Path(folder) / "installed")
        shapes = [
            Shape(depth, _measured(Path(folder) / f"layers_{depth}", depth, given, names))
            for depth, names in zip(given.layers, [names, _shaped(names)], strict=False)
        ]
    if given.json:
        print(json.dumps(as_data(shapes, _machine()), indent=2))
        return
    print(f"{_machine()}; 1,000 nodes unless said otherwise; medians of {given.repeat}.")
    for shape in shapes:
        print(f"\n{shape.depth} layers\n\n{as_text(shape.figures)}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--nodes",
        type=int,
        nargs="+",
        default=[100, 1_000, 10_000],
        metavar="N",
        help="plan at these sizes; everything else at the largest that is at most 1,000",
    )
    parser.add_argument(
        "--layers",
        type=int,
        nargs="+",
        default=[DEEP, FLAT],
        metavar="N",
        help="depth of the projects; those after the first are only planned, run and promoted",
    )
    parser.add_argument(
        "--only",
        action="append",
        choices=FIGURES,
        metavar="NAME",
        help=f"one of {', '.join(FIGURES)}",
    )
    parser.add_argument("--repeat", type=int, default=5, metavar="TIMES")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def _shaped(names: Sequence[str]) -> list[str]:
    return [name for name in names if name in SHAPED]


def _measured(
    folder: Path, depth: int, given: argparse.Namespace, names: Sequence[str]
) -> list[Figure]:
    folder.mkdir()
    lab = Laboratory(folder, given.nodes, depth, given.repeat)
    figures: list[Figure] = []
    for name in names:
        print(f"measuring {name}, {depth} layers", file=sys.stderr)
        figures += FIGURES[name](lab)
    return figures


def _machine() -> str:
    """What the figures depend on, without naming a machine."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    python, engine = platform.python_version(), version("duckdb")
    return f"{cores} cores, {platform.system()}, Python {python}, DuckDB {engine}"


if __name__ == "__main__":
    main()
