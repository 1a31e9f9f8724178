"""`seeknal draft`"""

from __future__ import annotations

from typing import Annotated

import typer

from seeknal_git.cli.options import HERE, DataRoot, ProjectPath, opened


def draft(
    kind: Annotated[
        str,
        typer.Argument(
            help="The kind, such as source, transform, rule or exposure; or common-source, "
            "common-rule or common-transformation."
        ),
    ],
    name: Annotated[str, typer.Argument(help="The node's name: letters, digits and _.")],
    description: Annotated[
        str | None, typer.Option("--description", "-d", help="Describe the node.")
    ] = None,
    file: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="Describe this file, folder or glob: its format and columns go into the source.",
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", "-f", help="Replace a draft that exists.")
    ] = False,
    python: Annotated[
        bool, typer.Option("--python", "-py", help="Write draft_KIND_NAME.py, a function.")
    ] = False,
    deps: Annotated[
        str | None,
        typer.Option("--deps", help="The packages that a function needs, such as pandas,pyarrow."),
    ] = None,
    data_root: DataRoot = None,
    project_path: ProjectPath = HERE,
) -> None:
    """Write draft_KIND_NAME.yml, a commented template to fill in.

    \b
    Examples:
      seeknal draft source orders --from data/orders.csv
      seeknal draft feature-group customer_habits -d "How a customer buys"
      seeknal draft common-rule big_orders
      seeknal draft transform scores --python --deps pandas,scikit-learn
    """
    from seeknal_git.commands import draft as verb
    from seeknal_git.report.draft import drafted

    workspace = opened(project_path, data_root)
    path = verb.draft(
        workspace, kind, name, description, file=file, python=python, dependencies=deps, force=force
    )
    drafted(path, file)
