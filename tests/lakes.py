"""Run tests over a lake in place of a file: WAREHOUSE=ducklake, with its catalog in PostgreSQL.

One server serves all workers. A repository has a database of its own, which its `.env` names; a
clone that a test makes has none, and its catalog is a file of SQLite.
"""

from __future__ import annotations

import contextlib
import functools
import os
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from seeknal_git.names import literal
from seeknal_git.sql.extensions import load
from seeknal_git.warehouse.location import Lake
from tests.servers import KEEPER, Postgres, begun, ended, postgres_programs

WANTED = os.environ.get("WAREHOUSE") == "ducklake"
of_a_file = pytest.mark.skipif(WANTED, reason="it is about a file, which one process holds")
SETTING = (
    'warehouse: {type: ducklake, catalog: "${LAKE:sqlite:target/catalog.sqlite}", '
    "data: target/lake}\n"
)
_VARIABLE = "TESTS_POSTGRES"


def start() -> None:
    """Start the server, for this process and its workers."""
    programs = postgres_programs()
    assert programs is not None, "WAREHOUSE=ducklake needs PostgreSQL"
    server = begun(programs, Path(tempfile.mkdtemp(prefix="seeknal-postgres-")))
    os.environ[_VARIABLE] = f"{server.port} {server.folder} {programs}"


def stop() -> None:
    if _VARIABLE in os.environ:
        ended(_server())


@functools.cache
def _server() -> Postgres:
    port, folder, programs = os.environ[_VARIABLE].split(" ")
    return Postgres(Path(folder), int(port), Path(programs))


def begin(folder: Path) -> None:
    """Give a new repository a lake of its own."""
    _server().execute(f"CREATE DATABASE {_name(folder)} OWNER {KEEPER}", "postgres")
    with (folder / ".git/info/exclude").open("a") as file:
        file.write(".env\n")


def _name(folder: Path) -> str:
    """Let the `.env` of a repository name a database, which is to be made."""
    database = f"repo_{uuid.uuid4().hex}"
    (folder / ".env").write_text(f"LAKE=postgres:{_server().address(database, KEEPER)}\n")
    return database


def copy(before: Path, after: Path) -> None:
    """Give a copy of a repository a copy of its lake, if it has one."""
    if not (before / ".env").exists():
        return
    server = _server()
    template = (before / ".env").read_text().partition("dbname=")[2].split()[0]
    database = _name(after)
    server.execute(
        f"CREATE DATABASE {database} OWNER {KEEPER} TEMPLATE {template} STRATEGY FILE_COPY",
        "postgres",
    )
    data = literal(f"{after.resolve()}/target/lake/")
    server.execute(
        "DO $$ BEGIN IF to_regclass('ducklake_metadata') IS NOT NULL THEN "
        f"UPDATE ducklake_metadata SET value = {data} WHERE key = 'data_path'; END IF; END $$",
        database,
    )


@functools.cache
def _engine() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    load(connection, ["ducklake", "postgres_scanner", "sqlite_scanner"])
    return connection


@contextlib.contextmanager
def opened(lake: Lake, mode: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """A lake under the name of the warehouse, as anybody opens it."""
    with _engine().cursor() as connection:
        read = ", READ_ONLY" if mode == "READ_ONLY" else ""
        connection.execute(
            f"ATTACH {literal(f'ducklake:{lake.catalog}')} AS warehouse "
            f"(DATA_PATH {literal(lake.data)}{read}); USE warehouse"
        )
        try:
            yield connection
        finally:
            connection.execute("USE memory; DETACH warehouse")
