"""Drafts of Python nodes."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import TYPE_CHECKING

from seeknal_git.errors import Problem, ProjectError, UsageError
from seeknal_git.names import command_line
from seeknal_git.nodes.python.declarations import SIGNATURES
from seeknal_git.project.load import with_nodes
from seeknal_git.project.python_files import read_nodes
from seeknal_git.project.vocabulary import Vocabulary

if TYPE_CHECKING:
    from seeknal_git.git.tree import Tree
    from seeknal_git.nodes.node import Node

_DEPENDENCIES = "pandas"


def template(kind: str, name: str, description: str | None, dependencies: str | None) -> str:
    """A template of a Python node. dependencies: names of packages, between commas. Raises
    UsageError for a kind that is written in YAML."""
    if kind not in SIGNATURES:
        raise UsageError(
            f"A {kind} is written in YAML.", command_line("seeknal", "draft", kind, name)
        )
    text = (files("seeknal_git") / "templates" / "drafts" / f"{kind}.py.txt").read_text("utf-8")
    wanted = [one.strip() for one in (dependencies or _DEPENDENCIES).split(",") if one.strip()]
    line = '    description="<DESCRIPTION>",\n'
    said = (
        f"    description={json.dumps(description, ensure_ascii=False)},\n" if description else ""
    )
    given = ", ".join(map(json.dumps, wanted))
    return text.replace(line, said).replace("<NAME>", name).replace("<DEPS>", given)


def nodes_of(tree: Tree, content: bytes, place: str) -> list[Node]:
    """The nodes of a draft at a place of the project. Raises ProjectError if there are none."""
    nodes, _ = read_nodes(Vocabulary(with_nodes(tree, {place: content})), place)
    if not nodes:
        hint = "Decorate a function: @transform(…), of seeknal.pipeline."
        raise ProjectError([Problem("There is no node in this file.", place, 1, hint)])
    return nodes


def need_place(nodes: list[Node], there: list[str], target: str) -> None:
    """Raise UsageError if a file holds nodes that a draft would remove. there: their ids."""
    if lost := sorted(set(there) - {node.id for node in nodes}):
        raise UsageError(
            f"{target} holds {lost[0]} too, which the draft would remove.",
            "Edit that file itself, or add the node to the draft.",
        )
