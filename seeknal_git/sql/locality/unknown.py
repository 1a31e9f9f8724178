"""Constructs that are refused wherever they stand, since their value may differ between two runs,
or since nothing is known of them."""

from __future__ import annotations

from seeknal_git.names import folded
from seeknal_git.sql.analysis import functions
from seeknal_git.sql.analysis.tree import Tree, objects
from seeknal_git.sql.locality.columns import Obstruction

_KNOWN = (
    functions.SCALAR
    | functions.NAMING
    | functions.AGGREGATE
    | functions.ORDERED
    | functions.RANKING
    | functions.POSITIONAL
    | frozenset(functions.TABLES)
    | frozenset({"repeat", "json_each", "json_tree"})
)
_EXPRESSIONS = frozenset(
    {
        "BETWEEN",
        "CASE",
        "CAST",
        "COLLATE",
        "COLUMN_REF",
        "COMPARISON",
        "CONJUNCTION",
        "CONSTANT",
        "FUNCTION",
        "LAMBDA",
        "OPERATOR",
        "PARAMETER",
        "STAR",
        "SUBQUERY",
        "TYPE",
        "WINDOW",
    }
)
# Functions that stand without parentheses.
_BARE = frozenset(name for name in functions.VOLATILE if name.startswith(("current_", "localtime")))
_ROWID = "rowid"


def refuse_unknown(tree: Tree) -> None:
    """Raise Obstruction for a construct that is nowhere allowed."""
    for part in objects(tree):
        if part.get("function_name") and "reference" not in part:
            _refuse_function(str(part["function_name"]).lower(), part)
        if part.get("sample"):
            raise Obstruction("a sample", part)
        kind = part.get("class")
        if kind == "COLUMN_REF":
            _refuse_column(part)
        elif kind is not None and kind not in _EXPRESSIONS:
            raise Obstruction(str(kind).lower().replace("_", " "), part)


def _refuse_function(name: str, tree: Tree) -> None:
    if name in functions.VOLATILE:
        raise Obstruction(f"{name}(), whose value differs from run to run", tree)
    if name not in _KNOWN and name != "ref":
        raise Obstruction(f"{name}(), a function that is not known", tree)


def _refuse_column(tree: Tree) -> None:
    name = folded(tree["column_names"][-1])
    if name == _ROWID:
        raise Obstruction("rowid, which is numbered over all rows", tree)
    if len(tree["column_names"]) == 1 and name in _BARE:
        raise Obstruction(f"{name}, whose value differs from run to run", tree)
