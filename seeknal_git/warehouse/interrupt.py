"""Let Ctrl-C stop the engine: it takes no notice of signals while the main thread waits for it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import TypeVar

import duckdb

T = TypeVar("T")
_PAUSE_SECONDS = 0.05


def interruptible(function: Callable[[], T], connections: Callable[[], Iterable[duckdb.DuckDBPyConnection]]) -> T:
    """Call a function in a thread of its own, and return or raise what it does.

    On Ctrl-C, `connections` (asked at that moment) are interrupted until the function has ended. Then KeyboardInterrupt
    is raised, and nothing uses a connection any more.
    """
    outcome: list[T] = []
    failure: list[BaseException] = []
    ended = threading.Event()  # Thread.join, once interrupted, takes a thread that runs for one that has ended (3.11)

    def call() -> None:
        try:
            outcome.append(function())
        except BaseException as exc:  # noqa: BLE001  raised again below, in the thread that asked
            failure.append(exc)
        finally:
            ended.set()

    threading.Thread(target=call, name="seeknal").start()
    try:
        ended.wait()
    except KeyboardInterrupt:
        while not ended.wait(_PAUSE_SECONDS):
            for connection in connections():
                connection.interrupt()
        raise
    if failure:
        raise failure[0]
    return outcome[0]
