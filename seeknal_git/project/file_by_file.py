"""Sources of several files whose rows are kept file by file, so that a load reads only new ones."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from seeknal_git.names import folded, quote
from seeknal_git.nodes.node import Node
from seeknal_git.project.contract import Reader
from seeknal_git.project.fingerprints import digest
from seeknal_git.project.guess import FORMATS, Guess
from seeknal_git.sql.engine_version import engine_release
from seeknal_git.sql.readers import FILE, csv_select, json_pinned, parquet_select
from seeknal_git.sql.statement import Columns

# The name of a held file is its number. The engine asks for it once for each batch of rows.
_NUMBER = rf"regexp_extract({FILE}, '(\d+)(\.[A-Za-z0-9]+)?$', 1)::BIGINT"


@dataclass(frozen=True, slots=True)
class Mixed:
    """Why the rows of a file depend on the others, such as a column in two types."""

    why: str


@dataclass(frozen=True, slots=True)
class FileByFile:
    """How the files of a source are read, each as if no other were there."""

    source: Node
    reader: Reader
    # The columns that each file has, by its path; of JSON, a file may have any of them.
    own: dict[str, Columns]
    # Of JSON: the columns whose text is cast, with their types.
    declared: Mapping[str, str] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """A hash of all that decides the rows of a file, but for its content."""
        said = [
            self.source.definition["format"],
            self.source.definition["options"],
            sorted(self.reader.dialect.items()),
            sorted(self.reader.columns),
            engine_release(),
        ]
        return digest("file by file", json.dumps(said, sort_keys=True))

    def sql(self, paths: Sequence[str]) -> str:
        """The rows of some files, held as `$files`: all columns of the source, and the number of
        the file. paths: of these, in the project."""
        options, columns = self.source.definition["options"], self.reader.columns
        if self.source.definition["format"] in ("json", "jsonl"):
            rows = json_pinned({**options, "filename": FILE}, columns, self.declared)
            return self._numbered(rows)
        names: dict[str, tuple[str, str]] = {}
        for path in paths:
            for name, word in self.own[path]:
                names.setdefault(folded(name), (name, word))
        rows = self._reading(names)
        lacking = [name for name, _ in self.reader.columns if folded(name) not in names]
        if lacking:
            typed = [f"NULL::{word} AS {quote(name)}" for name, word in self.reader.columns]
            typed.append(f"NULL::VARCHAR AS {FILE}")
            rows = f"SELECT {', '.join(typed)} WHERE false UNION ALL BY NAME ({rows})"
        return self._numbered(rows)

    def _numbered(self, rows: str) -> str:
        columns = ", ".join(quote(name) for name, _ in self.reader.columns)
        return f"SELECT {columns}, {_NUMBER} AS {FILE} FROM ({rows})"

    def _reading(self, names: dict[str, tuple[str, str]]) -> str:
        """names: folded name of a column → its name and its type in the files."""
        options, dialect = self.source.definition["options"], self.reader.dialect
        there = [
            (*names[folded(name)], word)
            for name, word in self.reader.columns
            if folded(name) in names
        ]
        if self.source.definition["format"] == "parquet":
            casts = {name: word for name, own, word in there if word != own}
            return parquet_select({**options, "filename": FILE}, casts)
        types = {name: word for name, _, word in there}
        if dialect.get("names"):
            types = dict(self.reader.columns)
        formats = {key: dialect[key] for key in FORMATS if key in dialect}
        return csv_select({**options, **formats, "filename": FILE}, dialect, types)


def file_by_file(source: Node, reader: Reader, guess: Guess) -> FileByFile | Mixed:
    """How each file of a source is read, if no file decides how another one is."""
    if source.definition["format"] in ("json", "jsonl") and not guess.is_each:
        return Mixed(guess.mixed)
    if source.definition["format"] == "parquet":
        first: dict[str, tuple[str, str]] = {}
        for path, columns in guess.files:
            for name, word in columns:
                before, was = first.setdefault(folded(name), (path, word))
                if was != word:
                    why = f"{path}: the column {name} is {word} there, and {was} in {before}"
                    return Mixed(f"{why}. All files are read at each load")
    return FileByFile(source, reader, dict(guess.files), guess.declared)
