"""Which files of exposures are to be written, and which are of no use any more."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from seeknal_git.cache import Cache
from seeknal_git.environments.environment import Environment
from seeknal_git.errors import FileFault
from seeknal_git.names import exposures_folder
from seeknal_git.nodes.node import Node
from seeknal_git.project.bound_graph import BoundGraph
from seeknal_git.project.fingerprints import digest
from seeknal_git.project.held_files import remembered_blob_id
from seeknal_git.project.raw_data import DataRoot
from seeknal_git.warehouse.model import Delivery
from seeknal_git.warehouse.protocol import Warehouse


@dataclass(frozen=True, slots=True)
class Files:
    """due: exposures whose file is to be written; left: files that were delivered and that no
    exposure writes any more, as it is gone or has another path."""

    due: tuple[str, ...] = ()
    left: tuple[Delivery, ...] = ()


@dataclass(frozen=True, slots=True)
class Places:
    """Where an environment's files are: only production writes where an exposure says, a branch in
    its own folder."""

    root: DataRoot
    environment: Environment

    def of(self, node: Node) -> Path:
        return self._below(node.definition)

    def of_delivered(self, delivery: Delivery) -> Path:
        """Where a file that was delivered is today: the data root may have been moved."""
        return self._below(delivery.definition) if delivery.definition else delivery.path

    def _below(self, definition: Mapping[str, object]) -> Path:
        folder = (
            "." if self.environment.is_production else exposures_folder(self.environment.schema)
        )
        return self.root.home / folder / str(definition["path"])


def files_of(
    warehouse: Warehouse,
    graph: BoundGraph,
    places: Places,
    wanted: Mapping[str, str],
    chosen: Collection[str] | None,
) -> Files:
    """The files to write and to give up, for the chosen nodes or for all: then also of exposures
    that are gone."""
    environment, cache = places.environment, places.root.cache
    exposures = {
        each: member.node
        for each, member in graph.members.items()
        if member.node.kind == "exposure"
    }
    delivered = warehouse.deliveries.last(environment.schema)
    by_production = (
        {}
        if environment.is_production
        else warehouse.deliveries.last(environment.production_schema)
    )
    # A branch leaves alone what production delivers already, but for a file that it has written
    # before.
    ours = {
        each: places.of(node)
        for each, node in exposures.items()
        if each not in by_production
        or by_production[each].snapshot != wanted[each]
        or each in delivered
    }
    about = exposures.keys() if chosen is None else exposures.keys() & chosen
    due = tuple(
        each
        for each, path in ours.items()
        if each in about and not _shows(delivered.get(each), wanted[each], path, cache)
    )
    there = {
        node: each
        for node, each in delivered.items()
        if each.snapshot and (chosen is None or node in about)
    }
    taken = set(ours.values())
    old = {node: places.of_delivered(each) for node, each in there.items()}
    left = tuple(there[node] for node, path in old.items() if path not in taken and path.exists())
    return Files(due, left)


def _shows(delivery: Delivery | None, wanted: str, path: Path, cache: Cache) -> bool:
    return delivery is not None and delivery.snapshot == wanted and is_intact(delivery, path, cache)


def is_intact(delivery: Delivery, path: Path, cache: Cache) -> bool:
    """Whether what is at a path is what was delivered. An earlier version did not write down the
    content."""
    if delivery.content is None:
        return path.exists()
    return content_of(path, cache) == delivery.content


def content_of(path: Path, cache: Cache) -> str | None:
    """A hash of a file, or of a folder's files with their names; read again only if a file was
    touched. None if it is not there, or cannot be read."""
    try:
        if path.is_dir():
            files = sorted(each for each in path.rglob("*") if each.is_file())
            names = (
                f"{each.relative_to(path).as_posix()}\0{remembered_blob_id(each, cache)}"
                for each in files
            )
            return digest("folder", *names)
        return remembered_blob_id(path, cache)
    except (FileFault, OSError):
        return None
