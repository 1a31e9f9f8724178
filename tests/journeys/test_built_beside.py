"""A run builds beside the warehouse: others read production meanwhile, whoever kills it loses nothing
that was finished, and what somebody else did meanwhile counts."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from seeknal_git.build import holding
from tests.conftest import Repo, Templates, make_empty
from tests.lakes import of_a_file
from tests.partitions.shop import TRANSFORMS, Raw, begin, shown, truth

pytestmark = of_a_file

NUMBERED = "kind: transform\nname: v{name}\ntransform: SELECT {number} AS n\n"
SLOW = (
    "kind: transform\nname: slow\ninputs: [transform.v0]\n"
    "transform: SELECT n, sum(hash(range) % 97) AS s FROM range(30_000_000), input_0 GROUP BY n\n"
)
VIEWS = 4


def write_number(repo: Repo, number: int) -> None:
    for name in range(VIEWS):
        text = NUMBERED.format(name=name, number=number)
        repo.write(f"seeknal/transforms/v{name}.yml", text)
    repo.commit(f"Number {number}")


def make_numbered(repo: Repo) -> None:
    make_empty(repo)
    repo.write("seeknal/transforms/slow.yml", SLOW)
    write_number(repo, 1)
    repo.seeknal("run")
    write_number(repo, 2)


@pytest.fixture
def numbered(copy_of: Templates) -> Repo:
    """Production shows the number 1, and its branch says 2."""
    return copy_of("numbered", make_numbered)


def left(repo: Repo) -> list[Path]:
    """The files that a run left beside the warehouse."""
    return [*(repo.warehouse.parent / "builds").glob("*.duckdb*")]


def numbers(repo: Repo) -> set[int]:
    union = " UNION ALL ".join(f"FROM v{name}" for name in range(VIEWS))
    return {number for (number,) in repo.numbers(union)}


def nothing_twice(repo: Repo) -> None:
    for table in ("snapshots", "audits"):
        twice = f"SELECT id FROM _seeknal.{table} GROUP BY id HAVING count(*) > 1"
        assert repo.numbers(twice) == [], table
    tables = repo.numbers("SELECT table_name FROM duckdb_tables() WHERE schema_name = '_snapshots'")
    known = repo.numbers(
        r"SELECT DISTINCT unnest(regexp_extract_all(coalesce(reads, table_name), '\w+')) "
        "FROM _seeknal.snapshots"
    )
    assert {name for (name,) in tables} == {name for (name,) in known}


# Readers

ASK = """
import subprocess, sys, json
union = " UNION ".join(f"SELECT n FROM v{name}" for name in range(4))
seen, failed = [], []
while True:
    done = subprocess.run([*sys.argv[1:], "query", union, "--json"], capture_output=True, text=True)
    (failed if done.returncode else seen).append(done.stderr or done.stdout.strip())
    print(json.dumps([seen[-1:], failed]), flush=True)
"""
READ = """
import sys, time, json, duckdb
union = " UNION ".join(f"SELECT n FROM main.v{name}" for name in range(4))
seen, longest, since = [], 0.0, time.monotonic()
while True:
    try:
        with duckdb.connect(sys.argv[1], read_only=True) as connection:
            rows = connection.execute(union).fetchall()
        since, refused = time.monotonic(), 0.0
        seen += [row for row in [rows] if not seen or seen[-1] != row]
    except duckdb.IOException:
        refused = time.monotonic() - since
    longest = max(longest, refused)
    print(json.dumps([seen, longest]), flush=True)
    time.sleep(0.005)
"""


@contextmanager
def reading(script: str, *arguments: str, folder: Path) -> Iterator[Callable[[], Any]]:
    """Somebody reads again and again; afterwards, the last that he said."""
    import json

    command = [sys.executable, "-c", script, *arguments]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as reader:
        assert reader.stdout is not None
        assert reader.stdout.readline(), "it has begun"

        def last() -> Any:
            assert reader.stdout is not None
            reader.kill()
            return json.loads([line for line in reader.stdout if line.endswith("]\n")][-1])

        yield last
        reader.kill()


def test_production_is_read_through_a_whole_run_without_a_failure(numbered: Repo) -> None:
    command = numbered.command()
    with (
        reading(ASK, *command, folder=numbered.path) as asked,
        reading(READ, str(numbered.warehouse), folder=numbered.path) as read,
    ):
        began = time.monotonic()
        numbered.seeknal("run", subprocess=True)
        took = time.monotonic() - began
        time.sleep(1)
        (_, failed), (seen, longest) = asked(), read()
    assert failed == []
    assert seen == [[[1]], [[2]]], "one publication after the other, and never a mixture"
    assert longest < took / 2, "the warehouse was held for a part of the run"
    assert left(numbered) == []


def test_a_reader_that_never_lets_go_is_named_and_what_was_built_is_used(numbered: Repo) -> None:
    script = (
        "import duckdb, sys; held = duckdb.connect(sys.argv[1], read_only=True); "
        "print(held.sql('FROM main.v0').fetchall(), flush=True); sys.stdin.read(); "
        "print(held.sql('FROM main.v0').fetchall())"
    )
    command = [sys.executable, "-c", script, str(numbered.warehouse)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "[(1,)]\n"
        said = numbered.seeknal("run", code=1).err
        assert "Everything is built, and nothing is published." in said
        assert f"is held by process {reader.pid}" in said
        assert numbers(numbered) == {1}
        assert numbered.seeknal("query", "FROM v0", "--json").json == [{"n": 1}]
        assert reader.communicate("")[0] == "[(1,)]\n"
    assert numbered.built() == []
    assert numbers(numbered) == {2}
    nothing_twice(numbered)


# Killed at each step

KILLED = """
import os, signal, sys
from importlib import import_module
module, name, skipped = sys.argv[1].split(":")
place = import_module(module)
*owners, name = name.split(".")
for owner in owners:
    place = getattr(place, owner)
