"""Problems of raw data, at the line of the source that names it."""

from __future__ import annotations

from seeknal_git.errors import FileFault, Problem, ProjectError
from seeknal_git.nodes.node import Node
from seeknal_git.nodes.outside import words_of
from seeknal_git.project.data_files import DataFile
from seeknal_git.project.data_paths import DataPath


def fault(source: Node, message: str, hint: str) -> Problem:
    """Something wrong with raw data, at the line of the source that names it."""
    line = source.line("params.path" if "params.path" in source.lines else "table")
    return Problem(message, source.path, line, hint, source.id)


def absence(source: Node) -> Problem:
    """A word on raw data that is not here."""
    if source.outside:
        message = f"{source.id} reads {words_of(source.outside)}, which no run has read yet."
        return fault(source, message, "seeknal run reads it, on any branch.")
    wanted = DataPath.of(source)
    cure = "Put the file there, or correct the path."
    if wanted.may_be_folder:
        cure = f"{cure} If it is a folder, end it with a slash: `{wanted.path}/`."
    return fault(source, f"{source.id} reads {wanted.absence}.", cure)


def unreadable(source: Node, file: DataFile, exc: FileFault) -> ProjectError:
    """The error for a file that cannot be read."""
    return ProjectError(
        [fault(source, exc.message.replace(str(file.at), file.path), exc.hint or "")]
    )
