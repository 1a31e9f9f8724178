"""The raw data of a source: its files, their faults, and a hold on them while they are read."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from seeknal_git.cache import Cache
from seeknal_git.errors import FileFault, Problem, ProjectError, SeeknalError
from seeknal_git.names import KEPT
from seeknal_git.nodes.node import Node
from seeknal_git.project.data_contents import DataContents
from seeknal_git.project.data_files import DataFile, DataPlaces
from seeknal_git.project.data_paths import DataPath
from seeknal_git.project.data_problems import absence, fault
from seeknal_git.project.data_versions import adopting, contents_hash, read_by_this_engine
from seeknal_git.project.disk_files import is_private
from seeknal_git.project.graph import Graph
from seeknal_git.project.held_files import Held, holding
from seeknal_git.sql.readers import Contract
from seeknal_git.sql.sandbox import Reach

if TYPE_CHECKING:
    from seeknal_git.project.kept_files import KeptFiles
    from seeknal_git.project.outsides import Away

_EMPTY_BLOB = "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"


@dataclass(frozen=True, slots=True)
class Opened:
    """A source's files, held open, and the data version of exactly these bytes: some of its files,
    or all."""

    files: Sequence[DataFile]
    held: Sequence[Held]
    version: str
    sheets: Sequence[Path] = ()  # the rows of files that are sheets

    @property
    def paths(self) -> list[Path]:
        return [*self.sheets] or [file.path for file in self.held]

    @property
    def blobs(self) -> list[str]:
        return [file.known or held.blob for file, held in zip(self.files, self.held, strict=True)]

    def confirm(self) -> None:
        """Raise FileFault if somebody wrote into one of the files since it was hashed."""
        for file in self.held:
            file.confirm()

    def in_words(self, message: str) -> str:
        """A message of the engine with the files' own names."""
        for file, held in zip(self.files, self.held, strict=True):
            message = message.replace(str(held.path), file.path)
        for file, sheet in zip(self.files, self.sheets, strict=False):
            message = message.replace(str(sheet), file.path)
        return message


