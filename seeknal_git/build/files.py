"""Loads of sources of several files: only files whose content was never read are read, and the rows
of each are pieces of their own."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from seeknal_git.build.compute import Statement
from seeknal_git.build.inventory import Inventory
from seeknal_git.build.piece_ids import data_of, mark_of
from seeknal_git.build.pieces import placed
from seeknal_git.names import folded
from seeknal_git.nodes.node import Node
from seeknal_git.project.contract import read_by, without_drift
from seeknal_git.project.file_by_file import FileByFile, Mixed, file_by_file
from seeknal_git.project.fingerprints import digest
from seeknal_git.project.guessing import guessed
from seeknal_git.project.held_files import ending_of
from seeknal_git.project.raw_data import DataRoot, Opened
from seeknal_git.sql.engine_version import exactly
from seeknal_git.sql.partitioning import Ordinal, Partitioning
from seeknal_git.warehouse.model.pieces import InFiles, Piece, Store
from seeknal_git.warehouse.model.snapshots import Blueprint
from seeknal_git.warehouse.protocol import Builder


@dataclass(frozen=True, slots=True)
class FileLoad:
    """A load of a source, file by file."""

    inventory: Inventory
    source: Node
    reading: FileByFile
    partitioning: Partitioning | None
    storage: str  # the key of the table of its pieces
    store: Store | None
    # Path → all that decides the rows of the file, in the order of the paths. Two files of the same
    # content have a piece each.
    files: Mapping[str, str]

    @classmethod
    def of(
        cls,
        inventory: Inventory,
        root: DataRoot,
        source: Node,
        builder: Builder,
        taken: frozenset[str],
    ) -> FileLoad | Mixed:
        """taken: names of snapshot tables, in lower case. Raises ProjectError and NodeFailed."""
        guess = guessed(source, root)[1]
        reader = without_drift(source, read_by(source, root, guess))
        reading = file_by_file(source, reader, guess)
        if isinstance(reading, Mixed):
            return reading
        partitioning = placed(source, reader.columns) if source.partition else None
        columns = json.dumps(sorted(reader.columns))
        whole = inventory.graph.wholes[source.id]
        storage = digest("files", whole, source.storage, reading.key, columns)
        again = source.id in inventory.builds.again
        store = None if again else builder.store(storage, taken)
        files = root.need_files(source)
        seen: Counter[str] = Counter()
        keys = {}
        for file, blob in zip(files, root.blobs(source, files), strict=True):
            content = f"{blob}{ending_of(file.path)}"
            seen[content] += 1
            keys[file.path] = digest("file", content, str(seen[content]))
        return cls(inventory, source, reading, partitioning, storage, store, keys)

    @property
    def unread(self) -> set[str]:
        """The paths of the files that are to be read."""
        known = {piece.file for piece in self.store.pieces.values()} if self.store else set()
        return {path for path, key in self.files.items() if key not in known}

    def statement(self, opened: Opened) -> Statement:
        """The SELECT of the rows of the files that are held."""
        paths = [file.path for file in opened.files]
        files = [exactly(path) for path in opened.paths]
        dialect = self.reading.reader.dialect
        return Statement(self.reading.sql(paths), {"files": files}, dialect)

    def order(self, blueprint: Blueprint, opened: Opened) -> InFiles:
        """blueprint: of `statement`."""
        pairs = zip(opened.files, opened.paths, strict=True)
        read = {int(held.stem): file.path for file, held in pairs}
        columns = self.reading.reader.columns
        return InFiles(
            blueprint=blueprint,
            storage=self.storage,
            partitioning=self.partitioning,
            columns=columns,
            kept=tuple(sorted(columns, key=lambda column: folded(column[0]))),
            store=self.store,
            files=self.files,
            read=read,
            named=self._named,
        )

    def _named(self, path: str, ordinal: Ordinal, content: str) -> Piece:
        origin, file = self.inventory.graph.wholes[self.source.id], self.files[path]
        name = digest("piece", self.storage, file, json.dumps(ordinal))
        data = data_of(content, self.reading.reader.columns)
        origins = {origin: data} if self.partitioning else {}
        origins |= mark_of(self.inventory, self.source.id, self.storage, self.store)
        return Piece(name, ordinal, origins, file=file)
