"""How many partitions of each node a run is going to build, before it does."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from seeknal_git.build.piece_codes import earlier_codes
from seeknal_git.build.pieces import Pieces
from seeknal_git.build.reading import Reading
from seeknal_git.project.partitions import Layout, Layouts, Undivided
from seeknal_git.warehouse.model.snapshots import Partitions

if TYPE_CHECKING:
    from seeknal_git.build.inventory import Inventory
    from seeknal_git.project.raw_data import DataRoot
    from seeknal_git.warehouse.model.pieces import Piece
    from seeknal_git.warehouse.protocol import Warehouse


@dataclass(frozen=True, slots=True)
class Forecast:
    """The partitions of a node that is to be built."""

    partitions: Partitions | None  # None if they depend on raw data that is not read yet
    after: str = ""  # the source that has to be read before, if so
    whole: str = ""  # why the node is built as a whole, if so
    mistake: str = ""  # why it cannot be built, if so


def forecast_of(
    warehouse: Warehouse, inventory: Inventory, root: DataRoot, building: Iterable[str]
) -> dict[str, Forecast]:
    """Node → its partitions, for each node with `partition:` among those to build. Reads only.

    building: the nodes to build, inputs first.
    """
    graph = inventory.graph
    nodes = [node for node in building if node in graph.structure.pieces]
    if not nodes:
        return {}
    there = frozenset(map(str.lower, warehouse.snapshots.tables()))
    earlier = earlier_codes(graph, nodes, root)
    pieces = Pieces(inventory, earlier, there, Layouts(graph))
    found = _Forecasts(warehouse, inventory, pieces)
    return {node: found.of(node) for node in nodes}


@dataclass(frozen=True, slots=True)
class _Forecasts:
    warehouse: Warehouse
    inventory: Inventory
    pieces: Pieces
    # Node → the pieces that it is going to have, as far as they are known.
    known: dict[str, list[Piece]] = field(default_factory=dict)
    after: dict[str, str] = field(default_factory=dict)

    def of(self, node: str) -> Forecast:
        graph = self.inventory.graph
        layout = self.pieces.layouts.of(node)
        if isinstance(layout, Undivided) and layout.is_mistake:
            return Forecast(None, mistake=layout.why)
        if not isinstance(layout, Layout):
            return Forecast(None, whole=layout.why if layout else "")
        if graph.node(node).kind == "source":
            self.after[node] = node
            return Forecast(None, after=node)
        for name in layout.windows:
            if name in self.after:
                self.after[node] = self.after[name]
                return Forecast(None, after=self.after[name])
        return Forecast(self._counted(node, layout))

    def _counted(self, node: str, layout: Layout) -> Partitions:
        """The partitions of a node whose inputs are known."""
        reads = {name: self._pieces_of(name) for name in layout.windows}
        columns = self.inventory.graph.columns[node]
        assert columns is not None, "a node without known columns is not divided"
        code = self.pieces.code(node, layout, columns)
        anew = self.pieces.makes_anew(node)
        store = None if anew else self.warehouse.snapshots.store(code.storage, self.pieces.taken)
        wanted = list(self.pieces.wanted(node, Reading.of(layout, reads), code, store))
        there = store.pieces if store else {}
        self.known[node] = [there.get(piece.id, piece) for piece in wanted]
        told = [piece for piece in wanted if layout.partitioning.has(piece.ordinal)]
        labels = [
            layout.partitioning.label(piece.ordinal) for piece in told if piece.id not in there
        ]
        return Partitions(len(told), tuple(labels))

    def _pieces_of(self, node: str) -> list[Piece]:
        """The pieces of an input: those that it has, or is going to have."""
        if node in self.known:
            return self.known[node]
        snapshot = self.inventory.snapshot(node)
        return self.warehouse.snapshots.pieces(snapshot) if snapshot else []
