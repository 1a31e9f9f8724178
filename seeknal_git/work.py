"""What an environment should show, and what is missing for that: a dry run prints it, a real run executes it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from seeknal_git.data import DataRoot, need_versions, untracked_sources
from seeknal_git.fingerprint import digest
from seeknal_git.graph import Graph
from seeknal_git.identity import identities
from seeknal_git.loads import pinned
from seeknal_git.names import exposures_folder, split_id
from seeknal_git.nodes.node import Check, Node
from seeknal_git.warehouse import state
from seeknal_git.warehouse.connection import Warehouse
from seeknal_git.warehouse.history import deliveries
from seeknal_git.warehouse.state import Audit, Published, Snapshot

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True, slots=True)
class Target:
    """The environment to reconcile, and the production schema that it re-uses from."""

    branch: str
    schema: str
    production: str

    @property
    def is_production(self) -> bool:
        return self.schema == self.production


@dataclass(frozen=True, slots=True)
class Options:
    """How to build. refresh: read raw data again; full: build the rest again; chosen: only these nodes (None: all);
    all_or_nothing: publish nothing where anything failed; sandbox: SQL reaches the files of this work and no others."""

    refresh: bool = False
    full: bool = False
    chosen: frozenset[str] | None = None
    keep_going: bool = False
    workers: int = 1
    retry: int = 0
    all_or_nothing: bool = False
    sandbox: bool = False


@dataclass(frozen=True, slots=True)
class Work:
    """What has to be done.

    chosen: the nodes that the run is about; wanted: id → snapshot id; there: snapshots that exist, by snapshot id;
    reasons: id → why it is built, in build order; checks: id → checks whose answer is not known; audits: answers
    that are, by audit id; failing: id → checks that failed in an earlier run, on the very same data; shows: what the
    environment shows now; deliveries: exposures whose file is to be written.
    """

    graph: Graph
    root: DataRoot
    target: Target
    options: Options
    chosen: frozenset[str]
    wanted: Mapping[str, str]
    versions: Mapping[str, str]
    there: Mapping[str, Snapshot]
    reasons: Mapping[str, str]
    checks: Mapping[str, tuple[int, ...]]
    audits: Mapping[str, Audit]
    failing: Mapping[str, tuple[int, ...]]
    shows: Mapping[str, Published]
    deliveries: tuple[str, ...]

    @property
    def layers(self) -> tuple[tuple[str, ...], ...]:
        """The nodes that have something to do, or fail already, side by side within a layer."""
        busy = {*self.reasons, *self.checks, *(self.failing.keys() & self.chosen)}
        layers = (tuple(each for each in layer if each in busy) for layer in self.graph.layers)
        return tuple(layer for layer in layers if layer)

    @property
    def reused(self) -> tuple[str, ...]:
        return tuple(each for each in self.graph.views if each not in self.reasons)

    @property
    def stale(self) -> tuple[str, ...]:
        """The nodes whose view does not show what it should."""
        return tuple(
            each
            for each, view in self.graph.views.items()
            if each not in self.shows or (self.shows[each].snapshot, self.shows[each].view) != (self.wanted[each], view)
        )

    @property
    def repoint(self) -> tuple[str, ...]:
        """The nodes whose view a publication moves, if only to a newer table of the same snapshot."""
        newest = {each: self.there.get(self.wanted[each]) for each in self.chosen & self.shows.keys()}
        newer = {each for each, snapshot in newest.items() if snapshot and snapshot.table != self.shows[each].table}
        moved = {*self.stale, *self.reasons, *newer}
        return tuple(each for each in self.graph.views if each in moved)


@dataclass(frozen=True, slots=True)
class _Sight:
    """What there is to see before anything is decided. production, shows: what production shows, and the environment;
    built: fingerprints of which there is a table, on whatever raw data; again: the nodes whose table does not count,
    though it is there."""

    graph: Graph
    root: DataRoot
    target: Target
    options: Options
    wanted: Mapping[str, str]
    there: Mapping[str, Snapshot]
    production: Mapping[str, Published]
    shows: Mapping[str, Published]
    built: frozenset[str]
    again: frozenset[str]


def work_out(warehouse: Warehouse, graph: Graph, root: DataRoot, target: Target, options: Options) -> Work:
    """What it takes to make the environment match the graph. Reads only. Raises ProjectError for missing raw data."""
    connection = warehouse.connection
    production, shows = (state.published(connection, each) for each in (target.production, target.schema))
    known = {} if options.refresh else pinned(graph, production, state.source_snapshots(connection))
    versions = need_versions(graph, root, known)
    wanted = identities(graph, versions)
    there = state.snapshots(connection, wanted.values())
    built = state.fingerprints_built(connection, [graph.fingerprints[each].whole for each in wanted])
    loads = known.keys() & untracked_sources(graph, root) if options.full else frozenset()
    again = frozenset(graph.members.keys() - loads) if options.full else frozenset()
    sight = _Sight(graph, root, target, options, wanted, there, production, shows, built, again)
    chosen = _chosen(sight)
    audits = state.audits(connection, [audit_id(wanted[each], check) for each, _, check in all_checks(graph)])
    reasons = _reasons(sight, chosen)
    checks = _open_checks(sight, chosen, reasons, audits)
    return Work(
        graph=graph,
        root=root,
        target=target,
        options=options,
        chosen=frozenset(chosen),
        wanted=wanted,
        versions=versions,
        there=there,
        reasons=reasons,
        checks=checks,
        audits=audits,
        failing=_failing(sight, checks, audits),
        shows=shows,
        deliveries=_due(connection, sight, chosen),
    )


def all_checks(graph: Graph) -> Iterable[tuple[str, int, Check]]:
    """(id, number, check) for every check of every node."""
    for identifier, member in graph.members.items():
        for number, check in enumerate(member.node.checks):
            yield identifier, number, check


def violates(check: Check, audit: Audit) -> bool:
    return audit.violations > check.allowed * audit.rows


def audit_id(subject: str, check: Check) -> str:
    """The id of the answer to a check on a snapshot (of a rule: on what the rule reads)."""
    return digest("audit", subject, check.sql, str(check.allowed))


def _chosen(sight: _Sight) -> set[str]:
    """The chosen nodes; what they need that was never built, or that the environment does not show though they are made
    of it; and the rules of all these, as nothing is shown unchecked."""
    if sight.options.chosen is None:
        return set(sight.graph.members)
    rules = [each for each in sight.graph.members if split_id(each)[0] == "rule"]
    found = set(sight.options.chosen)
    waiting = list(found)
    while waiting:
        node = waiting.pop()
        needed = {each for each in sight.graph.inputs[node] if _is_missing(sight, each)}
        needed |= {each for each in rules if node in sight.graph.inputs[each]}
        waiting += needed - found
        found |= needed
    return found


def _is_missing(sight: _Sight, identifier: str) -> bool:
    wanted, shown = sight.wanted[identifier], sight.shows.get(identifier)
    return wanted not in sight.there or (shown is not None and shown.snapshot != wanted)


def _reasons(sight: _Sight, chosen: set[str]) -> dict[str, str]:
    return {
        each: _reason(sight, each)
        for each in sight.graph.members
        if each in chosen
        and each in sight.graph.views
        and (each in sight.again or sight.wanted[each] not in sight.there)
    }


def _reason(sight: _Sight, identifier: str) -> str:
    """Why a node is built, in words."""
    before, fingerprints = sight.production.get(identifier), sight.graph.fingerprints
    if sight.wanted[identifier] in sight.there:
        return "everything is built again"
    if before is None:
        return "never built"
    if before.snapshot == sight.wanted[identifier]:
        return "its table is missing"
    if before.fingerprint == fingerprints[identifier].whole:
        return (
            "its raw data moved on"
            if sight.graph.node(identifier).kind == "source"
            else "the raw data behind it moved on"
        )
    if fingerprints[identifier].whole in sight.built:
        return "the raw data behind it moved on since it was built"
    shown = {each: sight.production[each] for each in sight.graph.inputs[identifier] if each in sight.production}
    moved = [each for each, was in shown.items() if was.fingerprint != fingerprints[each].whole]
    return f"reads {', '.join(moved)}, which changed" if moved else "its definition changed"


def _open_checks(
    sight: _Sight, chosen: set[str], reasons: Mapping[str, str], audits: Mapping[str, Audit]
) -> dict[str, tuple[int, ...]]:
    """Checks whose answer is not known, or not for long."""
    found: dict[str, tuple[int, ...]] = {}
    for each, number, check in all_checks(sight.graph):
        # A table that is built again may have other values, also for the rules that read it.
        built = not reasons.keys().isdisjoint([each, *sight.graph.inputs[each]])
        unanswered = sight.options.full or built or audit_id(sight.wanted[each], check) not in audits
        if each in chosen and (check.volatile or unanswered):
            found[each] = (*found.get(each, ()), number)
    return found


def _failing(
    sight: _Sight, checks: Mapping[str, tuple[int, ...]], audits: Mapping[str, Audit]
) -> dict[str, tuple[int, ...]]:
    found: dict[str, tuple[int, ...]] = {}
    for each, number, check in all_checks(sight.graph):
        audit = None if number in checks.get(each, ()) else audits.get(audit_id(sight.wanted[each], check))
        if audit and check.severity == "error" and violates(check, audit):
            found[each] = (*found.get(each, ()), number)
    return found


def _due(connection: duckdb.DuckDBPyConnection, sight: _Sight, chosen: set[str]) -> tuple[str, ...]:
    """Exposures whose file does not show what it should. A branch leaves alone what production delivers already."""
    target, wanted = sight.target, sight.wanted
    delivered = _delivered(connection, target.schema)
    by_production = {} if target.is_production else _delivered(connection, target.production)
    return tuple(
        each
        for each in sight.graph.members
        if each in chosen and sight.graph.node(each).kind == "exposure"
        if by_production.get(each) != wanted[each]
        if delivered.get(each) != wanted[each] or not exposure_path(sight.root, target, sight.graph.node(each)).exists()
    )


def _delivered(connection: duckdb.DuckDBPyConnection, schema: str) -> dict[str, str]:
    """Exposure → the snapshot id that its file shows."""
    return {node: each.snapshot for node, each in deliveries(connection, schema).items()}


def exposure_path(root: DataRoot, target: Target, node: Node) -> Path:
    """Only production writes where an exposure says; a branch has a folder of its own."""
    path = str(node.definition["path"])
    return root.home / path if target.is_production else root.home / exposures_folder(target.schema) / path
