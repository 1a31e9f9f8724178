"""Build snapshots in a lake, where somebody else may be building the same at the same time.

A snapshot's table has its id in its name. Of two builders that make it, the lake refuses the second
one's commit; its steps are taken again then, and find the table. Pieces have numbers, and two who
append rows are in nobody's way, also with equal numbers. So whoever appends pieces to a table sets
the comment of the table too, which the lake allows one of them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from seeknal_git.names import bare, literal, quote
from seeknal_git.sql.engine import SqlError
from seeknal_git.warehouse.builder import Builder
from seeknal_git.warehouse.model.queries import relation

if TYPE_CHECKING:
    from seeknal_git.warehouse.model.pieces import InFiles, InPieces, Stage
    from seeknal_git.warehouse.model.snapshots import Snapshot

# Parquet has no integer of 128 bits: the engine writes a HUGEINT as a DOUBLE, exact up to here.
_EXACT = 2**53
_ROUNDED = ("HUGEINT", "UHUGEINT")


# Of two that commit at once, one tries again, and reads the whole catalog for that.
_committing = threading.Lock()


class LakeBuilder(Builder):
    def commit(self) -> None:
        with _committing:
            super().commit()

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

    def _record(self, made: Snapshot, reading: Mapping[str, Any] | None) -> None:
        if made.query is None or made.is_in_pieces:  # else it is a view of tables of others
            for table in made.tables:
                self._need_exact(table)
        super()._record(made, reading)

    def _need_exact(self, table: str) -> None:
        """Raise SqlError if a table has whole numbers that the lake has rounded."""
        described = self._connection.execute(f"DESCRIBE {relation(table)}").fetchall()
        for name in [name for name, kind, *_ in described if kind in _ROUNDED]:
            rows = self._connection.execute(
                f"SELECT max(abs({quote(name)}::DOUBLE)) >= {_EXACT} FROM {relation(table)}"
            ).fetchall()
            if rows[0][0]:
                raise SqlError(
                    f"{name} has whole numbers beyond {_EXACT:,}, which a lake rounds. "
                    f"Cast it: CAST(… AS DECIMAL(38, 0)) AS {bare(name)}"
                )
