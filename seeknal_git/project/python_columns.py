"""The columns of Python nodes: those that they read, and those that they declare to return."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from seeknal_git.cache import Cache
from seeknal_git.errors import Problem
from seeknal_git.names import folded
from seeknal_git.nodes.node import Node
from seeknal_git.sql.statement import Columns, Known
from seeknal_git.sql.type_words import read_as


def declared(node: Node, cache: Cache) -> Known:
    """The columns that a Python node declares to return, with the engine's words for their types;
    unknown if it declares none."""
    returned = node.definition["python"]["returns"]
    if not returned:
        return Known()
    words = type_words([word for _, word in returned], cache)
    return Known(tuple((name, words[word]) for name, word in returned))


def type_words(declared: Iterable[str], cache: Cache) -> dict[str, str]:
    """Declared type → the engine's word for it."""
    wanted = set(declared)
    known: dict[str, str] = cache.get("type", wanted)
    if missing := wanted - known.keys():
        from seeknal_git.sql.engine import type_name

        fresh = {word: type_name(read_as(word)) for word in missing}
        cache.put("type", fresh)
        known |= fresh
    return known


def missing_inputs(node: Node, columns_of: Callable[[str], Columns | None]) -> Iterator[Problem]:
    """The columns that a Python node declares to read, and that its inputs do not have."""
    reads: list[tuple[str, list[str] | None]] = node.definition["python"]["reads"]
    for number, (read, wanted) in enumerate(reads):
        columns = columns_of(read)
        if columns is None or wanted is None:
            continue
        there = {folded(name) for name, _ in columns}
        for name in wanted:
            if folded(name) not in there:
                message = f"{node.id} reads the column {name} of {read}, which has no such column."
                hint = f"It has {', '.join(column for column, _ in columns)}."
                line = node.line("inputs", number)
                yield Problem(message, node.path, line, hint, node.id)


def undeclared(reader: Node, code: str) -> Problem:
    """The problem of a node that has to know the columns of a Python node."""
    message = f"{reader.id} needs the columns of {code}, which declares none."
    hint = 'Declare them: columns={"id": "BIGINT", …}'
    return Problem(message, reader.path, reader.line("inputs"), hint, reader.id)
