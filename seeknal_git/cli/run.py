"""`seeknal run`"""

from __future__ import annotations

from typing import Annotated

import typer

from seeknal_git.cli.options import HERE, AsJson, DataRoot, LockTimeout, ProjectPath, Sandbox, opened_with_a_reminder


def run(
    env: Annotated[
        str | None, typer.Option("--env", help="Run this branch's environment instead of the current one.")
    ] = None,
    nodes: Annotated[
        list[str] | None, typer.Option("--nodes", "-n", help="Only this node and what depends on it.")
    ] = None,
    types: Annotated[list[str] | None, typer.Option("--types", "-t", help="Only nodes of these kinds.")] = None,
    parallel: Annotated[
        bool, typer.Option("--parallel/--no-parallel", help="Build a layer's nodes side by side.")
    ] = True,
    max_workers: Annotated[int, typer.Option("--max-workers", min=0, help="How many at once; 0: one a core.")] = 0,
    full: Annotated[
        bool, typer.Option("--full", "-f", help="Build everything again; raw data on a branch only with --refresh.")
    ] = False,
    refresh: Annotated[bool, typer.Option("--refresh", help="Read raw data again (production always does).")] = False,
    continue_on_error: Annotated[
        bool, typer.Option("--continue-on-error", help="Build what does not depend on failures.")
    ] = False,
    retry: Annotated[int, typer.Option("--retry", "-r", min=0, help="Retry a failing node this many times.")] = 0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be done, and do nothing.")] = False,
    show_plan: Annotated[bool, typer.Option("--show-plan", "-p", help="Print what will be done, then do it.")] = False,
    force: Annotated[
        bool,
        typer.Option("--force", help="Run although the saved plan is of other nodes, or another clone released more."),
    ] = False,
    sandbox: Sandbox = False,
    lock_timeout: LockTimeout = 0.0,
    as_json: AsJson = False,
    data_root: DataRoot = None,
    project_path: ProjectPath = HERE,
) -> None:
    """Build what changed, check it, and publish it in the branch's schema.

    On the production branch everything is published or nothing; on another branch, whatever succeeded.

    \b
    Examples:
      seeknal run
      seeknal run --nodes orders --dry-run
      seeknal run --env dev --no-parallel
    """
    from seeknal_git.cli import running
    from seeknal_git.run import Request
    from seeknal_git.work import Options

    options = Options(
        refresh=refresh,
        full=full,
        keep_going=continue_on_error,
        workers=running.workers(parallel, max_workers),
        retry=retry,
        sandbox=sandbox,
    )
    request = Request(env, tuple(nodes or ()), tuple(types or ()), force, lock_timeout, options)
    running.run(
        opened_with_a_reminder(project_path, data_root), request, dry_run=dry_run, show_plan=show_plan, as_json=as_json
    )