@dataclass(frozen=True, slots=True)
class DataRoot:
    """The raw data of a project's sources, and the loads that they follow."""

    places: DataPlaces
    # Source → the contract of its load before.
    contracts: Mapping[str, Contract] = field(default_factory=dict)
    # Source → hash of everything that it takes from its contract.
    adopted: Mapping[str, str] = field(default_factory=dict)
    # Source → how it is seen, of the sources outside whose load is not kept anyway.
    away: Mapping[str, Away] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        """The project's folder in the data root, where production's files belong."""
        return self.places.folders[-1]

    @property
    def cache(self) -> Cache:
        return self.places.cache

    @property
    def _contents(self) -> DataContents:
        return DataContents(self.places)

    def files(self, source: Node) -> list[DataFile]:
        """The files that a source names, in the order of their paths; none if there are none.
        Of a source outside, those with the rows that were read just now. Raises ProjectError."""
        if source.outside:
            return list(self.away[source.id].files) if source.id in self.away else []
        try:
            return self.places.named(DataPath.of(source))
        except FileFault as exc:
            raise ProjectError([fault(source, exc.message, exc.hint or "")]) from exc

    def faults(self, source: Node, files: Iterable[DataFile]) -> list[Problem]:
        """The problems of files that are there: one is empty, or a link that leaves the
        project."""
        if source.outside:
            return []
        files = list(files)
        known, folders, found = self._contents.known_blobs(files), _Folders(self.places), []
        for file in files:
            real = folders.real(file) if file.blob is None else None
            if file.blob is None and file.path not in known and not file.at.is_file():
                message = (
                    f"{file.path} is a link that leads nowhere, or no file but a pipe or a device."
                )
                found.append(
                    fault(source, message, "Put the data itself there, or remove the link.")
                )
            elif real is not None and (is_private(file.path) or folders.is_private(real)):
                message = f"{file.path} is not raw data, but git's or yours alone."
                found.append(fault(source, message, "Name another file."))
            elif real is not None and not folders.have(real):
                message = f"{file.path} is a link that leaves the project."
                found.append(fault(source, message, "Put the data itself below the project."))
            elif (known.get(file.path) or self._contents.blob(source, file)) == _EMPTY_BLOB:
                message = f"{file.path}, which {source.id} reads, is empty."
                found.append(fault(source, message, "Put data there, or at least a header."))
        return found

    def sound_files(self, source: Node) -> list[DataFile]:
        """Like `files`. Raises ProjectError where something is wrong with one of them."""
        found = self.files(source)
        if faults := self.faults(source, found):
            raise ProjectError(faults)
        return found

    def need_files(self, source: Node) -> list[DataFile]:
        """Like `sound_files`. Raises ProjectError where there are none."""
        if not (found := self.sound_files(source)):
            raise ProjectError([self.absence(source)])
        return found

    def absence(self, source: Node) -> Problem:
        """A word on raw data that is not here."""
        away = self.away.get(source.id)
        return (away.problem if away else None) or absence(source)

    @property
    def unmoved(self) -> dict[str, str]:
        """Source outside → the version of its load, of those that did not move since."""
        return {source: away.version for source, away in self.away.items() if away.version}

    def moved(self, source: Node, contents: str) -> bool:
        """Whether a source's files are no longer as they were when somebody read these contents in
        them."""
        try:
            return self.contents(source, self.files(source)) != contents
        except SeeknalError:
            return True

    def contents(self, source: Node, files: Iterable[DataFile]) -> str:
        """A hash of everything that the files of a source decide, and of everything that it takes
        from an earlier load. Raises ProjectError."""
        return adopting(self.own_contents(source, files), self.adopted.get(source.id, ""))

    def own_contents(self, source: Node, files: Iterable[DataFile]) -> str:
        """A hash of everything that the files of a source decide by themselves. Raises
        ProjectError."""
        files = list(files)
        return contents_hash(files, self.blobs(source, files))

    def blobs(self, source: Node, files: Iterable[DataFile]) -> list[str]:
        """Raises ProjectError."""
        return self._contents.blobs(source, list(files))

    def version(self, source: Node) -> str:
        """The data version that a source has if it is read now. Raises ProjectError."""
        files = self.need_files(source)
        return read_by_this_engine(self.contents(source, files), files)

    @property
    def reading_folder(self) -> Path:
        """Where the files that are held have their names."""
        return self.places.repository.private / "reading"

    @contextmanager
    def opened(self, source: Node, paths: Collection[str] | None = None) -> Iterator[Opened]:
        """Hold the files of a source until the end of the block. Raises ProjectError.

        paths: those to hold, if not all are; the version is that of all.
        """
        files = self.need_files(source)
        chosen = [file for file in files if paths is None or file.path in paths]
        with holding(self.reading_folder, self.cache) as holder:
            held = {file.path: self._contents.held(holder, source, file) for file in chosen}
            others = [file for file in files if file.known or file.path not in held]
            known = dict(
                zip((file.path for file in others), self.blobs(source, others), strict=True)
            )
            blobs = [known.get(file.path) or held[file.path].blob for file in files]
            contents = adopting(contents_hash(files, blobs), self.adopted.get(source.id, ""))
            paths = {path: (file.path, file.blob) for path, file in held.items()}
            sheets = self._sheets(source, paths)
            yield Opened(chosen, [*held.values()], read_by_this_engine(contents, files), sheets)

    def paths(self, source: Node) -> list[Path]:
        """Files to read, on disk. A tracked file that the working tree has otherwise is written out
        beside git.

        Raises ProjectError.
        """
        files = self.need_files(source)
        paths = [self._contents.path(source, file) for file in files]
        if "sheet" not in source.definition:
            return paths
        named = zip(files, paths, self.blobs(source, files), strict=True)
        return self._sheets(source, {file.path: (path, blob) for file, path, blob in named})

    def _sheets(self, source: Node, files: Mapping[str, tuple[Path, str]]) -> list[Path]:
        """The rows of each file of a source that is of sheets, as Parquet. files: name → where it
        is, and its blob. Raises ProjectError."""
        if "sheet" not in source.definition:
            return []
        from seeknal_git.project.sheets import rows_of_sheet

        folder = self.blobs_folder
        return [rows_of_sheet(source, name, *file, folder) for name, file in files.items()]

    @property
    def kept(self) -> KeptFiles:
        """The files that views read in place."""
        from seeknal_git.project.kept_files import KeptFiles

        return KeptFiles(self.places.repository.private / KEPT, self.cache)

    @property
    def blobs_folder(self) -> Path:
        """Where files of commits that are not checked out are written."""
        return self._contents.folder


@dataclass(frozen=True, slots=True)
class _Folders:
    """The folders that files are in once links are followed; each is looked up once."""

    places: DataPlaces
    known: dict[str, str] = field(default_factory=dict)

    def real(self, file: DataFile) -> str:
        """Where a file is once links are followed."""
        if file.at.is_symlink():
            return os.path.realpath(file.at)
        folder, name = os.path.split(file.at)
        if (found := self.known.get(folder)) is None:
            found = self.known[folder] = os.path.realpath(folder)
        return f"{found}{os.sep}{name}"

    def have(self, real: str) -> bool:
        """Whether a file is in one of the places of raw data."""
        return any(real.startswith(f"{folder}{os.sep}") for folder in self.places.folders)

    def is_private(self, real: str) -> bool:
        return any(
            is_private(real.removeprefix(f"{folder}{os.sep}").replace(os.sep, "/"))
            for folder in self.places.folders
            if real.startswith(f"{folder}{os.sep}")
        )


def reach_of(graph: Graph, root: DataRoot, nodes: Iterable[str] | None = None) -> Reach:
    """The files that sources name, of some nodes or of all, and the folders in which they are held
    and copied."""
    chosen = graph.members.keys() if nodes is None else set(nodes)
    files = [
        file.at for source in graph.sources() if source.id in chosen for file in root.files(source)
    ]
    return Reach(files, [root.reading_folder, root.blobs_folder])
