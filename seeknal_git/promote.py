"""The verb behind `promote`: make an environment match the tip of its branch, above all production.

Promotion is idempotent, and finds built tables by what they are, never by the branch that built them.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from seeknal_git.errors import UsageError
from seeknal_git.execute import Report
from seeknal_git.git import repository as git
from seeknal_git.git.merge import Merged, merge
from seeknal_git.git.merged import merged_tree, need_no_conflict
from seeknal_git.git.origin import branch_that_came
from seeknal_git.git.tree import Tree, commit_tree
from seeknal_git.reconcile import Origin, Reconciled, reconcile
from seeknal_git.revision import Revision, branch_to_merge_into, load_sound, revision_of
from seeknal_git.warehouse.connection import Warehouse, open_warehouse
from seeknal_git.work import Options, Target, Work, still_kept, work_out
from seeknal_git.workspace import Loaded, Workspace, need_own_warehouse

DEFAULT = Options()


@dataclass(frozen=True, slots=True)
class Prepared:
    """A promotion that is about to happen: a commit of a branch, and what follows from it."""

    workspace: Workspace
    commit: str
    loaded: Loaded
    target: Target
    options: Options


def prepare(
    workspace: Workspace, target: str | None = None, options: Options = DEFAULT, lock_timeout: float = 0.0
) -> Prepared:
    """Load the tip of the target's branch, production unless named.

    Raises ProjectError, UsageError, GitError or WarehouseBusy before anything is written.
    """
    if options.sandbox:
        need_own_warehouse(workspace)
    workspace = replace(workspace, lock_timeout=lock_timeout)
    into = branch_to_merge_into(workspace, target)
    commit = into.commit or git.need_commit(workspace.repository)
    return _prepared(workspace, into, commit, commit_tree(workspace.repository, commit), options)


def prepare_merge(workspace: Workspace, environment: str, target: str | None = None) -> Prepared:
    """Load what `merge_branch` would make, without making it. Raises GitError for a conflict."""
    source, into = revision_of(workspace, environment), branch_to_merge_into(workspace, target)
    one, other = (each.commit or git.need_commit(workspace.repository) for each in (into, source))
    tree = need_no_conflict(merged_tree(workspace.repository, one, other), source.name, into.name)
    return _prepared(workspace, into, other, tree, DEFAULT)


def _prepared(workspace: Workspace, into: Revision, commit: str, tree: Tree, options: Options) -> Prepared:
    loaded = load_sound(workspace, tree, into, reads_again=False)
    target = Target(into.name, into.schema, workspace.production_schema)
    return Prepared(workspace, commit, loaded, target, replace(options, all_or_nothing=True))


def refuse_unfinished(workspace: Workspace) -> None:
    """Raise GitError in the middle of a merge or a rebase: what the branch is going to be is not decided."""
    if not workspace.repository.bare:
        git.refuse_unfinished(workspace.repository)


def merge_branch(workspace: Workspace, environment: str, target: str | None = None) -> Merged:
    """Merge an environment's branch, tag or commit into the target's branch, by git. Raises GitError where that is not
    possible, with nothing changed."""
    into = branch_to_merge_into(workspace, target)
    if workspace.branch_of(environment) == into.name:
        raise UsageError(f"{into.name} cannot be promoted into itself.", "Promote it as it is with: seeknal promote")
    source = revision_of(workspace, environment)
    return merge(workspace.repository, source.name, source.commit or git.need_commit(workspace.repository), into.name)


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
    workspace, give_up = prepared.workspace, time.monotonic() + lock_timeout
    while True:
        patience = max(give_up - time.monotonic(), 0.0)
        with open_warehouse(workspace.warehouse_path, lock_timeout=patience) as warehouse:
            if _is_current(prepared, warehouse):
                return _promoted(prepared, warehouse, report, command)
        prepared = prepare(workspace, prepared.target.branch, prepared.options, patience)


def _is_current(prepared: Prepared, warehouse: Warehouse) -> bool:
    """Whether neither the branch nor what production reads has moved while we waited."""
    loaded, target = prepared.loaded, prepared.target
    tip = branch_to_merge_into(prepared.workspace, target.branch).commit
    return tip == prepared.commit and still_kept(warehouse, loaded.graph, loaded.root, target, loaded.kept or {})


def _promoted(prepared: Prepared, warehouse: Warehouse, report: Report, command: str) -> Reconciled:
    workspace, loaded, started = prepared.workspace, prepared.loaded, time.monotonic()
    work = work_out(warehouse, loaded.graph, loaded.root, prepared.target, prepared.options)
    merged = branch_that_came(workspace.repository, prepared.commit, prepared.target.branch)
    author = git.author_of(workspace.repository, prepared.commit)
    done = reconcile(warehouse, work, Origin(prepared.commit, author, command, merged, started), report)
    # While the warehouse is held: of two promotions, the later one has to have the last word here too.
    if done.outcome is not None and prepared.target.is_production:
        git.set_production_ref(workspace.repository, prepared.commit)
    return done
