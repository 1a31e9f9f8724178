"""`seeknal plan`"""

from __future__ import annotations

from typing import Annotated

import typer

from seeknal_git.cli.options import HERE, AsJson, ProjectPath, opened


def plan(
    env: Annotated[str | None, typer.Argument(help="A branch; it is created where it does not exist.")] = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="With what could not be resolved, and every node downstream.")
    ] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown, for a pull request.")] = False,
    as_json: AsJson = False,
    project_path: ProjectPath = HERE,
) -> None:
    """Say what a branch changes, how badly, and what has to be built.

    Without ENV: the current branch and its working tree, against the merge base with the production branch; on the
    production branch, against what production last published. With ENV: that branch's tip; the plan is saved, and binds
    `run --env`.

    \b
    Examples:
      seeknal plan
      seeknal plan dev
      seeknal plan --markdown
    """
    from seeknal_git.planning import found_in_warehouse, left_out, plan_environment
    from seeknal_git.report import plan as report
    from seeknal_git.report.terminal import note, out, out_json

    workspace = opened(project_path)
    planned = plan_environment(workspace, env)
    if planned.created:
        note(f"$ git switch --create {planned.branch}")
    if not planned.created and left_out(workspace, planned):
        note("Not in this plan: the uncommitted changes of the branch that is checked out.")
    found = found_in_warehouse(workspace, planned)
    if as_json:
        out_json(report.as_json(planned, found))
    elif markdown:
        out(report.as_markdown(planned, found))
    else:
        report.as_text(planned, found, verbose=verbose)
