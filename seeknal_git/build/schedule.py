"""Hand out the nodes of a run to its workers, one layer after the other."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

# Nodes that are made of the same share one table, so one worker takes all of them.
Twins = Sequence[str]


@dataclass(frozen=True, slots=True)
class Bundle:
    """Nodes of a layer that one worker gives to processes, and waits for."""

    units: Sequence[Twins]


Unit = Twins | Bundle


@dataclass(frozen=True, slots=True)
class Layer:
    """Nodes that can be built side by side, once the layers before have ended."""

    is_light: Callable[[], bool]  # whether every node of it is expected to take some milliseconds
    units: Callable[[], Sequence[Twins]]  # without the nodes that a failure blocks by now


@dataclass(slots=True)
class Schedule:
    """The nodes of one layer at a time. A layer opens once all workers have finished, and
    committed, the one before.

    A light layer is one worker's, which reads its own uncommitted tables and need not commit
    before: a commit costs more than such a node. If one of its nodes takes long after all, the rest
    of the layer is for all workers.

    It does not depend on how many workers there are: one that joins late, or after the end, is no
    obstacle to the others.
    """

    layers: deque[Layer]
    long_seconds: float  # of a node that takes long
    # The nodes of a layer as they are handed out to all workers.
    gathered: Callable[[Iterable[Twins]], Iterable[Unit]] = iter
    _condition: threading.Condition = field(default_factory=threading.Condition)
    _waiting: deque[Unit] = field(default_factory=deque)
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

    @property
    def is_light(self) -> bool:
        """Whether the next layer is light."""
        return bool(self.layers) and self.layers[0].is_light()

    @property
    def is_empty(self) -> bool:
        """Whether all nodes were handed out."""
        return not (self.layers or self._waiting)

    def units(self, commit: Callable[[], None]) -> Iterator[Unit]:
        """The nodes that a worker is to build. commit: called whenever this worker has nothing to
        do until other workers have finished."""
        while True:
            while (unit := self._next()) is not None:
                yield unit
            commit()  # a transaction that is open does not see what others committed since
            yield from self.light_units(commit)
            commit()
            if not self._is_next_layer_open():
                return

    def light_units(self, commit: Callable[[], None]) -> Iterator[Twins]:
        """The nodes of the light layers that come next, for a worker that is alone with them. If
        one takes long, the worker commits, and the rest of its layer is handed out to all."""
        while True:
            units = self._taken_alone()
            if not units:
                return
            while units and not self._ended:
                started = time.perf_counter()
                yield units.popleft()
                if units and time.perf_counter() - started > self.long_seconds:
                    commit()
                    self._hand_out(units)
                    return

    def _taken_alone(self) -> deque[Twins] | None:
        """All nodes of the next layer that has any, if it is light and all others are idle."""
        with self._condition:
            while not (self._ended or self._waiting or self._idle < self._workers - 1):
                if not self.is_light:
                    break
                self._opened += 1
                if units := deque(self.layers.popleft().units()):
                    return units
            return None

    def _hand_out(self, units: Iterable[Twins]) -> None:
        with self._condition:
            self._waiting.extend(self.gathered(units))
            self._condition.notify_all()

    def _next(self) -> Unit | None:
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
                        if self.is_light:
                            break  # it is for this worker alone
                        self._open()
                    else:
                        self._condition.wait()
            finally:
                self._idle -= 1
            return not self._ended

    def _open(self) -> None:
        if self.layers:
            self._waiting.extend(self.gathered(self.layers.popleft().units()))
            self._opened += 1
        else:
            self._ended = True
        self._condition.notify_all()
