"""Exposures that are tables of other databases, or files in a bucket, on real servers."""

from __future__ import annotations

import urllib.request
from pathlib import Path

import pytest

from seeknal_git.sql import targets
from tests.conftest import Repo
from tests.connections.conftest import SALES, Shop, said
from tests.servers import Store, free_port, need_extensions


def _exposure(kind: str = "postgresql", more: str = "", table: str = "analytics.sales") -> str:
    return (
        f"kind: exposure\nname: out\ntype: {kind}\ninputs: [transform.sales]\nparams:\n"
        f"  connection: target_db\n  table: {table}\n{more}"
    )


@pytest.fixture
def to_db(shop_db: Shop) -> Shop:
    """The project with an exposure in PostgreSQL, in place of its source."""
    repo = shop_db.repo
    shop_db.sql("GRANT CREATE ON DATABASE " + shop_db.database + " TO reader")
    repo.git("rm", "-q", "seeknal/sources/orders.yml", "seeknal/transforms/totals.yml")
    _profile(shop_db)
    repo.write("seeknal/sales.yml", SALES)
    repo.write("seeknal/out.yml", _exposure())
    repo.commit("Deliver the sales")
    return shop_db


def _profile(shop: Shop, port: int | None = None) -> None:
    shop.profiles(port=str(port or shop.server.port))
    profiles = shop.repo.path / "profiles.yml"
    profiles.write_text(profiles.read_text().replace("shop_db", "target_db"))


def _rows(shop: Shop, table: str = "analytics.sales") -> str:
    return shop.sql(f"SELECT id, region, amount, day FROM {table} ORDER BY id")


_BOTH = "1|EU|10.50|2026-01-01\n2|US|20.00|2026-01-02"


def test_a_table_is_delivered_and_delivered_again_once_it_differs(to_db: Shop) -> None:
    repo = to_db.repo
    assert "1 delivered elsewhere" in said(repo.seeknal("run"))
    assert _rows(to_db) == _BOTH
    assert repo.run()["written"] == []
    repo.replace("seeknal/sales.yml", "10.5", "11")
    repo.seeknal("run")
    assert _rows(to_db).startswith("1|EU|11.00")


def test_a_table_of_the_same_columns_keeps_the_views_on_it(to_db: Shop) -> None:
    to_db.repo.seeknal("run")
    to_db.sql("CREATE VIEW analytics.dear AS SELECT * FROM analytics.sales WHERE amount > 15")
    to_db.repo.replace("seeknal/sales.yml", "20.0", "21.0")
    to_db.repo.seeknal("run")
    assert to_db.sql("SELECT amount FROM analytics.dear") == "21.00"


def test_a_merge_keeps_keys_that_are_gone(to_db: Shop) -> None:
    repo = to_db.repo
    repo.write("seeknal/out.yml", _exposure(more="  mode: merge\n  key: [id]\n"))
    repo.seeknal("run")
    repo.replace("seeknal/sales.yml", "(1, 'EU', 10.5::", "(3, 'EU', 7::")
    repo.seeknal("run")
    assert (
        to_db.sql("SELECT id, amount FROM analytics.sales ORDER BY id")
        == "1|10.50\n2|20.00\n3|7.00"
    )
    repo.replace("seeknal/sales.yml", "(3, ", "(2, ")
    assert "the key" in (refused := said(repo.seeknal("run", code=1)))
    assert "is that of several rows" in refused
    assert to_db.sql("SELECT count(*) FROM analytics.sales") == "3"


def test_only_partitions_that_differ_are_written(to_db: Shop) -> None:
    repo = to_db.repo
    repo.write("seeknal/out.yml", _exposure(more="  mode: partitions\n  partition_by: [day]\n"))
    repo.seeknal("run")
    version = "SELECT id, xmin FROM analytics.sales ORDER BY id"
    before = to_db.sql(version).split("\n")
    repo.replace("seeknal/sales.yml", "20.0", "21.0")
    repo.seeknal("run")
    after = to_db.sql(version).split("\n")
    assert (after[0], after[1] != before[1]) == (before[0], True)


