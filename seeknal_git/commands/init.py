"""The command `init`: a folder becomes a project in a git repository. No file is overwritten."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from seeknal_git.commands.ci import Service, Workflow, workflow
from seeknal_git.commands.founding import Ask, Founded, found_production
from seeknal_git.commands.project_files import IGNORED, files_of
from seeknal_git.errors import GitError, SeeknalError, UsageError
from seeknal_git.files import refuse_links, write_below
from seeknal_git.git import hooks
from seeknal_git.git import repository as git
from seeknal_git.git.command import git as run
from seeknal_git.git.command import run_git
from seeknal_git.git.hooks import HookState
from seeknal_git.git.repository import Repository
from seeknal_git.names import command_line
from seeknal_git.project.definitions import is_node_path
from seeknal_git.project.settings import PROJECT_FILE, Settings, read_settings


@dataclass(frozen=True, slots=True)
class Initialized:
    """A project after `init`. Paths are relative to its folder."""

    folder: Path
    settings: Settings
    # The files that were written, and those that were there before.
    created: tuple[str, ...]
    kept: tuple[str, ...]
    # The git commands that were run.
    commands: tuple[str, ...]
    # The commit that was made. If it could not be made: the obstacle, and the command to run then.
    commit: str | None
    obstacle: str | None
    pending: str
    has_identity: bool
    # Whether git has no production branch of that name.
    missing_branch: bool
    # The files of a new repository that are in no commit.
    left_out: tuple[str, ...]
    # The paths that git should ignore and does not.
    exposed: tuple[str, ...]
    hooks: tuple[HookState, ...]
    has_nodes: bool
    # The workflow of continuous integration, if one was asked for.
    workflow: Workflow | None
    founded: Founded


@dataclass(frozen=True, slots=True)
class _Commit:
    commands: tuple[str, ...] = ()
    commit: str | None = None
    obstacle: str | None = None
    pending: str = ""


@dataclass(frozen=True, slots=True)
class Wish:
    """The options of `init`."""

    name: str | None = None
    description: str | None = None
    # The production branch.
    production: str | None = None
    # The service to write a workflow for. A project that exists gets the workflow and nothing else.
    service: Service | None = None


NOTHING = Wish()


@dataclass(frozen=True, slots=True)
class _Begun:
    """A folder in its repository, and the project that it is going to hold."""

    folder: Path
    repository: Repository
    # Whether the repository was made just now.
    is_new: bool
    founded: Founded
    settings: Settings
    workflow: Workflow | None
    # Path → text of the project's files; none if only a workflow is added.
    files: Mapping[str, str]

    @property
    def wanted(self) -> dict[str, str]:
        """All files that should exist."""
        if self.workflow is None:
            return dict(self.files)
        path = os.path.relpath(self.repository.top / self.workflow.path, self.folder)
        return {**self.files, path: self.workflow.text}


def init(folder: Path, wish: Wish = NOTHING, ask: Ask | None = None) -> Initialized:
    """Make a folder a project: add missing files, a repository and a first commit if there is none,
    and the hooks.

    ask: asks a person for the production branch (see founding.py).

    Raises UsageError for a folder or branch that cannot be used, GitError if git refuses, and
    SeeknalError if a file cannot be written.
    """
    begun = _begun(_folder(folder), wish, ask)
    folder, repository, wanted = begun.folder, begun.repository, begun.wanted
    created = tuple(path for path in wanted if not os.path.lexists(folder / path))
    _write(repository, {f"{repository.prefix}{path}": wanted[path] for path in created})
    named = _name_production(repository, begun.founded) if begun.files else ()
    misses_branch = _misses(repository, begun.founded.branch)
    if begun.files and not misses_branch:
        git.remember_production(repository, begun.founded.branch)
    made = _first_commit(begun, created, named)
    return Initialized(
        folder=folder,
        settings=begun.settings,
        created=created,
        kept=tuple(path for path in wanted if path not in created),
        commands=(*(["git init -b main"] if begun.is_new else []), *made.commands),
        commit=made.commit,
        obstacle=made.obstacle,
        pending=made.pending,
        has_identity=_has_identity(folder),
        missing_branch=misses_branch,
        left_out=_left_out(folder) if begun.is_new else (),
        exposed=tuple(path for path in IGNORED if not _is_ignored(folder, path)),
        hooks=_hooks(repository, begun.settings) if begun.files else (),
        has_nodes=_has_nodes(folder),
        workflow=begun.workflow,
        founded=begun.founded,
    )


def _begun(folder: Path, wish: Wish, ask: Ask | None) -> _Begun:
    """Open the repository, or make it, and find the settings of the project."""
    file = folder / PROJECT_FILE
    content = file.read_bytes() if file.is_file() else None
    given = None if content is None else read_settings(content)
    is_new = not _in_repository(folder)
    if is_new:
        run("init", "-b", "main", cwd=folder)
    repository = git.open_repository(folder)
    founded = found_production(repository, content, wish.production, ask)
    begun = Settings(
        wish.name or folder.name,
        wish.description or "",
        protect_production=wish.service is not None,
    )
    settings = replace(given or begun, production_branch=founded.branch)
    flow = None
    if wish.service:
        flow = workflow(wish.service, repository.top, repository.prefix, founded.branch)
    files = {} if given and flow else files_of(settings, folder)
    return _Begun(folder, repository, is_new, founded, settings, flow, files)


def _first_commit(begun: _Begun, created: Sequence[str], named: Sequence[str]) -> _Commit:
    """Commit the new project; in a repository that was there, only the files that were created.

    A workflow is left for a person to look at, and to commit.
    """
    if begun.is_new:
        paths = [PROJECT_FILE, ".gitignore", "seeknal"]
    else:
        paths = [path for path in created if path in begun.files and path not in IGNORED]
        paths += named
    return _commit(begun.folder, paths, f"Begin the project {begun.settings.name}")


def _is_ignored(folder: Path, path: str) -> bool:
    return run_git("check-ignore", "-q", path, cwd=folder).returncode != 1


def _has_nodes(folder: Path) -> bool:
    files = (folder / "seeknal").rglob("*.y*ml")
    return any(is_node_path(path.relative_to(folder).as_posix()) for path in files)


def _name_production(repository: Repository, founded: Founded) -> tuple[str, ...]:
    """Add the line that names the production branch to a project file that lacks it. Returns the
    file if it may be committed: nothing else in it is edited."""
    if founded.with_line is None:
        return ()
    folder = repository.project
    clean = run_git("diff", "--quiet", "HEAD", "--", PROJECT_FILE, cwd=folder).returncode == 0
    tracked = run_git("ls-files", "--error-unmatch", "--", PROJECT_FILE, cwd=folder).returncode == 0
    _write(repository, {f"{repository.prefix}{PROJECT_FILE}": founded.with_line.decode()})
    return (PROJECT_FILE,) if clean and tracked else ()


def _hooks(repository: Repository, settings: Settings) -> tuple[HookState, ...]:
    project = repository.prefix.rstrip("/") or "."
    command = hooks.this_installation()
    if hooks.tracked_installation(
        repository.top, command
    ):  # `hooks install` and `doctor` say what to do
        return tuple(hooks.status(repository.top, project, settings.production_branch))
    return tuple(hooks.install(repository.top, project, settings.production_branch, command))


def _folder(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise UsageError(f"{folder} cannot be made a folder: {exc.strerror}.") from exc
    return folder.resolve()


def _in_repository(folder: Path) -> bool:
    """Raises GitError where there is a repository that git cannot work in."""
    done = run_git("rev-parse", "--show-toplevel", cwd=folder, LC_ALL="C")
    if done.returncode and "not a git repository" not in done.stderr:
        raise GitError(f"git cannot work in {folder}: {done.stderr.strip()}")
    return done.returncode == 0


def _misses(repository: Repository, branch: str) -> bool:
    return git.branch_tip(repository, branch) is None and git.current_branch(repository) != branch


def _write(repository: Repository, texts: Mapping[str, str]) -> None:
    """Write files, named from the repository's top, all of them or none if one may not be
    written."""
    named = {os.path.normpath(path): text for path, text in texts.items()}
    for path in named:
        refuse_links(repository.top, path)
    for path, text in named.items():
        try:
            write_below(repository.top, path, text.encode())
        except OSError as exc:
            raise SeeknalError(
                f"{repository.top / path} cannot be written: {exc.strerror}."
            ) from exc


def _commit(folder: Path, paths: Sequence[str], message: str) -> _Commit:
    """Commit some files and nothing else that is staged. If that fails, they stay staged."""
    if not paths:
        return _Commit()
    add = ("add", "--", *paths)
    make = ("commit", "-m", message, "--", *paths)
    obstacle = _refused(folder, add) or (
        None if _has_identity(folder) else "git does not know who you are."
    )
    if obstacle:
        return _Commit((_words(add),), None, obstacle, _words(make))
    refused = _refused(folder, make)
    commit = None if refused else run("rev-parse", "HEAD", cwd=folder)
    return _Commit((_words(add), _words(make)), commit, refused, _words(make))


def _refused(folder: Path, arguments: Sequence[str]) -> str | None:
    done = run_git(*arguments, cwd=folder)
    return (
        (done.stderr.strip() or done.stdout.strip() or "git gave no reason")
        if done.returncode
        else None
    )


def _words(arguments: Sequence[str]) -> str:
    return command_line("git", *arguments)


def _has_identity(folder: Path) -> bool:
    """Whether git can sign a commit, as author and as committer."""
    return not any(
        run_git("var", name, cwd=folder).returncode
        for name in ("GIT_AUTHOR_IDENT", "GIT_COMMITTER_IDENT")
    )


def _left_out(folder: Path) -> tuple[str, ...]:
    """The files of a new repository that are in no commit and that git does not ignore."""
    status = run("status", "--porcelain", "-z", "--untracked-files=normal", cwd=folder)
    return tuple(entry[3:] for entry in status.split("\0") if entry.startswith("?? "))
