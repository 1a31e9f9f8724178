"""A warehouse file that is copied into a lake."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from typing import NoReturn

import pytest

from seeknal_git.errors import WarehouseError
from seeknal_git.warehouse import lake_filling
from tests.conftest import Repo
from tests.lake.conftest import LakeRepo, begin
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

    def tables(self, postgres: Postgres) -> str:
        """The tables of the lake's catalog, as psql prints them."""
        names = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        return postgres.execute(names, self.catalog.removeprefix("postgres:"))


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
    catalog = f"postgres:{postgres.lake()}"
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


def test_an_older_publication_of_a_file_can_be_rolled_back_to_in_the_lake(move: Move) -> None:
    repo = move.repo
    repo.seeknal("warehouse", "move", "ducklake")
    repo.commit("To the lake")
    repo.seeknal("rollback")
    assert answer(repo) == [30, 70]


def test_a_dry_run_says_what_there_is_and_writes_nothing(move: Move, postgres: Postgres) -> None:
    told = move.repo.seeknal("warehouse", "move", "ducklake", "--dry-run").out
    assert "Would copy" in told
    assert "environment dev" in told
    assert move.tables(postgres) == "", "there is no lake"


def test_a_move_that_is_killed_leaves_the_file_and_is_gone_on_with(move: Move) -> None:
    repo = move.repo
    command = repo.command("warehouse", "move", "ducklake")
    with subprocess.Popen(
        command, cwd=repo.path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("Copied"):
                process.kill()
                break
    assert answer(repo) == [60, 140]
    repo.run("--full")
    told = repo.seeknal("warehouse", "move", "ducklake").out
    assert re.search(r"Copied .*: \d+ tables, \d+ were there\.", " ".join(told.split())), told
    repo.commit("To the lake")
    assert answer(repo, "--env", "dev") == [90, 210]


def test_half_a_lake_is_no_warehouse(move: Move, monkeypatch: pytest.MonkeyPatch) -> None:
    repo = move.repo

    def nothing(*_: object) -> NoReturn:
        raise WarehouseError("The power went out.")

    with monkeypatch.context() as patch:
        patch.setattr(lake_filling, "_need_same_state", nothing)
        repo.seeknal("warehouse", "move", "ducklake", code=1)
    assert answer(repo) == [60, 140], "the file is the warehouse"
    repo.commit("To the lake, too early")
    for command in (["run"], ["query", DAILY], ["promote"]):
        assert "finish it: seeknal warehouse move ducklake" in repo.seeknal(*command, code=1).err
    assert "is not whole" in repo.seeknal("doctor", code=1).out
    repo.seeknal("warehouse", "move", "ducklake")
    assert answer(repo) == [60, 140]
    assert answer(repo, "--at", "1") == [30, 70]


def test_runs_on_the_file_after_the_copy_are_copied_too(move: Move) -> None:
    repo = move.repo
    repo.seeknal("warehouse", "move", "ducklake")
    repo.replace("seeknal/transforms/daily.yml", DOUBLED, "sum(amount) * 5 AS total")
    repo.git("add", "seeknal")
    repo.git("commit", "--quiet", "-m", "Five")
    repo.seeknal("run")
    repo.seeknal("env", "delete", "dev")
    told = repo.seeknal("warehouse", "move", "ducklake").out
    assert "Copied" in told
    assert "environment dev" not in told
    repo.commit("To the lake")
    assert answer(repo) == [150, 350]
    assert answer(repo, "--at", "2") == [60, 140]
    assert move.ask("SELECT count(*) FROM duckdb_views() WHERE schema_name = 'dev'") == [(0,)]


def test_a_lake_that_was_used_is_not_overwritten(move: Move) -> None:
    repo = move.repo
    repo.seeknal("warehouse", "move", "ducklake")
    repo.commit("To the lake")
    told = repo.seeknal("warehouse", "move", "ducklake").out
    assert "0 tables" in told
    repo.replace("seeknal/transforms/daily.yml", DOUBLED, "sum(amount) * 5 AS total")
    repo.commit("Five")
    repo.seeknal("run")
    said = repo.seeknal("warehouse", "move", "ducklake", code=1).err
    assert "of its own. Nothing was copied." in said
    assert answer(repo) == [150, 350]


def test_a_lake_of_another_project_is_refused(move: Move, postgres: Postgres) -> None:
    other = begin(
        LakeRepo(move.repo.path.parent / "other", move.catalog),
        f'{{type: ducklake, catalog: "{move.catalog}", data: "{move.repo.path}/target/lake"}}',
    )
    other.seeknal("run")
    told = move.repo.seeknal("warehouse", "move", "ducklake", code=1).err
    assert "belongs to another project" in told


def test_a_type_that_a_lake_does_not_hold_is_found_before_anything_is_copied(
    move: Move, postgres: Postgres
) -> None:
    repo = move.repo
    repo.replace(
        "seeknal/transforms/daily.yml",
        DOUBLED,
        f"{DOUBLED}, any_value('a'::ENUM('a', 'b')) AS kind",
    )
    repo.git("add", "seeknal")
    repo.git("commit", "--quiet", "-m", "Kinds")
    repo.seeknal("run")
    for option in ([], ["--dry-run"]):
        told = " ".join(repo.seeknal("warehouse", "move", "ducklake", *option, code=1).err.split())
        assert "seeknal/transforms/daily.yml:6: The column kind of transform.daily" in told
        assert "(main shows it)" in told
        assert "Cast it: CAST(kind AS VARCHAR) AS kind" in told
    assert move.tables(postgres) == ""
    repo.replace("seeknal/transforms/daily.yml", "any_value('a'::ENUM('a', 'b'))", "'a'")
    repo.git("commit", "--quiet", "-m", "Mended", "--", "seeknal")
    repo.seeknal("run")
    told = repo.seeknal("warehouse", "move", "ducklake").out
    assert "1 table of earlier publications stay" in told
    repo.commit("To the lake")
    assert answer(repo) == [60, 140]
    assert "no longer kept whole" in repo.seeknal("query", DAILY, "--at", "3", code=1).err


def test_values_that_a_lake_would_change_are_told_with_their_column(move: Move) -> None:
    repo = move.repo
    large = f"{DOUBLED}, 9007199254740993::HUGEINT AS large"
    repo.replace("seeknal/transforms/daily.yml", DOUBLED, large)
    repo.git("commit", "--quiet", "-m", "Large", "--", "seeknal")
    repo.seeknal("run")
    told = " ".join(repo.seeknal("warehouse", "move", "ducklake", code=1).err.split())
    assert "The lake does not hold all values of transform.daily: large (HUGEINT)" in told
    assert answer(repo) == [60, 140]


def test_partitions_views_and_changes_come_too(move: Move) -> None:
    repo = move.repo
    repo.write(
        "seeknal/transforms/parted.yml",
        """
        kind: transform
        name: parted
        inputs: [ref: transform.clean_orders]
        partition: {by: day, every: day, begin: 2024-01-01}
        transform: SELECT day, amount FROM transform.clean_orders
        """,
    )
    repo.write(
        "seeknal/transforms/seen.yml",
        """
        kind: transform
        name: seen
        inputs: [ref: transform.parted, ref: transform.daily]
        materialized: view
        transform: |
          SELECT p.day, amount, total FROM transform.parted p JOIN transform.daily USING (day)
        """,
    )
    repo.git("add", "seeknal")
    repo.git("commit", "--quiet", "-m", "More")
    repo.seeknal("run")
    before = repo.seeknal("query", "FROM seen ORDER BY ALL", "--json").json
    assert before
    repo.tamper("CREATE VIEW main.mine AS SELECT 1 AS n")
    told = repo.seeknal("warehouse", "move", "ducklake").out
    assert "Not Seeknal's, and left behind: main.mine" in told
    repo.commit("To the lake")
    assert repo.seeknal("query", "FROM seen ORDER BY ALL", "--json").json == before
    assert repo.seeknal("run", "--json").json["built"] == {}
    repo.seeknal("gc", "--yes")
    assert repo.seeknal("query", "FROM seen ORDER BY ALL", "--json").json == before


def test_a_branch_has_no_say(move: Move) -> None:
    repo = move.repo
    repo.git("switch", "--quiet", "-c", "theirs")
    repo.commit("A lake of theirs")
    told = repo.seeknal("warehouse", "move", "ducklake", code=1).err
    assert "Only production's project file counts" in told


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["ducklake"], "seeknal_project.yml names no lake"),
        (["postgres:dbname=x password=geheim"], "The project file names the lake"),
        (["--dry-run"], "--dry-run is of a copy into a lake"),
        (["ducklake", "--from", "nothing.duckdb"], "names no lake"),
    ],
)
def test_a_mistake_on_the_command_line_is_told(shop: Repo, words: list[str], message: str) -> None:
    told = shop.seeknal("warehouse", "move", *words, code=2)
    assert message in told.err
    assert "geheim" not in told.err


def test_a_file_that_is_not_there_is_told(move: Move) -> None:
    told = move.repo.seeknal("warehouse", "move", "ducklake", "--from", "no.duckdb", code=2).err
    assert "There is no warehouse" in told
