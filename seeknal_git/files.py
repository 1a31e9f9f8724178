"""Writes files only where a project may write, and only over its own files.

Nodes, state tables and checkouts name paths, and no path is trusted. So every write goes through
this module: it judges the name, opens the folders one by one without following links, and puts the
file in place in the folder that it opened. A link that somebody swaps in meanwhile has no effect.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import stat
import unicodedata
import uuid
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Literal

from seeknal_git.errors import FileFault
from seeknal_git.names import operand

_CHUNK = 1 << 20
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
PRIVATE_FILE, PRIVATE_FOLDER = 0o600, 0o700

# The names of the project itself at its top, in lower case: some disks ignore case.
_OWN = frozenset({"seeknal", "seeknal_project.yml", "profiles.yml"})
# A folder with one of these is another repository, or another project.
_BOUNDARIES = (".git", "seeknal_project.yml")
# Characters that HFS+ ignores within a name: `.g\u200cit` is `.git` there (git's core.protectHFS
# has the same list).
_INVISIBLE = dict.fromkeys(
    [*range(0x200C, 0x2010), *range(0x202A, 0x202F), *range(0x206A, 0x2070), 0xFEFF]
)
# A short name, which NTFS gives to every file: `git~1` is `.git`.
_SHORT_NAME = re.compile(r"[^.]{1,6}~[0-9](\..{0,3})?")


# The state of a file at a path: delivered by us, delivered and changed since, or not ours.
Standing = Literal["ours", "changed", "foreign"]


def always_ours(_: Path) -> Standing:
    return "ours"


def folded(name: str) -> str:
    """A name as disks compare it that ignore case, such as APFS, HFS+ and NTFS."""
    if name.isascii():
        return name.lower()
    return unicodedata.normalize("NFC", name.translate(_INVISIBLE)).casefold()


def wrong_name(path: str) -> str | None:
    """Why a delivery may not have a path below a project, in words that follow the path; None if it
    may."""
    parts = [folded(part) for part in re.split(r"[/\\]", path) if part not in ("", ".")]
    leaves = PurePosixPath(path).is_absolute() or not path.isprintable()
    if leaves or ".." in parts or not parts:
        return "leaves the project"
    first = parts[0].partition(":")[0].rstrip(". ")
    hidden = [part for part in parts if part.startswith(".")]
    if first in _OWN or any(part.startswith((".git", ".env")) for part in hidden):
        return "belongs to the project"
    if hidden:
        return f"has a hidden part, `{hidden[0]}`, which may be a program's configuration"
    for part in filter(_SHORT_NAME.fullmatch, parts):
        return f"has a part, `{part}`, that means another file on some disks"
    return None


@dataclass(frozen=True, slots=True)
class Ground:
    """A folder of a project in which files are written."""

    # A folder that the user chose. Links below it are refused.
    top: Path
    # The project's folder below it: "" or ending in `/`.
    prefix: str = ""
    # The files that git tracks, relative to the project.
    tracked: Collection[str] = ()
    _folded: dict[str, str] = field(default_factory=dict, init=False, repr=False, compare=False)

    def at(self, path: str) -> Path:
        return self.top / f"{self.prefix}{path}"

    def met(self, path: str) -> str | None:
        """A tracked file at a path, above it or below it; None if there is none."""
        if self.tracked and not self._folded:
            self._folded.update((folded(tracked), tracked) for tracked in self.tracked)
        wanted = folded(path)
        parents = (wanted, *map(str, PurePosixPath(wanted).parents))
        found = next((self._folded[parent] for parent in parents if parent in self._folded), None)
        around = (
            tracked for name, tracked in self._folded.items() if name.startswith(f"{wanted}/")
        )
        return found or next(around, None)


def refuse(ground: Ground, path: str, standing: Callable[[Path], Standing] = always_ours) -> None:
    """Raise FileFault unless a file or a folder may be written at a path, which is not trusted.

    standing: gives the state of an existing file.
    """
    if wrong := wrong_name(path):
        raise FileFault(f"`{path}` {wrong}.", "Name another file, for example exports/orders.csv.")
    _refuse_boundaries(ground, path)
    with (
        suppress(FileNotFoundError),
        opened_folder(ground.top, str(PurePosixPath(ground.prefix + path).parent)),
    ):
        pass
    _refuse_what_is_there(ground, path, standing)


def _refuse_boundaries(ground: Ground, path: str) -> None:
    for parent in PurePosixPath(path).parents:
        if parent != PurePosixPath():
            found = next(
                (
                    boundary
                    for boundary in _BOUNDARIES
                    if os.path.lexists(ground.at(f"{parent}/{boundary}"))
                ),
                None,
            )
            if found:
                raise FileFault(
                    f"{parent}/ is another project: {found} is in it.", "Name a file elsewhere."
                )


def _refuse_what_is_there(ground: Ground, path: str, standing: Callable[[Path], Standing]) -> None:
    at, tracked = ground.at(path), ground.met(path)
    if at.is_symlink():
        raise FileFault(
            f"{path} is a link.", f"Remove the link, or name another file: rm {operand(path)}"
        )
    found = standing(at) if holds_something(at) else None
    if tracked and not (tracked == path and found == "ours"):
        cure = "Name another file, or let git ignore it: git rm --cached"
        raise FileFault(f"git tracks {tracked}.", f"{cure} {operand(tracked)}")
    if found == "foreign":
        raise FileFault(
            f"{path} is there already, and nothing of this project wrote it.",
            "Move it away, or name another file.",
        )


def holds_something(at: Path) -> bool:
    """Whether a path is a file, or a folder that is not empty."""
    return any(at.iterdir()) if at.is_dir() else os.path.lexists(at)


@contextmanager
def opened_folder(top: Path, folder: str, *, make: int | None = None) -> Iterator[int]:
    """The descriptor of a folder below `top`. No link below `top` is followed.

    make: the mode for missing folders, which are made; None to make none. Raises FileFault for a
    link or a file on the way, and FileNotFoundError for a missing folder that is not made.
    """
    opened = os.open(top, _FOLDER)
    try:
        for number, name in enumerate(parts := PurePosixPath(folder).parts):
            if make is not None:
                with suppress(FileExistsError):
                    os.mkdir(name, make, dir_fd=opened)
            inner = _entered(opened, name, "/".join(parts[: number + 1]))
            os.close(opened)
            opened = inner
        yield opened
    finally:
        os.close(opened)


def _entered(parent: int, name: str, shown: str) -> int:
    try:
        return os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=parent)
    except OSError as exc:
        if exc.errno not in (errno.ELOOP, errno.ENOTDIR):
            raise
        is_link = stat.S_ISLNK(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode)
        what = "a link there leads elsewhere" if is_link else "it is no folder"
        raise FileFault(
            f"{shown}/ cannot be written: {what}.", "Put a folder there, or name another file."
        ) from exc


def write_below(top: Path, path: str, content: bytes) -> None:
    """Write a file with a name of ours, entirely or not at all. Raises FileFault for a link on the
    way or in its place, and OSError if it cannot be written."""
    parent, _, name = path.rpartition("/")
    with opened_folder(top, parent, make=0o777) as folder:
        _refuse_a_link(folder, name, path)
        _write(folder, name, content, 0o666)


def refuse_links(top: Path, path: str) -> None:
    """Raise FileFault if `write_below` would refuse to write."""
    parent, _, name = path.rpartition("/")
    with suppress(FileNotFoundError), opened_folder(top, parent) as folder:
        _refuse_a_link(folder, name, path)


def _refuse_a_link(folder: int, name: str, path: str) -> None:
    if _kind(folder, name) == stat.S_IFLNK:
        raise FileFault(f"{path} is a link.", f"Remove the link: rm {path}")


def write_whole(path: Path, content: bytes, *, private: bool = True) -> None:
    """Write a file entirely or not at all, also if two threads or processes write it at once.

    private: in a folder of ours, for its owner alone; if not, it is a file that the user named.
    """
    if private:
        make_private(path.parent)
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
    folder = os.open(path.parent, _FOLDER)
    try:
        _write(folder, path.name, content, PRIVATE_FILE if private else 0o666)
    finally:
        os.close(folder)


def append_line(path: Path, line: str) -> bool:
    """Add a line to a file that the user named, unless it has that line; whether it was added. The
    file may be a link. Raises OSError if it cannot be written."""
    text = path.read_text(errors="surrogateescape") if path.exists() else ""
    if line in text.splitlines():
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write(f"{line}\n" if not text or text.endswith("\n") else f"\n{line}\n")
    return True


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A new file beside one that the user named. At the end of the block it takes that place; after
    an exception it is removed. Raises OSError if it cannot be written."""
    partial = path.with_name(_partial(path.name))
    try:
        os.close(os.open(partial, _NEW_FILE, 0o666))
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _write(folder: int, name: str, content: bytes, mode: int) -> None:
    partial = _partial(name)
    try:
        with os.fdopen(os.open(partial, _NEW_FILE, mode, dir_fd=folder), "wb") as file:
            file.write(content)
        os.replace(partial, name, src_dir_fd=folder, dst_dir_fd=folder)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(partial, dir_fd=folder)


