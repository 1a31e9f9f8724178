"""The verbs `draft`, `dry-run` and `apply`: a node on its way into the project."""

from __future__ import annotations

import difflib
import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from textwrap import wrap
from typing import Any

import yaml

from seeknal_git.build.sample import Sample, sample
from seeknal_git.errors import Problem, ProjectError, UsageError
from seeknal_git.files import write_below
from seeknal_git.git.command import git
from seeknal_git.names import IDENTIFIER, command_line
from seeknal_git.nodes.kinds import KINDS, LATER, folder_of
from seeknal_git.nodes.load import load_node
from seeknal_git.nodes.node import Node
from seeknal_git.nodes.python import not_read_yet, python_node
from seeknal_git.plan.text_diff import unified
from seeknal_git.project.contract import reader_now
from seeknal_git.project.definitions import is_node_path
from seeknal_git.project.guessing import Guess, guessed, unfit
from seeknal_git.project.load import Loaded, load, with_nodes
from seeknal_git.project.workspace import Workspace, current_tree
from seeknal_git.sql.type_words import is_type

# What the templates leave for people to fill in.
_PLACEHOLDER = re.compile(r"<(?:FILE|INPUT|ENTITY|KEY|CONDITION)>")
_FORMAT, _FILE = re.compile(r"source: csv +#"), re.compile(r"table: <FILE>.*")
_COMMENT = re.compile(r"(?:^|\s)#.*")


@dataclass(frozen=True, slots=True)
class Checked:
    """A draft that is valid in its project.

    path, shown: the draft on disk, and as messages name it; target: the node's file, relative to
    the project; before: what that file holds now, if there is one; loaded: the project with the
    draft in it; place: the draft's path there; unknown: the sources before it whose raw data is not
    here, so that the engine could not bind its SQL.
    """

    path: Path
    shown: str
    content: bytes
    target: str
    before: bytes | None
    node: Node
    loaded: Loaded
    place: str
    warnings: tuple[Problem, ...]
    unknown: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DryRun:
    """dialect: of a source, how its files are read."""

    draft: Checked
    sample: Sample
    dialect: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Applied:
    """diff: lines of the unified diff to what was replaced; None where the node is new, empty where
    it is the same."""

    draft: Checked
    diff: tuple[str, ...] | None
    command: str


def draft(
    workspace: Workspace,
    kind: str,
    name: str,
    description: str | None = None,
    *,
    file: str | None = None,
    force: bool = False,
) -> Path:
    """Write a template of a node, and return its path.

    file: a file or glob that a source reads; its format and its columns are written into the node.
    force: replace a draft of that name.

    Raises UsageError, and ProjectError for a file that cannot be read.
    """
    kind = _known_kind(kind)
    if file is not None and kind != "source":
        raise UsageError(f"A {kind} reads no file.", "seeknal draft source NAME --from FILE")
    path = _free_path(workspace, kind, name, force)
    text = _template(kind, name, description)
    if file is not None:
        text = _pinned(workspace, name, text, file)
    write_below(path.parent, path.name, text.encode())
    return path


def _free_path(workspace: Workspace, kind: str, name: str, force: bool) -> Path:
    if not IDENTIFIER.fullmatch(name):
        raise UsageError(
            f"{name!r} cannot be a node's name.",
            "A name is made of letters, digits and _, and begins with no digit.",
        )
    path = workspace.repository.project / f"draft_{kind}_{name}.yml"
    if os.path.lexists(path) and not (force and path.is_file()):
        raise UsageError(f"{path.name} is there already.", "--force begins it anew.")
    return path


_FORMATS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".parquet": "parquet",
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
}


def _pinned(workspace: Workspace, name: str, template: str, file: str) -> str:
    """The template of a source with everything that its files say: where they are, their dialect,
    and their columns."""
    place = _below(workspace, file)
    endings = [each for each in Path(place).suffixes if each in _FORMATS]
    if not endings:
        raise UsageError(
            f"The name of {file} does not say which format it has.",
            f"One of {', '.join(_FORMATS)}.",
        )
    form = _FORMATS[endings[-1]]
    lines = f"kind: source\nname: {name}\nsource: {form}\ntable: {_yaml(place)}\n"
    node, _ = load_node(lines.encode(), f"{folder_of('source')}/{name}.yml")
    assert node is not None, "it has a kind"
    guess = guessed(node, load(workspace, current_tree(workspace)).root)[1]
    if guess.error:
        raise ProjectError([replace(unfit(node, *guess.error), path=None, line=None)])
    said = _FORMAT.sub(f"source: {form.ljust(20)}#", _FILE.sub(f"table: {_yaml(place)}", template))
    head, _, rest = said.partition("# How to read it:\n")
    tests = rest[rest.index("# What has to hold") :]
    return f"{head}{''.join(_said(guess))}\n{tests}"


def _below(workspace: Workspace, file: str) -> str:
    """A file or glob as a node names it, given as somebody here names it."""
    project = workspace.repository.project
    for folder in (project, Path.cwd()):
        path = Path(os.path.normpath(folder / file))
        if path.is_relative_to(project) and (path.is_file() or any(path.parent.glob(path.name))):
            return path.relative_to(project).as_posix()
    raise UsageError(
        f"There is no file {file} below the project.", "Put it there, then draft its source."
    )


