"""A graph after the engine was asked: columns, terms and fingerprints of every node. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from typing import TypeVar

from seeknal_git.nodes.node import event_time_of
from seeknal_git.nodes.values import Use
from seeknal_git.project.definitions import Member
from seeknal_git.project.fingerprints import Fingerprint, fingerprint
from seeknal_git.project.graph import Graph, Structure, deciding
from seeknal_git.project.origins import Origins, origins_of
from seeknal_git.sql.statement import Anatomy, Columns, Known, columns_typed

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answers:
    """The engine's answers about a node."""

    known: Known = field(default_factory=Known)  # its table, as the nodes that read it know it
    anatomies: tuple[Anatomy, ...] = ()  # of each of its SELECTs that decide data
    volatile: tuple[int, ...] = ()  # the checks that may answer otherwise at another time


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that follows from a node and its inputs."""

    member: Member
    targets: tuple[tuple[str, ...], ...]
    answers: Answers
    fingerprint: Fingerprint
    origins: Origins


class Facet(Mapping[str, T]):
    """One kind of fact of every node. Facts that nobody asks for are not decoded."""

    def __init__(self, facts: Mapping[str, Facts], read: Callable[[Facts], T]) -> None:
        self._facts, self._read = facts, read

    def __getitem__(self, identifier: str) -> T:
        return self._read(self._facts[identifier])

    def __contains__(self, identifier: object) -> bool:
        return identifier in self._facts

    def __iter__(self) -> Iterator[str]:
        return iter(self._facts)

    def __len__(self) -> int:
        return len(self._facts)


class Over(Mapping[str, T]):
    """A few own values over those that are known of all other nodes."""

    def __init__(self, ids: Mapping[str, object], own: Mapping[str, T], below: Mapping[str, T]):
        self._ids, self.own, self.below = ids, own, below
        if isinstance(below, Over):  # one is enough, however often a graph is revised
            self.own, self.below = {**below.own, **own}, below.below

    def __getitem__(self, identifier: str) -> T:
        if identifier not in self._ids:
            raise KeyError(identifier)
        found = self.own.get(identifier)
        return self.below[identifier] if found is None else found

    def __contains__(self, identifier: object) -> bool:
        return identifier in self._ids

    def __iter__(self) -> Iterator[str]:
        return iter(self._ids)

    def __len__(self) -> int:
        return len(self._ids)


@dataclass(frozen=True, slots=True)
class Index:
    """The few facts that a plan asks of every node, by id."""

    files: Mapping[str, tuple[str, str]]  # path and content
    wholes: Mapping[str, str]  # the fingerprint of all of a node
    masks: Mapping[str, int]  # the sources that decide a node, as bits
    tested: frozenset[str]  # the nodes that carry checks
    volatile: frozenset[tuple[str, int]]  # (id, number) of checks that may answer otherwise later
    # the names that the templates of a node use, for those that use any
    uses: Mapping[str, tuple[Use, ...]] = field(default_factory=dict)
    secret: frozenset[str] = frozenset()  # the nodes whose text has values of the environment
    exampled: frozenset[str] = frozenset()  # the nodes that have examples
    earlier: frozenset[str] = frozenset()  # the nodes that have code of an earlier commit too


@dataclass(frozen=True)
class BoundGraph(Graph):
    """A graph with everything that follows from the engine's answers."""

    facts: Mapping[str, Facts] = field(default_factory=dict)
    index: Index = field(default_factory=lambda: Index({}, {}, {}, frozenset(), frozenset()))
    origins: tuple[str, ...] = ()  # the number of a bit in a mask → the id of a source

    @property
    def anatomies(self) -> Mapping[str, tuple[Anatomy, ...]]:
        """id → the anatomy of each of its SELECTs that decide data."""
        return Facet(self.facts, lambda facts: facts.answers.anatomies)

    @property
    def columns(self) -> Mapping[str, Columns | None]:
        """id → (name, type) of each column; None if nobody can know, or if there is no table."""
        return Facet(self.facts, lambda facts: columns_typed(facts.answers.known.columns))

    @property
    def known(self) -> Mapping[str, Known]:
        """id → its table, as the nodes that read it know it."""
        return Facet(self.facts, lambda facts: facts.answers.known)

    @property
    def fingerprints(self) -> Mapping[str, Fingerprint]:
        return Facet(self.facts, lambda facts: facts.fingerprint)

    @property
    def wholes(self) -> Mapping[str, str]:
        """id → the fingerprint of all of a node."""
        return self.index.wholes

    @property
    def volatile(self) -> frozenset[tuple[str, int]]:
        """(id, number) of the checks that may answer otherwise at another time."""
        return self.index.volatile

    def is_unstable(self, identifier: str) -> bool:
        """Whether a table of the node may hold other values each time that it is built of the same
        data."""
        return any(
            anatomy.rows is None
            or anatomy.rows.unstable
            or any(part.unstable for _, part in anatomy.columns or ())
            for anatomy in self.anatomies[identifier]
        )

    def why_unstable(self, identifier: str) -> str:
        """The constructs of a node that `is_unstable`."""
        anatomy = self.anatomies[identifier][0]
        parts = [anatomy.rows, *(part for _, part in anatomy.columns or ())]
        words = [*anatomy.obstacles, *(part.unstable for part in parts if part and part.unstable)]
        return ", ".join(dict.fromkeys(words)) or "it could not be taken apart"