function, times = getattr(place, name), iter(range(int(skipped)))

def killed(*given, **named):
    if next(times, None) is None:
        os.kill(os.getpid(), signal.SIGKILL)
    return function(*given, **named)

setattr(place, name, killed)
sys.argv = ["seeknal", *sys.argv[2:]]
from seeknal_git.cli import process
process()
"""
# Step → whether everything is built when it is killed, and whether production is the new one.
STEPS = {
    "seeknal_git.warehouse.aside_state:begin:0": (False, False),
    "seeknal_git.warehouse.builder:Builder.commit:0": (False, False),
    "seeknal_git.build.holding:_opened:0": (True, False),
    "seeknal_git.build.holding:_taken:0": (True, False),
    "seeknal_git.warehouse.taking:tables_in:1": (True, False),
    "seeknal_git.build.publish:reconcile:0": (True, False),
    "seeknal_git.warehouse.publish:_record:0": (True, False),
    "seeknal_git.build.holding:remove_aside:0": (True, False),
    "seeknal_git.build.holding:_remember:0": (True, True),
}


def kill(repo: Repo, step: str, command: str) -> None:
    """Run a command that is killed at a step."""
    words = [sys.executable, "-c", KILLED, step, command]
    done = subprocess.run(words, cwd=repo.path, capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.split(":", 1)[1])
@pytest.mark.parametrize("command", ["run", "promote"])
def test_killed_at_a_step(numbered: Repo, step: str, command: str) -> None:
    is_built, is_new = STEPS[step]
    kill(numbered, step, command)
    assert numbers(numbered) == {2 if is_new else 1}
    built = set(dict(numbered.seeknal(command, "--json").json)["built"])
    assert built == (set() if is_built else {f"transform.{name}" for name in ("slow", *V)})
    assert numbers(numbered) == {2}
    assert numbered.built() == []
    nothing_twice(numbered)
    assert left(numbered) == []


V = [f"v{name}" for name in range(VIEWS)]


# What somebody else does between building and publishing


def meanwhile(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Let something happen once a run has built, before it holds the warehouse."""
    opened, once = holding._opened, iter([act])

    def opened_later(*given: Any) -> Any:
        for other in once:
            other()
        return opened(*given)

    monkeypatch.setattr(holding, "_opened", opened_later)


