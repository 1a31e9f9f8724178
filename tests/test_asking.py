"""`seeknal query`: statements from anywhere, answers to anywhere, and names as people write them."""

from __future__ import annotations

import io
import subprocess
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.conftest import Repo
from tests.terminal import terminal

MACROS = """
    CREATE MACRO share(part, whole := 10) AS part / whole;
    CREATE MACRO numbers(most) AS TABLE SELECT unnest(range(most)) AS n;
"""


def answer(repo: Repo, sql: str, *arguments: str) -> list[dict[str, object]]:
    found = repo.seeknal("query", sql, *arguments, "--format", "json").json
    return [dict(row) for row in found]


@pytest.mark.parametrize(
    "table",
    [
        "daily",
        "transform.daily",
        '"transform.daily"',
        "transform_daily",
        "TRANSFORM.Daily",
        "ref('transform.daily')",
        'ref("transform.daily")',
        "main.daily",
    ],
)
@pytest.mark.parametrize("at", [(), ("--at", "HEAD")], ids=["now", "then"])
def test_a_table_goes_by_the_names_that_people_write(
    published: Repo, table: str, at: tuple[str, ...]
) -> None:
    assert answer(published, f"SELECT count(*) AS n FROM {table}", *at) == [{"n": 2}]
    assert len(answer(published, f"FROM {table} LIMIT 1", *at)) == 1
    assert "total" in published.seeknal("query", f"EXPLAIN FROM {table}", *at).out
    if "ref" not in table:
        assert len(answer(published, f"DESCRIBE {table}", *at)) == 2


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        (
            "SELECT transform_daily.total AS t FROM transform_daily ORDER BY 1 LIMIT 1",
            [{"t": "30"}],
        ),
        ('SELECT "transform.daily".total AS t FROM "transform.daily" LIMIT 0', []),
        (
            "WITH daily AS (FROM transform.daily LIMIT 1) SELECT count(*) AS n FROM daily",
            [{"n": 1}],
        ),
        ("SELECT d.total AS t FROM transform.daily AS d ORDER BY t DESC LIMIT 1", [{"t": "70"}]),
        ("SELECT source.amount AS a FROM orders AS source WHERE id = 1", [{"a": 10}]),
        ("SELECT 1 AS n -- é\nFROM transform.daily\n, source_customers LIMIT 1;", [{"n": 1}]),
    ],
)
def test_the_columns_of_such_a_table_keep_their_names(
    published: Repo, sql: str, rows: list[dict[str, object]]
) -> None:
    said = [{key: str(value) for key, value in row.items()} for row in answer(published, sql)]
    assert said == [{key: str(value) for key, value in row.items()} for row in rows]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "transform.dialy",
            "There is no table transform.dialy here.\n  Did you mean transform.daily?",
        ),
        ("rule.amounts_are_positive", "rule.amounts_are_positive has no table."),
        ("transform.orders", "There is no table transform.orders here."),
    ],
)
def test_a_node_that_is_not_there_is_refused(published: Repo, name: str, message: str) -> None:
    assert message in published.seeknal("query", f"FROM {name}", code=2).err


def test_of_two_nodes_with_one_name_each_goes_by_its_kind(published: Repo) -> None:
    published.write(
        "seeknal/transforms/orders.yml",
        "kind: transform\nname: orders\ntransform: SELECT 1 AS one FROM ref('source.orders')\n",
    )
    published.run()
    for name in ("transform.orders", "transform_orders", "transform__orders"):
        assert answer(published, f"FROM {name} LIMIT 1") == [{"one": 1}]
    assert len(answer(published, "FROM source_orders")) == 5


def test_a_node_that_is_not_built_yet_is_named_by_any_name(published: Repo) -> None:
    published.switch("dev", create=True)
    published.write(
        "seeknal/transforms/new.yml",
        "kind: transform\nname: new\ntransform: SELECT 1 AS one FROM ref('source.orders')\n",
    )
    for name in ("new", "transform.new", "transform_new"):
        said = published.seeknal("query", f"FROM {name}", code=2).err
        assert "new is new in dev, and not built yet." in said
    published.run()
    assert answer(published, "FROM transform.new LIMIT 1") == [{"one": 1}]
    published.replace("seeknal/transforms/new.yml", "1 AS one", "2 AS one")
    said = published.seeknal("query", "FROM transform.new LIMIT 1").err
    assert "dev shows new as of its last run" in said


