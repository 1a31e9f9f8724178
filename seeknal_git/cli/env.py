"""`seeknal env …`"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from inspect import Parameter, Signature, signature
from typing import Annotated, Any

import typer

from seeknal_git.cli.gc import Yes
from seeknal_git.cli.options import (
    HERE,
    AsJson,
    DataRoot,
    LockTimeout,
    ProjectPath,
    opened_with_a_reminder,
)
from seeknal_git.cli.plan import plan
from seeknal_git.cli.promote import promote
from seeknal_git.cli.run import run

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
    from seeknal_git.report.terminal import out_json

    workspace = opened_with_a_reminder(project_path, data_root, lock_timeout)
    found = gc(workspace, delete=yes, only_environments=True)
    out_json(report.as_json(found)) if as_json else report.show(found, "seeknal env prune")


# The older names of three commands. Scripts use them, with all options of the newer names.

_ENV = Parameter("env", Parameter.POSITIONAL_OR_KEYWORD, annotation=Env)


def _older_name(name: str, same: Callable[..., None], examples: Sequence[str], newer: str) -> None:
    """Register a command under an older name, where the environment is an argument that is
    needed."""

    def command(**given: Any) -> None:
        same(**given)

    options = [
        parameter
        for parameter in signature(same, eval_str=True).parameters.values()
        if parameter.name not in ("env", "hook")
    ]
    lines = "\n".join(f"  seeknal env {example}" for example in examples)
    command.__doc__ = f"The same as `seeknal {newer}`.\n\n\b\nExamples:\n{lines}"
    vars(command)["__signature__"] = Signature([_ENV, *options])
    command.__annotations__ = {option.name: option.annotation for option in (_ENV, *options)}
    app.command(name)(command)


_older_name("plan", plan, ["plan dev"], "plan ENV")
_older_name("apply", run, ["apply dev", "apply dev --parallel --max-workers 8"], "run --env ENV")
_older_name("promote", promote, ["promote dev", "promote dev --dry-run"], "promote ENV [TARGET]")
