"""Servers that tests start by themselves, on free ports of this machine: PostgreSQL, MariaDB for
MySQL, an object store that speaks S3, and a catalog of Iceberg.

Each is started once for a worker, and ends with it. Where its programs are not installed, a test
that asks for it is skipped; in CI they are there.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from seeknal_git.sql.extensions import packaged

_PROGRAMS = "/usr/lib/postgresql/*/bin"
KEEPER = "keeper"  # owns databases, and is no superuser
_SECONDS = 60  # until a server answers


def need_extensions(*names: str) -> None:
    """Skip a test unless these extensions are installed as packages, for this version of DuckDB."""
    if missing := [name for name in names if packaged(name) is None]:
        pytest.skip(f"no package has {', '.join(missing)} for this DuckDB")


@dataclass(frozen=True)
class Postgres:
    """A running server. Its superuser is `lake`, who needs no password."""

    folder: Path
    port: int
    programs: Path
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def database(self) -> str:
        """A new, empty database, as the engine's extension and libpq name it."""
        name = f"lake_{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name}", "postgres")
        return self.address(name)

    def lake(self) -> str:
        """The same, of a user who owns it, and nothing else."""
        name = f"lake_{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name} OWNER {KEEPER}", "postgres")
        return self.address(name, KEEPER)

    def address(self, database: str, user: str = "lake") -> str:
        return f"dbname={database} host=127.0.0.1 port={self.port} user={user}"

    def execute(self, sql: str, database: str) -> str:
        """What psql prints, without headings."""
        where = self.address(database) if "=" not in database else database
        command = [str(self.programs / "psql"), "-XAtq", "-v", "ON_ERROR_STOP=1", where, "-c", sql]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def log_statements(self) -> None:
        """Write every statement into the log from now on."""
        self.execute("ALTER SYSTEM SET log_statement = 'all'", "postgres")
        self.execute("SELECT pg_reload_conf()", "postgres")
        while self.execute("SHOW log_statement", "postgres") != "all":
            time.sleep(0.01)

    @property
    def statements(self) -> int:
        """How many statements are in the log."""
        return (self.folder / "log").read_text(errors="replace").count(" LOG:  statement: ")

    def stop(self) -> None:
        self._control("stop", "--mode", "immediate")

    def start(self) -> None:
        options = f"-c listen_addresses=127.0.0.1 -c port={self.port} -c fsync=off"
        options += f" -c unix_socket_directories={self.folder} -c max_connections=300"
        log = str(self.folder / "log")
        self._control("start", "--wait", "--log", log, "--options", options)

    def _control(self, *words: str) -> None:
        as_owner(str(self.programs / "pg_ctl"), "-D", str(self.folder / "data"), *words)


