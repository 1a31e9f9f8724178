"""After any step of a random project with partitions, its tables equal a build from nothing, and no
piece was built twice. `python -m tests.partitions.walk` goes on for longer."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.partitions.walk.steps import STEPS
from tests.partitions.walk.story import drawn, walked

SEEDS = range(1, 11)
LENGTH = 15


@pytest.mark.parametrize("seed", SEEDS)
def test_after_each_step_tables_are_those_of_a_build_from_nothing(
    tmp_path: Path, seed: int
) -> None:
    wrong, walk = walked(tmp_path, drawn(seed, LENGTH))
    if wrong:
        pytest.fail("\n".join([wrong, *walk.told]))
    assert walk.taken == LENGTH


def test_these_walks_take_every_kind_of_step() -> None:
    taken = {name for seed in SEEDS for name, _ in drawn(seed, LENGTH).steps}
    assert taken == STEPS.keys()
