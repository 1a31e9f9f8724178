"""The nodes of a Python file. A `@source` is the node that the YAML with the same keys would be;
the others have a definition that holds their code."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from seeknal_git.errors import Problem, ProjectError
from seeknal_git.names import folded
from seeknal_git.nodes.changes import history_of
from seeknal_git.nodes.kinds import module_of
from seeknal_git.nodes.load import node_of
from seeknal_git.nodes.node import Input, Node
from seeknal_git.nodes.python.declarations import Declaration, Source, declarations, templates_in
from seeknal_git.nodes.python.form import FORMS
from seeknal_git.nodes.python.header import Header, packages
from seeknal_git.nodes.python.reach import Code, Modules, reached
from seeknal_git.nodes.python.statements import first_line
from seeknal_git.nodes.scalars import Word
from seeknal_git.nodes.values import Values
from seeknal_git.nodes.yaml_document import Document
from seeknal_git.sql.statement import EVERYTHING, FUNCTION, ROWS, Anatomy, Part

# Raise it if the same code over the same tables begins to make another table.
PROTOCOL = 1
# Arguments that are no `params`, beside the fields of a form.
_KEYS = frozenset("freshness connection query audits tests description owner columns".split())
# Attributes of the context with which a function may know which node it is.
_OF_ITS_ID = frozenset({"node_id", "node_kind"})
# Attributes with which it may join feature groups by the times of their rows.
_OF_TIMES = frozenset({"features", "pit_join", "as_of"})
# Fields of a form that no decorator has.
_NOT_HERE = frozenset({"kind", "schema", "transform", "mode", "engine"})


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Everything beside a file that decides its nodes. lock: the text that pins its packages;
    params: those that a command gives."""

    modules: Modules
    minor: int
    header: Header | None
    lock: str
    params: Mapping[str, str] = field(default_factory=dict)


def load_nodes(
    source: Source, around: Surroundings, values: Callable[[], Values]
) -> tuple[list[Node], list[Problem]]:
    """The nodes of a file, and warnings about them. values: those of templates, asked for only by a
    file that has some. Raises ProjectError with every mistake."""
    known = values() if templates_in(source) else Values()
    nodes: list[Node] = []
    warnings: list[Problem] = []
    problems: list[Problem] = []
    for declared in declarations(source):
        try:
            node, told = _load(declared, source, around, known)
            nodes.append(node)
            if history := history_of(node):
                nodes.append(history)
            warnings += told
        except ProjectError as exc:
            problems += exc.problems
    if problems:
        raise ProjectError(problems)
    return nodes, warnings


def _load(
    declared: Declaration, source: Source, around: Surroundings, values: Values
) -> tuple[Node, list[Problem]]:
    kind = module_of("source") if declared.kind == "source" else FORMS[declared.kind]
    node, warnings = node_of(_document(declared, kind), kind, source.path, values)
    if declared.kind == "source":
        return node, warnings
    code = reached(source, declared.function, declared.context, around.modules)
    return _with_code(node, declared, code, source, around), warnings


def _document(declared: Declaration, kind: Any) -> Document:
    """The arguments of a decorator as a YAML file would have them."""
    fields = kind.File.model_fields.items()
    keys = {field.alias or name for name, field in fields}.union(_KEYS) - _NOT_HERE
    data: dict[str, Any] = {"kind": declared.kind, "name": declared.function, "params": {}}
    lines = dict.fromkeys(("kind", "name", "entity"), declared.line)
    keys.add("params")
    for key, value in declared.arguments.items():
        (data if key in keys else data["params"])[key] = value
    for place, line in declared.lines.items():
        lines[place if place.partition(".")[0] in keys else f"params.{place}"] = line
    if declared.targets:
        data["materializations"] = list(declared.targets)
    if not data["params"]:
        del data["params"]
    if declared.kind == "source":
        data = _as_text({"source": "csv", **data})
    elif "examples" in data:
        data["examples"] = _as_text(data["examples"])
    if declared.kind != "source" and isinstance(data.get("columns"), dict):
        data["columns"] = {name: _typed(word) for name, word in data["columns"].items()}
    return Document(data, lines, {}, {}, {})


def _typed(word: Any) -> Any:
    return {"dtype": word} if isinstance(word, str) else word


