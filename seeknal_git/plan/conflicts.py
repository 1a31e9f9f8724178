"""Two sides that merge cleanly as text and break as a pipeline: what each of them did to the other.
Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from seeknal_git.errors import Problem
from seeknal_git.names import folded
from seeknal_git.nodes.node import Node
from seeknal_git.plan.causes import author_of, causes_of
from seeknal_git.plan.changes import Change
from seeknal_git.plan.reasons import reads_of
from seeknal_git.project.fingerprints import Category
from seeknal_git.project.graph import Graph

_MEANT = "If that is as it should be, nothing has to be mended: git merge --no-verify lets it pass"


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two sides of a merge: its graph, and what it changed since the merge base, by
    node.

    renamed: what nodes were called before, by their name now; names: those that are as they were
    otherwise."""

    graph: Graph
    changes: Mapping[str, Change]
    renamed: Mapping[str, str]
    names: frozenset[str]

    def removed(self, node: str) -> bool:
        return node in self.changes and self.changes[node].category == Category.REMOVED


def side_of(base: Graph, graph: Graph, changes: Iterable[Change]) -> Side:
    """A side that has these changes. A node that is gone, and is there under another name, was
    renamed."""
    found = {change.node: change for change in changes}
    new = [node for node, change in found.items() if change.category == Category.NEW]
    renamed, names = {}, set()
    for node, change in found.items():
        if change.category != Category.REMOVED or (now := _renamed(node, new, base, graph)) is None:
            continue
        new.remove(now)
        renamed[now] = node
        if base.fingerprints[node].whole == graph.fingerprints[now].whole:
            names.add(now)
        place = graph.node(now)
        words = f"renamed to {now}" + (
            f" ({place.path}:{place.line('name')})" if place.path != change.path else ""
        )
        found[node] = replace(change, words=(words,))
    return Side(graph, found, renamed, frozenset(names))


def _renamed(node: str, new: Iterable[str], base: Graph, graph: Graph) -> str | None:
    """What a node is called now: what does the same, else what is in its file."""
    before = base.node(node)
    kin = [candidate for candidate in new if graph.node(candidate).kind == before.kind]
    same = (
        candidate
        for candidate in kin
        if graph.fingerprints[candidate].whole == base.fingerprints[node].whole
    )
    return next(same, None) or next(
        (candidate for candidate in kin if graph.node(candidate).path == before.path), None
    )


@dataclass(frozen=True, slots=True)
class Conflict:
    """Something that is wrong with the merge and with neither side. into, source: what either did
    that is behind it."""

    problem: Problem
    into: Change | None
    source: Change | None


@dataclass(frozen=True, slots=True)
class Merge:
    """The four graphs of a merge."""

    base: Graph
    into: Side
    source: Side
    merged: Graph

    def reads(self, node: str) -> Iterator[str]:
        """What a node reads, in any of the graphs: the merged one lacks what does not resolve."""
        for graph in (self.merged, self.into.graph, self.source.graph, self.base):
            yield from graph.inputs.get(node, ())


def find_conflicts(merge: Merge, problems: Sequence[Problem]) -> tuple[Conflict, ...]:
    """What the two sides did to each other. problems: those of the merge that neither side has."""
    blamed = [Conflict(problem, *_blamed(merge, problem)) for problem in problems]
    retyped = list(_retyped(merge, {problem.node for problem in problems}))
    if retyped:  # said once for all of them
        last = retyped.pop()
        retyped.append(replace(last, problem=replace(last.problem, hint=_MEANT)))
    return (*blamed, *retyped)


def _blamed(merge: Merge, problem: Problem) -> tuple[Change | None, Change | None]:
    return _touch(merge, problem, merge.into, merge.source), _touch(
        merge, problem, merge.source, merge.into
    )


def _touch(merge: Merge, problem: Problem, side: Side, other: Side) -> Change | None:
    """One side's edit behind a problem: of the node itself, of one that is named, or of the nearest
    before it."""
    suspects = dict.fromkeys(_suspects(merge, problem, side, other))
    return next((edit for suspect in suspects if (edit := _edit(side, other, suspect))), None)


