"""The sources outside of the project that one command has seen, and the rows that it has read."""

from __future__ import annotations

import os
import shutil
import time
import weakref
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from seeknal_git.files import make_private
from seeknal_git.process_folders import own_folder, remove_left

if TYPE_CHECKING:
    from seeknal_git.errors import Problem
    from seeknal_git.project.data_files import DataFile
    from seeknal_git.sql.statement import Columns


OUTSIDE = "outside"  # the group of problems of such sources
_ROWS = "rows"
_DAY = 24 * 3600.0  # in seconds
_UNUSED_DAYS = 30


@dataclass(frozen=True, slots=True)
class Away:
    """A source outside: one of its fields is set, or none if nothing is known."""

    files: tuple[DataFile, ...] = ()  # with its rows, that were read just now
    version: str = ""  # of the load that it still is
    columns: Columns | None = None  # that were asked for
    problem: Problem | None = None  # why it cannot be read
    note: str = ""


@dataclass(slots=True, weakref_slot=True, eq=False)
class Outsides:
    """The sources outside that one command has seen. Each is read once, so that all of the command
    means the same rows."""

    reads: bool = False  # whether rows are read
    full: bool = False  # also of sources that did not move
    seen: dict[str, Away] = field(default_factory=dict)
    lost: dict[str, tuple[str, str]] = field(default_factory=dict)  # connection → why, and a cure
    _folder: Path | None = None

    @property
    def notes(self) -> list[str]:
        return [away.note for away in self.seen.values() if away.note]

    def folder(self, private: Path) -> Path:
        """A folder for rows that are read, which ends with the command."""
        if self._folder is None:
            around = private / "outside"
            make_private(around)
            remove_left(around / _ROWS)
            self._folder = own_folder(around / _ROWS)
            self._folder.mkdir(mode=0o700)
            weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        return self._folder


def used(copy: Path) -> bool:
    """Whether there is a copy of something outside; it counts as used today. The hash of a file
    whose time has changed is asked anew, so that is done once a day."""
    with suppress(OSError):
        if time.time() - copy.stat().st_mtime > _DAY:
            os.utime(copy)
        return True
    return False


def drop_unused(folder: Path) -> None:
    """Remove the copies that nobody has used for a month."""
    for copy in folder.glob("*"):
        with suppress(OSError):  # somebody else removes it
            if time.time() - copy.stat().st_mtime > _UNUSED_DAYS * _DAY:
                copy.unlink()
