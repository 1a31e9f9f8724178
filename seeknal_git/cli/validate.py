"""`seeknal validate`"""

from __future__ import annotations

from typing import Annotated

import typer

from seeknal_git.cli.options import HERE, AsJson, DataRoot, ProjectPath, opened


def validate(
    staged: Annotated[
        bool, typer.Option("--staged", help="Check the files staged in git, not the working tree.")
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Name the ignored files.")
    ] = False,
    as_json: AsJson = False,
    data_root: DataRoot = None,
    project_path: ProjectPath = HERE,
) -> None:
    """Check every node, and whether the nodes fit together.

    The exit code is 1 if they do not.

    \b
    Examples:
      seeknal validate
      seeknal validate --staged
    """
    from seeknal_git.commands.validate import validate as check
    from seeknal_git.report import validate as report
    from seeknal_git.report.terminal import out_json

    found = check(opened(project_path, data_root, mending=True), staged=staged)
    out_json(report.as_json(found)) if as_json else report.show(found, verbose=verbose)
    raise typer.Exit(1 if found.problems else 0)
