"""Hashes of what decides a node's data, in parts: one for its rows, one for each column.

A fingerprint is a function of the node's definition and of what the node reads of its inputs' fingerprints (a Merkle
DAG, like git's trees; see docs/architecture.md). Where a statement could not be taken apart there is only the whole.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from seeknal_git.nodes.node import Node
from seeknal_git.statement import Anatomy, Part


class Category(StrEnum):
    """How badly a node changed, for everybody who reads it."""

    NEW = "NEW"
    REMOVED = "REMOVED"
    BREAKING = "BREAKING"
    NON_BREAKING = "NON_BREAKING"
    METADATA = "METADATA"


_ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """whole: hash of everything; rows, columns (name in lower case → hash, in order): None where unknown."""

    whole: str
    rows: str | None = None
    columns: Mapping[str, str] | None = None

    def of_rows(self) -> str:
        return self.rows or self.whole

    def of_column(self, name: str) -> str:
        """The hash of a column; of one that is not there, a word that is no hash."""
        return self.whole if self.columns is None else self.columns.get(name, _ABSENT)


def digest(*parts: str) -> str:
    """SHA-256 over parts, each preceded by its length, so that no two lists of parts look alike."""
    return hashlib.sha256("".join([f"{len(part)}:{part}" for part in parts]).encode()).hexdigest()


def fingerprint(
    node: Node, statements: Sequence[tuple[Anatomy, Sequence[Fingerprint]]], inputs: Iterable[Fingerprint]
) -> Fingerprint:
    """The fingerprint of a node.

    statements: each SELECT of the node (its own, or those of a rule's checks) with the fingerprints of the tables it
    names, in the order of the text; inputs: the fingerprints of all declared inputs.
    """
    unread = _inputs_unread(statements, inputs)
    own = digest(node.kind, json.dumps(node.definition, sort_keys=True), *(each.whole for each in unread))
    if len(statements) == 1 and node.kind != "rule":
        anatomy, read = statements[0]
        if anatomy.rows is not None and anatomy.columns is not None:
            return _in_parts(own, anatomy.rows, anatomy.columns, read)
    texts = [digest(anatomy.whole, *_what_is_read(anatomy, read)) for anatomy, read in statements]
    checks = [f"{check.name} {check.allowed}" for check in node.checks] if node.kind == "rule" else []
    return Fingerprint(digest("whole", own, *texts, *checks))


def _inputs_unread(
    statements: Sequence[tuple[Anatomy, Sequence[Fingerprint]]], inputs: Iterable[Fingerprint]
) -> list[Fingerprint]:
    """Declared inputs that no statement names: they are dependencies all the same."""
    read = {each.whole for _, named in statements for each in named}
    return [each for each in inputs if each.whole not in read]


def _what_is_read(anatomy: Anatomy, read: Sequence[Fingerprint]) -> list[str]:
    """The rows of each table that a statement names, and the columns that it reads; all of it where that is unknown."""
    if anatomy.reads is None:
        return [each.whole for each in read]
    return [*(each.of_rows() for each in read), *_columns(anatomy.reads, read)]


def _in_parts(own: str, rows: Part, columns: Iterable[tuple[str, Part]], read: Sequence[Fingerprint]) -> Fingerprint:
    row_set = digest("rows", own, *_resolved(rows, read), *(each.of_rows() for each in read))
    parts = {name.lower(): digest("column", name, *_resolved(part, read)) for name, part in columns}
    return Fingerprint(digest("parts", row_set, *(each for pair in parts.items() for each in pair)), row_set, parts)


def _resolved(part: Part, read: Sequence[Fingerprint]) -> list[str]:
    reads = _columns(part.reads, read)
    return [part.text, str(len(reads)), *reads]


def _columns(reads: Iterable[tuple[int, str]], read: Sequence[Fingerprint]) -> list[str]:
    """The columns that are read and are there. One that comes to be there later will make a difference then."""
    found = ((number, column, read[number].of_column(column)) for number, column in reads)
    return [f"{number} {column} {part}" for number, column, part in found if part != _ABSENT]


def compare(before: Fingerprint, after: Fingerprint) -> Category:
    """What the change from one fingerprint to the other means for readers. NON_BREAKING only where it is proven."""
    if before.whole == after.whole:
        return Category.METADATA
    if before.rows is None or before.columns is None or after.columns is None or before.rows != after.rows:
        return Category.BREAKING
    kept = [(name, part) for name, part in after.columns.items() if name in before.columns]
    return Category.NON_BREAKING if kept == list(before.columns.items()) else Category.BREAKING
