"""A project in its repository, opened: from here every command finds its trees, its graph and its warehouse."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from seeknal_git.binding import Binding, bind
from seeknal_git.cache import Cache
from seeknal_git.cause import with_causes
from seeknal_git.data import DataRoot, remembered_blob_id, sources_of, tracked_versions
from seeknal_git.errors import GitError, Problem, ProjectError, SeeknalError, UsageError
from seeknal_git.git import repository as git
from seeknal_git.git.repository import Repository
from seeknal_git.git.tree import Tree, commit_tree, tracked_paths, working_tree
from seeknal_git.graph import Graph, build_graph
from seeknal_git.names import PRODUCTION_ALIAS, schema_of
from seeknal_git.plan import State
from seeknal_git.project import Project, is_node_path, load_project
from seeknal_git.settings import PROJECT_FILE, Settings, read_settings
from seeknal_git.statement import Columns


@dataclass(frozen=True, slots=True)
class Workspace:
    """home: the project's folder in the main working tree, where the warehouse and production's files are."""

    repository: Repository
    settings: Settings
    cache: Cache
    home: Path

    @property
    def production(self) -> str:
        return self.settings.production_branch

    @property
    def production_schema(self) -> str:
        return schema_of(self.production)

    @property
    def warehouse_path(self) -> Path:
        return self.home / self.settings.warehouse

    def branch_of(self, environment: str) -> str:
        """The branch that an environment's name means: `prod` is an alias for the production branch."""
        return self.production if environment == PRODUCTION_ALIAS else environment


