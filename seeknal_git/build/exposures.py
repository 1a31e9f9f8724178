"""Which files of exposures are to be written, and which are of no use any more."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from seeknal_git.build.inventory import Inventory
from seeknal_git.cache import Cache
from seeknal_git.environments.environment import Environment
from seeknal_git.errors import FileFault
from seeknal_git.names import exposures_folder
from seeknal_git.nodes.node import Node
from seeknal_git.project.fingerprints import digest
from seeknal_git.project.held_files import remembered_blob_id, remembered_blob_ids
from seeknal_git.project.raw_data import DataRoot
from seeknal_git.warehouse.model.deliveries import Delivery
from seeknal_git.warehouse.protocol import Warehouse


@dataclass(frozen=True, slots=True)
class Files:
    """The files of an environment's exposures that do not fit."""

    due: tuple[str, ...] = ()  # exposures whose file is to be written
    left: tuple[
        Delivery, ...
    ] = ()  # that no exposure writes any more: it is gone, or writes elsewhere


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
    inventory: Inventory,
    places: Places,
    chosen: Collection[str] | None,
) -> Files:
    """The files to write and to give up, for the chosen exposures; for all of them, and those that
    are gone, if `chosen` is None."""
    environment, cache = places.environment, places.root.cache
    delivered = warehouse.deliveries.last(environment.schema)
    ours = _own_places(warehouse, inventory, places, delivered)
    due = tuple(
        node
        for node, path in ours.items()
        if (chosen is None or node in chosen)
        and not _shows(delivered.get(node), inventory.wanted(node), path, cache)
    )
    due += _due_elsewhere(inventory, places, delivered, chosen)
    taken = set(ours.values())
    left = []
    for node, delivery in delivered.items():
        is_about = chosen is None or (node in chosen and node in inventory.graph.members)
        if delivery.target is not None:
            continue
        path = places.of_delivered(delivery)
        if is_about and delivery.snapshot and path not in taken and path.exists():
            left.append(delivery)
    return Files(due, tuple(left))


def _due_elsewhere(
    inventory: Inventory,
    places: Places,
    delivered: Mapping[str, Delivery],
    chosen: Collection[str] | None,
) -> tuple[str, ...]:
    """The exposures that are tables elsewhere, and are not as they are to be. A branch writes only
    those that say so."""
    graph, is_production = inventory.graph, places.environment.is_production
    targets = {
        node: target
        for node in graph.structure.files
        if (target := graph.node(node).target) and (chosen is None or node in chosen)
    }
    if not targets:
        return ()
    from seeknal_git.build.unwritten import unwritten

    left = unwritten(graph, places.root, places.environment.name)
    snapshots = {node: delivery.snapshot for node, delivery in delivered.items()}
    return tuple(
        node
        for node, target in targets.items()
        if node not in left
        and (is_production or target["own"])
        and snapshots.get(node) != inventory.wanted(node)
    )


def _own_places(
    warehouse: Warehouse,
    inventory: Inventory,
    places: Places,
    delivered: Mapping[str, Delivery],
) -> dict[str, Path]:
    """Exposure → where the environment has its file.

    A branch has none of an exposure that production delivers just so, unless it wrote one before.
    """
    environment = places.environment
    by_production: Mapping[str, Delivery] = {}
    if not environment.is_production:
        by_production = warehouse.deliveries.last(environment.production_schema)
    found = {}
    for node in inventory.graph.structure.files:
        if inventory.graph.node(node).target is not None:
            continue
        production = by_production.get(node)
        is_same = production is not None and production.snapshot == inventory.wanted(node)
        if not is_same or node in delivered:
            found[node] = places.of(inventory.graph.node(node))
    return found


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
            return content_of_files(
                blob_ids(path, (file for file in path.rglob("*") if file.is_file()), cache)
            )
        return remembered_blob_id(path, cache)
    except (FileFault, OSError):
        return None


def content_of_files(blobs: Mapping[PurePosixPath, str]) -> str:
    """A hash of a folder's files. blobs: the hash of each, by its path in the folder."""
    return digest("folder", *(f"{name}\0{blobs[name]}" for name in sorted(blobs)))


def blob_ids(folder: Path, files: Iterable[Path], cache: Cache) -> dict[PurePosixPath, str]:
    """The hash of each of some files in a folder. Raises FileFault."""
    files = list(files)
    known = remembered_blob_ids(files, cache)
    return {
        PurePosixPath(file.relative_to(folder)): known.get(file) or remembered_blob_id(file, cache)
        for file in files
    }
