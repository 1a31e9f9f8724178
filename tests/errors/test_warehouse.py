"""Warehouses that are held, damaged, of another kind, or full."""

from __future__ import annotations

import os
import resource
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from seeknal_git.warehouse.engine_errors import translated
from tests.conftest import Repo
from tests.errors.conftest import refusal, transform

READING = (["query", "FROM daily"], ["env", "list"], ["run", "--dry-run"], ["promote", "--dry-run"])
WRITING = (["run"], ["promote"], ["gc"])


@pytest.mark.parametrize("command", [*READING, *WRITING], ids=" ".join)
def test_a_warehouse_that_is_held_is_said_with_the_process(
    published: Repo, command: list[str]
) -> None:
    with published.held() as pid:
        said = refusal(published.seeknal(*command, code=1))
        assert said == (
            f"error: The warehouse {published.warehouse} is held by process {pid}.\n"
            "  Wait for it to end, or try again with --lock-timeout SECONDS.\n"
        )
        published.seeknal("validate")
        published.seeknal("plan")
        published.seeknal("status")
    published.seeknal(*command)


def test_lock_timeout_goes_on_as_soon_as_it_can(
    published: Repo, waited: Callable[[], float]
) -> None:
    script = "import duckdb, sys; held = duckdb.connect(sys.argv[1]); print('held', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", script, str(published.warehouse)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdin
        assert other.stdout
        assert other.stdout.readline() == "held\n"
        held = other.stdin

        def end_once_it_waits() -> None:
            while not waited():
                threading.Event().wait(0.01)
            held.close()

        threading.Thread(target=end_once_it_waits, daemon=True).start()
        published.seeknal("run", "--lock-timeout", "60")
        assert 0 < waited() < 30


def spoil(repo: Repo, what: str) -> None:
    repo.warehouse.unlink(missing_ok=True)
    if what == "a folder":
        repo.warehouse.mkdir()
    elif what == "a file of SQLite":
        with sqlite3.connect(repo.warehouse) as connection:
            connection.execute("CREATE TABLE orders (id)")
        connection.close()
    elif what == "a text":
        repo.warehouse.write_text("no database\n" * 1_000)
    else:
        repo.warehouse.touch()


@pytest.mark.parametrize("what", ["a folder", "a file of SQLite", "a text", "nothing"])
def test_what_is_no_database_is_refused_and_left_alone(published: Repo, what: str) -> None:
    spoil(published, what)
    before = published.warehouse.is_file() and published.warehouse.read_bytes()
    started = time.monotonic()
    for command in (*READING, *WRITING):
        said = refusal(published.seeknal(*command, code=1))
        assert said.startswith(
            f"error: The warehouse {published.warehouse} cannot be used: IO Error: "
        )
        assert said.endswith(
            "\n  If the file is damaged, move it away: seeknal run builds it again.\n"
        )
    assert time.monotonic() - started < 10, "it asked the network for an extension"
    published.seeknal("plan")
    assert "cannot be used" in published.seeknal("status").out
    assert "cannot be used" in published.seeknal("doctor", code=1).out
    assert (published.warehouse.is_file() and published.warehouse.read_bytes()) == before
    published.warehouse.rename(published.warehouse.with_name("moved"))
    assert len(published.run()["built"]) == 5


def of_warehouse(repo: Repo) -> dict[Path, bytes]:
    """The warehouse, and the files that the engine keeps beside it."""
    return {
        path: path.read_bytes() for path in repo.warehouse.parent.glob(f"{repo.warehouse.name}*")
    }


def refused_by_all(repo: Repo, start: str, end: str) -> None:
    """One message and what to do, from every command that needs the warehouse; and not a byte of it
    is changed."""
    before = of_warehouse(repo)
    for command in (["query", "FROM daily"], ["run"], ["promote"], ["rollback"], ["gc", "--yes"]):
        said = refusal(repo.seeknal(*command, code=1))
        assert said.startswith(f"error: {start}"), said
        assert said.endswith(f"\n  {end}\n"), said
    assert start in repo.seeknal("status").out
    repo.seeknal("plan")
    assert of_warehouse(repo) == before


MOVE_AWAY = "If the file is damaged, move it away: seeknal run builds it again."


@pytest.mark.parametrize("length", [1, 11, 100, 4_096, 12_288, 20_000])
def test_a_warehouse_that_was_truncated_is_refused_and_left_alone(
    published: Repo, length: int
) -> None:
    published.warehouse.write_bytes(published.warehouse.read_bytes()[:length])
    refused_by_all(published, f"The warehouse {published.warehouse} cannot be used: ", MOVE_AWAY)