def _partial(name: str) -> str:
    """The name of a file that is being written."""
    return f".{name[:100]}.{uuid.uuid4().hex[:8]}.partial"


@contextmanager
def beside(top: Path, folder: str) -> Iterator[Path]:
    """A new folder for files that `put_in_place` moves to their paths. It is removed at the end."""
    parent, _, name = folder.rpartition("/")
    with opened_folder(top, parent, make=0o777) as opened:
        os.mkdir(name, PRIVATE_FOLDER, dir_fd=opened)
        try:
            yield top / folder
        finally:
            shutil.rmtree(name, ignore_errors=True, dir_fd=opened)


def put_in_place(
    ground: Ground,
    path: str,
    written: Path,
    standing: Callable[[Path], Standing] = always_ours,
    *,
    kept: str,
) -> bool:
    """Move a file or a folder to its path. A file is replaced in one step, a folder in two renames.

    kept: the path to which a file is moved that somebody changed. Returns whether there was one.
    Raises FileFault if the path is not allowed, and OSError if it cannot be written.
    """
    refuse(ground, path, standing)
    changed = holds_something(ground.at(path)) and standing(ground.at(path)) == "changed"
    parent, _, name = (ground.prefix + path).rpartition("/")
    with opened_folder(ground.top, parent, make=0o777) as folder:
        if changed:
            _keep(ground, folder, name, kept)
        _put(folder, name, written)
    return changed


