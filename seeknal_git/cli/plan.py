"""`seeknal plan`"""

from __future__ import annotations

from typing import Annotated

import typer

from seeknal_git.cli.options import (
    EVERY_NODE,
    HERE,
    NO_VALUES,
    AsJson,
    Choice,
    DataRoot,
    Profile,
    ProjectPath,
    Values,
    opened_with_a_reminder,
    with_options,
)

Environment = Annotated[
    str | None, typer.Argument(help="A branch, tag or commit; a new branch is created.")
]
Into = Annotated[
    str | None,
    typer.Option("--into", metavar="BRANCH", help="Plan the merge into this branch."),
]
Create = Annotated[bool, typer.Option("--create", help="Create ENV even if it looks like a typo.")]
Verbose = Annotated[
    bool,
    typer.Option("--verbose", "-v", help="Show every node downstream, and unresolved SQL."),
]
Markdown = Annotated[bool, typer.Option("--markdown", help="Print Markdown, for a pull request.")]
Verify = Annotated[
    bool,
    typer.Option(
        "--verify",
        help="Execute harmless changes and re-used readers before and after, and compare.",
    ),
]


Everything = Annotated[
    bool, typer.Option("--all", help="With --verify: compare all partitions, not a sample.")
]


@with_options
def plan(
    env: Environment = None,
    choice: Choice = EVERY_NODE,
    into: Into = None,
    create: Create = False,
    verbose: Verbose = False,
    markdown: Markdown = False,
    verify: Verify = False,
    everything: Everything = False,
    as_json: AsJson = False,
    values: Values = NO_VALUES,
    profile: Profile = None,
    data_root: DataRoot = None,
    project_path: ProjectPath = HERE,
) -> None:
    """Show the changes of a branch, and the nodes to build.

    Without ENV, the current branch and its working tree are compared with the merge base with the
    production branch; on the production branch, with the last publication. With ENV, the nodes of
    that branch, tag or commit are planned, and the saved plan binds `run --env`. If the branch does
    not exist, it is created, and uncommitted changes follow to it. They also follow to a branch
    without commits of its own. With --json or --markdown, no branch is created or switched to.

    With --into, the merge is made in memory, and compared with the branch that it would go into.
    The exit code is 1 if it conflicts, as text or as a pipeline. With --verify, both versions of
    each METADATA or NON_BREAKING change are executed on production's tables and have to return the
    same, and so does each re-used reader; some partitions of a node are compared with a build of
    the whole. Nothing is written. With --select, only some nodes are shown.

    \b
    Examples:
      seeknal plan dev
      seeknal plan --select 'tag:daily +orders'
      seeknal plan --into main --markdown
    """
    from seeknal_git.commands.plan import plan_changes
    from seeknal_git.report import plan_result as report
    from seeknal_git.report.terminal import out_json, out_lines
    from seeknal_git.report.watching import TERMINAL

    result = plan_changes(
        opened_with_a_reminder(project_path, data_root, values=values, profile=profile),
        env,
        select=choice.selecting(),
        into=into,
        verify=verify or everything,
        everything=everything,
        create=create,
        carry=not (as_json or markdown),
        observer=TERMINAL,
    )
    if as_json:
        out_json(report.as_json(result))
    elif markdown:
        out_lines(report.as_markdown(result))
    else:
        report.show(result, verbose=verbose)
    report.notes(result)
    if result.fault is not None:
        raise result.fault