@pytest.mark.parametrize("at", [9, 40, 4_100, 8_200, 12_300])
def test_a_warehouse_with_a_byte_that_flipped_is_refused_or_whole(published: Repo, at: int) -> None:
    """Of the two headers at 4,096 and 8,192 the engine uses one: damage to the other does not
    matter."""
    before, content = published.production(), bytearray(published.warehouse.read_bytes())
    content[at] ^= 0x10
    published.warehouse.write_bytes(content)
    if published.seeknal("run", code=None).code:
        refused_by_all(
            published, f"The warehouse {published.warehouse} cannot be used: ", MOVE_AWAY
        )
    else:
        assert published.production() == before


def test_a_table_that_cannot_be_read_is_no_mistake_in_a_query(published: Repo) -> None:
    published.write("seeknal/transforms/big.yml", transform(BIG, "big", before=""))
    published.seeknal("run")
    published.warehouse.write_bytes(published.warehouse.read_bytes()[:-6_000_000])
    said = refusal(published.seeknal("query", "SELECT sum(a) FROM big", code=1))
    assert said.startswith(f"error: The warehouse {published.warehouse} cannot be used: ")
    assert said.endswith(f"\n  {MOVE_AWAY}\n")


@pytest.mark.parametrize("version", [1, 2_000], ids=["older", "newer"])
def test_a_warehouse_of_another_version_is_refused_and_left_alone(
    published: Repo, version: int
) -> None:
    """A header that is right in all but its version: words of eight bytes, after the checksum of
    them."""
    content = bytearray(published.warehouse.read_bytes())
    content[12:20] = version.to_bytes(8, "little")
    checksum = 5381
    for at in range(8, 4096, 8):
        checksum ^= (
            int.from_bytes(content[at : at + 8], "little") * 0xBF58476D1CE4E5B9 & (1 << 64) - 1
        )
    content[:8] = checksum.to_bytes(8, "little")
    published.warehouse.write_bytes(content)
    refused_by_all(
        published,
        f"Another version of DuckDB wrote the warehouse {published.warehouse}",
        "Install the DuckDB that wrote it, or move the file away: seeknal run builds it again.",
    )


def log_left_behind(repo: Repo) -> Path:
    """The log of a process that was killed, with a table in it."""
    script = (
        "import duckdb, os, sys; connection = duckdb.connect(sys.argv[1])\n"
        "connection.execute('CREATE TABLE main.mine AS SELECT 1 AS one'); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", script, str(repo.warehouse)], check=False)
    log = Path(f"{repo.warehouse}.wal")
    assert log.stat().st_size > 0
    return log


def test_the_log_of_a_process_that_was_killed_is_part_of_the_warehouse(published: Repo) -> None:
    log_left_behind(published)
    published.seeknal("status")
    assert published.seeknal("query", "FROM mine", "--json").json == [{"one": 1}]
    published.seeknal("run")
    assert published.numbers("FROM mine") == [(1,)]


@pytest.mark.parametrize(
    "left", [None, b"", b"rubbish", -5], ids=["deleted", "emptied", "rubbish", "cut off"]
)
def test_without_its_log_a_warehouse_is_what_it_was_before(
    published: Repo, left: bytes | int | None
) -> None:
    log, before = log_left_behind(published), published.seeknal("query", "FROM daily").out
    if left is None:
        log.unlink()
    else:
        log.write_bytes(left if isinstance(left, bytes) else log.read_bytes()[:left])
    assert published.seeknal("query", "FROM daily").out == before
    assert published.built() == []
    assert published.numbers("SELECT count(*) FROM duckdb_tables() WHERE table_name = 'mine'") == [
        (0,)
    ]


def test_the_log_of_a_warehouse_that_is_gone_is_not_made_one_of_another(published: Repo) -> None:
    log = log_left_behind(published)
    kept = published.warehouse.rename(published.warehouse.with_name("kept"))
    assert "is gone" in published.seeknal("status").out
    for command in (["run"], ["promote"]):
        said = refusal(published.seeknal(*command, code=1))
        assert said == (
            f"error: The warehouse {published.warehouse} is gone, and warehouse.duckdb.wal, which a process that was "
            f"killed left, is still there.\n  Put the warehouse back where it was, or move {log} away, then run again.\n"
        )
    assert not published.warehouse.exists()
    kept.rename(published.warehouse)
    published.seeknal("run")
    assert published.numbers("FROM mine") == [(1,)]


