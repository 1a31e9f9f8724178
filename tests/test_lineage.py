"""`seeknal lineage`: what feeds a node or a column, and what it feeds."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest

from seeknal_git.project.held_files import identity
from tests.conftest import ROOT, Repo
from tests.terminal import in_a_terminal

CLEAN = "seeknal/transforms/clean_orders.yml"
DAILY = "seeknal/transforms/daily.yml"
BY_CUSTOMER = "seeknal/transforms/by_customer.yml"


def transform(name: str, sql: str) -> tuple[str, str]:
    return (
        f"seeknal/transforms/{name}.yml",
        f"kind: transform\nname: {name}\ntransform: |\n  {sql}\n",
    )


def text(repo: Repo, *arguments: str) -> list[str]:
    return repo.seeknal("lineage", *arguments).out.splitlines()


def data(repo: Repo, *arguments: str) -> dict[str, Any]:
    return dict(repo.seeknal("lineage", *arguments, "--json").json)


def nodes(repo: Repo, *arguments: str) -> dict[str, Any]:
    return {each["id"]: each for each in data(repo, *arguments)["nodes"]}


def reads(repo: Repo, place: str) -> set[str]:
    """The columns that directly decide a column's values."""
    identifier, _, name = place.rpartition(".")
    (column,) = [each for each in nodes(repo)[identifier]["columns"] if each["name"] == name]
    return {".".join(each) for each in column["reads"]}


def columns(repo: Repo, *arguments: str) -> set[str]:
    """The columns that take part."""
    return {
        f"{at}.{column['name']}"
        for at, each in nodes(repo, *arguments).items()
        for column in each["columns"]
    }


# As text


def test_a_project_is_a_tree_from_its_sources_on(published: Repo) -> None:
    assert text(published) == [
        "Lineage of shop",
        "├── source.customers",
        "│   └── transform.by_customer  name, id (rows)",
        "│       └── exposure.by_customer_csv  name, total",
        "└── source.orders",
        "    └── transform.clean_orders  id, customer, day, amount",
        "        ├── rule.amounts_are_positive  amount",
        "        ├── transform.by_customer  …  amount, customer (rows)",
        "        └── transform.daily  day, amount",
    ]


def test_a_project_can_be_seen_from_its_ends(published: Repo) -> None:
    assert text(published, "--upstream") == [
        "Lineage of shop",
        "├── rule.amounts_are_positive",
        "│   └── transform.clean_orders  amount",
        "│       └── source.orders  id, customer, day, amount",
        "├── transform.daily",
        "│   └── transform.clean_orders  …  day, amount",
        "└── exposure.by_customer_csv",
        "    └── transform.by_customer  name, total",
        "        ├── transform.clean_orders  …  amount, customer (rows)",
        "        └── source.customers  name, id (rows)",
    ]


def test_a_node_has_what_it_reads_and_what_reads_it(published: Repo) -> None:
    expected = [
        "transform.by_customer",
        "seeknal/transforms/by_customer.yml:2",
        "Columns: name, total",
        "",
        "Reads",
        "├── transform.clean_orders  amount, customer (rows)",
        "│   └── source.orders  id, customer, day, amount",
        "└── source.customers  name, id (rows)",
        "",
        "Read by",
        "└── exposure.by_customer_csv  name, total",
        "",
        "(rows): decides which rows there are, and no value",
    ]
    assert text(published, "transform.by_customer") == expected
    assert text(published, "by_customer") == expected


def test_one_way_is_enough_if_one_says_so(published: Repo) -> None:
    upstream, downstream = (
        text(published, "daily", "--upstream"),
        text(published, "daily", "--downstream"),
    )
    assert ("Reads" in upstream, any(line.startswith("Read by") for line in upstream)) == (
        True,
        False,
    )
    assert "Reads" not in downstream
    assert downstream[-1] == "Read by  nothing in this project"
    assert text(published, "daily", "--upstream", "--downstream") == text(published, "daily")


