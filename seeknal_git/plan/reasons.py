"""The reasons of a plan: the columns that a change touches, and why each node downstream is rebuilt
or re-used. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from seeknal_git.names import folded
from seeknal_git.nodes.node import Node, event_time_of
from seeknal_git.plan.blame import Blame
from seeknal_git.plan.reason import Because, Reason
from seeknal_git.project.bound_graph import BoundGraph
from seeknal_git.project.fingerprints import Fingerprint, decisive
from seeknal_git.project.graph import deciding
from seeknal_git.sql.statement import EVERYTHING, ROWS


@dataclass(frozen=True, slots=True)
class ColumnChange:
    """A column of a node that was edited."""

    name: str
    kind: Literal["added", "removed", "changed"]
    # Its types on both sides; None if the engine could not tell.
    before: str | None = None
    after: str | None = None

    @property
    def retyped(self) -> bool:
        types = (self.before, self.after)
        return self.kind == "changed" and None not in types and self.before != self.after


def column_changes(
    identifier: str, base: BoundGraph, head: BoundGraph, before: Fingerprint, after: Fingerprint
) -> tuple[ColumnChange, ...]:
    """The columns that an edit adds, removes or changes in value or in type, as far as they are
    known."""
    old, new = _types(base, identifier, before), _types(head, identifier, after)
    told = before.columns is not None and after.columns is not None
    found = []
    called = spellings(base, identifier) | spellings(head, identifier)
    for name in {**new, **old}:
        exact = called.get(name, name)
        if name not in old:
            found.append(ColumnChange(exact, "added", None, new[name]))
        elif name not in new:
            found.append(ColumnChange(exact, "removed", old[name], None))
        else:
            change = ColumnChange(exact, "changed", old[name], new[name])
            if change.retyped or (told and before.of(name) != after.of(name)):
                found.append(change)
    return tuple(found)


def spellings(graph: BoundGraph, identifier: str) -> dict[str, str]:
    """For each known column in lower case, its name as the engine spells it."""
    return {folded(name): name for name, _ in graph.columns.get(identifier) or ()}


def _types(graph: BoundGraph, identifier: str, known: Fingerprint) -> dict[str, str | None]:
    columns = graph.columns.get(identifier)
    if columns is not None:
        return {folded(name): word for name, word in columns}
    return dict.fromkeys(known.columns or ())


def reads_of(graph: BoundGraph, identifier: str) -> dict[str, set[str]]:
    """For each input of a node, the columns that the node reads; ROWS and EVERYTHING among them."""
    found: dict[str, set[str]] = {feeder: set() for feeder in graph.feeding(identifier)}
    member = graph.members[identifier]
    if member.node.use:
        return {feeder: {EVERYTHING} for feeder in found}
    numbers = [number for number, _ in deciding(member)]
    for number, anatomy in zip(numbers, graph.anatomies.get(identifier, ()), strict=False):
        targets = graph.targets[identifier][number]
        for reference, column in decisive(member.node, anatomy).reads:
            found.setdefault(targets[reference], set()).add(column)
    return found


@dataclass(frozen=True, slots=True)
class _Moved:
    """An input of a node, and the parts that changed of those that the node reads."""

    feeder: str
    # Columns in lower case, ROWS and EVERYTHING; none if only the order of the columns changed.
    parts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """Why a node is built again."""

    node: str
    base: BoundGraph
    head: BoundGraph
    moved: tuple[_Moved, ...]

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """The reads that changed, or the definition of the node, or raw data."""
        base, head = self.base, self.head
        if self.node not in base.members:
            return (Reason(Because.NEW),)
        found = [self._reason(moved.feeder, moved.parts) for moved in self.moved]
        if timed := _timed_anew(self.node, base, head):
            found.append(Reason(Because.READS_TIMES, timed))
        if found:
            return tuple(found)
        if self.node in head.delivered and self.node not in base.delivered:
            return (Reason(Because.ROW_ORDER),)
        changed = base.wholes[self.node] != head.wholes[self.node]
        return (Reason(Because.DEFINITION if changed else Because.DATA_BEHIND),)

    def for_edit(self, edit: str, blame: Blame) -> tuple[Reason, ...]:
        """The reads that changed because of the edit of one node; all reasons if the parts do not
        tell the edits apart."""
        found = []
        for moved in self.moved:
            parts = tuple(part for part in moved.parts if blame.is_behind(edit, moved.feeder, part))
            if parts or (not moved.parts and blame.orders(edit, moved.feeder)):
                found.append(self._reason(moved.feeder, parts))
        return tuple(found) or self.reasons

    def _reason(self, feeder: str, parts: tuple[str, ...]) -> Reason:
        if feeder not in self.base.members:
            return Reason(Because.READS_NEW, (feeder,))
        if ROWS in parts and self.head.fingerprints[feeder].rows:
            return Reason(Because.READS_ROWS, (feeder,))
        if ROWS in parts or EVERYTHING in parts:
            return Reason(Because.READS_NODE, (feeder,))
        if not parts:
            return Reason(Because.COLUMN_ORDER, (feeder,))
        columns = _spelled(parts, feeder, self.base, self.head)
        return Reason(Because.READS_COLUMNS, (feeder,), columns)


def _timed_anew(identifier: str, base: BoundGraph, head: BoundGraph) -> tuple[str, ...]:
    """The inputs of a function that joins by the times of their rows, in another column now."""
    if not head.node(identifier).python.get("is_timed"):
        return ()
    both = (feeder for feeder in head.feeding(identifier) if feeder in base.members)
    return tuple(feeder for feeder in both if are_timed_anew(base.node(feeder), head.node(feeder)))


def are_timed_anew(before: Node, after: Node) -> bool:
    """Whether another column has the times of a node's rows."""
    return event_time_of(before.document) != event_time_of(after.document)


