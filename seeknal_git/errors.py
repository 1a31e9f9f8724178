"""Everything that can go wrong and that somebody can mend.

    SeeknalError            exit 1   what is wrong, where, and how to mend it
    ├── UsageError          exit 2   the command line asks for something that is not there
    ├── ProjectError        exit 1   nodes that do not load, do not bind or do not fit together
    ├── GitError            exit 1   the repository is not in a state that allows this
    ├── WarehouseError      exit 1   the warehouse cannot be used
    │   └── WarehouseBusy   exit 1   another process holds it
    ├── FileFault           exit 1   a file that cannot be read, or does not lie still
    └── RunFailed           exit 1   a node, a rule or a test failed

Exit 0 is success, 3 a bug of ours (the traceback is in a log), 130 an interruption.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from seeknal_git.shown import in_lines, parts


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong in one place.

    `path` is relative to the project, `line` counts from 1; both are absent where the problem has no place.
    """

    message: str
    path: str | None = None
    line: int | None = None
    hint: str | None = None
    node: str | None = None

    @property
    def place(self) -> str:
        if self.path is None:
            return ""
        return f"{self.path}:{self.line}" if self.line else self.path

    def __str__(self) -> str:
        text = f"{self.place}: {self.message}" if self.place else self.message
        return in_lines([text, *(f"  {line}" for line in parts(self.hint))]) if self.hint else text


def some(names: Sequence[str], most: int) -> str:
    """The first of many names, for a message, and how many more there are: `a, b and 3 more`."""
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
    """The warehouse is another project's, or holds something that would run when it is read."""


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
    """A disk that is full, or may not be written, as what somebody can mend; None for any other error. (libgit2's have
    no number, only the system's words.)"""
    words = next((each for each in _NO_ROOM if each in str(exc)), None)
    if words is None:
        return None
    place = f": {exc.filename}" if exc.filename else ""
    return SeeknalError(f"{words}{place}", "Free some space, then run the same command again.")
