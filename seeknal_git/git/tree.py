"""A tree of files as one value: of a commit, of the index, or of the working tree."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path

import pygit2
from pygit2.enums import FileMode, FileStatus

from seeknal_git.errors import GitError, Problem, ProjectError, limits, raising
from seeknal_git.git import filters, index
from seeknal_git.git.command import blob_content
from seeknal_git.git.index import Entry
from seeknal_git.git.lfs import LARGEST_POINTER, large_file_hash, sha256_of
from seeknal_git.git.production_ref import KEEPER, production_ref
from seeknal_git.git.repository import Repository, head_commit, is_ancestor, parents_of

_LONGEST_PATH = 4096
_FOLDER = b"40000"  # the mode of a folder
# Length of an id in bytes → an entry of a tree as git stores it: mode, name, id.
_ENTRY_OF = {
    length: re.compile(rb"([0-7]+) ([^\0]+)\0(.{%d})" % length, re.DOTALL) for length in (20, 32)
}
_FAR = 64  # times as large as a node may be
_GONE = FileStatus.WT_DELETED
_TOUCHED = (
    FileStatus.WT_MODIFIED
    | FileStatus.WT_TYPECHANGE
    | FileStatus.WT_RENAMED
    | FileStatus.CONFLICTED
)


def _no_commit(_: str) -> Tree:
    raise LookupError("and there is no history")


@dataclass(frozen=True, slots=True)
class Tree:
    """The files of a project. Paths are relative to the project. Data files that git does not track
    are in no tree."""

    # The blob of each file.
    files: Mapping[str, str]
    # Reads a blob.
    read: Callable[[str], bytes]
    # The commit that the tree is, or was made from.
    commit: str | None = None
    # Whether the tree differs from the commit.
    dirty: bool = False
    # The blob of each symbolic link. For git, its content is the name that it points to.
    links: Mapping[str, str] = field(default_factory=dict)
    # The commit of each submodule; "" if its files on disk count.
    modules: Mapping[str, str] = field(default_factory=dict)
    # The size of a blob, without reading it; 0 if it is not known.
    size: Callable[[str], int] = lambda _: 0
    # git's id of the project's folder, as it is or was before somebody edited it; "" if there is
    # none.
    id: str = ""
    # The tree of a commit in the history of this one, by its id or the beginning of it. Raises
    # LookupError with the reason if there is none.
    at: Callable[[str], Tree] = _no_commit

    def read_small(self, path: str) -> bytes:
        """The content of a node's file, or of the project's. Raises ProjectError for a file that is
        far too large.

        The caller refuses a file that is just too large, unless it is another tool's.
        """
        blob, most = self.files[path], limits().file_kb
        if self.size(blob) > _FAR * most << 10:
            hint = f"Put data into a file that a source reads. {raising('file_kb')}"
            raise ProjectError([Problem(f"The file is larger than {most} KB.", path, 1, hint)])
        return self.read(blob)


def commit_tree(repository: Repository, commit: str) -> Tree:
    """The tree of a commit."""
    return stored_tree(repository, repository.handle[commit].peel(pygit2.Tree), commit)


def stored_tree(repository: Repository, root: pygit2.Tree, commit: str | None) -> Tree:
    """The project's files in a tree of git's; empty if the project is not in it."""
    folder = _project_folder(repository, root)
    if folder is None:
        return Tree({}, _blob_reader(repository), commit)
    files, links, modules = _parted(walked(folder, ""))
    read, sizes = _blob_reader(repository), _blob_sizes(repository)
    tree_id, at = str(folder.id), partial(_tree_at, repository, commit)
    return Tree(files, read, commit, False, links, modules, sizes, tree_id, at)


def _tree_at(repository: Repository, of: str | None, commit: str) -> Tree:
    """The tree of a commit in the history of another one; in the clone, without one. Raises
    LookupError with the reason if there is none."""
    try:
        found: object = repository.handle[commit]
    except KeyError as exc:
        raise LookupError("which is not in this clone") from exc
    except ValueError as exc:
        raise LookupError("and the ids of several objects begin so") from exc
    if not isinstance(found, pygit2.Commit):
        raise LookupError("which is no commit")
    own = str(found.id)
    with suppress(pygit2.GitError):  # a shallow clone lacks some between both
        if of is None or is_ancestor(repository, own, of):
            return commit_tree(repository, own)
    raise LookupError("which is not in this history")


def _project_folder(repository: Repository, root: pygit2.Tree) -> pygit2.Tree | None:
    if not repository.prefix:
        return root
    try:
        folder = root[repository.prefix.rstrip("/")]
    except KeyError:
        return None
    return folder if isinstance(folder, pygit2.Tree) else None


def _id_at(repository: Repository, commit: str | None) -> str:
    """Git's id of the project's folder in a commit; empty if there is none."""
    root = repository.handle[commit].peel(pygit2.Tree) if commit else None
    folder = _project_folder(repository, root) if root else None
    return str(folder.id) if folder else ""


def _parted(entries: Iterable[Entry]) -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
    """The entries divided into files and symbolic links with their blobs, and submodules with their
    commits."""
    files: dict[str, str] = {}
    links: dict[str, str] = {}
    modules: dict[str, str] = {}
    kinds = {int(FileMode.LINK): links, int(FileMode.COMMIT): modules}
    for path, blob, mode in entries:
        kinds.get(mode, files)[path] = blob
    return files, links, modules


def walked(tree: pygit2.Tree, prefix: str) -> Iterator[Entry]:
    """All files and submodules in a tree of git's. prefix: comes before their paths.

    Raises GitError for too many: a kilobyte of git's objects may repeat one folder any number of
    times.
    """
    most, looked = limits().files, 0
    waiting = [(prefix, tree, _entries(tree))]
    while waiting:
        folder, inner, entries = waiting[-1]
        for mode, name, raw in entries:
            looked += 1
            path = folder + os.fsdecode(name)
            if looked > most or len(path) > _LONGEST_PATH:
                message = (
                    f"The tree {str(tree.id)[:8]} has more than {most:,} files,"
                    " or longer names than a disk takes."
                )
                raise GitError(message, raising("files"))
            if mode == _FOLDER:
                below = inner[os.fsdecode(name)]
                assert isinstance(below, pygit2.Tree), "its mode says so"
                waiting.append((f"{path}/", below, _entries(below)))
                break
            yield path, raw.hex(), int(mode, 8)
        else:
            waiting.pop()


def _entries(tree: pygit2.Tree) -> Iterator[tuple[bytes, bytes, bytes]]:
    """Mode, name and id of each entry as git stores them: ten times as fast as an object each."""
    pattern = _ENTRY_OF[len(tree.id.raw)]
    return iter(pattern.findall(tree.read_raw()))


def index_tree(repository: Repository) -> Tree:
    """The staged tree, which `git commit` is about to commit. Raises GitError in a bare
    repository."""
    if repository.bare:
        raise GitError(
            "Nothing can be staged in a bare repository.",
            "Its HEAD is validated by: seeknal validate",
        )
    files, links, modules = _parted(_in_project(repository, index.entries(repository, staged=True)))
    read, sizes, commit = _blob_reader(repository), _blob_sizes(repository), head_commit(repository)
    tree_id, at = _id_at(repository, commit), partial(_tree_at, repository, commit)
    return Tree(files, read, commit, True, links, modules, sizes, tree_id, at)


def _in_project(repository: Repository, entries: Iterable[Entry]) -> Iterator[Entry]:
    cut = len(repository.prefix)
    return (
        (path[cut:], blob, mode)
        for path, blob, mode in entries
        if path.startswith(repository.prefix)
    )


class TrackedPaths(Collection[str]):
    """The files that git tracks in the project, here or in the main working tree; of a link it
    tracks only the name."""

    def __init__(self, repository: Repository) -> None:
        self._repositories = [repository]
        main = repository.main_worktree
        if main not in (None, repository.top):
            handle = pygit2.Repository(str(repository.common))
            self._repositories.append(replace(repository, top=main, handle=handle))

    def __contains__(self, path: object) -> bool:
        return bool(self.among([str(path)]))

    def among(self, paths: Collection[str]) -> set[str]:
        """Those of some paths that are tracked."""
        return {path for repository in self._repositories for path in self._of(repository, paths)}

    def _of(self, repository: Repository, paths: Collection[str]) -> set[str]:
        prefix = repository.prefix
        try:
            found = index.files_among(repository, (prefix + path for path in paths))
            return {path.removeprefix(prefix) for path in found}
        except (pygit2.GitError, KeyError):
            return set(self._all.intersection(paths))

    def __iter__(self) -> Iterator[str]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    @cached_property
    def _all(self) -> frozenset[str]:
        listed = (index.entries(repository) for repository in self._repositories)
        found = [entry for entries in listed for entry in entries]
        return frozenset(_parted(_in_project(self._repositories[0], found))[0])


def working_tree(
    repository: Repository,
    is_node: Callable[[str], bool],
    blob_id: Callable[[Path], str] | None = None,
) -> Tree:
    """The tree on disk: the index, overlaid with the changes of `status`.

    is_node: whether an untracked file belongs to the tree. blob_id: hashes a file (a caller may
    remember hashes).
    """
    entries, status = index.entries_and_status(repository, lambda: _head_entries(repository))
    files, links, modules = _parted(_in_project(repository, entries))
    on_disk: dict[str, Path] = {}
    dirty = False
    changed = _changed(repository, status, files, is_node)
    stored = _as_stored(repository, [name for name, flags in changed.items() if flags & _TOUCHED])
    for name, flags in changed.items():
        if flags == FileStatus.WT_MODIFIED and stored.get(name) == files.get(name, ""):
            continue  # only its conversion differs
        dirty = True
        if not flags & (_GONE | _TOUCHED | FileStatus.WT_NEW):
            continue
        if name in modules and not flags & _GONE:
            modules[name] = ""
            continue
        for kind in (files, links, modules):
            kind.pop(name, None)
        place = repository.project / name
        if place.is_symlink():
            links[name] = str(pygit2.hash(os.fsencode(place.readlink())))
            on_disk[links[name]] = place
        elif _is_file(place, name):
            files[name] = stored.get(name) or (blob_id or blob_id_of)(place)
            on_disk[files[name]] = place
    read = _overlaid(on_disk, _blob_reader(repository))
    sizes = _blob_sizes(repository, on_disk)
    commit = head_commit(repository)
    tree_id, at = _id_at(repository, commit), partial(_tree_at, repository, commit)
    return Tree(files, read, commit, dirty, links, modules, sizes, tree_id, at)


def _head_entries(repository: Repository) -> tuple[str, Iterable[Entry]]:
    """The id of HEAD's tree, and its entries; an empty id before the first commit."""
    commit = head_commit(repository)
    if commit is None:
        return "", ()
    root = repository.handle[commit].peel(pygit2.Tree)
    return str(root.id), walked(root, "")


