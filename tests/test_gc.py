"""`seeknal gc`: what it lists, what it keeps, and that it deletes what it lists."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

import pytest

from seeknal_git.process_folders import own_folder
from tests import lakes
from tests.conftest import Repo, Templates, make_published

DAILY = "seeknal/transforms/daily.yml"
# The folder that the engine of a killed process spilled to: no process has this number.
SPILLED = own_folder(Path("warehouse.duckdb.tmp")).name.replace(
    f"-{os.getpid()}-", f"-{2**22 + 1}-"
)


def ago(days: float) -> datetime:
    return datetime.now(UTC).replace(tzinfo=None) - timedelta(days=days)


def edited_settings(repo: Repo, **values: object) -> None:
    lines = "".join(f"{key}: {value}\n" for key, value in values.items())
    place = lakes.SETTING if lakes.WANTED else ""
    repo.write("seeknal_project.yml", f"name: shop\n{lines}{place}")


def settings(repo: Repo, **values: object) -> None:
    edited_settings(repo, **values)
    repo.git(
        "commit", "--quiet", "--allow-empty", "--message", "Settings", "--", "seeknal_project.yml"
    )


def release(repo: Repo, number: int) -> None:
    """Production's daily totals become another table."""
    before = repo.read(DAILY)
    repo.write(DAILY, before.replace("sum(amount)", f"sum(amount) + {number}"))
    repo.commit(f"Release {number}")
    repo.seeknal("run")
    repo.write(DAILY, before)


def tables(repo: Repo) -> set[str]:
    return {table for _, table in repo.snapshots()}


def collected(repo: Repo) -> list[str]:
    """The nodes whose tables are deleted: those of the list, from the records as from the
    schema."""
    listed = repo.seeknal("gc", "--json").json
    assert not listed["deleted"]
    before = tables(repo)
    done = repo.seeknal("gc", "--yes", "--json").json
    assert done == {**listed, "deleted": True}
    there = {
        name
        for (name,) in repo.numbers(
            "SELECT table_name FROM duckdb_tables() WHERE schema_name = '_snapshots'"
        )
    }
    assert (
        before - tables(repo) == {each["table"] for each in listed["snapshots"]} == before - there
    )
    again = repo.seeknal("gc", "--yes", "--json").json
    assert (again["environments"], again["snapshots"], again["files"]) == ([], [], [])
    return sorted(each["node"] for each in listed["snapshots"])


def kept(repo: Repo) -> dict[str, int]:
    return dict(repo.seeknal("gc", "--json").json["kept"]["snapshots"])


def make_released(repo: Repo) -> None:
    """Four releases, of which the settings keep none but the last."""
    make_published(repo)
    settings(repo, keep_promotions=1, keep_history="0s")
    for number in (1, 2, 3):
        release(repo, number)


@pytest.fixture
def released(copy_of: Templates) -> Repo:
    return copy_of("released", make_released)


def test_a_branch_with_another_project_file_deletes_nothing_that_production_s_keeps(
    released: Repo,
) -> None:
    settings(released, keep_promotions=10, keep_history="0s")
    released.seeknal("run")
    history = [
        each["id"] for each in released.seeknal("log", "--json", "-n", "0").json["publications"]
    ]
    for values in (
        {"keep_promotions": 1, "keep_history": "0s"},
        {"production_branch": "trunk", "keep_promotions": 1},
    ):
        released.switch("careless", create=True)
        edited_settings(released, **values)
        for message in ("As it is", "As it is committed"):
            refused = released.seeknal("gc", "--yes", code=1).err
            assert refused.startswith("error: seeknal_project.yml:2: This branch sets "), message
            released.commit("Another project file")
        released.git("switch", "--quiet", "main")
        released.git("branch", "--quiet", "-D", "careless")
    released.seeknal("rollback", str(history[-2]))


def test_a_list_deletes_nothing(released: Repo) -> None:
    before = released.snapshots()
    said = released.seeknal("gc").out
    assert "Would delete:\n  snapshot daily__" in said
    assert "  2 rows\n" in said
    assert said.endswith(
        "3 snapshots to delete. Nothing was deleted; this does it: seeknal gc --yes\n"
    )
    assert released.snapshots() == before
    done = released.seeknal("gc", "--yes").out
    assert done.replace("Deleted:", "Would delete:").startswith(said.partition("3 snapshots to")[0])
    assert done.endswith("3 snapshots deleted.\n")
    assert released.seeknal("gc").out.endswith("There is nothing to delete.\n")


