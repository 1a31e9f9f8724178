"""Aligned cells, each below its row where it does not fit beside it."""

from __future__ import annotations

from collections.abc import Sequence

from seeknal_git.report.terminal import is_terminal, out, printed_length, width


def show(rows: Sequence[Sequence[str]], indent: str = "") -> None:
    """Print rows in columns. On a terminal, a cell that does not fit continues its row below."""
    sizes = [max(map(printed_length, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        lines = [indent]
        for cell, size in zip(row, sizes, strict=True):
            if _is_begun(lines[-1]) and printed_length(lines[-1] + cell) > _room():
                lines.append(f"{indent}    ")
            lines[-1] += f"{cell}{' ' * (size - printed_length(cell))}  "
        out(*(line.rstrip() for line in lines))


def _is_begun(line: str) -> bool:
    return bool(line.strip())


def _room() -> float:
    return width() if is_terminal() else float("inf")
