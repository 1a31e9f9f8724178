"""The verb `init`: a folder becomes a project in a git repository. Whatever is there already stays
as it is."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from seeknal_git.commands.ci import Service, Workflow, workflow
from seeknal_git.commands.founding import Ask, Founded, found_production
from seeknal_git.errors import GitError, SeeknalError, UsageError
from seeknal_git.files import refuse_links, write_below
from seeknal_git.git import hooks
from seeknal_git.git import repository as git
from seeknal_git.git.command import git as run
from seeknal_git.git.command import run_git
from seeknal_git.git.hooks import HookState
from seeknal_git.git.repository import Repository
from seeknal_git.names import command_line
from seeknal_git.nodes.kinds import KINDS, folder_of
from seeknal_git.project.definitions import is_node_path
from seeknal_git.project.settings import PROJECT_FILE, Settings, read_settings

IGNORED = ("target/", "exports/", "draft_*.yml", "profiles.yml", ".env")

_SETTINGS = """\
# What a team decides once. The nodes are below seeknal/.
{name}
{description}

# The branch that is production. Every other branch is its own environment.
{production}

# The tables are in a DuckDB file in git's own folder, where neither a checkout nor `git clean` reaches them
# (`seeknal warehouse path` prints it). A path below the project would put it there instead; git has to ignore that:
# warehouse: target/warehouse.duckdb

# How long an unused environment stays once its branch is gone (12h, 7d, 4w).
time_to_live: 7d
"""

_PROTECTED = """
# Continuous integration releases what is committed: a run of production refuses uncommitted changes.
protect_production: true
"""

_PROFILES = """\
# Connections to databases and services. This file is yours alone: git ignores it.
#
# ${NAME} stands for the environment variable NAME, and ${NAME:text} for `text` where it is not set. So a password never
# stands in a file, and it appears in no output, no state and no message.
#
# connections:
#   shop:
#     type: postgresql
#     host: ${SHOP_HOST:localhost}
#     port: 5432
#     database: shop
#     user: ${SHOP_USER}
#     password: ${SHOP_PASSWORD}
"""

_IGNORE = "".join(
    f"{line}\n"
    for line in ("# What a run builds and delivers, drafts, and what is yours alone", *IGNORED)
)


@dataclass(frozen=True, slots=True)
class Initialized:
    """What `init` found and did; paths are relative to the project's folder.

    commands: the git commands that were run; commit: the one that was made, if any; obstacle: why
    none was made, where one was wanted; pending: the command that makes it; missing_branch: git has
    no production branch of that name; left_out: what is in no commit of a new repository; exposed:
    what git should ignore and does not; workflow: what continuous integration runs, where that was
    asked for; founded: how the production branch was found.
    """

    folder: Path
    settings: Settings
    created: tuple[str, ...]
    kept: tuple[str, ...]
    commands: tuple[str, ...]
    commit: str | None
    obstacle: str | None
    pending: str
    has_identity: bool
    missing_branch: bool
    left_out: tuple[str, ...]
    exposed: tuple[str, ...]
    hooks: tuple[HookState, ...]
    has_nodes: bool
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
    """What somebody asks `init` for. production: the production branch; service: the continuous
    integration to write a workflow for; in a project that is there, that is all that is done."""

    name: str | None = None
    description: str | None = None
    production: str | None = None
    service: Service | None = None


NOTHING = Wish()


def init(folder: Path, wish: Wish = NOTHING, ask: Ask | None = None) -> Initialized:
    """Make a folder a project: add missing files, a repository and a first commit if need be, and
    the hooks.

    ask: how to ask a person for the production branch (see founding.py).

    Raises GitError where git refuses, and SeeknalError where a file cannot be written.
    """
    folder = _folder(folder)
    content = (folder / PROJECT_FILE).read_bytes() if (folder / PROJECT_FILE).is_file() else None
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
    flow = (
        workflow(wish.service, repository.top, repository.prefix, founded.branch)
        if wish.service
        else None
    )
    ours = {} if given and flow else _files(settings, folder)
    wanted = ours | (
        {os.path.relpath(repository.top / flow.path, folder): flow.text} if flow else {}
    )
    created = tuple(path for path in wanted if not os.path.lexists(folder / path))
    _write(repository, {f"{repository.prefix}{path}": wanted[path] for path in created})
    named = _name_production(repository, founded) if ours else ()
    misses = _misses(repository, founded.branch)
    if ours and not misses:
        git.remember_production(repository, founded.branch)
    project = [
        path for path in created if path in ours
    ]  # what a service runs is yours to look at, and to commit
    made = _commit(
        folder,
        [*_to_commit(project, is_new), *(() if is_new else named)],
        f"Begin the project {settings.name}",
    )
    return Initialized(
        folder=folder,
        settings=settings,
        created=created,
        kept=tuple(path for path in wanted if path not in created),
        commands=(*(["git init -b main"] if is_new else []), *made.commands),
        commit=made.commit,
        obstacle=made.obstacle,
        pending=made.pending,
        has_identity=_has_identity(folder),
        missing_branch=misses,
        left_out=_left_out(folder) if is_new else (),
        exposed=tuple(
            each
            for each in IGNORED
            if run_git("check-ignore", "-q", each, cwd=folder).returncode == 1
        ),
        hooks=_hooks(repository, settings) if ours else (),
        has_nodes=any(
            is_node_path(path.relative_to(folder).as_posix())
            for path in (folder / "seeknal").rglob("*.y*ml")
        ),
        workflow=flow,
        founded=founded,
    )


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


def _files(settings: Settings, folder: Path) -> dict[str, str]:
    """The files of a project; a kind's folder that has something in it needs no file to exist in
    git."""
    text = _SETTINGS.format(
        name=_yaml("name", settings.name),
        description=_yaml("description", settings.description),
        production=_yaml("production_branch", settings.production_branch),
    )
    text += _PROTECTED if settings.protect_production else ""
    folders = [folder_of(kind) for kind in KINDS]
    empty = [
        each
        for each in folders
        if not (folder / each).is_dir() or not any((folder / each).iterdir())
    ]
    return {PROJECT_FILE: text, "profiles.yml": _PROFILES, ".gitignore": _IGNORE} | {
        f"{each}/.gitkeep": "" for each in empty
    }


def _yaml(key: str, value: str) -> str:
    return yaml.safe_dump({key: value}, allow_unicode=True, width=10**6).strip()


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


def _to_commit(created: Sequence[str], is_new: bool) -> list[str]:
    """What the first commit holds: of a new repository the project, of another one only the files
    that we created."""
    return (
        [PROJECT_FILE, ".gitignore", "seeknal"]
        if is_new
        else [each for each in created if each not in IGNORED]
    )


def _commit(folder: Path, paths: Sequence[str], message: str) -> _Commit:
    """Commit some files and nothing else that is staged. Where that cannot be done they stay
    staged."""
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
    """What lies in the folder of a new repository and is in no commit, unless git ignores it."""
    status = run("status", "--porcelain", "-z", "--untracked-files=normal", cwd=folder)
    return tuple(entry[3:] for entry in status.split("\0") if entry.startswith("?? "))
