"""Run Python nodes in worker processes, one for each environment of Python, and a child of it for
each node.

The messages are those of `seeknal_git/worker/node.py`.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seeknal_git.build.failures import FAILURES, NodeFailed
from seeknal_git.build.python_environment import PythonEnvironment, interpreter, lacking

_SCRIPT = Path(__file__).parents[1] / "worker" / "main.py"
_KEPT = ("PATH", "HOME", "LANG", "LANGUAGE", "TMPDIR")
_SIZE = 4  # bytes of the length before each message
_END_SECONDS = 2.0  # for a worker to end its children


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a node failed. place: file and line of the user's code; shown: the traceback from there
    on; whole: all of it."""

    message: str
    place: tuple[str, int] | None = None
    shown: str = ""
    whole: str = ""


@dataclass(frozen=True, slots=True)
class Done:
    """The columns of a result: name, type, and whether it goes as text."""

    columns: Sequence[tuple[str, str, bool]]


@dataclass(frozen=True, slots=True)
class Wish:
    """A node to run. timeout: seconds; given: the answer to a child that asks for an input, by its
    number; warned: is called with each warning."""

    request: Mapping[str, Any]
    timeout: int
    given: Callable[[int], Mapping[str, Any]]
    warned: Callable[[str], None]


class Stopped(NodeFailed):
    """The run was interrupted."""

    def __init__(self) -> None:
        super().__init__("the run was interrupted")


@dataclass(slots=True)
class Workers:
    """The workers of a run. Threads share them. folder: for files of the run; scripts: for those of
    uv."""

    folder: Path
    scripts: Path
    preload: Sequence[str] = ("duckdb",)
    _workers: dict[PythonEnvironment, _Worker] = field(default_factory=dict)
    _opening: threading.Lock = field(default_factory=threading.Lock)
    _children: set[int] = field(default_factory=set)
    _starting: list[threading.Thread] = field(default_factory=list)
    stopped: bool = False

    def begin(self, wanted: PythonEnvironment) -> None:
        """Start the worker of an environment in the background, so that it imports libraries while
        other nodes are built. A failure is told when a node needs the worker."""
        thread = threading.Thread(target=self._begun, args=[wanted])
        self._starting.append(thread)
        thread.start()

    def _begun(self, wanted: PythonEnvironment) -> None:
        with suppress(*FAILURES):
            self._worker(wanted)

    def run(self, wanted: PythonEnvironment, wish: Wish) -> Done | Failure:
        """Run a node to its end. Raises NodeFailed if there is no interpreter for it, and
        Stopped."""
        with self._worker(wanted).child() as line:
            return _Talk(self, line, wish).held()

    def _worker(self, wanted: PythonEnvironment) -> _Worker:
        with self._opening:
            if self.stopped:
                raise Stopped
            found = self._workers.get(wanted)
            if found is None or found.process.poll() is not None:
                if found is not None:
                    found.control.close()
                found = self._workers[wanted] = _started(wanted, self)
            return found

    def began(self, child: int) -> None:
        self._children.add(child)

    def ended(self, child: int) -> None:
        self._children.discard(child)

    def interrupt(self) -> None:
        """End everything that runs, from another thread."""
        self.stopped = True
        for child in list(self._children):
            end(child)

    def close(self) -> None:
        self.interrupt()
        for thread in self._starting:
            thread.join()
        for worker in self._workers.values():
            worker.control.close()
            try:
                worker.process.wait(_END_SECONDS)
            except subprocess.TimeoutExpired:
                worker.process.kill()
                worker.process.wait()


