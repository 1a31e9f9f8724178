"""A warehouse that nobody has written to since it was inspected, or left by this clone, is known
again."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from seeknal_git.git.marks import Marks
from seeknal_git.git.repository import open_repository
from seeknal_git.warehouse import connection, inspection
from seeknal_git.warehouse.opening import open_for_state, open_warehouse, version_of
from seeknal_git.warehouse.turns import Turn
from tests.conftest import Repo, opened


def settled(path: Path) -> str:
    while not (version := version_of(path, None)):
        time.sleep(0.005)
    return version


@pytest.fixture
def inspections(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """For each inspection, whether it was before a write."""
    found: list[bool] = []

    def counted(
        engine: duckdb.DuckDBPyConnection, path: Path, *, writing: bool
    ) -> dict[str, list[str]]:
        found.append(writing)
        return inspection.inspected(engine, path, writing=writing)

    monkeypatch.setattr(connection, "inspected", counted)
    return found


def edit(repo: Repo) -> None:
    repo.replace("seeknal/transforms/daily.yml", "sum(amount)", "sum(amount) + 1")


def test_what_this_clone_left_is_inspected_no_more(
    published: Repo, inspections: list[bool]
) -> None:
    published.tamper("CREATE TABLE main.somebodys AS SELECT 1 AS n")
    edit(published)
    published.seeknal("run")
    assert inspections.count(True) == 1
    inspections.clear()
    published.git("switch", "-q", "-c", "dev")
    published.git("commit", "-qam", "Count one more")
    for command in ("plan", "run", "status", "log", "promote"):
        published.seeknal(command)
    assert inspections == []


def test_what_somebody_else_wrote_is_inspected_once(
    published: Repo, inspections: list[bool]
) -> None:
    published.seeknal("status")
    published.tamper("CREATE TABLE main.somebodys AS SELECT 1 AS n")
    settled(published.warehouse)
    inspections.clear()
    published.seeknal("status")
    published.seeknal("log")
    assert inspections == [False]
    edit(published)
    published.seeknal("run")  # macros are looked for before a write alone
    assert inspections == [False, True]


def test_a_warehouse_in_place_of_another_is_inspected(
    published: Repo, inspections: list[bool]
) -> None:
    published.seeknal("status")
    other = published.warehouse.with_name("other.duckdb")
    shutil.copy2(published.warehouse, other)
    other.replace(published.warehouse)
    settled(published.warehouse)
    inspections.clear()
    published.seeknal("status")
    assert inspections == [False]


def test_a_file_that_others_may_write_is_inspected_each_time(
    published: Repo, inspections: list[bool]
) -> None:
    published.warehouse.chmod(0o660)
    settled(published.warehouse)
    published.seeknal("log")
    inspections.clear()
    published.seeknal("log")
    assert inspections


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda file: file.unlink(), id="gone"),
        pytest.param(lambda file: file.write_bytes(b"\xff\xfe"), id="no text"),
        pytest.param(lambda file: file.write_text(file.read_text()[:-9]), id="cut off"),
        pytest.param(lambda file: file.write_text("0" + file.read_text()), id="another form"),
    ],
)
def test_a_verdict_that_is_not_whole_counts_for_nothing(
    published: Repo, damage: Callable[[Path], object], inspections: list[bool]
) -> None:
    settled(published.warehouse)
    published.seeknal("status")
    damage(published.path / ".git/seeknal/cache/inspected")
    inspections.clear()
    published.seeknal("status")
    assert inspections == [False]


def test_every_write_gives_another_version_also_within_a_tick_of_the_clock(
    published: Repo,
) -> None:
    seen = set()
    for number in range(20):
        with opened(published.warehouse, "READ_WRITE") as engine:
            engine.execute(f"CREATE OR REPLACE TABLE main.mine AS SELECT {number} AS n")
        assert (version := version_of(published.warehouse, None)) == "" or version not in seen
        seen.add(settled(published.warehouse))
    assert len(seen) == 20


def test_a_log_with_writes_leaves_no_version(published: Repo) -> None:
    settled(published.warehouse)
    published.warehouse.with_name(f"{published.warehouse.name}.wal").write_bytes(b"")
    assert version_of(published.warehouse, None) == ""


def test_a_log_that_is_merged_during_the_look_leaves_no_version(
    published: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, look = published.warehouse, Path.stat
    settled(file)
    log = file.with_name(f"{file.name}.wal")
    log.write_bytes(b"")

    def stat(path: Path, **options: bool) -> os.stat_result:
        found = look(path, **options)
        if path == file:
            log.unlink()  # as the engine does, once the file has what the log had
        return found

    monkeypatch.setattr(Path, "stat", stat)
    assert version_of(file, None) == ""


def test_a_file_that_was_left_stays_locked_and_is_the_same_once_it_is_closed(
    published: Repo,
) -> None:
    """To look at a file may not give up the lock on it."""
    attach = f"ATTACH '{published.warehouse}' AS warehouse (READ_ONLY)"
    asks = [sys.executable, "-c", f"import duckdb; duckdb.execute({attach!r})"]
    marks = Marks(open_repository(published.path))
    with open_warehouse(published.warehouse, marks) as warehouse:
        assert warehouse.environments.all().keys() == {"main"}
        version = warehouse.leave()
        done = subprocess.run(asks, capture_output=True, text=True, check=False)
        assert "Could not set lock" in done.stderr
    assert version == version_of(published.warehouse, None) != ""
    with open_for_state(published.warehouse, marks):
        pass
    assert version == version_of(published.warehouse, None)


def test_a_plan_of_a_new_branch_after_a_run_opens_the_warehouse_once(
    published: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commit that production shows, and the loads of raw data, are known from the run."""
    edit(published)
    published.seeknal("run")
    published.git("commit", "-qam", "Count one more")
    published.seeknal("promote")
    published.git("switch", "-q", "-c", "dev")
    published.replace("seeknal/transforms/daily.yml", "+ 1", "+ 2")
    attached: list[Path] = []
    attach = connection.attach_file

    def counted(engine: duckdb.DuckDBPyConnection, path: Path, turn: Turn) -> None:
        attached.append(path)
        attach(engine, path, turn)

    monkeypatch.setattr(connection, "attach_file", counted)
    assert "daily" in published.seeknal("plan").out
    assert attached == [published.warehouse]
