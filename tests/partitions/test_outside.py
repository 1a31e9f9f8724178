"""Rows of an input that fall into no partition of a node that reads it."""

from __future__ import annotations

import pytest

from tests.conftest import Repo

SOURCE = """\
kind: source
name: orders
source: csv
table: data/orders.csv
partition: {by: day, every: day, begin: 2026-01-01, outside: keep}
schema:
  - {name: day, data_type: DATE}
  - {name: amount, data_type: BIGINT}
"""
DAILY = """\
kind: transform
name: daily
inputs: [source.orders]
partition: {by: day, every: day, begin: 2026-01-02}
transform: SELECT day, sum(amount) AS amount FROM source.orders GROUP BY day
"""


@pytest.fixture
def kept(repo: Repo) -> Repo:
    """A source that keeps rows outside, and a node that has them for an error, as it says
    nothing."""
    repo.write("seeknal/sources/orders.yml", SOURCE)
    repo.write("seeknal/transforms/daily.yml", DAILY)
    repo.write(".gitignore", "data/\n")
    repo.commit()
    return repo


def load(repo: Repo, *orders: str) -> None:
    repo.write("data/orders.csv", "\n".join(["day,amount", *orders]) + "\n")


@pytest.mark.parametrize("order", [",5", "2026-01-01,5", "2025-01-01,5"])
def test_a_row_that_a_node_has_no_partition_for_is_an_error(kept: Repo, order: str) -> None:
    load(kept, "2026-01-02,1", order)
    failed = kept.seeknal("run", code=1)
    assert "1 row falls into no partition" in failed.out + failed.err


@pytest.mark.parametrize("order", [",5", "2026-01-01,5"])
def test_it_is_an_error_too_if_it_comes_late(kept: Repo, order: str) -> None:
    load(kept, "2026-01-02,1")
    kept.seeknal("run")
    load(kept, "2026-01-02,1", order)
    failed = kept.seeknal("run", code=1)
    assert "1 row falls into no partition" in failed.out + failed.err


def test_a_filter_makes_it_none_and_no_partition_is_told_of(kept: Repo) -> None:
    kept.replace(
        "seeknal/transforms/daily.yml", "GROUP BY", "WHERE day >= DATE '2026-01-02' GROUP BY"
    )
    kept.commit()
    load(kept, "2026-01-02,1", "2026-01-01,5", ",5")
    told = kept.run()["built"]["transform.daily"]["partitions"]
    assert told == {"total": 1, "built": ["2026-01-02"]}
    load(kept, "2026-01-02,1", "2026-01-01,6", ",6")
    told = kept.run()["built"]["transform.daily"]["partitions"]
    assert told == {"total": 1, "built": []}


def test_partitions_may_begin_with_the_first_day_that_there_is(kept: Repo) -> None:
    for file, begin in (("sources/orders", "2026-01-01"), ("transforms/daily", "2026-01-02")):
        kept.replace(f"seeknal/{file}.yml", f"begin: {begin}", "begin: 0001-01-01")
    kept.replace("seeknal/transforms/daily.yml", "0001-01-01}", "0001-01-01, outside: keep}")
    kept.commit()
    load(kept, "0001-01-01,1", ",5")
    told = kept.run()["built"]["transform.daily"]["partitions"]
    assert told == {"total": 2, "built": ["0001-01-01", "outside"]}
