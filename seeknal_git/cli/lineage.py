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


@with_options
def lineage(
    node: Annotated[
        str | None,
        typer.Argument(
            metavar="[NODE[.COLUMN]]",
            help="A node, as kind.name or by its bare name, or one of its columns.",
        ),
    ] = None,
    upstream: Annotated[bool, typer.Option("--upstream", help="Show only its inputs.")] = False,
    downstream: Annotated[
        bool, typer.Option("--downstream", help="Show only its readers.")
    ] = False,
    depth: Annotated[
        int | None, typer.Option("--depth", metavar="N", min=1, help="Stop after N steps.")
    ] = None,
    choice: Choice = EVERY_NODE,
    as_json: AsJson = False,
    html: Annotated[
        Path | None,
        typer.Option("--html", metavar="FILE", dir_okay=False, help="Write a page for a browser."),
    ] = None,
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
    from seeknal_git.commands.lineage import lineage as library
    from seeknal_git.report import lineage as report
    from seeknal_git.report.terminal import out_json

    chosen = library(
        opened_with_a_reminder(project_path, data_root),
        node,
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
        report.as_text(chosen)
