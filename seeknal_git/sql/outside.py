"""Read another database, a lake or a bucket, in an engine of its own that runs no SQL of a node.

The engine has the one extension that it needs and secrets that end with it. Once it is attached to
the database, read-only, it is closed: it opens nothing else but one folder of ours. The SELECT of a
source is checked before (`outside_query.py`), so its rows leave by a file in that folder alone.
"""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb

from seeknal_git.names import SPILL, literal, option, qualified, quote
from seeknal_git.process_folders import own_folder
from seeknal_git.sql.addresses import KEYS, OF_CATALOG, Address
from seeknal_git.sql.engine import SqlError, engine_words
from seeknal_git.sql.engine_version import exactly
from seeknal_git.sql.extensions import load
from seeknal_git.sql.outside_query import over_catalog, table_in_full
from seeknal_git.sql.statement import Columns
from seeknal_git.sql.type_words import CARRIED_AS

CONNECT_SECONDS = 10
SHUT: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "allow_persistent_secrets": "false",  # those of whoever runs this are not a connection's
}
# With these settings, a database gives all rows and values as they are, for DuckDB to compare and
# sum. MySQL by itself compares text without case, accents and blanks at the end, reads a TINYINT(1)
# of 5 as true, and stops a SELECT after five minutes. With several threads its extension may crash:
# github.com/duckdb/duckdb-mysql/issues/225
_AS_THEY_ARE = {
    "mysql": {
        "threads": "1",
        "mysql_experimental_filter_pushdown": "false",
        "mysql_aggregate_pushdown_enabled": "false",
        "mysql_order_pushdown_enabled": "false",
        "mysql_tinyint1_as_boolean": "false",
        "mysql_incomplete_dates_as_nulls": "true",
        "mysql_session_time_zone": "'+00:00'",
        "mysql_query_timeout_enabled": "false",
    }
}
_NOT_CARRIED = re.compile(r"INTERVAL|BIT|BIGNUM|VARINT|TIME WITH TIME ZONE|UNION\(")
_DOWN = re.compile(
    r"refused|could not translate host|timeout expired|timed out|No route|unreachable"
    r"|Can't connect|Unknown (?:MySQL )?server host|Could not (?:connect|resolve)|HTTP 0\b"
)
_LOGIN = re.compile(
    r"password authentication failed|no password supplied|Access denied|role .* does not exist"
    r"|HTTP 403|InvalidAccessKeyId|SignatureDoesNotMatch|Unauthorized|HTTP 401"
    r"|OAuth2 token request failed|invalid_client"
)
_NO_DATABASE = re.compile(r"database .* does not exist|Unknown database")
_NO_TABLE = re.compile(r"Table with name|does not exist because schema|HTTP 404|No files found")
_LISTED = 200
# The tables and views of a database.
_TABLES = (
    "SELECT schema_name, table_name AS name FROM duckdb_tables() WHERE database_name = $1 "
    "UNION SELECT schema_name, view_name FROM duckdb_views() "
    "WHERE database_name = $1 AND NOT internal"
)
_DOTTED = re.compile(r"\w+(?:\.\w+){0,2}")
_PREFIX = re.compile(
    r"^(?:\w+ )*Error: (?:Unable to connect to \w+ ?|Failed to connect to \w+ database with "
    r'parameters "[^"]*": )?'
)
_KIND = re.compile(r"^\w+(?: \w+)? Error: ")


