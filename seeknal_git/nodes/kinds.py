"""The kinds of node: one small module each, imported when a file of that kind has to be read.

A kind's module has `File`, a pydantic model of its keys, and `compile_file(file, lines)`, which
returns a Compiled. Add a kind by adding a module, its name here, and its template to
`templates/drafts/`.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

KINDS = ("source", "transform", "feature_group", "rule", "exposure")

# Kinds of Seeknal that have no module yet.
LATER = ("model", "aggregation", "second_order_aggregation", "profile", "semantic_model", "metric")


def module_of(kind: str) -> ModuleType:
    return import_module(f"seeknal_git.nodes.{kind}")


def folder_of(kind: str) -> str:
    """Where `apply` puts a node of this kind, and where a file without a kind is a mistake."""
    return f"seeknal/{kind}s"
