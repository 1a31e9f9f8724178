"""`seeknal init`"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from seeknal_git.cli.options import HERE


def init(
    name: Annotated[
        str | None, typer.Option("--name", "-n", help="The project's name; the folder's unless given.")
    ] = None,
    description: Annotated[str | None, typer.Option("--description", "-d", help="What the project is.")] = None,
    ci: Annotated[
        Literal["github", "gitlab"] | None,
        typer.Option("--ci", help="Write a workflow for it; docs/ci.md explains it."),
    ] = None,
    path: Annotated[
        Path, typer.Option("--path", "-p", "--project-path", "-C", metavar="DIR", help="The project's folder.")
    ] = HERE,
) -> None:
    """Begin a project: its files, a git repository where there is none, the hooks, and a first commit.

    No file is ever overwritten. In a folder that is a project already, what is missing is added; with --ci, only the
    workflow.

    \b
    Examples:
      seeknal init
      seeknal init --name shop --path shop
      seeknal init --ci github
    """
    from seeknal_git.init import init as verb
    from seeknal_git.report.init import initialized

    initialized(verb(path, name, description, ci))
