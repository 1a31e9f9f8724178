"""A project, opened: every command begins with it."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

from seeknal_git.environments.production import pending
from seeknal_git.project.branch_settings import on_production, overruled_here
from seeknal_git.project.settings import PROJECT_FILE
from seeknal_git.project.workspace import Workspace, open_workspace


def open_project(
    path: str | PathLike[str] = ".",
    *,
    data_root: str | PathLike[str] | None = None,
    lock_timeout: float = 0.0,
    mending: bool = False,
) -> Workspace:
    """Open the project that a folder is part of, or that a bare repository holds.

    data_root: the folder with the warehouse and raw data, if it is not the main working tree.
    lock_timeout: how many seconds each command waits while another process holds the warehouse.
    mending: open the project even if production's own project file cannot be read.

    Raises UsageError if there is no project, and GitError if there is no repository.
    """
    root = None if data_root is None else Path(data_root)
    return open_workspace(Path(path), root, mending=mending, lock_timeout=lock_timeout)


def reminders(workspace: Workspace) -> tuple[str, ...]:
    """Sentences about edited settings and a promotion that is due.

    No hook sees every way in which production can fall behind its branch.
    """
    found = settings_reminder(workspace) if on_production(workspace) else ()
    due = pending(workspace)
    return (*found, f"{due.what}: {due.cure}") if due else found


def settings_reminder(workspace: Workspace) -> tuple[str, ...]:
    """A sentence about the settings of this branch that are not in force; empty if all are."""
    changed = overruled_here(workspace)
    if not changed:
        return ()
    words = ", ".join(setting.words for setting in changed)
    if on_production(workspace):
        return (f"{PROJECT_FILE} is edited, and counts as it is committed: {words}",)
    return (f"{PROJECT_FILE} of this branch does not count: {words}",)
