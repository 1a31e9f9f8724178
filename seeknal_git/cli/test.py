"""`seeknal test`"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from seeknal_git.cli.options import (
    EVERY_NODE,
    HERE,
    AsJson,
    Choice,
    DataRoot,
    LockTimeout,
    ProjectPath,
    Sandbox,
    opened,
    with_options,
)
from seeknal_git.errors import UsageError

if TYPE_CHECKING:
    from seeknal_git.project.workspace import Workspace

Nodes = Annotated[
    list[str] | None,
    typer.Argument(metavar="[SELECT]...", help="Take only these nodes, as --select does."),
]
Text = Annotated[
    str, typer.Option("-k", metavar="TEXT", help="Take only examples with this in their name.")
]
From = Annotated[
    list[str] | None,
    typer.Option(
        "--from",
        metavar="SQL",
        help="Write an example into NODE: the rows of this SELECT, given to the input in its FROM.",
    ),
]
Name = Annotated[
    str | None, typer.Option("--name", metavar="NAME", help="The name of an example by --from.")
]


@with_options
def test(
    which: Nodes = None,
    choice: Choice = EVERY_NODE,
    text: Text = "",
    from_: From = None,
    name: Name = None,
    sandbox: Sandbox = False,
    as_json: AsJson = False,
    lock_timeout: LockTimeout = 0.0,
    data_root: DataRoot = None,
    project_path: ProjectPath = HERE,
) -> None:
    """Try the examples of nodes, in memory.

    An example gives rows to a node, and says which rows they become. The warehouse is not opened.
    The exit code is 1 if an example does not hold.

    With --from, write one of real rows into the file of a node: of the current branch's tables, and
    with the rows that the node makes of them.

    \b
    Examples:
      seeknal test
      seeknal test daily_orders
      seeknal test --select 'changed+' -k refund
      seeknal test daily_orders --from "FROM orders WHERE amount < 0 LIMIT 3"
    """
    from seeknal_git.commands.test import try_examples
    from seeknal_git.report import test as report
    from seeknal_git.report.terminal import out_json

    workspace = opened(project_path, data_root, lock_timeout)
    if from_:
        if len(which or ()) != 1 or choice != EVERY_NODE or text:
            hint = "seeknal test NODE --from SQL"
            raise UsageError("--from writes an example of one node.", hint)
        _write(workspace, (which or [""])[0], from_, name, as_json=as_json)
        return
    if name is not None:
        raise UsageError("--name goes with --from.", "-k takes examples by their names.")
    select = replace(choice, select=[*(which or ()), *(choice.select or ())]).selecting()
    found = try_examples(workspace, select, text=text, sandbox=sandbox)
    out_json(report.as_json(found)) if as_json else report.show(found, text)
    raise typer.Exit(1 if found.failures else 0)


def _write(
    workspace: Workspace, node: str, statements: Sequence[str], name: str | None, *, as_json: bool
) -> None:
    from seeknal_git.commands.example_of_rows import write_example
    from seeknal_git.report import test as report
    from seeknal_git.report.terminal import out_json

    written = write_example(workspace, node, statements, name)
    out_json(report.written_as_json(written)) if as_json else report.show_written(written)
