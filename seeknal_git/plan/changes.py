"""Two graphs become a plan: the changes, how bad each is, and the nodes to build. Pure: reads no
warehouse."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from seeknal_git.names import folded
from seeknal_git.nodes.node import Node
from seeknal_git.plan.blame import Edit, blamed, edit_of
from seeknal_git.plan.reason import Reason
from seeknal_git.plan.reasons import (
    ColumnChange,
    Rebuilt,
    are_timed_anew,
    column_changes,
    obstacles_of,
    readers_of,
    why_rebuilt,
    why_reused,
)
from seeknal_git.plan.wording import describe, said_of_use, values_changed
from seeknal_git.project.bound_graph import BoundGraph, fingerprint_of
from seeknal_git.project.definitions import Member
from seeknal_git.project.fingerprints import Fingerprint
from seeknal_git.project.snapshot_ids import State, contents


class Category(StrEnum):
    """How badly a node changed, for everybody who reads it."""

    NEW = "NEW"
    REMOVED = "REMOVED"
    BREAKING = "BREAKING"
    # Of raw data that git tracks.
    DATA = "DATA"
    NON_BREAKING = "NON_BREAKING"
    # Of the question that a rule asks.
    CHECK = "CHECK"
    METADATA = "METADATA"


@dataclass(frozen=True, slots=True)
class Change:
    """A node that somebody changed."""

    node: str
    category: Category
    path: str
    line: int
    # The differences, in words.
    words: tuple[str, ...]
    # The nodes downstream that are built again because of it, and those that are not.
    rebuilds: tuple[str, ...] = ()
    reuses: tuple[str, ...] = ()
    # The columns that the edit touches.
    columns: tuple[ColumnChange, ...] = ()
    # Whether the edit changes the row set; None if that is not known.
    rows: bool | None = None
    # For each node that it rebuilds or re-uses, why: the reasons that lie in this change alone.
    reasons: Mapping[str, tuple[Reason, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Plan:
    """The way from one state of a project to another."""

    # The most severe first.
    changes: tuple[Change, ...]
    # The nodes to build, in order.
    layers: tuple[tuple[str, ...], ...]
    # The nodes whose tables stay.
    reused: tuple[str, ...]
    # For each node downstream of a change, why it is rebuilt or re-used, for all changes together.
    reasons: Mapping[str, tuple[Reason, ...]] = field(default_factory=dict)
    # For each changed node, the constructs that could not be resolved, or are unstable.
    obstacles: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    # For each node, the tests without an answer on the base: they are new or changed, or read a
    # table that is built.
    tests: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    # For each exposure of another system that shows other numbers, the words for it.
    uses: Mapping[str, str] = field(default_factory=dict)

    @property
    def builds(self) -> tuple[str, ...]:
        return tuple(identifier for layer in self.layers for identifier in layer)


_SEVERITY = (
    Category.BREAKING,
    Category.REMOVED,
    Category.DATA,
    Category.NON_BREAKING,
    Category.NEW,
    Category.CHECK,
    Category.METADATA,
)


def make_plan(base: State, head: State) -> Plan:
    """The plan from one state to another."""
    before, after = contents(base.graph, base.versions), contents(head.graph, head.versions)
    available = set(before.values())
    made = {identifier for identifier, found in after.items() if found not in available}
    # A table that becomes a view is made anew, and has the rows that it had.
    rows = {content[:2] for content in available}
    builds = {identifier for identifier in made if after[identifier][:2] not in rows}
    edited = [_edit(identifier, base, head, builds) for identifier in _edited(base, head)]
    changes, reasons = _with_readers(edited, base.graph, head.graph, builds)
    inert = head.graph.structure.inert
    layers = (
        tuple(node for node in layer if node in made and node not in inert)
        for layer in head.graph.layers
    )
    return Plan(
        changes=tuple(
            sorted(changes, key=lambda change: (_SEVERITY.index(change.category), change.node))
        ),
        layers=tuple(layer for layer in layers if layer),
        reused=tuple(
            identifier
            for identifier in after
            if identifier not in made | head.graph.structure.inert
        ),
        reasons=reasons,
        obstacles=_obstacles(changes, base.graph, head.graph),
        tests=_tests_to_check(base.graph, head.graph, builds),
        uses=_uses(head.graph, builds),
    )


def _uses(head: BoundGraph, builds: set[str]) -> dict[str, str]:
    nodes = map(head.node, sorted(head.structure.inert & builds))
    return {node.id: said_of_use(node) for node in nodes if node.use}


def _tests_to_check(
    base: BoundGraph, head: BoundGraph, builds: set[str]
) -> dict[str, tuple[str, ...]]:
    found = {}
    tested = head.index.tested
    for node in [view for view in head.views if view in tested]:
        if _asks_the_same(node, base, head) and builds.isdisjoint((node, *head.inputs[node])):
            continue
        known = set(_promises(base, node)) if node in base.members else set()
        names = [
            check.name
            for check, promise in zip(head.node(node).checks, _promises(head, node), strict=True)
            if promise not in known or not builds.isdisjoint(promise[1])
        ]
        if names:
            found[node] = tuple(names)
    return found


def _asks_the_same(node: str, base: BoundGraph, head: BoundGraph) -> bool:
    """Whether the tests of a node cannot be others: they follow from the content of its file."""
    before, after = base.index.files.get(node), head.index.files[node]
    return before is not None and before[1] == after[1]


def _promises(graph: BoundGraph, node: str) -> list[tuple[tuple[str, str, str], tuple[str, ...]]]:
    """The promise of each test of a node, and the nodes that it reads."""
    checks, targets = graph.node(node).checks, graph.targets[node][1:]
    return [(check.promise, read) for check, read in zip(checks, targets, strict=True)]


def _obstacles(
    changes: Iterable[Change], base: BoundGraph, head: BoundGraph
) -> dict[str, tuple[str, ...]]:
    found = {}
    for change in changes:
        words = (*obstacles_of(base, change.node), *obstacles_of(head, change.node))
        if words:
            found[change.node] = tuple(dict.fromkeys(words))
    return found


def _edited(base: State, head: State) -> list[str]:
    """The nodes whose own file, or own data, differs on the two sides."""
    old, new = base.graph.index.files, head.graph.index.files
    touched = {identifier for identifier, _ in old.items() ^ new.items()}
    touched |= {source for source, _ in base.versions.items() ^ head.versions.items()}
    if not touched:
        return []
    touched -= {node for node in touched if _shares_its_file(node, base, head)}
    removed = (node for node in base.graph.inputs if node not in new)
    nodes = [node for node in (*head.graph.inputs, *removed) if node in touched]
    return [node for node in nodes if not _is_beside_an_edit(node, base.graph, head.graph)]


def _is_beside_an_edit(node: str, base: BoundGraph, head: BoundGraph) -> bool:
    """Whether another node of the same file was edited: a file of metrics may hold several."""
    if not node.startswith("metric.") or node not in base.members or node not in head.members:
        return False
    before, after = base.node(node), head.node(node)
    same_file = (before.path, before.document) == (after.path, after.document)
    return same_file and base.wholes[node] == head.wholes[node]


def _shares_its_file(identifier: str, base: State, head: State) -> bool:
    """Whether a node is as it was, in a Python file in which another one was edited."""
    old, new = (state.graph.index.files.get(identifier, ("", "")) for state in (base, head))
    if old[0] != new[0] or not new[0].endswith(".py"):
        return False
    if base.versions.get(identifier) != head.versions.get(identifier):
        return False
    before, after = (_written(state.graph.node(identifier)) for state in (base, head))
    return before == after


def _written(node: Node) -> tuple[object, ...]:
    """Everything about a node that somebody writes, wherever it stands in its file."""
    checks = [(check.name, check.sql, check.severity, check.allowed) for check in node.checks]
    return node.definition, node.document, checks, node.python.get("text")


def compare(before: Fingerprint, after: Fingerprint) -> Category:
    """The category of a change from one fingerprint to another, for readers. NON_BREAKING only if
    that is proven."""
    if before.whole == after.whole:
        return Category.METADATA
    if (
        before.rows is None
        or before.columns is None
        or after.columns is None
        or before.rows != after.rows
    ):
        return Category.BREAKING
    kept = all(after.columns.get(name) == part for name, part in before.columns.items())
    return Category.NON_BREAKING if kept else Category.BREAKING


def _edit(
    identifier: str, base: State, head: State, builds: set[str]
) -> tuple[Change, Edit | None]:
    """A node's own change, without the nodes downstream; and the parts of its table that this
    changes, if any."""
    old, new = base.graph.members.get(identifier), head.graph.members.get(identifier)
    if old is None or new is None:
        return _come_or_gone(identifier, old, new, builds), Edit(identifier)
    words = (
        *values_changed(old.node, new.node, base.vocabulary, head.vocabulary),
        *describe(
            old,
            new,
            base.graph.anatomies.get(identifier, ()),
            head.graph.anatomies.get(identifier, ()),
        ),
    )
    if base.versions.get(identifier) != head.versions.get(identifier):
        return _moved_data(identifier, base, head, words), Edit(identifier, data=True)
    before, after = base.graph.fingerprints[identifier], _own(identifier, base.graph, head.graph)
    category = Category.METADATA if new.node.use else compare(before, after)
    if category == Category.BREAKING and new.node.kind == "rule":
        return _of(Category.CHECK, new, words), None
    if category == Category.METADATA:
        return _of_no_data(old.node, new, words)
    if _of_form(old.node, new.node) == Category.BREAKING:
        category = Category.BREAKING
    columns = column_changes(identifier, base.graph, head.graph, before, after)
    if any(column.retyped for column in columns) and _same_inputs(
        identifier, base.graph, head.graph
    ):
        category = Category.BREAKING  # the engine's types count more than any proof
    change = _of(category, new, (*words, *_unread(identifier, columns, base.graph)))
    retyped = [folded(column.name) for column in columns if column.retyped]
    return (
        replace(change, columns=columns, rows=_rows_changed(before, after)),
        edit_of(identifier, before, after, retyped),
    )


def _of_no_data(old: Node, new: Member, words: tuple[str, ...]) -> tuple[Change, Edit | None]:
    """An edit that leaves a node's own data as it is; functions may join by other times of it."""
    words = words or ("only the way it is written",)
    change = replace(_of(_of_form(old, new.node), new, words), rows=False)
    if not are_timed_anew(old, new.node):
        return change, None
    return change, Edit(new.node.id, rows=False, columns=frozenset(), times=True)


