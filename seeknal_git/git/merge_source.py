"""The origin of a commit: the branch that it merged, and the person who works here."""

from __future__ import annotations

import re
from itertools import islice

import pygit2

from seeknal_git.git.command import run_git
from seeknal_git.git.repository import (
    Repository,
    branch_ref,
    branches,
    has_commit,
    is_ancestor,
    parents_of,
    ref_commit,
    remotes,
)

# Messages of merges, as git, GitHub and GitLab write them.
_MERGE = re.compile(
    r"\AMerge (?:(?:remote-tracking )?branch '(?P<branch>[^']+)'"
    r"|pull request #\d+ from [^/\s]+/(?P<theirs>\S+))"
)
# Entries in the log of a branch that a fast-forward moved.
_FAST_FORWARD = re.compile(r"\Amerge (?P<branch>\S+): Fast-forward")
# The count ends here.
_MANY = 10_000
_LONG_NAME = re.compile(r"\A(?:refs/heads/|refs/tags/|refs/remotes/[^/]+/)")


def branch_that_came(repository: Repository, commit: str, into: str) -> str | None:
    """The branch whose merge made a commit the tip of another branch; None if that is not known.

    It is known from the message of the merge, from git's log of the branch, or because exactly one
    other branch has that tip.
    """
    found = _that_came(repository, commit, into)
    return None if found == into else found  # a pull merges a remote's branch of the same name


def _that_came(repository: Repository, commit: str, into: str) -> str | None:
    parents = parents_of(repository, commit)
    if len(parents) > 1:
        return named_in(_message(repository, commit)) or _with_tip(repository, parents[1], into)
    known = _moved_by(repository, commit, into)
    return fast_forwarded(known) if known is not None else _with_tip(repository, commit, into)


def named_in(message: str) -> str | None:
    """The branch that the message of a merge names.

    >>> named_in("Merge branch 'dev' into main")
    'dev'
    >>> named_in("Merge pull request #7 from ada/feature/new-metrics")
    'feature/new-metrics'
    """
    found = _MERGE.match(message)
    return (found["branch"] or found["theirs"]).removeprefix("origin/") if found else None


def fast_forwarded(entry: str) -> str | None:
    """The branch that an entry of a branch's log names.

    >>> fast_forwarded("merge refs/heads/dev: Fast-forward")
    'dev'
    >>> fast_forwarded("commit: Count the orders")
    """
    found = _FAST_FORWARD.match(entry)
    if found is None or re.fullmatch(r"[0-9a-f]{7,}", found["branch"]):
        return None
    return _LONG_NAME.sub("", found["branch"]).removeprefix("origin/")


def _message(repository: Repository, commit: str) -> str:
    return repository.handle[commit].peel(pygit2.Commit).message


def _moved_by(repository: Repository, commit: str, branch: str) -> str | None:
    """The entry of git's log for the move of a branch to a commit; None if git keeps no log, "" if
    the entry is not in UTF-8."""
    name = branch_ref(repository, branch)
    if name is None:
        return None
    entries = repository.handle.lookup_reference(name).log()
    try:
        return next((entry.message for entry in entries if str(entry.oid_new) == commit), None)
    except UnicodeDecodeError:
        return ""


def _with_tip(repository: Repository, commit: str, into: str) -> str | None:
    """The only local branch besides `into` that has a commit as its tip; None if there is none."""
    references = repository.handle.references
    found = [
        branch
        for branch in branches(repository)
        if branch != into and str(references[f"refs/heads/{branch}"].target) == commit
    ]
    return found[0] if len(found) == 1 else None


def lacking(repository: Repository, branch: str, commit: str) -> int:
    """The number of commits, up to a published one, that the local branch lacks.

    It is 0 if the branch had the published commit before, since it was then taken back on purpose:
    git's log of the branch tells, as for git push --force-if-includes. It is also 0 if git keeps no
    log, and if the remote's branch neither has the commit nor leads to it: it was taken back there.
    """
    here = f"refs/heads/{branch}"
    tip = ref_commit(repository, here)
    known = (
        ref_commit(repository, f"refs/remotes/{remote}/{branch}") for remote in remotes(repository)
    )
    theirs = [known_commit for known_commit in known if known_commit]
    has_it = any(is_ancestor(repository, commit, known_commit) for known_commit in theirs)
    if tip is None or not (has_it or not theirs or is_ancestor(repository, tip, commit)):
        return 0
    log = repository.handle.lookup_reference(here).log()
    had = {
        str(commit) for entry in log for commit in (entry.oid_old, entry.oid_new)
    }  # older entries expire
    if not had or _beyond(repository, commit, had) == 0:
        return 0
    return _beyond(repository, commit, {tip})


def _beyond(repository: Repository, commit: str, known: set[str]) -> int:
    """The number of commits that lead to a commit and are not among the ancestors of the known."""
    walk = repository.handle.walk(commit)
    for known_commit in known:
        if has_commit(repository, known_commit):
            walk.hide(known_commit)
    return sum(1 for _ in islice(walk, _MANY))


def whoami(repository: Repository) -> str | None:
    """The user, from git's variables and configuration; None if git does not know."""
    done = run_git("var", "GIT_COMMITTER_IDENT", cwd=repository.top)
    return (
        None if done.returncode else done.stdout.rsplit(" ", 2)[0]
    )  # without the time and its zone
