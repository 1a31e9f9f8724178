"""`seeknal plan`"""

from __future__ import annotations

from typing import Annotated

import typer

from seeknal_git.cli.options import HERE, AsJson, DataRoot, ProjectPath, opened_with_a_reminder

Into = Annotated[
    str | None,
    typer.Option(
        "--into", metavar="BRANCH", help="What merging into this branch would change there."
    ),
]
Create = Annotated[bool, typer.Option("--create", help="Create ENV also if it reads like a typo.")]
Verbose = Annotated[
    bool,
    typer.Option(
        "--verbose", "-v", help="With what could not be resolved, and every node downstream."
    ),
]
Markdown = Annotated[bool, typer.Option("--markdown", help="Print Markdown, for a pull request.")]
Verify = Annotated[
    bool,
    typer.Option(
        "--verify", help="Execute what is not BREAKING or is re-used before and after, and compare."
    ),
]


def plan(
    env: Annotated[
        str | None, typer.Argument(help="A branch, tag or commit; a new branch is created.")
    ] = None,
    into: Into = None,
    create: Create = False,
    verbose: Verbose = False,
    markdown: Markdown = False,
    verify: Verify = False,
    as_json: AsJson = False,
    data_root: DataRoot = None,
    project_path: ProjectPath = HERE,
) -> None:
    """Say what a branch changes, how badly, and what has to be built.

    Without ENV: the current branch and its working tree, against the merge base with the production
    branch; on the production branch, against what production last published. With ENV: that
    branch's, tag's or commit's nodes; the plan is saved, and binds `run --env`. A branch that does
    not exist is created, and uncommitted changes follow to it; also to one that has no commits of
    its own. Neither is done with --json or --markdown.

    With --into, the merge is made in memory, and compared with the branch that it would go into.
    Exit code 1 where it conflicts, as text or as a pipeline. With --verify, both versions of each
    METADATA or NON_BREAKING change are executed on production's tables and have to return the same,
    and so does each reader that is re-used. Nothing is written.

    \b
    Examples:
      seeknal plan
      seeknal plan dev
      seeknal plan --into main
      seeknal plan --markdown
      seeknal plan --verify
    """
    from seeknal_git.commands.plan import plan_changes
    from seeknal_git.report import plan_result as report
    from seeknal_git.report.terminal import out_json, out_lines
    from seeknal_git.report.watching import TERMINAL

    result = plan_changes(
        opened_with_a_reminder(project_path, data_root),
        env,
        into=into,
        verify=verify,
        create=create,
        carry=not (as_json or markdown),
        observer=TERMINAL,
    )
    if as_json:
        out_json(report.as_json(result))
    elif markdown:
        out_lines(report.as_markdown(result))
    else:
        report.as_text(result, verbose=verbose)
    report.notes(result)
    if result.fault is not None:
        raise result.fault
