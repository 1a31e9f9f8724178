"""Check the forms of values in the state tables: somebody else may have written them."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from pathlib import Path, PurePosixPath
from typing import Any

from seeknal_git.errors import WarehouseError
from seeknal_git.sql.partitioning import Ordinal
from seeknal_git.sql.ranges import ranges_of
from seeknal_git.warehouse.model.queries import Query
from seeknal_git.warehouse.model.snapshots import Part

_HEX = re.compile(r"[0-9a-f]*")
_COMMIT = re.compile(r"([0-9a-f]{40})?")  # "" if no commit has the nodes that were published
_NAME = re.compile(r"\w+|@[0-9a-f]{40}")  # of a snapshot table, or of a kept file
_NUMBERS = re.compile(r"(\d{1,15}(-\d{1,15})? ?)*")
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
    """The definition of an exposure, with a path below the project; None if none was kept. Raises
    WarehouseError."""
    if not text:
        return None
    definition = mapping(text)
    path = PurePosixPath(str(definition.get("path", "..")))
    if path.is_absolute() or ".." in path.parts:
        _refused("path", str(path))
    return definition


def texts(text: str | None) -> list[str]:
    """Texts that were kept as JSON. Raises WarehouseError."""
    found = _parsed(text or "[]")
    sound = isinstance(found, list) and all(isinstance(item, str) for item in found)
    return list(found) if sound else _refused("list", text or "")


def query(pieces: str | None, reads: str | None, folder: Path | None = None) -> Query | None:
    """The SELECT of a view, as the state keeps it; None if there is none. folder: of kept files.
    Raises WarehouseError."""
    if pieces is None:
        return None
    found = Query(tuple(texts(pieces)), tuple((reads or "").split()), folder)
    whole = len(found.texts) == len(found.names) + 1
    return found if whole and all(map(_NAME.fullmatch, found.names)) else _refused("view", pieces)


def numbers(text: str) -> str:
    """The numbers of pieces. Raises WarehouseError."""
    return text if _NUMBERS.fullmatch(text) else _refused("piece", text)


def part(text: str | None) -> Part | None:
    """The part of a table that was built; None for a whole one. Raises WarehouseError."""
    if text is None:
        return None
    kept = mapping(text)
    try:
        whole: list[Ordinal] = [None] if kept["outside"] else []
        whole += [at for low, high in kept["whole"] for at in range(int(low), int(high) + 1)]
        over = tuple(map(str, kept["over"]))
        return Part(str(kept["since"]), str(kept["until"]), int(kept["held"]), tuple(whole), over)
    except (KeyError, TypeError, ValueError):
        _refused("part", text)
        raise


def packed_part(found: Part | None) -> str | None:
    """A part as the state keeps it. See `part`."""
    if found is None:
        return None
    inside = ranges_of(at for at in found.whole if at is not None)
    return json.dumps({**asdict(found), "whole": inside, "outside": None in found.whole})


def packed(found: Query | None) -> tuple[str | None, str | None]:
    """A SELECT as the state keeps it. See `query`."""
    return (json.dumps(found.texts), " ".join(found.names)) if found else (None, None)


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return _refused("record", text)


def _refused(kind: str, value: str) -> Any:
    """Raise WarehouseError."""
    shown = value if len(value) <= _SHOWN else f"{value[:_SHOWN]}…"
    raise WarehouseError(
        "The warehouse's state is damaged, or somebody else's: "
        f"the {kind} {shown!r} is none that Seeknal writes.",
        "If the file is not yours, move it away: seeknal run builds it again.",
    )
