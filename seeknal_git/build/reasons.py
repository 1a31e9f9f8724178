"""Why a node is built."""

from __future__ import annotations

from seeknal_git.build.inventory import Inventory
from seeknal_git.names import is_changes
from seeknal_git.nodes.values import of_the_moment
from seeknal_git.plan.reason import Because, Reason
from seeknal_git.project.data_versions import contents_of, engine_of
from seeknal_git.warehouse.model.environments import Published
from seeknal_git.warehouse.model.pieces import BY_FILE


def reason(inventory: Inventory, node: str) -> Reason:
    """Why a node whose table does not exist is built."""
    return _reason_of_builds(inventory, node) or _reason_of_contents(inventory, node)


def _reason_of_builds(inventory: Inventory, node: str) -> Reason | None:
    """The reason, if the same table existed, or an input of it is built again."""
    builds, identities = inventory.builds, inventory.identities
    if node in builds.again and identities[node].build:
        if inventory.graph.node(node).python.get("volatile"):
            return Reason(Because.VOLATILE)
        return Reason(Because.FULL)
    if identities[node].text in builds.lost:
        return Reason(Because.LOST)
    if _was_in_part(inventory, node):
        return Reason(Because.IN_PART)
    feeding = inventory.graph.feeding(node)
    if again := [read for read in feeding if builds.is_begun(identities[read])]:
        return Reason(Because.INPUT_AGAIN, tuple(again))
    return None


def _was_in_part(inventory: Inventory, node: str) -> bool:
    """Whether a node was built in part, and never as a whole."""
    if not inventory.builds.parts:
        return False
    fingerprint = inventory.graph.wholes[node]
    known = [one for one in inventory.there.values() if one.fingerprint == fingerprint]
    return bool(known) and all(snapshot.part for snapshot in known)


def _reason_of_contents(inventory: Inventory, node: str) -> Reason:
    """The reason, if its code or its raw data differ from production's."""
    graph, before = inventory.graph, inventory.production.get(node)
    fingerprint = graph.wholes[node]
    if before is None:
        return Reason(Because.NEVER_BUILT)
    if before.fingerprint == fingerprint and (form := _another_form(inventory, node, before)):
        return Reason(Because.FORM, values=(form,))
    if before.fingerprint == fingerprint:
        return _reason_of_raw_data(inventory, node, before)
    if any(snapshot.fingerprint == fingerprint for snapshot in inventory.there.values()):
        return Reason(Because.DATA_SINCE)
    moved = [read for read in graph.feeding(node) if _is_changed(inventory, read)]
    if moved:
        return Reason(Because.INPUT_CHANGED, tuple(moved))
    values = of_the_moment(graph.index.uses.get(node, ()))
    return Reason(Because.DEFINITION, values=tuple(values))


def _another_form(inventory: Inventory, node: str, before: Published) -> str | None:
    """The form of a node's rows, if production has them in another one."""
    structure = inventory.graph.structure
    shown = inventory.there.get(before.snapshot)
    was = "" if shown is None else shown.form
    if (form := structure.pieces.get(node)) is not None:
        return None if shown is None or was == form else "in partitions"
    if node in structure.as_views:
        is_view = before.query is not None and not was
        return None if is_view else "ephemeral" if node in structure.ephemeral else "a view"
    is_table = (before.query is None and not was) or was == BY_FILE or is_changes(node)
    return None if is_table else "a table"


def _is_changed(inventory: Inventory, node: str) -> bool:
    """Whether production shows a node, and by another code."""
    was = inventory.production.get(node)
    return was is not None and was.fingerprint != inventory.graph.wholes[node]


def _reason_of_raw_data(inventory: Inventory, node: str, before: Published) -> Reason:
    """The reason, if its code is production's: files moved, or another release of the engine reads
    the same files."""
    builds, identities = inventory.builds, inventory.identities
    if inventory.graph.node(node).kind != "source":
        behind = inventory.graph.upstream([node])
        again = any(builds.is_begun(identities[read]) for read in behind)
        return Reason(Because.TABLE_BEHIND if again else Because.DATA_BEHIND)
    load, wanted = inventory.there.get(before.snapshot), inventory.versions[node]
    known = load.data_version if load else None
    if known is None or contents_of(known) != contents_of(wanted):
        return Reason(Because.DATA)
    releases = (engine_of(known) or "(another release)", engine_of(wanted))
    return Reason(Because.ENGINE, values=releases)
