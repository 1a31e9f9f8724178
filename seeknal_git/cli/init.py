"""`seeknal init`"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from seeknal_git.cli.options import HERE


def init(
    name: Annotated[
        str | None,
        typer.Option("--name", "-n", help="Name the project; by default, like its folder."),
    ] = None,
    description: Annotated[
        str | None, typer.Option("--description", "-d", help="Describe the project.")
    ] = None,
    ci: Annotated[
        Literal["github", "gitlab"] | None,
        typer.Option("--ci", help="Write a workflow for this service; docs/ci.md explains it."),
    ] = None,
    production_branch: Annotated[
        str | None,
        typer.Option(
            "--production-branch",
            metavar="BRANCH",
            help="Name the production branch.",
        ),
    ] = None,
    path: Annotated[
        Path,
        typer.Option(
            "--path", "-p", "--project-path", "-C", metavar="DIR", help="The project's folder."
        ),
    ] = HERE,
) -> None:
    """Begin a project: files, git repository, hooks, first commit.

    No file is overwritten. In a folder that is a project already, missing files are added; with
    --ci, only the workflow.

    Production is the branch that --production-branch, the project file or a person names; else the
    default branch of origin, main, master, the only branch, or the branch that is checked out. The
    command says which rule has decided.

    \b
    Examples:
      seeknal init
      seeknal init --name shop --path shop
      seeknal init --ci github
    """
    from seeknal_git.commands.init import Wish
    from seeknal_git.commands.init import init as verb
    from seeknal_git.report.init import initialized

    interactive = sys.stdin.isatty() and sys.stdout.isatty()
    ask = _ask if interactive else None
    initialized(verb(path, Wish(name, description, production_branch, ci), ask))


def _ask(here: str, likely: str) -> str:
    from seeknal_git.report.terminal import prompt

    return prompt(f"{here} is checked out. Which branch is production?", likely)
