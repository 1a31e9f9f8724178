"""Extensions that are loaded beside a lake reach its catalog, other servers and other files, also in
an engine that is closed. SQL of others does not.

Each way is taken twice: as the engine is, where it works, and through what executes SQL of others,
which refuses it.
"""

from __future__ import annotations

import socket
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from threading import Thread
from typing import Any

import duckdb
import pytest

from seeknal_git.errors import UsageError, WarehouseError
from seeknal_git.names import literal
from seeknal_git.sql.engine import SqlError
from seeknal_git.sql.extensions import load
from seeknal_git.sql.partitioning import Partitioning
from seeknal_git.sql.sandbox import Reach, confinement
from seeknal_git.warehouse import location
from seeknal_git.warehouse.deliveries import DeliveryRecords
from seeknal_git.warehouse.guard import WITH_EXTENSIONS
from seeknal_git.warehouse.lake_builder import LakeBuilder
from seeknal_git.warehouse.lake_catalog import LakeCatalog
from seeknal_git.warehouse.lake_tables import LakeTables
from seeknal_git.warehouse.model.answers import PYTHON, Answer, Listener
from seeknal_git.warehouse.model.environments import Published
from seeknal_git.warehouse.model.histories import Addition
from seeknal_git.warehouse.model.pieces import InFiles, InPieces, Piece
from seeknal_git.warehouse.model.queries import Query
from seeknal_git.warehouse.model.snapshots import AuditQuery, Blueprint, Earlier
from seeknal_git.warehouse.query import UserQueries
from seeknal_git.warehouse.scratch import ScratchTables
from seeknal_git.warehouse.state_tables import STATE_TABLES
from seeknal_git.warehouse.view_queries import need_selects
from tests.conftest import Repo
from tests.servers import Postgres, need_extensions, postgres

__all__ = ["postgres"]

EXTENSIONS = ("postgres_scanner", "sqlite_scanner", "httpfs", "ducklake")
BUCKETS = Partitioning(("a",), None, 0, 4, "error")
SECRET = "the secret outside"


class Ear:
    """A server that only counts who opens it."""

    def __init__(self) -> None:
        self.opened = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._socket.accept()
                self.opened += 1
                client.close()

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


@dataclass
class Lake:
    """A lake in PostgreSQL, as a warehouse is opened: its extensions first, then it is closed."""

    connection: duckdb.DuckDBPyConnection
    ear: Ear
    words: dict[str, str] = field(default_factory=dict)

    def said(self, text: str) -> str:
        """A text with the names of this lake."""
        for word, value in self.words.items():
            text = text.replace(f"<{word}>", value)
        return text

    def asked(self, sql: str, schema: str = "main") -> list[Any]:
        """The rows that a user gets."""
        found: list[Any] = []
        queries = UserQueries(self.connection, self.catalog)
        queries.ask(schema, sql, Listener(PYTHON, lambda answer: found.extend(_all(answer))))
        return found

    @property
    def catalog(self) -> LakeCatalog:
        return LakeCatalog(self.connection, {}, LakeTables(location.Lake("", "")))

    @property
    def builder(self) -> LakeBuilder:
        return LakeBuilder(self.connection.cursor(), lambda _: None, WITH_EXTENSIONS)


def _all(answer: Answer) -> list[Any]:
    return list(answer.rows)


