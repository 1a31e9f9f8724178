"""A process killed at any instant leaves production as it was or as it should be, and loses nothing finished."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable

import pytest

from tests.conftest import Repo, Templates

WIDTH, KILLS = 4, 4
BUCKETS = """
kind: transform
name: buckets_{number}
inputs: [source.seed]
transform: |
  SELECT (range * {number} + seed.k) % 1000 AS bucket, count(*) AS rows, sum(hash(range) % 97)::BIGINT AS total
  FROM range(1_500_000), source.seed
  GROUP BY bucket
"""
PAIRS = """
kind: transform
name: pairs_{number}
inputs: [transform.buckets_{number}, transform.buckets_{other}]
transform: |
  SELECT a.bucket AS bucket, sum(b.total * (c.range % 7))::BIGINT AS total
  FROM input_0 AS a JOIN input_1 AS b ON b.bucket <= a.bucket, range(3) AS c
  GROUP BY a.bucket
"""
TOTAL = """
kind: transform
name: total
transform: |
  SELECT {columns} FROM {tables}
tests: [not_null: total_0]
"""


def make_slow(repo: Repo) -> None:
    """Three layers that take a while, all of which depend on one number; its first version is in production."""
    repo.path.mkdir()
    repo.git("init", "--quiet")
    repo.write("seeknal_project.yml", "name: slow\n")
    repo.write(".gitignore", "target/\nexports/\n")
    repo.write("data/seed.csv", "k\n0\n")
    repo.write("seeknal/sources/seed.yml", "kind: source\nname: seed\nsource: csv\ntable: data/seed.csv\n")
    for number in range(WIDTH):
        repo.write(f"seeknal/transforms/buckets_{number}.yml", BUCKETS.format(number=number))
        other = (number + 1) % WIDTH
        repo.write(f"seeknal/transforms/pairs_{number}.yml", PAIRS.format(number=number, other=other))
    tables = ", ".join(f"(SELECT sum(total) AS total_{n} FROM ref('transform.pairs_{n}'))" for n in range(WIDTH))
    columns = ", ".join(f"total_{number}" for number in range(WIDTH))
    repo.write("seeknal/transforms/total.yml", TOTAL.format(columns=columns, tables=tables))
    repo.write(
        "seeknal/exposures/total_csv.yml",
        "kind: exposure\nname: total_csv\ntype: file\ninputs: [transform.total]\nparams: {path: exports/total.csv}\n",
    )
    repo.commit("First")
    repo.seeknal("run")


@pytest.fixture
def slow(copy_of: Templates) -> Repo:
    return copy_of("slow", make_slow)


def killed(repo: Repo, *arguments: str, after: float) -> bool:
    """Start a command in a session of its own and kill all of it; whether it was still at work."""
    process = subprocess.Popen(
        repo.command(*arguments),
        cwd=repo.path,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        process.wait(after)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return process.returncode == -signal.SIGKILL


def duration(repo: Repo, *arguments: str) -> float:
    started = time.monotonic()
    repo.seeknal(*arguments, subprocess=True)
    return time.monotonic() - started


def change_and_run(slow: Repo, number: int) -> tuple[str, ...]:
    slow.write("data/seed.csv", f"k\n{number}\n")
    return ("run",)


def commit_and_promote(slow: Repo, number: int) -> tuple[str, ...]:
    slow.write("data/seed.csv", f"k\n{number}\n")
    slow.commit("Another number")
    return ("promote",)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "change",
    [pytest.param(change_and_run, id="run"), pytest.param(commit_and_promote, id="promote")],
)
def test_production_is_intact_and_the_next_run_completes(
    slow: Repo, change: Callable[[Repo, int], tuple[str, ...]], seed: int
) -> None:
    instants = random.Random(seed)
    whole = duration(slow, *change(slow, 100))
    hits = 0
    for number in range(1, KILLS + 1):
        before, file_before = slow.production(), slow.read("exports/total.csv")
        command = change(slow, number)
        # Stratified, so that few kills still cover starting, building and publishing.
        hits += killed(slow, *command, after=whole * (number - 1 + instants.random()) / KILLS)
        between, file_between = slow.production(), slow.read("exports/total.csv")
        finished = slow.snapshots()
        slow.seeknal(*command)
        after = slow.production()
        assert before != after
        assert between in (before, after)
        assert file_between in (file_before, slow.read("exports/total.csv")), "never half a file"
        assert set(finished) <= set(slow.snapshots())
        assert slow.numbers("SELECT id FROM _seeknal.snapshots GROUP BY id HAVING count(*) > 1") == []
        assert slow.built() == []
    assert hits >= KILLS // 2, "the kills came too late to tell anything"
    slow.commit("The last number")
    assert slow.production() == slow.fresh_build()
    assert slow.read("exports/total.csv").splitlines()[1] == ",".join(map(str, slow.production()["total"][1][0]))


def test_what_a_killed_run_finished_is_re_used(slow: Repo) -> None:
    slow.write("data/seed.csv", "k\n7\n")
    before = slow.snapshots()
    process = subprocess.Popen(
        slow.command("run", "--no-parallel"), cwd=slow.path, start_new_session=True, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "transform.buckets_2" in line:
            break
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    finished = slow.new_snapshots(before)
    assert {"source.seed", "transform.buckets_0", "transform.buckets_1", "transform.buckets_2"} <= set(finished)
    assert len(finished) < 2 + 2 * WIDTH
    assert set(slow.built()).isdisjoint(finished)
    slow.commit()
    assert slow.production() == slow.fresh_build()
