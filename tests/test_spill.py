"""Data that does not fit in memory: each engine spills to a folder of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from seeknal_git.process_folders import own_folder
from seeknal_git.sql.sandbox import spill_of
from seeknal_git.warehouse import connection
from seeknal_git.warehouse.connection import opened


def test_a_spilling_query_still_has_its_place_on_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        connection,
        "SETTINGS",
        f"{connection.SETTINGS}; SET memory_limit = '80MB'; SET threads = 2",
    )
    with opened(tmp_path / "w.duckdb", None) as catalog:
        worker = catalog.connection.cursor()
        worker.execute(
            "CREATE TABLE warehouse.main.t AS SELECT range AS i, md5(range::VARCHAR) AS m FROM range(1_500_000)"
        )
        worker.execute(
            "CREATE TABLE warehouse.main.sorted AS SELECT * FROM warehouse.main.t ORDER BY m"
        )
        assert worker.execute("SELECT count(*) FROM warehouse.main.sorted").fetchall() == [
            (1_500_000,)
        ]


def test_each_engine_spills_to_a_folder_of_its_own(tmp_path: Path) -> None:
    """DuckDB 1.5 mixes up the files of two engines that spill to one folder."""
    path = tmp_path / "w.duckdb"
    with opened(path, None):
        pass
    places = set()
    with opened(path, None, read_only=True) as one, opened(path, None, read_only=True) as other:
        for catalog in (one, other):
            rows = catalog.connection.execute("SELECT current_setting('temp_directory')").fetchall()
            places.add(rows[0][0])
    assert len(places) == 2
    assert all(Path(place).parent == tmp_path for place in places)


def test_two_engines_that_spill_at_once_have_their_own_rows(tmp_path: Path) -> None:
    path = tmp_path / "w.duckdb"
    with opened(path, None):
        pass
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from seeknal_git.warehouse import connection\n"
        "connection.SETTINGS += \"; SET memory_limit = '150MB'; SET threads = 2; SET enable_progress_bar = false\"\n"
        "with connection.opened(Path(sys.argv[1]), None, read_only=True) as catalog:\n"
        "    for _ in range(2):\n"
        "        print(catalog.connection.execute(sys.argv[2]).fetchall())\n"
    )
    sql = (
        "SELECT count(*), bool_and(before IS NULL OR before <= text) FROM (SELECT text, "
        "lag(text) OVER (ORDER BY text) AS before "
        "FROM (SELECT repeat(md5((range + {})::VARCHAR), 3) AS text FROM range(600_000)))"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(path), sql.format(number * 1_000_000)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for number in range(2)
    ]
    answers = [process.communicate(timeout=120)[0] for process in processes]
    assert answers == ["[(600000, True)]\n" * 2] * 2


def test_what_a_killed_process_has_spilled_goes_with_the_next_write(tmp_path: Path) -> None:
    path, day = tmp_path / "w.duckdb", 24 * 3600
    mine = own_folder(spill_of(path))
    killed = tmp_path / mine.name.replace(f"-{os.getpid()}-", f"-{2**22 + 1}-")  # that nobody has
    forgotten = tmp_path / "w.duckdb.tmp.elsewhere-1-0c"
    stay = [
        mine,
        tmp_path / "w.duckdb.tmp.elsewhere-1-0d",
        tmp_path / mine.name.replace(f"-{os.getpid()}-", f"-{10**12}-"),
        tmp_path / "w.duckdb.tmp.notes",
    ]
    for folder in (killed, forgotten, *stay):
        folder.mkdir()
        (folder / "duckdb_temp_storage_DEFAULT-0.tmp").touch()
    for folder, days in ((forgotten, 8), (stay[1], 6)):
        os.utime(folder, (time.time() - days * day,) * 2)
    with opened(path, None):
        pass
    assert not killed.exists()
    assert not forgotten.exists()
    assert all(folder.exists() for folder in stay)
