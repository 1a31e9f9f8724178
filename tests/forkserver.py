"""A server that runs commands in forks of itself: it has imported everything, which takes a command
from the start most of its time.

What it does not show is how a command starts, and what a signal does to it. Tests of that start a
real process.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import os
import pkgutil
import random
import select
import signal
import socket
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import pygit2
from pygit2.enums import ConfigLevel

import seeknal_git
from seeknal_git import cli


def _serve(place: str) -> None:
    """Fork for each connection until standard input ends, which it does with the process that
    started this one."""
    for module in pkgutil.walk_packages(seeknal_git.__path__, "seeknal_git."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    cli._commands()
    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(place)
        server.listen(64)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while True:
            ready, _, _ = select.select([server, sys.stdin], [], [])
            if server not in ready:
                return
            connection, _ = server.accept()
            if os.fork() == 0:
                server.close()
                _run(connection)
            connection.close()
            with suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass


def _run(connection: socket.socket) -> NoReturn:
    """Run the command that a client asks for, in its place, and tell it the exit code."""
    head, (*standard, folder), _, _ = socket.recv_fds(connection, 4, 4)
    content = b""
    while len(content) < int.from_bytes(head, "big"):
        content += connection.recv(1 << 16)
    group, count, *words = content.decode(errors="surrogateescape").split("\0")
    for descriptor, given in enumerate(standard):
        os.dup2(given, descriptor)
        os.close(given)
    with suppress(PermissionError):  # of another session
        os.setpgid(0, int(group))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    arguments, variables = words[: int(count)], words[int(count) :]
    os.environ.clear()
    for variable in variables:
        name, _, value = variable.partition("=")
        os.environ[name] = value
    os.fchdir(folder)
    os.close(folder)
    time.tzset()
    random.seed()
    home = Path(os.environ.get("HOME", "/"))  # libgit2 looked for it when it was imported
    pygit2.settings.search_path[ConfigLevel.GLOBAL] = str(home)
    pygit2.settings.search_path[ConfigLevel.XDG] = str(home / ".config/git")
    sys.argv = ["seeknal", *arguments]
    code = 1
    try:
        cli.main()
    except SystemExit as exit_:
        code = exit_.code if isinstance(exit_.code, int) else 1
    finally:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        connection.sendall(bytes([code]))
        os._exit(code)


if __name__ == "__main__":
    _serve(sys.argv[1])
    os._exit(0)  # not taken apart: the engine's binding would count what is frozen
