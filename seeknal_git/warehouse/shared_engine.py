"""One engine for the looks that a command takes at the state of a warehouse.

A plan takes up to four of them, and to start an engine takes twenty times as long as to attach a
warehouse to it. An engine that has executed only SQL of this package is as good as new.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

# (process, settings) → the engine that is kept. There is at most one for a process.
_idle: dict[tuple[int, str], duckdb.DuckDBPyConnection] = {}


@contextmanager
def shared_engine(settings: str, place: str = "") -> Iterator[duckdb.DuckDBPyConnection]:
    """An engine with these settings, which is kept for the next caller, unless an error leaves the
    block. place: a name of its own, for an engine that stays attached to a warehouse."""
    key = (os.getpid(), place or settings)
    idle = _idle.pop(key, None)
    connection = idle or duckdb.connect(":memory:")
    try:
        if idle is None:
            connection.execute(settings)
        yield connection
    except BaseException:
        connection.close()
        raise
    _end_idle()
    _idle[key] = connection


@atexit.register
def _end_idle() -> None:
    """End the engine that is kept. A fork leaves alone the one that it inherited, whose threads are
    not its own."""
    for key in [key for key in _idle if key[0] == os.getpid()]:
        _idle.pop(key).close()