def test_a_branch_writes_nothing_unless_it_says_so_and_then_a_schema_of_its_own(
    to_db: Shop,
) -> None:
    repo = to_db.repo
    repo.seeknal("run")
    repo.switch("dev", create=True)
    repo.replace("seeknal/sales.yml", "10.5", "99")
    repo.seeknal("run")
    assert _rows(to_db) == _BOTH
    repo.write("seeknal/out.yml", _exposure(more="  branch_target: schema\n"))
    repo.seeknal("run")
    assert _rows(to_db) == _BOTH
    assert _rows(to_db, "dev_analytics.sales").startswith("1|EU|99.00")
    repo.git("stash")
    repo.switch("main")
    repo.seeknal("env", "delete", "dev")
    schemas = to_db.sql("SELECT nspname FROM pg_namespace WHERE nspname LIKE '%analytics'")
    assert schemas == "analytics"


def test_the_schema_of_a_branch_stays_if_somebody_else_has_a_table_in_it(to_db: Shop) -> None:
    repo = to_db.repo
    repo.switch("dev", create=True)
    repo.write("seeknal/out.yml", _exposure(more="  branch_target: schema\n"))
    repo.commit("A schema of its own")
    repo.seeknal("run")
    to_db.sql("CREATE TABLE dev_analytics.mine AS SELECT 1 AS a")
    told = said(repo.seeknal("env", "delete", "dev"))
    assert "The schema dev_analytics of target_db stays: it has mine." in told
    assert to_db.sql("SELECT tablename FROM pg_tables WHERE schemaname = 'dev_analytics'") == "mine"


def test_a_target_that_is_down_fails_the_exposure_alone_and_gets_it_from_the_next_run(
    to_db: Shop,
) -> None:
    repo = to_db.repo
    _profile(to_db, port=free_port())
    refused = said(repo.seeknal("run", code=1))
    assert "exposure.out: target_db cannot be reached" in refused
    assert "(seeknal/out.yml:5) Mend it, then run again." in refused
    assert repo.numbers("SELECT count(*) FROM main.sales") == [(2,)]  # published all the same
    assert "exposure.out" in said(repo.seeknal("status", code=None))
    _profile(to_db)
    assert repo.run()["written"] == ["exposure.out"]
    assert _rows(to_db) == _BOTH


