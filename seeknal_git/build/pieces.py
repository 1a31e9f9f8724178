"""Nodes that are built partition by partition: the pieces that a snapshot is made of, and those of
them that are missing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from seeknal_git.build.batches import batches
from seeknal_git.build.failures import NodeFailed
from seeknal_git.build.inventory import Inventory
from seeknal_git.build.piece_codes import Code, code_of, storage_of
from seeknal_git.build.rebuilds import is_limited
from seeknal_git.names import folded
from seeknal_git.nodes.node import Node
from seeknal_git.project.fingerprints import digest
from seeknal_git.project.partitions import Layout, Layouts, Undivided, why_not_whole
from seeknal_git.project.raw_data import DataRoot
from seeknal_git.project.snapshot_ids import again, deciding, is_build
from seeknal_git.sql.partition_values import in_partition
from seeknal_git.sql.partitioning import Misplaced, Ordinal, Partitioning
from seeknal_git.sql.statement import Columns
from seeknal_git.warehouse.model.pieces import InPieces, Piece, Stage, Store, limited
from seeknal_git.warehouse.model.snapshots import Blueprint, Part, Snapshot
from seeknal_git.warehouse.protocol import Builder

if TYPE_CHECKING:
    from seeknal_git.build.since import Limit

# Node → its rows as SQL names them; becomes the SELECT of a node.
Rendering = Callable[[Mapping[str, str]], Blueprint]
NOTHING: Mapping[str, Snapshot] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Pieces:
    """The nodes of a run that are built in pieces."""

    inventory: Inventory
    root: DataRoot
    taken: frozenset[str]  # names of snapshot tables, in lower case
    layouts: Layouts
    # Node → its pieces so far, if they are built in several transactions.
    stages: dict[str, Stage] = field(default_factory=dict)

    def loaded(
        self,
        builder: Builder,
        source: Node,
        blueprint: Blueprint,
        confirm: Callable[[], None],
    ) -> Snapshot:
        """Read a source, and keep its new pieces. Raises SqlError, or NodeFailed."""
        columns = builder.columns(blueprint.sql, blueprint.parameters)
        storage = storage_of(self.inventory.graph, source.id, columns)
        order = self._order(builder, source, blueprint, columns, storage)
        origin = self.inventory.graph.wholes[source.id]
        mark = mark_of(self.inventory, source.id, order.store)

        def named(ordinal: Ordinal, content: str) -> Piece:
            said = json.dumps([order.partitioning.key, ordinal, content])
            name = digest("piece", order.storage, said)
            return Piece(name, ordinal, {origin: data_of(content, columns), **mark})

        made = builder.build_pieces(replace(order, named=named), confirm)
        assert isinstance(made, Snapshot), "a load is one transaction"
        return made

    def built(
        self,
        builder: Builder,
        node: Node,
        reads: Mapping[str, Snapshot],
        rendering: Rendering,
    ) -> Snapshot | Stage | None:
        """Build the missing pieces of a node, or some of them; None if it has to be built as a
        whole.

        reads: the snapshots of its inputs. Raises SqlError, or NodeFailed.
        """
        layout = self._layout(node, reads)
        if layout is None:
            return None
        relations = {name: snapshot.relation for name, snapshot in reads.items()}
        whole = rendering(relations)
        columns = builder.columns(in_partition(whole.sql))
        code = self.code(node.id, layout, columns)
        order = self._order(builder, node, whole, columns, code.table)
        pieces = {name: builder.pieces(reads[name]) for name in layout.windows}
        reading = Reading.of(layout, pieces, reads)
        pieces_of = self.wanted(node.id, reading, code, order.store)
        wanted = {piece.ordinal: piece for piece in pieces_of}
        known = order.store.pieces if order.store else {}
        missing = [at for at, piece in wanted.items() if piece.id not in known]
        order = replace(order, wanted=wanted, there=reading.ordinals)
        if limit := self._limit(node.id):
            part = _part(limit, reading, wanted)
            order = replace(order, blueprint=replace(order.blueprint, part=part))

        def sql_of(some: Sequence[Ordinal]) -> str:
            sql = rendering({**relations, **reading.relations(some)}).sql
            return in_partition(sql, layout.partitioning, some[0]) if layout.is_apart else sql

        if layout.is_apart:
            together: Sequence[Sequence[Ordinal]] = [[at] for at in missing]
        else:
            together = batches(builder, reading, missing)
            order = replace(order, blueprint=replace(order.blueprint, sql=sql_of(missing)))
        statements = ((some, sql_of(some)) for some in together)
        order = replace(order, statements=statements, is_apart=layout.is_apart)
        made = builder.build_pieces(replace(order, before=self.stages.get(node.id)))
        if isinstance(made, Stage):
            self.stages[node.id] = made
        return made

    def _layout(self, node: Node, reads: Mapping[str, Snapshot]) -> Layout | None:
        """How a node is built partition by partition; None if it is built as a whole. Raises
        NodeFailed for a mistake."""
        layout = self.layouts.of(node.id)
        if isinstance(layout, Undivided) and layout.is_mistake:
            raise NodeFailed(f"{layout.why} ({layout.path}:{layout.line})")
        if not isinstance(layout, Layout):
            return None
        if all(reads[name].is_in_pieces for name in layout.windows):
            return layout
        if why := why_not_whole(node):
            raise NodeFailed(f"{why} ({node.path}:{node.line('partition')})")
        if self._limit(node.id):
            line = node.line("partition")
            raise NodeFailed(
                f"its inputs are not in pieces: run without --since ({node.path}:{line})"
            )
        return None

    def _limit(self, node: str) -> Limit | None:
        """The partitions that the run is limited to; None for a whole table."""
        inventory = self.inventory
        if inventory.limits is None or not is_limited(inventory.identities[node].build):
            return None
        return inventory.limits.limits[node]

    def _order(
        self, builder: Builder, node: Node, blueprint: Blueprint, columns: Columns, storage: str
    ) -> InPieces:
        partitioning = placed(node, columns)
        store = self._store(builder, node.id, storage)
        return InPieces(blueprint, storage, partitioning, columns, store)

    def _store(self, builder: Builder, node: str, storage: str) -> Store | None:
        """The table of a node's pieces, also if an earlier stage has made it; None if they are made
        anew."""
        stage = self.stages.get(node)
        begun = stage.tables if stage else frozenset[str]()
        if self.makes_anew(node):
            return builder.store(storage, begun) if begun else None
        return builder.store(storage, self.taken | begun)

    def makes_anew(self, node: str) -> bool:
        """Whether a run builds all pieces of a node, in another table: later runs find those, and
        none of before."""
        return node in self.inventory.builds.again

    def code(self, node: str, layout: Layout, columns: Columns) -> Code:
        """The code of a node. columns: those of its table."""
        return code_of(self.inventory.graph, node, layout, columns, self.root)

    def wanted(
        self, node: str, reading: Reading, code: Code, store: Store | None
    ) -> Iterator[Piece]:
        """The pieces of a node that the run is to make or to use, in the order of their
        partitions."""
        names: dict[str, _Names] = {}  # of a code, by its storage
        limit, mark = self._limit(node), mark_of(self.inventory, node, store)
        for ordinal in reading.ordinals:
            if limit and not limit.takes(ordinal):
                continue
            own = code.of(ordinal)
            if own.storage not in names:
                names[own.storage] = _Names.of(self.inventory, node, reading, own, mark)
            yield names[own.storage].piece(ordinal)


@dataclass(frozen=True, slots=True)
class _Names:
    """The pieces that a code makes of some inputs."""

    reading: Reading
    storage: str  # everything but the data that decides a piece
    sources: set[str]  # that decide the node
    others: Mapping[str, str]  # the data of the inputs that are read as a whole
    mark: Mapping[str, str]  # of pieces that are built again

    @classmethod
    def of(
        cls,
        inventory: Inventory,
        node: str,
        reading: Reading,
        code: Code,
        mark: Mapping[str, str],
    ) -> _Names:
        graph, identities = code.graph, inventory.identities
        others = [read for read in graph.inputs[node] if read not in code.layout.windows]
        mask = graph.index.masks[node]
        sources = {
            graph.wholes.get(source, "")
            for number, source in enumerate(graph.origins)
            if mask >> number & 1
        }
        return cls(
            replace(reading, layout=code.layout),
            code.storage,
            sources,
            deciding(graph, inventory.versions, identities, node, others),
            mark,
        )

    def piece(self, ordinal: Ordinal) -> Piece:
        origins = self.reading.origins(ordinal, self.sources, self.others)
        said = json.dumps([ordinal, sorted(origins.items())])
        return Piece(digest("piece", self.storage, said), ordinal, {**origins, **self.mark})


def _part(limit: Limit, reading: Reading, wanted: Iterable[Ordinal]) -> Part:
    """The partitions that a table in part has."""
    layout, has = reading.layout, reading.layout.partitioning.has
    part = limit.part([*filter(has, wanted)], [*filter(has, reading.ordinals)])
    over = (name for name, read in reading.snapshots.items() if read.part)
    return replace(part, over=tuple(name for name in over if name not in layout.windows))


def placed(node: Node, columns: Columns) -> Partitioning:
    """How the rows of a node fall into partitions. Raises NodeFailed if they cannot."""
    partitioning = Partitioning.of(node.partition)
    try:
        partitioning.sql({folded(name): kind for name, kind in columns})
    except Misplaced as exc:
        raise NodeFailed(f"{exc} ({node.path}:{node.line('partition', 'by')})") from exc
    return partitioning


def data_of(content: str, columns: Columns) -> str:
    """The data of a piece of a source: the sums over its rows, and a hash of its columns."""
    return f"{content} {digest(json.dumps(sorted(columns)))}"


def mark_of(inventory: Inventory, node: str, store: Store | None) -> dict[str, str]:
    """The mark of pieces that are built again, and of all that come into their table later, so
    that readers are which saw the rows of before. store: that table; None for a new one."""
    name, identity = again(inventory.graph, node), inventory.identities[node]
    if node in inventory.builds.again or inventory.builds.is_begun(identity):
        return {name: identity.build or inventory.builds.begin(identity.text)}
    pieces = store.pieces.values() if store else ()
    return next(({name: one.origins[name]} for one in pieces if name in one.origins), {})


@dataclass(frozen=True, slots=True)
class Reading:
    """The pieces of the inputs of a node, and which of them each of its partitions reads."""

    layout: Layout
    snapshots: Mapping[str, Snapshot]  # of the inputs, if they are there
    pieces: Mapping[str, Mapping[Ordinal, list[Piece]]]  # of these, by partition
    # Own partition → the partitions that it reads, by input.
    reads: dict[Ordinal, dict[str, list[Ordinal]]] = field(default_factory=dict)
    # The partitions that the node has, and others if its inputs are in part.
    known: set[Ordinal] = field(default_factory=set)

    @classmethod
    def of(
        cls,
        layout: Layout,
        reads: Mapping[str, Iterable[Piece]],
        snapshots: Mapping[str, Snapshot] = NOTHING,
    ) -> Reading:
        """reads: all pieces of the inputs that are read partition by partition."""
        pieces: dict[str, dict[Ordinal, list[Piece]]] = {}
        for name in layout.windows:
            own = pieces.setdefault(name, {})
            for piece in reads[name]:
                own.setdefault(piece.ordinal, []).append(piece)
        found = cls(layout, snapshots, pieces)
        for name, window in layout.windows.items():
            overlapping = layout.partitioning.overlapping(
                pieces[name], window.partitioning, window.before, window.after
            )
            for ordinal, overlapped in overlapping.items():
                found.reads.setdefault(ordinal, {})[name] = overlapped
            part = snapshots[name].part if name in snapshots else None
            whole = part.whole if part and part.whole else pieces[name]
            found.known.update(
                layout.partitioning.overlapping(
                    whole, window.partitioning, window.before, window.after
                )
            )
        return found

    @property
    def ordinals(self) -> list[Ordinal]:
        """The partitions of the whole node. The rows outside are one if they are kept, or if they
        are an error and may be there: that one stays empty. SQL that asks for its partition says
        itself which rows it takes."""
        inside = sorted(at for at in self.known if at is not None)
        outside = self.layout.partitioning.outside
        looks = outside == "error" and None in self.known and not self.layout.has_marks
        return [None, *inside] if outside == "keep" or looks else [*inside]

    def origins(
        self, ordinal: Ordinal, sources: set[str], others: Mapping[str, str]
    ) -> dict[str, str]:
        """Source, or node that was built again → a hash of its data in all that a partition reads.

        sources: those that decide the node; others: the same of the inputs that are read as a
        whole.
        """
        texts = {origin: [text] for origin, text in others.items()}
        for number, name in enumerate(self.layout.windows):
            for at in self.reads.get(ordinal, {}).get(name, ()):
                for origin, text in _together(self.pieces[name][at]):
                    if origin in sources or is_build(origin):
                        texts.setdefault(origin, []).append(f"{number} {at} {text}")
        return {origin: digest(*sorted(parts)) for origin, parts in texts.items()}

    def relations(self, ordinals: Iterable[Ordinal]) -> dict[str, str]:
        """Input → the rows that some partitions read of it, as SQL names them."""
        wanted = list(ordinals)
        found = {}
        for name in self.layout.windows:
            read = {at for ordinal in wanted for at in self.reads.get(ordinal, {}).get(name, ())}
            if read != self.pieces[name].keys():
                pieces = [piece for at in read for piece in self.pieces[name][at]]
                found[name] = limited(self.snapshots[name], pieces).relation
        return found


def _together(pieces: Sequence[Piece]) -> Iterable[tuple[str, str]]:
    """Source, or node that was built again → its data behind all pieces of a partition, however
    the rows of a source are spread over files."""
    if len(pieces) == 1:
        return pieces[0].origins.items()
    texts: dict[str, set[str]] = {}
    sums: dict[tuple[str, str], tuple[int, int, int]] = {}
    for piece in pieces:
        for origin, text in piece.origins.items():
            if is_build(origin):
                texts.setdefault(origin, set()).add(text)
            else:
                *counts, columns = text.removeprefix("rows ").split()
                rows, xor, total = sums.get((origin, columns), (0, 0, 0))
                more, other, further = map(int, counts)
                sums[origin, columns] = (rows + more, xor ^ other, total + further)
    added = [
        (origin, " ".join(["rows", *map(str, found), columns]))
        for (origin, columns), found in sums.items()
    ]
    return [*added, *((origin, " ".join(sorted(found))) for origin, found in texts.items())]
