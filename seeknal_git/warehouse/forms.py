"""The forms of values in the state tables: somebody else may have written them."""

from __future__ import annotations

import json
import re
from pathlib import PurePosixPath
from typing import Any

from seeknal_git.errors import WarehouseError

_HEX = re.compile(r"[0-9a-f]*")
_COMMIT = re.compile(r"([0-9a-f]{40})?")  # "" where nodes were published that no commit has
_SHOWN = 40


def commit_id(value: str | None) -> str | None:
    """A commit, for git. Raises WarehouseError."""
    return value if value is None or _COMMIT.fullmatch(value) else _refused("commit", value)


def identifier(value: str) -> str:
    """The id of a snapshot or a fingerprint. Raises WarehouseError."""
    return value if _HEX.fullmatch(value) else _refused("id", value)


def mapping(text: str | None) -> dict[str, Any]:
    """A mapping that was kept as JSON; empty if there is none. Raises WarehouseError."""
    found = _parsed(text or "{}")
    return found if isinstance(found, dict) else _refused("mapping", text or "")


def delivered(text: str | None) -> dict[str, Any] | None:
    """The definition of an exposure, whose path is below the project; None if none was kept. Raises
    WarehouseError."""
    found = mapping(text) if text else None
    path = PurePosixPath(str(found.get("path", ".."))) if found is not None else PurePosixPath()
    return (
        found if not path.is_absolute() and ".." not in path.parts else _refused("path", str(path))
    )


def texts(text: str | None) -> list[str]:
    """Texts that were kept as JSON. Raises WarehouseError."""
    found = _parsed(text or "[]")
    sound = isinstance(found, list) and all(isinstance(each, str) for each in found)
    return list(found) if sound else _refused("list", text or "")


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return _refused("record", text)


def _refused(what: str, value: str) -> Any:
    shown = value if len(value) <= _SHOWN else f"{value[:_SHOWN]}…"
    raise WarehouseError(
        f"The warehouse's state is damaged, or somebody else's: the {what} {shown!r} is none that Seeknal writes.",
        "If the file is not yours, move it away: seeknal run builds it again.",
    )
