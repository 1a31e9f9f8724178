"""Which load of its raw data a source means: the files it names, and their version."""

from __future__ import annotations

import fnmatch
import glob
import os
import stat
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from seeknal_git.cache import Cache
from seeknal_git.errors import (
    FileFault,
    GitError,
    Problem,
    ProjectError,
    SeeknalError,
    limits,
    raising,
)
from seeknal_git.files import write_whole
from seeknal_git.git.filters import Revised
from seeknal_git.git.lfs import LARGEST_POINTER, large_file_hash, sha256_of
from seeknal_git.git.modules import Module, module_at
from seeknal_git.git.repository import Repository
from seeknal_git.git.tree import Tree, blob_id_of_bytes
from seeknal_git.nodes.node import Node
from seeknal_git.project.fingerprints import digest, whole_of_source
from seeknal_git.project.graph import Graph
from seeknal_git.project.held_files import Held, Holder, ending_of, holding, remembered_blob_id
from seeknal_git.project.tracked import glob_match, resolved, tracked_files
from seeknal_git.sql.engine_version import engine_release
from seeknal_git.sql.readers import Contract
from seeknal_git.sql.sandbox import Reach


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

    @property
    def tracked(self) -> str | None:
        """The part of the tree that decides the file: its blob, or the target of a link to it."""
        return self.blob or self.leads


@dataclass(frozen=True, slots=True)
class Opened:
    """A source's files, held open, and the data version of exactly these bytes."""

    files: Sequence[DataFile]
    held: Sequence[Held]
    version: str

    @property
    def paths(self) -> list[Path]:
        return [file.path for file in self.held]

    @property
    def blobs(self) -> list[str]:
        return [file.blob or held.blob for file, held in zip(self.files, self.held, strict=True)]

    def confirm(self) -> None:
        """Raise FileFault if somebody wrote into one of the files since it was hashed."""
        for file in self.held:
            file.confirm()

    def in_words(self, message: str) -> str:
        """A message of the engine with the files' own names."""
        for file, held in zip(self.files, self.held, strict=True):
            message = message.replace(str(held.path), file.path)
        return message


