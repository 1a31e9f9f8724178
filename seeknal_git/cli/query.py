"""`seeknal query`"""

from __future__ import annotations

from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Annotated

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

if TYPE_CHECKING:
    from seeknal_git.commands.query_metrics import Asked
    from seeknal_git.project.workspace import Workspace


class Form(StrEnum):
    """How an answer is printed."""

    table = "table"
    csv = "csv"
    json = "json"


Environment = Annotated[
    str | None,
    typer.Option("--env", help="Ask this environment; by default, the current branch's."),
]
Failed = Annotated[
    str | None,
    typer.Option("--failed", metavar="NODE", help="Ask the tables that failed the checks of NODE."),
]
Metrics = Annotated[
    str | None, typer.Option("--metrics", metavar="A,B", help="Compute metrics, instead of SQL.")
]
Dimensions = Annotated[
    str, typer.Option("--dimensions", metavar="C,D", help="Compute them for each of these.")
]
Filters = Annotated[
    list[str] | None,
    typer.Option("--filter", metavar="SQL", help="Compute them of rows that this holds for."),
]
OrderBy = Annotated[
    str, typer.Option("--order-by", metavar="NAME", help="Sort by these; -NAME: descending.")
]
Limit = Annotated[
    int | None, typer.Option("--limit", min=0, help="At most this many rows of metrics.")
]
Compile = Annotated[
    bool, typer.Option("--compile", help="Print the SQL of the metrics, and do not run it.")
]


def query(
    sql: Annotated[
        str | None,
        typer.Argument(
            help="One statement that reads; with --failed, by default the violating rows."
        ),
    ] = None,
    env: Environment = None,
    at: At = None,
    failed: Failed = None,
    metrics: Metrics = None,
    dimensions: Dimensions = "",
    filters: Filters = None,
    order_by: OrderBy = "",
    limit: Limit = None,
    compile_: Compile = False,
    form: Annotated[
        Form, typer.Option("--format", "-f", help="Print the answer in this form.")
    ] = Form.table,
    as_json: AsJson = False,
    lock_timeout: LockTimeout = 0.0,
    data_root: DataRoot = None,
    project_path: ProjectPath = HERE,
) -> None:
    """Run a SELECT on the views of an environment.

    The views go by their bare names, without a schema. With --metrics, the numbers that semantic
    models and metrics define: a dimension is `name`, or `name__month` of a time.

    \b
    Examples:
      seeknal query 'FROM orders LIMIT 5'
      seeknal query --env prod 'SELECT count(*) FROM orders' --format csv
      seeknal query --at HEAD~3 'SELECT count(*) FROM orders'
      seeknal query --failed orders
      seeknal query --metrics revenue --dimensions ordered_at__month --order-by -revenue
    """
    from seeknal_git.commands.query import Query, stream
    from seeknal_git.errors import UsageError
    from seeknal_git.report.query import show
    from seeknal_git.report.watching import TERMINAL

    wanted = "json" if as_json else form
    if metrics is None and (dimensions or filters or order_by or limit is not None or compile_):
        raise UsageError("These options are about --metrics.", "seeknal query --help")
    if metrics is not None and (sql is not None or at is not None or failed is not None):
        raise UsageError("--metrics goes without SQL, --at and --failed.")
    workspace = opened_with_a_reminder(project_path, data_root, lock_timeout)
    if metrics is None:
        answer = partial(show, form=wanted)
        stream(workspace, Query(sql, env, at, failed), wanted, answer, TERMINAL.note)
        return
    from seeknal_git.commands.query_metrics import Asked

    asked = Asked(_names(metrics), _names(dimensions), filters or (), _names(order_by), limit)
    _metrics(workspace, asked, env, None if compile_ else wanted)


def _metrics(workspace: Workspace, asked: Asked, env: str | None, form: str | None) -> None:
    """Compute metrics. form: None to print their SQL."""
    from seeknal_git.commands.query_metrics import compiled, stream_metrics
    from seeknal_git.report.query import show
    from seeknal_git.report.terminal import out_lines
    from seeknal_git.report.watching import TERMINAL

    if form is None:
        out_lines(compiled(workspace, asked, env).sql)
    else:
        stream_metrics(workspace, asked, env, form, partial(show, form=form), TERMINAL.note)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]
