"""Folders that one process has for itself. Their names tell whose they are, so those of a killed
process can be told from the others."""

from __future__ import annotations

import os
import re
from pathlib import Path


def own_folder(place: Path) -> Path:
    """A name for a folder of this process beside a place, and called after it; each call has
    another one."""
    name = f"{place.name}.{_machine()}-{os.getpid()}-{os.urandom(4).hex()}"
    return place.with_name(name)


def left_folders(place: Path) -> list[Path]:
    """The folders beside a place that killed processes of this machine left."""
    pattern = re.compile(rf"{re.escape(f'{place.name}.{_machine()}')}-(\d+)-[0-9a-f]+")
    found = place.parent.iterdir() if place.parent.is_dir() else ()
    return [path for path in found if (m := pattern.fullmatch(path.name)) and _is_over(int(m[1]))]


def _machine() -> str:
    """The name of this machine. Containers have one each, and processes of their own."""
    return os.uname().nodename


def _is_over(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except OSError:  # it is somebody else's
        return False
    return False
