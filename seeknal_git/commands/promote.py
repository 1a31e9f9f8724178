"""The command `promote`: make an environment, above all production, match its branch's tip.

Promotion is idempotent. It finds built tables by their content, never by their branch.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from seeknal_git.build.hold import Prepared, preview
from seeknal_git.build.options import Options
from seeknal_git.build.processes import Wanted, with_workers
from seeknal_git.build.progress import Origin, Reconciled, Report, without_rows
from seeknal_git.build.settled import settle, settled
from seeknal_git.commands.observer import NOBODY, Observer
from seeknal_git.commands.result import RunResult
from seeknal_git.commands.run import warn_of_raw_data
from seeknal_git.environments.merges import (
    check_merge,
    explained_conflicts,
    loaded_at,
)
from seeknal_git.environments.other_clones import clone_folder
from seeknal_git.environments.production import refuse_to_lose, showing
from seeknal_git.environments.releasing import need_leave, only_ci_releases
from seeknal_git.environments.revision import (
    Revision,
    as_environment,
    branch_to_merge_into,
    elsewhere,
    load_sound,
    revision_of,
)
from seeknal_git.environments.uncommitted import follow
from seeknal_git.errors import Problem, ProjectError, UsageError
from seeknal_git.git import repository as git
from seeknal_git.git.merge import Merged, merge
from seeknal_git.git.merge_in_memory import how_to_mend, merged_tree, need_no_conflict
from seeknal_git.git.merge_source import branch_that_came, whoami
from seeknal_git.git.operation import refuse_unfinished
from seeknal_git.git.production_ref import set_production_ref
from seeknal_git.git.tree import commit_tree
from seeknal_git.plan.conflicts import Conflict
from seeknal_git.project.authority import keep_authority
from seeknal_git.project.branch_settings import need_authority, need_production_s_settings
from seeknal_git.project.kept_out import need_kept_out
from seeknal_git.project.load import Loaded, load
from seeknal_git.project.workspace import Workspace

if TYPE_CHECKING:
    from seeknal_git.build.holding import Held

DEFAULT = Options()


def promote(
    workspace: Workspace,
    environment: str | None = None,
    target: str | None = None,
    *,
    workers: Wanted = None,
    force: bool = False,
    reason: str | None = None,
    dry_run: bool = False,
    sandbox: bool = False,
    verbose: bool = False,
    no_backfill: bool = False,
    observer: Observer = NOBODY,
) -> RunResult:
    """Publish the tip of a branch in its environment, all at once; by default, production's.

    Tables that were built for any branch are used again; the others are built first. If a node
    fails, nothing is published; the result tells it, and nothing is raised.

    environment: a branch, tag or commit that git merges first.
    target: the branch to promote into; by default, the production branch.
    workers: how many nodes are built at once, or keys of the setting `workers`; by default, as the
    project says, else one for each core.
    force: promote even if that takes back what another clone released, or if only continuous
    integration releases.
    reason: why production is released by force; the log keeps it.
    dry_run: find out what would be done, and do nothing; the merge is made in memory.
    sandbox: refuse to run a Python node.
    verbose: also report the SQL of each node, the output of functions, and each check.
    no_backfill: refuse to complete tables that branches have built in part.

    Raises UsageError, ProjectError, GitError, WarehouseError or FileFault before anything is
    published.
    """
    options = Options(
        force=force,
        reason=reason,
        sandbox=sandbox,
        verbose=verbose,
        no_backfill=no_backfill,
    )
    options = with_workers(options, workspace, workers)
    if dry_run:
        return _preview(workspace, environment, target, Options(no_backfill=no_backfill))
    if not workspace.repository.bare:
        refuse_unfinished(workspace.repository)
    if environment is not None:
        _leave_nothing(workspace, environment)
        # Before the merge: a refusal after it would leave the branch ahead.
        if sandbox or no_backfill:
            _preview(workspace, environment, target, options)
        merged = _merge_branch(workspace, environment, target, force=force, reason=reason)
        for command in merged.commands:
            observer.ran(command)
        if not merged.commands:
            observer.note(f"There is nothing to merge: {environment} has no commit of its own.")
    return _promote(workspace, target, options, observer, "promote")


def promote_after_git(workspace: Workspace, observer: Observer = NOBODY) -> RunResult | None:
    """Promote production if git moved its branch; None if there is nothing to promote from here."""
    branch = workspace.production
    if only_ci_releases(workspace):
        observer.note(f"seeknal: {branch} moved, and continuous integration promotes it: git push")
        return None
    if not _is_behind(workspace):
        return None
    observer.note(f"seeknal: {branch} moved, promoting it")
    return _promote(workspace, None, with_workers(Options(), workspace), observer, "hook")


def _promote(
    workspace: Workspace, target: str | None, options: Options, observer: Observer, command: str
) -> RunResult:
    started = time.monotonic()
    prepared = prepare(workspace.reading(), target, options)
    warn_of_raw_data(prepared, observer)
    with observer.progress(len(prepared.loaded.graph.members)) as report:
        done = carry_out(prepared, report, command=command)
    return RunResult(
        "promote",
        done.work,
        done if workspace.settings.show_rows else without_rows(done),
        time.monotonic() - started,
        elsewhere(workspace, prepared.environment.name),
    )


def _leave_nothing(workspace: Workspace, environment: str) -> None:
    """Raise GitError for uncommitted changes elsewhere: they would look as if promoted."""
    follow(workspace, environment, "promote", may_switch=False)


@dataclass(frozen=True, slots=True)
class _Request:
    """The branch to promote."""

    target: str
    options: Options

    def revision(self, workspace: Workspace) -> Revision:
        """The branch as it is now."""
        return branch_to_merge_into(workspace, self.target)

    def prepared(self, workspace: Workspace) -> Prepared:
        """Load its tip, as `prepare` does."""
        return prepare(workspace, self.target, self.options)


def prepare(
    workspace: Workspace, target: str | None = None, options: Options = DEFAULT
) -> Prepared:
    """Load the tip of the target's branch; by default, of the production branch.

    Raises ProjectError, UsageError, GitError or WarehouseBusy before anything is written.
    """
    workspace = workspace.waiting()
    need_authority(workspace)
    into = branch_to_merge_into(workspace, target)
    need_production_s_settings(workspace, into.name, into.commit)
    if into.environment.is_production and not options.force:
        refuse_to_lose(workspace)
    workspace, _ = as_environment(workspace, into)
    tree = commit_tree(workspace.repository, into.commit or git.need_commit(workspace.repository))
    need_kept_out(workspace, tree)
    return _prepared(workspace, into, load_sound(workspace, tree, into, keeps=into.schema), options)


def _preview(
    workspace: Workspace, environment: str | None, target: str | None, options: Options = DEFAULT
) -> RunResult:
    """Find out the work of a promotion. Nothing is written; a merge is made in memory."""
    if environment is None:
        return RunResult("promote", preview(prepare(workspace, target, options)))
    _leave_nothing(workspace, environment)
    need_authority(workspace)
    source, into = revision_of(workspace, environment), branch_to_merge_into(workspace, target)
    need_production_s_settings(workspace, source.name, source.commit)
    workspace, _ = as_environment(workspace, into)
    merged = _merge_in_memory(workspace, source, into)
    work = preview(_prepared(workspace, into, merged, options))
    return RunResult("promote", work, merges=environment)


def _prepared(
    workspace: Workspace, revision: Revision, loaded: Loaded, options: Options
) -> Prepared:
    return Prepared(
        _Request(revision.name, options),
        workspace,
        revision,
        loaded,
        revision.environment,
        replace(options, all_or_nothing=True),
    )


def _merge_in_memory(workspace: Workspace, source: Revision, into: Revision) -> Loaded:
    """Load the result of a merge.

    Raises GitError if it conflicts as text. Raises ProjectError, with both sides' parts, if it
    conflicts as a pipeline, like the hook does: the branch would be ahead of its environment until
    somebody mends it.
    """
    repository = workspace.repository
    theirs = source.commit or git.need_commit(repository)
    ours = into.commit or git.need_commit(repository)
    source, into = replace(source, commit=theirs), replace(into, commit=ours)
    result = merged_tree(repository, ours, theirs)
    tree = need_no_conflict(repository, result, source.name, theirs, into.name)
    need_kept_out(workspace, tree)
    merged = load(workspace, tree, keeps=into.schema)
    conflicts: tuple[Conflict, ...] = ()
    problems: tuple[Problem, ...] = ()
    if not git.is_ancestor(repository, ours, theirs):  # otherwise there is one side only
        conflicts, problems = check_merge(
            workspace, source, into, merged, loaded_at(workspace, into, merged)
        )
    if conflicts or merged.problems:
        way = how_to_mend(repository, source.name, theirs, into.name)
        raise ProjectError(explained_conflicts(conflicts, way) + problems or merged.problems)
    return merged


def _merge_branch(
    workspace: Workspace,
    environment: str,
    target: str | None,
    *,
    force: bool,
    reason: str | None,
) -> Merged:
    """Merge an environment's branch, tag or commit into the target's branch, by git.

    Raises GitError if that is not possible, and ProjectError if the result could not be published;
    nothing has changed then.
    """
    need_authority(workspace)
    into = branch_to_merge_into(workspace, target)
    if workspace.branch_of(environment) == into.name:
        raise UsageError(
            f"{into.name} cannot be promoted into itself.",
            "Promote it as it is with: seeknal promote",
        )
    if into.environment.is_production:
        need_leave(workspace, reason, force=force)
    if into.environment.is_production and not force:
        refuse_to_lose(workspace)
    source = revision_of(workspace, environment)
    need_production_s_settings(workspace, source.name, source.commit)
    _merge_in_memory(workspace, source, into)
    return merge(
        workspace.repository,
        source.name,
        source.commit or git.need_commit(workspace.repository),
        into.name,
    )


def _is_behind(workspace: Workspace) -> bool:
    """Whether the tip of the production branch is not what production last published, by the
    warehouse."""
    tip = git.production_tip(workspace.repository, workspace.production)
    lost = not workspace.has_warehouse
    return tip is not None and (lost or tip != showing(workspace).commit)


def carry_out(prepared: Prepared, report: Report, *, command: str = "promote") -> Reconciled:
    """Build the missing tables, then publish everything in one transaction, or nothing."""
    if prepared.environment.is_production:
        need_leave(prepared.workspace, prepared.options.reason, force=prepared.options.force)
    keep_authority(prepared.workspace.repository, prepared.workspace.authority)
    if (done := settled(prepared)) is not None:
        return done
    from seeknal_git.build.holding import held

    with held(prepared, command, report) as promotion:
        return _promoted(promotion, report, command)


def _promoted(promotion: Held, report: Report, command: str) -> Reconciled:
    from seeknal_git.build.publish import reconcile

    prepared, work = promotion.prepared, promotion.work
    repository, environment = prepared.workspace.repository, prepared.environment
    commit = prepared.revision.commit or git.need_commit(repository)
    merged = branch_that_came(repository, commit, environment.name)
    origin = Origin(
        commit,
        git.author_of(repository, commit),
        command,
        merged,
        publisher=whoami(repository),
        clone=clone_folder(repository),
        started=promotion.started,
        after=promotion.after,
    )
    done = reconcile(promotion.warehouse, work, origin, report, promotion.ahead)
    # While the warehouse is held: of two promotions, the later one has to have the last word here
    # too.
    if done.outcome is not None and environment.is_production:
        set_production_ref(repository, commit)
    if not done.failures:
        settle(prepared)
    return done
