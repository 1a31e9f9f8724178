"""The command `doctor`: problems with the set-up of a clone, and how to mend them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from seeknal_git.environments.files_in_place import CURE, broken
from seeknal_git.environments.production import pending
from seeknal_git.environments.revision import as_environment, head_tree, revision_of
from seeknal_git.errors import GitError, ProjectError, UsageError, WarehouseBusy, WarehouseError
from seeknal_git.files import Ground
from seeknal_git.git import hooks
from seeknal_git.git import repository as git
from seeknal_git.git.command import run_git
from seeknal_git.git.operation import unfinished_operation, way_out
from seeknal_git.git.production_ref import production_ref
from seeknal_git.git.tree import TrackedPaths, commit_tree
from seeknal_git.names import argument, command_line, operand
from seeknal_git.project.load import load
from seeknal_git.project.node_files import load_project
from seeknal_git.project.place import OLD
from seeknal_git.project.settings import PROJECT_FILE
from seeknal_git.project.workspace import Workspace, current_tree
from seeknal_git.warehouse.location import Lake, exists
from seeknal_git.warehouse.model.health import Fact
from seeknal_git.warehouse.opening import examined, open_warehouse
from seeknal_git.warehouse.protocol import Warehouse


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong with the set-up, and its cure."""

    what: str
    cure: str


def examine(workspace: Workspace, tell: Callable[[str], None] = lambda _: None) -> list[Finding]:
    """All problems with the set-up of a clone. tell: is called with each fact about a lake that is
    as it should be."""
    return [
        *_hooks(workspace),
        *_repository(workspace),
        *_nodes(workspace),
        *_warehouse(workspace, tell),
    ]


def _nodes(workspace: Workspace) -> Iterator[Finding]:
    """Findings about the nodes here. Beside a project file that cannot be read, nodes are not read
    either."""
    if workspace.flaw is None:
        yield from _raw_data(workspace)
        yield from _files(workspace)


def _files(workspace: Workspace) -> Iterator[Finding]:
    """The files of exposures that git tracks, or would show as work to commit."""
    repository = workspace.repository
    if repository.bare:
        return
    tracked, members = (
        TrackedPaths(repository),
        load_project(workspace.vocabulary(current_tree(workspace)), workspace.cache).members,
    )
    exposures = (member.node for member in members if member.node.kind == "exposure")
    for node in (exposure for exposure in exposures if not exposure.use):
        path = str(node.definition["path"])
        if met := Ground(repository.top, repository.prefix, tracked).met(path):
            yield Finding(
                f"git tracks {met}, which {node.id} writes.", f"git rm -r --cached {operand(met)}"
            )
        elif (
            run_git(
                "check-ignore", "--quiet", "--", repository.prefix + path, cwd=repository.top
            ).returncode
            == 1
        ):
            yield Finding(
                f"git does not ignore {path}, which {node.id} writes.",
                f"Add it to .gitignore: {path}",
            )


_HOOK_TROUBLES = {
    "missing": ("is not installed", "seeknal hooks install"),
    "outdated": ("is out of date", "seeknal hooks install"),
    "edited": ("was edited, or another hook is there", "Remove it, then: seeknal hooks install"),
    "shadowed": (
        "is not ours, and does not call seeknal",
        "seeknal hooks install prints the lines to add to it",
    ),
}


def _hooks(workspace: Workspace) -> Iterator[Finding]:
    top, prefix = workspace.repository.top, workspace.repository.prefix
    found = hooks.status(top, prefix, workspace.production)
    if tracked := next(
        filter(
            None, (hooks.tracked_installation(top, command) for command in _commands(workspace))
        ),
        None,
    ):
        yield Finding(
            f"git tracks {tracked} of the installation that hooks run: they run nothing of it.",
            "Install Seeknal elsewhere, or let git ignore it, then: seeknal hooks install",
        )
    path, silent = (
        hooks.hooks_path(top),
        ", ".join(hook.name for hook in found if hook.state == "shadowed"),
    )
    if path and silent:
        yield Finding(
            f"core.hooksPath is set to {path}, "
            f"and these hooks there do not call seeknal: {silent}.",
            "Add what `seeknal hooks install` prints, or: git config --unset core.hooksPath",
        )
    for hook in found:
        if hook.state in _HOOK_TROUBLES and not (hook.state == "shadowed" and path):
            what, cure = _HOOK_TROUBLES[hook.state]
            yield Finding(f"The hook {hook.name} {what}.", cure)


def _commands(workspace: Workspace) -> set[tuple[str, ...]]:
    """The commands that start Seeknal, here and in hooks."""
    return {hooks.this_installation(), *hooks.commands(workspace.repository.top)}


def _repository(workspace: Workspace) -> Iterator[Finding]:
    repository = workspace.repository
    for problem in workspace.flaw.problems if workspace.flaw else ():
        yield Finding(
            f"{problem.place}: {problem.message}", problem.hint or "Mend it, or take the edit back."
        )
    if git.head_commit(repository) is None:
        yield Finding("There is no commit yet.", "git add . && git commit -m 'First commit'")
    else:
        try:
            git.need_production(repository, workspace.production)
        except UsageError as exc:
            yield Finding(exc.message, exc.hint or "")
    if git.remotes(repository) and not workspace.settings.protect_production:
        yield Finding(
            "Uncommitted nodes can be run on production, where others cannot see them.",
            f"Set protect_production: true in {PROJECT_FILE}",
        )
    if operation := unfinished_operation(repository):
        yield Finding(
            f"git is in the middle of a {operation}.", f"Finish it, or: {way_out(operation)}"
        )
    yield from _tip(workspace)
    if git.is_shallow(repository):
        yield Finding(
            "This clone is shallow: the merge base may be out of its reach.",
            "git fetch --unshallow",
        )