def test_there_is_nothing_to_delete_where_nothing_was_built(shop: Repo) -> None:
    for arguments in ([], ["--yes"]):
        assert shop.seeknal("gc", *arguments).out == "There is nothing to delete.\n"
        assert shop.seeknal("env", "prune", *arguments).out == "There is nothing to delete.\n"
    assert not shop.warehouse.exists()


def test_what_production_and_an_environment_show_is_kept(released: Repo) -> None:
    released.switch("dev", create=True)
    released.replace(DAILY, "sum(amount)", "max(amount)")
    released.seeknal("run")
    before = released.production(), released.views("dev")
    assert collected(released) == ["transform.daily"] * 3
    assert kept(released) == {"production": 5, "environment": 1}
    assert (released.production(), released.views("dev")) == before
    assert released.built() == []


def test_an_environment_that_goes_takes_its_tables_along(released: Repo) -> None:
    released.switch("dev", create=True)
    released.replace(DAILY, "sum(amount)", "max(amount)")
    released.seeknal("run")
    released.git("switch", "--quiet", "--force", "main")
    released.git("branch", "--quiet", "-D", "dev")
    released.tamper(f"UPDATE _seeknal.environments SET used_at = '{ago(8)}'")
    before = released.production()
    assert [each["branch"] for each in released.seeknal("gc", "--json").json["environments"]] == [
        "dev"
    ]
    assert collected(released) == ["transform.daily"] * 4
    assert released.views("dev") == {}
    assert released.production() == before


@pytest.mark.parametrize(
    ("values", "left"),
    [
        pytest.param({"keep_promotions": 1, "keep_history": "0s"}, 1, id="no history"),
        pytest.param(
            {"keep_promotions": 0, "keep_history": "0s"}, 1, id="never less than what is shown"
        ),
        pytest.param({"keep_promotions": 2, "keep_history": "0s"}, 2, id="a number"),
        pytest.param(
            {"keep_promotions": 9, "keep_history": "0s"},
            4,
            id="a number that is more than there are",
        ),
        pytest.param(
            {"keep_promotions": 1, "keep_history": "25d"},
            3,
            id="an age: also what was replaced since",
        ),
        pytest.param(
            {"keep_promotions": 3, "keep_history": "5d"}, 3, id="a number where that is more"
        ),
        pytest.param(
            {"keep_promotions": 2, "keep_history": "999999w"}, 4, id="an age beyond all time"
        ),
        pytest.param({}, 4, id="unless said otherwise"),
    ],
)
def test_the_history_of_production_is_kept_by_number_or_age(
    released: Repo, values: dict[str, Any], left: int
) -> None:
    for number in range(1, 5):
        released.tamper(
            f"UPDATE _seeknal.publications SET published_at = '{ago(10 * (5 - number))}' WHERE id = {number}"
        )
    settings(released, **values)
    collected(released)
    assert sum(node == "transform.daily" for node, _ in released.snapshots()) == left


def test_a_clock_that_was_wrong_lets_no_history_go_early(released: Repo) -> None:
    settings(released, keep_promotions=1, keep_history="1s")
    released.tamper(f"UPDATE _seeknal.publications SET published_at = '{ago(-100)}' WHERE id = 2")
    assert collected(released) == [], (
        "production showed the first until the second came, which is still to come"
    )


def test_a_clock_that_was_slow_lets_no_history_go_early(released: Repo) -> None:
    settings(released, keep_promotions=1, keep_history="30d")
    released.tamper(f"UPDATE _seeknal.publications SET published_at = '{ago(20_000)}' WHERE id = 2")
    assert collected(released) == [], (
        "the first was published today, so it was not replaced long ago"
    )


def test_a_publication_that_is_kept_is_kept_as_a_whole(released: Repo) -> None:
    """The last but one re-pointed nothing but a customer's total: what it showed of the days is of
    an earlier one."""
    released.replace("seeknal/transforms/by_customer.yml", "sum(o.amount)", "max(o.amount)")
    released.write(DAILY, released.read(DAILY).replace("sum(amount)", "sum(amount) + 3"))
    released.commit()
    released.seeknal("run")
    shown = released.production()
    release(released, 4)
    settings(released, keep_promotions=2, keep_history="0s")
    assert collected(released) == ["transform.by_customer"] + ["transform.daily"] * 3
    (name,) = {table for node, table in released.snapshots() if node == "transform.daily"} - {
        table
        for (table,) in released.numbers(
            "SELECT table_name FROM _seeknal.publication_nodes "
            "WHERE publication_id = (SELECT max(id) FROM _seeknal.publications)"
        )
    }
    assert sorted(released.numbers(f'FROM _snapshots."{name}"'), key=repr) == shown["daily"][1]


