"""The kinds of node. Each is one small module, imported when a file of that kind has to be read.

The module of a kind has `File`, a pydantic model of its keys, and `compile_file(file, lines)`,
which returns a Compiled. To add a kind, add its module here, its name to KINDS, and a template for
`seeknal draft` to `templates/drafts/`.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from seeknal_git.names import CHANGES

KINDS = (
    "source",
    "transform",
    "feature_group",
    "aggregation",
    "second_order_aggregation",
    "profile",
    "rule",
    "exposure",
    "semantic_model",
    "metric",
)

# Those whose nodes have no table.
WITHOUT_TABLE = frozenset({"rule", "exposure", "semantic_model", "metric"})

# The kinds of nodes that SQL and commands may name: also those that come with another node's file.
NAMED = (*KINDS, CHANGES)

# Kinds of Seeknal that are not kinds here, and how the same is done.
OTHERWISE = {
    "model": "Train it in a Python node: a function with @transform that returns a table.",
    CHANGES: "Write `keep: changes` and the `key` of a row into the file of the source.",
}


def module_of(kind: str) -> ModuleType:
    return import_module(f"seeknal_git.nodes.{kind}")


def folder_of(kind: str) -> str:
    """The folder in which `apply` puts a node of this kind, and in which a file without a kind is a
    mistake."""
    return f"seeknal/{kind}s"
