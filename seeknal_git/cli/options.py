"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from seeknal_git.plan.selection import Selecting
    from seeknal_git.project.workspace import Workspace

ProjectPath = Annotated[
    Path, typer.Option("--project-path", "-C", metavar="DIR", help="The project's folder.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
LockTimeout = Annotated[
    float,
    typer.Option(
        "--lock-timeout",
        metavar="SECONDS",
        help="Wait this long while another process holds the warehouse.",
    ),
]
Sandbox = Annotated[
    bool, typer.Option("--sandbox", help="Run no Python node. SQL is always confined.")
]
DataRoot = Annotated[
    Path | None,
    typer.Option(
        "--data-root",
        metavar="DIR",
        help="Find the warehouse and raw data in this folder, not in this clone.",
    ),
]
Profile = Annotated[
    Path | None,
    typer.Option(
        "--profile", metavar="FILE", help="Read connections from this file, not from profiles.yml."
    ),
]
At = Annotated[
    str | None,
    typer.Option(
        "--at",
        metavar="REV",
        help="Read production as it was at a commit, or at a publication of the log.",
    ),
]
Reason = Annotated[
    str | None,
    typer.Option(
        "--reason", metavar="TEXT", help="Say in the log why production is released by force."
    ),
]
HERE = Path()


@dataclass(frozen=True, slots=True)
class Values:
    """The options that give values to templates of nodes."""

    params: Annotated[
        list[str] | None,
        typer.Option(
            "--params",
            metavar="VALUES",
            help="""Values for {{ name }} in nodes: '{"region": "EU"}', or region=EU.""",
        ),
    ] = None
    date: Annotated[
        str | None,
        typer.Option("--date", metavar="DATE", help="The day that counts as {{ today }}."),
    ] = None
    run_id: Annotated[
        str | None, typer.Option("--run-id", metavar="ID", help="The {{ run_id }}.")
    ] = None
    start_date: Annotated[
        str | None, typer.Option("--start-date", metavar="DATE", help="The {{ start_date }}.")
    ] = None
    end_date: Annotated[
        str | None, typer.Option("--end-date", metavar="DATE", help="The {{ end_date }}.")
    ] = None


@dataclass(frozen=True, slots=True)
class Choice:
    """The options that select nodes."""

    select: Annotated[
        list[str] | None,
        typer.Option(
            "--select",
            "-s",
            metavar="NODES",
            help="Take only these nodes: orders, +orders, orders+1, tag:daily, path:, changed+, …",
        ),
    ] = None
    exclude: Annotated[
        list[str] | None,
        typer.Option("--exclude", metavar="NODES", help="Leave these nodes out."),
    ] = None
    nodes: Annotated[
        list[str] | None,
        typer.Option("--nodes", "-n", help="Take this node and the nodes that depend on it."),
    ] = None
    types: Annotated[
        list[str] | None, typer.Option("--types", "-t", help="Take only nodes of these kinds.")
    ] = None
    tags: Annotated[
        list[str] | None,
        typer.Option("--tags", help="Take the nodes with one of these tags, and all upstream."),
    ] = None
    exclude_tags: Annotated[
        list[str] | None,
        typer.Option("--exclude-tags", help="Leave out the nodes with one of these tags."),
    ] = None

    def selecting(self) -> Selecting:
        """The selection as a value of the library."""
        from seeknal_git.commands.selected import selecting

        return selecting(
            self.select, self.exclude, self.nodes, self.types, self.tags, self.exclude_tags
        )


@dataclass(frozen=True, slots=True)
class Period:
    """The options that limit a run to some partitions."""

    since: Annotated[
        str | None,
        typer.Option(
            "--since",
            metavar="14d",
            help="On a branch, build only the newest partitions: 36h, 14d, 2w, or from a date.",
        ),
    ] = None
    start: Annotated[
        str | None,
        typer.Option("--start", metavar="DATE", help="On a branch, build none before DATE."),
    ] = None
    end: Annotated[
        str | None,
        typer.Option("--end", metavar="DATE", help="On a branch, build none from DATE on."),
    ] = None


@dataclass(frozen=True, slots=True)
class Workers:
    """The options that say who builds the nodes."""

    parallel: Annotated[
        bool,
        typer.Option("--parallel/--no-parallel", help="Build the nodes of a layer side by side."),
    ] = True
    max_workers: Annotated[
        int,
        typer.Option(
            "--max-workers",
            min=0,
            help="Build at most this many nodes at once; 0: as the project says, or one a core.",
        ),
    ] = 0
    backend: Annotated[
        str | None,
        typer.Option(
            "--backend",
            metavar="NAME",
            help="Build in threads (threading); those of a lake in processes: loky, dask, ray.",
        ),
    ] = None
    address: Annotated[
        str | None,
        typer.Option("--address", help="The cluster of Dask or Ray, such as tcp://HOST:8786."),
    ] = None

    def wanted(self) -> dict[str, object]:
        """Those that were given, as keys of the setting `workers`."""
        jobs = self.max_workers if self.parallel else 1
        given = {"jobs": jobs or None, "backend": self.backend, "address": self.address}
        return {key: value for key, value in given.items() if value is not None}


NO_VALUES = Values()
EVERY_NODE = Choice()
EVERYTHING = Period()
ONE_ON_EACH_CORE = Workers()
_GROUPS = (Values, Choice, Period, Workers)


def with_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of a group (such as Values) in place of a parameter of it."""
    parameters = signature(command, eval_str=True).parameters
    groups = {
        name: (parameter.annotation, signature(parameter.annotation, eval_str=True).parameters)
        for name, parameter in parameters.items()
        if parameter.annotation in _GROUPS
    }

    @wraps(command)
    def called(**given: Any) -> None:
        for name, (group, names) in groups.items():
            given[name] = group(**{option: given.pop(option, None) for option in names})
        command(**given)

    options: list[Parameter] = []
    for name, parameter in parameters.items():
        options += groups[name][1].values() if name in groups else [parameter]
    vars(called)["__signature__"] = Signature(options)
    called.__annotations__ = {option.name: option.annotation for option in options}
    return called


def opened(
    path: Path,
    data_root: Path | None = None,
    lock_timeout: float = 0.0,
    *,
    mending: bool = False,
    values: Values = NO_VALUES,
    profile: Path | None = None,
) -> Workspace:
    from seeknal_git.commands.project import open_project, params_of

    return open_project(
        path,
        data_root=data_root,
        lock_timeout=lock_timeout,
        profile=profile,
        mending=mending,
        params=params_of(values.params or ()),
        date=values.date,
        start_date=values.start_date,
        end_date=values.end_date,
        run_id=values.run_id,
    )


def opened_with_a_reminder(
    path: Path,
    data_root: Path | None = None,
    lock_timeout: float = 0.0,
    values: Values = NO_VALUES,
    profile: Path | None = None,
) -> Workspace:
    """Like `opened`; also say that settings do not count, or that a promotion is due."""
    from seeknal_git.commands.project import reminders
    from seeknal_git.report.terminal import note

    workspace = opened(path, data_root, lock_timeout, values=values, profile=profile)
    for sentence in reminders(workspace):
        note(sentence)
    return workspace
