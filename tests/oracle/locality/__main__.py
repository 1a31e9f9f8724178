"""Many statements, without shrinking: `python -m tests.oracle.locality --statements 100000 --seed 1
--seconds 1200`."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from random import Random

from tests.oracle.locality.check import Outcome, check
from tests.oracle.locality.grammar import Draw
from tests.oracle.locality.world import World, draw_world

STATEMENTS_OF_A_WORLD = 60


@dataclass
class Tally:
    counts: Counter[str] = field(default_factory=Counter)
    obstacles: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def add(self, world: World, sql: str, outcomes: list[Outcome]) -> None:
        self.counts["statements"] += 1
        self.counts["bound"] += all(outcome.verdict is not None for outcome in outcomes)
        self.counts["local"] += any(
            outcome.verdict is not None and outcome.verdict.is_local for outcome in outcomes
        )
        for outcome in outcomes:
            if outcome.error:
                self.errors[outcome.error[:60]] += 1
                self.counts["failed"] += outcome.verdict is not None
            elif outcome.verdict is not None and not outcome.verdict.is_local:
                self.obstacles[outcome.verdict.obstacle[:50]] += 1
            if outcome.complaint:
                self.counts["wrong"] += 1
                tables = [(table.name, table.columns, table.key) for table in world.tables.values()]
                said = f"{world.every} by {outcome.by}: {outcome.complaint}\n{sql}\n{tables}\n"
                self.wrong.append(said)


def drawn(seed: int, statements: int, seconds: float, every: str, stop: int) -> Tally:
    random, tally = Random(seed), Tally()
    end = time.monotonic() + seconds
    while tally.counts["statements"] < statements and time.monotonic() < end:
        world = draw_world(random, every)
        for _ in range(STATEMENTS_OF_A_WORLD):
            sql = Draw(world, random).statement().sql
            tally.add(world, sql, check(world, sql))
        world.engine.close()
        if len(tally.wrong) >= stop:
            break
    return tally


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--statements", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=1e9)
    parser.add_argument("--stop", type=int, default=5)
    parser.add_argument("--every", default="")
    parser.add_argument("--verbose", action="store_true")
    asked = parser.parse_args()
    tally = drawn(asked.seed, asked.statements, asked.seconds, asked.every, asked.stop)
    said = [*(f"WRONG {wrong}" for wrong in tally.wrong), str(dict(tally.counts))]
    if asked.verbose:
        said += [str(tally.obstacles.most_common(40)), str(tally.errors.most_common(25))]
    sys.stdout.write("\n".join(said) + "\n")
    return len(tally.wrong) > 0


if __name__ == "__main__":
    sys.exit(main())
