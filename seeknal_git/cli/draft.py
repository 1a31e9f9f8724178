"""`seeknal draft`"""

from __future__ import annotations

from typing import Annotated

import typer

from seeknal_git.cli.options import HERE, DataRoot, ProjectPath, opened


def draft(
    kind: Annotated[str, typer.Argument(help="source, transform, feature_group, rule or exposure.")],
    name: Annotated[str, typer.Argument(help="The node's name: letters, digits and _.")],
    description: Annotated[str | None, typer.Option("--description", "-d", help="What the node is.")] = None,
    force: Annotated[bool, typer.Option("--force", "-f", help="Begin anew where there is a draft already.")] = False,
    data_root: DataRoot = None,
    project_path: ProjectPath = HERE,
) -> None:
    """Write draft_KIND_NAME.yml, a commented template to fill in.

    \b
    Examples:
      seeknal draft source orders
      seeknal draft feature-group customer_habits -d "How a customer buys"
    """
    from seeknal_git import drafts
    from seeknal_git.report.draft import drafted

    drafted(drafts.draft(opened(project_path, data_root), kind, name, description, force=force))
