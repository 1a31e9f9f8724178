"""Submodules: to git they are a commit of another repository."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pygit2
from pygit2.enums import FileMode, RepositoryOpenFlag

from seeknal_git.errors import GitError
from seeknal_git.git.repository import Repository
from seeknal_git.git.tree import walked


@dataclass(frozen=True, slots=True)
class Module:
    """A submodule at a commit."""

    handle: pygit2.Repository
    # The blob of each path in the project.
    files: dict[str, str]

    def read(self, blob: str) -> bytes:
        return self.handle[blob].peel(pygit2.Blob).data


def module_at(repository: Repository, path: str, commit: str) -> Module:
    """The submodule at a path of the project. commit: "" for the one that is checked out.

    Raises GitError if it was never fetched here.
    """
    handle = next(filter(None, map(_opened, _places(repository, path))), None)
    try:
        if handle is not None:
            root = handle[commit or handle.head.target].peel(pygit2.Tree)
            entries = walked(root, f"{path}/")
            kept = {
                name: blob
                for name, blob, mode in entries
                if mode not in (FileMode.COMMIT, FileMode.LINK)
            }
            return Module(handle, kept)
    except (KeyError, pygit2.GitError):
        pass  # the submodule exists, and the commit does not
    wanted = f" at {commit[:8]}" if commit else ""
    raise GitError(
        f"The submodule {repository.prefix}{path}{wanted} is not here.",
        "Fetch it: git submodule update --init",
    )


def _places(repository: Repository, path: str) -> list[Path]:
    """The places that may hold a submodule: the working tree, and git's folders for the submodules
    of this working tree and of the main one."""
    name = f"{repository.prefix}{path}"
    beside = [] if repository.bare else [repository.project / path / ".git"]
    return [
        *beside,
        Path(repository.handle.path) / "modules" / name,
        repository.common / "modules" / name,
    ]


def _opened(place: Path) -> pygit2.Repository | None:
    """The repository of a `.git` folder or file; None for any other folder that is laid out as one,
    which git does not trust either."""
    try:
        return (
            pygit2.Repository(str(place), RepositoryOpenFlag.NO_SEARCH) if place.exists() else None
        )
    except pygit2.GitError:
        return None
