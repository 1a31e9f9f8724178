"""Production's tree with some nodes as they are here: a tree of its own, so that production stays
of one piece.

`run --nodes` on production publishes this tree, and keeps it as a commit. A node that is not chosen
stays as production has it, even if it was edited here. A chosen node takes along the nodes that it
cannot do without: inputs that differ here, and all readers of changed data, here or in production.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from seeknal_git.errors import ProjectError, UsageError
from seeknal_git.git import repository as git
from seeknal_git.git.production_ref import is_kept_tree
from seeknal_git.git.tree import Tree, commit_tree
from seeknal_git.names import called, split_id
from seeknal_git.project.load import Loaded, load
from seeknal_git.project.settings import PROJECT_FILE
from seeknal_git.project.source_versions import tracked_versions
from seeknal_git.project.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Mixed:
    """A mixed project. chosen: the nodes that were taken from here."""

    loaded: Loaded
    chosen: frozenset[str]


def mixed(workspace: Workspace, here: Loaded, base: str, named: Iterable[str]) -> Mixed:
    """Mix production's tree with the named nodes as they are here.

    base: the commit that production shows.

    Raises ProjectError if the nodes do not fit together.
    """
    repository = workspace.repository
    before = load(workspace, commit_tree(repository, base), like=here)
    choice = _Choice(here, before)
    chosen = choice.closed(named)
    shared = {path for node in chosen for path in choice.changed_files(node)}
    if PROJECT_FILE in shared:
        raise UsageError(
            "The variables of the project file have changed, and count for all nodes at once.",
            "Run all nodes: seeknal run",
        )
    below = git.parents_of(repository, base) if is_kept_tree(repository, base) else [base]
    loaded = load(
        workspace, _overlaid(here, before, chosen, below[0] if below else None, shared), like=here
    )
    if loaded.problems:
        raise ProjectError(loaded.problems)
    return Mixed(loaded, frozenset(chosen & loaded.graph.members.keys()))


class _Choice:
    """Which nodes have to be taken from here, so that all of them fit together."""

    def __init__(self, here: Loaded, before: Loaded) -> None:
        self._here, self._before = here, before
        versions = (
            tracked_versions(here.graph, here.root),
            tracked_versions(before.graph, before.root),
        )
        sources = {
            source
            for source in {**versions[0], **versions[1]}
            if versions[0].get(source) != versions[1].get(source)
        }
        graphs = (here.graph, before.graph)
        self._other_data = sources.union(
            *(graph.downstream(sources & graph.members.keys()) for graph in graphs)
        )

    def closed(self, named: Iterable[str]) -> set[str]:
        found = set(named)
        waiting = list(found)
        while waiting:
            new = set(self._taken_along(waiting.pop())) - found
            found |= new
            waiting += new
        return found

    def _taken_along(self, node: str) -> Iterator[str]:
        here, before = self._here.graph, self._before.graph
        if node in here.members:
            yield from (feeder for feeder in here.inputs[node] if self._moved(feeder))
            yield from self._in_its_place(node)
        if self.changed_files(node):
            yield from filter(self.changed_files, {**here.index.uses, **before.index.uses})
        if self._moved(node):
            yield from before.readers.get(node, ())
            yield from (reader for reader in here.readers.get(node, ()) if reader in before.members)
            yield from self._of_the_same_files(node)

    def changed_files(self, node: str) -> set[str]:
        """The common files and those of macros with entries that a node uses, here or in
        production, and that are not the same on both sides."""
        here, before = self._here.vocabulary, self._before.vocabulary
        graphs = (self._here.graph, self._before.graph)
        uses = {use for graph in graphs for use in graph.index.uses.get(node, ())}
        if not uses or here is None or before is None:
            return set()
        return here.files_changed(before, uses)

    def _moved(self, node: str) -> bool:
        """Whether the data of a node would be other than production's, by code or by files that git
        tracks."""
        here = self._here.graph.wholes.get(node)
        before = self._before.graph.wholes.get(node)
        return here is None or here != before or node in self._other_data

    def _in_its_place(self, node: str) -> Iterator[str]:
        """Nodes of production that are gone here, and whose view or file the node takes."""
        path, name = self._here.graph.node(node).path, called(node).lower()
        for other, member in self._before.graph.members.items():
            if other == node:
                continue
            is_gone = other not in self._here.graph.members
            same_view = is_gone and called(other).lower() == name
            if same_view or member.node.path == path:
                yield other

    def _of_the_same_files(self, node: str) -> Iterator[str]:
        files = _tracked_files(self._here, node) | _tracked_files(self._before, node)
        if not files:
            return
        for loaded in (self._here, self._before):
            structure = loaded.graph.structure
            for other in (*structure.of_kind("source"), *structure.python):
                if self._moved(other) and files & _tracked_files(loaded, other).keys():
                    yield other


def _tracked_files(loaded: Loaded, node: str) -> dict[str, str]:
    """The files that git tracks and that decide a node: raw data of a source, and the modules of a
    function."""
    if node in loaded.graph.structure.python:
        modules = loaded.graph.node(node).python["modules"]
        return {path: loaded.tree.files[path] for path in modules}
    if node not in loaded.graph.members or split_id(node)[0] != "source":
        return {}
    return {
        file.path: file.blob for file in loaded.root.files(loaded.graph.node(node)) if file.blob
    }


def _overlaid(
    here: Loaded,
    before: Loaded,
    chosen: Iterable[str],
    parent: str | None,
    shared: Iterable[str],
) -> Tree:
    """Production's tree with the files of chosen nodes, and the common files, as they are here."""
    gone = {path for path in shared if path not in here.tree.files}
    files = {path: blob for path, blob in before.tree.files.items() if path not in gone}
    files |= {path: here.tree.files[path] for path in shared if path not in gone}
    for node in chosen:
        if node in before.graph.members:
            files.pop(before.graph.node(node).path, None)
        for path in _tracked_files(before, node).keys() - here.tree.files.keys():
            files.pop(path, None)
    for node in chosen:
        if node in here.graph.members:
            chosen_node = here.graph.node(node)
            own = {chosen_node.path, chosen_node.sql_path}
            files |= {path: here.tree.files[path] for path in own} | _tracked_files(here, node)
    read = _either(here.tree, before.tree)
    return Tree(files, read, parent, dirty=True, at=here.tree.at)


def _either(here: Tree, before: Tree) -> Callable[[str], bytes]:
    blobs = frozenset(here.files.values())
    return lambda blob: here.read(blob) if blob in blobs else before.read(blob)
