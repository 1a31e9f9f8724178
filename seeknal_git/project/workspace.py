"""A project in its repository, opened: where its warehouse is, and everything that follows from one
of its trees."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from seeknal_git.cache import Cache
from seeknal_git.errors import GitError, Problem, ProjectError, UsageError
from seeknal_git.git import repository as git
from seeknal_git.git.repository import Repository
from seeknal_git.git.tree import TrackedPaths, Tree, commit_tree, working_tree
from seeknal_git.names import KEPT, PRODUCTION_ALIAS, schema_of
from seeknal_git.nodes.python import is_module_path
from seeknal_git.nodes.values import Given
from seeknal_git.project.authority import Authority, find_authority, in_force
from seeknal_git.project.definitions import is_definition_path
from seeknal_git.project.held_files import remembered_blob_id
from seeknal_git.project.outsides import Outsides
from seeknal_git.project.place import Place
from seeknal_git.project.profile_places import ProfilePlaces
from seeknal_git.project.remembered import Graphs
from seeknal_git.project.settings import PROJECT_FILE, Settings, Written, read_written
from seeknal_git.project.vocabulary import Vocabulary
from seeknal_git.sql.engine_version import engine_version
from seeknal_git.warehouse.deadline import Deadline
from seeknal_git.warehouse.location import Lake, Location, exists

if TYPE_CHECKING:
    from seeknal_git.git.marks import Marks
    from seeknal_git.project.kept_files import KeptFiles
    from seeknal_git.project.lake_place import Directions
    from seeknal_git.project.lake_settings import LakeSettings


@dataclass(frozen=True, slots=True)
class Workspace:
    """A project in its repository, opened."""

    repository: Repository
    settings: Settings  # those in force, as production has them
    cache: Cache
    graphs: Graphs  # those that are remembered
    # the folder of the warehouse, raw data and production's files: the main working tree, unless
    # another folder is named
    data_root: Path
    lock_timeout: float = 0.0  # seconds that a command waits while another process holds it
    # until when `load` waits for the warehouse, and then raises WarehouseBusy; without one, `load`
    # goes on without the warehouse
    deadline: Deadline | None = None
    # raw data is read from the data root alone, as production does; a branch looks into its own
    # working tree first
    shared_data: bool = False
    profile: Path | None = None  # the profiles file that was named
    # a folder with raw data that is about to come into the project
    coming_data: Path | None = None
    authority: Authority = field(default_factory=lambda: Authority("main"))
    written: Written | None = None  # the project file at hand
    flaw: ProjectError | None = None  # why the project file at hand cannot be read
    given: Given = field(default_factory=Given)  # the values that templates of nodes get
    # the sources outside of the project that the command has seen
    outsides: Outsides = field(default_factory=Outsides)

    @property
    def home(self) -> Path:
        """The project's folder in the data root."""
        return self.data_root / self.repository.prefix

    @property
    def profiles(self) -> ProfilePlaces:
        """Where profiles are."""
        return ProfilePlaces.of(self.repository, self.home, self.profile)

    @property
    def production(self) -> str:
        return self.settings.production_branch

    @property
    def production_schema(self) -> str:
        return schema_of(self.production)

    @property
    def place(self) -> Place:
        """The place of a warehouse that is a file."""
        configured = self.settings.warehouse
        named = configured if isinstance(configured, str) else ""
        return Place(self.repository, self.data_root, named)

    @property
    def marks(self) -> Marks:
        """The marks by which a warehouse knows the project."""
        from seeknal_git.git.marks import Marks

        return Marks(self.repository)

    @property
    def warehouse_location(self) -> Location:
        """Where the warehouse is, links resolved anew. Raises ProjectError if it may not be
        there."""
        directions = self.directions
        return directions.lake(TrackedPaths(self.repository)) if directions else self.place.path

    @property
    def directions(self) -> Directions | None:
        """The way to a warehouse that is a lake; None if it is a file."""
        configured = self.settings.warehouse
        if isinstance(configured, str):
            return None
        return self._directions(configured, self.authority.line("warehouse"))

    @property
    def lake_at_hand(self) -> Lake | None:
        """The lake that the project file at hand names, also if that is not committed yet; else the
        one that is the warehouse. None if neither is a lake. Raises ProjectError."""
        written = self.written or self.authority.written
        named = written.settings.warehouse if written else self.settings.warehouse
        if isinstance(named, str):
            return None
        directions = self._directions(named, written.lines.get("warehouse") if written else None)
        return directions.lake(TrackedPaths(self.repository))

    def _directions(self, named: LakeSettings, line: int | None) -> Directions:
        from seeknal_git.project.lake_place import Directions, Setting

        return Directions(Setting(named, line), self.home, self.profiles, self.production)

    @property
    def has_warehouse(self) -> bool:
        """Whether anything may have been built. Raises ProjectError if the warehouse may not be
        where it is."""
        return exists(self.warehouse_location)

    @property
    def readable_warehouse(self) -> Location | None:
        """Where to read: None if there is no warehouse, for an empty one. Raises ProjectError."""
        location = self.warehouse_location
        return location if exists(location) else None

    @property
    def kept(self) -> KeptFiles:
        """The files that views read in place."""
        from seeknal_git.project.kept_files import KeptFiles

        return KeptFiles(self.repository.private / KEPT, self.cache)

    @property
    def until(self) -> Deadline:
        """Until when a command that begins now waits for the warehouse."""
        return self.deadline or Deadline.after(self.lock_timeout)

    def resolving(self, environment: str) -> Workspace:
        """The same, with templates that get the variables of an environment."""
        return replace(self, given=replace(self.given, environment=environment))

    def vocabulary(self, tree: Tree) -> Vocabulary:
        """The names that templates of a tree may use, with the values of the environment that the
        command is about."""
        environment = self.given.environment or git.current_branch(self.repository)
        return Vocabulary(tree, self.given, environment or self.production, self.cache)

    def reading(self, *, full: bool = False) -> Workspace:
        """The same, for a command that reads the rows of sources outside; full: also of those that
        did not move."""
        return replace(self, outsides=Outsides(reads=True, full=full))

    def waiting(self) -> Workspace:
        """The same, for a command that needs the warehouse; its waits share a deadline."""
        return self if self.deadline else replace(self, deadline=self.until)

    def branch_of(self, environment: str) -> str:
        """The branch that an environment's name means: `prod` is an alias for the production
        branch."""
        return self.production if environment == PRODUCTION_ALIAS else environment


