"""`seeknal dry-run`"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seeknal_git.cli.options import (
    HERE,
    NO_VALUES,
    AsJson,
    DataRoot,
    Profile,
    ProjectPath,
    Values,
    opened,
    with_options,
)


@with_options
def dry_run(
    draft: Annotated[Path, typer.Argument(help="A draft, or the file of a node.")],
    limit: Annotated[
        int, typer.Option("--limit", "-l", min=0, help="Show at most this many rows.")
    ] = 10,
    as_json: AsJson = False,
    values: Values = NO_VALUES,
    profile: Profile = None,
    data_root: DataRoot = None,
    project_path: ProjectPath = HERE,
) -> None:
    """Check a draft, and show the rows that it returns.

    Nothing is written. Inputs are read from the environment's tables; an input that is not built is
    computed from the sources.

    \b
    Examples:
      seeknal dry-run draft_source_orders.yml
      seeknal dry-run draft_transform_daily.yml --limit 50
    """
    from seeknal_git.commands import draft as verb
    from seeknal_git.report import draft as report
    from seeknal_git.report.terminal import out_json

    done = verb.dry_run(
        opened(project_path, data_root, values=values, profile=profile),
        draft,
        limit,
    )
    if as_json:
        out_json(report.dry_run_as_json(done))
    else:
        report.show_dry_run(done)
