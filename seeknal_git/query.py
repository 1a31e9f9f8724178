"""The verb behind `query`."""

from __future__ import annotations

from seeknal_git.errors import UsageError
from seeknal_git.names import schema_of
from seeknal_git.past import Named, need_tables, never_published, shown
from seeknal_git.revision import environment_of, revision_of
from seeknal_git.warehouse import state
from seeknal_git.warehouse.connection import open_warehouse
from seeknal_git.warehouse.query import Answer, ask, ask_past
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


def query_past(
    workspace: Workspace, sql: str, revision: str, environment: str | None = None, lock_timeout: float = 0.0
) -> tuple[Answer, Named]:
    """Ask production as it was at a publication or a commit; tells which publication that was.

    Raises UsageError where there is none, WarehouseError where its tables are no longer kept.
    """
    if environment and workspace.branch_of(environment) != workspace.production:
        raise UsageError("Only production can be asked as it was: --at goes without --env.")
    if not workspace.warehouse_path.exists():
        raise never_published()
    with open_warehouse(workspace.warehouse_path, read_only=True, lock_timeout=lock_timeout) as warehouse:
        wanted = shown(workspace, warehouse.connection, revision)
        need_tables(workspace, wanted, "seeknal log says which publications are kept.")
        return ask_past(warehouse, workspace.production_schema, wanted.views.values(), sql), wanted.named


def _hint(workspace: Workspace, branch: str) -> str:
    return (
        "Build it with: seeknal run" if branch == workspace.production else f"Build it with: seeknal run --env {branch}"
    )
