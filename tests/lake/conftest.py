"""Projects whose warehouse is a lake: its catalog in PostgreSQL, its rows in a folder or a bucket."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest

from seeknal_git.names import literal
from seeknal_git.sql.extensions import load
from tests.conftest import SHOP, Repo
from tests.servers import Postgres, Store, need_extensions, postgres, store

__all__ = ["postgres", "store"]  # fixtures of the tests here


@dataclass(frozen=True)
class LakeRepo(Repo):
    """A project with a lake."""

    catalog: str = ""
    secret: str = ""
    options: str = ""  # for those who attach it

    def ask(self, sql: str, name: str = "mine") -> list[tuple[Any, ...]]:
        """The answer to somebody who attaches the lake under a name of their own."""
        with duckdb.connect() as connection:
            load(connection, ["ducklake", "postgres_scanner", "sqlite_scanner", "httpfs"])
            connection.execute(self.secret)
            connection.execute(
                f"ATTACH {literal(f'ducklake:{self.catalog}')} AS {name} "
                f"(READ_ONLY{self.options}); USE {name}"
            )
            return connection.execute(sql).fetchall()


def begin(repo: LakeRepo, setting: str) -> LakeRepo:
    repo.path.mkdir()
    repo.git("init", "--quiet")
    for path, text in SHOP.items():
        repo.write(path, text)
    repo.write("seeknal_project.yml", f"name: shop\nwarehouse: {setting}\n")
    (repo.path / ".gitignore").write_text("target/\nexports/\nraw/\nprofiles.yml\n.env\n")
    repo.commit("First")
    return repo


def many_numbers(repo: LakeRepo, rows: int) -> None:
    """Let a source of numbers from zero on be all that a project has."""
    repo.git("rm", "--quiet", "-r", "seeknal", "data")
    numbers = "\n".join(map(str, range(rows)))
    repo.write("data/numbers.csv", f"number\n{numbers}\n")
    repo.write(
        "seeknal/sources/numbers.yml",
        "kind: source\nname: numbers\nsource: csv\ntable: data/numbers.csv\n",
    )


@pytest.fixture
def lake(tmp_path: Path, postgres: Postgres) -> LakeRepo:
    """The shop with a lake on PostgreSQL, never run."""
    need_extensions("ducklake", "postgres_scanner")
    catalog = f"postgres:{postgres.lake()}"
    setting = f'{{type: ducklake, catalog: "{catalog}", data: target/lake}}'
    return begin(LakeRepo(tmp_path / "shop", catalog), setting)


@pytest.fixture
def bucket(tmp_path: Path, postgres: Postgres, store: Store) -> LakeRepo:
    """The shop with a lake on PostgreSQL and an object store, never run."""
    need_extensions("ducklake", "postgres_scanner", "httpfs")
    catalog = f"postgres:{postgres.lake()}"
    secret = (
        f"CREATE SECRET (TYPE s3, KEY_ID 'k', SECRET 's', ENDPOINT '{store.endpoint}', "
        "USE_SSL false, URL_STYLE 'path', REGION 'us-east-1')"
    )
    setting = (
        f'{{type: ducklake, catalog: "${{LAKE_CATALOG}}", data: "s3://{store.bucket()}/lake/", '
        "schema: seeknal, secrets: [minio]}"
    )
    repo = begin(
        LakeRepo(tmp_path / "shop", catalog, secret, ", METADATA_SCHEMA 'seeknal'"), setting
    )
    repo.write(".env", f"LAKE_CATALOG={catalog}\n")
    repo.write(
        "profiles.yml",
        f"""
        connections:
          minio: {{type: s3, key_id: k, secret: s, region: us-east-1, endpoint: "{store.endpoint}",
                  url_style: path, use_ssl: "false"}}
        """,
    )
    return repo
