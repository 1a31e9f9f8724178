"""A node with `effective_from` in the graph of today, with its earlier code alone: the pieces that
this code made are found under its own fingerprint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from seeknal_git.errors import ProjectError
from seeknal_git.project.columns import Unchanged, bind
from seeknal_git.project.graph import Graph, Structure
from seeknal_git.project.references import resolved

if TYPE_CHECKING:
    from seeknal_git.project.bound_graph import BoundGraph
    from seeknal_git.project.definitions import Member
    from seeknal_git.project.raw_data import DataRoot


def graph_before(graph: BoundGraph, identifier: str, root: DataRoot) -> BoundGraph | None:
    """The graph of a node and of everything that it reads, with its earlier code; None if that code
    does not fit to its inputs any more."""
    old = graph.members[identifier].earlier
    assert old is not None, "the caller looked"
    above = graph.upstream([identifier])
    members = {node: graph.members[node] for node in graph.inputs if node in above}
    try:
        reads, targets = resolved(old, members)
    except ProjectError:
        return None
    before = Graph(
        {**members, identifier: old},
        _structure(graph.structure, members, {identifier: reads}, {identifier: old.node.storage}),
        {**{node: graph.targets[node] for node in members}, identifier: targets},
    )
    kept = {
        source.id: columns
        for source in before.sources()
        if (columns := graph.columns[source.id]) is not None
    }
    unchanged = Unchanged(graph, frozenset({identifier}))
    bound, binding = bind(before, root, root.cache, kept, unchanged)
    return None if binding.problems else bound


def _structure(
    whole: Structure,
    members: Mapping[str, Member],
    own: Mapping[str, tuple[str, ...]],
    form: Mapping[str, str],
) -> Structure:
    """The structure of some nodes. own, form: the inputs and the form of another one."""
    forms = {node: form for node, form in whole.pieces.items() if node in members}
    return Structure(
        {**{node: whole.inputs[node] for node in members}, **own},
        python=whole.python & members.keys(),
        as_views=whole.as_views & members.keys(),
        ephemeral=whole.ephemeral & members.keys(),
        pieces={**forms, **{node: text for node, text in form.items() if text}},
    )
