"""Partitions are built in batches: the table is the same, and its rows lie in order of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import duckdb
import pytest

from seeknal_git.build import batches, pieces
from tests.conftest import Repo, opened
from tests.partitions.shop import DAYS, TRANSFORMS, Transform
from tests.partitions.test_law import Walk

MONTH = "{by: month, every: month, begin: 2026-01-01}"
ORDERS = [
    (f"2026-{month:02}-{day:02} {10 + day % 3}:00:00", 1 + day % 4, day)
    for month in (1, 2, 3)
    for day in (1, 2, 11, 27)
]


@pytest.fixture
def cut(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Batches of a partition each, however the rows lie. The number of each node's, as they are
    made."""
    made: list[int] = []

    def counted(*given: Any) -> Sequence[Sequence[int | None]]:
        found = batches.batches(*given)
        made.append(len(found))
        return found

    monkeypatch.setattr(batches, "_ROWS", 0)
    monkeypatch.setattr(batches, "_READ", 1_000)
    monkeypatch.setattr(pieces, "batches", counted)
    return made


def test_the_law_holds_of_batches(repo: Repo, cut: list[int]) -> None:
    days_of_months = Transform(
        "SELECT m.month::DATE AS day, m.net, d.orders FROM transform.monthly AS m\n"
        "LEFT JOIN transform.daily AS d ON d.day = m.month::DATE",
        ("transform.monthly", "transform.daily"),
        DAYS,
    )
    walk = Walk(Repo(repo.path / "shop"), ORDERS, {**TRANSFORMS, "days_of_months": days_of_months})
    assert max(cut) == len(ORDERS)
    walk.refund([("2026-02-11", 3)])
    walk.compare()
    for name, given in (("correct", 5), ("delete", 2), ("edit", "daily"), ("branch", "net")):
        getattr(walk, name)(given)
        walk.compare()
    walk.order([(f"2026-01-{day:02} 12:00:00", 2, 7) for day in (1, 5, 30)])
    walk.compare()


BY_MONTH = """\
kind: source
name: orders
source: csv
table: data/orders.csv
partition: {by: day, every: month, begin: 2026-01-01}
schema:
  - {name: day, data_type: DATE}
  - {name: amount, data_type: BIGINT}
"""
FROM_THE_TENTH = """\
kind: transform
name: daily
inputs: [source.orders]
partition: {by: day, every: day, begin: 2026-01-10}
transform: SELECT day, sum(amount) AS amount FROM source.orders GROUP BY day
"""


def test_no_row_outside_is_counted_twice(repo: Repo, cut: list[int]) -> None:
    """The days of a month read all of its rows, also those before the first day."""
    repo.write("seeknal/sources/orders.yml", BY_MONTH)
    repo.write("seeknal/transforms/daily.yml", FROM_THE_TENTH)
    days = ["01-03", "01-05", "01-10", "01-20", "01-25", "02-01", "03-01"]
    repo.write("data/orders.csv", "\n".join(["day,amount", *(f"2026-{day},1" for day in days)]))
    failed = repo.seeknal("run", code=1)
    assert "2 rows fall into no partition" in failed.out + failed.err
    assert cut == [3]


SORTED = """\
kind: source
name: orders
source: parquet
table: data/orders.parquet
partition: {by: day, every: day, begin: 2026-01-01}
"""
PER_CUSTOMER = """\
kind: transform
name: daily
inputs: [source.orders]
partition: {by: day, every: day, begin: 2026-01-01}
transform: |
  SELECT day, customer, count(*) AS orders FROM source.orders GROUP BY ALL
"""


@pytest.mark.parametrize(
    ("order", "in_order"),
    [
        pytest.param("range", True, id="sorted by day"),
        pytest.param("hash(range)", False, id="in no order, so each batch would read everything"),
    ],
)
def test_rows_are_built_in_batches_if_they_lie_in_order(
    repo: Repo, monkeypatch: pytest.MonkeyPatch, order: str, in_order: bool
) -> None:
    monkeypatch.setattr(batches, "_ROWS", 50_000)
    repo.write("seeknal/sources/orders.yml", SORTED)
    repo.write("seeknal/transforms/daily.yml", PER_CUSTOMER)
    repo.write("data/.keep", "")
    with duckdb.connect() as connection:
        connection.execute(
            "COPY (SELECT DATE '2026-01-01' + (range // 20_000)::INTEGER AS day, range AS customer "
            f"FROM range(1_200_000) ORDER BY {order}) TO '{repo.path}/data/orders.parquet'"
        )
    repo.seeknal("run")
    with opened(repo.warehouse, "READ_ONLY") as connection:
        tables = connection.execute(
            "SELECT table_name FROM duckdb_tables() WHERE table_name LIKE 'daily__%'"
        ).fetchall()
        found = connection.execute(
            "SELECT max(rowid) FILTER (_piece < 20) < min(rowid) FILTER (_piece > 40) "
            f"FROM _snapshots.{tables[0][0]}"
        ).fetchall()
        assert found == [(in_order,)]
        assert len(connection.execute("FROM main.daily").fetchall()) == 1_200_000
