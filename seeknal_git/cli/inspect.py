"""`seeknal inspect`"""

from __future__ import annotations

from functools import partial
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

Node = Annotated[
    str | None, typer.Argument(help="A node, as kind.name, by its bare name, or as kind_name.")
]
Environment = Annotated[
    str | None,
    typer.Option("--env", help="Look at this environment; by default, the current branch's."),
]


def inspect(
    node: Node = None,
    limit: Annotated[
        int, typer.Option("--limit", "-l", min=0, help="Show at most this many rows.")
    ] = 10,
    schema: Annotated[
        bool, typer.Option("--schema", "-s", help="Show the columns and their types.")
    ] = False,
    list_: Annotated[
        bool, typer.Option("--list", help="List all tables, as without NODE.")
    ] = False,
    env: Environment = None,
    as_json: AsJson = False,
    lock_timeout: LockTimeout = 0.0,
    data_root: DataRoot = None,
    project_path: ProjectPath = HERE,
) -> None:
    """Show the first rows of a table, or its columns.

    Without NODE, list the tables that the environment shows, with their rows.

    \b
    Examples:
      seeknal inspect
      seeknal inspect orders --limit 3
      seeknal inspect transform.orders --schema
    """
    from seeknal_git.commands.inspect import question, tables
    from seeknal_git.commands.query import Query, stream
    from seeknal_git.report import inspect as report
    from seeknal_git.report.query import show
    from seeknal_git.report.terminal import out_json
    from seeknal_git.report.watching import TERMINAL

    workspace = opened_with_a_reminder(project_path, data_root, lock_timeout)
    if node is None or list_:
        found = tables(workspace, env)
        out_json(report.as_json(found)) if as_json else report.show(found)
        return
    sql = question(workspace, node, env, columns=schema, limit=limit)
    form = "json" if as_json else "table"
    stream(workspace, Query(sql, env), form, partial(show, form=form), TERMINAL.note)
