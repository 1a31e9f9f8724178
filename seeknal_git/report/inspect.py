"""The tables of an environment, as text and JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from seeknal_git.names import shown
from seeknal_git.report.terminal import out

if TYPE_CHECKING:
    from seeknal_git.commands.inspect import Table


def show(tables: Sequence[Table]) -> None:
    """One line for each table: its node, its rows, and its view if that has another name."""
    width = max(len(table.node) for table in tables)
    for table in tables:
        rows = "?" if table.rows is None else f"{table.rows:,}"
        view = "" if table.node.endswith(f".{table.view}") else f"  {shown(table.view)}"
        out(f"{table.node.ljust(width)}  {rows:>12}{view}")


def as_json(tables: Sequence[Table]) -> list[dict[str, Any]]:
    """`node`, `view` and `rows` of each table."""
    return [asdict(table) for table in tables]
