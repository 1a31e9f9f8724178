"""Ask the engine for the columns of every node, for the parts that they are made of, and for the
SQL that it refuses."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from seeknal_git.cache import Cache
from seeknal_git.errors import Problem, ProjectError
from seeknal_git.names import folded
from seeknal_git.nodes.node import Node
from seeknal_git.project.bound_graph import Answers, BoundGraph, bound_graph, revised_graph
from seeknal_git.project.collisions import collisions
from seeknal_git.project.contract import drifted, read_by, told
from seeknal_git.project.data_files import DataFile
from seeknal_git.project.data_problems import absence
from seeknal_git.project.data_versions import adopting
from seeknal_git.project.fingerprints import digest
from seeknal_git.project.graph import Graph, deciding
from seeknal_git.project.guessing import guessed, remembered
from seeknal_git.project.raw_data import DataRoot
from seeknal_git.sql.statement import (
    COLLATION,
    Anatomy,
    Columns,
    Known,
    Reading,
    columns_typed,
    unpacked,
)
from seeknal_git.sql.type_words import holds, read_as

if TYPE_CHECKING:
    from seeknal_git.sql.describe import Statement


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


@dataclass(frozen=True, slots=True)
class Question:
    """A SELECT to bind."""

    node: Node
    position: int  # 0 for the node's own SQL, else the number of the check
    sql: str
    line: int  # of the file on which it begins; of its own SQL, see `Node.line_of_sql`
    reading: Reading
    targets: Sequence[str]  # the node behind each reference
    decides: bool  # whether it decides the node's data

    @property
    def promises(self) -> list[tuple[str, str | None]]:
        """The columns that the node declares for this SELECT, with their types."""
        return sorted(self.node.promises.items()) if self.position == 0 else []


def bind(
    graph: Graph,
    root: DataRoot,
    cache: Cache,
    kept: Mapping[str, Columns] | None = None,
    unchanged: Unchanged | None = None,
) -> tuple[BoundGraph, Binding]:
    """Bind the nodes of a graph, layer by layer, each against the columns of its inputs.

    kept: the columns of sources whose load is not read again, whatever their files look like now;
    unchanged: without it, all nodes are bound.
    """
    bound = _Bound(graph, cache, unchanged)
    for layer in graph.layers:
        sources = [identifier for identifier in layer if identifier.startswith("source.")]
        given = _columns_of(bound, sources, root, kept or {})
        others = [identifier for identifier in layer if identifier not in given]
        asked = bound.open([*given, *others])
        bound.learn_profiles([node for node in asked if node.startswith("profile.")])
        own, checks = questions_of(bound.graph, asked)
        bound.ask(own)
        bound.learn_python(graph.structure.python.intersection(asked))
        bound.ask(checks)
    bound.problems += collisions(graph, root)
    refused = {problem.node for problem in bound.problems}
    unknown = [source.id for source in graph.sources() if not bound.known[source.id].columns]
    binding = Binding(
        tuple(bound.problems),
        tuple(source for source in unknown if source not in refused),
        bound.read,
        tuple(bound.warnings),
        bound.adopted,
        tuple(bound.absent),
    )
    return bound.result(), binding


def _columns_of(
    bound: _Bound, sources: Sequence[str], root: DataRoot, kept: Mapping[str, Columns]
) -> dict[str, Columns | None]:
    """Learn the columns of some sources: those of the load that is kept, else those of the
    files."""
    given: dict[str, Columns | None] = {
        source: kept[source] for source in sources if source in kept
    }
    given |= _sources(bound, [source for source in sources if source not in given], root)
    for source, found in given.items():
        bound.learn(source, Known(found))
        if found is not None:
            bound.problems += broken_promises(bound.graph.node(source), found, {})
    return given


@dataclass(slots=True)
class _Bound:
    """The state of binding the nodes of a graph."""

    graph: Graph
    cache: Cache
    unchanged: Unchanged | None = None
    known: dict[str, Known] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)  # id → a hash of its table as it is known
    anatomies: dict[str, tuple[Anatomy, ...]] = field(default_factory=dict)
    asked: set[str] = field(default_factory=set)  # the nodes that are bound again
    moved: set[str] = field(default_factory=set)  # those whose table is known otherwise now
    problems: list[Problem] = field(default_factory=list)
    volatile: dict[str, tuple[int, ...]] = field(default_factory=dict)
    read: dict[str, str] = field(default_factory=dict)
    warnings: list[Problem] = field(default_factory=list)
    adopted: dict[str, str] = field(default_factory=dict)
    absent: list[Problem] = field(default_factory=list)

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

    def open(self, nodes: Sequence[str]) -> Sequence[str]:
        """The nodes of a layer whose answers are not known."""
        if self.unchanged is None:
            return nodes
        waiting = self.unchanged.changed | self.moved
        waiting |= {reader for node in self.moved for reader in self.graph.readers[node]}
        if python := self.graph.structure.python:  # they see whether an input has an order
            readers = self.graph.readers
            waiting |= {reader for node in waiting for reader in readers[node] if reader in python}
        found = [node for node in nodes if node in waiting]
        self.asked.update(found)
        return found

    def learn_profiles(self, nodes: Sequence[str]) -> None:
        """Make the SELECTs of profiles over the columns of their inputs."""
        if not nodes:
            return
        from seeknal_git.project.profiles import profiled, with_profiles
        from seeknal_git.project.python_columns import undeclared

        found = {}
        for identifier in nodes:
            node = self.graph.node(identifier)
            found[identifier] = made = profiled(node, self.known_of(node.inputs[0].id))
            self.learn(identifier, made.known)
            self.problems += made.problems
            if made.select is None and node.inputs[0].id in self.graph.structure.python:
                self.problems.append(undeclared(node, node.inputs[0].id))
            if made.anatomy is not None:
                self.anatomies[identifier] = (made.anatomy,)
        self.graph = with_profiles(self.graph, found)

    def result(self) -> BoundGraph:
        """The graph with everything that follows from the answers."""
        graph, unchanged = self.graph, self.unchanged
        again = graph.inputs.keys() if unchanged is None else self.asked
        answers = {
            node: Answers(
                self.known_of(node), self.anatomies.get(node, ()), self.volatile.get(node, ())
            )
            for node in again
        }
        if unchanged is None:
            return bound_graph(graph, answers)
        other = {node for node, found in answers.items() if self._before(node) != found}
        before = unchanged.graph
        return revised_graph(graph, before, unchanged.changed | other, answers)

    def ask(self, questions: Sequence[Question]) -> None:
        for question, answer in zip(questions, self._answers(questions), strict=True):
            node = question.node
            anatomy = (
                unpacked(answer["anatomy"]) if question.decides and "anatomy" in answer else None
            )
            if "error" in answer:
                self.problems.append(refused(question, answer))
            if answer.get("volatile"):
                numbers = self.volatile.get(node.id, ())
                self.volatile[node.id] = (*numbers, question.position - 1)
            if anatomy is not None:
                self.anatomies[node.id] = (*self.anatomies.get(node.id, ()), anatomy)
            if question.position == 0 and "anatomy" not in answer:
                self.learn(node.id, Known())
            elif question.position == 0 and anatomy is not None:
                self.learn(node.id, _known_of(answer, anatomy))
                if node.promises and "columns" in answer:
                    self.problems += broken_promises(
                        node, self.known[node.id].columns or (), answer["promised"]
                    )

    def learn_python(self, nodes: Collection[str]) -> None:
        """Learn of Python nodes what they declare: the engine cannot be asked about a function."""
        if not nodes:
            return
        from seeknal_git.nodes.python.load import anatomy_of
        from seeknal_git.project.python_columns import declared, missing_inputs

        for identifier in sorted(nodes):
            node = self.graph.node(identifier)
            ordered = [read for read in self.graph.inputs[identifier] if self._has_order(read)]
            self.anatomies[identifier] = (anatomy_of(node, ordered),)
            self.learn(identifier, declared(node, self.cache))
            self.problems += missing_inputs(node, lambda read: self.known_of(read).columns)

    def _has_order(self, node: str) -> bool:
        found = self.anatomies.get(node) or self._before(node).anatomies
        return any(anatomy.order for anatomy in found)

    def _answers(self, questions: Sequence[Question]) -> list[dict[str, Any]]:
        """For each question the columns (`columns`), or a mistake (`error`, `line`), and the parts
        (`anatomy`)."""
        keys = [self._key(question) for question in questions]
        remembered = self.cache.get("binding", keys)
        fresh: dict[str, Any] = {}
        asked = {
            key: question
            for question, key in zip(questions, keys, strict=True)
            if key not in remembered
        }
        judged = zip(asked.items(), self._judged(list(asked.values())), strict=True)
        for (key, question), answer in judged:
            remembered[key] = answer
            if not answer.get("limit") and not question.node.secrets:
                fresh[key] = answer
        if fresh:
            self.cache.put("binding", fresh)
        return [remembered[key] for key in keys]

    def _judged(self, questions: Sequence[Question]) -> list[dict[str, Any]]:
        if not questions:
            return []
        from seeknal_git.sql.describe import judged
        from seeknal_git.sql.worker import TooLong

        try:
            return judged([self._statement(question) for question in questions])
        except TooLong as exc:
            question = questions[exc.at]
            raise ProjectError(
                [Problem(exc.message, question.node.path, question.line, exc.hint)]
            ) from exc

    def _statement(self, question: Question) -> Statement:
        from seeknal_git.sql.describe import Statement

        accepted = question.node.checks[question.position - 1].accepted if question.position else {}
        return Statement(
            question.sql,
            question.reading.references,
            question.targets,
            [self.known_of(target) for target in question.targets],
            question.promises if question.position == 0 else None,
            accepted,
            question.decides,
        )

    def _key(self, question: Question) -> str:
        inputs = [self._key_of(target) for target in question.targets]
        return digest(
            question.sql,
            *question.targets,
            *inputs,
            str(question.decides),
            str(bool(question.position)),
            repr(question.promises),
        )

    def _key_of(self, node: str) -> str:
        if node not in self.keys:
            self.keys[node] = digest(repr(self.known_of(node)))
        return self.keys[node]


def columns_now(
    graph: Graph, root: DataRoot, sources: Iterable[str]
) -> tuple[dict[str, Columns], list[Problem]]:
    """The columns that sources would have if they were read now, and the problems of
    their files."""
    bound = _Bound(graph, root.cache)
    return {
        source: found for source, found in _sources(bound, sources, root).items() if found
    }, bound.problems


def _sources(bound: _Bound, sources: Iterable[str], root: DataRoot) -> dict[str, Columns | None]:
    """The columns of sources, from their files; None for those whose files are not here, or cannot
    be read."""
    found: dict[str, Columns | None] = {}
    files: dict[str, list[DataFile]] = {}
    for source in map(bound.graph.node, sources):
        found[source.id] = None
        try:
            if there := root.sound_files(source):
                bound.read[source.id] = root.contents(source, there)
                files[source.id] = there
            else:
                bound.absent.append(absence(source))
                found[source.id] = _loaded_before(source, root)
        except ProjectError as exc:
            bound.problems += exc.problems
    known = remembered(root, [(bound.graph.node(source), there) for source, there in files.items()])
    for source in map(bound.graph.node, files):
        try:
            bound.read[source.id], guess = known.get(source.id) or guessed(source, root)
            reader = read_by(source, root, guess)
        except ProjectError as exc:  # raw data that cannot be had, or does not fit
            bound.problems += exc.problems
            continue
        errors, warnings = drifted(source, reader)
        bound.problems += errors
        bound.warnings += [*warnings, *told(source, reader)]
        if reader.adopted:
            bound.adopted[source.id] = reader.adopted
            bound.read[source.id] = adopting(bound.read[source.id], reader.adopted)
        found[source.id] = reader.columns
    return found


def _loaded_before(source: Node, root: DataRoot) -> Columns | None:
    """The columns of the last load of a source."""
    contract = root.contracts.get(source.id)
    return columns_typed(contract.columns) if contract else None


def _columns(answer: Mapping[str, Any]) -> Columns | None:
    return (
        tuple((name, word) for name, word in answer["columns"]) if answer.get("columns") else None
    )


def questions_of(graph: Graph, layer: Iterable[str]) -> tuple[list[Question], list[Question]]:
    """The SELECTs of some nodes, and those of their checks, which may read the nodes themselves."""
    own, checks = [], []
    for identifier in layer:
        member, targets = graph.members[identifier], graph.targets[identifier]
        node, decide = member.node, {number for number, _ in deciding(member)}
        if node.sql and member.sql and node.kind != "profile":
            own.append(
                Question(node, 0, node.sql, node.sql_line, member.sql, targets[0], 0 in decide)
            )
        for number, (check, reading) in enumerate(zip(node.checks, member.checks, strict=True), 1):
            checks.append(
                Question(
                    node, number, check.sql, check.line, reading, targets[number], number in decide
                )
            )
    return own, checks


def _known_of(answer: Mapping[str, Any], anatomy: Anatomy) -> Known:
    """Where the engine cannot be asked, the names of the columns may follow from the text all the
    same."""
    if "columns" in answer or anatomy.columns is None or "error" in answer:
        columns = _columns(answer)
        unknown = anatomy.columns is None and anatomy.whole.unstable == COLLATION
        collated = tuple(folded(name) for name, _ in columns or ()) if unknown else anatomy.collated
        return Known(columns, anatomy.unique, collated)
    return Known(tuple((name, "") for name, _ in anatomy.columns), anatomy.unique, anatomy.collated)


def refused(question: Question, answer: Mapping[str, Any]) -> Problem:
    node = question.node
    path, line = node.path, question.line
    if question.position == 0:
        path, line = node.sql_path, node.line_of_sql(answer["line"])
    what = (
        node.id
        if question.position == 0
        else f"{node.id}: {node.checks[question.position - 1].name}"
    )
    message, hint = node.hides(f"{what}: {answer['error']}"), answer.get("hint")
    if node.kind == "second_order_aggregation" and "Referenced column" in answer["error"]:
        groups = [read for read in question.targets if read.startswith("aggregation.")]
        hint = f"Perhaps it belongs into the `group_by` of {groups[0]}." if groups else hint
    return Problem(message, path, line, hint, node.id)


def broken_promises(node: Node, columns: Columns, types: Mapping[str, str]) -> list[Problem]:
    """The declared columns that the SQL of a node does not return as declared. types: the engine's
    words for the declared types."""
    there = {folded(name): word for name, word in columns}
    found = []
    for name, declared in node.promises.items():
        returned = there.get(folded(name))
        if returned is None:
            what = "partitions by" if node.kind == "exposure" else "promises"
            message = f"{node.id} {what} the column {name}, and its SQL returns none of that name."
            hint = f"It returns {', '.join(column for column, _ in columns)}."
        elif declared and node.kind == "source" and not holds(declared, returned):
            message = f"{node.id} declares {name} as a number, and it is {returned} in the files."
            hint = f"Declare {returned}, or DOUBLE if its texts are numbers."
        elif declared and not _keeps(declared, types.get(name), returned):
            word = types.get(name, read_as(declared))
            said = word if holds(declared, returned) is None else declared
            message = f"{node.id} promises {name} as {said}, and its SQL returns it as {returned}."
            hint = f"Declare {returned}, or cast it: {name}::{word}"
        else:
            continue
        found.append(Problem(message, node.path, _line_of(node, name), hint, node.id))
    return found


def _keeps(declared: str, word: str | None, returned: str) -> bool:
    """Whether a type is the declared one, or of its family. word: the engine's word for the
    declared type."""
    of_family = holds(declared, returned)
    return word in (None, returned) if of_family is None else of_family


def _line_of(node: Node, column: str) -> int:
    """Where a column is declared."""
    names = [
        entry.get("name") for entry in node.document.get("schema") or () if isinstance(entry, dict)
    ]
    if column in names:
        return node.line("schema", names.index(column))
    keys = (f"columns.{column}", f"features.{column}", "features", "params.partition_by")
    places = [key for key in keys if key in node.lines]
    given = node.document.get("materialization")
    if not places and isinstance(given, dict) and given.get("event_time_col") == column:
        return node.line("materialization", "event_time_col")
    return node.line(*places[0].split(".")) if places else node.line("entity")
