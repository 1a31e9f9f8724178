"""Everything that follows from one tree of a project."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from seeknal_git.errors import Problem, ProjectError, WarehouseError
from seeknal_git.git.tree import TrackedPaths, Tree, commit_tree
from seeknal_git.project.bound_graph import BoundGraph
from seeknal_git.project.columns import Binding, Unchanged, bind
from seeknal_git.project.data_files import DataPlaces
from seeknal_git.project.definitions import Project, is_definition_path
from seeknal_git.project.entities import entity_problems
from seeknal_git.project.graph import Graph, build_graph
from seeknal_git.project.lake_settings import LakeSettings
from seeknal_git.project.node_files import load_project
from seeknal_git.project.python_files import decides_python, python_paths
from seeknal_git.project.raw_data import DataRoot
from seeknal_git.project.remembered import Graphs, Sound
from seeknal_git.project.revised import revised
from seeknal_git.project.settings import PROJECT_FILE
from seeknal_git.project.snapshot_ids import State
from seeknal_git.project.source_versions import tracked_parts
from seeknal_git.project.vocabulary import Vocabulary, with_near_macro
from seeknal_git.project.workspace import Workspace
from seeknal_git.sql.statement import Columns
from seeknal_git.warehouse.location import Location

if TYPE_CHECKING:
    from seeknal_git.nodes.node import Node
    from seeknal_git.project.loads_in_use import Load
    from seeknal_git.project.outsides import Away

# A graph that differs by more nodes from the nearest one that is remembered is remembered itself.
_FEW = 32
_FEW_OF_ALL = 0.05


@dataclass(frozen=True, slots=True)
class Loaded:
    """A tree, and everything that follows from it."""

    tree: Tree
    project: Project
    graph: BoundGraph
    root: DataRoot
    binding: Binding
    # the columns of sources whose raw data was not read again; None if all of it was
    kept: Mapping[str, Columns] | None = None
    vocabulary: Vocabulary | None = None  # the values of its templates

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Everything that is wrong with files; else with the references of nodes; else everything
        that the engine refuses."""
        return self.project.problems or self.graph.problems or self.binding.problems

    @property
    def all_problems(self) -> tuple[Problem, ...]:
        """Also everything that the engine refuses although other nodes are wrong already. Left out
        are the readers of a node that is defined twice, as nobody knows which one they mean."""
        times = Counter(member.node.id for member in self.project.members)
        twice = [identifier for identifier in self.graph.members if times[identifier] > 1]
        unclear = self.graph.downstream(twice)
        refused = (found for found in self.binding.problems if found.node not in unclear)
        return (*(self.project.problems or self.graph.problems), *refused)

    @property
    def warnings(self) -> tuple[Problem, ...]:
        return (
            *self.project.warnings,
            *self.graph.warnings,
            *self.binding.warnings,
            *self.entity_warnings,
        )

    @property
    def entity_warnings(self) -> tuple[Problem, ...]:
        """The entities of feature groups that get no view; the problems of a group say why it
        fits no other."""
        refused = {problem.node for problem in self.binding.problems}
        found = entity_problems(self.graph, self.graph.columns)
        return tuple(problem for problem in found if problem.node not in refused)

    @property
    def unused_params(self) -> tuple[str, ...]:
        """The parameters of the command that no template and no function names."""
        given = self.vocabulary.given.params if self.vocabulary else {}
        if self.vocabulary is None or not given:
            return ()
        functions = map(self.graph.node, self.graph.structure.python)
        asked = {name for node in functions for name in node.definition["python"]["params"]}
        named = {name for uses in self.graph.index.uses.values() for name, _ in uses}
        named |= self.vocabulary.values.named | asked
        return tuple(name for name in given if name not in named)

    @property
    def absent(self) -> tuple[Problem, ...]:
        """One for each source whose raw data would be read, and is not here."""
        return self.binding.absent

    @property
    def state(self) -> State:
        return State(self.graph, tracked_parts(self.graph, self.root), self.vocabulary)


