"""Nodes whose tables are not published, as the last run of their environment failed."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace

from seeknal_git.build.failed_checks import known_violations
from seeknal_git.build.options import Options
from seeknal_git.build.work import Work, work_out
from seeknal_git.environments.revision import (
    Revision,
    head_tree,
    load_sound,
    revision_of,
)
from seeknal_git.errors import SeeknalError
from seeknal_git.names import argument, bare, of_option, schema_of
from seeknal_git.project.load import Loaded
from seeknal_git.project.workspace import Workspace
from seeknal_git.warehouse.protocol import Warehouse


@dataclass(frozen=True, slots=True)
class Held:
    """A node whose table is not published, as the last run failed."""

    node: str
    view: str
    built: bool
    shown: bool  # whether the environment shows an older table of it
    fails: bool  # whether it is a check of its own that fails
    why: str
    elsewhere: str
    in_production: bool

    @property
    def cure(self) -> str:
        if not self.built:
            return "Mend it, then: seeknal run" + (
                "; production has it: --env prod" if self.in_production else ""
            )
        asked = argument(f"FROM {bare(self.view)}")
        return (
            f"Read the newer table with: seeknal query{self.elsewhere} --failed {self.node} {asked}"
        )


def held_back(workspace: Workspace, warehouse: Warehouse, branch: str) -> dict[str, Held]:
    """The nodes that the last run built and did not publish, by their views in lower case. If it
    succeeded, there are none, and nothing has to be loaded to know that."""
    schema = schema_of(branch)
    run = warehouse.runs.last(schema)
    if run is None or run.status == "succeeded":
        return {}
    with suppress(
        SeeknalError
    ):  # the branch is gone, or its nodes are wrong: then nothing of it can be built
        return _unpublished(
            workspace,
            warehouse,
            branch,
            f"the last run failed: {run.message or 'it was interrupted'}",
        )
    return {}


def _unpublished(
    workspace: Workspace, warehouse: Warehouse, branch: str, message: str
) -> dict[str, Held]:
    revision = revision_of(workspace, branch)
    schemas = (revision.schema, workspace.production_schema)
    there, main = (warehouse.environments.views(schema) for schema in schemas)
    # A table that was built again and failed is newer than the shown one, and of the same content.
    work, newest = works(workspace, warehouse, revision, refresh=branch == workspace.production)
    failed = {
        violation.node: violation.message
        for violation in reversed(known_violations(newest))
        if violation.fails
    }
    elsewhere = (
        "" if revision.name == revision_of(workspace).name else f" {of_option('--env', branch)}"
    )
    behind, found = _behind(work, failed), {}
    meant, made = work.tables(), newest.tables()
    for node, view in work.graph.views.items():
        if not view:  # nobody can ask for it
            continue
        first = behind.get(node)
        table = (made if first else meant).get(node)
        old = view in there and table is None and not first  # it was edited since
        if not old and (table is None or there.get(view) != table):
            why = f"{first}: {failed[first]}." if first else f"{message}."
            found[view.lower()] = Held(
                node,
                view,
                table is not None,
                view in there,
                node in failed,
                why,
                elsewhere,
                view in main,
            )
    return found


def _behind(work: Work, failed: Iterable[str]) -> dict[str, str]:
    """Node → the failure that holds it back: its own, that of a rule about it, or one before it."""
    far = {node: first for first in failed for node in work.graph.downstream([first])}
    near = {node: first for first in failed for node in work.graph.inputs[first]}
    return far | near | {node: node for node in failed}


def works(
    workspace: Workspace, warehouse: Warehouse, revision: Revision, *, refresh: bool
) -> tuple[Work, Work]:
    """The work of a run, by the tables that are shown and by the newest ones.

    refresh: whether the run would read raw data again.
    """
    keeps = None if refresh else revision.schema
    loaded = load_sound(workspace, head_tree(workspace, revision), revision, keeps=keeps)
    return works_of(warehouse, loaded, revision, refresh=refresh)


def works_of(
    warehouse: Warehouse,
    loaded: Loaded,
    revision: Revision,
    *,
    refresh: bool,
    chosen: frozenset[str] | None = None,
) -> tuple[Work, Work]:
    """The same, for a tree that was loaded. chosen: the nodes that it is about; None for all."""
    environment, options = revision.environment, Options(refresh=refresh, chosen=chosen)
    work = work_out(warehouse, loaded.graph, loaded.root, environment, options)
    return work, work_out(
        warehouse, loaded.graph, loaded.root, environment, replace(options, newest=True)
    )