_MOST = 5


def _raw_data(workspace: Workspace) -> Iterator[Finding]:
    """The raw data that a run of this branch would read, and that is not here."""
    with suppress(GitError, UsageError):  # they come up above
        revision = revision_of(workspace)
        here, keeps = as_environment(workspace, revision)
        for problem in load(here, head_tree(here, revision), keeps=keeps).absent:
            yield Finding(f"{problem.place}: {problem.message}", problem.hint or "")


def _tip(workspace: Workspace) -> Iterator[Finding]:
    """Whether production is at the tip of its branch, and why not: hooks can be passed by."""
    repository, production = workspace.repository, workspace.production
    tip, due = git.production_tip(repository, production), pending(workspace)
    if tip is None or (due is None and production_ref(repository)):
        return
    problems = load(
        workspace, commit_tree(repository, tip), keeps=workspace.production_schema
    ).problems
    for problem in problems[:_MOST]:
        place = f"{problem.place}: " if problem.place else ""
        yield Finding(
            f"The tip of {production} ({tip[:8]}) cannot be published: {place}{problem.message}",
            f"Mend it and commit that on {production}, or revert the commit that broke it.",
        )
    if due is not None:
        yield Finding(
            f"{due.what}.", f"{due.cure}, once the tip is mended" if problems else due.cure
        )


def _warehouse(workspace: Workspace, tell: Callable[[str], None]) -> Iterator[Finding]:
    try:
        location = workspace.warehouse_location
        if isinstance(location, Path):
            yield from _place(workspace, location)
        else:
            yield from _lake(location, tell)
        if not exists(location):
            return
        with open_warehouse(location, workspace.marks, read_only=True) as warehouse:
            yield from _views(workspace, warehouse)
    except WarehouseBusy:
        return  # somebody is at work, and nothing is wrong with that
    except WarehouseError as exc:
        yield Finding(
            exc.message, exc.hint or "seeknal run builds it again once the file is moved away"
        )
    except ProjectError as exc:
        yield from (
            Finding(f"{problem.path}: {problem.message}", problem.hint or "")
            for problem in exc.problems
        )


def _lake(lake: Lake, tell: Callable[[str], None]) -> Iterator[Finding]:
    for found in examined(lake):
        if isinstance(found, Fact):
            tell(found.text)
        else:
            yield Finding(found.text, found.cure)


def _place(workspace: Workspace, path: Path) -> Iterator[Finding]:
    """Whether the warehouse is there, and whether git may come into its way."""
    repository, in_git = workspace.repository, workspace.place.in_git
    if production_ref(repository) and not path.exists():
        yield Finding(f"The warehouse {path} is gone.", "seeknal run builds it again")
    if in_git != path and path.exists() and os.name == "posix" and path.stat().st_mode & 0o077:
        yield Finding(
            f"Others may read the warehouse {path}.", command_line("chmod", "600", str(path))
        )
    if path == in_git:
        yield from _passed_over(workspace, path)
    if in_git is None or path == in_git:
        return
    if not workspace.settings.warehouse:
        message = (
            f"The warehouse is at its old place, {path}: "
            "a branch that tracks `target`, or git clean, destroys it."
        )
        yield Finding(message, "seeknal warehouse move")
    ignored = run_git("check-ignore", "--quiet", str(path), cwd=repository.top).returncode == 0
    if not ignored and path.is_relative_to(repository.top):
        yield Finding(f"git does not ignore the warehouse {path}.", "Add it to .gitignore")


def _passed_over(workspace: Workspace, path: Path) -> Iterator[Finding]:
    """A warehouse at the old place that may be a branch's, as git tracks it, or a link on the way
    to it."""
    old = workspace.home / OLD
    if old.is_file():
        moved = command_line("mv", str(old.resolve()), str(path))
        yield Finding(
            f"{old} is not used: git tracks it, or a link there, so a branch may have brought it.",
            f"If it is production's from an earlier version: {moved}",
        )


def _views(workspace: Workspace, warehouse: Warehouse) -> Iterator[Finding]:
    there = warehouse.snapshots.tables()
    for schema, environment in warehouse.environments.all().items():
        views = warehouse.environments.views(schema)
        cure = f"git switch {argument(environment.branch)} && seeknal run"
        astray = warehouse.environments.astray(schema)
        shows = warehouse.environments.shown(schema)
        for node, fault in broken(workspace, warehouse, shows).items():
            yield Finding(f"{schema}.{shows[node].view or node} cannot be read: {fault}.", CURE)
        shown = shows.values()
        others = warehouse.environments.made_by_others(schema, shown)
        for published in shown:
            if taken := others.get(published.view.lower()):
                message = f"Something else is in a view's place: {taken}."
                yield Finding(message, f"Rename or drop it, then: {cure}")
            elif gone := [table for table in published.tables if table not in there]:
                name = published.view or published.node
                message = f"The view {schema}.{name} dangles: its table {gone[0]} is gone."
                yield Finding(message, cure)
            elif published.view in astray:
                message = f"The view {schema}.{published.view} names files where this clone was."
                yield Finding(f"{message} Other programs cannot read it.", cure)
            elif not published.is_right(views):
                yield Finding(f"The view {schema}.{published.view} is gone.", cure)
