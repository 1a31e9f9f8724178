"""The names in a query as people write them: of nodes, in place of their views, and of macros."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from seeknal_git.environments.revision import head_tree, revision_of
from seeknal_git.errors import GitError, ProjectError, UsageError
from seeknal_git.git.tree import Tree
from seeknal_git.names import ENTITY, folded, node_id, qualified, split_id
from seeknal_git.nodes.kinds import NAMED, WITHOUT_TABLE
from seeknal_git.project.load import load
from seeknal_git.project.workspace import Workspace
from seeknal_git.sql.queries import with_tables
from seeknal_git.warehouse.model.environments import Published

_NAMED = (*NAMED, ENTITY)  # the words before the dot in the name of a table


def over_views(
    sql: str,
    schema: str,
    shown: Callable[[], Mapping[str, Published]],
    others: Callable[[], Mapping[str, str]] = dict,
) -> str:
    """A query with a view in place of each node: `kind.name`, `"kind.name"`, `kind_name` or
    `ref('kind.name')`. The name of a view comes first, and stays.

    schema: where the views are; shown: gives the views of nodes; others: gives the views that nodes
    will have once they are built.

    Raises UsageError for a node that does not exist or has no table.
    """
    if not any(kind in sql.lower() for kind in _NAMED):
        return sql
    there = {node: published.view for node, published in shown().items()}
    views = {folded(view) for view in there.values()}

    def table_of(target: str) -> str | None:
        name = folded(target)
        ids = [name] if "." in name else _spelled(name)
        if name in views or not any(split_id(identifier)[0] in _NAMED for identifier in ids):
            return None
        for known in (lambda: there, others):
            if view := _view_of(ids, known()):
                return qualified(schema, view)
        if name.count(".") == 1:
            raise _no_table(target, [*there, *others()])
        return None

    return with_tables(sql, table_of)


def _view_of(ids: Sequence[str], views: Mapping[str, str]) -> str | None:
    """The view of the first of some nodes that has one. Raises UsageError for an ephemeral one."""
    found = {folded(node): view for node, view in views.items()}
    meant = next((identifier for identifier in ids if identifier in found), None)
    if meant and not found[meant]:
        raise no_view(meant)
    return found[meant] if meant else None


def no_view(node: str) -> UsageError:
    """The mistake of asking for an ephemeral node."""
    return UsageError(
        f"{node} is ephemeral: no environment shows it.",
        f"Ask a node that reads it (seeknal lineage {node}), or write `materialized: view`.",
    )


def _spelled(name: str) -> list[str]:
    """The nodes that may be written as `kind_name`."""
    return [
        node_id(kind, name.removeprefix(f"{kind}_"))
        for kind in NAMED
        if name.startswith(f"{kind}_")
    ]


def _no_table(name: str, known: list[str]) -> UsageError:
    if split_id(name)[0] in WITHOUT_TABLE:
        return UsageError(
            f"{name} has no table.", f"The tables that it reads: seeknal lineage {name}"
        )
    near = difflib.get_close_matches(name, known, 1)
    hint = f"Did you mean {near[0]}?" if near else "seeknal inspect lists the tables."
    return UsageError(f"There is no table {name} here.", hint)


def views_to_come(workspace: Workspace, environment: str | None) -> Mapping[str, str]:
    """Node → its view, of all nodes of an environment's branch; none if that is gone or wrong."""
    with suppress(ProjectError, GitError, UsageError):
        revision = revision_of(workspace, environment)
        tree = head_tree(workspace, revision)
        return load(workspace, tree, keeps=revision.schema, environment=revision.schema).graph.views
    return {}


def without_macros(workspace: Workspace, sql: str, tree_of: Callable[[], Tree]) -> str:
    """A query with the expressions of macros in place of their calls. tree_of: gives the tree whose
    macros count. Raises UsageError for a call that does not fit its macro."""
    if "(" not in sql:
        return sql
    try:
        macros = workspace.vocabulary(tree_of()).macros
    except (ProjectError, GitError, UsageError):  # the branch is gone: so are its macros
        return sql
    if not macros:
        return sql
    from seeknal_git.sql.macros import WrongCall, expanded

    try:
        return expanded(sql, macros)
    except WrongCall as exc:
        message = f"{exc} (line {sql.count(chr(10), 0, exc.start) + 1})"
        raise UsageError(f"{message[0].upper()}{message[1:]}") from exc
