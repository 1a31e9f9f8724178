"""Rows written to the file, or to the folder of files, of an exposure."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seeknal_git.names import literal, quote

if TYPE_CHECKING:
    import duckdb


def copied(
    connection: duckdb.DuckDBPyConnection, sql: str, definition: Mapping[str, Any], target: Path
) -> None:
    """Write the rows of a SELECT in the form that an exposure's definition says."""
    options = [f"FORMAT {definition['format']}"]
    if definition["format"] == "csv":
        options.append("HEADER")
    if definition["compression"]:
        options.append(f"COMPRESSION {literal(definition['compression'])}")
    if definition["partition_by"]:
        options.append(f"PARTITION_BY ({', '.join(map(quote, definition['partition_by']))})")
    connection.execute(f"COPY ({sql}) TO {literal(str(target))} ({', '.join(options)})")
