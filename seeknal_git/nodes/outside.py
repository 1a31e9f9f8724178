"""Sources outside of the project: tables of other databases, and files that have a URL. Pure: a
connection is a name here, and `profiles.yml` says what it means."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

# Databases whose tables are named by schema and table, over a connection.
SERVERS = ("postgresql", "mysql")
# Databases that are one file, over a connection or below the project.
DATABASE_FILES = ("sqlite", "duckdb")
# Tables that are a folder, below the project or at a URL.
LAKES = ("delta", "iceberg")
DATABASES = (*SERVERS, *DATABASE_FILES, *LAKES)
ALIASES = {"postgres": "postgresql", "sqlite3": "sqlite"}
EXCEL = "excel"
BUCKET = "s3"  # of a file that an exposure delivers
# Files that have a URL; a connection has the keys to a bucket.
FILES = "files"

_URL = re.compile(r"(?:s3|https?)://[^\s]+")


def is_url(path: object) -> bool:
    """Whether a path is the URL of a file that can be read."""
    return bool(_URL.fullmatch(str(path or "").strip()))


def words_of(outside: Mapping[str, Any]) -> str:
    """The name of a source's data, for messages."""
    if outside["system"] == FILES:
        return str(outside["object"])
    named = outside["object"] or "the query"
    return f"{named} of {outside['connection'] or outside['system']}"


def deciding(outside: Mapping[str, Any]) -> dict[str, str]:
    """The part of it that decides the rows, for the definition of the node."""
    return {key: outside[key] for key in ("system", "connection", "object", "query")}
