"""`seeknal test`"""

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
    ProjectPath,
    opened,
    with_options,
)

Nodes = Annotated[
    list[str] | None,
    typer.Argument(metavar="[SELECT]...", help="Take only these nodes, as --select does."),
]
Text = Annotated[
    str, typer.Option("-k", metavar="TEXT", help="Take only examples with this in their name.")
]


@with_options
def test(
    which: Nodes = None,
    choice: Choice = EVERY_NODE,
    text: Text = "",
    as_json: AsJson = False,
    data_root: DataRoot = None,
    project_path: ProjectPath = HERE,
) -> None:
    """Try the examples of nodes: given rows, and the rows they become.

    They run in memory, without the warehouse. The exit code is 1 if an example does not hold.

    \b
    Examples:
      seeknal test
      seeknal test daily_orders
      seeknal test --select 'changed+' -k refund
    """
    from seeknal_git.commands.test import try_examples
    from seeknal_git.report import test as report
    from seeknal_git.report.terminal import out_json

    select = replace(choice, select=[*(which or ()), *(choice.select or ())]).selecting()
    found = try_examples(opened(project_path, data_root), select, text=text)
    out_json(report.as_json(found)) if as_json else report.show(found, text)
    raise typer.Exit(1 if found.failures else 0)
