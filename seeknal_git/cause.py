"""A node that the engine refuses may be in order itself: find the change before it that broke it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from seeknal_git.errors import Problem
from seeknal_git.graph import Graph
from seeknal_git.story import reads_of


def with_causes(problems: Iterable[Problem], base: Graph, head: Graph) -> tuple[Problem, ...]:
    """The problems; each that a change of columns before it has caused says which one, and where that was made.

    base: the graph that the changes were made to.
    """
    return tuple(_with_cause(problem, base, head) for problem in problems)


def _with_cause(problem: Problem, base: Graph, head: Graph) -> Problem:
    node = problem.node
    if node is None or node not in head.members or node not in base.members:
        return problem
    words = [*([problem.hint] if problem.hint else []), *_causes(node, base, head)]
    return replace(problem, hint="\n  ".join(dict.fromkeys(words)) or None)


def _causes(node: str, base: Graph, head: Graph) -> Iterator[str]:
    """What is no longer there, or of another type, of what a node read before."""
    for each, columns in reads_of(base, node).items():
        before, after = base.columns.get(each), head.columns.get(each)
        if before is None or after is None:
            continue
        types = {name.lower(): word for name, word in after}
        for name, word in before:
            now = types.get(name.lower())
            if now == word or not {name.lower(), "*"} & columns:
                continue
            author = _author(each, name, base, head)
            yield (
                f"{author} no longer returns {name}."
                if now is None
                else f"{author} turned {name} from {word} into {now}."
            )


def _author(node: str, column: str, base: Graph, head: Graph) -> str:
    """The node whose edit is behind the change of a column: itself, or one that only hands it on."""
    member = head.members[node]
    if node in base.members and base.members[node].blob == member.blob:
        for each in head.inputs[node]:
            if each in base.members and _moved(each, column, base, head):
                return _author(each, column, base, head)
    return f"{node} ({member.node.path}:{member.node.line('name')})"


def _moved(node: str, column: str, base: Graph, head: Graph) -> bool:
    before, after = (dict(graph.columns.get(node) or ()) for graph in (base, head))
    return before.get(column) != after.get(column)