def _said(guess: Guess) -> Iterator[str]:
    """The lines of a source that say what was guessed."""
    for what, _ in guess.notes:
        yield from (f"# {line}\n" for line in wrap(what, 78, break_long_words=False))
        yield "\n"
    params = _params(guess)
    if params:
        yield "# How its files are read, as all of their bytes say:\nparams:\n"
        yield from (f"  {key}: {_yaml(value)}\n" for key, value in params.items())
        yield "\n"
    yield "# Types that have to hold. A column that is missing or does not fit is an\n# error that names it.\nschema:\n"
    for name, word in guess.columns:
        note = "" if is_type(word) else "# "
        yield f"{note}  - {{name: {_yaml(name)}, data_type: {_yaml(word)}}}\n"


def _params(guess: Guess) -> dict[str, Any]:
    dialect = guess.dialect
    if not dialect:
        return {}
    found = {
        "delimiter": dialect["delim"],
        "header": dialect["header"],
        "quote": dialect["quote"] or '"',
    }
    found |= {key: dialect[key] for key in ("skip", "null_padding") if dialect.get(key)}
    return found | {key: forms[0] for key, forms in guess.formats.items() if len(forms) == 1}


def _yaml(value: object) -> str:
    """A value as it stands within a line of YAML."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int) or (isinstance(value, str) and _PLAIN_TEXT.fullmatch(value)):
        return str(value)
    return json.dumps(value, ensure_ascii=False)


_PLAIN_TEXT = re.compile(r"[A-Za-z_][A-Za-z0-9_./() -]*[A-Za-z0-9_)]|[A-Za-z]")


def _known_kind(given: str) -> str:
    kind = given.lower().replace("-", "_")
    if kind in LATER:
        raise UsageError(
            f"The kind {kind} is not supported yet.", f"The kinds are {', '.join(KINDS)}."
        )
    if kind not in KINDS:
        near = difflib.get_close_matches(kind, KINDS, 1)
        hint = f"Did you mean {near[0]}?" if near else f"The kinds are {', '.join(KINDS)}."
        raise UsageError(f"There is no kind {given}.", hint)
    return kind


def _template(kind: str, name: str, description: str | None) -> str:
    text = (files("seeknal_git") / "templates" / "drafts" / f"{kind}.yml").read_text(
        encoding="utf-8"
    )
    line = "# description: what one row of it is\n"
    if description:
        line = yaml.safe_dump({"description": description}, allow_unicode=True, width=10**6)
    return text.replace("<NAME>", name).replace("description: <DESCRIPTION>\n", line)


def dry_run(workspace: Workspace, path: Path, limit: int) -> DryRun:
    """Check a draft, and look at what it returns. Raises ProjectError with everything that is
    wrong."""
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


def apply(workspace: Workspace, path: Path, *, force: bool = False) -> Applied:
    """Move a valid draft into the project, and stage it.

    Raises ProjectError for a draft that is not valid, and UsageError where it would replace a node
    without `force`.
    """
    found = _find(workspace, path)
    if is_node_path(_name(workspace, found)):
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
    if path.suffix == ".py":
        raise ProjectError([not_read_yet(shown, python_node(content) or 1)])
    _refuse_placeholders(content, shown)
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
    present = load(workspace, current_tree(workspace))
    target = _target(present, node)
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
            _shown((each for each in loaded.warnings if each.path == place), place, shown)
        ),
        unknown=tuple(each for each in loaded.binding.unknown if each in upstream),
    )


def _find(workspace: Workspace, path: Path) -> Path:
    """The draft, named relative to the project or to the current folder."""
    for candidate in (workspace.repository.project / path, Path.cwd() / path):
        if candidate.is_file():
            return candidate.parent.resolve() / candidate.name
    drafts = [each.name for each in workspace.repository.project.glob("draft_*.y*ml")]
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


def _target(present: Loaded, node: Node) -> str:
    """Where the node's file is, or belongs. Raises UsageError where another node is in its
    place."""
    members = [member.node for member in present.project.members]
    same = [each.path for each in members if each.id == node.id]
    path = f"{folder_of(node.kind)}/{node.name}.yml"
    other = [each.id for each in members if each.path == path and each.id != node.id]
    if other and not same:
        raise UsageError(
            f"{path} is where {node.id} belongs, and it holds {other[0]}.",
            "Rename that file first.",
        )
    return same[0] if same else path


def _with_draft(
    workspace: Workspace, present: Loaded, target: str, content: bytes
) -> tuple[str, Loaded]:
    """The project with the draft instead of the file that it replaces. What is remembered of it
    goes by its content."""
    place = f"seeknal/draft_{hashlib.sha256(content).hexdigest()[:16]}.yml"
    tree = (
        present.root.tree
    )  # with all files: the draft may read one that is staged, and that no other node reads
    others = {path: blob for path, blob in tree.files.items() if path != target}
    return place, load(workspace, with_nodes(replace(tree, files=others), {place: content}))


def _wrong(present: Loaded, loaded: Loaded, node: Node) -> list[Problem]:
    """What the draft brings with it, and what is wrong with the nodes that it reads; other problems
    are not its own."""
    problems = loaded.all_problems
    known = {(each.path, each.message) for each in present.all_problems}
    if node.id not in loaded.graph.members:
        return [each for each in problems if (each.path, each.message) not in known] or list(
            problems
        )
    upstream = loaded.graph.upstream([node.id])
    return [
        each for each in problems if (each.path, each.message) not in known or each.node in upstream
    ]


def _shown(problems: Iterable[Problem], place: str, shown: str) -> list[Problem]:
    return [
        replace(
            each,
            path=shown if each.path == place else each.path,
            message=each.message.replace(place, shown),
        )
        for each in problems
    ]
