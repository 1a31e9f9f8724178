"""Hashes of everything that decides a node's data: one for its rows, one for each column.

A fingerprint is a function of the node's definition and of those parts of its inputs' fingerprints
that the node reads (a Merkle DAG, like git's trees; see docs/architecture.md). If a statement could
not be taken apart, there is only the whole.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from seeknal_git.nodes.node import Node
from seeknal_git.sql.statement import EVERYTHING, Anatomy, Part


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """whole: hash of everything; rows, columns (name in lower case → hash, in order): None where
    unknown."""

    whole: str
    rows: str | None = None
    columns: Mapping[str, str] | None = None

    def of(self, column: str) -> str:
        """The hash of a column; of the rows, for an empty name; of everything, for `*`."""
        if not column:
            return self.rows or self.whole
        if column == EVERYTHING:
            return self.whole
        return (self.columns or {}).get(column) or digest(self.whole, column)


def digest(*parts: str) -> str:
    """SHA-256 over parts, each preceded by its length, so that no two lists of parts look alike."""
    return hashlib.sha256("".join([f"{len(part)}:{part}" for part in parts]).encode()).hexdigest()


def fingerprint(
    node: Node,
    statements: Sequence[tuple[Anatomy, Sequence[Fingerprint]]],
    inputs: Iterable[Fingerprint],
    *,
    ordered: bool = False,
) -> Fingerprint:
    """The fingerprint of a node.

    statements: each SELECT of the node (its own, or those of a rule's checks) with the fingerprints
    of the tables it names, in the order of the text; inputs: the fingerprints of all declared
    inputs; ordered: whether somebody sees the order of its rows.
    """
    # A file shows all of a table, the order of its rows included.
    unread = list(inputs) if node.kind == "exposure" else _inputs_unread(statements, inputs)
    own = digest(
        node.kind,
        json.dumps(node.definition, sort_keys=True),
        *(upstream.whole for upstream in unread),
    )
    if has_parts(node, [anatomy for anatomy, _ in statements]):
        anatomy, read = statements[0]
        return _in_parts(own, anatomy if ordered else replace(anatomy, order=None), read)
    texts = [_hash(decisive(node, anatomy), read) for anatomy, read in statements]
    checks = (
        [f"{check.name} {check.allowed}" for check in node.checks] if node.kind == "rule" else []
    )
    return Fingerprint(digest("whole", own, *texts, *checks))


def has_parts(node: Node, anatomies: Sequence[Anatomy]) -> bool:
    """Whether rows and columns of a node have fingerprints of their own."""
    if len(anatomies) != 1 or not (node.yields_table or node.kind == "semantic_model"):
        return False
    return anatomies[0].rows is not None and anatomies[0].columns is not None


def whole_of_source(source: Node) -> str:
    """The fingerprint of all of a source: its definition alone decides it."""
    return fingerprint(source, (), ()).whole


def decisive(node: Node, anatomy: Anatomy) -> Part:
    """The part of a statement that decides a node: all of it; for a rule's check, the number of
    rows that it returns."""
    return anatomy.counted if node.kind == "rule" else anatomy.whole


def _inputs_unread(
    statements: Sequence[tuple[Anatomy, Sequence[Fingerprint]]], inputs: Iterable[Fingerprint]
) -> list[Fingerprint]:
    """Declared inputs that no statement names: they are dependencies all the same."""
    read = {upstream.whole for _, named in statements for upstream in named}
    return [upstream for upstream in inputs if upstream.whole not in read]


def _in_parts(own: str, anatomy: Anatomy, read: Sequence[Fingerprint]) -> Fingerprint:
    """The fingerprint of a node that was taken apart. An unstable part is another one whenever the
    node is built again, so anything that changes in the node changes it."""
    assert anatomy.rows is not None, "the caller looked"
    assert anatomy.columns is not None, "the caller looked"
    shaky = anatomy.rows.unstable or any(part.unstable for _, part in anatomy.columns)
    whole = _hash(anatomy.whole, read) if shaky else ""
    rows = digest("rows", own, _hash(anatomy.rows, read), whole if anatomy.rows.unstable else "")
    columns = {
        name: digest("column", _hash(part, read), whole if part.unstable else "")
        for name, part in anatomy.columns
    }
    told = [word for pair in columns.items() for word in pair]
    order = [digest("order", _hash(anatomy.order, read))] if anatomy.order else []
    return Fingerprint(digest("parts", rows, *told, *anatomy.names, *order), rows, columns)


def _hash(part: Part, read: Sequence[Fingerprint]) -> str:
    return digest(part.text, *[read[number].of(column) for number, column in part.reads])