def _keep(ground: Ground, folder: int, name: str, kept: str) -> None:
    parent, _, new = (ground.prefix + kept).rpartition("/")
    with opened_folder(ground.top, parent, make=0o777) as other:
        os.rename(name, new, src_dir_fd=folder, dst_dir_fd=other)


def _put(folder: int, name: str, written: Path) -> None:
    there, old, partial = _kind(folder, name), f".{name}.old", f".{name}.partial"
    if not written.is_dir() and there != stat.S_IFDIR:
        _moved(written, folder, name, partial)
        return
    _remove(folder, old)
    if there is not None:
        os.rename(name, old, src_dir_fd=folder, dst_dir_fd=folder)
    _moved(written, folder, name, partial)
    _remove(folder, old)


def _kind(folder: int, name: str) -> int | None:
    try:
        return stat.S_IFMT(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return None


def _moved(written: Path, folder: int, name: str, partial: str) -> None:
    try:
        os.replace(written, name, dst_dir_fd=folder)
    except OSError as exc:
        if exc.errno != errno.EXDEV:
            raise
        _remove(folder, partial)
        _copy(written, folder, partial)
        os.replace(partial, name, src_dir_fd=folder, dst_dir_fd=folder)


def _copy(source: Path, folder: int, name: str) -> None:
    if source.is_dir():
        os.mkdir(name, dir_fd=folder)
        inner = os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=folder)
        try:
            for entry in source.iterdir():
                _copy(entry, inner, entry.name)
        finally:
            os.close(inner)
        return
    with (
        source.open("rb") as read,
        os.fdopen(os.open(name, _NEW_FILE, 0o666, dir_fd=folder), "wb") as copy,
    ):
        shutil.copyfileobj(read, copy, _CHUNK)


def _remove(folder: int, name: str) -> None:
    if _kind(folder, name) == stat.S_IFDIR:
        shutil.rmtree(name, dir_fd=folder)
    else:
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=folder)


def remove_whole(path: Path) -> None:
    """Remove a file, a link, or a folder with its content, if it exists."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def make_private(folder: Path, *, ours: bool = True) -> None:
    """Make a folder, and those around it that are missing, for their owner alone.

    ours: also close the folder if it exists already, as an older version made it for everybody. A
    folder that the user named stays as it is.
    """
    for missing in (*reversed(folder.parents), folder):
        if not missing.is_dir():
            missing.mkdir(PRIVATE_FOLDER, exist_ok=True)
    if ours:
        close_to_others(folder)


def make_private_file(path: Path) -> None:
    """Make an empty file that only its owner may read, unless it exists."""
    make_private(path.parent)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE_FILE))
    close_to_others(path)


def close_to_others(path: Path) -> None:
    """Let only the owner into a file or folder of ours."""
    mode = path.stat().st_mode
    if stat.S_IMODE(mode) & 0o077:
        path.chmod(PRIVATE_FOLDER if stat.S_ISDIR(mode) else PRIVATE_FILE)
