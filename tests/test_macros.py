"""Macros: DuckDB's own, in seeknal/macros/*.sql, for every node."""

from __future__ import annotations

import pytest

from tests.conftest import Repo

MONEY = """
    -- What a customer pays less taxes.
    CREATE MACRO net(amount, tax := 0.2) AS amount * (1 - tax);
    CREATE MACRO twice(x) AS 2 * net(x);
"""
NODE = "kind: transform\nname: {name}\ninputs: [source.o]\ntransform: |\n  {sql}\n"


@pytest.fixture
def project(repo: Repo) -> Repo:
    repo.write("data/o.csv", "id,amount,note\n1,10,a\n2,20,b\n")
    repo.write("seeknal/o.yml", "kind: source\nname: o\nsource: csv\ntable: data/o.csv\n")
    repo.write("seeknal/macros/money.sql", MONEY)
    repo.write(
        "seeknal/a.yml", NODE.format(name="a", sql="SELECT id, twice(amount) AS x FROM input_0")
    )
    repo.write(
        "seeknal/b.yml",
        NODE.format(name="b", sql="SELECT id, net AS y FROM (SELECT id, 1 AS net FROM input_0)"),
    )
    repo.commit()
    return repo


def test_a_node_calls_macros_and_macros_of_macros(project: Repo) -> None:
    project.seeknal("run")
    assert project.numbers("SELECT id, x FROM main.a ORDER BY id") == [(1, 16), (2, 32)]


def test_a_misspelt_macro_is_named_in_place_of_the_engine_s_guess(project: Repo) -> None:
    project.replace("seeknal/a.yml", "twice(", "twicee(")
    said = project.seeknal("validate", code=1).err
    assert "Scalar Function with name twicee does not exist!\n" in said
    assert "Did you mean the macro twice (seeknal/macros/money.sql:3)?" in said


def test_a_table_macro_makes_rows_out_of_its_arguments(project: Repo) -> None:
    project.write(
        "seeknal/macros/days.sql",
        "CREATE MACRO days(a, b) AS TABLE SELECT unnest(generate_series(a, b, INTERVAL 1 DAY)) AS day;\n",
    )
    sql = "SELECT count(*) AS n FROM days(DATE '2026-01-01', DATE '2026-01-31') AS d, input_0"
    project.write("seeknal/d.yml", NODE.format(name="d", sql=sql))
    project.seeknal("run")
    assert project.numbers("SELECT n FROM main.d") == [(62,)]


def test_a_changed_macro_changes_those_that_call_it_at_any_depth_and_nobody_else(
    project: Repo,
) -> None:
    project.seeknal("run")
    project.switch("dev", create=True)
    project.replace("seeknal/macros/money.sql", "0.2", "0.1")
    [change] = project.plan()["changes"]
    assert (change["node"], change["category"]) == ("transform.a", "BREAKING")
    assert "macro net changed (seeknal/macros/money.sql:2)" in change["what"]
    assert [column["name"] for column in change["columns"]] == ["x"]


def test_a_comment_or_a_new_macro_changes_no_table(project: Repo) -> None:
    project.seeknal("run")
    project.replace("seeknal/macros/money.sql", "less taxes", "without taxes")
    project.write("seeknal/macros/more.sql", "CREATE MACRO half(x) AS x / 2;\n")
    project.commit()
    assert project.categories() == {}
    assert project.built() == []


def test_lineage_and_categories_look_through_macros(project: Repo) -> None:
    project.write(
        "seeknal/c.yml", NODE.format(name="c", sql="SELECT id, net(amount) AS n, note FROM input_0")
    )
    project.write("seeknal/e.yml", NODE.format(name="e", sql="SELECT note FROM transform.c"))
    project.replace("seeknal/e.yml", "source.o", "transform.c")
    project.commit()
    project.seeknal("run")
    project.switch("dev", create=True)
    project.replace("seeknal/c.yml", "net(amount) AS n", "net(amount, 0.5) AS n, net(id) AS m")
    [change] = project.plan()["changes"]
    assert (change["category"], change["rebuilds"], change["reuses"]) == (
        "BREAKING",
        [],
        ["transform.e"],
    )


@pytest.mark.parametrize(
    ("macros", "sql", "told"),
    [
        pytest.param(
            "CREATE MACRO lower(x) AS x;\n",
            "SELECT 1 AS a",
            "seeknal/macros/m.sql:1: lower is a function of DuckDB, which a macro would hide.",
            id="a function that it hides",
        ),
        pytest.param(
            "\nCREATE MACRO last() AS\n  (SELECT max(id) FROM source.o);\n",
            "SELECT 1 AS a",
            "seeknal/macros/m.sql:",
            id="a table that it reads",
        ),
        pytest.param(
            "CREATE MACRO spy() AS TABLE FROM read_csv('/etc/passwd');\n",
            "SELECT 1 AS a",
            "The macro spy: Permission Error",
            id="a file that it reads",
        ),
        pytest.param(
            "CREATE MACRO net(x) AS x;\n",
            "SELECT 1 AS a",
            "The macro net is defined twice: here and in seeknal/macros/m.sql:1.",
            id="twice",
        ),
        pytest.param(
            "CREATE MACRO f(x) AS g(x);\nCREATE MACRO g(x) AS f(x);\n",
            "SELECT 1 AS a",
            "seeknal/macros/m.sql:2: The macro g:",
            id="a circle",
        ),
        pytest.param(
            "CREATE TABLE t AS SELECT 1;\n",
            "SELECT 1 AS a",
            "seeknal/macros/m.sql:1: This is no macro.",
            id="another statement",
        ),
        pytest.param(
            "CREATE MACRO f(x) AS x + ;\n",
            "SELECT 1 AS a",
            "seeknal/macros/m.sql:1: This does not parse",
            id="a mistake",
        ),
        pytest.param(
            "",
            "SELECT\n  net(1, 2, 3) AS a",
            "seeknal/t.yml:6: The macro net has 2 parameters: amount, tax.",
            id="an argument too many",
        ),
        pytest.param(
            "",
            "SELECT\n  net(nothing) AS a FROM input_0",
            "seeknal/t.yml:6: transform.t: ",
            id="an argument that is not there",
        ),
        pytest.param(
            "CREATE MACRO sees() AS TABLE FROM duckdb_tables();\n",
            "SELECT table_name FROM sees()",
            "`duckdb_tables()` reads something that is not an input of transform.t.",
            id="the catalog",
        ),
    ],
)
def test_a_wrong_macro_or_call_is_an_error_with_its_line(
    project: Repo, macros: str, sql: str, told: str
) -> None:
    project.write("seeknal/macros/m.sql", macros)
    project.write("seeknal/t.yml", NODE.format(name="t", sql=sql))
    assert told in project.seeknal("validate", code=1).err