def _is_file(place: Path, name: str) -> bool:
    """Whether a path is a file. Raises GitError for a pipe, a socket or a device."""
    if place.is_file():
        return True
    if place.exists() and not place.is_dir():
        raise GitError(
            f"{name} is a pipe, a socket or a device, and no file.",
            "Put the file back, or remove it.",
        )
    return False


def _changed(
    repository: Repository,
    status: Mapping[str, FileStatus],
    files: Mapping[str, str],
    is_node: Callable[[str], bool],
) -> dict[str, FileStatus]:
    """The project's files that differ from the index or the commit, and how."""
    cut, found = len(repository.prefix), dict[str, FileStatus]()
    for path, flags in status.items():
        name = path[cut:]
        if not path.startswith(repository.prefix) or flags == FileStatus.IGNORED:
            continue
        if flags & FileStatus.WT_NEW and not is_node(name):
            continue
        if flags == FileStatus.WT_MODIFIED and _is_checked_out(
            repository, files.get(name), repository.top / path
        ):
            continue
        found[name] = flags
    return found


def _as_stored(repository: Repository, touched: Iterable[str]) -> dict[str, str]:
    """The blobs that `git add` would make of touched files that it converts.

    They are stored if more than line ends is converted, since only git can read their content then.
    """
    there = [name for name in touched if (repository.project / name).is_file()]
    names = [
        name
        for name in filters.converted(repository, there)
        if not (repository.project / name).is_symlink()
    ]
    found = filters.stored_ids(repository, names)
    more = [
        name for name, blob in found.items() if _with_blob(repository.project / name, blob) is None
    ]
    return found | filters.stored_ids(repository, more, store=True)


