"""Files that a killed process left behind, and copies that nobody needs. Only what bears our own
names."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from seeknal_git.git.known_names import KnownNames
from seeknal_git.names import SPILL, WRITING, exposures_folder
from seeknal_git.process_folders import left_folders
from seeknal_git.project.workspace import Workspace
from seeknal_git.sql.sandbox import spill_of
from seeknal_git.warehouse.location import Location

_PARTIAL, _OLD = ".partial", ".old"
# A younger file may be in use by a process that needs no warehouse, such as a plan.
_SETTLED_SECONDS = 3600


def leftovers(
    workspace: Workspace, delivered: Iterable[str], names: KnownNames, live: Collection[str]
) -> list[Path]:
    """The files to delete, sorted.

    delivered: the recorded paths of exposures.
    live: the branches whose environments stay.
    """
    return sorted(
        {
            *_of_exposures(workspace, set(delivered)),
            *_of_runs(workspace),
            *_of_the_warehouse(workspace.warehouse_location, workspace.repository.private),
            *_copies(workspace.repository.private),
            *_of_an_earlier_version(workspace.warehouse_location, workspace.repository.private),
            *_saved_plans(workspace, names, live),
        }
    )


def remove(paths: Iterable[Path]) -> tuple[Path, ...]:
    """Delete files and folders. Returns those that could not be deleted."""
    paths = tuple(paths)
    for path in paths:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with suppress(OSError):
                path.unlink()
    return tuple(path for path in paths if os.path.lexists(path))


def exposures_of(workspace: Workspace, schema: str) -> Path | None:
    """The folder with the files of a branch's exposures; None if there is none, or if a link leads
    elsewhere."""
    folder = workspace.home.resolve() / exposures_folder(schema)
    return folder if folder.is_dir() and folder.resolve() == folder else None


def _of_exposures(workspace: Workspace, delivered: Collection[str]) -> Iterator[Path]:
    """Unfinished files beside a delivered file, or below the folder of the branches' files."""
    home = workspace.home.resolve()
    targets = {Path(path) for path in delivered}
    for path in (home / "target" / "exposures").rglob(".*"):
        for ending in (_PARTIAL, _OLD):
            if path.name.endswith(ending) and path not in targets:
                targets.add(path.with_name(path.name[1 : -len(ending)]))
    for target in targets:
        if target.parent.resolve().is_relative_to(home):
            partial, old = (
                target.with_name(f".{target.name}{ending}") for ending in (_PARTIAL, _OLD)
            )
            # Two renames replace a folder. Between them, the old folder exists only under its
            # other name.
            if target.exists() or not old.exists():
                yield from (path for path in (partial, old) if path.exists())


def _of_runs(workspace: Workspace) -> Iterator[Path]:
    """Files that a killed run had written, and not put in place."""
    folder = workspace.home.resolve() / WRITING
    if folder.is_dir() and folder.resolve() == folder:
        yield from folder.iterdir()


def _of_the_warehouse(warehouse: Location, private: Path) -> Iterator[Path]:
    """Unfinished databases, and the folders that engines of killed processes spilled to."""
    place = spill_of(warehouse) if isinstance(warehouse, Path) else private / SPILL
    yield from left_folders(place)
    if not isinstance(warehouse, Path):
        return
    begun = re.compile(rf"\.{re.escape(warehouse.name)}\.\d+\.partial(\.wal)?")
    if warehouse.parent.is_dir():
        yield from (
            path
            for path in warehouse.parent.iterdir()
            if begun.fullmatch(path.name) and _is_settled(path)
        )


def _of_an_earlier_version(warehouse: Location, private: Path) -> Iterator[Path]:
    """Folders that killed processes left under the names that they had then."""
    found = [private / SPILL, *private.glob("outside/[0-9]*-*"), *private.glob("python/[0-9]*-*")]
    if isinstance(warehouse, Path):
        found.append(spill_of(warehouse))
    yield from (path for path in found if path.is_dir() and _is_settled(path))


def _copies(private: Path) -> Iterator[Path]:
    """Files of other commits, which are written again when needed; files that a killed run had
    held; and the cache of an earlier version."""
    for pattern in ("blobs/*", "reading/*", "cache.sqlite*"):
        yield from (path for path in private.glob(pattern) if _is_settled(path))


def _saved_plans(workspace: Workspace, names: KnownNames, live: Collection[str]) -> Iterator[Path]:
    """Plans of branches that are gone, and old ones; all projects of a repository keep theirs in
    one folder."""
    for path in (workspace.repository.private / "plans").glob("*.json"):
        branch, is_old = _branch_of(path), _age(path) >= workspace.settings.time_to_live
        if (
            is_old
            and branch is not None
            and branch not in live
            and names.holder(branch, None) is None
        ):
            yield path


def _branch_of(plan: Path) -> str | None:
    try:
        return str(json.loads(plan.read_text())["branch"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _is_settled(path: Path) -> bool:
    return _age(path) >= _SETTLED_SECONDS


def _age(path: Path) -> float:
    return time.time() - path.lstat().st_mtime
