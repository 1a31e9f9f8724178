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
from seeknal_git.plan.changes import Category, Change, make_plan
from seeknal_git.plan.conflicts import Conflict, Merge, Side, SideEdit, find_conflicts, side_of
from seeknal_git.project.load import Loaded, load
from seeknal_git.project.settings import PROJECT_FILE, read_settings
from seeknal_git.project.workspace import Workspace


@dataclass(frozen=True, slots=True)
class _Branch:
    """One side of a merge: the content of its tip, compared with the merge base."""

    workspace: Workspace
    base: Loaded
    revision: Revision
    loaded: Loaded

    @property
    def side(self) -> Side:
        changes = make_plan(self.base.state, self.loaded.state).changes
        return side_of(self.revision.name, self.base.graph, self.loaded.graph, changes)

    def edit(self, change: Change) -> SideEdit:
        """An edit of this side, with its last commit.

        If no commit touched the node's file, the edit was made in a data file that a source reads.
        """
        commit = self._last_commit(change.path)
        if commit is None and (data := _edited_data(self.base, self.loaded, change.node)):
            change = replace(change, path=data, line=1)
            commit = self._last_commit(data)
        return SideEdit(self.revision.name, change, commit)

    def edit_of_file(self, path: str) -> Change | None:
        """The edit of a file that is no longer a node, or never was one; None if there is none."""
        if self.base.tree.files.get(path) == self.loaded.tree.files.get(path):
            return None
        nodes = (member.node for member in self.loaded.graph.members.values())
        node = next((node for node in nodes if node.path == path), None)
        if node is None:
            return Change(path, Category.METADATA, path, 1, ("edited",))
        return Change(node.id, Category.METADATA, path, node.line("name"), ("edited",))

    def _last_commit(self, path: str) -> str | None:
        """The last commit of this side that touched a file."""
        repository = self.workspace.repository
        span = f"{self.base.tree.commit}..{self.revision.commit}"
        where = f":(top,literal){repository.prefix}{path}"
        return run("log", "-1", "--format=%H", span, "--", where, cwd=repository.top) or None


def check_merge(
    workspace: Workspace, source: Revision, target: Revision, merged: Loaded, into: Loaded
) -> tuple[tuple[Conflict, ...], tuple[Problem, ...]]:
    """The conflicts of a merge, and the problems that one side has already."""
    common = base_tree(workspace.repository, target.commit or "", source.commit or "")
    base = load(workspace, common, merged, keeps=workspace.production_schema)
    theirs = loaded_at(workspace, source, merged)
    before = (*_problems(into), *_problems(theirs))
    old = {(problem.path, problem.message) for problem in before}
    fresh = [problem for problem in _problems(merged) if (problem.path, problem.message) not in old]
    ours = _Branch(workspace, base, target, into)
    other = _Branch(workspace, base, source, theirs)
    merge = Merge(base.graph, ours.side, other.side, merged.graph)
    located = tuple(_located(conflict, ours, other) for conflict in find_conflicts(merge, fresh))
    return located, tuple(problem for problem in _problems(merged) if problem not in fresh)


def _problems(loaded: Loaded) -> tuple[Problem, ...]:
    """The problems that `validate` would find if this tree were checked out."""
    tree = loaded.tree
    try:
        if PROJECT_FILE in tree.files:
            read_settings(tree.read_small(PROJECT_FILE))
    except ProjectError as exc:
        return exc.problems
    return loaded.all_problems


def loaded_at(workspace: Workspace, revision: Revision, like: Loaded) -> Loaded:
    """The project at a revision's commit, without uncommitted changes."""
    tree = commit_tree(workspace.repository, revision.commit or "")
    return load(workspace, tree, like, keeps=workspace.production_schema)


def staged_conflicts(workspace: Workspace, merged: Loaded) -> tuple[Conflict, ...]:
    """The conflicts of the merge that git is about to commit; none if it commits no merge."""
    head, other = git.head_commit(workspace.repository), merge_head(workspace.repository)
    if head is None or other is None:
        return ()
    source, target = (
        Revision(Environment(other[1], workspace.production), other[0], checked_out=False),
        Revision(revision_of(workspace).environment, head, checked_out=False),
    )
    try:
        into = loaded_at(workspace, target, merged)
        conflicts, _ = check_merge(workspace, source, target, merged, into)
    except GitError:  # histories that have nothing in common
        return ()
    return conflicts


def _located(conflict: Conflict, ours: _Branch, other: _Branch) -> Conflict:
    """A conflict with the commits of both sides."""
    into = conflict.into and conflict.into.change
    source = conflict.source and conflict.source.change
    if into is None and source is None:
        path = conflict.problem.path or ""
        into, source = ours.edit_of_file(path), other.edit_of_file(path)
    return Conflict(
        conflict.problem,
        ours.edit(into) if into else None,
        other.edit(source) if source else None,
    )


def _edited_data(base: Loaded, loaded: Loaded, node: str) -> str | None:
    """The edited, added or removed data file of a source whose node was not edited."""
    paths = set[str]()
    for side in (base, loaded):
        if node in side.graph.members and side.graph.node(node).kind == "source":
            paths |= {file.path for file in side.root.files(side.graph.node(node))}
    before, now = base.tree.files, loaded.tree.files
    return next((path for path in sorted(paths) if before.get(path) != now.get(path)), None)


def explained_conflicts(conflicts: Iterable[Conflict], next_step: str) -> tuple[Problem, ...]:
    """Conflicts as problems, whose hints name both sides; the last one ends with the next step."""
    found = [_explained(conflict) for conflict in conflicts]
    if found:
        found[-1] = replace(found[-1], hint=in_lines(filter(None, [found[-1].hint, next_step])))
    return tuple(found)


def _explained(conflict: Conflict) -> Problem:
    problem = conflict.problem
    # Nobody removes a node by a slip of the pen: the hint about a similar name is left out.
    removed = any(edit.change.category == Category.REMOVED for edit in conflict.edits)
    own = [problem.hint] if problem.hint and not removed else []
    hint = in_lines([*own, *map(told, conflict.edits)])
    return replace(problem, hint=hint or None)


def told(edit: SideEdit) -> str:
    """One side's edit in words: its commit, the node, the place and the edit."""
    change = edit.change
    commit = f" {edit.commit[:8]}" if edit.commit and edit.branch != edit.commit[:8] else ""
    place = f"{change.path}:{change.line}"
    what = place if change.node == change.path else f"{change.node} ({place})"
    return f"{edit.branch}{commit}: {what}, {', '.join(words_of(change))}"


def words_of(change: Change) -> list[str]:
    """An edit in words, with the columns that it changed."""
    columns = [
        f"{column.name} turned from {column.before} into {column.after}"
        if column.retyped
        else f"{column.kind} {column.name}"
        for column in change.columns
    ]
    return [*change.words, *columns] or [str(change.category)]