def test_a_column_has_those_that_feed_it_apart_from_those_that_decide_rows(published: Repo) -> None:
    assert text(published, "by_customer.total") == [
        "transform.by_customer.total  HUGEINT",
        "seeknal/transforms/by_customer.yml:2",
        "",
        "Fed by",
        "└── transform.clean_orders.amount  BIGINT",
        "    └── source.orders.amount  BIGINT",
        "",
        "Rows decided by",
        "└── transform.clean_orders.customer, source.customers (id, name)  decides rows of transform.by_customer",
        "",
        "Feeds",
        "└── exposure.by_customer_csv.total  HUGEINT",
    ]


def test_a_column_that_decides_rows_and_is_checked_feeds_no_value(published: Repo) -> None:
    assert text(published, "source.orders.amount", "--downstream")[3:] == [
        "Feeds",
        "├── transform.clean_orders.amount  BIGINT",
        "│   ├── checked by  rule.amounts_are_positive",
        "│   ├── transform.by_customer.total  HUGEINT",
        "│   │   └── exposure.by_customer_csv.total  HUGEINT",
        "│   └── transform.daily.total  HUGEINT",
        "└── decides rows of  transform.clean_orders",
    ]
    assert (
        text(published, "source.customers.id", "--downstream")[-1]
        == "└── decides rows of  transform.by_customer"
    )


def test_depth_ends_the_trees_and_says_what_is_beyond(published: Repo) -> None:
    lines = text(published, "daily", "--depth", "1")
    assert lines[-4:-2] == ["Reads", "└── transform.clean_orders  and 1 beyond  day, amount"]
    assert set(nodes(published, "daily", "--depth", "1")) == {
        "transform.daily",
        "transform.clean_orders",
    }
    assert columns(published, "daily.total", "--depth", "1", "--upstream") == {
        "transform.daily.total",
        "transform.clean_orders.amount",
        "transform.clean_orders.day",
    }
    assert set(nodes(published, "--depth", "1")) == {
        "source.customers",
        "source.orders",
        "transform.by_customer",
        "transform.clean_orders",
    }
    published.seeknal("lineage", "--depth", "0", code=2)


def test_a_node_is_in_the_selection_by_its_shortest_way(repo: Repo) -> None:
    repo.write("data/a.csv", "x\n1\n")
    repo.write("seeknal/a.yml", "kind: source\nname: a\nsource: csv\ntable: data/a.csv\n")
    repo.write(*transform("b", "SELECT x FROM source.a"))
    repo.write(
        *transform("c", "SELECT b.x AS x FROM transform.b AS b JOIN source.a AS a ON a.x = b.x")
    )
    repo.write(*transform("d", "SELECT x FROM transform.c"))
    assert set(nodes(repo, "a", "--depth", "2")) == {
        "source.a",
        "transform.b",
        "transform.c",
        "transform.d",
    }
    tree = "\n".join(text(repo, "a", "--depth", "2"))
    assert tree.count("transform.d") == 1


def test_an_empty_project_says_how_to_begin(repo: Repo) -> None:
    assert text(repo) == ["There are no nodes yet. Begin with: seeknal draft source NAME"]
    assert data(repo)["nodes"] == []


def test_a_terminal_of_80_columns_is_wide_enough(published: Repo) -> None:
    wide = ", ".join(f"amount + {number} AS a_rather_long_name_{number}" for number in range(30))
    published.write(*transform("wide", f"SELECT {wide} FROM transform.clean_orders"))
    published.write(*transform("wider", "SELECT * FROM transform.wide"))
    coloured, lines = in_a_terminal(published, 80, "lineage", "wider")
    assert max(map(len, lines)) <= 80
    assert any("a_rather_long_name_0 and 29 more" in line for line in lines)
    assert "\x1b[" in coloured
    assert "\x1b[" not in published.seeknal("lineage", "wider").out


