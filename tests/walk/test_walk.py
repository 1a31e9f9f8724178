"""After any step of a team at work, production is of one piece. `python -m tests.walk` goes on for
longer."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Templates
from tests.walk.project import make_team
from tests.walk.steps import STEPS, begun, drawn, follow

SEEDS = (4, 10, 13)  # in which every kind of command is given
LENGTH = 10


@pytest.mark.parametrize("seed", SEEDS)
def test_after_each_step_production_is_what_a_build_from_nothing_makes(
    templates: Templates, tmp_path: Path, seed: int
) -> None:
    walk = begun(tmp_path / "home", templates("team", make_team))
    try:
        for _ in follow(walk, drawn(seed, LENGTH)):
            pass
    except AssertionError as exc:
        pytest.fail("\n".join([str(exc), *walk.told]))


def test_a_walk_is_the_same_whenever_it_is_drawn() -> None:
    assert drawn(5, 8) == drawn(5, 8)
    assert {step for step, _ in drawn(1, 1000)} == set(STEPS)
