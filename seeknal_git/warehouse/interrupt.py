"""Let Ctrl-C stop the engine, which ignores signals while the main thread waits for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Protocol, TypeVar

T = TypeVar("T")
_PAUSE_SECONDS = 0.05


class Busy(Protocol):
    """A user of the engine whose statement can be stopped from another thread."""

    def interrupt(self) -> None: ...


def interruptible(function: Callable[[], T], users: Callable[[], Iterable[Busy]]) -> T:
    """Call a function in a thread of its own, and return or raise what it does.

    On Ctrl-C, the users of the engine (asked for at that moment) are interrupted until the function
    has ended. Then KeyboardInterrupt is raised, and nothing uses the engine any more.
    """
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(function)
        try:
            return future.result()
        except KeyboardInterrupt:
            while not future.done():
                for user in users():
                    user.interrupt()
                wait([future], _PAUSE_SECONDS)
            raise
