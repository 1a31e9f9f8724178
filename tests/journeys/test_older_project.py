"""A project as people write them for Seeknal: 21 nodes in YAML, 7 in Python, common files, a profile
of connections. It runs as it is, on the first day and on the second."""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb
import pytest

from tests.conftest import Repo

PROJECT = Path(__file__).parent / "roastery"
PYTHON = [
    "feature_group.customer_features",
    "second_order_aggregation.region_metrics",
    "source.payments",
    "source.rates",
    "transform.category_insights",
    "transform.customer_daily",
    "transform.region_analytics",
]


@pytest.fixture
def roastery(repo: Repo) -> Repo:
    pytest.importorskip("pandas")
    shutil.copytree(PROJECT, repo.path, dirs_exist_ok=True)
    rows = "SELECT 'beans' AS category, 100.0 AS amount UNION ALL SELECT 'tools', 50"
    duckdb.sql(f"COPY ({rows}) TO '{repo.path}/data/sales_snapshot.parquet'")
    repo.commit()
    return repo


def test_it_runs_as_it_is(roastery: Repo) -> None:
    found = roastery.seeknal("validate")
    assert found.out == "28 nodes valid.\n"
    assert "The materialization of transform.region_analytics to postgresql" in found.err
    first = roastery.run()
    assert len(first["built"]) == 20  # all but six rules, the exposure and the semantic model
    assert {*PYTHON} <= {*first["built"]}
    by_day = "SELECT * REPLACE (order_date::VARCHAR AS order_date) FROM main.daily_revenue"
    assert roastery.numbers(f"{by_day} ORDER BY 1") == [
        ("2026-01-05", 2, 42.5, "007"),
        ("2026-01-06", 1, 18.25, "007"),
        ("2026-01-07", 1, 14.0, "007"),
        ("2026-02-02", 1, 44.0, "007"),
        ("2026-02-04", 1, 21.0, "007"),
    ]
    assert roastery.numbers("FROM main.category_insights") == [
        ("beans", 2, 52.0, 26.0, 92.44, 1),
        ("filters", 1, 4.25, 4.25, 7.56, 2),
    ]
    assert roastery.numbers("FROM main.region_analytics") == [
        ("north", "SEK", 2, 2.27),
        ("south", "EUR", 2, 34.1),
    ]
    assert roastery.numbers("SELECT * EXCLUDE event_time FROM main.customer_features LIMIT 1")
    metrics = "SELECT region, daily_amount_SUM, daily_amount_MEAN, daily_amount_MAX, daily_count_SUM, daily_amount_SUM_0_7"
    assert roastery.numbers(f"{metrics} FROM main.region_metrics") == [
        ("north", 86.5, 86.5 / 3, 44.0, 3, 44.0),
        ("south", 38.0, 19.0, 24.0, 3, 24.0),
    ]
    exported = roastery.read("target/exports/revenue.csv").splitlines()
    assert exported[0] == "order_date,orders,revenue,code"
    assert len(exported) == 6
    queried = roastery.seeknal("query", "--metrics", "revenue_per_customer", "--format", "csv").out
    assert queried.splitlines() == ["revenue_per_customer", "22.9"]
    assert roastery.git("status", "--porcelain") == ""
    assert roastery.built() == []
    assert roastery.plan()["changes"] == []


def test_tables_of_other_systems_are_told_once_a_run(repo: Repo) -> None:
    node = "kind: transform\nname: {0}\ntransform: SELECT 1 AS one\n{1}\n"
    target = "{type: postgresql, connection: pg, table: a.b}"
    keys = {
        "a": f"materialization: {target}",
        "b": f"materializations: [{target}, {{type: iceberg, table: a.b.c, enabled: no}}]",
        "c": "materialization: {enabled: false, table: a.b.c}",
        "d": "materialization: {enabled: true, table: a.b.c}",
        "e": "materialization: {event_time_col: one, offline: true}",
    }
    for name, key in keys.items():
        repo.write(f"seeknal/{name}.yml", node.format(name, key))
    repo.commit()
    line = "Not written here: the materialization of transform.a, transform.b, transform.d.\n"
    assert repo.seeknal("run").err.count(line) == 1
    repo.write("seeknal/e.yml", node.format("e", f"{keys['a']}\n{keys['b']}"))
    said = repo.seeknal("validate", code=1).err
    assert "seeknal/e.yml:5: `materialization` and `materializations` mean the same" in said


def test_a_change_of_another_day_builds_only_the_nodes_behind_it(roastery: Repo) -> None:
    roastery.run()
    roastery.switch("dev", create=True)
    roastery.replace("seeknal/common/rules.yml", "Col }} > 0", "Col }} > 1")
    roastery.replace("seeknal/pipelines/region_metrics.py", '"max", ', "")
    changed = roastery.plan("dev")
    assert {change["node"] for change in changed["changes"]} >= {
        "transform.events_cleaned",
        "second_order_aggregation.region_metrics",
    }
    said = roastery.seeknal("plan", "dev").out
    assert "rules.realSale changed (seeknal/common/rules.yml:5)" in said
    built = roastery.built("--env", "dev")
    assert "second_order_aggregation.region_metrics" in built
    assert "transform.region_analytics" in built
    assert not {"transform.customer_daily", "source.payments", "profile.products_stats"} & {*built}
    roastery.commit()
    roastery.seeknal("promote", "dev")
    columns = [row[0] for row in roastery.numbers("DESCRIBE main.region_metrics")]
    assert "daily_amount_MAX" not in columns
    roastery.switch("main")
    assert roastery.built() == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "kind: source\nname: a\nsource: bigquery\ntable: bronze.orders\n",
            "write the table of bigquery to a file",
        ),
        (
            "kind: source\nname: a\nsource: csv\ntable: /data/x.csv\n",
            "copy the file below it, and name that, for example data/orders.csv",
        ),
        ("kind: model\nname: a\noutput_columns: [b]\n", "a function with @transform"),
        (
            "kind: rule\nname: a\ninputs: [source.b]\nrule: {type: custom, value: 1}\n",
            "'range', 'uniqueness', 'freshness', 'sql_assertion' or 'profile_check'",
        ),
    ],
)
def test_what_is_not_here_is_refused_with_the_way_out(repo: Repo, text: str, said: str) -> None:
    repo.write("seeknal/a.yml", text)
    assert said in repo.seeknal("validate", code=1).err
