"""Types of expressions, before they are read.

A type is the engine's own word for it, or nothing if the type is not certain. Constants have types
of their own, since the engine fits them to the other operands: TINYINT + 1 is a TINYINT, and
TINYINT + 1::INTEGER is not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from seeknal_git.sql.analysis import functions
from seeknal_git.sql.analysis.constants import (
    BOOLEAN,
    INTEGER,
    INTEGERS,
    LITERALS,
    NULL,
    NUMERIC,
    PLAIN,
    SIGNED,
    STRING,
    cast_word,
    constant,
    is_cast_number,
    number,
)
from seeknal_git.sql.analysis.scope import Scope, meaning
from seeknal_git.sql.analysis.terms import Obstacle, Term
from seeknal_git.sql.analysis.tree import Tree, arguments

# Expressions that are nested deeper have no type, since finding it takes too long.
_DEEP = 5
_INT = 2**31
_DECIMAL = re.compile(r"DECIMAL\((\d+),(\d+)\)")
# Functions that never fail on any VARCHAR, and the type that they return.
_OF_TEXT = {
    "lower": "VARCHAR",
    "upper": "VARCHAR",
    "trim": "VARCHAR",
    "ltrim": "VARCHAR",
    "rtrim": "VARCHAR",
    "reverse": "VARCHAR",
    "strip_accents": "VARCHAR",
    "length": "BIGINT",
    "~~": BOOLEAN,
    "!~~": BOOLEAN,
    "~~*": BOOLEAN,
    "!~~*": BOOLEAN,
    "prefix": BOOLEAN,
    "suffix": BOOLEAN,
    "contains": BOOLEAN,
    "||": "VARCHAR",
    "md5": "VARCHAR",
    "^@": BOOLEAN,
}
_OF_NUMBERS = frozenset("+ - * / // % @ round floor ceil sum avg min max".split())
_TEXT = ("VARCHAR", STRING)
_NUMBERS = INTEGERS | {"DOUBLE", "FLOAT", INTEGER, NUMERIC}
# Types that a whole number beside them is fitted to as it would be as an INTEGER.
_FITTING = ("INTEGER", "BIGINT", "HUGEINT", "DOUBLE")
_TRUE_OR_FALSE = frozenset({"COMPARISON", "CONJUNCTION", "BETWEEN"})
_TRUTH_OPERATORS = frozenset(
    {"OPERATOR_NOT", "OPERATOR_IS_NULL", "OPERATOR_IS_NOT_NULL", "COMPARE_IN", "COMPARE_NOT_IN"}
)


def type_of(tree: Tree, scope: Scope, deep: int = 0) -> str:
    """The type of an expression; nothing if it is not certain, or nested too deep."""
    if found := constant(tree):
        return found.kind
    kind = tree["class"]
    if kind in _TRUE_OR_FALSE or (kind == "OPERATOR" and tree["type"] in _TRUTH_OPERATORS):
        return BOOLEAN
    typed = _TYPED.get(kind) if deep < _DEEP else None
    return typed(tree, scope, deep + 1) if typed else ""


def column_type(tree: Tree, scope: Scope) -> str:
    """The type of the column that an expression makes; nothing for a constant, which is fitted to
    its neighbours."""
    found = type_of(tree, scope)
    return found if is_simple(found) and found not in (INTEGER, NUMERIC, STRING, NULL) else ""


def _column(tree: Tree, scope: Scope, _deep: int) -> str:
    term = meant(tree, scope)
    return term.type if term and not term.unstable else ""


def meant(tree: Tree, scope: Scope) -> Term | None:
    """The term of a column's name, None if it is no column. The scope does not mark that the name
    was asked for."""
    try:
        return meaning(tree["column_names"], scope, noted=False)
    except Obstacle:
        return None


def is_simple(type_: str) -> bool:
    """Whether the values of a type are neither lists nor made of others."""
    return type_ in PLAIN or type_ in LITERALS.values() or _DECIMAL.fullmatch(type_) is not None


def is_exact(type_: str) -> bool:
    """Whether two equal values of a type cannot be told apart."""
    return (type_ in PLAIN and type_ not in ("DOUBLE", "FLOAT")) or _DECIMAL.fullmatch(
        type_
    ) is not None


def is_number(tree: Tree, scope: Scope, deep: int = 0) -> bool:
    """Whether an expression is a number, of any type."""
    if found := type_of(tree, scope, deep):
        return found in _NUMBERS or _DECIMAL.fullmatch(found) is not None
    if tree["class"] != "FUNCTION" or functions.called(tree) not in _OF_NUMBERS or deep >= _DEEP:
        return False
    given = arguments(tree)
    return bool(given) and all(is_number(argument, scope, deep + 1) for argument in given)


def _cast(tree: Tree, _scope: Scope, _deep: int) -> str:
    return cast_word(tree)


def _function(tree: Tree, scope: Scope, deep: int) -> str:
    name = functions.called(tree)
    types = [type_of(argument, scope, deep) for argument in arguments(tree)]
    if name in _OF_TEXT and types and all(type_ in _TEXT for type_ in types):
        return _OF_TEXT[name]
    if name in ("+", "-", "*") and len(types) == 2:
        return _calculated(types)
    return "BIGINT" if name == "count_star" else ""


def is_of_text(tree: Tree, scope: Scope) -> bool:
    """Whether a call is one of a function that never fails, over text alone."""
    return functions.called(tree) in _OF_TEXT and _function(tree, scope, 1) != ""


def _calculated(types: list[str]) -> str:
    """The type of a sum, a difference or a product of whole numbers or of DOUBLEs: the wider
    type."""
    one, other = types if types[0] not in (INTEGER, NUMERIC) else types[::-1]
    if one == other and one in (*SIGNED, "DOUBLE"):
        return one
    if one in ("INTEGER", "BIGINT", "DOUBLE") and other == INTEGER:
        return one
    if {one, other} <= set(SIGNED):
        return max(one, other, key=SIGNED.index)
    return ""


def _case(tree: Tree, scope: Scope, deep: int) -> str:
    branches = [check["then_expr"] for check in tree["case_checks"]]
    branches += [tree["else_expr"]] if tree.get("else_expr") else []
    return _one_type(branches, scope, deep)


def _operator(tree: Tree, scope: Scope, deep: int) -> str:
    return _one_type(tree["children"], scope, deep) if tree["type"] == "OPERATOR_COALESCE" else ""


def _one_type(branches: list[Tree], scope: Scope, deep: int) -> str:
    """The type that all expressions have that are not NULL; nothing if they differ."""
    types = {type_alone(branch, scope, deep) for branch in branches} - {NULL}
    found = types.pop() if len(types) == 1 else ""
    return found if found in PLAIN else ""


def type_alone(tree: Tree, scope: Scope, deep: int = 0) -> str:
    """The type of an expression as a column of its own: a constant is fitted to nothing there."""
    found = type_of(tree, scope, deep)
    if found == STRING:
        return "VARCHAR"
    whole = number(tree) if found == INTEGER else None
    return found if whole is None else "INTEGER" if abs(whole) < _INT else "BIGINT"


_TYPED: Mapping[str, Callable[[Tree, Scope, int], str]] = {
    "CASE": _case,
    "CAST": _cast,
    "COLUMN_REF": _column,
    "FUNCTION": _function,
    "OPERATOR": _operator,
}


def loosened(tree: Tree, beside: Tree, scope: Scope) -> Tree:
    """A whole number that is cast to INTEGER, without the cast, if the other operand fits it to the
    same type."""
    if is_cast_number(tree) and type_of(beside, scope) in _FITTING:
        return tree["child"]  # type: ignore[no-any-return]
    return tree
