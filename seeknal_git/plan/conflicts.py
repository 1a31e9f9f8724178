"""Conflicts of two sides that merge cleanly as text and break as a pipeline, with the edits of each
side that are behind them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from seeknal_git.errors import Problem
from seeknal_git.names import folded
from seeknal_git.nodes.node import Node
from seeknal_git.plan.causes import Cause, author_of, causes_of
from seeknal_git.plan.changes import Category, Change
from seeknal_git.plan.reasons import reads_of
from seeknal_git.project.bound_graph import BoundGraph
from seeknal_git.sql.statement import EVERYTHING

_MEANT = "If that is as it should be, nothing has to be mended: git merge --no-verify lets it pass"


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two sides of a merge."""

    branch: str
    graph: BoundGraph
    # Its changes since the merge base, by node.
    changes: Mapping[str, Change]
    # The former name of each renamed node.
    renamed: Mapping[str, str]
    # The renamed nodes that are otherwise the same.
    names: frozenset[str]

    def removed(self, node: str) -> bool:
        return node in self.changes and self.changes[node].category == Category.REMOVED


def side_of(branch: str, base: BoundGraph, graph: BoundGraph, changes: Iterable[Change]) -> Side:
    """The side that these changes make. A removed node that exists under another name was
    renamed."""
    found = {change.node: change for change in changes}
    new = [node for node, change in found.items() if change.category == Category.NEW]
    renamed, names = {}, set()
    for node, change in found.items():
        if change.category != Category.REMOVED or (now := _renamed(node, new, base, graph)) is None:
            continue
        new.remove(now)
        renamed[now] = node
        if base.wholes[node] == graph.wholes[now]:
            names.add(now)
        place = graph.node(now)
        moved = place.path != change.path
        at = f" ({place.path}:{place.line('name')})" if moved else ""
        words = f"renamed to {now}{at}"
        found[node] = replace(change, words=(words,))
    return Side(branch, graph, found, renamed, frozenset(names))


def _renamed(node: str, new: Iterable[str], base: BoundGraph, graph: BoundGraph) -> str | None:
    """The new name of a node: a new node of the same fingerprint, else one in the same file; None
    if there is none."""
    before, whole = base.node(node), base.wholes[node]
    kin = [candidate for candidate in new if graph.node(candidate).kind == before.kind]
    same = [candidate for candidate in kin if graph.wholes[candidate] == whole]
    same += [candidate for candidate in kin if graph.node(candidate).path == before.path]
    return next(iter(same), None)


@dataclass(frozen=True, slots=True)
class SideEdit:
    """The edit of one side that is behind a conflict."""

    branch: str
    change: Change
    # The last commit of the branch that touched the edited file, once git was asked.
    commit: str | None = None


@dataclass(frozen=True, slots=True)
class Conflict:
    """A problem of the merge that neither side has alone, and the edit of each side behind it."""

    problem: Problem
    into: SideEdit | None
    source: SideEdit | None

    @property
    def edits(self) -> tuple[SideEdit, ...]:
        return tuple(edit for edit in (self.into, self.source) if edit is not None)


@dataclass(frozen=True, slots=True)
class Merge:
    """The four graphs of a merge."""

    base: BoundGraph
    into: Side
    source: Side
    merged: BoundGraph

    def reads(self, node: str) -> Iterator[str]:
        """The inputs of a node in any of the graphs: the merged one lacks those that do not
        resolve."""
        for graph in (self.merged, self.into.graph, self.source.graph, self.base):
            yield from graph.inputs.get(node, ())


def find_conflicts(merge: Merge, problems: Sequence[Problem]) -> tuple[Conflict, ...]:
    """The conflicts of a merge. problems: its problems that neither side has alone."""
    blamed = [Conflict(problem, *_blamed(merge, problem)) for problem in problems]
    retyped = list(_retyped(merge, {problem.node for problem in problems}))
    if retyped:  # said once for all of them
        last = retyped.pop()
        retyped.append(replace(last, problem=replace(last.problem, hint=_MEANT)))
    return (*blamed, *retyped)


def _blamed(merge: Merge, problem: Problem) -> tuple[SideEdit | None, SideEdit | None]:
    into, source = merge.into, merge.source
    return _touch(merge, problem, into, source), _touch(merge, problem, source, into)


