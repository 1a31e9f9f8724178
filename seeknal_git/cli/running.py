"""What `run` and `promote` have in common: do it with a progress display, then say what
happened."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import typer

from seeknal_git.errors import some
from seeknal_git.report.run import done_as_json, progress, summary, work_as_json, work_as_text
from seeknal_git.report.terminal import note, out_json, tell
from seeknal_git.report.validate import warn

if TYPE_CHECKING:
    from seeknal_git.build.hold import Prepared
    from seeknal_git.build.publish import Reconciled
    from seeknal_git.commands.run import Request
    from seeknal_git.project.workspace import Workspace


def workers(parallel: bool, most: int) -> int:
    return (most or os.cpu_count() or 1) if parallel else 1


def run(workspace: Workspace, request: Request, *, dry_run: bool, as_json: bool) -> None:
    from seeknal_git.build.hold import preview
    from seeknal_git.commands import run as verb

    started = time.monotonic()
    if request.environment:
        _arrive(workspace, request.environment, force=request.force, may_switch=not dry_run)
    prepared = verb.prepare(workspace, request)
    if dry_run:
        work = preview(prepared, request.lock_timeout)
        out_json(work_as_json(work)) if as_json else work_as_text(
            work, f"A run of {work.target.branch}"
        )
        return
    if not (request.environment or prepared.target.is_production):
        note(f"Run of {prepared.target.branch}; production is {workspace.production}.")
    if prepared.target.is_production and prepared.loaded.tree.dirty:
        tell(_of_no_commit(in_part=prepared.base is not None), err=True)
    guessed(prepared)
    with progress(len(prepared.loaded.graph.members)) as report:
        done = verb.run(
            prepared, report, max(request.lock_timeout - (time.monotonic() - started), 0.0)
        )
    finish(workspace, done, time.monotonic() - started, "Run", as_json=as_json)
    if prepared.loaded.tree.dirty and not prepared.target.is_production:
        _to_commit(workspace, prepared.target.branch)
    tip(done, request)


def _arrive(workspace: Workspace, environment: str, *, force: bool, may_switch: bool) -> None:
    """Take uncommitted changes to the environment, or refuse; with --force, only say what is left
    out."""
    from seeknal_git.environments.uncommitted import follow, left_behind

    if force:
        if left := left_behind(workspace, environment):
            note(
                f"Not in this run: the uncommitted changes of what is checked out ({some(left, 3)})."
            )
        return
    for command in follow(workspace, environment, "run", may_switch=may_switch):
        note(f"$ {command}")


def _to_commit(workspace: Workspace, branch: str) -> None:
    from seeknal_git.environments.uncommitted import commit_line, release_line

    note("There are uncommitted changes: a merge takes only what is committed.")
    if line := commit_line(workspace):
        note(f"Next: {line} && {release_line(workspace, branch)}")


def _of_no_commit(*, in_part: bool) -> str:
    if in_part:
        return "Production gets these nodes as they are here, and no others: it is no commit's until a promotion."
    return "Production runs with uncommitted changes: it will be ahead of every commit until they are committed."


def guessed(prepared: Prepared) -> None:
    """Say what was guessed of raw data, as long as the sources do not; and which files nobody could
    read."""
    for warning in (*prepared.loaded.project.unread, *prepared.loaded.binding.warnings):
        warn(warning)


def finish(
    workspace: Workspace, done: Reconciled, seconds: float, what: str, *, as_json: bool
) -> None:
    """Say what happened, and exit with 1 where something failed."""
    from seeknal_git.build.publish import without_rows
    from seeknal_git.environments.revision import elsewhere

    branch = done.work.target.branch
    if not workspace.settings.show_rows:
        done = without_rows(done)
    if as_json:
        out_json(done_as_json(done, elsewhere(workspace, branch)))
    else:
        summary(done, seconds, f"{what} of {branch}", elsewhere(workspace, branch))
    if done.failures:
        if done.outcome is None:
            note("Nothing was published: the environment is as it was.")
        raise typer.Exit(1)


def tip(done: Reconciled, request: Request) -> None:
    """How much a sequential run of a wide graph would gain."""
    built = done.progress.built
    layers = [
        [built[each].seconds for each in layer if each in built] for layer in done.work.layers
    ]
    widest = max(layers, key=len, default=[])
    if request.options.workers > 1 or len(widest) < _WIDE:
        return
    most = os.cpu_count() or 1
    at_best = sum(max(max(layer, default=0), sum(layer) / most) for layer in layers)
    gain = sum(map(sum, layers)) / max(at_best, 1e-9)
    faster = f" for a run that is about {gain:.1f}x faster" if gain >= _WORTH_SAYING else ""
    note(
        f"Tip: This pipeline has {len(widest)} independent nodes in one layer. Use --parallel{faster}."
    )


_WIDE, _WORTH_SAYING = 4, 1.1
