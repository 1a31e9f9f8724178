"""Find the repository around a project, and read its branches, commits and refs."""

from __future__ import annotations

import difflib
import os
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pygit2
from pygit2.enums import RepositoryOpenFlag

from seeknal_git.errors import GitError, UsageError, some
from seeknal_git.git.command import blob_content, git, is_meant_as_bare, run_git
from seeknal_git.names import argument, command_line


@dataclass(frozen=True, slots=True)
class Repository:
    """One working tree of a repository, and the place of the project in it."""

    # The root of the working tree; the repository itself if it is bare.
    top: Path
    # The project's folder below it: "" or ending in `/`.
    prefix: str
    # git's own folder, which all linked worktrees share.
    common: Path
    # libgit2's object, for this package only.
    handle: pygit2.Repository
    # Whether there is no working tree.
    bare: bool = False

    @property
    def project(self) -> Path:
        return self.top / self.prefix

    @property
    def private(self) -> Path:
        """The folder for files of this clone alone: caches and saved plans."""
        return self.common / "seeknal"

    @property
    def cache(self) -> Path:
        """The folder of the caches, and of nothing else: it may be kept between CI jobs."""
        return self.private / "cache"

    @property
    def main_worktree(self) -> Path | None:
        """The working tree that the clone started with; None for a bare repository."""
        if self.bare:
            return None
        if self.common == Path(self.handle.path).resolve():
            return self.top
        workdir = pygit2.Repository(str(self.common)).workdir
        return Path(workdir) if workdir else None


def open_repository(project: Path) -> Repository:
    """The repository around a project's folder. Raises GitError if there is none, or only a bare
    one."""
    project = project.resolve()
    handle = _discovered(project)
    if handle is None:
        raise GitError(
            f"{project} is not in a git repository.", "Create one with: git init -b main"
        )
    if handle.workdir is None:
        raise GitError(
            f"{handle.path} is a bare repository: it has no working tree to read nodes from."
        )
    top = Path(handle.workdir).resolve()
    return Repository(
        top, _prefix(project.relative_to(top)), _common_dir(Path(handle.path).resolve()), handle
    )


def open_bare(start: Path) -> Repository | None:
    """The bare repository at a folder, with all of it as the project; None if it is none.

    A folder within a working tree is none, even if it looks like one: a branch may have brought it.
    """
    start = start.resolve()
    handle = _opened(start) if is_meant_as_bare(start) else None
    if handle is None or not handle.is_bare:
        return None
    git_dir = Path(handle.path).resolve()
    return Repository(git_dir, "", git_dir, handle, bare=True)


def open_around(folder: Path) -> Repository | None:
    """The repository around a folder, with all of it as the project; None if there is none with a
    working tree."""
    handle = _discovered(folder.resolve()) if folder.is_dir() else None
    if handle is None or handle.workdir is None:
        return None
    return Repository(
        Path(handle.workdir).resolve(), "", _common_dir(Path(handle.path).resolve()), handle
    )


def _prefix(folder: Path) -> str:
    return "" if folder == Path() else f"{folder.as_posix()}/"


def _discovered(start: Path) -> pygit2.Repository | None:
    """The repository around a folder. Only a `.git` makes a repository."""
    for folder in (start, *start.parents):
        if (folder / ".git").exists():
            # Opened by the folder: libgit2 would find another working tree for a `.git` that is a
            # link.
            found = _opened(folder)
            if found is not None and Path(found.path) != folder:
                return found
    return _opened(start) if is_meant_as_bare(start) else None


def _opened(place: Path) -> pygit2.Repository | None:
    try:
        return pygit2.Repository(str(place), RepositoryOpenFlag.NO_SEARCH)
    except pygit2.GitError as exc:
        if str(exc).startswith("Repository not found"):
            return None
        if "not owned by current user" in str(exc):
            trust = f"git config --global --add safe.directory {argument(str(place))}"
            raise GitError(
                f"The repository {place} belongs to another user.", f"Trust it: {trust}"
            ) from exc
        raise GitError(
            f"git cannot open the repository {place}: {exc}", "`git status` there says more."
        ) from exc


