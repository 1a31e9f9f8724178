"""SQL of somebody who is not trusted: a node names its inputs and nothing else, and the engine is
closed besides."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from seeknal_git.sql.sandbox import Reach
from seeknal_git.warehouse.connection import opened
from tests.conftest import Repo
from tests.errors.conftest import Refused, transform

WRONG = "seeknal/transforms/wrong.yml"
OUTSIDE = "/etc/passwd"

SELECTS = [
    pytest.param(f"SELECT * FROM read_csv('{OUTSIDE}')", id="read_csv"),
    pytest.param(f"SELECT * FROM read_text('{OUTSIDE}')", id="read_text"),
    pytest.param(f"SELECT * FROM read_blob('{OUTSIDE}')", id="read_blob"),
    pytest.param("SELECT * FROM read_parquet('data/orders.csv')", id="a file of the project"),
    pytest.param("SELECT * FROM glob('/etc/*')", id="glob"),
    pytest.param(f"SELECT * FROM '{OUTSIDE}'", id="a path for a table"),
    pytest.param("SELECT * FROM 'data/orders.csv'", id="a path of the project for a table"),
    pytest.param('SELECT * FROM "https://example.com/x.parquet"', id="an address for a table"),
    pytest.param("SELECT * FROM read_csv('https://example.com/x.csv')", id="https"),
    pytest.param("SELECT * FROM read_parquet('s3://bucket/x.parquet')", id="s3"),
    pytest.param(
        'SELECT * FROM \'/etc/x.csv\', (WITH "/etc/x.csv" AS (SELECT 1) SELECT * FROM "/etc/x.csv")',
        id="a path that is called as a CTE elsewhere",
    ),
    pytest.param("SELECT (SELECT max(content) FROM read_text('/etc/passwd'))", id="in a sub-query"),
    pytest.param("WITH x AS (FROM sniff_csv('/etc/passwd')) SELECT * FROM x", id="in a CTE"),
    pytest.param("SELECT * FROM query('FROM read_text(''/etc/passwd'')')", id="query"),
    pytest.param("SELECT * FROM query_table('/etc/passwd')", id="query_table"),
    pytest.param("SELECT getenv('HOME')", id="getenv"),
    pytest.param("SELECT * FROM duckdb_settings()", id="settings"),
    pytest.param("SELECT * FROM duckdb_secrets()", id="secrets"),
    pytest.param("SELECT * FROM _seeknal.snapshots", id="our own state"),
    pytest.param("SELECT * FROM main.daily", id="production's view"),
    pytest.param("SELECT * FROM pragma_database_list", id="databases"),
]
STATEMENTS = [
    pytest.param("COPY (SELECT 1) TO '@/x.csv'", id="COPY TO"),
    pytest.param("EXPORT DATABASE '@/x'", id="EXPORT"),
    pytest.param("ATTACH '@/x.duckdb'", id="ATTACH"),
    pytest.param("INSTALL httpfs", id="INSTALL"),
    pytest.param("LOAD httpfs", id="LOAD"),
    pytest.param("SET memory_limit = '9GB'", id="SET"),
    pytest.param("SET enable_external_access = true", id="SET external access"),
    pytest.param("RESET lock_configuration", id="RESET"),
    pytest.param("PRAGMA memory_limit = '1GB'", id="PRAGMA"),
    pytest.param("CREATE PERSISTENT SECRET s (TYPE s3)", id="CREATE SECRET"),
]


@pytest.mark.parametrize(
    "sql", [*SELECTS, *STATEMENTS, pytest.param("SELECT 1; SELECT 2", id="two statements")]
)
def test_a_node_that_reaches_for_more_than_its_inputs_is_refused_with_one_message(
    published: Repo, refused: Refused, sql: str
) -> None:
    published.write(WRONG, transform(sql, before=""))
    for command in ("plan", "run --sandbox", "run"):
        said = refused(published, *command.split())
        assert f"error: {WRONG}:4" in said or f"error: {WRONG}:5" in said
        assert said.count("error: ") == 1
        assert "root:" not in said


@pytest.mark.parametrize(
    "check",
    [
        pytest.param(
            "id IN (SELECT length(content) FROM read_text('/etc/passwd'))", id="of a file"
        ),
        pytest.param("id = 1) FROM '/etc/passwd' WHERE (true", id="that leaves its place"),
    ],
)
def test_a_check_that_reaches_for_more_is_refused_too(
    published: Repo, refused: Refused, check: str
) -> None:
    rule = "seeknal/rules/amounts_are_positive.yml"
    published.replace(rule, "rule: amount > 0", f"rule: {check}")
    said = refused(published, "run", "--sandbox")
    assert f"error: {rule}:5" in said
    assert said.count("error: ") == 1


@pytest.mark.parametrize(
    ("path", "message"),
    [
        pytest.param("/etc/passwd", "leaves the project", id="absolute"),
        pytest.param("../other/x.csv", "leaves the project", id="above"),
        pytest.param("ftp://example.com/x.csv", "leaves the project", id="an address"),
        pytest.param("raw/link.csv", "is a link that leaves the project", id="a link"),
        pytest.param(
            "raw/folder/*sswd", "is a link that leaves the project", id="files behind a link"
        ),
        pytest.param(".git/config", "is not raw data", id="git's own"),
        pytest.param("raw/into_git/config", "is not raw data", id="git's own through a link"),
        pytest.param(".env", "is not raw data", id="passwords"),
        pytest.param("**/config", "there is no such file", id="whatever a pattern finds"),
    ],
)
def test_a_source_reads_nothing_but_raw_data(
    published: Repo, refused: Refused, path: str, message: str
) -> None:
    (published.path / "raw").mkdir()
    for name, target in {
        "link.csv": "/etc/passwd",
        "folder": "/etc",
        "into_git": "../.git",
    }.items():
        (published.path / "raw" / name).symlink_to(target)
    published.write(".env", "token\nhunter2\n")
    published.write(
        "seeknal/sources/wrong.yml", f"kind: source\nname: wrong\nsource: csv\ntable: '{path}'\n"
    )
    said = refused(published, "run", "--sandbox")
    assert "error: seeknal/sources/wrong.yml:4: " in said
    assert message in said
    assert said.count("error: ") == 1
    assert "hunter2" not in said


def test_a_branch_cannot_put_the_warehouse_elsewhere(
    published: Repo, refused: Refused, tmp_path: Path
) -> None:
    for place in (f"{tmp_path}/elsewhere.duckdb", "../elsewhere.duckdb"):
        published.write("seeknal_project.yml", f"name: shop\nwarehouse: {place}\n")
        published.git("commit", "--all", "--quiet", "--no-verify", "-m", "Elsewhere")
        for command in ("run", "promote"):
            assert "error: seeknal_project.yml: The warehouse" in refused(
                published, command, "--sandbox"
            )
    assert not list(tmp_path.rglob("elsewhere*"))


def test_a_project_runs_in_the_sandbox_as_it_does_without(shop: Repo) -> None:
    shop.write("raw/more/towns.csv", "town,n\nOslo,1\n")
    shop.write(
        "seeknal/sources/towns.yml", "kind: source\nname: towns\nsource: csv\ntable: raw/*/*.csv\n"
    )
    shop.write(
        "seeknal/exposures/parts.yml",
        "kind: exposure\nname: parts\ntype: file\ninputs: [transform.daily]\n"
        "params: {path: exports/parts, format: parquet, partition_by: [day]}\n",
    )
    shop.commit()
    shop.seeknal("run", "--sandbox")
    inside = shop.production()
    assert len(list(shop.path.glob("exports/parts/day=*"))) == 2
    shop.seeknal("run", "--full")
    assert shop.production() == inside
    shop.switch("dev", create=True)
    shop.replace("data/orders.csv", "1,1,2024-01-01,10", "1,1,2024-01-01,11")
    shop.commit()
    shop.git("branch", "--force", "main", "dev")
    shop.replace("data/orders.csv", "1,1,2024-01-01,11", "1,1,2024-01-01,12")
    shop.seeknal("promote", "--sandbox")  # what is committed, from git's own copy
    assert shop.numbers("SELECT total FROM daily ORDER BY day") == [(31,), (70,)]


# The engine itself, whatever the text of a node may hide


@pytest.fixture
def confined(tmp_path: Path) -> Iterator[tuple[duckdb.DuckDBPyConnection, Path]]:
    """An open warehouse that may reach a file and a folder in `in`, and neither others there nor
    those in `out`."""
    for name in ("in", "out"):
        (tmp_path / name).mkdir()
        for file in ("given.csv", "other.csv"):
            (tmp_path / name / file).write_text("x\n1\n")
    (tmp_path / "in/link.csv").symlink_to(tmp_path / "out/given.csv")
    reach = Reach([tmp_path / "in/given.csv", tmp_path / "in/made.csv"], [tmp_path / "in/parts"])
    with opened(tmp_path / "in/w.duckdb", None, reach=reach) as catalog:
        yield catalog.connection, tmp_path


def test_a_confined_engine_reads_and_writes_what_it_was_given(
    confined: tuple[duckdb.DuckDBPyConnection, Path],
) -> None:
    warehouse, place = confined
    worker = warehouse.cursor()
    assert worker.execute(
        "SELECT * FROM read_csv($files)", {"files": [f"{place}/in/given.csv"]}
    ).fetchall() == [(1,)]
    worker.execute(
        "CREATE TABLE warehouse.main.t AS SELECT range AS a, md5(range::VARCHAR) AS b FROM range(100_000)"
    )
    worker.execute(f"COPY (SELECT 1 AS a) TO '{place}/in/made.csv'")
    worker.execute(
        f"COPY (SELECT 1 AS a, 2 AS b) TO '{place}/in/parts' (FORMAT parquet, PARTITION_BY (a))"
    )
    worker.execute("CHECKPOINT warehouse")
    assert (place / "in/made.csv").exists()
    assert list((place / "in/parts").iterdir())
    assert worker.execute("SELECT current_setting('TimeZone')").fetchall() == [("UTC",)]


@pytest.mark.parametrize(
    "sql",
    [
        pytest.param(sql.values[0], id=str(sql.id))
        for sql in [*SELECTS, *STATEMENTS]
        if not {"settings", "secrets", "our own state", "production's view", "databases", "RESET"}
        & {str(sql.id)}
    ]
    + [
        pytest.param("FROM read_csv('@/in/other.csv')", id="a file beside it"),
        pytest.param("FROM read_csv('@/in/*.csv')", id="files beside it"),
        pytest.param("FROM read_csv('@/in/link.csv')", id="a link beside it"),
        pytest.param("FROM read_csv('@/in/../out/given.csv')", id="a way around"),
        pytest.param("COPY (SELECT 1) TO '@/in/given2.csv'", id="COPY TO beside it"),
    ],
)
def test_a_confined_engine_does_nothing_else(
    confined: tuple[duckdb.DuckDBPyConnection, Path], sql: str
) -> None:
    warehouse, place = confined
    before = sorted(place.rglob("*"))
    with pytest.raises(duckdb.Error):
        warehouse.cursor().execute(
            sql.replace("@", str(place / "out") if "@/x" in sql else str(place))
        )
    assert sorted(place.rglob("*")) == before
