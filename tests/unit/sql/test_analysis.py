"""What once fooled an analysis, or could: two statements that look alike and are not, and the
engine's word on each."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import duckdb
import pytest

from seeknal_git.plan.changes import Category
from seeknal_git.sql.analysis import anatomy_of, functions
from seeknal_git.sql.engine import parsed
from seeknal_git.sql.statement import Known
from tests.verdicts import Tables, graph_of, plan_of, verdict

TABLES: Tables = {
    "t": (("id", "INTEGER"), ("n", "INTEGER"), ("g", "VARCHAR"), ("j", "JSON"), ("l", "INTEGER[]")),
    "u": (("id", "INTEGER"), ("w", "VARCHAR"), ("n", "INTEGER")),
}
DATA = """
CREATE SCHEMA source;
CREATE TABLE source.t (id INTEGER, n INTEGER, g VARCHAR, j JSON, l INTEGER[]);
INSERT INTO source.t VALUES (1, 10, 'x', '{"a": 1, "A": 2}', [1, 2]), (2, 20, 'X', '{"a": 3, "A": 3}', []),
    (3, 20, 'y', NULL, [3]), (4, NULL, 'x', '{}', NULL);
CREATE TABLE source.u (id INTEGER, w VARCHAR, n INTEGER);
INSERT INTO source.u VALUES (1, 'a', 10), (2, 'b', 20), (2, 'c', 5), (9, NULL, 1), (6, 'a', 3), (3, 'b', 6);
"""


@pytest.fixture(scope="module")
def engine() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.execute(DATA)
        yield connection


# (name, old, new): they give different results, on some data

DIFFERENT = [
    ("field of JSON", "SELECT j.a AS x FROM source.t", "SELECT j.A AS x FROM source.t"),
    (
        "unnest of a struct takes two places",
        "SELECT q AS x FROM (SELECT unnest({'a': -id, 'b': n}), id, n FROM source.t) AS x (p, q, r)",
        "SELECT id AS x FROM (SELECT unnest({'a': -id, 'b': n}), id, n FROM source.t) AS x",
    ),
    (
        "unpacked columns are one",
        "SELECT b FROM (SELECT coalesce(*COLUMNS(*)), 5 FROM (SELECT id, n FROM source.t)) AS y (a, b)",
        "SELECT b FROM (SELECT coalesce(*COLUMNS(*)), 6 FROM (SELECT id, n FROM source.t)) AS y (a, b)",
    ),
    (
        "ORDER BY of some columns",
        "SELECT id, n FROM source.t ORDER BY COLUMNS('^n') LIMIT 2",
        "SELECT id, n FROM source.t ORDER BY COLUMNS('^id') LIMIT 2",
    ),
    (
        "ORDER BY all but one",
        "SELECT id, n FROM source.t ORDER BY * EXCLUDE (id) LIMIT 2",
        "SELECT id, n FROM source.t ORDER BY ALL LIMIT 2",
    ),
    (
        "a name that the engine makes",
        'SELECT "(a + 1)" AS x FROM (SELECT a + 1, b + 1 FROM '
        "(SELECT id AS a, n AS b FROM source.t))",
        'SELECT "(a + 1)" AS x FROM (SELECT b + 1, a + 1 FROM (SELECT id AS b, n AS a FROM source.t))',
    ),
    (
        "a name that the engine makes of another",
        "SELECT id_1 AS x FROM (SELECT id, n AS id, length(g) AS id_1 FROM source.t)",
        "SELECT id_1 AS x FROM (SELECT id, n + 1 AS id, length(g) AS id_1 FROM source.t)",
    ),
    (
        "GROUP BY ALL of an outer column",
        "SELECT (SELECT c FROM (SELECT t.n AS z, count(*) AS c FROM source.u WHERE false GROUP BY ALL)) AS x FROM source.t",
        "SELECT (SELECT c FROM (SELECT t.n AS z, count(*) AS c FROM source.u WHERE false GROUP BY z)) AS x FROM source.t",
    ),
    (
        "GROUP BY ALL of constants",
        "SELECT 'p' AS y, min(id) AS e FROM source.t WHERE false GROUP BY 'p'",
        "SELECT 'p' AS y, min(id) AS e FROM source.t WHERE false GROUP BY ALL",
    ),
    (
        "GROUP BY ALL of a constant list",
        "SELECT list_transform([1], lambda x: x + 1) AS c FROM source.t GROUP BY ALL",
        "SELECT list_transform([1], lambda x: x + 1) AS c FROM source.t GROUP BY c",
    ),
    (
        "a position in ORDER BY",
        "SELECT n AS a, id AS b FROM source.u ORDER BY #1 LIMIT 2",
        "SELECT n AS a, id AS b FROM source.u ORDER BY id LIMIT 2",
    ),
    (
        "a position in DISTINCT ON",
        "SELECT DISTINCT ON (#1) n AS a, id AS b FROM source.t ORDER BY id",
        "SELECT DISTINCT ON (id) n AS a, id AS b FROM source.t ORDER BY id",
    ),
    (
        "case of a field that is named after a column",
        "SELECT x::VARCHAR AS j FROM (SELECT id FROM (SELECT id AS id FROM source.t)) AS x",
        "SELECT x::VARCHAR AS j FROM (SELECT id FROM (SELECT id AS ID FROM source.t)) AS x",
    ),
    (
        "name of a union's member",
        "SELECT to_json(union_value(A := n)) AS j FROM source.t",
        "SELECT to_json(union_value(a := n)) AS j FROM source.t",
    ),
    (
        "names by a star",
        "SELECT to_json(struct_pack(*COLUMNS(*))) AS j FROM (SELECT id AS a FROM source.t)",
        "SELECT to_json(struct_pack(*COLUMNS(*))) AS j FROM (SELECT id AS b FROM source.t)",
    ),
    (
        "alias of a function in FROM",
        "SELECT to_json(x) AS y FROM range(3) AS x",
        "SELECT to_json(x) AS y FROM range(3) AS x (range)",
    ),
    (
        "some aliases of a recursive CTE",
        "WITH RECURSIVE r (a) AS (SELECT 1 AS x, 10 AS y, 5 AS z UNION ALL SELECT a + 1, y + 1, 7 FROM r WHERE a < 3) SELECT y FROM r",
        "WITH RECURSIVE r (a, b, y) AS (SELECT 1 AS x, 10 AS y, 5 AS z UNION ALL SELECT a + 1, b + 1, 7 FROM r WHERE a < 3) "
        "SELECT y FROM r",
    ),
    (
        "one chance and two",
        "SELECT x.r = x.r AS e FROM (SELECT random() AS r, random() AS q FROM source.t) AS x",
        "SELECT x.r = x.q AS e FROM (SELECT random() AS r, random() AS q FROM source.t) AS x",
    ),
    (
        "chance computed once or twice",
        "WITH c AS MATERIALIZED (SELECT random() AS r) SELECT a.r = b.r AS x FROM c AS a, c AS b",
        "WITH c AS NOT MATERIALIZED (SELECT random() AS r) SELECT a.r = b.r AS x FROM c AS a, c AS b",
    ),
    (
        "two chances are more than one",
        "SELECT count(*) AS c FROM (SELECT DISTINCT (random() * 9)::INT AS a, (random() * 9)::INT AS b FROM range(9999))",
        "SELECT count(*) AS c FROM (SELECT DISTINCT (random() * 9)::INT AS a FROM range(9999))",
    ),
    (
        "a CTE that reads the query around it",
        "SELECT id, (WITH c AS (SELECT n + x.one AS y FROM (SELECT count(*), 1 AS one FROM source.u) AS x) SELECT y FROM c) AS q "
        "FROM (SELECT id, n FROM source.t)",
        "SELECT id, (WITH c AS (SELECT n + x.one AS y FROM (SELECT count(*), 1 AS one FROM source.u) AS x) SELECT y FROM c) AS q "
        "FROM (SELECT id, id AS n FROM source.t)",
    ),
    (
        "two look-ups, one in the other",
        "WITH q AS (SELECT DISTINCT id, n FROM source.u) SELECT x.id, b.id AS bid FROM source.u AS x LEFT JOIN (q AS a LEFT JOIN q "
        "AS b ON b.id = a.n AND b.n = a.id AND a.id > 5) ON a.id = x.id AND a.n = x.n",
        "WITH q AS (SELECT DISTINCT id, n FROM source.u) SELECT x.id, b.id AS bid FROM source.u AS x LEFT JOIN (q AS a LEFT JOIN q "
        "AS b ON b.id = a.n AND b.n = a.id AND b.id > 5) ON a.id = x.id AND a.n = x.n",
    ),
    (
        "an aggregate of the query around VALUES",
        "SELECT 1 AS one FROM source.t",
        "SELECT 1 AS one, (SELECT z FROM (VALUES (sum(t.n))) AS v (z)) AS e FROM source.t",
    ),
    (
        "what a method is called on",
        "SELECT g.upper() AS x FROM source.t",
        "SELECT g.lower().upper() AS x FROM source.t",
    ),
    (
        "the column that a method is called on",
        "SELECT n.sum() AS x FROM source.t",
        "SELECT id.sum() AS x FROM source.t",
    ),
    (
        "a look-up within a look-up's rows",
        "SELECT u.id, q.c FROM source.u LEFT JOIN (source.t LEFT JOIN (SELECT count(*) AS c FROM source.u) AS q ON true) ON u.id = t.id",
        "SELECT u.id, q.c FROM source.u LEFT JOIN source.t ON u.id = t.id LEFT JOIN (SELECT count(*) AS c FROM source.u) AS q ON true",
    ),
    (
        "a row with a column that the engine names",
        "SELECT to_json(x) AS j FROM (SELECT n + 1, id FROM source.t) AS x",
        "SELECT to_json(x) AS j FROM (SELECT n + 1, n FROM source.t) AS x",
    ),
    (
        "the order of USING under ASOF",
        "SELECT t.g, u.w FROM source.t ASOF JOIN source.u USING (id, n)",
        "SELECT t.g, u.w FROM source.t ASOF JOIN source.u USING (n, id)",
    ),
    (
        "one side of a column of USING",
        "SELECT b FROM (SELECT * EXCLUDE (t.id) FROM (SELECT id, n FROM source.t) AS t JOIN (SELECT id, n FROM source.u) AS u USING (id)) "
        "AS x (a, b)",
        "SELECT b FROM (SELECT * EXCLUDE (id) FROM (SELECT id, n FROM source.t) AS t JOIN (SELECT id, n FROM source.u) AS u USING (id)) "
        "AS x (a, b)",
    ),
    (
        "which of two lists is ordered",
        "SELECT id FROM source.t WHERE (SELECT list(n) FROM (SELECT n FROM source.u ORDER BY n)) <> [id] "
        "AND (SELECT list(n) FROM (SELECT n FROM source.u)) = [10]",
        "SELECT id FROM source.t WHERE (SELECT list(n) FROM (SELECT n FROM source.u ORDER BY n)) = [10] "
        "AND (SELECT list(n) FROM (SELECT n FROM source.u)) <> [id]",
    ),
    (
        "case of a name behind a look-up",
        "SELECT to_json(s) AS j FROM (SELECT q.c FROM source.t LEFT JOIN (SELECT id, count(*) AS c FROM source.u GROUP BY id) AS q "
        "ON q.id = t.id) AS s",
        "SELECT to_json(s) AS j FROM (SELECT q.c FROM source.t LEFT JOIN (SELECT id, count(*) AS C FROM source.u GROUP BY id) AS q "
        "ON q.id = t.id) AS s",
    ),
    (
        "which of several ids is id_2",
        "SELECT id_2 AS x FROM (SELECT length(g)::INT AS id_1, id, n AS id, id + 7 AS id FROM source.t)",
        "SELECT id_2 AS x FROM (SELECT id, n AS id, id + 7 AS id, 0 AS id FROM source.t)",
    ),
    (
        "GROUP BY ALL of a constant in a star",
        "SELECT * REPLACE (1 AS n), count(*) AS c FROM (SELECT n FROM source.t WHERE false) GROUP BY ALL",
        "SELECT * REPLACE (1 AS n), count(*) AS c FROM (SELECT n FROM source.t WHERE false) GROUP BY 1",
    ),
    (
        "case of a name in REPLACE",
        "SELECT to_json(x) AS j FROM (SELECT * REPLACE (id + 1 AS id) FROM source.u) AS x",
        "SELECT to_json(x) AS j FROM (SELECT * REPLACE (id + 1 AS ID) FROM source.u) AS x",
    ),
    *(
        (
            f"case of a name behind {what}",
            *(
                query.format(
                    f"SELECT id FROM source.t RIGHT JOIN (SELECT id AS {name} FROM source.u) AS q USING (id)"
                )
                for name in ("id", "ID")
            ),
        )
        for what, query in {
            "UNION ALL": "SELECT to_json(x) AS j FROM ({} UNION ALL SELECT 5) AS x",
            "UNION ALL BY NAME": "SELECT to_json(x) AS j FROM ({} UNION ALL BY NAME SELECT 5 AS id) AS x",
            "EXCEPT": "SELECT to_json(x) AS j FROM ({} EXCEPT SELECT 5) AS x",
            "recursion": "WITH RECURSIVE x AS ({} UNION ALL SELECT id + 9 FROM x WHERE id < 9) SELECT to_json(x) AS j FROM x",
            "a join": "SELECT to_json(x) AS j FROM ({}) AS x",
        }.items()
    ),
    *(
        (
            f"a name that the engine makes, where {what}",
            *(query.format(name) for name in ("id", "n")),
        )
        for what, query in {
            "a column of the query around it has it too": 'SELECT id FROM (SELECT id, 11 AS "(n + 1)" FROM source.t) WHERE EXISTS (SELECT 1 FROM (SELECT n + 1 FROM '
            '(SELECT {} AS n FROM source.u)) WHERE "(n + 1)" > 15)',
            "an alias has it too": 'SELECT sum(k) AS x FROM (SELECT id AS "(n + 1)", "(n + 1)" AS k FROM (SELECT n + 1, id FROM (SELECT {} AS n, id FROM source.u)))',
        }.items()
    ),
    *(
        (
            f"a name that the engine makes, behind {what}",
            *(
                query.format(f"SELECT {names} FROM (SELECT id AS {a}, n AS {b} FROM source.t)")
                for names, a, b in (("a + 1, b + 1", "a", "b"), ("b + 1, a + 1", "b", "a"))
            ),
        )
        for what, query in {
            "UNION ALL": 'SELECT "(a + 1)" AS x FROM ({} UNION ALL SELECT 5, 6)',
            "recursion": 'WITH RECURSIVE r AS ({} UNION ALL SELECT 1, 2 FROM r WHERE false) SELECT "(a + 1)" AS x FROM r',
        }.items()
    ),
    *(
        (
            f"names of a CTE that is read {what}",
            *(query.format(names) for names in ("id AS a, n AS b", "id AS b, n AS a")),
        )
        for what, query in {
            "as one piece": "WITH c AS (SELECT {} FROM source.t) SELECT x.a FROM (SELECT version() <> '' AS v, a FROM c) AS x",
            "by PIVOT": "WITH c AS (SELECT {} FROM source.t) UNPIVOT c ON a, b INTO NAME k VALUE v",
        }.items()
    ),
    *(
        [
            (
                "a type in a name that the engine makes",
                'SELECT id FROM (SELECT id, 11 AS "CAST(n AS INT8)" FROM source.t) WHERE EXISTS (SELECT 1 FROM (SELECT n::INT8 FROM source.u) '
                'WHERE "CAST(n AS INT8)" = 11)',
                'SELECT id FROM (SELECT id, 11 AS "CAST(n AS INT8)" FROM source.t) WHERE EXISTS (SELECT 1 FROM (SELECT n::BIGINT FROM source.u) '
                'WHERE "CAST(n AS INT8)" = 11)',
            )
        ]
        if duckdb.connect().execute("SELECT 1::INT8").description[0][0] == "CAST(1 AS INT8)"
        else []
    ),  # 1.5 names it BIGINT either way
    *(
        (
            f"case of a name that {what} reads",
            *(
                query.format(
                    f"(SELECT id FROM source.t RIGHT JOIN (SELECT id AS {name} FROM source.u) AS q USING (id))"
                )
                for name in ("id", "ID")
            ),
        )
        for what, query in {
            "UNPIVOT": "WITH c AS {} UNPIVOT c ON id INTO NAME k VALUE v",
            "COLUMNS": "SELECT (SELECT min(k) FROM (SELECT id AS k FROM (SELECT COLUMNS('^(id|x)$') FROM (SELECT *, 7 AS x FROM {})))) AS k "
            "FROM (SELECT 11 AS id FROM source.t)",
        }.items()
    ),
    *(
        (
            f"{what} without aggregates",
            "SELECT 1 AS x FROM source.t",
            f"SELECT 1 AS x FROM source.t {what}",
        )
        for what in (
            "GROUP BY ()",
            "GROUP BY GROUPING SETS (())",
            "GROUP BY GROUPING SETS ((), ())",
        )
    ),
    *(
        (
            f"what {what} is called",
            *(
                f"SELECT id FROM (SELECT id, 11 AS n FROM source.t) WHERE EXISTS (SELECT 1 FROM ({query}) WHERE n = 11)"
                for query in queries
            ),
        )
        for what, *queries in (
            ("a function in FROM", "FROM range(3) AS n", "FROM range(3) AS r"),
            ("a function without an alias", "FROM range(3) AS n", "FROM range(3)"),
            ("a list in FROM", "FROM unnest([1]) AS n", "FROM unnest([1])"),
            (
                "one of COLUMNS",
                "SELECT COLUMNS('n') FROM (SELECT 1 AS n, 2 AS m)",
                "SELECT COLUMNS('m') FROM (SELECT 1 AS n, 2 AS m)",
            ),
        )
    ),
    (
        "ORDER BY a name of the other side of a set operation",
        "SELECT (SELECT min(a) FROM (SELECT id AS a, n AS b FROM source.u UNION ALL SELECT n, id AS d FROM source.u ORDER BY d LIMIT 1)) AS x "
        "FROM (SELECT id AS d FROM source.t)",
        "SELECT (SELECT min(a) FROM (SELECT id AS a, n AS b FROM source.u UNION ALL SELECT n, -id AS d FROM source.u ORDER BY d LIMIT 1)) AS x "
        "FROM (SELECT id AS d FROM source.t)",
    ),
    (
        "ORDER BY a name that the engine makes on the other side of a set operation",
        'SELECT a FROM (SELECT -id AS a, n + 1 FROM source.u UNION ALL SELECT n - 2, n - 2 AS q FROM source.u ORDER BY "(n - 2)" LIMIT 1)',
        'SELECT a FROM (SELECT -id AS a, n + 1 FROM source.u UNION ALL SELECT n - 2 AS q, n - 2 FROM source.u ORDER BY "(n - 2)" LIMIT 1)',
    ),
    *(
        (
            f"an alias of {what}",
            *(
                f'SELECT id FROM (SELECT id, 11 AS "{name}" FROM source.t) WHERE EXISTS (SELECT 1 FROM (SELECT {expression}{alias} FROM '
                f'(SELECT 1 AS n, [1] AS l) AS y) WHERE "{name}" = 11)'
                for alias in ("", " AS z")
            ),
        )
        for what, expression, name in (
            ("unnest", "unnest(l)", "unnest(l)"),
            ("a star", "* EXCLUDE (l)", "n"),
            ("the star of a table", "y.*", "n"),
            ("COLUMNS", "COLUMNS(* EXCLUDE (l))", "n"),
        )
    ),
    (
        "case of a name behind a star over a join",
        "SELECT to_json(x) AS j FROM (SELECT * FROM source.t RIGHT JOIN (SELECT id AS id FROM source.u) AS q USING (id)) AS x",
        "SELECT to_json(x) AS j FROM (SELECT * FROM source.t RIGHT JOIN (SELECT id AS ID FROM source.u) AS q USING (id)) AS x",
    ),
]

# (name, two texts of one statement that the analysis sees as one)

SAME = [
    (
        "a name in RENAME is as it is written there",
        "SELECT to_json(x) AS j FROM (SELECT * RENAME (id AS a) FROM (SELECT id FROM source.t FULL JOIN source.u USING (id))) AS x",
        "SELECT to_json(x) AS j FROM (SELECT * RENAME (ID AS a) FROM (SELECT id FROM source.t FULL JOIN source.u USING (id))) AS x",
    ),
    *(
        (
            f"{what} say how names are spelled",
            *(
                query.format(f"SELECT {name} FROM source.t FULL JOIN source.u USING (id)")
                for name in ("id", "ID")
            ),
        )
        for what, query in {
            "aliases of a sub-query": "SELECT to_json(x) AS j FROM ({}) AS x (a)",
            "aliases of a CTE": "WITH x (a) AS ({}) SELECT to_json(x) AS j FROM x",
            "aliases of a recursive CTE": "WITH RECURSIVE x (a) AS ({} UNION ALL SELECT a + 9 FROM x WHERE a < 9) SELECT to_json(x) AS j FROM x",
        }.items()
    ),
]


@pytest.mark.parametrize(("old", "new"), [pytest.param(*case[1:], id=case[0]) for case in SAME])
def test_what_is_the_same_is_called_so(
    engine: duckdb.DuckDBPyConnection, old: str, new: str
) -> None:
    before, after = (sorted(engine.execute(sql).fetchall()) for sql in (old, new))
    assert before == after
    assert verdict(old, new, TABLES).category == Category.METADATA


@pytest.mark.parametrize(
    ("old", "new"), [pytest.param(*case[1:], id=case[0]) for case in DIFFERENT]
)
def test_what_is_different_is_not_called_the_same(
    engine: duckdb.DuckDBPyConnection, old: str, new: str
) -> None:
    for sql in (old, new):
        engine.execute(sql).fetchall()  # both are valid
    assert verdict(old, new, TABLES).category == Category.BREAKING
    assert verdict(new, old, TABLES).category == Category.BREAKING


KEYED = "SELECT id, min(n) AS n, max(w) AS w, max(n) AS m FROM source.u GROUP BY id"
NODE = "SELECT id, n FROM source.t"


@pytest.mark.parametrize(
    ("inputs", "join"),
    [
        pytest.param(
            {"q": KEYED, "k": "SELECT COLUMNS('^(n|m)$'), id FROM transform.q"},
            "transform.k ON k.m = t.n",
            id="a key behind columns whose number is not known",
        ),
        pytest.param(
            {"k": "SELECT id, g COLLATE NOCASE AS g FROM source.t"},
            "(SELECT g, count(*) AS c FROM transform.k GROUP BY g) AS q ON q.g = t.g",
            id="a collation",
        ),
        pytest.param(
            {"k": "SELECT id, g COLLATE NOCASE AS g FROM source.t WHERE version() <> ''"},
            "(SELECT g, count(*) AS c FROM transform.k GROUP BY g) AS q ON q.g = t.g",
            id="a collation left whole",
        ),
        pytest.param(
            {}, "(SELECT g, count(*) AS c FROM source.t GROUP BY g) AS q ON q.g = t.id", id="a cast"
        ),
        pytest.param(
            {
                "q": "SELECT DISTINCT (random() * 2)::INTEGER AS a, (random() * 2)::INTEGER AS b FROM range(100)"
            },
            "transform.q ON q.a = t.id",
            id="chance",
        ),
        pytest.param(
            {"q": KEYED},
            "transform.q ON q.id = (random() * 9)::INTEGER",
            id="a key compared with chance",
        ),
    ],
)
def test_a_look_up_that_may_find_two_rows_changes_the_rows(
    inputs: dict[str, str], join: str
) -> None:
    old = {**inputs, "node": NODE}
    new = {**inputs, "node": f"SELECT t.id, t.n, 1 AS c FROM source.t LEFT JOIN {join}"}
    (change,) = plan_of(old, new, TABLES).changes
    assert change.category == Category.BREAKING


@pytest.mark.parametrize(
    "reader",
    ["SELECT max(g) AS m FROM transform.k", "SELECT g, count(*) AS c FROM transform.k GROUP BY g"],
)
def test_a_collation_goes_on_with_the_table(reader: str) -> None:
    """DuckDB keeps it in the column of a table, and does not say so of its type."""
    graph = graph_of({"k": "SELECT id, g COLLATE NOCASE AS g FROM source.t", "r": reader}, TABLES)
    (anatomy,) = graph.anatomies["transform.r"]
    assert anatomy.whole.unstable == "COLLATE"


def test_row_numbers_over_grouping_sets_are_not_settled_by_a_key_of_the_rows_before() -> None:
    sql = (
        "WITH q AS (SELECT DISTINCT id, n FROM source.t) SELECT id, n, row_number() OVER (ORDER BY id, n) AS r FROM q "
        "GROUP BY GROUPING SETS ((id), (id, n))"
    )
    (anatomy,) = graph_of({"node": sql}, TABLES).anatomies["transform.node"]
    assert dict(anatomy.columns or ())["r"].unstable


def test_the_engine_calls_no_stable_function_volatile(engine: duckdb.DuckDBPyConnection) -> None:
    stable = functions.SCALAR | functions.NAMING | functions.AGGREGATE
    volatile = engine.execute(
        "SELECT DISTINCT function_name FROM duckdb_functions() WHERE stability <> 'CONSISTENT'"
    ).fetchall()
    assert stable & {name for (name,) in volatile} == set()
    assert not stable & (functions.ORDERED | functions.VOLATILE)


@pytest.mark.parametrize(
    "sql",
    [
        pytest.param(f"SELECT {'n + ' * 300}n AS x FROM source.t", id="a long sum"),
        pytest.param(
            f"SELECT id FROM {'(SELECT id FROM ' * 200}source.t{')' * 200}",
            id="many sub-queries in each other",
        ),
    ],
)
def test_a_statement_that_is_nested_too_deep_is_left_whole(sql: str) -> None:
    tree, references = parsed(sql)
    anatomy = anatomy_of(tree, ["source.t"] * len(references), [Known(TABLES["t"])], None)
    assert anatomy.rows is None
    assert "nested too deep" in anatomy.obstacles[0]
    assert anatomy.whole.reads == ((0, "*"),)


@pytest.mark.parametrize(
    "sql",
    [
        pytest.param(
            "source.t"
            + "".join(
                f" LEFT JOIN (SELECT id, count(*) AS c{i} FROM source.u GROUP BY id) AS u{i} ON u{i}.id = t.id"
                for i in range(60)
            ),
            id="many look-ups",
        ),
        pytest.param(
            "source.t LEFT JOIN "
            + "(SELECT DISTINCT x.id FROM source.t AS x LEFT JOIN " * 14
            + "source.u AS x1 ON true"
            + ") AS x1 ON x1.id = x.id" * 13
            + ") AS y ON y.id = t.id",
            id="look-ups in look-ups",
        ),
    ],
)
def test_no_shape_of_a_statement_takes_a_time_out_of_proportion(sql: str) -> None:
    tree, references = parsed(f"SELECT t.id FROM {sql}")
    known = [Known(TABLES[each.target.partition(".")[2]]) for each in references]
    calls = 0

    def count(*_: object) -> None:
        nonlocal calls
        calls += 1

    sys.setprofile(count)
    try:
        anatomy_of(tree, [each.target for each in references], known, ["id"])
    finally:
        sys.setprofile(None)
    assert calls < 2_000_000


NODE_AND_READER = [
    pytest.param(
        "SELECT id AS b, b + 1 AS c FROM (SELECT id, n, n + 1 FROM source.t)",
        "SELECT n AS b, b + 1 AS c FROM (SELECT id, n, n + 1 FROM source.t)",
        "SELECT c FROM transform.node",
        id="an alias beside columns that the engine names",
    ),
    pytest.param(
        "SELECT id, n AS z FROM source.u",
        "SELECT id, n + 100 AS z FROM source.u",
        "SELECT id FROM source.t WHERE EXISTS (SELECT 1 FROM ref('transform.node') WHERE node.z > 50)",
        id="a table that is named by what it refers to",
    ),
    pytest.param(
        "SELECT id, n FROM source.t",
        "SELECT id, n + 1 AS n FROM source.t",
        "SELECT n.abs() AS a FROM transform.node",
        id="what a method is called on",
    ),
]


@pytest.mark.parametrize(("old", "new", "reader"), NODE_AND_READER)
def test_a_reader_of_what_changed_is_not_re_used(old: str, new: str, reader: str) -> None:
    assert verdict(old, new, TABLES, reader).reused is False


def test_the_clock_is_unstable_where_a_column_might_be_called_like_it() -> None:
    (anatomy,) = graph_of(
        {"node": "SELECT current_date AS d FROM (SELECT n, n + 1 FROM source.t)"}, TABLES
    ).anatomies["transform.node"]
    assert dict(anatomy.columns or ())["d"].unstable


@pytest.mark.parametrize(
    "sql",
    [
        pytest.param(
            "WITH o AS (SELECT * FROM source.t) SELECT id, n + 1 AS m FROM o WHERE n > 1",
            id="a CTE",
        ),
        pytest.param(
            "WITH o AS (FROM source.t), p AS (SELECT n AS k, id FROM o) SELECT id, k + 1 AS m FROM p WHERE k > 1",
            id="two CTEs, one with other names",
        ),
        pytest.param(
            "SELECT id, n + 1 AS m FROM (SELECT id, n FROM source.t) WHERE n > 1", id="a sub-query"
        ),
    ],
)
def test_a_query_that_only_hands_a_table_on_is_seen_through(sql: str) -> None:
    assert (
        verdict("SELECT id, n + 1 AS m FROM source.t WHERE n > 1", sql, TABLES).category
        == Category.METADATA
    )


@pytest.mark.parametrize(
    "inner",
    [
        pytest.param("SELECT id, n + 1 AS n FROM source.t", id="that computes"),
        pytest.param("SELECT n AS id, id AS n FROM source.t", id="that swaps names"),
        pytest.param("SELECT id, n FROM source.t WHERE id > 1", id="that filters"),
        pytest.param("SELECT DISTINCT id, n FROM source.t", id="that makes rows distinct"),
        pytest.param("SELECT id, n FROM source.t LIMIT 2", id="that limits"),
        pytest.param("SELECT u.id, u.n FROM source.u", id="of another table"),
    ],
)
def test_a_query_that_does_more_is_not(inner: str) -> None:
    new = f"SELECT id, n + 1 AS m FROM ({inner}) WHERE n > 1"
    assert (
        verdict("SELECT id, n + 1 AS m FROM source.t WHERE n > 1", new, TABLES).category
        == Category.BREAKING
    )
