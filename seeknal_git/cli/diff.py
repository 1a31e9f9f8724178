"""`seeknal diff`"""

from __future__ import annotations

from typing import Annotated

import typer

from seeknal_git.cli.options import HERE, AsJson, DataRoot, ProjectPath, opened_with_a_reminder


def diff(
    node: Annotated[
        str | None,
        typer.Argument(help="Show only this node, as kind.name, NAME or KINDs/NAME."),
    ] = None,
    stat: Annotated[bool, typer.Option("--stat", help="Print one line for each node.")] = False,
    as_json: AsJson = False,
    data_root: DataRoot = None,
    project_path: ProjectPath = HERE,
) -> None:
    """Show how the branch changes the text of each node.

    Each change has its category and its impact.

    \b
    Examples:
      seeknal diff
      seeknal diff transform.orders
      seeknal diff --stat
    """
    from seeknal_git.commands.diff import diff as library
    from seeknal_git.report import diff as report
    from seeknal_git.report.terminal import out_json

    found = library(opened_with_a_reminder(project_path, data_root), node)
    out_json(report.as_json(found)) if as_json else report.show(found, stat=stat)
