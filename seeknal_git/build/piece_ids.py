"""The ids of pieces: hashes of the code, the partition, and the data behind it; and the marks of
pieces that were built again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

from seeknal_git.build.inventory import Inventory
from seeknal_git.build.piece_codes import Code
from seeknal_git.build.reading import Reading
from seeknal_git.project.fingerprints import digest
from seeknal_git.project.snapshot_ids import built_again, deciding
from seeknal_git.sql.partitioning import Ordinal
from seeknal_git.sql.statement import Columns
from seeknal_git.warehouse.model.pieces import Piece, Store


@dataclass(frozen=True, slots=True)
class PieceIds:
    """The pieces that a code makes of some inputs, with their ids."""

    reading: Reading
    key: str  # of the code: everything but the data that decides a piece
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
    ) -> PieceIds:
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
            code.key,
            sources,
            deciding(graph, inventory.versions, identities, node, others),
            mark,
        )

    def piece(self, ordinal: Ordinal) -> Piece:
        origins = self.reading.origins(ordinal, self.sources, self.others)
        said = json.dumps([ordinal, sorted(origins.items())])
        return Piece(digest("piece", self.key, said), ordinal, {**origins, **self.mark})


def data_of(content: str, columns: Columns) -> str:
    """The data of a piece of a source: the sums over its rows, and a hash of its columns."""
    return f"{content} {digest(json.dumps(sorted(columns)))}"


def mark_of(inventory: Inventory, node: str, storage: str, store: Store | None) -> dict[str, str]:
    """The mark of the pieces of a table that was built again: each has it, also those added later,
    so that no reader re-uses a piece that saw the old rows.

    storage: the key of the table; store: the table, if it is there.
    """
    name, identity = built_again(storage), inventory.identities[node]
    if node in inventory.builds.again or inventory.builds.is_begun(identity):
        return {name: inventory.builds.begin(identity.text)}
    pieces = store.pieces.values() if store else ()
    return next(({name: one.origins[name]} for one in pieces if name in one.origins), {})
