"""The verb behind `promote`: make an environment match the tip of its branch, above all production.

Promotion is idempotent, and finds built tables by what they are, never by the branch that built them.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from seeknal_git.errors import UsageError
from seeknal_git.execute import Report
from seeknal_git.git import repository as git
from seeknal_git.git.merge import Merged, merge, merge_in_memory
from seeknal_git.git.origin import branch_that_came
from seeknal_git.git.tree import commit_tree
from seeknal_git.names import schema_of
from seeknal_git.reconcile import Origin, Reconciled, reconcile
from seeknal_git.warehouse.connection import open_warehouse
from seeknal_git.work import Options, Target, Work, work_out
from seeknal_git.workspace import Loaded, Workspace, load_sound


@dataclass(frozen=True, slots=True)
class Prepared:
    """A promotion that is about to happen: a commit of a branch, and what follows from it."""

    workspace: Workspace
    commit: str
    loaded: Loaded
    target: Target
    options: Options


def prepare(workspace: Workspace, target: str | None = None, commit: str | None = None, workers: int = 1) -> Prepared:
    """Load the tip of the target's branch (production unless named), or another commit of it that is still to come.

    Raises ProjectError, UsageError or GitError before anything is written.
    """
    branch = workspace.branch_of(target) if target else workspace.production
    what = "production branch" if branch == workspace.production else "branch"
    commit = commit or git.need_branch(workspace.repository, branch, what)
    loaded = load_sound(workspace, commit_tree(workspace.repository, commit), branch, reads_again=False)
    return Prepared(
        workspace,
        commit,
        loaded,
        Target(branch, schema_of(branch), workspace.production_schema),
        Options(workers=workers, all_or_nothing=True),
    )


def merge_branch(workspace: Workspace, environment: str, target: str | None = None) -> Merged:
    """Merge an environment's branch into the target's, by git. Raises GitError where that is not possible, with nothing
    changed."""
    source = workspace.branch_of(environment)
    into = workspace.branch_of(target) if target else workspace.production
    if source == into:
        raise UsageError(f"{source} cannot be promoted into itself.", "Promote it as it is with: seeknal promote")
    git.need_branch(workspace.repository, source)
    git.need_branch(workspace.repository, into)
    return merge(workspace.repository, source, into)


def merged_commit(workspace: Workspace, environment: str, target: str | None = None) -> str:
    """The commit that `merge_branch` would make: in memory, and on no branch. Raises GitError for a conflict."""
    into = workspace.branch_of(target) if target else workspace.production
    return merge_in_memory(workspace.repository, workspace.branch_of(environment), into)


def is_behind(workspace: Workspace) -> bool:
    """Whether the tip of the production branch is not what production last published, as this clone knows it."""
    tip = git.branch_tip(workspace.repository, workspace.production)
    lost = not workspace.warehouse_path.exists()
    return tip is not None and (lost or tip != git.production_ref(workspace.repository))


def preview(prepared: Prepared, lock_timeout: float = 0.0) -> Work:
    """What a promotion would do, without writing anything."""
    path = prepared.workspace.warehouse_path
    with open_warehouse(path if path.exists() else None, read_only=True, lock_timeout=lock_timeout) as warehouse:
        return work_out(warehouse, prepared.loaded.graph, prepared.loaded.root, prepared.target, prepared.options)


def promote(prepared: Prepared, report: Report, lock_timeout: float = 0.0, *, command: str = "promote") -> Reconciled:
    """Build what is missing, then publish everything in one transaction, or nothing."""
    workspace = prepared.workspace
    with open_warehouse(workspace.warehouse_path, lock_timeout=lock_timeout) as warehouse:
        started = time.monotonic()
        if git.branch_tip(workspace.repository, prepared.target.branch) != prepared.commit:  # while we waited
            prepared = prepare(workspace, prepared.target.branch, workers=prepared.options.workers)
        loaded = prepared.loaded
        work = work_out(warehouse, loaded.graph, loaded.root, prepared.target, prepared.options)
        merged = branch_that_came(workspace.repository, prepared.commit, prepared.target.branch)
        author = git.author_of(workspace.repository, prepared.commit)
        origin = Origin(prepared.commit, author, command, merged, started)
        done = reconcile(warehouse, work, origin, report)
    if done.outcome is not None and prepared.target.is_production:
        git.set_production_ref(workspace.repository, prepared.commit)
    return done
