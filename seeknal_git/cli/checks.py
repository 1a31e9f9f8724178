"""`seeknal checks`"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from seeknal_git.cli.options import (
    EVERY_NODE,
    HERE,
    AsJson,
    Choice,
    DataRoot,
    LockTimeout,
    ProjectPath,
    opened_with_a_reminder,
    with_options,
)

Nodes = Annotated[
    list[str] | None,
    typer.Argument(metavar="[SELECT]...", help="Take only these nodes, as --select does."),
]
Environment = Annotated[
    str | None,
    typer.Option("--env", help="Show this environment; by default, the current branch's."),
]
ShowRows = Annotated[
    bool, typer.Option("--rows", help="Show some of the rows that violate each check.")
]


@with_options
def checks(
    which: Nodes = None,
    env: Environment = None,
    choice: Choice = EVERY_NODE,
    rows: ShowRows = False,
    as_json: AsJson = False,
    lock_timeout: LockTimeout = 0.0,
    data_root: DataRoot = None,
    project_path: ProjectPath = HERE,
) -> None:
    """Show every test and rule with its last answer.

    Nothing is asked again: a run does that. With SELECT, show the tests of some nodes, and the
    rules about them. The exit code is 1 if a check of severity error does not hold.

    \b
    Examples:
      seeknal checks
      seeknal checks orders --rows
      seeknal checks --env dev --select 'changed+'
    """
    from seeknal_git.commands.checks import checks as library
    from seeknal_git.report import checks as report
    from seeknal_git.report.terminal import out_json

    found = library(
        opened_with_a_reminder(project_path, data_root, lock_timeout),
        env,
        select=replace(choice, select=[*(which or ()), *(choice.select or ())]).selecting(),
        rows=rows,
    )
    out_json(report.as_json(found)) if as_json else report.show(found)
    raise typer.Exit(1 if found.counts["failed"] else 0)