@dataclass(frozen=True, slots=True)
class Loaded:
    """A tree, and everything that follows from it."""

    tree: Tree
    project: Project
    graph: Graph
    root: DataRoot
    binding: Binding

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What is wrong with files; and where nothing is, what does not fit together, and what the engine refuses."""
        return self.project.problems or self.graph.problems or self.binding.problems

    @property
    def warnings(self) -> tuple[Problem, ...]:
        return (*self.project.warnings, *self.graph.warnings)

    @property
    def state(self) -> State:
        return State(self.graph, tracked_versions(self.graph, self.root))


def open_workspace(start: Path) -> Workspace:
    """The project that a folder is in. Raises UsageError where there is none, GitError where there is no repository."""
    start = start.resolve()
    if not start.is_dir():
        raise UsageError(f"{start} is not a folder.")
    for folder in (start, *start.parents):
        if (folder / PROJECT_FILE).is_file():
            return _opened(folder)
    raise UsageError(f"There is no {PROJECT_FILE} in {start} or above it.", "Begin a project with: seeknal init")


def _opened(project: Path) -> Workspace:
    repository = git.open_repository(project)
    settings = read_settings((project / PROJECT_FILE).read_bytes())
    cache = Cache(repository.private / "cache.sqlite")
    return Workspace(repository, settings, cache, repository.main_worktree / repository.prefix)


def current_branch(workspace: Workspace) -> str:
    """The branch that is checked out. Raises GitError where HEAD is detached."""
    branch = git.current_branch(workspace.repository)
    if branch is None:
        raise GitError("HEAD is detached: no branch says which environment is meant.",
                       "Switch to a branch (git switch NAME), or name the environment.")  # fmt: skip
    return branch


def head_tree(workspace: Workspace, branch: str) -> Tree:
    """What a branch holds: the working tree where the branch is checked out here, its tip otherwise."""
    if branch == git.current_branch(workspace.repository):
        git.need_commit(workspace.repository)
        return current_tree(workspace)
    return commit_tree(workspace.repository, git.need_branch(workspace.repository, branch))


def current_tree(workspace: Workspace) -> Tree:
    blob_id = partial(remembered_blob_id, cache=workspace.cache)
    return working_tree(workspace.repository, lambda path: is_node_path(path) or path == PROJECT_FILE, blob_id)


def base_tree(workspace: Workspace, branch: str) -> Tree:
    """What a branch is compared with: what production last published, or the merge base with the production branch."""
    repository = workspace.repository
    if branch == workspace.production:
        published = git.production_ref(repository) if workspace.warehouse_path.exists() else None
        return commit_tree(repository, published) if published else Tree({}, _nothing)
    tip = git.need_branch(repository, branch)
    production = git.need_branch(repository, workspace.production, "production branch")
    return commit_tree(repository, git.merge_base(repository, production, tip))


def _nothing(blob: str) -> bytes:
    raise KeyError(blob)


def load(workspace: Workspace, tree: Tree, like: Loaded | None = None, *, reads_again: bool = True) -> Loaded:
    """Everything that follows from a tree, with its problems; what is the same as in `like` is taken from there.

    A tree is dirty if nodes, or data that they read, are not committed. reads_again: whether raw data is read again;
    where not, it does not matter what its files look like now.
    """
    project = load_project(tree, workspace.cache, like.project.members if like else ())
    tracked = like.root.tracked if like else tracked_paths(workspace.repository)
    folders = tuple(dict.fromkeys((workspace.repository.project, workspace.home)))
    root = DataRoot(workspace.repository, tree, folders, tracked, workspace.cache)
    graph = build_graph(project, like.graph if like else None)
    if tree.dirty and tree.commit:
        committed = commit_tree(workspace.repository, tree.commit)
        roots = (root, replace(root, tree=committed))
        data = {file.path for source in sources_of(graph) for each in roots for file in each.files(source)}
        files = _relevant(committed.files, tree, data)
        tree = replace(tree, files=files, dirty=files != committed.files)
    kept = {} if reads_again else _kept(workspace, graph, root)
    binding = bind(graph, root, workspace.cache, kept, like.binding if like else None)
    graph = replace(graph, anatomies=binding.anatomies, columns=binding.columns)
    return Loaded(tree, project, graph, root, binding)


def _relevant(committed: Mapping[str, str], tree: Tree, data: set[str]) -> dict[str, str]:
    """The files of an edited tree, without the edits of files that decide no data."""
    matters = {
        path for path in {**committed, **tree.files} if is_node_path(path) or path == PROJECT_FILE or path in data
    }
    kept = {path: blob for path, blob in committed.items() if path not in matters}
    return kept | {path: blob for path, blob in tree.files.items() if path in matters}


def load_sound(workspace: Workspace, tree: Tree, branch: str, *, reads_again: bool = True) -> Loaded:
    """Like `load`, for the tree of a branch. Raises ProjectError with everything that is wrong, and with causes."""
    loaded = load(workspace, tree, reads_again=reads_again)
    if loaded.problems:
        raise ProjectError(explained(workspace, branch, loaded, loaded.problems))
    return loaded


def explained(workspace: Workspace, branch: str, loaded: Loaded, problems: Sequence[Problem]) -> tuple[Problem, ...]:
    """Problems of a branch's tree, each with the change that caused it, where that was made on the branch."""
    refused = {problem.node for problem in loaded.binding.problems}
    if not any(problem.node in refused for problem in problems):
        return tuple(problems)
    try:
        tree = base_tree(workspace, branch)
        if not tree.files:  # nothing was published yet: what was committed before
            tree = commit_tree(workspace.repository, git.need_branch(workspace.repository, branch))
        return with_causes(problems, load(workspace, tree, like=loaded).graph, loaded.graph)
    except SeeknalError:
        return tuple(problems)  # there is nothing to compare with


def _kept(workspace: Workspace, graph: Graph, root: DataRoot) -> dict[str, Columns]:
    from seeknal_git.work import kept_columns

    return kept_columns(workspace.warehouse_path, graph, root, workspace.production_schema)


def with_nodes(tree: Tree, files: Mapping[str, bytes]) -> Tree:
    """A tree with some files added or replaced, for nodes that are not in the project yet."""
    given = {path: f"draft:{hashlib.sha256(content).hexdigest()}" for path, content in files.items()}
    blobs = {given[path]: content for path, content in files.items()}
    return replace(
        tree,
        files={**tree.files, **given},
        read=lambda blob: blobs[blob] if blob in blobs else tree.read(blob),
        dirty=True,
    )
