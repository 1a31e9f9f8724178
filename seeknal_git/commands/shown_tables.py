"""The tables that an environment shows, with their columns: the words that complete a statement or
a command line. Nothing is built or run for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from seeknal_git.environments.revision import environment_of
from seeknal_git.names import schema_of
from seeknal_git.project.workspace import Workspace
from seeknal_git.warehouse.opening import open_warehouse


@dataclass(frozen=True, slots=True)
class ShownTable:
    """A view, and the names of its columns."""

    view: str  # "" if the node is ephemeral
    columns: tuple[str, ...]


def shown_tables(workspace: Workspace, environment: str | None = None) -> Mapping[str, ShownTable]:
    """Node → its table; of a branch that was never run, production's.

    Raises UsageError for an environment that does not exist, and WarehouseError if the warehouse
    cannot be read.
    """
    if not workspace.has_warehouse:
        return {}
    schema = schema_of(environment_of(workspace, environment))
    with open_warehouse(
        workspace.warehouse_location,
        workspace.marks,
        read_only=True,
        deadline=workspace.until,
    ) as warehouse:
        shown = warehouse.environments.shown(schema)
        shown = shown or warehouse.environments.shown(workspace.production_schema)
        columns = warehouse.environments.columns([*shown.values()])
    return {
        node: ShownTable(one.view, tuple(name for name, _ in columns.get(one.table, ())))
        for node, one in shown.items()
    }