def _with_blob(path: Path, blob: str) -> bytes | None:
    """The content of a file on disk that is a blob, as it is or with git's line ends; None if it is
    another."""
    content = os.fsencode(path.readlink()) if path.is_symlink() else path.read_bytes()
    return next(
        (
            version
            for version in (content, content.replace(b"\r\n", b"\n"))
            if str(pygit2.hash(version)) == blob
        ),
        None,
    )


def _is_checked_out(repository: Repository, blob: str | None, path: Path) -> bool:
    """Whether a file is the content that Git LFS has for its blob. libgit2 runs no filters, and
    calls such a file modified."""
    kept = repository.handle.get(blob) if blob else None
    if not isinstance(kept, pygit2.Blob) or kept.size > LARGEST_POINTER:
        return False
    wanted = large_file_hash(kept.data)
    return wanted is not None and path.is_file() and sha256_of(path) == wanted


def _overlaid(on_disk: dict[str, Path], read: Callable[[str], bytes]) -> Callable[[str], bytes]:
    def read_either(blob: str) -> bytes:
        if blob not in on_disk:
            return read(blob)
        if (content := _with_blob(on_disk[blob], blob)) is not None:
            return content
        try:
            return read(blob)
        except GitError as exc:
            raise GitError(
                f"{on_disk[blob]} changed while it was read.", "Run the same command again."
            ) from exc

    return read_either


