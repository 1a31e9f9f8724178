"""The tables and answers that a project needs, and those that a warehouse has, before anything is
decided."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seeknal_git.build.rebuilds import Builds, builds_of
from seeknal_git.names import CHANGES
from seeknal_git.project.fingerprints import digest
from seeknal_git.project.loads_in_use import pinned
from seeknal_git.project.snapshot_ids import Identity, State, identities
from seeknal_git.project.source_versions import need_versions, untracked_sources

if TYPE_CHECKING:
    from seeknal_git.build.histories import Histories
    from seeknal_git.build.options import Options
    from seeknal_git.build.since import Limits
    from seeknal_git.environments.environment import Environment
    from seeknal_git.nodes.node import Check, Node
    from seeknal_git.project.bound_graph import BoundGraph
    from seeknal_git.project.raw_data import DataRoot
    from seeknal_git.warehouse.model.environments import Published
    from seeknal_git.warehouse.model.snapshots import Audit, Snapshot
    from seeknal_git.warehouse.protocol import Warehouse


@dataclass(frozen=True, slots=True)
class Inventory:
    """The tables and answers that a graph needs, and those that a warehouse has."""

    graph: BoundGraph
    environment: Environment
    identities: Mapping[str, Identity]  # node → what its table is made of, and which build is meant
    # source → the version of its raw data, unless that is not here and no chosen node needs it
    versions: Mapping[str, str]
    builds: Builds
    there: Mapping[str, Snapshot]  # snapshot id → snapshot, for those whose table exists
    shows: Mapping[str, Published]  # by the environment now
    production: Mapping[str, Published]  # by production now
    answer_ids: Mapping[tuple[str, int], str]  # (node, number of the check) → id of its answer
    audits: Mapping[str, Audit]  # id of an answer → answer, for those that are known
    histories: Histories | None = None  # if the graph has any
    limits: Limits | None = None  # if the run is to build some partitions alone

    def wanted(self, node: str) -> str:
        """The id of the snapshot that a node needs."""
        return self.identities[node].id

    def snapshot(self, node: str) -> Snapshot | None:
        """The snapshot that a node needs, if it exists."""
        return self.there.get(self.wanted(node))

    def in_another_form(self, source: Node) -> Snapshot | None:
        """The load of a source that is wanted, as one table if it is to be in pieces, or the other
        way round; None if it has to be read."""
        wanted = self.identities[source.id]
        if source.is_view or self.builds.is_begun(wanted):
            return None
        same = self.builds.there.get(wanted.text, ())
        return next((one for one in reversed(same) if one.build == wanted.build), None)

    def answer(self, node: str, number: int) -> Audit | None:
        """The answer to a check, if it is known."""
        return self.audits.get(self.answer_ids[node, number])

    def is_shown(self, node: str) -> bool:
        """Whether the environment shows the snapshot that a node needs."""
        shown = self.shows.get(node)
        return shown is not None and shown.snapshot == self.wanted(node)

    def is_missing(self, node: str) -> bool:
        """Whether a node that is read has to be built, or to be shown for the first time.

        A branch reads production's tables of nodes that it does not show itself.
        """
        if self.snapshot(node) is None:
            return True
        if node not in self.shows:
            return self.environment.is_production
        return not self.is_shown(node)


def take_inventory(
    warehouse: Warehouse,
    graph: BoundGraph,
    root: DataRoot,
    environment: Environment,
    options: Options,
) -> Inventory:
    """Look up everything that a graph needs. Reads only. Raises ProjectError for missing raw
    data."""
    production = warehouse.environments.shown(environment.production_schema)
    shows = production
    if not environment.is_production:
        shows = warehouse.environments.shown(environment.schema)
    fingerprints = set(graph.wholes.values())
    snapshots, lost = warehouse.snapshots.find(fingerprints)
    loads = pinned(graph, (production, shows), snapshots)
    if options.refresh:
        loads = root.unmoved
    versions = need_versions(graph, root, loads, _spared(graph, options))
    snapshots, lost = _with_files(root, snapshots, lost)
    environments = () if options.newest else (production, shows)
    again = _again(graph, root, options, loads)
    builds = builds_of(snapshots, lost, environments, again, options.made)
    histories, build_of = None, builds.meant
    if graph.structure.of_kind(CHANGES):
        from seeknal_git.build.histories import Histories

        histories = Histories.of(warehouse, environment, builds, production)
        build_of = histories.meant
    limits = None
    if options.since is not None:
        from seeknal_git.build.since import limits_of

        limits = limits_of(warehouse, State(graph, versions), builds, build_of, options.since)
        build_of = limits.meant
    meant = identities(graph, versions, build_of)
    answer_ids = {
        (node, number): _answer_id(graph, meant, node, number)
        for node, number, _ in all_checks(graph)
    }
    return Inventory(
        graph,
        environment,
        meant,
        versions,
        builds,
        {snapshot.id: snapshot for snapshot in snapshots},
        shows,
        production,
        answer_ids,
        warehouse.snapshots.audits(list(answer_ids.values())),
        histories,
        limits,
    )


def _with_files(
    root: DataRoot, there: list[Snapshot], lost: list[Snapshot]
) -> tuple[list[Snapshot], list[Snapshot]]:
    """The snapshots that are there, and those that are lost: also views of files that are gone or
    were changed."""
    files = [file for snapshot in there for file in snapshot.files]
    faults = root.kept.faults(files) if files else {}
    broken = [snapshot for snapshot in there if not faults.keys().isdisjoint(snapshot.files)]
    if not broken:
        return there, lost
    return [snapshot for snapshot in there if snapshot not in broken], [*lost, *broken]


def _spared(graph: BoundGraph, options: Options) -> set[str]:
    """The sources that no chosen node reads, directly or not."""
    if options.chosen is None:
        return set()
    needed = graph.upstream(options.chosen) | options.chosen
    return {source.id for source in graph.sources()} - needed


def _again(
    graph: BoundGraph, root: DataRoot, options: Options, loads: Mapping[str, str]
) -> frozenset[str]:
    """The nodes that are built again though their table exists: with `--full`, all but loads that
    are kept; where raw data is read again, functions that say that their table may change."""
    about = frozenset(graph.members if options.chosen is None else options.chosen)
    if options.full:
        return about - (loads.keys() & untracked_sources(graph, root))
    code = about & graph.structure.python if options.refresh else frozenset()
    return frozenset(node for node in code if graph.node(node).python["volatile"])


def all_checks(graph: BoundGraph) -> Iterable[tuple[str, int, Check]]:
    """(id, number, check) for every check of every node."""
    for identifier in [node for node in graph.inputs if node in graph.index.tested]:
        for number, check in enumerate(graph.node(identifier).checks):
            yield identifier, number, check


def _answer_id(graph: BoundGraph, meant: Mapping[str, Identity], node: str, number: int) -> str:
    """The id of the answer to a check: a hash of the question and of the tables that it reads.

    The identity of a rule holds the columns that its questions read.
    """
    check, targets = graph.node(node).checks[number], graph.targets[node][number + 1]
    asked = [node] if graph.node(node).kind == "rule" else targets
    return digest("audit", *check.question, *(meant[read].rows for read in asked))
