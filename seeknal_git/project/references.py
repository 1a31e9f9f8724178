"""The meaning of each reference of a node: the ids behind `ref('kind.name')`, `kind.name` and
`input_0`. Pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from seeknal_git.errors import Problem, ProjectError
from seeknal_git.names import called, command_line, split_id
from seeknal_git.nodes.kinds import NAMED
from seeknal_git.nodes.node import Node
from seeknal_git.project.definitions import Member
from seeknal_git.sql.statement import Reading, Reference

_INPUT = re.compile(r"input_(\d+)")


@dataclass(frozen=True, slots=True)
class _Statement:
    """One SELECT of a node, its own or that of a check.

    line: where its text begins in the file; node: None for a check, whose SQL is not in the file
    as it is; of_itself: a test reads the node that carries it.
    """

    reading: Reading
    line: int
    node: Node | None = None
    of_itself: bool = False

    def path_of(self, node: Node) -> str:
        """The file that it is in. node: the one that has it."""
        return node.sql_path if self.node else node.path

    def line_of(self, offset: int) -> int:
        """The line of the file for a place in the text."""
        if self.node is None:
            return self.line
        return self.node.line_of_sql((self.node.sql or "").count("\n", 0, offset) + 1)

    @property
    def line_of_error(self) -> int:
        """The line of the file on which the text does not parse."""
        return self.node.line_of_sql(self.reading.error_line) if self.node else self.line


def _statements(member: Member) -> list[_Statement]:
    node = member.node
    own = [_Statement(member.sql, node.sql_line, node)] if member.sql else []
    checks = zip(member.checks, node.checks, strict=True)
    return [
        *own,
        *(
            _Statement(reading, check.line, of_itself=node.kind != "rule")
            for reading, check in checks
        ),
    ]


# To look for the name that was meant takes up to 0.1 s among 20,000 nodes, so only the first
# problems get one.
_HINTS = 20


def resolved(
    member: Member, members: Mapping[str, Member], told: int = 0
) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """The inputs of a node, and the id behind each reference of each statement. told: how many
    problems there are already.

    Raises ProjectError.
    """
    node = member.node
    problems: list[Problem] = []
    for given in node.inputs if node.kind != "metric" else ():
        hinted = told + len(problems) < _HINTS
        problems += _missing(given.id, members, _Place(node, given.line, hinted, node.path))
    reads = [given.id for given in node.inputs]
    targets: list[tuple[str, ...]] = [] if member.sql else [()]
    for statement in _statements(member):
        named, wrong = _meant(statement, node, members, told + len(problems))
        targets.append(tuple(named))
        reads += [target for target in named if not (statement.of_itself and target == node.id)]
        problems += wrong
    if problems:
        raise ProjectError(problems)
    return tuple(dict.fromkeys(reads)), tuple(targets)


def _meant(
    statement: _Statement, node: Node, members: Mapping[str, Member], told: int
) -> tuple[list[str], list[Problem]]:
    """The ids that a statement's references mean, and the problems with them."""
    reading, declared = statement.reading, [given.id for given in node.inputs]
    if reading.error is not None:
        message = node.hides(f"The SQL does not parse: {reading.error}.")
        return [], [
            Problem(message, statement.path_of(node), statement.line_of_error, node=node.id)
        ]
    named: list[str] = []
    problems: list[Problem] = []
    for reference in reading.references:
        line, hinted = statement.line_of(reference.start), told + len(problems) < _HINTS
        place = _Place(node, line, hinted, statement.path_of(node))
        try:
            itself = statement.of_itself and _is_itself(reference, node)
            named.append(node.id if itself else target_of(reference, node, declared))
            if named[-1] not in declared:
                problems += _missing(named[-1], members, place)
        except LookupError as exc:
            message, name = exc.args
            hint = _declare(name, members) if place.hinted else None
            problems.append(place.problem(message, hint, about=name))
    return named, problems


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a node names another one; hinted: whether to look for the one that was meant."""

    node: Node
    line: int
    hinted: bool
    path: str

    def problem(self, message: str, hint: str | None = None, *, about: str) -> Problem:
        return Problem(message, self.path, self.line, hint, self.node.id, (about,))


def _is_itself(reference: Reference, node: Node) -> bool:
    return reference.target in ("input_0", "__THIS__", node.id)


def target_of(reference: Reference, node: Node, declared: Sequence[str]) -> str:
    """The id that a reference means. Raises LookupError(problem, name to look for)."""
    name = node.aliases.get(reference.target, reference.target)
    if position := _INPUT.fullmatch(name):
        if int(position[1]) < len(declared):
            return declared[int(position[1])]
        raise LookupError(
            f"`{name}` is not there: {node.id} declares {len(declared)} input(s).", ""
        )
    if name == "__THIS__":
        if len(declared) == 1:
            return declared[0]
        raise LookupError(
            f"`__THIS__` means the only input, and {node.id} declares {len(declared)}.", ""
        )
    if name.endswith("()"):
        raise LookupError(f"`{name}` reads something that is not an input of {node.id}.", "")
    kind, _ = split_id(name)
    if reference.explicit or (kind in NAMED and (not declared or name in declared)):
        return name
    if kind in NAMED:
        raise LookupError(f"{node.id} reads {name}, which its `inputs` do not declare.", name)
    raise LookupError(f"{node.id} reads `{name}`, which is not a node.", name)


def _declare(name: str, members: Mapping[str, Member]) -> str:
    if name in members and members[name].node.yields_table:
        return f"Add it to inputs:  - ref: {name}"
    same = [identifier for identifier in members if called(identifier) == name]
    if same:
        return f"Write ref('{same[0]}')."
    if "." in name and (near := difflib.get_close_matches(name, members, 1)):
        return f"Did you mean {near[0]}?"
    return "Name a node: ref('kind.name'), kind.name or input_0. Files are read by a source."


def _missing(identifier: str, members: Mapping[str, Member], place: _Place) -> list[Problem]:
    reader = place.node.id
    if identifier in members:
        if members[identifier].node.yields_table:
            return []
        message = f"{identifier} yields no table that {reader} could read."
        return [place.problem(message, about=identifier)]
    others = [other for other in members if other != reader] if place.hinted else []
    near = difflib.get_close_matches(identifier, others, 1)
    hint = (
        f"Did you mean {near[0]}?"
        if near
        else f"Write it with: {command_line('seeknal', 'draft', *identifier.split('.', 1))}"
    )
    message = f"{reader} reads {identifier}, which does not exist."
    return [place.problem(message, hint, about=identifier)]
