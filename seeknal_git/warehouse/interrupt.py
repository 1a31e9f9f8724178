"""Let Ctrl-C stop the engine: it takes no notice of signals while the main thread waits for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TypeVar

import duckdb

T = TypeVar("T")
_PAUSE_SECONDS = 0.05


def interruptible(
    function: Callable[[], T], connections: Callable[[], Iterable[duckdb.DuckDBPyConnection]]
) -> T:
    """Call a function in a thread of its own, and return or raise what it does.

    On Ctrl-C, `connections` (asked at that moment) are interrupted until the function has ended.
    Then KeyboardInterrupt is raised, and nothing uses a connection any more.
    """
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(function)
        try:
            return future.result()
        except KeyboardInterrupt:
            while not future.done():
                for connection in connections():
                    connection.interrupt()
                wait([future], _PAUSE_SECONDS)
            raise