class Unreached(Exception):
    """Something outside cannot be read: the reason without any secret, and the cure."""

    def __init__(self, message: str, hint: str, *, of_login: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        # Whether the connection is the cause, and not the node.
        self.of_login = of_login


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of a source: a table, or a SELECT over tables."""

    object: str
    query: str = ""


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file that has a URL."""

    url: str
    size: int
    changed: str  # the time of its last change, as the server tells it; may be empty


@contextmanager
def outside(address: Address, folder: Path, places: Sequence[str] = ()) -> Iterator[Outside]:
    """An engine that is attached to a database, or may read some URLs. Raises Unreached, and
    MissingExtension.

    folder: where it writes; places: URLs or folders that it reads.
    """
    with closing(duckdb.connect(":memory:", config=SHUT)) as connection:
        load(connection, _extensions(address, places))
        made = Outside(connection, address, folder)
        with made.faults():
            _ask_for_values_as_they_are(connection, address.system)
            keep_secret(connection, address)
            if login := login_of(address):
                connection.execute(login)
            close_engine(connection, address, folder, places)
        yield made


@dataclass(frozen=True, slots=True)
class Outside:
    """An engine that is attached to one database."""

    connection: duckdb.DuckDBPyConnection
    address: Address
    folder: Path

    def select(self, table: Table) -> str:
        """The SELECT of the rows of a source, each type as a file can hold it. Raises Unreached for
        a table that is not there."""
        with self.faults(table):
            rows = self._rows(table)
        columns = self._described(rows, table)
        if not_held := [name for name, word in columns if _NOT_CARRIED.search(word)]:
            word = dict(columns)[not_held[0]]
            cure = f"Cast it in `params.query`: CAST({quote(not_held[0])} AS VARCHAR)."
            raise Unreached(f"its column {not_held[0]} is {word}, which is not read", cure)
        return f"SELECT {', '.join(_carried(*column) for column in columns)} FROM ({rows}\n)"

    def columns(self, table: Table) -> Columns:
        """The columns of a source, as a file of its rows has them."""
        with self.faults(table):
            return self._described(self.select(table), table)

    def copy(self, select: str, file: Path) -> int:
        """Write the rows of a SELECT to a Parquet file; returns their number."""
        with self.faults():
            rows = self.connection.execute(
                f"COPY ({select}) TO {literal(str(file))} (FORMAT parquet, COMPRESSION zstd)"
            ).fetchall()
        return int(rows[0][0])

    def digest(self, select: str) -> str:
        """A hash of the rows of a SELECT in any order, and of its columns."""
        with self.faults():
            columns = self._described(select, None)
            rows = self.connection.execute(
                "SELECT count(*), bit_xor(hash(t)), sum(hash(t)::HUGEINT)::VARCHAR "
                f"FROM ({select}) AS t"
            ).fetchall()
        return hashlib.sha256(repr((columns, rows)).encode()).hexdigest()

    def digest_of(self, file: Path) -> str:
        """The same of a file of rows that was written here."""
        return self.digest(f"SELECT * FROM read_parquet({literal(exactly(file))})")

    def watermark(self, select: str, column: str) -> str:
        """The greatest value of a column, as text. Raises Unreached for a column that is not
        there."""
        with self.faults():
            names = [name for name, _ in self._described(select, None)]
            if column not in names:
                raise Unreached(
                    f"it has no column {column} for its watermark", _near(column, names)
                )
            sql = f"SELECT max({quote(column)})::VARCHAR FROM ({select})"
            rows = self.connection.execute(sql).fetchall()
        return str(rows[0][0])

    def answer(self, sql: str) -> str:
        """The one value of a SELECT of a node, as text. Raises Unreached."""
        with self.faults(Table("", sql)):
            text = over_catalog(sql, self.address.catalog, self.address.schema)
            rows = self.connection.execute(f"SELECT t::VARCHAR FROM ({text}\n) AS t LIMIT 2")
            found = rows.fetchall()
        if len(found) != 1:
            way = "Write a SELECT of one row, such as SELECT max(id) FROM orders."
            raise Unreached("its version is a SELECT of one row, and this has another number", way)
        return str(found[0][0])

    @contextmanager
    def unmoved(self) -> Iterator[None]:
        """Everything in the block sees the database at one moment, if it can do that."""
        self.connection.execute("BEGIN")
        try:
            yield
        finally:
            with suppress(duckdb.Error):  # an error may have ended it
                self.connection.execute("ROLLBACK")

    def files(self, pattern: str) -> list[RemoteFile]:
        """The files that a URL with `*` names. Raises Unreached."""
        with self.faults():
            rows = self.connection.execute(
                "SELECT filename, size, last_modified::VARCHAR FROM "
                f"read_blob({literal(pattern)}) ORDER BY 1"
            ).fetchall()
        return [RemoteFile(str(url), int(size), str(when or "")) for url, size, when in rows]

    def content(self, url: str) -> bytes:
        """The bytes of a file. Raises Unreached."""
        with self.faults():
            sql = f"SELECT content FROM read_blob({literal(exactly(url))})"
            rows = self.connection.execute(sql).fetchall()
        return bytes(rows[0][0])

    @contextmanager
    def faults(self, table: Table | None = None) -> Iterator[None]:
        """Raise Unreached for an error of the engine within the block."""
        try:
            yield
        except SqlError as exc:
            raise Unreached(f"its query is refused: {exc.message}", _READ_ABOUT) from exc
        except duckdb.Error as exc:
            raise _told(self, exc, table) from exc

    def tables(self) -> list[str]:
        """Tables of the database, as `schema.table`, for a message: those of the connection's
        schema come first, and not all are told."""
        rows = self.connection.execute(
            f"SELECT schema_name || '.' || name FROM ({_TABLES}) "
            f"ORDER BY schema_name <> $2, 1 LIMIT {_LISTED}",
            [self.address.catalog, self.address.schema],
        ).fetchall()
        return [str(name) for (name,) in rows]

    def tables_in(self, schema: str) -> list[str]:
        """The names of all tables of a schema."""
        rows = self.connection.execute(
            f"SELECT name FROM ({_TABLES}) WHERE lower(schema_name) = lower($2) ORDER BY 1",
            [self.address.catalog, schema],
        ).fetchall()
        return [str(name) for (name,) in rows]

    def _rows(self, table: Table) -> str:
        system, schema = self.address.system, self.address.schema
        if system in ("delta", "iceberg") and not self.address.has_catalog:
            return f"SELECT * FROM {system}_scan({literal(table.object)})"
        if self.address.has_catalog:
            return f"SELECT * FROM {self._table_of_catalog(table)}"
        if table.query:
            return over_catalog(table.query, self.address.catalog, schema)
        return table_in_full(table.object, self.address.catalog, schema)

    def _table_of_catalog(self, table: Table) -> str:
        """A table of a catalog of Iceberg, in full. Raises Unreached unless it is there: DuckDB
        takes the name of one that is not for that of a file."""
        place = self.address.name
        if not _DOTTED.fullmatch(table.object):
            message = f"{place} is a catalog, and {table.object} is no table of one"
            raise Unreached(message, "Write `table: namespace.table`.")
        schema, _, name = table.object.rpartition(".")
        schema = schema.removeprefix(f"{place}.") or self.address.schema
        if name not in self.tables_in(schema):
            raise _no_table(self, table, "")
        return qualified(self.address.catalog, schema, name)

    def _described(self, select: str, table: Table | None) -> Columns:
        with self.faults(table):
            rows = self.connection.execute(f"DESCRIBE {select}").fetchall()
        return tuple((str(row[0]), str(row[1])) for row in rows)


_READ_ABOUT = "It is one SELECT over tables of its connection, in DuckDB's SQL."


def _extensions(address: Address, places: Sequence[str]) -> list[str]:
    remote = any("://" in place for place in places)
    return [*dict.fromkeys([*address.extensions, *(["httpfs"] if remote else [])])]


def _ask_for_values_as_they_are(connection: duckdb.DuckDBPyConnection, system: str) -> None:
    """Make settings of an extension, those that its version has."""
    wanted = _AS_THEY_ARE.get(system)
    if not wanted:
        return
    rows = connection.execute("SELECT name FROM duckdb_settings()").fetchall()
    for (name,) in rows:
        if name in wanted:
            connection.execute(f"SET GLOBAL {name} = {wanted[name]}")


def keep_secret(
    connection: duckdb.DuckDBPyConnection, address: Address, name: str = "login"
) -> None:
    """Give an engine the login of an address under a name, until it is closed."""
    words = KEYS.get(address.system, {})
    if address.system == "iceberg":
        _keep(connection, name, "iceberg", OF_CATALOG, _with_server(address))
        name, words = "bucket", {key: word for key, word in words.items() if key not in OF_CATALOG}
    kind = {"postgresql": "postgres", "delta": "s3", "iceberg": "s3"}.get(address.system)
    _keep(connection, name, kind or address.system, words, address)


def _with_server(address: Address) -> Address:
    """A catalog whose client says no server that gives out tokens has it itself."""
    options = address.options
    if "client_id" not in options or "oauth2_server_uri" in options:
        return address
    server = f"{options.get('catalog_uri', '').rstrip('/')}/v1/oauth/tokens"
    return replace(address, options={**options, "oauth2_server_uri": server})


def _keep(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    kind: str,
    words: Mapping[str, str],
    address: Address,
) -> None:
    """Make a secret of those options of an address that have a word for it, if there are any."""
    values = {words[key]: value for key, value in address.options.items() if words.get(key)}
    if values:
        said = ", ".join(f"{word} {option(value)}" for word, value in values.items())
        connection.execute(f"CREATE TEMPORARY SECRET {quote(name)} (TYPE {kind}, {said})")


def login_of(address: Address, *, read_only: bool = True) -> str:
    """The statement that attaches a database; empty for a lake or a bucket, which is read by its
    URL."""
    system, options, catalog = address.system, address.options, quote(address.catalog)
    mode = ", READ_ONLY" if read_only else ""
    if system == "postgresql":
        seconds = str(options.get("connect_timeout") or CONNECT_SECONDS)
        said = {"connect_timeout": seconds, "sslmode": options.get("sslmode", "")}
        text = " ".join(f"{key}={value}" for key, value in said.items() if value)
        return f"ATTACH {literal(text)} AS {catalog} (TYPE postgres, SECRET login{mode})"
    if system == "mysql":
        return f"ATTACH '' AS {catalog} (TYPE mysql, SECRET login{mode})"
    if address.has_catalog:
        return _login_of_catalog(options, catalog, mode)
    if system in ("sqlite", "duckdb"):
        return f"ATTACH {literal(options['path'])} AS {catalog} (TYPE {system}{mode})"
    return ""


def _login_of_catalog(options: Mapping[str, str], catalog: str, mode: str) -> str:
    login = "SECRET login" if OF_CATALOG.keys() & options.keys() else "AUTHORIZATION_TYPE 'none'"
    own = ", ACCESS_DELEGATION_MODE 'none'" if "key_id" in options else ""
    return (
        f"ATTACH {literal(options.get('warehouse', ''))} AS {catalog} (TYPE iceberg, "
        f"ENDPOINT {literal(options['catalog_uri'])}, {login}{own}{mode})"
    )


def close_engine(
    connection: duckdb.DuckDBPyConnection, address: Address, folder: Path, places: Sequence[str]
) -> None:
    """Nothing is opened after that but the folder and the places. The tables of a catalog of
    Iceberg may be anywhere, so an engine for one is not closed; but no SQL of a node comes to it,
    nor a secret of another place."""
    if address.has_catalog:
        connection.execute("SET GLOBAL TimeZone = 'UTC'; SET lock_configuration = true")
        return
    opened = [f"{folder}/", *(place if place.endswith("/") else f"{place}/" for place in places)]
    files = [*places]
    connection.execute(
        "SET GLOBAL TimeZone = 'UTC'; "
        f"SET temp_directory = {literal(str(own_folder(folder / SPILL)))}; "
        f"SET allowed_directories = [{', '.join(map(literal, opened))}]; "
        f"SET allowed_paths = [{', '.join(map(literal, files))}]::VARCHAR[]; "
        "SET enable_external_access = false; SET lock_configuration = true"
    )


def _carried(name: str, word: str) -> str:
    column = quote(name)
    carried = "VARCHAR" if word.startswith("ENUM(") else CARRIED_AS.get(word)
    return f"CAST({column} AS {carried}) AS {column}" if carried else column


def _near(name: str, names: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, names, 1)
    return f"Did you mean {near[0]}?" if near else f"There are {', '.join(names)}."


def _told(made: Outside, exc: duckdb.Error, table: Table | None) -> Unreached:
    """The engine's error in words that say how to mend it."""
    address = made.address
    text = " ".join(address.hides(str(exc)).split())
    text = _PREFIX.sub("", text).rstrip(". ")
    place = address.name or address.system
    if _DOWN.search(text):
        cure = "Start the server, or correct its host and port"
        return Unreached(f"{place} cannot be reached: {text}", cure, of_login=True)
    if _NO_DATABASE.search(text):
        return Unreached(f"{place}: {text}", "Correct its `database`", of_login=True)
    if _LOGIN.search(text):
        cure = "Correct its user and password"
        return Unreached(f"{place} refuses the login: {text}", cure, of_login=True)
    if "version-hint" in text:
        message = f"{table.object if table else place} does not say which version is its last"
        cure = "Write it to metadata/version-hint.text there, or read the table by its catalog"
        return Unreached(message, f"{cure}: a connection with `catalog_uri`.")
    is_folder = address.system in ("delta", "iceberg") and not address.has_catalog
    if table is not None and _NO_TABLE.search(text) and not is_folder:
        return _no_table(made, table, text)
    words = _KIND.sub("", engine_words(type(exc)(address.hides(str(exc))))[0])
    return Unreached(f"{place}: {words.rstrip('.')}", _READ_ABOUT if table else "")


def _no_table(made: Outside, table: Table, text: str) -> Unreached:
    with suppress(duckdb.Error):  # DuckDB 2 answers nothing more after an error in a transaction
        made.connection.execute("ROLLBACK")
    there = made.tables()
    if table.query:
        words = text.partition(" LINE ")[0]
        listed = f"It has {', '.join(there[:5])}." if there else "It has no tables."
        return Unreached(f"{made.address.name}: {words.rstrip('!. ')}", listed)
    named = table.object if "." in table.object else f"{made.address.schema}.{table.object}"
    near = _near(named, there) if there else "The user of the connection sees no table."
    return Unreached(f"{made.address.name} has no table {named}", near)


def sheet_as_rows(file: Path, options: dict[str, object], target: Path) -> None:
    """Write the rows of a sheet to a Parquet file. Raises Unreached and MissingExtension."""
    address = Address("excel", "")
    with outside(address, target.parent, [str(file)]) as made, made.faults():
        given = "".join(f", {name} = {option(value)}" for name, value in sorted(options.items()))
        made.copy(f"SELECT * FROM read_xlsx({literal(str(file))}{given})", target)