def test_a_delivery_that_was_done_is_not_made_again_by_a_run_that_did_not_hear_of_it(
    to_db: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run was killed between the target's commit and its own record."""
    write = targets.write_table
    made = []

    def killed(*given: object) -> bool:
        made.append(write(*given))  # type: ignore[arg-type]
        raise KeyboardInterrupt

    monkeypatch.setattr(targets, "write_table", killed)
    assert to_db.repo.seeknal("run", code=None).code == 130
    assert _rows(to_db) == _BOTH
    monkeypatch.setattr(targets, "write_table", lambda *given: made.append(write(*given)))
    to_db.repo.seeknal("run")
    assert made == [True, False]


def test_a_delivery_that_fails_half_way_leaves_the_target_as_it_was(to_db: Shop) -> None:
    to_db.repo.seeknal("run")
    to_db.sql("ALTER TABLE analytics.sales ADD CHECK (amount < 100)")
    to_db.repo.replace("seeknal/sales.yml", "20.0", "200.0")
    refused = said(to_db.repo.seeknal("run", code=1))
    assert "violates check constraint" in refused
    assert _rows(to_db) == _BOTH


def test_a_materialization_of_an_older_project_is_such_an_exposure(to_db: Shop) -> None:
    repo = to_db.repo
    repo.git("rm", "-q", "seeknal/out.yml")
    target = "{type: postgresql, connection: target_db, table: analytics.sales, mode: %s}"
    several = [
        target % "full",
        target.replace("sales", "by_key") % "upsert_by_key, unique_keys: [id]",
        target.replace("sales", "daily") % "incremental_by_time, time_column: day, lookback: 3",
        "{type: postgresql, connection: target_db, table: analytics.off, enabled: false}",
    ]
    listed = "".join(f"  - {one}\n" for one in several)
    repo.write("seeknal/sales.yml", f"{SALES.lstrip()}materializations:\n{listed}")
    repo.commit("As older projects have it")
    assert "3 delivered elsewhere" in said(repo.seeknal("run"))
    tables = ("analytics.sales", "analytics.by_key", "analytics.daily")
    assert [_rows(to_db, table) for table in tables] == [_BOTH] * 3
    assert to_db.sql("SELECT count(*) FROM pg_tables WHERE tablename = 'off'") == "0"


@pytest.mark.parametrize("system", ["duckdb", "sqlite"])
@pytest.mark.parametrize(
    "mode", ["", "  mode: merge\n  key: [id]\n", "  mode: partitions\n  partition_by: [day]\n"]
)
def test_a_table_of_a_database_file_is_delivered(
    repo: Repo, tmp_path: Path, system: str, mode: str
) -> None:
    if system == "sqlite":
        need_extensions("sqlite_scanner")
    at = tmp_path / "target.db"
    text = f"connections:\n  target_db: {{type: {system}, path: {at}}}\n"
    (repo.path / "profiles.yml").write_text(text)
    repo.write("seeknal/sales.yml", SALES)
    repo.write("seeknal/out.yml", _exposure(system, mode, "sales"))
    repo.write(
        "seeknal/back.yml",
        f"kind: source\nname: back\nsource: {system}\nconnection: target_db\ntable: sales\nschema: [{{name: id, data_type: BIGINT}}]\n",
    )
    repo.write(".gitignore", "profiles.yml\n")
    repo.commit("Deliver the sales")
    repo.seeknal("run", "--select", "out")
    repo.replace("seeknal/sales.yml", "20.0", "21.0")
    repo.seeknal("run", "--select", "out")
    repo.seeknal("run")
    rows = "SELECT id, amount::DECIMAL(10, 2)::VARCHAR FROM main.back ORDER BY id"
    assert repo.numbers(rows) == [(1, "10.50"), (2, "21.00")]


def test_a_file_is_delivered_to_a_bucket_and_that_of_a_branch_to_a_prefix(
    repo: Repo, store: Store, tmp_path: Path
) -> None:
    need_extensions("httpfs")
    bucket = store.bucket()
    keys = "key_id: a, secret: bcdef, region: us-east-1, url_style: path, use_ssl: false"
    text = f"connections:\n  lake: {{type: s3, endpoint: '{store.endpoint}', {keys}}}\n"
    (repo.path / "profiles.yml").write_text(text)
    repo.write("seeknal/sales.yml", SALES)
    repo.write(
        "seeknal/out.yml",
        "kind: exposure\nname: out\ntype: s3\ninputs: [transform.sales]\nparams:\n"
        f"  {{connection: lake, path: 's3://{bucket}/out/sales.csv', branch_target: schema}}\n",
    )
    repo.write(".gitignore", "profiles.yml\n")
    repo.commit("Deliver the sales")
    repo.seeknal("run")
    assert "1,EU,10.50,2026-01-01" in _object(store, f"{bucket}/out/sales.csv")
    repo.switch("dev", create=True)
    repo.replace("seeknal/sales.yml", "10.5", "11")
    repo.seeknal("run")
    assert "1,EU,11.00" in _object(store, f"{bucket}/dev/out/sales.csv")
    assert "1,EU,10.50" in _object(store, f"{bucket}/out/sales.csv")


def _object(store: Store, path: str) -> str:
    request = urllib.request.Request(f"http://{store.endpoint}/{path}")
    key = "AWS4-HMAC-SHA256 Credential=any/20260101/us-east-1/s3/aws4"
    request.add_header("Authorization", key)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return str(answer.read().decode())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(
            _exposure("iceberg", table="sales"),
            "a table of Iceberg has a namespace",
            id="no namespace",
        ),
        pytest.param(
            _exposure("postgresql", "  mode: merge\n"),
            "`mode: merge` needs its columns: `key: [id]`",
            id="a merge without a key",
        ),
        pytest.param(
            _exposure("postgresql", "  mode: append\n"),
            "`mode` is replace, merge or partitions, not append",
            id="no such mode",
        ),
        pytest.param(
            _exposure("postgresql", table="'a b'"), "a target says which table it is", id="no table"
        ),
        pytest.param(
            _exposure("postgresql", "  branch_target: production\n"),
            "`branch_target` is `schema`",
            id="a branch into production",
        ),
    ],
)
def test_a_mistake_in_a_target_is_told_by_validate(repo: Repo, text: str, message: str) -> None:
    repo.write("seeknal/sales.yml", SALES)
    repo.write("seeknal/out.yml", text)
    assert message.lower() in said(repo.seeknal("validate", code=1)).lower()
