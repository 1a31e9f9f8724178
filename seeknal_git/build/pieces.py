"""Nodes that are built partition by partition: the pieces that a snapshot is made of, and those of
them that are missing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from seeknal_git.build.batches import batches
from seeknal_git.build.failures import NodeFailed
from seeknal_git.build.inventory import Inventory
from seeknal_git.build.piece_codes import Code, EarlierCode, code_of, storage_of
from seeknal_git.build.piece_ids import PieceIds, data_of, mark_of
from seeknal_git.build.reading import Reading
from seeknal_git.build.rebuilds import is_limited
from seeknal_git.names import folded
from seeknal_git.nodes.node import Node
from seeknal_git.project.fingerprints import digest
from seeknal_git.project.partitions import Layout, Layouts, Undivided, why_not_whole
from seeknal_git.sql.partition_values import in_partition
from seeknal_git.sql.partitioning import Misplaced, Ordinal, Partitioning
from seeknal_git.sql.statement import Columns
from seeknal_git.warehouse.model.pieces import InPieces, Piece, Stage, Store
from seeknal_git.warehouse.model.snapshots import Blueprint, Part, Snapshot
from seeknal_git.warehouse.protocol import Builder

if TYPE_CHECKING:
    from seeknal_git.build.since import Limit

# Node → its rows as SQL names them; becomes the SELECT of a node.
Rendering = Callable[[Mapping[str, str]], Blueprint]


@dataclass(frozen=True, slots=True)
class Pieces:
    """The nodes of a run that are built in pieces."""

    inventory: Inventory
    earlier: Mapping[str, EarlierCode]  # node → its code of before, for the nodes that have one
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
        mark = mark_of(self.inventory, source.id, storage, order.store)

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
        order = self._order(builder, node, whole, columns, code.storage)
        pieces = {name: builder.pieces(reads[name]) for name in layout.windows}
        reading = Reading.of(layout, pieces, reads)
        pieces_of = self.wanted(node.id, reading, code, order.store)
        wanted = {piece.ordinal: piece for piece in pieces_of}
        known = order.store.pieces if order.store else {}
        missing = [at for at, piece in wanted.items() if piece.id not in known]

        def sql_of(some: Sequence[Ordinal]) -> str:
            return rendering({**relations, **reading.relations(some)}).sql

        statements: Iterable[tuple[Sequence[Ordinal], str]]
        if layout.is_apart:
            of = layout.partitioning
            statements = (([at], in_partition(sql_of([at]), of, at)) for at in missing)
        else:
            statements = ((some, sql_of(some)) for some in batches(builder, reading, missing))
            whole = replace(whole, sql=sql_of(missing))
        if limit := self._limit(node.id):
            whole = replace(whole, part=_part(limit, reading, wanted))
        order = replace(
            order,
            blueprint=whole,
            wanted=wanted,
            there=reading.ordinals,
            statements=statements,
            is_apart=layout.is_apart,
            before=self.stages.get(node.id),
        )
        made = builder.build_pieces(order)
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
        return code_of(self.inventory.graph, node, layout, columns, self.earlier.get(node))

    def wanted(
        self, node: str, reading: Reading, code: Code, store: Store | None
    ) -> Iterator[Piece]:
        """The pieces of a node that the run is to make or to use, in the order of their
        partitions."""
        ids: dict[str, PieceIds] = {}  # by the key of the code
        limit = self._limit(node)
        mark = mark_of(self.inventory, node, code.storage, store)
        for ordinal in reading.ordinals:
            if limit and not limit.takes(ordinal):
                continue
            own = code.of(ordinal)
            if own.key not in ids:
                ids[own.key] = PieceIds.of(self.inventory, node, reading, own, mark)
            yield ids[own.key].piece(ordinal)


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
