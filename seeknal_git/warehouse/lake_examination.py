"""Examine a lake: the engine's extensions, the server of its catalog, and the place of its rows.

The engine here is open, so it executes nothing that somebody else wrote. The state of the lake is
read elsewhere, in a confined one.
"""

from __future__ import annotations

import shutil
import statistics
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import closing
from typing import NamedTuple

import duckdb

from seeknal_git.names import literal, quote
from seeknal_git.sql import extensions
from seeknal_git.sql.engine_version import engine_version
from seeknal_git.sql.outside import keep_secret
from seeknal_git.warehouse.engine_errors import our_errors, translated
from seeknal_git.warehouse.lake_connection import load_extensions
from seeknal_git.warehouse.location import POSTGRES, Lake
from seeknal_git.warehouse.model.health import Fact, Fault

_CONNECT_SECONDS = 10
_TRIPS = 5
_SLOW_SECONDS = 0.05
_SKEW_SECONDS = 5


def examined(lake: Lake) -> Iterator[Fact | Fault]:
    """Everything that is as it should be, or is not. Raises WarehouseError if an extension is
    missing, or the catalog cannot be reached: then nothing else can be found out."""
    with our_errors(lake), closing(duckdb.connect(":memory:")) as connection:
        load_extensions(connection, lake)
        yield Fact(f"DuckDB {engine_version()} with {', '.join(map(_origin, lake.extensions))}")
        for secret in lake.secrets:
            keep_secret(connection, secret, secret.name)
        if lake.is_shared:
            yield from _server(connection, lake)
        yield from _format(connection, lake)
        yield from _data(connection, lake)


def _origin(name: str) -> str:
    return f"{name} (package)" if extensions.packaged(name) else f"{name} (of this user)"


# The server


class _Answer(NamedTuple):
    """The answers of the server of the catalog about the user who logs in."""

    version: str
    user: str
    is_superuser: bool
    time: float  # seconds since 1970
    has_schema: bool
    may_make_schema: bool
    may_create: bool  # in the schema, if it is there
    closed: int  # tables of the lake that the user may not write


# `{0}` is the schema as a name, `{1}` as a text.
_QUESTION = """
SELECT split_part(version(), ' ', 2), current_user::text,
    (SELECT rolsuper FROM pg_roles WHERE rolname = current_user),
    extract(epoch FROM clock_timestamp())::float8,
    to_regnamespace({1}) IS NOT NULL,
    has_database_privilege(current_database(), 'CREATE'),
    coalesce((
        SELECT has_schema_privilege(oid, 'CREATE') FROM pg_namespace WHERE nspname = {0}
    ), false),
    (SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
        WHERE nspname = {0} AND relkind = 'r' AND starts_with(relname, 'ducklake_') AND NOT (
            has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT')
            AND has_table_privilege(c.oid, 'UPDATE') AND has_table_privilege(c.oid, 'DELETE')))"""


def _server(connection: duckdb.DuckDBPyConnection, lake: Lake) -> Iterator[Fact | Fault]:
    address = lake.catalog.removeprefix(POSTGRES)
    if "connect_timeout" not in address and "://" not in address:
        address = f"{address} connect_timeout={_CONNECT_SECONDS}"
    connection.execute(f"ATTACH {literal(address)} AS server (TYPE postgres, READ_ONLY)")
    seconds, skew, answer = _asked(connection, lake.schema or "public")
    yield Fact(f"PostgreSQL {answer.version}, a round trip takes {1000 * seconds:.1f} ms")
    if seconds > _SLOW_SECONDS:
        yield Fault(
            f"A round trip to the catalog takes {1000 * seconds:.0f} ms. Each commit takes many.",
            "Work nearer to the server, as in its network, or bring the catalog nearer.",
        )
    if abs(skew) > _SKEW_SECONDS:
        side = "ahead of" if skew > 0 else "behind"
        yield Fault(
            f"The clock here is {abs(skew):.0f} seconds {side} that of the catalog's server.",
            "Let both follow a time server, as with: timedatectl set-ntp true",
        )
    yield from _rights(answer, quote(lake.schema or "public"))
    connection.execute("DETACH server")


