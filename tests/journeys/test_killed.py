"""A process that is killed or interrupted loses nothing that it had finished. (At random instants:
test_faults.py)"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.conftest import Repo, Templates

WIDTH = 4
BUCKETS = """
kind: transform
name: buckets_{number}
inputs: [source.seed]
transform: |
  SELECT (range * {number} + seed.k) % 1000 AS bucket, count(*) AS rows, sum(hash(range) % 97)::BIGINT AS total
  FROM range(4_000_000), source.seed
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
    """Three layers of tables, each of which takes long enough for a commit of its own.

    All depend on one number; its first version is in production.
    """
    repo.path.mkdir()
    repo.git("init", "--quiet")
    repo.write("seeknal_project.yml", "name: slow\n")
    repo.write(".gitignore", "target/\nexports/\n")
    repo.write("data/seed.csv", "k\n0\n")
    repo.write(
        "seeknal/sources/seed.yml", "kind: source\nname: seed\nsource: csv\ntable: data/seed.csv\n"
    )
    for number in range(WIDTH):
        repo.write(f"seeknal/transforms/buckets_{number}.yml", BUCKETS.format(number=number))
        other = (number + 1) % WIDTH
        repo.write(
            f"seeknal/transforms/pairs_{number}.yml", PAIRS.format(number=number, other=other)
        )
    tables = ", ".join(
        f"(SELECT sum(total) AS total_{n} FROM ref('transform.pairs_{n}'))" for n in range(WIDTH)
    )
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


def test_what_a_killed_run_finished_is_re_used(slow: Repo) -> None:
    slow.write("data/seed.csv", "k\n7\n")
    before = slow.snapshots()
    process = subprocess.Popen(
        slow.command("run", "--no-parallel"),
        cwd=slow.path,
        start_new_session=True,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "transform.buckets_2" in line:
            break
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert slow.new_snapshots(before) == [], "the warehouse was only read"
    finished = slow.finished(before)
    assert {
        "source.seed",
        "transform.buckets_0",
        "transform.buckets_1",
        "transform.buckets_2",
    } <= set(finished)
    assert len(finished) < 2 + 2 * WIDTH
    assert set(slow.built()).isdisjoint(finished)
    slow.commit()
    assert slow.production() == slow.fresh_build()


# Ctrl-C

ENDLESS = "SELECT count(*) AS n FROM range(3000000) a, range(300000) b WHERE hash(a.range + b.range) % 7 = 1"
QUICK = "SELECT count(*) AS n FROM range(3) a, range(3) b WHERE hash(a.range + b.range) % 7 < 7"


def make_endless(repo: Repo) -> None:
    """Two numbers in production, and two transforms beside each other that would take hours."""
    repo.path.mkdir()
    repo.git("init", "--quiet")
    repo.write("seeknal_project.yml", "name: endless\n")
    repo.write(".gitignore", "target/\n")
    repo.write(
        "seeknal/transforms/first.yml", "kind: transform\nname: first\ntransform: SELECT 1 AS one\n"
    )
    for name in ("a", "b"):
        text = f"kind: transform\nname: {name}\ninputs: [transform.first]\ntransform: {QUICK}\n"
        repo.write(f"seeknal/transforms/{name}.yml", text)
    repo.commit("First")
    repo.seeknal("run")
    repo.replace("seeknal/transforms/first.yml", "1 AS one", "2 AS one")
    for name in ("a", "b"):
        repo.replace(f"seeknal/transforms/{name}.yml", QUICK, ENDLESS)
    repo.commit("Without an end")


def has_open(pid: int, path: Path) -> bool:
    files = Path(f"/proc/{pid}/fd")
    with contextlib.suppress(OSError):
        return any(each.readlink() == path for each in files.iterdir())
    return False


def interrupted(repo: Repo, *arguments: str, after: str) -> str:
    """Press Ctrl-C once a command says what it is to be interrupted after (or, for nothing, has
    opened the warehouse); everything that it says."""
    process = subprocess.Popen(
        repo.command(*arguments),
        cwd=repo.path,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    said = ""
    try:
        while after and after not in said:
            line = process.stderr.readline()
            assert line, said
            said += line
        patience = time.monotonic() + 10
        while (
            not after and time.monotonic() < patience and not has_open(process.pid, repo.warehouse)
        ):
            time.sleep(0.05)
        time.sleep(0.4)
        assert process.poll() is None, "it ended too soon to be interrupted"
        pressed = time.monotonic()
        os.killpg(process.pid, signal.SIGINT)
        said += process.communicate(timeout=60)[1]
        assert time.monotonic() - pressed < 20, "of hours"
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    assert process.returncode == 130, said
    assert "Traceback" not in said
    assert "a bug in seeknal" not in said
    assert said.count("Interrupted") == 1
    return said


@pytest.mark.parametrize(
    "command", [["run", "--parallel"], ["run", "--no-parallel"], ["promote"]], ids=" ".join
)
def test_ctrl_c_ends_a_run_at_once_and_the_next_one_completes(
    copy_of: Templates, command: list[str]
) -> None:
    repo = copy_of("endless", make_endless)
    before, publications = repo.production(), repo.publications()
    interrupted(repo, *command, after="layer 2 of 2")
    assert (repo.production(), repo.publications()) == (before, publications)
    assert repo.finished([]).count("transform.first") == 2, "what was finished is kept"
    assert repo.numbers("SELECT status FROM _seeknal.runs ORDER BY rowid DESC LIMIT 1") == [
        ("interrupted",)
    ]
    for name in ("a", "b"):
        repo.replace(
            f"seeknal/transforms/{name}.yml",
            ENDLESS,
            f"{QUICK} AND one = 2".replace("b WHERE", "b, input_0 WHERE"),
        )
    repo.commit("With an end")
    assert repo.built() == ["transform.a", "transform.b"]
    assert repo.production() == repo.fresh_build()


def test_ctrl_c_ends_a_query_at_once(copy_of: Templates) -> None:
    repo = copy_of("endless", make_endless)
    interrupted(repo, "query", ENDLESS, after="")
    assert repo.seeknal("query", "FROM first", "--json").json == [{"one": 1}]


def test_ctrl_c_ends_a_check_at_once(copy_of: Templates) -> None:
    repo = copy_of("endless", make_endless)
    repo.git("revert", "--no-edit", "HEAD")
    before = repo.production()
    text = repo.read("seeknal/transforms/first.yml")
    repo.write(
        "seeknal/transforms/first.yml",
        f"{text}tests:\n  - custom_sql: SELECT * FROM ({ENDLESS}) WHERE n < 0\n",
    )
    interrupted(repo, "run", after="layer 1 of 2")
    assert repo.production() == before
    repo.write("seeknal/transforms/first.yml", text)
    assert repo.built() == []
