"""A pool of processes of which some die."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest

from seeknal_git.build import pools
from seeknal_git.build.backends import Loky
from seeknal_git.build.processes import Processes
from seeknal_git.build.tasks import Done, Task


@dataclass(frozen=True)
class Errand:
    """A task that ends its worker some times before it is done."""

    number: int
    deaths: int
    folder: Path

    def done(self) -> Done:
        tries = len(list(self.folder.glob(f"{self.number}_*")))
        (self.folder / f"{self.number}_{tries}").touch()
        if tries < self.deaths:
            os._exit(9)
        return Done(self.number)


def done_by(folder: Path, *deaths: int) -> dict[int, Done]:
    errands = [Errand(number, each, folder) for number, each in enumerate(deaths)]
    pool = pools.Pool(Loky(Processes("loky", 2, "", cast(Any, None))))
    try:
        results = list(pool.done(cast(list[Task], errands), lambda _: True))
    finally:
        pool.close()
    found = {done.number: done for done in results}
    assert len(found) == len(results) == len(errands), "nothing is lost, and nothing twice"
    return found


@pytest.fixture(autouse=True)
def _errands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pools, "perform", Errand.done)


@pytest.mark.filterwarnings("ignore:A worker stopped")
def test_a_task_whose_worker_died_goes_out_again(tmp_path: Path) -> None:
    found = done_by(tmp_path, 0, 2, 0, 1, 0)
    assert [done.refusal for done in found.values()] == [None] * 5


@pytest.mark.filterwarnings("ignore:A worker stopped")
def test_a_task_that_ends_its_worker_each_time_is_refused_alone(tmp_path: Path) -> None:
    found = done_by(tmp_path, 0, 99, 0)
    refusal = found.pop(1).refusal
    assert refusal is not None
    assert "its worker died each time" in refusal.message
    assert [done.refusal for done in found.values()] == [None, None]


def test_a_task_that_is_not_wanted_any_more_does_not_go_out(tmp_path: Path) -> None:
    errands = [Errand(number, 0, tmp_path) for number in range(3)]
    pool = pools.Pool(Loky(Processes("loky", 2, "", cast(Any, None))))
    results = pool.done(cast(list[Task], errands), lambda task: task.number != 1)
    assert {done.number for done in results} == {0, 2}
    pool.close()
