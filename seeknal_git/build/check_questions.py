"""The questions of checks. A check that looks at each row by itself is not asked again of pieces
whose answer is known.

Two snapshots over one table of pieces share the rows of the pieces that both have. So the rows of
one that violate a check are those of the other, less those in pieces that are gone, and those in
pieces that are new. A snapshot is on record only as long as all of its pieces are there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from seeknal_git.build.compute import check_of, reads_row_ids, targets_of_check
from seeknal_git.build.site import Site, relations_of, snapshot_of
from seeknal_git.build.work import Work
from seeknal_git.nodes.node import Check, Node
from seeknal_git.project.data_paths import is_of_files
from seeknal_git.project.fingerprints import digest
from seeknal_git.sql.engine import parsed
from seeknal_git.sql.locality.row_by_row import is_row_by_row
from seeknal_git.sql.ranges import is_within, ranges_in
from seeknal_git.warehouse.model.pieces import Piece, limited
from seeknal_git.warehouse.model.snapshots import AuditQuery, Earlier, Snapshot
from seeknal_git.warehouse.protocol import Builder, Warehouse

_MOST_LOOKED_UP = 100  # snapshots of a node, the newest first
_MOST_COMPARED = 8  # of those whose answer is known


@dataclass(frozen=True, slots=True)
class Answered:
    """A snapshot in pieces, and the number of its rows that violate a check."""

    snapshot: Snapshot
    violations: int


# (node, number of the check) → snapshots about which it was answered, newest first.
Answers = Mapping[tuple[str, int], Sequence[Answered]]


def earlier_answers(warehouse: Warehouse, work: Work) -> Answers:
    """The checks to make that look at each row of a node by itself, if that may be in pieces, with
    their earlier answers, which are looked up together."""
    graph = work.graph
    checks = {
        (node, number): targets_of_check(graph, node, number)[0]
        for node, numbers in work.checks.items()
        for number in numbers
        if _is_row_by_row(work, node, number)
    }
    if not checks:
        return {}
    snapshots = {} if work.options.full else _in_pieces(work.inventory.there.values())
    asked = {
        key: [
            (_answer_id(graph.node(key[0]).checks[key[1]], snapshot), snapshot)
            for snapshot in snapshots.get(graph.wholes[target], ())
        ]
        for key, target in checks.items()
    }
    audits = warehouse.snapshots.audits([id_ for pairs in asked.values() for id_, _ in pairs])
    return {
        key: [
            Answered(snapshot, audits[id_].violations) for id_, snapshot in pairs if id_ in audits
        ]
        for key, pairs in asked.items()
    }


def _is_row_by_row(work: Work, identifier: str, number: int) -> bool:
    graph = work.graph
    targets = targets_of_check(graph, identifier, number)
    sql = graph.node(identifier).checks[number].sql
    if len(targets) != 1 or not _may_be_in_pieces(graph.node(targets[0])):
        return False
    is_certain = (identifier, number) not in graph.volatile and not reads_row_ids(sql)
    return is_certain and is_row_by_row(parsed(sql)[0])


def _may_be_in_pieces(node: Node) -> bool:
    return bool(node.partition) or (node.kind == "source" and is_of_files(node))


def _in_pieces(snapshots: Iterable[Snapshot]) -> dict[str, list[Snapshot]]:
    """Fingerprint → the last snapshots in pieces, newest first."""
    found: dict[str, list[Snapshot]] = {}
    for snapshot in snapshots:
        if snapshot.is_in_pieces:
            found.setdefault(snapshot.fingerprint, []).append(snapshot)
    return {print_: there[::-1][:_MOST_LOOKED_UP] for print_, there in found.items()}


def _answer_id(check: Check, snapshot: Snapshot) -> str:
    """The id of the answer to a check about the rows of a snapshot as they were built: a later one
    of the same identity may be made of other pieces."""
    built_at = snapshot.built_at.isoformat()
    return digest("audit of pieces", *check.question, snapshot.id, *snapshot.tables, built_at)


def whole_question(
    work: Work, identifier: str, number: int, tables: Mapping[str, str]
) -> AuditQuery:
    """The question of a check about all rows. tables: node → its table as SQL names it."""
    targets = targets_of_check(work.graph, identifier, number)
    return AuditQuery(
        ids=(work.inventory.answer_ids[identifier, number],),
        node=identifier,
        name=work.graph.node(identifier).checks[number].name,
        sql=check_of(work.graph, identifier, number, tables),
        rows=tables[targets[0]] if targets else None,
    )


def question_of(site: Site, builder: Builder, identifier: str, number: int) -> AuditQuery:
    """The question of a check: of the table that it reads, or of the pieces that are new in it.
    Raises SqlError."""
    work, check = site.work, site.work.graph.node(identifier).checks[number]
    targets = targets_of_check(work.graph, identifier, number)
    now = snapshot_of(work, site.progress, targets[0]) if targets else None
    whole = whole_question(work, identifier, number, relations_of(site, targets))
    answers = site.answers.get((identifier, number))
    if now is None or answers is None or not now.is_in_pieces:
        return whole
    whole = replace(whole, ids=(*whole.ids, _answer_id(check, now)))
    change = _smallest_change(builder, now, answers)
    if change is None:
        return whole

    def sql(pieces: Sequence[Piece]) -> str:
        tables = {targets[0]: limited(now, pieces).relation}
        return check_of(work.graph, identifier, number, tables)

    earlier = Earlier(
        violations=change.violations,
        gone=sql(change.gone) if change.gone else None,
        rows=now.rows,
        pieces=(len(change.new), change.total),
    )
    return replace(whole, sql=sql(change.new), earlier=earlier)


@dataclass(frozen=True, slots=True)
class _Change:
    """The difference between a snapshot and an earlier one over the same table."""

    violations: int  # of the earlier one
    new: Sequence[Piece]
    gone: Sequence[Piece]  # if some of their rows may violate the check
    total: int  # the number of pieces of the snapshot

    @property
    def rows(self) -> int:
        return sum(piece.rows for piece in (*self.new, *self.gone))


def _smallest_change(
    builder: Builder, now: Snapshot, answers: Sequence[Answered]
) -> _Change | None:
    """The change from the earlier snapshot that shares most rows; None if it is quicker to ask all
    of them."""
    before = [one for one in answers if one.snapshot.tables == now.tables][:_MOST_COMPARED]
    if not before:
        return None
    there = builder.pieces(now)
    if sum(piece.rows for piece in there) != now.rows:
        return None  # somebody has changed the record of the pieces
    changes = [(_lacking(one.snapshot, there), one) for one in before]
    new, nearest = min(changes, key=lambda pair: sum(piece.rows for piece in pair[0]))
    gone = _lacking(now, builder.pieces(nearest.snapshot)) if nearest.violations else []
    change = _Change(nearest.violations, new, gone, len(there))
    return change if change.rows < now.rows else None


def _lacking(snapshot: Snapshot, pieces: Iterable[Piece]) -> list[Piece]:
    """The pieces that a snapshot over the same table does not have."""
    held = ranges_in(snapshot.pieces)
    return [piece for piece in pieces if not is_within(piece.number, held)]
