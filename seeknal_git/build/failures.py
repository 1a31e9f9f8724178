"""The errors that fail one node of a run and let the others go on."""

from __future__ import annotations

from seeknal_git.errors import ProjectError, SeeknalError
from seeknal_git.sql.engine import SqlError


class NodeFailed(Exception):
    """The engine refused a node, or its code failed: the message, with the file and line."""


# The machine may be at fault as well as the SQL: a full disk, a lost file or blob, no memory.
FAILURES = (NodeFailed, SeeknalError, SqlError, OSError, MemoryError)


def in_words(exc: Exception, path: str) -> str:
    """Why a node failed. exc: one of FAILURES; path: the file that defines the node."""
    if isinstance(exc, NodeFailed):
        message: str = exc.args[0]  # which may be of several lines
        return message
    return f"{without_place(exc)} ({path})"


def without_place(exc: Exception) -> str:
    """The same, without the file. exc: one of FAILURES."""
    if isinstance(exc, NodeFailed):
        return str(exc)
    if isinstance(exc, ProjectError):
        return " ".join(
            f"{problem.message} {problem.hint or ''}".strip() for problem in exc.problems
        )
    if isinstance(exc, SeeknalError):
        return f"{exc.message} {exc.hint or ''}".strip()
    if isinstance(exc, SqlError):
        return exc.message
    if isinstance(exc, OSError):
        return f"{exc.strerror or exc}{f': {exc.filename}' if exc.filename else ''}"
    return "There is not enough memory."
