"""A project in its repository, opened: where its warehouse is, and everything that follows from one
of its trees."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from seeknal_git.cache import Cache
from seeknal_git.errors import GitError, Problem, ProjectError, UsageError, WarehouseError
from seeknal_git.git import repository as git
from seeknal_git.git.repository import Repository
from seeknal_git.git.tree import Tree, commit_tree, tracked_paths, working_tree
from seeknal_git.names import PRODUCTION_ALIAS, schema_of
from seeknal_git.nodes.python import is_python_path
from seeknal_git.project.authority import Authority, find_authority, in_force
from seeknal_git.project.columns import Binding, bind
from seeknal_git.project.definitions import Project, is_node_path, load_project
from seeknal_git.project.graph import Graph, build_graph
from seeknal_git.project.held_files import remembered_blob_id
from seeknal_git.project.place import Place
from seeknal_git.project.raw_data import DataRoot, sources_of, tracked_parts
from seeknal_git.project.settings import PROJECT_FILE, Settings, Written, read_written
from seeknal_git.project.snapshot_ids import State
from seeknal_git.sql.engine_version import engine_version
from seeknal_git.sql.readers import Contract
from seeknal_git.sql.statement import Columns
from seeknal_git.warehouse.deadline import Deadline

if TYPE_CHECKING:
    from seeknal_git.git.marks import Marks


@dataclass(frozen=True, slots=True)
class Workspace:
    """settings: those in force, as production has them; flaw: why the project file at hand cannot
    be read, if so; data_root: what holds the warehouse, raw data and production's files: the main
    working tree, unless another folder is named. shared_data: raw data is read from there alone, as
    production does; a branch looks into its own working tree first. lock_timeout: how
    many seconds a command waits while another process holds the warehouse; deadline: until when
    `load` waits for it, and then raises WarehouseBusy; without one, `load` goes on without it."""

    repository: Repository
    settings: Settings
    cache: Cache
    data_root: Path
    lock_timeout: float = 0.0
    deadline: Deadline | None = None
    shared_data: bool = False
    authority: Authority = field(default_factory=lambda: Authority("main"))
    written: Written | None = None  # the project file at hand
    flaw: ProjectError | None = None

    @property
    def home(self) -> Path:
        """The project's folder in the data root."""
        return self.data_root / self.repository.prefix

    @property
    def production(self) -> str:
        return self.settings.production_branch

    @property
    def production_schema(self) -> str:
        return schema_of(self.production)

    @property
    def place(self) -> Place:
        return Place(self.repository, self.data_root, self.settings.warehouse)

    @property
    def marks(self) -> Marks:
        """The marks by which a warehouse knows the project."""
        from seeknal_git.git.marks import Marks

        return Marks(self.repository)

    @property
    def warehouse_path(self) -> Path:
        """Where the warehouse is, links resolved anew. Raises ProjectError if it may not be
        there."""
        return self.place.path

    @property
    def until(self) -> Deadline:
        """Until when a command that begins now waits for the warehouse."""
        return self.deadline or Deadline.after(self.lock_timeout)

    def waiting(self) -> Workspace:
        """The same, for a command that cannot do without the warehouse; its waits share a deadline."""
        return self if self.deadline else replace(self, deadline=self.until)

    def branch_of(self, environment: str) -> str:
        """The branch that an environment's name means: `prod` is an alias for the production
        branch."""
        return self.production if environment == PRODUCTION_ALIAS else environment


