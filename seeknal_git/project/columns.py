"""Ask the engine for the columns of every node, for the parts that they are made of, and for the
SQL that it refuses.

A node is asked about once the columns of its inputs are known. Problems are told in the order
of the layers, whichever answer came first.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from seeknal_git.cache import Cache
from seeknal_git.errors import Problem
from seeknal_git.names import CHANGES
from seeknal_git.nodes.changes import with_loads_before
from seeknal_git.nodes.node import Node
from seeknal_git.project.asking import Asking
from seeknal_git.project.bound_graph import Answers, BoundGraph, bound_graph, revised_graph
from seeknal_git.project.collisions import collisions
from seeknal_git.project.graph import Graph
from seeknal_git.project.questions import (
    Question,
    broken_promises,
    known_of,
    missing_columns,
    questions_of,
    refused,
)
from seeknal_git.project.raw_data import DataRoot
from seeknal_git.project.source_columns import SourceFiles
from seeknal_git.sql.statement import Anatomy, Columns, Known, unpacked

if TYPE_CHECKING:
    from seeknal_git.project.profiles import Profiled


@dataclass(frozen=True, slots=True)
class Binding:
    """Everything that came up while a graph was bound."""

    problems: tuple[Problem, ...] = ()  # everything that the engine refuses
    unknown: tuple[str, ...] = ()  # the sources whose columns nobody can know now
    # source → the contents in which its columns were found, if it was read
    read: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[Problem, ...] = ()  # guesses at raw data that somebody should hear of
    # source → the hash of everything that it takes from an earlier load
    adopted: Mapping[str, str] = field(default_factory=dict)
    absent: tuple[Problem, ...] = ()  # one for each source whose files are missing
    unbuilt: tuple[str, ...] = ()  # the Python nodes whose columns nobody knows yet


@dataclass(frozen=True, slots=True)
class Unchanged:
    """A sound graph that was bound before. Its answers hold for each node of another graph that is
    the same, and whose inputs have the same columns."""

    graph: BoundGraph
    changed: frozenset[str]  # the nodes of the other graph that are not the same


def bind(
    graph: Graph,
    root: DataRoot,
    cache: Cache,
    kept: Mapping[str, Columns] | None = None,
    unchanged: Unchanged | None = None,
) -> tuple[BoundGraph, Binding]:
    """Bind the nodes of a graph, each against the columns of its inputs.

    kept: the columns of sources whose load is not read again, whatever their files look like now;
    unchanged: without it, all nodes are bound.
    """
    bound = _Bound(graph, cache, unchanged, kept or {})
    bound.find_sources(root)
    bound.ask()
    problems = [*bound.in_order(), *collisions(graph, root)]
    refused = {problem.node for problem in problems}
    unknown = [source.id for source in graph.sources() if not bound.known[source.id].columns]
    files = bound.files.values()
    binding = Binding(
        tuple(problems),
        tuple(source for source in unknown if source not in refused),
        {source: contents for found in files for source, contents in found.read.items()},
        tuple(warning for found in files for warning in found.warnings),
        {source: load for found in files for source, load in found.adopted.items()},
        tuple(absence for found in files for absence in found.absent.values()),
    )
    return bound.result(), binding


class _Stage(IntEnum):
    """The order in which the problems of a layer are told."""

    FILES = 0
    VALUES = 1
    DECLARED = 2
    PROFILE = 3
    SQL = 4
    PYTHON = 5
    CHECK = 6


# layer, stage, class of the node in its layer, id, number of the check
_Place = tuple[int, _Stage, int, str, int]


@dataclass(slots=True)
class _Bound:
    """The state of binding the nodes of a graph."""

    graph: Graph
    cache: Cache
    unchanged: Unchanged | None
    kept: Mapping[str, Columns]
    asking: Asking = field(init=False)
    known: dict[str, Known] = field(default_factory=dict)
    anatomies: dict[str, dict[int, Anatomy]] = field(default_factory=dict)  # by number of a SELECT
    volatile: dict[str, set[int]] = field(default_factory=dict)
    asked: set[str] = field(default_factory=set)  # the nodes that are bound again
    moved: set[str] = field(default_factory=set)  # those whose table is known otherwise now
    problems: list[tuple[_Place, Problem]] = field(default_factory=list)
    # node → the columns in lower case that it promises and does not return
    missing: dict[str, frozenset[str]] = field(default_factory=dict)
    profiles: dict[str, Profiled] = field(default_factory=dict)
    files: dict[int, SourceFiles] = field(default_factory=dict)  # of the sources of a layer
    unread: deque[str] = field(default_factory=deque)  # the sources whose files are not read yet
    # node → how many of its inputs may still turn out otherwise
    open: dict[str, int] = field(default_factory=dict)
    # node → how many SELECTs that decide its data have no answer yet
    unanswered: dict[str, int] = field(default_factory=dict)
    checks: dict[str, list[Question]] = field(
        default_factory=dict
    )  # for when the columns are known

    def __post_init__(self) -> None:
        self.asking = Asking(self.cache, self.known_of, self.hear, self.read_source)

    def known_of(self, node: str) -> Known:
        found = self.known.get(node)
        return found or self._before(node).known

    def _before(self, node: str) -> Answers:
        facts = self.unchanged.graph.facts.get(node) if self.unchanged else None
        return facts.answers if facts else Answers()

    def learn(self, node: str, known: Known) -> None:
        """Note what is known of a node's table."""
        self.known[node] = known
        if self.unchanged and self._before(node).known != known:
            self.moved.add(node)

    def note(self, stage: _Stage, node: Node, found: Iterable[Problem], check: int = 0) -> None:
        """Keep problems of a node until they can be told in order."""
        rank = 2 if node.kind != "source" else node.id not in self.kept
        place = (self.graph.layer_of[node.id], stage, rank, node.id, check)
        self.problems += [(place, problem) for problem in found]

    def in_order(self) -> list[Problem]:
        """All problems, layer by layer."""
        found = list(self.problems)
        for layer, files in self.files.items():
            of_files = [(_Stage.FILES, files.unfound), (_Stage.VALUES, files.problems)]
            for stage, problems in of_files:
                found += [((layer, stage, 0, "", 0), problem) for problem in problems]
        return [problem for _, problem in sorted(found, key=lambda pair: pair[0])]

    # The columns of sources

    def find_sources(self, root: DataRoot) -> None:
        """Learn the columns of sources whose load is kept, or whose files are not here."""
        by_layer: dict[int, list[Node]] = {}
        for source in self.graph.sources():
            if source.id in self.kept:
                self._learn_source(source, self.kept[source.id])
            else:
                by_layer.setdefault(self.graph.layer_of[source.id], []).append(source)
        for layer, sources in sorted(by_layer.items()):
            sources.sort(key=lambda source: source.id)
            files = self.files[layer] = SourceFiles.of(sources, root)
            self.unread += files.files
            for source in sources:
                if source.id not in files.files:
                    self._learn_source(source, files.columns(source))

    def read_source(self) -> bool:
        """Learn the columns of one more source from its files; false if all are known."""
        if not self.unread:
            return False
        source = self.graph.node(self.unread.popleft())
        self._learn_source(source, self.files[self.graph.layer_of[source.id]].columns(source))
        if source.id in self.open:
            self._begin(self._freed([source.id]))
        return True

    def _learn_source(self, source: Node, found: Columns | None) -> None:
        self.learn(source.id, Known(found))
        if found is not None:
            self.note(_Stage.DECLARED, source, broken_promises(source, found, {}))

    # The order of the questions

    def ask(self) -> None:
        """Ask about all nodes whose answers are not known. Raises ProjectError."""
        inputs = self.graph.inputs
        if self.unchanged is not None:
            while self.read_source():  # they say which nodes are concerned
                pass
            stale = (self.unchanged.changed & inputs.keys()) | self.moved
            concerned = stale | self.graph.downstream(stale)
            self.open = {node: len(concerned.intersection(inputs[node])) for node in concerned}
        else:
            self.open = {node: len(read) for node, read in inputs.items()}
        for source in self.unread:
            self.open[source] += 1
        self._begin([node for node, count in self.open.items() if not count])
        self.asking.all()
        if self.profiles:
            from seeknal_git.project.profiles import with_profiles

            self.graph = with_profiles(self.graph, self.profiles)

    def _freed(self, nodes: Iterable[str]) -> list[str]:
        """Those of some nodes that wait for no other input, now that one more is known."""
        found = []
        for node in nodes:
            if node in self.open:
                self.open[node] -= 1
                if not self.open[node]:
                    found.append(node)
        return found

    def _begin(self, nodes: Iterable[str]) -> None:
        """Ask about nodes whose inputs are known, and about those that wait for nothing else."""
        waiting = deque(nodes)
        while waiting:
            node = waiting.popleft()
            if not self._is_stale(node) or self._ask_of(node):
                waiting += self._freed(self.graph.readers[node])

    def _is_stale(self, node: str) -> bool:
        """Whether a node's answers are not known."""
        if self.unchanged is None:
            return True
        inputs = self.graph.inputs[node]
        return (
            node in self.unchanged.changed
            or node in self.moved
            or not self.moved.isdisjoint(inputs)
            # Python nodes see whether an input has an order.
            or (node in self.graph.structure.python and not self.asked.isdisjoint(inputs))
        )

    def _ask_of(self, identifier: str) -> bool:
        """Ask about a node. Returns whether everything is known that its readers need."""
        self.asked.add(identifier)
        if identifier.startswith("profile."):
            self._learn_profile(identifier)
        elif identifier in self.graph.structure.python:
            self._learn_python(identifier)
        own, checks = questions_of(self.graph, [identifier])
        self.unanswered[identifier] = sum(question.decides for question in [*own, *checks])
        if own:
            self.checks[identifier] = checks
        self.asking.add(own or checks)
        return not self.unanswered[identifier]

    def _learn_profile(self, identifier: str) -> None:
        """Make the SELECT of a profile over the columns of its input."""
        from seeknal_git.project.profiles import profiled
        from seeknal_git.project.python_columns import undeclared

        node = self.graph.node(identifier)
        read = node.inputs[0].id
        self.profiles[identifier] = made = profiled(node, self.known_of(read))
        self.learn(identifier, made.known)
        self.note(_Stage.PROFILE, node, made.problems)
        if made.select is None and read in self.graph.structure.python:
            self.note(_Stage.PROFILE, node, [undeclared(node, read)])
        if made.anatomy is not None:
            self.anatomies[identifier] = {0: made.anatomy}

    def _learn_python(self, identifier: str) -> None:
        """Learn of a Python node what it declares: the engine cannot be asked about a function."""
        from seeknal_git.nodes.python.load import anatomy_of
        from seeknal_git.project.python_columns import declared, missing_inputs

        node = self.graph.node(identifier)
        ordered = [read for read in self.graph.inputs[identifier] if self._has_order(read)]
        self.anatomies[identifier] = {0: anatomy_of(node, ordered)}
        self.learn(identifier, declared(node, self.cache))
        missing = missing_inputs(node, lambda read: self.known_of(read).columns)
        self.note(_Stage.PYTHON, node, missing)

    def _has_order(self, node: str) -> bool:
        found = self.anatomies.get(node)
        parts = found.values() if found else self._before(node).anatomies
        return any(anatomy.order for anatomy in parts)

    # The answers

    def hear(self, question: Question, answer: Mapping[str, Any]) -> None:
        """Learn from an answer: the columns (`columns`) and the parts (`anatomy`) of a SELECT, or a
        mistake (`error`, `line`)."""
        node, position = question.node, question.position
        stage = _Stage.CHECK if position else _Stage.SQL
        if "error" in answer and not self._is_told(question, answer["error"]):
            self.note(stage, node, [refused(question, answer)], position)
        if answer.get("volatile"):
            self.volatile.setdefault(node.id, set()).add(position - 1)
        anatomy = unpacked(answer["anatomy"]) if question.decides and "anatomy" in answer else None
        if anatomy is not None and node.kind == CHANGES:
            anatomy = with_loads_before(anatomy)
        if anatomy is not None:
            self.anatomies.setdefault(node.id, {})[position] = anatomy
        if position == 0:
            self._learn_own(node, answer, anatomy)
            self.asking.add(self.checks.pop(node.id))
        if question.decides:
            self.unanswered[node.id] -= 1
            if not self.unanswered[node.id]:
                self._begin(self._freed(self.graph.readers[node.id]))

    def _is_told(self, question: Question, error: str) -> bool:
        """Whether a check names a column that the node promises and does not return: one problem
        says so."""
        missing = self.missing.get(question.node.id, ()) if question.position else ()
        return any(f'"{name}" not found' in error.lower() for name in missing)

    def _learn_own(self, node: Node, answer: Mapping[str, Any], anatomy: Anatomy | None) -> None:
        if "anatomy" not in answer:
            self.learn(node.id, Known())
        elif anatomy is not None:
            self.learn(node.id, known_of(answer, anatomy))
            if node.promises and "columns" in answer:
                columns = self.known[node.id].columns or ()
                self.missing[node.id] = missing_columns(node, columns)
                self.note(_Stage.SQL, node, broken_promises(node, columns, answer["promised"]))

    def result(self) -> BoundGraph:
        """The graph with everything that follows from the answers."""
        graph, unchanged = self.graph, self.unchanged
        again = graph.inputs.keys() if unchanged is None else self.asked
        answers = {
            node: Answers(
                self.known_of(node),
                tuple(parts[number] for number in sorted(parts))
                if (parts := self.anatomies.get(node))
                else (),
                tuple(sorted(self.volatile.get(node, ()))),
            )
            for node in again
        }
        if unchanged is None:
            return bound_graph(graph, answers)
        other = {node for node, found in answers.items() if self._before(node) != found}
        before = unchanged.graph
        return revised_graph(graph, before, unchanged.changed | other, answers)
