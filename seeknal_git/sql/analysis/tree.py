"""The engine's tree of a statement, and ways to walk it."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from seeknal_git.sql.analysis import functions
from seeknal_git.sql.analysis.terms import Obstacle

Tree = Mapping[str, Any]

# Keys that tell the place of an object in the text.
PLACES = frozenset({"query_location", "query_location_length", "origin"})


class Normal(dict[str, Any]):
    """A tree in its normal form."""

    # Whether it differs from the text.
    said: bool = False


# The classes of the values that hold others.
_NESTED: frozenset[type] = frozenset({dict, list, Normal})


def is_empty(value: object) -> bool:
    """Whether a value of the tree says nothing."""
    return value is None or value is False or value in ("", [], {})


def only(tree: Tree, keys: frozenset[str], what: str) -> Tree:
    """The same tree. Raises Obstacle if it says something under a key that is not known."""
    if unknown := [
        key for key, value in tree.items() if key not in keys | PLACES and not is_empty(value)
    ]:
        raise Obstacle(f"{what} with {unknown[0]}")
    return tree


def bare(value: Any) -> Any:
    """A tree without the places of its parts in the text, and with types in one spelling."""
    if isinstance(value, dict):
        kept = {key: bare(inner) for key, inner in value.items() if key not in PLACES}
        if "type_name" in kept:
            name = kept["type_name"].upper()
            kept = {**kept, "type_name": functions.TYPES.get(name, name), "qualified_name": None}
        return kept
    return [bare(inner) for inner in value] if isinstance(value, list) else value


def objects(tree: Any, closed: Collection[str] = ()) -> Iterator[Tree]:
    """Every object in a tree, in no order. Objects of a class in `closed` are not looked into.

    Does not recurse, since a tree may be too deep for that.
    """
    waiting: list[Any] = [tree] if tree.__class__ in _NESTED else []
    add = waiting.append
    while waiting:
        value = waiting.pop()
        if value.__class__ is not list:
            yield value
            if closed and value.get("class") in closed:
                continue
            value = value.values()
        # A comprehension takes twice as long, and this is called for all parts of all statements.
        for part in value:
            if part.__class__ in _NESTED:
                add(part)


def spelled(tree: Any) -> str:
    """A tree as text, without the places of its parts. Does not recurse, since a tree may be too
    deep for that."""
    found: list[str] = []
    waiting = [tree]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            kept = [key for key in sorted(value, reverse=True) if key not in PLACES]
            found.append(f"{{{len(kept)}")
            for key in kept:
                waiting += (value[key], key)
        elif isinstance(value, list):
            found.append(f"[{len(value)}")
            waiting += reversed(value)
        else:
            found.append(json.dumps(value))
    return " ".join(found)


def conjuncts(tree: Tree, kind: str = "CONJUNCTION_AND") -> Iterator[Tree]:
    """The terms that AND, or another conjunction, connects."""
    if tree["class"] == "CONJUNCTION" and tree["type"] == kind:
        for child in tree["children"]:
            yield from conjuncts(child, kind)
    else:
        yield tree


def arguments(tree: Tree) -> list[Tree]:
    """The arguments of a function, as DuckDB 1 and 2 give them."""
    given = tree.get("arguments") or ()
    found = tree.get("children") or [_named(argument) for argument in given]
    first = receiver(tree)
    return [first, *found] if first else list(found)


def _named(argument: Tree) -> Tree:
    expression: Tree = argument["expression"]
    if argument.get("name", "") in ("", expression["alias"]):
        return expression
    return {**expression, "alias": argument["name"], "origin": origin(expression)}


def origin(tree: Tree) -> int:
    """The number of an object, as long as its tree exists. A copy has the number of its
    original."""
    found: int = tree.get("origin", id(tree))
    return found


def receiver(tree: Tree) -> Tree | None:
    """The column in `name.upper()`, which stands where the schema of a function would."""
    catalog, schema = tree.get("catalog"), tree.get("schema")
    before = [part for part in (catalog, schema) if part] if catalog or schema else []
    if not before or before == ["main"]:
        return None
    return {
        "class": "COLUMN_REF",
        "type": "COLUMN_REF",
        "column_names": before,
        "origin": -origin(tree),
    }
