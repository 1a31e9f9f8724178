"""The pieces that each partition of a node reads of its inputs, and the data behind them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from seeknal_git.project.fingerprints import digest
from seeknal_git.project.partitions import Layout
from seeknal_git.project.snapshot_ids import is_build
from seeknal_git.sql.partitioning import Ordinal
from seeknal_git.warehouse.model.pieces import Piece, limited
from seeknal_git.warehouse.model.snapshots import Snapshot

NOTHING: Mapping[str, Snapshot] = MappingProxyType({})


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
        are an error and may be there: that one stays empty."""
        inside = sorted(at for at in self.known if at is not None)
        outside = self.layout.partitioning.outside
        looks = outside == "error" and None in self.known and self.layout.looks_outside
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
