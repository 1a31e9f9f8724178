"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from seeknal_git.workspace import Workspace

ProjectPath = Annotated[Path, typer.Option("--project-path", "-C", metavar="DIR", help="The project's folder.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
LockTimeout = Annotated[
    float,
    typer.Option("--lock-timeout", metavar="SECONDS", help="Wait so long while another process holds the warehouse."),
]
Sandbox = Annotated[
    bool, typer.Option("--sandbox", help="SQL reaches nothing but this project's data, with or without this.")
]
DataRoot = Annotated[
    Path | None,
    typer.Option("--data-root", metavar="DIR", help="The folder with the warehouse and raw data, if not this clone."),
]
At = Annotated[
    str | None,
    typer.Option("--at", metavar="REV", help="Production as it was at a commit, or at a publication that log shows."),
]
HERE = Path()


def opened(path: Path, data_root: Path | None = None) -> Workspace:
    from seeknal_git.workspace import open_workspace

    return open_workspace(path, data_root)


def opened_with_a_reminder(path: Path, data_root: Path | None = None) -> Workspace:
    """Like `opened`; says on the way that production is not at the tip of its branch: no hook sees every way there."""
    from seeknal_git.pending import pending
    from seeknal_git.report.terminal import tell

    workspace = opened(path, data_root)
    if due := pending(workspace):
        tell(f"{due.what}: {due.cure}", err=True)
    return workspace
