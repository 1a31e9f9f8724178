"""What an environment should show, and what is missing for that: a dry run prints it, a real run
executes it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from seeknal_git.build.compute import violates
from seeknal_git.build.exposures import Places, files_of
from seeknal_git.build.rebuilds import Builds, builds_of
from seeknal_git.environments.environment import Environment
from seeknal_git.names import split_id
from seeknal_git.nodes.node import Check
from seeknal_git.project.bound_graph import BoundGraph
from seeknal_git.project.fingerprints import digest
from seeknal_git.project.loads_in_use import pinned
from seeknal_git.project.raw_data import (
    DataRoot,
    contents_of,
    engine_of,
    need_versions,
    untracked_sources,
)
from seeknal_git.project.snapshot_ids import Identity, identities
from seeknal_git.warehouse.model import Audit, Delivery, Published, Snapshot
from seeknal_git.warehouse.protocol import Warehouse

NOTHING: Mapping[str, Snapshot] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Options:
    """How to build. refresh: read raw data again; full: build the rest again; chosen: only these
    nodes (None: all); all_or_nothing: publish nothing where anything failed; whole: the graph is
    all that production is to show, also if only some nodes of it are chosen; force: also if that
    takes back what another clone has released; newest: of several tables that were made of the
    same, the newest one counts, whether somebody shows it or not."""

    refresh: bool = False
    full: bool = False
    chosen: frozenset[str] | None = None
    keep_going: bool = False
    workers: int = 1
    retry: int = 0
    all_or_nothing: bool = False
    force: bool = False
    reason: str | None = None  # why somebody insists
    whole: bool = False
    newest: bool = False


@dataclass(frozen=True, slots=True)
class Work:
    """What has to be done.

    chosen: the nodes that the run is about; identities: id → what its table is made of, and which
    build is meant; wanted: id → snapshot id; there: snapshots that exist, by snapshot id; reasons:
    id → why it is built, in build order; checks: id → checks whose answer is not known; audits:
    answers that are, by audit id; failing: id → checks that failed in an earlier run, on the very
    same data; shows, production: what the environment and production show now; deliveries:
    exposures whose file is to be written; left: files that no exposure writes any more.
    """

    graph: BoundGraph
    root: DataRoot
    environment: Environment
    options: Options
    chosen: frozenset[str]
    identities: Mapping[str, Identity]
    wanted: Mapping[str, str]
    versions: Mapping[str, str]
    there: Mapping[str, Snapshot]
    reasons: Mapping[str, str]
    checks: Mapping[str, tuple[int, ...]]
    audits: Mapping[str, Audit]
    failing: Mapping[str, tuple[int, ...]]
    shows: Mapping[str, Published]
    production: Mapping[str, Published]
    deliveries: tuple[str, ...]
    left: tuple[Delivery, ...]

    @property
    def places(self) -> Places:
        return Places(self.root, self.environment)

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
            if each not in self.shows
            or (self.shows[each].snapshot, self.shows[each].view) != (self.wanted[each], view)
        )

    @property
    def repoint(self) -> tuple[str, ...]:
        """The nodes whose view a publication moves."""
        moved = {*self.stale, *self.reasons}
        return tuple(each for each in self.graph.views if each in moved)

    def answer_id(self, node: str, number: int) -> str:
        """The id of the answer to a check of a node."""
        return _answer_id(self.graph, self.wanted, node, number)


@dataclass(frozen=True, slots=True)
class _Sight:
    """What there is to see before anything is decided. production, shows: what production and the
    environment show."""

    graph: BoundGraph
    root: DataRoot
    environment: Environment
    options: Options
    builds: Builds
    identities: Mapping[str, Identity]
    wanted: Mapping[str, str]
    versions: Mapping[str, str]
    there: Mapping[str, Snapshot]
    production: Mapping[str, Published]
    shows: Mapping[str, Published]


def work_out(
    warehouse: Warehouse,
    graph: BoundGraph,
    root: DataRoot,
    environment: Environment,
    options: Options,
) -> Work:
    """What it takes to make the environment match the graph. Reads only. Raises ProjectError for
    missing raw data."""
    production, shows = (
        warehouse.environments.shown(each)
        for each in (environment.production_schema, environment.schema)
    )
    snapshots, lost = warehouse.snapshots.find({each.whole for each in graph.fingerprints.values()})
    known = {} if options.refresh else pinned(graph, (production, shows), snapshots)
    versions = need_versions(graph, root, known)
    environments = () if options.newest else (production, shows)
    builds = builds_of(snapshots, lost, environments, _again(graph, root, options, known))
    meant = identities(graph, versions, builds.meant)
    wanted = {each: identity.id for each, identity in meant.items()}
    there = {each.id: each for each in snapshots}
    sight = _Sight(
        graph, root, environment, options, builds, meant, wanted, versions, there, production, shows
    )
    chosen = _chosen(sight)
    answers = [_answer_id(graph, wanted, each, number) for each, number, _ in all_checks(graph)]
    audits = warehouse.snapshots.audits(answers)
    checks = _open_checks(sight, chosen, audits)
    files = files_of(
        warehouse,
        graph,
        Places(root, environment),
        wanted,
        chosen if options.chosen is not None else None,
    )
    return Work(
        graph=graph,
        root=root,
        environment=environment,
        options=options,
        chosen=frozenset(chosen),
        identities=meant,
        wanted=wanted,
        versions=versions,
        there=there,
        reasons=_reasons(sight, chosen),
        checks=checks,
        audits=audits,
        failing=_failing(sight, checks, audits),
        shows=shows,
        production=production,
        deliveries=files.due,
        left=files.left,
    )


def _again(
    graph: BoundGraph, root: DataRoot, options: Options, known: Mapping[str, str]
) -> frozenset[str]:
    """The nodes that `--full` builds again, though their table is there; not a load that is
    kept."""
    if not options.full:
        return frozenset()
    about = graph.members if options.chosen is None else options.chosen
    return frozenset(about) - (known.keys() & untracked_sources(graph, root))


def all_checks(graph: BoundGraph) -> Iterable[tuple[str, int, Check]]:
    """(id, number, check) for every check of every node."""
    for identifier, member in graph.members.items():
        for number, check in enumerate(member.node.checks):
            yield identifier, number, check


def tables_of(work: Work, built: Mapping[str, Snapshot] = NOTHING) -> dict[str, str]:
    """Node → the table that there is of it. built: what was built since."""
    there = {node: work.there.get(work.wanted[node]) for node in work.graph.views}
    return {node: each.table for node, each in {**there, **built}.items() if each}


def _answer_id(graph: BoundGraph, wanted: Mapping[str, str], node: str, number: int) -> str:
    """The id of the answer to a check: a hash of the question, and of the tables that it is asked
    of.

    A rule's own identity says what its questions read, to the column.
    """
    check, targets = graph.node(node).checks[number], graph.targets[node][number + 1]
    asked = [node] if graph.node(node).kind == "rule" else targets
    return digest("audit", check.sql, str(check.allowed), *(wanted[each] for each in asked))


def _chosen(sight: _Sight) -> set[str]:
    """The chosen nodes; what they need that was never built, or that the environment does not show
    though they are made of it; the rules of all these, as nothing is shown unchecked; and on
    production whatever else reads a table that is another now, as production is of one piece."""
    if sight.options.chosen is None:
        return set(sight.graph.members)
    rules = [each for each in sight.graph.members if split_id(each)[0] == "rule"]
    found = set(sight.options.chosen)
    waiting = list(found)
    while waiting:
        node = waiting.pop()
        needed = {each for each in sight.graph.inputs[node] if _is_missing(sight, each)}
        needed |= {each for each in rules if node in sight.graph.inputs[each]}
        if sight.environment.is_production and _is_moved(sight, node):
            needed |= {
                each
                for each in sight.graph.readers[node]
                if sight.options.whole or each in sight.shows
            }
        waiting += needed - found
        found |= needed
    return found


def _is_missing(sight: _Sight, identifier: str) -> bool:
    wanted, shown = sight.wanted[identifier], sight.shows.get(identifier)
    hidden = shown is None and sight.environment.is_production
    return wanted not in sight.there or hidden or (shown is not None and shown.snapshot != wanted)


def _is_moved(sight: _Sight, identifier: str) -> bool:
    """Whether the environment is going to show another table of a node than it does."""
    shown = sight.shows.get(identifier)
    return identifier in sight.graph.views and (
        shown is None or shown.snapshot != sight.wanted[identifier]
    )


def _reasons(sight: _Sight, chosen: set[str]) -> dict[str, str]:
    return {
        each: _reason(sight, each)
        for each in sight.graph.members
        if each in chosen and each in sight.graph.views and sight.wanted[each] not in sight.there
    }


def _reason(sight: _Sight, identifier: str) -> str:
    """Why a node is built, in words."""
    return _reason_of_builds(sight, identifier) or _reason_of_contents(sight, identifier)


def _reason_of_builds(sight: _Sight, identifier: str) -> str | None:
    """The reason, if the same table was there, or an input of it is built again."""
    if identifier in sight.builds.again and sight.identities[identifier].build:
        return "everything is built again"
    if sight.identities[identifier].text in sight.builds.lost:
        return "its table is missing"
    if again := [
        each
        for each in sight.graph.feeding(identifier)
        if sight.builds.is_begun(sight.identities[each])
    ]:
        return f"reads {', '.join(again)}, which is built again"
    return None


def _reason_of_raw_data(sight: _Sight, identifier: str, before: Published) -> str:
    """The reason, if the code is as it was: files moved, or another release of the engine reads the
    same files."""
    if sight.graph.node(identifier).kind != "source":
        behind = sight.graph.upstream([identifier])
        again = any(sight.builds.is_begun(sight.identities[each]) for each in behind)
        return "a table behind it is built again" if again else "the raw data behind it moved on"
    load, wanted = sight.there.get(before.snapshot), sight.versions[identifier]
    known = load.data_version if load else None
    if known is None or contents_of(known) != contents_of(wanted):
        return "its raw data moved on"
    return f"DuckDB {engine_of(known) or '(another release)'} read its raw data, and {engine_of(wanted)} may do otherwise"


def _reason_of_contents(sight: _Sight, identifier: str) -> str:
    """The reason, if code or raw data are others than production's."""
    before, fingerprint = (
        sight.production.get(identifier),
        sight.graph.fingerprints[identifier].whole,
    )
    if before is None:
        return "never built"
    if before.fingerprint == fingerprint:
        return _reason_of_raw_data(sight, identifier, before)
    if any(each.fingerprint == fingerprint for each in sight.there.values()):
        return "the raw data behind it moved on since it was built"
    shown = {
        each: sight.production[each]
        for each in sight.graph.feeding(identifier)
        if each in sight.production
    }
    moved = [
        each
        for each, was in shown.items()
        if was.fingerprint != sight.graph.fingerprints[each].whole
    ]
    return f"reads {', '.join(moved)}, which changed" if moved else "its definition changed"


def _open_checks(
    sight: _Sight, chosen: set[str], audits: Mapping[str, Audit]
) -> dict[str, tuple[int, ...]]:
    """Checks whose answer is not known, or another one each time."""
    found: dict[str, tuple[int, ...]] = {}
    for each, number, _ in all_checks(sight.graph):
        unanswered = (
            sight.options.full or _answer_id(sight.graph, sight.wanted, each, number) not in audits
        )
        if each in chosen and (unanswered or (each, number) in sight.graph.volatile):
            found[each] = (*found.get(each, ()), number)
    return found


def _failing(
    sight: _Sight, checks: Mapping[str, tuple[int, ...]], audits: Mapping[str, Audit]
) -> dict[str, tuple[int, ...]]:
    found: dict[str, tuple[int, ...]] = {}
    for each, number, check in all_checks(sight.graph):
        answer = audits.get(_answer_id(sight.graph, sight.wanted, each, number))
        audit = None if number in checks.get(each, ()) else answer
        if audit and check.severity == "error" and violates(check, audit.violations, audit.rows):
            found[each] = (*found.get(each, ()), number)
    return found
