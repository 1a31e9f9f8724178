"""A tree of files as one value, whether it comes from a commit, the index or the working tree."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pygit2
from pygit2.enums import FileMode, FileStatus

from seeknal_git.errors import GitError
from seeknal_git.git import index
from seeknal_git.git.command import blob_content
from seeknal_git.git.index import Entry
from seeknal_git.git.large import LARGEST_POINTER, large_file_hash, sha256_of
from seeknal_git.git.production import KEEPER, production_ref
from seeknal_git.git.repository import Repository, head_commit, parents_of

_GONE = FileStatus.WT_DELETED
_TOUCHED = FileStatus.WT_MODIFIED | FileStatus.WT_TYPECHANGE | FileStatus.WT_RENAMED | FileStatus.CONFLICTED


@dataclass(frozen=True, slots=True)
class Tree:
    """The files of a project: path relative to the project → blob id.

    `commit` is the commit that the tree is, or was before somebody edited it; `dirty` says that somebody did.
    links: the paths that are symbolic links, and no files: to git their content is the name that they point to.
    Data files that git does not track are in no tree.
    """

    files: Mapping[str, str]
    read: Callable[[str], bytes]
    commit: str | None = None
    dirty: bool = False
    links: frozenset[str] = frozenset()


def commit_tree(repository: Repository, commit: str) -> Tree:
    """The tree of a commit."""
    return stored_tree(repository, repository.handle[commit].peel(pygit2.Tree), commit)


def stored_tree(repository: Repository, root: pygit2.Tree, commit: str | None) -> Tree:
    """The project's files in a tree of git's; empty where the project is not in it."""
    if repository.prefix:
        try:
            folder = root[repository.prefix.rstrip("/")]
        except KeyError:
            return Tree({}, _blob_reader(repository), commit)
        if not isinstance(folder, pygit2.Tree):
            return Tree({}, _blob_reader(repository), commit)
        root = folder
    files, links = _parted(_walk(root, ""))
    return Tree(files, _blob_reader(repository), commit, links=frozenset(links))


def _parted(entries: Iterable[Entry]) -> tuple[dict[str, str], set[str]]:
    """The files with their blobs, and the symbolic links."""
    files, links = {}, set()
    for path, blob, mode in entries:
        if mode == FileMode.LINK:
            links.add(path)
        else:
            files[path] = blob
    return files, links


def _walk(tree: pygit2.Tree, prefix: str) -> Iterator[Entry]:
    for entry in tree:
        if isinstance(entry, pygit2.Tree):
            yield from _walk(entry, f"{prefix}{entry.name}/")
        elif isinstance(entry, pygit2.Blob):
            yield f"{prefix}{entry.name}", str(entry.id), entry.filemode


def index_tree(repository: Repository) -> Tree:
    """What is staged: the tree that `git commit` is about to make. Raises GitError where nothing can be staged."""
    if repository.bare:
        raise GitError("Nothing can be staged in a bare repository.", "Its HEAD is validated by: seeknal validate")
    files, links = _parted(_in_project(repository, index.entries(repository, staged=True)))
    return Tree(files, _blob_reader(repository), head_commit(repository), True, frozenset(links))


def _in_project(repository: Repository, entries: Iterable[Entry]) -> Iterator[Entry]:
    cut = len(repository.prefix)
    return ((path[cut:], blob, mode) for path, blob, mode in entries if path.startswith(repository.prefix))


def tracked_paths(repository: Repository) -> frozenset[str]:
    """The files that git tracks in the project, here or in the main working tree; of a link it tracks only the name."""
    found = index.entries(repository)
    main = repository.main_worktree
    if main not in (None, repository.top):
        found += index.entries(replace(repository, top=main, handle=pygit2.Repository(str(repository.common))))
    return frozenset(_parted(_in_project(repository, found))[0])


def working_tree(
    repository: Repository, is_node: Callable[[str], bool], blob_id: Callable[[Path], str] | None = None
) -> Tree:
    """What is on disk: the index, overlaid with what `status` says has changed since.

    is_node: which untracked files belong to the tree; blob_id: hashes a file (a caller may remember hashes).
    """
    files, links = _parted(_in_project(repository, index.entries(repository)))
    on_disk: dict[str, Path] = {}
    cut, dirty = len(repository.prefix), False
    for path, flags in index.status(repository).items():
        name = path[cut:]
        if not path.startswith(repository.prefix) or flags == FileStatus.IGNORED:
            continue
        if flags & FileStatus.WT_NEW and not is_node(name):
            continue
        if flags == FileStatus.WT_MODIFIED and _is_checked_out(repository, files.get(name), repository.top / path):
            continue
        dirty = True
        if not flags & (_GONE | _TOUCHED | FileStatus.WT_NEW):
            continue
        files.pop(name, None)
        links.discard(name)
        place = repository.top / path
        if place.is_symlink():
            links.add(name)
        elif place.is_file():
            files[name] = (blob_id or blob_id_of)(place)
            on_disk[files[name]] = place
    read = _overlaid(on_disk, _blob_reader(repository))
    return Tree(files, read, head_commit(repository), dirty, frozenset(links))


def _is_checked_out(repository: Repository, blob: str | None, path: Path) -> bool:
    """Whether a file is what Git LFS makes of its blob: libgit2 runs no filters, and takes it for modified."""
    kept = repository.handle.get(blob) if blob else None
    if not isinstance(kept, pygit2.Blob) or kept.size > LARGEST_POINTER:
        return False
    wanted = large_file_hash(kept.data)
    return wanted is not None and path.is_file() and sha256_of(path) == wanted


def _overlaid(on_disk: dict[str, Path], read: Callable[[str], bytes]) -> Callable[[str], bytes]:
    def read_either(blob: str) -> bytes:
        if blob not in on_disk:
            return read(blob)
        content = on_disk[blob].read_bytes()
        if str(pygit2.hash(content)) != blob:
            raise GitError(f"{on_disk[blob]} changed while it was read.", "Run the same command again.")
        return content

    return read_either


def _blob_reader(repository: Repository) -> Callable[[str], bytes]:
    def read(blob: str) -> bytes:
        try:
            return repository.handle[blob].peel(pygit2.Blob).data
        except (KeyError, pygit2.GitError) as exc:  # it is not there, or damaged
            if (content := blob_content(blob, repository.top)) is not None:  # a partial clone fetches it now
                return content
            raise GitError(f"The blob {blob[:8]} is not in this clone.", "Fetch it: git fetch --refetch.") from exc

    return read


def blob_id_of(path: Path) -> str:
    """The id that git would give to a file's content, without storing it."""
    return str(pygit2.hashfile(str(path)))


def keep_tree(repository: Repository, tree: Tree, message: str) -> str:
    """Store a tree that was edited as a commit that no branch names, and return its id.

    Its parent is the commit that was edited, and its files outside the project are that commit's. What production shows
    already is not stored again.
    """
    handle, kept = repository.handle, pygit2.Index()
    parents = [tree.commit] if tree.commit else []
    if tree.commit:
        kept.read_tree(handle[tree.commit].peel(pygit2.Tree))
    listed = ((entry.path, str(entry.id), entry.mode) for entry in kept)
    before, _ = _parted(_in_project(repository, listed))
    for gone in before.keys() - tree.files.keys():
        kept.remove(repository.prefix + gone)
    for path, blob in tree.files.items():
        if before.get(path) != blob:
            known = pygit2.Oid(hex=blob) if blob in handle else handle.create_blob(tree.read(blob))
            kept.add(pygit2.IndexEntry(repository.prefix + path, known, FileMode.BLOB))
    stored = kept.write_tree(handle)
    last = production_ref(repository)
    if last and handle[last].peel(pygit2.Tree).id == stored and parents_of(repository, last) == parents:
        return last
    author = pygit2.Signature(*KEEPER)
    return str(handle.create_commit(None, author, author, message, stored, parents))
