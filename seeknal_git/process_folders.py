"""Folders that one process has for itself. Their names tell whose they are, so those of a killed
process can be told from the others."""

from __future__ import annotations

import os
import re
import shutil
import time
from contextlib import suppress
from functools import cache
from pathlib import Path

_UNUSED_SECONDS = 7 * 24 * 3600.0


def own_folder(place: Path) -> Path:
    """A name for a folder of this process beside a place, and called after it; each call has
    another one."""
    name = f"{place.name}.{_machine()}-{os.getpid()}-{os.urandom(4).hex()}"
    return place.with_name(name)


def left_folders(place: Path) -> list[Path]:
    """The folders beside a place that killed processes left: those of this machine, and those of
    others that nobody has touched for a week."""
    pattern = re.compile(rf"{re.escape(place.name)}\.(.+)-(\d+)-[0-9a-f]+")
    found = place.parent.iterdir() if place.parent.is_dir() else ()
    return [
        path
        for path in found
        if (match := pattern.fullmatch(path.name))
        and (_is_over(int(match[2])) if match[1] == _machine() else _is_old(path))
    ]


def remove_left(place: Path) -> None:
    """Remove the folders of `left_folders`."""
    for folder in left_folders(place):
        shutil.rmtree(folder, ignore_errors=True)


@cache
def _machine() -> str:
    """The name of this machine. Containers may share it, but not the numbers of processes."""
    numbers = 0
    with suppress(OSError):  # there is none, or it is hidden
        numbers = Path("/proc/self/ns/pid").stat().st_ino
    return f"{os.uname().nodename}-{numbers}"


def _is_old(folder: Path) -> bool:
    with suppress(OSError):  # somebody else removes it
        return time.time() - folder.stat().st_mtime > _UNUSED_SECONDS
    return False


def _is_over(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):  # it is somebody else's, or no process at all
        return False
    return False
