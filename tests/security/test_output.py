"""What a stranger writes is data: it reaches no table that it does not name, and no line that a machine obeys."""

from __future__ import annotations

from tests.conftest import Repo

# Statements that read the engine's catalog, in which the tables of all environments are, without an input that says so.
CATALOG = {
    "a recursion begins outside of itself": """
        WITH RECURSIVE duckdb_tables(name) AS (
          SELECT table_name FROM duckdb_tables UNION ALL SELECT name FROM duckdb_tables WHERE false
        ) SELECT * FROM duckdb_tables""",
    "in a sub-query of the beginning": """
        WITH RECURSIVE sqlite_master(name) AS (
          SELECT 'x' WHERE 'y' IN (SELECT name FROM sqlite_master) UNION SELECT name FROM sqlite_master WHERE false
        ) SELECT * FROM sqlite_master""",
    "a CTE reads what it is called": "WITH pg_views AS (SELECT * FROM pg_views) SELECT * FROM pg_views",
    "before the CTE of that name": """
        WITH a AS (SELECT name FROM sqlite_master), sqlite_master AS (SELECT 1 AS x) SELECT * FROM a""",
    "beside the sub-query with the CTE": """
        SELECT (WITH duckdb_views AS (SELECT 1 AS x) SELECT x FROM duckdb_views) AS x, view_name FROM duckdb_views""",
    "on the other side of a UNION": """
        (WITH sqlite_master AS (SELECT 'x' AS name) SELECT name FROM sqlite_master)
        UNION ALL SELECT name FROM sqlite_master""",
    "within another CTE": """
        WITH a AS (WITH duckdb_views AS (SELECT 1 AS x) SELECT x FROM duckdb_views)
        SELECT view_name, x FROM a, duckdb_views""",
    "with its schema": "WITH pg_tables AS (SELECT 1 AS x) SELECT tablename FROM pg_catalog.pg_tables",
    "with its catalog": "WITH t AS (SELECT 1 AS x) SELECT name FROM system.main.sqlite_master",
    "of the standard": "WITH tables AS (SELECT 1 AS x) SELECT table_name FROM information_schema.tables",
    "a function": "WITH duckdb_tables AS (SELECT 1 AS x) SELECT table_name FROM duckdb_tables()",
    "a function of another catalog": "SELECT table_name FROM system.main.duckdb_tables()",
    "a function that takes a name": "SELECT * FROM query_table('duckdb_tables')",
    "a function that takes a statement": "SELECT * FROM query('FROM duckdb_tables')",
    "a macro of the engine": "SELECT pg_get_viewdef(n) AS text FROM range(5000) AS t(n)",
    "a macro in a condition": "SELECT 1 AS x WHERE pg_get_constraintdef(1) IS NULL",
    "a macro that is called like a method": "SELECT name.get_block_size() AS x FROM (SELECT 'warehouse' AS name)",
    "a function that plans a statement": "SELECT json_serialize_plan('FROM warehouse.main.orders') AS x",
    "the tables of the engine": "SELECT name FROM (SHOW ALL TABLES)",
    "a description": "SELECT column_name FROM (DESCRIBE duckdb_tables)",
    "another environment": "WITH orders AS (SELECT 1 AS x) SELECT * FROM warehouse.main.orders",
    "a snapshot": "WITH orders AS (SELECT 1 AS x) SELECT * FROM warehouse._snapshots.orders",
    "a file": "WITH x AS (SELECT 1 AS a) SELECT * FROM '/etc/passwd'",
    "in the bound of a LIMIT": "SELECT 1 AS x LIMIT (SELECT count(*) FROM sqlite_master)",
    "in an argument of a table": "SELECT * FROM range((SELECT count(*) FROM sqlite_master))",
}
# In a CTE, DuckDB 2 takes statements that write; DuckDB 1.5 refuses the text.
WRITING = {
    "a file": "WITH t AS (COPY (SELECT 1 AS a) TO 'written.csv') SELECT 1 AS x FROM t",
    "rows": "WITH t AS (INSERT INTO warehouse.main.orders VALUES (1) RETURNING *) SELECT * FROM t",
    "no rows": "WITH t AS (DELETE FROM warehouse.main.orders RETURNING *) SELECT * FROM t",
}


def test_a_node_reads_its_inputs_and_nothing_else(repo: Repo) -> None:
    attacks = [*CATALOG.values(), *WRITING.values()]
    for number, sql in enumerate(attacks):
        repo.write(f"seeknal/n{number}.yml", f"kind: transform\nname: n{number}\ntransform: |\n  {sql.strip()}\n")
    said = repo.seeknal("validate", "--json", code=1).json
    wrong = {problem["path"] for problem in said["problems"]}
    assert [sql for number, sql in enumerate(attacks) if f"seeknal/n{number}.yml" not in wrong] == []


# Each may be called like a table of the engine, as long as it is the statement's own.
OWN = {
    "WITH duckdb_tables AS (SELECT 1 AS x) SELECT x FROM duckdb_tables": 1,
    "WITH sqlite_master AS (SELECT 2 AS x) SELECT (SELECT max(x) FROM sqlite_master) AS x": 2,
    "WITH RECURSIVE sqlite_master(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM sqlite_master WHERE x < 3) "
    "SELECT max(x) AS x FROM sqlite_master": 3,
    "WITH t AS (SELECT 3 AS x), r AS (WITH RECURSIVE t(x) AS (SELECT x FROM t UNION ALL SELECT x + 1 FROM t WHERE x < 4) "
    "SELECT max(x) AS x FROM t) SELECT x FROM r": 4,
    "SELECT get_bit('0101'::BIT, 1) + 4 AS x": 5,
    "SELECT list_aggregate([1, 2, 3], 'sum')::INT AS x": 6,
    "SELECT 7 AS x WHERE 'NaN'::DOUBLE > 1 AND current_setting('TimeZone') = 'UTC'": 7,
}


def test_a_cte_may_be_called_like_a_table_of_the_engine(repo: Repo) -> None:
    for sql, number in OWN.items():
        repo.write(f"seeknal/n{number}.yml", f"kind: transform\nname: n{number}\ntransform: |\n  {sql}\n")
    repo.seeknal("run")
    found = [repo.numbers(f"SELECT x FROM main.n{number}")[0][0] for number in OWN.values()]
    assert found == list(OWN.values())
