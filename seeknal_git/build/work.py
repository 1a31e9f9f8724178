"""The work to do so that an environment shows a graph: build, check, publish and deliver."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from seeknal_git.build.compute import fails_node, violates
from seeknal_git.build.exposures import Places, files_of
from seeknal_git.build.inventory import Inventory, all_checks, take_inventory
from seeknal_git.build.options import Options
from seeknal_git.build.reasons import reason
from seeknal_git.environments.environment import Environment
from seeknal_git.errors import ProjectError
from seeknal_git.names import is_entity, split_id
from seeknal_git.plan.reason import Reason
from seeknal_git.project.bound_graph import BoundGraph
from seeknal_git.project.raw_data import DataRoot
from seeknal_git.warehouse.model.deliveries import Delivery
from seeknal_git.warehouse.model.snapshots import Part, Snapshot
from seeknal_git.warehouse.protocol import Warehouse

if TYPE_CHECKING:
    from seeknal_git.build.forecast import Forecast

NOTHING: Mapping[str, Snapshot] = MappingProxyType({})
Checks = Mapping[str, tuple[int, ...]]  # node → numbers of its checks


@dataclass(frozen=True, slots=True)
class Moves:
    """The nodes and entities whose view a publication moves, or removes."""

    repointed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Work:
    """The work to do. A dry run prints it, a real run executes it."""

    graph: BoundGraph
    root: DataRoot
    environment: Environment
    options: Options
    inventory: Inventory
    chosen: frozenset[str]  # the nodes that the run is about
    reasons: Mapping[str, Reason]  # node to build → why, in build order
    checks: Checks  # to make
    failing: Checks  # that failed in an earlier run, on the same data
    deliveries: tuple[str, ...]  # exposures whose file is to be written
    left: tuple[Delivery, ...]  # files that no exposure writes any more
    moves: Moves = Moves()  # of a dry run; a real run finds them as it publishes
    partitions: Mapping[str, Forecast] = field(default_factory=dict)  # of a dry run

    @property
    def uses(self) -> tuple[str, ...]:
        """The chosen exposures that other systems deliver."""
        inert = sorted(self.graph.structure.inert & self.chosen)
        return tuple(node for node in inert if self.graph.node(node).use)

    @property
    def places(self) -> Places:
        return Places(self.root, self.environment)

    @property
    def layers(self) -> tuple[tuple[str, ...], ...]:
        """The nodes that have something to do, or fail already, side by side within a layer."""
        busy = {*self.reasons, *self.checks, *(self.failing.keys() & self.chosen)}
        layers = [tuple(node for node in layer if node in busy) for layer in self.graph.layers]
        return tuple(layer for layer in layers if layer)

    @property
    def reused(self) -> tuple[str, ...]:
        """The nodes whose table stays as it is."""
        there = (node for node in self.graph.views if node not in self.reasons)
        return tuple(node for node in there if self.inventory.snapshot(node) is not None)

    @property
    def stale(self) -> tuple[str, ...]:
        """The nodes whose view is missing, has another name, or shows another table."""
        shows = self.inventory.shows
        return tuple(
            node
            for node, view in self.graph.views.items()
            if not self.inventory.is_shown(node) or shows[node].view != view
        )

    @property
    def removed(self) -> tuple[str, ...]:
        """The nodes that the environment shows, and that the graph does not have."""
        return tuple(
            node
            for node in self.inventory.shows
            if node not in self.graph.views and not is_entity(node)
        )

    def tables(self, built: Mapping[str, Snapshot] = NOTHING) -> dict[str, str]:
        """Node → its table, if it has one. built: nodes that were built since."""
        return {node: found.table for node, found in self.snapshots(built).items()}

    def relations(self, built: Mapping[str, Snapshot] = NOTHING) -> dict[str, str]:
        """The same, with each table as SQL names it."""
        return {node: found.relation for node, found in self.snapshots(built).items()}

    def parts(self, built: Mapping[str, Snapshot] = NOTHING) -> dict[str, Part]:
        """Node → the part of its table that there is, for the nodes that are built in part."""
        found = self.snapshots(built).items()
        return {node: snapshot.part for node, snapshot in found if snapshot.part}

    def snapshots(self, built: Mapping[str, Snapshot] = NOTHING) -> dict[str, Snapshot]:
        """Node → its snapshot, if it has one. built: nodes that were built since."""
        there = {node: self.inventory.snapshot(node) for node in self.graph.views}
        return {node: found for node, found in {**there, **built}.items() if found}


def work_out(
    warehouse: Warehouse,
    graph: BoundGraph,
    root: DataRoot,
    environment: Environment,
    options: Options,
) -> Work:
    """The work that makes an environment show a graph. Reads only. Raises ProjectError for missing
    raw data, unless no chosen node needs it."""
    inventory = take_inventory(warehouse, graph, root, environment, options)
    chosen = _chosen(inventory, options)
    _need_data(inventory, root, chosen)
    checks = _open_checks(inventory, chosen, options)
    files = files_of(
        warehouse, inventory, Places(root, environment), None if options.chosen is None else chosen
    )
    return Work(
        graph=graph,
        root=root,
        environment=environment,
        options=options,
        inventory=inventory,
        chosen=frozenset(chosen),
        reasons=_reasons(inventory, chosen),
        checks=checks,
        failing=_failing(inventory, checks),
        deliveries=files.due,
        left=files.left,
    )


def _chosen(inventory: Inventory, options: Options) -> set[str]:
    """The chosen nodes, and all that has to be built or shown with them.

    These are inputs that are missing; the rules of all these nodes, as nothing is shown unchecked;
    and on production the readers of a table that changes, as production is of one piece.
    """
    graph = inventory.graph
    if options.chosen is None:
        return set(graph.members)
    rules = [node for node in graph.members if split_id(node)[0] == "rule"]
    found = set(options.chosen)
    waiting = list(found)
    while waiting:
        node = waiting.pop()
        needed = {read for read in graph.inputs[node] if inventory.is_missing(read)}
        needed.update(rule for rule in rules if node in graph.inputs[rule])
        if inventory.environment.is_production and _is_moving(inventory, node):
            readers = graph.readers[node]
            needed.update(
                reader for reader in readers if options.whole or reader in inventory.shows
            )
        waiting += needed - found
        found |= needed
    return found


def _need_data(inventory: Inventory, root: DataRoot, chosen: set[str]) -> None:
    """Raise ProjectError for raw data that is not here, and that a chosen node reads, directly or
    not. No other node is built, so it keeps the table that it has."""
    graph = inventory.graph
    unknown = [source for source in graph.sources() if source.id not in inventory.versions]
    needed = graph.upstream(chosen) | chosen if unknown else chosen
    if found := [root.absence(source) for source in unknown if source.id in needed]:
        raise ProjectError(found)


def _is_moving(inventory: Inventory, node: str) -> bool:
    """Whether the environment is going to show another table of a node than now."""
    return node in inventory.graph.views and not inventory.is_shown(node)


def _reasons(inventory: Inventory, chosen: set[str]) -> dict[str, Reason]:
    graph = inventory.graph
    missing = [
        node
        for node in graph.members
        if node in chosen and node in graph.views and inventory.snapshot(node) is None
    ]
    return {node: reason(inventory, node) for node in missing}


def _open_checks(inventory: Inventory, chosen: set[str], options: Options) -> Checks:
    """The checks whose answer is not known, or may be another one each time."""
    graph = inventory.graph
    found: dict[str, tuple[int, ...]] = {}
    for node, number, _ in all_checks(graph):
        is_known = not options.full and inventory.answer(node, number) is not None
        if node in chosen and (not is_known or (node, number) in graph.volatile):
            found[node] = (*found.get(node, ()), number)
    return found


def _failing(inventory: Inventory, checks: Checks) -> Checks:
    """The checks of severity error that an earlier run found violated. checks: those to make."""
    found: dict[str, tuple[int, ...]] = {}
    for node, number, check in all_checks(inventory.graph):
        answer = inventory.answer(node, number)
        if answer is None or number in checks.get(node, ()) or not fails_node(check):
            continue
        if violates(check, answer.violations, answer.rows):
            found[node] = (*found.get(node, ()), number)
    return found
