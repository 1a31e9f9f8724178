"""Which load of its raw data a source means: the files it names, and their version."""

from __future__ import annotations

import fnmatch
import glob
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from seeknal_git.cache import Cache
from seeknal_git.errors import GitError, Problem, ProjectError
from seeknal_git.fingerprint import digest
from seeknal_git.git.large import LARGEST_POINTER, large_file_hash, sha256_of
from seeknal_git.git.repository import Repository
from seeknal_git.git.tree import Tree, blob_id_of
from seeknal_git.graph import Graph
from seeknal_git.names import split_id
from seeknal_git.nodes.node import Node


@dataclass(frozen=True, slots=True)
class DataFile:
    """A file of raw data: its path in the project, where that is on disk, and its blob id where git tracks it."""

    path: str
    at: Path
    blob: str | None = None


@dataclass(frozen=True, slots=True)
class DataRoot:
    """Where raw data is read from: a tree for what git tracks, and folders for what it does not.

    folders: the project here, then in the data root, whose raw data all working trees share. tracked: what is
    tracked in one of these: a file that another branch tracks is not raw data of this one.
    """

    repository: Repository
    tree: Tree
    folders: tuple[Path, ...]
    tracked: frozenset[str]
    cache: Cache

    @property
    def home(self) -> Path:
        """The project's folder in the data root, where production's files belong."""
        return self.folders[-1]

    def files(self, source: Node) -> list[DataFile]:
        """The files that a source names, in the order of their paths; empty where there are none."""
        pattern = str(source.definition["path"])
        found = {
            path: DataFile(path, folder / path)
            for folder in reversed(self.folders)
            for path in _on_disk(folder, pattern)
            if path not in self.tracked
        }
        for path, blob in _tracked(self.tree, pattern).items():
            found[path] = DataFile(path, self.repository.project / path, blob)
        return [found[path] for path in sorted(found)]

    def faults(self, source: Node, files: Iterable[DataFile]) -> list[Problem]:
        """What is wrong with files that are there: one is empty, or a link that leaves the project."""
        found = []
        for file in files:
            if file.blob is None and self._is_private(file):
                found.append(_fault(source, f"{file.path} is not raw data, but git's or yours alone.",
                                    "Name another file."))  # fmt: skip
            elif file.blob is None and not any(file.at.resolve().is_relative_to(each) for each in self.folders):
                found.append(_fault(source, f"{file.path} is a link that leaves the project.",
                                    "Put the data itself below the project."))  # fmt: skip
            elif self.blob(file) == _EMPTY_BLOB:
                found.append(_fault(source, f"{file.path}, which {source.id} reads, is empty.",
                                    "Put data there, or at least a header."))  # fmt: skip
        return found

    def _is_private(self, file: DataFile) -> bool:
        """Also through a link."""
        real = file.at.resolve()
        return _private(file.path) or any(
            _private(real.relative_to(folder).as_posix()) for folder in self.folders if real.is_relative_to(folder)
        )

    def need_files(self, source: Node) -> list[DataFile]:
        """Like `files`. Raises ProjectError where there are none, or something is wrong with one of them."""
        found = self.files(source)
        missing = f"{source.id} reads {source.definition['path']}, and there is no such file."
        if not found:
            raise ProjectError([_fault(source, missing, "Put the file there, or correct the path.")])
        if faults := self.faults(source, found):
            raise ProjectError(faults)
        return found

    def blob(self, file: DataFile) -> str:
        return file.blob or remembered_blob_id(file.at, self.cache)

    def version(self, source: Node) -> str:
        """The data version of a source: a hash of the contents of its files. Raises ProjectError."""
        return digest("data", *(self.blob(file) for file in self.need_files(source)))

    def paths(self, source: Node) -> list[Path]:
        """Files to read, on disk. What the tree tracks and the working tree has otherwise is written out beside git.

        Raises ProjectError.
        """
        return [self._path(source, file) for file in self.need_files(source)]

    def _path(self, source: Node, file: DataFile) -> Path:
        if file.blob is None:
            return file.at
        same = file.at.is_file() and remembered_blob_id(file.at, self.cache) == file.blob
        if same and file.at.stat().st_size > LARGEST_POINTER:
            return file.at
        try:
            content = self.tree.read(file.blob)
        except GitError as exc:
            raise ProjectError([_fault(source, f"{file.path} cannot be read. {exc.message}", exc.hint or "")]) from exc
        if (large := large_file_hash(content)) is not None:
            return _large_file(source, file, large)
        if same:
            return file.at
        copy = self.repository.private / "blobs" / file.blob / Path(file.path).name
        if not copy.exists():
            write_whole(copy, content)
        return copy

    def hashes(self, paths: Iterable[Path]) -> list[str]:
        """The contents of files as they are now, to see whether they change while somebody reads them."""
        return [remembered_blob_id(path, self.cache) for path in paths]


