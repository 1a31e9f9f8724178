"""The index and the status, read by libgit2, or by git itself if libgit2 would be wrong.

libgit2 1.9 cannot read a split index or a sparse one, and calls files deleted that a sparse
checkout leaves out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import pygit2
from pygit2.enums import FileMode, FileStatus

from seeknal_git.errors import GitError
from seeknal_git.git.command import run_git
from seeknal_git.git.repository import Repository, index_file

Entry = tuple[str, str, int]  # path in the repository, blob id, mode

# The second letter of `git status --porcelain`: how the working tree differs from the index.
_WORKTREE = {
    "M": FileStatus.WT_MODIFIED,
    "D": FileStatus.WT_DELETED,
    "T": FileStatus.WT_TYPECHANGE,
    "A": FileStatus.WT_NEW,
    "?": FileStatus.WT_NEW,
    " ": FileStatus.INDEX_MODIFIED,
}

_STAGED = (
    FileStatus.INDEX_NEW
    | FileStatus.INDEX_MODIFIED
    | FileStatus.INDEX_DELETED
    | FileStatus.INDEX_RENAMED
    | FileStatus.INDEX_TYPECHANGE
)


def entries(repository: Repository, *, staged: bool = False) -> list[Entry]:
    """The entries of the index. staged: read the index that git names to a hook, if it names
    one."""
    if repository.bare:
        return []
    try:
        index = _index(repository, staged)
        return [(entry.path, str(entry.id), entry.mode) for entry in index]
    except pygit2.GitError:
        return list(_entries_by_git(repository, staged))


def _index(repository: Repository, staged: bool) -> pygit2.Index:
    if named := index_file(repository) if staged else None:
        return pygit2.Index(str(named))
    index: pygit2.Index = repository.handle.index
    index.read(force=False)  # another process may have written it since
    return index


def _entries_by_git(repository: Repository, staged: bool) -> Iterator[Entry]:
    named = index_file(repository) if staged else None
    listed = _asked(
        repository, "ls-files", "--stage", "-z", **({"GIT_INDEX_FILE": str(named)} if named else {})
    )
    for record in filter(None, listed.split("\0")):
        description, _, path = record.partition("\t")
        mode, blob, _ = description.split(" ")
        yield path, blob, int(mode, 8)


def status(repository: Repository) -> dict[str, FileStatus]:
    """For each path in the repository that differs from the index or from HEAD, the difference.
    Untracked files are listed one by one."""
    found = _status_by_libgit2(repository)
    return _status_by_git(repository) if found is None else found


def entries_and_status(
    repository: Repository, head: Callable[[], tuple[str, Iterable[Entry]]]
) -> tuple[list[Entry], dict[str, FileStatus]]:
    """The entries of the index, and `status`.

    To list the index takes ten times as long as to list HEAD, so its entries are those of HEAD with
    the staged changes. head: the id of HEAD's tree, and its entries; an empty id before the first
    commit.
    """
    before, committed = head()
    found = _status_by_libgit2(repository)
    if found is None:
        return entries(repository), _status_by_git(repository)
    listed = _staged_over(repository, committed, found) if before else None
    if listed is None or head()[0] != before:  # somebody may have committed meanwhile
        listed = entries(repository)
    return listed, found


def _staged_over(
    repository: Repository, committed: Iterable[Entry], found: Mapping[str, FileStatus]
) -> list[Entry] | None:
    """The entries of the index, made from those of HEAD; None if they are not all that there is."""
    index = _index(repository, staged=False)
    if index.conflicts is not None:
        return None
    listed = {path: (path, blob, mode) for path, blob, mode in committed}
    for path, flags in found.items():
        if not flags & _STAGED:
            continue
        listed.pop(path, None)
        if path in index:
            entry = index[path]
            listed[path] = (path, str(entry.id), entry.mode)
    return list(listed.values()) if len(listed) == len(index) else None


def files_among(repository: Repository, paths: Iterable[str]) -> set[str]:
    """The paths in the repository at which git tracks a file, and no link or submodule. Raises
    pygit2.GitError for an index that libgit2 cannot read, and KeyError for a file in conflict."""
    index, found = _index(repository, staged=False), set()
    for path in paths:
        if path in index:
            entry = index[path]
            if entry.path == path and entry.mode not in (FileMode.LINK, FileMode.COMMIT):
                found.add(path)
    return found


def _status_by_libgit2(repository: Repository) -> dict[str, FileStatus] | None:
    if _is_sparse(repository):
        return None
    try:
        found = repository.handle.status(untracked_files="all")
    except pygit2.GitError:
        return None
    return {path: FileStatus(flags) for path, flags in found.items()}


def _status_by_git(repository: Repository) -> dict[str, FileStatus]:
    listed = _asked(
        repository, "status", "--porcelain", "-z", "--untracked-files=all", "--no-renames"
    )
    return {record[3:]: _flags(record[:2]) for record in listed.split("\0") if record}


def _flags(marks: str) -> FileStatus:
    return FileStatus.CONFLICTED if "U" in marks or marks in ("AA", "DD") else _WORKTREE[marks[1]]


def _is_sparse(repository: Repository) -> bool:
    """Whether the checkout may leave files out. (libgit2 does not see the setting in every
    place.)"""
    return (Path(repository.handle.path) / "info" / "sparse-checkout").exists()


def _asked(repository: Repository, *arguments: str, **variables: str) -> str:
    done = run_git(*arguments, cwd=repository.top, GIT_OPTIONAL_LOCKS="0", **variables)
    if done.returncode:
        raise GitError(
            f"git cannot read the index: {done.stderr.strip()}", "`git status` says more."
        )
    return done.stdout
