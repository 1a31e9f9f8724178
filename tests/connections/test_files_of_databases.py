"""Sources of SQLite, DuckDB and Excel: files below the project, or named by a connection."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import duckdb
import pytest

from seeknal_git.sql.extensions import packaged
from tests.conftest import Repo
from tests.connections.conftest import TOTALS, said
from tests.servers import need_extensions

_ROWS = "(1, 'EU', 10.5), (2, 'US', 20), (3, 'EU', 30)"


def _database(system: str, at: Path) -> None:
    at.parent.mkdir(parents=True, exist_ok=True)
    made = sqlite3.connect(at) if system == "sqlite" else duckdb.connect(at)
    made.execute("CREATE TABLE orders (id INTEGER, region VARCHAR, amount DOUBLE)")
    made.execute(f"INSERT INTO orders VALUES {_ROWS}")
    made.commit()
    made.close()


def _execute(system: str, at: Path, sql: str) -> None:
    made = sqlite3.connect(at) if system == "sqlite" else duckdb.connect(at)
    made.execute(sql)
    made.commit()
    made.close()


def _project(repo: Repo, source: str) -> None:
    repo.write("seeknal/sources/orders.yml", f"kind: source\nname: orders\n{source}\n")
    repo.write("seeknal/transforms/totals.yml", TOTALS)
    repo.write(".gitignore", "data/\nprofiles.yml\n")
    repo.commit("Read the orders")


def _totals(repo: Repo) -> list[tuple[object, ...]]:
    return repo.numbers("SELECT region, total::DOUBLE FROM main.totals ORDER BY region")


@pytest.mark.parametrize("system", ["sqlite", "duckdb"])
def test_a_table_of_a_database_file_below_the_project_is_read(repo: Repo, system: str) -> None:
    if system == "sqlite":
        need_extensions("sqlite_scanner")
    at = repo.path / "data/shop.db"
    _database(system, at)
    _project(
        repo, f"source: {system}\ntable: orders\nparams: {{path: data/shop.db, version: digest}}"
    )
    assert repo.built() == ["source.orders", "transform.totals"]
    assert _totals(repo) == [("EU", 40.5), ("US", 20)]
    assert repo.built() == []
    _execute(system, at, "UPDATE orders SET amount = 1 WHERE id = 1")
    repo.seeknal("run")
    assert _totals(repo) == [("EU", 31), ("US", 20)]


@pytest.mark.parametrize("system", ["sqlite", "duckdb"])
def test_a_connection_names_a_database_anywhere(repo: Repo, system: str, tmp_path: Path) -> None:
    if system == "sqlite":
        need_extensions("sqlite_scanner")
    _database(system, tmp_path / "elsewhere" / "shop.db")
    profile = f"connections:\n  app: {{type: {system}, path: {tmp_path}/elsewhere/shop.db}}\n"
    (repo.path / "profiles.yml").write_text(profile)
    query = "SELECT region, amount FROM app.main.orders WHERE id > 1"
    _project(repo, f"source: {system}\nconnection: app\nparams: {{query: '{query}'}}")
    repo.seeknal("run")
    assert _totals(repo) == [("EU", 30), ("US", 20)]


def test_a_node_reaches_no_database_outside_of_the_project(repo: Repo, tmp_path: Path) -> None:
    """The file of a node may be of a branch that somebody else wrote."""
    _database("duckdb", tmp_path / "private.db")
    _project(repo, f"source: duckdb\ntable: orders\nparams: {{path: {tmp_path}/private.db}}")
    assert "leaves the project" in said(repo.seeknal("validate", code=1))
    (repo.path / "link.db").symlink_to(tmp_path / "private.db")
    _project(repo, "source: duckdb\ntable: orders\nparams: {path: link.db}")
    assert "is a link that leaves the project" in said(repo.seeknal("run", code=1))


def test_a_missing_file_and_a_missing_table_are_told(repo: Repo) -> None:
    _project(repo, "source: duckdb\ntable: orders\nparams: {path: data/shop.db}")
    assert "source.orders reads data/shop.db, which is not here" in said(
        repo.seeknal("run", code=1)
    )
    _database("duckdb", repo.path / "data/shop.db")
    repo.replace("seeknal/sources/orders.yml", "table: orders", "table: ordres")
    assert "no table main.ordres. Did you mean main.orders?" in said(repo.seeknal("run", code=1))


def _workbook(at: Path, rows: str) -> None:
    at.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as engine:
        engine.execute(f"LOAD '{packaged('excel')}'")
        select = f"SELECT * FROM (VALUES {rows}) AS t(id, region, amount)"
        engine.execute(f"COPY ({select}) TO '{at}' (FORMAT xlsx, HEADER true, SHEET 'Orders')")


def test_a_sheet_is_a_file_like_any_other(repo: Repo) -> None:
    need_extensions("excel")
    _workbook(repo.path / "data/orders.xlsx", _ROWS)
    schema = "schema: [{name: id, data_type: BIGINT}]"
    _project(repo, f"source: excel\ntable: data/orders.xlsx\nparams: {{sheet: Orders}}\n{schema}")
    assert repo.built() == ["source.orders", "transform.totals"]
    assert _totals(repo) == [("EU", 40.5), ("US", 20)]
    assert repo.numbers("SELECT typeof(id) FROM main.orders LIMIT 1") == [("BIGINT",)]
    assert repo.built() == []
    _workbook(repo.path / "data/orders.xlsx", "(1, 'EU', 1)")
    repo.seeknal("run")
    assert _totals(repo) == [("EU", 1)]


def test_a_sheet_that_git_tracks_is_part_of_the_branch(repo: Repo) -> None:
    need_extensions("excel")
    _workbook(repo.path / "tracked/orders.xlsx", _ROWS)
    _project(repo, "source: excel\ntable: tracked/orders.xlsx")
    repo.seeknal("run")
    repo.switch("dev", create=True)
    _workbook(repo.path / "tracked/orders.xlsx", "(1, 'EU', 1)")
    repo.commit("Other orders")
    assert repo.built() == ["source.orders", "transform.totals"]


def test_a_sheet_that_is_not_there_is_told(repo: Repo) -> None:
    need_extensions("excel")
    _workbook(repo.path / "data/orders.xlsx", _ROWS)
    _project(repo, "source: excel\ntable: data/orders.xlsx\nparams: {sheet: Ordres}")
    refused = said(repo.seeknal("run", code=1))
    assert 'data/orders.xlsx does not fit source.orders: Sheet "Ordres" not found' in refused


@pytest.mark.skipif(packaged("excel") is not None, reason="the extension is here")
def test_an_extension_that_is_not_here_is_named_with_the_command_that_gets_it(repo: Repo) -> None:
    repo.write("data/orders.xlsx", "no workbook")
    _project(repo, "source: excel\ntable: data/orders.xlsx")
    refused = said(repo.seeknal("run", code=1))
    assert "has no extension excel here" in refused
    assert "pip install duckdb-extension-excel==" in refused


def _delta(folder: Path) -> None:
    """A table of Delta with the same rows, as its protocol writes it."""
    (folder / "_delta_log").mkdir(parents=True)
    rows = f"SELECT * FROM (VALUES {_ROWS}) AS t(id, region, amount)"
    duckdb.sql(
        f"COPY (SELECT id::INTEGER AS id, region, amount::DOUBLE AS amount FROM ({rows})) TO '{folder}/a.parquet'"
    )
    types = {"id": "integer", "region": "string", "amount": "double"}
    fields = [
        {"name": name, "type": word, "nullable": True, "metadata": {}}
        for name, word in types.items()
    ]
    schema = json.dumps({"type": "struct", "fields": fields})
    size = (folder / "a.parquet").stat().st_size
    parquet = {"provider": "parquet", "options": {}}
    entries = [
        {"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}},
        {
            "metaData": {
                "id": "t",
                "format": parquet,
                "schemaString": schema,
                "partitionColumns": [],
                "configuration": {},
                "createdTime": 0,
            }
        },
        {
            "add": {
                "path": "a.parquet",
                "partitionValues": {},
                "size": size,
                "modificationTime": 0,
                "dataChange": True,
            }
        },
    ]
    log = folder / "_delta_log/00000000000000000000.json"
    log.write_text("\n".join(map(json.dumps, entries)))


def test_a_table_of_delta_is_read(repo: Repo) -> None:
    need_extensions("delta")
    _delta(repo.path / "data/orders")
    _project(repo, "source: delta\ntable: data/orders\nparams: {version: digest}")
    repo.seeknal("run")
    assert _totals(repo) == [("EU", 40.5), ("US", 20)]
    assert repo.built() == []


@pytest.mark.parametrize("name", ["mysql", "iceberg"])
def test_a_system_that_cannot_be_read_here_is_told(repo: Repo, name: str) -> None:
    """Without its extension the message has the command that gets it; else the place is not there."""
    repo.write("data/orders/x", "no table")
    login = "host: 127.0.0.1, port: 1, database: shop, user: a, password: hidden"
    (repo.path / "profiles.yml").write_text(f"connections:\n  db: {{type: mysql, {login}}}\n")
    table = "connection: db\ntable: shop.orders" if name == "mysql" else "table: data/orders"
    _project(repo, f"source: {name}\n{table}")
    refused = said(repo.seeknal("run", code=1))
    ways = ("pip install duckdb-extension-", "cannot be reached", "which version is its last")
    assert any(way in refused for way in ways)
    assert "hidden" not in refused
