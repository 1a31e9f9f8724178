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
        help="Wait this long while another process holds the warehouse.",
    ),
]
Sandbox = Annotated[bool, typer.Option("--sandbox", help="No effect: every command confines SQL.")]
DataRoot = Annotated[
    Path | None,
    typer.Option(
        "--data-root",
        metavar="DIR",
        help="Find the warehouse and raw data in this folder, not in this clone.",
    ),
]
At = Annotated[
    str | None,
    typer.Option(
        "--at",
        metavar="REV",
        help="Read production as it was at a commit, or at a publication of the log.",
    ),
]
Reason = Annotated[
    str | None,
    typer.Option(
        "--reason", metavar="TEXT", help="Say in the log why production is released by force."
    ),
]
HERE = Path()


def opened(
    path: Path,
    data_root: Path | None = None,
    lock_timeout: float = 0.0,
    *,
    mending: bool = False,
) -> Workspace:
    from seeknal_git.commands.project import open_project

    return open_project(path, data_root=data_root, lock_timeout=lock_timeout, mending=mending)


def opened_with_a_reminder(
    path: Path, data_root: Path | None = None, lock_timeout: float = 0.0
) -> Workspace:
    """Like `opened`; also say that settings do not count, or that a promotion is due."""
    from seeknal_git.commands.project import reminders
    from seeknal_git.report.terminal import tell

    workspace = opened(path, data_root, lock_timeout)
    for sentence in reminders(workspace):
        tell(sentence, err=True)
    return workspace


def workers(parallel: bool, most: int) -> int | None:
    """How many nodes are built at once; None for one on each core."""
    return (most or None) if parallel else 1
