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

from benchmarks.figure import Figure, as_data, as_text
from benchmarks.figures import FIGURES
from benchmarks.laboratory import Laboratory
from benchmarks.process import install


def main() -> None:
    given = _arguments()
    names = given.only or list(FIGURES)
    with tempfile.TemporaryDirectory(prefix="seeknal-benchmarks-") as folder:
        install(Path(folder) / "installed")
        lab = Laboratory(Path(folder), given.nodes, given.repeat)
        figures = _measured(lab, names)
    if given.json:
        print(json.dumps(as_data(figures, _machine()), indent=2))
    else:
        print(
            f"{_machine()}; {lab.nodes:,} nodes unless said otherwise; medians of {given.repeat}.\n\n{as_text(figures)}"
        )


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
        "--only",
        action="append",
        choices=FIGURES,
        metavar="NAME",
        help=f"one of {', '.join(FIGURES)}",
    )
    parser.add_argument("--repeat", type=int, default=5, metavar="TIMES")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def _measured(lab: Laboratory, names: Sequence[str]) -> list[Figure]:
    figures: list[Figure] = []
    for name in names:
        print(f"measuring {name}", file=sys.stderr)
        figures += FIGURES[name](lab)
    return figures


def _machine() -> str:
    """What the figures depend on, without naming a machine."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{cores} cores, {platform.system()}, Python {platform.python_version()}, DuckDB {version('duckdb')}"


if __name__ == "__main__":
    main()
