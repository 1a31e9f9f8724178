"""`seeknal plan --verify`: both versions of what was edited are executed on production's tables,
and compared."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from typing import Any

import duckdb
import pytest

from seeknal_git.build.trial import Verified
from seeknal_git.commands.planned import Planned, plan_environment
from seeknal_git.commands.verify import broken_promises, verify_plan
from seeknal_git.plan.changes import Category
from seeknal_git.project.workspace import open_workspace
from seeknal_git.warehouse.compare import compare
from tests.conftest import Repo

CLEAN = "seeknal/transforms/clean_orders.yml"
DAILY = "seeknal/transforms/daily.yml"
BY_CUSTOMER = "seeknal/transforms/by_customer.yml"
CUSTOMERS = "seeknal/sources/customers.yml"


@pytest.fixture
def dev(published: Repo) -> Repo:
    """A branch that has changed nothing yet, beside a production that is built."""
    published.switch("dev", create=True)
    return published


def transform(repo: Repo, name: str, sql: str) -> None:
    repo.write(
        f"seeknal/transforms/{name}.yml", f"kind: transform\nname: {name}\ntransform: {sql}\n"
    )


def publish(repo: Repo, **transforms: str) -> None:
    """Put more transforms into production, and begin the branch there."""
    repo.switch("main")
    for name, sql in transforms.items():
        transform(repo, name, sql)
    repo.commit()
    repo.seeknal("run")
    repo.git("branch", "--force", "dev")
    repo.switch("dev")


def readers(repo: Repo, code: int = 0) -> dict[str, dict[str, Any]]:
    """Reader that is re-used → what came of it."""
    found = repo.seeknal("plan", "--verify", "--json", code=code).json["verified"]
    return {each["node"]: each for each in found if each["reused"]}


def all_reused(repo: Repo) -> tuple[Planned, dict[str, Verified]]:
    """What comes of a plan that calls every node re-used: reader → its result."""
    workspace = open_workspace(repo.path)
    planned = plan_environment(workspace)
    wrong = replace(planned, plan=replace(planned.plan, reused=tuple(planned.head.graph.members)))
    return wrong, {each.node: each for each in verify_plan(workspace, wrong) if each.reused}


def verified(repo: Repo, code: int = 0) -> dict[str, dict[str, Any]]:
    """Node → what came of it."""
    return {
        each["node"]: each
        for each in repo.seeknal("plan", "--verify", "--json", code=code).json["verified"]
    }


def relabelled(
    repo: Repo, category: Category = Category.NON_BREAKING
) -> tuple[Planned, tuple[Verified, ...]]:
    """What comes of a plan that calls its changes what they are not."""
    workspace = open_workspace(repo.path)
    planned = plan_environment(workspace)
    changes = tuple(replace(change, category=category) for change in planned.plan.changes)
    wrong = replace(planned, plan=replace(planned.plan, changes=changes))
    return wrong, verify_plan(workspace, wrong)


# What holds


def test_a_column_added_and_a_harmless_rewrite_are_equal(dev: Repo) -> None:
    dev.replace(DAILY, "AS total", "AS total, count(*) AS orders")
    dev.replace(BY_CUSTOMER, "c.id = o.customer", "o.customer = c.id")
    assert verified(dev) == {
        "transform.daily": {
            "node": "transform.daily",
            "result": "equal",
            "rows": 2,
            "columns": 2,
            "reason": None,
            "reused": False,
            "partitions": False,
            "only_before": None,
            "only_after": None,
        },
        "transform.by_customer": {
            "node": "transform.by_customer",
            "result": "equal",
            "rows": 3,
            "columns": 2,
            "reason": None,
            "reused": False,
            "partitions": False,
            "only_before": None,
            "only_after": None,
        },
    }


def test_it_stands_below_the_plan_as_text_and_as_markdown(dev: Repo) -> None:
    dev.replace(DAILY, "AS total", "AS total, count(*) AS orders")
    assert dev.seeknal("plan", "--verify").out.endswith(
        "\nVerified\n  transform.daily  equal on 2 rows, 2 columns\n"
    )
    markdown = dev.seeknal("plan", "--verify", "--markdown").out
    assert markdown.endswith(
        "\n\n#### Verified\n\n- `transform.daily`: equal on 2 rows, 2 columns\n"
    )


def test_without_the_option_nothing_is_executed_or_said(dev: Repo) -> None:
    dev.replace(DAILY, "AS total", "AS total, count(*) AS orders")
    assert dev.plan()["verified"] is None
    assert "Verified" not in dev.seeknal("plan").out
    assert "Verified" not in dev.seeknal("plan", "--markdown").out


def test_breaking_changes_sources_rules_and_new_nodes_promise_nothing(dev: Repo) -> None:
    dev.replace(DAILY, "sum(amount)", "max(amount)")
    dev.replace(CUSTOMERS, "name: customers", "name: customers\ndescription: x")
    transform(dev, "more", "SELECT id FROM source.orders")
    assert verified(dev) == {}
    assert "Verified\n  nothing:" in dev.seeknal("plan", "--verify").out
    assert "- nothing:" in dev.seeknal("plan", "--verify", "--markdown").out


def test_nothing_is_written_to_the_warehouse(dev: Repo) -> None:
    before = sha256(dev.warehouse.read_bytes()).hexdigest()
    dev.replace(CLEAN, "day, amount\n", "day, amount, 1 AS one\n")
    dev.replace(DAILY, "AS total", "AS total, max(one) AS one")
    assert {each["result"] for each in verified(dev).values()} == {"equal"}
    assert sha256(dev.warehouse.read_bytes()).hexdigest() == before
    assert {path.name for path in dev.warehouse.parent.glob(f"{dev.warehouse.name}*")} == {
        dev.warehouse.name
    }


def test_a_plan_of_another_branch_can_be_verified(dev: Repo) -> None:
    dev.replace(DAILY, "AS total", "AS total, count(*) AS orders")
    dev.commit()
    dev.switch("main")
    (each,) = dev.seeknal("plan", "dev", "--verify", "--json").json["verified"]
    assert each["result"] == "equal"


def test_names_may_differ_in_case(dev: Repo) -> None:
    dev.replace(DAILY, "AS total", "AS TOTAL, count(*) AS orders")
    dev.replace(DAILY, "SELECT day", "SELECT clean_orders.DAY")
    assert verified(dev)["transform.daily"]["result"] == "equal"


# What the new version reads


def test_a_column_that_the_branch_adds_to_an_input_is_computed(dev: Repo) -> None:
    dev.replace(CLEAN, "day, amount\n", "day, amount, amount * 2 AS twice\n")
    dev.replace(DAILY, "AS total", "AS total, sum(twice) AS twice")
    dev.replace(BY_CUSTOMER, "AS total", "AS total, sum(o.twice) AS twice")
    assert {node: each["result"] for node, each in verified(dev).items()} == {
        "transform.clean_orders": "equal",
        "transform.daily": "equal",
        "transform.by_customer": "equal",
    }


def test_a_column_that_comes_through_nodes_that_nobody_edited_is_computed(dev: Repo) -> None:
    publish(
        dev,
        through="SELECT * FROM transform.clean_orders",
        end="SELECT id, amount FROM transform.through",
    )
    dev.replace(CLEAN, "day, amount\n", "day, amount, amount * 2 AS twice\n")
    dev.replace("seeknal/transforms/end.yml", "SELECT id", "SELECT twice, id")
    assert verified(dev)["transform.end"]["result"] == "equal"


def test_the_old_version_does_not_see_the_new_columns_of_an_input(dev: Repo) -> None:
    publish(dev, everything="SELECT o.* FROM transform.clean_orders AS o")
    dev.replace(CLEAN, "day, amount\n", "day, amount, amount * 2 AS twice\n")
    dev.replace(
        "seeknal/transforms/everything.yml",
        "o.*",
        "o.id, o.customer, o.day, o.amount, o.twice AS double",
    )
    assert verified(dev)["transform.everything"]["columns"] == 4


def test_a_new_node_that_is_joined_is_computed(dev: Repo) -> None:
    joined = "SELECT o.id, o.amount, n.orders FROM transform.clean_orders AS o LEFT JOIN transform.counts AS n ON n.customer = o.customer"
    publish(dev, orders_too="SELECT o.id, o.amount FROM transform.clean_orders AS o")
    transform(
        dev,
        "counts",
        "SELECT customer, count(*) AS orders FROM transform.clean_orders GROUP BY customer",
    )
    transform(dev, "orders_too", joined)
    assert verified(dev) == {
        "transform.orders_too": {
            "node": "transform.orders_too",
            "result": "equal",
            "rows": 4,
            "columns": 2,
            "reason": None,
            "reused": False,
            "partitions": False,
            "only_before": None,
            "only_after": None,
        }
    }


def test_a_new_source_is_read(dev: Repo) -> None:
    publish(dev, people="SELECT c.id, c.name FROM source.customers AS c")
    dev.write("data/towns.csv", "town,country\nLondon,UK\n")
    dev.write(
        "seeknal/sources/towns.yml",
        "kind: source\nname: towns\nsource: csv\ntable: data/towns.csv\n",
    )
    transform(
        dev,
        "people",
        "SELECT c.id, c.name, (SELECT max(country) FROM source.towns) AS country FROM source.customers AS c",
    )
    assert verified(dev)["transform.people"]["result"] == "equal"


def test_an_input_that_changed_badly_is_read_as_it_was(dev: Repo) -> None:
    dev.replace(CLEAN, "amount IS NOT NULL", "amount > 15")
    dev.replace(DAILY, "AS total", "AS total, count(*) AS orders")
    found = verified(dev)
    assert found.keys() == {"transform.daily"}
    assert (found["transform.daily"]["result"], found["transform.daily"]["rows"]) == ("equal", 2)


def test_an_input_of_another_name_is_read_as_it_was(dev: Repo) -> None:
    """Its numbers would be others if it were computed again."""
    publish(
        dev,
        numbers="SELECT id, random() AS r FROM source.orders",
        last="SELECT id, r FROM transform.numbers",
    )
    (dev.path / "seeknal/transforms/numbers.yml").unlink()
    transform(dev, "renamed", "SELECT id, random() AS r FROM source.orders")
    transform(dev, "last", "SELECT id, r FROM transform.renamed")
    assert verified(dev)["transform.last"]["result"] == "equal"


# What cannot be verified


def test_a_column_of_an_input_that_changed_badly_is_no_ground_to_stand_on(dev: Repo) -> None:
    dev.replace(CLEAN, "amount IS NOT NULL", "amount > 15")
    dev.replace(CLEAN, "day, amount\n", "day, amount, amount * 2 AS twice\n")
    dev.replace(DAILY, "AS total", "AS total, sum(twice) AS twice")
    done = dev.seeknal("plan", "--verify", "--json")
    (each,) = done.json["verified"]
    assert (each["result"], each["rows"], each["columns"]) == ("not verified", None, None)
    assert (
        each["reason"]
        == "it needs what transform.clean_orders has on this branch, and that is BREAKING there"
    )
    assert done.err == f"not verified: transform.daily: {each['reason']}\n"
    assert "Verified\n" in dev.seeknal("plan", "--verify").out
    assert (
        f"- `transform.daily`: not verified: {each['reason']}"
        in dev.seeknal("plan", "--verify", "--markdown").out
    )


def test_what_production_has_not_built_cannot_be_verified(dev: Repo) -> None:
    dev.switch("main")
    dev.replace(CLEAN, "amount IS NOT NULL", "amount > 15")
    dev.commit()
    dev.git("branch", "--force", "dev")
    dev.switch("dev")
    dev.replace(DAILY, "AS total", "AS total, count(*) AS orders")
    reason = "transform.clean_orders is not built in production as the merge base defines it"
    assert verified(dev)["transform.daily"]["reason"] == reason


def test_an_input_that_fails_when_it_runs_is_named(dev: Repo) -> None:
    dev.replace(CLEAN, "day, amount\n", "day, amount, CAST('x' || day AS INTEGER) AS n\n")
    dev.replace(DAILY, "AS total", "AS total, sum(n) AS n")
    found = verified(dev, code=1)
    assert {node: each["result"] for node, each in found.items()} == {
        "transform.clean_orders": "cannot be built",
        "transform.daily": "not verified",
        "transform.by_customer": "not verified",
    }
    for node in ("transform.daily", "transform.by_customer"):
        assert found[node]["reason"].startswith("transform.clean_orders: Conversion Error")


def test_without_its_files_a_new_source_cannot_be_read(dev: Repo) -> None:
    publish(dev, people="SELECT c.id, c.name FROM source.customers AS c")
    dev.write(
        "seeknal/sources/towns.yml",
        "kind: source\nname: towns\nsource: csv\ntable: raw/towns.csv\nschema: [{name: town, data_type: varchar}]\n",
    )
    transform(
        dev,
        "people",
        "SELECT c.id, c.name, (SELECT max(town) FROM source.towns) AS last FROM source.customers AS c",
    )
    assert "there is no such file" in verified(dev)["transform.people"]["reason"]


@pytest.mark.parametrize(
    ("sql", "result", "reason"),
    [
        pytest.param(
            "SELECT id FROM source.orders USING SAMPLE 2",
            "not verified",
            "a sample may give other rows each time",
            id="rows",
        ),
        pytest.param(
            "SELECT id, random() AS r FROM source.orders",
            "equal",
            "without r (random), which may be different each time",
            id="one column",
        ),
        pytest.param(
            "SELECT random() AS r, uuid() AS u FROM source.orders",
            "not verified",
            "any column may be different each time (random, uuid)",
            id="every column",
        ),
        pytest.param(
            "SELECT get_bit('0110'::BIT, 1) AS b FROM source.orders",
            "equal",
            None,
            id="not taken apart",
        ),
    ],
)
def test_what_may_differ_by_chance_is_no_difference(
    dev: Repo, sql: str, result: str, reason: str | None
) -> None:
    publish(dev, chance=sql)
    transform(dev, "chance", sql.replace("SELECT", "SELECT  ", 1))
    found = verified(dev)["transform.chance"]
    assert (found["result"], found["reason"]) == (result, reason)


# Where nothing can be read


def test_without_a_warehouse_it_is_an_error(dev: Repo) -> None:
    dev.warehouse.unlink()
    dev.replace(DAILY, "AS total", "AS total, count(*) AS orders")
    done = dev.seeknal("plan", "--verify", code=1)
    assert "There is no warehouse" in done.err
    assert "seeknal run" in done.err


def test_a_warehouse_that_another_process_holds_is_an_error(dev: Repo) -> None:
    dev.replace(DAILY, "AS total", "AS total, count(*) AS orders")
    with dev.held() as pid:
        assert f"is held by process {pid}" in dev.seeknal("plan", "--verify", code=1).err


# Readers that are re-used


MORE = "day, amount, amount * 2 AS twice\n"


def test_a_reader_that_is_re_used_is_executed_over_its_old_and_its_new_inputs(dev: Repo) -> None:
    dev.replace(CLEAN, "day, amount\n", MORE)
    assert readers(dev)["transform.daily"] == {
        "node": "transform.daily",
        "result": "equal",
        "rows": 2,
        "columns": 2,
        "reason": None,
        "reused": True,
        "partitions": False,
        "only_before": None,
        "only_after": None,
    }
    assert (
        "\n  transform.daily         re-used, equal on 2 rows, 2 columns\n"
        in dev.seeknal("plan", "--verify").out
    )


@pytest.mark.parametrize(
    ("first", "then", "result"),
    [
        pytest.param(
            "SELECT id, amount FROM source.orders",
            "SELECT id, amount + 1 AS amount FROM source.orders",
            "equal",
            id="BREAKING",
        ),
        pytest.param(
            "SELECT id, random() AS amount FROM source.orders",
            "SELECT   id, random() AS amount FROM source.orders",
            "equal",
            id="a harmless rewrite of what may be another one",
        ),
        pytest.param(
            "SELECT id, 1 AS amount FROM source.orders",
            "SELECT id, CAST('x' || day AS INTEGER) AS amount FROM source.orders",
            "not verified",
            id="an input that fails",
        ),
        pytest.param(
            "SELECT id, day AS amount FROM source.orders",
            "SELECT id, (SELECT max(n) FROM transform.new) AS amount FROM source.orders",
            "equal",
            id="through a new node",
        ),
    ],
)
def test_a_reader_of_whatever_changed_is_tried(
    dev: Repo, first: str, then: str, result: str
) -> None:
    """Its own table is none of the branch's: the branch has built nothing yet."""
    publish(
        dev,
        one=first,
        through="SELECT * FROM transform.one",
        last="SELECT id FROM transform.through",
    )
    transform(dev, "new", "SELECT id, 1 AS n FROM source.orders")
    transform(dev, "one", then)
    found = readers(dev)
    reader = "transform.through" if "random" in then else "transform.last"
    assert {node: each["result"] for node, each in found.items()} == {reader: result}


