"""The git folder of a data root, and whether git would write to a path there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from seeknal_git.git.repository import Repository, open_around


def git_folder(repository: Repository, data_root: Path) -> Path | None:
    """The folder that all working trees of a data root's repository share; None if it is no working
    tree.

    A data root may be a working tree of another clone.
    """
    if not repository.bare and data_root == repository.top:
        return repository.common
    there = open_around(data_root)
    return there.common if there is not None and there.top == data_root.resolve() else None


def in_the_way(entry: str, path: str) -> bool:
    """Whether a checkout of a path that git tracks may touch a database: it is the file, or its
    log, or lies around or below it. Without regard to case, as many file systems have none."""
    entry, path = entry.casefold(), path.casefold()
    itself = entry == path or entry.startswith((f"{path}/", f"{path}.wal", f"{path}.tmp"))
    return itself or path.startswith(f"{entry}/")


def is_tracked(repository: Repository, data_root: Path, path: Path) -> bool:
    """Whether the data root's working tree has something in its index that is in the way of a
    path."""
    return any(
        in_the_way(entry, name)
        for name, entries in _index(repository, data_root, path)
        for entry in entries
    )


def is_checked_out(repository: Repository, data_root: Path, path: Path) -> bool:
    """Whether a path is in the index of the data root's working tree, by exactly this name: a
    branch brought it."""
    return any(
        entry == name or name.startswith(f"{entry}/")
        for name, entries in _index(repository, data_root, path)
        for entry in entries
    )


def _index(
    repository: Repository, data_root: Path, path: Path
) -> Iterator[tuple[str, Iterator[str]]]:
    """A path in the data root's working tree, and all that git tracks there; nothing if it is in
    none."""
    here = not repository.bare and path.is_relative_to(repository.top)
    there = repository if here else open_around(data_root)
    if there is not None and path.is_relative_to(there.top):
        there.handle.index.read(False)
        yield path.relative_to(there.top).as_posix(), (entry.path for entry in there.handle.index)