@dataclass(frozen=True, slots=True)
class DataRoot:
    """Where raw data is read from: a tree for tracked files, and folders for all others."""

    repository: Repository
    tree: Tree
    # The project here, then in the data root, whose raw data all working trees share.
    folders: tuple[Path, ...]
    # The paths tracked in one of these: a file that another branch tracks is not raw data of this
    # one.
    tracked: Collection[str]
    cache: Cache
    # Source → the contract of its load before.
    contracts: Mapping[str, Contract] = field(default_factory=dict)
    # Source → hash of everything that it takes from its contract.
    adopted: Mapping[str, str] = field(default_factory=dict)
    _known: dict[str, dict[str, DataFile]] = field(default_factory=dict, init=False, compare=False)

    @property
    def home(self) -> Path:
        """The project's folder in the data root, where production's files belong."""
        return self.folders[-1]

    def files(self, source: Node) -> list[DataFile]:
        """The files that a source names, in the order of their paths; none if there are none.
        Raises ProjectError."""
        try:
            return self._files(str(source.definition["path"]))
        except FileFault as exc:
            raise ProjectError([_fault(source, exc.message, exc.hint or "")]) from exc

    def _files(self, pattern: str) -> list[DataFile]:
        found = {
            path: file
            for folder in reversed(self.folders)
            for path in _on_disk(folder, pattern)
            if path not in self.tracked and (file := self._untracked(folder, path))
        }
        found |= self._tracked_files(pattern)
        return [found[path] for path in sorted(found)]

    def _tracked_files(self, pattern: str) -> dict[str, DataFile]:
        if pattern not in self._known:
            tracked = tracked_files(self.tree, pattern)
            found = {
                path: DataFile(path, self.repository.project / path, blob)
                for path, blob in tracked.items()
            }
            self._known[pattern] = found | self._filtered(tracked) | self._in_modules(pattern)
        return self._known[pattern]

    def _untracked(self, folder: Path, path: str) -> DataFile | None:
        """A file on disk; behind a link that git tracks it is the one that this tree's link leads
        to."""
        real = resolved(self.tree, path)
        if real == path or (real is None and not (folder / path).resolve().is_relative_to(folder)):
            return DataFile(
                path, folder / path
            )  # behind a link that leaves the project, it is refused as such
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

    @property
    def _attributes(self) -> Revised:
        return Revised(self.repository, None if self.tree.dirty else self.tree.commit)

    def _filtered(self, tracked: Mapping[str, str]) -> dict[str, DataFile]:
        """The tracked files that are something else once they are checked out. Raises GitError."""
        made_by = self._attributes.filtered(tracked)
        keys = {path: digest(path, tracked[path], made) for path, made in made_by.items()}
        known = self.cache.get("filtered", keys.values()) if keys else {}
        fresh = {
            key: blob_id_of_bytes(self._attributes.content(path, tracked[path]))
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

    def faults(self, source: Node, files: Iterable[DataFile]) -> list[Problem]:
        """The problems of files that are there: one is empty, or a link that leaves the
        project."""
        found = []
        for file in files:
            if file.blob is None and not file.at.is_file():
                message = (
                    f"{file.path} is a link that leads nowhere, or no file but a pipe or a device."
                )
                found.append(
                    _fault(source, message, "Put the data itself there, or remove the link.")
                )
            elif file.blob is None and self._is_private(file):
                message = f"{file.path} is not raw data, but git's or yours alone."
                found.append(_fault(source, message, "Name another file."))
            elif file.blob is None and not any(
                file.at.resolve().is_relative_to(folder) for folder in self.folders
            ):
                message = f"{file.path} is a link that leaves the project."
                found.append(_fault(source, message, "Put the data itself below the project."))
            elif self._blob(source, file) == _EMPTY_BLOB:
                message = f"{file.path}, which {source.id} reads, is empty."
                found.append(_fault(source, message, "Put data there, or at least a header."))
        return found

    def _is_private(self, file: DataFile) -> bool:
        """Also through a link."""
        real = file.at.resolve()
        return _private(file.path) or any(
            _private(real.relative_to(folder).as_posix())
            for folder in self.folders
            if real.is_relative_to(folder)
        )

    def sound_files(self, source: Node) -> list[DataFile]:
        """Like `files`. Raises ProjectError where something is wrong with one of them."""
        found = self.files(source)
        if faults := self.faults(source, found):
            raise ProjectError(faults)
        return found

    def need_files(self, source: Node) -> list[DataFile]:
        """Like `sound_files`. Raises ProjectError where there are none."""
        if not (found := self.sound_files(source)):
            raise ProjectError([absence(source)])
        return found

    def moved(self, source: Node, contents: str) -> bool:
        """Whether a source's files are no longer as they were when somebody read these contents in
        them."""
        try:
            return self.contents(source, self.files(source)) != contents
        except SeeknalError:
            return True

    def _blob(self, source: Node, file: DataFile) -> str:
        """Raises ProjectError for a file that cannot be read."""
        try:
            return file.blob or remembered_blob_id(file.at, self.cache)
        except FileFault as exc:
            raise _unreadable(source, file, exc) from exc

    def contents(self, source: Node, files: Iterable[DataFile]) -> str:
        """A hash of everything that the files of a source decide, and of everything that it takes
        from an earlier load. Raises ProjectError."""
        return adopting(self.own_contents(source, files), self.adopted.get(source.id, ""))

    def own_contents(self, source: Node, files: Iterable[DataFile]) -> str:
        """A hash of everything that the files of a source decide by themselves. Raises
        ProjectError."""
        files = list(files)
        return _contents(files, self.blobs(source, files))

    def blobs(self, source: Node, files: Iterable[DataFile]) -> list[str]:
        """Raises ProjectError."""
        return [self._blob(source, file) for file in files]

    def version(self, source: Node) -> str:
        """The data version that a source has if it is read now. Raises ProjectError."""
        files = self.need_files(source)
        return read_by_this_engine(self.contents(source, files), files)

    @property
    def reading_folder(self) -> Path:
        """Where the files that are held have their names."""
        return self.repository.private / "reading"

    @property
    def blobs_folder(self) -> Path:
        """Where files of commits that are not checked out are written."""
        return self.repository.private / "blobs"

    @contextmanager
    def opened(self, source: Node) -> Iterator[Opened]:
        """Hold the files of a source until the end of the block. Raises ProjectError."""
        files = self.need_files(source)
        with holding(self.reading_folder, self.cache) as holder:
            held = [self._held(holder, source, file) for file in files]
            blobs = [
                file.blob or held_file.blob for file, held_file in zip(files, held, strict=True)
            ]
            contents = adopting(_contents(files, blobs), self.adopted.get(source.id, ""))
            yield Opened(files, held, read_by_this_engine(contents, files))

    def _held(self, holder: Holder, source: Node, file: DataFile) -> Held:
        try:
            held = holder.hold(self._path(source, file))
            if file.blob in (None, held.blob) or self._is_large(source, file, held):
                return held
            held = holder.hold(
                self._written_out(source, file)
            )  # git checked out another one meanwhile
            if held.blob == file.blob:
                return held
            raise FileFault(
                f"The copy {held.file} of {file.path} is damaged.",
                "Remove it; it is written again.",
            )
        except FileFault as exc:
            raise _unreadable(source, file, exc) from exc

    def _is_large(self, source: Node, file: DataFile, held: Held) -> bool:
        sha256 = large_file_hash(self._in_git(source, file))
        return sha256 is not None and sha256 == sha256_of(held.path)

    def paths(self, source: Node) -> list[Path]:
        """Files to read, on disk. A tracked file that the working tree has otherwise is written out
        beside git.

        Raises ProjectError.
        """
        return [self._path(source, file) for file in self.need_files(source)]

    def _path(self, source: Node, file: DataFile) -> Path:
        if file.blob is None:
            return file.at
        same = self._is_checked_out(file)
        if same and (file.module is not None or file.at.stat().st_size > LARGEST_POINTER):
            return file.at
        if (large := large_file_hash(self._in_git(source, file))) is not None:
            return _large_file(source, file, large)
        return file.at if same else self._written_out(source, file)

    def _in_git(self, source: Node, file: DataFile) -> bytes:
        try:
            if file.module is not None:
                return file.module.read(file.blob or "")
            if file.stored is None:
                return self.tree.read(file.blob or "")
            content = self._attributes.content(file.path, file.stored)
            if (found := blob_id_of_bytes(content)) == file.blob:
                return content
            made_by = self._attributes.filtered([file.path]).get(file.path, "")
            self.cache.put("filtered", {digest(file.path, file.stored, made_by): found})
            raise GitError("Its filter gave another content before.", "Run the same command again.")
        except KeyError as exc:
            raise ProjectError(
                [
                    _fault(
                        source, f"{file.path} is not here as it was.", "Run the same command again."
                    )
                ]
            ) from exc
        except GitError as exc:
            raise ProjectError(
                [_fault(source, f"{file.path} cannot be read. {exc.message}", exc.hint or "")]
            ) from exc

    def _is_checked_out(self, file: DataFile) -> bool:
        try:
            return file.at.is_file() and remembered_blob_id(file.at, self.cache) == file.blob
        except (FileFault, OSError):  # git is replacing it, or it may not be read: git has it
            return False

    def _written_out(self, source: Node, file: DataFile) -> Path:
        copy = self.blobs_folder / str(file.blob) / Path(file.path).name
        if not copy.exists():
            write_whole(copy, self._in_git(source, file))
        return copy


def _large_file(source: Node, file: DataFile, sha256: str) -> Path:
    if file.at.is_file() and sha256_of(file.at) == sha256:
        return file.at
    raise ProjectError(
        [
            _fault(
                source,
                f"{file.path} is kept in Git LFS, and that version is not here.",
                "git lfs pull",
            )
        ]
    )


def _contents(files: Sequence[DataFile], blobs: Sequence[str]) -> str:
    """The engine unpacks a file by the ending of its name. (The name in full is the definition's,
    or nobody's.)"""
    return digest(
        "data", *(f"{blob}{ending_of(file.path)}" for file, blob in zip(files, blobs, strict=True))
    )


def adopting(contents: str, adopted: str) -> str:
    """Contents that are read as an earlier load was."""
    return digest(contents, adopted) if adopted else contents


def read_by_this_engine(contents: str, files: Iterable[DataFile] = ()) -> str:
    """The data version of contents: another release of the engine finds other types, and other
    values, in them; and links that git tracks say which files are meant."""
    return "@".join(filter(None, (contents, engine_release(), _links(files))))


def _links(files: Iterable[DataFile]) -> str:
    leads = [f"{file.path} {file.leads}" for file in files if file.leads is not None]
    return digest("links", *leads) if leads else ""


def keeps_load(source: Node, root: DataRoot, version: str) -> bool:
    """Whether a source keeps a load. If git tracks some of its files, or links to them, these
    decide."""
    files = root.files(source)
    if not any(file.blob for file in files):
        return "".join(version.split("@")[2:]) == _links(files)
    return all(file.blob for file in files) and root.contents(source, files) == contents_of(version)


def contents_of(version: str) -> str:
    """A data version without the engine that read it."""
    return version.partition("@")[0]


def engine_of(version: str) -> str:
    return "".join(version.split("@")[1:2])


def _unreadable(source: Node, file: DataFile, fault: FileFault) -> ProjectError:
    return ProjectError(
        [_fault(source, fault.message.replace(str(file.at), file.path), fault.hint or "")]
    )


_EMPTY_BLOB = "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"


def absence(source: Node) -> Problem:
    """A word on raw data that is not here."""
    message = f"{source.id} reads {source.definition['path']}, and there is no such file."
    return _fault(source, message, "Put the file there, or correct the path.")


def _fault(source: Node, message: str, hint: str) -> Problem:
    line = source.line("params.path" if "params.path" in source.lines else "table")
    return Problem(message, source.path, line, hint, source.id)


def _on_disk(project: Path, pattern: str) -> Iterable[str]:
    """Raises FileFault for a folder that cannot be listed: its files would be missing, and nobody
    would know."""
    try:
        there = (project / pattern).is_file() or _is_special(project / pattern)
        if there or not glob.has_magic(pattern):
            return [pattern] if there else []
        found = _Walk(project, tuple(pattern.split("/"))).below("")
        return [path for path in dict.fromkeys(found) if not _private(path)]
    except OSError as exc:
        raise FileFault(
            f"{exc.filename} cannot be read: {exc.strerror}.", "Make it readable for you."
        ) from exc


@dataclass(slots=True)
class _Walk:
    """The files that match a glob, and links that lead nowhere. `**` follows no links.

    seen: folders, each with how much of the glob was used up there: two `**` reach a folder in many
    ways. looked: how many entries were looked at: with links to folders around them, there may be
    any number of names.
    """

    project: Path
    pattern: tuple[str, ...]
    seen: set[tuple[str, int]] = field(default_factory=set)
    looked: int = 0

    def below(self, folder: str, used: int = 0) -> Iterator[str]:
        if (folder, used) in self.seen:
            return
        self.seen.add((folder, used))
        first, is_last = self.pattern[used], used + 1 == len(self.pattern)
        if first == "**" and not is_last:
            yield from self.below(folder, used + 1)
        for entry in self._entries(folder):
            path = f"{folder}{entry.name}"
            if first == "**":
                if entry.is_dir(follow_symlinks=False):
                    yield from self.below(f"{path}/", used)
            elif fnmatch.fnmatchcase(entry.name, first):
                if not is_last and entry.is_dir():
                    yield from self.below(f"{path}/", used + 1)
                elif is_last and (
                    Path(entry.path).is_file() or _leads_nowhere(entry) or _is_special(entry.path)
                ):
                    yield path

    def _entries(self, folder: str) -> list[os.DirEntry[str]]:
        try:
            entries = list(os.scandir(self.project / folder))
        except (FileNotFoundError, NotADirectoryError):
            return []
        self.looked += len(entries)
        if self.looked > (most := limits().files):
            message = f"{'/'.join(self.pattern)} looks at more than {most:,} files."
            raise FileFault(message, f"Name their folders. {raising('files')}")
        return entries


def _leads_nowhere(entry: os.DirEntry[str]) -> bool:
    """Whether it is a broken link that somebody named like data. (Editors lock a file by a hidden
    one.)"""
    return entry.is_symlink() and not entry.name.startswith(".") and not Path(entry.path).exists()


def _is_special(path: str | Path) -> bool:
    """Whether it is a pipe, a socket or a device: to read it may take for ever."""
    try:
        mode = Path(path).stat().st_mode
    except (OSError, ValueError):
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def _private(path: str) -> bool:
    """Whether a file may hold passwords: a checkout in CI leaves some below `.git`, and `init`
    tells git to ignore the others."""
    parts = path.lower().split("/")
    return ".git" in parts or path.lower() in ("profiles.yml", ".env")


def reach_of(graph: Graph, root: DataRoot, nodes: Iterable[str] | None = None) -> Reach:
    """The files that sources name, of some nodes or of all, and the folders in which they are held
    and copied."""
    chosen = graph.members.keys() if nodes is None else set(nodes)
    files = [
        file.at for source in graph.sources() if source.id in chosen for file in root.files(source)
    ]
    return Reach(files, [root.reading_folder, root.blobs_folder])


def tracked_versions(graph: Graph, root: DataRoot) -> dict[str, str]:
    """The contents that the tree itself decides: those of sources whose files are all tracked by
    git."""
    found = {}
    for source in graph.sources():
        files = root.files(source)
        if files and all(file.blob for file in files):
            found[source.id] = root.contents(source, files)
    return found


def tracked_parts(graph: Graph, root: DataRoot) -> dict[str, str]:
    """The tree's version of raw data, also if git tracks only some of a source's files, or links to
    them."""
    found = tracked_versions(graph, root)
    for source in graph.sources():
        files = root.files(source)
        if source.id not in found and any(file.tracked for file in files):
            found[source.id] = digest(
                "parts", *(f"{file.path} {file.tracked or ''}" for file in files if file.tracked)
            )
    return found


def untracked_sources(graph: Graph, root: DataRoot) -> set[str]:
    """Sources with no tracked files. A branch keeps using the load it already has."""
    return {
        source.id for source in graph.sources() if not any(file.blob for file in root.files(source))
    }


def need_versions(graph: Graph, root: DataRoot, known: Mapping[str, str]) -> dict[str, str]:
    """The data version of every source: tracked, else known (by id), else read now. Raises
    ProjectError.

    If git tracks only some files of a source, all are read now: the tracked ones are part of the
    tree. Sources of one definition have one version, even if their files move in the meantime.
    """
    read: dict[str, str] = {}
    found = {
        source: version
        if contents_of(version := known.get(source, "")) == contents
        else read_by_this_engine(contents)
        for source, contents in tracked_versions(graph, root).items()
    }
    problems: list[Problem] = []
    for source in graph.sources():
        if source.id in found:
            continue
        whole = whole_of_source(source)
        if source.id in known and keeps_load(source, root, known[source.id]):
            found[source.id] = known[source.id]
            continue
        try:
            found[source.id] = read[whole] = read.get(whole) or root.version(source)
        except ProjectError as exc:
            problems += exc.problems
    if problems:
        raise ProjectError(problems)
    return found
