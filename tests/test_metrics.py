"""Semantic models and metrics: bound and checked like SQL, and computed without counting twice."""

from __future__ import annotations

import shutil
from typing import Any

import pytest

from tests.conftest import Repo

MODEL = "seeknal/semantic_models/orders.yml"
METRICS = "seeknal/metrics/all.yml"
TRANSFORM = "seeknal/orders_t.yml"
FILES = {
    "data/orders.csv": (
        "order_id,customer_id,region,status,amount,ordered_at\n"
        "1,c1,EU,done,10,2026-01-05\n2,c2,US,done,20,2026-01-20\n"
        "3,c1,EU,open,5,2026-02-03\n4,c3,EU,done,15,2026-02-10\n"
    ),
    "data/customers.csv": "customer_id,segment,fee\nc1,big,7\nc2,small,8\nc3,small,9\n",
    "seeknal/o.yml": "kind: source\nname: o\nsource: csv\ntable: data/orders.csv\n",
    "seeknal/c.yml": "kind: source\nname: c\nsource: csv\ntable: data/customers.csv\n",
    TRANSFORM: """
        kind: transform
        name: orders_t
        transform: |
          SELECT order_id, customer_id, region,
            status,
            amount,
            ordered_at
          FROM ref('source.o')
    """,
    MODEL: """
        kind: semantic_model
        name: orders
        model: "ref('transform.orders_t')"
        default_time_dimension: ordered_at
        entities: [{name: order_id, type: primary}, {name: customer, type: foreign, expr: customer_id}]
        dimensions:
          - {name: region, type: categorical, expr: region}
          - {name: ordered_at, type: time, expr: ordered_at, time_granularity: day}
        measures:
          - {name: revenue, expr: amount, agg: sum}
          - {name: n, expr: "1", agg: count}
          - {name: customers, expr: customer_id, agg: count_distinct}
          - {name: done_revenue, expr: amount, agg: sum, filters: ["status = 'done'"]}
        metrics:
          - {name: aov, type: ratio, numerator: revenue, denominator: n}
          - {name: cum_rev, type: cumulative, measure: revenue, grain_to_date: month}
    """,
    "seeknal/semantic_models/clients.yml": """
        kind: semantic_model
        name: clients
        model: source.c
        entities: [{name: customer, type: primary, expr: customer_id}]
        dimensions: [{name: segment, type: categorical}]
        measures: [{name: fees, expr: fee, agg: sum}]
    """,
    METRICS: """
        # Several metrics in one file.
        kind: metric
        name: revenue_per_customer
        type: derived
        expr: revenue / customers
        ---
        kind: metric
        name: open_revenue
        type: simple
        measure: revenue
        filter: "status = 'open'"
        ---
        kind: metric
        name: margin
        type: derived
        expr: "(r - f) / r"
        inputs: [{metric: revenue, alias: r}, {metric: fees, alias: f}]
    """,
}


def make_sales(repo: Repo) -> None:
    repo.path.mkdir()
    repo.git("init", "--quiet")
    repo.write("seeknal_project.yml", "name: sales\n")
    repo.write(".gitignore", "target/\n")
    for path, text in FILES.items():
        repo.write(path, text)
    repo.commit("First")
    repo.seeknal("run")


@pytest.fixture
def sales(copy_of: Any) -> Repo:
    """Orders and customers with semantic models, published."""
    repo: Repo = copy_of("sales", make_sales)
    return repo


def asked(repo: Repo, *words: str) -> list[tuple[Any, ...]]:
    return [
        tuple(row.values()) for row in repo.seeknal("query", "--metrics", *words, "--json").json
    ]


