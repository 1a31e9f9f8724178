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
            metavar="[ID|COMMIT]", help="The number of a publication in the log, or its commit."
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the changes, and do nothing.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Roll back even if only CI releases; needs --reason.")
    ] = False,
    reason: Reason = None,
    as_json: AsJson = False,
    lock_timeout: LockTimeout = 0.0,
    data_root: DataRoot = None,
    project_path: ProjectPath = HERE,
) -> None:
    """Show an earlier publication of production again.

    By default, that is the last publication that showed something else and that no rollback has
    taken back; so a second rollback goes further back. A rollback is a publication too: to undo it,
    name the publication before it. Nothing is built, and git's branches and files stay as they are:
    the next promotion publishes the tip of the production branch again. Files of exposures are
    written again after the transaction.

    \b
    Examples:
      seeknal rollback
      seeknal rollback 12
      seeknal rollback HEAD~1 --dry-run
    """
    from seeknal_git.commands.rollback import rollback as library
    from seeknal_git.report.history import rollback_as_json, show_rollback
    from seeknal_git.report.terminal import out_json

    done = library(
        opened_with_a_reminder(project_path, data_root, lock_timeout),
        publication,
        dry_run=dry_run,
        force=force,
        reason=reason,
    )
    out_json(rollback_as_json(done)) if as_json else show_rollback(done)
    raise typer.Exit(1 if done.unwritten else 0)
