"""`seeknal run`"""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from seeknal_git.cli.options import (
    EVERY_NODE,
    EVERYTHING,
    HERE,
    NO_VALUES,
    ONE_ON_EACH_CORE,
    AsJson,
    Choice,
    DataRoot,
    LockTimeout,
    Period,
    Profile,
    ProjectPath,
    Reason,
    Sandbox,
    Values,
    Workers,
    opened_with_a_reminder,
    with_options,
)

KeepGoing = Annotated[
    bool,
    typer.Option("--continue-on-error", help="Build the nodes that do not depend on a failure."),
]
DryRun = Annotated[
    bool,
    typer.Option("--dry-run", "--show-plan", "-p", help="Print the work, and do nothing."),
]
Full = Annotated[
    bool,
    typer.Option(
        "--full",
        "-f",
        help="Build every node again; on a branch, read raw data again only with --refresh.",
    ),
]
Refresh = Annotated[
    bool, typer.Option("--refresh", help="Read raw data again (production always does).")
]
Retry = Annotated[
    int, typer.Option("--retry", "-r", min=0, help="Retry a failing node this many times.")
]
Environment = Annotated[
    str | None,
    typer.Option("--env", help="Run this branch's environment instead of the current one."),
]
Force = Annotated[
    bool,
    typer.Option(
        "--force/--no-force",
        help=(
            "Run even if the plan is out of date, another clone released more, or only CI releases."
        ),
    ),
]


Verbose = Annotated[
    bool,
    typer.Option("--verbose", help="Tell the SQL of nodes, the output of functions, and checks."),
]


@with_options
def run(
    env: Environment = None,
    choice: Choice = EVERY_NODE,
    workers: Workers = ONE_ON_EACH_CORE,
    full: Full = False,
    refresh: Refresh = False,
    continue_on_error: KeepGoing = False,
    retry: Retry = 0,
    dry_run: DryRun = False,
    force: Force = False,
    reason: Reason = None,
    sandbox: Sandbox = False,
    verbose: Verbose = False,
    period: Period = EVERYTHING,
    lock_timeout: LockTimeout = 0.0,
    as_json: AsJson = False,
    values: Values = NO_VALUES,
    profile: Profile = None,
    data_root: DataRoot = None,
    project_path: ProjectPath = HERE,
) -> None:
    """Build the changed nodes, check them, and publish them.

    The views are published in the schema with the branch's name. The production branch publishes
    everything or nothing; another branch publishes the nodes that succeeded.
    With --select, only some nodes are run, and those without which they would not be sound.

    \b
    Examples:
      seeknal run
      seeknal run --select orders+ --dry-run
      seeknal run --select 'changed+ tag:daily,kind:transform' --exclude 'tmp_*'
      seeknal run --since 14d
    """
    from seeknal_git.commands.run import run as library
    from seeknal_git.report import run as report
    from seeknal_git.report.terminal import out_json
    from seeknal_git.report.watching import TERMINAL

    result = library(
        opened_with_a_reminder(project_path, data_root, lock_timeout, values, profile),
        env,
        select=choice.selecting(),
        full=full,
        refresh=refresh,
        keep_going=continue_on_error,
        retry=retry,
        workers=workers.wanted(),
        carry=not dry_run,
        force=force,
        reason=reason,
        dry_run=dry_run,
        sandbox=sandbox,
        verbose=verbose,
        **asdict(period),
        observer=TERMINAL,
    )
    out_json(report.result_as_json(result)) if as_json else report.show_result(result)
    report.notes(result)
    raise typer.Exit(1 if result.failures else 0)
