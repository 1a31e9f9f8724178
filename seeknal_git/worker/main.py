"""The worker: it imports libraries once, and forks for each node.

Started as `python main.py FD JSON`. FD is a socket: each node comes as the end of another one, over
which its process talks. The worker ends, and its children with it, when FD is closed.
"""

from __future__ import annotations

import gc
import importlib
import importlib.util
import json
import os
import selectors
import signal
import socket
import sys
import types
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any


def main(control: socket.socket, settings: dict[str, Any]) -> None:
    _make_package()
    from seeknal_git.worker.requirements import missing

    lacking = missing(settings["packages"])
    told = {"minor": sys.version_info[1], "missing": lacking}
    control.sendall(json.dumps(told).encode() + b"\n")
    if lacking or told["minor"] != settings["minor"]:
        return
    for name in settings["preload"]:
        if importlib.util.find_spec(name):
            with suppress(ImportError):  # a node that needs it says why
                importlib.import_module(name)
    from seeknal_git.worker.engine import warm_up
    from seeknal_git.worker.node import run

    warm_up(os.environ["TMPDIR"])
    gc.collect()
    gc.freeze()  # children write less of the memory that they share
    _serve(control, run)


def _make_package() -> None:
    """Make the modules beside this one importable by the names that they have in Seeknal, without
    the packages around it."""
    sys.path.pop(0)
    for name, folder in (("seeknal_git", "../"), ("seeknal_git.worker", ".")):
        module = types.ModuleType(name)
        module.__path__ = [str((Path(__file__).parent / folder).resolve())]
        sys.modules[name] = module


def _serve(control: socket.socket, run: Any) -> None:
    children: dict[int, socket.socket] = {}
    ended, ends = os.pipe()
    os.set_blocking(ends, False)
    signal.set_wakeup_fd(ends, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started this one decides
    selector = selectors.DefaultSelector()  # `select` knows no descriptors from 1024 on
    selector.register(control, selectors.EVENT_READ)
    selector.register(ended, selectors.EVENT_READ)
    while True:
        ready = [key.fd for key, _ in selector.select()]
        if ended in ready:
            os.read(ended, 4096)
        _reap(children)
        if control.fileno() not in ready:
            continue
        data, descriptors, _, _ = socket.recv_fds(control, 1, 1)
        if not data:
            break
        line = socket.socket(fileno=descriptors[0])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # threads of libraries are idle, and know forks
            child = os.fork()
        if child == 0:
            signal.set_wakeup_fd(-1)
            for other in (control, *children.values()):
                other.close()
            run(line)
            os._exit(0)
        children[child] = line
    for child in children:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(child, signal.SIGKILL)
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)


def _reap(children: dict[int, socket.socket]) -> None:
    """Tell how children ended."""
    while children:
        child, status = os.waitpid(-1, os.WNOHANG)
        if not child:
            return
        line = children.pop(child)
        content = json.dumps({"exit": os.waitstatus_to_exitcode(status)}).encode()
        with suppress(OSError):
            line.sendall(len(content).to_bytes(4, "big") + content)
        line.close()


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])), json.loads(sys.argv[2]))
