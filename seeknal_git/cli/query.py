"""`seeknal query`"""

from __future__ import annotations

from enum import StrEnum
from functools import partial
from typing import Annotated

import typer

from seeknal_git.cli.options import (
    HERE,
    AsJson,
    At,
    DataRoot,
    LockTimeout,
    ProjectPath,
    opened_with_a_reminder,
)


class Form(StrEnum):
    """How an answer is printed."""

    table = "table"
    csv = "csv"
    json = "json"


def query(
    sql: Annotated[
        str | None,
        typer.Argument(
            help="One statement that reads; with --failed, by default the violating rows."
        ),
    ] = None,
    env: Annotated[
        str | None,
        typer.Option("--env", help="Ask this environment; by default, the current branch's."),
    ] = None,
    at: At = None,
    failed: Annotated[
        str | None,
        typer.Option(
            "--failed", metavar="NODE", help="Ask the tables that failed the checks of NODE."
        ),
    ] = None,
    form: Annotated[
        Form, typer.Option("--format", "-f", help="Print the answer in this form.")
    ] = Form.table,
    as_json: AsJson = False,
    lock_timeout: LockTimeout = 0.0,
    data_root: DataRoot = None,
    project_path: ProjectPath = HERE,
) -> None:
    """Run a SELECT on the views of an environment.

    The views go by their bare names, without a schema.

    \b
    Examples:
      seeknal query 'FROM orders LIMIT 5'
      seeknal query --env prod 'SELECT count(*) FROM orders' --format csv
      seeknal query --at HEAD~3 'SELECT count(*) FROM orders'
      seeknal query --failed orders
    """
    from seeknal_git.commands.query import Query, stream
    from seeknal_git.report.query import show
    from seeknal_git.report.watching import TERMINAL

    wanted = "json" if as_json else form
    stream(
        opened_with_a_reminder(project_path, data_root, lock_timeout),
        Query(sql, env, at, failed),
        wanted,
        partial(show, form=wanted),
        TERMINAL.note,
    )
