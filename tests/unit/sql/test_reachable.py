"""What SQL of others may name in an engine with extensions: everything that it could name before,
and nothing of an extension. tests/security/test_confinement.py takes each way for real."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from seeknal_git.sql.engine import SqlError, one_select
from seeknal_git.sql.reachable import (
    explained_within_reach,
    functions_of_engine,
    select_of_view,
    within_reach,
)
from tests.oracle.check import draw_example, draw_world
from tests.oracle.expressions import Draw

PROJECT = Path(__file__).parents[3]
# The only function in the examples that is the project's own.
OURS = re.compile(r"\bref\(")
_SELECT = re.compile(r"\b(?:SELECT|FROM|WITH)\b[^`]*?(?=\n\n|\n\w+:|\Z|\")", re.DOTALL)


def _drawn(examples: int) -> Iterator[str]:
    draw = Draw(Random(7))
    for number in range(examples):
        if not number % 20:
            world = draw_world(draw)
        if example := draw_example(draw, world):
            yield from (example.old, example.new, example.reader)


def _written() -> Iterator[str]:
    """The SELECTs in nodes of examples and of the shop of the tests, and in the pages."""
    folders = ("examples", "docs", "tests/journeys/roastery", "benchmarks")
    for folder in folders:
        for path in sorted((PROJECT / folder).rglob("*")):
            if path.suffix in (".yml", ".md", ".sql"):
                yield from _SELECT.findall(path.read_text("utf-8"))
            elif path.suffix == ".py":
                for part in ast.walk(ast.parse(path.read_text("utf-8"))):
                    if isinstance(part, ast.Constant) and isinstance(part.value, str):
                        yield part.value


def _selects(texts: Iterator[str]) -> Iterator[str]:
    for text in texts:
        sql = OURS.sub("unnest(", text)
        try:
            one_select(sql)
        except SqlError:
            continue
        yield sql


def test_nothing_that_the_oracle_draws_is_refused() -> None:
    assert len([within_reach(sql) for sql in _selects(_drawn(600))]) > 1000


# SELECTs in the pages and benchmarks over things that a lake has not: macros and raw files.
_NOT_IN_A_LAKE = re.compile(
    r"^(?:net|twice|days|share|half|query|query_table|duckdb_secrets|pragma_database_size)\(\)"
)


def test_nothing_that_examples_and_pages_have_is_refused() -> None:
    refused = {}
    selects = list(_selects(_written()))
    for sql in selects:
        try:
            within_reach(sql)
        except SqlError as exc:
            if not _NOT_IN_A_LAKE.match(exc.message):
                refused[exc.message] = sql
    assert not refused
    assert len(selects) > 30


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT unnest([1]) AS x, ([1, 2])[1], {'a': 1}.a, [1, 2, 3][1:2]",
        "SELECT CASE WHEN 1 IN (1, 2) AND 2 BETWEEN 1 AND 3 THEN 1 END, 'a' LIKE 'b', 'a' ~ 'b'",
        "SELECT sum(x) FILTER (x > 1) OVER (ORDER BY x), row_number() OVER () FROM t",
        "SELECT x.upper(), t.name.lower(), a.b.upper() FROM t",
        "SELECT list_transform([1], lambda x: x + 1), [y + 1 FOR y IN [1] IF y > 0]",
        "SELECT COLUMNS('a.*'), t.COLUMNS(*), * EXCLUDE (b) REPLACE (c AS d), max(COLUMNS(*)) FROM t",
        "SELECT DATE '2026-01-01' + INTERVAL 1 DAY, extract(year FROM d), d AT TIME ZONE 'UTC' FROM t",
        "SELECT a COLLATE nocase, x::DECIMAL(10, 2), TRY_CAST(x AS STRUCT(a INTEGER)), TRY(x) FROM t",
        "SELECT j -> 'a', j ->> '$.b', j['a'], json_extract(j, 'a') FROM t, json_each(t.j)",
        "SELECT current_date, current_timestamp, now(), current_setting('TimeZone'), uuid()",
        "SELECT coalesce(a, b), if(a, b, c), nullif(a, b), grouping(a) FROM t GROUP BY ROLLUP (a, b, c)",
        "FROM t PIVOT (sum(x) FOR kind IN ('a', 'b') GROUP BY y)",
        "FROM t UNPIVOT (x FOR k IN (a, b))",
        "FROM warehouse._snapshots.t AS o ASOF JOIN temp.main.u USING (a, b)",
        "WITH RECURSIVE a AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM a WHERE n < 3) FROM a",
        "WITH duckdb_databases AS (SELECT 1) FROM duckdb_databases",
        "SELECT * FROM read_csv($files, delim = ',', hive_partitioning = false)",
        "SELECT * FROM read_parquet(['/a/b.parquet', '/a/c.parquet'])",
        "SELECT columns, tables FROM columns AS columns JOIN tables USING (a)",
        "SELECT formatReadableSize(1), printf('%d', 1), hash(t) FROM t",
    ],
)
def test_words_of_the_engine_are_no_functions_of_others(sql: str) -> None:
    within_reach(sql)


@pytest.mark.parametrize(
    ("sql", "message", "line"),
    [
        ("SELECT *\nFROM postgres_scan('a', 'b', 'c')", "postgres_scan() is out", 2),
        ("SELECT 1,\n\n st_read(1)", "st_read() is out", 3),
        ("SELECT\n\"Nextval\"('a')", "nextval() is out", 2),
        ("FROM x.y.z", "x.y.z is out of reach: x is not the warehouse", 1),
        ('FROM "A b".y.z', "a b.y.z is out of reach", 1),
        ("FROM 's3://bucket/a.parquet'", "s3://bucket/a.parquet is out", 1),
        ("FROM read_csv('https://a/b.csv')", "read_csv() is out", 1),
        ("FROM read_csv(['/a', 's3://a?s3_endpoint=b'])", "read_csv() is out", 1),
        ("FROM read_csv('s3:' || '//a')", "read_csv() is out", 1),
        ("FROM read_csv(getvariable('a'))", "read_csv() is out", 1),
        ("FROM read_text('/a')", "read_text() is out", 1),
        ("FROM warehouse.main.range(3)", "range() is out", 1),
        ("SELECT warehouse.main.upper('a')", "upper() is out", 1),
        ("SELECT warehouse.upper('a')", "upper() is out", 1),
        ("SELECT 1::x.y.z", "a type of x is out", 1),
        ("SELECT 1::x.z", "a type of x is out", 1),
        ("SELECT current_setting('s3_secret_access_key')", "current_setting() is out", 1),
        ("SELECT current_setting('http_proxy_password')", "current_setting() is out", 1),
        ("SELECT current_setting(name) FROM t", "current_setting() is out", 1),
        ("FROM information_schema.columns", "information_schema.columns is out", 1),
        ("FROM t AT (VERSION => postgres_scan())", "postgres_scan() is out", 1),
        ("SELECT 1 ORDER BY (SELECT 1 FROM sqlite_scan('a', 'b'))", "sqlite_scan() is out", 1),
        ("SELECT 1 LIMIT (SELECT count(*) FROM sqlite_scan('a', 'b'))", "sqlite_scan() is out", 1),
        ("SELECT sum(x) OVER w FROM t WINDOW w AS (ORDER BY st_read(1))", "st_read() is out", 1),
        ("SELECT sum(x ORDER BY st_read(1)) FILTER (st_write(2)) FROM t", "() is out", 1),
        ("SELECT list_transform([1], lambda x: st_read(x))", "st_read() is out", 1),
        ("SELECT * REPLACE (st_read(a) AS a) FROM t", "st_read() is out", 1),
        ("FROM t PIVOT (st_sum(x) FOR kind IN ('a'))", "st_sum() is out", 1),
        ("VALUES (st_read(1))", "st_read() is out", 1),
        ("SELECT 1; SELECT 2", "exactly one SELECT", None),
        ("CALL postgres_attach('a')", "this is CALL", 1),
        ("SET threads = 1", "this is SET", 1),
        ("PRAGMA database_list", "this is PRAGMA", 1),
        ("ATTACH 'a'", "this is ATTACH", 1),
        ("COPY (SELECT 1) TO 'a'", "this is COPY", 1),
        ("LOAD httpfs", "this is LOAD", 1),
        ("INSTALL httpfs", "this is INSTALL", 1),
    ],
)
def test_what_is_out_of_reach_is_named_with_its_line(
    sql: str, message: str, line: int | None
) -> None:
    with pytest.raises(SqlError) as refused:
        within_reach(sql)
    assert message in refused.value.message
    assert refused.value.line == line or "a type of" in message  # DuckDB 1 says none


@pytest.mark.parametrize(
    ("text", "select"),
    [
        ("CREATE VIEW v AS SELECT 1;", " SELECT 1;"),
        ('CREATE VIEW "a AS b" ("as", c) AS SELECT 1 AS x;', " SELECT 1 AS x;"),
        ("CREATE VIEW v /* AS SELECT 2 */ AS SELECT 1", " SELECT 1"),
    ],
)
def test_the_select_of_a_view_is_found(text: str, select: str) -> None:
    assert select_of_view(text) == select


@pytest.mark.parametrize(
    "sql",
    [
        "EXPLAIN FROM t",
        "explain analyze FROM t",
        "-- a\nEXPLAIN /* b */ (FORMAT json) FROM t",
        "EXPLAIN (SELECT a FROM t) UNION SELECT 1",
        "DESCRIBE t",
        "SUMMARIZE FROM t",
    ],
)
def test_the_tables_of_an_explained_select_are_named(sql: str) -> None:
    assert [table.path for table in explained_within_reach(sql)] == [("t",)]


@pytest.mark.parametrize(
    "sql",
    [
        "EXPLAIN CALL f()",
        "EXPLAIN ANALYZE DELETE FROM t",
        "EXPLAIN (FORMAT json) COPY t TO 'a'",
        "EXPLAIN EXPLAIN SELECT 1",
        "EXPLAIN",
        "EXPLAIN (SELECT st_read(1))",
        "EXPLAIN ANALYZE FROM st_read(1)",
    ],
)
def test_nothing_else_is_explained(sql: str) -> None:
    with pytest.raises(SqlError, match=r"EXPLAIN takes one SELECT|out of reach"):
        explained_within_reach(sql)


def test_the_engine_has_functions() -> None:
    assert {"upper", "sum", "+", "unnest", "row_number"} <= functions_of_engine()