def test_a_reader_whose_description_changes_too_is_tried(dev: Repo) -> None:
    dev.replace(CLEAN, "day, amount\n", MORE)
    dev.replace(DAILY, "name: daily", "name: daily\ndescription: by day")
    assert readers(dev)["transform.daily"]["result"] == "equal"


@pytest.mark.parametrize(
    ("reader", "result", "reason"),
    [
        pytest.param("SELECT id, amount FROM transform.few", "differs", None, id="values"),
        pytest.param(
            "SELECT count(*) AS n FROM transform.few WHERE amount > 15", "differs", None, id="rows"
        ),
        pytest.param(
            "SELECT * FROM transform.few",
            "differs",
            "column day is gone; column twice is new",
            id="columns",
        ),
        pytest.param(
            "SELECT id FROM transform.few ORDER BY amount LIMIT 1", "differs", None, id="LIMIT"
        ),
        pytest.param("SELECT id FROM transform.few", "equal", None, id="nothing"),
    ],
)
def test_a_reader_that_is_wrongly_called_re_used_is_found(
    dev: Repo, reader: str, result: str, reason: str | None
) -> None:
    publish(dev, few="SELECT id, amount, day FROM source.orders", reader=reader)
    transform(
        dev, "few", "SELECT id, 25 - amount AS amount, amount * 2 AS twice FROM source.orders"
    )
    planned, found = all_reused(dev)
    each = found["transform.reader"]
    assert each.result == result
    assert (reason or "") in str(each.reason)
    if result != "equal":
        broken = broken_promises(planned, found.values())
        assert broken is not None
        problem = next(each for each in broken.problems if each.node == "transform.reader")
        assert problem.place == "seeknal/transforms/reader.yml:2"
        assert "transform.reader is called re-used, and " in problem.message


