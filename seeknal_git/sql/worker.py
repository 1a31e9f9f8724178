"""Ask workers, which are processes with limits, questions that may take forever or all memory.

There is one worker for each processor, if there are many questions. Each is asked a few at a time,
so that all are busy to the end, and rather about texts that it has parsed already. A worker may die
of a question: the others are asked again.
"""

from __future__ import annotations

import atexit
import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from seeknal_git.errors import Limits, SeeknalError, limits, raising
from seeknal_git.sql.worker_process import Dead, Process, Task, forked

_PATIENCE = 30  # on a busy machine, a second of processor time may take this many
_ALL = 60.0  # seconds of processor time for all questions together …
_EACH = 0.1  # … and more for each of them
_MOST_WORKERS = 4
_PER_WORKER = 50  # questions that are worth another worker: its start costs a tenth of a second
_CHUNK = 32  # questions to ask a worker at once, at most
_BACKLOG = (
    8  # questions that may wait for the worker that parsed their texts, while others are idle
)
_LOCK = threading.Lock()


@dataclass(frozen=True, slots=True)
class Exhausted:
    """Given in place of an answer: the limit that a question exceeded, and how to raise it."""

    message: str
    hint: str | None = None


class TooLong(SeeknalError):
    """All questions together take too long. at: the number of the first without an answer."""

    def __init__(self, at: int) -> None:
        super().__init__(
            "The SQL of this project takes the engine more than a minute, and a tenth of a second"
            " each.",
            "Divide the project, or simplify what takes long.",
        )
        self.at = at


def answers(task: Task, questions: Iterable[Any], likely: int = 0) -> list[Any]:
    """The workers' answer to each question, or Exhausted. See `converse`."""
    found: dict[int, Any] = {}
    converse(task, questions, found.__setitem__, likely)
    return [found[number] for number in range(len(found))]


def converse(
    task: Task, questions: Iterable[Any], heard: Callable[[int, Any], None], likely: int = 0
) -> None:
    """Have workers answer questions. heard: takes each answer, or Exhausted, with the number of its
    question from 0, as soon as it has come.

    The questions (JSON values) are taken one by one, while earlier ones are answered; None stands
    for a question that only follows from an answer that has not come yet. likely: how many there
    may be, so that the workers start before they come. Raises TooLong.
    """
    with _LOCK:
        key = (task, limits(), os.getpid())
        if key not in _started:
            _stop()
            _started[key] = _Workers(task, key[1])
        _started[key].converse(questions, heard, likely)


def stop() -> None:
    """End the workers: the next question starts others."""
    with _LOCK:
        _stop()


def _stop() -> None:
    for (_, _, owner), workers in _started.items():
        if owner == os.getpid():  # else a fork of this process inherited them
            workers.stop()
    _started.clear()


