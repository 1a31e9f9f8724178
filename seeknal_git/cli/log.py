"""`seeknal log`"""

from __future__ import annotations

from typing import Annotated

import typer

from seeknal_git.cli.options import (
    HERE,
    AsJson,
    DataRoot,
    LockTimeout,
    ProjectPath,
    opened_with_a_reminder,
)


def log(
    env: Annotated[
        str | None,
        typer.Option(
            "--env", help="Show the history of this environment; by default, of production."
        ),
    ] = None,
    most: Annotated[
        int,
        typer.Option("--max-count", "-n", min=0, metavar="N", help="Show at most N; 0 for all."),
    ] = 10,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show every node.")] = False,
    as_json: AsJson = False,
    lock_timeout: LockTimeout = 0.0,
    data_root: DataRoot = None,
    project_path: ProjectPath = HERE,
) -> None:
    """Show the publications of production, and their changes.

    The newest publication comes first. One that is "not kept" cannot be shown again: gc has dropped
    some of its tables. A rollback takes the number, or the commit.

    \b
    Examples:
      seeknal log
      seeknal log -n 1 --verbose
      seeknal log --env dev --json
    """
    from seeknal_git.commands.log import log as library
    from seeknal_git.report.history import log_as_json, show_log
    from seeknal_git.report.terminal import out_json

    found = library(opened_with_a_reminder(project_path, data_root, lock_timeout), env, most)
    out_json(log_as_json(found)) if as_json else show_log(found, whole=verbose)
