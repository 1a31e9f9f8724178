"""The three ways to promote: asked for, previewed, and from a git hook."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from seeknal_git.build.work import Options
from seeknal_git.cli.options import opened
from seeknal_git.cli.running import finish, guessed
from seeknal_git.commands import promote as verb
from seeknal_git.environments.releasing import only_ci_releases
from seeknal_git.errors import SeeknalError, WarehouseBusy
from seeknal_git.report.run import progress, work_as_json, work_as_text
from seeknal_git.report.terminal import error, note, out_json

if TYPE_CHECKING:
    from seeknal_git.project.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Request:
    """What somebody asked `promote` for. target: the branch to promote into; None for the
    production branch."""

    target: str | None = None
    lock_timeout: float = 0.0
    force: bool = False
    as_json: bool = False
    workers: int = os.cpu_count() or 1
    reason: str | None = None  # why somebody insists


def promote(workspace: Workspace, env: str | None, request: Request) -> None:
    verb.refuse_unfinished(workspace)
    if env is not None:
        _leave_nothing(workspace, env)
        merged = verb.merge_branch(
            workspace, env, request.target, force=request.force, reason=request.reason
        )
        for command in merged.commands:
            note(f"$ {command}")
        if not merged.commands:
            note(f"There is nothing to merge: {env} has no commit of its own.")
    _promote(workspace, request, "promote")


def _leave_nothing(workspace: Workspace, env: str) -> None:
    """Changes that are made elsewhere would look as if they were promoted."""
    from seeknal_git.environments.uncommitted import follow

    follow(workspace, env, "promote", may_switch=False)


def _promote(workspace: Workspace, request: Request, command: str) -> None:
    started = time.monotonic()
    options = Options(workers=request.workers, force=request.force, reason=request.reason)
    prepared = verb.prepare(workspace, request.target, options, request.lock_timeout)
    patience = max(request.lock_timeout - (time.monotonic() - started), 0.0)
    guessed(prepared)
    with progress(len(prepared.loaded.graph.members)) as report:
        done = verb.promote(prepared, report, patience, command=command)
    finish(workspace, done, time.monotonic() - started, "Promotion", as_json=request.as_json)


def preview(workspace: Workspace, env: str | None, request: Request) -> None:
    """What a promotion would do. The merge that comes first is made in memory."""
    if env is not None:
        _leave_nothing(workspace, env)
    work = verb.preview(workspace, env, request.target, request.lock_timeout)
    if request.as_json:
        out_json(work_as_json(work))
    else:
        what = f"{env} into {work.target.branch}" if env else work.target.branch
        work_as_text(work, f"Promotion of {what} (dry run)")


def from_hook(project_path: Path, data_root: Path | None) -> None:
    """Promote when the production branch moved. Never fails: git has already done its work."""
    try:
        workspace = opened(project_path, data_root)
        if only_ci_releases(workspace):
            note(
                f"seeknal: {workspace.production} moved, and continuous integration promotes it: git push"
            )
        elif verb.is_behind(workspace):
            note(f"seeknal: {workspace.production} moved, promoting it")
            _promote(workspace, Request(), "hook")
    except (SeeknalError, typer.Exit) as exc:
        if isinstance(exc, SeeknalError):
            error(exc)
        first = (
            "when that has ended" if isinstance(exc, WarehouseBusy) else "mend what is wrong, then"
        )
        note(f"The promotion is pending: {first} run: seeknal promote")
