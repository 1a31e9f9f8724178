"""The verb behind `query`."""

from __future__ import annotations

from seeknal_git.errors import UsageError
from seeknal_git.names import schema_of
from seeknal_git.revision import environment_of, revision_of
from seeknal_git.warehouse import state
from seeknal_git.warehouse.connection import open_warehouse
from seeknal_git.warehouse.query import Answer, ask
from seeknal_git.workspace import Workspace


def query(workspace: Workspace, sql: str, environment: str | None = None, lock_timeout: float = 0.0) -> Answer:
    """Ask an environment, the current branch's unless named. Raises UsageError where it does not exist yet."""
    branch = environment_of(workspace, environment)
    if workspace.warehouse_path.exists():
        with open_warehouse(workspace.warehouse_path, read_only=True, lock_timeout=lock_timeout) as warehouse:
            if schema_of(branch) in state.environments(warehouse.connection):
                return ask(warehouse, schema_of(branch), sql)
    if environment:
        revision_of(workspace, environment)
    raise UsageError(f"The environment {branch} is not built yet.", _hint(workspace, branch))


def _hint(workspace: Workspace, branch: str) -> str:
    return (
        "Build it with: seeknal run" if branch == workspace.production else f"Build it with: seeknal run --env {branch}"
    )