def _common_dir(git_dir: Path) -> Path:
    """The shared git folder. libgit2 does not tell it; a linked worktree names it in a file."""
    pointer = git_dir / "commondir"
    return (git_dir / pointer.read_text().strip()).resolve() if pointer.exists() else git_dir


def current_branch(repository: Repository) -> str | None:
    """The branch that is checked out, also before its first commit; None if HEAD is detached."""
    name = _target(repository, "HEAD")
    return name.removeprefix("refs/heads/") if name.startswith("refs/heads/") else None


def _target(repository: Repository, name: str) -> str:
    target = repository.handle.lookup_reference(name).raw_target
    return target.decode(errors="surrogateescape") if isinstance(target, bytes) else str(target)


def head_commit(repository: Repository) -> str | None:
    """The commit that is checked out, or None before the first one."""
    return None if repository.handle.head_is_unborn else str(repository.handle.head.target)


def need_commit(repository: Repository) -> str:
    head = head_commit(repository)
    if head is None:
        raise GitError(
            "There is no commit yet.",
            "Make the first one: git add . && git commit -m 'First commit'",
        )
    return head


def configured_data_root(repository: Repository) -> Path | None:
    """The data root in git's configuration (`seeknal.dataRoot`), which all working trees of a clone
    share: a relative path is below the main working tree, or below the bare repository."""
    try:
        named = repository.handle.config["seeknal.dataroot"] or "."
    except KeyError:
        return None
    return ((repository.main_worktree or repository.common) / Path(named).expanduser()).resolve()


def production_key(repository: Repository) -> str:
    """The key of git's configuration that names a project's production branch."""
    folder = repository.prefix.rstrip("/")
    return f"seeknal.{folder}.productionBranch" if folder else "seeknal.productionBranch"


def configured_production(repository: Repository) -> str | None:
    """The production branch in git's configuration: of this project, else of the whole
    repository."""
    for key in dict.fromkeys([production_key(repository), "seeknal.productionBranch"]):
        with suppress(
            KeyError, ValueError, pygit2.GitError
        ):  # the key does not exist, or cannot hold the folder's name
            if named := repository.handle.config[key]:
                return str(named)
    return None


def remember_production(repository: Repository, branch: str) -> None:
    """Store the production branch in git's configuration. A clone that cannot be written finds it
    each time."""
    run_git("config", production_key(repository), branch, cwd=repository.top)


def default_branch(repository: Repository) -> str | None:
    """The default branch: of the remote, on a server of HEAD; else main or master, if it exists."""
    if (
        repository.bare
        and (head := current_branch(repository))
        and production_tip(repository, head)
    ):
        return head
    remote = _first_remote(repository)
    head, below = f"refs/remotes/{remote}/HEAD", f"refs/remotes/{remote}/"
    if remote and head in repository.handle.references:
        target = _target(repository, head)
        if target.startswith(below):  # the HEAD of a remote may be on no branch
            return target.removeprefix(below)
    return next((name for name in ("main", "master") if production_tip(repository, name)), None)


def all_branches(repository: Repository) -> list[str] | None:
    """The local branches and those of the remote; None in a clone of some branches only."""
    remote = _first_remote(repository)
    if remote is None:
        return None if remotes(repository) else branches(repository)
    if not any(
        "refs/heads/*" in refspec for refspec in repository.handle.remotes[remote].fetch_refspecs
    ):
        return None
    theirs = (name for name in repository.handle.branches.remote if name.startswith(f"{remote}/"))
    return sorted(
        {*branches(repository), *(name.removeprefix(f"{remote}/") for name in theirs)} - {"HEAD"}
    )


def _first_remote(repository: Repository) -> str | None:
    """The remote that serves for branches that are not here: origin, or the only remote."""
    known = remotes(repository)
    return known[0] if len(known) == 1 or "origin" in known else None