# What goes by the order of rows


@pytest.mark.parametrize(
    ("before", "after", "result", "reason"),
    [
        pytest.param(
            "SELECT id FROM source.orders ORDER BY day, id LIMIT 2",
            "SELECT id FROM source.orders ORDER BY orders.day, orders.id LIMIT 2",
            "equal",
            None,
            id="settled and equal",
        ),
        pytest.param(
            "SELECT id FROM source.orders ORDER BY id LIMIT 2",
            "SELECT id FROM source.orders ORDER BY id DESC LIMIT 2",
            "differs",
            None,
            id="settled and different",
        ),
        pytest.param(
            "SELECT id FROM source.orders ORDER BY day LIMIT 1",
            "SELECT id FROM source.orders ORDER BY day, id DESC LIMIT 1",
            "not verified",
            "LIMIT may give other rows each time",
            id="a tie before",
        ),
        pytest.param(
            "SELECT id FROM source.orders ORDER BY id LIMIT 1",
            "SELECT id FROM source.orders ORDER BY day DESC, 1 - 1 OFFSET 4",
            "not verified",
            "LIMIT may give other rows each time",
            id="a tie after",
        ),
        pytest.param(
            "SELECT id, (SELECT max(o.id) FROM (FROM source.orders ORDER BY id LIMIT 1) AS o) AS top FROM source.orders",
            "SELECT id, (SELECT max(o.id) FROM (FROM source.orders ORDER BY id DESC LIMIT 1) AS o) AS top FROM source.orders",
            "differs",
            None,
            id="a column that is settled",
        ),
        pytest.param(
            "SELECT id, (SELECT max(o.id) FROM (FROM source.orders LIMIT 1) AS o) AS top FROM source.orders",
            "SELECT id, (SELECT max(o.id) FROM (FROM source.orders LIMIT 1 OFFSET 1) AS o) AS top FROM source.orders",
            "equal",
            "without top (LIMIT), which may be different each time",
            id="a column that is not",
        ),
        pytest.param(
            "SELECT customer, first(id ORDER BY id) AS i FROM source.orders GROUP BY customer",
            "SELECT customer, first(id ORDER BY id DESC) AS i FROM source.orders GROUP BY customer",
            "differs",
            None,
            id="an aggregate",
        ),
        pytest.param(
            "SELECT customer, first(id) AS i FROM source.orders GROUP BY customer",
            "SELECT customer, last(id) AS i FROM source.orders GROUP BY customer",
            "equal",
            "without i (last()), which may be different each time",
            id="an aggregate of any order",
        ),
    ],
)
def test_what_goes_by_an_order_counts_if_the_order_of_the_inputs_plays_no_part(
    dev: Repo, before: str, after: str, result: str, reason: str | None
) -> None:
    publish(dev, ordered=before)
    transform(dev, "ordered", after)
    _, found = relabelled(dev, Category.METADATA)
    assert [(each.result, each.reason) for each in found if not each.reused] == [(result, reason)]


