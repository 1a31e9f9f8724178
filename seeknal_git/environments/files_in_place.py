"""The files that views read in place: which of them are not as they were, in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from seeknal_git.errors import some

if TYPE_CHECKING:
    from seeknal_git.project.kept_files import KeptFiles
    from seeknal_git.project.workspace import Workspace
    from seeknal_git.warehouse.model.environments import Published
    from seeknal_git.warehouse.model.snapshots import Snapshot
    from seeknal_git.warehouse.protocol import Warehouse

CURE = "Put the file back as it was and run again, or read what is there now: seeknal run --refresh"
_NAMED = 3


def broken(
    workspace: Workspace, warehouse: Warehouse, shown: Mapping[str, Published]
) -> dict[str, str]:
    """Node → a fault of the files that its view reads, if one is gone or was changed."""
    views = [published for published in shown.values() if published.files]
    return broken_views(warehouse, workspace.kept, views) if views else {}


def broken_views(
    warehouse: Warehouse, kept: KeptFiles, views: Iterable[Published | Snapshot]
) -> dict[str, str]:
    """The same, of views. kept: the files of the clone."""
    views = [view for view in views if view.files]
    faults = kept.faults(file for view in views for file in view.files)
    if not faults:
        return {}
    words = in_words(warehouse, faults)
    return {
        view.node: some([words[file] for file in view.files if file in faults], _NAMED)
        for view in views
        if not faults.keys().isdisjoint(view.files)
    }


def in_words(warehouse: Warehouse, faults: Mapping[str, str]) -> dict[str, str]:
    """Kept file → what is wrong with it, with its name in the project and its source."""
    known = warehouse.snapshots.files()
    found = {}
    for file, fault in faults.items():
        source, path = known.get(file, ("", f"the file {file[1:9]}"))
        of = f" of {source}" if source else ""
        found[file] = f"{path}{of} {fault}"
    return found
