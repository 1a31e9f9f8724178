"""Uncommitted changes belong to the environment that is named next: they follow to its branch, or
nothing goes on.

The alternative loses work quietly: a plan of `dev` would read dev's commit, find no changes, and be
right about it.
"""

from __future__ import annotations

import re

from seeknal_git.environments.near_miss import near_miss
from seeknal_git.environments.revision import elsewhere, is_known
from seeknal_git.errors import GitError, UsageError, some
from seeknal_git.git import repository as git
from seeknal_git.git.carry import (
    Elsewhere,
    commit_command,
    create_branch,
    find_elsewhere,
    is_branch_name,
    take_along,
    ways_along,
)
from seeknal_git.git.tree import Tree, commit_tree
from seeknal_git.names import PRODUCTION_ALIAS, argument, in_lines, operand
from seeknal_git.nodes.kinds import NAMED
from seeknal_git.project.branch_settings import refuse_to_carry
from seeknal_git.project.ci_variables import in_ci
from seeknal_git.project.definitions import is_definition_path
from seeknal_git.project.load import load
from seeknal_git.project.workspace import Workspace, current_tree

_SHOWN = 3


def uncommitted(workspace: Workspace) -> tuple[str, ...]:
    """The paths in the project of uncommitted nodes, settings and raw data."""
    if workspace.repository.bare or not current_tree(workspace).dirty:
        return ()
    tree = load(workspace, current_tree(workspace)).tree
    return _changed(workspace, tree) if tree.dirty else ()


def _changed(workspace: Workspace, tree: Tree) -> tuple[str, ...]:
    """The files that differ from the commit. Raw data that is merely not here is no change."""
    before = commit_tree(workspace.repository, tree.commit).files if tree.commit else {}
    changed = {
        path for path in {**before, **tree.files} if before.get(path) != tree.files.get(path)
    }
    return tuple(sorted(path for path in changed if path in tree.files or is_definition_path(path)))


def arrive(
    workspace: Workspace, environment: str, *, create: bool, may_switch: bool
) -> tuple[str, ...]:
    """Be where the nodes of an environment are: create its branch, or let uncommitted changes
    follow to it.

    create: make the branch, whatever it is called like; may_switch: whether git may be told to at
    all. Returns the git commands that did it. Raises UsageError for a name that was probably meant
    to be another one.
    """
    git.need_commit(workspace.repository)
    branch = workspace.branch_of(environment)
    if is_known(workspace, branch):
        return follow(workspace, environment, "plan", may_switch=may_switch)
    if workspace.repository.bare or git.current_branch(workspace.repository) is None:
        return ()  # in continuous integration, the name is given to the commit at hand
    _refuse_to_create(workspace, branch, insisted=create, may_create=may_switch)
    return create_branch(workspace.repository, branch)


_LIKE_A_COMMIT = re.compile(r"[0-9a-f]{7,40}")


def _refuse_to_create(workspace: Workspace, name: str, *, insisted: bool, may_create: bool) -> None:
    if not is_branch_name(name):
        raise UsageError(
            f"There is no branch {name}, and none can be called that.", "`git branch` lists them."
        )
    if insisted and may_create:
        return
    creates = f"seeknal plan --create {operand(name)} creates it."
    if name == workspace.production:
        git.need_production(workspace.repository, name)
    if near := near_miss(
        name, [*git.known_branches(workspace.repository), PRODUCTION_ALIAS, "production"]
    ):
        meant = workspace.production if near == "production" else near
        raise UsageError(f"There is no branch {name}.", f"Did you mean {meant}? If not: {creates}")
    if _LIKE_A_COMMIT.fullmatch(name):
        raise UsageError(
            f"There is no commit {name}, and no branch.", f"If it is to be a branch: {creates}"
        )
    if name.partition(".")[0] in NAMED or (workspace.repository.project / name).is_file():
        raise UsageError(
            f"{name} is no branch: a plan is of all nodes.", f"If it is to be a branch: {creates}"
        )
    if not may_create:
        raise UsageError(
            f"There is no branch {name}, and a plan as data creates none.",
            f"Create it first: git switch --create {argument(name)}",
        )
    if in_ci():
        raise UsageError(
            f"There is no branch {name}, and in continuous integration none is created.", creates
        )


