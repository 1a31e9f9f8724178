"""The views that a publication is going to move, if all that is to be built can be built."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seeknal_git.build.entity_views import with_entities
from seeknal_git.build.progress import Progress
from seeknal_git.build.publish import shown
from seeknal_git.build.work import Moves
from seeknal_git.warehouse.model.clock import now
from seeknal_git.warehouse.model.snapshots import Snapshot

if TYPE_CHECKING:
    from seeknal_git.build.work import Work
    from seeknal_git.warehouse.protocol import Warehouse


def moves_of(warehouse: Warehouse, work: Work) -> Moves:
    """The views to move and to remove, by the rules of a publication. Reads only."""
    options, graph, before = work.options, work.graph, work.inventory.shows
    if options.chosen == frozenset() or (work.failing and options.all_or_nothing):
        return Moves()  # nothing is going to be published
    built = {node: _expected(work, node) for node in work.reasons}
    columns = {snapshot.table: graph.columns[node] or () for node, snapshot in built.items()}
    after = with_entities(warehouse, work, shown(work, Progress(built=built)), columns)
    views = warehouse.environments.views(work.environment.schema)
    moved = {
        node
        for node, published in after.items()
        if before.get(node) != published or not published.is_right(views)
    }
    in_order = (*graph.views, *sorted(moved - graph.views.keys()))
    return Moves(
        tuple(node for node in in_order if node in moved),
        tuple(node for node in before if node not in after),
    )


def _expected(work: Work, node: str) -> Snapshot:
    """A table that is not there yet. Nothing is called like it."""
    table = f"{work.graph.views[node]}__to_build"
    return Snapshot(
        id="",
        node=node,
        table=table,
        fingerprint=work.graph.wholes[node],
        data_version=None,
        rows=0,
        built_at=now(),
        seconds=0,
        identity="",
        build="",
        unstable=False,
    )
