"""SQL made from the keys of a file, so that the lines of errors are those of the file."""

from __future__ import annotations

from collections.abc import Iterable


class Placed:
    """A statement that grows piece by piece, each on its own line of the file if possible."""

    def __init__(self) -> None:
        self.text, self._line = "", 1

    def add(self, piece: str, line: int = 0) -> None:
        """Append a piece. line: of the file; without one, or with an earlier one, it goes on."""
        self.text += "\n" * max(line - self._line, 0) + piece
        self._line = max(line, self._line) + piece.count("\n")

    def add_all(self, pieces: Iterable[tuple[int, str]]) -> None:
        """Append the items of a list."""
        for number, (line, piece) in enumerate(pieces):
            self.add(", " if number else "")
            self.add(piece, line)
