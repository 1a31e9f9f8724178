"""The errors that a user can mend, and the limits of a project.

    SeeknalError            exit 1   what is wrong, where, and how to mend it
    ├── UsageError          exit 2   the command line asks for something that is not there
    ├── ProjectError        exit 1   nodes that do not load, do not bind or do not fit together
    ├── GitError            exit 1   the repository is not in a state that allows this
    ├── WarehouseError      exit 1   the warehouse cannot be used
    │   └── WarehouseBusy   exit 1   another process holds it
    ├── FileFault           exit 1   a file that cannot be read, or does not lie still
    └── RunFailed           exit 1   a file of an exposure cannot be written

Exit 0 is success, 3 a bug of ours (the traceback is in a log), 130 an interruption.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from typing import Any

from seeknal_git.names import in_lines, parts


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem in one place."""

    message: str
    # The file, relative to the project, and the line, from 1; None if the problem has no place.
    path: str | None = None
    line: int | None = None
    hint: str | None = None
    node: str | None = None
    # The ids of other nodes, or of none that exists, that it has to do with.
    about: tuple[str, ...] = ()
    # The name of a group of problems that a command tells in one sentence.
    group: str = ""

    @property
    def place(self) -> str:
        if self.path is None:
            return ""
        return f"{self.path}:{self.line}" if self.line else self.path

    def __str__(self) -> str:
        text = f"{self.place}: {self.message}" if self.place else self.message
        return in_lines([text, *(f"  {line}" for line in parts(self.hint))]) if self.hint else text


def as_problem(kept: Mapping[str, Any]) -> Problem:
    """A problem that was kept as JSON."""
    return Problem(**{**kept, "about": tuple(kept["about"])})


def some(names: Sequence[str], most: int) -> str:
    """The first of many names, and the number of the others, for a message: `a, b and 3 more`."""
    left = len(names) - most
    return ", ".join(names[:most]) + (f" and {left:,} more" if left > 0 else "")


class SeeknalError(Exception):
    """The base of all expected errors: a message, and the next step."""

    exit_code = 1

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(SeeknalError):
    exit_code = 2


class ProjectError(SeeknalError):
    """Problems of the project, all of them at once."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


class GitError(SeeknalError):
    pass


class WarehouseError(SeeknalError):
    pass


class WarehouseRefused(WarehouseError):
    """The warehouse belongs to another project, or would run a program when it is read."""


class WarehouseBusy(WarehouseError):
    def __init__(self, message: str, pid: int | None = None) -> None:
        super().__init__(message, "Wait for it to end, or try again with --lock-timeout SECONDS.")
        self.pid = pid


class FileFault(SeeknalError):
    pass


class RunFailed(SeeknalError):
    pass


_NO_ROOM = ("No space left", "Disk quota exceeded", "File too large", "Read-only file system")


def as_no_room(exc: OSError) -> SeeknalError | None:
    """The error for a disk that is full or cannot be written; None for any other error. (libgit2's
    errors have no number, only the system's words.)"""
    words = next((phrase for phrase in _NO_ROOM if phrase in str(exc)), None)
    if words is None:
        return None
    place = f": {exc.filename}" if exc.filename else ""
    return SeeknalError(f"{words}{place}", "Free some space, then run the same command again.")


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of a project's size, so that every plan ends soon.

    The environment can change them (SEEKNAL_LIMIT_COLUMNS=10000 sets `columns`). No file of a
    project can, since a branch must not raise them.
    """

    file_kb: int = 256  # of a node's file
    yaml_depth: int = 50  # of lists and mappings in a node's file
    yaml_values: int = 20_000  # in a node's file, an alias counts with all its values
    statement_kb: int = 128  # of one SELECT
    # Of one SELECT, in nested calls of functions that walk its tree: about 150 sub-queries.
    nesting: int = 1_000
    columns: int = 5_000  # of a node's table
    seconds: int = 10  # of processor time to parse, bind and take apart one SELECT
    memory_mb: int = 2_048  # for the same
    nodes: int = 20_000  # of a project
    files: int = 1_000_000  # in a tree of git's
    # To unpack a file of raw data once; each 5 MB of it adds a second.
    unpack_seconds: int = 10


def limits() -> Limits:
    """The limits in force. Raises UsageError for a variable that is no positive number."""
    return _read(tuple(map(os.environ.get, _VARIABLES)))


def variable(name: str) -> str:
    return f"SEEKNAL_LIMIT_{name.upper()}"


def raising(name: str) -> str:
    """A hint: how to raise a limit."""
    return f"If it is meant, allow more: {variable(name)}={getattr(limits(), name) * 2}"


_NAMES = tuple(field.name for field in fields(Limits))
_VARIABLES = tuple(map(variable, _NAMES))


@cache
def _read(values: tuple[str | None, ...]) -> Limits:
    given = {name: value for name, value in zip(_NAMES, values, strict=True) if value}
    for name, value in given.items():
        if not value.isascii() or not value.isdigit() or int(value) == 0:
            raise UsageError(f"{variable(name)} is a number from 1, not {value!r}.")
    return Limits(**{name: int(value) for name, value in given.items()})
