"""Tables of Iceberg in a REST catalog, read and delivered to; PyIceberg says what is in them."""

from __future__ import annotations

import datetime
from decimal import Decimal

import duckdb
import pytest

from seeknal_git.sql import outside
from tests.conftest import Repo
from tests.connections.conftest import SALES, said
from tests.servers import Iceberg, free_port, need_extensions


def _out(more: str = "", table: str = "analytics.sales") -> str:
    return (
        "kind: exposure\nname: out\ntype: iceberg\ninputs: [transform.sales]\nparams:\n"
        f"  connection: lakehouse\n  table: {table}\n{more}"
    )


@pytest.fixture
def shop(repo: Repo, iceberg: Iceberg, monkeypatch: pytest.MonkeyPatch) -> Repo:
    """A project that delivers its sales to the catalog."""
    need_extensions("iceberg", "avro", "httpfs")
    monkeypatch.setenv("CATALOG_TOKEN", iceberg.token)
    _profile(repo, iceberg.keys)
    repo.write("seeknal/sales.yml", SALES)
    repo.write("seeknal/out.yml", _out())
    repo.write(".gitignore", "profiles*.yml\n.env\n")
    repo.commit("Deliver the sales")
    return repo


def _profile(repo: Repo, keys: str) -> None:
    text = f'connections:\n  lakehouse: {{{keys}, token: "${{CATALOG_TOKEN}}"}}\n'
    (repo.path / "profiles.yml").write_text(text)


def _amounts(iceberg: Iceberg, table: str = "analytics.sales") -> list[tuple[int, Decimal]]:
    return [(row["id"], row["amount"]) for row in iceberg.rows(table)]


def test_a_table_is_delivered_and_delivered_again_once_it_differs(
    shop: Repo, iceberg: Iceberg
) -> None:
    assert "1 delivered elsewhere" in said(shop.seeknal("run"))
    assert iceberg.rows("analytics.sales") == [
        {"id": 1, "region": "EU", "amount": Decimal("10.50"), "day": datetime.date(2026, 1, 1)},
        {"id": 2, "region": "US", "amount": Decimal("20.00"), "day": datetime.date(2026, 1, 2)},
    ]
    assert shop.run()["written"] == []
    shop.replace("seeknal/sales.yml", "10.5", "11")
    shop.seeknal("run")
    assert _amounts(iceberg) == [(1, Decimal("11.00")), (2, Decimal("20.00"))]


def test_a_target_is_found_among_any_number_of_tables(
    shop: Repo, iceberg: Iceberg, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outside, "_LISTED", 1)
    shop.write("seeknal/out.yml", _out("  branch_target: schema\n"))
    shop.commit("Also of branches")
    shop.seeknal("run")
    shop.replace("seeknal/sales.yml", "10.5", "11")
    shop.seeknal("run")
    assert _amounts(iceberg) == [(1, Decimal("11.00")), (2, Decimal("20.00"))]
    shop.commit("Eleven")
    shop.switch("dev", create=True)
    shop.seeknal("run")
    shop.replace("seeknal/sales.yml", "20.0", "21")
    shop.seeknal("run")
    assert iceberg.namespaces() == ["analytics", "dev_analytics"]
    shop.git("stash")
    shop.switch("main")
    shop.seeknal("env", "delete", "dev")
    assert iceberg.namespaces() == ["analytics"]


@pytest.mark.parametrize(
    ("table", "there"), [("Analytics.sales", "analytics"), ("analytics.Sales", "sales")]
)
def test_a_name_that_differs_in_case_alone_is_told_and_nothing_is_made(
    shop: Repo, iceberg: Iceberg, table: str, there: str
) -> None:
    shop.seeknal("run")
    shop.write("seeknal/out.yml", _out(table=table))
    assert f"has {there}, which is not {there.capitalize()}" in said(shop.seeknal("run", code=1))
    assert iceberg.namespaces() == ["analytics"]
    shop.write("seeknal/out.yml", _out())
    shop.seeknal("run")


def test_types_that_iceberg_lacks_are_widened_also_within_others(
    shop: Repo, iceberg: Iceberg
) -> None:
    shop.replace(
        "seeknal/sales.yml",
        "SELECT *",
        "SELECT id::USMALLINT AS id, [id::UTINYINT] AS l, {'j': '1'::JSON} AS s",
    )
    shop.seeknal("run")
    assert iceberg.rows("analytics.sales")[0] == {"id": 1, "l": [1], "s": {"j": "1"}}
    shop.replace("seeknal/sales.yml", "AS s", "AS s, [1] AS more")
    refused = said(shop.seeknal("run", code=1))
    assert "analytics.sales cannot be given the nested column more. Drop the table" in refused


