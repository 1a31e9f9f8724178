"""A plan tells the story: the columns of every change, and why each node downstream is rebuilt or
re-used."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import ROOT, Repo

CLEAN = "seeknal/transforms/clean_orders.yml"
DAILY = "seeknal/transforms/daily.yml"
BY_CUSTOMER = "seeknal/transforms/by_customer.yml"


@pytest.fixture
def dev(published: Repo) -> Repo:
    published.switch("dev", create=True)
    return published


def change_of(repo: Repo, node: str) -> dict[str, Any]:
    (change,) = (each for each in repo.plan()["changes"] if each["node"] == node)
    return dict(change)


def test_columns_are_told_with_their_types(dev: Repo) -> None:
    dev.replace(DAILY, "sum(amount) AS total", "sum(amount)::DOUBLE AS total, count(*) AS orders")
    assert change_of(dev, "transform.daily")["columns"] == [
        {"name": "total", "change": "changed", "before": "HUGEINT", "after": "DOUBLE"},
        {"name": "orders", "change": "added", "before": None, "after": "BIGINT"},
    ]
    said = dev.seeknal("plan").out
    assert "~ total  HUGEINT → DOUBLE\n" in said
    assert "+ orders  BIGINT\n" in said
    assert "~ total  HUGEINT → DOUBLE, + orders  BIGINT" in dev.seeknal("plan", "--markdown").out


def test_a_changed_value_of_the_same_type_is_a_changed_column(dev: Repo) -> None:
    dev.replace(DAILY, "sum(amount)", "2 * sum(amount)")
    change = change_of(dev, "transform.daily")
    assert (change["rows"], change["category"]) == (False, "BREAKING")
    assert [each["name"] for each in change["columns"]] == ["total"]


def test_changed_rows_are_told_as_such(dev: Repo) -> None:
    dev.replace(CLEAN, "amount IS NOT NULL", "amount > 10")
    change = change_of(dev, "transform.clean_orders")
    assert (change["rows"], change["columns"]) == (True, [])
    assert change["what"] == ["filter changed"]


def test_why_each_node_downstream_is_rebuilt_or_not(dev: Repo) -> None:
    dev.replace(CLEAN, "day, amount\n", "day, 2 * amount AS amount\n")
    dev.write(
        "seeknal/transforms/days.yml",
        "kind: transform\nname: days\ntransform: SELECT DISTINCT day FROM transform.clean_orders\n",
    )
    dev.commit()
    dev.git("branch", "--force", "main", "HEAD~1")
    dev.replace(CLEAN, "2 * amount", "3 * amount")
    reasons = dev.plan()["reasons"]
    assert reasons["transform.daily"] == "reads amount of transform.clean_orders"
    assert reasons["exposure.by_customer_csv"] == "reads total of transform.by_customer"
    said = dev.seeknal("plan").out
    assert "transform.daily  reads amount\n" in said


def test_a_change_shows_only_the_reasons_that_lie_in_it(dev: Repo) -> None:
    """by_customer gets another row set by one change, and a new column by the other one."""
    dev.replace(CLEAN, "amount IS NOT NULL", "amount > 10")
    dev.replace(BY_CUSTOMER, "sum(", "count(*) AS orders, sum(")
    plan = dev.plan()
    assert plan["reasons"]["exposure.by_customer_csv"] == "reads the rows of transform.by_customer"
    said = dev.seeknal("plan", "--markdown").out
    of_rows, of_column = (
        next(line for line in said.splitlines() if f"`{node}`" in line)
        for node in ("transform.clean_orders", "transform.by_customer")
    )
    assert "exposure.by_customer_csv (reads the rows of transform.by_customer)" in of_rows
    assert "exposure.by_customer_csv (reads orders of transform.by_customer)" in of_column


def test_why_a_node_is_re_used(dev: Repo) -> None:
    dev.replace(CLEAN, "SELECT id,", "SELECT id + 1 AS id,")
    plan = dev.plan()
    assert plan["reasons"]["transform.daily"] == "reads only amount, day"
    assert plan["reasons"]["exposure.by_customer_csv"] == "reads nothing that changed"
    assert "transform.daily  reads only amount, day\n" in dev.seeknal("plan").out
    assert "transform.daily (reads only amount, day)" in dev.seeknal("plan", "--markdown").out


def test_rows_that_a_node_reads_are_a_reason(dev: Repo) -> None:
    dev.replace(CLEAN, "amount IS NOT NULL", "amount > 10")
    assert dev.plan()["reasons"]["transform.daily"] == "reads the rows of transform.clean_orders"


@pytest.mark.parametrize(
    ("sql", "word"),
    [
        pytest.param("day, any_value(amount) AS total", "unstable: any_value()", id="unstable"),
        pytest.param("day, sum(amount + random()) AS total", "unstable: random", id="volatile"),
        pytest.param(
            "day, sum(amount) + getvariable('x')::INTEGER AS total",
            "not resolved: getvariable(), a function that is not known",
            id="unknown",
        ),
    ],
)
def test_verbose_names_the_construct_that_prevents_a_proof(dev: Repo, sql: str, word: str) -> None:
    dev.replace(DAILY, "day, sum(amount) AS total", f"{sql}, 1 AS one")
    change = change_of(dev, "transform.daily")
    assert change["category"] == "BREAKING"
    assert any(each.startswith(word) for each in change["obstacles"])
    assert word in dev.seeknal("plan", "--verbose").out
    assert (word in dev.seeknal("plan").out) is word.startswith("unstable"), (
        "what decides a verdict is always told"
    )


def test_sql_that_cannot_be_resolved_runs_all_the_same(dev: Repo) -> None:
    dev.replace(DAILY, "sum(amount)", "sum(amount) + coalesce(getvariable('x')::INTEGER, 0)")
    assert "transform.daily" in dev.built()


# Whatever compiles to SQL

GROUP = "seeknal/feature_groups/spending.yml"
SPENDING = """
    kind: feature_group
    name: spending
    entity: {name: customer, join_keys: [name]}
    inputs: [transform.by_customer]
    features: [total]
    transform: SELECT name, total FROM input_0
