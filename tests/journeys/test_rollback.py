"""Something wrong was released: `seeknal rollback` and `git revert`, with the hooks installed."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import threading
import time

import pytest

from seeknal_git.warehouse.duckdb_file import DuckDBFile
from seeknal_git.warehouse.model.publications import Publication
from seeknal_git.warehouse.opening import open_warehouse
from tests.conftest import Repo, Templates, View, make_published
from tests.lakes import of_a_file

DAILY = "seeknal/transforms/daily.yml"
BY_CUSTOMER = "seeknal/transforms/by_customer.yml"
CSV = "exports/by_customer.csv"


def make_released(shop: Repo) -> None:
    """The merge of dev was promoted by its hook: wrong totals, an exposure more, and a node
    less."""
    make_published(shop)
    shop.install_hooks()
    shop.commit("Where it was right")
    shop.switch("dev", create=True)
    shop.replace(DAILY, "sum(amount)", "max(amount)")
    shop.replace(BY_CUSTOMER, "sum(o.amount)", "max(o.amount)")
    shop.write(
        "seeknal/transforms/towns.yml", "kind: transform\nname: towns\ntransform: SELECT 1 AS n\n"
    )
    shop.write(
        "seeknal/exposures/towns_csv.yml",
        "kind: exposure\nname: towns_csv\ntype: file\n"
        "inputs: [{ref: transform.towns}]\nparams: {path: exports/towns.csv}\n",
    )
    shop.commit("Something wrong")
    shop.switch("main")
    shop.merge("dev", "--no-ff")


@pytest.fixture
def released(copy_of: Templates) -> Repo:
    return copy_of("released", make_released)


def last(repo: Repo) -> dict[str, object]:
    return dict(repo.seeknal("log", "--json", "-n", "1").json["publications"][0])


def totals(views: dict[str, View]) -> list[object]:
    return sorted(row[1] for row in views["daily"][1])


def customers(repo: Repo) -> list[str]:
    """The lines of the exposure's file, which has no order of its own."""
    return sorted(repo.read(CSV).splitlines()[1:])


def test_the_log_tells_the_hook_and_the_merge(released: Repo) -> None:
    entry = last(released)
    assert (entry["command"], entry["merged"], entry["commit"]) == ("hook", "dev", released.head)
    assert "Reason: hook after a merge of dev, " in released.seeknal("log", "-n", "1").out
    released.replace(DAILY, "max(amount)", "min(amount)")
    released.git("commit", "--all", "--quiet", "--message", "On main itself")
    assert (last(released)["command"], last(released)["merged"]) == ("hook", None)


def test_rollback_shows_what_was_there_and_says_how_to_go_on(released: Repo) -> None:
    wrong, tip, before = released.production(), released.head, released.fresh_build("HEAD~1")
    said = released.seeknal("rollback")
    assert released.production() == before != wrong
    assert released.head == tip, "git is left alone"
    assert released.git("status", "--porcelain") == ""
    assert released.production_ref == released.git("rev-parse", "HEAD~1")
    lines = said.out.splitlines()
    assert lines[0] == (
        f"main was rolled back from publication 3 ({tip[:8]}) to publication 2 ({released.production_ref[:8]})."
    )
    assert "    removed     transform.towns        1 row" in lines
    assert "    written again  exposure.by_customer_csv" in lines
    assert lines[-4:] == [
        f"Git is as it was, so production now differs from the tip of main ({tip[:8]}):",
        "  seeknal promote     publishes the tip again; so does a hook, at the next commit or merge",
        "  git revert …        takes the change out of the code, and production follows",
        "  seeknal rollback 3  goes back to publication 3",
    ]
    status = released.seeknal("status").out
    assert (
        f"warning: Production was rolled back to publication 2 ({released.production_ref[:8]}), and main is at "
        f"{tip[:8]}: git revert takes the change out of the code, seeknal promote publishes it again"
    ) in status
    assert "seeknal run" not in status
    plan = released.seeknal("plan")
    assert "Production was rolled back to publication 2" in plan.err
    assert (
        "Next: git revert takes this out of the code; seeknal promote publishes it again"
        in plan.out
    )
    assert "failed" not in status
    entry = last(released)
    assert (entry["command"], entry["restores"], entry["built"]) == ("rollback", 2, 0)
    released.seeknal("promote")
    assert released.production() == wrong
    assert released.production_ref == tip
    assert "rolled back" not in released.seeknal("status").out


