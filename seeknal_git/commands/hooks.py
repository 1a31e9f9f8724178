"""The commands `hooks install`, `hooks uninstall` and `hooks status`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from seeknal_git.git import hooks
from seeknal_git.git.hooks import HookState
from seeknal_git.project.authority import keep_authority
from seeknal_git.project.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Installed:
    """The hooks after an installation."""

    hooks: tuple[HookState, ...]
    # The git command that keeps the data root for later commands, if it was run.
    command: str | None = None


def install(workspace: Workspace, data_root: Path | None = None) -> Installed:
    """Install the hooks of a project. Raises GitError if git tracks the installation.

    data_root: a folder to write down in git's configuration, for the hooks and later commands.
    """
    repository = workspace.repository
    keep_authority(repository, workspace.authority)
    found = hooks.install(
        repository.top,
        repository.prefix,
        workspace.production,
        hooks.this_installation(),
        workspace.data_root if repository.bare else data_root,
    )
    kept = None if data_root is None else hooks.keep_data_root(repository.top, data_root)
    return Installed(tuple(found), kept)


def uninstall(workspace: Workspace) -> tuple[HookState, ...]:
    """Remove a project from the hooks."""
    return tuple(hooks.uninstall(workspace.repository.top, workspace.repository.prefix))


def status(workspace: Workspace) -> tuple[HookState, ...]:
    """Say of each hook whether it is in order."""
    repository = workspace.repository
    return tuple(hooks.status(repository.top, repository.prefix, workspace.production))
