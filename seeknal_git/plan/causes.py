"""Finds the change upstream that broke a node which the engine refuses. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from seeknal_git.errors import Problem
from seeknal_git.names import folded, in_lines
from seeknal_git.plan.reasons import reads_of
from seeknal_git.project.bound_graph import BoundGraph
from seeknal_git.sql.statement import EVERYTHING


def with_causes(
    problems: Iterable[Problem], base: BoundGraph, head: BoundGraph
) -> tuple[Problem, ...]:
    """The problems. A problem that a change of columns upstream has caused also says which change,
    and in which file; one that a deleted node has caused names the file that was deleted.

    base: the graph before the changes.
    """
    return tuple(
        _with_cause(_with_deletion(problem, base, head), base, head) for problem in problems
    )


def _with_deletion(problem: Problem, base: BoundGraph, head: BoundGraph) -> Problem:
    deleted = [node for node in problem.about if node in base.members and node not in head.members]
    if not deleted:
        return problem
    hint = f"Restore {base.node(deleted[0]).path}, which was deleted, or change this reader."
    return replace(problem, hint=hint)


def _with_cause(problem: Problem, base: BoundGraph, head: BoundGraph) -> Problem:
    node = problem.node
    if node is None or node not in head.members or node not in base.members:
        return problem
    causes = [
        f"{_placed(cause.author, head)} {cause.effect}" for cause in causes_of(node, base, head)
    ]
    words = [*([problem.hint] if problem.hint else []), *causes]
    return replace(problem, hint=in_lines(dict.fromkeys(words)) or None)


@dataclass(frozen=True, slots=True)
class Cause:
    """A column that was removed, or has another type."""

    # The node whose edit did it.
    author: str
    column: str
    # The effect of the edit, in words.
    effect: str


def causes_of(node: str, base: BoundGraph, head: BoundGraph) -> Iterator[Cause]:
    """The columns that a node read before, and that were removed or have another type now."""
    for feeder, columns in reads_of(base, node).items():
        before, after = base.columns.get(feeder), head.columns.get(feeder)
        if before is None or after is None:
            continue
        types = {folded(name): word for name, word in after}
        for name, word in before:
            now = types.get(folded(name))
            if now == word or columns.isdisjoint((folded(name), EVERYTHING)):
                continue
            effect = f"turned {name} from {word} into {now}."
            if now is None:
                effect = f"no longer returns {name}."
            yield Cause(author_of(feeder, name, base, head), name, effect)


def _placed(identifier: str, graph: BoundGraph) -> str:
    node = graph.node(identifier)
    return f"{identifier} ({node.path}:{node.line('name')})"


def author_of(node: str, column: str, base: BoundGraph, head: BoundGraph) -> str:
    """The node whose edit changed a column: the node itself, or the input that it passes the column
    on from."""
    if node in base.members and base.members[node].content == head.members[node].content:
        for feeder in head.inputs[node]:
            if feeder in base.members and _moved(feeder, column, base, head):
                return author_of(feeder, column, base, head)
    return node


def _moved(node: str, column: str, base: BoundGraph, head: BoundGraph) -> bool:
    before, after = (dict(graph.columns.get(node) or ()) for graph in (base, head))
    return before.get(column) != after.get(column)
