"""The names of branches that a clone still knows: from refs of every kind, and from its working
trees."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from seeknal_git.git.command import git
from seeknal_git.git.repository import Repository

_ABBREVIATED = re.compile(r"[0-9a-f]{7,40}")


@dataclass(frozen=True, slots=True)
class KnownNames:
    """All names of branches, tags and commits that somebody may still use."""

    # For the name of a branch or a tag, the place where it exists, in words.
    refs: Mapping[str, str]
    # The commits that worktrees have checked out without a branch.
    detached: frozenset[str]

    def holder(self, name: str, commit: str | None) -> str | None:
        """Why a branch, a tag or an abbreviated commit still exists; None if it does not.

        commit: the commit that was built under the name.
        """
        if name in self.refs:
            return self.refs[name]
        begins = name if _ABBREVIATED.fullmatch(name) else None
        at = (
            head
            for head in sorted(self.detached)
            if head == commit or (begins and head.startswith(begins))
        )
        return next((f"a worktree is at {head[:8]}" for head in at), None)


def known_names(repository: Repository) -> KnownNames:
    """All names of branches that this clone knows. In doubt, a name exists.

    Raises GitError if git cannot list them.
    """
    checked_out, detached = _worktrees(repository)
    refs = dict.fromkeys(checked_out, "a worktree has it checked out")
    remotes = [name for name in repository.handle.remotes.names() if name]
    for ref in _all_refs(repository):
        refs |= {
            name: words
            for name, words in _names(ref, remotes)
            if name not in refs or ref.startswith(_LOCAL)
        }
    return KnownNames(refs, frozenset(detached))


_LOCAL, _REMOTE, _TAG, _OURS = "refs/heads/", "refs/remotes/", "refs/tags/", "refs/seeknal/"


def _all_refs(repository: Repository) -> list[str]:
    """All refs, also those that git skips as broken: a branch whose file was emptied by a crash
    still exists."""
    common = repository.common
    loose = (
        path.relative_to(common).as_posix()
        for path in (common / "refs").rglob("*")
        if path.is_file()
    )
    return sorted({*repository.handle.references, *loose})


def _names(ref: str, remotes: Collection[str]) -> Iterator[tuple[str, str]]:
    """The names that may mean a ref, each with the place where it exists, in words. The name of a
    remote may have slashes."""
    if ref.startswith(_OURS):
        return
    if ref.startswith(_LOCAL):
        yield ref.removeprefix(_LOCAL), "its branch is here"
    elif ref.startswith(_TAG):
        yield ref.removeprefix(_TAG), "a tag has its name"
    else:
        rest = ref.removeprefix(_REMOTE)
        yield rest, f"{rest} is here"
        of = [name for name in remotes if ref.startswith(f"{_REMOTE}{name}/")]
        for remote in of:
            yield rest.removeprefix(f"{remote}/"), f"its branch is on {remote}"
        parts = rest.split("/")
        for start in range(
            1, len(parts) if not of else 0
        ):  # of a remote that is no longer known, or fetched elsewhere
            yield "/".join(parts[start:]), f"{ref} is here"


def _worktrees(repository: Repository) -> tuple[set[str], set[str]]:
    """The branches that working trees have checked out, also before a first commit; and the commits
    of the others."""
    branches, detached = set(), set()
    for block in git("worktree", "list", "--porcelain", cwd=repository.top).split("\n\n"):
        fields = dict(line.partition(" ")[::2] for line in block.splitlines())
        if "branch" in fields:
            branches.add(fields["branch"].removeprefix(_LOCAL))
        elif "HEAD" in fields:
            detached.add(fields["HEAD"])
    return branches, detached
