"""Settings that a tree has otherwise than production: `plan` shows them, and whatever writes
refuses.

The values in force are production's in any case. The refusal is there so that nobody believes that
a branch's count.
"""

from __future__ import annotations

from seeknal_git.errors import GitError, Problem, ProjectError
from seeknal_git.git import repository as git
from seeknal_git.git.operation import rebased_branch
from seeknal_git.git.tree import Tree
from seeknal_git.names import command_line, operand
from seeknal_git.project.authority import settings_at
from seeknal_git.project.settings import (
    PROJECT_FILE,
    SettingChange,
    Written,
    changed_settings,
    read_written,
)
from seeknal_git.project.workspace import Workspace


def written_in(tree: Tree) -> Written | None:
    """The project file of a tree; None if it has none. Raises ProjectError."""
    blob = tree.files.get(PROJECT_FILE)
    return read_written(tree.read(blob)) if blob else None


def changed_between(before: Tree, after: Tree) -> tuple[SettingChange, ...]:
    """The settings that one tree has otherwise than another, as far as both can be read."""
    if before.files.get(PROJECT_FILE) == after.files.get(PROJECT_FILE):
        return ()
    try:
        old, new = written_in(before), written_in(after)
    except ProjectError:
        return ()
    return changed_settings(old.settings, new) if old and new else ()


def overruled(
    workspace: Workspace, written: Written | None, commit: str | None
) -> tuple[SettingChange, ...]:
    """The settings of a project file that do not count, as production has others. commit: the
    file's own, or the one that it was edited on."""
    production = workspace.authority.written
    if written is None or production is None or not changed_settings(production.settings, written):
        return ()
    base = _base(workspace, commit)
    return changed_settings(production.settings, written, base.settings if base else None)


def _base(workspace: Workspace, commit: str | None) -> Written | None:
    """The project file where a commit left production."""
    repository, tip = workspace.repository, workspace.authority.commit
    if commit is None or tip is None:
        return None
    try:
        return settings_at(repository, git.merge_base(repository, commit, tip))
    except (
        GitError,
        ProjectError,
    ):  # histories with nothing in common, a file that nobody can read
        return None


def overruled_here(workspace: Workspace) -> tuple[SettingChange, ...]:
    """The settings of the checked-out tree that do not count: those of a branch, or those of
    production's branch that are not committed."""
    return overruled(workspace, workspace.written, git.head_commit(workspace.repository))


def on_production(workspace: Workspace) -> bool:
    """Whether the production branch is checked out."""
    repository = workspace.repository
    return workspace.production in (git.current_branch(repository), rebased_branch(repository))


def need_authority(workspace: Workspace) -> None:
    """Raise UsageError if this clone does not know production, and ProjectError if what is checked
    out, unless that is the production branch, has other settings than production, or a project file
    that cannot be read.

    Whatever writes asks this first.
    """
    repository = workspace.repository
    if workspace.authority.commit is None and git.head_commit(repository):
        git.need_production(repository, workspace.production)
    if repository.bare or on_production(workspace):
        return
    if workspace.flaw:
        raise workspace.flaw
    _refuse(workspace, "This branch", overruled_here(workspace), git.current_branch(repository))


def need_production_s_settings(workspace: Workspace, name: str, commit: str | None) -> None:
    """Raise ProjectError if a branch, as it is committed, has other settings than production."""
    if name != workspace.production and commit:
        _refuse(
            workspace,
            name,
            overruled(workspace, settings_at(workspace.repository, commit), commit),
            name,
        )


def refuse_to_carry(workspace: Workspace) -> None:
    """Raise ProjectError if edited settings would follow from production to a branch, where they do
    not count."""
    cure = f"Commit it on {workspace.production} by itself, or take it back."
    _raise(workspace, "The working tree", overruled_here(workspace), cure)


def _refuse(
    workspace: Workspace, what: str, changes: tuple[SettingChange, ...], branch: str | None
) -> None:
    if changes:
        # The production branch may have another name now.
        git.need_production(workspace.repository, workspace.production)
    switch = command_line("git", "switch", workspace.production)
    way = f"{switch} && git merge {operand(branch or 'COMMIT')}"
    _raise(
        workspace, what, changes, f"Merge this change by itself, with git: {way}; or take it back."
    )


def _raise(workspace: Workspace, what: str, changes: tuple[SettingChange, ...], cure: str) -> None:
    if not changes:
        return
    problems = [
        f"{what} sets {change.name} to {change.after}, "
        f"and production ({workspace.production}) has {change.before}."
        for change in changes
    ]
    hints = [None] * (len(changes) - 1) + [f"Only production's project file counts. {cure}"]
    raise ProjectError(
        [
            Problem(message, PROJECT_FILE, change.line, last)
            for message, change, last in zip(problems, changes, hints, strict=True)
        ]
    )
