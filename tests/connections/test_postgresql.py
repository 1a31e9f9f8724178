"""Sources of PostgreSQL, end to end, on a server of this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.connections.conftest import PASSWORD, Shop, said
from tests.servers import free_port


def test_the_rows_and_types_of_a_table_come_through(shop_db: Shop) -> None:
    assert shop_db.repo.built() == ["source.orders", "transform.totals"]
    assert shop_db.totals() == [("EU", 40.5), ("US", 20)]
    described = shop_db.repo.numbers("SELECT column_name, column_type FROM (DESCRIBE main.orders)")
    assert dict(described) == {
        "id": "INTEGER",
        "region": "VARCHAR",
        "amount": "DECIMAL(10,2)",
        "ordered_at": "TIMESTAMP",
        "changed_at": "TIMESTAMP",
    }


def test_production_reads_again_and_rebuilds_only_what_differs(shop_db: Shop) -> None:
    repo = shop_db.repo
    repo.seeknal("run")
    assert repo.built() == []
    shop_db.sql("UPDATE bronze.orders SET amount = 100 WHERE id = 3")
    assert repo.built() == ["source.orders", "transform.totals"]
    assert shop_db.totals() == [("EU", 110.5), ("US", 20)]
    shop_db.sql("DELETE FROM bronze.orders WHERE id = 2")
    repo.seeknal("run")
    assert shop_db.totals() == [("EU", 110.5)]


def test_a_table_that_is_read_at_each_run_is_told_unless_the_node_says_so(shop_db: Shop) -> None:
    assert "source.orders is read at each run" in said(shop_db.repo.seeknal("run"))
    shop_db.source("connection: shop_db\ntable: bronze.orders\nparams: {version: each_run}\n")
    assert "is read at each run" not in said(shop_db.repo.seeknal("run"))


@pytest.mark.parametrize(
    ("version", "change", "seen"),
    [
        pytest.param(
            "watermark(changed_at)",
            "UPDATE bronze.orders SET amount = 1",
            False,
            id="a watermark that stays",
        ),
        pytest.param(
            "watermark(changed_at)",
            "UPDATE bronze.orders SET amount = 1, changed_at = '2026-02-01'",
            True,
            id="a watermark that moves",
        ),
        pytest.param(
            "digest", "UPDATE bronze.orders SET amount = 1 WHERE id = 1", True, id="a digest"
        ),
        pytest.param(
            "digest",
            "UPDATE bronze.orders SET amount = amount",
            False,
            id="a digest of the same rows",
        ),
        pytest.param(
            "SELECT count(*) FROM bronze.orders",
            "DELETE FROM bronze.orders WHERE id = 1",
            True,
            id="a SELECT",
        ),
        pytest.param(
            "SELECT count(*) FROM bronze.orders",
            "UPDATE bronze.orders SET amount = 1",
            False,
            id="a SELECT that says the same",
        ),
    ],
)
def test_a_source_is_read_again_if_its_version_moved(
    shop_db: Shop, version: str, change: str, seen: bool
) -> None:
    keys = f'connection: shop_db\ntable: bronze.orders\nparams: {{version: "{version}"}}\n'
    shop_db.source(keys)
    shop_db.repo.commit("Say when it moves")
    shop_db.repo.seeknal("run")
    before = shop_db.totals()
    shop_db.sql(change)
    assert bool(shop_db.repo.built()) == seen
    assert (shop_db.totals() != before) == seen
    shop_db.repo.seeknal("run", "--full")  # reads whatever it says
    assert shop_db.totals() != before or "amount = amount" in change


def test_a_branch_keeps_productions_load_until_it_refreshes(shop_db: Shop) -> None:
    repo = shop_db.repo
    repo.seeknal("run")
    shop_db.sql("UPDATE bronze.orders SET amount = 1")
    repo.switch("dev", create=True)
    repo.replace("seeknal/transforms/totals.yml", "sum(amount)", "2 * sum(amount)")
    assert repo.built() == ["transform.totals"]
    rows = "SELECT sum(total)::DOUBLE FROM dev.totals"
    assert repo.numbers(rows) == [(121.0,)]
    assert repo.built("--refresh") == ["source.orders", "transform.totals"]
    assert repo.numbers(rows) == [(6,)]
    assert shop_db.totals() == [("EU", 40.5), ("US", 20)]


def test_a_plan_works_without_the_server_once_a_load_is_there(
    shop_db: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = shop_db.repo
    repo.seeknal("run")
    shop_db.profiles(host="unreachable.invalid")
    monkeypatch.delenv("SHOP_PASSWORD")
    repo.switch("dev", create=True)
    repo.replace("seeknal/transforms/totals.yml", "sum(amount)", "sum(amont)")
    refused = repo.seeknal("validate", code=1)
    assert 'Referenced column "amont" not found' in refused.err
    repo.replace("seeknal/transforms/totals.yml", "sum(amont)", "max(amount)")
    assert repo.categories() == {"transform.totals": "BREAKING"}
    assert repo.built() == ["transform.totals"]


def test_a_plan_works_without_the_server_if_the_node_declares_its_columns(shop_db: Shop) -> None:
    shop_db.profiles(host="unreachable.invalid")
    schema = "schema: [{name: region, data_type: VARCHAR}, {name: amount, data_type: DOUBLE}]\n"
    shop_db.source(f"connection: shop_db\ntable: bronze.orders\n{schema}")
    assert "unreachable" not in said(shop_db.repo.seeknal("validate"))
    shop_db.repo.replace("seeknal/transforms/totals.yml", "sum(amount)", "sum(region)")
    assert "No function matches" in shop_db.repo.seeknal("validate", code=1).err


def test_the_first_plan_asks_for_the_columns_once(shop_db: Shop) -> None:
    repo = shop_db.repo
    repo.replace("seeknal/transforms/totals.yml", "sum(amount)", "sum(amont)")
    assert 'Referenced column "amont" not found' in repo.seeknal("validate", code=1).err
    shop_db.profiles(host="unreachable.invalid")
    assert 'Referenced column "amont" not found' in repo.seeknal("validate", code=1).err


def test_a_query_selects_rows_and_columns(shop_db: Shop) -> None:
    query = "SELECT o.region, amount FROM shop_db.bronze.orders AS o WHERE id < (SELECT max(id) FROM bronze.orders)"
    shop_db.source(f"connection: shop_db\nparams:\n  query: {query}\n")
    shop_db.repo.seeknal("run")
    assert shop_db.totals() == [("EU", 10.5), ("US", 20)]


@pytest.mark.parametrize(
    ("query", "why"),
    [
        pytest.param("SELECT * FROM read_text('/etc/passwd')", "no read_text()", id="a file"),
        pytest.param(
            "SELECT * FROM postgres_query('shop_db', 'SELECT 1')",
            "no postgres_query()",
            id="the server's own SQL",
        ),
        pytest.param(
            "SELECT * FROM postgres_scan('host=x', 'a', 'b')",
            "no postgres_scan()",
            id="another server",
        ),
        pytest.param("SELECT * FROM duckdb_secrets()", "no duckdb_secrets()", id="secrets"),
        pytest.param("SELECT * FROM ref('source.orders')", "no ref()", id="a node"),
        pytest.param("DROP TABLE bronze.orders", "this is DROP", id="another statement"),
        pytest.param("SELECT 1; SELECT 2", "exactly one SELECT", id="two statements"),
        pytest.param("SELECT getenv('HOME')", "no function getenv()", id="the environment"),
        pytest.param(
            "SELECT pg_read_file('x') FROM bronze.orders",
            "no function pg_read_file()",
            id="a function of the server",
        ),
    ],
)
def test_a_query_that_reaches_beyond_its_tables_is_refused_by_validate(
    shop_db: Shop, query: str, why: str
) -> None:
    shop_db.source(f'connection: shop_db\nparams:\n  query: "{query}"\n')
    refused = shop_db.repo.seeknal("validate", code=1).err
    assert "seeknal/sources/orders.yml:6: The query of source.orders is refused: " in refused
    assert why in refused


def test_a_query_over_another_catalog_is_refused_when_it_is_read(shop_db: Shop) -> None:
    shop_db.source(
        "connection: shop_db\nparams: {query: SELECT 1 AS a FROM system.main.duckdb_tables}\n"
    )
    shop_db.repo.write("seeknal/transforms/totals.yml", TOTALS_OF_A)
    refused = shop_db.repo.seeknal("run", code=1)
    assert "system.main.duckdb_tables is not a table of shop_db" in said(refused)


TOTALS_OF_A = "kind: transform\nname: totals\ntransform: SELECT a FROM ref('source.orders')\n"


def test_a_branch_named_profile_wins_and_defaults_name_a_connection(shop_db: Shop) -> None:
    repo = shop_db.repo
    text = repo.read("profiles.yml").replace("shop_db:", "dev_db:")
    (repo.path / "profiles-dev.yml").write_text(
        f"{text}source_defaults:\n  postgres: {{connection: dev_db}}\n"
    )
    shop_db.source("table: bronze.orders\n")
    refused = said(repo.seeknal("run", code=1))
    assert "source.orders names no connection" in refused
    repo.switch("dev", create=True)
    assert repo.built() == ["source.orders", "transform.totals"]


def test_a_command_names_a_profile_in_place_of_all_others(
    shop_db: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo, named = shop_db.repo, tmp_path / "elsewhere.yml"
    shop_db.source("connection: shop_db\ntable: bronze.orders\n")
    named.write_text(repo.read("profiles.yml"))
    repo.write("profiles.yml", "connections: {}\n")
    assert "profiles.yml has no connection shop_db" in said(repo.seeknal("run", code=1))
    repo.seeknal("plan", "--profile", str(named))
    assert repo.built("--profile", str(named)) == ["source.orders", "transform.totals"]
    for missing in (["--profile", "nowhere.yml"], []):
        monkeypatch.setenv("SEEKNAL_PROFILE", "" if missing else "nowhere.yml")
        assert "There is no profiles file nowhere.yml." in repo.seeknal("run", *missing, code=2).err
    monkeypatch.setenv("SEEKNAL_PROFILE", str(named))
    assert repo.run()["reused"]
    (repo.path / "prod.yml").write_text(named.read_text())
    repo.commit("A password for everybody")
    for way in ("prod.yml", "seeknal/../prod.yml"):
        refused = said(repo.seeknal("run", "--profile", str(repo.path / way), code=1))
        assert "Git tracks prod.yml" in refused


def test_a_variable_comes_from_the_environment_before_the_dotenv_file(
    shop_db: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = shop_db.repo
    monkeypatch.delenv("SHOP_PASSWORD")
    (repo.path / ".env").write_text(f"# ours\nexport SHOP_PASSWORD='{PASSWORD}'\n")
    repo.seeknal("run")
    monkeypatch.setenv("SHOP_PASSWORD", "another")
    assert "refuses the login" in said(repo.seeknal("run", code=1))


def _as_is(shop: Shop) -> None:
    """Nothing is changed."""


@pytest.mark.parametrize(
    ("profile", "keys", "message"),
    [
        pytest.param(
            {},
            "connection: shop_bd\ntable: bronze.orders",
            "seeknal/sources/orders.yml:4: profiles.yml has no connection shop_bd. Did you mean shop_db?",
            id="no such connection",
        ),
        pytest.param(
            {"password": '"${SHOP_PASSWROD}"'},
            "",
            "profiles.yml:8: The variable SHOP_PASSWROD is not set. Set it (export SHOP_PASSWROD=…)",
            id="no such variable",
        ),
        pytest.param(
            {"passwrod": "x"},
            "",
            "profiles.yml:9: A connection of type postgresql has no key `passwrod`. Did you mean `password`?",
            id="no such key",
        ),
        pytest.param(
            {"type": "postgrsql"},
            "",
            "profiles.yml:3: There is no connection of type postgrsql. Did you mean postgresql?",
            id="no such type",
        ),
        pytest.param(
            {"database": ""},
            "",
            "profiles.yml:2: The connection shop_db has no `database`.",
            id="no database",
        ),
        pytest.param(
            {"password": "wrong"},
            "",
            "seeknal/sources/orders.yml:4: source.orders: shop_db refuses the login",
            id="a wrong password",
        ),
        pytest.param(
            {"database": "nowhere"}, "", 'database "nowhere" does not exist', id="a wrong database"
        ),
        pytest.param(
            {},
            "connection: shop_db\ntable: bronze.ordres",
            "source.orders: shop_db has no table bronze.ordres. Did you mean bronze.orders?",
            id="no such table",
        ),
        pytest.param(
            {},
            "connection: shop_db\ntable: bronze.orders\nparams: {version: watermark(changd_at)}",
            "it has no column changd_at for its watermark. Did you mean changed_at?",
            id="no such watermark",
        ),
    ],
)
def test_a_mistake_is_one_message_that_says_where_and_how_to_mend_it(
    shop_db: Shop, profile: dict[str, str], keys: str, message: str
) -> None:
    shop_db.profiles(**profile)
    shop_db.source(f"{keys}\n" if keys else "")
    refused = shop_db.repo.seeknal("run", code=1)
    assert message in said(refused)
    assert refused.err.count("error:") == 1
    assert PASSWORD not in refused.out + refused.err
    assert "wrong" not in said(refused).replace("wrong_", "")


def test_a_server_that_is_down_fails_the_run_and_production_stays(shop_db: Shop) -> None:
    repo = shop_db.repo
    repo.seeknal("run")
    shop_db.profiles(port=str(free_port()))
    refused = said(repo.seeknal("run", code=1))
    assert "source.orders: shop_db cannot be reached:" in refused
    assert "Connection refused" in refused
    assert "Start the server, or correct its host and port: profiles.yml:2" in refused
    assert shop_db.totals() == [("EU", 40.5), ("US", 20)]


def test_nodes_that_do_not_read_a_server_that_is_down_are_built(shop_db: Shop) -> None:
    repo = shop_db.repo
    repo.write(
        "seeknal/transforms/one.yml", "kind: transform\nname: one\ntransform: SELECT 1 AS a\n"
    )
    shop_db.profiles(port=str(free_port()))
    assert repo.built("--select", "one") == ["transform.one"]


def test_profiles_that_git_tracks_are_refused(shop_db: Shop) -> None:
    """A branch of somebody else would say where a password is sent."""
    repo = shop_db.repo
    repo.git("add", "--force", "profiles.yml")
    refused = said(repo.seeknal("run", code=1))
    assert "Git tracks profiles.yml" in refused
    assert "git rm --cached profiles.yml" in refused


def test_a_password_in_a_node_is_refused(shop_db: Shop) -> None:
    shop_db.source("table: bronze.orders\nparams: {host: localhost, password: hunter2}\n")
    refused = said(shop_db.repo.seeknal("validate", code=1))
    assert "A source has no `host`, `password`: a connection has them, in profiles.yml" in refused


def test_no_secret_is_kept_anywhere(shop_db: Shop) -> None:
    repo = shop_db.repo
    repo.seeknal("plan")
    repo.seeknal("run", "--verbose")
    repo.seeknal("status")
    places = [path for path in (repo.path / ".git").rglob("*") if path.is_file()]
    assert len(places) > 10
    assert [path for path in places if PASSWORD.encode() in path.read_bytes()] == []
    assert list((repo.path / ".git/seeknal/outside").glob("*/*.parquet")) == []


def test_declared_types_and_tests_hold_as_for_files(shop_db: Shop) -> None:
    repo = shop_db.repo
    declared = (
        "schema: [{name: id, data_type: BIGINT}]\ntests: [{unique: id}, {not_null: region}]\n"
    )
    shop_db.source(f"connection: shop_db\ntable: bronze.orders\n{declared}")
    repo.seeknal("run")
    assert repo.numbers("SELECT typeof(id) FROM main.orders LIMIT 1") == [("BIGINT",)]
    shop_db.sql("INSERT INTO bronze.orders VALUES (4, NULL, 1, NULL, NULL)")
    assert "not_null(region)" in said(repo.seeknal("run", code=1))
    assert shop_db.totals() == [("EU", 40.5), ("US", 20)]


def test_a_column_that_changes_its_type_is_a_drift(shop_db: Shop) -> None:
    repo = shop_db.repo
    repo.seeknal("run")
    shop_db.sql("ALTER TABLE bronze.orders ALTER COLUMN region TYPE integer USING 1")
    refused = said(repo.seeknal("run", code=1))
    assert "bronze.orders of shop_db does not fit source.orders" in refused
    assert "the column region is INTEGER, and was text" in refused


def test_only_partitions_with_other_rows_are_built_again(shop_db: Shop) -> None:
    repo = shop_db.repo
    daily = "partition: {by: ordered_at, every: day, begin: 2026-01-01}\n"
    shop_db.source(f"connection: shop_db\ntable: bronze.orders\n{daily}")
    by_day = "SELECT ordered_at::DATE AS day, sum(amount) AS total FROM ref('source.orders') GROUP BY day"
    repo.write(
        "seeknal/transforms/totals.yml",
        "kind: transform\nname: totals\ninputs: [source.orders]\n"
        f"partition: {{by: day, every: day, begin: 2026-01-01}}\ntransform: {by_day}\n",
    )
    repo.commit("By day")
    assert "is read at each run" not in said(repo.seeknal("run"))
    assert repo.built() == []
    shop_db.sql("UPDATE bronze.orders SET amount = 7 WHERE id = 2")
    assert "1 of 3 partitions" in said(repo.seeknal("run"))
    assert repo.numbers("SELECT sum(total)::DOUBLE FROM main.totals") == [(47.5,)]


def test_types_that_a_file_cannot_hold_are_carried_exactly_or_refused(shop_db: Shop) -> None:
    repo = shop_db.repo
    shop_db.sql(
        "CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE TABLE bronze.t AS SELECT 'ok'::mood AS m, interval '1 microsecond' AS i"
    )
    repo.write(
        "seeknal/transforms/totals.yml",
        "kind: transform\nname: totals\ntransform: SELECT * FROM ref('source.orders')\n",
    )
    shop_db.source("connection: shop_db\ntable: bronze.t\n")
    assert "its column i is INTERVAL, which is not read" in said(repo.seeknal("run", code=1))
    query = "SELECT m, i::VARCHAR AS i, sum(big)::HUGEINT AS big FROM bronze.t, (SELECT 10000000000000000000000::HUGEINT AS big) GROUP BY m, i"
    shop_db.source(f"connection: shop_db\nparams:\n  query: {query}\n")
    repo.seeknal("run")
    assert repo.numbers("FROM main.totals")[0][0] == "ok"
    assert int(repo.numbers("SELECT big FROM main.totals")[0][0]) == 10**22
