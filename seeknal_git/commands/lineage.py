"""The command `lineage`: the nodes and columns that feed a node or a column, or that it feeds."""

from __future__ import annotations

from seeknal_git.commands.planned import plan_environment
from seeknal_git.errors import GitError, ProjectError
from seeknal_git.git import repository as git
from seeknal_git.plan.column_lineage import nodes_of, planned_nodes
from seeknal_git.plan.lineage import Lineage, Selection, select
from seeknal_git.project.load import load
from seeknal_git.project.workspace import Workspace, current_tree


def lineage(
    workspace: Workspace,
    name: str | None = None,
    *,
    upstream: bool = False,
    downstream: bool = False,
    depth: int | None = None,
) -> Selection:
    """Read the lineage of the branch that is checked out, with the plan's word on each node.

    name: a node (`kind.name` or its bare name) or one of its columns (`node.column`); by default,
    the whole project.
    upstream, downstream: select only the inputs, or only the readers; by default, both.
    depth: stop after this many steps.

    Raises UsageError for a name that does not exist. A plan that cannot be made raises nothing:
    `selection.lineage.gap` is the reason.
    """
    return select(_read(workspace), name, upstream=upstream, downstream=downstream, depth=depth)


def _read(workspace: Workspace) -> Lineage:
    project = workspace.settings.name
    try:
        planned = plan_environment(workspace)
    except (GitError, ProjectError) as exc:
        graph = load(workspace, current_tree(workspace)).graph
        return Lineage(project, _here(workspace), nodes_of(graph), exc)
    nodes = planned_nodes(planned.base.graph, planned.head.graph, planned.plan)
    return Lineage(project, planned.environment.name, nodes)


def _here(workspace: Workspace) -> str:
    branch = git.current_branch(workspace.repository)
    return branch or f"detached at {(git.head_commit(workspace.repository) or '')[:8]}"