@dataclass(frozen=True, slots=True)
class Loaded:
    """A tree, and everything that follows from it. kept: the columns of sources whose raw data was
    not read again; None where all was."""

    tree: Tree
    project: Project
    graph: Graph
    root: DataRoot
    binding: Binding
    kept: Mapping[str, Columns] | None = None

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What is wrong with files; and where nothing is, what does not fit together, and what the
        engine refuses."""
        return self.project.problems or self.graph.problems or self.binding.problems

    @property
    def all_problems(self) -> tuple[Problem, ...]:
        """Also what the engine refuses where other nodes are wrong already; but not of what reads a
        node that is there twice, as nobody knows which one it means."""
        times = Counter(member.node.id for member in self.project.members)
        unclear = self.graph.downstream(each for each in self.graph.members if times[each] > 1)
        refused = (each for each in self.binding.problems if each.node not in unclear)
        return (*(self.project.problems or self.graph.problems), *refused)

    @property
    def warnings(self) -> tuple[Problem, ...]:
        return (*self.project.warnings, *self.graph.warnings, *self.binding.warnings)

    @property
    def absent(self) -> tuple[Problem, ...]:
        """A word on each source whose raw data would be read, and is not here."""
        return self.binding.absent

    @property
    def state(self) -> State:
        return State(self.graph, tracked_parts(self.graph, self.root))


def open_workspace(
    start: Path,
    data_root: Path | None = None,
    *,
    mending: bool = False,
    lock_timeout: float = 0.0,
) -> Workspace:
    """The project that a folder, or a bare repository, holds.

    data_root: what stands for the main working tree, with the warehouse and raw data; else what
    SEEKNAL_DATA_ROOT or `git config seeknal.dataRoot` names. mending: also if production's own
    project file cannot be read. Raises UsageError where there is no project, GitError where no
    repository.
    """
    start = start.resolve()
    if not start.is_dir():
        raise UsageError(f"{start} is not a folder.")
    for folder in (start, *start.parents):
        if (folder / PROJECT_FILE).is_file():
            at_hand = partial(_at_hand, folder / PROJECT_FILE)
            repository = git.open_repository(folder)
            found = _workspace(repository, at_hand, data_root, mending=mending)
            return replace(found, lock_timeout=lock_timeout)
    if bare := git.open_bare(start):
        return replace(_bare(bare, data_root), lock_timeout=lock_timeout)
    raise UsageError(
        f"There is no {PROJECT_FILE} in {start} or above it.", "Begin a project with: seeknal init"
    )


def _at_hand(path: Path) -> Written:
    """A project file on disk. Raises ProjectError, also for a link: messages would show any file
    that it leads to."""
    if path.is_symlink():
        problem = Problem(
            "The project file is a link.", PROJECT_FILE, hint="Put the file itself in its place."
        )
        raise ProjectError([problem])
    return read_written(path.read_bytes())


def _workspace(
    repository: Repository,
    at_hand: Callable[[], Written],
    data_root: Path | None,
    *,
    mending: bool = False,
) -> Workspace:
    written, flaw = None, None
    try:
        written = at_hand()
    except ProjectError as exc:
        flaw = exc
    found = find_authority(repository, written)
    if found.flaw and mending:
        found = replace(found, written=Written(Settings(repository.project.name), {}), flaw=None)
    settings = in_force(found, written)
    if settings is None or found.flaw:
        raise flaw or _of_production(found)
    cache = Cache(repository.cache / "nodes.sqlite", engine_version())
    named = data_root or os.environ.get("SEEKNAL_DATA_ROOT")
    root = (
        Path(named).resolve()
        if named
        else git.configured_data_root(repository) or repository.main_worktree
    )
    if root is None:
        raise UsageError(
            f"{repository.common} is a bare repository, and has no folder for a warehouse and raw data.",
            "Name one: git config seeknal.dataRoot DIR, SEEKNAL_DATA_ROOT or --data-root DIR",
        )
    return Workspace(repository, settings, cache, root, authority=found, written=written, flaw=flaw)


def _of_production(found: Authority) -> ProjectError:
    """Why production's own project file cannot be read."""
    problems = found.flaw.problems if found.flaw else ()
    hint = f"Mend the project file on {found.branch}, and commit it: until then, nothing says how production is."
    return ProjectError(
        [
            replace(each, message=f"At the tip of {found.branch}: {each.message}", hint=hint)
            for each in problems
        ]
    )


def _bare(repository: Repository, data_root: Path | None) -> Workspace:
    """A bare repository's HEAD says which branch's project file counts."""
    head = git.head_commit(repository)
    if head is None and not git.branches(repository):
        raise GitError(
            f"There is no commit in {repository.top} yet.",
            "Push the project first, then run the same command again.",
        )
    if head is None:
        raise GitError(
            f"HEAD of {repository.top} names a branch that is not there.",
            "Let it name the production branch: git symbolic-ref HEAD refs/heads/main",
        )
    everything = commit_tree(repository, head)
    found = {
        path.removesuffix(PROJECT_FILE).rstrip("/") or ".": path
        for path in everything.files
        if path.rpartition("/")[2] == PROJECT_FILE
    }
    named = os.environ.get("SEEKNAL_PROJECT", "").rstrip("/")
    path = found.get(named) if named else next(iter(found.values()), None)
    if path is None or (not named and len(found) > 1):
        projects = f"these projects: {', '.join(sorted(found))}" if found else "no project"
        raise UsageError(
            f"{repository.top} holds {projects}.",
            "Name one of them: SEEKNAL_PROJECT=FOLDER" if found else None,
        )
    content = everything.read_small(path)
    project = replace(repository, prefix=path.removesuffix(PROJECT_FILE))
    return _workspace(project, partial(read_written, content), data_root)


def current_tree(workspace: Workspace) -> Tree:
    """The working tree; of a bare repository, what HEAD names. Raises ProjectError if its project
    file is wrong."""
    if workspace.flaw:
        raise workspace.flaw
    if workspace.repository.bare:
        return commit_tree(workspace.repository, git.need_commit(workspace.repository))
    blob_id = partial(remembered_blob_id, cache=workspace.cache)
    return working_tree(workspace.repository, _is_read, blob_id)


