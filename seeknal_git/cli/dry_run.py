"""`seeknal dry-run`"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seeknal_git.cli.options import HERE, AsJson, DataRoot, ProjectPath, opened


def dry_run(
    draft: Annotated[Path, typer.Argument(help="A file that `seeknal draft` wrote, or a node's.")],
    limit: Annotated[int, typer.Option("--limit", "-l", min=0, help="How many rows to show.")] = 10,
    as_json: AsJson = False,
    data_root: DataRoot = None,
    project_path: ProjectPath = HERE,
) -> None:
    """Check a draft in the project, and show what it returns.

    Nothing is written.

    Inputs are read from the environment's tables where they are built, and computed from the
    sources where not.

    \b
    Examples:
      seeknal dry-run draft_source_orders.yml
      seeknal dry-run draft_transform_daily.yml --limit 50
    """
    from seeknal_git.commands import draft as verb
    from seeknal_git.report import draft as report
    from seeknal_git.report.terminal import out_json

    done = verb.dry_run(opened(project_path, data_root), draft, limit)
    if as_json:
        out_json(report.dry_run_as_json(done))
    else:
        report.dry_run_as_text(done)
