"""`seeknal diff`"""

from __future__ import annotations

from typing import Annotated

import typer

from seeknal_git.cli.options import HERE, AsJson, DataRoot, ProjectPath, opened_with_a_reminder


def diff(
    node: Annotated[
        str | None, typer.Argument(help="Only this node, as kind.name or its bare name.")
    ] = None,
    stat: Annotated[bool, typer.Option("--stat", help="One line a node.")] = False,
    as_json: AsJson = False,
    data_root: DataRoot = None,
    project_path: ProjectPath = HERE,
) -> None:
    """Show the text of every node that the branch changes.

    With the category and the impact of each change.

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
    out_json(report.as_json(found)) if as_json else report.as_text(found, stat=stat)
