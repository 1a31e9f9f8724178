"""Which SELECTs can be computed partition by partition, and what stands in the way of others."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from seeknal_git.sql.engine import bound_columns, parsed
from seeknal_git.sql.locality import Input, Locality, line_of, locality
from seeknal_git.sql.statement import Known

COLUMNS = {
    "t": (
        ("d", "DATE"),
        ("ts", "TIMESTAMP"),
        ("k", "INTEGER"),
        ("x", "INTEGER"),
        ("l", "INTEGER[]"),
        ("age", "INTEGER"),
    ),
    "u": (("d", "DATE"), ("k", "INTEGER"), ("y", "INTEGER")),
    "v": (("d", "TIMESTAMP"), ("k", "BIGINT"), ("y", "INTEGER")),
    "z": (("d", "TIMESTAMP WITH TIME ZONE"), ("x", "INTEGER")),
    "w": (("d", "DATE"), ("k", "INTEGER"), ("n", "INTEGER")),
    "b": (("k", "INTEGER"), ("j", "VARCHAR"), ("d", "DATE")),
    "c": (("k", "INTEGER"), ("j", "VARCHAR"), ("y", "INTEGER")),
    "e": (("j", "VARCHAR"), ("n", "INTEGER")),
}
# The tables that are partitioned, with their keys. All others are read whole.
DAILY = {"t": ("d",), "u": ("d",), "v": ("d",), "z": ("d",)}
BY_TIME = {"t": ("ts",), "u": ("d",), "v": ("d",)}
BUCKETS = {"b": ("k",), "c": ("k",)}
NUMBERS = {"c": ("k", "y")}
PAIRS = {"b": ("k", "j"), "c": ("k", "j")}


def asked(
    sql: str,
    keys: Mapping[str, tuple[str, ...]],
    every: str,
    by: tuple[str, ...] = ("d",),
    stated: tuple[str, ...] = (),
) -> Locality:
    tree, references = parsed(sql)
    inputs = [
        Input(
            Known(COLUMNS[reference.target]),
            keys.get(reference.target, ()),
            reference.target in stated,
        )
        for reference in references
    ]
    names = [name for name, _ in bound_columns(sql, references, COLUMNS)]
    return locality(tree, inputs, names, by, every)


LOCAL_BY_DAY = [
    "SELECT * FROM t",
    "SELECT D, x + 1 AS x FROM t WHERE x > 1",
    "SELECT ts, d FROM (SELECT * EXCLUDE (l) REPLACE (x * 2 AS x) RENAME (k AS key) FROM t)",
    "SELECT q.d FROM t AS q (d, a)",
    "SELECT age, d FROM t",
    "SELECT x, d::DATE AS d FROM v AS q (d, k, x)",
    "SELECT d::TIMESTAMP AS d FROM t",
    "SELECT date_trunc('HOUR', d) AS d, count(*) AS n FROM v GROUP BY ALL",
    "SELECT d, count(*) AS n FROM t GROUP BY d, k HAVING count(*) > 1",
    "SELECT d::DATE AS d, max(y) AS y FROM v GROUP BY 1",
    "SELECT day AS d FROM (SELECT d::DATE AS day FROM v GROUP BY day HAVING max(k) > 1)",
    "SELECT DISTINCT d, x FROM t",
    "SELECT DISTINCT ON (d, k) * FROM t",
    "SELECT DISTINCT ON (d, k) * FROM t ORDER BY d, k, ts DESC",
    "SELECT * FROM t JOIN u USING (d, k)",
    "SELECT * REPLACE (1 AS k) FROM t JOIN u ON t.d = u.d",
    "SELECT d, list(x ORDER BY k) AS xs FROM t GROUP BY d",
    "SELECT d, sum(x) OVER w AS s FROM t WINDOW w AS (PARTITION BY d ORDER BY ts)",
    "SELECT * FROM t QUALIFY row_number() OVER (PARTITION BY k, d ORDER BY ts) = 1",
    "SELECT d, unnest(l) AS e FROM t",
    "SELECT t.d, e FROM t, unnest(t.l) AS a (e)",
    "SELECT d FROM z",
    "SELECT (d AT TIME ZONE 'UTC')::DATE AS d, count(*) AS n FROM z GROUP BY 1",
    "SELECT d AT TIME ZONE 'utc' AS d FROM v",
    "SELECT coalesce(t.d, u.d) AS d, count(*) AS n FROM t FULL JOIN u ON t.d = u.d GROUP BY ALL",
    "SELECT coalesce(u.d, t.d) AS d FROM t FULL JOIN u USING (d) LEFT JOIN w ON t.k = w.k",
    # Joins
    "SELECT t.*, y FROM t JOIN u ON t.d = u.d AND t.k = u.k",
    "SELECT u.d, x, y FROM t JOIN u USING (d)",
    "SELECT d, x, y FROM t NATURAL JOIN u",
    "SELECT d, x, y FROM t LEFT JOIN u USING (d, k)",
    "SELECT d, x, y FROM t FULL JOIN u USING (d, k)",
    "SELECT u.d, x, y FROM t RIGHT JOIN u ON u.d IS NOT DISTINCT FROM t.d",
    "SELECT t.d FROM t SEMI JOIN u USING (d)",
    "SELECT t.d FROM t ANTI JOIN u ON u.d = t.d AND u.k < t.k",
    "SELECT t.d, y FROM t, u WHERE t.d = u.d",
    "SELECT t.d, q.y FROM t JOIN v AS q ON t.d = q.d::DATE",
    "SELECT t.d, n FROM t LEFT JOIN w ON t.k = w.k",
    "SELECT t.d, n FROM w RIGHT JOIN t ON t.k = w.k",
    "SELECT t.d, n FROM t, w",
    "SELECT d, n FROM w RIGHT JOIN t USING (d)",
    "SELECT d, y FROM t RIGHT JOIN u USING (d)",
    "SELECT w.d, n FROM w JOIN t USING (d)",
    "SELECT t.d FROM t ANTI JOIN w USING (k)",
    "SELECT t.d, n FROM t ASOF LEFT JOIN w ON t.k = w.k AND t.d >= w.d",
    "SELECT t.d, m FROM t, LATERAL (SELECT max(n) AS m FROM w WHERE w.k = t.k LIMIT 1)",
    "SELECT a.d FROM t AS a JOIN t AS b ON a.d = b.d AND a.k = b.x JOIN u ON u.d = b.d",
    # Sub-queries over whole tables, and what may be done with these
    "SELECT d, (SELECT max(n) FROM w WHERE w.k = t.k) AS m FROM t",
    "SELECT d FROM t WHERE k IN (SELECT k FROM w ORDER BY n LIMIT 3) AND EXISTS (FROM w)",
    "SELECT d, n FROM t JOIN (SELECT k, count(*) AS n FROM w GROUP BY k) USING (k)",
    "SELECT d, p.a FROM t JOIN (PIVOT w ON n IN (1 AS a) USING sum(n) GROUP BY k) AS p USING (k)",
    """WITH RECURSIVE r AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM r WHERE i < 3)
       SELECT d, i FROM t, r""",
    "SELECT d, i FROM t, (VALUES (1), (2)) AS q (i)",
    # Set operations and CTEs
    "SELECT d, x FROM t UNION ALL SELECT d, y FROM u",
    "SELECT x, d FROM t UNION ALL BY NAME SELECT d, y AS x FROM u",
    "SELECT d FROM t UNION SELECT d FROM u EXCEPT SELECT d FROM t INTERSECT SELECT d FROM u",
    """WITH a AS (SELECT d, count(*) AS n FROM t GROUP BY d), t AS (SELECT d, n FROM a)
       SELECT one.d FROM t AS one JOIN a AS two USING (d)""",
    "WITH a (e, i) AS (SELECT d, x FROM t ORDER BY x) SELECT e AS d FROM a",
]


@pytest.mark.parametrize("sql", LOCAL_BY_DAY)
def test_a_statement_can_be_computed_day_by_day(sql: str) -> None:
    assert asked(sql, DAILY, "day") == Locality()


# (the obstacle, its line, the statement)
NOT_LOCAL_BY_DAY = [
    ("the window without PARTITION BY d", 2, "SELECT d,\n sum(x) OVER (ORDER BY d) AS s FROM t"),
    ("the window without PARTITION BY d", 1, "SELECT d, lag(x) OVER (PARTITION BY k) AS s FROM t"),
    ("the GROUP BY without d", 2, "SELECT max(d) AS d FROM t\nGROUP BY k"),
    ("the GROUP BY without d", 1, "SELECT date_trunc('week', d) AS d FROM t GROUP BY 1"),
    ("the GROUP BY without d", 1, "SELECT max(d) AS d, k FROM t GROUP BY ALL"),
    ("the GROUP BY of several sets", 1, "SELECT d, sum(x) AS s FROM t GROUP BY ROLLUP (d)"),
    ("an aggregate without GROUP BY d", 2, "SELECT\n max(d) AS d FROM t"),
    ("an aggregate without GROUP BY", 1, "SELECT d FROM (SELECT max(d) AS d FROM t) AS q"),
    ("the DISTINCT without d", 1, "SELECT q.d FROM (SELECT DISTINCT d + 1 AS d FROM t) AS q"),
    ("the DISTINCT ON without d", 1, "SELECT DISTINCT ON (k) * FROM t"),
    ("the LIMIT", 2, "SELECT d FROM t\nLIMIT 3"),
    ("the LIMIT", 1, "SELECT d FROM (SELECT d FROM t OFFSET 3)"),
    ("the ORDER BY of the whole result", 1, "SELECT d FROM t ORDER BY d"),
    ("a sample", 1, "SELECT d FROM t TABLESAMPLE 10%"),
    ("rowid", 1, "SELECT d, rowid AS r FROM t"),
    ("random()", 2, "SELECT d,\n random() AS r FROM t"),
    ("current_date", 1, "SELECT d, current_date AS r FROM t"),
    ("the column d, which is not d (or", 1, "SELECT ts AS d FROM t"),
    ("the column d, which is not d (or", 1, "SELECT d + 1 AS d FROM t"),
    ("the column d, which is not d (or", 1, "SELECT date_trunc('month', d) AS d FROM t"),
    ("the column d, which is not d (or", 1, "SELECT d::DATE AS d FROM z"),
    ("the column d, which is not d (or", 1, "SELECT date_trunc('day', d) AS d FROM z"),
    (
        "the column d, which is not d (or",
        1,
        "SELECT d AT TIME ZONE 'Europe/Paris' AS d FROM z",
    ),
    (
        "the column d, which is not d (or",
        1,
        "SELECT coalesce(w.d, t.d) AS d FROM t LEFT JOIN w USING (k)",
    ),
    (
        "the column d, which is not d (or",
        1,
        "SELECT coalesce(t.d, t.d) AS d FROM t FULL JOIN u ON t.d = u.d",
    ),
    (
        "the column d, which is not d (or",
        1,
        """SELECT coalesce(a.l, b.r) AS d FROM (
           SELECT t.d, u.d AS r, t.d AS l FROM t FULL JOIN u ON t.d = u.d) AS a, w AS b (r, k)""",
    ),
    ("the column d, which is not d (or", 1, "SELECT d::VARCHAR AS d FROM t"),
    ("the column d, which is not d (or", 1, "SELECT TRY_CAST(d AS TIMESTAMP) AS d FROM t"),
    ("the column d, which is NULL in rows", 1, "SELECT u.d FROM t LEFT JOIN u USING (d)"),
    ("the column d, which is NULL in rows", 1, "SELECT t.d FROM t FULL JOIN u USING (d)"),
    ("the column d, which is not d (or", 1, "SELECT w.d FROM t LEFT JOIN w USING (d)"),
    ("a result that no partitioned input is in", None, "SELECT d FROM w"),
    (
        "the INNER JOIN of two partitioned tables without t.d = u.d",
        2,
        "SELECT t.d FROM t\nJOIN u USING (k)",
    ),
    ("the INNER JOIN of two partitioned", 1, "SELECT t.d FROM t JOIN u ON t.d = u.d OR t.k = u.k"),
    (
        "the INNER JOIN of two partitioned tables whose keys differ: t.d is DATE and v.d is TIMESTAMP",
        1,
        "SELECT t.d FROM t JOIN v ON t.d = v.d",
    ),
    ("the INNER JOIN of two partitioned", 1, "SELECT t.d FROM t JOIN v USING (d)"),
    ("the CROSS JOIN of two partitioned", 1, "SELECT t.d FROM t, u WHERE t.d < u.d"),
    (
        "the LEFT JOIN of two partitioned",
        1,
        "SELECT t.d FROM t LEFT JOIN u USING (k) WHERE t.d = u.d",
    ),
    ("the LEFT JOIN that keeps rows", 1, "SELECT w.d FROM w LEFT JOIN t USING (d)"),
    ("the FULL JOIN that keeps rows", 1, "SELECT d FROM w FULL JOIN t USING (d)"),
    ("the SEMI JOIN that keeps rows", 1, "SELECT d FROM w SEMI JOIN t USING (d)"),
    ("the RIGHT JOIN that keeps rows", 1, "SELECT t.d FROM t RIGHT JOIN w USING (k)"),
    ("the INNER JOIN of two partitioned", 1, "SELECT t.d FROM t JOIN u ON t.d <= u.d"),
    (
        "the CROSS JOIN of two partitioned",
        1,
        """SELECT s.d FROM t CROSS JOIN u RIGHT JOIN t AS s ON s.d = t.d
           WHERE t.d IS NOT DISTINCT FROM u.d""",
    ),
    (
        "the column d, which is not d (or",
        1,
        """SELECT e AS d FROM (SELECT d, d AS e FROM t) AS a
           FULL JOIN (SELECT u.d, w.d AS e FROM u LEFT JOIN w USING (k)) AS b USING (d, e)""",
    ),
    ("the column d, which is not d (or", 1, "SELECT w.d FROM t ASOF JOIN w USING (k, d)"),
    (
        "the column d, which is not d (or",
        1,
        "SELECT q.d FROM (SELECT w.d, t.d FROM t JOIN w USING (k)) AS q",
    ),
    (
        "the UNION of different columns",
        1,
        "SELECT d FROM t UNION ALL SELECT w.d FROM u JOIN w USING (k)",
    ),
    ("the ASOF JOIN", 1, "SELECT t.d FROM t ASOF JOIN u USING (k, d)"),
    ("the POSITIONAL JOIN", 1, "SELECT t.d FROM t POSITIONAL JOIN w"),
    ("the UNION with a query that reads no", 1, "SELECT d FROM t UNION ALL SELECT d FROM w"),
    (
        "the UNION of different columns",
        1,
        "SELECT d, d + 1 AS e FROM t UNION ALL SELECT d + 1, d FROM u",
    ),
    ("the UNION of different columns", 1, "SELECT d FROM t UNION ALL SELECT d FROM v"),
    (
        "the EXCEPT of different columns",
        1,
        "SELECT d FROM (SELECT k, d FROM t EXCEPT SELECT y, d + 1 FROM u)",
    ),
    ("the sub-query over a partitioned table", 1, "SELECT d, (SELECT max(y) FROM u) AS m FROM t"),
    ("the sub-query over a partitioned table", 1, "SELECT d FROM t WHERE k IN (SELECT k FROM u)"),
    (
        "the sub-query over a partitioned table",
        1,
        "WITH a AS (FROM u) SELECT d FROM t WHERE EXISTS (FROM a)",
    ),
    (
        "the recursive CTE",
        1,
        "WITH RECURSIVE r AS (SELECT d FROM t UNION ALL SELECT d + 1 FROM r) SELECT d FROM r",
    ),
    ("the PIVOT", 1, "SELECT d FROM (PIVOT t ON k IN (1, 2) USING sum(x) GROUP BY d) AS p"),
    ("an aggregate in a sub-query", 1, "SELECT (SELECT max(t.d) FROM w) AS d FROM t"),
]


@pytest.mark.parametrize(("obstacle", "line", "sql"), NOT_LOCAL_BY_DAY)
def test_a_statement_cannot_be_computed_day_by_day(
    obstacle: str, line: int | None, sql: str
) -> None:
    found = asked(sql, DAILY, "day")
    assert found.obstacle.startswith(obstacle)
    assert (found.location is not None and line_of(sql, found.location)) == (line or False)


@pytest.mark.parametrize(
    ("every", "unit", "is_local"),
    [
        ("hour", "minute", True),
        ("hour", "day", False),
        ("day", "hour", True),
        ("week", "day", True),
        ("week", "week", True),
        ("week", "month", False),
        ("month", "week", False),
        ("month", "day", True),
        ("month", "quarter", False),
        ("year", "quarter", True),
        ("year", "week", False),
        ("day", "decade", False),
    ],
)
def test_a_time_may_be_cut_to_a_unit_that_divides_the_partition(
    every: str, unit: str, is_local: bool
) -> None:
    sql = f"SELECT date_trunc('{unit}', ts) AS d FROM t"
    assert asked(sql, BY_TIME, every).is_local is is_local


def test_an_hour_is_not_told_by_a_date() -> None:
    assert not asked("SELECT ts::DATE AS d FROM t", BY_TIME, "hour").is_local
    assert asked("SELECT ts::DATE AS d FROM t", BY_TIME, "month").is_local


@pytest.mark.parametrize(
    ("keys", "sql", "is_local"),
    [
        (BUCKETS, "SELECT k, count(*) AS n FROM b GROUP BY k", True),
        (BUCKETS, "SELECT b.k, y FROM b JOIN c USING (k)", True),
        (BUCKETS, "SELECT k::INTEGER AS k FROM b", False),
        (BUCKETS, "SELECT b.k, y FROM b JOIN c USING (j)", False),
        (PAIRS, "SELECT k, j, count(*) AS n FROM b GROUP BY k, j", True),
        (PAIRS, "SELECT k, max(j) AS j FROM b GROUP BY k", False),
        (PAIRS, "SELECT b.k, c.j FROM b JOIN c USING (j, k)", True),
        (PAIRS, "SELECT b.k, c.j FROM b JOIN c USING (k)", False),
        (PAIRS, "SELECT j AS k, k AS j FROM b", False),
        (BUCKETS, "SELECT e.j AS k FROM b JOIN e ON b.k = e.j", False),
        (NUMBERS, "SELECT c.y AS k, c.k AS y FROM c", False),
        (NUMBERS, "SELECT a.k, a.y FROM c AS a JOIN c AS q ON a.k = q.y AND a.y = q.k", False),
        (NUMBERS, "SELECT a.k, q.y FROM c AS a JOIN c AS q ON a.k = q.k AND a.y = q.y", True),
    ],
)
def test_a_bucket_is_told_by_all_columns_of_its_key(
    keys: dict[str, tuple[str, ...]], sql: str, is_local: bool
) -> None:
    assert asked(sql, keys, "bucket", keys["c"]).is_local is is_local


@pytest.mark.parametrize(
    ("sql", "is_local"),
    [
        ("SELECT d, sum(x) OVER (ORDER BY d) AS s FROM t", True),
        ("SELECT t.d, sum(x) AS s FROM t LEFT JOIN u USING (d) GROUP BY t.d", True),
        ("SELECT d, x FROM t UNION ALL SELECT d, y FROM u", True),
        ("SELECT d, x FROM t FULL JOIN u USING (d)", True),
        ("SELECT t.d, x FROM t LEFT JOIN u USING (k)", False),
        ("SELECT u.d, x FROM u LEFT JOIN t USING (k)", True),
        ("SELECT d, x FROM t UNION ALL SELECT d, n FROM w", True),
        ("SELECT d, x FROM t UNION ALL SELECT d, y FROM u UNION ALL SELECT d, n FROM w", False),
        ("SELECT t.d, sum(y) OVER (ORDER BY t.d) AS s FROM t JOIN u USING (d)", False),
    ],
)
def test_an_input_whose_window_is_stated_needs_no_proof(sql: str, is_local: bool) -> None:
    assert asked(sql, DAILY, "day", stated=("t",)).is_local is is_local


def test_a_parameter_is_a_constant_of_the_partition() -> None:
    tree, _ = parsed("SELECT d, $start AS s FROM t WHERE d >= $start")
    assert locality(tree, [Input(Known(COLUMNS["t"]), ("d",))], ["d", "s"], ["d"], "day").is_local


def test_a_key_that_is_compared_otherwise_is_no_key() -> None:
    tree, _ = parsed("SELECT k FROM t")
    for type_, collated in (("DOUBLE", ()), ("VARCHAR", ("k",)), ("INTEGER[]", ())):
        known = Input(Known((("k", type_),), collated=collated), ("k",))
        assert not locality(tree, [known], ["k"], ["k"], "bucket").is_local