@pytest.mark.parametrize(
    ("words", "rows"),
    [
        ("revenue", [(50,)]),
        ("revenue,n --dimensions region", [("EU", 30, 3), ("US", 20, 1)]),
        ("aov --dimensions region", [("EU", 10), ("US", 20)]),
        (
            "cum_rev --dimensions ordered_at",
            [("2026-01-05", 10), ("2026-01-20", 30), ("2026-02-03", 5), ("2026-02-10", 20)],
        ),
        ("done_revenue --dimensions region", [("EU", 25), ("US", 20)]),
        ("revenue_per_customer --dimensions region", [("EU", 15), ("US", 20)]),
        ("open_revenue", [(5,)]),
        (
            "revenue --dimensions region --filter status='done' --order-by -revenue --limit 1",
            [("EU", 25)],
        ),
        ("revenue --dimensions segment", [("big", 15), ("small", 35)]),
        ("revenue --filter segment='big'", [(15,)]),
        ("fees,revenue,n --dimensions segment", [("big", 7, 15, 2), ("small", 17, 35, 2)]),
        ("margin", [(0.52,)]),
        ("revenue --dimensions clients.segment,orders.region --limit 1", [("big", "EU", 15)]),
    ],
)
def test_metrics_are_computed(sales: Repo, words: str, rows: list[tuple[Any, ...]]) -> None:
    found = asked(sales, *words.split())
    assert [tuple(map(str, row)) for row in found] == [
        tuple(
            f"{float(value)}" if _is_float(given) else str(value)
            for value, given in zip(row, one, strict=True)
        )
        for row, one in zip(rows, found, strict=True)
    ]


def _is_float(given: object) -> bool:
    return isinstance(given, float)


def test_a_grain_of_time_names_the_column(sales: Repo) -> None:
    (january, february) = sales.seeknal(
        "query", "--metrics", "revenue", "--dimensions", "ordered_at__month", "--json"
    ).json
    assert list(january) == ["ordered_at_month", "revenue"]
    assert (january["ordered_at_month"][:10], january["revenue"]) == ("2026-01-01", 30)
    assert (february["ordered_at_month"][:10], february["revenue"]) == ("2026-02-01", 20)
    filtered = ("--filter", "ordered_at__month > '2026-01-15' AND region = 'EU'")
    assert asked(sales, "revenue", *filtered) == [(20,)]


def test_the_compiled_sql_is_printed_and_can_be_run(sales: Repo) -> None:
    words = ("--metrics", "aov,cum_rev", "--dimensions", "ordered_at,region")
    sql = sales.seeknal("query", *words, "--compile").out
    assert sql.startswith("WITH ")
    assert (
        sales.seeknal("query", sql, "--json").json == sales.seeknal("query", *words, "--json").json
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("revenu", "Did you mean revenue?"),
        ("revenue --dimensions regoin", "Did you mean region?"),
        ("revenue --dimensions region__month", "region has no grain month"),
        ("revenue --dimensions ordered_at__moon", "A grain is one of"),
        ("cum_rev", "needs a time dimension to grow along"),
        ("cum_rev --dimensions region", "needs a time dimension to grow along"),
        ("fees --dimensions region", "would be counted several times"),
        ("fees --filter region='EU'", "would be counted several times"),
        ("revenue --filter nothing=1", "There is no dimension nothing, and no column"),
        ("revenue --filter region=", "is no condition"),
        ("revenue --order-by amount", "There is no amount in the answer"),
        ("revenue --at HEAD", "goes without SQL, --at and --failed"),
    ],
)
def test_names_without_a_meaning_are_refused(sales: Repo, words: str, said: str) -> None:
    assert said in sales.seeknal("query", "--metrics", *words.split(), code=2).err


def test_models_that_share_no_entity_are_not_multiplied(sales: Repo) -> None:
    sales.write("data/visits.csv", "day,visits\n2026-01-01,3\n2026-01-02,4\n")
    sales.write("seeknal/v.yml", "kind: source\nname: v\nsource: csv\ntable: data/visits.csv\n")
    sales.write(
        "seeknal/semantic_models/visits.yml",
        "kind: semantic_model\nname: visits\nmodel: source.v\nmeasures: [{name: visits, agg: sum}]\n",
    )
    sales.seeknal("run")
    assert asked(sales, "visits") == [(7,)]
    told = sales.seeknal("query", "--metrics", "revenue,visits", code=2).err
    assert "orders and visits have no entity in common" in told
    told = sales.seeknal("query", "--metrics", "visits", "--dimensions", "segment", code=2).err
    assert "no entity leads there from visits" in told


def test_a_key_that_is_not_unique_ends_in_no_answer(sales: Repo) -> None:
    sales.write("data/customers.csv", "customer_id,segment,fee\nc1,big,7\nc1,small,7\nc2,small,8\n")
    sales.seeknal("run")
    assert asked(sales, "revenue") == [(50,)]
    told = sales.seeknal("query", "--metrics", "revenue", "--dimensions", "segment", code=2).err
    assert "The 4 rows of orders become 6" in told


