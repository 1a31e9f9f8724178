"""The nodes that a command line selects, and the facts about nodes that this takes."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from seeknal_git.environments.environment import Environment
from seeknal_git.environments.revision import Revision, base_tree
from seeknal_git.plan.changes import make_plan
from seeknal_git.plan.selection import Selecting, candidates, read, selected
from seeknal_git.project.load import Loaded, load
from seeknal_git.project.workspace import Workspace
from seeknal_git.warehouse.opening import open_for_state


def selecting(
    select: Iterable[str] | None = None,
    exclude: Iterable[str] | None = None,
    nodes: Iterable[str] | None = None,
    types: Iterable[str] | None = None,
    tags: Iterable[str] | None = None,
    exclude_tags: Iterable[str] | None = None,
) -> Selecting:
    """The options of a command line as a value. None for an option that was not given."""
    given = (select, exclude, nodes, types, tags, exclude_tags)
    return Selecting(*(tuple(texts or ()) for texts in given))


def selected_to_run(
    workspace: Workspace,
    revision: Revision,
    loaded: Loaded,
    options: Selecting,
    *,
    keeps: str | None,
) -> frozenset[str] | None:
    """The nodes of a revision that a run is about; None for all of them, also if a selection is of
    all: such a run is a whole one. Raises UsageError.

    keeps: the schema whose loads of raw data the revision was loaded with.
    """
    if not options:
        return None
    query = read(options)
    facts: dict[str, Collection[str]] = {}
    if "changed" in query.facts:
        base = load(workspace, base_tree(workspace, revision), like=loaded, keeps=keeps)
        facts["changed"] = changed(base, loaded)
    if "failed" in query.facts:
        facts["failed"] = failed(workspace, revision.environment)
    among = candidates(loaded.graph)
    chosen = selected(among, query, facts)
    return None if chosen == among.ids else chosen


def selected_to_show(
    workspace: Workspace,
    environment: Environment,
    base: Loaded,
    head: Loaded,
    options: Selecting,
) -> frozenset[str]:
    """The nodes of a plan that are shown, also those that are gone. Raises UsageError."""
    query = read(options)
    facts: dict[str, Collection[str]] = {}
    if "changed" in query.facts:
        facts["changed"] = changed(base, head)
    if "failed" in query.facts:
        facts["failed"] = failed(workspace, environment)
    return selected(candidates(head.graph, base.graph), query, facts)


def changed(base: Loaded, head: Loaded) -> frozenset[str]:
    """The nodes that somebody changed since a base."""
    return frozenset(change.node for change in make_plan(base.state, head.state).changes)


def failed(workspace: Workspace, environment: Environment) -> frozenset[str]:
    """The nodes that failed in the last run of an environment.

    Raises WarehouseError if the warehouse cannot be read.
    """
    if not workspace.has_warehouse:
        return frozenset()
    with open_for_state(
        workspace.warehouse_location, workspace.marks, workspace.until
    ) as warehouse:
        last = warehouse.runs.last(environment.schema)
    return frozenset(last.failures) if last else frozenset()