def test_the_log_of_another_warehouse_is_refused_and_left_alone(published: Repo) -> None:
    log = log_left_behind(published)
    content = log.read_bytes()
    published.seeknal("run")
    log.write_bytes(content)
    refused_by_all(
        published,
        f"The warehouse {published.warehouse} and its log {log} do not belong together: ",
        f"Put back the file that it belongs to, or move {log} away, then run the same command again.",
    )
    log.unlink()
    published.seeknal("run")


def test_a_warehouse_that_is_gone_is_said_to_be_and_built_again(published: Repo) -> None:
    before = published.production()
    published.warehouse.unlink()
    assert (
        ".git/seeknal/warehouse.duckdb is gone: seeknal run builds it again"
        in published.seeknal("status").out
    )
    assert "5 tables to build" in published.seeknal("plan").out
    published.seeknal("promote")
    assert published.production() == before


def set_warehouse(repo: Repo, place: str) -> None:
    repo.write("seeknal_project.yml", f"name: shop\nwarehouse: {place}\n")
    repo.git(
        "commit",
        "--quiet",
        "--no-verify",
        "-m",
        "Put the warehouse elsewhere",
        "--",
        "seeknal_project.yml",
    )


def test_a_file_where_the_folder_should_be(shop: Repo) -> None:
    shop.write("target", "a file")
    set_warehouse(shop, "target/warehouse.duckdb")
    said = refusal(shop.seeknal("run", code=1))
    assert said == (
        f"error: The folder of the warehouse cannot be created: File exists: {shop.path / 'target'}.\n"
        "  Move away what is in its place, or set another `warehouse` in seeknal_project.yml.\n"
    )


def test_a_warehouse_may_have_any_name(shop: Repo) -> None:
    set_warehouse(shop, """"target/o'r \\"d\\"; é.db\"""")
    shop.seeknal("run")
    assert (shop.path / "target" / """o'r "d"; é.db""").is_file()
    assert shop.seeknal("query", "SELECT sum(total) AS s FROM daily", "--json").json == [{"s": 100}]


BIG = (
    "SELECT i AS id, hash(i) AS a, hash(i + 1) AS b, hash(i + 2) AS c FROM range(1_000_000) AS t(i)"
)


def run_with_little_room(repo: Repo, size: int) -> subprocess.CompletedProcess[str]:
    """A run whose files may not grow beyond a size: to the engine, a disk that is full.

    Python writes no bytecode, as it would keep the part of a file that has room and stumble over
    that in the next test.
    """
    return subprocess.run(
        repo.command("run"),
        cwd=repo.path,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size)),
    )


@pytest.mark.parametrize(
    "size",
    [pytest.param(3_000_000, id="while it writes"), pytest.param(20_000_000, id="at the end")],
)
def test_a_full_disk_leaves_production_alone_and_the_next_run_completes(
    published: Repo, size: int
) -> None:
    before = published.production()
    published.write("seeknal/transforms/big.yml", transform(BIG, "big", before=""))
    published.replace("seeknal/transforms/daily.yml", "amount", "amount * 2")
    published.commit()
    done = run_with_little_room(published, size)
    assert done.returncode == 1
    assert "failed: transform.big: " in done.stdout
    assert "File too large" in done.stdout
    assert "Traceback" not in done.stderr
    assert published.production() == before
    assert "transform.big" in published.built()
    assert published.numbers("SELECT count(*) FROM main.big") == [(1_000_000,)]
    assert published.numbers("SELECT sum(total) FROM main.daily") == [(200,)]


def test_a_disk_that_is_full_from_the_start_leaves_no_half_warehouse(shop: Repo) -> None:
    done = run_with_little_room(shop, 1_000)
    assert done.returncode == 1
    assert "File too large" in done.stderr
    assert done.stderr.endswith("Free some space, then run the same command again.\n")
    assert list((shop.path / ".git/seeknal").glob("*warehouse*")) == []
    shop.seeknal("run")


def test_a_warehouse_of_a_newer_duckdb_says_so() -> None:
    """The words of DuckDB 1.5.5 over a file of 2.0."""
    words = (
        "IO Error: Trying to read a database file with version number 999, but we can only read versions between 64 and "
        "68.\nThe database file was created with an newer version of DuckDB."
    )
    said = translated(duckdb.IOException(words), Path("w.duckdb"))
    assert said.message.startswith(
        "Another version of DuckDB wrote the warehouse w.duckdb, and this one"
    )
    assert (
        said.hint
        == "Install the DuckDB that wrote it, or move the file away: seeknal run builds it again."
    )


