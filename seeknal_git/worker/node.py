"""Run one node, in a process of its own."""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from seeknal_git.worker import shim
from seeknal_git.worker.context import Context
from seeknal_git.worker.features import Unknown
from seeknal_git.worker.sources import imported
from seeknal_git.worker.tables import Unfit, write

_SIZE = 4  # bytes of the length before each message
_HERE = str(Path(__file__).parent)


class Line:
    """The connection to the run: messages are JSON."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line

    def send(self, **message: Any) -> None:
        content = json.dumps(message, default=str).encode()
        self._line.sendall(len(content).to_bytes(_SIZE, "big") + content)

    def receive(self) -> Any:
        return json.loads(self._read(int.from_bytes(self._read(_SIZE), "big")))

    def _read(self, size: int) -> bytes:
        found = b""
        while len(found) < size:
            part = self._line.recv(size - len(found))
            if not part:
                os._exit(1)  # nobody waits for the result
            found += part
        return found


def run(line: socket.socket) -> None:
    """Run the node that a run asks for."""
    talk = Line(line)
    os.setsid()
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    talk.send(pid=os.getpid())
    request = talk.receive()
    _confine(request)
    with _Told(talk, request):
        _watch(talk, request)
        shim.install()
        module = imported(request["main"], request["sources"], request["project"], request["here"])
        context = Context(request, lambda number: _asked(talk, number))
        function = getattr(module, request["function"])
        if request["is_twice"]:  # the module has the last of them under that name
            function = shim.FUNCTIONS[request["node"]]
        wanted = request["arguments"]
        given = [context, *context.frames(wanted - 1)] if wanted else []
        columns = write(context.duckdb, function(*given), request["out"])
        talk.send(done=columns)


def _asked(talk: Line, number: int) -> Any:
    talk.send(ref=number)
    answer = talk.receive()
    if "error" in answer:
        raise RuntimeError(answer["error"])
    return answer


def _confine(request: Mapping[str, Any]) -> None:
    """The folder, the variables, the memory and the output of a node."""
    output = os.open(request["output"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for descriptor, target in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(descriptor, target)
    if "numpy.random" in sys.modules:  # children have copies of one generator
        sys.modules["numpy"].random.seed()
    os.chdir(request["project"])
    os.environ.update(request["secrets"])
    limit = resource.RLIMIT_DATA if sys.platform == "linux" else resource.RLIMIT_AS
    _, hard = resource.getrlimit(limit)
    wanted = request["memory"]
    resource.setrlimit(limit, (wanted if hard < 0 else min(wanted, hard), hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


class _Told:
    """Tells of an exception that leaves the block, and ends it here."""

    def __init__(self, talk: Line, request: Mapping[str, Any]) -> None:
        self._talk, self._request = talk, request

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        if exc is None or kind is None:
            return False
        files = [file for file, _ in self._request["sources"].values()]
        frames = list(traceback.walk_tb(trace))
        own = [(frame.f_code.co_filename, line) for frame, line in frames]
        place = next((found for found in reversed(own) if found[0] in files), None)
        is_ours = isinstance(exc, Unfit | Unknown)
        message = str(exc) if is_ours else _in_a_line(kind, exc)
        if isinstance(exc, SyntaxError) and exc.filename in files:
            place = (str(exc.filename), exc.lineno or 1)
        self._talk.send(
            failed=message,
            place=place,
            shown="" if is_ours else _from_the_user_on(exc, files),
            whole="".join(traceback.format_exception(kind, exc, trace)),
        )
        return True


def _in_a_line(kind: type[BaseException], exc: BaseException) -> str:
    said = " ".join(str(exc).split())
    return f"{kind.__name__}: {said}" if said else kind.__name__


def _from_the_user_on(exc: BaseException, files: Sequence[str]) -> str:
    """A traceback without the frames before the user's first one, and without ours."""
    trace = exc.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename not in files:
        trace = trace.tb_next
    if trace is None:
        return ""
    shown = traceback.TracebackException(type(exc), exc, trace)
    theirs = [frame for frame in shown.stack if not frame.filename.startswith(_HERE)]
    shown.stack = traceback.StackSummary.from_list(theirs)
    return "".join(shown.format())


def _watch(talk: Line, request: Mapping[str, Any]) -> None:
    """Tell of reads that no fingerprint knows: of the network, and of files of the project. A
    module of the project that was not planned is refused."""
    project = f"{os.path.realpath(request['project'])}/"
    told: set[str] = set()
    names: set[Any] = set()  # that were looked up: a connection to an address follows
    apart = ("/site-packages/", "/dist-packages/", "/target/", "/.git/", "/.venv/")

    def look_at(path: str, *, is_written: bool) -> None:
        if is_written or not path.startswith(project) or any(part in path for part in apart):
            return
        name = path.removeprefix(project)
        if name.endswith((".py", ".pyc")):
            raise ImportError(
                f"{name} was not planned: import it by its name from the project's folder, "
                "from seeknal/ or from the folder of the node's file"
            )
        warn(f"reads {name}, which is no input of it")

    def warn(text: str) -> None:
        if text not in told and not request["volatile"]:
            told.add(text)
            talk.send(warn=text)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and isinstance(arguments[0], str):
            path = os.path.normpath(Path(arguments[0]).absolute())
            look_at(path, is_written=_is_written(arguments))
        elif event == "socket.getaddrinfo":
            names.add(arguments[0])
            warn(f"opens a connection to {arguments[0]}")
        elif event == "socket.connect" and isinstance(arguments[1], tuple) and not names:
            warn(f"opens a connection to {arguments[1][0]}")

    sys.addaudithook(hook)


def _is_written(arguments: Sequence[Any]) -> bool:
    mode = arguments[1] if len(arguments) > 1 else None
    if isinstance(mode, str):
        return any(letter in mode for letter in "wax+")
    flags = arguments[2] if len(arguments) > 2 else 0
    return bool(isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
