"""The verbs behind `env` and `gc`: list, delete and prune environments, and drop snapshots that nobody names."""

from __future__ import annotations

import difflib
import shutil
from dataclasses import dataclass
from datetime import datetime, timedelta

from seeknal_git.errors import UsageError
from seeknal_git.git import repository as git
from seeknal_git.names import schema_of
from seeknal_git.planning import drop_plan
from seeknal_git.warehouse import state
from seeknal_git.warehouse.connection import open_warehouse
from seeknal_git.warehouse.publish import drop_environment, drop_snapshots
from seeknal_git.workspace import Workspace


@dataclass(frozen=True, slots=True)
class EnvironmentState:
    """An environment, and how its branch stands. ahead, behind: commits against the production branch, None where the
    branch is gone; expires_at: None for production, which never does."""

    branch: str
    schema: str
    commit: str | None
    ahead: int | None
    behind: int | None
    nodes: int
    used_at: datetime
    expires_at: datetime | None
    production: bool
    branch_is_gone: bool


def list_environments(workspace: Workspace, lock_timeout: float = 0.0) -> list[EnvironmentState]:
    """All environments of the warehouse, production first."""
    path = workspace.warehouse_path
    if not path.exists():
        return []
    with open_warehouse(path, read_only=True, lock_timeout=lock_timeout) as warehouse:
        known = state.environments(warehouse.connection)
        nodes = {schema: len(state.published(warehouse.connection, schema)) for schema in known}
    found = [_state(workspace, each, nodes[each.schema]) for each in known.values()]
    return sorted(found, key=lambda each: (not each.production, each.branch))


def _state(workspace: Workspace, environment: state.Environment, nodes: int) -> EnvironmentState:
    production = environment.schema == workspace.production_schema
    tip = git.branch_tip(workspace.repository, environment.branch)
    main = git.branch_tip(workspace.repository, workspace.production)
    ahead, behind = git.ahead_behind(workspace.repository, tip, main) if tip and main else (None, None)
    expires = None if production else environment.used_at + timedelta(seconds=workspace.settings.time_to_live)
    return EnvironmentState(
        branch=environment.branch,
        schema=environment.schema,
        commit=environment.commit,
        ahead=ahead,
        behind=behind,
        nodes=nodes,
        used_at=environment.used_at,
        expires_at=expires,
        production=production,
        branch_is_gone=tip is None,
    )


def delete_environment(workspace: Workspace, name: str, lock_timeout: float = 0.0) -> str:
    """Drop an environment's views and its schema; the git branch stays. Returns the schema. Raises UsageError."""
    return _delete(workspace, workspace.branch_of(name), lock_timeout)


def _delete(workspace: Workspace, branch: str, lock_timeout: float) -> str:
    schema = schema_of(branch)
    if schema == workspace.production_schema:
        raise UsageError(f"{branch} is production, and is never deleted.")
    known = list_environments(workspace, lock_timeout)
    if schema not in {each.schema for each in known}:
        near = difflib.get_close_matches(branch, [each.branch for each in known], 1)
        raise UsageError(f"There is no environment {branch}.",
                         f"Did you mean {near[0]}?" if near else "seeknal env list shows them.")  # fmt: skip
    with open_warehouse(workspace.warehouse_path, lock_timeout=lock_timeout) as warehouse:
        drop_environment(warehouse.connection, schema)
    drop_plan(workspace, branch)
    return schema


def expired(workspace: Workspace, lock_timeout: float = 0.0) -> dict[str, str]:
    """Branch → why its environment is to be pruned."""
    found = {}
    for each in list_environments(workspace, lock_timeout):
        if each.production or each.expires_at is None:
            continue
        if each.branch_is_gone:
            found[each.branch] = "its branch is gone"
        elif each.expires_at <= state.now():
            found[each.branch] = f"not used since {each.used_at:%Y-%m-%d %H:%M}"
    return found


def prune(workspace: Workspace, lock_timeout: float = 0.0) -> dict[str, str]:
    """Delete expired environments. Returns branch → why."""
    found = expired(workspace, lock_timeout)
    for branch in found:
        _delete(workspace, branch, lock_timeout)
    return found


def collect_garbage(workspace: Workspace, lock_timeout: float = 0.0, *, dry_run: bool = False) -> list[str]:
    """Drop the snapshot tables that no environment and no kept publication of production names. Returns their names."""
    if not dry_run:
        shutil.rmtree(workspace.repository.private / "blobs", ignore_errors=True)
    if not workspace.warehouse_path.exists():
        return []
    with open_warehouse(workspace.warehouse_path, lock_timeout=lock_timeout) as warehouse:
        connection = warehouse.connection
        kept = state.kept_tables(connection, workspace.production_schema, workspace.settings.keep_promotions)
        unnamed = sorted(state.tables_there(connection) - kept)
        if unnamed and not dry_run:
            drop_snapshots(connection, unnamed)
    return unnamed