def follow(
    workspace: Workspace, environment: str, command: str, *, may_switch: bool = True
) -> tuple[str, ...]:
    """Switch to the branch of an environment with the uncommitted changes on board; the git
    commands that did it.

    Nothing is to be done where none is named or left behind. A branch is only ever moved to commits
    that production has. Raises GitError, with the commands that work, where the branch has commits
    of its own or cannot be switched to.
    """
    there = _left_for(workspace, environment)
    if there is None:
        return ()
    changes = uncommitted(workspace)
    if not changes:
        return ()
    if may_switch and not in_ci() and _takes_all(workspace, there):
        if command != "plan":  # a plan shows them
            refuse_to_carry(workspace)
        return take_along(workspace.repository, there)
    raise GitError(
        f"{_why(there)}, so the uncommitted changes here are not in it: {some(changes, _SHOWN)}.",
        _cure(workspace, there, command),
    )


def left_behind(workspace: Workspace, environment: str) -> tuple[str, ...]:
    """The uncommitted changes that are no part of a branch, as another one is checked out."""
    branch = workspace.branch_of(environment)
    if branch == workspace.production:
        is_left = elsewhere(workspace, branch) is not None
    else:
        is_left = _left_for(workspace, environment) is not None
    return uncommitted(workspace) if is_left else ()


def _left_for(workspace: Workspace, environment: str) -> Elsewhere | None:
    """The branch of an environment, unless it is checked out here. Changes never follow to
    production."""
    branch = workspace.branch_of(environment)
    if (
        workspace.repository.bare
        or branch == workspace.production
        or elsewhere(workspace, branch) is None
    ):
        return None
    return find_elsewhere(workspace.repository, branch)


def _takes_all(workspace: Workspace, there: Elsewhere) -> bool:
    """Whether a branch has nothing of its own, and would get nothing that production does not
    have."""
    if there.own or there.remote or there.worktree is not None or there.obstacle is not None:
        return False
    head = git.need_commit(workspace.repository)
    production = git.branch_tip(workspace.repository, workspace.production)
    return head == there.tip or (
        production is not None and git.is_ancestor(workspace.repository, head, production)
    )


def _why(there: Elsewhere) -> str:
    if there.obstacle is not None:
        obstacle = f"{there.obstacle[0].upper()}{there.obstacle[1:]}"
        return f"{obstacle}, and {there.branch} is not checked out"
    if there.worktree is not None:
        return f"{there.branch} is checked out in {there.worktree}"
    if there.own:
        commits = "a commit" if there.own == 1 else f"{there.own} commits"
        return f"{there.branch} has {commits} of its own"
    if there.remote:
        return f"{there.remote} has commits that are not here"
    return f"{there.branch} is not checked out"


def _cure(workspace: Workspace, there: Elsewhere, command: str) -> str:
    if there.obstacle is not None:
        return "Finish that first: git status"
    along = f"Take them there: seeknal plan {operand(there.branch)}"
    if in_ci() or not _takes_all(workspace, there):
        along = ways_along(workspace.repository, there)
    without = {
        "plan": f"To look at {there.branch} as it is committed: seeknal plan {there.tip[:8]}",
        "run": "To leave them here: git stash --include-untracked",
        "promote": "To leave them here: git stash --include-untracked",
    }
    return in_lines([along, *([without[command]] if command in without else [])])


def commit_line(workspace: Workspace, tree: Tree) -> str | None:
    """The line that commits the changes of a tree that was loaded, as it works in the current
    folder; None if there are none."""
    prefix = workspace.repository.prefix
    changes = _changed(workspace, tree) if tree.dirty else ()
    return (
        commit_command(workspace.repository, [f"{prefix}{path}" for path in changes])
        if changes
        else None
    )


def release_line(workspace: Workspace, branch: str) -> str:
    """The line that takes a branch on to production: continuous integration may be the only one who
    releases."""
    if workspace.settings.promote != "ci":
        return f"seeknal promote {operand(branch)}"
    remote = next(iter(git.remotes(workspace.repository)), "origin")
    return f"git push --set-upstream {operand(remote)} {operand(branch)}"
