"""What an environment should show, and what is missing for that. Reads only: a dry run prints it, a real run executes it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from seeknal_git.data import DataRoot, need_versions
from seeknal_git.fingerprint import digest
from seeknal_git.graph import Graph, identities
from seeknal_git.nodes.node import Check, Node
from seeknal_git.warehouse import state
from seeknal_git.warehouse.connection import Warehouse
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
    """How to build. refresh: read raw data again; full: build everything again; chosen: only these nodes (None: all)."""

    refresh: bool = False
    full: bool = False
    chosen: frozenset[str] | None = None
    keep_going: bool = False
    workers: int = 1
    retry: int = 0


@dataclass(frozen=True, slots=True)
class Work:
    """What has to be done.

    wanted: id → snapshot id; there: snapshots that exist, by snapshot id; reasons: id → why it is built, in build order;
    checks: id → checks whose answer is not known; audits: answers that are, by audit id; shows: what the environment
    shows now; deliveries: exposures whose file is to be written.
    """

    graph: Graph
    target: Target
    wanted: Mapping[str, str]
    versions: Mapping[str, str]
    there: Mapping[str, Snapshot]
    reasons: Mapping[str, str]
    checks: Mapping[str, tuple[int, ...]]
    audits: Mapping[str, Audit]
    shows: Mapping[str, Published]
    deliveries: tuple[str, ...]

    @property
    def layers(self) -> tuple[tuple[str, ...], ...]:
        """The nodes that have something to do, side by side within a layer."""
        busy = (
            tuple(each for each in layer if each in self.reasons or each in self.checks) for layer in self.graph.layers
        )
        return tuple(layer for layer in busy if layer)

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


def work_out(warehouse: Warehouse, graph: Graph, root: DataRoot, target: Target, options: Options) -> Work:
    """What it takes to make the environment match the graph. Reads only. Raises ProjectError for raw data that is missing."""
    connection = warehouse.connection
    loads = state.source_snapshots(connection)
    production = state.published(connection, target.production)
    pinned = _pinned(graph, production, loads)
    versions = need_versions(
        graph, root, lambda source: None if options.refresh or options.full else pinned.get(source.id)
    )
    wanted = identities(graph, versions)
    there = state.snapshots(connection, wanted.values())
    shows = state.published(connection, target.schema)
    audits = state.audits(connection, [audit_id(wanted[each], check) for each, _, check in all_checks(graph)])
    chosen = set(graph.members) if options.chosen is None else _with_needs(graph, options.chosen, wanted, there)
    reasons = {
        each: _reason(graph, each, wanted, there, production, versions, options)
        for layer in graph.layers
        for each in layer
        if each in chosen and each in graph.views and (options.full or wanted[each] not in there)
    }
    checks: dict[str, tuple[int, ...]] = {}
    for each, number, check in all_checks(graph):
        if each in chosen and (check.volatile or each in reasons or audit_id(wanted[each], check) not in audits):
            checks[each] = (*checks.get(each, ()), number)
    deliveries = _due(connection, graph, target, wanted, root, chosen)
    return Work(graph, target, wanted, versions, there, reasons, checks, audits, shows, deliveries)


def _pinned(graph: Graph, production: Mapping[str, Published], loads: Sequence[Snapshot]) -> dict[str, str]:
    """The data version that each source has already: production's, else the newest that was read for this definition."""
    by_id = {load.id: load.data_version for load in loads}
    newest = {load.fingerprint: load.data_version for load in loads}
    found = {}
    for identifier, member in graph.members.items():
        if member.node.kind == "source":
            own, shown = graph.fingerprints[identifier].whole, production.get(identifier)
            known = by_id.get(shown.snapshot) if shown and shown.fingerprint == own else None
            if version := known or newest.get(own):
                found[identifier] = version
    return found


def all_checks(graph: Graph) -> Iterable[tuple[str, int, Check]]:
    for identifier, member in graph.members.items():
        for number, check in enumerate(member.node.checks):
            yield identifier, number, check


def violates(check: Check, audit: Audit) -> bool:
    return audit.violations > check.allowed * audit.rows


def audit_id(subject: str, check: Check) -> str:
    return digest("audit", subject, check.sql, str(check.allowed))


def _with_needs(
    graph: Graph, chosen: Iterable[str], wanted: Mapping[str, str], there: Mapping[str, Snapshot]
) -> set[str]:
    """The chosen nodes, and what they need that was never built."""
    found = set(chosen)
    waiting = list(found)
    while waiting:
        for each in graph.inputs[waiting.pop()]:
            if each not in found and wanted[each] not in there:
                found.add(each)
                waiting.append(each)
    return found


def _reason(
    graph: Graph,
    identifier: str,
    wanted: Mapping[str, str],
    there: Mapping[str, Snapshot],
    production: Mapping[str, Published],
    versions: Mapping[str, str],
    options: Options,
) -> str:
    """Why a node is built, in words."""
    if wanted[identifier] in there:
        return "everything is built again" if options.full else "chosen"
    before = production.get(identifier)
    if before is None:
        return "never built"
    if before.snapshot == wanted[identifier]:
        return "its table is missing"
    if before.fingerprint != graph.fingerprints[identifier].whole:
        moved = [each for each in graph.inputs[identifier] if each in production and
                 production[each].fingerprint != graph.fingerprints[each].whole]  # fmt: skip
        return f"reads {', '.join(moved)}, which changed" if moved else "its definition changed"
    if graph.node(identifier).kind == "source":
        return "its raw data moved on"
    return "the raw data behind it moved on"


def _due(
    connection: duckdb.DuckDBPyConnection,
    graph: Graph,
    target: Target,
    wanted: Mapping[str, str],
    root: DataRoot,
    chosen: set[str],
) -> tuple[str, ...]:
    """Exposures whose file does not show what it should. A branch leaves alone what production delivers already."""
    delivered = state.exposures_delivered(connection, target.schema)
    by_production = state.exposures_delivered(connection, target.production)
    due = []
    for identifier, member in graph.members.items():
        if member.node.kind == "exposure" and identifier in chosen:
            there = exposure_path(root, target, member.node).exists()
            if not target.is_production and by_production.get(identifier) == wanted[identifier]:
                continue
            if delivered.get(identifier) != wanted[identifier] or not there:
                due.append(identifier)
    return tuple(due)


def exposure_path(root: DataRoot, target: Target, node: Node) -> Path:
    """Only production writes where an exposure says; a branch has a folder of its own."""
    home = root.repository.main_worktree / root.repository.prefix
    path = str(node.definition["path"])
    return home / path if target.is_production else home / "target" / "exposures" / target.schema / path
