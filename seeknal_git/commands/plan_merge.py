"""The command `plan --into`: the changes and conflicts of a merge, before anybody makes it."""

from __future__ import annotations

from dataclasses import dataclass

from seeknal_git.commands.planned import Planned
from seeknal_git.environments.merges import (
    check_merge,
    explained_conflicts,
    loaded_at,
)
from seeknal_git.environments.revision import Revision, branch_to_plan_into, revision_of
from seeknal_git.errors import Problem, ProjectError, SeeknalError, UsageError
from seeknal_git.git import repository as git
from seeknal_git.git.merge_in_memory import how_to_mend, merged_tree, textual_conflict
from seeknal_git.plan.changes import make_plan
from seeknal_git.plan.conflicts import Conflict
from seeknal_git.project.branch_settings import changed_between
from seeknal_git.project.kept_out import kept_out
from seeknal_git.project.load import Loaded, load
from seeknal_git.project.workspace import Workspace


@dataclass(frozen=True, slots=True)
class MergePlan:
    """A merge that was made in memory."""

    source: Revision
    into: Revision
    # The files that git cannot merge.
    textual: tuple[str, ...] = ()
    # Problems of the merged pipeline that neither side has alone.
    conflicts: tuple[Conflict, ...] = ()
    # Problems that one side has already.
    problems: tuple[Problem, ...] = ()
    # The changes of the merge; None if there is no graph to compare.
    planned: Planned | None = None

    @property
    def is_clean(self) -> bool:
        return not (self.textual or self.conflicts or self.problems)


def plan_merge(workspace: Workspace, environment: str | None, into: str) -> MergePlan:
    """Plan the merge of a branch, tag or commit into a branch. Nothing is written.

    Raises UsageError for names that do not exist, and GitError if there is no merge base.
    """
    source, target = revision_of(workspace, environment), branch_to_plan_into(workspace, into)
    if source.name == target.name and source.commit == target.commit:
        raise UsageError(
            f"{source.name} cannot be merged into itself.", "Switch to the branch, or name it."
        )
    git.need_commit(workspace.repository)
    result = merged_tree(workspace.repository, target.commit or "", source.commit or "")
    if result.tree is None:
        return MergePlan(source, target, textual=result.conflicts)
    workspace = workspace.resolving(target.name)
    merged = load(workspace, result.tree, keeps=target.schema)
    before = loaded_at(workspace, target, merged)
    conflicts, problems = check_merge(workspace, source, target, merged, before)
    planned = None if merged.problems else _planned(source, target, before, merged)
    return MergePlan(
        source, target, (), conflicts, (*kept_out(workspace, result.tree), *problems), planned
    )


def _planned(source: Revision, target: Revision, into: Loaded, merged: Loaded) -> Planned:
    return Planned(
        environment=target.environment,
        base_commit=target.commit,
        head_commit=source.commit,
        dirty=False,
        base=into,
        head=merged,
        plan=make_plan(into.state, merged.state),
        warnings=merged.warnings,
        merges=source.name,
        settings=changed_between(into.tree, merged.tree),
    )


def fault_of(workspace: Workspace, merge: MergePlan) -> SeeknalError | None:
    """Why the merge must not be made: GitError for textual conflicts, else ProjectError."""
    if merge.is_clean:
        return None
    repository, source, into = workspace.repository, merge.source, merge.into.name
    if merge.textual:
        return textual_conflict(repository, merge.textual, source.name, source.commit or "", into)
    way = how_to_mend(repository, source.name, source.commit or "", into)
    return ProjectError(explained_conflicts(merge.conflicts, way) + merge.problems)
