"""The git folder of a data root, and whether git would write to a path there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from seeknal_git.git.repository import Repository, open_around


def git_folder(repository: Repository, data_root: Path) -> Path | None:
    """The git folder that all working trees of a data root's repository share; None if the data
    root is no working tree.

    A data root may be a working tree of another clone.
    """
    if not repository.bare and data_root == repository.top:
        return repository.common
    there = open_around(data_root)
    return there.common if there is not None and there.top == data_root.resolve() else None


def in_the_way(entry: str, path: str) -> bool:
    """Whether a checkout of a tracked path may touch a database: the path is the file or its log,
    or is above or below it. Case is ignored, as on many file systems."""
    entry, path = entry.casefold(), path.casefold()
    itself = entry == path or entry.startswith((f"{path}/", f"{path}.wal", f"{path}.tmp"))
    return itself or path.startswith(f"{entry}/")


def is_tracked(repository: Repository, data_root: Path, path: Path) -> bool:
    """Whether the index of the data root's working tree has an entry in the way of a path."""
    return any(
        in_the_way(entry, name)
        for name, entries in _index(repository, data_root, path)
        for entry in entries
    )


def is_checked_out(repository: Repository, data_root: Path, path: Path) -> bool:
    """Whether the index of the data root's working tree has a path by exactly this name, so that a
    branch brought it."""
    return any(
        entry == name or name.startswith(f"{entry}/")
        for name, entries in _index(repository, data_root, path)
        for entry in entries
    )


def _index(
    repository: Repository, data_root: Path, path: Path
) -> Iterator[tuple[str, Iterator[str]]]:
    """A path relative to the data root's working tree, and the paths that git tracks there; nothing
    if the path is in no working tree."""
    here = not repository.bare and path.is_relative_to(repository.top)
    there = repository if here else open_around(data_root)
    if there is not None and path.is_relative_to(there.top):
        there.handle.index.read(False)
        yield path.relative_to(there.top).as_posix(), (entry.path for entry in there.handle.index)
