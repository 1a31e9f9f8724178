"""Merges in memory: the result of a merge, without writing to the repository."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pygit2

from seeknal_git.errors import GitError
from seeknal_git.git.command import git, run_git
from seeknal_git.git.repository import (
    Repository,
    branch_ref,
    current_branch,
    is_ancestor,
    merge_base,
)
from seeknal_git.git.tree import Tree, commit_tree, stored_tree
from seeknal_git.names import argument

_OURS_FIRST = 10  # before the priorities that libgit2 gives to a repository's own objects


@dataclass(frozen=True, slots=True)
class MergeResult:
    """The result of a merge."""

    # None for a merge with conflicts.
    tree: Tree | None
    # The files with conflicts, relative to the repository's top.
    conflicts: tuple[str, ...] = ()


def merged_tree(repository: Repository, into: str, source: str) -> MergeResult:
    """The result of merging one commit into another. Raises GitError if they have no merge base."""
    if is_ancestor(repository, source, into):
        return MergeResult(commit_tree(repository, into))
    if is_ancestor(repository, into, source):
        return MergeResult(commit_tree(repository, source))
    merge_base(repository, into, source)
    with tempfile.TemporaryDirectory() as objects:
        beside = replace(repository, handle=pygit2.Repository(repository.handle.path))
        tree, conflicts = _by_git(beside, into, source, objects) or _by_libgit2(
            beside, into, source, objects
        )
        if conflicts:
            return MergeResult(None, conflicts)
        return MergeResult(
            _kept(repository, stored_tree(beside, beside.handle[tree].peel(pygit2.Tree), None))
        )


def _kept(repository: Repository, tree: Tree) -> Tree:
    """A tree that can be read after the objects of the merge are gone."""
    fresh = {
        blob: tree.read(blob)
        for blob in {*tree.files.values(), *tree.links.values()}
        if blob not in repository.handle
    }
    read = tree.read
    return replace(tree, read=lambda blob: fresh[blob] if blob in fresh else read(blob))


def _by_git(
    repository: Repository, into: str, source: str, objects: str
) -> tuple[str, tuple[str, ...]] | None:
    """The merge by git's own strategy, with renames and merge drivers; None if git is older than
    2.38."""
    escaped = str(repository.common / "objects").replace("\\", "\\\\").replace('"', '\\"')
    where = {"GIT_OBJECT_DIRECTORY": objects, "GIT_ALTERNATE_OBJECT_DIRECTORIES": f'"{escaped}"'}
    options = ("--write-tree", "-z", "--name-only", "--no-messages")
    done = run_git("merge-tree", *options, into, source, cwd=repository.top, **where)
    if done.returncode not in (0, 1):
        return None
    tree, *conflicts = done.stdout.rstrip("\0").split("\0")
    repository.handle.odb.add_disk_alternate(objects)
    return tree, tuple(sorted(set(conflicts)))


def _by_libgit2(
    repository: Repository, into: str, source: str, objects: str
) -> tuple[str, tuple[str, ...]]:
    handle = repository.handle
    handle.odb.add_backend(pygit2.OdbBackendLoose(objects, -1, False), _OURS_FIRST)
    index = handle.merge_commits(into, source)
    if index.conflicts is not None:
        return "", tuple(
            sorted({side.path for sides in index.conflicts for side in sides if side is not None})
        )
    return str(index.write_tree(handle)), ()


def base_tree(repository: Repository, production: str, commit: str) -> Tree:
    """The tree of the merge base of a commit and production. If crossing merges left several merge
    bases, it is their merge, as in git's own recursive strategy.

    Raises GitError if there is no merge base.
    """
    base = merge_base(repository, production, commit)
    if base in (production, commit):
        return commit_tree(repository, base)
    bases = git("merge-base", "--all", production, commit, cwd=repository.top).split()
    tree = commit_tree(repository, base)
    if len(bases) == 2 and (both := merged_tree(repository, *bases).tree) is not None:
        return replace(both, commit=base)
    return tree


def need_no_conflict(
    repository: Repository, result: MergeResult, source: str, commit: str, into: str
) -> Tree:
    """The tree of a merge. Raises GitError with the files that conflict."""
    if result.tree is None:
        raise textual_conflict(repository, result.conflicts, source, commit, into)
    return result.tree


def textual_conflict(
    repository: Repository, files: Sequence[str], source: str, commit: str, into: str
) -> GitError:
    return GitError(
        f"{source} and {into} conflict in {', '.join(files)}.",
        how_to_mend(repository, source, commit, into),
    )


def how_to_mend(repository: Repository, source: str, commit: str, into: str) -> str:
    """A hint for a merge with conflicts: how to mend it on the side that is not released yet.

    source: the name of the commit.
    """
    ref = branch_ref(repository, into) or into
    theirs = argument(ref.removeprefix("refs/heads/").removeprefix("refs/remotes/"))
    if branch_ref(repository, source) is None:
        branch = f"git switch -c NAME {commit[:8]}"
        return f"Merge {into} into a branch and mend it there: {branch} && git merge {theirs}"
    switch = "" if current_branch(repository) == source else f"git switch {argument(source)} && "
    return f"Merge {into} into {source} and mend it there: {switch}git merge {theirs}"
