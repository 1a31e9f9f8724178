"""The commands `validate` and `parse`: the problems and the manifest of a tree."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from seeknal_git.build.moved_data import moved_columns
from seeknal_git.environments.left_behind import left_behind
from seeknal_git.environments.merges import explained_conflicts, staged_conflicts
from seeknal_git.environments.revision import as_environment, explained, revision_of
from seeknal_git.errors import Problem, ProjectError
from seeknal_git.files import Ground, refuse, write_below
from seeknal_git.git.tree import Tree, index_tree
from seeknal_git.names import MANIFEST
from seeknal_git.project.branch_settings import written_in
from seeknal_git.project.definitions import is_macro_path, is_sql_path
from seeknal_git.project.kept_out import kept_out
from seeknal_git.project.load import Loaded, load
from seeknal_git.project.partitions import Layouts
from seeknal_git.project.workspace import Workspace, current_tree
from seeknal_git.sql.type_words import is_type

_IN_A_MERGE = "Mend it here, then git add and git commit; or give the merge up: git merge --abort"


@dataclass(frozen=True, slots=True)
class Validation:
    """The problems of a tree."""

    # The number of nodes.
    nodes: int
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]
    # Remarks about documentation.
    notes: tuple[Problem, ...]
    # The files that are no nodes.
    foreign: tuple[str, ...]
    # The sources whose columns nobody knows.
    unknown: tuple[str, ...]
    # The sources whose raw data is not here.
    absent: tuple[Problem, ...] = ()
    # The number of examples that hold.
    examples: int = 0


def validate(workspace: Workspace, *, staged: bool = False) -> Validation:
    """Check the project file, every node and the graph.

    staged: check the files staged in git, not the working tree.

    Raises GitError if the repository is not in order. Problems of the project raise nothing.
    """
    workspace, keeps = as_environment(workspace, revision_of(workspace))
    tree = index_tree(workspace.repository) if staged else current_tree(workspace)
    written_in(tree)
    loaded = load(workspace, tree, keeps=keeps)
    conflicts = staged_conflicts(workspace, loaded) if staged else ()
    known = {conflict.problem for conflict in conflicts}
    rest = [problem for problem in loaded.all_problems if problem not in known]
    layouts = Layouts(loaded.graph)
    examples = [] if loaded.problems or conflicts else _examples(loaded, tree)
    failing = tuple(problem for problem in examples if problem)
    return Validation(
        nodes=len(loaded.project.members),
        problems=(
            *kept_out(workspace, tree),
            *explained_conflicts(conflicts, _IN_A_MERGE),
            *explained(workspace, None, loaded, rest),
            *layouts.problems(),
            *failing,
        ),
        warnings=(
            *loaded.warnings,
            *moved_columns(loaded),
            *layouts.warnings(),
            *left_behind(workspace, loaded),
        ),
        notes=(*_documented(loaded), *_passed_over(loaded)),
        foreign=loaded.project.foreign,
        unknown=loaded.binding.unknown,
        absent=loaded.absent,
        examples=len(examples) - len(failing),
    )


def _examples(loaded: Loaded, tree: Tree) -> list[Problem | None]:
    """For each example of a project, its problem; None for one that holds."""
    if not loaded.graph.index.exampled:
        return []
    from seeknal_git.commands.test import as_problem, moved_examples

    return [as_problem(example) for example in moved_examples(loaded, tree)]


def _documented(loaded: Loaded) -> Iterator[Problem]:
    """Columns of sources with a text that reads like a type, and is documentation all the same."""
    for member in loaded.project.members:
        columns = member.node.document.get("columns")
        for name, text in (
            columns.items() if member.node.kind == "source" and isinstance(columns, dict) else ()
        ):
            if isinstance(text, str) and is_type(text):
                message = (
                    f"`{text}` documents the column {name}. "
                    f"As a type it is declared as `{{dtype: {text}}}`."
                )
                yield Problem(
                    message,
                    member.node.path,
                    member.node.line("columns", name),
                    node=member.node.id,
                )


def _passed_over(loaded: Loaded) -> Iterator[Problem]:
    """Files of SQL that no node has."""
    known = {member.node.sql_path for member in loaded.project.members}
    for path in sorted(filter(is_sql_path, loaded.tree.files)):
        if path not in known and not is_macro_path(path):
            message = "No node has this SQL, so it is passed over."
            hint = f"Write {posixpath.splitext(path)[0]}.yml beside it: kind, name and inputs."
            yield Problem(message, path, hint=hint)


def write_manifest(workspace: Workspace) -> tuple[Path, dict[str, Any]]:
    """Write `target/manifest.json` of the working tree; returns its path and its content. Raises
    ProjectError."""
    loaded = load(workspace, current_tree(workspace))
    if loaded.problems:
        raise ProjectError(loaded.problems)
    content = manifest(workspace, loaded)
    folder = workspace.home if workspace.repository.bare else workspace.repository.project
    refuse(Ground(folder, tracked=loaded.root.places.tracked), MANIFEST, lambda _: "changed")
    folder.mkdir(parents=True, exist_ok=True)
    write_below(folder, MANIFEST, json.dumps(content, indent=2).encode())
    return folder / MANIFEST, content


def manifest(workspace: Workspace, loaded: Loaded) -> dict[str, Any]:
    """Nodes, edges, layers, fingerprints and columns, as data."""
    graph = loaded.graph
    return {
        "metadata": {
            "version": 1,
            "project": workspace.settings.name,
            "commit": loaded.tree.commit,
            "dirty": loaded.tree.dirty,
            "tables": len(graph.views),
            "depth": graph.depth,
            "generated_at": datetime.now(UTC).isoformat(timespec="seconds"),
        },
        "nodes": {identifier: _entry(loaded, identifier) for identifier in sorted(graph.members)},
        "edges": [
            {"from": upstream, "to": identifier, "type": "dependency"}
            for identifier in sorted(graph.members)
            for upstream in graph.inputs[identifier]
        ],
        "layers": [list(layer) for layer in graph.layers],
    }


def _entry(loaded: Loaded, identifier: str) -> dict[str, Any]:
    node, found = loaded.graph.node(identifier), loaded.graph.fingerprints[identifier]
    columns = loaded.graph.columns.get(identifier)
    return {
        "id": identifier,
        "name": node.name,
        "type": node.kind,
        "description": node.document.get("description"),
        "owner": node.document.get("owner"),
        "tags": list(node.tags),
        "file_path": node.path,
        "view": loaded.graph.views.get(identifier) or None,
        "fingerprint": found.whole,
        "column_fingerprints": found.columns and dict(found.columns),
        "columns": None if columns is None else dict(columns),
        "config": node.document,
    }
