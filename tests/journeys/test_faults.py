"""A command that is killed at any instant leaves production as it was or as it should be; see
tests/faults.py, which does the same as often as one likes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults import SMALL, cases, kill_many, prepare


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a project is made once, and brought back again and again."""
    return tmp_path_factory.mktemp("faults")


@pytest.mark.parametrize("command", list(cases(SMALL)))
def test_a_killed_command_leaves_all_that_was_there_and_the_next_one_completes(
    place: Path, command: str
) -> None:
    bench = prepare(place, command, SMALL)
    count = kill_many(bench, kills=2, seed=len(command))
    assert count.kills == 2, count
