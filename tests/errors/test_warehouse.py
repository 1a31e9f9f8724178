"""Warehouses that are held, damaged, of another kind, or full."""

from __future__ import annotations

import resource
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import duckdb
import pytest

from seeknal_git.warehouse.connection import translated
from tests.conftest import Repo
from tests.errors.conftest import refusal, transform

READING = (["query", "FROM daily"], ["env", "list"], ["run", "--dry-run"], ["promote", "--dry-run"])
WRITING = (["run"], ["promote"], ["gc"])


@pytest.mark.parametrize("command", [*READING, *WRITING], ids=" ".join)
def test_a_warehouse_that_is_held_is_said_with_the_process(published: Repo, command: list[str]) -> None:
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


def test_lock_timeout_waits_and_no_longer(published: Repo) -> None:
    with published.held() as pid:
        started = time.monotonic()
        assert f"process {pid}" in refusal(published.seeknal("run", "--lock-timeout", "0.5", code=1))
        assert 0.5 <= time.monotonic() - started < 5


def test_lock_timeout_goes_on_as_soon_as_it_can(published: Repo) -> None:
    script = "import duckdb, sys; held = duckdb.connect(sys.argv[1]); print('held', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", script, str(published.warehouse)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdin
        assert other.stdout
        assert other.stdout.readline() == "held\n"
        threading.Timer(0.4, other.stdin.close).start()
        started = time.monotonic()
        published.seeknal("run", "--lock-timeout", "60")
        assert 0.3 < time.monotonic() - started < 30


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
        assert said.startswith(f"error: The warehouse {published.warehouse} cannot be used: IO Error: ")
        assert said.endswith("\n  If the file is damaged, move it away: seeknal run builds it again.\n")
    assert time.monotonic() - started < 10, "it asked the network for an extension"
    published.seeknal("plan")
    assert "cannot be used" in published.seeknal("status").out
    assert "cannot be used" in published.seeknal("doctor", code=1).out
    assert (published.warehouse.is_file() and published.warehouse.read_bytes()) == before
    published.warehouse.rename(published.warehouse.with_name("moved"))
    assert len(published.run()["built"]) == 5


def test_a_file_where_the_folder_should_be(shop: Repo) -> None:
    shop.write("target", "a file")
    said = refusal(shop.seeknal("run", code=1))
    assert said == (
        f"error: The warehouse {shop.warehouse} cannot be created: File exists: {shop.path / 'target'}.\n"
        "  Move away what is in its place, or set another `warehouse` in seeknal_project.yml.\n"
    )


def test_a_warehouse_may_have_any_name(shop: Repo) -> None:
    shop.write("seeknal_project.yml", """name: shop\nwarehouse: "target/o'r \\"d\\"; é.db"\n""")
    shop.seeknal("run")
    assert shop.seeknal("query", "SELECT sum(total) AS s FROM daily", "--json").json == [{"s": 100}]


BIG = "SELECT i AS id, hash(i) AS a, hash(i + 1) AS b, hash(i + 2) AS c FROM range(1_000_000) AS t(i)"


def run_with_little_room(repo: Repo, size: int) -> subprocess.CompletedProcess[str]:
    """A run whose files may not grow beyond a size: to the engine, a disk that is full."""
    return subprocess.run(
        repo.command("run"), cwd=repo.path, capture_output=True, text=True, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size)),
    )  # fmt: skip


@pytest.mark.parametrize(
    "size", [pytest.param(3_000_000, id="while it writes"), pytest.param(20_000_000, id="at the end")]
)
def test_a_full_disk_leaves_production_alone_and_the_next_run_completes(published: Repo, size: int) -> None:
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
    assert list((shop.path / "target").iterdir()) == []
    shop.seeknal("run")


def test_a_warehouse_of_a_newer_duckdb_says_so() -> None:
    """The words of DuckDB 1.5.5 over a file of 2.0."""
    words = (
        "IO Error: Trying to read a database file with version number 999, but we can only read versions between 64 and "
        "68.\nThe database file was created with an newer version of DuckDB."
    )
    said = translated(duckdb.IOException(words), Path("w.duckdb"))
    assert said.message.startswith("Another version of DuckDB wrote the warehouse w.duckdb, and this one")
    assert said.hint == "Install the DuckDB that wrote it, or move the file away: seeknal run builds it again."


def test_something_else_in_a_views_place_is_kept(published: Repo) -> None:
    published.tamper("DROP VIEW main.daily; CREATE TABLE main.daily AS SELECT 'mine' AS whose")
    said = refusal(published.seeknal("run", code=1))
    assert "Something else is in a view's place" in said
    assert "Rename or drop what is there" in said
    assert published.numbers("FROM main.daily") == [("mine",)]
