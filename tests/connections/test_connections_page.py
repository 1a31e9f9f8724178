"""The files that docs/connections.md shows are read and delivered as it says."""

from __future__ import annotations

import pytest

from tests.conftest import Repo
from tests.connections.conftest import ORDERS, said
from tests.docs.test_docs import blocks
from tests.servers import Postgres, need_extensions

SALES = """
kind: transform
name: sales
transform: SELECT id, region, amount FROM ref('source.orders')
"""


def test_a_source_is_read_and_delivered_by_the_files_of_the_page(
    repo: Repo, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    need_extensions("postgres_scanner")
    postgres.execute("CREATE ROLE finance LOGIN; CREATE ROLE reader_of_shop LOGIN", "postgres")
    postgres.execute("CREATE DATABASE shop", "postgres")
    postgres.execute("CREATE DATABASE finance OWNER finance", "postgres")
    postgres.execute(ORDERS.replace("TO reader", "TO reader_of_shop"), "shop")
    postgres.execute("ALTER TABLE bronze.orders RENAME changed_at TO updated_at", "shop")
    variables = {
        "PG_HOST": "127.0.0.1",
        "PG_PORT": str(postgres.port),
        "PG_USER": "reader_of_shop",
        "PG_PASSWORD": "not asked",
        "S3_KEY": "a",
        "S3_SECRET": "b",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    profiles, source, exposure = blocks("docs/connections.md", "yaml")
    (repo.path / "profiles.yml").write_text(profiles)
    repo.write(".gitignore", "profiles.yml\n")
    repo.write("seeknal/orders.yml", source)
    repo.write("seeknal/sales.yml", SALES)
    repo.write("seeknal/sales_for_finance.yml", exposure)
    repo.commit("As the page has it")
    assert "1 delivered elsewhere" in said(repo.seeknal("run"))
    rows = "SELECT id, amount FROM analytics.sales ORDER BY id"
    assert postgres.execute(rows, "finance") == "1|10.50\n2|20.00\n3|30.00"
    postgres.execute("UPDATE bronze.orders SET amount = 7 WHERE id = 1", "shop")
    assert repo.built() == [], "the watermark stays"
    postgres.execute("UPDATE bronze.orders SET updated_at = '2026-03-01' WHERE id = 1", "shop")
    repo.seeknal("run")
    assert postgres.execute(rows, "finance").startswith("1|7.00")
