"""A tree that differs from a known one by some files: only those are read, and only the nodes that
they hold are resolved again.

Every doubt ends in None: then the tree is looked at from nothing. See
docs/design/remembered-graphs.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import overload

from seeknal_git.cache import Cache
from seeknal_git.errors import ProjectError
from seeknal_git.project.bound_graph import Over
from seeknal_git.project.columns import Unchanged
from seeknal_git.project.definitions import Member, Project
from seeknal_git.project.graph import Graph, Structure, ordered, python_of, view_problems
from seeknal_git.project.node_files import (
    Files,
    node_paths,
    other_problems,
    read_files,
    too_many,
)
from seeknal_git.project.references import resolved
from seeknal_git.project.remembered import Sound
from seeknal_git.project.vocabulary import Vocabulary

# Metrics are made of all models together.
SEMANTIC = ("semantic_model.", "metric.")
_MOST = 0.5  # of the files may differ; from nothing is faster beyond that


@dataclass(frozen=True, slots=True)
class Revised:
    """A project and its graph, and the nodes of a known graph that are the same."""

    project: Project
    graph: Graph
    unchanged: Unchanged


def revised(before: Sound, vocabulary: Vocabulary, cache: Cache) -> Revised | None:
    """The project of a tree; None if anything is wrong in it, or if too much differs."""
    tree = vocabulary.tree
    if before.names_of_macros != vocabulary.names_of_macros:
        return None
    now, old = node_paths(vocabulary, cache), before.graph.index.files
    differing = _differing(before, vocabulary, now)
    if too_many(now) or len(differing) > max(len(now) * _MOST, 1):
        return None
    files = read_files(vocabulary, cache, {path: now[path] for path in differing if path in now})
    if other_problems(vocabulary, files.problems):
        return None
    unchanged = {node: path for node, (path, _) in old.items() if path not in differing}
    graph = _graph(before, files, unchanged)
    if graph is None:
        return None
    kept = [warning for warning in before.warnings if warning.path not in differing]
    warnings = sorted([*kept, *files.warnings], key=lambda warning: warning.path or "")
    paths = unchanged | {member.node.id: member.node.path for member in files.members}
    members = _Members(sorted(paths, key=paths.__getitem__), graph.members)
    project = Project(members, (), tuple(warnings), files.foreign, tree, files.unread)
    changed = frozenset(member.node.id for member in files.members)
    return Revised(project, graph, Unchanged(before.graph, changed))


def _differing(before: Sound, vocabulary: Vocabulary, now: Mapping[str, str]) -> set[str]:
    """The files of a tree that have to be read, and those that are gone. now: path → blob."""
    index = before.graph.index
    contents = _contents(before, vocabulary, now) if index.uses else now
    known = dict(index.files.values())
    found = {path for path, _ in contents.items() ^ known.items()}
    # The commit of earlier code has to be in this history too, which the content does not tell.
    again = index.secret | index.earlier
    return found.union(before.foreign, [index.files[node][0] for node in again])


def _contents(before: Sound, vocabulary: Vocabulary, now: Mapping[str, str]) -> Mapping[str, str]:
    """The files of a tree with their content, as far as they are those of the known graph. now:
    path → blob."""
    found, index = dict(now), before.graph.index
    for node, uses in index.uses.items():
        path, content = index.files[node]
        if path.endswith(".py"):
            continue  # the id of such a file holds the values
        blob = content.partition("+")[0]
        if found.get(path) == blob:
            found[path] = vocabulary.content(blob, uses)
    return found


def _graph(before: Sound, files: Files, unchanged: dict[str, str]) -> Graph | None:
    """The graph of unchanged nodes (id → path) and those that were read again; None if they do not
    fit together."""
    old, own = before.graph, {member.node.id: member for member in files.members}
    if len(own) < len(files.members) or not own.keys().isdisjoint(unchanged):
        return None  # something is defined twice
    gone = old.inputs.keys() - unchanged.keys() - own.keys()
    together = any(node.startswith(SEMANTIC) for node in (*own, *gone))
    if together or any(reader in unchanged for node in gone for reader in old.readers[node]):
        return None
    paths = unchanged | {node: member.node.path for node, member in own.items()}
    members = Over(paths, own, old.members)
    inputs: dict[str, tuple[str, ...]] = {}
    targets: dict[str, tuple[tuple[str, ...], ...]] = {}
    for node, member in own.items():
        try:
            inputs[node], targets[node] = resolved(member, members)
        except ProjectError:
            return None
    structure = _structure(before, own, inputs, paths)
    if structure is None:
        return None
    sound = Over(structure.inputs, own, old.members)
    problems, warnings = view_problems(structure, sound)
    if problems:
        return None
    return Graph(
        sound, structure, Over(structure.inputs, targets, old.targets), (), tuple(warnings)
    )


def _structure(
    before: Sound,
    own: Mapping[str, Member],
    inputs: Mapping[str, tuple[str, ...]],
    paths: Mapping[str, str],
) -> Structure | None:
    """Who reads whom now. own, inputs: of the nodes that were read again; paths: of all nodes. None
    if nodes read each other in a circle."""
    old = before.graph
    marks = _marks(old.structure, own, paths)
    in_place = (
        len(paths) == len(old.inputs)
        and marks == _marks(old.structure, {}, paths)
        and all(
            old.inputs.get(node) == reads and old.index.files[node][0] == paths[node]
            for node, reads in inputs.items()
        )
    )
    if in_place:
        return old.structure
    everything = {
        node: inputs[node] if node in inputs else old.inputs[node]
        for node in sorted(paths, key=paths.__getitem__)
    }
    order, circles = ordered(everything, Over(paths, own, old.members))
    if circles:
        return None
    inert, views, ephemeral, pieces = marks
    inputs_in_order = {node: everything[node] for node in order}
    python = python_of(order, paths)
    return Structure(inputs_in_order, inert, python, views, ephemeral, pieces)


def _marks(
    before: Structure, own: Mapping[str, Member], paths: Mapping[str, str]
) -> tuple[frozenset[str], frozenset[str], frozenset[str], dict[str, str]]:
    """The nodes that are inert, views, ephemeral, and in pieces. own: the nodes that were read
    again; paths: of all nodes."""
    others = paths.keys() - own.keys()
    nodes = [member.node for member in own.values()]
    return (
        (before.inert & others).union(node.id for node in nodes if node.is_inert),
        (before.as_views & others).union(node.id for node in nodes if node.is_view),
        (before.ephemeral & others).union(node.id for node in nodes if node.is_ephemeral),
        {node: form for node, form in before.pieces.items() if node in others}
        | {node.id: node.storage for node in nodes if node.partition},
    )


class _Members(Sequence[Member]):
    """The nodes of a project in the order of their paths, each decoded once somebody asks."""

    def __init__(self, ids: Sequence[str], members: Mapping[str, Member]) -> None:
        self._ids, self._members = ids, members

    @overload
    def __getitem__(self, place: int) -> Member: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Member]: ...
    def __getitem__(self, place: int | slice) -> Member | Sequence[Member]:
        if isinstance(place, slice):
            return [self._members[identifier] for identifier in self._ids[place]]
        return self._members[self._ids[place]]

    def __iter__(self) -> Iterator[Member]:
        return map(self._members.__getitem__, self._ids)

    def __len__(self) -> int:
        return len(self._ids)