def open_workspace(
    start: Path,
    data_root: Path | None = None,
    *,
    mending: bool = False,
    lock_timeout: float = 0.0,
    profile: Path | None = None,
) -> Workspace:
    """The project that a folder, or a bare repository, holds.

    data_root: the folder of the warehouse and raw data; else the one that SEEKNAL_DATA_ROOT or
    `git config seeknal.dataRoot` names; else the main working tree. mending: also if production's
    own project file cannot be read. profile: a file in place of profiles.yml; else the one that
    SEEKNAL_PROFILE names. Raises UsageError if there is no project or profile, GitError if there is
    no repository.
    """
    start = start.resolve()
    if not start.is_dir():
        raise UsageError(f"{start} is not a folder.")
    profile = _profile(profile)
    for folder in (start, *start.parents):
        if (folder / PROJECT_FILE).is_file():
            at_hand = partial(_at_hand, folder / PROJECT_FILE)
            repository = git.open_repository(folder)
            found = _workspace(repository, at_hand, data_root, mending=mending)
            return replace(found, lock_timeout=lock_timeout, profile=profile)
    if bare := git.open_bare(start):
        return replace(_bare(bare, data_root), lock_timeout=lock_timeout, profile=profile)
    raise UsageError(
        f"There is no {PROJECT_FILE} in {start} or above it.", "Begin a project with: seeknal init"
    )


def _profile(named: Path | None) -> Path | None:
    """The profiles file that a command or SEEKNAL_PROFILE names. Raises UsageError."""
    given = named or os.environ.get("SEEKNAL_PROFILE")
    if not given:
        return None
    # Git knows a file by its folder as it really is, and a link by its own name.
    file = Path(given).parent.resolve() / Path(given).name
    if not file.is_file():
        raise UsageError(
            f"There is no profiles file {given}.", "Name one that is there: --profile FILE"
        )
    return file


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
            f"{repository.common} is a bare repository, "
            "and has no folder for a warehouse and raw data.",
            "Name one: git config seeknal.dataRoot DIR, SEEKNAL_DATA_ROOT or --data-root DIR",
        )
    graphs = Graphs.of(repository.cache, repository.prefix)
    return Workspace(
        repository, settings, cache, graphs, root, authority=found, written=written, flaw=flaw
    )


def _of_production(found: Authority) -> ProjectError:
    """The error for a project file of production itself that cannot be read."""
    problems = found.flaw.problems if found.flaw else ()
    hint = (
        f"Mend the project file on {found.branch}, and commit it: "
        "until then, nothing says how production is."
    )
    return ProjectError(
        [
            replace(problem, message=f"At the tip of {found.branch}: {problem.message}", hint=hint)
            for problem in problems
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
    """The working tree; of a bare repository, HEAD. Raises ProjectError if its project
    file is wrong."""
    if workspace.flaw:
        raise workspace.flaw
    if workspace.repository.bare:
        return commit_tree(workspace.repository, git.need_commit(workspace.repository))
    blob_id = partial(remembered_blob_id, cache=workspace.cache)
    return working_tree(workspace.repository, _is_read, blob_id)


def _is_read(path: str) -> bool:
    """Whether a file counts before git tracks it."""
    is_code = is_module_path(path.removesuffix(".lock"))  # a module, or the lock of a script
    return is_code or is_definition_path(path) or path == PROJECT_FILE
