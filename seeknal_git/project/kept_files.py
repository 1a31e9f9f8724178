"""The files that views read in place: each is kept under the hash of its content.

A file gets a second name in the clone's own folder, which costs no copy. It stays when the first
name goes, or is given to another file. Only who writes into the file in place changes it.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from seeknal_git.cache import Cache
from seeknal_git.errors import FileFault
from seeknal_git.files import make_private
from seeknal_git.project.data_files import DataFile
from seeknal_git.project.held_files import Held, remembered_blob_id
from seeknal_git.warehouse.model.queries import file_name, kept_path

_TABLE = "`materialized: table` copies the rows."


@dataclass(frozen=True, slots=True)
class KeptFiles:
    """The kept files of a clone."""

    folder: Path
    cache: Cache

    def faults(self, names: Iterable[str]) -> dict[str, str]:
        """Kept file → what is wrong with it, for those that are not here or have another
        content."""
        found = {}
        for name in dict.fromkeys(names):
            path = kept_path(self.folder, name)
            try:
                if file_name(remembered_blob_id(path, self.cache)) != name:
                    found[name] = "was changed in place, though `immutable: true` says it stays"
            except FileFault:
                there = "cannot be read in" if path.exists() else "is not in"
                found[name] = f"{there} {self.folder}"
        return found

    def keep(self, file: DataFile, held: Held) -> str:
        """Keep a file that is held; returns its name. Of a file that git tracks, a copy is kept: a
        checkout may write over the file. Raises FileFault."""
        name = file_name(held.blob)
        if not self.faults([name]):
            return name
        make_private(self.folder)
        aside = self.folder / f".{uuid.uuid4().hex}"
        try:
            if file.tracked or file.module:
                shutil.copyfile(held.path, aside)
            else:
                aside.hardlink_to(file.at.resolve())
                _need_same(file, held, aside)
            aside.replace(kept_path(self.folder, name))
        except OSError as exc:
            raise FileFault(
                f"{file.path} cannot be kept in {self.folder}: {exc.strerror}.",
                f"A hard link needs your own file, on the file system of git's folder. {_TABLE}",
            ) from exc
        finally:
            aside.unlink(missing_ok=True)  # also of a file that has both names already
        return name

    def others(self, names: Iterable[str]) -> list[Path]:
        """The files of the folder that have none of these names, sorted."""
        wanted = {kept_path(self.folder, name) for name in names}
        return sorted(path for path in self.folder.iterdir() if path not in wanted)

    def confirm(self, paths: Mapping[str, str]) -> None:
        """Raise FileFault if a file has another content than when it was kept. paths: kept file →
        its path in the project."""
        for name, fault in self.faults(paths).items():
            raise FileFault(f"{paths[name]} {fault}.", _STILL)


_STILL = "Run the same command again when it lies still."


def _need_same(file: DataFile, held: Held, aside: Path) -> None:
    """Raise FileFault if another file has taken the place of one that is held."""
    if held.descriptor is None or os.path.samestat(os.fstat(held.descriptor), aside.stat()):
        return
    raise FileFault(f"{file.path} was replaced while it was read.", _STILL)
