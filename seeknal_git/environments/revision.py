"""The branch, tag or commit that an environment's name means, and its trees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from seeknal_git.environments.environment import Environment
from seeknal_git.environments.production import published_commit
from seeknal_git.errors import GitError, Problem, ProjectError, SeeknalError, UsageError
from seeknal_git.git import merge_in_memory
from seeknal_git.git import repository as git
from seeknal_git.git.operation import rebased_branch
from seeknal_git.git.repository import Repository
from seeknal_git.git.tree import Tree, commit_tree
from seeknal_git.names import command_line
from seeknal_git.project.ci_variables import branch_in_ci, commit_in_ci
from seeknal_git.project.load import Loaded, load
from seeknal_git.project.workspace import Workspace, current_tree

_SHORT = 8


@dataclass(frozen=True, slots=True)
class Revision:
    """The commit that an environment's name means."""

    environment: Environment
    # None before the first commit.
    commit: str | None
    # Whether it is checked out here, so that uncommitted changes are part of it.
    checked_out: bool

    @property
    def name(self) -> str:
        return self.environment.name

    @property
    def schema(self) -> str:
        return self.environment.schema


def _revision(
    workspace: Workspace, name: str, commit: str | None, *, checked_out: bool = False
) -> Revision:
    return Revision(Environment(name, workspace.production), commit, checked_out)


def revision_of(workspace: Workspace, environment: str | None = None) -> Revision:
    """The revision that an environment's name means; by default, the one that is checked out.

    A branch comes before a tag, and a tag before a commit. On a detached HEAD, as continuous
    integration has it, an unknown name is given to the commit that is checked out.

    Raises UsageError, with the nearest name.
    """
    here = _here(workspace)
    name = workspace.branch_of(environment) if environment else here.name
    if name == here.name:
        return here
    found = _named(workspace, name)
    if (
        found is None
        and git.current_branch(workspace.repository) is None
        and name != workspace.production
    ):
        found = _revision(workspace, name, here.commit, checked_out=True)
    if found is None and name == workspace.production:
        git.need_production(workspace.repository, name)
    return found or _revision(workspace, name, git.need_branch(workspace.repository, name))


def elsewhere(workspace: Workspace, environment: str) -> str | None:
    """An environment's name, unless it is the one that is checked out."""
    try:
        return None if _here(workspace).name == environment else environment
    except GitError:
        return environment


def environment_of(workspace: Workspace, environment: str | None) -> str:
    """The name of an environment, by default of the one that is checked out.

    The environment may have outlived its branch.
    """
    name = workspace.branch_of(environment) if environment else None
    found = _named(workspace, name) if name else revision_of(workspace)
    return found.name if found else name or ""


def _named(workspace: Workspace, name: str) -> Revision | None:
    repository = workspace.repository
    if name == workspace.production:  # even if a tag has that name, too
        tip = git.production_tip(repository, name)
        return _revision(workspace, name, tip) if tip else None
    if tip := git.branch_tip(repository, name):
        return _revision(workspace, _called(repository, name, tip), tip)
    if tag := git.tag_ref(repository, name):
        return _revision(workspace, name, git.ref_commit(repository, tag))
    commit = git.find_commit(repository, name)
    return _revision(workspace, commit[:_SHORT], commit) if commit else None


def _called(repository: Repository, name: str, tip: str) -> str:
    """The environment of `origin/dev` is that of `dev`, unless a dev here is at another commit."""
    short = git.branch_of_remote(repository, name)
    return short if short and git.branch_tip(repository, short) == tip else name


def is_known(workspace: Workspace, name: str) -> bool:
    """Whether a name means a branch, tag or commit that exists."""
    return name == _here(workspace).name or _named(workspace, name) is not None


def _here(workspace: Workspace) -> Revision:
    """The revision that is checked out. Without a branch, continuous integration names it, else the
    commit."""
    repository = workspace.repository
    commit = git.head_commit(repository)
    branch = git.current_branch(repository) or rebased_branch(repository)
    if branch is not None:
        return _revision(workspace, branch, commit, checked_out=not repository.bare)
    assert commit is not None, "a detached HEAD is at a commit"
    branch = branch_in_ci(workspace.production)
    if branch == workspace.production:
        _refuse_another_tip(workspace, commit)
    return _revision(workspace, branch or commit[:_SHORT], commit, checked_out=True)


def _refuse_another_tip(workspace: Workspace, commit: str) -> None:
    """Raise GitError if a pipeline of production has checked out another commit than the tip.

    A pipeline that is run again would take production back. A pipeline of the production branch may
    have checked out a pull request that somebody commented on.
    """
    tip = git.production_tip(workspace.repository, workspace.production) or commit_in_ci()
    if tip is not None and not commit.startswith(tip):
        switch = command_line("git", "switch", workspace.production)
        raise GitError(
            f"{commit[:_SHORT]}, which is checked out, is not the tip of {workspace.production}.",
            f"Check that out ({switch}), or name the environment.",
        )


