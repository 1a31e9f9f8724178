"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from seeknal_git.project.workspace import Workspace

ProjectPath = Annotated[
    Path, typer.Option("--project-path", "-C", metavar="DIR", help="The project's folder.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
LockTimeout = Annotated[
    float,
    typer.Option(
        "--lock-timeout",
        metavar="SECONDS",
        help="Wait so long while another process holds the warehouse.",
    ),
]
Sandbox = Annotated[
    bool, typer.Option("--sandbox", help="Changes nothing: every command confines SQL.")
]
DataRoot = Annotated[
    Path | None,
    typer.Option(
        "--data-root",
        metavar="DIR",
        help="The folder with the warehouse and raw data, if not this clone.",
    ),
]
At = Annotated[
    str | None,
    typer.Option(
        "--at",
        metavar="REV",
        help="Production as it was at a commit, or at a publication that log shows.",
    ),
]
Reason = Annotated[
    str | None,
    typer.Option(
        "--reason", metavar="TEXT", help="Why production is released by force; the log keeps it."
    ),
]
HERE = Path()


def opened(path: Path, data_root: Path | None = None, *, mending: bool = False) -> Workspace:
    from seeknal_git.project.workspace import open_workspace

    return open_workspace(path, data_root, mending=mending)


def remind_of_settings(workspace: Workspace) -> None:
    """Say that settings of what is checked out do not count, or not yet."""
    from seeknal_git.project.branch_settings import on_production, overruled_here
    from seeknal_git.project.settings import PROJECT_FILE
    from seeknal_git.report.terminal import tell

    if changed := overruled_here(workspace):
        words = ", ".join(each.words for each in changed)
        here = (
            "is edited, and counts as it is committed"
            if on_production(workspace)
            else "of this branch does not count"
        )
        tell(f"{PROJECT_FILE} {here}: {words}", err=True)


def opened_with_a_reminder(path: Path, data_root: Path | None = None) -> Workspace:
    """Like `opened`; says on the way that production is not at the tip of its branch: no hook sees
    every way there."""
    from seeknal_git.environments.production import pending
    from seeknal_git.project.branch_settings import on_production
    from seeknal_git.report.terminal import tell

    workspace = opened(path, data_root)
    if on_production(workspace):
        remind_of_settings(workspace)
    if due := pending(workspace):
        tell(f"{due.what}: {due.cure}", err=True)
    return workspace
