"""Problems of raw data, at the line of the source that names it."""

from __future__ import annotations

from seeknal_git.errors import FileFault, Problem, ProjectError
from seeknal_git.nodes.node import Node
from seeknal_git.project.data_files import DataFile
from seeknal_git.project.data_paths import DataPath


def fault(source: Node, message: str, hint: str) -> Problem:
    """Something wrong with raw data, at the line of the source that names it."""
    line = source.line("params.path" if "params.path" in source.lines else "table")
    return Problem(message, source.path, line, hint, source.id)


def absence(source: Node) -> Problem:
    """A word on raw data that is not here."""
    message = f"{source.id} reads {DataPath.of(source).absence}."
    return fault(source, message, "Put the file there, or correct the path.")


def unreadable(source: Node, file: DataFile, exc: FileFault) -> ProjectError:
    """The error for a file that cannot be read."""
    return ProjectError(
        [fault(source, exc.message.replace(str(file.at), file.path), exc.hint or "")]
    )
