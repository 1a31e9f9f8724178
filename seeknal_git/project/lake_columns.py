"""Refuse columns that a lake does not hold, if the warehouse is one. Pure.

A column is never cast in silence: that would be another table than the one that its node describes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from seeknal_git.errors import Problem
from seeknal_git.nodes.kinds import WITHOUT_TABLE
from seeknal_git.sql.lake_types import Unheld, unheld

if TYPE_CHECKING:
    from seeknal_git.nodes.node import Node
    from seeknal_git.project.bound_graph import BoundGraph
    from seeknal_git.project.columns import Binding


def held_by_a_lake(binding: Binding, graph: BoundGraph) -> Binding:
    """The binding of a graph, with a problem for each column that a lake does not hold."""
    return replace(binding, problems=(*binding.problems, *_problems(graph)))


def _problems(graph: BoundGraph) -> Iterator[Problem]:
    for identifier in graph.inputs:
        node = graph.node(identifier)
        if node.kind in WITHOUT_TABLE or identifier in graph.structure.as_views:
            continue
        for name, word in graph.columns[identifier] or ():
            if found := unheld(name, word):
                yield unheld_column(node, found)


def unheld_column(node: Node, found: Unheld) -> Problem:
    """The problem of a column of a node that a lake does not hold."""
    message = f"The column {found.column} of {node.id} is of type {found.type}, which no lake "
    message += "holds."
    if node.kind == "source":
        line = node.line("columns", found.column)
        hint = f"Declare another type: columns: {{{found.column}: {{dtype: {found.held}}}}}"
        return Problem(message, node.path, line, hint, node.id)
    hint = f"Cast it: {found.cast}"
    return Problem(message, node.sql_path, node.line_of_sql(None), hint, node.id)