@dataclass(slots=True)
class _Workers:
    """The processes that work on one task: another one after each that dies."""

    task: Task
    limits: Limits
    processes: list[Process] = field(default_factory=list)
    answered: int = 0
    spent: float = 0.0  # seconds of processor time, by those that have ended
    parsed: dict[int, int] = field(default_factory=dict)  # hash of a text → the process that has it

    def converse(
        self, questions: Iterable[Any], heard: Callable[[int, Any], None], likely: int
    ) -> None:
        try:
            self._start(likely)
            _Round(self, iter(questions), heard).go()
        except BaseException:  # answers are on their way: the next question would get them
            self.stop()
            raise

    def free(self, busy: Iterable[Process], asked: int) -> Process | None:
        """A process that is not busy, a new one if the questions are worth it; None if all are
        busy."""
        self._start(max(asked, 1))
        taken = {process.pid for process in busy}
        return next((process for process in self.processes if process.pid not in taken), None)

    def _start(self, questions: int) -> None:
        """Have as many processes as that many more questions are worth."""
        worth = -(-(self.answered + questions) // _PER_WORKER) if questions else 0
        wanted = min(worth, _processors(), _MOST_WORKERS)
        if wanted > max(len(self.processes), 1):
            self.task.load()  # once, not in each of them
        while len(self.processes) < wanted:
            self.processes.append(forked(self.task, self.limits))

    def is_over_time(self) -> bool:
        used = self.spent + sum(process.used for process in self.processes)
        return used > _ALL + _EACH * self.answered

    def drop(self, process: Process) -> None:
        process.kill()
        self.processes.remove(process)
        self.spent += process.used

    def stop(self) -> None:
        while self.processes:
            self.drop(self.processes[-1])


_started: dict[tuple[Task, Limits, int], _Workers] = {}
atexit.register(stop)


def _processors() -> int:
    """The number of processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(slots=True)
class _Round:
    """Questions on their way to their answers. They are known by their numbers."""

    workers: _Workers
    coming: Iterator[Any]
    heard: Callable[[int, Any], None]
    questions: dict[int, Any] = field(default_factory=dict)  # those without an answer
    asked: int = 0  # the number of all questions
    waiting: deque[int] = field(default_factory=deque)
    apart: deque[int] = field(default_factory=deque)  # to be asked without preparing them together
    busy: dict[int, tuple[Process, deque[int]]] = field(default_factory=dict)  # by file descriptor
    all_here: bool = False  # whether there is no other question to come
    waits: bool = False  # whether the next one follows from an answer

    def go(self) -> None:
        while True:
            self._hand_out()
            if not self.busy and self.all_here:
                return
            self._listen()

    def _take(self, most: int) -> None:
        """Have that number of questions wait, as far as they come."""
        self.waits = False
        while len(self.waiting) < most and not self.all_here and not self.waits:
            try:
                question = next(self.coming)
            except StopIteration:
                self.all_here = True
                return
            if question is None:
                self.waits = True
            else:
                self.questions[self.asked] = question
                self.waiting.append(self.asked)
                self.asked += 1

    def _hand_out(self) -> None:
        """Give each free worker a few questions: the fewer are left, the fewer."""
        self._take(1)
        idle: list[Process] = []
        while self.waiting or self.apart:
            taken = (process for process, _ in self.busy.values())
            process = self.workers.free([*taken, *idle], len(self.questions))
            if process is None:
                return
            together = not self.apart
            queue = self.waiting if together else self.apart
            self._take(_CHUNK)
            if chunk := self._chosen(queue, process):
                self.busy[process.incoming] = (process, chunk)
                process.send([self.questions[number] for number in chunk], together=together)
            else:
                idle.append(process)

    def _chosen(self, queue: deque[int], process: Process) -> deque[int]:
        """Take some questions off a queue: none whose text another process has parsed, unless many
        of these wait."""
        parsed, subject = self.workers.parsed, self.workers.task.subject
        alive = {other.pid for other in self.workers.processes if other is not process}
        texts = {number: hash(subject(self.questions[number])) for number in queue}
        suited = [number for number in queue if parsed.get(texts[number]) not in alive]
        if not suited and len(queue) > _BACKLOG:
            suited = list(queue)
        parts = 2 * len(self.workers.processes) if self.all_here else 1
        chunk = deque(suited[: min(-(-len(suited) // parts), _CHUNK)])
        parsed.update((texts[number], process.pid) for number in chunk)
        for number in chunk:
            queue.remove(number)
        return chunk

    def _listen(self) -> None:
        """Note the answers that have come. Wait for one, unless there are questions to take
        meanwhile."""
        pipes = select.poll()  # select() takes no descriptor from 1,024
        for descriptor in self.busy:
            pipes.register(descriptor, select.POLLIN)
        before = time.monotonic()
        if len(self.waiting) < _MOST_WORKERS * _CHUNK:
            self._take(len(self.waiting) + 1)
            ready = pipes.poll(1000 if self.all_here or self.waits else 0)
        else:
            ready = pipes.poll(1000)
        for descriptor, _ in ready:
            self._receive(*self.busy[descriptor])
        # Second by second: while this process is stopped, the clock goes on.
        passed = min(time.monotonic() - before, 1.0)
        for process, chunk in list(self.busy.values()):
            process.silent += passed
            if process.silent > self.workers.limits.seconds * _PATIENCE:
                process.kill()
                self._died(process, chunk, "seconds")

    def _receive(self, process: Process, chunk: deque[int]) -> None:
        descriptor = process.incoming
        try:
            for answer in process.receive():
                self.workers.answered += 1
                self._hear(chunk.popleft(), answer)
        except Dead as exc:
            self._died(process, chunk, exc.reason)
        if not chunk:
            self.busy.pop(descriptor, None)
        if self.workers.is_over_time():
            if not self.questions:
                self._take(1)
            if self.questions or not self.all_here:
                raise TooLong(min(self.questions, default=self.asked - 1))

    def _hear(self, number: int, answer: Any) -> None:
        del self.questions[number]
        self.heard(number, answer)

    def _died(self, process: Process, chunk: deque[int], reason: str) -> None:
        """Ask the others again, and blame the question that was being answered."""
        del self.busy[process.incoming]
        self.workers.drop(process)
        if not process.is_prepared:
            self.apart.extend(chunk)
            return
        # Earlier questions may have filled its memory: only the first one is to blame for that.
        if reason == "seconds" or not process.answered:
            self._hear(chunk.popleft(), _exhausted(reason, self.workers.limits))
        self.waiting.extendleft(reversed(chunk))


def _exhausted(reason: str, given: Limits) -> Exhausted:
    if not reason:
        return Exhausted(
            "the engine crashes when it reads this SQL, or has no memory",
            "Write it in another way.",
        )
    most = f"{given.seconds} s" if reason == "seconds" else f"{given.memory_mb:,} MB"
    constants = "Constants such as repeat('x', 1000000000) are computed while it is read."
    message = f"it takes the engine more than {most} to read this SQL"
    return Exhausted(message, f"{constants} {raising(reason)}")
