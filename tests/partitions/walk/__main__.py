"""Walk at random, for as long as one likes: `python -m tests.partitions.walk --steps 3000 --seed 7`.

A seed gives the same walk each time. With --shorten, one that ends in a violation is made as short
as it can be.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.conftest import isolated
from tests.partitions.walk.story import drawn, kind_of, shortened, walked
from tests.partitions.walk.walk import Walk


def _told(what: str, walk: Walk) -> None:
    sys.stdout.write("\n".join([what, *(f"  {each}" for each in walk.told), ""]))
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.partitions.walk", description=__doc__)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--length", type=int, default=40, help="of one walk")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--shorten", action="store_true")
    options = parser.parse_args()
    begin, taken, found, counts = time.monotonic(), 0, Counter[str](), Counter[str]()
    with contextlib.ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="home-")))
        stack.enter_context(isolated(home))

        @contextlib.contextmanager
        def place() -> Iterator[Path]:
            folder = Path(tempfile.mkdtemp(dir=home))
            try:
                yield folder
            finally:
                shutil.rmtree(folder, ignore_errors=True)

        for seed in range(options.seed, options.seed + -(-options.steps // options.length)):
            with place() as folder:
                wrong, walk = walked(folder, drawn(seed, options.length))
            taken, counts = taken + walk.taken, counts + walk.counts
            if wrong:
                found[kind_of(wrong)] += 1
                _told(f"seed {seed}: {wrong}", walk)
            if wrong and options.shorten:
                short = shortened(place, drawn(seed, walk.taken + 1), wrong)
                with place() as folder:
                    wrong, walk = walked(folder, short)
                _told(f"shortened, seed {seed}: {wrong}\n  {short}", walk)
            sys.stdout.write(
                f"seed {seed}: {taken} steps, {time.monotonic() - begin:.0f} s, {dict(counts)}\n"
            )
            sys.stdout.flush()
    sys.stdout.write(f"{taken} steps, {time.monotonic() - begin:.0f} s, {dict(found)}\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
