"""Find the repository around a project, and read its branches, commits and refs."""

from __future__ import annotations

import difflib
import os
from dataclasses import dataclass
from pathlib import Path

import pygit2
from pygit2.enums import RepositoryState

from seeknal_git.errors import GitError, UsageError
from seeknal_git.git.command import git
from seeknal_git.names import production_ref_of

# Who makes the commits that no branch names.
KEEPER = ("seeknal", "seeknal@localhost")


@dataclass(frozen=True, slots=True)
class Repository:
    """One working tree of a repository, and where in it the project is.

    top: the working tree's root; prefix: the project's folder below it, `""` or ending in `/`;
    common: git's own folder, shared by all linked worktrees; handle: libgit2's object, for this package only;
    bare: whether there is no working tree, as on a server: top is then git's own folder.
    """

    top: Path
    prefix: str
    common: Path
    handle: pygit2.Repository
    bare: bool = False

    @property
    def project(self) -> Path:
        return self.top / self.prefix

    @property
    def private(self) -> Path:
        """Where seeknal keeps what belongs to this clone alone: caches and saved plans."""
        return self.common / "seeknal"

    @property
    def main_worktree(self) -> Path:
        """The working tree that the clone started with; the linked ones share its warehouse."""
        workdir = pygit2.Repository(str(self.common)).workdir if self.common != self.top / ".git" else None
        return Path(workdir) if workdir else self.top


def open_repository(project: Path) -> Repository:
    """The repository that a folder is in. Raises GitError where there is none, or only a bare one."""
    project = project.resolve()
    found = pygit2.discover_repository(str(project))
    if found is None:
        raise GitError(f"{project} is not in a git repository.", "Create one with: git init -b main")
    handle = _open(found)
    if handle.workdir is None:
        raise GitError(f"{found} is a bare repository: it has no working tree to read nodes from.")
    top = Path(handle.workdir).resolve()
    relative = project.relative_to(top).as_posix()
    git_dir = Path(handle.path).resolve()
    return Repository(top, "" if relative == "." else f"{relative}/", _common_dir(git_dir), handle)


def _open(path: str) -> pygit2.Repository:
    try:
        return pygit2.Repository(path)
    except pygit2.GitError as exc:
        raise GitError(f"git cannot open {path}: {exc}", "`git status` there says more.") from exc


def _common_dir(git_dir: Path) -> Path:
    """libgit2 does not tell it: a linked worktree names the shared folder in a file."""
    pointer = git_dir / "commondir"
    return (git_dir / pointer.read_text().strip()).resolve() if pointer.exists() else git_dir


def current_branch(repository: Repository) -> str | None:
    """The branch that is checked out, also before its first commit; None where HEAD is detached."""
    head = repository.handle.lookup_reference("HEAD")
    target = head.raw_target
    name = target.decode(errors="surrogateescape") if isinstance(target, bytes) else str(target)
    return name.removeprefix("refs/heads/") if name.startswith("refs/heads/") else None


def head_commit(repository: Repository) -> str | None:
    """The commit that is checked out, or None before the first one."""
    return None if repository.handle.head_is_unborn else str(repository.handle.head.target)


def need_commit(repository: Repository) -> str:
    head = head_commit(repository)
    if head is None:
        raise GitError("There is no commit yet.", "Make the first one: git add . && git commit -m 'First commit'")
    return head


def branches(repository: Repository) -> list[str]:
    return sorted(repository.handle.branches.local)


def branch_ref(repository: Repository, branch: str) -> str | None:
    """The full name of a branch, which no tag can be taken for; a remote's serves where there is no local one."""
    names = (f"refs/heads/{branch}", f"refs/remotes/origin/{branch}")
    return next((name for name in names if ref_commit(repository, name) is not None), None)


def branch_tip(repository: Repository, branch: str) -> str | None:
    """The commit that a branch points at."""
    name = branch_ref(repository, branch)
    return ref_commit(repository, name) if name else None


def need_branch(repository: Repository, branch: str, what: str = "branch") -> str:
    """The tip of a branch. Raises UsageError, with the nearest name, where there is none."""
    tip = branch_tip(repository, branch)
    if tip is None:
        need_commit(repository)
        near = difflib.get_close_matches(branch, branches(repository), 1)
        hint = f"Did you mean {near[0]}?" if near else f"There are {', '.join(branches(repository)[:8])}."
        raise UsageError(f"There is no {what} {branch}.", hint)
    return tip


def ref_commit(repository: Repository, name: str) -> str | None:
    try:
        reference = repository.handle.lookup_reference(name)
    except (KeyError, pygit2.InvalidSpecError):
        return None
    return str(reference.peel(pygit2.Commit).id)


def has_commit(repository: Repository, commit: str) -> bool:
    return isinstance(repository.handle.get(commit), pygit2.Commit)


def production_ref(repository: Repository) -> str | None:
    """The commit that production last published, as this clone knows it."""
    return ref_commit(repository, production_ref_of(repository.prefix))


def set_production_ref(repository: Repository, commit: str) -> None:
    if production_ref(repository) != commit and has_commit(repository, commit):
        repository.handle.references.create(production_ref_of(repository.prefix), commit, force=True)


def merge_base(repository: Repository, one: str, other: str) -> str:
    """The commit that two commits last had in common.

    Raises GitError for unrelated histories, and for a shallow clone that does not reach back far enough.
    """
    base: pygit2.Oid | None = repository.handle.merge_base(one, other)
    if base is not None:
        return str(base)
    if repository.handle.is_shallow:
        raise GitError(
            "This clone is shallow and does not reach back to the merge base.", "Fetch it: git fetch --unshallow"
        )
    raise GitError(
        f"The commits {one[:8]} and {other[:8]} have unrelated histories: there is no merge base to compare with.",
        "Start the branch from the production branch: git switch -c NAME main",
    )


def ahead_behind(repository: Repository, one: str, other: str) -> tuple[int, int]:
    return repository.handle.ahead_behind(one, other)


def is_ancestor(repository: Repository, ancestor: str, commit: str) -> bool:
    return ancestor == commit or repository.handle.descendant_of(commit, ancestor)


def is_shallow(repository: Repository) -> bool:
    return repository.handle.is_shallow


def unfinished_operation(repository: Repository) -> str | None:
    """What git is in the middle of (`merge`, `rebase`, …), or None."""
    state = RepositoryState(repository.handle.state())
    return None if state == RepositoryState.NONE else state.name.lower().split("_")[0]


def is_kept_tree(repository: Repository, commit: str) -> bool:
    """Whether a commit is one that `keep_tree` made: uncommitted nodes, as production ran them."""
    return has_commit(repository, commit) and repository.handle[commit].peel(pygit2.Commit).author.email == KEEPER[1]


def parents_of(repository: Repository, commit: str) -> list[str]:
    return [str(parent) for parent in repository.handle[commit].peel(pygit2.Commit).parent_ids]


def author_of(repository: Repository, commit: str) -> str:
    author = repository.handle[commit].peel(pygit2.Commit).author
    return f"{author.name} <{author.email}>"


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
    """The index that git names in the environment: `git commit -a` and `git commit PATH` use one of their own."""
    named = os.environ.get("GIT_INDEX_FILE")
    return (repository.top / named).resolve() if named else None
