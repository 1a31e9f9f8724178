"""Aggregations up to an application date, of the first and of the second order."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import Repo

NODE = "seeknal/user_stats.yml"
OF_REGIONS = "seeknal/region_stats.yml"
ROWS = """
    user_id,region,txn_date,amount,kind,app_date
    u1,north,2026-01-01,10,a,2026-01-31
    u1,north,2026-01-25,20,b,2026-01-31
    u1,north,2026-02-05,1000,a,2026-01-31
    u2,south,2026-01-10,5,a,2026-01-31
    u2,south,2026-01-30,,b,2026-01-31
    u3,north,2026-02-10,7,a,2026-01-31
"""
USER_STATS = """
    kind: aggregation
    name: user_stats
    id_col: user_id
    feature_date_col: txn_date
    application_date_col: app_date
    group_by: [region]
    inputs: [{ref: transform.t}]
    features:
      - name: spend
        column: amount
        basic: [count, sum, avg, min, max, std]
        rolling: [{window: 7d, functions: [sum]}, {window: [30], aggs: [sum]}]
        since: [{condition: "kind = 'a'", aggs: [count, sum]}]
"""
REGION_STATS = """
    kind: second_order_aggregation
    name: region_stats
    id_col: region
    feature_date_col: txn_date
    application_date_col: app_date
    source: transform.t
    features:
      amount: {basic: [sum, mean, count, stddev]}
      recent: {basic: [sum], window: [0, 7], source_feature: amount}
      ratio7: {ratio: {numerator: [0, 7], denominator: [8, 30], aggs: [sum]}, source_feature: amount}
      a_only: {since: {condition: "kind == 'a'", aggs: [sum, count]}, source_feature: amount}