"""


def test_a_feature_group_is_taken_apart_like_a_transform(published: Repo) -> None:
    published.write(GROUP, SPENDING)
    published.commit(hooks=False)
    published.seeknal("run")
    published.switch("dev", create=True)
    published.replace(GROUP, "name, total FROM", "name, total, total * 2 AS twice FROM")
    assert published.categories() == {"feature_group.spending": "NON_BREAKING"}
    published.replace(
        GROUP,
        "SELECT name, total, total * 2 AS twice FROM input_0",
        "select i.NAME, (i.total) as total from input_0 i",
    )
    assert published.categories() == {"feature_group.spending": "METADATA"}


def test_a_rule_is_asked_again_only_where_its_count_can_differ(dev: Repo) -> None:
    dev.replace(
        CLEAN,
        "day, amount\n",
        "day + 0 * id AS day, amount\n".replace("day + 0 * id", "day::VARCHAR"),
    )
    plan = dev.plan()
    assert "rule.amounts_are_positive" in plan["reused"]
    dev.replace(CLEAN, ", amount\n", ", amount + 1 AS amount\n")
    assert "rule.amounts_are_positive" not in dev.plan()["reused"]


def test_an_exposure_writes_every_column_and_so_depends_on_all_and_on_their_order(
    dev: Repo,
) -> None:
    dev.replace(
        BY_CUSTOMER,
        "c.name AS name, sum(o.amount) AS total",
        "sum(o.amount) AS total, c.name AS name",
    )
    change = change_of(dev, "transform.by_customer")
    assert (change["category"], change["what"]) == ("NON_BREAKING", ["order of columns changed"])
    assert change["rebuilds"] == ["exposure.by_customer_csv"]


def test_a_column_that_is_renamed_rewrites_the_file_that_shows_it(dev: Repo) -> None:
    dev.replace(BY_CUSTOMER, "AS total", "AS sum_of_amounts")
    assert change_of(dev, "transform.by_customer")["rebuilds"] == ["exposure.by_customer_csv"]


HARMLESS = [
    pytest.param(
        CLEAN,
        "SELECT id, customer, day, amount",
        "select ID, Customer, day,\n    amount  -- x",
        id="case",
    ),
    pytest.param(CLEAN, "FROM ref('source.orders')", "FROM ref('source.orders') AS o", id="alias"),
    pytest.param(
        CLEAN,
        "WHERE amount IS NOT NULL",
        "WHERE (amount IS NOT NULL)\n  ORDER BY id",
        id="ORDER BY",
    ),
    pytest.param(CLEAN, "name: clean_orders", "name: 'clean_orders'", id="quotes"),
    pytest.param(
        CLEAN,
        "kind: transform\nname: clean_orders",
        "name: clean_orders\nkind: transform",
        id="key order",
    ),
    pytest.param(
        BY_CUSTOMER,
        "JOIN input_1 AS c ON c.id = o.customer",
        "INNER JOIN input_1 c ON o.customer = c.id",
        id="join",
    ),
    pytest.param(
        DAILY,
        "SELECT day, sum(amount) AS total\n  FROM transform.clean_orders\n  GROUP BY day",
        "WITH x AS (FROM transform.clean_orders), unused AS (SELECT 1)\n"
        "  SELECT day, sum(amount) AS total FROM transform.clean_orders GROUP BY ALL",
        id="unused CTEs",
    ),
]


@pytest.mark.parametrize(("path", "old", "new"), HARMLESS)
def test_a_harmless_rewrite_builds_nothing(dev: Repo, path: str, old: str, new: str) -> None:
    dev.replace(path, old, new)
    plan = dev.plan()
    assert [change["category"] for change in plan["changes"]] == ["METADATA"]
    assert plan["layers"] == []
    assert dev.built() == []


def test_a_moved_file_and_another_block_style_build_nothing(dev: Repo) -> None:
    text = dev.read(DAILY)
    dev.git("mv", DAILY, "seeknal/daily_totals.yml")
    dev.write("seeknal/daily_totals.yml", text.replace("transform: |", "transform: >-"))
    plan = dev.plan()
    assert [(change["node"], change["category"]) for change in plan["changes"]] == [
        ("transform.daily", "METADATA")
    ]
    assert plan["layers"] == []


def test_data_of_a_source_that_decides_an_unread_column_builds_nothing_downstream(
    dev: Repo,
) -> None:
    dev.write(
        "seeknal/transforms/wide.yml",
        "kind: transform\nname: wide\ntransform: |\n  SELECT o.id, o.amount, c.n FROM ref('source.orders') AS o\n"
        "  LEFT JOIN (SELECT id, count(*) AS n FROM ref('source.customers') GROUP BY id) AS c\n"
        "  ON c.id = o.customer\n",
    )
    dev.write(
        "seeknal/transforms/narrow.yml",
        "kind: transform\nname: narrow\ntransform: SELECT sum(amount) AS s FROM ref('transform.wide')\n",
    )
    dev.seeknal("run")
    dev.replace("data/customers.csv", "3,Cy,Oslo", "4,Cy,Oslo")
    built = dev.built()
    assert "transform.wide" in built
    assert "transform.narrow" not in built


# Real edits of the example

EDITS = [
    pytest.param(
        "delays_by_carrier",
        "count(*) AS flights,",
        "count(*) AS flights, max(f.distance) AS farthest,",
        "NON_BREAKING",
        {"transform.carrier_ranking": False},
        id="column added",
    ),
    pytest.param(
        "delays_by_carrier",
        "> 15",
        "> 30",
        "BREAKING",
        {"transform.carrier_ranking": True},
        id="threshold",
    ),
    pytest.param(
        "flights_clean",
        "f.dep_time IS NOT NULL",
        "f.dep_time IS NOT NULL AND f.distance > 100",
        "BREAKING",
        {"transform.delays_by_carrier": True},
        id="filter",
    ),
    pytest.param(
        "flights_clean",
        "f.air_time AS air_time",
        "f.air_time / 60.0 AS air_time",
        "BREAKING",
        {"transform.delays_by_carrier": False},
        id="unit of a column that few read",
    ),
    pytest.param(
        "delays_by_carrier",
        "JOIN source.airlines AS a ON a.carrier = f.carrier",
        "INNER JOIN source.airlines al ON f.carrier = al.carrier",
        "METADATA",
        {},
        id="rewritten join",
    ),
]


@pytest.mark.parametrize(("node", "old", "new", "category", "rebuilt"), EDITS)
def test_edits_of_the_example_are_called_what_they_are(
    repo: Repo, node: str, old: str, new: str, category: str, rebuilt: dict[str, bool]
) -> None:
    for file in (ROOT / "examples/flights").rglob("*"):
        if file.is_file():
            place = repo.path / file.relative_to(ROOT / "examples/flights")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(file.read_bytes())
    repo.commit()
    repo.switch("dev", create=True)
    path = f"seeknal/transforms/{node}.yml"
    text = repo.read(path)
    if node == "delays_by_carrier" and category == "METADATA":
        text = text.replace("a.name", "al.name")
    repo.write(path, text)
    repo.replace(path, old, new)
    change = change_of(repo, f"transform.{node}")
    assert change["category"] == category
    for reader, expected in rebuilt.items():
        assert (reader in change["rebuilds"]) is expected


def test_a_column_that_is_handed_on_by_a_star_and_goes_is_a_reason_and_not_unread(
    dev: Repo,
) -> None:
    dev.write(
        "seeknal/transforms/wide.yml",
        "kind: transform\nname: wide\ntransform: SELECT d.* FROM ref('transform.daily') AS d\n",
    )
    dev.replace(DAILY, "AS total", "AS total, count(*) AS orders")
    dev.commit()
    dev.git("branch", "--force", "main")
    dev.replace(DAILY, ", count(*) AS orders", "")
    plan = dev.plan()
    assert plan["reasons"]["transform.wide"] == "reads orders of transform.daily"
    assert change_of(dev, "transform.daily")["what"] == []


def test_the_order_of_columns_is_a_reason_for_who_hands_on_a_star(dev: Repo) -> None:
    dev.write(
        "seeknal/transforms/wide.yml",
        "kind: transform\nname: wide\ntransform: SELECT * FROM ref('transform.daily')\n",
    )
    dev.commit()
    dev.git("branch", "--force", "main")
    dev.replace(DAILY, "day, sum(amount) AS total", "sum(amount) AS total, day")
    assert (
        dev.plan()["reasons"]["transform.wide"]
        == "depends on the order of the columns of transform.daily"
    )


# Nobody is blamed who did nothing, and what a node is called fits what a run does with it

SPEND = "kind: transform\nname: spend\ntransform: |\n  SELECT customer, Amount FROM ref('transform.clean_orders')\n"


def rebuilds(repo: Repo) -> dict[str, list[str]]:
    return {change["node"]: change["rebuilds"] for change in repo.plan()["changes"]}


def test_metadata_is_blamed_for_nothing(dev: Repo) -> None:
    dev.replace(CLEAN, "name: clean_orders", "name: clean_orders\ndescription: Paid for")
    dev.replace("seeknal/sources/orders.yml", "name: orders", "name: orders\ndescription: Raw")
    dev.replace(DAILY, "sum(amount)", "max(amount)")
    dev.replace(
        "seeknal/sources/customers.yml", "source: csv", "source: csv\nparams: {delimiter: ';'}"
    )
    dev.replace("data/customers.csv", "id,name,town", "id;name;town")
    assert rebuilds(dev) == {
        "source.customers": ["exposure.by_customer_csv", "transform.by_customer"],
        "transform.daily": [],
        "source.orders": [],
        "transform.clean_orders": [],
    }


def test_an_edit_is_blamed_for_what_reads_the_part_that_it_changes(dev: Repo) -> None:
    dev.write(
        "seeknal/transforms/wide.yml",
        "kind: transform\nname: wide\ntransform: |\n  SELECT o.id, o.amount, c.name FROM ref('transform.clean_orders')"
        " AS o\n  LEFT JOIN (SELECT id, any_value(name ORDER BY name) AS name FROM ref('source.customers') GROUP BY id)"
        " AS c\n  ON c.id = o.customer\n",
    )
    dev.write(
        "seeknal/transforms/names.yml",
        "kind: transform\nname: names\ntransform: SELECT id, name FROM ref('transform.wide')\n",
    )
    dev.write(
        "seeknal/transforms/sums.yml",
        "kind: transform\nname: sums\ntransform: SELECT sum(amount) AS s FROM ref('transform.wide')\n",
    )
    dev.commit()
    dev.git("branch", "--force", "main")
    dev.replace(CLEAN, "day, amount\n", "day, 2 * amount AS amount\n")
    dev.replace("data/customers.csv", "3,Cy", "3,Cyd")
    found = rebuilds(dev)
    assert "transform.sums" in found["transform.clean_orders"]
    assert "transform.names" not in found["transform.clean_orders"]
    assert "transform.wide" in found["source.customers"]


def test_a_column_that_is_renamed_upstream_and_aliased_back_is_no_change_downstream(
    dev: Repo,
) -> None:
    dev.replace(CLEAN, "day, amount\n", "day, amount AS euros\n")
    dev.replace("seeknal/rules/amounts_are_positive.yml", "amount > 0", "euros > 0")
    dev.replace(DAILY, "sum(amount)", "sum(euros)")
    dev.replace(BY_CUSTOMER, "sum(o.amount)", "sum(o.euros)")
    plan = dev.plan("--verify")
    assert {each["node"]: each["category"] for each in plan["changes"]} == {
        "transform.clean_orders": "BREAKING",
        "rule.amounts_are_positive": "CHECK",
        "transform.daily": "METADATA",
        "transform.by_customer": "METADATA",
    }
    assert plan["layers"] == [["transform.clean_orders"], ["rule.amounts_are_positive"]]
    assert {each["node"]: each["result"] for each in plan["verified"]} == {
        "transform.daily": "equal",
        "transform.by_customer": "equal",
    }
    assert dev.built() == ["transform.clean_orders"]


def test_columns_that_are_swapped_upstream_and_swapped_back_are_no_change(dev: Repo) -> None:
    dev.write(
        CLEAN,
        dev.read(CLEAN)
        .replace("SELECT id, customer", "SELECT customer AS id, id AS customer")
        .replace("  - unique: id", "  - unique: customer"),
    )
    dev.replace(BY_CUSTOMER, "c.id = o.customer", "c.id = o.id")
    plan = dev.plan("--verify")
    assert {each["node"]: each["category"] for each in plan["changes"]} == {
        "transform.clean_orders": "BREAKING",
        "transform.by_customer": "METADATA",
    }
    assert plan["layers"] == [["transform.clean_orders"]]


def test_a_renamed_column_beside_a_changed_filter_is_the_work_of_the_node_upstream(
    dev: Repo,
) -> None:
    dev.replace(CLEAN, "day, amount\n", "day, amount AS euros\n")
    dev.replace(CLEAN, "amount IS NOT NULL", "amount > 10")
    dev.replace("seeknal/rules/amounts_are_positive.yml", "amount > 0", "euros > 0")
    dev.replace(DAILY, "sum(amount)", "sum(euros)")
    dev.replace(BY_CUSTOMER, "sum(o.amount)", "sum(o.euros)")
    assert dev.categories()["transform.daily"] == "METADATA"
    assert {"transform.daily", "transform.by_customer"} <= set(
        rebuilds(dev)["transform.clean_orders"]
    )


def test_a_file_that_shows_an_order_is_why_a_table_is_built(dev: Repo) -> None:
    dev.replace(DAILY, "GROUP BY day", "GROUP BY day ORDER BY total")
    dev.commit()
    dev.git("branch", "--force", "main")
    dev.write(
        "seeknal/exposures/daily_csv.yml",
        "kind: exposure\nname: daily_csv\ntype: file\ninputs: [transform.daily]\n"
        "params: {path: exports/daily.csv}\n",
    )
    plan = dev.plan()
    assert rebuilds(dev) == {"exposure.daily_csv": ["transform.daily"]}
    assert plan["reasons"] == {"transform.daily": "its ORDER BY counts, as a file shows it now"}


def test_columns_are_told_as_they_are_spelled(dev: Repo) -> None:
    dev.write("seeknal/transforms/spend.yml", SPEND.replace("Amount", "amount AS Amount"))
    dev.write(
        "seeknal/transforms/total.yml",
        "kind: transform\nname: total\ntransform: SELECT sum(amount) AS s FROM ref('transform.spend')\n",
    )
    dev.commit()
    dev.git("branch", "--force", "main")
    dev.replace(
        "seeknal/transforms/spend.yml", "amount AS Amount", "2 * amount AS Amount, 1 AS One"
    )
    said = dev.seeknal("plan").out
    assert "~ Amount\n" in said
    assert "+ One  INTEGER\n" in said
    assert "reads Amount\n" in said
