"""Tables of other systems that a node names under `materialization`. They are not written here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from seeknal_git.errors import Problem
from seeknal_git.nodes.outside import ALIASES

if TYPE_CHECKING:
    from seeknal_git.nodes.node_file import NodeFile

# The databases that a table is delivered to: there, it is an exposure (`delivered_tables.py`).
TABLES = ("postgresql", "duckdb", "sqlite", "iceberg")
NOT_WRITTEN = "not written"  # the group of these warnings
KEYS = ("materialization", "materializations")
_OFF = frozenset({"false", "no", "off", "0"})


def not_written(file: NodeFile, lines: Mapping[str, int], path: str) -> Iterator[Problem]:
    """A warning for a node with tables elsewhere."""
    for key in KEYS:
        if found := list(_targets(getattr(file, key), in_python=path.endswith(".py"))):
            identifier = f"{file.kind}.{file.name}"
            message = (
                f"The materialization of {identifier} to {', '.join(found)} is not written here: "
                "tables are in the warehouse."
            )
            line, hint = lines.get(key, lines.get("kind", 1)), "A file for others is an exposure."
            yield Problem(message, path, line, hint, identifier, group=NOT_WRITTEN)


def _targets(value: Any, *, in_python: bool) -> Iterator[str]:
    """The systems of a value: one target, or a list. Without a type, it is Iceberg."""
    for target in value if isinstance(value, list) else [value]:
        if not _is_on(target) or (system_of(target) and not in_python):
            continue
        is_iceberg = bool(target.get("table")) or "enabled" in target
        if target.get("type") or is_iceberg:
            yield str(target.get("type") or "iceberg")


def system_of(given: Any) -> str | None:
    """The database that an entry of `materialization` is written to; None if it is not. One of
    Iceberg names no place there, unless it names a connection."""
    if not _is_on(given):
        return None
    word = str(given.get("type") or "iceberg").lower()
    system = ALIASES.get(word, word)
    if system == "iceberg" and not (given.get("connection") and given.get("table")):
        return None
    return system if system in TABLES else None


def _is_on(given: Any) -> bool:
    return isinstance(given, Mapping) and str(given.get("enabled")).lower() not in _OFF
