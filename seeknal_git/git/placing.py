"""The git folder of a data root, and whether git would write to a path there."""

from __future__ import annotations

from pathlib import Path

from seeknal_git.git.repository import Repository, open_around


def git_folder(repository: Repository, data_root: Path) -> Path | None:
    """The folder that all working trees of a data root's repository share; None if it is no working tree.

    A data root may be a working tree of another clone.
    """
    if not repository.bare and data_root == repository.top:
        return repository.common
    there = open_around(data_root)
    return there.common if there is not None and there.top == data_root.resolve() else None


def is_tracked(repository: Repository, data_root: Path, path: Path) -> bool:
    """Whether the data root's working tree has a path in its index, or a folder or a link above it, or files below it:
    a checkout may then replace it."""
    here = not repository.bare and path.is_relative_to(repository.top)
    there = repository if here else open_around(data_root)
    if there is None or not path.is_relative_to(there.top):
        return False
    index, name = there.handle.index, path.relative_to(there.top)
    index.read(False)
    above = [each.as_posix() for each in (name, *name.parents) if each != Path()]
    return any(each in index for each in above) or any(entry.path.startswith(f"{above[0]}/") for entry in index)