def load(
    workspace: Workspace,
    tree: Tree,
    like: Loaded | None = None,
    *,
    keeps: str | None = None,
    environment: str | None = None,
) -> Loaded:
    """Everything that follows from a tree, with its problems.

    The graph is made from one that is remembered, if there is any: only the nodes that differ, and
    those that read a part that changed, are looked at. The result is the same as from nothing. A
    tree is dirty if nodes, or data that they read, are not committed.

    like: another tree that is loaded already, whose raw data was looked for in the same way.
    keeps: the schema of an environment that goes on with the loads that production or it shows,
    however their files look now; without it, all raw data is read. environment: the schema whose
    loads say how raw data was read before, if production's do not.
    """
    graphs = workspace.graphs
    raw_data = _RawData(workspace, like, keeps, environment)
    before = _nearest(graphs, tree, like)
    vocabulary = workspace.vocabulary(tree)
    start = revised(before, vocabulary, workspace.cache) if before else None
    if start is not None:
        raw = raw_data.of(tree, start.graph)
        loaded = _bound(vocabulary, start.project, start.graph, raw, start.unchanged)
        if not loaded.problems:
            touched = len(start.unchanged.changed)
            if not loaded.tree.dirty and touched > max(
                _FEW, len(loaded.graph.inputs) * _FEW_OF_ALL
            ):
                _remember(graphs, loaded)
            return loaded
    project = load_project(vocabulary, workspace.cache)
    graph = build_graph(project)
    if start is None:
        raw = raw_data.of(tree, graph)
    loaded = _bound(vocabulary, project, graph, raw)
    if not loaded.problems and loaded.graph.inputs:
        _remember(graphs, loaded)
    return loaded


def _nearest(graphs: Graphs, tree: Tree, like: Loaded | None) -> Sound | None:
    """A sound graph that a tree's may be made from."""
    if tree.id and graphs.has(tree.id):
        found = graphs.nearest(tree.id)
        if found is not None:
            return found
    if like is not None and not like.problems and like.graph.inputs:
        return _as_known(like)
    return graphs.nearest(tree.id)


def _as_known(loaded: Loaded) -> Sound:
    names = loaded.vocabulary.names_of_macros if loaded.vocabulary else ""
    return Sound(loaded.graph, loaded.project.foreign, loaded.project.warnings, names)


def _remember(graphs: Graphs, loaded: Loaded) -> None:
    """Keep a graph for the next command, under the tree that was edited if it is not committed."""
    if loaded.tree.id:
        graphs.keep(loaded.tree.id, _as_known(loaded))


@dataclass(frozen=True, slots=True)
class _RawData:
    """Where the raw data of a tree is looked for; see `load`."""

    workspace: Workspace
    like: Loaded | None
    keeps: str | None
    environment: str | None

    def of(self, tree: Tree, graph: Graph) -> _Found:
        """The raw data of a tree; and the tree without edits that decide nothing."""
        workspace, like = self.workspace, self.like
        tracked = like.root.places.tracked if like else TrackedPaths(workspace.repository)
        root = data_root_of(workspace, tree, tracked)
        if tree.dirty and tree.commit:
            tree = _without_trifles(workspace, tree, graph, root)
        kept = _kept(workspace, graph, root, self.keeps) if self.keeps else None
        if kept is None or len(kept) < len(graph.sources()):
            root = self._read_again(root, graph, tracked, kept or {})
        is_for_a_lake = isinstance(workspace.settings.warehouse, LakeSettings)
        return _Found(tree, root, kept, is_for_a_lake)

    def _read_again(
        self, root: DataRoot, graph: Graph, tracked: TrackedPaths, kept: Mapping[str, Columns]
    ) -> DataRoot:
        """The raw data of sources that are read, with their loads before."""
        workspace, like = self.workspace, self.like
        loads: Mapping[str, Load] = {}
        outside = [node for node in graph.sources() if node.outside and node.id not in kept]
        if outside or like is None:
            loads = _loads_before(workspace, graph, root, self.environment)
        contracts = {source: load.contract for source, load in loads.items()}
        return replace(
            root,
            places=root.places.afresh(),
            contracts=like.root.contracts if like else contracts,
            away=_away(workspace, tracked, outside, loads) if outside else {},
        )


@dataclass(frozen=True, slots=True)
class _Found:
    """The raw data of a tree."""

    tree: Tree
    root: DataRoot
    kept: Mapping[str, Columns] | None  # as of `Loaded`
    is_for_a_lake: bool  # whether tables are made in one


def _without_trifles(workspace: Workspace, tree: Tree, graph: Graph, root: DataRoot) -> Tree:
    """An edited tree without the edits of files that decide no data; it may not be dirty any
    more."""
    committed = commit_tree(workspace.repository, tree.commit or "")
    places = (root.places, replace(root.places, tree=committed))
    roots = [replace(root, places=either) for either in places]
    data = {
        file.path for source in graph.sources() for either in roots for file in either.files(source)
    }
    # The last Python node may be gone.
    before, now = (python_paths(Vocabulary(one), workspace.cache) for one in (committed, tree))
    paths = () if before == now else (*tree.files, *committed.files)
    data.update(path for path in paths if decides_python(path))
    files = _relevant(committed.files, tree, data)
    dirty = files != committed.files or _leads_elsewhere(committed, tree, data)
    return replace(tree, files=files, dirty=dirty)


