"""The command `inspect`: the tables that an environment shows, and the question for one of them."""

from __future__ import annotations

from dataclasses import dataclass

from seeknal_git.commands.query_names import no_view
from seeknal_git.environments.revision import environment_of, head_tree, revision_of
from seeknal_git.errors import UsageError
from seeknal_git.names import ENTITY, bare, called, node_id, of_option, schema_of
from seeknal_git.nodes.kinds import NAMED
from seeknal_git.project.entities import entities_of
from seeknal_git.project.graph import Graph, node_named
from seeknal_git.project.load import load
from seeknal_git.project.workspace import Workspace
from seeknal_git.warehouse.opening import open_for_state


@dataclass(frozen=True, slots=True)
class Table:
    """A table that an environment shows."""

    node: str
    view: str
    # None if nobody knows.
    rows: int | None


def question(
    workspace: Workspace, name: str, environment: str | None, *, columns: bool, limit: int
) -> str:
    """The SQL that shows a node's first rows, or its columns.

    name: `kind.name`, `name`, `kind_name` or `"kind.name"`.

    Raises UsageError for a node that does not exist or has no table.
    """
    revision = revision_of(workspace, environment)
    graph = load(workspace, head_tree(workspace, revision), environment=revision.schema).graph
    view = _entity_view(graph, name.strip('"')) or _view(graph, name.strip('"'))
    return f"DESCRIBE {view}" if columns else f"FROM {view} LIMIT {limit}"


def _entity_view(graph: Graph, name: str) -> str | None:
    """The view of an entity, if a name means one and no node."""
    if not name.startswith(ENTITY) or name in map(str.lower, graph.views.values()):
        return None
    entities = (entity for entity in entities_of(graph) if name in (entity.id, entity.view))
    return next((bare(entity.view) for entity in entities), None)


def _view(graph: Graph, name: str) -> str:
    """The view of the node that a name means. Raises UsageError."""
    node = _node(graph, name)
    if node not in graph.views:
        raise UsageError(
            f"{node} has no table.", f"The tables that it reads: seeknal lineage {node}"
        )
    if not graph.views[node]:
        raise no_view(node)
    return bare(graph.views[node])


def _node(graph: Graph, name: str) -> str:
    """The node that a name means. A node that is called `kind_name` itself comes first."""
    names = {called(node) for node in graph.members}
    kinds = (kind for kind in NAMED if name.startswith(f"{kind}_"))
    written = (node_id(kind, name[len(kind) + 1 :]) for kind in kinds)
    meant = [node for node in written if node in graph.members]
    return meant[0] if meant and name not in names else node_named(graph, name)


def tables(workspace: Workspace, environment: str | None = None) -> tuple[Table, ...]:
    """The tables that an environment shows, by the ids of their nodes.

    Raises UsageError if it was never published, and WarehouseError if the warehouse cannot be read.
    """
    branch = environment_of(workspace, environment)
    shown, rows = {}, dict[str, int | None]()
    if workspace.has_warehouse:
        schema = schema_of(branch)
        with open_for_state(
            workspace.warehouse_location, workspace.marks, workspace.until
        ) as warehouse:
            shown = warehouse.environments.shown(schema)
            if last := warehouse.publications.last(schema):
                rows = warehouse.publications.rows(schema, last.id)
    if not shown:
        named = "" if environment is None else f" {of_option('--env', branch)}"
        raise UsageError(f"The environment {branch} shows nothing yet.", f"seeknal run{named}")
    return tuple(
        Table(node, shown[node].view, rows.get(node)) for node in sorted(shown) if shown[node].view
    )