def test_a_view_of_somebody_s_own_keeps_what_it_reads(released: Repo) -> None:
    daily = sorted(table for node, table in released.snapshots() if node == "transform.daily")
    shown = released.numbers(
        "SELECT sql FROM duckdb_views() WHERE schema_name = 'main' AND view_name = 'daily'"
    )[0][0]
    old = next(table for table in daily if table not in shown)
    released.tamper(
        f'CREATE SCHEMA mine; CREATE VIEW mine.old AS SELECT * FROM _SNAPSHOTS."{old.upper()}"'
    )
    before = released.views("mine")
    assert collected(released) == ["transform.daily"] * 2
    assert released.views("mine") == before


def test_a_table_that_is_not_ours_is_kept(released: Repo) -> None:
    released.tamper("CREATE TABLE _snapshots.mine AS SELECT 1 AS one")
    assert collected(released) == ["transform.daily"] * 3
    assert released.numbers("FROM _snapshots.mine") == [(1,)]


# What is not published, and still needed


RAW = """
kind: source
name: visits
source: csv
table: raw/visits.csv
"""


@pytest.fixture
def visits(released: Repo) -> Repo:
    """On the branch dev, which alone reads raw data that git does not track: a load, and a newer
    one."""
    released.commit()
    released.switch("dev", create=True)
    released.write("seeknal/sources/visits.yml", RAW)
    released.write("raw/visits.csv", "n\n1\n")
    released.seeknal("run")
    return released


def test_loads_of_a_source_that_nobody_has_any_more_go(visits: Repo) -> None:
    visits.write("raw/visits.csv", "n\n2\n")
    visits.seeknal("run", "--refresh")
    assert "source.visits" in collected(visits), "the older of two"
    visits.seeknal("env", "delete", "dev")
    assert "source.visits" in collected(visits)


def test_what_a_run_that_failed_has_finished_is_kept_until_one_succeeds(released: Repo) -> None:
    collected(released)
    released.replace("seeknal/transforms/by_customer.yml", "sum(o.amount)", "max(o.amount)")
    released.replace(DAILY, "SELECT day", "SELECT error('no such day') AS never, day")
    released.seeknal("run", "--continue-on-error", code=1)
    released.seeknal("run", "--continue-on-error", code=1)
    assert collected(released) == []
    assert kept(released)["unfinished run"] == 1
    released.git("restore", DAILY)
    assert "transform.by_customer" not in released.built()
    released.git("restore", ".")
    released.seeknal("run")
    settings(released, keep_promotions=1, keep_history="0s")
    assert "transform.by_customer" in collected(released)


def test_an_environment_that_was_deleted_keeps_no_table_that_is_built_later(
    released: Repo,
) -> None:
    collected(released)
    released.switch("dev", create=True)
    released.seeknal("run")
    released.switch("main")
    released.seeknal("env", "delete", "dev")
    for number in (5, 6):
        release(released, number)
    assert "transform.daily" in collected(released)
    assert "unfinished run" not in kept(released)


def test_what_a_run_that_failed_has_finished_is_kept_when_the_clock_went_back_during_it(
    released: Repo,
) -> None:
    released.replace("seeknal/transforms/by_customer.yml", "sum(o.amount)", "max(o.amount)")
    released.replace(DAILY, "SELECT day", "SELECT error('no such day') AS never, day")
    released.seeknal("run", "--continue-on-error", code=1)
    released.tamper(
        f"UPDATE _seeknal.runs SET ended_at = '{ago(1)}' WHERE status = 'failed'; "
        f"UPDATE _seeknal.snapshots SET built_at = '{ago(1)}' WHERE rowid = (SELECT max(rowid) FROM _seeknal.snapshots)"
    )
    assert "transform.by_customer" not in collected(released)