def _asked(connection: duckdb.DuckDBPyConnection, schema: str) -> tuple[float, float, _Answer]:
    """The seconds of a round trip, those that the clock here is ahead, and the server's answers."""
    question = _QUESTION.format(literal(schema), literal(quote(schema)))
    times = []
    for _ in range(_TRIPS + 1):
        begun = time.perf_counter()
        connection.execute("FROM postgres_query('server', 'SELECT 1')").fetchall()
        times.append(time.perf_counter() - begun)
    begun_at = time.time()
    rows = connection.execute("FROM postgres_query('server', $1)", [question]).fetchall()
    answer = _Answer(*rows[0])
    middle = (begun_at + time.time()) / 2
    return statistics.median(times[1:]), middle - answer.time, answer  # the first one connects


def _rights(answer: _Answer, schema: str) -> Iterator[Fault]:
    user = quote(answer.user)
    if answer.is_superuser:
        yield Fault(
            f"The catalog's user {answer.user} is a superuser, who may read files of the server.",
            f"Log in as a user of its own: CREATE ROLE seeknal LOGIN PASSWORD '…'; "
            f"GRANT CREATE ON DATABASE … TO seeknal; ALTER SCHEMA {schema} OWNER TO seeknal; "
            f"and ALTER TABLE … OWNER TO seeknal for each table in it",
        )
    if answer.has_schema and not answer.may_create:
        yield Fault(
            f"The catalog's user {answer.user} may make no tables in the schema {schema}.",
            f"GRANT USAGE, CREATE ON SCHEMA {schema} TO {user}",
        )
    if not answer.has_schema and not answer.may_make_schema:
        yield Fault(
            f"The schema {schema} is not there, and the catalog's user {answer.user} may not make "
            "it.",
            f"CREATE SCHEMA {schema} AUTHORIZATION {user}",
        )
    if answer.closed:
        yield Fault(
            f"The catalog's user {answer.user} may not write {answer.closed} tables of the lake.",
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {user}",
        )


# The lake and its rows


def _format(connection: duckdb.DuckDBPyConnection, lake: Lake) -> Iterator[Fact]:
    """The version of the lake's format, if there is a lake. One that cannot be opened is told by
    those who open it."""
    try:
        schema = f", METADATA_SCHEMA {literal(lake.schema)}" if lake.schema else ""
        connection.execute(
            f"ATTACH {literal(f'ducklake:{lake.catalog}')} AS lake (READ_ONLY{schema})"
        )
        rows = connection.execute(
            "SELECT value FROM ducklake_options('lake') WHERE option_name = 'version'"
        ).fetchall()
        connection.execute("DETACH lake")
    except duckdb.Error:
        return
    yield Fact(f"The lake's format is {rows[0][0]}")


def _data(connection: duckdb.DuckDBPyConnection, lake: Lake) -> Iterator[Fact | Fault]:
    """Write, read and delete a file beside the rows, with a lake that is there for that alone: its
    catalog is on this machine."""
    place = f"{lake.data}seeknal_doctor_{uuid.uuid4().hex[:8]}/"
    with tempfile.TemporaryDirectory(prefix="seeknal-") as folder:
        try:
            connection.execute(
                f"ATTACH {literal(f'ducklake:{folder}/catalog.duckdb')} AS trial "
                f"(DATA_PATH {literal(place)}, DATA_INLINING_ROW_LIMIT 0)"
            )
            connection.execute("CREATE TABLE trial.written AS SELECT 1 AS n; FROM trial.written")
            connection.execute("DROP TABLE trial.written")
            for call in (
                "ducklake_expire_snapshots('trial', older_than => now() + INTERVAL 1 DAY)",
                "ducklake_cleanup_old_files('trial', cleanup_all => true)",
            ):
                connection.execute(f"SELECT count(*) FROM {call}").fetchall()
        except (duckdb.Error, OSError) as exc:
            yield _closed(lake, exc)
        else:
            yield Fact(f"{lake.data} can be written, read and deleted from")
        finally:
            connection.execute("DETACH DATABASE IF EXISTS trial")
            if lake.folder is not None:
                shutil.rmtree(place, ignore_errors=True)


def _closed(lake: Lake, exc: Exception) -> Fault:
    words = translated(exc, None).message if isinstance(exc, duckdb.Error) else str(exc)
    for secret in lake.secrets:
        words = secret.hides(words)
    cure = "Grant reading, writing and deleting there to the key in `warehouse.secrets`."
    if lake.folder is not None:
        existing = next(place for place in [lake.folder, *lake.folder.parents] if place.exists())
        cure = f"Let this user write there: chmod u+rwx {existing}"
    return Fault(f"{lake.data} cannot be written, read and deleted from: {words}", cure)
