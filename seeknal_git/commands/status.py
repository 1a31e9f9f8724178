"""The command `status`: how a branch, its environment and production stand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING

from seeknal_git.build.failed_checks import known_violations
from seeknal_git.build.moved_data import MovedData, moved_data
from seeknal_git.build.options import Options
from seeknal_git.build.work import Work, work_out
from seeknal_git.commands.planned import plan_environment
from seeknal_git.environments.environment import Environment
from seeknal_git.environments.files_in_place import broken
from seeknal_git.environments.other_clones import published_elsewhere
from seeknal_git.environments.parts import parts_shown
from seeknal_git.environments.production import Showing, due, recorded
from seeknal_git.environments.publications import (
    Named,
    Shown,
    difference,
    named,
    never_published,
    shown_by,
)
from seeknal_git.environments.revision import as_environment, head_tree, revision_of
from seeknal_git.errors import GitError, ProjectError, SeeknalError, UsageError, WarehouseError
from seeknal_git.git import repository as git
from seeknal_git.git.operation import rebased_branch, unfinished_operation
from seeknal_git.git.production_ref import production_ref
from seeknal_git.names import is_entity
from seeknal_git.project.load import Loaded, load
from seeknal_git.warehouse.location import exists
from seeknal_git.warehouse.opening import open_for_state

if TYPE_CHECKING:
    from seeknal_git.project.workspace import Workspace
    from seeknal_git.warehouse.model.publications import Move, Run
    from seeknal_git.warehouse.model.snapshots import Part
    from seeknal_git.warehouse.protocol import Warehouse


@dataclass(frozen=True, slots=True)
class Production:
    """The state of production."""

    branch: str
    # The commit at the tip of its branch.
    tip: str | None
    # The commit that it shows, and when that was published.
    published: str | None
    published_at: datetime | None
    # Whether it shows uncommitted nodes.
    uncommitted: bool
    # Whether a promotion is due.
    pending: bool
    # Why its last run failed, if it did; and for each node that did, why.
    failure: str | None
    failed: Mapping[str, str] = field(default_factory=dict)
    # The earlier publication that a rollback shows again.
    restores: int | None = None
    # How to bring production to the tip.
    advice: str | None = None


@dataclass(frozen=True, slots=True)
class Answered:
    """A check that does not hold, as the run said it."""

    node: str
    check: str
    message: str


@dataclass(frozen=True, slots=True)
class Absent:
    """Raw data that is not here, and the source that reads it."""

    node: str
    raw_data: str


@dataclass(frozen=True, slots=True)
class Status:
    """The state of the branch that is checked out, and of its environment."""

    project: str
    # None on a detached HEAD; during a rebase, the branch that is rebased.
    branch: str | None
    # The environment's name and schema; None if the commit has no name.
    environment: str | None
    schema: str | None
    commit: str | None
    dirty: bool
    # Commits compared with the production branch.
    ahead: int | None
    behind: int | None
    production: Production
    # Category → nodes; None if no plan can be made.
    changed: Mapping[str, Sequence[str]] | None = None
    # The number of nodes.
    nodes: int | None = None
    # The nodes whose tables exist, and those whose tables do not.
    built: tuple[str, ...] = ()
    unbuilt: tuple[str, ...] = ()
    # The nodes that the environment shows in part.
    partial: Mapping[str, Part] = field(default_factory=dict)
    # The built nodes that the environment does not show.
    unpublished: tuple[str, ...] = ()
    # The nodes that a promotion would re-point or remove.
    unpromoted: tuple[str, ...] = ()
    # Environment → the nodes whose tables are gone.
    missing: Mapping[str, Sequence[str]] = field(default_factory=dict)
    # Node → a fault of the files that production reads in place.
    broken: Mapping[str, str] = field(default_factory=dict)
    # The checks that do not hold, of severity error and warn.
    failing: tuple[Answered, ...] = ()
    warnings: tuple[Answered, ...] = ()
    # Any other reason why the last run of the environment failed.
    failure: str | None = None
    # Why no plan can be made.
    problems: tuple[str, ...] = ()
    # Raw data that is not here.
    absent: tuple[Absent, ...] = ()
    # Raw data that production reads again.
    moved: tuple[MovedData, ...] = ()
    # Why the warehouse could not be read, if so.
    warehouse: str | None = None
    # The path of the warehouse.
    place: str = ""
    # The git operation that is not finished, such as a merge.
    operation: str | None = None
    # Who published the environment, if that was another clone.
    published: str | None = None


def status(workspace: Workspace) -> Status:
    """Read how the branch that is checked out, its environment and production stand.

    Problems are part of the result: an unreadable warehouse or a broken node raises nothing.
    """
    repository = workspace.repository
    tip, head = git.production_tip(repository, workspace.production), git.head_commit(repository)
    ahead, behind = git.ahead_behind(repository, head, tip) if head and tip else (None, None)
    revision, problems = None, tuple[str, ...]()
    try:
        revision = revision_of(workspace)
    except GitError as exc:
        problems = (_told(exc),)
    found = Status(
        project=workspace.settings.name,
        branch=git.current_branch(repository) or rebased_branch(repository),
        environment=revision.name if revision else None,
        schema=revision.schema if revision else None,
        commit=head,
        dirty=False,
        ahead=ahead,
        behind=behind,
        production=_production(workspace, None),
        problems=problems,
        operation=unfinished_operation(repository),
    )
    return _with_warehouse(workspace, _with_plan(workspace, found))


def _told(error: SeeknalError) -> str:
    return f"{error.message} {error.hint}" if error.hint else error.message


def _with_plan(workspace: Workspace, status: Status) -> Status:
    if status.environment is None or status.commit is None:
        return status
    if workspace.flaw:
        return replace(status, dirty=True, problems=tuple(map(str, workspace.flaw.problems)))
    try:
        planned = plan_environment(workspace)
    except ProjectError as exc:
        dirty = head_tree(workspace, revision_of(workspace)).dirty
        return replace(status, dirty=dirty, problems=tuple(map(str, exc.problems)))
    except (GitError, UsageError) as exc:
        return replace(status, problems=(_told(exc),))
    changed: dict[str, list[str]] = {}
    for change in planned.plan.changes:
        changed.setdefault(str(change.category), []).append(change.node)
    return replace(
        status,
        dirty=planned.dirty,
        changed=changed,
        nodes=len(planned.head.graph.members),
        absent=_absent(planned.head),
    )


def _absent(loaded: Loaded) -> tuple[Absent, ...]:
    nodes = [loaded.graph.node(problem.node) for problem in loaded.absent if problem.node]
    return tuple(Absent(node.id, str(node.definition["path"])) for node in nodes)


def _with_warehouse(workspace: Workspace, status: Status) -> Status:
    location = workspace.warehouse_location
    status = replace(status, place=str(location))
    if not exists(location):
        gone = (
            f"{location} is gone: seeknal run builds it again"
            if status.production.published
            else None
        )
        return replace(status, unbuilt=_all_nodes(workspace, status), warehouse=gone)
    try:
        with open_for_state(location, workspace.marks) as warehouse:
            return _looked_up(workspace, status, warehouse)
    except WarehouseError as exc:
        return replace(status, warehouse=exc.message)


def _all_nodes(workspace: Workspace, status: Status) -> tuple[str, ...]:
    if status.environment is None or status.commit is None or status.problems:
        return ()
    return tuple(load(workspace, head_tree(workspace, revision_of(workspace))).graph.views)


def _looked_up(workspace: Workspace, status: Status, warehouse: Warehouse) -> Status:
    """Add the facts of the warehouse."""
    status = replace(
        status,
        production=_production(workspace, warehouse),
        missing=warehouse.environments.missing(),
        broken=broken(
            workspace, warehouse, warehouse.environments.shown(workspace.production_schema)
        ),
    )
    if status.schema and status.schema != workspace.production_schema:
        foreign = published_elsewhere(workspace.repository, warehouse, status.schema)
        status = replace(
            status,
            published=str(foreign) if foreign else None,
            partial=parts_shown(warehouse, status.schema),
        )
    if status.environment is None or status.commit is None or status.problems:
        return status
    here, keeps = as_environment(workspace, revision_of(workspace))
    loaded = load(here, head_tree(here, revision_of(here)), keeps=keeps)
    environment = Environment(status.environment, workspace.production)
    try:
        work = work_out(warehouse, loaded.graph, loaded.root, environment, Options())
    except SeeknalError as exc:
        return status if status.absent else replace(status, problems=(str(exc),))
    merged = environment.is_production or (status.ahead == 0 and not status.dirty)
    return replace(
        _with_answers(status, warehouse, work),
        built=tuple(work.reused),
        unbuilt=tuple(work.reasons),
        unpublished=tuple(node for node in work.stale if node not in work.reasons),
        unpromoted=() if merged else _unpromoted(workspace, warehouse, work),
        moved=tuple(moved_data(loaded, work)),
    )


def _unpromoted(workspace: Workspace, warehouse: Warehouse, work: Work) -> tuple[str, ...]:
    """The nodes that a promotion would re-point or remove."""
    shown = warehouse.environments.shown(workspace.production_schema)
    views = work.graph.views
    moved = [
        node
        for node in views
        if node not in shown or shown[node].snapshot != work.inventory.wanted(node)
    ]
    return (*moved, *(node for node in shown if node not in views and not is_entity(node)))


def _with_answers(status: Status, warehouse: Warehouse, work: Work) -> Status:
    """Add the checks that do not hold on the tables of now, and why else the last run failed."""
    found = known_violations(work)
    told = [
        (violation.fails, Answered(violation.node, violation.check.name, violation.message))
        for violation in found
    ]
    failing = tuple(answer for fails, answer in told if fails)
    run = None if work.environment.is_production else warehouse.runs.last(work.environment.schema)
    return replace(
        status,
        failing=failing,
        warnings=tuple(answer for fails, answer in told if not fails),
        failure=_other_failure(run, failing) if run and run.status == "failed" else None,
    )


def _other_failure(run: Run, failing: Iterable[Answered]) -> str | None:
    """Why a run failed, except for the checks that fail still. None if there is no other reason."""
    if not run.failures:
        return run.message
    known = {(answer.node, answer.message) for answer in failing}
    others = (failure for failure in run.failures.items() if failure not in known)
    return "; ".join(f"{node}: {why}" for node, why in others) or None


def _production(workspace: Workspace, warehouse: Warehouse | None) -> Production:
    """The state of production: by the warehouse, or by this clone's ref if that cannot be read."""
    repository = workspace.repository
    tip = git.production_tip(repository, workspace.production)
    shows, failure = Showing(production_ref(repository)), None
    failed: Mapping[str, str] = {}
    if warehouse is not None:
        shows = recorded(workspace, warehouse)
        run = warehouse.runs.last(workspace.production_schema)
        if run and run.status != "succeeded":
            failure, failed = run.message or "it was interrupted", run.failures
    behind = due(workspace, shows)
    return Production(
        branch=workspace.production,
        tip=tip,
        published=shows.commit,
        published_at=shows.published_at,
        uncommitted=bool(shows.commit and tip and shows.commit != tip and not behind),
        pending=behind is not None,
        failure=failure,
        failed=failed,
        restores=shows.restores,
        advice=f"{behind.what}: {behind.cure}" if behind else None,
    )


@dataclass(frozen=True, slots=True)
class Past:
    """Production as it was."""

    branch: str
    shown: Shown
    # Whether production shows it now.
    current: bool
    # The moves that lead from there to the views of now.
    since: tuple[Move, ...]


def status_at(workspace: Workspace, revision: str) -> Past:
    """Read how production was at a publication or a commit.

    Raises UsageError if nothing had been published yet.
    """
    if not workspace.has_warehouse:
        raise never_published()
    with open_for_state(workspace.warehouse_location, workspace.marks) as warehouse:
        records = warehouse.publications.records(workspace.production_schema)
        if not records:
            raise never_published()
        then = shown_by(workspace, warehouse, named(workspace.repository, records, revision))
        now = shown_by(workspace, warehouse, Named(records[0]))
    current = then.named.record.id == records[0].id
    return Past(workspace.production, then, current, tuple(difference(then, now)))
