"""`seeknal plan`"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from seeknal_git.cli.options import HERE, AsJson, ProjectPath, opened

if TYPE_CHECKING:
    from seeknal_git.planning import Planned
    from seeknal_git.verify import Verified
    from seeknal_git.workspace import Workspace


def plan(
    env: Annotated[str | None, typer.Argument(help="A branch; it is created where it does not exist.")] = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="With what could not be resolved, and every node downstream.")
    ] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown, for a pull request.")] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Execute both versions of what is not BREAKING, and compare.")
    ] = False,
    as_json: AsJson = False,
    project_path: ProjectPath = HERE,
) -> None:
    """Say what a branch changes, how badly, and what has to be built.

    Without ENV: the current branch and its working tree, against the merge base with the production branch; on the
    production branch, against what production last published. With ENV: that branch's tip; the plan is saved, and binds
    `run --env`.

    With --verify, both versions of each METADATA or NON_BREAKING change are executed on production's tables and have to
    return the same. Nothing is written.

    \b
    Examples:
      seeknal plan
      seeknal plan dev
      seeknal plan --markdown
      seeknal plan --verify
    """
    from seeknal_git.planning import found_in_warehouse, left_out, plan_environment
    from seeknal_git.report import plan as report
    from seeknal_git.report import verify as verification
    from seeknal_git.report.terminal import note, out, out_json

    workspace = opened(project_path)
    planned = plan_environment(workspace, env)
    if planned.created:
        note(f"$ git switch --create {planned.branch}")
    if not planned.created and left_out(workspace, planned):
        note("Not in this plan: the uncommitted changes of the branch that is checked out.")
    found = found_in_warehouse(workspace, planned)
    verified = _verified(workspace, planned) if verify else None
    if as_json:
        out_json({**report.as_json(planned, found), "verified": verification.as_json(verified)})
    elif markdown:
        out(report.as_markdown(planned, found) + verification.as_markdown(verified))
    else:
        report.as_text(planned, found, verbose=verbose)
        verification.as_text(verified)
    _need_equal(planned, verified)


def _verified(workspace: Workspace, planned: Planned) -> tuple[Verified, ...]:
    """The engine is loaded for this, and otherwise not."""
    from seeknal_git.verify import verify_plan

    return verify_plan(workspace, planned)


def _need_equal(planned: Planned, verified: tuple[Verified, ...] | None) -> None:
    if verified:
        from seeknal_git.report.verify import notes
        from seeknal_git.verify import need_equal

        notes(verified)
        need_equal(planned, verified)
