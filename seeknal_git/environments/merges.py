"""Whether a merge holds together: everything that is wrong with it and with neither side, and who
did what."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from seeknal_git.environments.environment import Environment
from seeknal_git.environments.revision import Revision, revision_of
from seeknal_git.errors import GitError, Problem, ProjectError
from seeknal_git.git import repository as git
from seeknal_git.git.command import git as run
from seeknal_git.git.merge_in_memory import base_tree
from seeknal_git.git.operation import merge_head
from seeknal_git.git.tree import commit_tree
from seeknal_git.names import in_lines
from seeknal_git.plan.changes import Change, make_plan
from seeknal_git.plan.conflicts import Conflict, Merge, Side, find_conflicts, side_of
from seeknal_git.project.fingerprints import Category
from seeknal_git.project.load import Loaded, load
from seeknal_git.project.settings import PROJECT_FILE, read_settings
from seeknal_git.project.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Part:
    """What one side did: the last commit of it that touched the file, and the edit of a node."""

    side: str
    commit: str | None
    change: Change


@dataclass(frozen=True, slots=True)
class _Branch:
    """A side of a merge, and what its tip holds."""

    revision: Revision
    loaded: Loaded


@dataclass(frozen=True, slots=True)
class MergeConflict:
    """Something wrong with the merge and with neither side, and the part that each of them has in
    it."""

    problem: Problem
    parts: tuple[Part, ...]


def check_merge(
    workspace: Workspace, source: Revision, target: Revision, merged: Loaded, into: Loaded
) -> tuple[tuple[MergeConflict, ...], tuple[Problem, ...]]:
    """What the two sides did to each other, and what was wrong before."""
    common = base_tree(workspace.repository, target.commit or "", source.commit or "")
    base = load(workspace, common, merged, keeps=workspace.production_schema)
    theirs = loaded_at(workspace, source, merged)
    old = {(each.path, each.message) for side in (into, theirs) for each in _problems(side)}
    fresh = [each for each in _problems(merged) if (each.path, each.message) not in old]
    merge = Merge(base.graph, _side(base, into), _side(base, theirs), merged.graph)
    found = find_conflicts(merge, fresh)
    branches = _Branch(target, into), _Branch(source, theirs)
    located = tuple(_located(workspace, each, base, branches) for each in found)
    return located, tuple(each for each in _problems(merged) if each not in fresh)


def _problems(loaded: Loaded) -> tuple[Problem, ...]:
    """All that `validate` would say, were this checked out."""
    tree = loaded.tree
    try:
        if PROJECT_FILE in tree.files:
            read_settings(tree.read_small(PROJECT_FILE))
    except ProjectError as exc:
        return exc.problems
    return loaded.all_problems


def _side(base: Loaded, loaded: Loaded) -> Side:
    return side_of(base.graph, loaded.graph, make_plan(base.state, loaded.state).changes)


def loaded_at(workspace: Workspace, revision: Revision, like: Loaded) -> Loaded:
    """What a revision's commit holds, without uncommitted changes."""
    tree = commit_tree(workspace.repository, revision.commit or "")
    return load(workspace, tree, like, keeps=workspace.production_schema)


def staged_conflicts(workspace: Workspace, merged: Loaded) -> tuple[MergeConflict, ...]:
    """What is wrong with the merge that git is about to commit, and with neither of its sides; none
    where it is about to commit no merge."""
    head, other = git.head_commit(workspace.repository), merge_head(workspace.repository)
    if head is None or other is None:
        return ()
    source, target = (
        Revision(Environment(other[1], workspace.production), other[0], checked_out=False),
        Revision(revision_of(workspace).environment, head, checked_out=False),
    )
    try:
        return check_merge(workspace, source, target, merged, loaded_at(workspace, target, merged))[
            0
        ]
    except GitError:  # histories that have nothing in common
        return ()


def _located(
    workspace: Workspace, found: Conflict, base: Loaded, branches: tuple[_Branch, _Branch]
) -> MergeConflict:
    edits = zip(branches, (found.into, found.source), strict=True)
    if (
        found.into is None and found.source is None
    ):  # a file that is no node any more, or never was one
        path = found.problem.path or ""
        edits = zip(
            branches, (_file_edited(path, base, branch.loaded) for branch in branches), strict=True
        )
    parts = [
        _part(workspace, base, branch, change) for branch, change in edits if change is not None
    ]
    return MergeConflict(found.problem, tuple(parts))


def _file_edited(path: str, base: Loaded, loaded: Loaded) -> Change | None:
    if base.tree.files.get(path) == loaded.tree.files.get(path):
        return None
    node = next(
        (each.node for each in loaded.graph.members.values() if each.node.path == path), None
    )
    return Change(
        node.id if node else path,
        Category.METADATA,
        path,
        node.line("name") if node else 1,
        ("edited",),
    )


def _part(workspace: Workspace, base: Loaded, branch: _Branch, change: Change) -> Part:
    span = f"{base.tree.commit}..{branch.revision.commit}"
    commit = _last_commit(workspace, span, change.path)
    if commit is None and (data := _edited_data(base, branch.loaded, change.node)):
        change = replace(change, path=data, line=1)
        commit = _last_commit(workspace, span, data)
    return Part(branch.revision.name, commit, change)


def _edited_data(base: Loaded, loaded: Loaded, node: str) -> str | None:
    """The data file that was edited, added or removed, of a source that is as it was itself."""
    sides = [
        each
        for each in (base, loaded)
        if node in each.graph.members and each.graph.node(node).kind == "source"
    ]
    files = sorted({file.path for each in sides for file in each.root.files(each.graph.node(node))})
    return next(
        (path for path in files if base.tree.files.get(path) != loaded.tree.files.get(path)), None
    )


def _last_commit(workspace: Workspace, span: str, path: str) -> str | None:
    """The last commit of one side that touched a file."""
    repository = workspace.repository
    where = f":(top,literal){repository.prefix}{path}"
    return run("log", "-1", "--format=%H", span, "--", where, cwd=repository.top) or None


def explained_conflicts(conflicts: Iterable[MergeConflict], next_step: str) -> tuple[Problem, ...]:
    """Conflicts as problems, whose hints name both sides; the last one ends with the next step."""
    found = [_explained(each) for each in conflicts]
    if found:
        found[-1] = replace(found[-1], hint=in_lines(filter(None, [found[-1].hint, next_step])))
    return tuple(found)


def _explained(conflict: MergeConflict) -> Problem:
    problem = conflict.problem
    # What somebody removed was no slip of the pen.
    removed = any(part.change.category == Category.REMOVED for part in conflict.parts)
    own = [problem.hint] if problem.hint and not removed else []
    hint = in_lines([*own, *map(told, conflict.parts)])
    return Problem(problem.message, problem.path, problem.line, hint or None, problem.node)


def told(part: Part) -> str:
    """What one side did, in words: its commit, the node, the place and the edit."""
    change = part.change
    commit = f" {part.commit[:8]}" if part.commit and part.side != part.commit[:8] else ""
    place = f"{change.path}:{change.line}"
    what = place if change.node == change.path else f"{change.node} ({place})"
    return f"{part.side}{commit}: {what}, {', '.join(words_of(change))}"


def words_of(change: Change) -> list[str]:
    """What an edit did, and to which columns."""
    columns = [
        f"{column.name} turned from {column.before} into {column.after}"
        if column.retyped
        else f"{column.kind} {column.name}"
        for column in change.columns
    ]
    return [*change.words, *columns] or [str(change.category)]
