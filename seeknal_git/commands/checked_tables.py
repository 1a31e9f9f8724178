"""The tables that the checks of a node looked at, published or not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from seeknal_git.build.failed_checks import Violation, known_violations
from seeknal_git.build.work import Work
from seeknal_git.commands.held_back import works
from seeknal_git.environments.revision import (
    Revision,
)
from seeknal_git.errors import UsageError
from seeknal_git.names import bare, split_id
from seeknal_git.project.graph import node_named
from seeknal_git.project.workspace import Workspace
from seeknal_git.warehouse.protocol import Warehouse


@dataclass(frozen=True, slots=True)
class Look:
    """A node, and those of its checks that do not hold."""

    work: Work
    node: str
    read: tuple[str, ...]  # the node itself, and the nodes that its checks read
    inputs: tuple[str, ...]
    violations: tuple[Violation, ...]


def looked(workspace: Workspace, warehouse: Warehouse, revision: Revision, name: str) -> Look:
    """The tables that the last run checked, if a check of the node does not hold."""
    again = (
        revision.environment.is_production
    )  # as a run does; a promotion does not, and --refresh does on a branch
    first = None
    for refresh in (again, not again):
        for work in works(workspace, warehouse, revision, refresh=refresh):
            found = _look(work, name)
            if found.violations:
                return found
            first = first or found
    assert first is not None
    return first


def _look(work: Work, name: str) -> Look:
    graph, node = work.graph, node_named(work.graph, name)
    own = [node] if node in graph.views else []
    read = dict.fromkeys(
        [*own, *(target for targets in graph.targets[node][1:] for target in targets)]
    )
    found = [violation for violation in known_violations(work) if violation.node == node]
    return Look(work, node, tuple(read), graph.inputs[node], tuple(found))


def first_question(look: Look) -> str:
    if look.violations:
        return look.violations[0].sql
    if not look.read:
        return ""
    view = look.work.graph.views[look.read[0]] or split_id(look.read[0])[1]
    return f"FROM {bare(view)}"


def need_something_wrong(warehouse: Warehouse, look: Look, tables: Mapping[str, str]) -> None:
    """Raise UsageError if a plain query would give the same answer, or if there is no table."""
    missing = [node for node in look.read if node not in tables]
    if missing:
        raise UsageError(f"{missing[0]} is not built as it is now.", "Build it with: seeknal run")
    schema = look.work.environment.schema
    there = warehouse.environments.views(schema)
    published = all(there.get(look.work.graph.views[node]) == tables[node] for node in look.read)
    if published and not look.violations:
        raise UsageError(
            f"No check of {look.node} fails, and {schema} shows what was checked.",
            "Ask it as it is: seeknal query SQL",
        )