def production_tip(workspace: Workspace) -> str:
    """The tip of the production branch. Raises UsageError if this clone does not know it."""
    repository, branch = workspace.repository, workspace.production
    if tip := git.production_tip(repository, branch):
        return tip
    here = _here(workspace)
    return (
        here.commit
        if here.commit and here.name == branch
        else git.need_production(repository, branch)
    )


def branch_to_merge_into(workspace: Workspace, name: str | None) -> Revision:
    """The last commit of a branch; by default, of the production branch. Raises UsageError."""
    branch = workspace.branch_of(name) if name else workspace.production
    if branch == workspace.production:
        return _revision(workspace, branch, production_tip(workspace))
    if short := git.branch_of_remote(workspace.repository, branch):
        raise UsageError(
            f"{branch} is a remote's branch, into which only the remote merges.",
            f"Merge and push, or name the branch here: {short}",
        )
    return _revision(workspace, branch, git.need_branch(workspace.repository, branch))


def branch_to_plan_into(workspace: Workspace, name: str) -> Revision:
    """Like `branch_to_merge_into`, also of a branch as a remote has it. Raises UsageError."""
    branch, tip = (
        git.branch_of_remote(workspace.repository, name),
        git.branch_tip(workspace.repository, name),
    )
    return _revision(workspace, branch, tip) if branch else branch_to_merge_into(workspace, name)


def head_tree(workspace: Workspace, revision: Revision) -> Tree:
    """The tree of a revision: the working tree if it is checked out here, else its commit's."""
    if revision.checked_out:
        git.need_commit(workspace.repository)
        return current_tree(workspace)
    return commit_tree(
        workspace.repository,
        revision.commit or git.need_branch(workspace.repository, revision.name),
    )


def base_tree(workspace: Workspace, revision: Revision) -> Tree:
    """The tree to compare a revision with: production's last publication, or the merge base with
    the production branch."""
    repository = workspace.repository
    if revision.environment.is_production:
        published = published_commit(workspace)
        return commit_tree(repository, published) if published else Tree({}, _nothing)
    commit = revision.commit or git.need_commit(repository)
    return merge_in_memory.base_tree(repository, production_tip(workspace), commit)


def _nothing(blob: str) -> bytes:
    raise KeyError(blob)


def as_environment(
    workspace: Workspace, revision: Revision, *, refresh: bool = False
) -> tuple[Workspace, str | None]:
    """The workspace as an environment reads raw data, and the schema whose loads `load` keeps.

    Production reads again, from the data root. A branch keeps production's loads.
    """
    is_production = revision.environment.is_production
    keeps = None if is_production or refresh else revision.schema
    found = replace(workspace.resolving(revision.name), shared_data=is_production)
    return found, keeps


def load_sound(
    workspace: Workspace,
    tree: Tree,
    revision: Revision,
    *,
    keeps: str | None = None,
    whatever_data: bool = False,
) -> Loaded:
    """Like `load`, for the tree of a revision. Raises ProjectError with all problems and causes.

    whatever_data: do not raise for raw data that does not fit; the run fails its source alone.
    """
    loaded = load(workspace, tree, keeps=keeps, environment=revision.schema)
    found = loaded.problems
    if whatever_data and found == loaded.binding.problems:
        found = tuple(problem for problem in found if not _is_of_source(problem))
    if found:
        raise ProjectError(explained(workspace, revision, loaded, found))
    return loaded


def _is_of_source(problem: Problem) -> bool:
    return (problem.node or "").startswith("source.")


def explained(
    workspace: Workspace, revision: Revision | None, loaded: Loaded, problems: Sequence[Problem]
) -> tuple[Problem, ...]:
    """The problems of a revision's tree, each with the change of its branch that caused it.

    revision: None for the one that is checked out.
    """
    refused = {problem.node for problem in loaded.binding.problems}
    unknown = {node for problem in problems for node in problem.about} - loaded.graph.members.keys()
    if not unknown and not any(problem.node in refused for problem in problems):
        return tuple(problems)
    from seeknal_git.plan.causes import with_causes

    try:
        revision = revision or revision_of(workspace)
        tree = base_tree(workspace, revision)
        if not tree.files:  # nothing was published yet: compare with the last commit
            tree = commit_tree(
                workspace.repository, revision.commit or git.need_commit(workspace.repository)
            )
        return with_causes(problems, load(workspace, tree, like=loaded).graph, loaded.graph)
    except SeeknalError:
        return tuple(problems)  # there is nothing to compare with