def _blob_reader(repository: Repository) -> Callable[[str], bytes]:
    def read(blob: str) -> bytes:
        try:
            return repository.handle[blob].peel(pygit2.Blob).data
        except (KeyError, pygit2.GitError) as exc:  # the blob is missing or damaged
            if (
                content := blob_content(blob, repository.top)
            ) is not None:  # a partial clone fetches it now
                return content
            raise GitError(
                f"The blob {blob[:8]} is not in this clone.", "Fetch it: git fetch --refetch."
            ) from exc

    return read


def _blob_sizes(
    repository: Repository, on_disk: Mapping[str, Path] | None = None
) -> Callable[[str], int]:
    def size(blob: str) -> int:
        try:
            if on_disk and blob in on_disk:
                return on_disk[blob].lstat().st_size
            return int(repository.handle.odb.read_header(blob)[1])
        except (
            KeyError,
            OSError,
            ValueError,
            pygit2.GitError,
        ):  # the blob is not in this clone: reading it raises an error
            return 0

    return size


def blob_id_of(path: Path) -> str:
    """The id that git would give to a file's content, without storing it."""
    return str(pygit2.hashfile(str(path)))


def blob_id_of_bytes(content: bytes) -> str:
    return str(pygit2.hash(content))


def keep_tree(repository: Repository, tree: Tree, message: str) -> str:
    """Store an edited tree as a commit that no branch names, and return its id.

    Its parent is the commit that was edited, which also gives the files outside of the project. A
    tree that production already shows is not stored again.
    """
    handle, kept = repository.handle, pygit2.Index()
    parents = [tree.commit] if tree.commit else []
    if tree.commit:
        kept.read_tree(handle[tree.commit].peel(pygit2.Tree))
    listed = ((entry.path, str(entry.id), entry.mode) for entry in kept)
    before, *_ = _parted(_in_project(repository, listed))
    for gone in before.keys() - tree.files.keys():
        kept.remove(repository.prefix + gone)
    for path, blob in tree.files.items():
        if before.get(path) != blob:
            known = pygit2.Oid(hex=blob) if blob in handle else handle.create_blob(tree.read(blob))
            kept.add(pygit2.IndexEntry(repository.prefix + path, known, FileMode.BLOB))
    stored = kept.write_tree(handle)
    last = production_ref(repository)
    if (
        last
        and handle[last].peel(pygit2.Tree).id == stored
        and parents_of(repository, last) == parents
    ):
        return last
    author = pygit2.Signature(*KEEPER)
    return str(handle.create_commit(None, author, author, message, stored, parents))
