"""`seeknal env …`"""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from seeknal_git.cli.gc import Yes
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
from seeknal_git.cli.plan import Create, Into, Markdown, Verbose, Verify
from seeknal_git.cli.promote import DryRun as PromoteDry
from seeknal_git.cli.promote import Force as PromoteForce
from seeknal_git.cli.run import (
    DryRun,
    Force,
    Full,
    KeepGoing,
    MaxWorkers,
    Nodes,
    Parallel,
    Refresh,
    Retry,
    Types,
)

app = typer.Typer(
    help="List, delete and prune environments; plan, apply, promote.", no_args_is_help=True
)
Env = Annotated[str, typer.Argument(help="The environment's branch.")]


@app.command("list")
def list_(
    as_json: AsJson = False,
    lock_timeout: LockTimeout = 0.0,
    data_root: DataRoot = None,
    project_path: ProjectPath = HERE,
) -> None:
    """List environments, and how their branches stand.

    The columns are: the commit that an environment shows; how many commits its branch is ahead of
    and behind production's branch; how long nobody has used it; when it expires; how many tables it
    shows.

    \b
    Examples:
      seeknal env list
      seeknal env list --json
    """
    from seeknal_git.commands.env import list_environments
    from seeknal_git.report.status import environments
    from seeknal_git.report.terminal import out_json

    found = list_environments(opened_with_a_reminder(project_path, data_root, lock_timeout))
    out_json([asdict(environment) for environment in found]) if as_json else environments(found)


@app.command()
def delete(
    env: Env,
    lock_timeout: LockTimeout = 0.0,
    data_root: DataRoot = None,
    project_path: ProjectPath = HERE,
) -> None:
    """Drop an environment's schema, and the files of its exposures.

    Production and the git branch are never touched.

    \b
    Examples:
      seeknal env delete dev
    """
    from seeknal_git.commands.env import delete_environment
    from seeknal_git.report.gc import deleted

    deleted(delete_environment(opened_with_a_reminder(project_path, data_root, lock_timeout), env))


@app.command()
def prune(
    yes: Yes = False,
    as_json: AsJson = False,
    lock_timeout: LockTimeout = 0.0,
    data_root: DataRoot = None,
    project_path: ProjectPath = HERE,
) -> None:
    """List environments that have expired; with --yes, drop them.

    An environment expires once its branch is gone and nobody has used it for the time to live. A
    branch is gone if it is not here, on no remote, and in no worktree. `seeknal gc` deletes the
    snapshots.

    \b
    Examples:
      seeknal env prune
      seeknal env prune --yes
    """
    from seeknal_git.commands.gc import gc
    from seeknal_git.report import gc as report

    workspace = opened_with_a_reminder(project_path, data_root, lock_timeout)
    found = gc(workspace, delete=yes, only_environments=True)
    report.as_json(found) if as_json else report.as_text(found, "seeknal env prune")


# The older names of three commands. Scripts use them, with all options of the newer names.


@app.command()
def plan(
    env: Env,
    into: Into = None,
    create: Create = False,
    verbose: Verbose = False,
    markdown: Markdown = False,
    verify: Verify = False,
    as_json: AsJson = False,
    data_root: DataRoot = None,
    project_path: ProjectPath = HERE,
) -> None:
    """The same as `seeknal plan ENV`.

    \b
    Examples:
      seeknal env plan dev
    """
    from seeknal_git.cli.plan import plan as same

    same(env, into, create, verbose, markdown, verify, as_json, data_root, project_path)


@app.command()
def apply(
    env: Env,
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
    """The same as `seeknal run --env ENV`.

    \b
    Examples:
      seeknal env apply dev
      seeknal env apply dev --parallel --max-workers 8
    """
    from seeknal_git.cli.run import run as same

    same(
        env=env,
        nodes=nodes,
        types=types,
        parallel=parallel,
        max_workers=max_workers,
        full=full,
        refresh=refresh,
        continue_on_error=continue_on_error,
        retry=retry,
        dry_run=dry_run,
        force=force,
        reason=reason,
        sandbox=sandbox,
        lock_timeout=lock_timeout,
        as_json=as_json,
        data_root=data_root,
        project_path=project_path,
    )


@app.command()
def promote(
    env: Env,
    target: Annotated[str | None, typer.Argument(help="The branch to promote into.")] = None,
    parallel: Parallel = True,
    max_workers: MaxWorkers = 0,
    dry_run: PromoteDry = False,
    force: PromoteForce = False,
    reason: Reason = None,
    sandbox: Sandbox = False,
    lock_timeout: LockTimeout = 0.0,
    as_json: AsJson = False,
    data_root: DataRoot = None,
    project_path: ProjectPath = HERE,
) -> None:
    """The same as `seeknal promote ENV [TARGET]`.

    \b
    Examples:
      seeknal env promote dev
      seeknal env promote dev --dry-run
    """
    from seeknal_git.cli.promote import promote as same

    same(
        env,
        target,
        parallel=parallel,
        max_workers=max_workers,
        dry_run=dry_run,
        force=force,
        reason=reason,
        sandbox=sandbox,
        lock_timeout=lock_timeout,
        as_json=as_json,
        data_root=data_root,
        project_path=project_path,
    )
