"""Sources of MySQL, end to end, on a server of this machine."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import pytest

from tests.conftest import Repo
from tests.connections.conftest import PASSWORD, TOTALS, said
from tests.servers import MySQL, free_port, need_extensions

ORDERS = """
CREATE TABLE orders (
  id int PRIMARY KEY, region varchar(10), amount decimal(10, 2), stars tinyint(1),
  ordered_at datetime, changed_at timestamp NULL, paid_on date
);
SET time_zone = '+02:00', sql_mode = '';
INSERT INTO orders VALUES
  (1, 'EU', 10.50, 1, '2026-01-01 10:00', '2026-01-01 12:00', '2026-01-05'),
  (2, 'US', 20.00, 5, '2026-01-02 11:00', '2026-01-02 12:00', '0000-00-00'),
  (3, 'eu', 30.00, 0, '2026-01-03 12:00', '2026-01-03 12:00', NULL);
"""


@dataclass(frozen=True)
class Source:
    """A project that reads a database of MySQL."""

    repo: Repo
    server: MySQL
    database: str

    def sql(self, statement: str) -> str:
        return self.server.execute(statement, self.database)

    def profiles(self, **other: str) -> None:
        told = {
            "type": "mysql",
            "host": "127.0.0.1",
            "port": str(self.server.port),
            "database": self.database,
            "user": "reader",
            "password": '"${SHOP_PASSWORD}"',
        } | other
        lines = "".join(f"    {key}: {value}\n" for key, value in told.items())
        (self.repo.path / "profiles.yml").write_text(f"connections:\n  shop_db:\n{lines}")

    def reads(self, keys: str) -> None:
        """Write the source, which has these keys beside the common ones."""
        common = "kind: source\nname: orders\nsource: mysql\nconnection: shop_db\n"
        self.repo.write("seeknal/sources/orders.yml", f"{common}{keys}\n")

    def totals(self) -> list[tuple[object, ...]]:
        return self.repo.numbers("SELECT region, total::DOUBLE FROM main.totals ORDER BY region")


@pytest.fixture
def shop(repo: Repo, mysql: MySQL, monkeypatch: pytest.MonkeyPatch) -> Source:
    need_extensions("mysql_scanner")
    made = Source(repo, mysql, mysql.database())
    made.sql(ORDERS)
    made.sql(
        f"CREATE OR REPLACE USER reader IDENTIFIED BY '{PASSWORD}'; "
        f"GRANT SELECT ON {made.database}.* TO reader"
    )
    monkeypatch.setenv("SHOP_PASSWORD", PASSWORD)
    made.profiles()
    made.reads("table: orders")
    repo.write("seeknal/transforms/totals.yml", TOTALS)
    repo.write(".gitignore", "profiles*.yml\n.env\n")
    repo.commit("Read the orders")
    return made


def test_values_come_through_as_they_are(shop: Source) -> None:
    assert shop.repo.built() == ["source.orders", "transform.totals"]
    columns = "amount, stars, ordered_at::VARCHAR, changed_at::VARCHAR, paid_on::VARCHAR"
    assert shop.repo.numbers(f"SELECT {columns} FROM main.orders WHERE id < 3 ORDER BY id") == [
        (Decimal("10.50"), 1, "2026-01-01 10:00:00", "2026-01-01 10:00:00", "2026-01-05"),
        (Decimal("20.00"), 5, "2026-01-02 11:00:00", "2026-01-02 10:00:00", None),
    ]
    assert shop.totals() == [("EU", 10.5), ("US", 20), ("eu", 30)]


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("SELECT id FROM orders WHERE region = 'eu'", [(3,)]),
        ("SELECT id FROM orders WHERE region > 'a'", [(3,)]),
        ("SELECT region FROM orders WHERE region LIKE 'e%'", [("eu",)]),
        ("SELECT count(*) FROM orders GROUP BY region", [(1,), (1,), (1,)]),
        ("SELECT count(*) FROM orders a JOIN orders b ON a.region = b.region", [(3,)]),
        ("SELECT region FROM orders ORDER BY region DESC LIMIT 1", [("eu",)]),
        ("SELECT max(region) FROM orders", [("eu",)]),
        ("SELECT sum(stars) FROM orders WHERE stars = 1", [(1,)]),
        ("SELECT sum(amount) FROM {database}.orders", [(Decimal("60.50"),)]),
    ],
)
def test_a_query_means_what_it_means_in_duckdb(
    shop: Source, query: str, rows: list[tuple[object, ...]]
) -> None:
    shop.reads(f"params:\n  query: {query.format(database=shop.database)}")
    shop.repo.write(
        "seeknal/transforms/totals.yml",
        "kind: transform\nname: totals\ntransform: SELECT * FROM ref('source.orders')\n",
    )
    shop.repo.seeknal("run")
    assert shop.repo.numbers("FROM main.totals") == rows


@pytest.mark.parametrize(
    ("version", "change", "seen"),
    [
        ("watermark(changed_at)", "UPDATE orders SET amount = 1, changed_at = changed_at", False),
        ("watermark(changed_at)", "UPDATE orders SET amount = 1, changed_at = now()", True),
        ("digest", "UPDATE orders SET region = 'US' WHERE id = 1", True),
        ("digest", "UPDATE orders SET region = 'Eu' WHERE id = 1", True),
        ("digest", "UPDATE orders SET amount = amount", False),
        (
            "SELECT count(*) FROM orders WHERE region = 'eu'",
            "DELETE FROM orders WHERE id = 1",
            False,
        ),
        ("each_run", "DELETE FROM orders WHERE id = 1", True),
    ],
)
def test_a_source_is_read_again_if_its_version_moved(
    shop: Source, version: str, change: str, seen: bool
) -> None:
    shop.reads(f'table: orders\nparams: {{version: "{version}"}}')
    shop.repo.commit("Say when it moves")
    shop.repo.seeknal("run")
    shop.sql(change)
    assert bool(shop.repo.built()) == seen


def test_a_branch_keeps_productions_load(shop: Source) -> None:
    shop.repo.seeknal("run")
    shop.sql("UPDATE orders SET amount = 1")
    shop.repo.switch("dev", create=True)
    shop.repo.replace("seeknal/transforms/totals.yml", "sum(amount)", "2 * sum(amount)")
    assert shop.repo.built() == ["transform.totals"]
    assert shop.repo.numbers("SELECT sum(total)::DOUBLE FROM dev.totals") == [(121.0,)]


@pytest.mark.parametrize(
    ("profile", "keys", "message"),
    [
        ({"password": "wrong"}, "", "source.orders: shop_db refuses the login"),
        ({"database": "nowhere"}, "", "Access denied for user"),
        ({"port": "{free}"}, "", "source.orders: shop_db cannot be reached:"),
        ({"host": "nowhere.invalid"}, "", "source.orders: shop_db cannot be reached:"),
        ({"connect_timeout": "1"}, "", "type mysql has no key `connect_timeout`"),
        ({}, "table: ordres", "Did you mean {database}.orders?"),
        ({}, "table: nowhere.orders", "shop_db has no table nowhere.orders"),
        (
            {},
            "table: orders\nparams: {version: watermark(changd_at)}",
            "it has no column changd_at for its watermark. Did you mean changed_at?",
        ),
    ],
)
def test_a_mistake_is_one_message_that_says_where(
    shop: Source, profile: dict[str, str], keys: str, message: str
) -> None:
    shop.profiles(**{key: value.format(free=free_port()) for key, value in profile.items()})
    if keys:
        shop.reads(keys)
    refused = shop.repo.seeknal("run", code=1)
    assert message.format(database=shop.database) in said(refused)
    assert refused.err.count("error:") == 1
    assert PASSWORD not in refused.out + refused.err


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("SELECT * FROM mysql_query('shop_db', 'DROP TABLE orders')", "no mysql_query()"),
        ("SELECT * FROM information_schema.tables, mysql.user", "mysql.user"),
    ],
)
def test_a_query_reaches_nothing_but_tables_of_its_user(shop: Source, query: str, why: str) -> None:
    shop.reads(f'params:\n  query: "{query}"')
    assert why in said(shop.repo.seeknal("run", code=1))