def test_a_deep_project_is_drawn_all_the_same(repo: Repo) -> None:
    repo.write("data/a.csv", "x\n1\n")
    repo.write("seeknal/a.yml", "kind: source\nname: t0\nsource: csv\ntable: data/a.csv\n")
    for number in range(1, 60):
        before = "source.t0" if number == 1 else f"transform.t{number - 1}"
        repo.write(*transform(f"t{number}", f"SELECT x FROM {before}"))
    _, lines = in_a_terminal(repo, 80, "lineage")
    assert any(line.strip().startswith("└── transform.t59  NEW") for line in lines)


# Names


@pytest.mark.parametrize(
    ("name", "message"),
    [
        pytest.param("dayly", "There is no node dayly.\n  Did you mean daily?", id="bare name"),
        pytest.param(
            "transform.dayly",
            "There is no node transform.dayly.\n  Did you mean transform.daily?",
            id="id",
        ),
        pytest.param(
            "daily.totl", "transform.daily has no column totl.\n  Did you mean total?", id="column"
        ),
        pytest.param(
            "daily.zz",
            "transform.daily has no column zz.\n  It has day, total.",
            id="no near column",
        ),
        pytest.param(
            "amounts_are_positive.amount", "a rule yields no table", id="column of a rule"
        ),
        pytest.param("zzz", "There is no node zzz.\n", id="nothing near"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest_one(
    shop: Repo, name: str, message: str
) -> None:
    result = shop.seeknal("lineage", name, code=2)
    assert message in result.err
    assert result.out == ""


def test_a_name_that_two_kinds_share_has_to_be_said_in_full(shop: Repo) -> None:
    shop.write(*transform("orders", "SELECT * FROM source.orders"))
    assert (
        "Say which: source.orders, transform.orders."
        in shop.seeknal("lineage", "orders", code=2).err
    )
    assert "source.orders.amount" in columns(shop, "source.orders.amount")


def test_columns_are_found_in_any_case_and_shown_as_they_are(shop: Repo) -> None:
    shop.write(*transform("loud", 'SELECT amount AS Paid, id AS "a.b" FROM transform.clean_orders'))
    assert text(shop, "loud.PAID")[0].startswith("transform.loud.Paid")
    assert text(shop, "loud.a.b")[0].startswith("transform.loud.a.b")
    assert reads(shop, "transform.loud.Paid") == {"transform.clean_orders.amount"}


# Columns


CTE = "WITH o AS (SELECT amount AS a, day AS d FROM transform.clean_orders WHERE customer > 1) SELECT sum(a) AS s, d FROM o GROUP BY d"


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        pytest.param(CTE, {"amount"}, id="through a CTE"),
        pytest.param(
            "SELECT *, amount AS s FROM transform.clean_orders", {"amount"}, id="beside a star"
        ),
        pytest.param(
            "SELECT s FROM (SELECT * REPLACE (id + 1 AS id), id * amount AS s FROM transform.clean_orders)",
            {"id", "amount"},
            id="through a star",
        ),
        pytest.param("SELECT count(*) AS s FROM transform.clean_orders", set(), id="only counted"),
    ],
)
def test_what_decides_a_column(shop: Repo, sql: str, expected: set[str]) -> None:
    shop.write(*transform("t", sql))
    assert reads(shop, "transform.t.s") == {f"transform.clean_orders.{each}" for each in expected}


def test_a_star_hands_every_column_on(shop: Repo) -> None:
    shop.write(*transform("t", "SELECT * FROM transform.clean_orders"))
    assert reads(shop, "transform.t.day") == {"transform.clean_orders.day"}


def test_what_decides_rows_is_not_what_decides_values(shop: Repo) -> None:
    shop.write(*transform("t", CTE))
    assert nodes(shop)["transform.t"]["rows"] == [
        ["transform.clean_orders", "customer"],
        ["transform.clean_orders", "day"],
    ]


def test_sql_that_cannot_be_taken_apart_reads_all_that_it_names(shop: Repo) -> None:
    shop.write(*transform("t", "SELECT day, getvariable('x') AS s FROM transform.clean_orders"))
    everything = [["transform.clean_orders", each] for each in ("id", "customer", "day", "amount")]
    found = nodes(shop)["transform.t"]
    assert found["rows"] == everything
    assert [each["reads"] for each in found["columns"]] == [everything] * 2


def test_a_rule_has_no_columns_and_reads_what_it_checks(shop: Repo) -> None:
    rule = nodes(shop, "amounts_are_positive")["rule.amounts_are_positive"]
    assert rule["columns"] == []
    assert rule["rows"] == [["transform.clean_orders", "amount"]]
    assert "├── rule.amounts_are_positive  NEW  to build  amount" in text(shop, "clean_orders")


def test_a_node_that_is_built_already_is_not_to_be_built(shop: Repo) -> None:
    shop.run()
    shop.switch("dev", create=True)
    shop.replace("seeknal/transforms/daily.yml", "sum(amount)", "max(amount)")
    assert "transform.daily  BREAKING  to build" in "\n".join(text(shop))
    shop.run()
    said = "\n".join(text(shop))
    assert "transform.daily  BREAKING" in said
    assert "to build" not in said
    states = {node: found["state"] for node, found in nodes(shop).items()}
    assert states["transform.daily"] == "built"
    assert "build" not in states.values()
    shop.write(
        "seeknal/rules/daily.yml",
        "kind: rule\nname: r\ninputs: [transform.daily]\nrule: total > 0\n",
    )
    assert "rule.r  NEW  to build" in "\n".join(text(shop))


def test_every_check_of_a_rule_counts(shop: Repo) -> None:
    shop.write(
        "seeknal/rules/r.yml",
        """
        kind: rule
        name: r
        inputs: [transform.clean_orders]
        rule:
          - amount > 0
          - {type: uniqueness, columns: [id]}
        """,
    )
    assert {name for _, name in nodes(shop)["rule.r"]["rows"]} == {"amount", "id"}


def test_an_exposure_is_fed_column_by_column(shop: Repo) -> None:
    assert reads(shop, "exposure.by_customer_csv.name") == {"transform.by_customer.name"}
    assert "exposure.by_customer_csv.name" in columns(shop, "source.customers.name")


def test_a_feature_group_is_a_node_like_any_other(shop: Repo) -> None:
    shop.write(
        "seeknal/habits.yml",
        """
        kind: feature_group
        name: habits
        entity: {name: customer, join_keys: [customer]}
        inputs: [transform.clean_orders]
        features: [spent]
        transform: SELECT customer, sum(amount) AS spent FROM source GROUP BY customer
        """,
    )
    assert reads(shop, "feature_group.habits.spent") == {"transform.clean_orders.amount"}


# Where something is not known


def test_raw_data_that_is_not_here_leaves_the_names_that_are_read(shop: Repo) -> None:
    (shop.path / "data/orders.csv").unlink()
    shop.commit("No data")
    assert columns(shop, "daily.total") >= {"transform.daily.total", "source.orders.amount"}
    assert "    └── source.orders.amount" in text(shop, "daily.total")
    result = shop.seeknal("lineage", "source.orders.town", code=2)
    assert (
        "No column town of source.orders is known: there is raw data that is not here."
        in result.err
    )


def test_a_star_over_unknown_columns_is_one_column_that_stands_for_all(shop: Repo) -> None:
    shop.write(*transform("all_orders", "SELECT * FROM source.orders"))
    shop.write(*transform("some", "SELECT amount * 2 AS twice FROM transform.all_orders"))
    shop.write(*transform("none", "SELECT 1 AS one"))
    (shop.path / "data/orders.csv").unlink()
    assert reads(shop, "transform.some.twice") == {"transform.all_orders.amount"}
    up = columns(shop, "some.twice", "--upstream")
    assert {"transform.all_orders.amount", "source.orders.*", "source.orders.amount"} <= up
    assert "transform.some.twice" in columns(shop, "source.orders.amount", "--downstream")


def test_a_detached_head_has_a_lineage_of_its_commit(published: Repo) -> None:
    published.git("checkout", "--quiet", "--detach")
    result = published.seeknal("lineage", "--json")
    assert result.json["branch"] == published.head[:8]
    assert (result.json["planned"], len(result.json["nodes"])) == (True, 7)


def test_a_project_without_a_commit_has_a_lineage_without_a_plan(shop: Repo) -> None:
    shop.git("update-ref", "-d", "HEAD")
    result = shop.seeknal("lineage", "--json")
    assert result.err == "No plan is shown: There is no commit yet.\n"
    assert len(result.json["nodes"]) == 7


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param("sum(amount)", "sum(amout)", id="a column that is not there"),
        pytest.param("GROUP BY day", "GROUP day", id="a syntax error"),
        pytest.param("kind: transform", "kind: tranform", id="a file that does not load"),
        pytest.param("ref: transform.clean_orders", "ref: transform.daily", id="a circle"),
    ],
)
def test_a_project_that_does_not_validate_is_shown_as_far_as_it_is_known(
    published: Repo, old: str, new: str
) -> None:
    published.replace(DAILY, old, new)
    result = published.seeknal("lineage", "--json")
    assert result.err.startswith("The project does not validate (seeknal validate)")
    assert {"transform.by_customer", "source.orders"} <= {
        each["id"] for each in result.json["nodes"]
    }
    assert result.json["planned"] is False
    published.seeknal("lineage", "by_customer.total")