def production_tip(repository: Repository, branch: str) -> str | None:
    """The tip of a production branch: of the local one, else of the clone's own remote. Other
    remotes, tags and commits of that name do not count."""
    remote = _first_remote(repository)
    names = [f"refs/heads/{branch}", *([f"refs/remotes/{remote}/{branch}"] if remote else [])]
    return next((commit for name in names if (commit := ref_commit(repository, name))), None)


def need_production(repository: Repository, branch: str) -> str:
    """The tip of the production branch. Raises UsageError, with the command that fetches it, if
    this clone does not have it."""
    if tip := production_tip(repository, branch):
        return tip
    need_commit(repository)
    message = f"There is no production branch {branch}"
    named = command_line("git", "config", production_key(repository))
    if remotes(repository):
        fetch = fetch_command(remotes(repository)[0], branch)
        raise UsageError(
            f"{message} in this clone.", f"Fetch it: {fetch}; or name another: {named} NAME"
        )
    usual = [name for name in ("main", "master") if name in branches(repository)]
    near = (
        *difflib.get_close_matches(branch.lower(), branches(repository), 1),
        *usual,
        current_branch(repository),
    )
    meant = next((name for name in near if name), "NAME")
    raise UsageError(
        f"{message}.", f"If it has another name now, tell git: {named} {argument(meant)}"
    )


def file_at(repository: Repository, commit: str, path: str) -> bytes | None:
    """The content of a project's file in a commit; None if it has none."""
    try:
        entry = repository.handle[commit].peel(pygit2.Tree)[f"{repository.prefix}{path}"]
    except (KeyError, pygit2.GitError):
        return None
    try:
        return entry.data if isinstance(entry, pygit2.Blob) else None
    except (KeyError, pygit2.GitError):  # a partial clone fetches it now
        return blob_content(str(entry.id), repository.top)


def branches(repository: Repository) -> list[str]:
    return sorted(repository.handle.branches.local)


def remotes(repository: Repository) -> list[str]:
    """The names of the known remotes, `origin` first."""
    return sorted(
        (str(name) for name in repository.handle.remotes.names()),
        key=lambda name: (name != "origin", name),
    )


def branch_ref(repository: Repository, branch: str) -> str | None:
    """The full name of a branch, which no tag can have. If there is no local branch, that of a
    remote, whose name may be written in front."""
    fetched = [f"refs/remotes/{remote}/{branch}" for remote in remotes(repository)]
    names = [
        f"refs/heads/{branch}",
        *fetched,
        *([] if branch.endswith("/HEAD") else [f"refs/remotes/{branch}"]),
    ]
    return next((name for name in names if ref_commit(repository, name) is not None), None)


def branch_of_remote(repository: Repository, name: str) -> str | None:
    """The name of a branch on its remote, for a name such as `origin/dev`; None for other names."""
    if branch_ref(repository, name) != f"refs/remotes/{name}":
        return None
    return next(
        (
            name.removeprefix(f"{remote}/")
            for remote in remotes(repository)
            if name.startswith(f"{remote}/")
        ),
        None,
    )


def tag_ref(repository: Repository, tag: str) -> str | None:
    """The full name of a tag of a commit."""
    name = f"refs/tags/{tag}"
    return name if ref_commit(repository, name) is not None else None


# A shorter id may be the name of a branch that somebody is about to create.
_COMMIT = re.compile(r"[0-9a-f]{7,40}|.*[~^@].*")


def find_commit(repository: Repository, revision: str) -> str | None:
    """The commit of an id, abbreviated or not, or of a revision such as `HEAD~2`; None if there is
    none."""
    return resolved(repository, revision) if _COMMIT.fullmatch(revision) else None


def resolved(repository: Repository, revision: str) -> str | None:
    """The commit of a revision, in any of git's notations; None if there is none."""
    try:
        return str(repository.handle.revparse_single(revision).peel(pygit2.Commit).id)
    except (KeyError, ValueError, pygit2.GitError):
        return None


def branch_tip(repository: Repository, branch: str) -> str | None:
    """The commit that a branch points at."""
    name = branch_ref(repository, branch)
    return ref_commit(repository, name) if name else None


_SHOWN = 8


