"""The command `warehouse move`: bring a warehouse to its place."""

from __future__ import annotations

import errno
import filecmp
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from seeknal_git.errors import UsageError, WarehouseError
from seeknal_git.files import PRIVATE_FILE
from seeknal_git.project.branch_settings import need_authority
from seeknal_git.project.place import OLD
from seeknal_git.project.settings import PROJECT_FILE
from seeknal_git.project.workspace import Workspace
from seeknal_git.warehouse.location import Location
from seeknal_git.warehouse.moving import held_for_move


@dataclass(frozen=True, slots=True)
class Moved:
    """A warehouse that was moved; before: None if it was where it belongs."""

    before: Path | None
    path: Location


def move_warehouse(workspace: Workspace, source: str | None = None) -> Moved:
    """Move the warehouse at another place to where it belongs: in one step, while nobody else has
    it open.

    source: its path below the project; without it, the place that was the default, or git's own
    folder. Whoever is killed on the way has lost nothing, and moves it again. Raises UsageError,
    ProjectError or WarehouseError.
    """
    need_authority(workspace)
    if not isinstance(workspace.settings.warehouse, str):
        return Moved(None, workspace.warehouse_location)
    target = workspace.place.meant
    before = _named(workspace, source, target) if source else _elsewhere(workspace, target)
    if before is None:
        return Moved(None, target)
    if target.exists():
        return _finished(before, target)
    with held_for_move(before, target, workspace.marks, workspace.until):
        try:
            before.rename(target)
        except OSError as exc:
            if exc.errno != errno.EXDEV:  # another file system
                raise
            _copied(before, target)
        target.chmod(PRIVATE_FILE)  # an older version let everybody read it
    before.unlink(missing_ok=True)
    return Moved(before, target)


def _elsewhere(workspace: Workspace, target: Path) -> Path | None:
    """A warehouse at the other place that has one without being named. Raises UsageError."""
    place = workspace.place
    if place.configured and target == workspace.home / OLD and place.in_git:
        raise UsageError(
            f"{PROJECT_FILE} says `warehouse: {place.configured}`, "
            "so the warehouse is where it belongs.",
            "To have it in git's own folder, remove that line on "
            f"{workspace.production}, commit, then run this again.",
        )
    found = [workspace.home / OLD] if place.has_old else []
    found += [place.in_git] if place.in_git and place.in_git.exists() else []
    return next((path for path in found if path != target), None)


def _named(workspace: Workspace, source: str, target: Path) -> Path:
    found = workspace.place.below_home(source)
    if not found.exists():
        raise UsageError(
            f"There is no warehouse {found}.", "Name its path, as seen from the project's folder."
        )
    if found == target:
        raise UsageError(
            f"The warehouse {found} is where it belongs.",
            f"Remove the line `warehouse:` from {PROJECT_FILE} first, to have it elsewhere.",
        )
    return found


def _finished(before: Path, target: Path) -> Moved:
    """A move that was killed once the copy was there: nothing has written to either since, as both
    were refused."""
    if not filecmp.cmp(before, target, shallow=False):
        raise WarehouseError(
            f"There are two warehouses: {target} and {before}. Neither was touched.",
            "Look into both, and move one away, with its .wal if there is one.",
        )
    before.unlink()
    return Moved(before, target)


def _copied(before: Path, target: Path) -> None:
    """To another file system: a whole copy gets the name. Another process copies, as this one would
    lose the lock on the file if it opened and closed it."""
    partial = target.with_name(f".{target.name}.moving.partial")
    script = (
        "import os, shutil, sys; os.umask(0o077)\n"
        "with open(sys.argv[1], 'rb') as old, open(sys.argv[2], 'wb') as new:\n"
        "    shutil.copyfileobj(old, new); new.flush(); os.fsync(new.fileno())"
    )
    try:
        command = [sys.executable, "-I", "-c", script, str(before), str(partial)]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode:
            words = (done.stderr.strip().splitlines() or ["it was broken off"])[-1]
            raise WarehouseError(
                f"{before} cannot be copied to {target}: {words}", "Nothing was moved."
            )
        partial.rename(target)
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
