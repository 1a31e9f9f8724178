"""`seeknal promote`"""

from __future__ import annotations

from typing import Annotated

import typer

from seeknal_git.cli.options import (
    HERE,
    AsJson,
    DataRoot,
    LockTimeout,
    ProjectPath,
    Reason,
    Sandbox,
    opened,
)
from seeknal_git.cli.run import MaxWorkers, Parallel

DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Print what would be done, and do nothing.")
]
Force = Annotated[
    bool,
    typer.Option(
        "--force/--no-force",
        help="Promote also if it takes back what others released, or if only CI releases.",
    ),
]


def promote(
    env: Annotated[str | None, typer.Argument(help="The branch to merge and promote.")] = None,
    target: Annotated[
        str | None,
        typer.Argument(help="The branch to promote into; the production branch unless named."),
    ] = None,
    parallel: Parallel = True,
    max_workers: MaxWorkers = 0,
    dry_run: DryRun = False,
    hook: Annotated[bool, typer.Option("--hook", hidden=True)] = False,
    force: Force = False,
    reason: Reason = None,
    sandbox: Sandbox = False,
    lock_timeout: LockTimeout = 0.0,
    as_json: AsJson = False,
    data_root: DataRoot = None,
    project_path: ProjectPath = HERE,
) -> None:
    """Make production match the tip of its branch, all at once.

    With ENV, that branch is merged first, by git. Tables that are built already are re-used; the
    rest is built before anything is published.

    \b
    Examples:
      seeknal promote
      seeknal promote dev
      seeknal promote dev staging
      seeknal promote dev --dry-run
    """
    del sandbox  # scripts name it still
    from seeknal_git.cli import promoting, running

    workers = running.workers(parallel, max_workers)
    request = promoting.Request(target, lock_timeout, force, as_json, workers, reason)
    if hook:
        promoting.from_hook(project_path, data_root)
    elif dry_run:
        promoting.preview(opened(project_path, data_root), env, request)
    else:
        promoting.promote(opened(project_path, data_root), env, request)
