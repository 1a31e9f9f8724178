"""A file becomes a node, or a list of what is wrong with it."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from seeknal_git.errors import Problem, ProjectError
from seeknal_git.nodes.common import CARRIED_KEYS, Compiled, NodeFile, tests_of
from seeknal_git.nodes.kinds import KINDS, LATER, folder_of, module_of
from seeknal_git.nodes.node import Input, Node
from seeknal_git.nodes.text import Document, read_yaml


def load_node(content: bytes, path: str) -> tuple[Node | None, list[Problem]]:
    """The node in a file, and warnings about it; None for a file that is not a node (it has no `kind`).

    Raises ProjectError with every mistake in the file.
    """
    document = read_yaml(content, path)
    if not _is_node(document.data, path):
        return None, []
    data, lines = document.data, document.lines
    kind = _kind(data, lines, path)
    file = _validated(kind, data, lines, path)
    warnings = list(_unknown_keys(file, data, lines, path))
    mistakes = [problem for problem in warnings if problem.hint and problem.hint.startswith("Did you mean")]
    if mistakes:
        raise ProjectError(mistakes)
    compiled: Compiled = module_of(kind).compile_file(file, lines)
    return _node(kind, file, compiled, document, path), warnings


def _is_node(data: Any, path: str) -> bool:
    if isinstance(data, dict) and "kind" in data:
        return True
    if any(path.startswith(f"{folder_of(kind)}/") for kind in KINDS):
        raise ProjectError([Problem("This file has no `kind`, and stands where nodes stand.", path, 1,
                                    "Add `kind: …` and `name: …`, or move the file elsewhere.")])  # fmt: skip
    return False


def _kind(data: Mapping[str, Any], lines: Mapping[str, int], path: str) -> str:
    kind = data["kind"]
    if kind in KINDS:
        return str(kind)
    if kind in LATER:
        hint = f"The kinds that can be built here are {', '.join(KINDS)}."
        raise ProjectError([Problem(f"The kind {kind} is not supported yet.", path, lines.get("kind"), hint)])
    near = difflib.get_close_matches(str(kind), KINDS, 1)
    hint = f"Did you mean {near[0]}?" if near else f"The kinds are {', '.join(KINDS)}."
    raise ProjectError([Problem(f"There is no kind {kind}.", path, lines.get("kind"), hint)])


def _validated(kind: str, data: Mapping[str, Any], lines: Mapping[str, int], path: str) -> NodeFile:
    try:
        file: NodeFile = module_of(kind).File.model_validate(data)
    except ValidationError as exc:
        missing = {str(error["loc"][0]) for error in exc.errors() if error["type"] == "missing"}
        typos = list(_typos(module_of(kind).File, data, lines, path, missing))
        raise ProjectError(typos or [_problem(error, lines, path) for error in exc.errors()]) from exc
    return file


def _problem(error: Any, lines: Mapping[str, int], path: str) -> Problem:
    where = [str(part) for part in error["loc"]]
    key = ".".join(where)
    while where and ".".join(where) not in lines:
        where.pop()
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] == "missing":
        message = f"the key `{key}` is missing"
    elif key:
        message = f"`{key}`: {message[0].lower()}{message[1:]}"
    return Problem(f"{message[0].upper()}{message[1:]}.", path, lines.get(".".join(where), 1))


def _unknown_keys(file: NodeFile, data: Mapping[str, Any], lines: Mapping[str, int], path: str) -> Iterator[Problem]:
    yield from _typos(type(file), data, lines, path)
    known = _known_keys(type(file))
    for key in data:
        if str(key) not in known and not _near(str(key), known):
            yield Problem(f"The key `{key}` is not one that is read here.", path, lines.get(str(key)))


def _typos(
    model: type[NodeFile], data: Mapping[str, Any], lines: Mapping[str, int], path: str, missing: set[str] | None = None
) -> Iterator[Problem]:
    """Unknown keys that are a near miss of a known one."""
    known = _known_keys(model)
    for key in map(str, data):
        if key not in known and (near := _near(key, known)) and (missing is None or near in missing):
            yield Problem(f"There is no key `{key}`.", path, lines.get(key), f"Did you mean `{near}`?")


def _near(key: str, known: set[str]) -> str | None:
    found = difflib.get_close_matches(key, sorted(known), 1, cutoff=0.8)
    return found[0] if found else None


def _known_keys(model: type[NodeFile]) -> set[str]:
    return {field.alias or name for name, field in model.model_fields.items()} | CARRIED_KEYS


def _node(kind: str, file: NodeFile, compiled: Compiled, document: Document, path: str) -> Node:
    lines = document.lines
    inputs = tuple(Input(entry.ref, lines.get(f"inputs.{number}", 1)) for number, entry in enumerate(file.inputs))
    sql_line = document.content_lines.get(compiled.sql_key or "", 1)
    return Node(
        kind=kind,
        name=file.name,
        path=path,
        sql=compiled.sql,
        sql_line=sql_line,
        inputs=inputs,
        aliases=compiled.aliases,
        definition=compiled.definition,
        checks=(*compiled.checks, *tests_of(file, lines)),
        document=json.loads(json.dumps(document.data, default=str)),
        lines=lines,
    )
