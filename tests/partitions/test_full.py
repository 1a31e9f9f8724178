"""`run --full`: pieces that somebody damaged are made anew, and never come back."""

from __future__ import annotations

import pytest

from tests.conftest import Repo, Templates
from tests.partitions.shop import shown, truth
from tests.partitions.test_files import DAILY as BY_DAY
from tests.partitions.test_files import days, files, make, rows, write
from tests.partitions.test_files import truth as truth_of_files
from tests.partitions.test_partitions import ORDERS, TRANSFORMS, load, make_daily, partitions

LATE = {**ORDERS, 5: ("2026-01-02 09:00:00", 1, 5)}
JANUARY = ["2026-01-01", "2026-01-02", "2026-02-03"]


@pytest.fixture
def daily(copy_of: Templates) -> Repo:
    return copy_of("daily", make_daily)


def damage(repo: Repo, node: str, change: str) -> None:
    """Somebody writes into the table of a node's pieces."""
    ((table,),) = repo.numbers(
        f"SELECT DISTINCT table_name FROM _seeknal.pieces WHERE starts_with(table_name, '{node}')"
    )
    before = repo.production()
    repo.tamper(f"UPDATE _snapshots.{table} SET {change}")
    assert repo.production() != before


@pytest.mark.parametrize("node", ["orders", "daily"])
def test_damaged_pieces_are_made_anew_and_stay_so(daily: Repo, node: str) -> None:
    damage(daily, node, "amount = 999")
    daily.seeknal("run", "--full")
    assert shown(daily) == truth(daily.path, TRANSFORMS)
    load(daily, LATE)
    assert partitions(daily)["transform.daily"] == ["2026-01-02"]
    assert shown(daily) == truth(daily.path, TRANSFORMS)


def test_all_pieces_are_made_anew_over_data_that_moved_meanwhile(daily: Repo) -> None:
    damage(daily, "daily", "amount = 999")
    load(daily, LATE)
    assert partitions(daily, "--full")["transform.daily"] == JANUARY
    assert shown(daily) == truth(daily.path, TRANSFORMS)


def test_readers_of_a_node_that_was_made_anew_are_too_and_stay_so(daily: Repo) -> None:
    damage(daily, "orders", "amount = 999")
    daily.replace("seeknal/transforms/daily.yml", "sum(amount)", "sum(1 * amount)")
    daily.commit("Sums of what was damaged")
    daily.seeknal("run")
    done = partitions(daily, "--full", "--nodes", "source.orders")
    assert done["transform.daily"] == JANUARY
    assert shown(daily) == truth(daily.path, TRANSFORMS)
    load(daily, LATE)
    assert partitions(daily)["transform.monthly"] == ["2026-01"]
    assert shown(daily) == truth(daily.path, TRANSFORMS)


@pytest.mark.parametrize("more", ["", BY_DAY])
def test_damaged_rows_of_files_are_read_again_and_stay_so(repo: Repo, more: str) -> None:
    make(repo, more=more)
    repo.run()
    damage(repo, "orders", "id = 999")
    assert files(repo, "--full") == ["0", "1", "2"]
    write(repo, "3.parquet", days(8))
    assert files(repo) == ["3"]
    assert rows(repo) == truth_of_files(repo)


def test_a_file_that_changes_builds_the_days_that_differ_alone_after_a_full_run_too(
    repo: Repo,
) -> None:
    make(repo, more=BY_DAY)
    daily = "kind: transform\nname: daily\ninputs: [source.orders]\n" + BY_DAY
    repo.write(
        "seeknal/transforms/daily.yml",
        daily + "transform: SELECT day, count(*) AS n FROM source.orders GROUP BY day\n",
    )
    repo.commit()
    repo.seeknal("run", "--full")
    write(repo, "2.parquet", days(2, 3))
    assert partitions(repo)["transform.daily"] == ["2026-01-05"]
