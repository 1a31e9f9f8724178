"""A warehouse file that is copied into a lake."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.conftest import Repo
from tests.lake.conftest import LakeRepo
from tests.servers import Postgres, need_extensions

DAILY = "SELECT day, total FROM daily ORDER BY day"
DOUBLED = "sum(amount) * 2 AS total"


@dataclass(frozen=True)
class Move:
    """A project with a warehouse file, whose project file here names a lake."""

    repo: Repo
    catalog: str

    def ask(self, sql: str) -> list[tuple[object, ...]]:
        return LakeRepo(self.repo.path, self.catalog).ask(sql)


def answer(repo: Repo, *options: str) -> list[float]:
    return [row["total"] for row in repo.seeknal("query", DAILY, "--json", *options).json]


@pytest.fixture
def move(shop: Repo, postgres: Postgres) -> Move:
    """Two publications of production, and a branch with its own."""
    need_extensions("ducklake", "postgres_scanner")
    shop.seeknal("run")
    shop.replace("seeknal/transforms/daily.yml", "sum(amount) AS total", DOUBLED)
    shop.commit("Double")
    shop.seeknal("run")
    shop.git("switch", "--quiet", "-c", "dev")
    shop.replace("seeknal/transforms/daily.yml", DOUBLED, "sum(amount) * 3 AS total")
    shop.commit("Triple")
    shop.seeknal("run")
    shop.git("switch", "--quiet", "main")
    catalog = f"postgres:{postgres.database()}"
    text = shop.read("seeknal_project.yml")
    lake = f'warehouse: {{type: ducklake, catalog: "{catalog}", data: target/lake}}'
    shop.write("seeknal_project.yml", f"{text.rstrip()}\n{lake}\n")
    return Move(shop, catalog)


def test_all_environments_and_their_history_come_into_the_lake(move: Move) -> None:
    repo = move.repo
    told = repo.seeknal("warehouse", "move", "ducklake")
    assert "Every environment answers alike" in told.out
    assert answer(repo) == [60, 140], "the file is still the warehouse"
    repo.commit("To the lake")
    assert "ducklake:" in repo.seeknal("warehouse", "path").out
    assert answer(repo) == [60, 140]
    assert answer(repo, "--at", "1") == [30, 70]
    assert answer(repo, "--env", "dev") == [90, 210]
    assert repo.seeknal("run", "--json").json["built"] == {}
    assert move.ask("SELECT sum(total) FROM dev.daily") == [(300,)]