def test_an_environment_s_time_to_live_does_not_begin_before_it_was_last_used(
    released: Repo,
) -> None:
    """Used today, then with a clock that was slow for a while."""
    released.switch("dev", create=True)
    released.seeknal("run")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("seeknal_git.warehouse.model.clock.datetime", SlowClock)
        released.seeknal("run")
        log = released.seeknal("log", "--env", "dev", "--json").json
        released.seeknal("status")
        released.seeknal("env", "list")
    assert log
    released.switch("main")
    released.git("branch", "--quiet", "-D", "dev")
    assert released.seeknal("env", "prune", "--json").json["environments"] == []


class SlowClock:
    @staticmethod
    def now(tz: tzinfo) -> datetime:
        return datetime.now(tz) - timedelta(days=90)


def test_what_a_branch_built_in_a_first_run_that_failed_is_kept_for_its_time_to_live(
    released: Repo,
) -> None:
    collected(released)
    released.switch("dev", create=True)
    released.write(
        "seeknal/transforms/big.yml", "kind: transform\nname: big\ntransform: SELECT 1 AS n\n"
    )
    released.seeknal("run")
    released.tamper(
        "DELETE FROM _seeknal.publication_nodes WHERE schema_name = 'dev'; DELETE FROM _seeknal.environments "
        "WHERE branch = 'dev'; UPDATE _seeknal.runs SET status = 'running' WHERE schema_name = 'dev'"
    )
    released.tamper(
        "DROP VIEW dev.big; DROP VIEW dev.daily; CREATE OR REPLACE VIEW dev.orders AS SELECT 1 AS one"
    )
    assert "transform.big" not in collected(released)
    released.tamper(f"UPDATE _seeknal.runs SET started_at = '{ago(8)}' WHERE schema_name = 'dev'")
    assert "transform.big" in collected(released)


# Files


def old(path: Path) -> Path:
    os.utime(path, (time.time() - 10_000_000,) * 2)
    return path


@lakes.of_a_file
def test_files_that_a_killed_process_left_go(published: Repo) -> None:
    published.switch("dev", create=True)
    published.replace("seeknal/transforms/by_customer.yml", "sum(o.amount)", "max(o.amount)")
    published.seeknal("run")
    (published.path / "exports/by_customer.csv").unlink()
    published.seeknal("promote")
    made = dict.fromkeys(
        (
            "exports/.by_customer.csv.partial",
            "exports/.by_customer.csv.old",
            "target/exposures/dev/exports/.by_customer.csv.partial",
            "target/exposures/gone/exports/.other.csv.partial",
            ".git/seeknal/.warehouse.duckdb.123.partial",
            f".git/seeknal/{SPILLED}/duckdb_temp_storage_DEFAULT-0.tmp",
            ".git/seeknal/warehouse.duckdb.tmp/duckdb_temp_storage_DEFAULT-0.tmp",
            ".git/seeknal/outside/123-ab/rows.parquet",
            ".git/seeknal/blobs/abc/orders.csv",
            ".git/seeknal/cache.sqlite",
            ".git/seeknal/plans/gone.json",
        ),
        "half",
    )
    made[".git/seeknal/plans/gone.json"] = '{"branch": "gone", "nodes": {}}'
    stays = dict.fromkeys(
        ("exports/.other.csv.partial", "exports/notes.old", ".git/seeknal/.warehouse.partial"),
        "mine",
    )
    stays[".git/seeknal/plans/dev.json"] = '{"branch": "dev", "nodes": {}}'
    for name, text in (made | stays).items():
        published.write(name, text)
        old(published.path / name)
    for folder in ("blobs/abc", "warehouse.duckdb.tmp", "outside/123-ab"):
        old(published.path / ".git/seeknal" / folder)
    listed = published.seeknal("gc", "--json").json["files"]
    assert {str(Path(each).relative_to(published.path)) for each in listed} == {
        name.removesuffix("/orders.csv")
        .removesuffix("/duckdb_temp_storage_DEFAULT-0.tmp")
        .removesuffix("/rows.parquet")
        for name in made
    }
    assert all((published.path / name).exists() for name in made)
    published.seeknal("gc", "--yes")
    assert not any((published.path / name).exists() for name in made)
    assert all((published.path / name).exists() for name in stays)
    assert (published.path / "exports/by_customer.csv").exists()
    assert published.seeknal("gc", "--json").json["files"] == []


