"""`seeknal run`"""

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
    opened_with_a_reminder,
)

Parallel = Annotated[
    bool, typer.Option("--parallel/--no-parallel", help="Build a layer's nodes side by side.")
]
MaxWorkers = Annotated[
    int, typer.Option("--max-workers", min=0, help="How many at once; 0: one a core.")
]
KeepGoing = Annotated[
    bool, typer.Option("--continue-on-error", help="Build what does not depend on failures.")
]
DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run", "--show-plan", "-p", help="Print what would be done, and do nothing."
    ),
]
Nodes = Annotated[
    list[str] | None, typer.Option("--nodes", "-n", help="Only this node and what depends on it.")
]
Types = Annotated[
    list[str] | None, typer.Option("--types", "-t", help="Only nodes of these kinds.")
]
Full = Annotated[
    bool,
    typer.Option(
        "--full", "-f", help="Build everything again; raw data on a branch only with --refresh."
    ),
]
Refresh = Annotated[
    bool, typer.Option("--refresh", help="Read raw data again (production always does).")
]
Retry = Annotated[
    int, typer.Option("--retry", "-r", min=0, help="Retry a failing node this many times.")
]
Force = Annotated[
    bool,
    typer.Option(
        "--force/--no-force",
        help="Run although the plan is of other nodes, another clone released more, or only CI releases.",
    ),
]


def run(
    env: Annotated[
        str | None,
        typer.Option("--env", help="Run this branch's environment instead of the current one."),
    ] = None,
    nodes: Nodes = None,
    types: Types = None,
    parallel: Parallel = True,
    max_workers: MaxWorkers = 0,
    full: Full = False,
    refresh: Refresh = False,
    continue_on_error: KeepGoing = False,
    retry: Retry = 0,
    dry_run: DryRun = False,
    force: Force = False,
    reason: Reason = None,
    sandbox: Sandbox = False,
    lock_timeout: LockTimeout = 0.0,
    as_json: AsJson = False,
    data_root: DataRoot = None,
    project_path: ProjectPath = HERE,
) -> None:
    """Build what changed, check it, and publish it.

    What is built is published in the schema of the branch's name.

    On the production branch everything is published or nothing; on another branch, whatever
    succeeded.

    \b
    Examples:
      seeknal run
      seeknal run --nodes orders --dry-run
      seeknal run --env dev --no-parallel
    """
    del sandbox  # scripts name it still
    from seeknal_git.build.work import Options
    from seeknal_git.cli import running
    from seeknal_git.commands.run import Request

    options = Options(
        refresh=refresh,
        full=full,
        keep_going=continue_on_error,
        workers=running.workers(parallel, max_workers),
        retry=retry,
        reason=reason,
    )
    request = Request(env, tuple(nodes or ()), tuple(types or ()), force, lock_timeout, options)
    running.run(
        opened_with_a_reminder(project_path, data_root), request, dry_run=dry_run, as_json=as_json
    )