def test_explicit_joins_are_used_if_they_are_many_to_one(sales: Repo) -> None:
    metrics = sales.read(METRICS)
    sales.write(METRICS, metrics[: metrics.rindex("---")])
    sales.replace(MODEL, ", {name: customer, type: foreign, expr: customer_id}", "")
    sales.replace(
        MODEL,
        "dimensions:",
        "joins: [{name: clients, relationship: many_to_one,"
        ' sql: "orders.customer_id = clients.customer_id"}]\ndimensions:',
    )
    assert asked(sales, "revenue", "--dimensions", "segment") == [("big", 15), ("small", 35)]
    sales.replace(MODEL, "many_to_one", "one_to_many")
    assert "no entity leads there" in (
        sales.seeknal("query", "--metrics", "revenue", "--dimensions", "segment", code=2).err
    )


def test_a_name_is_no_text_to_replace(sales: Repo) -> None:
    sales.replace(
        MODEL, "{name: n, ", "{name: revenue_net, expr: amount - 1, agg: sum}\n  - {name: n, "
    )
    sales.replace(METRICS, "expr: revenue / customers", "expr: revenue_net / revenue")
    assert asked(sales, "revenue_per_customer") == [(46 / 50,)]


def test_a_model_whose_name_begins_with_letters_of_ref(repo: Repo) -> None:
    repo.write("data/f.csv", "a\n1\n")
    repo.write("seeknal/f.yml", "kind: source\nname: f\nsource: csv\ntable: data/f.csv\n")
    repo.write("seeknal/t.yml", "kind: transform\nname: offer\ntransform: FROM source.f\n")
    repo.write(
        "seeknal/m.yml",
        "kind: semantic_model\nname: m\nmodel: ref('transform.offer')\n"
        "measures: [{name: a, agg: sum}]\n",
    )
    repo.seeknal("run")
    assert asked(repo, "a") == [(1,)]


def test_they_stand_in_the_lineage_with_the_columns_that_they_use(sales: Repo) -> None:
    told = sales.seeknal("lineage", "transform.orders_t.status", "--downstream").out
    assert "used by  semantic_model.orders" in told
    assert "used by  metric.open_revenue" in told
    assert "revenue_per_customer" not in told
    edges = sales.seeknal("lineage", "--json").json["edges"]
    assert ["semantic_model.orders", "metric.open_revenue"] in edges
    assert ["semantic_model.clients", "metric.margin"] in edges


def test_a_dropped_column_breaks_them_and_is_named(sales: Repo) -> None:
    sales.switch("dev", create=True)
    sales.replace(TRANSFORM, "    status,\n", "")
    told = sales.seeknal("validate", code=1).err
    assert f"{MODEL}:13: semantic_model.orders" in told
    assert 'Referenced column "status" not found' in told
    assert f"{METRICS}:" in told


def test_a_plan_says_which_metrics_a_change_reaches_and_builds_nothing_for_them(
    sales: Repo,
) -> None:
    sales.switch("dev", create=True)
    sales.replace(TRANSFORM, "    status,\n", "    upper(status) AS status,\n")
    (change,) = sales.plan()["changes"]
    assert change["rebuilds"] == ["metric.open_revenue", "semantic_model.orders"]
    assert sales.plan()["layers"] == [["transform.orders_t"]]
    assert sales.built() == ["transform.orders_t"]


@pytest.mark.parametrize(
    ("path", "old", "new", "categories"),
    [
        (
            MODEL,
            "{name: n, ",
            "{name: most, expr: amount, agg: max}\n  - {name: n, ",
            "NON_BREAKING",
        ),
        (MODEL, "expr: amount, agg: sum}", "expr: amount + 1, agg: sum}", "BREAKING"),
        (MODEL, "kind: semantic_model", "kind: semantic_model\ndescription: x", "METADATA"),
        (MODEL, "default_time_dimension: ordered_at\n", "", "BREAKING"),
    ],
)
def test_edits_of_a_model_have_categories(
    sales: Repo, path: str, old: str, new: str, categories: str
) -> None:
    if "default" in old:
        sales.replace(
            path,
            "  - {name: cum_rev, type: cumulative, measure: revenue, grain_to_date: month}\n",
            "",
        )
        sales.commit()
        sales.seeknal("run")
    sales.switch("dev", create=True)
    sales.replace(path, old, new)
    assert sales.categories()["semantic_model.orders"] == categories
    assert sales.built() == []


