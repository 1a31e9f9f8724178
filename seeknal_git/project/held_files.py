"""Files held open while they are read, so that the bytes that are read are the bytes that were
hashed.

A path is a promise of nobody: git switches branches, a link is swapped, a file is replaced and put
back. An opened file stays the same file. Only who writes into it in place can change it, and the
file's own times tell that.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from seeknal_git.cache import Cache
from seeknal_git.errors import FileFault
from seeknal_git.files import make_private

# The coarsest clock of a file system in use (FAT's) ticks every two seconds. A file that was
# written within one tick of being looked at can be written again without another time: git calls
# such an entry of its index racy.
_TICK_NS = 2_000_000_000
_ATTEMPTS = 5
_CHUNK = 1 << 20
# On Linux an opened file can be opened again by this name, with a position of its own, even after
# it is deleted.
_OPENED = Path("/proc/self/fd")
_ENDING = re.compile(r"\.[A-Za-z0-9]{1,12}")


@dataclass(frozen=True, slots=True)
class Identity:
    """A file at one moment: another one, or another content, has another identity. recent: written
    so shortly before, that a further write may not show in it."""

    device: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int
    recent: bool

    @property
    def key(self) -> str:
        return _key(self.content_key, self.ctime_ns)

    @property
    def content_key(self) -> str:
        """The same without the time that changes with the names of a file."""
        return _content_key(self.device, self.inode, self.size, self.mtime_ns)

    @property
    def was_written_just_now(self) -> bool:
        return time.time_ns() - self.mtime_ns < _TICK_NS


def _content_key(device: int, inode: int, size: int, mtime_ns: int) -> str:
    return f"{device}:{inode}:{size}:{mtime_ns}"


def _key(content_key: str, ctime_ns: int) -> str:
    return f"{content_key}:{ctime_ns}"


def _key_of(found: os.stat_result) -> str:
    """The key of an identity, which need not be made for that."""
    of_content = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
    return _key(_content_key(*of_content), found.st_ctime_ns)


def identity(file: int | Path) -> Identity:
    now = (
        time.time_ns()
    )  # before the file is looked at: a pause between the two must not make it look older
    found = file.stat() if isinstance(file, Path) else os.fstat(file)
    recent = now - found.st_ctime_ns < _TICK_NS
    return Identity(
        found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns, recent
    )


def remembered_blob_id(path: Path, cache: Cache) -> str:
    """The id that git gives to a file's content, computed again only if the file was touched.

    Raises FileFault if it cannot be read, or does not lie still.
    """
    with _faults(path):
        seen = identity(path)
        if (known := _remembered(seen, cache)) is not None:
            return known
        with _opened(path) as descriptor:
            return _hashed(descriptor, path, cache)[0]


def remembered_blob_ids(paths: Iterable[Path], cache: Cache) -> dict[Path, str]:
    """The same of many files at once, of those that were hashed before and not touched since."""
    wanted: dict[str, dict[Path, str]] = {_ALL: {}, _OURS: {}}
    for path in paths:
        now = time.time_ns()
        with suppress(OSError, ValueError):
            found = path.stat()
            topic = _OURS if now - found.st_ctime_ns < _TICK_NS else _ALL
            wanted[topic][path] = _key_of(found)
    known: dict[Path, str] = {}
    for topic, keys in wanted.items():
        there = cache.get(topic, set(keys.values())) if keys else {}
        known |= {path: there[key] for path, key in keys.items() if key in there}
    return known


def _remembered(seen: Identity, cache: Cache) -> str | None:
    known: str | None = cache.get(_topic(seen), [seen.key]).get(seen.key)
    return known


def _topic(seen: Identity) -> str:
    """Of a file that was touched just now, a hash is known only if the touch was ours."""
    return _OURS if seen.recent else _ALL


_ALL, _OURS = "file", "linked"


@dataclass(frozen=True, slots=True)
class Hashed:
    """A file that lies still, and the hash of its content."""

    seen: Identity
    blob: str

    def is_at(self, path: Path) -> bool:
        """Whether nobody has touched the file at a path."""
        try:
            return identity(path).key == self.seen.key
        except OSError:
            return False


def carried(hashed: Mapping[Path, Hashed], cache: Cache) -> dict[Path, Hashed]:
    """The files at some paths, right after they got or lost a name, so that no file has to be read
    again: that changes its ctime alone. A file that is not the same one is left out, and one that
    was written so shortly before that a further write may not show in its mtime."""
    found = {}
    for path, before in hashed.items():
        with suppress(OSError):
            now = identity(path)
            if now.content_key == before.seen.content_key and not now.was_written_just_now:
                found[path] = Hashed(now, before.blob)
    known = {hashed.seen.key: hashed.blob for hashed in found.values()}
    for topic in (_ALL, _OURS):
        cache.put(topic, known)
    return found


def _hashed(descriptor: int, path: Path, cache: Cache) -> tuple[str, Identity]:
    """The hash of an opened file, and its identity before and after it was read. Raises
    FileFault."""
    for _ in range(_ATTEMPTS):
        seen = identity(descriptor)
        if (known := _remembered(seen, cache)) is not None:
            return known, seen
        found = _hash(descriptor, seen.size)
        if found is not None and identity(descriptor).key == seen.key:
            if not seen.recent:
                cache.put(_ALL, {seen.key: found})
            return found, seen
    raise _moved(path)


def _hash(descriptor: int, size: int) -> str | None:
    """Git's id for a blob of this content; None if the file turns out to have another size."""
    hashed, at = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False), 0
    while chunk := os.pread(descriptor, _CHUNK, at):
        hashed.update(chunk)
        at += len(chunk)
    return hashed.hexdigest() if at == size else None


