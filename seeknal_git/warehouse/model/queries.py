"""SELECTs over snapshot tables and kept files: their text, and the names in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from seeknal_git.names import SNAPSHOTS, WAREHOUSE, literal, qualified
from seeknal_git.sql.engine_version import exactly


def relation(table: str) -> str:
    """A snapshot's table as SQL names it, from anywhere."""
    return qualified(WAREHOUSE, SNAPSHOTS, table)


@dataclass(frozen=True, slots=True)
class Query:
    """A SELECT over snapshot tables and kept files: the text around their names, and the names."""

    texts: tuple[str, ...]
    names: tuple[str, ...]  # one between two texts each
    # Of the kept files; the same SELECT, wherever they are.
    folder: Path | None = field(default=None, compare=False)

    @staticmethod
    def of(text: str, folder: Path | None = None) -> Query:
        """The query of a text in which each table and file is written as `marked`."""
        parts = text.split("\0")
        return Query(tuple(parts[::2]), tuple(parts[1::2]), folder)

    @property
    def tables(self) -> tuple[str, ...]:
        return tuple(name for name in self.names if not is_file(name))

    @property
    def files(self) -> tuple[str, ...]:
        """The names of the kept files."""
        return tuple(filter(is_file, self.names))

    @property
    def text(self) -> str:
        """The SELECT in the text of another query."""
        return self._with(map(marked, self.names))

    def over(self, name_of: Callable[[str], str]) -> str:
        """The SELECT, with each table named as name_of names it, and each file by its path."""
        return self._with(
            self.path_of(name) if is_file(name) else name_of(name) for name in self.names
        )

    def path_of(self, file: str) -> str:
        """The path of a kept file, as SQL names it."""
        return literal(exactly(self.place_of(file)))

    def place_of(self, file: str) -> Path:
        """Where a kept file is."""
        assert self.folder, "a SELECT over files is read together with their folder"
        return kept_path(self.folder, file)

    def _with(self, names: Iterable[str]) -> str:
        return "".join(text + name for text, name in zip(self.texts, [*names, ""], strict=True))


def marked(name: str) -> str:
    """A snapshot table's or kept file's name in the text of a query. No SQL has such a
    character."""
    return f"\0{name}\0"


_FILE = "@"  # begins the name of a kept file, and of no table


def file_name(blob: str) -> str:
    """The name of a kept file in a query. blob: the hash of its content."""
    return f"{_FILE}{blob}"


def is_file(name: str) -> bool:
    """Whether a name in a query is that of a kept file."""
    return name.startswith(_FILE)


def kept_path(folder: Path, file: str) -> Path:
    """The path of a kept file."""
    return folder / f"{file.removeprefix(_FILE)}.parquet"


def as_rows(select: str) -> str:
    """A SELECT in place of a table. Its last line may be a comment."""
    return f"({select}\n)"
