"""The commands `draft`, `dry-run` and `apply`: a node on its way into the project."""

from __future__ import annotations

import difflib
import hashlib
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from seeknal_git.build.sample import Sample, sample
from seeknal_git.commands import drafted_entry, drafted_python
from seeknal_git.commands.drafted_entry import Merged
from seeknal_git.commands.drafted_source import pinned
from seeknal_git.errors import Problem, ProjectError, UsageError
from seeknal_git.files import write_below
from seeknal_git.git.command import git
from seeknal_git.names import IDENTIFIER, command_line
from seeknal_git.nodes.kinds import KINDS, OTHERWISE, folder_of
from seeknal_git.nodes.load import load_node
from seeknal_git.nodes.node import Node
from seeknal_git.nodes.python import is_module_path
from seeknal_git.plan.text_diff import unified
from seeknal_git.project.contract import reader_now
from seeknal_git.project.definitions import is_node_path
from seeknal_git.project.load import Loaded, load, with_nodes
from seeknal_git.project.workspace import Workspace, current_tree

# The gaps of a template that people fill in.
_PLACEHOLDER = re.compile(r"<(?:FILE|INPUT|ENTITY|KEY|CONDITION|MEASURE|DATE|UNTIL)>")
_COMMENT = re.compile(r"(?:^|\s)#.*")


@dataclass(frozen=True, slots=True)
class Checked:
    """A draft that is valid in its project."""

    # The draft on disk, and as messages name it.
    path: Path
    shown: str
    content: bytes
    # The node's file, relative to the project, and its content now, if it exists.
    target: str
    before: bytes | None
    node: Node
    # The project with the draft in it, and the draft's path there.
    loaded: Loaded
    place: str
    warnings: tuple[Problem, ...]
    # The sources upstream without raw data: the engine could not bind the draft's SQL.
    unknown: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DryRun:
    """A valid draft, and some of its rows."""

    draft: Checked
    sample: Sample
    # How the files of a source are read.
    dialect: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Applied:
    """A draft that was moved into the project."""

    draft: Checked
    # The lines of the unified diff to the replaced node; None if the node is new.
    diff: tuple[str, ...] | None
    # The git command that staged it.
    command: str


def draft(
    workspace: Workspace,
    kind: str,
    name: str,
    description: str | None = None,
    *,
    file: str | None = None,
    python: bool = False,
    dependencies: str | None = None,
    force: bool = False,
) -> Path:
    """Write a template of a node, and return its path.

    file: a file or glob that a source reads; its format and its columns are written into the node.
    python: write it as a function; dependencies: the packages that it needs, between commas.
    force: replace a draft of that name.

    Raises UsageError, and ProjectError for a file that cannot be read.
    """
    kind = _known_kind(kind)
    if file is not None and kind != "source":
        raise UsageError(f"A {kind} reads no file.", "seeknal draft source NAME --from FILE")
    if dependencies and not python:
        raise UsageError("Only a function needs packages.", "Add --python.")
    if file is not None and python:
        raise UsageError("A source from a file is written in YAML.", "Leave out --python.")
    path = _free_path(workspace, kind, name, ".py" if python else ".yml", force=force)
    if kind in drafted_entry.ENTRIES:
        text = drafted_entry.template(kind, name, description)
    elif python:
        text = drafted_python.template(kind, name, description, dependencies)
    else:
        text = _template(kind, name, description)
    if file is not None:
        text = pinned(workspace, name, text, file)
    write_below(path.parent, path.name, text.encode())
    return path


def _free_path(workspace: Workspace, kind: str, name: str, ending: str, *, force: bool) -> Path:
    if not IDENTIFIER.fullmatch(name):
        raise UsageError(
            f"{name!r} cannot be a node's name.",
            "A name is made of letters, digits and _, and begins with no digit.",
        )
    path = workspace.repository.project / f"draft_{kind}_{name}{ending}"
    if os.path.lexists(path) and not (force and path.is_file()):
        raise UsageError(f"{path.name} is there already.", "--force begins it anew.")
    return path


def _known_kind(given: str) -> str:
    kind = given.lower().replace("-", "_")
    if kind in OTHERWISE:
        raise UsageError(f"The kind {kind} is not supported.", OTHERWISE[kind])
    kinds = (*KINDS, *drafted_entry.ENTRIES)
    if kind not in kinds:
        near = difflib.get_close_matches(kind, kinds, 1)
        hint = f"Did you mean {near[0]}?" if near else f"The kinds are {', '.join(KINDS)}."
        raise UsageError(f"There is no kind {given}.", hint)
    return kind


