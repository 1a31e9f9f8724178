"""Walk at random, for as long as one likes: `python -m tests.walk --steps 3000 --seed 7 --kills`.

A walk that ends in a violation is made as short as it can be, and told.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.conftest import Repo, isolated
from tests.walk.project import make_team
from tests.walk.steps import Story, begun, drawn, follow


def walked(folder: Path, team: Repo, story: Story, *, kills: bool) -> tuple[str, list[str]]:
    """What went wrong, if anything did, and the steps that were taken."""
    place = Path(tempfile.mkdtemp(dir=folder)) / "home"
    walk = begun(place, team, kills=kills)
    try:
        for _ in follow(walk, story):
            pass
    except AssertionError as exc:
        return str(exc), walk.told
    finally:
        shutil.rmtree(place.parent)
    return "", walk.told


def shortened(folder: Path, team: Repo, story: Story, wrong: str, *, kills: bool) -> Story:
    """The steps without which nothing goes wrong, or something else does."""
    kind = wrong[:24]
    size = len(story) // 2
    while size:
        place = 0
        while place < len(story):
            shorter = story[:place] + story[place + size :]
            if shorter and walked(folder, team, shorter, kills=kills)[0][:24] == kind:
                story = shorter
            else:
                place += size
        size //= 2
    return story


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.walk", description=__doc__)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--length", type=int, default=40, help="of one walk")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kills", action="store_true")
    options = parser.parse_args()
    begin, taken, found = time.monotonic(), 0, 0
    with contextlib.ExitStack() as stack:
        stack.enter_context(isolated(Path(tempfile.mkdtemp(prefix="home-"))))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="walk-")))
        team = Repo(folder / "team")
        make_team(team)
        for seed in range(options.seed, options.seed + -(-options.steps // options.length)):
            story = drawn(seed, options.length)
            wrong, told = walked(folder, team, story, kills=options.kills)
            taken += len(told)
            if wrong:
                found += 1
                short = shortened(folder, team, story[: len(told)], wrong, kills=options.kills)
                wrong, told = walked(folder, team, short, kills=options.kills)
                sys.stdout.write(
                    "\n".join([f"seed {seed}: {wrong}", *(f"  {each}" for each in told), ""])
                )
            sys.stdout.flush()
    sys.stdout.write(f"{taken} steps, {found} violations, {time.monotonic() - begin:.0f} s\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
