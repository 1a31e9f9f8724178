"""A node that the engine refuses may be in order itself: find the change before it that broke it.
Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from seeknal_git.errors import Problem
from seeknal_git.names import folded, in_lines
from seeknal_git.plan.reasons import reads_of
from seeknal_git.project.graph import Graph


def with_causes(problems: Iterable[Problem], base: Graph, head: Graph) -> tuple[Problem, ...]:
    """The problems; each that a change of columns before it has caused says which one, and where
    that was made.

    base: the graph that the changes were made to.
    """
    return tuple(_with_cause(problem, base, head) for problem in problems)


def _with_cause(problem: Problem, base: Graph, head: Graph) -> Problem:
    node = problem.node
    if node is None or node not in head.members or node not in base.members:
        return problem
    causes = [
        f"{_placed(cause.author, head)} {cause.what}" for cause in causes_of(node, base, head)
    ]
    words = [*([problem.hint] if problem.hint else []), *causes]
    return replace(problem, hint=in_lines(dict.fromkeys(words)) or None)


@dataclass(frozen=True, slots=True)
class Cause:
    """A column that is no longer as it was. author: the node whose edit that was; what: what it
    did, in words."""

    author: str
    column: str
    what: str


def causes_of(node: str, base: Graph, head: Graph) -> Iterator[Cause]:
    """What is no longer there, or of another type, of what a node read before: whose edit that was,
    and what it did."""
    for feeder, columns in reads_of(base, node).items():
        before, after = base.columns.get(feeder), head.columns.get(feeder)
        if before is None or after is None:
            continue
        types = {folded(name): word for name, word in after}
        for name, word in before:
            now = types.get(folded(name))
            if now != word and {folded(name), "*"} & columns:
                what = (
                    f"no longer returns {name}."
                    if now is None
                    else f"turned {name} from {word} into {now}."
                )
                yield Cause(author_of(feeder, name, base, head), name, what)


def _placed(identifier: str, graph: Graph) -> str:
    node = graph.node(identifier)
    return f"{identifier} ({node.path}:{node.line('name')})"


def author_of(node: str, column: str, base: Graph, head: Graph) -> str:
    """The node whose edit is behind the change of a column: itself, or one that only hands it
    on."""
    if node in base.members and base.members[node].blob == head.members[node].blob:
        for feeder in head.inputs[node]:
            if feeder in base.members and _moved(feeder, column, base, head):
                return author_of(feeder, column, base, head)
    return node


def _moved(node: str, column: str, base: Graph, head: Graph) -> bool:
    before, after = (dict(graph.columns.get(node) or ()) for graph in (base, head))
    return before.get(column) != after.get(column)
