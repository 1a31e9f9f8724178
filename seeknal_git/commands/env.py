"""The commands `env list` and `env delete`."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from seeknal_git.environments.environment import Environment
from seeknal_git.environments.expiry import Lifetime, lifetimes
from seeknal_git.environments.leftovers import exposures_of, remove
from seeknal_git.environments.parts import parts_shown
from seeknal_git.environments.retention import keeping
from seeknal_git.environments.saved_plans import drop_plan
from seeknal_git.errors import UsageError
from seeknal_git.git import repository as git
from seeknal_git.git.known_names import known_names
from seeknal_git.names import is_entity, schema_of
from seeknal_git.project.branch_settings import need_authority
from seeknal_git.project.workspace import Workspace
from seeknal_git.warehouse.model.environments import Foreign
from seeknal_git.warehouse.opening import open_for_state, open_warehouse
from seeknal_git.warehouse.protocol import Warehouse


@dataclass(frozen=True, slots=True)
class EnvironmentState:
    """An environment, and the state of its branch."""

    branch: str
    schema: str
    # The commit that it shows.
    commit: str | None
    # Commits compared with the production branch; None if the branch is gone.
    ahead: int | None
    behind: int | None
    nodes: int
    # Those of them that hold a part of their rows.
    partial: tuple[str, ...]
    used_at: datetime
    # None if it stays at any age.
    expires_at: datetime | None
    production: bool
    branch_is_gone: bool
    # Why it stays at any age.
    held: str | None


def list_environments(workspace: Workspace) -> list[EnvironmentState]:
    """All environments of the warehouse, production first."""
    if not workspace.has_warehouse:
        return []
    with open_for_state(
        workspace.warehouse_location, workspace.marks, workspace.until
    ) as warehouse:
        return [
            _state(workspace, warehouse, lifetime)
            for lifetime in lifetimes(workspace, warehouse, keeping(workspace))
        ]


def _nodes(warehouse: Warehouse, schema: str) -> int:
    """The number of nodes that an environment has a view of."""
    shown = warehouse.environments.shown(schema).values()
    return sum(bool(published.view) and not is_entity(published.node) for published in shown)


def _state(workspace: Workspace, warehouse: Warehouse, lifetime: Lifetime) -> EnvironmentState:
    environment = lifetime.environment
    tip = git.branch_tip(workspace.repository, environment.branch)
    main = git.production_tip(workspace.repository, workspace.production)
    ahead, behind = (
        git.ahead_behind(workspace.repository, tip, main) if tip and main else (None, None)
    )
    production = environment.schema == workspace.production_schema
    return EnvironmentState(
        branch=environment.branch,
        schema=environment.schema,
        commit=environment.commit,
        ahead=ahead,
        behind=behind,
        nodes=_nodes(warehouse, environment.schema),
        partial=() if production else tuple(parts_shown(warehouse, environment.schema)),
        used_at=environment.used_at,
        expires_at=None if lifetime.held else lifetime.idle_at,
        production=production,
        branch_is_gone=tip is None and (production or lifetime.held is None),
        held=lifetime.held,
    )


@dataclass(frozen=True, slots=True)
class Deleted:
    """An environment that was dropped."""

    schema: str
    held: str | None
    files: Path | None
    stuck: tuple[Path, ...]
    yours: tuple[
        Foreign, ...
    ] = ()  # the views and tables in its schema that somebody made; they stay
    elsewhere: tuple[str, ...] = ()  # a sentence for each delivery to another system that stays


def delete_environment(workspace: Workspace, name: str) -> Deleted:
    """Drop an environment's views, its schema and its files. Its git branch stays.

    Raises UsageError for production, and if there is no such environment.
    """
    need_authority(workspace)
    branch = workspace.branch_of(name)
    schema = schema_of(branch)
    if schema == workspace.production_schema:
        raise UsageError(f"{branch} is production, and is never deleted.")
    workspace = workspace.waiting()
    known = list_environments(workspace)
    found = next((environment for environment in known if environment.schema == schema), None)
    if found is None:
        near = difflib.get_close_matches(branch, [environment.branch for environment in known], 1)
        raise UsageError(
            f"There is no environment {branch}.",
            f"Did you mean {near[0]}?" if near else "seeknal env list shows them.",
        )
    with open_warehouse(
        workspace.warehouse_location, workspace.marks, deadline=workspace.until
    ) as warehouse:
        elsewhere = _drop_elsewhere(workspace, warehouse, branch)
        files = exposures_of(workspace, schema)
        stuck = remove([files] if files else [])
        yours = warehouse.environments.delete(schema)
    drop_plan(workspace, branch)
    held = known_names(workspace.repository).holder(branch, found.commit)
    return Deleted(schema, held, files, stuck, yours, elsewhere)


def _drop_elsewhere(workspace: Workspace, warehouse: Warehouse, branch: str) -> tuple[str, ...]:
    """Drop the tables that an environment has in other databases."""
    from seeknal_git.build.elsewhere import drop_elsewhere
    from seeknal_git.git.tree import TrackedPaths
    from seeknal_git.project.load import data_root_of
    from seeknal_git.project.workspace import current_tree

    last = warehouse.deliveries.last(schema_of(branch))
    found = {node: delivery for node, delivery in last.items() if delivery.target}
    if not found:
        return ()
    root = data_root_of(workspace, current_tree(workspace), TrackedPaths(workspace.repository))
    environment = Environment(branch, workspace.production)
    folder = workspace.outsides.folder(workspace.repository.private)
    return tuple(drop_elsewhere(root, environment, found, folder))