# On a branch


@pytest.fixture
def dev(published: Repo) -> Repo:
    """A branch that changes a filter, adds a column, and removes a node."""
    published.switch("dev", create=True)
    published.replace(CLEAN, "amount IS NOT NULL", "amount > 15")
    published.replace(BY_CUSTOMER, "AS name,", "AS name, count(*) AS orders,")
    published.git("rm", "--quiet", DAILY)
    return published


def test_a_branch_carries_what_its_plan_says(dev: Repo) -> None:
    found = nodes(dev)
    assert {each: (node["change"], node["state"]) for each, node in found.items()} == {
        "source.orders": (None, "reuse"),
        "source.customers": (None, "reuse"),
        "transform.clean_orders": ("BREAKING", "build"),
        "transform.by_customer": ("NON_BREAKING", "build"),
        "rule.amounts_are_positive": (None, "build"),
        "exposure.by_customer_csv": (None, "build"),
        "transform.daily": ("REMOVED", None),
    }
    assert found["transform.clean_orders"]["why"] == "filter changed"
    assert "transform.clean_orders" in found["transform.by_customer"]["why"]
    changes = {each["name"]: each["change"] for each in found["transform.by_customer"]["columns"]}
    assert changes == {"name": None, "orders": "added", "total": None}
    assert ["transform.clean_orders", "transform.daily"] in data(dev)["edges"]
    assert "        └── transform.daily  REMOVED  day, amount" in text(dev)
    assert text(dev, "by_customer.orders")[0] == "transform.by_customer.orders  BIGINT  added"


