"""`seeknal apply`"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seeknal_git.cli.options import HERE, DataRoot, ProjectPath, opened


def apply(
    draft: Annotated[Path, typer.Argument(help="A file that `seeknal draft` wrote.")],
    force: Annotated[
        bool, typer.Option("--force", "-f", help="Replace the node if it exists.")
    ] = False,
    data_root: DataRoot = None,
    project_path: ProjectPath = HERE,
) -> None:
    """Move a valid draft to seeknal/KINDs/NAME.yml, and stage it.

    A draft that does not validate is refused. A node that exists is replaced only with --force,
    and the difference is shown. A draft of an entry, such as common-rule, is merged into its file
    below seeknal/common/.

    \b
    Examples:
      seeknal apply draft_source_orders.yml
      seeknal apply draft_transform_daily.yml --force
    """
    from seeknal_git.commands import draft as verb
    from seeknal_git.commands.drafted_entry import Merged
    from seeknal_git.report.draft import applied, merged

    done = verb.apply(opened(project_path, data_root), draft, force=force)
    if isinstance(done, Merged):
        merged(done)
    else:
        applied(done)
