"""Build snapshots in a lake, where somebody else may be building the same at the same time.

A snapshot's table has its id in its name. Of two builders that make it, the lake refuses the second
one's commit; its steps are taken again then, and find the table. Pieces have numbers, and two who
append rows are in nobody's way, also with equal numbers. So whoever appends pieces to a table sets
the comment of the table too, which the lake allows one of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from seeknal_git.names import literal
from seeknal_git.warehouse.builder import Builder
from seeknal_git.warehouse.model.queries import relation

if TYPE_CHECKING:
    from seeknal_git.warehouse.model.pieces import InFiles, InPieces, Stage
    from seeknal_git.warehouse.model.snapshots import Snapshot


class LakeBuilder(Builder):
    def build_pieces(
        self, order: InPieces, confirm: Callable[[], None] = lambda: None
    ) -> Snapshot | Stage:
        made = super().build_pieces(order, confirm)
        self._fence(order)
        return made

    def load_files(self, order: InFiles, confirm: Callable[[], None] = lambda: None) -> Snapshot:
        made = super().load_files(order, confirm)
        self._fence(order)
        return made

    def _fence(self, order: InPieces | InFiles) -> None:
        """Keep others from appending pieces of the same numbers."""
        if order.store is None:
            return
        numbers = [piece.number for piece in order.store.pieces.values()]
        text = literal(f"pieces after {max(numbers, default=0)}")
        with self._undone_if_it_fails():
            self._connection.execute(f"COMMENT ON TABLE {relation(order.store.table)} IS {text}")
