"""Constructors of trees, as the engine would make them."""

from __future__ import annotations

from collections.abc import Sequence

from seeknal_git.sql.analysis.constants import INTEGER, STRING, literal, number
from seeknal_git.sql.analysis.tree import Tree

_INT = 2**31


def compared(kind: str, left: Tree, right: Tree) -> Tree:
    return {"class": "COMPARISON", "type": kind, "left": left, "right": right}


def joined(kind: str, children: Sequence[Tree]) -> Tree:
    return (
        {"class": "CONJUNCTION", "type": kind, "children": list(children)}
        if len(children) > 1
        else children[0]
    )


def operator(kind: str, *children: Tree) -> Tree:
    return {"class": "OPERATOR", "type": kind, "children": list(children)}


def interval(count: int, unit: str) -> Tree:
    type_ = {"class": "TYPE", "type": "TYPE", "type_name": "INTERVAL"}
    return {
        "class": "CAST",
        "type": "OPERATOR_CAST",
        "child": literal(STRING, f"{count} {unit}"),
        "type_expr": type_,
    }


def integer(value: int) -> Tree:
    """A whole number that is cast to INTEGER, so that it is not fitted to its neighbours."""
    type_ = {"class": "TYPE", "type": "TYPE", "type_name": "INTEGER"}
    return {
        "class": "CAST",
        "type": "OPERATOR_CAST",
        "child": literal(INTEGER, str(value)),
        "type_expr": type_,
    }


def with_arguments(tree: Tree, children: Sequence[Tree]) -> Tree:
    """A call with other arguments."""
    return {**tree, "children": list(children), "arguments": []}


def as_column(tree: Tree) -> Tree:
    """An expression as a column. A whole number gets the type INTEGER, if it fits."""
    value = number(tree)
    return tree if value is None or abs(value) >= _INT else integer(value)


def case_of(when: Tree, then: Tree, otherwise: Tree) -> Tree:
    """A CASE of one check."""
    check = {"when_expr": when, "then_expr": then}
    return {
        "class": "CASE",
        "type": "CASE_EXPR",
        "case_checks": [check],
        "else_expr": otherwise,
    }
