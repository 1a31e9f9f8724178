"""Unfinished operations of git in a working tree, such as a merge or a rebase."""

from __future__ import annotations

import os
from pathlib import Path

from pygit2.enums import RepositoryState

from seeknal_git.errors import GitError
from seeknal_git.git.repository import Repository, branches, has_commit, ref_commit


def unfinished_operation(repository: Repository) -> str | None:
    """The unfinished command of git (`merge`, `rebase`, …), or None."""
    state = RepositoryState(repository.handle.state())
    if state == RepositoryState.NONE:
        return None
    word = state.name.lower().split("_")[0]
    return {"cherrypick": "cherry-pick", "apply": "am"}.get(word, word)


def way_out(operation: str) -> str:
    """The command that gives up an unfinished operation."""
    return "git bisect reset" if operation == "bisect" else f"git {operation} --abort"


def refuse_unfinished(repository: Repository, where: str = "") -> None:
    """Raise GitError during a merge, a rebase and the like. A bisection is allowed, since it moves
    no branch."""
    operation = unfinished_operation(repository)
    if operation not in (None, "bisect"):
        there = " there" if where else ""
        raise GitError(
            f"A {operation} is not finished{where}.",
            f"Finish it{there}, or give it up: {way_out(operation)}",
        )


def rebased_branch(repository: Repository) -> str | None:
    """The branch that a rebase has detached HEAD from, and will move when it ends."""
    for folder in ("rebase-merge", "rebase-apply"):
        file = Path(repository.handle.path) / folder / "head-name"
        if file.is_file():
            return file.read_text().strip().removeprefix("refs/heads/")
    return None


def merge_head(repository: Repository) -> tuple[str, str] | None:
    """The commit that is being merged, and its name; None if there is no merge, or one of more than
    two sides.

    A stopped merge has a file with the commit. Before the file exists, git sets
    GITHEAD_<commit>=<name> for the hook.
    """
    file = Path(repository.handle.path) / "MERGE_HEAD"
    told = {key[8:]: name for key, name in os.environ.items() if key.startswith("GITHEAD_")}
    commits = file.read_text().split() if file.is_file() else list(told)
    if len(commits) != 1 or not has_commit(repository, commits[0]):
        return None
    name = told.get(commits[0])
    return commits[0], name if name and not commits[0].startswith(name) else _name_of(
        repository, commits[0]
    )


def _name_of(repository: Repository, commit: str) -> str:
    """A branch that points at a commit, here or on a remote; or the commit's own name."""
    known = ((branch, f"refs/heads/{branch}") for branch in branches(repository))
    fetched = ((name, f"refs/remotes/{name}") for name in repository.handle.branches.remote)
    return next(
        (name for name, ref in (*known, *fetched) if ref_commit(repository, ref) == commit),
        commit[:8],
    )