# What cannot be built


@pytest.mark.parametrize(
    ("column", "category"),
    [
        pytest.param(
            "AS total, CAST('x' || day AS INTEGER) AS n", "NON_BREAKING", id="a new column"
        ),
        pytest.param(
            "* (CASE WHEN day::VARCHAR = 'x' THEN 1 ELSE error('no') END) AS total",
            "METADATA",
            id="no promise kept",
        ),
    ],
)
def test_a_version_that_fails_on_productions_tables_cannot_be_built(
    dev: Repo, column: str, category: str
) -> None:
    dev.replace(DAILY, "AS total", column)
    planned, (found,) = relabelled(dev, Category(category))
    assert (found.result, found.rows, found.columns) == ("cannot be built", None, ())
    broken = broken_promises(planned, [found])
    assert broken is not None
    (problem,) = broken.problems
    assert problem.message.startswith(
        f"transform.daily is called {category}, and cannot be built: "
    )
    assert ("Mend the SQL" in str(problem.hint)) == (category == "NON_BREAKING")


def test_the_plan_says_what_cannot_be_built(dev: Repo) -> None:
    dev.replace(DAILY, "AS total", "AS total, CAST('x' || day AS INTEGER) AS n")
    done = dev.seeknal("plan", "--verify", code=1)
    assert "\n  transform.daily  cannot be built: Conversion Error" in done.out
    assert (
        f"error: {DAILY}:2: transform.daily is called NON_BREAKING, and cannot be built: Conversion Error"
        in done.err
    )