def _of_form(old: Node, new: Node) -> Category:
    """The category of a change for those who ask the node's view: there may be none any more."""
    if old.is_ephemeral == new.is_ephemeral:
        return Category.METADATA
    return Category.BREAKING if new.is_ephemeral else Category.NON_BREAKING


def _own(identifier: str, base: BoundGraph, head: BoundGraph) -> Fingerprint:
    """The fingerprint that a node's own edit gives it: of its new version, over its old inputs.

    A column that only the new inputs have is read from them, since it may be an old one under a new
    name. If the new version over the new inputs makes the same table as before, the edit has
    changed nothing.
    """
    before, now = base.fingerprints[identifier], head.fingerprints[identifier]
    if now.whole == before.whole:
        return before
    inputs = {feeder: head.fingerprints[feeder] for feeder in head.inputs[identifier]}
    for feeder, after in inputs.items():
        if feeder in base.members:
            inputs[feeder] = _as_it_was(base.fingerprints[feeder], after)
    return fingerprint_of(head, identifier, head.anatomies[identifier], inputs)


def _as_it_was(before: Fingerprint, after: Fingerprint) -> Fingerprint:
    if before.columns is None or after.columns is None:
        return before
    return replace(before, columns={**after.columns, **before.columns})


def _moved_data(identifier: str, base: State, head: State, words: tuple[str, ...]) -> Change:
    """A source whose tracked files changed. It breaks nodes that read a removed column, or one of
    another type."""
    node = head.graph.members[identifier]
    before, after = base.graph.fingerprints[identifier], head.graph.fingerprints[identifier]
    columns = column_changes(identifier, base.graph, head.graph, before, after)
    sound = before.whole == after.whole and all(column.kind == "added" for column in columns)
    gone = identifier not in head.versions
    said = f"{node.node.definition['path']} {'is gone, here or from git' if gone else 'changed'}"
    change = _of(Category.DATA if sound else Category.BREAKING, node, (*words, said))
    return replace(change, columns=columns, rows=True)