def as_owner(*command: str) -> None:
    """Execute a command as somebody else than root, whom PostgreSQL refuses."""
    user = pwd.getpwnam("postgres") if os.geteuid() == 0 else None
    done = subprocess.run(
        command,
        cwd="/",
        user=user.pw_uid if user else None,
        group=user.pw_gid if user else None,
        extra_groups=[] if user else None,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def postgres_programs() -> Path | None:
    found = sorted(Path("/").glob(f"{_PROGRAMS[1:]}/pg_ctl"))
    named = shutil.which("pg_ctl")
    return found[-1].parent if found else Path(named).parent if named else None


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    with running(needed_programs()) as server:
        yield server


def needed_programs() -> Path:
    """The programs of PostgreSQL. Skips a test where there are none."""
    programs = postgres_programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed")
    return programs


@contextlib.contextmanager
def running(programs: Path) -> Iterator[Postgres]:
    """A server, inside the block."""
    server = begun(programs, Path(tempfile.mkdtemp(prefix="seeknal-postgres-")))
    try:
        yield server
    finally:
        ended(server)


def begun(programs: Path, folder: Path) -> Postgres:
    """A server that was started, with its files in a folder."""
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
    as_owner(
        str(programs / "initdb"),
        *("-D", str(folder / "data"), "-U", "lake", "-A", "trust", "-E", "UTF8", "-N"),
    )
    server = Postgres(folder, free_port(), programs)
    server.start()
    server.execute(f"CREATE ROLE {KEEPER} LOGIN", "postgres")
    return server


def ended(server: Postgres) -> None:
    """Stop a server, and remove its files."""
    with contextlib.suppress(AssertionError):  # a test may have stopped it
        server.stop()
    shutil.rmtree(server.folder, ignore_errors=True)


@dataclass(frozen=True)
class MySQL:
    """A running server. Its superuser is `root`, who needs no password."""

    port: int
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def database(self) -> str:
        """The name of a new, empty database."""
        name = f"shop_{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name} COLLATE utf8mb4_general_ci", "mysql")
        return name

    def execute(self, sql: str, database: str) -> str:
        where = ["--host=127.0.0.1", f"--port={self.port}", "--user=root", database]
        command = ["mariadb", "--no-defaults", "--batch", "--skip-column-names", *where]
        done = subprocess.run(command, input=sql, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


@pytest.fixture(scope="session")
def mysql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MySQL]:
    if not all(map(shutil.which, ("mariadbd", "mariadb-install-db", "mariadb"))):
        pytest.skip("MariaDB is not installed")
    folder, port = Path(tempfile.mkdtemp(prefix="seeknal-mysql-")), free_port()
    user = []
    if os.geteuid() == 0:
        shutil.chown(folder, "mysql", "mysql")
        user = ["--user=mysql"]
    data = f"--datadir={folder / 'data'}"
    made = ["mariadb-install-db", "--no-defaults", data, "--auth-root-authentication-method=normal"]
    subprocess.run([*made, *user], check=True, capture_output=True, timeout=_SECONDS)
    options = ["--bind-address=127.0.0.1", f"--port={port}", f"--socket={folder / 'socket'}"]
    options.append("--skip-name-resolve")
    with (tmp_path_factory.mktemp("mysql") / "log").open("w") as log:
        command = ["mariadbd", "--no-defaults", data, *options, *user]
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        server = MySQL(port)
        _wait_until_it_answers(server, process)
        yield server
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _wait_until_it_answers(server: MySQL, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + _SECONDS
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(AssertionError):
            server.execute("SELECT 1", "mysql")
            return
        time.sleep(0.05)
    raise AssertionError("MariaDB does not answer")


@dataclass(frozen=True)
class Store:
    """An object store. Every key is accepted."""

    port: int
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    @property
    def endpoint(self) -> str:
        return f"127.0.0.1:{self.port}"

    def bucket(self) -> str:
        """A new, empty bucket."""
        name = f"bucket-{next(self._numbers)}"
        self.put(name)
        return name

    def put(self, path: str, content: bytes = b"") -> None:
        request = urllib.request.Request(
            f"http://{self.endpoint}/{path}", data=content, method="PUT"
        )
        request.add_header(
            "Authorization", "AWS4-HMAC-SHA256 Credential=any/20260101/us-east-1/s3/aws4"
        )
        urllib.request.urlopen(request, timeout=_SECONDS).close()


@pytest.fixture(scope="session")
def store() -> Iterator[Store]:
    if find_spec("moto") is None:
        pytest.skip("moto is not installed")
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_for(f"http://127.0.0.1:{port}/moto-api/", server)
        yield Store(port)
    finally:
        server.terminate()
        server.wait()


@dataclass(frozen=True)
class Iceberg:
    """A REST catalog, whose tables are in a bucket of the object store."""

    port: int
    store: Store
    token: str

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def keys(self) -> str:
        """The keys of a connection, in YAML, without the token."""
        bucket = "key_id: a, secret: bcdef, region: us-east-1, url_style: path, use_ssl: false"
        return (
            f"type: iceberg, catalog_uri: '{self.uri}', endpoint: '{self.store.endpoint}', {bucket}"
        )

    def rows(self, table: str) -> list[dict[str, Any]]:
        """The rows of a table, as PyIceberg reads them."""
        found = self._client().load_table(table).scan().to_arrow().to_pylist()
        return sorted(found, key=repr)

    def tables(self, namespace: str) -> list[str]:
        return sorted(name for _, name in self._client().list_tables(namespace))

    def namespaces(self) -> list[str]:
        return sorted(".".join(names) for names in self._client().list_namespaces())

    def _client(self) -> Any:
        from pyiceberg.catalog.rest import RestCatalog

        bucket = {"s3.endpoint": f"http://{self.store.endpoint}", "s3.region": "us-east-1"}
        keys = {"s3.access-key-id": "any", "s3.secret-access-key": "any"}
        return RestCatalog("rest", uri=self.uri, token=self.token, **bucket, **keys)


@pytest.fixture
def iceberg(store: Store, tmp_path: Path) -> Iterator[Iceberg]:
    if find_spec("pyiceberg") is None:
        pytest.skip("PyIceberg is not installed")
    made = Iceberg(free_port(), store, "opaque-token-of-the-catalog")
    (tmp_path / "catalog").mkdir()
    command = [sys.executable, "-m", "tests.iceberg_catalog", str(made.port), made.token]
    command += [str(tmp_path / "catalog"), f"s3://{store.bucket()}/tables", store.endpoint]
    server = subprocess.Popen(command, cwd=Path(__file__).parents[1], stderr=subprocess.DEVNULL)
    try:
        _wait_for(f"{made.uri}/health", server)
        yield made
    finally:
        server.terminate()
        server.wait()


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _wait_for(address: str, server: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + _SECONDS
    while time.monotonic() < until and server.poll() is None:
        with contextlib.suppress(urllib.error.URLError, ConnectionError):
            urllib.request.urlopen(address, timeout=_SECONDS).close()
            return
        time.sleep(0.05)
    raise AssertionError(f"the server at {address} does not answer")
