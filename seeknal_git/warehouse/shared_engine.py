"""One engine for the looks that a command takes at the state of a warehouse.

A plan takes up to four of them, and to start an engine takes twenty times as long as to attach a
warehouse to it. An engine that has executed only SQL of this package is as good as new.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import duckdb

# (process, warehouse) → the engine that is kept. There is at most one for a process.
_idle: dict[tuple[int, str], duckdb.DuckDBPyConnection] = {}

# The same for those in use that stay attached to a warehouse.
_busy: dict[tuple[int, str], duckdb.DuckDBPyConnection] = {}


@contextmanager
def shared_engine(
    place: str, made: Callable[[], duckdb.DuckDBPyConnection]
) -> Iterator[duckdb.DuckDBPyConnection]:
    """An engine that is kept for the next caller, unless an error leaves the block.

    place: the name of a warehouse; made: makes an engine for it.
    """
    with _lent((os.getpid(), place), made) as connection:
        yield connection


@contextmanager
def attached_engine(
    place: str, made: Callable[[], duckdb.DuckDBPyConnection]
) -> Iterator[duckdb.DuckDBPyConnection]:
    """The same, of an engine that stays attached to a warehouse. Inside the block, others get a
    connection of its own to it."""
    key = (os.getpid(), place)
    if key in _busy:
        with _busy[key].cursor() as connection:
            yield connection
        return
    with _lent(key, made) as connection:
        _busy[key] = connection
        try:
            yield connection
        finally:
            del _busy[key]


@contextmanager
def _lent(
    key: tuple[int, str], made: Callable[[], duckdb.DuckDBPyConnection]
) -> Iterator[duckdb.DuckDBPyConnection]:
    connection = _idle.pop(key, None) or made()
    try:
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