def fingerprint_of(
    graph: Graph,
    identifier: str,
    anatomies: Sequence[Anatomy],
    of_inputs: Mapping[str, Fingerprint],
) -> Fingerprint:
    """A node's fingerprint over given fingerprints of its inputs. Tests do not decide data, so they
    are not in it."""
    member = graph.members[identifier]
    targets = [graph.targets[identifier][number] for number, _ in deciding(member)]
    statements = [
        (anatomy, [of_inputs[target] for target in named])
        for anatomy, named in zip(anatomies, targets, strict=False)
    ]
    inputs = [of_inputs[read] for read in graph.feeding(identifier)]
    node = member.node
    if node.python.get("is_timed"):
        read = {target: graph.node(target) for named in targets for target in named}
        times = {target: event_time_of(group.document) for target, group in read.items()}
        node = replace(node, definition={**node.definition, "times": times})
    return fingerprint(node, statements, inputs, ordered=identifier in graph.delivered)


def bound_graph(graph: Graph, answers: Mapping[str, Answers]) -> BoundGraph:
    """A graph with the engine's answers; without any, as of nodes that could not be taken apart."""
    fresh = settled(graph, graph.members, answers, None)
    return _assembled(graph, fresh, index_of(fresh), _numbered(graph, None))


def settled(
    graph: Graph, stale: Iterable[str], answers: Mapping[str, Answers], before: BoundGraph | None
) -> dict[str, Facts]:
    """The facts of nodes that changed, and of those downstream that change with them.

    stale: the nodes whose definition, answers or delivery changed; answers: of these at least.
    before: the facts of all others, as long as none of their inputs changes.
    """
    known = before.facts if before else {}
    bits = {source: 1 << number for number, source in enumerate(_numbered(graph, before))}
    found: dict[str, Facts] = {}
    prints = _Either(found, known, lambda facts: facts.fingerprint)
    origins = _Either(found, known, lambda facts: facts.origins)
    for identifier in _in_order(graph.structure, waiting := set(stale)):
        own = answers.get(identifier) or (
            known[identifier].answers if identifier in known else Answers()
        )
        made = fingerprint_of(graph, identifier, own.anatomies, prints)
        bit = bits.get(identifier, 0)
        came = origins_of(graph, identifier, own.anatomies, origins, bit=bit)
        facts = Facts(graph.members[identifier], graph.targets[identifier], own, made, came)
        old = known.get(identifier)
        found[identifier] = facts
        if before and (old is None or _means_another(old, facts)):
            waiting.update(graph.readers[identifier])
    return found


def _means_another(old: Facts, new: Facts) -> bool:
    """Whether the nodes that read a node may be others now."""
    if (old.fingerprint, old.origins) != (new.fingerprint, new.origins):
        return True
    times = [event_time_of(facts.member.node.document) for facts in (old, new)]
    return times[0] != times[1]  # functions join by them


def _numbered(graph: Graph, before: BoundGraph | None) -> tuple[str, ...]:
    """The sources by the number of their bit: those of another graph keep theirs."""
    return tuple(
        dict.fromkeys([*(before.origins if before else ()), *graph.structure.of_kind("source")])
    )