def _as_text(value: Any) -> Any:
    """A value as YAML has it: scalars are texts."""
    if isinstance(value, dict):
        return {key: _as_text(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_as_text(inner) for inner in value]
    if value is None or isinstance(value, str):
        return value
    return Word(str(value).lower() if isinstance(value, bool) else value)


def _with_code(
    node: Node, declared: Declaration, code: Code, source: Source, around: Surroundings
) -> Node:
    """A node with the definition of its code, and the inputs that its code names."""
    reads = _reads(node, code, source)
    definition = {
        **node.definition,
        "python": {
            "protocol": PROTOCOL,
            "minor": around.minor,
            "packages": list(packages(around.header, around.lock)),
            "code": code.digest,
            "params": _params(node, code, around.params),
            "reads": [[read.id, columns] for read, columns in reads],
            "returns": _returned(node),
            "secrets": list(node.document.get("secrets") or ()),
            "arguments": declared.parameters,
            "which": _which(declared, source),
            "id": node.id if _OF_ITS_ID & code.attributes else "",
        },
    }
    header = around.header
    return replace(
        node,
        inputs=tuple(read for read, _ in reads),
        definition=definition,
        sql_line=declared.line,
        python={
            **node.python,
            "function": declared.function,
            "is_twice": _is_twice(declared.function, source),
            "context": declared.context,
            "parts": [list(part) for part in code.parts],
            "modules": [path for path, _ in code.sources.values()],
            "packages": None if header is None else list(header.dependencies),
            "script": header.script if header else "",
            "is_timed": bool(_OF_TIMES & code.attributes),
            "text": _text_of(declared.function, source),
        },
    )


def _reads(node: Node, code: Code, source: Source) -> list[tuple[Input, Sequence[str] | None]]:
    """The inputs of a node: those that it declares, with their columns, then those that its code
    names. Raises ProjectError for a name that is computed, if none is declared."""
    found = list(zip(node.inputs, node.python["columns"], strict=True))
    problems = []
    for reference in code.references:
        if reference.wrong:
            problems.append(Problem(reference.wrong, source.path, reference.line, node=node.id))
        elif not reference.id and not found:
            message = "The name of an input is written as a literal, so that the plan can read it."
            hint = "Name it in `inputs` of the decorator, if it has to be computed."
            problems.append(Problem(message, source.path, reference.line, hint, node.id))
        elif reference.id and reference.id not in [read.id for read, _ in found]:
            found.append((Input(reference.id, reference.line or node.line("name")), None))
    if problems:
        raise ProjectError(problems)
    return found


def _params(node: Node, code: Code, given: Mapping[str, str]) -> dict[str, Any]:
    """The parameters of a node: those of its decorator, and those that a command gives under a name
    that its decorator or its code has."""
    params = dict(node.python["params"])
    for name, text in given.items():
        if isinstance(params.get(name), str):
            params[name] = text
        elif name in params or name in code.texts:
            params[name] = _value(text)
    return params


def _value(text: str) -> Any:
    """A number or a flag as itself, anything else as a text."""
    try:
        found = json.loads(text)
    except ValueError:
        return text
    return found if isinstance(found, int | float) else text


def _which(declared: Declaration, source: Source) -> int:
    """How many functions of the same name stand before a node's in its file."""
    named = [one for one in source.tree.body if getattr(one, "name", "") == declared.function]
    return sum((one.end_lineno or 0) < declared.line for one in named)


def _is_twice(function: str, source: Source) -> bool:
    """Whether several functions of a file have one name."""
    named = [one for one in source.tree.body if getattr(one, "name", "") == function]
    return len(named) > 1


def _returned(node: Node) -> list[list[str | None]]:
    """The columns that a node declares to return, with their types."""
    declared = node.document.get("columns")
    return [[name, node.promises[name]] for name in declared] if declared else []


def _text_of(function: str, source: Source) -> str:
    """A hash of a function as it is written."""
    for statement in source.tree.body:
        if getattr(statement, "name", "") == function:
            lines = source.text.splitlines()[first_line(statement) - 1 : statement.end_lineno]
            return hashlib.sha256("\n".join(lines).encode()).hexdigest()
    return ""


def anatomy_of(node: Node, ordered: Container[str]) -> Anatomy:
    """The reads of a Python node. It is one piece: nothing is known of its rows and columns.

    ordered: inputs with an order of their own, which a function sees.
    """
    own: Mapping[str, Any] = node.definition["python"]
    reads: list[tuple[int, str]] = []
    for number, (read, columns) in enumerate(own["reads"]):
        whole = columns is None or read in ordered
        names = [EVERYTHING] if whole else [ROWS, *map(folded, columns)]
        reads += [(number, name) for name in names]
    return Anatomy(Part("python", tuple(reads)), obstacles=(FUNCTION,))
