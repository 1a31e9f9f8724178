"""Hand out the nodes of a run to its workers, one layer after the other."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

# Nodes that are made of the same share one table, so one worker takes all of them.
Twins = Sequence[str]


@dataclass(slots=True)
class Schedule:
    """The nodes of one layer at a time. A layer opens once all workers have finished, and
    committed, the one before.

    It does not depend on how many workers there are: one that joins late, or after the end, is no
    obstacle to the others.
    """

    layers: Iterator[Sequence[Twins]]  # each is asked for when the one before has ended
    _condition: threading.Condition = field(default_factory=threading.Condition)
    _waiting: deque[Twins] = field(default_factory=deque)
    _workers: int = 0
    _idle: int = 0
    _opened: int = 0
    _ended: bool = False

    @contextmanager
    def joined(self) -> Iterator[None]:
        """One worker more, inside the block. If it breaks off, the run ends for the others too."""
        with self._condition:
            self._workers += 1
        try:
            yield
        except BaseException:
            self.end()
            raise
        finally:
            with self._condition:
                self._workers -= 1
                self._condition.notify_all()

    def end(self) -> None:
        """Hand out nothing more."""
        with self._condition:
            self._ended = True
            self._condition.notify_all()

    def units(self, commit: Callable[[], None]) -> Iterator[Twins]:
        """The nodes that a worker is to build. commit: called whenever this worker has nothing to
        do until other workers have finished."""
        while True:
            unit = self._next()
            if unit is not None:
                yield unit
                continue
            commit()
            if not self._is_next_layer_open():
                return

    def _next(self) -> Twins | None:
        with self._condition:
            return self._waiting.popleft() if self._waiting and not self._ended else None

    def _is_next_layer_open(self) -> bool:
        """Wait for the other workers. False at the end of the run."""
        with self._condition:
            layer = self._opened
            self._idle += 1
            try:
                while not self._ended and layer == self._opened and not self._waiting:
                    if self._idle >= self._workers:
                        self._open()
                    else:
                        self._condition.wait()
            finally:
                self._idle -= 1
            return not self._ended

    def _open(self) -> None:
        layer = next(self.layers, None)
        if layer is None:
            self._ended = True
        else:
            self._waiting.extend(layer)
            self._opened += 1
        self._condition.notify_all()
