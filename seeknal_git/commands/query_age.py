"""The age of the tables that a query reads: they may be another clone's, or older than the tree
here."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from seeknal_git.environments.other_clones import published_elsewhere
from seeknal_git.environments.revision import (
    Revision,
    elsewhere,
    head_tree,
    load_sound,
    revision_of,
)
from seeknal_git.errors import GitError, ProjectError, UsageError
from seeknal_git.names import of_option, schema_of
from seeknal_git.project.entities import entities_of
from seeknal_git.project.workspace import Workspace, current_tree
from seeknal_git.sql.queries import tables_within
from seeknal_git.warehouse.protocol import Warehouse

if TYPE_CHECKING:
    from seeknal_git.project.bound_graph import BoundGraph
    from seeknal_git.warehouse.model.environments import Published


def how_to_build(workspace: Workspace, branch: str) -> str:
    """A sentence about the command that builds an environment."""
    command = (
        "seeknal run"
        if branch == workspace.production
        else f"seeknal run {of_option('--env', branch)}"
    )
    return f"It exists once it is built: {command}"


def not_this_clones(
    workspace: Workspace, warehouse: Warehouse, branch: str, sql: str
) -> Iterator[str]:
    """Notes about views that differ from this clone: another clone's, or older than the tree here.

    Raises UsageError for a node that is not built yet.
    """
    schema = schema_of(branch)
    foreign = None
    if branch != workspace.production:  # which every clone is meant to publish
        foreign = published_elsewhere(workspace.repository, warehouse, schema)
    old = _older(workspace, warehouse, branch, sql)
    mine = f"seeknal run{_elsewhere(workspace, branch)}"
    if foreign and (old or not foreign.known or not foreign.ours):
        yield f"{branch} was published {foreign}. This clone's own: {mine}"
    elif old:
        ahead = f"{_tree(workspace, branch)} is ahead: {mine}"
        yield f"{branch} shows {', '.join(old)} as of its last run, and {ahead}"


def _elsewhere(workspace: Workspace, branch: str) -> str:
    return f" {of_option('--env', branch)}" if elsewhere(workspace, branch) else ""


def _tree(workspace: Workspace, branch: str) -> str:
    return f"the tip of {branch}" if elsewhere(workspace, branch) else "the working tree"


def _older(workspace: Workspace, warehouse: Warehouse, branch: str, sql: str) -> list[str]:
    """The views that a query names and that were edited since they were built. Raises UsageError
    for a new one."""
    with suppress(ProjectError, GitError):  # nodes that are wrong cannot be built either
        revision = revision_of(workspace, branch)
        if _is_as_published(workspace, warehouse, revision):
            return []
        names, views = tables_within(sql, revision.schema), warehouse.environments
        there, others = views.shown(revision.schema), views.views(revision.schema)
        return edited_views(workspace, revision, names, there, others)
    return []


def edited_views(
    workspace: Workspace,
    revision: Revision,
    names: Container[str],
    shown: Mapping[str, Published],
    others: Container[str] = (),
) -> list[str]:
    """The views that a query names, and that its branch has edited since they were built.

    names: of the tables in the query, in lower case; shown: by the environment that is asked;
    others: names of views that it has besides.

    Raises UsageError for a view that is not built yet, and ProjectError if the nodes are wrong.
    """
    tree = head_tree(workspace, revision)
    graph = load_sound(workspace, tree, revision, keeps=revision.schema).graph
    found = []
    for node, view in graph.views.items():
        if view.lower() not in names:
            continue
        if node not in shown and view not in others:
            raise UsageError(
                f"{view} is new in {revision.name}, and not built yet.",
                how_to_build(workspace, revision.name),
            )
        if node in shown and shown[node].fingerprint != graph.wholes[node]:
            found.append(view)
    return [*found, *_older_entities(graph, shown, names)]


def _older_entities(
    graph: BoundGraph, shown: Mapping[str, Published], names: Container[str]
) -> Iterator[str]:
    """The views of entities that stand on other feature groups than the graph has. shown: of an
    environment; names: of the views that are asked about, in lower case."""
    for entity in entities_of(graph):
        view = shown.get(entity.id)
        if view is None or view.view.lower() not in names:
            continue
        groups = [shown.get(group.id) for group in entity.groups]
        now = {group.table for group in groups if group and _is_current(graph, group)}
        if len(now) < len(groups) or set(view.tables) != now:
            yield view.view


def _is_current(graph: BoundGraph, shown: Published) -> bool:
    return shown.fingerprint == graph.wholes[shown.node]


def _is_as_published(workspace: Workspace, warehouse: Warehouse, revision: Revision) -> bool:
    """Whether a branch is at the commit that was published, so that nothing has to be loaded to
    compare them.

    Of production, `pending` says what its branch has that it does not show.
    """
    last = warehouse.publications.last(revision.schema)
    if revision.checked_out and current_tree(workspace).dirty:
        return bool(last and last.restores)
    if revision.environment.is_production:
        return True
    return last is not None and not last.edited and last.commit == revision.commit
