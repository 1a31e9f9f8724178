"""A program on a terminal, and somebody who types."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import Repo

_SECONDS = 60


class Terminal:
    """A terminal on which a process runs."""

    def __init__(self, descriptor: int, process: subprocess.Popen[bytes]) -> None:
        self._descriptor, self.process, self.seen = descriptor, process, ""

    def type(self, text: str) -> None:
        os.write(self._descriptor, text.encode())

    def until(self, pattern: str) -> str:
        """The text that appears until a pattern is in it."""
        begin, end = len(self.seen), time.monotonic() + _SECONDS
        while not re.search(pattern, self.seen[begin:]):
            assert time.monotonic() < end, f"no {pattern!r} in {self.seen[begin:]!r}"
            if select.select([self._descriptor], [], [], 0.1)[0]:
                self.seen += os.read(self._descriptor, 65536).decode()
        return self.seen[begin:]


@contextmanager
def terminal(
    command: Sequence[str], folder: Path, variables: Mapping[str, str] | None = None
) -> Iterator[Terminal]:
    """A process on a terminal of its own, until the end of the block."""
    own, other = pty.openpty()
    environment = {**os.environ, "TERM": "dumb", "COLUMNS": "200", **(variables or {})}
    process = subprocess.Popen(
        command,
        cwd=folder,
        stdin=other,
        stdout=other,
        stderr=other,
        env=environment,
        start_new_session=True,
    )
    os.close(other)
    try:
        yield Terminal(own, process)
    finally:
        process.kill()
        process.wait()
        os.close(own)


def in_a_terminal(repo: Repo, size: int, *arguments: str) -> tuple[str, list[str]]:
    """What a terminal of this width shows, with and without colours."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, size, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": str(size)}
    with subprocess.Popen(
        repo.command(*arguments), cwd=repo.path, stdout=theirs, env=environment
    ) as process:
        os.close(theirs)
        shown = b""
        while chunk := _chunk(ours):
            shown += chunk
    os.close(ours)
    assert process.returncode == 0
    return shown.decode(), re.sub(r"\x1b\[[0-9;]*m", "", shown.decode()).replace(
        "\r", ""
    ).splitlines()


def _chunk(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:  # Linux says so when the other side is closed
        return b""