def test_a_dry_run_says_the_same_and_does_nothing(released: Repo) -> None:
    content = released.written, released.read(CSV), released.production_ref
    looked = released.seeknal("rollback", "--dry-run", "--json").json
    assert (released.written, released.read(CSV), released.production_ref) == content
    done = released.seeknal("rollback", "--json").json
    same = ("from", "to", "nodes", "tip", "differs_from_tip", "earlier_loads")
    assert {key: done[key] for key in same} == {key: looked[key] for key in same}
    assert (looked["dry_run"], looked["publication"], done["dry_run"], done["publication"]) == (
        True,
        None,
        False,
        4,
    )
    assert looked["files"]["to_write"] == done["files"]["written"] == ["exposure.by_customer_csv"]


def test_files_follow_and_those_that_came_later_are_told(released: Repo) -> None:
    wrong = released.read(CSV)
    said = released.seeknal("rollback")
    assert customers(released) == ["Ada,40", "Bob,20", "Cy,40"]
    assert released.read(CSV) != wrong
    assert "exposure.towns_csv was first delivered later: its file is left as it is" in said.err
    assert released.read("exports/towns.csv") == "n\n1\n"
    released.seeknal("promote")
    assert released.read(CSV) == wrong, "and forward again"
    assert released.run("--dry-run")["write"] == []


def test_a_file_that_another_exposure_wrote_since_is_written_again(released: Repo) -> None:
    right = released.read(CSV)
    released.git("mv", "seeknal/exposures/by_customer_csv.yml", "seeknal/exposures/days_csv.yml")
    released.replace("seeknal/exposures/days_csv.yml", "by_customer_csv", "days_csv")
    released.replace("seeknal/exposures/days_csv.yml", "transform.by_customer", "transform.daily")
    released.write(
        "seeknal/transforms/towns.yml", "kind: transform\nname: towns\ntransform: SELECT 2 AS n\n"
    )
    released.commit("Days instead of customers")
    days = released.read(CSV)
    assert days.startswith("day,")
    said = released.seeknal("rollback")
    assert released.read(CSV) == right
    assert "days_csv" not in said.err, "its file is not left as it is"
    released.seeknal("rollback", "4")
    assert released.read(CSV) == days
    released.git("revert", "--no-edit", "HEAD")
    assert released.read(CSV) == right
    assert released.run("--dry-run")["write"] == []


