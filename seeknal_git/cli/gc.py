"""`seeknal gc`"""

from __future__ import annotations

from typing import Annotated

import typer

from seeknal_git.cli.options import HERE, AsJson, LockTimeout, ProjectPath, opened


def gc(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List what would be dropped, and drop nothing.")] = False,
    as_json: AsJson = False,
    lock_timeout: LockTimeout = 0.0,
    project_path: ProjectPath = HERE,
) -> None:
    """Drop the snapshots that no environment and no kept promotion names.

    \b
    Examples:
      seeknal gc --dry-run
      seeknal gc
    """
    from seeknal_git.environments import collect_garbage
    from seeknal_git.report.terminal import counted, out, out_json

    found = collect_garbage(opened(project_path), lock_timeout, dry_run=dry_run)
    if as_json:
        out_json({"version": 1, "dry_run": dry_run, "snapshots": found})
    else:
        out("\n".join([*found, f"{counted(len(found), 'snapshot')} {'would be ' if dry_run else ''}dropped."]))
