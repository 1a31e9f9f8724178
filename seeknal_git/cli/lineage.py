"""`seeknal lineage`"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seeknal_git.cli.options import (
    EVERY_NODE,
    HERE,
    AsJson,
    Choice,
    DataRoot,
    ProjectPath,
    opened_with_a_reminder,
    with_options,
)

Node = Annotated[
    str | None,
    typer.Argument(
        metavar="[NODE[.COLUMN]]",
        help="A node, as kind.name or by its bare name, or one of its columns.",
    ),
]
Column = Annotated[
    str | None, typer.Option("--column", "-c", help="One column of NODE, as NODE.COLUMN.")
]
Upstream = Annotated[bool, typer.Option("--upstream", help="Show only its inputs.")]
Downstream = Annotated[bool, typer.Option("--downstream", help="Show only its readers.")]
Depth = Annotated[
    int | None, typer.Option("--depth", metavar="N", min=1, help="Stop after N steps.")
]
Page = Annotated[
    Path | None,
    typer.Option(
        "--html",
        "--output",
        "-o",
        metavar="FILE",
        dir_okay=False,
        help="Write a page for a browser.",
    ),
]
Ascii = Annotated[bool, typer.Option("--ascii", help="No effect: trees are printed.")]
NoOpen = Annotated[bool, typer.Option("--no-open", help="No effect: no browser is opened.")]


@with_options
def lineage(
    node: Node = None,
    column: Column = None,
    upstream: Upstream = False,
    downstream: Downstream = False,
    depth: Depth = None,
    choice: Choice = EVERY_NODE,
    as_json: AsJson = False,
    html: Page = None,
    ascii_: Ascii = False,
    no_open: NoOpen = False,
    data_root: DataRoot = None,
    project_path: ProjectPath = HERE,
) -> None:
    """Show the inputs of a node or a column, and its readers.

    Without NODE, show the whole project, or the nodes of --select. On a branch, each node has its
    line of the plan. The page needs no server.

    \b
    Examples:
      seeknal lineage
      seeknal lineage transform.orders --upstream
      seeknal lineage orders.amount
      seeknal lineage --select '+tag:daily'
      seeknal lineage --html lineage.html
    """
    del ascii_, no_open  # scripts name them still
    from seeknal_git.commands.lineage import lineage as library
    from seeknal_git.errors import UsageError
    from seeknal_git.report import lineage as report
    from seeknal_git.report.terminal import out_json

    if column is not None and node is None:
        raise UsageError("--column needs a NODE.", f"seeknal lineage NODE --column {column}")
    chosen = library(
        opened_with_a_reminder(project_path, data_root),
        f"{node}.{column}" if column is not None else node,
        upstream=upstream,
        downstream=downstream,
        depth=depth,
        nodes=choice.selecting(),
    )
    report.warn(chosen)
    if html:
        report.write_page(html, chosen)
    if as_json:
        out_json(report.as_json(chosen))
    elif not html:
        report.show(chosen)
