"""Nodes whose earlier partitions keep the code of an earlier commit: `effective_from` and `before`.

Such a node is one SELECT: the rows of its own code from that day on, and those of the earlier code
before. So fingerprints, proofs and builds need not know of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from seeknal_git.errors import Problem, ProjectError
from seeknal_git.names import quote
from seeknal_git.nodes.node import Input, Node
from seeknal_git.nodes.values import FILE, MACRO, Given
from seeknal_git.project.definitions import Member, is_node_path
from seeknal_git.project.references import target_of
from seeknal_git.project.vocabulary import Vocabulary
from seeknal_git.sql.statement import Reading, Reference, rendered

_SHORT = 12  # letters of a commit in a message


@dataclass(frozen=True, slots=True)
class Reader:
    """Ways to read what is not in the tree itself."""

    # Some files of nodes, path → blob, of another tree: the nodes, and the problems.
    files: Callable[[Vocabulary, Mapping[str, str]], tuple[Sequence[Member], Sequence[Problem]]]
    statement: Callable[[str], Reading]  # the tables that a statement names


def with_earlier(
    members: Iterable[Member], vocabulary: Vocabulary, read: Reader
) -> tuple[list[Member], list[Problem]]:
    """The members, those with `effective_from` as one SELECT with their earlier code; and the
    problems of those that cannot be.

    vocabulary: of the tree that they are of; read: for files of earlier ones.
    """
    found: list[Member] = []
    problems: list[Problem] = []
    for member in members:
        try:
            found.append(_with_earlier(member, vocabulary, read))
        except ProjectError as exc:
            problems += exc.problems
    return found, problems


def _with_earlier(member: Member, vocabulary: Vocabulary, read: Reader) -> Member:
    node = member.node
    if not node.earlier or member.sql is None or member.sql.error is not None:
        return member
    old = _found(node, vocabulary, read)
    own, before = (_over_refs(code) for code in (member, old))
    sql = _in_turn(node, own, before)
    both = replace(
        node,
        sql=sql,
        inputs=_inputs(node, old.node),
        definition=_definition(node, old.node),
        earlier={**node.earlier, "lines": own.count("\n") + 1},
    )
    return replace(member, node=both, sql=read.statement(sql), earlier=old)


def _found(node: Node, vocabulary: Vocabulary, read: Reader) -> Member:
    """The node in the commit that it names. Raises ProjectError."""
    commit = node.earlier["commit"]
    try:
        tree = vocabulary.tree.at(commit)
    except LookupError as exc:
        way = "A shallow clone lacks old ones: git fetch --unshallow"
        hint = f"Name a commit that production has: git log -- {node.path}. {way}"
        raise _problem(node, f"`before` names {_named(node)}, {exc}.", hint) from exc
    given = Given(environment=vocabulary.given.environment)
    words = replace(vocabulary, tree=tree, given=given)
    for paths in _candidates(node, words):
        members, problems = read.files(words, paths)
        for member in members:
            if member.node.id == node.id:
                return _usable(node, member)
        if problems:
            place = f"{problems[0].path}:{problems[0].line}"
            raise _problem(node, f"At {_named(node)}, {place}: {problems[0].message}")
    hint = f"Name a commit that has it: git log -- {node.path}"
    raise _problem(node, f"{node.id} is not in the commit {_named(node)}.", hint)


def _candidates(node: Node, words: Vocabulary) -> Iterator[dict[str, str]]:
    """The files of another tree that may hold a node: first its own, then those with its name."""
    paths = {path: blob for path, blob in words.tree.files.items() if is_node_path(path)}
    if node.path in paths:
        yield {node.path: paths.pop(node.path)}
    name = node.name.encode()
    yield {path: blob for path, blob in paths.items() if name in words.tree.read(blob)}


def _usable(node: Node, old: Member) -> Member:
    """The earlier node, if its code decides its rows today as it did then. Raises ProjectError."""
    if old.sql is None or old.node.is_python:
        raise _problem(node, f"At {_named(node)}, {node.id} has no SQL.")
    if old.sql.error is not None:
        raise _problem(node, f"At {_named(node)}, the SQL does not parse: {old.sql.error}.")
    if thawed := sorted({*old.node.frozen} - {*node.frozen}):
        message = (
            f"At {_named(node)}, the history of {' and '.join(thawed)} is frozen, and not here,"
        )
        hint = f"Add to inputs:  - {{ref: {thawed[0]}, history: frozen}}"
        raise _problem(node, f"{message} so its old partitions would be built anew.", hint)
    for name, is_own in old.node.uses:
        if not is_own and not name.startswith((FILE, MACRO)):
            message = f"At {_named(node)}, {node.id} uses `{name}`, whose value is not of a commit."
            raise _problem(node, message, "Name a commit in which the value itself is written.")
    return replace(old, node=replace(old.node, checks=()), checks=())


def _over_refs(member: Member) -> str:
    """The SQL of a node, with its inputs named as `ref('kind.name')`, wherever it stands."""
    from seeknal_git.sql.engine import without_end

    node, declared = member.node, [given.id for given in member.node.inputs]

    def spelled(reference: Reference) -> str:
        try:
            return f"ref('{target_of(reference, node, declared)}')"
        except LookupError:  # it is told like any other
            return (node.sql or "")[reference.start : reference.end]

    references = member.sql.references if member.sql else ()
    return without_end(rendered(node.sql or "", references, spelled))


def _in_turn(node: Node, own: str, before: str) -> str:
    first = datetime.fromisoformat(node.earlier["from"]).replace(tzinfo=UTC)
    column = quote(node.partition["by"][0])
    is_own = f"coalesce(epoch_us({column}) >= {int(first.timestamp()) * 1_000_000}, false)"
    rows = f"SELECT * FROM ({own}\n) WHERE {is_own}"
    return f"{rows} UNION ALL BY NAME SELECT * FROM ({before}\n) WHERE NOT {is_own}"


def _inputs(node: Node, old: Node) -> tuple[Input, ...]:
    known, line = {given.id for given in node.inputs}, node.line("before")
    more = [Input(given.id, line) for given in old.inputs if given.id not in known]
    return (*node.inputs, *more)


def _definition(node: Node, old: Node) -> dict[str, Any]:
    """Everything else that decides the data, of both; an input is read as far as either says."""
    found = {**node.definition, "before": dict(old.definition)}
    reads = [code.definition.get("reads", {}) for code in (node, old)]
    if any(reads):
        names = sorted({*reads[0], *reads[1]})
        found["reads"] = {
            name: _widest([given[name] for given in reads if name in given]) for name in names
        }
    return found


def _widest(given: Iterable[tuple[int, int]]) -> list[int]:
    return [max(hours) for hours in zip(*given, strict=True)]


def _named(node: Node) -> str:
    return str(node.earlier["commit"])[:_SHORT]


def _problem(node: Node, message: str, hint: str | None = None) -> ProjectError:
    return ProjectError([Problem(message, node.path, node.line("before"), hint, node.id)])
