"""Deliver the files of exposures. They are written in a folder of ours first. In their place, only
a file of ours is replaced."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain, count
from os.path import lexists
from pathlib import Path
from typing import TYPE_CHECKING

from seeknal_git.build.exposures import content_of
from seeknal_git.build.part_of_folder import Shared, folders_of, remember, write_part
from seeknal_git.cache import Cache
from seeknal_git.errors import FileFault, RunFailed
from seeknal_git.files import Ground, Standing, beside, put_in_place, refuse, remove_whole
from seeknal_git.names import REPLACED, WRITING, exposures_folder
from seeknal_git.project.place import OLD
from seeknal_git.project.raw_data import DataRoot
from seeknal_git.sql.engine import SqlError
from seeknal_git.warehouse.location import Location, files_of
from seeknal_git.warehouse.model.deliveries import Delivery, Folders
from seeknal_git.warehouse.model.environments import Published

if TYPE_CHECKING:
    from seeknal_git.build.work import Work
    from seeknal_git.warehouse.protocol import Warehouse

_MENDED = "Mend it, or give the exposure another path."


@dataclass(frozen=True, slots=True)
class Dock:
    """Where files are written in one run, before they are put in place."""

    warehouse: Warehouse
    ground: Ground
    home: Path
    cache: Cache
    folder: Path  # where nobody else writes
    # Path → hashes of everything that was ever delivered there. None is among them if an older
    # version did not write one down.
    recorded: Mapping[Path, frozenset[str | None]]

    def path_of(self, delivery: Delivery) -> str:
        """Relative to the project. Raises FileFault for a path that a state table has from
        elsewhere."""
        if not delivery.path.is_relative_to(self.home):
            raise FileFault("it leaves the project.")
        return delivery.path.relative_to(self.home).as_posix()


@dataclass(frozen=True, slots=True)
class Written:
    """A delivery, with its hash, that is written in our own folder."""

    delivery: Delivery
    at: Path
    shared: Shared = field(default_factory=dict)  # with the folder that is there
    folders: Folders | None = None  # if it is partitioned


def ground_of(root: DataRoot) -> Ground:
    """The data root, in which production's files are delivered, and those of branches."""
    prefix = root.places.repository.prefix
    depth = prefix.count("/")
    return Ground(root.home.parents[depth - 1] if depth else root.home, prefix, root.places.tracked)


def writing_folder(root: DataRoot, run: str) -> Path:
    return root.home / WRITING / run


@contextmanager
def docked(
    warehouse: Warehouse, root: DataRoot, production: str, run: str, *, needed: bool = True
) -> Iterator[Dock]:
    """A folder to write files in, until the end of the block. needed: whether anything is to be
    delivered at all.

    Raises RunFailed if there can be no such folder.
    """
    ground = ground_of(root)
    recorded = _recorded(warehouse, root.home, production) if needed else {}
    with ExitStack() as stack:
        if needed:
            try:
                stack.enter_context(beside(ground.top, f"{ground.prefix}{WRITING}/{run}"))
            except (FileFault, OSError) as exc:
                raise RunFailed(
                    f"Nothing can be written below {root.home}: {_why(exc)}", _hint(exc)
                ) from exc
        yield Dock(
            warehouse,
            ground,
            root.home,
            root.cache,
            writing_folder(root, run),
            recorded,
        )


def _recorded(
    warehouse: Warehouse, home: Path, production: str
) -> dict[Path, frozenset[str | None]]:
    """By the path on record, and by where that is today: the data root may have been moved."""
    found: dict[Path, frozenset[str | None]] = {}
    for past in warehouse.deliveries.ever():
        folder = "." if past.schema == production else exposures_folder(past.schema)
        path = Path(past.path)
        for place in {path, home / folder / past.place if past.place else path}:
            found[place] = found.get(place, frozenset()) | {past.content}
    return found


def refuse_places(warehouse: Warehouse, root: DataRoot, places: Mapping[str, Path]) -> None:
    """Raise RunFailed, before anything is built, if a file could not be delivered in the end.
    places: by exposure."""
    ground = ground_of(root)
    for node, path in places.items():
        with _refusals(node, path):
            refuse(ground, path.relative_to(root.home).as_posix())
            _refuse_the_warehouse(path, warehouse.location, root.home)


def write_aside(
    dock: Dock, delivery: Delivery, relation: str, before: Delivery | None = None
) -> Written:
    """Write a file in our own folder. Raises RunFailed if it may not be put in place.

    relation: the rows to write, as SQL names them. before: the last delivery of the exposure.
    """
    assert delivery.definition is not None
    with _refusals(delivery.node, delivery.path):
        path = dock.path_of(delivery)
        refuse(dock.ground, path)
        _refuse_the_warehouse(delivery.path, dock.warehouse.location, dock.home)
        at = dock.folder / uuid.uuid4().hex[:16]
        deliveries = dock.warehouse.deliveries
        shared = write_part(deliveries, delivery, before, at, dock.cache)
        if shared is None:
            deliveries.write(relation, delivery.definition, at)
        folders = _folders(delivery, at, shared or {})
        delivery = replace(delivery, content=content_of(at, dock.cache))
        written = Written(delivery, at, shared or {}, folders)
        refuse(dock.ground, path, partial(_standing, dock, written))
    return written


