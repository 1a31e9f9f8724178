"""Say in words what is different between two versions of a node."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from seeknal_git.project import Member

_SQL_KEYS = ("transform", "sql")
_PASSED_OVER = ("kind", "name", "inputs", "params", "columns", *_SQL_KEYS)


def describe(old: Member, new: Member) -> tuple[str, ...]:
    """Short phrases, such as `column total added` or `filter changed`."""
    words = [
        *_inputs(old, new),
        *_statement(old, new),
        *_keys(old.node.document, new.node.document),
        *([f"moved from {old.node.path}"] if old.node.path != new.node.path else []),
    ]
    return tuple(words) or (("formatting or comments only",) if old.blob != new.blob else ())


def _inputs(old: Member, new: Member) -> Iterator[str]:
    before, after = [[each.id for each in member.node.inputs] for member in (old, new)]
    gone = [each for each in before if each not in after]
    come = [each for each in after if each not in before]
    for one, other in zip(gone, come, strict=False):
        yield f"input {one} replaced by {other}"
    yield from (f"input {one} removed" for one in gone[len(come) :])
    yield from (f"input {one} added" for one in come[len(gone) :])
    if before != after and sorted(before) == sorted(after):
        yield "order of inputs changed"


def _statement(old: Member, new: Member) -> Iterator[str]:
    if not (old.sql and new.sql and old.sql.anatomy and new.sql.anatomy):
        return
    before, after = dict(old.sql.anatomy.outline), dict(new.sql.anatomy.outline)
    found = list(_differences(before, after))
    if list(before) != list(after) and sorted(before) == sorted(after) and not found:
        found.append("order of columns changed")
    references = [[reference.target for reference in member.sql.references] for member in (old, new) if member.sql]
    if references[0] != references[1] and not found:
        found.append("tables read changed")
    if old.sql.anatomy.whole != new.sql.anatomy.whole and not found:
        found.append("SQL changed")
    yield from found


def _keys(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    yield from _differences(_flat(before), _flat(after))


def _flat(document: Mapping[str, Any]) -> dict[str, Any]:
    """Top-level keys but for those told elsewhere, and one level of `params` and `columns`."""
    flat = {key: value for key, value in document.items() if key not in _PASSED_OVER}
    for key in ("params", "columns"):
        value = document.get(key)
        flat |= {f"{key}.{name}": each for name, each in value.items()} if isinstance(value, dict) else {}
    return flat


def _differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    for key in {**before, **after}:
        if key not in before:
            yield f"{key} added"
        elif key not in after:
            yield f"{key} removed"
        elif before[key] != after[key]:
            yield f"{key} changed"