def test_columns_that_come_go_and_change_keep_the_table(shop: Repo, iceberg: Iceberg) -> None:
    shop.seeknal("run")
    shop.replace(
        "seeknal/sales.yml", "SELECT *", "SELECT id::BIGINT AS id, amount, 1::UTINYINT AS n"
    )
    shop.seeknal("run")
    assert iceberg.rows("analytics.sales") == [
        {"id": 1, "amount": Decimal("10.50"), "n": 1},
        {"id": 2, "amount": Decimal("20.00"), "n": 1},
    ]


def test_a_merge_keeps_keys_that_are_gone(shop: Repo, iceberg: Iceberg) -> None:
    shop.write("seeknal/out.yml", _out("  mode: upsert\n  unique_keys: [id]\n"))
    shop.seeknal("run")
    shop.replace("seeknal/sales.yml", "(1, 'EU', 10.5::", "(3, 'EU', 7::")
    shop.replace("seeknal/sales.yml", "20.0", "21")
    shop.seeknal("run")
    assert _amounts(iceberg) == [(1, Decimal("10.50")), (2, Decimal(21)), (3, Decimal(7))]


def test_partitions_that_differ_are_written(shop: Repo, iceberg: Iceberg) -> None:
    shop.write("seeknal/out.yml", _out("  mode: partitions\n  partition_by: [day]\n"))
    shop.seeknal("run")
    shop.replace("seeknal/sales.yml", "(2, 'US', 20.0", "(4, 'US', 21.0")
    shop.seeknal("run")
    assert _amounts(iceberg) == [(1, Decimal("10.50")), (4, Decimal(21))]


def test_a_branch_writes_to_a_namespace_of_its_own(shop: Repo, iceberg: Iceberg) -> None:
    shop.seeknal("run")
    shop.switch("dev", create=True)
    shop.replace("seeknal/sales.yml", "10.5", "99")
    shop.seeknal("run")
    assert iceberg.namespaces() == ["analytics"]
    shop.write("seeknal/out.yml", _out("  branch_target: schema\n"))
    shop.seeknal("run")
    assert _amounts(iceberg) == [(1, Decimal("10.50")), (2, Decimal(20))]
    assert _amounts(iceberg, "dev_analytics.sales") == [(1, Decimal(99)), (2, Decimal(20))]
    shop.git("stash")
    shop.switch("main")
    shop.seeknal("env", "delete", "dev")
    assert iceberg.namespaces() == ["analytics"]
    assert iceberg.tables("analytics") == ["_seeknal_deliveries", "sales"]


def test_a_table_of_the_catalog_is_a_source(shop: Repo, iceberg: Iceberg) -> None:
    shop.seeknal("run")
    source = "kind: source\nname: sold\nsource: iceberg\nconnection: lakehouse\n"
    shop.write("seeknal/sold.yml", f"{source}table: analytics.sales\nparams: {{version: digest}}\n")
    shop.write(
        "seeknal/total.yml",
        "kind: transform\nname: total\n"
        "transform: SELECT sum(amount)::DOUBLE AS total FROM ref('source.sold')\n",
    )
    assert shop.built() == ["source.sold", "transform.total"]
    assert shop.numbers("FROM main.total") == [(30.5,)]
    assert shop.built() == []
    shop.replace("seeknal/sales.yml", "10.5", "11")
    shop.seeknal("run")  # delivers what the next run reads
    assert shop.built() == ["source.sold", "transform.total"]
    assert shop.numbers("FROM main.total") == [(31.0,)]


def test_a_table_that_is_a_folder_is_a_source_if_it_tells_its_version(repo: Repo) -> None:
    need_extensions("iceberg", "avro")
    pyiceberg = pytest.importorskip("pyiceberg.catalog.sql")
    folder = repo.path / "data/orders"
    catalog = pyiceberg.SqlCatalog("here", uri="sqlite://", warehouse=f"file://{repo.path}/x")
    catalog.create_namespace("shop")
    with duckdb.connect() as engine:
        rows = engine.execute("SELECT * FROM range(3) AS t(id)").to_arrow_table()
    assert rows is not None
    table = catalog.create_table("shop.orders", rows.schema, location=f"file://{folder}")
    table.append(rows)
    repo.write(
        "seeknal/orders.yml", "kind: source\nname: orders\nsource: iceberg\ntable: data/orders\n"
    )
    refused = said(repo.seeknal("run", code=1))
    assert "data/orders does not say which version is its last." in refused
    assert "metadata/version-hint.text" in refused
    version = table.metadata_location.rpartition("/")[2].removesuffix(".metadata.json")
    (folder / "metadata/version-hint.text").write_text(version)
    repo.seeknal("run")
    assert repo.numbers("SELECT sum(id)::INTEGER FROM main.orders") == [(3,)]