def test_what_fails_on_rows_that_the_branch_filters_out_can_be_built(dev: Repo) -> None:
    dev.replace(CLEAN, "amount IS NOT NULL", "amount > 15")
    dev.replace(
        DAILY,
        "AS total",
        "AS total, min(CASE WHEN amount < 15 THEN CAST('small' AS INTEGER) END) AS n",
    )
    found = verified(dev)["transform.daily"]
    assert found["result"] == "not verified"
    assert found["reason"].startswith("on production's tables it fails: Conversion Error")


# What does not hold


def test_data_that_breaks_what_the_sql_promises_is_found(dev: Repo) -> None:
    """Somebody put a second row for a key into a table that has one for each, by its SQL."""
    publish(
        dev,
        counts="SELECT customer, count(*) AS orders FROM transform.clean_orders GROUP BY customer",
        amounts="SELECT o.id, o.amount FROM transform.clean_orders AS o",
    )
    (table,) = (table for node, table in dev.snapshots() if node == "transform.counts")
    dev.tamper(f'INSERT INTO _snapshots."{table}" VALUES (1, 7)')
    transform(
        dev,
        "amounts",
        "SELECT o.id, o.amount, n.orders FROM transform.clean_orders AS o LEFT JOIN transform.counts AS n USING (customer)",
    )
    done = dev.seeknal("plan", "--verify", code=1)
    assert "NON_BREAKING  transform.amounts" in done.out
    assert (
        "transform.amounts  differs: 2 rows only after\n    only after\nid   amount\n" in done.out
    )
    assert (
        "error: seeknal/transforms/amounts.yml:2: transform.amounts is called NON_BREAKING"
        in done.err
    )
    assert "a bug" in done.err
    markdown = dev.seeknal("plan", "--verify", "--markdown", code=1).out
    assert (
        "- `transform.amounts`: differs: 2 rows only after\n  - only after: (1, 10)\n" in markdown
    )
    found = verified(dev, code=1)["transform.amounts"]
    assert (found["result"], found["rows"], found["columns"]) == ("differs", 4, 2)
    assert found["only_before"] == {"count": 0, "rows": []}
    assert found["only_after"] == {
        "count": 2,
        "rows": [{"id": 1, "amount": 10}, {"id": 3, "amount": 30}],
    }


