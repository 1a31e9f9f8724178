"""The tables of an environment that hold some of their partitions, and those computed of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seeknal_git.warehouse.model.snapshots import Part
    from seeknal_git.warehouse.protocol import Warehouse

_TOLD = 3


def parts_shown(warehouse: Warehouse, schema: str) -> dict[str, Part]:
    """Node → the part of its table that an environment shows, for those that it shows in part."""
    shown = warehouse.environments.shown(schema)
    parts = warehouse.snapshots.parts([published.snapshot for published in shown.values()])
    return {
        node: part
        for node, published in sorted(shown.items())
        if (part := parts.get(published.snapshot)) is not None
    }


def part_in_words(node: str, part: Part) -> str:
    """`transform.daily holds 14 of 365 partitions, from 2026-11-12`."""
    word = "holds" if part.since or part.until else "is computed of"
    return f"{node} {word} {extent_in_words(part)}"


def extent_in_words(part: Part) -> str:
    """The partitions of a table in part, as far as they are known, or the tables behind it."""
    over = " and ".join(part.over)
    if not (part.since or part.until):
        return over
    words = [f"{part.held:,} of {len(part.whole):,} partitions"] if part.whole else []
    words += [f"from {part.since}"] if part.since else []
    words += [f"before {part.until}"] if part.until else []
    words += [f"computed of {over}"] if over else []
    return ", ".join(words)


def parts_in_words(environment: str, parts: Mapping[str, Part]) -> str:
    """A sentence about an environment in part."""
    return f"{environment} is partial: {parts_listed(parts)}."


def parts_listed(parts: Mapping[str, Part]) -> str:
    """The first tables in part, and the number of the others."""
    told = [part_in_words(*item) for item in _limited_first(parts)]
    more = len(told) - _TOLD
    said = told if more <= 1 else [*told[:_TOLD], f"{more} more"]
    return "; ".join(said)


def parts_as_json(parts: Mapping[str, Part]) -> dict[str, dict[str, Any]]:
    """docs/cli.md documents the keys."""
    return {
        node: {
            "partitions": part.held,
            "of": len(part.whole),
            "since": part.since or None,
            "until": part.until or None,
            "over": list(part.over),
        }
        for node, part in parts.items()
    }


def _limited_first(parts: Mapping[str, Part]) -> Iterable[tuple[str, Part]]:
    return sorted(parts.items(), key=lambda item: (not (item[1].since or item[1].until), item[0]))
