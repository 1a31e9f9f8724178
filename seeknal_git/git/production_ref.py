"""The local ref of the commit that production shows. It is a cache: the warehouse decides."""

from __future__ import annotations

import time
from contextlib import suppress

import pygit2

from seeknal_git.git.repository import Repository, has_commit, parents_of, ref_commit
from seeknal_git.names import production_ref_of

# The author of commits that no branch names.
KEEPER = ("seeknal", "seeknal@localhost")


def production_ref(repository: Repository) -> str | None:
    """The commit that production last published, as far as this clone knows."""
    return ref_commit(repository, production_ref_of(repository.prefix))


# Git writes a ref in far less than a millisecond: a lock that is older was left by a process that
# was killed.
_LOCK_SECONDS, _PAUSE_SECONDS = 1.0, 0.02


def set_production_ref(repository: Repository, commit: str) -> None:
    """Make the local ref match the warehouse. The ref is a cache: if it cannot be written now (a
    full disk), the next command repairs it."""
    name = production_ref_of(repository.prefix)
    give_up, lock = time.monotonic() + _LOCK_SECONDS, repository.common / f"{name}.lock"
    with suppress(OSError, pygit2.GitError):
        while production_ref(repository) != commit and has_commit(repository, commit):
            try:
                repository.handle.references.create(name, commit, force=True)
            except (OSError, pygit2.GitError):
                if not lock.exists():
                    raise
                if time.monotonic() > give_up:
                    lock.unlink()
                time.sleep(_PAUSE_SECONDS)


def is_kept_tree(repository: Repository, commit: str) -> bool:
    """Whether `keep_tree` made a commit, for uncommitted nodes that production ran."""
    return (
        has_commit(repository, commit)
        and repository.handle[commit].peel(pygit2.Commit).author.email == KEEPER[1]
    )


def is_at(repository: Repository, published: str, tip: str) -> bool:
    """Whether the published commit is a branch's tip, or the tip with uncommitted nodes on top."""
    return published == tip or (
        is_kept_tree(repository, published) and parents_of(repository, published) == [tip]
    )
