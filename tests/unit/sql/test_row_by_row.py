"""Which SELECTs look at each row of a table by itself."""

from __future__ import annotations

from itertools import combinations

import duckdb
import pytest

from seeknal_git.nodes import checks
from seeknal_git.sql.analysis import functions
from seeknal_git.sql.engine import parsed
from seeknal_git.sql.locality.row_by_row import is_row_by_row

# Rows of t; each SELECT below can be executed over any of them.
ROWS = [
    (1, "a", 1.5, "2026-01-01", [1, 2], {"n": 1}),
    (2, None, -1.5, "2026-01-01", [], {"n": None}),
    (2, "B", None, "2026-01-02", None, {"n": 2}),
    (None, "a", 0.0, None, [3], None),
]
TABLE = "(i INTEGER, s VARCHAR, x DOUBLE, d DATE, l INTEGER[], r STRUCT(n INTEGER))"

ROW_BY_ROW = [
    "SELECT * FROM t",
    "FROM t WHERE i IS NULL",
    "SELECT i, upper(s) AS s FROM t AS o WHERE o.i IS NULL OR s NOT IN ('a', 'b')",
    "SELECT * FROM main.t WHERE NOT (x BETWEEN 0 AND 10)",
    "SELECT * FROM t WHERE NOT regexp_full_match(s, '[a-z]+')",
    "SELECT * FROM t WHERE s !~ '[a-z]+' AND s NOT LIKE 'b%' AND s COLLATE NOCASE = 'b'",
    "SELECT * FROM t WHERE CASE WHEN i > 1 THEN x < 0 ELSE x::DECIMAL(9, 2) > 1 END",
    "SELECT * FROM t WHERE d < DATE '2026-01-02' AND date_trunc('month', d) = d",
    "SELECT * FROM t WHERE list_contains(l, 1) OR len(list_filter(l, lambda e: e > 1)) > 0",
    "SELECT * FROM t WHERE [e FOR e IN l IF e > 1] = [2] OR list_sum(l) = 3",
    "SELECT * FROM t WHERE r.n = 1 OR t IS NULL OR l[1] = 3 OR {'a': i} = {'a': 2}",
    "SELECT i + 1 AS j FROM t WHERE j > 2",
    "SELECT * FROM t WHERE COLUMNS(*) IS NULL",
    "SELECT * EXCLUDE (i) REPLACE (lower(s) AS s) FROM t WHERE i IS DISTINCT FROM 2",
    "SELECT * FROM t AS o(number) WHERE number = 1",
]
NOT_ROW_BY_ROW = [
    "SELECT count(*) AS n FROM t",
    "SELECT * FROM (SELECT count(*) AS n FROM t) WHERE n < 1",
    "SELECT i, count(*) AS n FROM t WHERE i IS NOT NULL GROUP BY i HAVING count(*) > 1",
    "SELECT i, count(*) AS n FROM t GROUP BY ALL",
    "SELECT i FROM t GROUP BY ALL",
    "SELECT 1 AS n FROM t HAVING true",
    "SELECT DISTINCT i FROM t",
    "SELECT DISTINCT ON (i) * FROM t",
    "SELECT * FROM t LIMIT 1",
    "SELECT * FROM t ORDER BY i LIMIT 1",
    "SELECT * FROM t OFFSET 1",
    "SELECT * FROM t USING SAMPLE 2 ROWS",
    "SELECT * FROM t TABLESAMPLE 50%",
    "SELECT * FROM t QUALIFY row_number() OVER (ORDER BY x) > 1",
    "SELECT rank() OVER (ORDER BY x) AS n FROM t",
    "SELECT lag(x) OVER (ORDER BY i) AS n FROM t",
    "SELECT sum(x) OVER () AS n FROM t",
    "SELECT * FROM t WHERE x > (SELECT avg(x) FROM t)",
    "SELECT * FROM t WHERE i NOT IN (SELECT i FROM t WHERE x > 0)",
    "SELECT * FROM t AS a WHERE EXISTS (SELECT 1 FROM t AS b WHERE b.i = a.i AND b.x > a.x)",
    "SELECT * FROM t AS a JOIN t AS b USING (i)",
    "SELECT * FROM t AS a, t AS b WHERE a.x < b.x",
    "SELECT * FROM t UNION ALL SELECT * FROM t",
    "SELECT * FROM t EXCEPT SELECT * FROM t WHERE i = 1",
    "WITH a AS (SELECT count(*) AS n FROM t) SELECT * FROM a",
    "WITH a AS (SELECT count(*) AS n FROM t) SELECT * FROM t WHERE i > 1",
    "SELECT unnest(l) AS e FROM t",
    "SELECT * FROM t, unnest(l)",
    "SELECT * FROM range(3)",
    "SELECT 1 AS n WHERE 1 = 2",
    "SELECT * FROM t WHERE d < current_date",
    "SELECT * FROM t WHERE d < now()",
    "SELECT * FROM t WHERE age(d) > INTERVAL 1 DAY",
    "SELECT * FROM t WHERE random() < 0.5",
    "SELECT * FROM t WHERE getvariable('limit') > i",
    "SELECT * FROM t WHERE current_setting('TimeZone') = s",
    "SELECT * FROM t WHERE nextval('numbers') > i",
    "SELECT * FROM t WHERE unheard_of(i)",
    "SELECT * FROM t WHERE i = $limit",
    "FROM (SUMMARIZE t)",
    "PIVOT t ON s IN ('a') USING sum(x)",
]


@pytest.mark.parametrize("sql", ROW_BY_ROW)
def test_a_filter_of_rows_gives_the_same_of_any_parts(sql: str) -> None:
    assert is_row_by_row(parsed(sql)[0])
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TABLE t {TABLE}")

        def count(numbers: tuple[int, ...]) -> int:
            connection.execute("TRUNCATE t")
            for number in numbers:
                connection.execute("INSERT INTO t VALUES ($1, $2, $3, $4, $5, $6)", ROWS[number])
            return len(connection.execute(sql).fetchall())

        alone = [count((number,)) for number in range(len(ROWS))]
        for size in range(len(ROWS) + 1):
            for numbers in combinations(range(len(ROWS)), size):
                assert count(numbers) == sum(alone[number] for number in numbers)


@pytest.mark.parametrize("sql", NOT_ROW_BY_ROW)
def test_all_else_is_asked_of_the_whole(sql: str) -> None:
    assert not is_row_by_row(parsed(sql)[0])


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"not_null": ["a", "b"]}, True),
        ({"accepted_values": {"column": "a", "values": ["x", "it's"]}}, True),
        ({"unique": ["a"]}, False),
        ({"row_count": {"min": 1}}, False),
        ({"row_count": {"max": 5}}, False),
    ],
    ids=str,
)
def test_the_types_of_tests(given: dict[str, object], expected: bool) -> None:
    check = checks.compile_test(checks.Test.model_validate(given), 1)
    assert is_row_by_row(parsed(check.sql)[0]) is expected


def test_no_function_that_is_taken_for_one_of_a_row_is_an_aggregate() -> None:
    with duckdb.connect() as connection:
        rows = connection.execute(
            "SELECT function_name FROM duckdb_functions() WHERE function_type = 'aggregate'"
        ).fetchall()
    of_rows = functions.SCALAR | functions.NAMING | functions.LAMBDAS
    assert of_rows.isdisjoint(name for (name,) in rows)
