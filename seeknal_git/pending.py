"""What production shows, and whether that is the tip of its branch: by two refs, and where these do not agree by the
warehouse."""

from __future__ import annotations

from contextlib import suppress

from seeknal_git.errors import WarehouseError
from seeknal_git.git import repository as git
from seeknal_git.workspace import Workspace


def pending(workspace: Workspace) -> tuple[str, str] | None:
    """The commit that production shows and the tip of its branch, where a promotion from one to the other is due."""
    repository = workspace.repository
    tip, known = git.branch_tip(repository, workspace.production), git.production_ref(repository)
    if tip is None or (known is not None and git.is_at(repository, known, tip)):
        return None
    shown = _in_warehouse(workspace) or known  # a clone that is new here has no ref yet
    return None if not shown or git.is_at(repository, shown, tip) else (shown, tip)


def published_commit(workspace: Workspace) -> str | None:
    """The commit that production shows, where this clone has it; None also where there is no warehouse any more."""
    if not workspace.warehouse_path.exists():
        return None
    commit = git.production_ref(workspace.repository) or _in_warehouse(workspace)
    return commit if commit and git.has_commit(workspace.repository, commit) else None


def _in_warehouse(workspace: Workspace) -> str | None:
    """What the warehouse says, which knows of promotions from other clones; the ref is corrected."""
    if not workspace.warehouse_path.exists():
        return None
    from seeknal_git.warehouse.connection import open_warehouse
    from seeknal_git.warehouse.state import last_publication

    with suppress(WarehouseError):
        with open_warehouse(workspace.warehouse_path, read_only=True) as warehouse:
            last = last_publication(warehouse.connection, workspace.production_schema)
        if last is not None:
            git.set_production_ref(workspace.repository, last[0])
            return last[0]
    return None
