"""Expressions that never fail: they can be computed for any row, compared without a cast that
fails, or computed again."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime

from seeknal_git.sql.analysis import functions
from seeknal_git.sql.analysis.constants import (
    BOOLEAN,
    INTEGER,
    INTEGERS,
    NULL,
    NUMERIC,
    PLAIN,
    SIGNED,
    STRING,
    UNSIGNED,
    cast_word,
    constant,
)
from seeknal_git.sql.analysis.scope import Scope
from seeknal_git.sql.analysis.terms import Term
from seeknal_git.sql.analysis.tree import Tree, arguments, objects
from seeknal_git.sql.analysis.types import is_of_text, meant, type_of

_DECIMAL = re.compile(r"DECIMAL\((\d+),(\d+)\)")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")
# A column of an input as it is, of any table and any scope.
_PASSED_ON = re.compile(r"(?:#\w+\(|\^\d+\()*\x02\d+\x03\)*")


def comparable(one: Tree, other: Tree, scope: Scope) -> bool:
    """Whether two expressions are always compared in one type, and the comparison cannot fail."""
    pair = [(type_of(one, scope), one), (type_of(other, scope), other)]
    return _fits(*pair) or _fits(*reversed(pair))


def _fits(one: tuple[str, Tree], other: tuple[str, Tree]) -> bool:
    (type_, _), (second, tree) = one, other
    if type_ in PLAIN and second in (type_, NULL):
        return True
    if type_ in INTEGERS or type_ == "DOUBLE":
        return (
            second == INTEGER
            or (second in INTEGERS and type_ != "DOUBLE")
            or (second == NUMERIC and type_ == "DOUBLE")
        )
    if type_ in ("VARCHAR", STRING):
        return second == STRING
    if type_ in ("DATE", "TIMESTAMP"):
        return second == STRING and is_moment(type_, tree)
    found = _DECIMAL.fullmatch(type_)
    return found is not None and (second == type_ or (int(found[1]) <= 18 and _is_short(tree)))


def _is_short(tree: Tree) -> bool:
    """Whether an expression is a constant of so few digits that it fits any DECIMAL."""
    found = constant(tree)
    return found is not None and found.kind == INTEGER and len(found.text) < 10


def is_moment(type_: str, tree: Tree) -> bool:
    """Whether a string can be read as a date, or as a time of a day."""
    found = constant(tree)
    if not found or found.kind != STRING:
        return False
    try:
        if _DATE.fullmatch(found.text):
            return bool(date.fromisoformat(found.text))
        return type_ == "TIMESTAMP" and bool(
            _TIMESTAMP.fullmatch(found.text) and datetime.fromisoformat(found.text)
        )
    except ValueError:
        return False


def widens(one: str, other: str) -> bool:
    """Whether each value of a type can be cast to another one."""
    for order in (SIGNED, UNSIGNED):
        if one in order and other in order:
            return order.index(one) <= order.index(other)
    if other == "VARCHAR":
        return one in PLAIN or _DECIMAL.fullmatch(one) is not None
    return one == other != "" or (other == "DOUBLE" and (one in INTEGERS or one == "FLOAT"))


def never_fails(tree: Tree, scope: Scope) -> bool:
    """Whether an expression can be computed for any row, so that it does not matter for which rows
    the engine computes it."""
    if constant(tree):
        return True
    reader = _NEVER_FAILS.get(tree["class"])
    return reader is not None and reader(tree, scope)


def _all_never_fail(trees: Iterable[Tree], scope: Scope) -> bool:
    return all(never_fails(tree, scope) for tree in trees)


def _column_never_fails(tree: Tree, scope: Scope) -> bool:
    term = meant(tree, scope)
    return term is not None and is_passed_on(term)


def is_passed_on(term: Term) -> bool:
    """Whether a term is a column of an input as it is, in this scope or in one around it."""
    return _PASSED_ON.fullmatch(term.text) is not None


def _comparison_never_fails(tree: Tree, scope: Scope) -> bool:
    return comparable(tree["left"], tree["right"], scope) and _all_never_fail(
        (tree["left"], tree["right"]), scope
    )


def _between_never_fails(tree: Tree, scope: Scope) -> bool:
    value, ends = tree["input"], (tree["lower"], tree["upper"])
    return all(comparable(value, end, scope) for end in ends) and _all_never_fail(
        (value, *ends), scope
    )


def _conjunction_never_fails(tree: Tree, scope: Scope) -> bool:
    return all(type_of(child, scope) == BOOLEAN for child in tree["children"]) and _all_never_fail(
        tree["children"], scope
    )


def _function_never_fails(tree: Tree, scope: Scope) -> bool:
    return is_of_text(tree, scope) and _all_never_fail(arguments(tree), scope)


def _operator_never_fails(tree: Tree, scope: Scope) -> bool:
    first, *rest = tree["children"]
    if not _all_never_fail((first, *rest), scope):
        return False
    match tree["type"]:
        case "OPERATOR_IS_NULL" | "OPERATOR_IS_NOT_NULL":
            return True
        case "OPERATOR_NOT":
            return type_of(first, scope) == BOOLEAN
        case "COMPARE_IN" | "COMPARE_NOT_IN" | "OPERATOR_COALESCE":
            return all(comparable(first, other, scope) for other in rest)
        case _:
            return False


def _cast_never_fails(tree: Tree, scope: Scope) -> bool:
    word, child = cast_word(tree), tree["child"]
    if word in ("DATE", "TIMESTAMP") and is_moment(word, child):
        return True
    return widens(type_of(child, scope), word) and never_fails(child, scope)


_NEVER_FAILS: Mapping[str, Callable[[Tree, Scope], bool]] = {
    "BETWEEN": _between_never_fails,
    "CAST": _cast_never_fails,
    "COLUMN_REF": _column_never_fails,
    "COMPARISON": _comparison_never_fails,
    "CONJUNCTION": _conjunction_never_fails,
    "CONSTANT": lambda _tree, _scope: True,
    "FUNCTION": _function_never_fails,
    "OPERATOR": _operator_never_fails,
}


def is_repeatable(tree: Tree) -> bool:
    """Whether an expression has one value for a row, however often it is computed, and needs no
    query."""
    for part in objects(tree):
        if part.get("class") not in (None, "COLUMN_REF", "CONSTANT", "CAST", "FUNCTION", "TYPE"):
            return False
        name = str(part.get("function_name", "")).lower()
        if name and name not in functions.SCALAR | functions.NAMING:
            return False
    return True