def _template(kind: str, name: str, description: str | None) -> str:
    text = (files("seeknal_git") / "templates" / "drafts" / f"{kind}.yml").read_text(
        encoding="utf-8"
    )
    line = "# description: the meaning of one row\n"
    if description:
        line = yaml.safe_dump({"description": description}, allow_unicode=True, width=10**6)
    return text.replace("<NAME>", name).replace("description: <DESCRIPTION>\n", line)


def dry_run(workspace: Workspace, path: Path, limit: int) -> DryRun:
    """Check a draft, and look at its first rows. Raises ProjectError with all problems."""
    if drafted_entry.kind_of(_find(workspace, path).read_bytes()):
        raise UsageError("An entry of a common file has no rows.", f"seeknal apply {path}")
    checked = check(workspace, path)
    try:
        found = sample(workspace, checked.loaded, checked.node.id, limit)
        source = checked.node.kind == "source"
        return DryRun(
            checked, found, reader_now(checked.node, checked.loaded.root).dialect if source else {}
        )
    except ProjectError as exc:
        unseen = Problem(
            f"There is no preview of {checked.node.id}, and its SQL could not be checked: "
            f"the raw data of {', '.join(checked.unknown)} cannot be read.",
            checked.shown,
        )
        first = [unseen] if checked.unknown and checked.node.kind != "source" else []
        raise ProjectError([*first, *_shown(exc.problems, checked.place, checked.shown)]) from exc


def apply(workspace: Workspace, path: Path, *, force: bool = False) -> Applied | Merged:
    """Move a valid draft into the project, or its entry into a common file, and stage it.

    Raises ProjectError for a draft that is not valid, and UsageError where it would replace a node
    without `force`.
    """
    found = _find(workspace, path)
    if drafted_entry.kind_of(found.read_bytes()):
        _refuse_placeholders(found.read_bytes(), _name(workspace, found))
        return drafted_entry.merge(workspace, found, _name(workspace, found), force=force)
    if is_node_path(_name(workspace, found)) or is_module_path(_name(workspace, found)):
        raise UsageError(
            f"{_name(workspace, found)} is in the project already.",
            "seeknal plan says what it changes.",
        )
    checked = check(workspace, found)
    before = checked.before
    if before not in (None, checked.content) and not force:
        raise UsageError(
            f"{checked.node.id} is there already, in {checked.target}.",
            "--force replaces it, and shows the difference.",
        )
    if before != checked.content:
        write_below(workspace.repository.project, checked.target, checked.content)
    git(
        "add",
        "--",
        f":(top,literal){workspace.repository.prefix}{checked.target}",
        cwd=workspace.repository.top,
    )
    found.unlink()
    diff = None if before is None else _diff(before, checked)
    return Applied(checked, diff, command_line("git", "add", checked.target))


def _diff(before: bytes, checked: Checked) -> tuple[str, ...]:
    old, new = (
        content.decode(errors="replace").splitlines() for content in (before, checked.content)
    )
    return tuple(unified(old, new, f"a/{checked.target}", f"b/{checked.target}"))


def check(workspace: Workspace, path: Path) -> Checked:
    """A draft as a node of the current tree. Raises ProjectError with everything that is wrong with
    it there."""
    path = _find(workspace, path)
    content, shown = path.read_bytes(), _name(workspace, path)
    _refuse_placeholders(content, shown)
    present = load(workspace, current_tree(workspace))
    if path.suffix == ".py":
        nodes = _python_nodes(present, content, shown)
        node: Node | None = nodes[0]
    else:
        node, _ = load_node(content, shown)
    if node is None:
        raise ProjectError(
            [
                Problem(
                    "A draft says which `kind` of node it is.",
                    shown,
                    1,
                    f"One of {', '.join(KINDS)}.",
                )
            ]
        )
    target = _target(present, node, path.suffix)
    if path.suffix == ".py":
        there = [member.node.id for member in present.project.members if member.node.path == target]
        drafted_python.need_place(nodes, there, target)
    place, loaded = _with_draft(workspace, present, target, content)
    if wrong := _wrong(present, loaded, node):
        raise ProjectError(_shown(wrong, place, shown))
    here = workspace.repository.project / target
    upstream = {node.id, *loaded.graph.upstream([node.id])}
    return Checked(
        path=path,
        shown=shown,
        content=content,
        target=target,
        before=here.read_bytes() if here.is_file() else None,
        node=node,
        loaded=loaded,
        place=place,
        warnings=tuple(
            _shown((warning for warning in loaded.warnings if warning.path == place), place, shown)
        ),
        unknown=tuple(
            identifier for identifier in loaded.binding.unknown if identifier in upstream
        ),
    )


