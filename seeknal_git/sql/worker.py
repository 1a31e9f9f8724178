"""Let a process of its own answer what may take forever, or all memory: it has limits, and may die
of them.

DuckDB computes constants while it binds a statement, takes no notice of an interruption meanwhile,
and has no limit of its own for them: `repeat('x', 500000000)` costs a minute and 6 GB. The process
is forked (in 2 ms; a new Python with DuckDB takes 200), uses nothing of the engine that it
inherits, and answers until this process ends. 300 forks beside threads of the engine, all of them
busy, had an engine that worked.
"""

from __future__ import annotations

import atexit
import fcntl
import gc
import json
import math
import os
import resource
import select
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from seeknal_git.errors import Limits, SeeknalError, limits, raising

Function = Callable[[Any], Any]

_NO_MEMORY = 77
_PATIENCE = 30  # on a busy machine, a second of processor time may take this many
_ALL, _EACH = (
    60.0,
    0.1,
)  # seconds of processor time for all questions together, and more for each of them
_STACK = 64 << 20  # of bytes: the engine walks a statement recursively, up to a depth of 1,000
_LOCK = threading.Lock()


@dataclass(frozen=True, slots=True)
class Exhausted:
    """Given in place of an answer: the limit that a question exceeded, and how to raise it."""

    message: str
    hint: str | None = None


class TooLong(SeeknalError):
    """All questions together take too long. at: the number of the one that would have been next."""

    def __init__(self, at: int) -> None:
        super().__init__(
            "The SQL of this project takes the engine more than a minute, and a tenth of a second each.",
            "Divide the project, or simplify what takes long.",
        )
        self.at = at


def answers(function: Function, questions: Sequence[Any]) -> list[Any]:
    """Call a function with each question (as JSON takes it) in the worker: its answers, or
    Exhausted.

    Raises TooLong.
    """
    with _LOCK:
        key = (function, limits(), os.getpid())
        if key not in _started:
            _stop()
            _started[key] = _Worker(function, key[1])
        return _started[key].answers(questions)


def stop() -> None:
    """End the worker: the next question starts another one."""
    with _LOCK:
        _stop()


def _stop() -> None:
    for (_, _, owner), worker in _started.items():
        if owner == os.getpid():  # else a fork of this process inherited it
            worker.stop()
    _started.clear()


class _Dead(Exception):
    """The process that should answer has ended. reason: why, if that is known."""

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(slots=True)
class _Process:
    """pid, and the ends of two pipes. answered: how many questions it has answered; used: seconds
    of processor time."""

    pid: int
    incoming: int
    outgoing: int
    answered: int = 0
    used: float = 0.0

    def send(self, questions: Sequence[Any]) -> None:
        with suppress(BrokenPipeError):  # it is dead: to receive an answer says so
            _send(self.outgoing, questions)

    def receive(self, seconds: int) -> Any:
        """The next answer. Raises _Dead."""
        size = int.from_bytes(self._read(8, seconds), "big")
        answer = json.loads(self._read(size, seconds))
        if "bug" in answer:
            raise RuntimeError(answer["bug"])
        self.answered += 1
        self.used = answer["used"]
        return answer["answer"]

    def _read(self, size: int, seconds: int) -> bytearray:
        found = bytearray()
        while len(found) < size:
            self._wait(seconds)
            part = os.read(self.incoming, size - len(found))
            if not part:
                raise _Dead(self._cause())
            found += part
        return found

    def _wait(self, seconds: int) -> None:
        """Second by second: while this process is stopped, the clock goes on."""
        pipe = select.poll()  # select() takes no descriptor from 1,024
        pipe.register(self.incoming, select.POLLIN)
        for _ in range(seconds * _PATIENCE):
            if pipe.poll(1000):
                return
        raise _Dead("seconds")

    def _cause(self) -> str:
        _, status, usage = os.wait4(self.pid, 0)
        self.pid, self.used = 0, usage.ru_utime + usage.ru_stime
        ended = os.waitstatus_to_exitcode(status)
        return {-signal.SIGXCPU: "seconds", _NO_MEMORY: "memory_mb"}.get(ended, "")

    def end(self) -> None:
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            self._cause()
        os.close(self.incoming)
        os.close(self.outgoing)


