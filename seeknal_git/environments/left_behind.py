"""The commits of earlier code that production does not have: a squash or a rebase leaves them
behind, and then the project does not load."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seeknal_git.errors import Problem
from seeknal_git.git import repository as git

if TYPE_CHECKING:
    from seeknal_git.project.load import Loaded
    from seeknal_git.project.workspace import Workspace


def left_behind(workspace: Workspace, loaded: Loaded) -> list[Problem]:
    """A warning for each node whose `before` names a commit that production does not have."""
    production = workspace.production
    tip = git.production_tip(workspace.repository, production)
    found = []
    for identifier in sorted(loaded.graph.index.earlier):
        node = loaded.graph.node(identifier)
        commit = loaded.tree.at(node.earlier["commit"]).commit
        if tip is None or commit is None or git.is_ancestor(workspace.repository, commit, tip):
            continue
        message = f"{identifier}: {production} does not have the commit {commit[:12]} of `before`."
        hint = "A squash or a rebase leaves it behind. Name a commit that production has."
        found.append(Problem(message, node.path, node.line("before"), hint, identifier))
    return found