def test_a_verdict_that_is_wrong_is_found(dev: Repo) -> None:
    dev.replace(CLEAN, "amount\n", "amount + 1 AS amount\n")
    planned, (found,) = relabelled(dev)
    assert (found.result, found.rows, found.columns) == (
        "differs",
        4,
        ("id", "customer", "day", "amount"),
    )
    assert found.only_before is not None
    assert found.only_after is not None
    assert (found.only_before.count, found.only_after.count) == (4, 4)
    assert sorted(row[-1] for row in found.only_after.rows) == [11, 21, 31, 41]
    broken = broken_promises(planned, [found])
    assert broken is not None
    (problem,) = broken.problems
    assert (problem.node, problem.place) == ("transform.clean_orders", f"{CLEAN}:2")


def test_at_most_five_rows_of_a_side_are_shown(dev: Repo) -> None:
    publish(dev, many="SELECT unnest(range(100)) AS n FROM source.orders")
    transform(dev, "many", "SELECT unnest(range(1, 101)) AS n FROM source.orders")
    _, (found,) = relabelled(dev)
    assert found.only_before is not None
    assert found.only_before.count == 5  # the same row five times over
    transform(dev, "many", "SELECT unnest(range(100)) + 1000 AS n FROM source.orders")
    _, (found,) = relabelled(dev)
    assert found.only_before is not None
    assert (found.only_before.count, len(found.only_before.rows)) == (500, 5)


