"""The bytes of a source's files: on disk as they are, or written out beside git if the working
tree has others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from seeknal_git.errors import FileFault, GitError, ProjectError
from seeknal_git.files import write_whole
from seeknal_git.git.lfs import LARGEST_POINTER, large_file_hash, sha256_of
from seeknal_git.git.tree import blob_id_of_bytes
from seeknal_git.nodes.node import Node
from seeknal_git.project.data_files import DataFile, DataPlaces
from seeknal_git.project.data_problems import fault, unreadable
from seeknal_git.project.fingerprints import digest
from seeknal_git.project.held_files import (
    Held,
    Holder,
    remembered_blob_id,
    remembered_blob_ids,
)


@dataclass(frozen=True, slots=True)
class DataContents:
    """The contents of files of raw data. source: the node that reads a file, for problems."""

    places: DataPlaces

    @property
    def folder(self) -> Path:
        """Where files of commits that are not checked out are written."""
        return self.places.repository.private / "blobs"

    def blob(self, source: Node, file: DataFile) -> str:
        """The id of a file's content. Raises ProjectError for a file that cannot be read."""
        try:
            return file.known or remembered_blob_id(file.at, self.places.cache)
        except FileFault as exc:
            raise unreadable(source, file, exc) from exc

    def blobs(self, source: Node, files: Sequence[DataFile]) -> list[str]:
        """The same of several files."""
        known = self.known_blobs(files)
        return [known.get(file.path) or self.blob(source, file) for file in files]

    def known_blobs(self, files: Iterable[DataFile]) -> dict[str, str]:
        """Path → blob, of the files that need not be read to know it."""
        files = list(files)
        at = {file.path: file.at for file in files if file.known is None}
        known = remembered_blob_ids(at.values(), self.places.cache)
        found = {path: known[place] for path, place in at.items() if place in known}
        return found | {file.path: file.known for file in files if file.known is not None}

    def path(self, source: Node, file: DataFile) -> Path:
        """The file to read, on disk. Raises ProjectError."""
        if file.blob is None:
            return file.at
        same = self._is_checked_out(file)
        if same and (file.module is not None or file.at.stat().st_size > LARGEST_POINTER):
            return file.at
        if (large := large_file_hash(self._in_git(source, file))) is not None:
            return _large_file(source, file, large)
        return file.at if same else self._written_out(source, file)

    def held(self, holder: Holder, source: Node, file: DataFile) -> Held:
        """The file, held open. Raises ProjectError."""
        try:
            held = holder.hold(self.path(source, file))
            if file.blob in (None, held.blob) or self._is_large(source, file, held):
                return held
            # Git checked out another one meanwhile.
            held = holder.hold(self._written_out(source, file))
            if held.blob == file.blob:
                return held
            raise FileFault(
                f"The copy {held.file} of {file.path} is damaged.",
                "Remove it; it is written again.",
            )
        except FileFault as exc:
            raise unreadable(source, file, exc) from exc

    def _is_large(self, source: Node, file: DataFile, held: Held) -> bool:
        sha256 = large_file_hash(self._in_git(source, file))
        return sha256 is not None and sha256 == sha256_of(held.path)

    def _in_git(self, source: Node, file: DataFile) -> bytes:
        try:
            if file.module is not None:
                return file.module.read(file.blob or "")
            if file.stored is None:
                return self.places.tree.read(file.blob or "")
            content = self.places.attributes.content(file.path, file.stored)
            if (found := blob_id_of_bytes(content)) == file.blob:
                return content
            made_by = self.places.attributes.filtered([file.path]).get(file.path, "")
            self.places.cache.put("filtered", {digest(file.path, file.stored, made_by): found})
            raise GitError("Its filter gave another content before.", "Run the same command again.")
        except KeyError as exc:
            message = f"{file.path} is not here as it was."
            raise ProjectError([fault(source, message, "Run the same command again.")]) from exc
        except GitError as exc:
            message = f"{file.path} cannot be read. {exc.message}"
            raise ProjectError([fault(source, message, exc.hint or "")]) from exc

    def _is_checked_out(self, file: DataFile) -> bool:
        try:
            return file.at.is_file() and remembered_blob_id(file.at, self.places.cache) == file.blob
        except (FileFault, OSError):  # git is replacing it, or it may not be read: git has it
            return False

    def _written_out(self, source: Node, file: DataFile) -> Path:
        copy = self.folder / str(file.blob) / Path(file.path).name
        if not copy.exists():
            write_whole(copy, self._in_git(source, file))
        return copy


def _large_file(source: Node, file: DataFile, sha256: str) -> Path:
    if file.at.is_file() and sha256_of(file.at) == sha256:
        return file.at
    message = f"{file.path} is kept in Git LFS, and that version is not here."
    raise ProjectError([fault(source, message, "git lfs pull")])