@pytest.mark.parametrize("source", ["delta", "iceberg"])
def test_no_sql_of_a_node_is_asked_of_a_lake(repo: Repo, source: str) -> None:
    select = 'version: "SELECT max(id) FROM analytics.sales"'
    for keys, why in (
        (f"table: a.b\nparams: {{{select}}}", "no SELECT is asked of it"),
        ('table: a.b\nparams: {query: "SELECT 1 AS a"}', "query"),
    ):
        node = f"kind: source\nname: sold\nsource: {source}\nconnection: lakehouse\n{keys}\n"
        repo.write("seeknal/sold.yml", node)
        assert why in said(repo.seeknal("validate", code=1))


@pytest.mark.parametrize("table", ["csv", "main.csv", "main.k.csv"])
def test_a_table_that_is_not_there_is_never_a_file(shop: Repo, table: str) -> None:
    """DuckDB reads the file `lakehouse.main.csv` if there is no table of that name, also by a link."""
    (shop.path.parent / "secret").write_text("a,b\n1,2\n")
    for name in ("lakehouse.main.csv", "lakehouse.csv", "main.csv", "lakehouse.main.k.csv"):
        (shop.path / name).symlink_to(shop.path.parent / "secret")
    source = "kind: source\nname: sold\nsource: iceberg\nconnection: lakehouse\n"
    shop.write("seeknal/sold.yml", f"{source}table: {table}\n")
    shop.write("seeknal/a.yml", "kind: transform\nname: a\ntransform: FROM ref('source.sold')\n")
    assert "lakehouse has no table" in said(shop.seeknal("run", code=1))


@pytest.mark.parametrize(
    "table", ["data/orders", "a.b JOIN a.c USING (id)", "(SELECT 1)", "a.b.c.d", '"a/b"']
)
def test_what_is_no_table_of_a_catalog_is_told(shop: Repo, table: str) -> None:
    source = "kind: source\nname: sold\nsource: iceberg\nconnection: lakehouse\n"
    shop.write("seeknal/sold.yml", f"{source}table: '{table}'\n")
    shop.write("seeknal/a.yml", "kind: transform\nname: a\ntransform: FROM ref('source.sold')\n")
    refused = said(shop.seeknal("run", code=1))
    assert f"lakehouse is a catalog, and {table} is no table of one" in refused
    assert "Write `table: namespace.table`" in refused


def test_an_older_project_delivers_if_it_names_a_connection(shop: Repo, iceberg: Iceberg) -> None:
    shop.git("rm", "-q", "seeknal/out.yml")
    entry = "{table: atlas.analytics.sales, mode: overwrite, connection: lakehouse}"
    shop.write("seeknal/sales.yml", f"{SALES.lstrip()}materialization: {entry}\n")
    assert "1 delivered elsewhere" in said(shop.seeknal("run"))
    assert _amounts(iceberg) == [(1, Decimal("10.50")), (2, Decimal(20))]


def test_a_catalog_that_is_down_fails_the_exposure_and_the_next_run_delivers(
    shop: Repo, iceberg: Iceberg
) -> None:
    _profile(shop, iceberg.keys.replace(iceberg.uri, f"http://127.0.0.1:{free_port()}"))
    refused = said(shop.seeknal("run", code=1))
    assert "lakehouse cannot be reached" in refused
    assert shop.numbers("SELECT count(*) FROM main.sales") == [(2,)]
    _profile(shop, iceberg.keys)
    shop.seeknal("run")
    assert _amounts(iceberg) == [(1, Decimal("10.50")), (2, Decimal(20))]


@pytest.mark.parametrize(
    ("token", "table", "message"),
    [
        ("wrong", "analytics.sales", "lakehouse refuses the login"),
        ("", "analytics.nothing", "lakehouse has no table analytics.nothing."),
        ("", "nowhere.sales", "lakehouse has no table nowhere.sales."),
    ],
)
def test_a_mistake_is_one_message(
    shop: Repo, monkeypatch: pytest.MonkeyPatch, token: str, table: str, message: str
) -> None:
    shop.seeknal("run")
    if token:
        monkeypatch.setenv("CATALOG_TOKEN", token)
    source = "kind: source\nname: sold\nsource: iceberg\nconnection: lakehouse\n"
    shop.write("seeknal/sold.yml", f"{source}table: {table}\n")
    shop.write("seeknal/a.yml", "kind: transform\nname: a\ntransform: FROM ref('source.sold')\n")
    refused = shop.seeknal("run", code=1)
    assert message in said(refused)
    assert "opaque-token" not in refused.out + refused.err