def _of(category: Category, member: Member, words: tuple[str, ...]) -> Change:
    return Change(member.node.id, category, member.node.path, member.node.line("name"), words)


def _come_or_gone(
    identifier: str, old: Member | None, new: Member | None, builds: set[str]
) -> Change:
    if old is not None:
        return _of(Category.REMOVED, old, ("the node is gone",))
    assert new is not None, "a node that was edited is on one of the two sides"
    words = "a new node" if identifier in builds else "a new name for data that is there already"
    return _of(Category.NEW, new, (words,))


def _with_readers(
    edited: Sequence[tuple[Change, Edit | None]],
    base: BoundGraph,
    head: BoundGraph,
    builds: set[str],
) -> tuple[list[Change], dict[str, tuple[Reason, ...]]]:
    """The changes, each with the nodes downstream that are built again because of it and those that
    are not, and why; and the reasons of each node for all changes together."""
    blame = blamed([edit for _, edit in edited if edit], base, head, builds)
    found, reasons = [], dict[str, tuple[Reason, ...]]()
    rebuilt: dict[str, Rebuilt] = {}
    for change, _ in edited:
        rebuilds = sorted(node for node, edits in blame.of_nodes.items() if change.node in edits)
        reuses = sorted(_readers(change.node, base, head) - builds)
        own: dict[str, tuple[Reason, ...]] = {}
        for node in rebuilds:
            if node not in rebuilt:
                rebuilt[node] = why_rebuilt(node, base, head)
                reasons[node] = rebuilt[node].reasons
            alone = len(blame.of_nodes[node]) == 1
            own[node] = reasons[node] if alone else rebuilt[node].for_edit(change.node, blame)
        for node in reuses:
            own[node] = (why_reused(node, change.node, head),)
            if node not in reasons or change.node in head.inputs[node]:
                reasons[node] = own[node]
        found.append(replace(change, rebuilds=tuple(rebuilds), reuses=tuple(reuses), reasons=own))
    return found, reasons


def _same_inputs(identifier: str, base: BoundGraph, head: BoundGraph) -> bool:
    both = {*base.feeding(identifier), *head.feeding(identifier)}
    if not both <= base.members.keys() & head.members.keys():
        return False
    return all(base.wholes[node] == head.wholes[node] for node in both)


def _rows_changed(before: Fingerprint, after: Fingerprint) -> bool | None:
    if before.whole == after.whole:
        return False
    return None if before.rows is None or after.rows is None else before.rows != after.rows


def _unread(identifier: str, columns: Iterable[ColumnChange], base: BoundGraph) -> tuple[str, ...]:
    """The words for removed columns that no node reads. They are BREAKING for readers outside."""
    gone = [column.name for column in columns if column.kind == "removed"]
    unread = [name for name in gone if not readers_of(base, identifier, name)]
    return (f"no node here reads {', '.join(unread)}",) if unread else ()


def _readers(identifier: str, base: BoundGraph, head: BoundGraph) -> set[str]:
    """The nodes downstream of a node; of a removed node, those that were downstream and still
    exist."""
    if identifier in head.members:
        return head.downstream([identifier])
    return base.downstream([identifier]) & head.members.keys()
