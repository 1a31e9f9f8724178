"""`seeknal query`"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seeknal_git.cli.asking import Form, Limit, Output, answering, ask, statement
from seeknal_git.cli.options import (
    HERE,
    AsJson,
    At,
    DataRoot,
    LockTimeout,
    Profile,
    ProjectPath,
    opened_with_a_reminder,
)

if TYPE_CHECKING:
    from seeknal_git.commands.query_metrics import Asked
    from seeknal_git.project.workspace import Workspace

Statement = Annotated[
    str | None,
    typer.Argument(
        metavar="[SQL]",
        help="One statement that reads; - for standard input. With --failed, by default the "
        "violating rows.",
    ),
]
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
Format = Annotated[Form | None, typer.Option("--format", help="Print the answer in this form.")]
SqlFile = Annotated[
    Path | None,
    typer.Option("--file", "-f", metavar="FILE", help="Read the statement from a file."),
]
Compile = Annotated[
    bool, typer.Option("--compile", help="Print the SQL of the metrics, and do not run it.")
]


def query(
    sql: Statement = None,
    file: SqlFile = None,
    env: Environment = None,
    at: At = None,
    failed: Failed = None,
    metrics: Metrics = None,
    dimensions: Dimensions = "",
    filters: Filters = None,
    order_by: OrderBy = "",
    limit: Limit = None,
    compile_: Compile = False,
    form: Format = None,
    as_json: AsJson = False,
    output: Output = None,
    lock_timeout: LockTimeout = 0.0,
    profile: Profile = None,
    data_root: DataRoot = None,
    project_path: ProjectPath = HERE,
) -> None:
    """Run a SELECT on the views of an environment.

    A table goes by the name of its view, or of its node: `orders`, `transform.orders` or
    `transform_orders`. Macros of the project can be called. With --metrics, the numbers that
    semantic models and metrics define: a dimension is `name`, or `name__month` of a time.

    \b
    Examples:
      seeknal query 'FROM orders LIMIT 5'
      seeknal query --env prod 'SELECT count(*) FROM transform.orders' --format csv
      seeknal query -f report.sql -o report.parquet
      seeknal query --at HEAD~3 'SELECT count(*) FROM orders'
      seeknal query --failed orders
      seeknal query --metrics revenue --dimensions ordered_at__month --order-by -revenue
    """
    from seeknal_git.commands.query import Query
    from seeknal_git.errors import UsageError

    wanted = Form.json if as_json else form
    if metrics is None and (dimensions or filters or order_by or compile_):
        raise UsageError("These options are about --metrics.", "seeknal query --help")
    if metrics is not None and any(given is not None for given in (sql, file, at, failed)):
        raise UsageError("--metrics goes without SQL, --at and --failed.")
    text = statement(sql, file)
    workspace = opened_with_a_reminder(project_path, data_root, lock_timeout, profile=profile)
    if metrics is None:
        ask(workspace, Query(text, env, at, failed, limit), wanted, output)
        return
    from seeknal_git.commands.query_metrics import Asked

    asked = Asked(_names(metrics), _names(dimensions), filters or (), _names(order_by), limit)
    if compile_:
        _compiled(workspace, asked, env)
    else:
        _metrics(workspace, asked, env, wanted, output)


def _compiled(workspace: Workspace, asked: Asked, env: str | None) -> None:
    from seeknal_git.commands.query_metrics import compiled
    from seeknal_git.report.terminal import out_lines

    out_lines(compiled(workspace, asked, env).sql)


def _metrics(
    workspace: Workspace, asked: Asked, env: str | None, form: Form | None, output: Path | None
) -> None:
    from seeknal_git.commands.query_metrics import stream_metrics
    from seeknal_git.report.watching import TERMINAL

    with answering(form, output) as way:
        file = way.engine_file
        stream_metrics(workspace, asked, env, way.form, way.show, TERMINAL.note, file)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]