@dataclass(slots=True)
class _Worker:
    """A function, and the process that calls it: another one after each that dies."""

    function: Function
    limits: Limits
    process: _Process | None = None
    asked: int = 0
    spent: float = 0.0

    def answers(self, questions: Sequence[Any]) -> list[Any]:
        found: list[Any] = []
        try:
            while len(found) < len(questions):
                self._ask(questions, found)
        except (
            BaseException
        ):  # interrupted while an answer is on its way: the next question would get it
            self.stop()
            raise
        return found

    def _ask(self, questions: Sequence[Any], found: list[Any]) -> None:
        """Append the answers to the questions that have none yet, up to the first that the process
        dies of."""
        if self.process is None:
            self.process = _forked(self.function, self.limits)
        process = self.process
        process.send(questions[len(found) :])
        try:
            while len(found) < len(questions):
                found.append(self._answer(process, len(found)))
        except _Dead as exc:
            self.stop()
            # What was asked before may have filled its memory: only who is asked first is to blame.
            if exc.reason == "seconds" or not process.answered:
                found.append(_exhausted(exc.reason, self.limits))

    def _answer(self, process: _Process, at: int) -> Any:
        if self.spent + process.used > _ALL + _EACH * self.asked:
            raise TooLong(at)
        self.asked += 1
        return process.receive(self.limits.seconds)

    def stop(self) -> None:
        if self.process is not None:
            self.process.end()
            self.spent += self.process.used
        self.process = None


_started: dict[tuple[Function, Limits, int], _Worker] = {}
atexit.register(stop)


def _exhausted(reason: str, given: Limits) -> Exhausted:
    if not reason:
        return Exhausted(
            "the engine crashes when it reads this SQL, or has no memory",
            "Write it in another way.",
        )
    most = f"{given.seconds} s" if reason == "seconds" else f"{given.memory_mb:,} MB"
    hint = f"Constants such as repeat('x', 1000000000) are computed while it is read. {raising(reason)}"
    return Exhausted(f"it takes the engine more than {most} to read this SQL", hint)


def _forked(function: Function, given: Limits) -> _Process:
    incoming, theirs_out = os.pipe()
    theirs_in, outgoing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", DeprecationWarning
        )  # of Python 3.12, about threads: see above
        pid = os.fork()
    if pid == 0:
        _serve(function, theirs_in, theirs_out, given)
    os.close(theirs_in)
    os.close(theirs_out)
    return _Process(pid, incoming, outgoing)


# In the other process


def _serve(function: Function, incoming: int, outgoing: int, given: Limits) -> NoReturn:
    """Answer until the other end is closed. Nothing of what was inherited is touched, nor cleaned
    up at the end."""
    try:
        gc.freeze()
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        _keep_only(incoming, outgoing)
        threading.excepthook = _tell
        threading.stack_size(_STACK)
        # A thread of its own has a stack of that size, and begins at its bottom, wherever the fork
        # was made.
        thread = threading.Thread(target=_answer, args=(function, given))
        thread.start()
        thread.join()
    finally:
        os._exit(0)


def _keep_only(incoming: int, outgoing: int) -> None:
    """Close all files but two, which become 0 and 1: whoever waits for the end of one of them must
    not wait for us."""
    ends = [
        fcntl.fcntl(each, fcntl.F_DUPFD, 10)
        for each in (incoming, outgoing, os.open(os.devnull, os.O_WRONLY))
    ]
    for number, each in enumerate(ends):
        os.dup2(each, number)
    os.closerange(3, resource.getrlimit(resource.RLIMIT_NOFILE)[0])


def _answer(function: Function, given: Limits) -> None:
    sys.setrecursionlimit(given.nesting)
    try:
        _bound_memory(given.memory_mb)
        while questions := _received():
            for question in questions:
                _bound_time(given.seconds)
                answer = function(question)
                _send(1, {"answer": answer, "used": _used()})
    except MemoryError:
        os._exit(_NO_MEMORY)


def _tell(failed: threading.ExceptHookArgs) -> None:
    """A bug of ours is raised again where the question was asked."""
    _send(
        1,
        {
            "bug": "".join(
                traceback.format_exception(failed.exc_type, failed.exc_value, failed.exc_traceback)
            )
        },
    )


def _bound_memory(megabytes: int) -> None:
    """Beyond what is there already, which is most of what the parent has. (macOS takes no
    notice.)"""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(OSError, ValueError):
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        _bound(resource.RLIMIT_AS, pages * resource.getpagesize() + (megabytes << 20))


def _used() -> float:
    """Seconds of processor time."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _bound_time(seconds: int) -> None:
    """The system ends a process that goes on for longer; Python would only notice once the engine
    returns."""
    _bound(resource.RLIMIT_CPU, math.ceil(_used()) + seconds)


def _bound(kind: int, limit: int) -> None:
    """Within what the system allows at most: continuous integration may allow less."""
    most = resource.getrlimit(kind)[1]
    resource.setrlimit(kind, (limit if most == resource.RLIM_INFINITY else min(limit, most), most))


def _received() -> Any:
    size = int.from_bytes(_exactly(8), "big")
    return json.loads(_exactly(size)) if size else None


def _exactly(size: int) -> bytearray:
    """The next bytes of this size, or fewer at the end."""
    found = bytearray()
    while len(found) < size and (part := os.read(0, size - len(found))):
        found += part
    return found


def _send(descriptor: int, value: Any) -> None:
    content = json.dumps(value, separators=(",", ":")).encode()
    rest = memoryview(len(content).to_bytes(8, "big") + content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
