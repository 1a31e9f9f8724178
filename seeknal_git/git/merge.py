"""Merge one branch into another with git itself, after making sure that it can be done."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pygit2

from seeknal_git.errors import GitError
from seeknal_git.git import repository as git
from seeknal_git.git.command import git as run
from seeknal_git.git.command import run_git
from seeknal_git.git.repository import Repository

# The hooks would promote in the middle of what is about to promote anyway.
_QUIET_HOOKS = {"SEEKNAL_HOOKS": "0"}


@dataclass(frozen=True, slots=True)
class Merged:
    """A merge that was made: the commands that made it, and the commit that the branch points at now."""

    commands: tuple[str, ...]
    commit: str


def merge(repository: Repository, source: str, into: str) -> Merged:
    """Merge `source` into `into`: fast-forward where possible, else with a merge commit.

    The branch that is checked out stays so. Raises GitError, with nothing changed, for a conflict (its files are
    named), for uncommitted changes, and where git refuses.
    """
    one, other = git.need_branch(repository, into), git.need_branch(repository, source)
    if git.current_branch(repository) == source:
        _refuse_uncommitted(repository, repository.prefix + "seeknal/")
    if git.is_ancestor(repository, other, one):
        return Merged((), one)
    if operation := git.unfinished_operation(repository):
        raise GitError(f"A {operation} is not finished.", f"Finish it, or give it up with: git {operation} --abort")
    _refuse_uncommitted(repository, repository.prefix + "seeknal/")
    merge_in_memory(repository, source, into)
    start = git.current_branch(repository) or git.need_commit(repository)
    place = git.worktree_of(repository, into)
    if place is not None:
        if operation := git.unfinished_operation(git.open_repository(place)):
            raise GitError(
                f"A {operation} is not finished in {place}.", f"Finish it there, or: git {operation} --abort"
            )
        return Merged((_command(source),), _merged(repository, place, source, into))
    back = ("switch", start) if git.branch_tip(repository, start) else ("switch", "--detach", start)
    run("switch", into, cwd=repository.top, **_QUIET_HOOKS)
    try:
        commit = _merged(repository, repository.top, source, into)
    finally:
        run(*back, cwd=repository.top, **_QUIET_HOOKS)
    return Merged((f"git switch {into}", _command(source), f"git {' '.join(back)}"), commit)


def _command(source: str) -> str:
    return f"git merge --no-edit {source}"


def _merged(repository: Repository, place: Path, source: str, into: str) -> str:
    name = git.branch_ref(repository, source) or source
    done = run_git("merge", "--no-edit", "-m", f"Merge branch '{source}'", name, cwd=place, **_QUIET_HOOKS)
    if done.returncode:
        run_git("merge", "--abort", cwd=place, **_QUIET_HOOKS)
        words = (done.stderr.strip() or done.stdout.strip()) or "git gave no reason"
        raise GitError(f"git did not merge {source} into {into}, and nothing was changed:\n{words}")
    return git.need_branch(repository, into)


def _refuse_uncommitted(repository: Repository, nodes: str) -> None:
    """Changes of files that git tracks, and new files among the nodes."""
    entries = run("status", "--porcelain", "-z", "--no-renames", "--untracked-files=all", cwd=repository.top).split(
        "\0"
    )
    found = ((entry[:2], entry[3:]) for entry in entries if entry)
    changes = [path for mark, path in found if mark != "??" or path.startswith(nodes)]
    if changes:
        raise GitError(f"There are uncommitted changes, which a merge would leave behind: {', '.join(changes[:5])}.",
                       "Commit them first, or put them aside with: git stash --include-untracked")  # fmt: skip


def merge_in_memory(repository: Repository, source: str, into: str) -> str:
    """The commit that a merge would make, stored without a branch. Raises GitError for a conflict, with its files."""
    one, other = git.need_branch(repository, into), git.need_branch(repository, source)
    if git.is_ancestor(repository, other, one):
        return one
    if git.is_ancestor(repository, one, other):
        return other
    git.merge_base(repository, one, other)
    index = repository.handle.merge_commits(one, other)
    if index.conflicts is not None:
        files = sorted({side.path for sides in index.conflicts for side in sides if side is not None})
        raise GitError(f"{source} and {into} conflict in {', '.join(files)}; nothing was changed.",
                       f"Resolve it by hand: git switch {into} && git merge {source}")  # fmt: skip
    tree = index.write_tree(repository.handle)
    author = pygit2.Signature(*git.KEEPER)
    return str(
        repository.handle.create_commit(None, author, author, f"{source} into {into}, previewed", tree, [one, other])
    )