@pytest.mark.parametrize(
    ("columns", "category", "reason"),
    [
        pytest.param("a, b + 1 AS b", "NON_BREAKING", None, id="value"),
        pytest.param("b", "NON_BREAKING", "column a is gone", id="column gone"),
        pytest.param(
            "a::HUGEINT AS a, b", "NON_BREAKING", "column a is HUGEINT, and was INTEGER", id="type"
        ),
        pytest.param(
            "a, b, 1 AS c",
            "METADATA",
            "column c is new",
            id="column that METADATA does not promise",
        ),
        pytest.param(
            "a, b AS B", "METADATA", "column b is called B", id="case that METADATA promises"
        ),
        pytest.param(
            "b, a",
            "METADATA",
            "the columns are in another order",
            id="order that METADATA promises",
        ),
    ],
)
def test_names_and_types_are_compared_too(
    dev: Repo, columns: str, category: str, reason: str | None
) -> None:
    sql = "FROM (VALUES (1, 2), (3, 4), (3, 4)) AS v(a, b)"
    publish(dev, pairs=f"SELECT a, b {sql}")
    transform(dev, "pairs", f"SELECT {columns} {sql}")
    _, (found,) = relabelled(dev, Category(category))
    assert (found.result, found.reason) == ("differs", reason)


def test_a_wrong_verdict_on_an_input_is_not_blamed_on_its_readers(dev: Repo) -> None:
    publish(
        dev, few="SELECT id, amount, day FROM source.orders", reader="SELECT id FROM transform.few"
    )
    transform(dev, "few", "SELECT id, amount, amount * 2 AS twice FROM source.orders")
    transform(dev, "reader", "SELECT id, twice FROM transform.few")
    found = {each.node: each for each in relabelled(dev)[1]}
    assert (found["transform.few"].result, found["transform.few"].reason) == (
        "differs",
        "column day is gone",
    )
    assert found["transform.reader"].result == "not verified"
    assert str(found["transform.reader"].reason).startswith("transform.few: Binder Error")