def need_branch(repository: Repository, branch: str) -> str:
    """The tip of a branch. Raises UsageError, with the nearest name, if it does not exist."""
    tip = branch_tip(repository, branch)
    if tip is None:
        need_commit(repository)
        known = known_branches(repository)
        near = difflib.get_close_matches(branch, known, 1)
        hint = f"Did you mean {near[0]}?" if near else f"There are {some(known, _SHOWN)}."
        raise UsageError(f"There is no branch {branch}.", hint)
    return tip


def fetch_command(remote: str, branch: str) -> str:
    """The command that fetches a branch of a remote, also in a clone of another branch alone."""
    return command_line("git", "fetch", remote, f"{branch}:refs/remotes/{remote}/{branch}")


def known_branches(repository: Repository) -> list[str]:
    """The names of local branches, and of branches of remotes without the remote's name."""
    fetched = (name.partition("/")[2] for name in repository.handle.branches.remote)
    return sorted({*branches(repository), *(name for name in fetched if name != "HEAD")})


def ref_commit(repository: Repository, name: str) -> str | None:
    try:
        return str(repository.handle.lookup_reference(name).peel(pygit2.Commit).id)
    except (
        KeyError,
        pygit2.GitError,
    ):  # InvalidSpecError, a tag of a tree, a commit that is not here
        return None


def has_commit(repository: Repository, commit: str) -> bool:
    return isinstance(repository.handle.get(commit), pygit2.Commit)


def merge_base(repository: Repository, one: str, other: str) -> str:
    """The merge base of two commits.

    Raises GitError for unrelated histories, and for a shallow clone that does not reach back to it.
    """
    base: pygit2.Oid | None = repository.handle.merge_base(one, other)
    if base is not None:
        return str(base)
    if repository.handle.is_shallow:
        raise GitError(
            "This clone is shallow: it does not reach back to the merge base"
            f" of {one[:8]} and {other[:8]}.",
            "Fetch the history: git fetch --unshallow (in CI, fetch-depth: 0 or GIT_DEPTH: 0).",
        )
    raise GitError(
        f"The commits {one[:8]} and {other[:8]} have unrelated histories:"
        " there is no merge base to compare with.",
        "Start the branch from the production branch: git switch -c NAME main",
    )


def ahead_behind(repository: Repository, one: str, other: str) -> tuple[int, int]:
    return repository.handle.ahead_behind(one, other)


def is_ancestor(repository: Repository, ancestor: str, commit: str) -> bool:
    return ancestor == commit or repository.handle.descendant_of(commit, ancestor)


def is_shallow(repository: Repository) -> bool:
    return repository.handle.is_shallow


def parents_of(repository: Repository, commit: str) -> list[str]:
    return [str(parent) for parent in repository.handle[commit].peel(pygit2.Commit).parent_ids]


def author_of(repository: Repository, commit: str) -> str:
    author = repository.handle[commit].peel(pygit2.Commit).author
    return f"{author.name} <{author.email}>"


def subject_of(repository: Repository, commit: str) -> str | None:
    """The first line of a commit's message; None if the commit is not here."""
    if not has_commit(repository, commit):
        return None
    return next(
        iter(repository.handle[commit].peel(pygit2.Commit).message.strip().splitlines()), ""
    )


def commit_time(repository: Repository, commit: str) -> int:
    """Seconds since 1970."""
    return repository.handle[commit].peel(pygit2.Commit).commit_time


def worktree_of(repository: Repository, branch: str) -> Path | None:
    """The working tree that has a branch checked out, if any."""
    for block in git("worktree", "list", "--porcelain", cwd=repository.top).split("\n\n"):
        fields = dict(line.partition(" ")[::2] for line in block.splitlines())
        if fields.get("branch") == f"refs/heads/{branch}":
            return Path(fields["worktree"])
    return None


def index_file(repository: Repository) -> Path | None:
    """The index that git names in the environment, for `git commit -a` and `git commit PATH`; None
    if it names none."""
    named = os.environ.get("GIT_INDEX_FILE")
    return (repository.top / named).resolve() if named else None
