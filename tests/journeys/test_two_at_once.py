"""Two at once: nobody sees half a state, nothing is lost, and the second waits or says who holds
the warehouse."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from seeknal_git.commands import promote, run
from seeknal_git.commands.run import Request
from seeknal_git.files import write_whole
from seeknal_git.project.workspace import open_workspace
from tests.conftest import Repo, Result, Templates, make_published
from tests.lakes import of_a_file

DAILY, CUSTOMERS = "seeknal/transforms/daily.yml", "seeknal/transforms/by_customer.yml"
SLOW = """
kind: transform
name: slow_{name}
transform: SELECT sum(hash(range) % 97)::BIGINT AS total FROM range({rows})
"""
WAIT = ("--lock-timeout", "60")
# Far less than WAIT, also on a machine that is busy.
AT_ONCE = 20.0


def make_side_by_side(repo: Repo) -> None:
    """Production, and the branches a and b with something to build, in worktrees beside it."""
    make_published(repo)
    for name, path, function in (("a", DAILY, "max"), ("b", CUSTOMERS, "min")):
        repo.switch(name, create=True)
        repo.replace(path, "sum(", f"{function}(")
        repo.write(
            f"seeknal/transforms/slow_{name}.yml",
            SLOW.format(name=name, rows=5_000_000 + ord(name)),
        )
        repo.commit(f"The branch {name}")
        repo.switch("main")


@pytest.fixture
def shop(copy_of: Templates) -> Repo:
    repo = copy_of("side by side", make_side_by_side)
    for name in "ab":
        repo.git("worktree", "add", "--quiet", f"../{repo.path.name}-{name}", name)
    return repo


def beside(shop: Repo, name: str) -> Repo:
    return Repo(shop.path.with_name(f"{shop.path.name}-{name}"))


def start(repo: Repo, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        repo.command(*arguments),
        cwd=repo.path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process: subprocess.Popen[str], code: int | None = 0) -> Result:
    out, err = process.communicate(timeout=120)
    assert code in (None, process.returncode), out + err
    assert "Traceback" not in err
    assert "a bug in seeknal" not in err
    return Result(process.returncode, out, err)


@contextmanager
def held_by_a_run(repo: Repo) -> Iterator[subprocess.Popen[str]]:
    """A run that stands still while it builds; afterwards it goes on, and ends well."""
    process = start(repo, "run")
    assert process.stderr is not None
    assert any("layer" in line for line in process.stderr), "it ended too soon"
    process.send_signal(signal.SIGSTOP)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGCONT)
        ended(process)


def whole(shop: Repo, *branches: str) -> None:
    """Each environment shows what its branch is where nobody else ever ran; nothing is there
    twice."""
    for branch in branches:
        assert shop.views(branch) == shop.fresh_build(branch)
    assert shop.numbers("SELECT id FROM _seeknal.snapshots GROUP BY id HAVING count(*) > 1") == []
    assert (
        shop.numbers(
            "SELECT id FROM _seeknal.publications GROUP BY schema_name, id "
            "HAVING count(DISTINCT commit_id) > 1"
        )
        == []
    )
    assert (
        shop.numbers(
            "SELECT last(message ORDER BY rowid) FROM _seeknal.runs GROUP BY id HAVING last(status ORDER BY rowid) <> 'succeeded'"
        )
        == []
    )
    assert (
        shop.production_ref
        == shop.numbers(
            "SELECT arg_max(commit_id, id) FROM _seeknal.publications WHERE schema_name = 'main'"
        )[0][0]
    )


def test_two_runs_of_two_branches(shop: Repo) -> None:
    for process in [start(beside(shop, name), "run", *WAIT) for name in "ab"]:
        ended(process)
    whole(shop, "main", "a", "b")


@of_a_file
def test_the_second_says_who_holds_the_warehouse_and_what_it_does(shop: Repo) -> None:
    with held_by_a_run(beside(shop, "a")) as first:
        said = beside(shop, "b").seeknal("run", code=1).err
        assert said.startswith("Run of b; production is main.\n")
        assert said.endswith(
            "error: Everything is built, and nothing is published. "
            f"The warehouse {shop.warehouse} is held by process {first.pid} (seeknal run).\n"
            "  Wait for it to end, or try again with --lock-timeout SECONDS.\n"
        )
    assert beside(shop, "b").built() == [], "what was built is used"
    whole(shop, "main", "a", "b")


@of_a_file
@pytest.mark.parametrize(
    ("second", "waits"),
    [(["promote"], True), (["run"], False), (["rollback", "1"], True), (["gc", "--yes"], False)],
    ids=["promote waits", "run says so", "rollback waits", "gc says so"],
)
def test_a_run_of_a_branch_and_something_on_production(
    shop: Repo, second: list[str], waits: bool
) -> None:
    shop.merge("b", "--quiet")
    if second[0] == "rollback":
        shop.seeknal("promote")
    with held_by_a_run(beside(shop, "a")) as run_of_a:
        if waits:
            waiting = start(shop, *second, *WAIT)
        else:
            assert (
                f"is held by process {run_of_a.pid} (seeknal run)."
                in shop.seeknal(*second, code=1).err
            )
    if waits:
        ended(waiting)
    else:
        shop.seeknal(*second)
    whole(shop, "a")
    assert shop.production() == shop.fresh_build("b" if second[0] in ("run", "promote") else "b~1")


def test_two_promotions_are_one_publication(shop: Repo) -> None:
    shop.merge("b", "--quiet")
    before = shop.publications()
    for process in [start(shop, "promote", *WAIT) for _ in range(2)]:
        ended(process)
    assert shop.publications() == before + 1
    whole(shop, "main")


def test_two_promotions_of_two_branches_both_arrive(shop: Repo) -> None:
    both = [start(shop, "promote", name, *WAIT) for name in "ab"]
    said = [each.communicate(timeout=120) for each in both]
    if any(
        each.returncode for each in both
    ):  # git lets only one of them merge at a time, and says so
        assert "a bug in seeknal" not in str(said)
        for name in "ab":
            shop.try_git("merge", "--abort")
            shop.seeknal("promote", name)
    assert "max(" in shop.read(DAILY)
    assert "min(" in shop.read(CUSTOMERS)
    whole(shop, "main")


@of_a_file
@pytest.mark.parametrize("completes", ["run", "promote"])
def test_a_hook_that_finds_it_busy_leaves_a_promotion_that_the_next_command_makes(
    shop: Repo, completes: str
) -> None:
    shop.install_hooks()
    with held_by_a_run(beside(shop, "a")) as run_of_a:
        done = shop.try_git("merge", "--no-edit", "b")
        assert done.returncode == 0
        assert f"is held by process {run_of_a.pid} (seeknal run)" in done.stderr
        assert "The promotion is pending: when that has ended run: seeknal promote" in done.stderr
        assert shop.seeknal("status", "--json").json["production"]["pending"] is True
    assert shop.seeknal("status", "--json").json["production"]["pending"] is True
    assert shop.production() == shop.fresh_build("b~1")
    shop.seeknal(completes)
    assert shop.seeknal("status", "--json").json["production"]["pending"] is False
    whole(shop, "main", "a")


# Who waits


@of_a_file
@pytest.mark.parametrize(
    "command", [["run"], ["promote"], ["rollback"], ["gc", "--yes"], ["query", "FROM daily"]]
)
def test_nobody_waits_longer_than_told(
    shop: Repo, waited: Callable[[], float], command: list[str]
) -> None:
    with shop.held():
        started = time.monotonic()
        shop.seeknal(*command, "--lock-timeout", "0.6", code=1)
        assert time.monotonic() - started >= 0.6
        assert 0 < waited() < 0.6 + 0.11


def test_ctrl_c_ends_the_waiting_at_once(shop: Repo) -> None:
    with shop.held():
        waiting = start(shop, "promote", *WAIT)
        maps = Path(f"/proc/{waiting.pid}/maps")
        while maps.exists() and "duckdb" not in maps.read_text():
            time.sleep(0.05)
        time.sleep(1)
        pressed = time.monotonic()
        waiting.send_signal(signal.SIGINT)
        assert "Interrupted" in ended(waiting, 130).err
        assert time.monotonic() - pressed < AT_ONCE


# Loading while somebody else publishes


def test_a_run_that_waited_runs_what_is_checked_out_by_then(shop: Repo) -> None:
    waiting = run.prepare(open_workspace(shop.path), Request())
    shop.install_hooks()
    shop.merge("b", "--quiet")
    assert shop.production() == shop.fresh_build("b")
    before = shop.publications()
    run.carry_out(waiting, lambda event: None)
    assert shop.publications() == before
    whole(shop, "main")


def make_loaded(repo: Repo) -> None:
    """Raw data that git does not track has other columns by now; production still shows what it
    read then."""
    make_published(repo)
    source = "kind: source\nname: visits\nsource: csv\ntable: raw/visits.csv\non_drift: warn\n"
    repo.write("seeknal/sources/visits.yml", source)
    repo.write(
        "seeknal/transforms/more.yml",
        "kind: transform\nname: more\ntransform: SELECT n + 1 AS m FROM source.visits\n",
    )
    repo.write("raw/visits.csv", "n\n1\n")
    repo.commit()
    repo.seeknal("run")
    repo.write("raw/visits.csv", "other\n1\n")
    repo.replace("seeknal/transforms/more.yml", "n + 1", "n + 2")
    repo.commit()


@pytest.mark.parametrize("command", [["promote"], ["run", "--env", "dev"]], ids=" ".join)
def test_who_waited_knows_raw_data_as_production_shows_it(
    copy_of: Templates, command: list[str]
) -> None:
    repo = copy_of("loaded", make_loaded)
    repo.git("branch", "dev")
    with repo.held():
        waiting = start(repo, *command, *WAIT)
        time.sleep(1.5)
    ended(waiting)
    assert repo.numbers(f"FROM {'main' if command[0] == 'promote' else 'dev'}.more") == [(3,)]


def test_who_waited_while_raw_data_was_read_again_knows_it_as_it_is_now(copy_of: Templates) -> None:
    repo = copy_of("loaded", make_loaded)
    repo.replace("seeknal/transforms/more.yml", "n + 2 AS m", "* ")
    repo.commit()
    waiting = promote.prepare(open_workspace(repo.path))
    repo.seeknal("run")
    repo.commit("Nothing new")
    promote.carry_out(waiting, lambda event: None)
    assert repo.numbers("SELECT other FROM more") == [(1,)]
    assert repo.built() == []


# Readers


READ = """
import sys, time, duckdb
seen, busy, end = set(), 0, time.monotonic() + float(sys.argv[2])
while time.monotonic() < end:
    try:
        with duckdb.connect(sys.argv[1], read_only=True) as connection:
            connection.execute("BEGIN")
            queries = ["SELECT any_value(n) FROM v%d" % each for each in (0, 7, 19)]
            queries += ["SELECT max(id) FROM _seeknal.publications"]
            seen.add(tuple(connection.execute(each).fetchall()[0][0] for each in queries))
    except duckdb.IOException:
        busy += 1
    time.sleep(0.01)