SOMEBODYS = {
    "a table": "DROP VIEW main.daily; CREATE TABLE main.daily AS SELECT 'mine' AS whose",
    "a view": "DROP VIEW main.daily; CREATE VIEW main.daily AS SELECT 'mine' AS whose",
    "our view, replaced": "CREATE OR REPLACE VIEW main.daily AS SELECT 'mine' AS whose FROM main.orders LIMIT 1",
    "another case": "DROP VIEW main.daily; CREATE VIEW main.DAILY AS SELECT 'mine' AS whose",
}


@pytest.mark.parametrize("made", SOMEBODYS.values(), ids=SOMEBODYS)
def test_something_else_in_a_views_place_is_kept(published: Repo, made: str) -> None:
    published.tamper(made)
    published.replace("seeknal/transforms/daily.yml", "sum(amount)", "max(amount)")
    published.commit()
    snapshots = published.snapshots()
    for command in ("run", "promote"):
        said = refusal(published.seeknal(command, code=1))
        assert "Something else is in a view's place: the " in said
        assert "Rename or drop it" in said
        assert published.numbers("FROM main.daily") == [("mine",)]
    assert published.snapshots() == snapshots, "it is said before anything is built"
    published.git("rm", "--quiet", "seeknal/transforms/daily.yml")
    published.commit("No days")
    published.seeknal("promote")
    assert published.numbers("FROM main.daily") == [("mine",)], "nor is it dropped with the node"


@pytest.mark.parametrize(
    "text",
    ["SELECT 42 AS n", "SELECT n FROM _snapshots.{table}", "SELECT * FROM _snapshots.{table} t"],
)
def test_a_view_that_somebody_made_is_not_taken_for_a_new_nodes(published: Repo, text: str) -> None:
    table = published.numbers(
        "SELECT table_name FROM _seeknal.snapshots WHERE node = 'transform.daily'"
    )[0][0]
    text = text.format(table=table).replace("SELECT n", "SELECT total")
    published.tamper(f"CREATE VIEW main.Weekly AS {text}")
    before = published.production()
    published.write(
        "seeknal/transforms/weekly.yml", "kind: transform\nname: weekly\ntransform: SELECT 1 AS n\n"
    )
    published.commit("Weekly")
    assert "the view main.Weekly" in refusal(published.seeknal("promote", code=1))
    assert published.production() == before
    published.tamper("DROP VIEW main.weekly")
    published.seeknal("promote")
    assert published.numbers("FROM main.weekly") == [(1,)]


def test_an_environment_goes_without_what_somebody_made_of_its_views(published: Repo) -> None:
    published.switch("dev", create=True)
    published.replace("seeknal/transforms/daily.yml", "sum(amount)", "max(amount)")
    published.commit()
    published.seeknal("run")
    table = published.numbers(
        "SELECT table_name FROM _seeknal.publication_nodes WHERE schema_name = 'dev' AND node = "
        "'transform.daily'"
    )[0][0]
    published.tamper(
        f"CREATE OR REPLACE VIEW dev.daily AS SELECT max(total) AS mine FROM _snapshots.{table}"
    )
    published.switch("main")
    published.git("branch", "--quiet", "-D", "dev")
    published.seeknal("env", "delete", "dev")
    published.seeknal("gc", "--yes")
    assert published.numbers("FROM dev.daily") == [(40,)]
    assert published.views("dev").keys() == {"daily"}


@pytest.mark.parametrize("select", ["SELECT 1 AS n", "SELECT random() AS n"])
def test_a_failing_node_undoes_nothing_that_was_built_before_it(
    published: Repo, select: str
) -> None:
    before = published.snapshots()
    for name, sql in {"a": select, "a_twin": select, "b": "SELECT error('no') AS n"}.items():
        published.write(f"seeknal/transforms/{name}.yml", transform(sql, name, before=""))
    published.commit()
    assert "transform.b" in published.seeknal("run", "--no-parallel", code=1).err
    assert "transform.a" in published.new_snapshots(before)
    published.write("seeknal/transforms/b.yml", transform("SELECT 1 AS m", "b", before=""))
    published.commit()
    assert published.built() == ["transform.b"]
