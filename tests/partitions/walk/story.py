"""Stories: a project and the steps of a walk, drawn from a seed, followed, and made shorter."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import duckdb

from tests.conftest import Repo
from tests.partitions.walk.model import Violation
from tests.partitions.walk.steps import STEPS, WEIGHTS
from tests.partitions.walk.walk import Walk


@dataclass(frozen=True)
class Story:
    """All that a walk hangs on. dropped: nodes of the first project that are left out."""

    seed: int
    steps: tuple[tuple[str, int], ...]
    dropped: frozenset[str] = frozenset()


def drawn(seed: int, length: int) -> Story:
    chance = Random(seed)
    names = chance.choices(list(WEIGHTS), list(WEIGHTS.values()), k=length)
    return Story(seed, tuple((name, chance.randrange(10**6)) for name in names))


def walked(folder: Path, story: Story) -> tuple[str, Walk]:
    """What went wrong, if anything did."""
    with duckdb.connect() as engine:
        engine.execute("SET TimeZone = 'UTC'")
        walk = Walk(Repo(folder / "walk"), engine)
        try:
            walk.told.append("begin")
            walk.begin(story.seed, story.dropped)
            for name, number in story.steps:
                walk.told.append(f"{name} {number}:")
                STEPS[name](walk, Random(number))
                walk.taken += 1
        except Violation as exc:
            walk.told += [f"\n{node.yml}" for node in (walk.code() or {}).values()]
            return str(exc), walk
        except Exception:  # noqa: BLE001 - whatever it is, another walk may find something else
            return traceback.format_exc(), walk
        return "", walk


def shortened(
    place: Callable[[], contextlib.AbstractContextManager[Path]], story: Story, wrong: str
) -> Story:
    """The steps and nodes without which nothing goes wrong, or something else does."""
    kind = kind_of(wrong)

    def fails(shorter: Story) -> bool:
        with place() as folder:
            return kind_of(walked(folder, shorter)[0]) == kind

    size = max(len(story.steps) // 2, 1)
    while size:
        at = 0
        while at < len(story.steps):
            shorter = replace(story, steps=story.steps[:at] + story.steps[at + size :])
            if fails(shorter):
                story = shorter
            else:
                at += size
        size //= 2
    for number in range(15, 0, -1):
        shorter = replace(
            story, dropped=story.dropped | {f"transform.n{number}", f"feature_group.n{number}"}
        )
        if fails(shorter):
            story = shorter
    return story


def kind_of(wrong: str) -> str:
    """A violation without the names in it."""
    words = "".join(char for char in wrong if not char.isdigit()).split()
    return " ".join(words[:7])