def test_an_edit_of_one_metric_of_a_file_is_of_that_one(sales: Repo) -> None:
    sales.switch("dev", create=True)
    sales.replace(METRICS, "status = 'open'", "status <> 'done'")
    assert sales.categories() == {"metric.open_revenue": "BREAKING"}


@pytest.mark.parametrize(
    ("path", "old", "new", "said"),
    [
        (METRICS, "expr: revenue / customers", "expr: revenue / custmers", "custmers"),
        (METRICS, "measure: revenue", "measure: revenu", "Did you mean revenue?"),
        (METRICS, "type: simple", "type: ratio", "needs `numerator`"),
        (METRICS, "alias: f}", "alias: f, offset: 1 month}", "`offset` is not supported"),
        (METRICS, "filter: \"status = 'open'\"", "filter: \"stat = 'open'\"", '"stat"'),
        (METRICS, "revenue / customers", "1 + revenue_per_customer", "is made of itself"),
        (METRICS, '"(r - f) / r"', '"(r - f) / r"\ntests: [{row_count: {min: 1}}]', "no rows"),
        (METRICS, "type: simple\nmeasure: revenue", "type: dashboard", "holds metrics alone"),
        (MODEL, "expr: amount, agg: sum}", "expr: amuont, agg: sum}", f"{MODEL}:"),
        (MODEL, "measure: revenue,", "measure: revenu,", f"{MODEL}:16"),
        (MODEL, "agg: count}", "agg: total}", "measures.1.agg"),
        (
            MODEL,
            "default_time_dimension: ordered_at",
            "default_time_dimension: region",
            "type time",
        ),
        (MODEL, "{name: n, ", "{name: Revenue, ", "there twice among the measures"),
        (MODEL, "default_time_dimension: ordered_at\n", "", "has no default_time_dimension"),
        (MODEL, "transform.orders_t", "transform.orders_x", "which does not exist"),
    ],
)
def test_mistakes_are_named(sales: Repo, path: str, old: str, new: str, said: str) -> None:
    text = sales.read(path)
    assert old in text
    text = text.replace(old, new, 1)
    if "dashboard" in new:
        text = text.replace("kind: metric\nname: open", "kind: exposure\nname: open")
    sales.write(path, text)
    assert said in sales.seeknal("validate", code=1).err


def test_metrics_of_each_other_are_refused(sales: Repo) -> None:
    sales.write(
        "seeknal/metrics/circle.yml",
        "kind: metric\nname: a\ntype: derived\nexpr: b + 1\n---\n"
        "kind: metric\nname: b\ntype: derived\nexpr: a + 1\n",
    )
    assert (
        "These metrics are made of each other: a → b → a" in sales.seeknal("validate", code=1).err
    )


def test_a_draft_of_a_metric_is_applied_and_computed(sales: Repo) -> None:
    sales.seeknal("draft", "metric", "total")
    sales.replace("draft_metric_total.yml", "<MEASURE>", "revenue")
    sales.seeknal("apply", "draft_metric_total.yml")
    assert asked(sales, "total") == [(50,)]


def test_a_plan_of_each_edit_is_that_of_a_clone_without_a_cache(sales: Repo) -> None:
    sales.write("seeknal/p.yml", "kind: profile\nname: p\ninputs: [transform.orders_t]\n")
    sales.commit()
    sales.seeknal("run")
    sales.switch("dev", create=True)
    for path, old, new in (
        (TRANSFORM, "    amount,\n", "    amount * 2 AS amount, 1 AS one,\n"),
        (METRICS, "status = 'open'", "status <> 'done'"),
        (MODEL, "{name: n, ", "{name: most, expr: one, agg: max}\n  - {name: n, "),
        ("seeknal/p.yml", "inputs:", "profile: {columns: [one]}\ninputs:"),
    ):
        sales.replace(path, old, new)
        known = sales.plan()
        shutil.rmtree(sales.path / ".git/seeknal/cache")
        assert sales.plan() == known
    assert sales.built() == ["profile.p", "transform.orders_t"]