def _moved(path: Path) -> FileFault:
    return FileFault(
        f"{path} changed while it was read.", "Run the same command again when it lies still."
    )


@contextmanager
def _faults(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as exc:
        raise FileFault(f"{path} is gone.", "Put it back, or run the same command again.") from exc
    except OSError as exc:
        raise FileFault(
            f"{path} cannot be read: {exc.strerror}.", "Make it a file that you may read."
        ) from exc


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    # Without O_NONBLOCK, a pipe that takes the file's place would be waited for.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise FileFault(f"{path} is not a file any more.", "Put the file back.")
        yield descriptor
    finally:
        os.close(descriptor)


@dataclass(frozen=True, slots=True)
class Held:
    """A file that cannot be swapped for another one. path: its name for the engine; blob: the hash
    of its content.

    descriptor: None if `path` is a private copy, which nobody else writes.
    """

    file: Path
    path: Path
    blob: str
    seen: Identity
    descriptor: int | None

    def confirm(self) -> None:
        """Raise FileFault if somebody wrote into the file since it was hashed.

        A file that was renamed, or whose last name is gone, has another ctime and the content of
        before.
        """
        if self.descriptor is None:
            return
        with _faults(self.file):
            now = identity(self.descriptor)
            if now.key == self.seen.key and not self.seen.recent:
                return
            untouched = (now.size, now.mtime_ns) == (self.seen.size, self.seen.mtime_ns)
            if not untouched or _hash(self.descriptor, now.size) != self.blob:
                raise _moved(self.file)


@dataclass(frozen=True, slots=True)
class Holder:
    """Holds files, and gives them names in a folder that is used once: the engine remembers blocks
    of files by name."""

    folder: Path
    cache: Cache
    held: ExitStack
    names: Iterator[int]

    def hold(self, path: Path) -> Held:
        """Raises FileFault."""
        with _faults(path), ExitStack() as opened:
            descriptor = opened.enter_context(_opened(path))
            blob, seen = _hashed(descriptor, path, self.cache)
            number = next(self.names)
            name = self.folder / f"{number:06}{_ending(path)}"
            if number >= _most() or not _OPENED.is_dir():
                return self._copied(path, name, descriptor, blob)
            name.symlink_to(_OPENED / str(descriptor))
            self.held.push(opened.pop_all())
            return Held(path, name, blob, seen, descriptor)

    def _copied(self, path: Path, name: Path, descriptor: int, blob: str) -> Held:
        with os.fdopen(os.dup(descriptor), "rb") as source, name.open("wb") as copy:
            source.seek(0)
            shutil.copyfileobj(source, copy, _CHUNK)
        with _opened(name) as copied:
            seen = identity(copied)
            if _hash(copied, seen.size) != blob:
                raise _moved(path)
        return Held(path, name, blob, seen, None)


@contextmanager
def holding(place: Path, cache: Cache) -> Iterator[Holder]:
    """Hold files until the end of the block. place: a folder of ours; files that a killed process
    left there are of no use."""
    folder = place / uuid.uuid4().hex[:16]
    with ExitStack() as held:
        held.callback(shutil.rmtree, folder, ignore_errors=True)
        make_private(folder)
        yield Holder(folder, cache, held, iter(range(1 << 30)))


def ending_of(name: str) -> str:
    """The part of a file's name that decides how it is read: the engine unpacks by it."""
    last = name.rpartition("/")[2]
    at = last.rfind(".")
    found = _ENDING.fullmatch(last, at) if at > 0 else None
    return found[0].lower() if found else ""


def _ending(path: Path) -> str:
    return ending_of(path.name)


def _most() -> int:
    """How many files one reader may hold open; further ones are copied. Leaves room for the engine
    and other nodes."""
    try:
        import resource
    except ImportError:  # no system with /proc
        return 0
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MANY if hard == resource.RLIM_INFINITY else min(hard, _MANY)
    if 0 <= soft < wanted:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
    return max(soft // 16, 16)


_MANY = 1 << 16
