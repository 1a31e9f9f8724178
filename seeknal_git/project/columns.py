"""Ask the engine of every node which columns it returns, and what they are made of; and which SQL
it refuses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from seeknal_git.cache import Cache
from seeknal_git.errors import Problem, ProjectError
from seeknal_git.names import folded
from seeknal_git.nodes.node import Node
from seeknal_git.project.collisions import collisions
from seeknal_git.project.contract import drifted, read_by, told
from seeknal_git.project.fingerprints import digest
from seeknal_git.project.graph import Graph, deciding
from seeknal_git.project.guessing import guessed, remembered
from seeknal_git.project.raw_data import DataFile, DataRoot, absence, adopting
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
    """columns: id → (name, type) of each column; None where raw data is not here, so that nobody
    can know.

    anatomies: id → of each of its SELECTs that decide data; problems: what the engine refuses;
    unknown: the sources whose files are missing; known: id → what the nodes that read it know of
    its table; volatile: (id, number) of the checks that may answer otherwise at another time; read:
    source → the contents in which its columns were found, of those that were read; warnings: what
    was guessed of raw data, and had better be said; adopted: source → hash of what it takes from an
    earlier load; absent: a word on each source whose files are missing, by which `unknown` names
    them.
    """

    columns: Mapping[str, Columns | None]
    anatomies: Mapping[str, tuple[Anatomy, ...]]
    problems: tuple[Problem, ...]
    unknown: tuple[str, ...]
    known: Mapping[str, Known]
    volatile: frozenset[tuple[str, int]]
    read: Mapping[str, str]
    warnings: tuple[Problem, ...] = ()
    adopted: Mapping[str, str] = field(default_factory=dict)
    absent: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Question:
    """A SELECT to bind: of which node, on which line it begins, what it reads.

    position: 0 for the node's own SQL, else the number of the check; decides: whether it decides
    the node's data.
    """

    node: Node
    position: int
    sql: str
    line: int
    reading: Reading
    targets: Sequence[str]
    decides: bool

    @property
    def promises(self) -> list[tuple[str, str | None]]:
        """What the node declares of the columns that this SELECT returns."""
        return sorted(self.node.promises.items()) if self.position == 0 else []


def bind(
    graph: Graph,
    root: DataRoot,
    cache: Cache,
    kept: Mapping[str, Columns] | None = None,
    like: Binding | None = None,
) -> Binding:
    """Bind every node of a graph, layer by layer, each against the columns of its inputs.

    kept: the columns of sources whose load is not read again, whatever their files look like now;
    like: what the engine said of `graph.like`, which holds for the same nodes on the same inputs.
    """
    bound = _Bound(graph, like, cache)
    for layer in graph.layers:
        sources = [each for each in layer if graph.node(each).kind == "source"]
        given: dict[str, Columns | None] = {
            each: kept[each] for each in sources if kept and each in kept
        }
        given |= _sources(bound, [each for each in sources if each not in given], root)
        for each, found in given.items():
            bound.learn(each, Known(found))
            if found is not None:
                bound.problems += _contract(graph.node(each), found, {})
        others = [each for each in layer if each not in given and not bound.taken_over(each)]
        own, checks = questions_of(graph, [*given, *others])
        bound.ask(own)
        bound.ask(checks)
    bound.problems += collisions(graph, root)
    refused = {problem.node for problem in bound.problems}
    unread = (
        each
        for each, known in bound.known.items()
        if graph.node(each).kind == "source" and not known.columns
    )
    columns = {each: columns_typed(known.columns) for each, known in bound.known.items()}
    return Binding(
        columns,
        bound.anatomies,
        tuple(bound.problems),
        tuple(each for each in unread if each not in refused),
        bound.known,
        frozenset(bound.volatile),
        bound.read,
        tuple(bound.warnings),
        bound.adopted,
        tuple(bound.absent),
    )


@dataclass(slots=True)
class _Bound:
    """What is known so far of the nodes of a graph. keys: of each, a hash of what is known of its
    table."""

    graph: Graph
    like: Binding | None
    cache: Cache
    known: dict[str, Known] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    anatomies: dict[str, tuple[Anatomy, ...]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    volatile: set[tuple[str, int]] = field(default_factory=set)
    read: dict[str, str] = field(default_factory=dict)
    warnings: list[Problem] = field(default_factory=list)
    adopted: dict[str, str] = field(default_factory=dict)
    absent: list[Problem] = field(default_factory=list)

    def learn(self, node: str, known: Known) -> None:
        """Note what is known of a node's table; where the other graph knows the same, it is the
        same object."""
        before = self.like.known.get(node) if self.like else None
        self.known[node] = before if before is not None and before == known else known

    def taken_over(self, node: str) -> bool:
        """Whether all is as in the other graph, so that its answers hold."""
        graph, like, other = self.graph, self.like, self.graph.like
        if like is None or other is None or other.members.get(node) is not graph.members[node]:
            return False
        inputs = graph.inputs[node]
        if (
            like.problems
            or inputs != other.inputs[node]
            or graph.targets[node] != other.targets[node]
        ):
            return False
        if any(self.known.get(each) is not like.known.get(each) for each in inputs):
            return False
        if node in like.known:
            self.known[node] = like.known[node]
        if node in like.anatomies:
            self.anatomies[node] = like.anatomies[node]
        self.volatile |= {(each, number) for each, number in like.volatile if each == node}
        return True

    def ask(self, questions: Sequence[Question]) -> None:
        for question, answer in zip(questions, self._answers(questions), strict=True):
            node = question.node
            anatomy = (
                unpacked(answer["anatomy"]) if question.decides and "anatomy" in answer else None
            )
            if "error" in answer:
                self.problems.append(refused(question, answer))
            if answer.get("volatile"):
                self.volatile.add((node.id, question.position - 1))
            if anatomy is not None:
                self.anatomies[node.id] = (*self.anatomies.get(node.id, ()), anatomy)
            if question.position == 0 and "anatomy" not in answer:
                self.learn(node.id, Known())
            elif question.position == 0 and anatomy is not None:
                self.learn(node.id, _known_of(answer, anatomy))
                if node.promises and "columns" in answer:
                    self.problems += _contract(
                        node, self.known[node.id].columns or (), answer["promised"]
                    )

    def _answers(self, questions: Sequence[Question]) -> list[dict[str, Any]]:
        """For each question the columns (`columns`), or what is wrong (`error`, `line`), and the
        parts (`anatomy`)."""
        keys = [self._key(question) for question in questions]
        remembered = self.cache.get("binding", keys)
        fresh: dict[str, Any] = {}
        asked = {
            key: question
            for question, key in zip(questions, keys, strict=True)
            if key not in remembered
        }
        for key, answer in zip(asked, self._judged(list(asked.values())), strict=True):
            remembered[key] = answer
            if not answer.get("limit"):
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
            [self.known.get(target, Known()) for target in question.targets],
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
            self.keys[node] = digest(repr(self.known.get(node, Known())))
        return self.keys[node]


def columns_now(
    graph: Graph, root: DataRoot, sources: Iterable[str]
) -> tuple[dict[str, Columns], list[Problem]]:
    """The columns that sources would have if they were read now, and what is wrong with their
    files."""
    bound = _Bound(graph, None, root.cache)
    return {
        each: found for each, found in _sources(bound, sources, root).items() if found
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
    known = remembered(root, [(bound.graph.node(each), there) for each, there in files.items()])
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
        if node.sql and member.sql:
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
    where = question.line + (answer["line"] or 1) - 1 if question.position == 0 else question.line
    what = (
        node.id
        if question.position == 0
        else f"{node.id}: {node.checks[question.position - 1].name}"
    )
    return Problem(f"{what}: {answer['error']}", node.path, where, answer.get("hint"), node.id)


def _contract(node: Node, columns: Columns, types: Mapping[str, str]) -> list[Problem]:
    """What a node declares of its columns is what its SQL returns. types: the engine's words for
    the declared types."""
    there = {folded(name): word for name, word in columns}
    found = []
    for name, declared in node.promises.items():
        returned = there.get(folded(name))
        if returned is None:
            what = "partitions by" if node.kind == "exposure" else "promises"
            message = f"{node.id} {what} the column {name}, and its SQL returns none of that name."
            hint = f"It returns {', '.join(each for each, _ in columns)}."
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
