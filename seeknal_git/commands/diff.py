"""The command `diff`: the changes of the branch that is checked out."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from seeknal_git.commands.planned import Planned, plan_environment
from seeknal_git.errors import UsageError
from seeknal_git.names import called, node_id
from seeknal_git.nodes.kinds import KINDS, folder_of
from seeknal_git.plan.changes import Change
from seeknal_git.project.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Diff:
    """The changes that were asked for, and the plan that they are part of."""

    planned: Planned
    changes: tuple[Change, ...]


def diff(workspace: Workspace, node: str | None = None) -> Diff:
    """Compare the branch that is checked out with its base.

    node: the only node to compare, as its id, its bare name, or its folder and name
    (`sources/orders`).

    Raises UsageError if neither side has that node.
    """
    planned = plan_environment(workspace)
    node = _as_id(node)
    if node is None:
        return Diff(planned, planned.plan.changes)
    known = {**planned.head.graph.members, **planned.base.graph.members}
    bare_names = [called(identifier) for identifier in known]
    if node not in known and node not in bare_names:
        near = difflib.get_close_matches(node, [*known, *bare_names], 1)
        raise UsageError(f"There is no node {node}.", f"Did you mean {near[0]}?" if near else None)
    changes = (
        change for change in planned.plan.changes if node in (change.node, called(change.node))
    )
    return Diff(planned, tuple(changes))


def _as_id(name: str | None) -> str | None:
    """`kind.name` of a name that is written with the folder of its kind."""
    folder, slash, bare = (name or "").removeprefix("seeknal/").partition("/")
    kinds = {folder_of(kind).removeprefix("seeknal/"): kind for kind in KINDS}
    if not slash or folder not in kinds:
        return name
    return node_id(kinds[folder], bare.removesuffix(".yml"))