def _bound(
    vocabulary: Vocabulary,
    project: Project,
    graph: Graph,
    raw: _Found,
    unchanged: Unchanged | None = None,
) -> Loaded:
    """A project whose nodes were bound. unchanged: the nodes that need not be bound again."""
    root = raw.root
    bound, binding = bind(graph, root, root.cache, raw.kept or {}, unchanged)
    if binding.absent:
        from seeknal_git.project.declared_columns import with_declared

        binding = with_declared(binding, bound, root.cache)
    if graph.structure.python:
        from seeknal_git.project.learned_columns import with_learned

        binding = with_learned(binding, bound, root.cache)
    if graph.structure.as_views:
        from seeknal_git.project.views import with_views

        binding = with_views(binding, bound)
    if raw.is_for_a_lake:
        from seeknal_git.project.lake_columns import held_by_a_lake

        binding = held_by_a_lake(binding, bound)
    if binding.problems:
        told = [with_near_macro(problem, vocabulary) for problem in binding.problems]
        binding = replace(binding, problems=tuple(told))
    if binding.adopted:
        root = replace(root, places=root.places.afresh(), adopted=binding.adopted)
    return Loaded(raw.tree, project, bound, root, binding, raw.kept, vocabulary)


def data_root_of(workspace: Workspace, tree: Tree, tracked: TrackedPaths) -> DataRoot:
    """Where the raw data of a tree is. tracked: the paths that git tracks, here or in the main
    working tree."""
    folders = _folders(workspace)
    places = DataPlaces(
        workspace.repository, tree, folders, tracked, workspace.cache, workspace.profiles
    )
    return DataRoot(places)


def _folders(workspace: Workspace) -> tuple[Path, ...]:
    """Where raw data is looked for: here, but for production's, then where all working trees of the
    clone share it."""
    here = (
        ()
        if workspace.repository.bare or workspace.shared_data
        else (workspace.repository.project,)
    )
    coming = (workspace.coming_data,) if workspace.coming_data else ()
    return tuple(dict.fromkeys((*here, workspace.home, *coming)))


def _leads_elsewhere(committed: Tree, tree: Tree, data: set[str]) -> bool:
    """Whether links or submodules that raw data is read through are not as they were committed."""
    before, now = {**committed.links, **committed.modules}, {**tree.links, **tree.modules}
    moved = [path for path in {**before, **now} if before.get(path) != now.get(path)]
    return any(f"{folder}/".startswith(f"{path}/") for folder in data for path in moved)


def _relevant(committed: Mapping[str, str], tree: Tree, data: set[str]) -> dict[str, str]:
    """The files of an edited tree, without the edits of files that decide no data."""
    found = dict(committed)
    for path in {path for path, _ in committed.items() ^ tree.files.items()}:
        if not (is_definition_path(path) or path == PROJECT_FILE or path in data):
            continue
        if path in tree.files:
            found[path] = tree.files[path]
        else:
            del found[path]
    return found


def _kept(workspace: Workspace, graph: Graph, root: DataRoot, schema: str) -> dict[str, Columns]:
    from seeknal_git.project.loads_in_use import kept_columns

    schemas = (workspace.production_schema, schema)
    path = _sound_place(workspace)
    return kept_columns(path, graph, root, schemas, workspace.deadline) if path else {}


def _loads_before(
    workspace: Workspace, graph: Graph, root: DataRoot, schema: str | None
) -> dict[str, Load]:
    from seeknal_git.project.loads_in_use import loads_before

    schemas = list(
        dict.fromkeys([workspace.production_schema, schema or workspace.production_schema])
    )
    path = _sound_place(workspace)
    return loads_before(path, graph, root, schemas, workspace.deadline) if path else {}


def _away(
    workspace: Workspace,
    tracked: TrackedPaths,
    sources: Sequence[Node],
    loads: Mapping[str, Load],
) -> dict[str, Away]:
    """Source → how it is seen, of the sources outside whose load is not kept anyway."""
    from seeknal_git.project.outside import seeing_of

    seeing = seeing_of(workspace, tracked)
    versions = {source: load.version for source, load in loads.items()}
    return {node.id: seeing.away(node, versions.get(node.id)) for node in sources}


def _sound_place(workspace: Workspace) -> Location | None:
    """Where the warehouse is; None if it may not be there, which comes up where it matters."""
    try:
        return workspace.warehouse_location
    except (ProjectError, WarehouseError):
        return None


def with_nodes(tree: Tree, files: Mapping[str, bytes]) -> Tree:
    """A tree with some files added or replaced, for nodes that are not in the project yet."""
    given = {
        path: f"draft:{hashlib.sha256(content).hexdigest()}" for path, content in files.items()
    }
    blobs = {given[path]: content for path, content in files.items()}
    return replace(
        tree,
        id="",
        files={**tree.files, **given},
        read=lambda blob: blobs[blob] if blob in blobs else tree.read(blob),
        dirty=True,
    )
