"""A process that answers questions within limits, from its start to its end.

DuckDB computes constants while it binds a statement, takes no notice of an interruption meanwhile,
and has no limit of its own for them: `repeat('x', 500000000)` costs a minute and 6 GB. The process
is forked (in 2 ms; a new Python with DuckDB takes 200), inherits at most the engine's code, uses no
connection of its parent, and answers until the process that started it ends. 300 forks beside busy
threads of the engine left an engine that worked.
"""

from __future__ import annotations

import fcntl
import gc
import json
import math
import os
import resource
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from seeknal_git.errors import Limits

_NO_MEMORY = 77  # the exit code of a process that has none left
_STACK = 64 << 20  # bytes: the engine walks a statement recursively, up to a depth of 1,000
_BUFFER = 1 << 16  # bytes, as many as a pipe holds


@dataclass(frozen=True, slots=True)
class Task:
    """The work of a process, as functions of a module; questions and answers are JSON values."""

    load: Callable[[], None]  # the modules, once, before the first question arrives
    prepare: Callable[[Sequence[Any]], None]  # for several questions at once
    answer: Callable[[Any], Any]  # one question
    subject: Callable[[Any], str]  # the text of a question; a process answers another one sooner


class Dead(Exception):
    """The process has ended. reason: the limit that it exceeded, or an empty text."""

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(slots=True, eq=False)
class Process:
    """The process as its parent sees it."""

    pid: int  # 0 once it has ended
    incoming: int  # the end of the pipe that brings answers
    outgoing: int  # the end of the pipe that takes questions
    answered: int = 0  # questions
    used: float = 0.0  # seconds of processor time
    is_prepared: bool = True  # for the questions that it was sent last
    silent: float = 0.0  # seconds since it said anything
    received: bytearray = field(default_factory=bytearray)

    def send(self, questions: Sequence[Any], *, together: bool) -> None:
        """Ask questions. together: prepare the answers to all of them first."""
        self.is_prepared, self.silent = not together, 0.0
        with suppress(BrokenPipeError):  # it is dead: receive() raises that
            _send(self.outgoing, [together, questions])

    def receive(self) -> list[Any]:
        """The answers that have arrived, at least a part of one. Raises Dead."""
        part = os.read(self.incoming, _BUFFER)
        if not part:
            raise Dead(self.end())
        self.silent = 0.0
        self.received += part
        found = []
        for message in self._messages():
            if "bug" in message:
                raise RuntimeError(message["bug"])
            self.is_prepared = True
            if "answer" in message:
                self.answered, self.used = self.answered + 1, message["used"]
                found.append(message["answer"])
        return found

    def _messages(self) -> Iterator[dict[str, Any]]:
        while len(self.received) >= _SIZE:
            end = _SIZE + int.from_bytes(self.received[:_SIZE], "big")
            if len(self.received) < end:
                return
            message = json.loads(self.received[_SIZE:end])
            del self.received[:end]
            yield message

    def kill(self) -> None:
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            self.end()

    def end(self) -> str:
        """Wait for its end: the limit that it exceeded, or an empty text."""
        _, status, usage = os.wait4(self.pid, 0)
        self.pid, self.used = 0, usage.ru_utime + usage.ru_stime
        os.close(self.incoming)
        os.close(self.outgoing)
        ended = os.waitstatus_to_exitcode(status)
        return {-signal.SIGXCPU: "seconds", _NO_MEMORY: "memory_mb"}.get(ended, "")


def forked(task: Task, given: Limits) -> Process:
    """Start a process that answers until this one ends, or closes its end of the pipe."""
    incoming, theirs_out = os.pipe()
    theirs_in, outgoing = os.pipe()
    with warnings.catch_warnings():
        # Python 3.12 warns of threads: see above.
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid == 0:
        _serve(task, theirs_in, theirs_out, given)
    os.close(theirs_in)
    os.close(theirs_out)
    return Process(pid, incoming, outgoing)


# In the process itself


def _serve(task: Task, incoming: int, outgoing: int, given: Limits) -> NoReturn:
    """Answer until the other end is closed. Nothing that was inherited is touched, nor cleaned up
    at the end."""
    try:
        gc.freeze()
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        _keep_only(incoming, outgoing)
        threading.excepthook = _tell
        threading.stack_size(_STACK)
        # A thread of its own has a stack of that size, and begins at its bottom, wherever the fork
        # was made.
        thread = threading.Thread(target=_answer, args=(task, given))
        thread.start()
        thread.join()
    finally:
        os._exit(0)


def _keep_only(incoming: int, outgoing: int) -> None:
    """Close all files but two, which become 0 and 1: whoever waits for the end of a file must not
    wait for this process."""
    kept = (incoming, outgoing, os.open(os.devnull, os.O_WRONLY))
    for number, copy in enumerate([fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in kept]):
        os.dup2(copy, number)
    os.closerange(3, resource.getrlimit(resource.RLIMIT_NOFILE)[0])


def _answer(task: Task, given: Limits) -> None:
    sys.setrecursionlimit(given.nesting)
    try:
        task.load()
        _bound_memory(given.memory_mb)
        while received := _received():
            together, questions = received
            if together:
                _bound_time(given.seconds)
                task.prepare(questions)
                _send(1, {"prepared": True})
            for question in questions:
                _bound_time(given.seconds)
                answer = task.answer(question)
                _send(1, {"answer": answer, "used": _used()})
    except MemoryError:
        os._exit(_NO_MEMORY)


def _tell(failed: threading.ExceptHookArgs) -> None:
    """A bug is raised again where the question was asked."""
    words = traceback.format_exception(failed.exc_type, failed.exc_value, failed.exc_traceback)
    _send(1, {"bug": "".join(words)})


def _bound_memory(megabytes: int) -> None:
    """Beyond the memory that is there already, most of it the parent's. (macOS takes no notice.)"""
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
    """Within the hard limit of the system: continuous integration may allow less."""
    most = resource.getrlimit(kind)[1]
    resource.setrlimit(kind, (limit if most == resource.RLIM_INFINITY else min(limit, most), most))


# Messages: their size, and JSON

_SIZE = 8  # bytes


def _received() -> Any:
    size = int.from_bytes(_exactly(_SIZE), "big")
    return json.loads(_exactly(size)) if size else None


def _exactly(size: int) -> bytearray:
    """The next bytes of this size, or fewer at the end."""
    found = bytearray()
    while len(found) < size and (part := os.read(0, size - len(found))):
        found += part
    return found


def _send(descriptor: int, value: Any) -> None:
    content = json.dumps(value, separators=(",", ":")).encode()
    rest = memoryview(len(content).to_bytes(_SIZE, "big") + content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
