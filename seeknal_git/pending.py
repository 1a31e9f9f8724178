"""Whether production is at the tip of its branch: two refs are compared, and only where these differ the warehouse."""

from __future__ import annotations

from contextlib import suppress

from seeknal_git.errors import WarehouseError
from seeknal_git.git import repository as git
from seeknal_git.workspace import Workspace


def pending(workspace: Workspace) -> tuple[str, str] | None:
    """The commit that production shows and the tip of its branch, where a promotion from one to the other is due."""
    repository = workspace.repository
    tip, shown = git.branch_tip(repository, workspace.production), git.production_ref(repository)
    if tip is None or shown is None or git.is_at(repository, shown, tip):
        return None
    shown = _published(workspace) or shown
    return None if git.is_at(repository, shown, tip) else (shown, tip)


def _published(workspace: Workspace) -> str | None:
    """What the warehouse says, which knows of promotions from other clones; the ref is corrected."""
    from seeknal_git.warehouse.connection import open_warehouse
    from seeknal_git.warehouse.state import last_publication

    with suppress(WarehouseError):
        if workspace.warehouse_path.exists():
            with open_warehouse(workspace.warehouse_path, read_only=True) as warehouse:
                last = last_publication(warehouse.connection, workspace.production_schema)
            if last is not None:
                git.set_production_ref(workspace.repository, last[0])
                return last[0]
    return None
