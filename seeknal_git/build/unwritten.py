"""Exposures of older projects that nobody has a connection for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seeknal_git.project.connections import has_profiles

if TYPE_CHECKING:
    from seeknal_git.project.bound_graph import BoundGraph
    from seeknal_git.project.raw_data import DataRoot


def unwritten(graph: BoundGraph, root: DataRoot, branch: str) -> set[str]:
    """The exposures that `materialization` of an older project stands for, if no profiles file says
    what any connection is: the project runs without them."""
    nodes = map(graph.node, graph.structure.files)
    carried = {node.id for node in nodes if node.target and node.target.get("carried")}
    return carried if carried and not has_profiles(root.places.profiles, branch) else set()
