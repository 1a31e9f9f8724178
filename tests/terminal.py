"""A program on a terminal, and somebody who types."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

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
