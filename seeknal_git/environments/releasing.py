"""Who may release: everybody, or continuous integration alone (`promote: ci`, as production's
project file says)."""

from __future__ import annotations

from seeknal_git.errors import UsageError
from seeknal_git.project.ci_variables import in_ci
from seeknal_git.project.workspace import Workspace


def only_ci_releases(workspace: Workspace) -> bool:
    """Whether production is released elsewhere: by continuous integration, or by the server that is
    pushed to."""
    return workspace.settings.promote == "ci" and not (in_ci() or workspace.repository.bare)


def need_leave(workspace: Workspace, reason: str | None, *, force: bool) -> None:
    """Raise UsageError if production is not released from here, unless `force` has a reason."""
    if not only_ci_releases(workspace):
        return
    because = (
        f"Continuous integration alone releases {workspace.production} "
        "(promote: ci in its project file)"
    )
    if not force:
        raise UsageError(
            f"{because}. Nothing was done.",
            "git push, and let it promote. If it cannot, give a reason: --force --reason 'TEXT'",
        )
    if not (reason or "").strip():
        raise UsageError(
            f"{because}, so --force needs a reason: it is in the log.", "--force --reason 'TEXT'"
        )
