"""`seeknal promote`"""

from __future__ import annotations

from typing import Annotated

import typer

from seeknal_git.cli.options import HERE, AsJson, DataRoot, LockTimeout, ProjectPath, Sandbox, opened


def promote(
    env: Annotated[str | None, typer.Argument(help="The branch to merge and promote.")] = None,
    target: Annotated[
        str | None, typer.Argument(help="The branch to promote into; the production branch unless named.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be done, and do nothing.")] = False,
    hook: Annotated[bool, typer.Option("--hook", hidden=True)] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Promote also if it takes back what another clone has released.")
    ] = False,
    sandbox: Sandbox = False,
    lock_timeout: LockTimeout = 0.0,
    as_json: AsJson = False,
    data_root: DataRoot = None,
    project_path: ProjectPath = HERE,
) -> None:
    """Make production match the tip of its branch, in one transaction.

    With ENV, that branch is merged first, by git. Tables that are built already are re-used; the rest is built before
    anything is published.

    \b
    Examples:
      seeknal promote
      seeknal promote dev
      seeknal promote dev staging
      seeknal promote dev --dry-run
    """
    from seeknal_git.cli import promoting

    request = promoting.Request(target, lock_timeout, sandbox, force, as_json)
    if hook:
        promoting.from_hook(project_path, data_root)
    elif dry_run:
        promoting.preview(opened(project_path, data_root), env, request)
    else:
        promoting.promote(opened(project_path, data_root), env, request)
