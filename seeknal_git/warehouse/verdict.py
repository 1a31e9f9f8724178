"""Remember which version of a warehouse's file this clone inspected, or left itself: nothing in it
runs SQL of others."""

from __future__ import annotations

import hashlib
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from seeknal_git.files import write_whole
from seeknal_git.warehouse.state_tables import STATE_TABLES

if TYPE_CHECKING:
    from seeknal_git.warehouse.owner import Owner

# Raise it when an inspection looks for more.
_INSPECTION = 1
# A version that was left whole has the state tables of this form.
FORM = f"{_INSPECTION} {hashlib.sha256(STATE_TABLES.encode()).hexdigest()}"


def is_sound(path: Path, owner: Owner | None, version: str, *, whole: bool) -> bool:
    """Whether the clone knows this version of a file as sound. whole: also as one that was left
    after writing, with all state tables and without macros."""
    if owner is None or not version:
        return False
    with suppress(OSError, UnicodeDecodeError):
        found = _place(owner).read_text(encoding="utf-8")
        known = {_text(path, version, whole=form) for form in (True, whole)}
        return found in known and _is_ours_alone(path)
    return False


def remember_sound(path: Path, owner: Owner | None, version: str, *, whole: bool) -> None:
    if owner is None or not version:
        return
    with suppress(OSError):  # then it is inspected again
        write_whole(_place(owner), _text(path, version, whole=whole).encode())


def _is_ours_alone(path: Path) -> bool:
    """Whether nobody but the user who runs this may write to a file."""
    found = path.stat()
    return found.st_uid == os.geteuid() and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _place(owner: Owner) -> Path:
    return owner.private / "cache" / "inspected"


def _text(path: Path, version: str, *, whole: bool) -> str:
    return f"{FORM} {'whole' if whole else 'readable'}\n{version}\n{path}\n"
