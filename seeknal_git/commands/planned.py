"""An environment's branch compared with its base: by git alone, then with the warehouse."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from seeknal_git.build.moved_data import MovedData, moved_columns, moved_data
from seeknal_git.environments.left_behind import left_behind
from seeknal_git.environments.parts import parts_shown
from seeknal_git.environments.production import recorded
from seeknal_git.environments.revision import (
    as_environment,
    base_tree,
    head_tree,
    load_sound,
    revision_of,
)
from seeknal_git.environments.saved_plans import save_plan
from seeknal_git.errors import Problem, SeeknalError, WarehouseRefused
from seeknal_git.git import repository as git
from seeknal_git.git.production_ref import production_ref
from seeknal_git.git.tree import Tree
from seeknal_git.names import operand
from seeknal_git.plan.changes import Plan, make_plan
from seeknal_git.plan.selection import WHOLE, Selecting
from seeknal_git.project.branch_settings import changed_between, overruled, written_in
from seeknal_git.project.load import Loaded, load
from seeknal_git.project.settings import PROJECT_FILE, SettingChange
from seeknal_git.project.workspace import Workspace, current_tree

if TYPE_CHECKING:
    from seeknal_git.build.forecast import Forecast
    from seeknal_git.environments.environment import Environment
    from seeknal_git.git.tree import Tree
    from seeknal_git.warehouse.model.snapshots import Part


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan, and the two trees that it compares."""

    environment: Environment
    # None if production was never published.
    base_commit: str | None
    # None before the first commit.
    head_commit: str | None
    # Whether uncommitted changes are part of it.
    dirty: bool
    base: Loaded
    head: Loaded
    plan: Plan
    warnings: tuple[Problem, ...]
    # Whether its environment is not the one that is checked out.
    elsewhere: bool = False
    # The branch that is merged, if it is the plan of a merge.
    merges: str | None = None
    # Columns that change because raw data differs from the data that production read.
    moved: tuple[Problem, ...] = ()
    # Variables that only production will have otherwise.
    elsewhere_only: tuple[Problem, ...] = ()
    # The settings that differ from production's.
    settings: tuple[SettingChange, ...] = ()
    # The nodes that were asked for, and how; None if it is about all nodes.
    selected: frozenset[str] | None = None
    selecting: Selecting = WHOLE

    @property
    def frozen(self) -> dict[str, tuple[str, ...]]:
        """Node → the inputs whose new data changes no partition that is there."""
        frozen, selected = self.head.graph.structure.frozen, self.selected
        return {
            node: inputs for node, inputs in frozen.items() if selected is None or node in selected
        }

    @property
    def nodes(self) -> int:
        """The number of nodes, with those that are gone."""
        return len({*self.base.graph.members, *self.head.graph.members})


def plan_environment(
    workspace: Workspace, environment: str | None = None, select: Selecting = WHOLE
) -> Planned:
    """Compare a branch, tag or commit with its base; by default, the branch that is checked out.

    A plan of a named environment is saved, also if only a part of it is asked for: it binds
    `run --env`.

    Raises ProjectError if the nodes do not validate, and UsageError for a selection that is wrong.
    """
    git.need_commit(workspace.repository)
    revision = revision_of(workspace, environment)
    workspace, keeps = as_environment(workspace, revision)
    head = load_sound(workspace, head_tree(workspace, revision), revision, keeps=keeps)
    base = load(workspace, base_tree(workspace, revision), like=head, keeps=keeps)
    planned = Planned(
        environment=revision.environment,
        base_commit=base.tree.commit,
        head_commit=head.tree.commit,
        dirty=head.tree.dirty,
        base=base,
        head=head,
        plan=make_plan(base.state, head.state),
        warnings=(*head.warnings, *left_behind(workspace, head)),
        elsewhere_only=tuple(_of_production(workspace, base, head)),
        moved=moved_columns(head),
        elsewhere=environment is not None and revision.name != revision_of(workspace).name,
        settings=_settings(
            workspace, base.tree, head.tree, is_production=revision.environment.is_production
        ),
    )
    if environment:
        save_plan(workspace, revision.name, head.state)
    return _narrowed(workspace, planned, select) if select else planned


def _narrowed(workspace: Workspace, planned: Planned, select: Selecting) -> Planned:
    from seeknal_git.commands.selected import selected_to_show
    from seeknal_git.plan.narrowed import narrowed

    environment = planned.environment
    chosen = selected_to_show(workspace, environment, planned.base, planned.head, select)
    shown = planned.base.graph.members.keys() if environment.is_production else ()
    plan = narrowed(planned.plan, planned.head.graph, chosen, tied=shown)
    return replace(planned, plan=plan, selected=chosen, selecting=select)


