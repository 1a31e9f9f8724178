"""The address of a database, a lake or a bucket outside of the project, and the keys that a
connection of each type has. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

SECRETS = frozenset(
    {"password", "secret", "session_token", "token", "bearer_token", "client_secret"}
)
_LOGIN = {"host": "HOST", "port": "PORT", "database": "DATABASE", "user": "USER"}
_S3 = {
    "key_id": "KEY_ID",
    "secret": "SECRET",
    "session_token": "SESSION_TOKEN",
    "region": "REGION",
    "endpoint": "ENDPOINT",
    "url_style": "URL_STYLE",
    "use_ssl": "USE_SSL",
}
# The keys that log in to a REST catalog of Iceberg. Those of its bucket are beside them, unless the
# catalog gives them out.
OF_CATALOG = {
    "client_id": "CLIENT_ID",
    "client_secret": "CLIENT_SECRET",
    "token": "TOKEN",
    "oauth2_server_uri": "OAUTH2_SERVER_URI",
    "oauth2_scope": "OAUTH2_SCOPE",
}
# Type of a connection → its keys, and the engine's word for each in a secret; "" for the others.
KEYS: Mapping[str, Mapping[str, str]] = {
    "postgresql": {
        **_LOGIN,
        "password": "PASSWORD",
        "schema": "",
        "sslmode": "",
        "connect_timeout": "",
    },
    "mysql": {**_LOGIN, "password": "PASSWORD", "schema": ""},
    "sqlite": {"path": ""},
    "duckdb": {"path": "", "schema": ""},
    "delta": _S3,
    "iceberg": {"catalog_uri": "", "warehouse": "", "schema": "", **OF_CATALOG, **_S3},
    "s3": _S3,
    "http": {"bearer_token": "BEARER_TOKEN"},
}
# The keys that a connection cannot do without.
NEEDED = {
    "postgresql": ("host", "database"),
    "mysql": ("host", "database"),
    "sqlite": ("path",),
    "duckdb": ("path",),
}
EXTENSIONS = {
    "postgresql": ("postgres_scanner",),
    "mysql": ("mysql_scanner",),
    "sqlite": ("sqlite_scanner",),
    "duckdb": (),
    "delta": ("delta",),
    "iceberg": ("avro", "iceberg"),
    "s3": ("httpfs",),
    "http": ("httpfs",),
    "excel": ("excel",),
}
# Names that the engine has for databases of its own.
RESERVED = frozenset({"memory", "system", "temp"})
_DEFAULT_SCHEMA = {"postgresql": "public", "sqlite": "main", "duckdb": "main"}
_SHORTEST = 3  # of a value that is worth hiding in a message
_ECHO = re.compile(r'\bat "(?:[^"\\]|\\.)*=(?:[^"\\]|\\.)*"\s*:?')
_PAIR = re.compile(r"(?i)\b((?:ssl)?password|secret|token)(\s*=\s*)('(?:[^'\\]|\\.|'')*'|\S+)")
_LOGIN_OF_URL = re.compile(r"(//[^:/@\s]+):[^@/\s]*@")


@dataclass(frozen=True, slots=True)
class Address:
    """Where a database or a bucket is, and how to log in."""

    system: str  # a type of KEYS
    name: str  # of the connection, by which messages and queries call it
    options: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def catalog(self) -> str:
        """Its name in the engine. A query may name a table by it."""
        return self.name or "outside"

    @property
    def schema(self) -> str:
        """The schema of tables that are named without one."""
        given = self.options.get("schema")
        if self.system == "mysql":
            return given or self.options.get("database", "")
        return given or _DEFAULT_SCHEMA.get(self.system, "main")

    @property
    def extensions(self) -> tuple[str, ...]:
        """The engine's extensions that it takes."""
        named = EXTENSIONS[self.system]
        return (*named, "httpfs") if self.has_catalog else named

    @property
    def has_catalog(self) -> bool:
        """Whether its tables are named by a REST catalog of Iceberg, and not by their folders."""
        return self.system == "iceberg" and bool(self.options.get("catalog_uri"))

    def hides(self, text: str) -> str:
        """A message of the engine without secrets. Some messages repeat the whole login."""
        text = hidden(_ECHO.sub("", text))
        for key in SECRETS & self.options.keys():
            if len(self.options[key]) >= _SHORTEST:
                text = text.replace(self.options[key], "***")
        return text


def hidden(text: str) -> str:
    """The address of a database without its password.

    >>> hidden("dbname=lake password=geheim host=db")
    'dbname=lake password=*** host=db'
    >>> hidden("postgresql://ada:geheim@db/lake")
    'postgresql://ada:***@db/lake'
    """
    return _LOGIN_OF_URL.sub(r"\1:***@", _PAIR.sub(r"\1\2***", text))
