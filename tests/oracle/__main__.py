"""Many examples without shrinking: `python -m tests.oracle --examples 200000 --seed 1 --seconds
600`."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from random import Random

from seeknal_git.plan.changes import Category
from tests.oracle.check import Engine, Example, check, draw_example, draw_world
from tests.oracle.edits import EDITS
from tests.oracle.expressions import Draw

EXAMPLES_OF_A_WORLD = 20


@dataclass
class Tally:
    """counts: by what is counted and the kind of edit; wrong: the shortest example of each kind of
    broken promise."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    wrong: dict[tuple[str, str], str] = field(default_factory=dict)
    coarse: dict[tuple[str, str], str] = field(default_factory=dict)

    def add(self, other: Tally) -> None:
        self.counts.update(other.counts)
        for mine, theirs in ((self.wrong, other.wrong), (self.coarse, other.coarse)):
            for key, text in theirs.items():
                _keep(mine, key, text)

    def total(self, what: str) -> int:
        return sum(count for (counted, _), count in self.counts.items() if counted == what)


def _keep(shortest: dict[tuple[str, str], str], key: tuple[str, str], text: str) -> None:
    if len(text) < len(shortest.get(key, text + " ")):
        shortest[key] = text


def tally(seed: int, examples: int, seconds: float = 1e9) -> Tally:
    """So many examples, each of a kind of edit in turn."""
    found, draw, engine = Tally(), Draw(Random(seed)), Engine()
    end = time.monotonic() + seconds
    for number in range(examples):
        if number % EXAMPLES_OF_A_WORLD == 0:
            world = draw_world(draw)
        if time.monotonic() > end:
            break
        edit = EDITS[(number + seed) % len(EDITS)]
        example = draw_example(draw, world, edit)
        ordinary = not draw.hot
        for what in ("examples", *(_findings(engine, example, found, ordinary) if example else ())):
            found.counts[what, edit.name] += 1
    engine.close()
    return found


def _findings(engine: Engine, example: Example, found: Tally, ordinary: bool) -> Iterator[str]:
    """What is counted of an example. ordinary: whether its names are: what collides is left whole,
    on purpose."""
    yield "applied"
    outcome = check(engine, example)
    if outcome.complaint:
        yield "wrong"
        _keep(found.wrong, (example.edits[0], outcome.complaint), f"{outcome.complaint}\n{example}")
    if outcome.verdict is None:
        return
    yield "run"
    yield outcome.verdict.category.value
    if outcome.verdict.reused is not None:
        yield "read"
    if outcome.verdict.reused:
        yield "re-used"
    if example.harmless and outcome.same and ordinary:
        yield "same"
        if outcome.verdict.category == Category.METADATA:
            yield "known"
        else:
            _keep(found.coarse, (example.edits[0], ""), str(example))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.oracle", description=__doc__)
    parser.add_argument("--examples", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=1e9)
    parser.add_argument(
        "--coarse", action="store_true", help="show harmless edits that are not known to be"
    )
    options = parser.parse_args()
    begin, found = time.monotonic(), Tally()
    with ProcessPoolExecutor(2) as pool:
        share = options.examples // 2
        for part in pool.map(
            tally, (2 * options.seed, 2 * options.seed + 1), (share,) * 2, (options.seconds,) * 2
        ):
            found.add(part)
    sys.stdout.write(
        "\n".join(_report(found, time.monotonic() - begin, coarse=options.coarse)) + "\n"
    )
    return 1 if found.wrong else 0


def _report(found: Tally, seconds: float, *, coarse: bool) -> Iterator[str]:
    what = (
        "examples",
        "applied",
        "run",
        *(category.value for category in Category),
        "read",
        "re-used",
        "wrong",
    )
    yield f"{'kind of edit':40}" + "".join(f"{name:>13}" for name in what) + "  precision"
    for edit in EDITS:
        yield (
            f"{edit.name:40}"
            + "".join(f"{found.counts[name, edit.name]:13}" for name in what)
            + _precision(found, edit.name)
        )
    yield (
        f"{'all':40}"
        + "".join(f"{found.total(name):13}" for name in what)
        + f"  {share_known(found):.1%}"
    )
    yield f"{seconds:.0f} s, {1000 * seconds / max(found.total('examples'), 1):.1f} ms an example"
    shown = found.coarse if coarse else {}
    for text in [
        *(f"coarse\n{text}" for text in shown.values()),
        *sorted(found.wrong.values(), key=len),
    ]:
        yield f"\n{text}"


def _precision(found: Tally, name: str) -> str:
    same = found.counts["same", name]
    return f"  {found.counts['known', name] / same:.1%}" if same else ""


def share_known(found: Tally) -> float:
    """Of the edits that are harmless and changed nothing, those that seeknal calls METADATA."""
    return found.total("known") / max(found.total("same"), 1)


if __name__ == "__main__":
    sys.exit(main())