def _in_order(structure: Structure, waiting: set[str]) -> Iterator[str]:
    """The nodes of a set that grows meanwhile by nodes of later layers, inputs first."""
    if len(waiting) == len(structure.inputs):
        yield from structure.inputs
        return
    for layer in structure.layers:
        yield from [identifier for identifier in layer if identifier in waiting]


class _Either(Mapping[str, T]):
    """One kind of fact: those that were found now, else those that are known."""

    def __init__(
        self, found: Mapping[str, Facts], known: Mapping[str, Facts], read: Callable[[Facts], T]
    ) -> None:
        self._found, self._known, self._read = found, known, read

    def __getitem__(self, identifier: str) -> T:
        facts = self._found.get(identifier)
        return self._read(self._known[identifier] if facts is None else facts)

    def __iter__(self) -> Iterator[str]:
        return iter({**self._known, **self._found})

    def __len__(self) -> int:
        return len({*self._known, *self._found})


def revised_graph(
    graph: Graph, before: BoundGraph, stale: Set[str], answers: Mapping[str, Answers]
) -> BoundGraph:
    """A graph that differs from a bound one by some nodes, and has its facts of the others.

    stale: the nodes whose definition or answers are not the same; answers: those of these nodes.
    """
    delivery = (graph.delivered ^ before.delivered) & graph.inputs.keys()
    fresh = settled(graph, {*stale, *delivery}, answers, before)
    facts = Over(graph.inputs, fresh, before.facts)
    gone = before.index.wholes.keys() - graph.inputs.keys()
    index = _merged(before.index, index_of(fresh), fresh.keys(), gone)
    return _assembled(graph, facts, index, _numbered(graph, before))


def _assembled(
    graph: Graph, facts: Mapping[str, Facts], index: Index, origins: tuple[str, ...]
) -> BoundGraph:
    return BoundGraph(
        graph.members,
        graph.structure,
        graph.targets,
        graph.problems,
        graph.warnings,
        facts,
        index,
        origins,
    )


def index_of(facts: Mapping[str, Facts]) -> Index:
    """The facts that a plan asks of every node."""
    files: dict[str, tuple[str, str]] = {}
    wholes: dict[str, str] = {}
    masks: dict[str, int] = {}
    tested: list[str] = []
    volatile: list[tuple[str, int]] = []
    uses: dict[str, tuple[Use, ...]] = {}
    secret: list[str] = []
    exampled: list[str] = []
    earlier = frozenset(node for node, found in facts.items() if found.member.earlier)
    for identifier, found in facts.items():
        node = found.member.node
        files[identifier] = (node.path, found.member.content)
        wholes[identifier] = found.fingerprint.whole
        masks[identifier] = found.origins.whole
        volatile += [(identifier, number) for number in found.answers.volatile]
        if node.checks:
            tested.append(identifier)
        if node.uses:
            uses[identifier] = node.uses
        if node.secrets:
            secret.append(identifier)
        if node.document.get("examples"):
            exampled.append(identifier)
    return Index(
        files,
        wholes,
        masks,
        frozenset(tested),
        frozenset(volatile),
        uses,
        frozenset(secret),
        frozenset(exampled),
        earlier,
    )


def _merged(before: Index, fresh: Index, again: Set[str], gone: Set[str]) -> Index:
    """An index with other facts for some nodes (`again`), and without those that are gone."""
    apart = again | gone
    files = {**before.files, **fresh.files}
    wholes = {**before.wholes, **fresh.wholes}
    masks = {**before.masks, **fresh.masks}
    for identifier in gone:
        del files[identifier], wholes[identifier], masks[identifier]
    kept = frozenset(pair for pair in before.volatile if pair[0] not in apart)
    tested = (before.tested - apart) | fresh.tested
    uses = {node: names for node, names in before.uses.items() if node not in apart}
    secret = (before.secret - apart) | fresh.secret
    exampled = (before.exampled - apart) | fresh.exampled
    earlier = (before.earlier - apart) | fresh.earlier
    uses |= fresh.uses
    volatile = kept | fresh.volatile
    return Index(files, wholes, masks, tested, volatile, uses, secret, exampled, earlier)