def _find(workspace: Workspace, path: Path) -> Path:
    """The draft, named relative to the project or to the current folder."""
    for candidate in (workspace.repository.project / path, Path.cwd() / path):
        if candidate.is_file():
            return candidate.parent.resolve() / candidate.name
    project = workspace.repository.project
    drafts = [file.name for ending in ("y*ml", "py") for file in project.glob(f"draft_*.{ending}")]
    near = difflib.get_close_matches(path.name, drafts, 1)
    raise UsageError(
        f"There is no file {path}.",
        f"Did you mean {near[0]}?" if near else "Write one with: seeknal draft KIND NAME",
    )


def _name(workspace: Workspace, path: Path) -> str:
    project = workspace.repository.project
    return path.relative_to(project).as_posix() if path.is_relative_to(project) else str(path)


def _refuse_placeholders(content: bytes, shown: str) -> None:
    lines = enumerate(content.decode(errors="replace").splitlines(), 1)
    left = [
        (number, found)
        for number, line in lines
        for found in _PLACEHOLDER.findall(_COMMENT.sub("", line))
    ]
    if left:
        raise ProjectError(
            [Problem(f"{found} is still to be filled in.", shown, number) for number, found in left]
        )


def _python_nodes(present: Loaded, content: bytes, shown: str) -> list[Node]:
    """The nodes of a draft in Python. Raises ProjectError."""
    place = _place(content, ".py")
    try:
        return drafted_python.nodes_of(present.root.places.tree, content, place)
    except ProjectError as exc:
        raise ProjectError(_shown(exc.problems, place, shown)) from exc


def _place(content: bytes, ending: str) -> str:
    """The path of a draft in the project. It contains a hash of its content, as the cache goes by
    paths."""
    return f"seeknal/draft_{hashlib.sha256(content).hexdigest()[:16]}{ending}"


def _target(present: Loaded, node: Node, ending: str) -> str:
    """Where the node's file is, or belongs. Raises UsageError where another node is in its
    place."""
    members = [member.node for member in present.project.members]
    same = [member.path for member in members if member.id == node.id]
    path = f"{folder_of(node.kind)}/{node.name}{'.py' if ending == '.py' else '.yml'}"
    other = [member.id for member in members if member.path == path and member.id != node.id]
    if other and not same:
        raise UsageError(
            f"{path} is where {node.id} belongs, and it holds {other[0]}.",
            "Rename that file first.",
        )
    return same[0] if same else path


def _with_draft(
    workspace: Workspace, present: Loaded, target: str, content: bytes
) -> tuple[str, Loaded]:
    """The project with the draft instead of the file that it replaces."""
    place = _place(content, ".py" if target.endswith(".py") else ".yml")
    tree = (
        present.root.places.tree
    )  # with all files: the draft may read one that is staged, and that no other node reads
    others = {path: blob for path, blob in tree.files.items() if path != target}
    return place, load(workspace, with_nodes(replace(tree, files=others), {place: content}))


def _wrong(present: Loaded, loaded: Loaded, node: Node) -> list[Problem]:
    """The problems that the draft brings with it, and those of the nodes that it reads."""
    problems = loaded.all_problems
    known = {(problem.path, problem.message) for problem in present.all_problems}
    if node.id not in loaded.graph.members:
        return [
            problem for problem in problems if (problem.path, problem.message) not in known
        ] or list(problems)
    upstream = loaded.graph.upstream([node.id])
    return [
        problem
        for problem in problems
        if (problem.path, problem.message) not in known or problem.node in upstream
    ]


def _shown(problems: Iterable[Problem], place: str, shown: str) -> list[Problem]:
    return [
        replace(
            problem,
            path=shown if problem.path == place else problem.path,
            message=problem.message.replace(place, shown),
        )
        for problem in problems
    ]
