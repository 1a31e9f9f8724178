"""The lease: the right to publish an environment of a lake that several machines write.

It is an advisory lock of PostgreSQL, in the database of the lake's catalog. An engine of its own
asks for it, in a transaction that stays open: the extension gives a connection back after each
statement of another kind, and session locks with it. The server gives the lock up when that
transaction ends, or when its connection is lost. A publication that goes on without the lease is
refused by the lake, as two set the comment of one table (`LakeCatalog.sign`).
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import duckdb

from seeknal_git.errors import WarehouseBusy
from seeknal_git.names import literal
from seeknal_git.sql import extensions
from seeknal_git.warehouse.deadline import Deadline
from seeknal_git.warehouse.engine_errors import our_errors
from seeknal_git.warehouse.location import POSTGRES

if TYPE_CHECKING:
    from seeknal_git.warehouse.location import Lake

_POSTGRES = "postgres_scanner"
_WAIT_SECONDS = 0.1  # between two questions for the lock


@contextmanager
def leased(lake: Lake, schema: str, deadline: Deadline) -> Iterator[None]:
    """Have the lease of an environment's schema inside the block.

    Raises WarehouseBusy if somebody else has it until the deadline, and WarehouseError if the
    server cannot be asked.
    """
    with our_errors(lake), closing(extensions.engine([_POSTGRES])) as connection:
        extensions.load(connection, [_POSTGRES])
        address = literal(lake.catalog.removeprefix(POSTGRES))
        connection.execute(f"ATTACH {address} AS catalog (TYPE postgres)")
        connection.execute("BEGIN")
        while not _is_ours(connection, lake, schema):
            if not deadline.left:
                raise WarehouseBusy(
                    f"Somebody else is publishing {schema} in {lake}. Nothing is published here, "
                    "and all that is built is kept."
                )
            time.sleep(_WAIT_SECONDS)
        yield


def _is_ours(connection: duckdb.DuckDBPyConnection, lake: Lake, schema: str) -> bool:
    """Whether the lock is free, and taken now."""
    name = f"seeknal {lake.schema}.{schema}".encode()
    key = int.from_bytes(hashlib.sha256(name).digest()[:8], signed=True)
    question = literal(f"SELECT pg_try_advisory_xact_lock({key})")
    rows = connection.execute(f"FROM postgres_query('catalog', {question})").fetchall()
    return bool(rows[0][0])
