"""A name means what DuckDB means by it. The engine has the last word: what is re-used is executed
and compared."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest

from seeknal_git.plan.changes import Category
from seeknal_git.sql.engine import parsed
from tests.verdicts import Tables, graph_of, verdict

DATA = """
CREATE SCHEMA source; CREATE SCHEMA transform;
CREATE TABLE source.orders (id INTEGER, customer VARCHAR, customer_id INTEGER, amount INTEGER, country VARCHAR,
    day DATE, tags VARCHAR[], code VARCHAR, opened TIME, shipped TIMETZ);
INSERT INTO source.orders VALUES
    (1, 'Ann', 1, 100, 'FR', '2024-01-03', ['new', 'web'], '7', '12:00:00', '12:00:00+01'),
    (2, 'Bob', 2, 300, 'DE', '2024-01-01', ['web'], 'x', '09:00:00', '09:00:00+00'),
    (3, 'Ann', 1, 50, 'FR', '2024-01-02', [], '2', '12:00:00', '12:00:00+01'),
    (4, 'Cyd', 3, 200, 'IT', '2024-01-05', ['old'], NULL, NULL, NULL),
    (5, 'Bob', 2, 20, 'ES', '2024-01-04', ['new'], '9', '10:00:00', '10:00:00+02');
CREATE TABLE source.people (id INTEGER, name VARCHAR, credit INTEGER, bonus INTEGER, user VARCHAR);
INSERT INTO source.people VALUES (1, 'Ann', 60, 10, 'ann'), (2, 'Bob', 400, 20, 'bob'), (3, 'Cyd', 150, 90, 'cyd');
CREATE TABLE source.logins (login VARCHAR, day DATE);
INSERT INTO source.logins VALUES ('ann', '2024-01-01'), ('ann', '2024-01-02'), ('bob', '2024-01-02');
"""


@pytest.fixture(scope="module")
def engine() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.execute(DATA)
        yield connection


@pytest.fixture(scope="module")
def tables(engine: duckdb.DuckDBPyConnection) -> Tables:
    names = ("orders", "people", "logins")
    described = {name: engine.execute(f"DESCRIBE source.{name}").fetchall() for name in names}
    return {
        name: tuple((str(row[0]), str(row[1])) for row in rows) for name, rows in described.items()
    }


# fmt: off
# (name, old, new): the two give other values
EDITS = [
    ("the engine's user in a sub-query",
     "SELECT p.user, (SELECT count(*) FROM source.logins WHERE login = user) AS logins FROM source.people AS p",
     "SELECT p.user, (SELECT count(*) FROM source.logins WHERE login = p.user) AS logins FROM source.people AS p"),
    ("the engine's user in EXISTS",
     "SELECT name FROM source.people AS p WHERE EXISTS (FROM source.logins WHERE login = user)",
     "SELECT name FROM source.people AS p WHERE EXISTS (FROM source.logins WHERE login = p.user)"),
    ("the rowid of an inner table",
     "SELECT (SELECT count(*) FROM source.logins WHERE rowid < 2) AS x FROM (SELECT 7 AS rowid) AS t",
     "SELECT (SELECT count(*) FROM source.logins WHERE t.rowid < 2) AS x FROM (SELECT 7 AS rowid) AS t"),
    ("today in a sub-query, and a column of that name",
     "SELECT (SELECT count(*) FROM source.logins WHERE day > current_date) AS x FROM (SELECT DATE '2000-01-01' AS current_date) AS t",
     "SELECT (SELECT count(*) FROM source.logins WHERE day > t.current_date) AS x FROM (SELECT DATE '2000-01-01' AS current_date) AS t"),
    ("ORDER BY under USING means the column that is selected",
     "SELECT q.id, p.name FROM source.people AS p LEFT JOIN (SELECT DISTINCT customer_id AS id FROM source.orders WHERE amount > 100) "
     "AS q USING (id) ORDER BY id LIMIT 2",
     "SELECT q.id, p.name FROM source.people AS p LEFT JOIN (SELECT DISTINCT customer_id AS id FROM source.orders WHERE amount > 100) "
     "AS q USING (id) ORDER BY p.id LIMIT 2"),
    ("ORDER BY means what REPLACE makes",
     "SELECT * REPLACE (-id AS id) FROM (SELECT id, name FROM source.people) ORDER BY id LIMIT 1",
     "SELECT * REPLACE (-id AS id) FROM (SELECT id, name FROM source.people) AS t ORDER BY t.id LIMIT 1"),
    ("ORDER BY means what RENAME makes",
     "SELECT * RENAME (id AS bonus, bonus AS id) FROM (SELECT id, -bonus AS bonus FROM source.people) ORDER BY id LIMIT 1",
     "SELECT * RENAME (id AS bonus, bonus AS id) FROM (SELECT id, -bonus AS bonus FROM source.people) AS t ORDER BY t.id LIMIT 1"),
    ("ORDER BY means what COLUMNS makes",
     "SELECT -COLUMNS(*) FROM (SELECT id, bonus FROM source.people) ORDER BY id LIMIT 1",
     "SELECT -COLUMNS(*) FROM (SELECT id, bonus FROM source.people) AS t ORDER BY t.id LIMIT 1"),
    ("HAVING means what COLUMNS makes",
     "SELECT country, sum(COLUMNS('amount')) FROM source.orders GROUP BY country HAVING amount > 120",
     "SELECT country, max(COLUMNS('amount')) FROM source.orders GROUP BY country HAVING amount > 120"),
    ("HAVING means what REPLACE makes",
     "SELECT * REPLACE (sum(amount) AS amount) FROM (SELECT country, amount FROM source.orders) GROUP BY country HAVING amount > 120",
     "SELECT * REPLACE (max(amount) AS amount) FROM (SELECT country, amount FROM source.orders) GROUP BY country HAVING amount > 120"),
    ("REPLACE over two tables with a column of that name",
     "SELECT p4 FROM (SELECT * REPLACE (0 AS id) FROM (SELECT id, country, amount FROM source.orders) AS a, "
     "(SELECT id, name FROM source.people) AS b) AS q (p1, p2, p3, p4)",
     "SELECT p4 FROM (SELECT * REPLACE (0 AS id) FROM (SELECT id, country, amount FROM source.orders) AS a, "
     "(SELECT id, upper(name) AS name FROM source.people) AS b) AS q (p1, p2, p3, p4)"),
    ("the case of a letter that DuckDB does not fold",
     'SELECT "État" AS x FROM (SELECT country AS "État", code AS "état" FROM source.orders)',
     'SELECT "état" AS x FROM (SELECT country AS "État", code AS "état" FROM source.orders)'),
    ("a CTE in its own definition is the table outside",
     "WITH t AS (SELECT 1 AS id), u AS (WITH t AS (SELECT id + 1 AS id FROM t) FROM t) SELECT id FROM u",
     "WITH t AS (SELECT 1 AS id), u AS (WITH t AS (SELECT id + 2 AS id FROM t) FROM t) SELECT id FROM u"),
    ("a CTE of a sub-query is none outside of it",
     "WITH t AS (SELECT 1 AS a) SELECT a, (WITH t AS (SELECT 2 AS a) SELECT a FROM t) AS b FROM t",
     "WITH t AS (SELECT 2 AS a) SELECT a, (WITH t AS (SELECT 2 AS a) SELECT a FROM t) AS b FROM t"),
    ("the ORDER BY of one CTE or of another",
     "WITH newest AS (FROM source.orders ORDER BY day DESC), biggest AS (FROM source.orders ORDER BY amount DESC) SELECT "
     "(SELECT id FROM newest LIMIT 1) AS a, (SELECT id FROM biggest LIMIT 1) AS b, (SELECT amount FROM newest LIMIT 1) AS c",
     "WITH newest AS (FROM source.orders ORDER BY day DESC), biggest AS (FROM source.orders ORDER BY amount DESC) SELECT "
     "(SELECT id FROM newest LIMIT 1) AS a, (SELECT id FROM biggest LIMIT 1) AS b, (SELECT amount FROM biggest LIMIT 1) AS c"),
    ("a lambda's parameter, and a column of that name",
     "SELECT list_transform(tags, lambda tag: tag.upper()) AS x FROM (SELECT tags, 'main' AS tag FROM source.orders)",
     "SELECT list_transform(tags, lambda tag: upper(tag)) AS x FROM (SELECT tags, 'main' AS tag FROM source.orders)"),
    ("a method of a lambda's parameter inside of another lambda",
     "SELECT list_transform(tags, lambda t: list_transform([t], lambda u: t.upper() || u)) AS x "
     "FROM (SELECT tags, 'main' AS t FROM source.orders)",
     "SELECT list_transform(tags, lambda t: list_transform([t], lambda u: upper(t) || u)) AS x "
     "FROM (SELECT tags, 'main' AS t FROM source.orders)"),
]

# (name, old, new, reader): the reader reads what changed
READERS = [
    ("a column of the inner query is called like the outer table",
     "SELECT id, name, credit FROM source.people", "SELECT id, name, credit + bonus AS credit FROM source.people",
     "SELECT customer.id FROM transform.node AS customer WHERE EXISTS (SELECT 1 FROM source.orders "
     "WHERE orders.customer_id = customer.id AND orders.amount > customer.credit)"),
    ("a column of the inner query is called like the outer table, in IN",
     "SELECT id, credit FROM source.people", "SELECT id, -credit AS credit FROM source.people",
     "SELECT customer.id FROM transform.node AS customer WHERE customer.id IN "
     "(SELECT customer_id FROM source.orders WHERE amount > customer.credit)"),
    ("a column of the inner query is called like the outer table, in a scalar sub-query",
     "SELECT id, credit FROM source.people", "SELECT id, -credit AS credit FROM source.people",
     "SELECT (SELECT count(*) FROM source.orders WHERE amount > customer.credit) AS x FROM transform.node AS customer"),
    ("a column like a lambda's parameter comes",
     "SELECT id, tags FROM source.orders", "SELECT id, tags, 'main' AS tag FROM source.orders",
     "SELECT id, list_transform(tags, lambda tag: tag.upper()) AS tags FROM transform.node"),
    ("HAVING means what COLUMNS makes",
     "SELECT country, sum(COLUMNS('amount')) FROM source.orders GROUP BY country HAVING amount > 120",
     "SELECT country, max(COLUMNS('amount')) FROM source.orders GROUP BY country HAVING amount > 120",
     "SELECT country FROM transform.node"),
    ("a letter that DuckDB does not fold",
     'SELECT id, country AS "État", code AS "état" FROM source.orders', 'SELECT id, code AS "État", country AS "état" FROM source.orders',
     'SELECT "état" AS pays FROM transform.node'),
    ("the engine's user becomes a column", "SELECT id, name FROM source.people", "SELECT id, name, user FROM source.people",
     "SELECT id, user = 'ann' AS ann FROM transform.node"),
    ("rowid becomes a column", "SELECT id FROM source.people", "SELECT id, -id AS rowid FROM source.people",
     "SELECT id, rowid AS r FROM transform.node"),
]
# fmt: on


def named(case: tuple[str, ...]) -> str:
    return case[0]


def rows(engine: duckdb.DuckDBPyConnection, sql: str, node: str = "SELECT 1 AS a") -> list[str]:
    engine.execute(f"CREATE OR REPLACE TABLE transform.node AS {node}")
    return sorted(map(repr, engine.execute(sql).fetchall()))


def differ(one: list[str], other: list[str]) -> bool:
    """Whether the example is one: DuckDB 1 resolves some names otherwise."""
    assert one != other or duckdb.__version__ < "2"
    return one != other


@pytest.mark.parametrize("case", EDITS, ids=named)
def test_an_edit_that_lets_a_name_mean_something_else_is_breaking(
    engine: duckdb.DuckDBPyConnection, tables: Tables, case: tuple[str, str, str]
) -> None:
    _, old, new = case
    if differ(rows(engine, old), rows(engine, new)):
        assert verdict(old, new, tables).category == Category.BREAKING


@pytest.mark.parametrize("case", READERS, ids=named)
def test_what_reads_by_the_name_that_the_engine_means_is_built(
    engine: duckdb.DuckDBPyConnection, tables: Tables, case: tuple[str, str, str, str]
) -> None:
    _, old, new, reader = case
    if differ(rows(engine, reader, old), rows(engine, reader, new)):
        assert verdict(old, new, tables, reader).reused is False


def test_a_letter_outside_of_ascii_has_its_case(tables: Tables) -> None:
    old, new = (f'SELECT id, country AS "{name}" FROM source.orders' for name in ("État", "état"))
    found = verdict(old, new, tables)
    assert (found.category, found.what) == (Category.BREAKING, "-État +état")


@pytest.mark.parametrize(
    ("sql", "named"),
    [
        (
            "WITH orders AS (SELECT * FROM source.orders), x AS (FROM orders) FROM x",
            ["source.orders"],
        ),
        ("WITH input_0 AS (SELECT * FROM input_0) FROM input_0", ["input_0"]),
        ("WITH source AS (SELECT * FROM source), t AS (FROM source) FROM t", ["source"]),
        ("WITH a AS (WITH a AS (FROM b) FROM a), b AS (FROM c) FROM a, b", ["b", "c"]),
        ("SELECT * FROM a, (WITH a AS (FROM b) FROM a) AS q", ["a", "b"]),
        (
            "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 3) FROM r, s",
            ["s"],
        ),
        ("WITH É AS (FROM a) FROM é", ["a", "é"]),
    ],
)
def test_a_cte_is_seen_after_its_definition(sql: str, named: list[str]) -> None:
    assert [reference.target for reference in parsed(sql)[1]] == named


# (name, old, new): what becomes of the second depends on chance, or on what is computed first
SHAKY = [
    (
        "a guard under CASE",
        "SELECT CASE WHEN regexp_matches(code, '^[0-9]+$') AND code::INTEGER > 5 THEN 1 END AS x FROM source.orders",
        "SELECT CASE WHEN code::INTEGER > 5 AND regexp_matches(code, '^[0-9]+$') THEN 1 END AS x FROM source.orders",
    ),
    (
        "a guard in WHERE",
        "SELECT id FROM source.orders WHERE code <> 'x' AND code::INTEGER > 5",
        "SELECT id FROM source.orders WHERE code::INTEGER > 5 AND code <> 'x'",
    ),
    (
        "a guard before OR",
        "SELECT id, code = 'x' OR code::INTEGER > 5 AS x FROM source.orders",
        "SELECT id, code::INTEGER > 5 OR code = 'x' AS x FROM source.orders",
    ),
    (
        "a guard of a sub-query",
        "SELECT id, id < 0 AND (SELECT id FROM source.people) > 1 AS x FROM source.orders",
        "SELECT id, (SELECT id FROM source.people) > 1 AND id < 0 AS x FROM source.orders",
    ),
    (
        "DISTINCT ordered by what it does not show, under LIMIT",
        "SELECT max(customer) AS x FROM (SELECT DISTINCT customer FROM source.orders ORDER BY amount, customer LIMIT 2)",
        "SELECT max(customer) AS x, min(customer) AS y FROM (SELECT DISTINCT customer FROM source.orders ORDER BY amount, customer LIMIT 2)",
    ),
    (
        "DISTINCT ordered by an expression, under LIMIT",
        "SELECT count(*) AS x FROM (SELECT DISTINCT customer FROM source.orders ORDER BY amount + 1, customer LIMIT 2)",
        "SELECT count(*) AS x, 1 AS y FROM (SELECT DISTINCT customer FROM source.orders ORDER BY amount + 1, customer LIMIT 2)",
    ),
]


@pytest.mark.parametrize("case", SHAKY, ids=named)
def test_what_depends_on_an_order_of_the_engine_is_breaking(
    tables: Tables, case: tuple[str, str, str]
) -> None:
    _, old, new = case
    assert verdict(old, new, tables).category == Category.BREAKING


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (
            "SELECT id FROM source.orders WHERE amount > 5 AND country = 'FR'",
            "SELECT id FROM source.orders WHERE country = 'FR' AND 5 < amount",
        ),
        (
            "SELECT id FROM source.orders WHERE id = customer_id",
            "SELECT id FROM source.orders WHERE customer_id = id",
        ),
        (
            "SELECT DISTINCT customer FROM source.orders ORDER BY customer LIMIT 2",
            "SELECT DISTINCT customer FROM source.orders ORDER BY 1 LIMIT 2",
        ),
    ],
)
def test_what_cannot_fail_may_stand_in_any_order(tables: Tables, old: str, new: str) -> None:
    assert verdict(old, new, tables).category == Category.METADATA


@pytest.mark.parametrize(
    "reader",
    [
        "SELECT to_json(node) AS j FROM transform.node",
        "SELECT version() <> '' AS v, to_json(node) AS j FROM transform.node",
        "UNPIVOT transform.node ON COLUMNS(* EXCLUDE (id)) INTO NAME metric VALUE v",
        "SELECT struct_pack(revenue).revenue AS r, node AS whole FROM transform.node",
        "SELECT * FROM transform.node",
    ],
)
def test_the_case_of_a_name_is_in_the_table_and_in_what_has_names_as_values(
    tables: Tables, reader: str
) -> None:
    old, new = (
        f"SELECT id, amount AS {name} FROM source.orders" for name in ("Revenue", "revenue")
    )
    found = verdict(old, new, tables, reader)
    assert (found.category, found.reused) == (Category.NON_BREAKING, False)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT o.id, round(o.amount * 0.5, 2) AS half FROM source.orders AS o WHERE o.amount > 5 ORDER BY o.id LIMIT 3",
        "SELECT o.id, p.name FROM source.orders AS o JOIN source.people AS p ON o.customer_id = p.id",
        "SELECT orders.country, count(*) AS c FROM source.orders GROUP BY orders.country HAVING max(orders.amount) > 5",
        "SELECT DISTINCT o.country FROM source.orders AS o, source.people AS p WHERE p.id = o.id AND o.code IN ('7', 'x')",
    ],
)
def test_names_that_are_certain_by_themselves_are_confirmed_too(
    monkeypatch: pytest.MonkeyPatch, tables: Tables, sql: str
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("seeknal_git.sql.plans.Opinion.agrees", lambda *_: False)
        short = graph_of({"node": sql}, tables).anatomies["transform.node"]
    monkeypatch.setattr("seeknal_git.sql.analysis.certain", lambda *_: False)
    assert graph_of({"node": sql}, tables).anatomies["transform.node"] == short
    assert short[0].rows is not None
