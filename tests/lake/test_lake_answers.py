"""The answers of a lake that a clone remembers: they count until somebody commits."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import Repo
from tests.lake.conftest import LakeRepo
from tests.servers import Postgres

DAILY = "seeknal/transforms/daily.yml"
KEPT = ".git/seeknal/cache/lake_answers"


def test_a_lake_is_asked_for_its_last_snapshot_alone(lake: LakeRepo, postgres: Postgres) -> None:
    lake.seeknal("run")
    postgres.log_statements()
    counts, told = [], []
    for _ in range(3):
        before = postgres.statements
        told.append(lake.seeknal("run", subprocess=True).out.partition(" in ")[0])
        counts.append(postgres.statements - before)
    assert told[0] == told[1] == told[2]
    assert counts[1] == counts[2] < 80, "the first one asked for the state"
    assert counts[0] > 2 * counts[1]


def test_a_commit_of_somebody_else_counts_at_once(lake: LakeRepo, tmp_path: Path) -> None:
    lake.replace("seeknal_project.yml", "data: target/lake", f"data: {tmp_path}/rows")
    lake.commit("One place for all clones")
    lake.seeknal("run")
    for _ in range(2):
        assert lake.seeknal("status", "--json").json["environment"] == "main"
    other = Repo(tmp_path / "other")
    lake.git("clone", "--quiet", ".", str(other.path))
    other.git("config", "user.name", "Other")
    other.git("config", "user.email", "other@example.org")
    other.replace(DAILY, "sum(amount)", "sum(amount) * 2")
    other.commit("Twice as much")
    other.seeknal("run")
    log = lake.seeknal("log", "--json").json
    assert len(log["publications"]) == 2
    assert lake.ask("SELECT sum(total) FROM main.daily") == [(200,)]


@pytest.mark.parametrize("damage", ["", "{", '{"stamp": 1}', "[]", '{"rows": {}}'])
def test_a_damaged_file_costs_only_time(lake: LakeRepo, damage: str) -> None:
    lake.seeknal("run")
    told = lake.seeknal("status", subprocess=True).out
    assert json.loads(lake.read(KEPT))["rows"]
    lake.write(KEPT, damage)
    assert lake.seeknal("status", subprocess=True).out == told
    assert json.loads(lake.read(KEPT))["rows"]


def test_a_table_that_went_without_a_snapshot_is_missed(lake: LakeRepo, postgres: Postgres) -> None:
    """Somebody may change the catalog by hand."""
    lake.seeknal("run")
    lake.seeknal("run", subprocess=True)
    gone = "UPDATE ducklake_table SET end_snapshot = 1 WHERE table_name LIKE 'daily%'"
    postgres.execute(gone, lake.catalog.removeprefix("postgres:"))
    assert "transform.daily" in lake.run()["built"]
    assert lake.ask("SELECT sum(total) FROM main.daily") == [(100,)]