print(sorted(seen), busy)
"""


def numbered(repo: Repo, number: int) -> None:
    for each in range(20):
        text = f"kind: transform\nname: v{each}\ntransform: SELECT {number} AS n\n"
        repo.write(f"seeknal/transforms/v{each}.yml", text)
    repo.commit(f"Number {number}")


@of_a_file
def test_a_reader_in_another_process_sees_one_publication_at_a_time(repo: Repo) -> None:
    numbered(repo, 1)
    repo.seeknal("run")
    command = [sys.executable, "-c", READ, str(repo.warehouse), "4"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as reader:
        number = 1
        while reader.poll() is None:
            number += 1
            numbered(repo, number)
            repo.seeknal("promote", *WAIT)
        assert reader.stdout is not None
        seen, busy = reader.stdout.read().rsplit(" ", 1)
    rows = [tuple(map(int, row)) for row in re.findall(r"\((\d+), (\d+), (\d+), (\d+)\)", seen)]
    assert all(len(set(row)) == 1 for row in rows), seen
    assert len(rows) > 1, f"one publication was seen, of {number}; {busy} times it was busy"


@of_a_file
def test_a_promotion_waits_for_a_reader_or_says_who_it_is(shop: Repo) -> None:
    shop.merge("b", "--quiet")
    script = READ.partition("seen, busy")[0] + (
        "held = duckdb.connect(sys.argv[1], read_only=True); print(held.sql('SELECT count(*) FROM daily').fetchall(), "
        "flush=True); sys.stdin.read(); print(held.sql('SELECT count(*) FROM daily').fetchall())"
    )
    command = [sys.executable, "-c", script, str(shop.warehouse)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as reader:
        assert reader.stdin is not None
        assert reader.stdout is not None
        assert reader.stdout.readline() == "[(2,)]\n"
        assert f"is held by process {reader.pid}." in shop.seeknal("promote", code=1).err
        assert shop.seeknal("query", "SELECT count(*) AS n FROM daily", "--json").json == [
            {"n": 2}
        ], "readers may share"
        waiting = start(shop, "promote", *WAIT)
        time.sleep(1)
        assert waiting.poll() is None
        reader.stdin.close()
        assert reader.stdout.readline() == "[(2,)]\n"
    ended(waiting)
    whole(shop, "main")


# Clones, hooks, and what is beside git


def test_two_clones_that_share_their_data(shop: Repo, tmp_path: Path) -> None:
    shop.seeknal("rollback", code=2)
    clones = [Repo(tmp_path / f"clone-{name}") for name in "ab"]
    for name, clone in zip("ab", clones, strict=True):
        shop.git("clone", "--quiet", ".", str(clone.path))
        clone.git("config", "seeknal.dataRoot", str(shop.path))
        clone.git("switch", "--quiet", name)
    for process in [start(clone, "run", *WAIT) for clone in clones]:
        ended(process)
    whole(shop, "main", "a", "b")
    shop.merge("b", "--quiet")
    for clone in clones:
        clone.git("fetch", "--quiet", "origin", "main:main")
    for process in [start(clone, "promote", *WAIT) for clone in clones]:
        ended(process)
    assert [clone.production_ref for clone in clones] == [shop.head] * 2
    assert shop.promotions() == 2
    shop.seeknal("status")
    whole(shop, "main")


def test_commits_in_two_worktrees_whose_hooks_run_at_once(shop: Repo) -> None:
    shop.install_hooks()
    places = [shop, *(beside(shop, name) for name in "ab")]
    for number, each in enumerate(places):
        each.write(
            f"seeknal/transforms/new_{number}.yml",
            f"kind: transform\nname: new_{number}\ntransform: SELECT 1 AS n\n",
        )
        each.git("add", "--all")
    with ThreadPoolExecutor() as pool:
        done = list(
            pool.map(lambda each: each.try_git("commit", "--quiet", "--message", "At once"), places)
        )
    assert [(each.returncode, each.stderr.count("bug")) for each in done] == [(0, 0)] * 3, done
    if shop.seeknal("status", "--json").json["production"]["pending"]:
        assert "The promotion is pending" in done[0].stderr
        shop.seeknal("promote")
    whole(shop, "main")


def test_many_plans_at_once(copy_of: Templates) -> None:
    shop = copy_of("published", make_published)
    shop.replace(DAILY, "sum(amount)", "max(amount)")
    shutil.rmtree(shop.path / ".git/seeknal")
    processes = [start(shop, "plan", "--json") for _ in range(10)]
    plans = {ended(each).out for each in processes}
    assert len(plans) == 1
    assert shop.seeknal("plan", "--json").out in plans


def test_a_file_that_many_write_at_once_is_never_there_in_part(tmp_path: Path) -> None:
    file, content = tmp_path / "blob", os.urandom(1_000_000)
    seen: set[int] = set()

    def write(_: int) -> None:
        write_whole(file, content)
        seen.add(file.stat().st_size)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(200)))
    assert seen == {len(content)}
    assert list(tmp_path.iterdir()) == [file]


def test_a_lock_of_git_s_that_a_killed_process_left_stops_nobody(shop: Repo) -> None:
    lock = shop.path / ".git/refs/seeknal/production.lock"
    lock.write_text("")
    shop.merge("b", "--quiet")
    shop.seeknal("promote")
    assert not lock.exists()
    whole(shop, "main")


def test_a_lock_of_git_s_that_somebody_holds_for_a_moment_is_waited_for(shop: Repo) -> None:
    lock = shop.path / ".git/refs/seeknal/production.lock"
    shop.merge("b", "--quiet")
    lock.write_text("")
    threading.Timer(0.3, lock.unlink, [True]).start()
    shop.seeknal("promote")
    whole(shop, "main")


def test_a_ref_that_cannot_be_written_stops_nobody_and_is_corrected_later(shop: Repo) -> None:
    """Something is in its place, as on a disk that is full."""
    shop.git("update-ref", "-d", "refs/seeknal/production")
    (shop.path / ".git/refs/seeknal/production/lock").mkdir(parents=True)
    (shop.path / ".git/refs/seeknal/production/lock/file").touch()
    shop.merge("b", "--quiet")
    shop.seeknal("promote")
    shop.seeknal("status")
    shutil.rmtree(shop.path / ".git/refs/seeknal/production")
    shop.seeknal("status")
    whole(shop, "main")
