"""Take uncommitted changes along to another branch, or find the commands that would do it."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pygit2
from pygit2.enums import FileStatus

from seeknal_git.errors import GitError, UsageError
from seeknal_git.git import index
from seeknal_git.git import repository as git
from seeknal_git.git.command import run_git
from seeknal_git.git.operation import unfinished_operation
from seeknal_git.git.repository import Repository
from seeknal_git.names import argument, command_line

_LOCAL = "refs/heads/"
_NAMED = 3


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Another branch than the one that is checked out, as a target for uncommitted changes."""

    branch: str
    tip: str
    ref: str  # of a remote if there is no local branch yet
    own: int  # number of commits that HEAD does not have
    remote: str | None  # a remote's branch of that name with commits that neither has
    worktree: Path | None  # the other working tree that has it checked out
    obstacle: str | None  # why git cannot switch to any branch now

    @property
    def is_local(self) -> bool:
        return self.ref.startswith(_LOCAL)


def find_elsewhere(repository: Repository, branch: str) -> Elsewhere | None:
    """A branch by its name; None if it is checked out here, or does not exist."""
    ref = git.branch_ref(repository, branch)
    if ref is None or ref == f"refs/remotes/{branch}" or git.current_branch(repository) == branch:
        return None
    tip = git.ref_commit(repository, ref) or ""
    head = git.need_commit(repository)
    own, _ = git.ahead_behind(repository, tip, head)
    fetched = [f"refs/remotes/{name}/{branch}" for name in git.remotes(repository)]
    theirs = [(name, git.ref_commit(repository, name)) for name in fetched if name != ref]
    more = [
        name for name, commit in theirs if commit and git.ahead_behind(repository, commit, head)[0]
    ]
    remote = more[0].removeprefix("refs/remotes/") if more else None
    return Elsewhere(
        branch, tip, ref, own, remote, git.worktree_of(repository, branch), _obstacle(repository)
    )


def _obstacle(repository: Repository) -> str | None:
    if operation := unfinished_operation(repository):
        return f"a {operation} is not finished"
    if any(flags & FileStatus.CONFLICTED for flags in index.status(repository).values()):
        return "files have conflicts that nobody has resolved"
    return None


# Fetch this branch alone, whatever else the configuration would fetch.
_PLAIN = (
    "--no-tags",
    "--no-prune",
    "--no-prune-tags",
    "--no-recurse-submodules",
    "--no-write-fetch-head",
)


def _as_target(branch: str) -> str:
    """A branch as the target of a fetch, which takes `heads/x` for the branch x."""
    return (
        f"{_LOCAL}{branch}"
        if branch.startswith(("refs/", "heads/", "tags/", "remotes/"))
        else branch
    )


def take_along(repository: Repository, to: Elsewhere) -> tuple[str, ...]:
    """Move a branch without commits of its own to HEAD, and switch to it. Returns the commands.

    Both ends are the same commit when git switches, so that it touches no file and nothing staged.
    """
    commands: list[Sequence[str]] = []
    if not to.is_local:
        upstream = to.ref.removeprefix("refs/remotes/")
        commands += [("switch", "--create", to.branch), ("branch", f"--set-upstream-to={upstream}")]
    else:
        if to.tip != git.need_commit(repository):
            commands.append(
                ("fetch", ".", f"HEAD:{_as_target(to.branch)}")
            )  # only ever a fast-forward
        commands.append(("switch", to.branch))
    for command in commands:
        done = run_git(
            command[0], *(_PLAIN if command[0] == "fetch" else ()), *command[1:], cwd=repository.top
        )
        if done.returncode:
            raise GitError(
                f"{_words(command)} failed, and no file was changed: {done.stderr.strip()}"
            )
    return tuple(map(_words, commands))


def is_branch_name(name: str) -> bool:
    """Whether git accepts a name for a branch."""
    return (
        not name.startswith("-")
        and name != "HEAD"
        and pygit2.reference_is_valid_name(f"{_LOCAL}{name}")
    )


def create_branch(repository: Repository, name: str) -> tuple[str, ...]:
    """Create a branch at HEAD, and switch to it with all uncommitted changes. Returns the
    command."""
    command = ("switch", "--create", name)
    done = run_git(*command, cwd=repository.top)
    if done.returncode:
        raise UsageError(f"git cannot create the branch {name}: {done.stderr.strip()}")
    return (_words(command),)


def ways_along(repository: Repository, to: Elsewhere) -> str:
    """A hint: the commands that take uncommitted changes to a branch. git is asked first whether it
    can switch."""
    there, stash = argument(to.branch), "git stash --include-untracked"
    if to.worktree is not None:
        return f"Take them there: {stash} && git -C {argument(str(to.worktree))} stash pop"
    refused = _refuses_to_switch(repository, to.tip)
    if refused is None:
        return f"Take them there: git switch {there}"
    if untracked := _UNTRACKED.search(refused):
        return f"{untracked[1]} is another file there. Rename it, then: git switch {there}"
    commands = f"{stash} && git switch {there} && git stash pop"
    return f"The same files differ there, and git marks conflicts: {commands}"


# git's words, in English.
_UNTRACKED = re.compile(r"Untracked working tree file '(.*)' would be")


def _refuses_to_switch(repository: Repository, commit: str) -> str | None:
    """Why git would refuse to switch to a commit with the uncommitted changes; None if it would
    not. git is only asked, and writes nothing."""
    run_git("update-index", "-q", "--refresh", cwd=repository.top)
    asked = run_git(
        "read-tree", "--dry-run", "-m", "-u", "HEAD", commit, cwd=repository.top, LC_ALL="C"
    )
    return asked.stderr if asked.returncode else None


def commit_command(repository: Repository, changes: Sequence[str]) -> str:
    """The command that commits changes, for the current folder. git stages a deletion by itself.

    changes: paths from the top of the repository.
    """
    tracked = {path for path, _, _ in index.entries(repository)}
    there = [path for path in changes if (repository.top / path).exists()]
    new = [path for path in there if path not in tracked]
    verb = "Remove" if not there else "Add" if len(new) == len(changes) else "Change"
    names = dict.fromkeys(Path(path).stem for path in changes)
    what = " and ".join(names) if len(changes) < 3 else f"{len(changes)} files"
    commit = command_line("git", "commit", "-am", f"{verb} {what}")
    return f"git add {_places(repository, new)} && {commit}" if new else commit


def _places(repository: Repository, paths: Sequence[str]) -> str:
    """Paths relative to the current folder; of many paths, the folders that hold them."""
    places = [repository.top / path for path in paths]
    if len(places) > _NAMED:
        folders = dict.fromkeys(place.parent for place in places)
        places = [
            folder for folder in folders if not any(other in folder.parents for other in folders)
        ]
    return command_line(*(_as_path(os.path.relpath(place)) for place in places))


def _as_path(place: str) -> str:
    """A path that git cannot take for an option: one that begins with a dash gets a `./`."""
    return f"./{place}" if place.startswith("-") else place


def _words(arguments: Sequence[str]) -> str:
    return command_line("git", *arguments)
