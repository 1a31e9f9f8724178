"""A partitioned delivery if only some of its folders changed.

These are written anew. All other files get a second name beside them, and the complete new folder
takes the place of the old one as any other delivery does. So each of these files stays the same
file, with its times, and whoever copies the folder elsewhere copies only the changes.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from seeknal_git.build.exposures import blob_ids, content_of_files
from seeknal_git.errors import FileFault
from seeknal_git.files import remove_whole
from seeknal_git.project.held_files import Hashed, carried, identity, remembered_blob_id

if TYPE_CHECKING:
    from seeknal_git.cache import Cache
    from seeknal_git.warehouse.model.deliveries import Delivery
    from seeknal_git.warehouse.protocol import Deliveries

# The files that two folders share, by their path in both.
Shared = Mapping[PurePosixPath, Hashed]


def write_part(
    deliveries: Deliveries, delivery: Delivery, before: Delivery | None, at: Path, cache: Cache
) -> Shared | None:
    """Make the folder of a delivery from the one that is in its place, and from those rows that
    changed. Returns the files that both share; None if the whole has to be written, and then
    nothing is left.

    before: the last delivery of the exposure. Raises SqlError.
    """
    if before is None or not before.content or not before.table or not _is_alike(before, delivery):
        return None
    shared = None
    with suppress(FileFault, OSError):
        there = _looked(delivery.path, cache)
        if content_of_files({name: file.blob for name, file in there.items()}) == before.content:
            kept = _kept(deliveries, delivery, before.table, at, there)
            shared = None if kept is None else _shared(delivery.path, at, kept, cache)
    if shared is None:
        remove_whole(at)
    return shared


def _is_alike(before: Delivery, delivery: Delivery) -> bool:
    definition = delivery.definition or {}
    return bool(definition.get("partition_by")) and before.definition == definition


def _looked(folder: Path, cache: Cache) -> dict[PurePosixPath, Hashed]:
    """The files of a folder. Raises FileFault for anything else that is in it."""
    seen = {}
    for path in folder.rglob("*"):
        mode = path.lstat().st_mode
        if stat.S_ISREG(mode):
            seen[path] = identity(path)
        elif not stat.S_ISDIR(mode):
            raise FileFault(f"{path} is no file.")
    blobs = blob_ids(folder, seen, cache)
    names = {path: PurePosixPath(path.relative_to(folder)) for path in seen}
    return {names[path]: Hashed(found, blobs[names[path]]) for path, found in seen.items()}


def _kept(
    deliveries: Deliveries,
    delivery: Delivery,
    before: str,
    at: Path,
    there: Mapping[PurePosixPath, Hashed],
) -> Shared | None:
    """Write the folders that changed. Returns the files of all others; None if the whole has to be
    written."""
    changed = deliveries.write_changed(delivery, before, at)
    if changed is None:
        return None
    written, gone = folders_of(at), set[PurePosixPath]()
    if changed.gone is not None:
        gone = folders_of(changed.gone)
        remove_whole(changed.gone)
    kept = {name: file for name, file in there.items() if name.parent not in written | gone}
    is_whole = len(_parents(kept)) + len(written) == changed.total
    return kept if is_whole else None


def folders_of(folder: Path) -> set[PurePosixPath]:
    """The folders in a folder that hold files, by their paths in it."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return _parents(PurePosixPath(path.relative_to(folder)) for path in files)


def _parents(names: Iterable[PurePosixPath]) -> set[PurePosixPath]:
    return {name.parent for name in names}


def _shared(place: Path, at: Path, kept: Shared, cache: Cache) -> Shared | None:
    """Give files a second name in another folder. Returns them as they are then; None if somebody
    has touched one. Raises FileFault and OSError."""
    for name, file in kept.items():
        if not file.is_at(place / name):
            return None
        (at / name).parent.mkdir(parents=True, exist_ok=True)
        _link(place / name, at / name)
    found = carried({at / name: file for name, file in kept.items()}, cache)
    shared = {name: found.get(at / name) or _read(at / name, cache) for name in kept}
    is_same = all(file.blob == kept[name].blob for name, file in shared.items())
    return shared if is_same else None


def _read(path: Path, cache: Cache) -> Hashed:
    if path.is_symlink():
        raise FileFault(f"{path} is a link.")
    seen = identity(path)
    return Hashed(seen, remembered_blob_id(path, cache))


def _link(source: Path, target: Path) -> None:
    """Give a file a second name. If the disk has no such thing, copy it with its times: the copy is
    read once more then."""
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError as exc:
        if exc.errno == errno.EXDEV:  # nor would the times survive the way back
            raise
        shutil.copy2(source, target, follow_symlinks=False)


def remember(place: Path, shared: Shared, cache: Cache) -> None:
    """Know the hashes of files that lost their other name."""
    carried({place / name: file for name, file in shared.items()}, cache)