def _of_production(workspace: Workspace, base: Loaded, head: Loaded) -> list[Problem]:
    """One warning for each variable that production will have otherwise, although the environment
    that is planned has it as before."""
    before, after, name = base.vocabulary, head.vocabulary, workspace.production
    if before is None or after is None or _project_file(base) == _project_file(head):
        return []
    was, now = before.variables_of(name), after.variables_of(name)
    shown = {**before.variables_of(before.environment)}, {**after.variables_of(after.environment)}
    found = []
    for variable in sorted(was.keys() & now.keys()):
        mine = [side[variable].text for side in shown if variable in side]
        if was[variable].text == now[variable].text or len({*mine}) != 1:
            continue
        message = (
            f"On {name}, `{variable}` changes with this branch: "
            f"{was[variable].text} → {now[variable].text}."
        )
        hint = f"The nodes that use it change there: seeknal plan --into {operand(name)}"
        found.append(Problem(message, PROJECT_FILE, now[variable].line, hint))
    return found


def _project_file(loaded: Loaded) -> str | None:
    return loaded.tree.files.get(PROJECT_FILE)


def _settings(
    workspace: Workspace, base: Tree, head: Tree, *, is_production: bool
) -> tuple[SettingChange, ...]:
    """The settings that a tree changes: production's since the last publication, a branch's
    compared with production."""
    if is_production or base.files.get(PROJECT_FILE) == head.files.get(PROJECT_FILE):
        return changed_between(base, head)
    return overruled(workspace, written_in(head), head.commit)


def left_out(workspace: Workspace, planned: Planned) -> bool:
    """Whether there are uncommitted changes here that are not part of the plan."""
    if workspace.repository.bare:
        return False
    here = revision_of(workspace).name
    if planned.environment.name == here and planned.merges != here:
        return False
    return load(workspace, current_tree(workspace)).tree.dirty


@dataclass(frozen=True, slots=True)
class Found:
    """The state of the warehouse, as far as it matters to a plan."""

    # The nodes to build whose tables exist already.
    built: frozenset[str] = frozenset()
    # The nodes to build, check or write for which nothing is left to do.
    finished: frozenset[str] = frozenset()
    # The nodes to re-use whose tables are gone.
    missing: frozenset[str] = frozenset()
    # The earlier publication that a rollback of production shows again.
    restores: int | None = None
    # Messages of checks that do not hold, of severity error and warn.
    failing: tuple[str, ...] = ()
    warned: tuple[str, ...] = ()
    # False if raw data is missing or the warehouse was not read.
    known: bool = True
    # Raw data that production reads again.
    moved: tuple[MovedData, ...] = ()
    # Node to build → its partitions, if it has any.
    partitions: Mapping[str, Forecast] = field(default_factory=dict)
    # The nodes that the environment shows in part.
    partial: Mapping[str, Part] = field(default_factory=dict)
    # Why the warehouse was not read, if so. The plan goes by git alone then.
    unread: str | None = None


def found_in_warehouse(workspace: Workspace, planned: Planned) -> Found:
    """The state of the warehouse for a plan.

    A warehouse that cannot be read raises nothing: a run may be going on, or it may be another
    project's.
    """
    if not workspace.has_warehouse:
        if production_ref(workspace.repository) is None:
            return Found()
        return Found(missing=frozenset(planned.head.graph.views.keys() & set(planned.plan.reused)))
    from seeknal_git.build.failed_checks import known_violations
    from seeknal_git.build.forecast import forecast_of
    from seeknal_git.build.options import Options
    from seeknal_git.build.work import work_out
    from seeknal_git.warehouse.opening import open_for_state

    environment, chosen = planned.environment, planned.selected
    if chosen is not None:  # some may be gone
        chosen &= planned.head.graph.members.keys()
    try:
        with open_for_state(workspace.warehouse_location, workspace.marks) as warehouse:
            work = work_out(
                warehouse,
                planned.head.graph,
                planned.head.root,
                environment,
                Options(chosen=chosen),
            )
            partitions = forecast_of(warehouse, work.inventory, work.root, work.reasons)
            restores, partial = None, {}
            if environment.is_production:
                restores = recorded(workspace, warehouse).restores
            else:
                partial = parts_shown(warehouse, environment.schema)
    except SeeknalError as exc:
        explained = planned.head.absent and not isinstance(exc, WarehouseRefused)
        return Found(known=False, unread=None if explained else exc.message)
    tables, builds = set(work.graph.views), set(planned.plan.builds)
    built, missing = (tables & builds) - work.reasons.keys(), work.reasons.keys() - builds
    failing, warned = list[str](), list[str]()
    for violation in known_violations(work):
        if violation.node not in work.chosen:
            continue
        message = f"{violation.node}: {violation.message}"
        (failing if violation.fails else warned).append(message)
    left = {*work.reasons, *work.checks, *work.failing, *work.deliveries}
    return Found(
        frozenset(built),
        frozenset(builds & planned.head.graph.members.keys() - left),
        frozenset(missing),
        restores,
        tuple(failing),
        tuple(warned),
        moved=moved_data(planned.head, work),
        partitions=partitions,
        partial=partial,
    )
