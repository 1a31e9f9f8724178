"""The reasons of a plan: the columns that a change touches, and why each node downstream is rebuilt
or re-used. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from seeknal_git.names import folded
from seeknal_git.project.bound_graph import BoundGraph
from seeknal_git.project.fingerprints import Fingerprint, decisive
from seeknal_git.project.graph import deciding
from seeknal_git.sql.statement import EVERYTHING, ROWS

_SHOWN = 4  # names in a sentence; the others are counted


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


def why_rebuilt(identifier: str, base: BoundGraph, head: BoundGraph) -> str:
    """Why a node is rebuilt: the reads that changed, or its definition, or raw data."""
    if identifier not in base.members:
        return "a new node"
    reasons = [*_moved(identifier, base, head)]
    if not reasons and identifier in head.delivered and identifier not in base.delivered:
        return "its ORDER BY counts, as a file shows it now"
    if not reasons and base.wholes[identifier] != head.wholes[identifier]:
        return "its definition changed"
    return "; ".join(reasons) or "the raw data behind it moved on"


def _moved(identifier: str, base: BoundGraph, head: BoundGraph) -> Iterator[str]:
    was = reads_of(base, identifier)
    for feeder, columns in reads_of(head, identifier).items():
        if feeder not in base.members:
            yield f"reads {feeder}, which is new"
            continue
        before, after = base.fingerprints[feeder], head.fingerprints[feeder]
        moved = sorted(
            name for name in columns | was.get(feeder, set()) if before.of(name) != after.of(name)
        )
        if ROWS in moved and after.rows:
            yield f"reads the rows of {feeder}"
        elif ROWS in moved or EVERYTHING in moved:
            yield f"reads {feeder}"
        elif moved:
            yield f"reads {_listed(_spelled(moved, feeder, base, head))} of {feeder}"
        elif list(before.columns or ()) != list(after.columns or ()):
            yield f"depends on the order of the columns of {feeder}"


def _spelled(columns: Iterable[str], identifier: str, *graphs: BoundGraph) -> list[str]:
    called: dict[str, str] = {}
    for graph in graphs:
        called |= spellings(graph, identifier)
    return [called.get(name, name) for name in columns]


def why_reused(identifier: str, changed: str, head: BoundGraph) -> str:
    """Why a node downstream of a change is re-used."""
    columns = sorted(set(reads_of(head, identifier).get(changed, ())) - {ROWS})
    if changed not in head.feeding(identifier) or columns == [EVERYTHING]:
        return "reads nothing that changed"
    if not columns:
        return f"reads no column of {changed}"
    return f"reads only {_listed(_spelled(columns, changed, head))}"


def readers_of(graph: BoundGraph, identifier: str, column: str) -> list[str]:
    """The nodes that read a column of a node."""
    wanted = {folded(column), EVERYTHING}
    return [
        reader
        for reader in graph.readers[identifier]
        if wanted & reads_of(graph, reader).get(identifier, set())
    ]


def _listed(names: list[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names) if more <= 1 else f"{', '.join(names[:_SHOWN])} and {more} more"


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
