"""Whose turn it is at a warehouse file, among the commands of a clone.

The engine lets several processes read a file, or one process write it, and whoever comes too late
is refused. So readers that follow each other could keep a publication out for ever. A command that
is about to publish locks a file of the clone; readers wait a moment before they begin, and wait for
its end. This is a courtesy: the engine's own lock is what keeps a warehouse whole.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING

from seeknal_git.files import PRIVATE_FILE, make_private
from seeknal_git.names import BUILDS
from seeknal_git.sql.sandbox import remove_spilled, spill_of

if TYPE_CHECKING:
    from seeknal_git.warehouse.deadline import Deadline
    from seeknal_git.warehouse.owner import Owner

RETRY_SECONDS = 0.02
# A reader lets somebody publish first for this long. A publication that waits for another reader,
# which never lets go, keeps nobody longer.
_WAY_SECONDS = 1.0
# A reader waits this long for the end of a publication, whatever its deadline.
_END_SECONDS = 30.0
_KEY = 8


def place_of(path: Path, owner: Owner, ending: str) -> Path:
    """A file of the clone that belongs to a warehouse: tables beside it, or a lock."""
    key = hashlib.sha256(os.fsencode(path)).hexdigest()[:_KEY]
    return owner.private / BUILDS / f"{key}{ending}"


def locked(file: Path) -> int | None:
    """Make a file and lock it; returns its descriptor, which holds the lock as long as it is open,
    also of a process that is killed. None if another process has the lock."""
    make_private(file.parent)
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE_FILE)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def files_of(file: Path) -> list[Path]:
    """A file of the engine, and its logs."""
    endings = ("", ".wal", ".wal.checkpoint", ".wal.recovery")
    return [file.with_name(f"{file.name}{ending}") for ending in endings]


def remove(file: Path) -> None:
    """Remove a file of the engine, its logs, and the folders that killed processes spilled to."""
    for part in files_of(file):
        part.unlink(missing_ok=True)
    remove_spilled(spill_of(file))


@contextmanager
def claimed(path: Path, owner: Owner) -> Iterator[Path]:
    """See `opening.beside`."""
    left = sorted(
        place_of(path, owner, "").parent.glob(f"{place_of(path, owner, '').name}-*.duckdb")
    )
    new = (place_of(path, owner, f"-{number}.duckdb") for number in count(1))
    for file in chain(left, new):
        descriptor = locked(file.with_suffix(".lock"))
        if descriptor is not None:
            break
    try:
        yield file
    finally:
        assert descriptor is not None
        os.close(descriptor)


@contextmanager
def publishing(path: Path, owner: Owner) -> Iterator[None]:
    """Tell readers of this clone within the block that somebody publishes."""
    descriptor = None
    with suppress(OSError):  # nobody is told, and everybody waits for the engine's lock
        descriptor = locked(_turn(path, owner))
    try:
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _turn(path: Path, owner: Owner) -> Path:
    return place_of(path, owner, ".publishing")


@dataclass(frozen=True, slots=True)
class Turn:
    """When a command may attach a warehouse."""

    reads: bool
    deadline: Deadline
    began: float
    # That a publication locks, if the command cares.
    file: Path | None = None

    @classmethod
    def to_read(cls, path: Path, owner: Owner | None, deadline: Deadline) -> Turn:
        return cls(True, deadline, time.monotonic(), _turn(path, owner) if owner else None)

    @classmethod
    def to_write(cls, deadline: Deadline) -> Turn:
        return cls(False, deadline, time.monotonic())

    def give_way(self) -> None:
        """Wait a moment if somebody publishes."""
        while self._waited < _WAY_SECONDS and self._is_publishing:
            time.sleep(RETRY_SECONDS)

    @property
    def may_wait(self) -> bool:
        """Whether a command that was refused tries again: before its deadline, and while somebody
        publishes, which does not take long."""
        return self.deadline.left > 0 or (self._waited < _END_SECONDS and self._is_publishing)

    @property
    def _waited(self) -> float:
        return time.monotonic() - self.began

    @property
    def _is_publishing(self) -> bool:
        if self.file is None:
            return False
        try:
            descriptor = os.open(self.file, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
        finally:
            os.close(descriptor)
        return False