def test_files_that_may_be_in_use_stay(published: Repo) -> None:
    for name in (".git/seeknal/blobs/abc/orders.csv", ".git/seeknal/.warehouse.duckdb.123.partial"):
        published.write(name, "half")
    published.write(".git/seeknal/plans/gone.json", '{"branch": "gone", "nodes": {}}')
    published.write(".git/seeknal/plans/broken.json", "[")
    old(published.path / ".git/seeknal/plans/broken.json")
    published.write("target/exposures/dev/.folder.old", "all that there is, between two renames")
    published.write("target/exposures/dev/.folder.partial", "the new one")
    assert published.seeknal("gc", "--json").json["files"] == []


def test_a_link_leads_gc_nowhere_else(published: Repo, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    precious = tmp_path / "elsewhere/.data.csv.partial"
    precious.write_text("precious")
    (published.path / "target/exposures").symlink_to(tmp_path / "elsewhere")
    (published.path / "exports/.by_customer.csv.old").symlink_to(tmp_path / "elsewhere")
    published.seeknal("gc", "--yes")
    assert precious.read_text() == "precious"


def test_the_saved_plan_of_an_environment_goes_with_it(published: Repo) -> None:
    published.seeknal("plan", "dev")
    published.seeknal("run")
    published.seeknal("plan", "dev")
    published.switch("main")
    published.git("branch", "--quiet", "-D", "dev")
    published.tamper(f"UPDATE _seeknal.environments SET used_at = '{ago(8)}'")
    published.seeknal("env", "prune", "--yes")
    assert list((published.path / ".git/seeknal/plans").iterdir()) == []


# Killed, or late


def test_a_list_that_is_old_decides_nothing(released: Repo) -> None:
    listed = {each["table"] for each in released.seeknal("gc", "--json").json["snapshots"]}
    released.write(DAILY, released.read(DAILY).replace("sum(amount)", "sum(amount) + 1"))
    assert released.built() == [], "production goes back to a table of the list"
    done = {each["table"] for each in released.seeknal("gc", "--yes", "--json").json["snapshots"]}
    assert len(listed - done) == 1
    assert released.numbers("SELECT count(*) FROM daily") == [(2,)]


CROWD = 100


@pytest.fixture
def crowded(copy_of: Templates) -> Repo:
    def make(repo: Repo) -> None:
        make_released(repo)
        repo.switch("dev", create=True)
        for number in range(CROWD):
            text = f"kind: transform\nname: n{number}\ntransform: SELECT {number} AS n\n"
            repo.write(f"seeknal/transforms/n{number}.yml", text)
        repo.seeknal("run")
        for name in ("a", "b", "c"):
            repo.switch(name, create=True)
            repo.seeknal("run")
        repo.git("stash", "--quiet", "--include-untracked")
        repo.switch("main")
        repo.git("branch", "--quiet", "-D", "dev", "a", "b")
        repo.tamper(f"UPDATE _seeknal.environments SET used_at = '{ago(8)}'")

    return copy_of("crowded", make)


@lakes.of_a_file
def test_killed_at_any_instant_it_leaves_all_that_lives(crowded: Repo) -> None:
    live = {schema: crowded.views(schema) for schema in ("main", "c")}
    wal = crowded.warehouse.with_name("warehouse.duckdb.wal")
    states = []
    for delay in range(20):
        process = subprocess.Popen(
            crowded.command("gc", "--yes"),
            cwd=crowded.path,
            start_new_session=True,
            stdout=subprocess.DEVNULL,
        )
        kill_after_a_write(process, wal, delay / 200)
        assert {schema: crowded.views(schema) for schema in live} == live
        for schema in ("dev", "a", "b"):
            assert len(crowded.views(schema)) in (0, len(live["c"])), (
                "an environment is there as a whole, or gone"
            )
        states.append((len(crowded.environments()), len(crowded.snapshots())))
        if process.returncode == 0:
            break
    assert states[-1] == (2, 5 + 1 + CROWD), states
    assert len(set(states)) > 1, "the kills came too early or too late to tell anything"
    assert collected(crowded) == []


def kill_after_a_write(process: subprocess.Popen[bytes], wal: Path, delay: float) -> None:
    def size() -> int:
        return wal.stat().st_size if wal.exists() else 0

    before = size()
    while process.poll() is None and size() <= before:
        time.sleep(0.001)
    time.sleep(delay)
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
