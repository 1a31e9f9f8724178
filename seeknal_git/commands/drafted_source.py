"""A draft of a source that says everything about its files: their dialect and their columns."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from textwrap import wrap
from typing import Any

from seeknal_git.errors import ProjectError, UsageError
from seeknal_git.nodes.kinds import folder_of
from seeknal_git.nodes.load import load_node
from seeknal_git.project.data_paths import DataPath
from seeknal_git.project.disk_files import on_disk
from seeknal_git.project.guess import Guess, unfit
from seeknal_git.project.guessing import guessed
from seeknal_git.project.load import load
from seeknal_git.project.workspace import Workspace, current_tree
from seeknal_git.sql.type_words import is_type

_FORMAT, _FILE = re.compile(r"source: csv +#"), re.compile(r"table: <FILE>.*")
_TESTS = "# Tests that run before"


_FORMATS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".parquet": "parquet",
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
}


def pinned(workspace: Workspace, name: str, template: str, file: str) -> str:
    """The template of a source with everything that its files say: where they are, their dialect,
    and their columns."""
    place = _below(workspace, file)
    form = _format_in(workspace, place) if place.endswith("/") else _format_of(file, place)
    lines = f"kind: source\nname: {name}\nsource: {form}\ntable: {_yaml(place)}\n"
    node, _ = load_node(lines.encode(), f"{folder_of('source')}/{name}.yml")
    assert node is not None, "it has a kind"
    guess = guessed(node, load(workspace, current_tree(workspace)).root)[1]
    if guess.error:
        raise ProjectError([replace(unfit(node, *guess.error), path=None, line=None)])
    said = _FORMAT.sub(f"source: {form.ljust(20)}#", _FILE.sub(f"table: {_yaml(place)}", template))
    head, _, rest = said.partition("# How to read it:\n")
    tests = rest[rest.index(_TESTS) :]
    return f"{head}{''.join(_said(guess))}\n{tests}"


def _format_of(file: str, place: str) -> str:
    """The format of a file or glob, by its name."""
    endings = [ending for ending in Path(place).suffixes if ending in _FORMATS]
    if not endings:
        raise UsageError(
            f"The name of {file} does not say which format it has.",
            f"One of {', '.join(_FORMATS)}.",
        )
    return _FORMATS[endings[-1]]


def _format_in(workspace: Workspace, folder: str) -> str:
    """The format of the files of a folder that a source may read. Lines of JSON are read as JSON
    too."""
    project, found = workspace.repository.project, set()
    for form in ("csv", "parquet", "json"):
        wanted = DataPath(folder, form)
        found |= {
            _format_of(file, file) for file in on_disk(project, wanted.glob) if wanted.takes(file)
        }
    if found == {"json", "jsonl"}:
        return "json"
    if len(found) > 1:
        raise UsageError(
            f"{folder} has files of {' and of '.join(sorted(found))}.",
            f"Name those of one format by a glob: {folder}**/*.{min(found)}",
        )
    if not found:
        raise UsageError(
            f"There is no file in {folder} whose name says that it is data.",
            f"One of {', '.join(_FORMATS)}.",
        )
    return found.pop()


def _below(workspace: Workspace, file: str) -> str:
    """A file, a glob or a folder as a node names it, given as somebody here names it."""
    project = workspace.repository.project
    for folder in (project, Path.cwd()):
        path = Path(os.path.normpath(folder / file))
        if path.is_relative_to(project) and path != project and path.is_dir():
            return f"{path.relative_to(project).as_posix()}/"
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
    yield "# Types that have to hold. A column that is missing or does not fit is an\n"
    yield "# error that names it.\nschema:\n"
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


_PLAIN_TEXT = re.compile(r"[A-Za-z_][A-Za-z0-9_./() -]*[A-Za-z0-9_)/]|[A-Za-z]")
