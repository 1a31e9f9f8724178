"""The command `run`: build the nodes that an environment's branch needs, and publish them."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from seeknal_git.build.hold import Prepared, preview
from seeknal_git.build.options import Options, Since
from seeknal_git.build.processes import Wanted, with_workers
from seeknal_git.build.progress import Origin, Progress, Reconciled, Report, without_rows
from seeknal_git.build.settled import settle, settled
from seeknal_git.build.unwritten import unwritten
from seeknal_git.build.work import Work
from seeknal_git.commands.observer import NOBODY, Observer
from seeknal_git.commands.result import RunResult
from seeknal_git.commands.selected import selected_to_run
from seeknal_git.environments.environment import Environment
from seeknal_git.environments.mixed_tree import mixed
from seeknal_git.environments.other_clones import clone_folder, published_elsewhere
from seeknal_git.environments.production import refuse_to_lose, showing
from seeknal_git.environments.releasing import need_leave
from seeknal_git.environments.revision import (
    Revision,
    as_environment,
    elsewhere,
    head_tree,
    load_sound,
    production_tip,
    revision_of,
)
from seeknal_git.environments.saved_plans import changed_since_plan, drop_plan
from seeknal_git.environments.uncommitted import commit_line, follow, left_behind, release_line
from seeknal_git.errors import UsageError, some
from seeknal_git.git import repository as git
from seeknal_git.git.merge_source import branch_that_came, whoami
from seeknal_git.git.operation import refuse_unfinished
from seeknal_git.git.production_ref import set_production_ref
from seeknal_git.git.tree import keep_tree
from seeknal_git.names import operand
from seeknal_git.nodes.targets import NOT_WRITTEN
from seeknal_git.plan.selection import WHOLE, Selecting, asked
from seeknal_git.project.authority import keep_authority
from seeknal_git.project.branch_settings import need_authority, need_production_s_settings
from seeknal_git.project.load import Loaded, load
from seeknal_git.project.workspace import Workspace
from seeknal_git.warehouse.protocol import Warehouse

if TYPE_CHECKING:
    from seeknal_git.build.holding import Held

_LEFT_BEHIND = 3  # of the uncommitted files that a run leaves out, this many are named
_IN_PART = (
    "Production gets these nodes as they are here, and no others: "
    "it is no commit's until a promotion."
)
_AS_A_WHOLE = (
    "Production runs with uncommitted changes: "
    "it will be ahead of its commits until you commit these changes."
)


def run(
    workspace: Workspace,
    environment: str | None = None,
    *,
    select: Selecting | str = "",
    exclude: str = "",
    full: bool = False,
    refresh: bool = False,
    keep_going: bool = False,
    retry: int = 0,
    workers: Wanted = None,
    carry: bool = False,
    force: bool = False,
    reason: str | None = None,
    dry_run: bool = False,
    sandbox: bool = False,
    verbose: bool = False,
    since: str | None = None,
    start: str | None = None,
    end: str | None = None,
    observer: Observer = NOBODY,
) -> RunResult:
    """Build the changed nodes of an environment, check them and publish them.

    Production shows everything or nothing; another environment shows whatever succeeded. A node
    that fails is told in the result, and raises nothing.

    environment: a branch; by default, the branch that is checked out.
    select, exclude: the nodes to run, in the grammar of docs/selection.md; by default, all. Missing
    inputs are built too, and production takes along all nodes without which it would not be sound.
    full: build every node again, except unchanged raw data on a branch.
    refresh: read raw data again, as production always does.
    keep_going: build the nodes that do not depend on a failure.
    retry: how many times a failing node is tried again.
    workers: how many nodes are built at once, or keys of the setting `workers`.
    carry: switch to the environment's branch if uncommitted changes can follow to it.
    force: run even if the plan is out of date, another clone released more, or only CI releases.
    reason: why production is released by force; the log keeps it.
    dry_run: find out what would be done, and do nothing.
    sandbox: refuse to run a Python node.
    verbose: also report the SQL of each node, the output of functions, and each check.
    since, start, end: on a branch, build only partitions of this time, as the options say it.

    Raises UsageError, ProjectError, GitError, WarehouseError or FileFault before anything changes.
    """
    started = time.monotonic()
    if environment:
        _bring_changes(workspace, environment, observer, force=force, carry=carry)
    options = Options(refresh=refresh, full=full, keep_going=keep_going, retry=retry)
    options = replace(options, reason=reason, sandbox=sandbox, verbose=verbose)
    options = replace(options, since=_since(since, start, end, full=full))
    options = with_workers(options, workspace, workers)
    request = Request(environment, asked(select, exclude), force, options)
    if dry_run:
        return RunResult("run", _told(preview(prepare(workspace, request)), observer))
    need_authority(workspace)
    _announce(workspace, request.revision(workspace).environment, observer, bool(environment))
    prepared = prepare(workspace.reading(full=full), request)
    done = _carried_out(prepared, observer)
    return _result(prepared, done, time.monotonic() - started)


def _told(work: Work, observer: Observer) -> Work:
    """Note the date that a limit counts from, or that it changes nothing."""
    limits, since = work.inventory.limits, work.options.since
    if limits is not None and since is not None:
        if not limits.in_part:
            observer.note(f"No node is built in part, so {since.words} changes nothing.")
        elif limits.origin:
            observer.note(limits.origin)
    return work


def _carried_out(prepared: Prepared, observer: Observer) -> Reconciled:
    """Build, check and publish what was prepared, unless no node is selected."""
    if prepared.options.chosen == frozenset():
        observer.note("No node is selected, so nothing is run.")
        return Reconciled(preview(prepared), Progress(), outcome=None, failures={})
    _doubt(prepared, observer)
    with observer.progress(len(prepared.loaded.graph.members)) as report:
        done = carry_out(prepared, report)
    _told(done.work, observer)
    return done


def _bring_changes(
    workspace: Workspace, environment: str, observer: Observer, *, force: bool, carry: bool
) -> None:
    """Let uncommitted changes follow to the environment, or refuse to go on without them.

    They never follow to production. There, and with `force`, the run goes on without them, and says
    so.
    """
    if not force:
        for command in follow(workspace, environment, "run", may_switch=carry):
            observer.ran(command)
    if left := left_behind(workspace, environment):
        names = some(left, _LEFT_BEHIND)
        observer.note(f"Not in this run: the uncommitted changes here ({names}).")


def _announce(
    workspace: Workspace, environment: Environment, observer: Observer, is_named: bool
) -> None:
    """Tell the environment that is run before its nodes are loaded: that may take a while. Raises
    UsageError if there is no production branch."""
    if is_named or environment.is_production:
        observer.began(f"Run of {environment.name} begins.")
    else:
        production_tip(workspace)
        observer.note(f"Run of {environment.name}; production is {environment.production}.")


def _doubt(prepared: Prepared, observer: Observer) -> None:
    """Note doubts about the nodes and raw data of a run."""
    if prepared.environment.is_production and prepared.loaded.tree.dirty:
        observer.note(_IN_PART if prepared.base is not None else _AS_A_WHOLE)
    for name in prepared.loaded.unused_params:
        observer.note(f"No node uses the parameter {name}.")
    told = prepared.loaded.project.warnings
    named = {str(one.node) for one in told if one.group == NOT_WRITTEN}
    graph = prepared.loaded.graph
    left = unwritten(graph, prepared.loaded.root, prepared.environment.name)
    named.update(graph.inputs[node][0] for node in left)
    if named:
        observer.note(f"Not written here: the materialization of {some(sorted(named), 3)}.")
    warn_of_raw_data(prepared, observer)
    for note in prepared.workspace.outsides.notes:
        observer.note(note)


def warn_of_raw_data(prepared: Prepared, observer: Observer) -> None:
    """Name the files that nobody could read, the guesses about raw data, and the entities without
    a view."""
    loaded = prepared.loaded
    for problem in (
        *loaded.project.unread,
        *loaded.binding.warnings,
        *loaded.entity_warnings,
    ):
        observer.warn(problem)


def _result(prepared: Prepared, done: Reconciled, seconds: float) -> RunResult:
    workspace, branch = prepared.workspace, prepared.environment.name
    uncommitted = (
        prepared.loaded.tree.dirty
        and not prepared.environment.is_production
        and prepared.options.chosen != frozenset()
    )
    tree = prepared.loaded.tree
    commit = commit_line(workspace, tree) if uncommitted and not done.failures else None
    return RunResult(
        "run",
        done.work,
        done if workspace.settings.show_rows else without_rows(done),
        seconds,
        elsewhere(workspace, branch),
        uncommitted=uncommitted,
        next_step=f"{commit} && {release_line(workspace, branch)}" if commit else None,
    )


@dataclass(frozen=True, slots=True)
class Request:
    """The environment and the nodes to run."""

    environment: str | None = None
    select: Selecting = WHOLE
    force: bool = False
    options: Options = field(default_factory=Options)

    def revision(self, workspace: Workspace) -> Revision:
        """The branch, tag or commit that is asked for, as it is now."""
        return revision_of(workspace, self.environment)

    def prepared(self, workspace: Workspace) -> Prepared:
        """Load the nodes, as `prepare` does."""
        return prepare(workspace, self)


def prepare(workspace: Workspace, request: Request) -> Prepared:
    """Load the nodes to run.

    Raises ProjectError, UsageError or GitError before anything is written.
    """
    workspace = workspace.waiting()
    need_authority(workspace)
    revision = revision_of(workspace, request.environment)
    branch = revision.name
    if not revision.checked_out:
        need_production_s_settings(workspace, branch, revision.commit)
    environment = revision.environment
    if environment.is_production:
        _refuse_limits(request.options, branch)
        refuse_unfinished(workspace.repository)
        if not request.force:
            refuse_to_lose(workspace)
    else:
        production_tip(workspace)
    workspace, keeps = as_environment(workspace, revision, refresh=request.options.refresh)
    loaded = load_sound(
        workspace,
        head_tree(workspace, revision),
        revision,
        keeps=keeps,
        whatever_data=request.options.keep_going and not environment.is_production,
    )
    if environment.is_production and loaded.tree.dirty and workspace.settings.protect_production:
        raise UsageError(
            "Production is protected, and there are uncommitted changes.",
            "Commit them, or work on a branch: git switch -c NAME",
        )
    if request.environment and not request.force:
        _refuse_stale_plan(workspace, branch, loaded)
    chosen = selected_to_run(workspace, revision, loaded, request.select, keeps=keeps)
    options, base = replace(request.options, chosen=chosen), None
    if environment.is_production:
        options = replace(options, refresh=True, all_or_nothing=True, force=request.force)
        if options.chosen and (base := _base(workspace)):
            found = mixed(workspace, loaded, base, options.chosen)
            loaded, options = found.loaded, replace(options, chosen=found.chosen, whole=True)
    return Prepared(
        request,
        workspace,
        revision,
        loaded,
        environment,
        options,
        base,
    )


def _since(since: str | None, start: str | None, end: str | None, *, full: bool) -> Since | None:
    if since is None and start is None and end is None:
        return None
    from seeknal_git.build.since import since_of

    found = since_of(since, start, end)
    if full:
        raise UsageError(f"--full builds everything: it goes without {found.words}.")
    return found


def _refuse_limits(options: Options, branch: str) -> None:
    """Raise UsageError for a production in part."""
    if options.since is not None:
        raise UsageError(
            f"{branch} is production, which is never built in part: {options.since.words} is for "
            "other branches.",
            "git switch -c NAME",
        )


def _base(workspace: Workspace) -> str | None:
    """The commit that production shows, to which named nodes are added; None if it shows none."""
    commit = showing(workspace).commit if workspace.has_warehouse else None
    if commit and not git.has_commit(workspace.repository, commit):
        raise UsageError(
            f"Production shows {commit[:8]}, which this clone does not have: "
            "no node can be added to that.",
            "Publish all nodes first: seeknal promote",
        )
    return commit or None


def _refuse_stale_plan(workspace: Workspace, branch: str, loaded: Loaded) -> None:
    moved = changed_since_plan(workspace, branch, loaded.state)
    if moved:  # a plan reads raw data as it is now, whatever load the run is going to use
        moved = changed_since_plan(workspace, branch, load(workspace, loaded.tree).state)
    if moved:
        raise UsageError(
            f"The plan of {branch} was made for other nodes: {', '.join(moved)} changed since.",
            f"Plan again (seeknal plan {operand(branch)}), or run all the same with --force.",
        )


def carry_out(prepared: Prepared, report: Report) -> Reconciled:
    """Build, check and publish what was prepared."""
    if prepared.environment.is_production:
        need_leave(prepared.workspace, prepared.options.reason, force=prepared.options.force)
    keep_authority(prepared.workspace.repository, prepared.workspace.authority)
    done = settled(prepared)
    if done is None:
        from seeknal_git.build.holding import held

        with held(prepared, "run", report) as run_:
            done = _ran(run_, report)
    if not done.failures:
        drop_plan(prepared.workspace, prepared.environment.name)
    return done


def _ran(run_: Held, report: Report) -> Reconciled:
    from seeknal_git.build.publish import reconcile

    prepared, warehouse, work = run_.prepared, run_.warehouse, run_.work
    environment = prepared.environment
    repository = prepared.workspace.repository
    replaces = published_elsewhere(repository, warehouse, environment.schema)
    origin = replace(
        _origin(prepared, warehouse),
        started=run_.started,
        after=run_.after,
        publisher=whoami(repository),
        clone=clone_folder(repository),
        edited=prepared.loaded.tree.dirty,
    )
    done = reconcile(warehouse, work, origin, report, run_.ahead)
    if (
        replaces
        and done.outcome is not None
        and done.outcome.publication is not None
        and not environment.is_production
    ):
        done = replace(done, replaces=str(replaces))
    # While the warehouse is held: of two runs, the later one has to have the last word here too.
    if (
        environment.is_production
        and done.outcome is not None
        and (prepared.base or prepared.options.chosen is None)
    ):
        set_production_ref(repository, origin.commit)
    if not done.failures:
        settle(prepared)
    return done


def _origin(prepared: Prepared, warehouse: Warehouse) -> Origin:
    """The commit that is run. Nodes on production that are no commit's, as they were not committed
    or run by name, are kept as a commit that no branch names."""
    repository, tree = prepared.workspace.repository, prepared.loaded.tree
    author = git.author_of(repository, tree.commit or "HEAD")
    last = warehouse.publications.last(prepared.environment.schema)
    if (
        prepared.options.chosen is not None
        and prepared.environment.is_production
        and not prepared.base
    ):
        return Origin(last.commit if last else "", author, "run")
    if tree.dirty and prepared.environment.is_production:
        commit = keep_tree(
            repository,
            tree,
            f"Production, with uncommitted nodes, as run on {prepared.environment.name}",
        )
        return Origin(commit, author, "run", base=tree.commit)
    merged = (
        branch_that_came(repository, tree.commit, prepared.environment.name)
        if tree.commit
        else None
    )
    return Origin(tree.commit or "", author, "run", merged)
