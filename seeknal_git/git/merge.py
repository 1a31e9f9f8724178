"""Merge one branch into another with git itself, after making sure that it can be done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from seeknal_git.errors import GitError, some
from seeknal_git.git import repository as git
from seeknal_git.git.carry import commit_command
from seeknal_git.git.command import git as run
from seeknal_git.git.command import run_git
from seeknal_git.git.merge_in_memory import merged_tree, need_no_conflict
from seeknal_git.git.operation import refuse_unfinished
from seeknal_git.git.repository import Repository
from seeknal_git.names import command_line, in_lines, operand

# The hooks would promote during a command that is about to promote anyway.
_QUIET_HOOKS = {"SEEKNAL_HOOKS": "0"}
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Merged:
    """A merge that was made: its commands, and the new tip of the branch."""

    commands: tuple[str, ...]
    commit: str


def merge(repository: Repository, source: str, commit: str, into: str) -> Merged:
    """Merge `commit` into the branch `into`: fast-forward if possible, else with a merge commit.

    source: the branch, the tag or the abbreviated id that names the commit. The branch that is
    checked out stays the same. Raises GitError, with nothing changed, for a conflict (with its
    files), for uncommitted changes, and if git refuses.
    """
    if repository.bare:
        raise GitError(
            "A bare repository has no working tree to merge in.",
            "Merge in a clone and push, or promote what is merged: seeknal promote",
        )
    tip = git.need_branch(repository, into)
    _refuse_uncommitted_source(repository, source)
    if git.is_ancestor(repository, commit, tip):
        return Merged((), tip)
    refuse_unfinished(repository)
    _refuse_uncommitted(repository)
    need_no_conflict(repository, merged_tree(repository, tip, commit), source, commit, into)
    start = git.current_branch(repository) or git.need_commit(repository)
    place = git.worktree_of(repository, into)
    if place is not None:
        refuse_unfinished(git.open_repository(place), f" in {place}")
        return Merged(
            (_command(repository, source, commit),),
            _merged(repository, place, source, commit, into),
        )
    back = ("switch", start) if git.branch_tip(repository, start) else ("switch", "--detach", start)
    run("switch", into, cwd=repository.top, **_QUIET_HOOKS)
    try:
        done = _merged(repository, repository.top, source, commit, into)
    finally:
        run(*back, cwd=repository.top, **_QUIET_HOOKS)
    there, here = command_line("git", "switch", into), command_line("git", *back)
    return Merged((there, _command(repository, source, commit), here), done)


def _command(repository: Repository, source: str, commit: str) -> str:
    """The command of the merge as a user would write it."""
    kind, _ = _named(repository, source, commit)
    return command_line("git", "merge", "--no-edit", commit[:8] if kind == "commit" else source)


def _named(repository: Repository, source: str, commit: str) -> tuple[str, str]:
    """The name that git shows for a commit, and a ref that means nothing else. The environment of a
    detached HEAD may be named after a branch that this clone does not have at that commit."""
    for kind, ref in (
        ("branch", git.branch_ref(repository, source)),
        ("tag", git.tag_ref(repository, source)),
    ):
        if ref is not None and git.ref_commit(repository, ref) == commit:
            return kind, ref
    return "commit", commit


def _merged(repository: Repository, place: Path, source: str, commit: str, into: str) -> str:
    kind, name = _named(repository, source, commit)
    done = run_git(
        "merge", "--no-edit", "-m", f"Merge {kind} '{source}'", name, cwd=place, **_QUIET_HOOKS
    )
    if done.returncode:
        run_git("merge", "--abort", cwd=place, **_QUIET_HOOKS)
        words = (done.stderr.strip() or done.stdout.strip()) or "git gave no reason"
        first = f"git did not merge {source} into {into}, and nothing was changed:"
        raise GitError(in_lines([first, *words.splitlines()]))
    return git.need_branch(repository, into)


def _refuse_uncommitted_source(repository: Repository, source: str) -> None:
    """Raise GitError for uncommitted changes of the source, which a merge would leave out."""
    if git.current_branch(repository) != source:
        return
    if changes := _uncommitted(repository):
        then = f"{commit_command(repository, changes)} && seeknal promote {operand(source)}"
        raise GitError(_left_behind(changes), f"Commit them, and promote again: {then}")


def _refuse_uncommitted(repository: Repository) -> None:
    if changes := _uncommitted(repository):
        raise GitError(
            _left_behind(changes),
            "Commit them first, or put them aside with: git stash --include-untracked",
        )


def _left_behind(changes: Sequence[str]) -> str:
    return (
        f"There are uncommitted changes, which a merge would leave behind: {some(changes, _SHOWN)}."
    )


def _uncommitted(repository: Repository) -> list[str]:
    """Changed files that git tracks, and new files among the nodes."""
    nodes = f"{repository.prefix}seeknal/"
    entries = run(
        "status", "--porcelain", "-z", "--no-renames", "--untracked-files=all", cwd=repository.top
    ).split("\0")
    found = ((entry[:2], entry[3:]) for entry in entries if entry)
    return [path for mark, path in found if mark != "??" or path.startswith(nodes)]