def test_macros_of_the_branch_can_be_called(published: Repo) -> None:
    published.write("seeknal/macros/all.sql", MACROS)
    sql = "SELECT share(sum(n), whole := 2) AS half FROM numbers(5)"
    assert answer(published, sql) == [{"half": 5.0}]
    said = published.seeknal("query", "SELECT\n share()", code=2).err
    assert said == "error: The macro share needs part (line 2)\n"
    published.commit()
    published.run()
    published.replace("seeknal/macros/all.sql", "part / whole", "part * whole")
    assert answer(published, "SELECT share(2) AS s") == [{"s": 20}]
    assert answer(published, "SELECT share(2) AS s", "--at", "HEAD") == [{"s": 0.2}]


def test_a_statement_is_read_from_a_file_and_from_standard_input(
    published: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    published.write("report.sql", "-- a report\nSELECT count(*) AS n\nFROM transform.daily;\n")
    assert published.seeknal("query", "-f", "report.sql", "--json").json == [{"n": 2}]
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"SELECT 7 AS seven")))
    assert answer(published, "-") == [{"seven": 7}]
    assert "not both" in published.seeknal("query", "-f", "report.sql", "SELECT 1", code=2).err
    said = published.seeknal("query", "-f", "csv", "SELECT 1", code=2).err
    assert "not both" in said
    said = published.seeknal("query", "-f", "csv", code=2).err
    assert said == (
        "error: csv cannot be read: No such file or directory.\n"
        "  The form of an answer: --format csv\n"
    )


def rows_of(path: Path, columns: str = "*") -> list[tuple[Any, ...]]:
    """The rows of a file, as DuckDB reads it."""
    with duckdb.connect() as connection:
        return connection.execute(f"SELECT {columns} FROM '{path}'").fetchall()


@pytest.mark.parametrize("name", ["a.parquet", "a.csv", "a.json"])
def test_an_answer_is_written_into_a_file(published: Repo, name: str) -> None:
    sql = "SELECT day, total FROM transform.daily ORDER BY day"
    done = published.seeknal("query", sql, "-o", name)
    assert (done.out, done.err) == ("", f"Written: {name} (2 rows)\n")
    path = published.path / name
    assert rows_of(path, "CAST(total AS INTEGER)") == [(30,), (70,)]
    published.seeknal("query", sql, "--limit", "1", "--output", name)
    assert len(rows_of(path)) == 1
    before = path.read_bytes()
    published.seeknal("query", "SELECT ('x' || day)::INTEGER FROM daily", "-o", name, code=2)
    published.seeknal("query", "FROM nowhere", "-o", name, code=2)
    assert path.read_bytes() == before
    assert not list(Path(published.path).glob(".*partial"))


def test_parquet_goes_into_a_pipe_and_no_terminal(published: Repo, tmp_path: Path) -> None:
    sql = "SELECT day, total FROM transform.daily ORDER BY day"
    asked = [*published.command("query", sql, "--format", "parquet")]
    done = subprocess.run(asked, cwd=published.path, capture_output=True, check=True)
    (tmp_path / "a.parquet").write_bytes(done.stdout)
    assert rows_of(tmp_path / "a.parquet", "CAST(total AS INTEGER)") == [(30,), (70,)]
    assert done.stderr == b"2 rows\n"
    published.seeknal("query", sql, "--format", "parquet", "-o", "a.dat")
    (published.path / "a.dat").rename(tmp_path / "b.parquet")
    assert len(rows_of(tmp_path / "b.parquet")) == 2
    with terminal(asked, published.path) as screen:
        screen.until("A terminal shows no Parquet")


def test_a_file_keeps_all_digits_of_a_sum(published: Repo) -> None:
    sql = "SELECT (1::HUGEINT << 60) + 1 AS large, 1 AS id, 2 AS ID"
    published.seeknal("query", sql, "-o", "a.parquet")
    (row,) = rows_of(published.path / "a.parquet")
    assert [int(value) for value in row] == [(1 << 60) + 1, 1, 2]


def test_a_file_without_a_form_is_refused(published: Repo) -> None:
    said = published.seeknal("query", "SELECT 1", "-o", "a.txt", code=2).err
    assert "a.txt ends in none of .csv, .json, .parquet." in said
    published.seeknal("query", "SELECT 1 AS n", "-o", "a.txt", "--format", "csv")
    assert published.read("a.txt") == "n\n1\n"
    said = published.seeknal("query", "SELECT 1", "-o", "nowhere/a.csv", code=2).err
    assert "There is no folder nowhere." in said


def test_a_limit_holds_for_any_statement(published: Repo) -> None:
    for sql in ("FROM orders", "DESCRIBE orders"):
        assert len(answer(published, sql, "--limit", "2")) == 2
