"""The files below a folder that a pattern names, as they are on disk."""

from __future__ import annotations

import fnmatch
import glob
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from seeknal_git.errors import FileFault, limits, raising


def on_disk(project: Path, pattern: str) -> Iterable[str]:
    """The paths that a pattern names below a folder, but for private files.

    Raises FileFault for a folder that cannot be listed: its files would be missing, and nobody
    would know.
    """
    try:
        there = (project / pattern).is_file() or _is_special(project / pattern)
        if there or not glob.has_magic(pattern):
            return [pattern] if there else []
        found = _Walk(project, tuple(pattern.split("/"))).below("")
        return [path for path in dict.fromkeys(found) if not is_private(path)]
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
                    _is_file(entry) or _leads_nowhere(entry) or _is_special(entry.path)
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


def _is_file(entry: os.DirEntry[str]) -> bool:
    """The folder says it of most files, so that these need not be looked at."""
    return entry.is_file(follow_symlinks=False) or Path(entry.path).is_file()


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


def is_private(path: str) -> bool:
    """Whether a file may hold passwords: a checkout in CI leaves some below `.git`, and `init`
    tells git to ignore the others."""
    parts = path.lower().split("/")
    return ".git" in parts or path.lower() in ("profiles.yml", ".env")
