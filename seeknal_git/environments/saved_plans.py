"""The saved plan of an environment: `run --env` refuses nodes that changed since it was made."""

from __future__ import annotations

import json
from pathlib import Path

from seeknal_git.files import write_whole
from seeknal_git.names import schema_of
from seeknal_git.project.fingerprints import digest
from seeknal_git.project.snapshot_ids import State
from seeknal_git.project.workspace import Workspace


def save_plan(workspace: Workspace, branch: str, state: State) -> None:
    """Remember what a run of the environment would do, as it was planned."""
    content = json.dumps({"version": 1, "branch": branch, "nodes": _promises(state)})
    write_whole(_path(workspace, branch), content.encode())


def drop_plan(workspace: Workspace, branch: str) -> None:
    """Forget the saved plan of an environment, if there is one."""
    _path(workspace, branch).unlink(missing_ok=True)


def changed_since_plan(workspace: Workspace, branch: str, state: State) -> list[str]:
    """The nodes that changed since the environment's plan was saved; empty if none was saved."""
    path = _path(workspace, branch)
    if not path.exists():
        return []
    before, after = json.loads(path.read_text())["nodes"], _promises(state)
    return sorted(node for node in {**before, **after} if before.get(node) != after.get(node))


def _promises(state: State) -> dict[str, str]:
    """Node → hash of everything that a run of it does: build its data, check it, read its files."""
    graph, found = state.graph, {}
    for identifier, whole in graph.wholes.items():
        tested = identifier in graph.index.tested
        checks = graph.node(identifier).checks if tested else ()
        promised = [" ".join(check.promise) for check in checks]
        if identifier in graph.structure.as_views:
            promised.append(f"view {graph.views[identifier]}")
        promised += filter(None, [graph.structure.pieces.get(identifier)])
        found[identifier] = digest(whole, state.versions.get(identifier, ""), *promised)
    return found


def _path(workspace: Workspace, branch: str) -> Path:
    """The file of an environment's plan; each project of a repository has its own."""
    folder = workspace.repository.prefix.rstrip("/")
    project = f"{schema_of(folder)}." if folder else ""
    return workspace.repository.private / "plans" / f"{project}{schema_of(branch)}.json"
