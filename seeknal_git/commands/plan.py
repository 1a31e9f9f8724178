"""The command `plan`: the changes of a branch or of a merge, and the work that they lead to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from seeknal_git.commands.observer import NOBODY, Observer
from seeknal_git.commands.plan_merge import MergePlan, fault_of, plan_merge
from seeknal_git.commands.planned import (
    Found,
    Planned,
    found_in_warehouse,
    left_out,
    plan_environment,
)
from seeknal_git.environments.uncommitted import arrive
from seeknal_git.errors import UsageError
from seeknal_git.plan.selection import Selecting, asked

if TYPE_CHECKING:
    from seeknal_git.build.trial import Verified
    from seeknal_git.errors import SeeknalError
    from seeknal_git.plan.changes import Change
    from seeknal_git.project.workspace import Workspace


@dataclass(frozen=True, slots=True)
class PlanResult:
    """A plan, the state of the warehouse, and the results of a verification."""

    # None if the merge leaves no graph to compare.
    planned: Planned | None
    found: Found | None
    # None unless a verification was asked for.
    verified: tuple[Verified, ...] | None = None
    # None unless it is the plan of a merge.
    merge: MergePlan | None = None
    # Why this must not be released: a merge that conflicts, or a category that does not hold.
    fault: SeeknalError | None = None

    @property
    def changes(self) -> tuple[Change, ...]:
        """The changed nodes, the most severe change first."""
        return self.planned.plan.changes if self.planned else ()

    @property
    def builds(self) -> tuple[str, ...]:
        """The ids of the nodes to build, inputs before their readers."""
        return tuple(self.planned.plan.builds) if self.planned else ()

    @property
    def reused(self) -> tuple[str, ...]:
        """The ids of the nodes whose tables stay as they are."""
        return tuple(self.planned.plan.reused) if self.planned else ()


def plan_changes(
    workspace: Workspace,
    environment: str | None = None,
    *,
    select: Selecting | str = "",
    exclude: str = "",
    into: str | None = None,
    verify: bool = False,
    everything: bool = False,
    create: bool = False,
    carry: bool = False,
    observer: Observer = NOBODY,
) -> PlanResult:
    """Compare a branch, tag or commit with its base; by default, the branch that is checked out.

    A plan of a named environment is saved: `run` refuses nodes that changed since.

    select, exclude: the nodes that the plan is about, in the grammar of docs/selection.md; by
    default, all. The saved plan is about all nodes.
    into: plan the merge into this branch, which is made in memory.
    verify: execute both versions of each harmless change on production's tables, and compare; also
    a sample of the partitions that are there with a build of the whole node.
    everything: compare all partitions.
    create: create a branch of that name, even if the name looks like a typo; needs `carry`.
    carry: create a missing branch, and let uncommitted changes follow to the environment's branch.

    Raises UsageError for a name that does not exist, ProjectError for nodes that do not validate,
    GitError for uncommitted changes that belong to another branch or for unrelated histories, and
    WarehouseError if a verification cannot read production's tables.
    """
    selecting = asked(select, exclude)
    if into is not None:
        if selecting:
            raise UsageError(
                "A merge is planned as a whole.", f"Leave out --into, or {selecting.words}."
            )
        return _plan_merge(workspace, environment, into, observer, verify=verify)
    if environment is not None:
        for command in arrive(workspace, environment, create=create, may_switch=carry):
            observer.ran(command)
    planned = plan_environment(workspace, environment, selecting)
    _note_left_out(workspace, planned, observer)
    for name in planned.head.unused_params:
        observer.note(f"No node uses the parameter {name}.")
    verified = _verified(workspace, planned, everything=everything) if verify else None
    return PlanResult(
        planned,
        found_in_warehouse(workspace, planned),
        verified,
        fault=_broken_promise(planned, verified),
    )


def _plan_merge(
    workspace: Workspace, environment: str | None, into: str, observer: Observer, *, verify: bool
) -> PlanResult:
    merge = plan_merge(workspace, environment, into)
    fault = fault_of(workspace, merge)
    planned = merge.planned
    if planned is None:
        return PlanResult(None, None, merge=merge, fault=fault)
    verified = _verified(workspace, planned) if verify else None
    found = found_in_warehouse(workspace, planned)
    _note_left_out(workspace, planned, observer)
    return PlanResult(planned, found, verified, merge, fault or _broken_promise(planned, verified))


def _note_left_out(workspace: Workspace, planned: Planned, observer: Observer) -> None:
    if left_out(workspace, planned):
        observer.note(
            "Not in this plan: the uncommitted changes of the branch that is checked out."
        )


def _verified(
    workspace: Workspace, planned: Planned, *, everything: bool = False
) -> tuple[Verified, ...]:
    from seeknal_git.commands.verify import verify_plan  # loads the engine

    return verify_plan(workspace, planned, everything=everything)


def _broken_promise(planned: Planned, verified: tuple[Verified, ...] | None) -> SeeknalError | None:
    if not verified:
        return None
    from seeknal_git.commands.verify import broken_promises

    return broken_promises(planned, verified)