def _edit(side: Side, other: Side, node: str) -> Change | None:
    """One side's edit of a node, which the other side may have renamed."""
    return side.changes.get(node) or side.changes.get(other.renamed.get(node, node))


def _suspects(merge: Merge, problem: Problem, side: Side, other: Side) -> Iterator[str]:
    """Nodes that one side may have edited to cause a problem, the likeliest first."""
    node, merged = problem.node, merge.merged
    text = f"{problem.message} {problem.hint or ''}".replace(",", " ").split()
    named = [word.rstrip(".:") for word in text]
    if node is None:
        yield from named
        return
    circle = [
        identifier
        for identifier in named
        if node in _upstream(merge, [identifier]) and identifier in _upstream(merge, [node])
    ]
    if circle:
        yield from circle
        return
    yield from (
        identifier
        for identifier in named
        if identifier not in merged.members and side.removed(identifier)
    )
    known, edit = (
        side.renamed.get(node, node),
        _edit(side, other, node),
    )  # known: as the other side calls it
    causes = (
        list(causes_of(known, other.graph, merged))
        if known in other.graph.members and node in merged.members
        else []
    )
    if edit and _edit(other, side, node):  # where both edited it, that alone says nothing
        yield from (cause.author for cause in causes if f'"{cause.column}"' in problem.message)
        if edit.category == Category.METADATA or node in side.names:
            yield from (cause.author for cause in causes)
    yield node
    yield from (identifier for identifier in named if identifier not in merged.members)
    yield from (cause.author for cause in causes)
    yield from named
    yield from _upstream(merge, [node])


def _upstream(merge: Merge, start: Iterable[str]) -> list[str]:
    """What nodes read on any side, the nearest first."""
    found: dict[str, None] = {}
    waiting = list(start)
    while waiting:
        near = list(
            dict.fromkeys(
                feeder for node in waiting for feeder in merge.reads(node) if feeder not in found
            )
        )
        found |= dict.fromkeys(near)
        waiting = near
    return list(found)


def _retyped(merge: Merge, broken: Iterable[str | None]) -> Iterator[Conflict]:
    """Columns that one side gave another type, and that a node reads which the other side edited:
    it binds, and may mean something else."""
    for one, other, is_into in (
        (merge.into, merge.source, True),
        (merge.source, merge.into, False),
    ):
        for reader, change in other.changes.items():
            edited = change.category != Category.METADATA and _is_as_on(other, merge.merged, reader)
            if edited and reader not in broken and reader not in other.names:
                yield from _retyped_for(merge, one, other, reader, is_into=is_into)


def _is_as_on(side: Side, merged: Graph, node: str) -> bool:
    """Whether a merge computes a node as one side does: who wrote it anew for the merge has seen
    the other side."""
    ours, theirs = side.graph.members.get(node), merged.members.get(node)
    return (
        ours is not None and theirs is not None and _computes(ours.node) == _computes(theirs.node)
    )


def _computes(node: Node) -> tuple[object, ...]:
    """What of a node's file decides its data."""
    return (
        node.sql,
        [reference.id for reference in node.inputs],
        node.aliases,
        node.definition,
        [check.sql for check in node.checks],
    )


def _retyped_for(
    merge: Merge, one: Side, other: Side, reader: str, *, is_into: bool
) -> Iterator[Conflict]:
    node = merge.merged.node(reader)
    for feeder, columns in reads_of(other.graph, reader).items():
        was, now = (dict(graph.columns.get(feeder) or ()) for graph in (other.graph, merge.merged))
        for name in was.keys() & now.keys():
            if was[name] == now[name] or not {folded(name), "*"} & columns:
                continue
            author = author_of(feeder, name, other.graph, merge.merged)
            mine, theirs = _edit(one, other, author), other.changes[reader]
            if mine is None or author == reader:
                continue
            problem = Problem(
                f"{reader} reads {name} of {feeder}, which was {was[name]} and becomes {now[name]}.",
                node.path,
                node.line("name"),
                node=reader,
            )
            yield Conflict(problem, mine, theirs) if is_into else Conflict(problem, theirs, mine)