@pytest.fixture(scope="module")
def lake(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    need_extensions(*EXTENSIONS)
    folder = tmp_path_factory.mktemp("lake")
    catalog, other = postgres.database(), postgres.database()
    ear = Ear()
    postgres.execute(f"CREATE TABLE secret AS SELECT '{SECRET}' AS s", other)
    rows = folder / "rows"
    rows.mkdir()
    with sqlite3.connect(folder / "outside.sqlite") as file:
        file.execute(f"CREATE TABLE t AS SELECT '{SECRET}' AS s")
    words = {
        "catalog": catalog,
        "other": other,
        "ear": f"host=127.0.0.1 port={ear.port} dbname=x connect_timeout=5",
        "rows": str(rows),
        "outside": str(folder / "outside.sqlite"),
        # A file that only the server can read: of its superuser, by its catalog.
        "read": "postgres_query('__ducklake_metadata_warehouse', "
        "'SELECT pg_read_file(''PG_VERSION'') || ''the secret outside'' AS s')",
        "open": f"postgres_scan('host=127.0.0.1 port={ear.port} dbname=x', 'public', 'secret')",
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
        _make(postgres, catalog, other, rows, ear)
        with duckdb.connect(":memory:") as connection:
            _open(connection, catalog, rows)
            yield Lake(connection, ear, words)
    ear.close()


def _open(connection: duckdb.DuckDBPyConnection, catalog: str, rows: Path) -> None:
    load(connection, EXTENSIONS)
    connection.execute(
        f"ATTACH {literal(f'ducklake:postgres:{catalog}')} AS warehouse (DATA_PATH '{rows}/')"
    )
    connection.execute(confinement(None, Reach(folders=[rows])))


def _make(postgres: Postgres, catalog: str, other: str, rows: Path, ear: Ear) -> None:
    """Fill a lake, also with what a stranger may put there who can write to its catalog."""
    with duckdb.connect(":memory:") as connection:
        _open(connection, catalog, rows)
        for statement in (
            f"BEGIN; {STATE_TABLES}; COMMIT",
            "CREATE TABLE warehouse._snapshots.orders AS SELECT 1 AS id, 'a' AS name",
            "CREATE SCHEMA warehouse.dev; CREATE SCHEMA warehouse.clean",
            "CREATE VIEW warehouse.dev.orders AS FROM _snapshots.orders",
            "CREATE VIEW warehouse.clean.orders AS FROM _snapshots.orders",
            'CREATE VIEW warehouse.clean."as AS (" ("as") AS SELECT id FROM warehouse.clean.orders',
            f"CREATE VIEW warehouse.dev.evil AS FROM postgres_scan('{other}', 'public', 'secret')",
            'CREATE VIEW warehouse.dev."an AS b" ("as") AS SELECT s FROM warehouse.dev.evil',
            "CREATE VIEW warehouse.dev.indirect AS FROM query('FROM warehouse.dev.evil')",
        ):
            connection.execute(statement)
    # The server of the view is another one from now on: to make it, it had to be there.
    postgres.execute(
        f"UPDATE ducklake_view SET sql = replace(sql, '{other}', "
        f"'host=127.0.0.1 port={ear.port} dbname=x')",
        catalog,
    )


TELLS: Sequence[str] = (
    "FROM postgres_scan('<other>', 'public', 'secret')",
    "FROM postgres_scan_pushdown('<other>', 'public', 'secret')",
    "FROM PostGres_Scan('<other>', 'public', 'secret')",
    "FROM system.main.postgres_scan('<other>', 'public', 'secret')",
    "SELECT (SELECT s FROM postgres_scan('<other>', 'public', 'secret')) AS x",
    "WITH a AS (FROM postgres_scan('<other>', 'public', 'secret')) SELECT * FROM a",
    "SELECT 1 AS x, * FROM (VALUES (1)) AS v JOIN postgres_scan('<other>', 'public', 'secret') "
    "ON true ORDER BY (SELECT count(*) FROM postgres_scan('<other>', 'public', 'secret'))",
    "FROM <read>",
    "FROM sqlite_scan('<outside>', 't')",
    "FROM query('FROM <read-quoted>')",
    "FROM json_execute_serialized_sql(json_serialize_sql('SELECT * FROM <read-quoted>'))",
    "SELECT current_setting('s3_secret_access_key') AS x",
    "SELECT current_setting('s3_secret' || '_access_key') AS x",
    "FROM duckdb_settings()",
    "FROM pg_settings",
    "FROM pg_catalog.pg_settings",
)
# They tell of the catalog, or of how to reach it.
TELLS_OF_CATALOG: Sequence[str] = (
    "SELECT database_name, path FROM duckdb_databases()",
    "SELECT database_name, path FROM duckdb_databases",
    "SELECT database_name, path FROM system.main.duckdb_databases",
    "SELECT key, value FROM __ducklake_metadata_warehouse.ducklake_metadata",
    "SELECT * FROM __ducklake_metadata_warehouse.public.ducklake_metadata",
    "SELECT * FROM __DUCKLAKE_metadata_warehouse.PUBLIC.ducklake_metadata",
    "SELECT rolname FROM __ducklake_metadata_warehouse.pg_catalog.pg_authid",
    "SELECT * FROM query_table('__ducklake_metadata_warehouse.public.ducklake_metadata')",
    "SELECT * FROM histogram('__ducklake_metadata_warehouse.public.ducklake_metadata', 'key')",
    "SELECT * FROM pragma_table_info('__ducklake_metadata_warehouse.public.ducklake_metadata')",
    "SELECT * FROM pragma_database_size()",
    "FROM ducklake_table_info('warehouse') SELECT table_name",
    "FROM ducklake_settings('warehouse') SELECT *",
    "FROM warehouse.options() SELECT *",
    "DESCRIBE __ducklake_metadata_warehouse.public.ducklake_metadata",
)
OPENS: Sequence[str] = (
    "FROM <open>",
    "FROM postgres_attach('<ear>')",
    "EXPLAIN FROM <open>",
    "/* a */ EXPLAIN -- b\n ANALYZE FROM <open>",
    "EXPLAIN (FORMAT json) FROM <open>",
    "EXPLAIN ANALYZE CALL postgres_attach('<ear>')",
    "DESCRIBE FROM <open>",
    "SUMMARIZE FROM <open>",
    "SELECT json_serialize_plan('FROM <open-quoted>') AS x",
    # Views of a stranger
    "FROM warehouse.dev.evil",
    "FROM dev.evil",
    'FROM warehouse.dev."an AS b"',
    "FROM warehouse.dev.indirect",
    "DESCRIBE warehouse.dev.evil",
    "SHOW warehouse.dev.evil",
    "SUMMARIZE warehouse.dev.evil",
    "FROM query_table('warehouse.dev.evil')",
    "FROM pragma_table_info('warehouse.dev.evil')",
    "FROM pragma_show('warehouse.dev.evil')",
    # To list columns binds all of them
    "SELECT count(*) FROM duckdb_columns()",
    "SELECT count(*) FROM duckdb_columns",
    "SELECT count(*) FROM information_schema.columns",
    "SELECT count(*) FROM system.information_schema.columns",
    "SELECT count(*) FROM pg_attribute",
    "SHOW ALL TABLES",
    "SELECT count(*) FROM (SHOW ALL TABLES)",
    "SELECT count(*) FROM (DESCRIBE)",
)
# A SELECT that changes something, or the lake itself.
WRITES: Sequence[str] = (
    "FROM checkpoint('warehouse')",
    "FROM force_checkpoint('warehouse')",
    "FROM postgres_execute('__ducklake_metadata_warehouse', 'SELECT 1')",
    "FROM ducklake_set_commit_message('warehouse', 'a', 'b')",
    "SELECT count(*) AS n "
    "FROM ducklake_expire_snapshots('warehouse', dry_run => true, older_than => now())",
    "EXPLAIN ANALYZE CALL ducklake_cleanup_old_files('warehouse', dry_run => true, cleanup_all => true)",
    "FROM ducklake_delete_orphaned_files('warehouse', dry_run => true, cleanup_all => true)",
    "FROM ducklake_merge_adjacent_files('warehouse')",
    "FROM warehouse.merge_adjacent_files()",
    "FROM ducklake_flush_inlined_data('warehouse')",
    "FROM pg_clear_cache()",
    "FROM postgres_configure_pool()",
    "FROM enable_logging()",
    "FROM truncate_duckdb_logs()",
    "SELECT write_log('x') AS x",
)
LISTS = "SHOW TABLES FROM __ducklake_metadata_warehouse.public"
ALL = (*TELLS, *TELLS_OF_CATALOG, *OPENS, *WRITES, LISTS)


def told(lake: Lake, sql: str) -> str:
    lake.words |= {
        f"{word}-quoted": lake.words[word].replace("'", "''") for word in ("read", "open")
    }
    return lake.said(sql)


@pytest.mark.parametrize("sql", TELLS)
def test_a_closed_engine_tells_what_is_outside(lake: Lake, sql: str) -> None:
    assert SECRET in _text(lake.connection.execute(told(lake, sql)).fetchall())


@pytest.mark.parametrize("sql", TELLS_OF_CATALOG)
def test_a_closed_engine_tells_of_the_catalog(lake: Lake, sql: str) -> None:
    assert lake.connection.execute(told(lake, sql)).fetchall()


@pytest.mark.parametrize("sql", OPENS)
def test_a_closed_engine_opens_another_server(lake: Lake, sql: str) -> None:
    # The engine binds a view once, and again if the schema has changed.
    lake.connection.execute("CREATE OR REPLACE VIEW warehouse.main.new AS SELECT 1; USE warehouse")
    before = lake.ear.opened
    with suppress(duckdb.Error):  # nobody answers there
        lake.connection.execute(told(lake, sql)).fetchall()
    lake.connection.execute("USE memory")
    assert lake.ear.opened > before


@pytest.mark.parametrize("sql", WRITES)
def test_a_closed_engine_writes_in_a_select(lake: Lake, sql: str) -> None:
    lake.connection.execute(told(lake, sql)).fetchall()


def _text(rows: list[Any]) -> str:
    return " ".join(
        value.decode() if isinstance(value, bytes) else str(value) for row in rows for value in row
    )


@pytest.mark.parametrize("sql", ALL)
def test_a_users_query_stays_in_the_warehouse(lake: Lake, sql: str) -> None:
    before = lake.ear.opened
    with (
        pytest.raises(UsageError, match=r"out of reach|one SELECT"),
        WITH_EXTENSIONS.asking(lake.connection, told(lake, sql)),
    ):
        pass
    assert lake.ear.opened == before


@pytest.mark.parametrize("sql", ALL)
def test_sql_of_a_node_stays_in_the_warehouse(lake: Lake, sql: str) -> None:
    before = lake.ear.opened
    with pytest.raises(SqlError, match=r"out of reach|one SELECT"):
        WITH_EXTENSIONS.need_reachable(lake.connection, told(lake, sql))
    assert lake.ear.opened == before


def test_all_that_executes_sql_of_others_is_guarded(lake: Lake) -> None:
    before, sql = lake.ear.opened, told(lake, "FROM <open>")
    scratch = ScratchTables(lake.connection, lake.catalog)
    rows, piece = f"({sql})", InPieces(_blueprint(""), "s", BUCKETS, (("a", "INTEGER"),), None)
    addition = Addition(rows, ("id",), (), (), False, datetime(2026, 1, 1))  # noqa: DTZ001
    for execute in (
        lambda: lake.builder.build(_blueprint(sql)),
        lambda: lake.builder.extend(_blueprint("SELECT 1"), addition),
        lambda: lake.builder.build_pieces(replace(piece, blueprint=_blueprint(sql))),
        lambda: lake.builder.build_pieces(
            replace(piece, blueprint=_blueprint("SELECT 1 AS a"), statements=[((), sql)])
        ),
        lambda: lake.builder.load_files(
            InFiles(
                _blueprint(sql), "s", None, (), (), None, {}, {}, lambda *_: Piece("p", None, {})
            )
        ),
        lambda: lake.builder.check(AuditQuery(("1",), "a", "b", sql, None)),
        lambda: lake.builder.check(AuditQuery(("1",), "a", "b", "SELECT 1", rows)),
        lambda: lake.builder.check(
            AuditQuery(("1",), "a", "b", "SELECT 1", None, Earlier(0, sql, 0, (0, 0)))
        ),
        lambda: lake.builder.columns(sql),
        lambda: lake.builder.export(sql, Path("nowhere")),
        lambda: scratch.table("x", sql, {}),
        lambda: scratch.view("x", rows, (("a", "INTEGER"),)),
        lambda: scratch.columns(sql),
        lambda: scratch.first_rows(sql, {}, 5),
        lambda: scratch.count(sql),
        lambda: scratch.compare(rows, rows, (("a", "INTEGER"),)),
        lambda: scratch.shuffled("x", rows, 1),
        lambda: scratch.export(sql, Path("nowhere")),
        lambda: DeliveryRecords(lake.connection, WITH_EXTENSIONS).write(rows, {}, Path("nowhere")),
    ):
        with pytest.raises(SqlError, match="out of reach"):
            execute()
    with pytest.raises(UsageError, match="out of reach"):
        lake.asked(sql)
    assert lake.ear.opened == before


def _blueprint(sql: str) -> Blueprint:
    return Blueprint("f" * 64, "f" * 64, "", False, "transform.a", "a", "f" * 64, None, sql, {})


@pytest.mark.parametrize("view", ["FROM <open>", "SELECT 1; FROM <open>"])
def test_a_select_of_the_state_stays_in_the_warehouse(lake: Lake, view: str) -> None:
    query = Query((told(lake, view),), ())
    published = Published("transform.a", "a", "f" * 64, "a", "f" * 64, query)
    before = lake.ear.opened
    with pytest.raises(WarehouseError, match="damaged, or somebody else's"):
        need_selects(lake.connection, WITH_EXTENSIONS, [published])
    with pytest.raises(WarehouseError, match="damaged, or somebody else's"):
        UserQueries(lake.connection, lake.catalog).ask_past(
            "main", [published], "FROM a", Listener(PYTHON, print)
        )
    assert lake.ear.opened == before


def test_a_message_says_where(lake: Lake) -> None:
    with pytest.raises(UsageError) as refused:
        lake.asked("SELECT 1\nFROM range(3)\nWHERE nextval('a') > 1")
    assert refused.value.message.startswith("nextval() is out of reach")
    assert refused.value.message.endswith("(line 3)")
    with pytest.raises(UsageError, match=r"view dev\.evil .*postgres_scan\(\) is out of reach"):
        lake.asked('SELECT *\nFROM warehouse.dev."an AS b"')


@pytest.mark.parametrize(
    "name", ["upper", '"+"', "array_extract", "range", "read_csv", '"~~"', "postgres_scan"]
)
def test_a_macro_of_the_warehouse_takes_no_functions_place(lake: Lake, name: str) -> None:
    macro = f"warehouse.dev.{name}"
    lake.connection.execute(f"CREATE MACRO {macro}(a, b := 1) AS (SELECT s FROM {_read(lake)})")
    try:
        for sql in ("SELECT upper('a') AS x", f"SELECT {name}('a') AS x", f"FROM {macro}(1)"):
            with pytest.raises(UsageError, match=r"has a macro dev\.|out of reach"):
                lake.asked(sql, "dev") if name != "postgres_scan" else lake.asked(
                    "SELECT postgres_scan('a')", "dev"
                )
    finally:
        lake.connection.execute(f"DROP MACRO {macro}")


def _read(lake: Lake) -> str:
    return lake.words["read"]


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ("FROM orders", [(1, "a")]),
        ("SELECT upper(name) AS n FROM warehouse.clean.orders", [("A",)]),
        ("SELECT name FROM clean.orders", [("a",)]),
        ('SELECT "as" FROM "as AS ("', [(1,)]),
        ("WITH evil AS (SELECT 2 AS x) FROM evil", [(2,)]),
        ("SELECT unnest([1, 2]) AS x", [(1,), (2,)]),
        ("SELECT count(*) AS n FROM range(3)", [(3,)]),
        ("SELECT current_setting('TimeZone') <> '' AS x", [(True,)]),
        ("SELECT count(*) > 0 AS x FROM duckdb_tables()", [(True,)]),
        ("SELECT count(*) > 0 AS x FROM information_schema.tables", [(True,)]),
        ("SHOW TABLES", [("as AS (",), ("orders",)]),
    ],
)
def test_a_query_of_the_warehouse_is_answered(lake: Lake, sql: str, rows: list[Any]) -> None:
    assert lake.asked(sql, "clean") == rows
    assert lake.asked(f"FROM ({sql})" if sql != "SHOW TABLES" else sql, "clean") == rows


