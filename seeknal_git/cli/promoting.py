"""The three ways to promote: asked for, previewed, and from a git hook."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from seeknal_git import promote as verb
from seeknal_git.cli.options import opened
from seeknal_git.cli.running import finish
from seeknal_git.errors import SeeknalError, WarehouseBusy
from seeknal_git.report.run import progress, work_as_json, work_as_text
from seeknal_git.report.terminal import error, note, out_json

if TYPE_CHECKING:
    from seeknal_git.workspace import Workspace


def promote(workspace: Workspace, env: str | None, target: str | None, lock_timeout: float, *, as_json: bool) -> None:
    verb.refuse_unfinished(workspace)
    if env is not None:
        merged = verb.merge_branch(workspace, env, target)
        for command in merged.commands:
            note(f"$ {command}")
        if not merged.commands:
            note(f"There is nothing to merge: {env} has no commit of its own.")
    _promote(workspace, target, lock_timeout, as_json=as_json, command="promote")


def _promote(workspace: Workspace, target: str | None, lock_timeout: float, *, as_json: bool, command: str) -> None:
    started = time.monotonic()
    prepared = verb.prepare(workspace, target, os.cpu_count() or 1, lock_timeout)
    patience = max(lock_timeout - (time.monotonic() - started), 0.0)
    with progress(len(prepared.loaded.graph.members)) as report:
        done = verb.promote(prepared, report, patience, command=command)
    finish(done, time.monotonic() - started, f"Promotion of {prepared.target.branch}", as_json=as_json)


def preview(workspace: Workspace, env: str | None, target: str | None, lock_timeout: float, *, as_json: bool) -> None:
    """What a promotion would do. The merge that comes first is made in memory."""
    prepared = verb.prepare(workspace, target) if env is None else verb.prepare_merge(workspace, env, target)
    work = verb.preview(prepared, lock_timeout)
    if as_json:
        out_json(work_as_json(work))
    else:
        work_as_text(work, f"A promotion of {work.target.branch}")


def from_hook(project_path: Path, data_root: Path | None) -> None:
    """Promote when the production branch moved. Never fails: git has already done its work."""
    try:
        workspace = opened(project_path, data_root)
        if verb.is_behind(workspace):
            note(f"seeknal: {workspace.production} moved, promoting it")
            _promote(workspace, None, 0.0, as_json=False, command="hook")
    except (SeeknalError, typer.Exit) as exc:
        if isinstance(exc, SeeknalError):
            error(exc)
        first = "when that has ended" if isinstance(exc, WarehouseBusy) else "mend what is wrong, then"
        note(f"The promotion is pending: {first} run: seeknal promote")
