"""The differences between two versions of a node, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from seeknal_git.nodes.node import Node
from seeknal_git.project.definitions import Member
from seeknal_git.project.vocabulary import Vocabulary
from seeknal_git.sql.statement import FUNCTION, Anatomy

_SQL_KEYS = ("transform", "sql")
_TAKEN_APART = ("params", "columns", "materialization")
_PASSED_OVER = (
    *("kind", "name", "inputs", "tests", "materialized", "partition"),
    *("effective_from", "before", *_SQL_KEYS),
)


def describe(
    old: Member, new: Member, before: Sequence[Anatomy] = (), after: Sequence[Anatomy] = ()
) -> tuple[str, ...]:
    """Short phrases, such as `filter changed` or `input source.orders added`, for all differences
    but those of columns.

    before, after: the anatomies of the SELECTs of both versions.
    """
    return (
        *_inputs(old, new),
        *(_earlier(old.node, new.node) or _statements(before, after)),
        *_code(old.node, new.node),
        *_keys(old.node.document, new.node.document),
        *_form(old.node, new.node),
        *(_tests(old.node, new.node) if new.node.yields_table else ()),
        *([f"moved from {old.node.path}"] if old.node.path != new.node.path else []),
    )


def said_of_use(node: Node) -> str:
    """An exposure that another system delivers, in words: `dashboard sales, owner Ada`."""
    owner = node.document.get("owner")
    return f"{node.use} {node.name}{f', owner {owner}' if owner else ''}"


def values_changed(
    old: Node, new: Node, before: Vocabulary | None, after: Vocabulary | None
) -> Iterator[str]:
    """Phrases such as `rules.big changed (seeknal/common/rules.yml:4)`, for the entries of common
    files and the variables that both versions use, at any depth, with other texts."""
    if before is None or after is None or not (old.uses and new.uses):
        return
    both = [use for use in new.uses if use in old.uses]
    for name, place in after.changed(before, both).items():
        yield f"{name} changed ({place})"


def _inputs(old: Member, new: Member) -> Iterator[str]:
    before, after = [[reference.id for reference in member.node.inputs] for member in (old, new)]
    gone = [identifier for identifier in before if identifier not in after]
    come = [identifier for identifier in after if identifier not in before]
    for one, other in zip(gone, come, strict=False):
        yield f"input {one} replaced by {other}"
    yield from (f"input {one} removed" for one in gone[len(come) :])
    yield from (f"input {one} added" for one in come[len(gone) :])
    if before != after and sorted(before) == sorted(after):
        yield "order of inputs changed"


def _statements(before: Sequence[Anatomy], after: Sequence[Anatomy]) -> Iterator[str]:
    found = [
        word for one, other in zip(before, after, strict=False) for word in _clauses(one, other)
    ]
    yield from dict.fromkeys(found)


def _earlier(old: Node, new: Node) -> list[str]:
    """The code of earlier partitions, if that is what changed. The clauses of both codes together
    would tell nobody anything."""
    before, after = [
        (str(node.earlier.get("from", "")), str(node.earlier.get("commit", "")))
        for node in (old, new)
    ]
    if before == after:
        return []
    day, commit = after
    return [f"before {day}, the code of {commit[:12]}" if day else "one code for all partitions"]


def _clauses(before: Anatomy, after: Anatomy) -> Iterator[str]:
    if replace(before, clauses=()) == replace(after, clauses=()):
        return
    if FUNCTION in {*before.obstacles, *after.obstacles}:
        return
    if before.rows is None or after.rows is None:
        yield "SQL changed"
        return
    yield from _differences(dict(before.clauses), dict(after.clauses))
    names = [[name for name, _ in anatomy.columns or ()] for anatomy in (before, after)]
    if names[0] != names[1] and sorted(names[0]) == sorted(names[1]):
        yield "order of columns changed"
    if names[0] == names[1] and before.names != after.names:
        yield "case of a column's name changed"


def _code(old: Node, new: Node) -> Iterator[str]:
    """The functions, classes and modules that changed of those that a Python node reaches, and
    everything that decides its result beside them."""
    if old.is_python != new.is_python:
        yield "a Python function now" if new.is_python else "SQL now"
    if not (old.is_python and new.is_python):
        return
    before, after = _parts(old), _parts(new)
    yield from (f"code of {word}" for word in _differences(before, after))
    was, now = old.definition["python"], new.definition["python"]
    if before == after and was["code"] != now["code"]:
        yield "order of the code changed"
    if was["minor"] != now["minor"]:
        yield f"Python 3.{was['minor']} → 3.{now['minor']}"
    if was["packages"] != now["packages"]:
        yield "packages changed"
    reads = dict(was["reads"])
    for identifier, columns in now["reads"]:
        if identifier in reads and reads[identifier] != columns:
            yield f"reads {'all' if columns is None else ', '.join(columns)} of {identifier}"


def _parts(node: Node) -> dict[str, list[str]]:
    """The hashes of the code that a node reaches, by the names of functions, classes and
    modules."""
    found: dict[str, list[str]] = {}
    for name, form in node.python["parts"]:
        found.setdefault(node.python["function"] if name == "function" else name, []).append(form)
    return found


def _tests(old: Node, new: Node) -> Iterator[str]:
    before, after = [
        {check.name: replace(check, line=0) for check in node.checks} for node in (old, new)
    ]
    for word in _differences(before, after):
        yield f"test {word}"


def _keys(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    yield from _differences(_flat(before), _flat(after))


def _form(old: Node, new: Node) -> Iterator[str]:
    words = {"table": "a table now", "view": "a view now"}
    if old.materialized != new.materialized:
        yield words.get(new.materialized, "ephemeral now: no environment shows it any more")
    before, after = ({**node.partition, "frozen": ()} for node in (old, new))
    if not (old.partition and new.partition):
        if old.partition or new.partition:
            yield "in partitions now" if new.partition else "in one table now"
    elif before != after:
        yield "partitions changed"
    yield from (f"history of {read} frozen" for read in new.frozen if read not in old.frozen)
    yield from (f"history of {read} not frozen" for read in old.frozen if read not in new.frozen)


def _flat(document: Mapping[str, Any]) -> dict[str, Any]:
    """The top-level keys that are not described elsewhere, and one level of those that name
    things."""
    flat: dict[str, Any] = {}
    for key, value in document.items():
        if key in _TAKEN_APART and isinstance(value, dict):
            flat |= {f"{key}.{name}": entry for name, entry in value.items()}
        elif key not in _PASSED_OVER:
            flat[key] = value
    return flat


def _differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    for key in {**before, **after}:
        if key not in before:
            yield f"{key} added"
        elif key not in after:
            yield f"{key} removed"
        elif before[key] != after[key]:
            yield f"{key} changed"