@pytest.mark.parametrize(
    "sql",
    ["EXPLAIN FROM orders", "EXPLAIN ANALYZE FROM orders", "EXPLAIN (FORMAT json) FROM orders"],
)
def test_a_plan_of_the_engine_is_shown(lake: Lake, sql: str) -> None:
    assert "orders" in str(lake.asked(sql, "clean")).lower()


def test_a_node_is_built_from_snapshots(lake: Lake) -> None:
    builder = lake.builder
    sql = 'SELECT id + 1 AS id FROM "warehouse"."_snapshots"."orders" AS o'
    assert builder.build(_blueprint(sql)).rows == 1
    assert builder.check(AuditQuery(("1",), "a", "b", f"{sql} WHERE id > 7", None)).violations == 0
    builder.undo()


def test_a_projects_lake_is_held_by_every_command(shop: Repo, postgres: Postgres) -> None:
    need_extensions("postgres_scanner", "ducklake")
    catalog, ear = postgres.database(), Ear()
    place = f"{{type: ducklake, catalog: 'postgres:{catalog}', data: lake/}}"
    shop.write("seeknal_project.yml", f"name: shop\nversion: 1\nwarehouse: {place}\n")
    shop.commit("use a lake")
    shop.seeknal("run")
    assert "daily" in shop.seeknal("query", "SHOW TABLES").out
    evil = f"postgres_scan('host=127.0.0.1 port={ear.port} dbname=x', 'public', 'secret')"
    _plant(postgres, catalog, evil)
    for sql, message in (
        (f"FROM {evil}", "postgres_scan() is out of reach"),
        ("FROM main.evil", "the view main.evil is out of reach"),
        ("EXPLAIN FROM evil", "the view main.evil is out of reach"),
        ("SELECT count(*) FROM duckdb_columns()", "duckdb_columns() is out of reach"),
    ):
        assert message in shop.seeknal("query", sql, code=2).err
    shop.switch("dev", create=True)
    shop.replace("seeknal/transforms/daily.yml", "sum(amount)", f"(SELECT max(s) FROM {evil})")
    shop.seeknal("run", code=None)
    shop.git("checkout", "-q", ".")
    shop.replace("seeknal/transforms/daily.yml", "sum(amount)", "max(amount)")
    for command in ("run", "status", "doctor", "verify", "gc --yes"):
        shop.seeknal(*command.split(), code=None)
    assert "day" in shop.seeknal("query", "FROM daily").out
    assert ear.opened == 0
    ear.close()


def _plant(postgres: Postgres, catalog: str, evil: str) -> None:
    """Put a view into the schema of an environment, as whoever can write to a catalog may."""
    postgres.execute(
        "INSERT INTO ducklake_view SELECT 100000, gen_random_uuid(), max(snapshot_id), NULL, "
        "(SELECT schema_id FROM ducklake_schema WHERE schema_name = 'main' LIMIT 1), 'evil', "
        f"'duckdb', {literal(f'SELECT * FROM {evil}')}, '' FROM ducklake_snapshot",
        catalog,
    )
