"""A project whose sources are elsewhere, and the servers that they are on."""

from __future__ import annotations

import os
from dataclasses import dataclass

import pytest

from tests.conftest import Repo, Result
from tests.servers import Postgres, iceberg, mysql, need_extensions, postgres, store

__all__ = ["iceberg", "mysql", "postgres", "store"]

PASSWORD = "correct horse"


@dataclass(frozen=True)
class Shop:
    """A project that reads a database, and that database."""

    repo: Repo
    server: Postgres
    address: str  # as psql takes it

    @property
    def database(self) -> str:
        return self.address.split()[0].removeprefix("dbname=")

    def sql(self, statement: str) -> str:
        return self.server.execute(statement, self.address)

    def profiles(self, **other: str) -> None:
        """Write `profiles.yml` with the connection `shop_db`."""
        told = {
            "type": "postgresql",
            "host": "127.0.0.1",
            "port": str(self.server.port),
            "database": self.database,
            "user": '"${SHOP_USER:reader}"',
            "password": '"${SHOP_PASSWORD}"',
        } | other
        lines = "".join(f"    {key}: {value}\n" for key, value in told.items() if value)
        (self.repo.path / "profiles.yml").write_text(f"connections:\n  shop_db:\n{lines}")

    def source(self, text: str = "", name: str = "orders") -> None:
        """Write a source; the text has the keys beside `kind`, `name` and `source`."""
        more = text or "connection: shop_db\ntable: bronze.orders\n"
        content = f"kind: source\nname: {name}\nsource: postgresql\n{more}"
        self.repo.write(f"seeknal/sources/{name}.yml", content)

    def totals(self) -> list[tuple[object, ...]]:
        return self.repo.numbers("SELECT region, total::DOUBLE FROM main.totals ORDER BY region")


TOTALS = """
kind: transform
name: totals
inputs: [source.orders]
transform: |
  SELECT region, sum(amount) AS total FROM ref('source.orders') GROUP BY region
"""
SALES = """
kind: transform
name: sales
transform: |
  SELECT * FROM (VALUES (1, 'EU', 10.5::DECIMAL(10, 2), DATE '2026-01-01'),
    (2, 'US', 20.0, DATE '2026-01-02')) AS t(id, region, amount, day)
"""
ORDERS = """
CREATE SCHEMA bronze;
CREATE TABLE bronze.orders (
  id integer PRIMARY KEY, region varchar(10), amount numeric(10, 2), ordered_at timestamp,
  changed_at timestamp
);
INSERT INTO bronze.orders VALUES
  (1, 'EU', 10.50, '2026-01-01 10:00', '2026-01-01'),
  (2, 'US', 20.00, '2026-01-02 11:00', '2026-01-02'),
  (3, 'EU', 30.00, '2026-01-03 12:00', '2026-01-03');
GRANT USAGE ON SCHEMA bronze TO reader;
GRANT SELECT ON ALL TABLES IN SCHEMA bronze TO reader;
ALTER DEFAULT PRIVILEGES IN SCHEMA bronze GRANT SELECT ON TABLES TO reader;
"""


@pytest.fixture
def shop_db(repo: Repo, postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """A project with a source of PostgreSQL, whose user `reader` needs a password; not run yet."""
    need_extensions("postgres_scanner")
    _with_reader(postgres)
    shop = Shop(repo, postgres, postgres.database())
    shop.sql(ORDERS)
    monkeypatch.setenv("SHOP_PASSWORD", PASSWORD)
    shop.profiles()
    shop.source()
    repo.write("seeknal/transforms/totals.yml", TOTALS)
    repo.write(".gitignore", "profiles*.yml\n.env\n")
    repo.commit("Read the orders")
    return shop


def _with_reader(server: Postgres) -> None:
    """A user who has to say a password."""
    rules = server.folder / "data" / "pg_hba.conf"
    rule = "host all reader 127.0.0.1/32 scram-sha-256\n"
    if not (text := rules.read_text()).startswith(rule):
        owner = rules.stat()
        rules.write_text(rule + text)
        os.chown(rules, owner.st_uid, owner.st_gid)
        server.execute(f"CREATE USER reader PASSWORD '{PASSWORD}'", "postgres")
        server.execute("SELECT pg_reload_conf()", "postgres")


def said(result: Result) -> str:
    """All that a command said, on one line."""
    return " ".join(f"{result.out} {result.err}".split())