def why_rebuilt(identifier: str, base: BoundGraph, head: BoundGraph) -> Rebuilt:
    """Why a node is built again: for all edits together, and for each of them."""
    moved = tuple(_moved(identifier, base, head)) if identifier in base.members else ()
    return Rebuilt(identifier, base, head, moved)


def _moved(identifier: str, base: BoundGraph, head: BoundGraph) -> Iterator[_Moved]:
    was = reads_of(base, identifier)
    for feeder, columns in reads_of(head, identifier).items():
        if feeder not in base.members:
            yield _Moved(feeder, (EVERYTHING,))
            continue
        before, after = base.fingerprints[feeder], head.fingerprints[feeder]
        moved = sorted(
            name for name in columns | was.get(feeder, set()) if before.of(name) != after.of(name)
        )
        if moved or list(before.columns or ()) != list(after.columns or ()):
            yield _Moved(feeder, tuple(moved))


def _spelled(columns: Iterable[str], identifier: str, *graphs: BoundGraph) -> tuple[str, ...]:
    called: dict[str, str] = {}
    for graph in graphs:
        called |= spellings(graph, identifier)
    return tuple(called.get(name, name) for name in columns)


def why_reused(identifier: str, changed: str, head: BoundGraph) -> Reason:
    """Why a node downstream of a change is re-used."""
    if changed not in head.feeding(identifier):
        return Reason(Because.READS_NOTHING)
    columns = sorted(set(reads_of(head, identifier).get(changed, ())) - {ROWS})
    if columns == [EVERYTHING]:
        return Reason(Because.READS_NOTHING)
    if not columns:
        return Reason(Because.READS_NO_COLUMN, (changed,))
    return Reason(Because.READS_ONLY, (changed,), _spelled(columns, changed, head))


def readers_of(graph: BoundGraph, identifier: str, column: str) -> list[str]:
    """The nodes that read a column of a node."""
    wanted = {folded(column), EVERYTHING}
    return [
        reader
        for reader in graph.readers[identifier]
        if wanted & reads_of(graph, reader).get(identifier, set())
    ]


def obstacles_of(graph: BoundGraph, identifier: str) -> tuple[str, ...]:
    """The constructs of a node that could not be resolved, and those that are unstable."""
    anatomies = graph.anatomies.get(identifier, ())
    obstacles = dict.fromkeys(obstacle for anatomy in anatomies for obstacle in anatomy.obstacles)
    parts = [
        part
        for anatomy in anatomies
        for part in (anatomy.rows, *dict(anatomy.columns or ()).values())
    ]
    unstable = dict.fromkeys(
        part.unstable for part in parts if part and part.unstable not in {"", *obstacles}
    )
    return (
        *(f"not resolved: {obstacle}" for obstacle in obstacles),
        *(f"unstable: {construct}" for construct in unstable),
    )
