"""`seeknal promote`"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seeknal_git.cli.options import (
    HERE,
    ONE_ON_EACH_CORE,
    AsJson,
    DataRoot,
    LockTimeout,
    Profile,
    ProjectPath,
    Reason,
    Sandbox,
    Workers,
    opened,
    with_options,
)
from seeknal_git.cli.run import Verbose
from seeknal_git.errors import SeeknalError, WarehouseBusy

DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the work, and do nothing.")]
NoBackfill = Annotated[
    bool,
    typer.Option("--no-backfill", help="Refuse to complete tables that were built in part."),
]
Force = Annotated[
    bool,
    typer.Option(
        "--force/--no-force",
        help="Promote even if that takes back a release, or if only CI releases.",
    ),
]


@with_options
def promote(
    env: Annotated[str | None, typer.Argument(help="The branch to merge and promote.")] = None,
    target: Annotated[
        str | None,
        typer.Argument(help="The branch to promote into; by default, the production branch."),
    ] = None,
    workers: Workers = ONE_ON_EACH_CORE,
    dry_run: DryRun = False,
    hook: Annotated[bool, typer.Option("--hook", hidden=True)] = False,
    force: Force = False,
    reason: Reason = None,
    sandbox: Sandbox = False,
    verbose: Verbose = False,
    no_backfill: NoBackfill = False,
    lock_timeout: LockTimeout = 0.0,
    as_json: AsJson = False,
    profile: Profile = None,
    data_root: DataRoot = None,
    project_path: ProjectPath = HERE,
) -> None:
    """Make production match the tip of its branch, all at once.

    With ENV, git merges that branch first. Tables that exist are re-used; the others are built
    before anything is published.

    \b
    Examples:
      seeknal promote
      seeknal promote dev
      seeknal promote dev staging
      seeknal promote dev --dry-run
    """
    from seeknal_git.commands.promote import promote as library
    from seeknal_git.report import run as report
    from seeknal_git.report.terminal import out_json
    from seeknal_git.report.watching import TERMINAL

    if hook:
        _promote_after_git(project_path, data_root, profile)
        return
    result = library(
        opened(project_path, data_root, lock_timeout, profile=profile),
        env,
        target,
        workers=workers.wanted(),
        force=force,
        reason=reason,
        dry_run=dry_run,
        sandbox=sandbox,
        verbose=verbose,
        no_backfill=no_backfill,
        observer=TERMINAL,
    )
    out_json(report.result_as_json(result)) if as_json else report.show_result(result)
    report.notes(result)
    raise typer.Exit(1 if result.failures else 0)


def _promote_after_git(project_path: Path, data_root: Path | None, profile: Path | None) -> None:
    """Promote after git moved the production branch. Never fails: git has done its work already."""
    from seeknal_git.commands.promote import promote_after_git
    from seeknal_git.report import run as report
    from seeknal_git.report.terminal import error, note
    from seeknal_git.report.watching import TERMINAL

    first = "mend what is wrong, then"
    try:
        result = promote_after_git(
            opened(project_path, data_root, profile=profile), observer=TERMINAL
        )
        if result is None:
            return
        report.show_result(result)
        report.notes(result)
        if not result.failures:
            return
    except SeeknalError as exc:
        error(exc)
        if isinstance(exc, WarehouseBusy):
            first = "when that has ended"
    note(f"The promotion is pending: {first} run: seeknal promote")