def _is_read(path: str) -> bool:
    """Whether a file counts before git tracks it."""
    return is_node_path(path) or is_python_path(path) or path == PROJECT_FILE


def load(
    workspace: Workspace,
    tree: Tree,
    like: Loaded | None = None,
    *,
    keeps: str | None = None,
    environment: str | None = None,
) -> Loaded:
    """Everything that follows from a tree, with its problems; what is the same as in `like` is
    taken from there.

    A tree is dirty if nodes, or data that they read, are not committed. keeps: the schema of an
    environment that goes on with the loads that production or it shows, whatever their files look
    like now; without it, all raw data is read. environment: the schema whose loads say how raw data
    was read before, if production's do not.
    """
    project = load_project(tree, workspace.cache, like.project.members if like else ())
    tracked = like.root.tracked if like else tracked_paths(workspace.repository)
    graph = build_graph(project, like.graph if like else None)
    root = data_root_of(workspace, tree, tracked)
    if tree.dirty and tree.commit:
        committed = commit_tree(workspace.repository, tree.commit)
        roots = (root, replace(root, tree=committed))
        data = {
            file.path
            for source in sources_of(graph)
            for each in roots
            for file in each.files(source)
        }
        files = _relevant(committed.files, tree, data)
        dirty = files != committed.files or _leads_elsewhere(committed, tree, data)
        tree = replace(tree, files=files, dirty=dirty)
    kept = _kept(workspace, graph, root, keeps) if keeps else None
    if kept is None or len(kept) < len(sources_of(graph)):  # raw data is read
        contracts = like.root.contracts if like else _contracts(workspace, graph, root, environment)
        root = replace(root, contracts=contracts)
    binding = bind(graph, root, workspace.cache, kept or {}, like.binding if like else None)
    if binding.absent:
        from seeknal_git.project.declared_columns import with_declared

        binding = with_declared(binding, graph, workspace.cache)
    if binding.adopted:
        root = replace(root, adopted=binding.adopted)
    graph = replace(
        graph, anatomies=binding.anatomies, columns=binding.columns, volatile=binding.volatile
    )
    return Loaded(tree, project, graph, root, binding, kept)


def data_root_of(workspace: Workspace, tree: Tree, tracked: frozenset[str]) -> DataRoot:
    """Where the raw data of a tree is. tracked: the paths that git tracks, here or in the main
    working tree."""
    return DataRoot(workspace.repository, tree, _folders(workspace), tracked, workspace.cache)


def _folders(workspace: Workspace) -> tuple[Path, ...]:
    """Where raw data is looked for: here, but for production's, then where all working trees of the
    clone share it."""
    here = (
        ()
        if workspace.repository.bare or workspace.shared_data
        else (workspace.repository.project,)
    )
    return tuple(dict.fromkeys((*here, workspace.home)))


def _leads_elsewhere(committed: Tree, tree: Tree, data: set[str]) -> bool:
    """Whether links or submodules that raw data is read through are not as they were committed."""
    before, now = {**committed.links, **committed.modules}, {**tree.links, **tree.modules}
    moved = [path for path in {**before, **now} if before.get(path) != now.get(path)]
    return any(f"{each}/".startswith(f"{path}/") for each in data for path in moved)


def _relevant(committed: Mapping[str, str], tree: Tree, data: set[str]) -> dict[str, str]:
    """The files of an edited tree, without the edits of files that decide no data."""
    matters = {
        path
        for path in {**committed, **tree.files}
        if is_node_path(path) or path == PROJECT_FILE or path in data
    }
    kept = {path: blob for path, blob in committed.items() if path not in matters}
    return kept | {path: blob for path, blob in tree.files.items() if path in matters}


def _kept(workspace: Workspace, graph: Graph, root: DataRoot, schema: str) -> dict[str, Columns]:
    from seeknal_git.project.loads_in_use import kept_columns

    schemas = (workspace.production_schema, schema)
    path = _sound_place(workspace)
    return kept_columns(path, graph, root, schemas, workspace.deadline) if path else {}


def _contracts(
    workspace: Workspace, graph: Graph, root: DataRoot, schema: str | None
) -> dict[str, Contract]:
    from seeknal_git.project.loads_in_use import contracts

    schemas = list(
        dict.fromkeys([workspace.production_schema, schema or workspace.production_schema])
    )
    path = _sound_place(workspace)
    return contracts(path, graph, root, schemas, workspace.deadline) if path else {}


def _sound_place(workspace: Workspace) -> Path | None:
    """Where the warehouse is; None if it may not be there, which comes up where it matters."""
    try:
        return workspace.warehouse_path
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
        files={**tree.files, **given},
        read=lambda blob: blobs[blob] if blob in blobs else tree.read(blob),
        dirty=True,
    )