def test_a_column_that_is_removed_is_still_shown(dev: Repo) -> None:
    dev.replace(BY_CUSTOMER, ", sum(o.amount) AS total", "")
    column = nodes(dev)["transform.by_customer"]["columns"][-1]
    assert column == {"name": "total", "type": "HUGEINT", "change": "removed", "reads": []}


def test_nodes_that_are_removed_together_keep_their_edges(dev: Repo) -> None:
    dev.git("rm", "--quiet", "-f", BY_CUSTOMER, "seeknal/exposures/by_customer_csv.yml")
    assert ["transform.by_customer", "exposure.by_customer_csv"] in data(dev)["edges"]
    assert reads(dev, "exposure.by_customer_csv.name") == {"transform.by_customer.name"}


def test_where_nothing_changes_nothing_is_said_of_a_plan(published: Repo) -> None:
    assert {(each["change"], each["state"], each["why"]) for each in nodes(published).values()} == {
        (None, None, None)
    }
    assert data(published)["planned"] is True


# As data and as a page


def test_data_is_restricted_to_what_was_asked_for(published: Repo) -> None:
    found = data(published, "daily.total")
    assert (found["version"], found["selected"]) == (1, "transform.daily.total")
    assert columns(published, "daily.total") == {
        "source.orders.amount",
        "transform.clean_orders.amount",
        "transform.clean_orders.day",
        "transform.daily.total",
    }
    assert found["edges"] == [
        ["source.orders", "transform.clean_orders"],
        ["transform.clean_orders", "transform.daily"],
    ]
    assert [each["layer"] for each in found["nodes"]] == [0, 1, 2]
    assert data(published)["selected"] is None