"""


@pytest.fixture
def payments(repo: Repo) -> Repo:
    repo.write("data/t.csv", ROWS)
    repo.write("seeknal/s.yml", "kind: source\nname: s\nsource: csv\ntable: data/t.csv\n")
    repo.write("seeknal/t.yml", "kind: transform\nname: t\ntransform: FROM source.s\n")
    repo.commit()
    return repo


def rounded(row: tuple[Any, ...]) -> tuple[Any, ...]:
    kept = (int, str, type(None))
    return tuple(
        round(value, 7)
        if isinstance(value, float)
        else value
        if isinstance(value, kept)
        else str(value)
        for value in row
    )


def columns(repo: Repo, view: str) -> dict[str, str]:
    return {row[0]: row[1] for row in repo.numbers(f"DESCRIBE main.{view}")}


def test_an_aggregation_reads_no_row_after_the_application_date(payments: Repo) -> None:
    payments.write(NODE, USER_STATS)
    payments.seeknal("run")
    there = columns(payments, "user_stats")
    assert " ".join(there) == (
        "user_id app_date region spend_count spend_sum spend_avg spend_min spend_max spend_stddev"
        " spend_sum_7d spend_sum_30d spend_count_if spend_sum_if"
    )
    assert there["spend_sum"] == "HUGEINT"
    day = "2026-01-31"
    assert [rounded(row) for row in payments.numbers("FROM main.user_stats")] == [
        ("u1", day, "north", 2, 30, 15.0, 10, 20, 7.0710678, 20, 30, 1, 10),
        ("u2", day, "south", 1, 5, 5.0, 5, 5, None, None, 5, 1, 5),
        ("u3", day, "north", 0, *[None] * 7, 0, 0),
    ]


def test_a_second_order_aggregation_has_one_row_for_each_id(payments: Repo) -> None:
    payments.write(OF_REGIONS, REGION_STATS)
    payments.seeknal("run")
    assert " ".join(columns(payments, "region_stats")) == (
        "region amount_SUM amount_MEAN amount_COUNT amount_STDDEV amount_SUM_0_7"
        " amount_SUM0_7_SUM8_30 SINCE_SUM_amount_GEO_D SINCE_COUNT_amount_GEO_D"
    )
    assert [rounded(row) for row in payments.numbers("FROM main.region_stats")] == [
        ("north", 30, 15.0, 2, 7.0710678, 20, 2.0, 10, 1),
        ("south", 5, 5.0, 1, None, None, None, 5, 1),
    ]


def test_ratios_windows_and_one_column_for_both_dates(payments: Repo) -> None:
    payments.write(
        NODE,
        "kind: aggregation\nname: user_stats\nid_col: user_id\nfeature_date_col: txn_date\n"
        "application_date_col: txn_date\nsource: transform.t\nfeatures:\n"
        "  - {name: amount, basic: [sum, sum], rolling: {window: [0, 7], aggs: sum},"
        " ratio: {numerator: 0, denominator: [7], aggs: [sum]}}\n",
    )
    payments.seeknal("run")
    assert " ".join(columns(payments, "user_stats")) == (
        "user_id txn_date amount_sum amount_sum_0d amount_sum_7d amount_sum_ratio_0d_7d"
    )
    assert len(payments.numbers("FROM main.user_stats")) == 6


def test_without_an_application_date_every_row_counts(payments: Repo) -> None:
    payments.write(
        OF_REGIONS,
        "kind: second_order_aggregation\nname: region_stats\nid_col: region\n"
        "feature_date_col: txn_date\nsource: source.s\n"
        "features: {amount: {basic: [median, sum]}}\n",
    )
    payments.seeknal("run")
    assert payments.numbers("FROM main.region_stats") == [("north", 15, 1037), ("south", 5, 5)]


def test_both_are_read_and_re_used_by_columns_like_any_table(payments: Repo) -> None:
    payments.write(
        "seeknal/t.yml",
        "kind: transform\nname: t\ntransform: |\n  SELECT *,\n    1 AS x\n  FROM source.s\n",
    )
    payments.write(NODE, USER_STATS)
    payments.write(
        OF_REGIONS,
        "kind: second_order_aggregation\nname: region_stats\nid_col: region\n"
        "feature_date_col: app_date\nsource: aggregation.user_stats\n"
        "features: {spend_sum: {basic: [sum]}}\n",
    )
    payments.write(
        "seeknal/u.yml",
        "kind: transform\nname: u\n"
        "transform: SELECT spend_sum_SUM AS s FROM ref('second_order_aggregation.region_stats')\n",
    )
    payments.commit()
    payments.seeknal("run")
    assert payments.numbers("FROM main.u ORDER BY ALL") == [(5,), (30,)]
    payments.switch("dev", create=True)
    payments.replace("seeknal/t.yml", "    1 AS x", "    2 AS x")
    assert payments.plan()["layers"] == [["transform.t"]]
    payments.replace(NODE, "basic: [count, ", "basic: [")
    assert payments.plan()["layers"] == [["transform.t"], ["aggregation.user_stats"]]
    told = payments.seeknal("lineage", "aggregation.user_stats.spend_sum_7d").out
    assert "transform.t.amount" in told
    payments.replace(NODE, "name: spend", "name: cost")
    assert "spend_sum" in payments.seeknal("validate", code=1).err


LACKS = "Binder Error: Referenced column"


@pytest.mark.parametrize(
    ("text", "old", "new", "said"),
    [
        (USER_STATS, "    application_date_col: app_date\n", "", "date_col` is missing"),
        (USER_STATS, "[region]", "[country]", f':6: aggregation.user_stats: {LACKS} "country"'),
        (USER_STATS, "txn_date", "tx_date", f':4: aggregation.user_stats: {LACKS} "tx_date"'),
        (USER_STATS, "column: amount", "column: amuont", ":9: aggregation.user_stats"),
        (USER_STATS, "kind = 'a'", "king = 'a'", ":9: aggregation.user_stats"),
        (USER_STATS, "7d", "weekly", "not `weekly`"),
        (USER_STATS, "avg, min", "average, min", "`average` is no aggregate here"),
        (USER_STATS, "inputs: [{ref: transform.t}]", "tags: [a]", "it reads a node"),
        (USER_STATS, "basic:", "basics:", "Did you mean `basic`?"),
        (REGION_STATS, "basic: [sum], window", "window", "is of the aggregates of `basic`"),
        (REGION_STATS, "window: [0, 7]", "percentile: [50]", "`percentile` is not supported"),
        (REGION_STATS, "    application_date_col: app_date\n", "", "add `application_date_col`"),
        (REGION_STATS, "basic: [sum, mean", "basic: [nosuch, mean", "nosuch"),
        (REGION_STATS, "basic: [sum, mean", "basic: ['sum(1)', mean", "is not the name of"),
    ],
)
def test_mistakes_are_named(payments: Repo, text: str, old: str, new: str, said: str) -> None:
    assert old in text
    payments.write("seeknal/x.yml", text.replace(old, new, 1))
    assert said.lower() in payments.seeknal("validate", code=1).err.lower()


def test_a_column_that_an_aggregation_does_not_hand_on(payments: Repo) -> None:
    payments.write(NODE, USER_STATS)
    payments.write(
        OF_REGIONS,
        "kind: second_order_aggregation\nname: r\nid_col: kind\nfeature_date_col: app_date\n"
        "source: aggregation.user_stats\nfeatures: {spend_sum: {basic: [sum]}}\n",
    )
    told = payments.seeknal("validate", code=1).err
    assert f'{OF_REGIONS}:3: second_order_aggregation.r: {LACKS} "kind"' in told
    assert "`group_by` of aggregation.user_stats" in told
