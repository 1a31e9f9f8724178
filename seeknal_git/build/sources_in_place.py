"""Sources that are views: their files are kept, and read in place."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from seeknal_git.build.compute import query_of_files
from seeknal_git.build.failures import NodeFailed
from seeknal_git.environments.files_in_place import CURE, broken_views
from seeknal_git.errors import FileFault
from seeknal_git.sql.engine import SqlError
from seeknal_git.warehouse.model.queries import relation
from seeknal_git.warehouse.model.snapshots import Blueprint

if TYPE_CHECKING:
    from seeknal_git.nodes.node import Node
    from seeknal_git.project.raw_data import DataRoot, Opened
    from seeknal_git.warehouse.model.snapshots import Snapshot
    from seeknal_git.warehouse.protocol import Warehouse


def over_kept_files(
    root: DataRoot, opened: Opened, blueprint: Blueprint
) -> tuple[Blueprint, Callable[[], None]]:
    """A source's view over its files, which are kept now; and a question whether they are as they
    were, which raises FileFault. Raises NodeFailed."""
    try:
        pairs = zip(opened.files, opened.held, strict=True)
        names = [root.kept.keep(file, held) for file, held in pairs]
    except FileFault as exc:
        raise NodeFailed(f"{exc.message} {exc.hint}") from exc
    query = query_of_files(blueprint.sql, names, root.kept.folder)
    files = dict(zip(names, (file.path for file in opened.files), strict=True))
    view = replace(blueprint, sql=query.over(relation), query=query, files=files, parameters={})
    return view, partial(root.kept.confirm, files)


def moved_words(
    warehouse: Warehouse, root: DataRoot, source: Node, lost: Iterable[Snapshot]
) -> str:
    """Why the files of a source are not those that a run was about to read. lost: its loads that
    are gone."""
    if faults := broken_views(warehouse, root.kept, lost):
        return f"{faults[source.id]}. {CURE} ({source.path})"
    return f"{source.definition['path']} changed while it was read; run again ({source.path})"


def refuse_broken(warehouse: Warehouse, root: DataRoot, snapshots: Iterable[Snapshot]) -> None:
    """Raise SqlError if a file that these snapshots read in place is gone, or was changed."""
    for fault in broken_views(warehouse, root.kept, snapshots).values():
        raise SqlError(f"{fault}. {CURE}")