def _touch(merge: Merge, problem: Problem, side: Side, other: Side) -> SideEdit | None:
    """One side's edit behind a problem: of the node itself, of a node that the problem names, or of
    the nearest node upstream."""
    suspects = dict.fromkeys(_suspects(merge, problem, side, other))
    edits = (_edit(side, other, suspect) for suspect in suspects)
    return next((SideEdit(side.branch, edit) for edit in edits if edit is not None), None)


def _edit(side: Side, other: Side, node: str) -> Change | None:
    """One side's edit of a node, which the other side may have renamed."""
    return side.changes.get(node) or side.changes.get(other.renamed.get(node, node))


def _suspects(merge: Merge, problem: Problem, side: Side, other: Side) -> Iterator[str]:
    """Nodes that one side may have edited to cause a problem, the likeliest first."""
    node, named = problem.node, problem.about
    if node is None:
        yield from named
    elif circle := _circle(merge, node, named):
        yield from circle
    else:
        gone = [name for name in named if name not in merge.merged.members]
        yield from filter(side.removed, gone)
        yield from _authors(merge, problem, side, other)
        yield node
        yield from gone
        yield from (cause.author for cause in _causes(merge, node, side, other))
        yield from named
        yield from _upstream(merge, node)


def _circle(merge: Merge, node: str, named: Iterable[str]) -> list[str]:
    """The named nodes that read a node and that it reads."""
    before = _upstream(merge, node)
    return [name for name in named if name in before and node in _upstream(merge, name)]


def _authors(merge: Merge, problem: Problem, side: Side, other: Side) -> Iterator[str]:
    """If both sides edited the node: the edits of one side behind the columns that the node misses,
    which tell more than the edit of the node."""
    node = problem.node or ""
    edit = _edit(side, other, node)
    if edit is None or _edit(other, side, node) is None:
        return
    causes = _causes(merge, node, side, other)
    yield from (cause.author for cause in causes if f'"{cause.column}"' in problem.message)
    if edit.category == Category.METADATA or node in side.names:
        yield from (cause.author for cause in causes)


def _causes(merge: Merge, node: str, side: Side, other: Side) -> list[Cause]:
    """The columns that a node reads on the other side, and that the merge changes."""
    known = side.renamed.get(node, node)  # its name on the other side
    if known not in other.graph.members or node not in merge.merged.members:
        return []
    return list(causes_of(known, other.graph, merge.merged))


def _upstream(merge: Merge, start: str) -> list[str]:
    """The nodes upstream of a node on any side, the nearest first."""
    found: dict[str, None] = {}
    waiting = [start]
    while waiting:
        near = dict.fromkeys(feeder for node in waiting for feeder in merge.reads(node))
        waiting = [feeder for feeder in near if feeder not in found]
        found |= dict.fromkeys(waiting)
    return list(found)


def _retyped(merge: Merge, broken: Iterable[str | None]) -> Iterator[Conflict]:
    """Columns that one side gave another type, and that are read by a node which the other side
    edited. The engine accepts the node, and its meaning may have changed."""
    into, source = merge.into, merge.source
    for one, other, is_into in ((into, source, True), (source, into, False)):
        for reader, change in other.changes.items():
            edited = change.category != Category.METADATA and _is_as_on(other, merge.merged, reader)
            if edited and reader not in broken and reader not in other.names:
                yield from _retyped_for(merge, one, other, reader, is_into=is_into)


def _is_as_on(side: Side, merged: BoundGraph, node: str) -> bool:
    """Whether a merge computes a node as one side does. If it does not, somebody wrote the node for
    the merge, and has seen the other side."""
    ours, theirs = side.graph.members.get(node), merged.members.get(node)
    if ours is None or theirs is None:
        return False
    return _computation(ours.node) == _computation(theirs.node)


def _computation(node: Node) -> tuple[object, ...]:
    """The values of a node that decide its data."""
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
            if was[name] == now[name] or columns.isdisjoint((folded(name), EVERYTHING)):
                continue
            author = author_of(feeder, name, other.graph, merge.merged)
            edit = _edit(one, other, author)
            if edit is None or author == reader:
                continue
            mine, theirs = SideEdit(one.branch, edit), SideEdit(other.branch, other.changes[reader])
            change = f"which was {was[name]} and becomes {now[name]}"
            problem = Problem(
                f"{reader} reads {name} of {feeder}, {change}.",
                node.path,
                node.line("name"),
                node=reader,
            )
            yield Conflict(problem, mine, theirs) if is_into else Conflict(problem, theirs, mine)