def _large_file(source: Node, file: DataFile, sha256: str) -> Path:
    if file.at.is_file() and sha256_of(file.at) == sha256:
        return file.at
    raise ProjectError(
        [_fault(source, f"{file.path} is kept in Git LFS, and that version is not here.", "git lfs pull")]
    )


_EMPTY_BLOB = "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"


def _fault(source: Node, message: str, hint: str) -> Problem:
    line = source.line("params.path" if "params.path" in source.lines else "table")
    return Problem(message, source.path, line, hint, source.id)


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that it is there entirely or not at all, also where two threads or processes do so at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        partial.write_bytes(content)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _tracked(tree: Tree, pattern: str) -> dict[str, str]:
    if pattern in tree.files or not glob.has_magic(pattern):
        return {pattern: tree.files[pattern]} if pattern in tree.files else {}
    wanted = pattern.split("/")
    return {path: blob for path, blob in tree.files.items() if _glob_match(path.split("/"), wanted)}


def _glob_match(path: list[str], pattern: list[str]) -> bool:
    """Whether a path matches a glob: `*` stays within a folder, `**` is any number of folders."""
    if not pattern or not path:
        return not path and all(part == "**" for part in pattern)
    if pattern[0] == "**":
        return _glob_match(path, pattern[1:]) or _glob_match(path[1:], pattern)
    return fnmatch.fnmatchcase(path[0], pattern[0]) and _glob_match(path[1:], pattern[1:])


def _on_disk(project: Path, pattern: str) -> Iterable[str]:
    there = (project / pattern).is_file()
    if there or not glob.has_magic(pattern):
        return [pattern] if there else []
    found = (path.relative_to(project).as_posix() for path in project.glob(pattern) if path.is_file())
    return [path for path in found if not _private(path)]


def _private(path: str) -> bool:
    """Where passwords may stand: what a checkout in CI leaves below `.git`, and what `init` tells git to ignore."""
    parts = path.lower().split("/")
    return ".git" in parts or path.lower() in ("profiles.yml", ".env")


def remembered_blob_id(path: Path, cache: Cache) -> str:
    """The hash of a file's content, computed again only when the file was touched."""
    stat = path.stat()
    key = f"{str(path)!a}:{stat.st_size}:{stat.st_mtime_ns}:{stat.st_ctime_ns}:{stat.st_ino}"
    known: Mapping[str, str] = cache.get("file", [key])
    if key not in known:
        known = {key: blob_id_of(path)}
        cache.put("file", known)
    return known[key]


def sources_of(graph: Graph) -> list[Node]:
    return [member.node for identifier, member in graph.members.items() if split_id(identifier)[0] == "source"]


def tracked_versions(graph: Graph, root: DataRoot) -> dict[str, str]:
    """The data versions that the tree itself decides: those of sources whose files are all tracked by git."""
    found = {}
    for source in sources_of(graph):
        files = root.files(source)
        if files and all(file.blob for file in files):
            found[source.id] = digest("data", *(file.blob or "" for file in files))
    return found


def untracked_sources(graph: Graph, root: DataRoot) -> set[str]:
    """The sources of whose files git tracks none: a branch keeps the load that it has of them."""
    return {source.id for source in sources_of(graph) if not any(file.blob for file in root.files(source))}


def need_versions(graph: Graph, root: DataRoot, known: Mapping[str, str]) -> dict[str, str]:
    """The data version of every source: tracked, else known (by id), else read now. Raises ProjectError.

    Files of which git tracks only some are read now: the tracked ones are part of the tree. Sources of one definition
    have one version, also where their files move in the meantime.
    """
    found = tracked_versions(graph, root)
    read: dict[str, str] = {}
    for source in sources_of(graph):
        if source.id not in found:
            mixed = any(file.blob for file in root.files(source))
            whole = graph.fingerprints[source.id].whole
            if mixed or source.id not in known:
                found[source.id] = read[whole] = read.get(whole) or root.version(source)
            else:
                found[source.id] = known[source.id]
    return found
