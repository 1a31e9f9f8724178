"""An environment's branch compared with its base: by git alone, then with the warehouse."""

from __future__ import annotations

from dataclasses import dataclass

from seeknal_git.build.moved_data import MovedData, moved_columns, moved_data
from seeknal_git.environments.environment import Environment
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
from seeknal_git.plan.changes import Plan, make_plan
from seeknal_git.project.branch_settings import changed_between, overruled, written_in
from seeknal_git.project.load import Loaded, load
from seeknal_git.project.settings import PROJECT_FILE, SettingChange
from seeknal_git.project.workspace import Workspace, current_tree


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan with the two trees that it compares. `base_commit` is None where production was never
    published.

    elsewhere: whether it is of another environment than the one that is checked out; merges: what
    is merged into the branch, where it is the plan of a merge; moved: what raw data would change
    that is not as production read it.
    """

    environment: Environment
    base_commit: str | None
    head_commit: str | None
    dirty: bool
    base: Loaded
    head: Loaded
    plan: Plan
    warnings: tuple[Problem, ...]
    elsewhere: bool = False
    merges: str | None = None
    moved: tuple[Problem, ...] = ()
    settings: tuple[
        SettingChange, ...
    ] = ()  # what the project file has otherwise than production's


def plan_environment(workspace: Workspace, environment: str | None = None) -> Planned:
    """What an environment's branch, tag or commit changes; what is checked out, where none is
    named.

    A plan for a named environment is saved: it binds `run --env`. Raises ProjectError where the
    nodes do not validate.
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
        warnings=head.warnings,
        moved=moved_columns(head),
        elsewhere=environment is not None and revision.name != revision_of(workspace).name,
        settings=_settings(
            workspace, base.tree, head.tree, is_production=revision.environment.is_production
        ),
    )
    if environment:
        save_plan(workspace, revision.name, head.state)
    return planned


def _settings(
    workspace: Workspace, base: Tree, head: Tree, *, is_production: bool
) -> tuple[SettingChange, ...]:
    """What a tree changes of the settings: of production against what was published, of a branch
    against production."""
    if is_production or base.files.get(PROJECT_FILE) == head.files.get(PROJECT_FILE):
        return changed_between(base, head)
    return overruled(workspace, written_in(head), head.commit)


def left_out(workspace: Workspace, planned: Planned) -> bool:
    """Whether there are uncommitted changes here that belong to something else than what was
    planned."""
    if workspace.repository.bare:
        return False
    here = revision_of(workspace).name
    return (planned.environment.name != here or planned.merges == here) and load(
        workspace, current_tree(workspace)
    ).tree.dirty


@dataclass(frozen=True, slots=True)
class Found:
    """What the warehouse has. built: tables to build that are there already; missing: tables to
    re-use that are not; restores: the earlier publication that a rollback of production shows
    again; failing, warned: what the checks of severity error and warn said that do not hold, as far
    as they are answered; known: False if nobody can know, as raw data is missing or the warehouse
    was not read; moved: raw data that production reads again."""

    built: frozenset[str] = frozenset()
    missing: frozenset[str] = frozenset()
    restores: int | None = None
    failing: tuple[str, ...] = ()
    warned: tuple[str, ...] = ()
    known: bool = True
    moved: tuple[MovedData, ...] = ()
    unread: str | None = None  # why the warehouse was not read, if so; the plan goes by git then


def found_in_warehouse(workspace: Workspace, planned: Planned) -> Found:
    """What is built of a plan, unless the warehouse cannot be read: a run may be going on, or it is
    a stranger's."""
    if not workspace.warehouse_path.exists():
        lost = production_ref(workspace.repository) is not None
        return Found(
            missing=frozenset(planned.head.graph.views.keys() & set(planned.plan.reused))
            if lost
            else frozenset()
        )
    from seeknal_git.build.failed_checks import known_violations
    from seeknal_git.build.options import Options
    from seeknal_git.build.work import work_out
    from seeknal_git.warehouse.duckdb_file import open_for_state

    environment = planned.environment
    try:
        with open_for_state(workspace.warehouse_path, workspace.marks) as warehouse:
            work = work_out(
                warehouse, planned.head.graph, planned.head.root, environment, Options()
            )
            restores = None
            if environment.is_production:
                restores = recorded(workspace, warehouse).restores
    except SeeknalError as exc:
        explained = planned.head.absent and not isinstance(exc, WarehouseRefused)
        return Found(known=False, unread=None if explained else exc.message)
    tables, builds = set(work.graph.views), set(planned.plan.builds)
    built, missing = (tables & builds) - work.reasons.keys(), work.reasons.keys() - builds
    said = [(each.fails, f"{each.node}: {each.message}") for each in known_violations(work)]
    failing, warned = (
        tuple(text for fails, text in said if fails is kind) for kind in (True, False)
    )
    moved = moved_data(planned.head, work)
    return Found(frozenset(built), frozenset(missing), restores, failing, warned, moved=moved)