def test_what_another_run_built_and_published_is_not_copied_twice(
    numbered: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbered.git("branch", "same")
    meanwhile(monkeypatch, lambda: numbered.seeknal("run", "--env", "same", subprocess=True))
    numbered.seeknal("run")
    assert numbers(numbered) == {2}
    assert numbered.views("same") == numbered.views("main")
    nothing_twice(numbered)
    assert left(numbered) == []


def test_production_that_moved_meanwhile_is_moved_on_from(
    numbered: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The later of two runs has the last word, with the commit that is checked out by then."""

    def release() -> None:
        write_number(numbered, 3)
        numbered.seeknal("promote", subprocess=True)

    meanwhile(monkeypatch, release)
    numbered.seeknal("run")
    assert numbers(numbered) == {3}
    assert numbered.production_ref == numbered.head
    nothing_twice(numbered)


@pytest.mark.parametrize(
    "act", [["rollback", "1"], ["gc", "--yes", "--all"], ["env", "delete", "dev", "--yes"]]
)
def test_what_goes_meanwhile_is_gone(
    numbered: Repo, monkeypatch: pytest.MonkeyPatch, act: list[str]
) -> None:
    numbered.seeknal("run")
    numbered.git("switch", "--quiet", "-c", "dev")
    write_number(numbered, 4)
    numbered.seeknal("run")
    numbered.replace("seeknal/transforms/v1.yml", "4 AS n", "40 + 4 AS n")
    numbered.commit("Other words")
    act = [word for word in act if word != "--all"]
    meanwhile(monkeypatch, lambda: numbered.seeknal(*act, subprocess=True, code=None))
    numbered.seeknal("run")
    assert numbered.views("dev") == numbered.fresh_build()
    assert numbers(numbered) == {1 if act[0] == "rollback" else 2}
    nothing_twice(numbered)


def test_a_snapshot_that_is_dropped_meanwhile_is_built_again(
    numbered: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A table that the run was going to use again is gone before it publishes."""
    numbered.replace("seeknal/transforms/v1.yml", "2 AS n", "1 + 1 AS n")
    numbered.replace("seeknal/transforms/v0.yml", "2 AS n", "1 AS n")
    numbered.commit("v0 as it was")
    table = numbered.snapshots_shown()["transform.v0"]

    def drop() -> None:
        numbered.tamper(f'DROP VIEW main.v0; DROP TABLE _snapshots."{table}"')

    meanwhile(monkeypatch, drop)
    numbered.seeknal("run")
    assert numbered.production() == numbered.fresh_build()


def test_a_full_run_that_begins_again_builds_nothing_twice(
    numbered: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbered.seeknal("run")
    numbered.git("branch", "same")
    meanwhile(monkeypatch, lambda: numbered.seeknal("run", "--env", "same", subprocess=True))
    assert set(numbered.built("--full")) == {f"transform.{name}" for name in ("slow", *V)}
    tables = numbered.numbers("SELECT count(*) FROM _seeknal.snapshots WHERE build <> ''")
    assert tables == [(1,)], "the views have one table, and slow reads another one"
    nothing_twice(numbered)


# Nodes in pieces, and nodes that cannot be built beside it

NODES = {name: TRANSFORMS[name] for name in ("daily", "rolling", "by_customer", "net", "monthly")}


def day(number: int) -> Raw:
    orders = {
        n: (f"2026-01-{n + 1:02} 10:00:00", 1 + n % 2, 10 * n + number) for n in range(3 + number)
    }
    return Raw(orders, {1: ("2026-01-02", 5)}, {1: "Rome", 2: "Oslo"})


def make_daily(repo: Repo) -> None:
    begin(repo, day(0), NODES)
    repo.seeknal("run")
    day(1).write(repo)


@pytest.fixture
def daily(copy_of: Templates) -> Repo:
    """Production in partitions of a day, with another day in its raw data."""
    return copy_of("daily", make_daily)


def pieces_of(repo: Repo) -> list[tuple[Any, ...]]:
    twice = "SELECT table_name, number FROM _seeknal.pieces GROUP BY ALL HAVING count(*) > 1"
    assert repo.numbers(twice) == []
    return repo.numbers("SELECT table_name, number, row_count FROM _seeknal.pieces ORDER BY ALL")


def test_new_partitions_are_added_to_the_table_that_is_there(daily: Repo) -> None:
    before = daily.numbers("SELECT count(*) FROM duckdb_tables() WHERE schema_name = '_snapshots'")
    pieces = pieces_of(daily)
    daily.seeknal("run")
    assert shown(daily) == truth(daily.path, NODES)
    after = daily.numbers("SELECT count(*) FROM duckdb_tables() WHERE schema_name = '_snapshots'")
    assert after[0][0] == before[0][0] + 1, "of by_customer, which has no partitions"
    assert set(pieces) < set(pieces_of(daily))
    assert daily.built() == []


@pytest.mark.parametrize("other", ["nothing", "the same", "another day"])
def test_partitions_of_a_killed_run_are_used_if_they_still_fit(daily: Repo, other: str) -> None:
    kill(daily, "seeknal_git.build.holding:_opened:0", "run")
    if other == "another day":
        day(2).write(daily)
    if other != "nothing":
        [file] = [file for file in left(daily) if file.suffix == ".duckdb"]
        aside = file.rename(file.with_name("kept"))
        daily.seeknal("run")
        aside.rename(file)
        day(3).write(daily)
    built = daily.built()
    assert (built == []) == (other == "nothing")
    assert shown(daily) == truth(daily.path, NODES)
    pieces_of(daily)
    assert daily.built() == []
    assert left(daily) == []


def test_partitions_that_another_run_added_meanwhile(
    daily: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    daily.git("branch", "dev")

    def other() -> None:
        daily.seeknal("run", "--env", "dev", "--refresh", subprocess=True)

    meanwhile(monkeypatch, other)
    daily.seeknal("run")
    assert shown(daily) == truth(daily.path, NODES) == shown(daily, "dev")
    pieces_of(daily)


def test_a_node_that_reads_row_ids_is_built_in_place(numbered: Repo) -> None:
    """The rows of a view have no ids."""
    numbered.write(
        "seeknal/transforms/ids.yml",
        "kind: transform\nname: ids\ntransform: SELECT rowid AS id, n FROM ref('transform.kept')\n",
    )
    numbered.write("seeknal/transforms/kept.yml", NUMBERED.format(name="x", number=5))
    numbered.replace("seeknal/transforms/kept.yml", "vx", "kept")
    numbered.seeknal("run")
    numbered.replace("seeknal/transforms/ids.yml", "n FROM", "n + 1 AS n FROM")
    write_number(numbered, 6)
    assert {"transform.ids", "transform.v0"} <= set(numbered.built())
    assert numbered.numbers("FROM ids") == [(0, 6)]
