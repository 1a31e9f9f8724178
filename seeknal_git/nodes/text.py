"""YAML as written by people: read strictly, with the line of every key."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import yaml

from seeknal_git.errors import Problem, ProjectError

MAX_VALUES = 20_000
_CONFLICT = re.compile(rb"^(<{7}|={7}|>{7}|\|{7})(\s|$)", re.MULTILINE)
_LINES_DEPTH = 4


class _Loader(yaml.CSafeLoader):
    """Dates stay text: a node is plain JSON-like data, and SQL knows dates better."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, regexp) for tag, regexp in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}


@dataclass(frozen=True, slots=True)
class Document:
    """A YAML file: its data, the line of each key (`"params.path"` → 7), and where each text's content begins."""

    data: Any
    lines: dict[str, int]
    content_lines: dict[str, int]


def read_yaml(content: bytes, path: str) -> Document:
    """Parse one YAML document. Raises ProjectError with the line of what is wrong."""
    if marker := _CONFLICT.search(content):
        _refuse("The file has conflict markers of an unfinished merge.", path, content, marker.start(),
                "Choose between the sides, remove the markers, and git add the file.")  # fmt: skip
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        _refuse(f"The file is not UTF-8: {exc.reason}.", path, content, exc.start, "Save it as UTF-8.")
    loader = _Loader(text)
    try:
        root = loader.get_single_node()
        if root is None:
            return Document(None, {}, {})
        _refuse_bombs(root, path)
        return Document(loader.construct_document(root), *_lines(root))
    except yaml.MarkedYAMLError as exc:
        line = exc.problem_mark.line + 1 if exc.problem_mark else None
        raise ProjectError([Problem(f"This is not valid YAML: {_words(exc)}.", path, line)]) from exc
    except (yaml.YAMLError, ValueError) as exc:
        raise ProjectError([Problem(f"This is not valid YAML: {exc}.", path)]) from exc
    finally:
        loader.dispose()


def _refuse(message: str, path: str, content: bytes, offset: int, hint: str) -> None:
    raise ProjectError([Problem(message, path, content.count(b"\n", 0, offset) + 1, hint)])


def _words(exc: yaml.MarkedYAMLError) -> str:
    if exc.problem and "found another document" in exc.problem:
        return "a node file holds one document, and here a second one begins"
    return " ".join(part for part in (exc.context, exc.problem) if part)


def _refuse_bombs(root: yaml.Node, path: str) -> None:
    """Aliases are shared in memory, but whatever walks the data meets them again and again: bound what it meets."""
    sizes: dict[int, int] = {}

    def size(node: yaml.Node) -> int:
        if id(node) not in sizes:
            sizes[id(node)] = MAX_VALUES + 1  # an alias that contains itself
            sizes[id(node)] = 1 + sum(map(size, _children(node)))
        return sizes[id(node)]

    if size(root) > MAX_VALUES:
        line = root.start_mark.line + 1
        raise ProjectError([Problem(f"The file unfolds to more than {MAX_VALUES:,} values.", path, line,
                                    "Use fewer aliases (&name, *name).")])  # fmt: skip


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [child for pair in node.value for child in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _lines(root: yaml.Node) -> tuple[dict[str, int], dict[str, int]]:
    lines: dict[str, int] = {}
    contents: dict[str, int] = {}

    def walk(node: yaml.Node, path: tuple[str, ...]) -> None:
        if len(path) > _LINES_DEPTH:
            return
        contents[".".join(path)] = node.start_mark.line + 1 + (getattr(node, "style", None) in ("|", ">"))
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                here = (*path, str(key.value))
                if ".".join(here) in lines:
                    raise yaml.MarkedYAMLError(
                        problem=f"the key {key.value} is given twice", problem_mark=key.start_mark
                    )
                lines[".".join(here)] = key.start_mark.line + 1
                walk(value, here)
        elif isinstance(node, yaml.SequenceNode):
            for number, item in enumerate(node.value):
                lines[".".join((*path, str(number)))] = item.start_mark.line + 1
                walk(item, (*path, str(number)))

    walk(root, ())
    return lines, contents
