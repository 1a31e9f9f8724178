"""The part of a plan that is about selected nodes. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import TypeVar

from seeknal_git.plan.changes import Change, Plan
from seeknal_git.project.graph import Graph

T = TypeVar("T")


def narrowed(plan: Plan, graph: Graph, chosen: Collection[str], tied: Collection[str]) -> Plan:
    """The changes of the chosen nodes, the changes that reach them, and all that a run of them
    builds.

    graph: the nodes after the changes. tied: the nodes that come along if a table that they read is
    built, as production stays of one piece.
    """
    builds = _with_needed(plan, graph, chosen, tied)
    kept = builds.union(chosen)
    changes = [
        replace(change, rebuilds=_among(change.rebuilds, kept), reuses=_among(change.reuses, kept))
        for change in plan.changes
        if _is_about(change, kept)
    ]
    return Plan(
        changes=tuple(changes),
        layers=tuple(filter(None, (_among(layer, builds) for layer in plan.layers))),
        reused=_among(plan.reused, kept),
        reasons=_of(plan.reasons, kept),
        obstacles=plan.obstacles,
        tests=_of(plan.tests, kept),
        uses=_of(plan.uses, kept),
    )


def _among(nodes: Iterable[str], kept: Collection[str]) -> tuple[str, ...]:
    return tuple(node for node in nodes if node in kept)


def _of(by_node: Mapping[str, T], kept: Collection[str]) -> dict[str, T]:
    return {node: value for node, value in by_node.items() if node in kept}


def _is_about(change: Change, nodes: Collection[str]) -> bool:
    return any(node in nodes for node in (change.node, *change.rebuilds, *change.reuses))


def _with_needed(
    plan: Plan, graph: Graph, chosen: Collection[str], tied: Collection[str]
) -> set[str]:
    """The chosen nodes and those that go with them, as far as they are built: inputs, rules of all
    these nodes, and readers that are tied to them."""
    builds = set(plan.builds)
    rules = graph.structure.of_kind("rule")
    found = {node for node in chosen if node in graph.members}
    waiting = list(found)
    while waiting:
        node = waiting.pop()
        needed = builds.intersection(graph.inputs[node])
        needed.update(rule for rule in rules if node in graph.inputs[rule])
        if node in builds:
            needed.update(builds.intersection(tied).intersection(graph.readers[node]))
        waiting += needed - found
        found |= needed
    return found & builds
