"""A file becomes a node, or a list of problems."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from seeknal_git.errors import Problem, ProjectError
from seeknal_git.nodes.changes import history_of
from seeknal_git.nodes.examples import plain
from seeknal_git.nodes.kinds import KINDS, OTHERWISE, folder_of, module_of
from seeknal_git.nodes.node import Input, Node
from seeknal_git.nodes.node_file import CARRIED_KEYS, Compiled, Mistake, NodeFile, tests_of
from seeknal_git.nodes.partition import deciding, earlier_of, partition_of
from seeknal_git.nodes.scalars import is_nothing
from seeknal_git.nodes.sql_file import with_sql_file
from seeknal_git.nodes.targets import KEYS, not_written
from seeknal_git.nodes.templates import Resolved, resolve
from seeknal_git.nodes.values import Values, hidden
from seeknal_git.nodes.yaml_document import Document, read_yaml
from seeknal_git.sql.partition_values import marked

# The words that other tools have for a key.
_OTHER_WORDS = {"sql": "transform", "query": "transform", "select": "transform"}

_DOCUMENT = re.compile(rb"^---(?=\s|$)", re.MULTILINE)


def load_nodes(
    content: bytes, path: str, values: Values | None = None
) -> tuple[list[Node], list[Problem]]:
    """The nodes in a file, and warnings about it: one or none, but for a source with its history,
    and a file of metrics, which may hold several documents. Raises ProjectError with every mistake
    in the first that has any."""
    documents = [content]
    if path.startswith(f"{folder_of('metric')}/"):
        documents = _documents(content)
    found, warnings = [], list[Problem]()
    for document in documents:
        node, told = load_node(document, path, values)
        warnings += told
        if node is None:
            continue
        found.append(node)
        if history := history_of(node):
            found.append(history)
        found += _exposures(node)
        if node.kind != "metric" and len(documents) > 1:
            message = f"A file of several documents holds metrics alone, and no {node.kind}."
            raise ProjectError([Problem(message, path, node.line("kind"))])
    return found, warnings


def _exposures(node: Node) -> list[Node]:
    """The exposures that the `materialization` of a node stands for. Raises ProjectError."""
    if not any(node.document.get(key) for key in KEYS):
        return []
    from seeknal_git.nodes.delivered_tables import materialized_to

    try:
        return list(materialized_to(node, module_of("exposure").Params))
    except (ValidationError, Mistake) as exc:
        line = next((node.line(key) for key in KEYS if key in node.lines), 1)
        told = exc.errors()[0]["msg"] if isinstance(exc, ValidationError) else str(exc)
        message = f"The materialization of {node.id} cannot be read: {told}."
        raise ProjectError([Problem(message, node.path, line)]) from exc


def _documents(content: bytes) -> list[bytes]:
    """The documents of a file, each on its own lines."""
    cuts = [0, *(found.start() for found in _DOCUMENT.finditer(content)), len(content)]
    pieces = [
        b"\n" * content.count(b"\n", 0, start) + content[start:end] for start, end in pairwise(cuts)
    ]
    return [piece for piece in pieces if _NOT_EMPTY.search(piece)] or [content]


_NOT_EMPTY = re.compile(rb"^[^\s#-]", re.MULTILINE)


def load_node(
    content: bytes, path: str, values: Values | None = None
) -> tuple[Node | None, list[Problem]]:
    """The node in a file, and warnings about it; None for a file that is not a node (it has no
    `kind`).

    values: those of its templates. Raises ProjectError with every mistake in the file.
    """
    try:
        document = read_yaml(content, path)
    except ProjectError as exc:
        if _may_be_a_node(content, path):
            raise
        return None, [
            replace(problem, message=f"The file is passed over: {problem.message}")
            for problem in exc.problems
        ]
    if not _is_node(document.data, path):
        return None, []
    if {"materialization", "materializations"} <= document.data.keys():
        message = "`materialization` and `materializations` mean the same: write one of them."
        raise ProjectError([Problem(message, path, document.lines.get("materializations"))])
    kind, values = _kind(document.data, document.lines, path), values or Values()
    whole, sql_file = with_sql_file(document, path, values)
    node, warnings = node_of(whole, module_of(kind), path, values, sql_file=sql_file)
    return replace(node, document=_as_given(node, document)) if sql_file else node, warnings


def node_of(
    document: Document, kind: Any, path: str, values: Values | None = None, *, sql_file: str = ""
) -> tuple[Node, list[Problem]]:
    """The node in a document, and warnings about it.

    kind: its module, or something else with a `File` and `compile_file`; values: those of its
    templates; sql_file: where its SQL is, if not in the document. Raises ProjectError with every
    mistake in it.
    """
    lines = document.lines
    resolved = resolve(document, values or Values(), path, sql_file)
    secrets = (values or Values()).secrets([expression for expression, _ in resolved.uses])
    try:
        file = _validated(kind, resolved.document.data, lines, path)
    except ProjectError as exc:
        told = [replace(found, message=hidden(found.message, secrets)) for found in exc.problems]
        raise ProjectError(told) from None
    mistakes, warnings = _unknown_keys(file, resolved, path)
    warnings += not_written(file, lines, path)
    mistakes += _swallowed(document, path)
    if mistakes:
        raise ProjectError(mistakes)
    compiled: Compiled = kind.compile_file(file, lines)
    node = _node(file, compiled, resolved, path)
    if not resolved.uses:
        return node, warnings
    checks = [replace(check, name=hidden(check.name, secrets)) for check in node.checks]
    return replace(
        node,
        document=_plain(document.data, file),
        checks=tuple(checks),
        uses=tuple(resolved.uses),
        breaks=resolved.breaks.get(compiled.sql_key or "", ()),
        sql_file=sql_file,
        secrets=secrets,
    ), warnings


def _as_given(node: Node, document: Document) -> dict[str, Any]:
    """The file of a node whose SQL is elsewhere, as plain data."""
    return {**node.document, "transform": document.data.get("transform")}


_KIND = re.compile(rb"""^(?:\xef\xbb\xbf|\xff\xfe|\xfe\xff)?["']?kind["']?\s*:""", re.MULTILINE)


def _may_be_a_node(content: bytes, path: str) -> bool:
    """Whether a file that cannot be read may be a node's: other tools keep files of their own below
    seeknal/."""
    if not path.startswith("seeknal/") or _where_nodes_stand(path):
        return True
    return (
        _KIND.search(content.replace(b"\0", b"")) is not None
    )  # UTF-16 has a zero beside each letter


def _where_nodes_stand(path: str) -> bool:
    return any(path.startswith(f"{folder_of(kind)}/") for kind in KINDS)


def _swallowed(document: Document, path: str) -> Iterator[Problem]:
    """Problems for SQL whose lines YAML folds into a comment: a filter there would be lost
    silently."""
    for place, line in document.swallowed.items():
        key = next(part for part in reversed(place.split(".")) if not part.isdigit())
        message = (
            f"This comment swallows the line after it, as YAML folds the lines of `{key}` into one."
        )
        yield Problem(message, path, line, f"Write `{key}: |`, which keeps lines as they are.")


def _is_node(data: Any, path: str) -> bool:
    if isinstance(data, dict) and "kind" in data:
        return True
    if _where_nodes_stand(path):
        raise ProjectError(
            [
                Problem(
                    "This file has no `kind`, and stands where nodes stand.",
                    path,
                    1,
                    "Add `kind: …` and `name: …`, or move the file elsewhere.",
                )
            ]
        )
    return False


def _kind(data: Mapping[str, Any], lines: Mapping[str, int], path: str) -> str:
    kind = data["kind"]
    if kind in KINDS:
        return str(kind)
    if str(kind) in OTHERWISE:
        message = f"The kind {kind} is not supported."
        raise ProjectError([Problem(message, path, lines.get("kind"), OTHERWISE[str(kind)])])
    near = difflib.get_close_matches(str(kind), KINDS, 1)
    hint = f"Did you mean {near[0]}?" if near else f"The kinds are {', '.join(KINDS)}."
    raise ProjectError([Problem(f"There is no kind {kind}.", path, lines.get("kind"), hint)])


def _validated(kind: Any, data: Mapping[str, Any], lines: Mapping[str, int], path: str) -> NodeFile:
    try:
        file: NodeFile = kind.File.model_validate(data)
    except ValidationError as exc:
        known = _known_keys(kind.File)
        typos = [
            _typo(near, (key,), lines, path)
            for key in map(str, data)
            if (near := _near(key, known))
        ]
        # A misspelt key also counts as missing, and may be the only thing that the file lacks.
        others = [
            error
            for error in exc.errors()
            if not typos or (error["loc"] and error["type"] != "missing")
        ]
        found = (
            _unread(error, kind, lines, path) or _problem(error, lines, path) for error in others
        )
        raise ProjectError([*typos, *found]) from exc
    return file


def _unread(error: Any, kind: Any, lines: Mapping[str, int], path: str) -> Problem | None:
    """The problem of an unknown key, in a model that allows no others."""
    if error["type"] != "extra_forbidden":
        return None
    where = [str(part) for part in error["loc"]]
    known = _known_keys(_model_at(kind.File, where[:-1]))
    if near := _near(where[-1], known, 0.7):
        return _typo(near, where, lines, path)
    message = f"There is no key `{'.'.join(where)}`."
    return Problem(
        message, path, _line(lines, ".".join(where)), f"The keys are {', '.join(sorted(known))}."
    )


def _model_at(model: type[BaseModel], where: Iterable[str]) -> type[BaseModel]:
    """The model of the value at a place of a file."""
    for key in where:
        fields = {field.alias or name: field for name, field in model.model_fields.items()}
        if key in fields:
            model = next(_models(fields[key].annotation), model)
    return model


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models within an annotation, such as that of `list[Test]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)


def _problem(error: Any, lines: Mapping[str, int], path: str) -> Problem:
    where = [str(part) for part in error["loc"]]
    if error["type"] == "missing" and isinstance(error["input"], dict):
        for given in map(str, error["input"]):
            if near := _near(given, {where[-1]}) or _meant(given, where[-1]):
                return _typo(near, (*where[:-1], given), lines, path)
    key, about = ".".join(where), getattr(error.get("ctx", {}).get("error"), "keys", ())
    message = _said(error, where[-1] if where else "")
    if where[0:1] == ["inputs"]:  # the message quotes the entry
        key = "inputs"
    if error["type"] == "missing":
        message = f"the key `{key}` is missing"
    elif key:
        message = f"`{key}`: {message[0].lower()}{message[1:]}"
    end = "" if message.endswith("?") else "."
    return Problem(f"{message[0].upper()}{message[1:]}{end}", path, _line(lines, *about, key))


def _said(error: Any, key: str) -> str:
    """The words for a mistake in a value. key: the last one of its place."""
    message, given = str(error["msg"]).removeprefix("Value error, "), error.get("input")
    if error["type"] == "list_type" and isinstance(given, str):
        entry = given if key != "inputs" or "." in given else f"source.{given}"
        return f"a list is needed: write `{key}: [{entry}]`"
    if error["type"] == "list_type" and isinstance(given, dict):
        return f"a list is needed: begin each entry of `{key}` with `- `"
    if error["type"] == "literal_error" and isinstance(given, str):
        choices = re.findall(r"'([^']+)'", error["ctx"]["expected"])
        near = difflib.get_close_matches(given, choices, 1)
        return f"{message}; did you mean {near[0]}?" if near else message
    return message


def _meant(given: str, wanted: str) -> str | None:
    """The key that is wanted, if a given one is another tool's word for it."""
    return wanted if _OTHER_WORDS.get(given) == wanted else None


def _line(lines: Mapping[str, int], *keys: str) -> int:
    """The line of the first of the keys that exists, else of the nearest key around it."""
    parts = keys[0].split(".")
    around = (".".join(parts[:length]) for length in range(len(parts) - 1, 0, -1))
    return next((lines[key] for key in (*keys, *around) if key in lines), 1)


def _typo(near: str, where: Sequence[str], lines: Mapping[str, int], path: str) -> Problem:
    return Problem(
        f"There is no key `{where[-1]}`.",
        path,
        _line(lines, ".".join(where)),
        f"Did you mean `{near}`?",
    )


def _unknown_keys(
    file: NodeFile, resolved: Resolved, path: str
) -> tuple[list[Problem], list[Problem]]:
    """Problems for keys that resemble a known one; and warnings for other unknown keys of the file
    itself, and for `params` that nothing reads."""
    lines, mistakes, warnings = resolved.document.lines, [], []
    for where, known in _extras(file):
        meant = _OTHER_WORDS.get(where[-1], "")
        is_meant = where == (where[-1],) and meant in known and meant not in resolved.document.data
        if near := _near(where[-1], known) or (meant if is_meant else None):
            mistakes.append(_typo(near, where, lines, path))
        elif len(where) == 1:
            warnings.append(
                Problem(
                    f"The key `{where[0]}` is not one that is read here.",
                    path,
                    _line(lines, where[0]),
                )
            )
    is_used = any(is_own for _, is_own in resolved.uses)
    if file.params and not file.reads_params and not is_used:
        message = f"The `params` of a {file.kind} are not read here."
        warnings.append(Problem(message, path, _line(lines, "params")))
    return mistakes, warnings


def _extras(
    value: object, where: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], set[str]]]:
    """Every key that is not known at its place, with the keys that are known there."""
    if isinstance(value, BaseModel):
        known = _known_keys(type(value))
        yield from (((*where, key), known) for key in value.model_extra or () if key not in known)
        for name, field in type(value).model_fields.items():
            yield from _extras(getattr(value, name), (*where, field.alias or name))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _extras(item, (*where, str(number)))


def _near(key: str, known: set[str], cutoff: float = 0.8) -> str | None:
    """The known key that was probably meant; None if there is none."""
    found = difflib.get_close_matches(key, sorted(known), 1, cutoff)
    return found[0] if found and key not in known else None


def _known_keys(model: type[BaseModel]) -> set[str]:
    carried = CARRIED_KEYS if issubclass(model, NodeFile) else frozenset()
    return {field.alias or name for name, field in model.model_fields.items()} | carried


def _plain(data: Mapping[str, Any], file: NodeFile) -> dict[str, Any]:
    """A file as plain data: None for a key without a value, and tags always as a list."""
    values = {key: None if is_nothing(value) else value for key, value in data.items()}
    if values.get("tags"):
        values["tags"] = file.tags
    if values.get("examples"):
        values["examples"] = plain(values["examples"])
    found: dict[str, Any] = json.loads(json.dumps(values, default=str))
    return found


def _line_of_input(lines: Mapping[str, int], number: int) -> int:
    places = (f"inputs.{number}", f"depends_on.{number}", "model")
    return next((lines[place] for place in places if place in lines), 1)


def _node(file: NodeFile, compiled: Compiled, resolved: Resolved, path: str) -> Node:
    document, lines = resolved.document, resolved.document.lines
    inputs = tuple(
        Input(entry.ref, _line_of_input(lines, number)) for number, entry in enumerate(file.inputs)
    )
    key = compiled.sql_key or ""
    sql, partition = document.written.get(key, compiled.sql), partition_of(file)
    if partition and sql is not None:
        sql = marked(sql)
    return Node(
        kind=file.kind,
        name=file.name,
        path=path,
        sql=sql,
        sql_line=document.content_lines.get(key, 1),
        inputs=inputs,
        aliases=compiled.aliases,
        definition={**compiled.definition, **deciding(file)},
        checks=(*compiled.checks, *tests_of(file, lines)),
        document=_plain(document.data, file),
        promises=compiled.promises,
        semantics=compiled.semantics,
        lines=lines,
        python=compiled.python,
        materialized=compiled.materialized,
        keeps=compiled.keeps,
        outside=compiled.outside,
        partition=partition,
        earlier=earlier_of(file),
    )