def test_a_rollback_is_undone_by_its_number_and_leaves_no_alarm(
    released: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_COMMITTER_NAME", "Bob on call")
    wrong, file = released.production(), released.read(CSV)
    released.seeknal("rollback")
    assert "to publication 3 (" in released.seeknal("rollback", "3").out
    assert (released.production(), released.read(CSV)) == (wrong, file)
    assert "rolled back" not in released.seeknal("status").out
    assert "to publication 2 (" in released.seeknal("rollback").out, "as if nothing had happened"
    assert last(released)["author"] == "Bob on call <ada@example.org>", "whom git would name"


def test_what_was_rolled_back_comes_back_only_by_its_number(released: Repo) -> None:
    released.seeknal("rollback")
    assert "Production showed nothing else before." in refused(released)
    released.git("revert", "--no-edit", "--mainline", "1", "HEAD")
    assert "Production showed nothing else before." in refused(released)
    released.replace(DAILY, "sum(amount)", "avg(amount)")
    released.git("commit", "--all", "--quiet", "--message", "Another try")
    released.seeknal("rollback")
    assert totals(released.production()) == [30, 70], "and not what was taken back"
    released.seeknal("rollback", "3")
    assert totals(released.production()) == [20, 40]


@pytest.mark.parametrize("name", ["1", "2", "HEAD~1", "commit", "short"])
def test_a_publication_is_named_by_its_number_or_its_commit(released: Repo, name: str) -> None:
    commit = released.git("rev-parse", "HEAD~1")
    released.seeknal("rollback", {"commit": commit, "short": commit[:7]}.get(name, name))
    assert totals(released.production()) == [30, 70]


def test_revert_of_the_merge_shows_the_same_and_corrects_the_code(released: Repo) -> None:
    released.seeknal("rollback")
    rolled_back, tables = released.production(), released.snapshots()
    released.git("revert", "--no-edit", "--mainline", "1", "HEAD")
    assert released.production() == rolled_back == released.fresh_build()
    assert released.snapshots() == tables, "nothing is built"
    assert released.production_ref == released.head
    assert "warning" not in released.seeknal("status").out
    assert last(released)["command"] == "hook"


def test_revert_without_a_rollback_shows_the_same(released: Repo) -> None:
    released.git("revert", "--no-edit", "--mainline", "1", "HEAD")
    reverted, file = released.production(), released.read(CSV)
    released.seeknal("rollback")
    assert totals(released.production()) == [20, 40], "the merge again"
    released.seeknal("rollback", "2")
    assert (released.production(), released.read(CSV)) == (reverted, file)


def test_a_commit_after_a_rollback_goes_forward_to_the_tip(released: Repo) -> None:
    wrong = released.production()
    released.seeknal("rollback")
    released.commit("Something else")
    assert released.production() == wrong


def test_a_load_of_raw_data_is_rolled_back_and_read_again_by_a_run(released: Repo) -> None:
    released.write("raw/more.csv", "id\n1\n")
    released.write(
        "seeknal/sources/more.yml", "kind: source\nname: more\nsource: csv\ntable: raw/more.csv\n"
    )
    commit = released.commit("Raw data from outside")
    released.write("raw/more.csv", "id\n1\n2\n")
    released.seeknal("run")
    said = released.seeknal("rollback")
    assert released.numbers("SELECT count(*) FROM main.more") == [(1,)]
    assert "Git is as it was" not in said.out, "the commit is the same"
    assert "Earlier loads of raw data are shown (source.more):\n  seeknal run " in said.out
    assert (
        "an earlier one of the tip of main: seeknal run reads the raw data again"
        in released.seeknal("status").out
    )
    assert released.production_ref == commit
    released.seeknal("run")
    assert released.numbers("SELECT count(*) FROM main.more") == [(2,)]
    assert "rolled back" not in released.seeknal("status").out


# Refusals


def refused(repo: Repo, *arguments: str, code: int = 2) -> str:
    """What a refused rollback says; it changed nothing."""
    before = repo.production(), repo.read(CSV), repo.production_ref, repo.publications()
    said = repo.seeknal("rollback", *arguments, code=code)
    assert (repo.production(), repo.read(CSV), repo.production_ref, repo.publications()) == before
    assert said.out == ""
    assert said.err.count("error: ") == 1
    return said.err[said.err.index("error: ") :]  # behind the reminder of an earlier rollback


def test_what_cannot_be_shown_again_is_refused(released: Repo) -> None:
    assert "There is no publication and no commit 77." in refused(released, "77")
    assert "There is no publication and no commit nope." in refused(released, "nope")
    released.seeknal("run", "--env", "dev")
    assert "There is no publication and no commit 4." in refused(released, "4")
    assert "Production shows publication 3 already." in refused(released, "3")
    assert "Production shows publication 3 already." in refused(released, "HEAD")
    first = released.git("rev-parse", "dev~1")
    side = released.git("commit-tree", "-p", first, "-m", "Never published", f"{first}^{{tree}}")
    assert refused(released, side) == (
        f"error: The commit {side[:8]} was not published itself.\n"
        f"  The nearest before it is publication 2, of {first[:8]}: seeknal rollback 2\n"
    )
    orphan = released.git("commit-tree", "-m", "Unrelated", f"{first}^{{tree}}")
    assert f"Nothing was published yet at {orphan[:8]}." in refused(released, orphan)


def test_nothing_to_go_back_to_is_refused(shop: Repo) -> None:
    assert "Production was never published." in shop.seeknal("rollback", code=2).err
    shop.seeknal("run")
    assert "Production showed nothing else before." in refused(shop)
    shop.commit("Nothing that changes data")
    shop.seeknal("promote")
    assert "Production showed nothing else before." in refused(shop)
    assert "Production shows publication 1 already." in refused(shop, "1")


def test_a_publication_whose_tables_are_gone_is_refused(released: Repo) -> None:
    table = released.numbers(
        "SELECT table_name FROM _seeknal.publication_nodes WHERE publication_id = 1 AND "
        "node = 'transform.daily'"
    )[0][0]
    released.tamper(f'DROP TABLE _snapshots."{table}"')
    for name in ([], ["1"], ["2"], ["--dry-run"]):
        said = refused(released, *name, code=1)
        assert re.match(
            r"error: Publication [12] is no longer kept whole: the tables of transform.daily are gone.",
            said,
        )
        assert "the last 10 publications" in said
        assert "git revert" in said
    released.git("revert", "--no-edit", "--mainline", "1", "HEAD")
    assert released.production() == released.fresh_build(), "a revert builds what is missing"


def test_something_else_in_a_views_place_leaves_everything_as_it_was(released: Repo) -> None:
    released.tamper("DROP VIEW main.towns; CREATE TABLE main.towns AS SELECT 'mine' AS whose")
    released.seeknal("rollback")
    assert released.numbers("FROM main.towns") == [("mine",)]
    released.tamper("DROP VIEW main.daily; CREATE TABLE main.daily AS SELECT 'mine' AS whose")
    assert "Something else is in a view's place" in refused(released, "3", code=1)


@of_a_file
def test_a_rollback_while_another_process_has_the_warehouse_says_so(released: Repo) -> None:
    with released.held() as pid:
        for command in (
            ["rollback"],
            ["rollback", "--dry-run"],
            ["log"],
            ["query", "--at", "1", "FROM daily"],
        ):
            assert f"is held by process {pid}." in released.seeknal(*command, code=1).err
    before = released.production()
    released.seeknal("rollback", "--lock-timeout", "5")
    assert released.production() != before


def test_a_rollback_neither_hides_a_failed_run_nor_makes_one_up(released: Repo) -> None:
    released.replace(DAILY, "max(amount)", "error('broken')")
    released.git("commit", "--all", "--quiet", "--message", "Broken")
    assert "the last run of production failed" in released.seeknal("status").out
    released.seeknal("rollback")
    assert "broken" in released.seeknal("status", "--json").json["production"]["failure"], (
        "the tip is broken still"
    )
    released.git("revert", "--no-edit", "HEAD")
    assert "warning" not in released.seeknal("status").out
    released.seeknal("rollback")
    assert released.seeknal("status", "--json").json["production"]["failure"] is None


def test_a_file_that_cannot_be_replaced_is_told_and_production_is_rolled_back_all_the_same(
    released: Repo,
) -> None:
    (released.path / CSV).unlink()
    released.write(f"{CSV}/mine.txt", "mine")
    said = released.seeknal("rollback", code=1)
    assert (
        "the file of exposure.by_customer_csv is not that of publication 2: exposure.by_customer_csv"
        in said.err
    )
    assert totals(released.production()) == [30, 70]
    assert released.read(f"{CSV}/mine.txt") == "mine"
    (released.path / CSV / "mine.txt").unlink()
    (released.path / CSV).rmdir()
    released.seeknal("rollback", "2")
    assert customers(released) == ["Ada,40", "Bob,20", "Cy,40"], (
        "the same again writes what is still missing"
    )


# At all times


def test_readers_see_one_publication_or_the_other(released: Repo) -> None:
    """While production goes back and forth, every reader sees all of one publication."""
    with open_warehouse(released.place, None) as warehouse:
        assert isinstance(warehouse, DuckDBFile)
        connection = warehouse._connection
        sides = [warehouse.environments.shown("main", number) for number in (2, 3)]
        seen: set[tuple[int, int]] = set()
        done = threading.Event()

        def read() -> None:
            with connection.cursor() as cursor:
                while not done.is_set():
                    cursor.execute(
                        "SELECT (SELECT sum(total) FROM warehouse.main.daily), "
                        "(SELECT sum(total) FROM warehouse.main.by_customer)"
                    )
                    seen.update(cursor.fetchall())

        reader = threading.Thread(target=read)
        reader.start()
        for number in range(60):
            warehouse.publications.publish(
                Publication("main", "main", str(number), "Ada", "rollback", sides[number % 2]),
            )
        done.set()
        reader.join()
    assert seen == {(100, 100), (60, 90)}


def test_a_rollback_that_is_killed_was_made_or_was_not(released: Repo) -> None:
    chance = random.Random(7)
    for _ in range(6):
        number = "2" if totals(released.production()) == [20, 40] else "3"
        with subprocess.Popen(
            released.command("rollback", number),
            cwd=released.path,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=os.environ,
        ) as process:
            time.sleep(chance.uniform(0.15, 0.6))
            process.send_signal(signal.SIGKILL)
        shown = last(released)["restores"] or last(released)["id"]
        assert totals(released.production()) == {2: [30, 70], 3: [20, 40]}[int(str(shown))]
    released.seeknal("promote")
    assert totals(released.production()) == [20, 40]
    assert customers(released) == ["Ada,30", "Bob,20", "Cy,40"]