def test_a_difference_in_what_could_not_be_taken_apart_proves_nothing(dev: Repo) -> None:
    sql = "SELECT get_bit('0110'::BIT, 1) AS b FROM source.orders"
    publish(dev, bits=sql)
    transform(dev, "bits", sql.replace("0110", "0010"))
    _, (found,) = relabelled(dev)
    assert found.result == "not verified"
    assert str(found.reason).startswith(
        "the two versions differ, maybe by chance, for this could not be resolved: get_bit()"
    )


# Bags


@pytest.mark.parametrize(
    ("before", "after", "types", "only"),
    [
        pytest.param("(1), (2)", "(2), (1)", ["INTEGER"], (0, 0), id="order plays no part"),
        pytest.param("(1), (1)", "(1)", ["INTEGER"], (1, 0), id="how often plays a part"),
        pytest.param("(NULL)", "(NULL)", ["INTEGER"], (0, 0), id="NULL is NULL"),
        pytest.param("(NULL)", "(0)", ["INTEGER"], (1, 1), id="NULL is not 0"),
        pytest.param("(0.1 + 0.2)", "(0.3)", ["DOUBLE"], (0, 0), id="exact"),
        pytest.param("('nan')", "('nan')", ["DOUBLE"], (0, 0), id="NaN is NaN"),
        pytest.param("([1, NULL])", "([1, NULL])", ["INTEGER[]"], (0, 0), id="nested"),
        pytest.param(
            "({'a': 1})", "({'a': 2})", ["STRUCT(a INTEGER)"], (1, 1), id="nested and another"
        ),
        pytest.param(
            "(1, 1.0), (2, 5.0)",
            "(2, 5.000000000000001), (1, 1.0)",
            ["INTEGER", "DOUBLE"],
            None,
            id="last digit",
        ),
        pytest.param(
            "(1.0, 'a'), (1.0, 'b')",
            "(1.000000000000001, 'b'), (1.0, 'a')",
            ["DOUBLE", "VARCHAR"],
            None,
            id="paired by what is exact",
        ),
        pytest.param(
            "(1e10)", "(1.0000000000001e10)", ["DOUBLE"], None, id="last digit of a large one"
        ),
        pytest.param("(0.5)", "(0.50000006)", ["FLOAT"], None, id="last digit of a FLOAT"),
        pytest.param("(0.5)", "(0.50000006)", ["DOUBLE"], (1, 1), id="which is more in a DOUBLE"),
        pytest.param("('nan')", "(1)", ["DOUBLE"], (1, 1), id="NaN is near to nothing"),
        pytest.param("('inf')", "(1)", ["DOUBLE"], (1, 1), id="nor is infinity"),
        pytest.param("('inf')", "('-inf')", ["DOUBLE"], (1, 1), id="nor one infinity to the other"),
        pytest.param("(NULL)", "(1e-12)", ["DOUBLE"], (1, 1), id="nor is NULL"),
        pytest.param(
            "(1, 1.0)",
            "(2, 1.000000000000001)",
            ["INTEGER", "DOUBLE"],
            (1, 1),
            id="the rest is exact",
        ),
    ],
)
def test_tables_are_compared_as_bags(
    before: str, after: str, types: list[str], only: tuple[int, int] | None
) -> None:
    columns = tuple((f"c {number}", word) for number, word in enumerate(types))
    made = ", ".join(f'"{name}" {word}' for name, word in columns)
    with duckdb.connect() as connection:
        for name, rows in (("one", before), ("other", after)):
            connection.execute(f"CREATE TABLE {name} ({made}); INSERT INTO {name} VALUES {rows}")
        found = compare(connection, "one", "other", columns)
    assert found.rounded == (only is None)
    assert found.equal == (only in (None, (0, 0)))
    if only:
        assert (found.only_before.count, found.only_after.count) == only


def test_the_last_digits_of_floats_are_forgiven_and_that_is_said(dev: Repo) -> None:
    publish(dev, shares="SELECT id, amount / 7.0::DOUBLE AS share FROM transform.clean_orders")
    transform(
        dev,
        "shares",
        "SELECT id, amount / 7.0::DOUBLE + 1e-14 AS share FROM transform.clean_orders",
    )
    _, (found,) = relabelled(dev)
    assert (found.result, found.reason) == ("equal", "but for the last digits of floats")
