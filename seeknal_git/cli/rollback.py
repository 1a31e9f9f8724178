"""`seeknal rollback`"""

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
    opened_with_a_reminder,
)


def rollback(
    publication: Annotated[
        str | None,
        typer.Argument(
            metavar="[ID|COMMIT]", help="The publication, as log shows it, or its commit."
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would be done, and do nothing.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Also if only CI releases; with --reason.")
    ] = False,
    reason: Reason = None,
    as_json: AsJson = False,
    lock_timeout: LockTimeout = 0.0,
    data_root: DataRoot = None,
    project_path: ProjectPath = HERE,
) -> None:
    """Show an earlier publication of production again.

    Without an argument, the last one that showed something else and that no rollback has taken
    back; so a second rollback goes further back. A rollback is a publication too: naming the one
    that it led from undoes it. Nothing is built, and branches and files in git are left alone: the
    next promotion publishes the tip of the production branch again. Files of exposures are written
    again after the transaction.

    \b
    Examples:
      seeknal rollback
      seeknal rollback 12
      seeknal rollback HEAD~1 --dry-run
    """
    from seeknal_git.commands.rollback import rollback as library
    from seeknal_git.report.history import rollback_as_json, rollback_as_text
    from seeknal_git.report.terminal import out_json

    done = library(
        opened_with_a_reminder(project_path, data_root, lock_timeout),
        publication,
        dry_run=dry_run,
        force=force,
        reason=reason,
    )
    out_json(rollback_as_json(done)) if as_json else rollback_as_text(done)
    raise typer.Exit(1 if done.unwritten else 0)
