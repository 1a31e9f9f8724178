"""The command `lineage`: the nodes and columns that feed a node or a column, or that it feeds."""

from __future__ import annotations

from dataclasses import replace

from seeknal_git.commands.planned import found_in_warehouse, plan_environment
from seeknal_git.errors import GitError, ProjectError, UsageError
from seeknal_git.git import repository as git
from seeknal_git.plan.column_lineage import NODE, Place, nodes_of, planned_nodes
from seeknal_git.plan.lineage import Lineage, Selection, find, restricted, select
from seeknal_git.plan.selection import Selecting, asked, candidates, read, selected
from seeknal_git.project.load import load
from seeknal_git.project.workspace import Workspace, current_tree


def lineage(
    workspace: Workspace,
    name: str | None = None,
    *,
    upstream: bool = False,
    downstream: bool = False,
    depth: int | None = None,
    nodes: Selecting | str = "",
    exclude: str = "",
) -> Selection:
    """Read the lineage of the branch that is checked out, with the plan's word on each node.

    name: a node (`kind.name` or its bare name) or one of its columns (`node.column`); by default,
    the whole project.
    upstream, downstream: select only the inputs, or only the readers; by default, both.
    depth: stop after this many steps.
    nodes, exclude: the only nodes that take part, in the grammar of docs/selection.md; by default,
    all.

    Raises UsageError for a name that does not exist. A plan that cannot be made raises nothing:
    `selection.lineage.gap` is the reason.
    """
    lineage, chosen = _read(workspace, asked(nodes, exclude))
    if chosen is not None:
        if name is not None and (place := find(lineage, name)).node not in chosen:
            raise UsageError(f"{place.node} is not among the selected nodes.")
        places = {Place(node, NODE) for node in chosen}
        lineage = replace(restricted(lineage, places), in_part=True)
    return select(lineage, name, upstream=upstream, downstream=downstream, depth=depth)


def _read(workspace: Workspace, selecting: Selecting) -> tuple[Lineage, frozenset[str] | None]:
    """The lineage of a project, and the selected nodes; None for all of them."""
    try:
        planned = plan_environment(workspace, select=selecting)
    except (GitError, ProjectError) as exc:
        return _without_plan(workspace, selecting, exc)
    built = frozenset[str]()
    if planned.plan.builds:
        built = found_in_warehouse(workspace, planned).finished
    nodes = planned_nodes(planned.base.graph, planned.head.graph, planned.plan, built)
    return Lineage(workspace.settings.name, planned.environment.name, nodes), planned.selected


def _without_plan(
    workspace: Workspace, selecting: Selecting, gap: GitError | ProjectError
) -> tuple[Lineage, frozenset[str] | None]:
    """The same if there is no plan. Raises the reason if the selection needs one."""
    graph = load(workspace, current_tree(workspace)).graph
    query = read(selecting)
    if query.facts:
        raise gap
    chosen = selected(candidates(graph), query, {}) if selecting else None
    return Lineage(workspace.settings.name, _here(workspace), nodes_of(graph), gap), chosen


def _here(workspace: Workspace) -> str:
    branch = git.current_branch(workspace.repository)
    return branch or f"detached at {(git.head_commit(workspace.repository) or '')[:8]}"