def end(child: int) -> None:
    """Kill a child, and the processes that it started."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child, signal.SIGKILL)
    with suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)


@dataclass(slots=True)
class _Worker:
    process: subprocess.Popen[bytes]
    control: socket.socket
    _asking: threading.Lock = field(default_factory=threading.Lock)

    def child(self) -> socket.socket:
        """The line to a new child."""
        own, other = socket.socketpair()
        with other, self._asking:
            try:
                socket.send_fds(self.control, [b"n"], [other.fileno()])
            except OSError as exc:
                own.close()
                raise NodeFailed("the worker of its Python ended") from exc
        return own


def _started(wanted: PythonEnvironment, workers: Workers) -> _Worker:
    """Start a worker. Raises NodeFailed if its interpreter does not satisfy the environment."""
    path, is_complete = interpreter(wanted, workers.scripts)
    own, other = socket.socketpair()
    settings = {
        "minor": wanted.minor,
        "packages": [] if is_complete else list(wanted.packages or ()),
        "preload": list(workers.preload),
    }
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    kept |= {name: value for name, value in os.environ.items() if name.startswith("LC_")}
    kept |= {"TZ": "UTC", "PYTHONHASHSEED": "0", "TMPDIR": str(workers.folder)}
    with other, (workers.folder / "worker.log").open("ab") as errors:
        try:
            process = subprocess.Popen(
                [path, "-s", "-B", "-u", str(_SCRIPT), str(other.fileno()), json.dumps(settings)],
                env=kept,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                pass_fds=[other.fileno()],
                start_new_session=True,
            )
        except OSError as exc:
            own.close()
            raise NodeFailed(f"{path} cannot be started: {exc.strerror}") from exc
    said = _first_line(own)
    if said is None:
        own.close()
        process.kill()
        process.wait()
        log = (workers.folder / "worker.log").read_text(errors="replace").strip()
        last = log.rpartition("\n")[2] or "it ended without a word"
        raise NodeFailed(f"{path} does not run the worker: {last}")
    if wrong := lacking(wanted, path, said["minor"], said["missing"]):
        own.close()
        process.wait()
        raise wrong
    return _Worker(process, own)


def _first_line(control: socket.socket) -> dict[str, Any] | None:
    text = b""
    while not text.endswith(b"\n"):
        part = control.recv(4096)
        if not part:
            return None
        text += part
    found: dict[str, Any] = json.loads(text)
    return found


class _Talk:
    """The conversation with one child."""

    def __init__(self, workers: Workers, line: socket.socket, wish: Wish) -> None:
        self._workers, self._line, self._wish = workers, line, wish
        self._child = 0
        self._answer: Done | Failure | None = None
        self._received = bytearray()

    def held(self) -> Done | Failure:
        """The answer, once the child has ended."""
        until = time.monotonic() + self._wish.timeout
        try:
            with selectors.DefaultSelector() as selector:
                selector.register(self._line, selectors.EVENT_READ)
                while True:
                    left = until - time.monotonic()
                    if left <= 0:
                        return Failure(
                            f"it took longer than {_span(self._wish.timeout)} (`timeout`)"
                        )
                    if selector.select(min(left, 1.0)):
                        before = time.monotonic()
                        if not self._hear():
                            return self._last_word(None)
                        for message in self._messages():
                            if "exit" in message:
                                return self._last_word(message["exit"])
                            self._take(message)
                        until += time.monotonic() - before  # the child waited for us
                    if self._workers.stopped:
                        raise Stopped
        finally:
            if self._child:
                end(self._child)
                self._workers.ended(self._child)

    def _hear(self) -> bool:
        part = self._line.recv(1 << 16)
        self._received += part
        return bool(part)

    def _messages(self) -> list[dict[str, Any]]:
        found = []
        while len(self._received) >= _SIZE:
            stop = _SIZE + int.from_bytes(self._received[:_SIZE], "big")
            if len(self._received) < stop:
                break
            found.append(json.loads(self._received[_SIZE:stop]))
            del self._received[:stop]
        return found

    def _send(self, message: Mapping[str, Any]) -> None:
        content = json.dumps(message).encode()
        with suppress(BrokenPipeError, ConnectionResetError):
            self._line.sendall(len(content).to_bytes(_SIZE, "big") + content)

    def _take(self, message: Mapping[str, Any]) -> None:
        if "pid" in message:
            self._child = message["pid"]
            self._workers.began(self._child)
            self._send(self._wish.request)
        elif "ref" in message:
            self._send(self._wish.given(message["ref"]))
        elif "warn" in message:
            self._wish.warned(message["warn"])
        elif "failed" in message:
            place = message["place"]
            self._answer = Failure(
                message["failed"],
                (place[0], place[1]) if place else None,
                message["shown"],
                message["whole"],
            )
        elif "done" in message:
            self._answer = Done([(name, word, text) for name, word, text in message["done"]])

    def _last_word(self, code: int | None) -> Done | Failure:
        if self._workers.stopped:
            raise Stopped
        if self._answer is not None:
            return self._answer
        if code is None:
            return Failure("the worker of its Python ended")
        if code >= 0:
            return Failure(f"it ended its process, with exit code {code}")
        name = signal.Signals(-code).name if -code in list(signal.Signals) else str(-code)
        why = ", probably for lack of memory" if -code == signal.SIGKILL else ""
        return Failure(f"its process was killed by {name}{why}")


def _span(seconds: int) -> str:
    for unit, size in (("h", 3600), ("m", 60)):
        if seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"
