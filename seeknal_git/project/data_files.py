"""The files of raw data that a source names: in a tree, in its submodules, and on disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from seeknal_git.cache import Cache
from seeknal_git.git.filters import Revised
from seeknal_git.git.modules import Module, module_at
from seeknal_git.git.repository import Repository
from seeknal_git.git.tree import TrackedPaths, Tree, blob_id_of_bytes
from seeknal_git.project.data_paths import DataPath
from seeknal_git.project.disk_files import on_disk
from seeknal_git.project.fingerprints import digest
from seeknal_git.project.held_files import remembered_blob_id
from seeknal_git.project.profile_places import ProfilePlaces
from seeknal_git.project.tracked import glob_match, resolved, tracked_files


@dataclass(frozen=True, slots=True)
class DataFile:
    """A file of raw data."""

    # In the project.
    path: str
    # On disk.
    at: Path
    # The id of its content in a checkout, if git tracks it.
    blob: str | None = None
    # The blob in git, if a checkout has the file in another form.
    stored: str | None = None
    # The submodule that it is in.
    module: Module | None = None
    # The target of a link that git tracks, if git does not track the file there.
    leads: str | None = None
    # The id of its content if that is no hash of its bytes: of rows that came from outside.
    content: str | None = None

    @property
    def known(self) -> str | None:
        """The id of its content, if nobody has to read it."""
        return self.blob or self.content

    @property
    def tracked(self) -> str | None:
        """The part of the tree that decides the file: its blob, or the target of a link to it."""
        return self.blob or self.leads


@dataclass(frozen=True, slots=True)
class DataPlaces:
    """The places of raw data: a tree for tracked files, and folders for all others."""

    repository: Repository
    tree: Tree
    # The project here, then in the data root, whose raw data all working trees share.
    folders: tuple[Path, ...]
    # The paths tracked in one of these: a file that another branch tracks is not raw data of this
    # one.
    tracked: TrackedPaths
    cache: Cache
    profiles: ProfilePlaces  # for sources and targets outside
    _known: dict[DataPath, dict[str, DataFile]] = field(
        default_factory=dict, init=False, compare=False
    )

    def afresh(self) -> DataPlaces:
        """The same places, looked at again."""
        return replace(self)

    @property
    def attributes(self) -> Revised:
        """The attributes of the commit that is meant: they say which filter a file passes."""
        return Revised(self.repository, None if self.tree.dirty else self.tree.commit)

    def named(self, wanted: DataPath) -> list[DataFile]:
        """The files that a source names, in the order of their paths. Raises FileFault for a
        folder that cannot be listed, and GitError."""
        found: dict[str, DataFile] = {}
        for folder in reversed(self.folders):
            paths = [path for path in on_disk(folder, wanted.glob) if wanted.takes(path)]
            tracked = self.tracked.among(paths)
            untracked = (self._untracked(folder, path) for path in paths if path not in tracked)
            found |= {file.path: file for file in untracked if file}
        found |= self._tracked_files(wanted)
        return [found[path] for path in sorted(found)]

    def _tracked_files(self, wanted: DataPath) -> dict[str, DataFile]:
        if wanted not in self._known:
            named = tracked_files(self.tree, wanted.glob)
            tracked = {path: blob for path, blob in named.items() if wanted.takes(path)}
            found = {
                path: DataFile(path, self.repository.project / path, blob)
                for path, blob in tracked.items()
            }
            in_modules = self._in_modules(wanted.glob)
            found |= {path: file for path, file in in_modules.items() if wanted.takes(path)}
            self._known[wanted] = found | self._filtered(tracked)
        return self._known[wanted]

    def _untracked(self, folder: Path, path: str) -> DataFile | None:
        """A file on disk; behind a link that git tracks it is the one that this tree's link leads
        to."""
        real = resolved(self.tree, path)
        if real == path or (real is None and not (folder / path).resolve().is_relative_to(folder)):
            # Behind a link that leaves the project, it is refused as such.
            return DataFile(path, folder / path)
        there = real is not None and (folder / real).is_file()
        return DataFile(path, folder / str(real), leads=real) if there else None

    def _in_modules(self, pattern: str) -> dict[str, DataFile]:
        """The files in submodules that a pattern names. Raises GitError if it names one that is not
        here."""
        found, wanted = {}, pattern.split("/")
        for path, commit in self.tree.modules.items():
            start = wanted[: path.count("/") + 1]
            if pattern.startswith(f"{path}/") or (
                "**" not in start and glob_match(path.split("/"), start)
            ):
                module = module_at(self.repository, path, commit)
                for name, blob in module.files.items():
                    if glob_match(name.split("/"), wanted):
                        at = self.repository.project / name
                        edited = not commit and at.is_file()
                        now = remembered_blob_id(at, self.cache) if edited else blob
                        found[name] = DataFile(name, at, now, module=module)
        return found

    def _filtered(self, tracked: Mapping[str, str]) -> dict[str, DataFile]:
        """The tracked files that are something else once they are checked out. Raises GitError."""
        made_by = self.attributes.filtered(tracked)
        keys = {path: digest(path, tracked[path], made) for path, made in made_by.items()}
        known = self.cache.get("filtered", keys.values()) if keys else {}
        fresh = {
            key: blob_id_of_bytes(self.attributes.content(path, tracked[path]))
            for path, key in keys.items()
            if key not in known
        }
        if fresh:
            self.cache.put("filtered", fresh)
        content = known | fresh
        return {
            path: DataFile(path, self.repository.project / path, content[key], tracked[path])
            for path, key in keys.items()
        }
