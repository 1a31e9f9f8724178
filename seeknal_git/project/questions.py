"""The SELECTs of nodes as questions to the engine, and the problems that its answers tell."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seeknal_git.errors import Problem
from seeknal_git.names import CHANGES, folded
from seeknal_git.nodes.node import Node
from seeknal_git.project.graph import Graph, deciding
from seeknal_git.sql.statement import COLLATION, Anatomy, Columns, Known, Reading
from seeknal_git.sql.type_words import holds, read_as

# Kind → how a node asks for a column, if it does not promise it.
_ASKS = {"exposure": "partitions by", CHANGES: "compares"}


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


def known_of(answer: Mapping[str, Any], anatomy: Anatomy) -> Known:
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
    what = node.id
    if question.position and node.kind != "rule":  # a rule's check is called by its violations
        what += f": {node.checks[question.position - 1].name}"
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
            what = _ASKS.get(node.kind, "promises")
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


def missing_columns(node: Node, columns: Columns) -> frozenset[str]:
    """The declared columns in lower case that the SQL of a node does not return."""
    return frozenset(map(folded, node.promises)) - {folded(name) for name, _ in columns}


def _line_of(node: Node, column: str) -> int:
    """Where a column is declared."""
    if column in node.definition.get("join_keys", ()):
        return node.line("entity", "join_keys")
    names = [
        entry.get("name") for entry in node.document.get("schema") or () if isinstance(entry, dict)
    ]
    if column in names:
        return node.line("schema", names.index(column))
    keys = (f"columns.{column}", f"features.{column}", "features", "params.partition_by", "compare")
    places = [key for key in keys if key in node.lines]
    given = node.document.get("materialization")
    if not places and isinstance(given, dict) and given.get("event_time_col") == column:
        return node.line("materialization", "event_time_col")
    return node.line(*places[0].split(".")) if places else node.line("entity")
