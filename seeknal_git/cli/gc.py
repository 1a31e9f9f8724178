"""`seeknal gc`"""

from __future__ import annotations

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

Yes = Annotated[bool, typer.Option("--yes", help="Delete; otherwise, only list.")]


def gc(
    yes: Yes = False,
    as_json: AsJson = False,
    lock_timeout: LockTimeout = 0.0,
    data_root: DataRoot = None,
    project_path: ProjectPath = HERE,
) -> None:
    """List snapshots and files to delete; --yes deletes them.

    Snapshots stay if production or another environment shows them, or if they are part of
    production's history (`keep_promotions`, `keep_history`). An environment stays as long as its
    branch is here, on a remote or in a worktree.

    \b
    Examples:
      seeknal gc
      seeknal gc --yes
    """
    from seeknal_git.commands.gc import gc as library
    from seeknal_git.report import gc as report
    from seeknal_git.report.terminal import out_json

    workspace = opened_with_a_reminder(project_path, data_root, lock_timeout)
    found = library(workspace, delete=yes)
    out_json(report.as_json(found)) if as_json else report.show(found, "seeknal gc")