def test_everything_that_is_named_in_the_data_is_in_it(dev: Repo) -> None:
    for arguments in (
        (),
        ("clean_orders",),
        ("clean_orders.amount",),
        ("by_customer.name", "--upstream"),
    ):
        there = columns(dev, *arguments)
        for node in nodes(dev, *arguments).values():
            named = [
                *node["rows"],
                *(each for column in node["columns"] for each in column["reads"]),
            ]
            assert {".".join(each) for each in named} <= there


def test_the_documented_keys_are_the_keys(published: Repo) -> None:
    page = (ROOT / "docs/cli.md").read_text()
    documented = {
        of: re.findall(r"`(\w+)`", " ".join(row.split("|")[1] for row in rows.splitlines()))
        for of, rows in re.findall(
            r"^\| key of (\S+ \S+) \| meaning \|\n\| --- \| --- \|\n((?:\|.+\n)+)",
            page,
            re.MULTILINE,
        )
    }
    found = data(published)
    node = found["nodes"][0]
    keys = {"the lineage": list(found), "a node": list(node), "a column": list(node["columns"][0])}
    assert {of: documented[of] for of in keys} == keys


def embedded(page: Path) -> Any:
    (content,) = re.findall(
        r'<script type="application/json" id="lineage">(.*?)</script>', page.read_text()
    )
    return json.loads(content)


@pytest.mark.parametrize(
    "arguments", [(), ("clean_orders",), ("source.orders.amount", "--depth", "2")]
)
def test_the_page_holds_the_same_data(dev: Repo, arguments: tuple[str, ...]) -> None:
    result = dev.seeknal("lineage", *arguments, "--html", "out/lineage.html")
    assert (result.out, result.err) == ("", "Written: out/lineage.html\n")
    assert embedded(dev.path / "out/lineage.html") == data(dev, *arguments)
    assert [each.name for each in (dev.path / "out").iterdir()] == ["lineage.html"]


def test_page_and_data_can_be_had_at_once(published: Repo) -> None:
    result = published.seeknal("lineage", "--json", "--html", "lineage.html")
    assert result.json == embedded(published.path / "lineage.html")


def test_a_page_that_cannot_be_written_is_said_so(shop: Repo) -> None:
    shop.write("README", "no folder")
    shop.seeknal("lineage", "--html", ".", code=2)
    assert (
        "README/x.html cannot be written"
        in shop.seeknal("lineage", "--html", "README/x.html", code=2).err
    )


def test_a_lineage_loads_neither_the_engine_nor_joblib_once_it_is_known(published: Repo) -> None:
    while identity(
        published.warehouse
    ).recent:  # of what was written just now nothing is remembered
        time.sleep(0.1)
    published.seeknal("lineage")
    assert published.loaded_by("lineage", "daily.total") & {"duckdb", "joblib"} == set()
