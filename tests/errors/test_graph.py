"""Nodes that do not fit together."""

from __future__ import annotations

import pytest

from tests.conftest import Repo
from tests.errors.conftest import Refused, transform

WRONG = "seeknal/transforms/wrong.yml"


def test_a_circle_is_printed(published: Repo, refused: Refused) -> None:
    for name, read in {"a": "b", "b": "c", "c": "a"}.items():
        published.write(
            f"seeknal/transforms/{name}.yml",
            transform(f"SELECT * FROM transform.{read}", name, before=""),
        )
    for command in ("validate", "plan", "run"):
        said = refused(published, command)
        assert (
            "circle: transform.a → transform.b → transform.c → transform.a.\n  Break the circle"
            in said
        )
        assert "error: seeknal/transforms/a.yml:4: " in said


def test_an_invalid_tip_of_production_is_named_by_doctor_from_any_branch(published: Repo) -> None:
    published.write(WRONG, transform("SELECT *\nFROM ref('source.order')"))
    tip = published.commit("Past the hooks", hooks=False)
    published.git("switch", "--quiet", "--create", "dev", "HEAD~1")
    said = published.seeknal("doctor", code=1).out
    assert (
        f"The tip of main ({tip[:8]}) cannot be published: {WRONG}:6: transform.wrong reads source.order,"
        in said
    )


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        pytest.param(
            "SELECT *\nFROM transform.daily",
            "reads transform.daily, which its `inputs` do not declare.\n  Add it to inputs:  - ref: transform.daily",
            id="not declared",
        ),
        pytest.param(
            "SELECT *\nFROM ref('source.order')",
            "reads source.order, which does not exist.\n  Did you mean source.orders?",
            id="missing",
        ),
        pytest.param(
            "SELECT *\nFROM ref('source.Orders')",
            "source.Orders, which does not exist.\n  Did you mean source.orders?",
            id="in another case",
        ),
        pytest.param(
            "SELECT *\nFROM source.Orders",
            "reads source.Orders, which its `inputs` do not declare",
            id="in another case, bare",
        ),
        pytest.param(
            "SELECT *\nFROM orders",
            "reads `orders`, which is not a node.\n  Write ref('source.orders').",
            id="without its kind",
        ),
        pytest.param(
            "SELECT *\nFROM input_1",
            "`input_1` is not there: transform.wrong declares 1 input(s)",
            id="a position too many",
        ),
        pytest.param(
            "SELECT *\nFROM ref('rule.amounts_are_positive')",
            "rule.amounts_are_positive yields no table",
            id="a rule",
        ),
        pytest.param(
            "SELECT *\nFROM ref('exposure.by_customer_csv')",
            "exposure.by_customer_csv yields no table",
            id="an exposure",
        ),
        pytest.param(
            "SELECT *\nFROM read_csv('data/orders.csv')",
            "`read_csv()` reads something that is not an input",
            id="read_csv",
        ),
        pytest.param(
            "SELECT *\nFROM 'data/orders.csv'",
            "reads `data/orders.csv`, which is not a node",
            id="a file",
        ),
        pytest.param(
            "SELECT *\nFROM read_text('/etc/passwd')",
            "`read_text()` reads something",
            id="read_text",
        ),
        pytest.param("SELECT *\nFROM glob('/etc/*')", "`glob()` reads something", id="glob"),
        pytest.param(
            "SELECT *\nFROM query_table('orders')",
            "`query_table()` reads something",
            id="query_table",
        ),
        pytest.param(
            "SELECT *\nFROM duckdb_secrets()",
            "`duckdb_secrets()` reads something",
            id="a function of the catalog",
        ),
        pytest.param(
            "SELECT *\nFROM information_schema.tables",
            "reads `information_schema.tables`",
            id="the catalog",
        ),
        pytest.param(
            "SELECT *\nFROM _snapshots.orders", "reads `_snapshots.orders`", id="a snapshot"
        ),
        pytest.param("SELECT *\nFROM main.orders", "reads `main.orders`", id="an environment"),
        pytest.param(
            "SELECT *\nFROM warehouse.main.orders",
            "reads `warehouse.main.orders`",
            id="an environment of the warehouse",
        ),
        pytest.param(
            "SELECT * FROM input_0\nWHERE id IN (SELECT id FROM source.customers)",
            "reads source.customers, which its `inputs` do not declare",
            id="in a sub-query",
        ),
        pytest.param(
            "SELECT *\nFROM ref(source.orders)", "`ref()` reads something", id="ref without quotes"
        ),
    ],
)
def test_a_table_that_is_no_input_is_refused_at_its_line(
    published: Repo, refused: Refused, sql: str, words: str
) -> None:
    published.write(WRONG, transform(sql))
    for command in ("validate", "plan", "run"):
        said = refused(published, command)
        assert f"error: {WRONG}:6: " in said
        assert words in said


def test_the_catalog_cannot_be_shown(published: Repo, refused: Refused) -> None:
    published.write(WRONG, transform("SELECT * FROM (SHOW ALL TABLES)"))
    assert "`show()` reads something that is not an input" in refused(published, "validate")


@pytest.mark.parametrize(
    "sql",
    [
        pytest.param("SELECT id FROM input_0;", id="a semicolon at the end"),
        pytest.param("SELECT id FROM input_0; -- done", id="a semicolon and a comment"),
        pytest.param("SELECT id FROM input_0 -- done", id="a comment at the end"),
        pytest.param("FROM input_0 SELECT id", id="FROM first"),
        pytest.param('SELECT id FROM "source"."orders"', id="quoted"),
        pytest.param("SELECT id FROM SOURCE.orders", id="a kind in capitals"),
        pytest.param("SELECT id FROM REF('source.orders')", id="REF"),
        pytest.param("SELECT id FROM ref ( 'source.orders' )", id="ref with blanks"),
        pytest.param(
            "WITH customers AS (SELECT id FROM input_0) SELECT id FROM customers",
            id="a CTE called like a node",
        ),
        pytest.param(
            "WITH Orders AS (SELECT id FROM input_0) SELECT id FROM orders",
            id="a CTE in another case",
        ),
        pytest.param(
            "SELECT id FROM -- 日本語 é\n  source.orders", id="after letters of several bytes"
        ),
        pytest.param("SELECT id FROM (TABLE input_0)", id="TABLE"),
        pytest.param(
            "SELECT 1 AS id FROM (DESCRIBE input_0) UNION ALL SELECT 1 LIMIT 5", id="DESCRIBE"
        ),
        pytest.param("SELECT orders.id FROM source.orders", id="the name as its own alias"),
    ],
)
def test_these_ways_to_name_a_table_are_all_right(shop: Repo, sql: str) -> None:
    shop.write(WRONG, transform(sql))
    shop.seeknal("run")
    assert shop.numbers("SELECT count(id) FROM main.wrong") == [(5,)]


def test_a_node_that_reads_itself_is_a_circle(published: Repo, refused: Refused) -> None:
    published.write(WRONG, transform("SELECT * FROM transform.wrong", before=""))
    for command in ("validate", "plan", "run"):
        assert "circle: transform.wrong → transform.wrong" in refused(published, command)