def _folders(delivery: Delivery, at: Path, shared: Shared) -> Folders | None:
    if not (delivery.definition or {}).get("partition_by"):
        return None
    now, kept = folders_of(at), {name.parent for name in shared}
    gone = folders_of(delivery.path) - now if delivery.path.is_dir() else ()
    return Folders(len(now), len(now - kept), len(gone))


@dataclass(frozen=True, slots=True)
class HandedOver:
    """How a delivery ended."""

    fault: str | None = None  # why it failed
    kept: Path | None = None  # where a file is that somebody had changed
    folders: Folders | None = None  # if it is partitioned, and in its place


def hand_over(dock: Dock, schema: str, written: Written) -> HandedOver:
    """Put a file in place, and write that down.

    In between the state says of neither file that it is there: whoever is killed then delivers
    again, whichever way production goes on. It has the hash already, so the file is known to be
    ours.
    """
    delivery = written.delivery
    dock.warehouse.deliveries.record(schema, replace(delivery, snapshot=""))
    try:
        path = dock.path_of(delivery)
        kept = _free_path(dock.home, f"{REPLACED}/{path}")
        changed = put_in_place(
            dock.ground, path, written.at, partial(_standing, dock, written), kept=kept
        )
    except (FileFault, OSError) as exc:
        return HandedOver(f"{delivery.path} cannot be replaced: {_why(exc)}")
    remember(delivery.path, written.shared, dock.cache)
    dock.warehouse.deliveries.record(schema, delivery)
    return HandedOver(kept=dock.home / kept if changed else None, folders=written.folders)


def write_files(dock: Dock, work: Work, shows: Mapping[str, Published]) -> list[Written]:
    """Write the files of exposures aside, of those whose table is to be shown."""
    if not work.deliveries:
        return []
    written, last = [], dock.warehouse.deliveries.last(work.environment.schema)
    for node in work.deliveries:
        table = shows.get(work.graph.inputs[node][0])
        if table is not None and work.graph.node(node).target is None:
            exposure, wanted = work.graph.node(node), work.inventory.wanted(node)
            path = work.places.of(exposure)
            delivery = Delivery(node, wanted, path, table.table, exposure.definition)
            written.append(write_aside(dock, delivery, table.relation, last.get(node)))
    return written


def give_up(warehouse: Warehouse, work: Work, delivered: Collection[str]) -> None:
    """Forget files that no exposure writes any more. A branch's are removed; production's stay, as
    somebody may read them.

    delivered: the exposures whose new file was recorded just now, in the place of the old one.
    """
    schema = work.environment.schema
    folder = work.root.home.resolve() / exposures_folder(schema)
    for delivery in work.left:
        place = work.places.of_delivered(delivery)
        if not work.environment.is_production and place.resolve().is_relative_to(folder):
            with suppress(OSError):
                remove_whole(place)
        if delivery.node not in delivered:
            warehouse.deliveries.record(schema, replace(delivery, snapshot="", content=None))


def _free_path(home: Path, path: str) -> str:
    names = chain([path], (f"{path}.{number}" for number in count(2)))
    return next(name for name in names if not lexists(home / name))


def _standing(dock: Dock, written: Written, place: Path) -> Standing:
    """Ours are all contents that were ever delivered there, and the one to deliver now."""
    hashes = dock.recorded.get(written.delivery.path, frozenset())
    if content_of(place, dock.cache) in (hashes | {written.delivery.content}) - {None}:
        return "ours"
    if written.shared:  # an edit would be in the new folder too, and nobody's after that
        raise FileFault("somebody changed it just now.")
    if place.is_file() and _has_the_lines_of(written.at, place):
        return "ours"
    return "changed" if hashes and place.is_dir() == written.at.is_dir() else "foreign"


# A larger file in another order is taken for somebody's.
_LINES = 64 << 20


def _has_the_lines_of(written: Path, place: Path) -> bool:
    """Whether a file has the same lines in another order: without ORDER BY, no order is promised. A
    warehouse that was lost has forgotten its deliveries, so they are made again."""
    size = written.stat().st_size if written.is_file() else -1
    if size != place.stat().st_size or size > _LINES:
        return False
    one, other = (sorted(path.read_bytes().splitlines()) for path in (written, place))
    return one == other


def _refuse_the_warehouse(path: Path, warehouse: Location, home: Path) -> None:
    """Also where it was: a file there would be taken for a warehouse of an earlier version."""
    real = path.parent.resolve() / path.name
    files, folders = files_of(warehouse)
    if any(f"{real}.".startswith(f"{own.resolve()}.") for own in (*files, home / OLD)) or any(
        real.is_relative_to(folder.resolve()) for folder in folders
    ):
        raise FileFault("the warehouse is there.")


@contextmanager
def _refusals(node: str, path: Path) -> Iterator[None]:
    try:
        yield
    except (FileFault, SqlError, OSError) as exc:
        message = f"{node} cannot be written to {path}: {_why(exc)}"
        raise RunFailed(
            message, f"Nothing was published. {_hint(exc) or _MENDED} Then run again."
        ) from exc


def _why(exc: FileFault | SqlError | OSError) -> str:
    return f"{exc.strerror}." if isinstance(exc, OSError) else exc.message


def _hint(exc: FileFault | SqlError | OSError) -> str | None:
    return exc.hint if isinstance(exc, FileFault) else None
