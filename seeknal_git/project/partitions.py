"""Which nodes can be built partition by partition, and which partitions of their inputs these
read. Pure, but for the engine's parser."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from seeknal_git.errors import Problem
from seeknal_git.names import folded
from seeknal_git.sql.partition_values import has_marks
from seeknal_git.sql.partitioning import Misplaced, Partitioning

if TYPE_CHECKING:
    from seeknal_git.nodes.node import Node
    from seeknal_git.project.bound_graph import BoundGraph

BUCKET = "bucket"
_UNBOUND = "`$start`, `$end` and `$partition` are of a partition, and it has none"
_UNKEPT = "`history: frozen` keeps partitions, and it has none"
_UNDROPPED = "`outside: drop` leaves out rows of no partition, and it has none"


@dataclass(frozen=True, slots=True)
class Window:
    """The partitions of an input that an interval reads: those that overlap it, and some hours
    around it."""

    partitioning: Partitioning  # of the input
    before: int = 0
    after: int = 0


@dataclass(frozen=True, slots=True)
class Layout:
    """How a node is built partition by partition."""

    partitioning: Partitioning
    # The inputs that are read partition by partition; all others are read as a whole.
    windows: Mapping[str, Window] = field(default_factory=dict)
    # Whether the author says which partitions are read, in place of a proof. One statement for
    # several might give other rows than one for each.
    is_stated: bool = False
    # Whether the SQL asks for the partition that is built.
    has_marks: bool = False
    # Whether rows outside are looked for if they are an error; SQL that asks for its partition says
    # itself which rows it takes.
    looks_outside: bool = True

    @property
    def is_apart(self) -> bool:
        """Whether each partition has a statement of its own."""
        return self.is_stated or self.has_marks


@dataclass(frozen=True, slots=True)
class Undivided:
    """Why a node is built as a whole, and the line of its file that says so."""

    why: str
    path: str
    line: int
    is_mistake: bool = False  # whether no SQL could be divided so
    cure: str = "Name a column of the node with a type of a time, or mend the SQL."  # of a mistake


def why_not_whole(node: Node) -> str:
    """Why a node with `partition:` cannot be built as a whole; nothing if it can."""
    if has_marks(node.sql or ""):
        return _UNBOUND
    if node.frozen:
        return _UNKEPT
    return _UNDROPPED if node.partition["outside"] == "drop" else ""


@dataclass(slots=True)
class Layouts:
    """The layouts of a graph, each found when somebody asks for it."""

    graph: BoundGraph
    _found: dict[str, Layout | Undivided | None] = field(default_factory=dict)

    def of(self, identifier: str) -> Layout | Undivided | None:
        """The layout of a node; None if it has no `partition:`."""
        if identifier not in self.graph.structure.pieces:
            return None
        if identifier not in self._found:
            self._found[identifier] = self._bound(identifier, self._layout(identifier))
        return self._found[identifier]

    def problems(self) -> Iterator[Problem]:
        """The partitions of columns that nodes do not have, or that nobody could divide."""
        for identifier, found in self._undivided():
            if found.is_mistake:
                message = f"{identifier} has no such partitions: {found.why}."
                yield Problem(message, found.path, found.line, found.cure, identifier)

    def warnings(self) -> Iterator[Problem]:
        """The other nodes with `partition:` that are built as a whole."""
        for identifier, found in self._undivided():
            if not found.is_mistake:
                message = f"{identifier} is built as a whole: {found.why}."
                hint = "Leave out `partition:`, or say `reads: {INPUT: {before: 6d}}`."
                yield Problem(message, found.path, found.line, hint, identifier)

    def _undivided(self) -> Iterator[tuple[str, Undivided]]:
        for identifier in self.graph.inputs:
            if isinstance(found := self.of(identifier), Undivided):
                yield identifier, found

    def _bound(self, identifier: str, found: Layout | Undivided) -> Layout | Undivided:
        """The layout; a mistake if the SQL asks for a partition that it is not built by."""
        why = why_not_whole(self.graph.node(identifier))
        if isinstance(found, Layout) or not why:
            return found
        return replace(found, why=f"{why}: {found.why}", is_mistake=True)

    def _layout(self, identifier: str) -> Layout | Undivided:
        node = self.graph.node(identifier)
        own = Partitioning.of(node.partition)
        if node.kind == "source":
            return Layout(own)
        if fault := self._fault(identifier, own):
            return fault
        stated = node.definition.get("reads", {})
        windows = {
            read: Window(found.partitioning, *stated.get(read, (0, 0)))
            for read in self.graph.targets[identifier][0]
            if isinstance(found := self.of(read), Layout) and own.can_read(found.partitioning)
        }
        for read in node.frozen:
            if read in windows:
                why = f"{read} is read partition by partition, so nothing of it is frozen"
                cure = "Leave out `history: frozen`."
                return Undivided(why, node.path, node.line("inputs"), is_mistake=True, cure=cure)
        if not windows:
            return Undivided(
                "none of its inputs has such partitions", node.path, node.line("partition")
            )
        return self._proven(identifier, own, windows, frozenset(stated))

    def _fault(self, identifier: str, own: Partitioning) -> Undivided | None:
        graph, node = self.graph, self.graph.node(identifier)
        path, line = node.path, node.line("partition", "by")
        columns = graph.columns[identifier]
        if columns is None or not graph.anatomies[identifier]:
            return Undivided("its columns are not known before its inputs are built", path, line)
        try:
            own.sql({folded(name): kind for name, kind in columns})
        except Misplaced as exc:
            return Undivided(str(exc), path, line, is_mistake=True)
        if graph.is_unstable(identifier):
            why = graph.why_unstable(identifier)
            return Undivided(f"it may have other rows each time it is built ({why})", path, line)
        return None

    def _proven(
        self,
        identifier: str,
        own: Partitioning,
        windows: Mapping[str, Window],
        stated: frozenset[str],
    ) -> Layout | Undivided:
        from seeknal_git.sql.engine import parsed
        from seeknal_git.sql.locality import Input, line_of, locality

        graph, node = self.graph, self.graph.node(identifier)
        inputs = [
            Input(
                graph.known[read],
                windows[read].partitioning.by if read in windows else (),
                stated=read in stated and read in windows,
            )
            for read in graph.targets[identifier][0]
        ]
        sql = node.sql or ""
        names = [name for name, _ in graph.columns[identifier] or ()]
        found = locality(parsed(sql)[0], inputs, names, own.by, own.every or BUCKET)
        if found.is_local:
            earliest = graph.members[identifier]
            while earliest.earlier:  # it decides the rows outside
                earliest = earliest.earlier
            looks = not has_marks(earliest.node.sql or "")
            return Layout(own, windows, bool(stated), has_marks(sql), looks)
        line = node.line("partition")
        if found.location is not None:
            return Undivided(
                found.obstacle, node.sql_path, node.line_of_sql(line_of(sql, found.location))
            )
        return Undivided(found.obstacle, node.path, line)
