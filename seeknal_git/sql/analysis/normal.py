"""Normal forms: expressions that mean the same for any row become the same tree, before they are
read.

Most rules depend on types, and are followed only if types.py is certain of them. They keep NULLs
and errors. The terms of AND and OR are rearranged only if none of them can fail, since the engine
asks such terms in an order of its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from seeknal_git.sql.analysis import functions, normal_functions
from seeknal_git.sql.analysis.builders import case_of, compared, interval, joined, operator
from seeknal_git.sql.analysis.constants import (
    BOOLEAN,
    INTEGER,
    NULL,
    NUMERIC,
    STRING,
    cast_word,
    constant,
    literal,
    number,
    type_name,
)
from seeknal_git.sql.analysis.safety import comparable, is_repeatable, never_fails, widens
from seeknal_git.sql.analysis.scope import Scope
from seeknal_git.sql.analysis.tree import Normal, Tree, arguments, bare, receiver
from seeknal_git.sql.analysis.types import is_exact, is_simple, loosened, type_of

_OPPOSITES = {
    "COMPARE_EQUAL": "COMPARE_NOTEQUAL",
    "COMPARE_LESSTHAN": "COMPARE_GREATERTHANOREQUALTO",
    "COMPARE_GREATERTHAN": "COMPARE_LESSTHANOREQUALTO",
    "COMPARE_DISTINCT_FROM": "COMPARE_NOT_DISTINCT_FROM",
}
_OPPOSITES |= {other: one for one, other in _OPPOSITES.items()}
_OTHERWISE = {"CONJUNCTION_AND": "CONJUNCTION_OR", "CONJUNCTION_OR": "CONJUNCTION_AND"}
# The constant that a conjunction means the same without.
_NEUTRAL = {"CONJUNCTION_AND": "true", "CONJUNCTION_OR": "false"}
# A longer list of IN is left a list.
_LIST = 30
_INT = 2**31
_UNITS = "|".join(normal_functions.UNITS)
_INTERVAL = re.compile(rf"\s*(-?\d{{1,4}})\s+({_UNITS})s?\s*", re.IGNORECASE)
_IS_NULL = {
    "OPERATOR_IS_NULL": "OPERATOR_IS_NOT_NULL",
    "OPERATOR_IS_NOT_NULL": "OPERATOR_IS_NULL",
}
_NULL_TESTS = {
    "COMPARE_DISTINCT_FROM": "OPERATOR_IS_NOT_NULL",
    "COMPARE_NOT_DISTINCT_FROM": "OPERATOR_IS_NULL",
}


def normal(tree: Tree, scope: Scope) -> Tree:
    """An expression in its normal form; its parts may still be as they were written."""
    if isinstance(tree, Normal) or scope.verbatim or receiver(tree):
        return tree
    rule = _RULES.get(tree["class"])
    if rule is None:
        return tree
    found = rule(tree, scope)
    if found["class"] == "COLUMN_REF" or receiver(found):
        return found  # a name stays the same object
    made = Normal(found)
    is_other = (made["class"], made["type"]) != (tree["class"], tree["type"])
    made.said = is_other or _is_said(made.values())
    return made


def _is_said(values: Iterable[object]) -> bool:
    """Whether any of some values, or of the values in a list of them, differs from the text."""
    for value in values:
        if isinstance(value, list):
            if value and _is_said(value):
                return True
        elif isinstance(value, Normal) and value.said:
            return True
    return False


def _is(tree: Tree, truth: str) -> bool:
    found = constant(tree)
    return found is not None and found == (BOOLEAN, truth)


def _constant(tree: Tree, _scope: Scope) -> Tree:
    found = constant(tree)
    return tree if found is None or found.kind == NUMERIC else literal(*found)


def _comparison(tree: Tree, scope: Scope) -> Tree:
    kind = tree["type"]
    left, right = normal(tree["left"], scope), normal(tree["right"], scope)
    found = _with_constant(kind, left, right, scope) or _with_constant(kind, right, left, scope)
    if found:
        return normal(found, scope)
    return {**tree, "left": loosened(left, right, scope), "right": loosened(right, left, scope)}


def _with_constant(kind: str, side: Tree, other: Tree, scope: Scope) -> Tree | None:
    """`x IS DISTINCT FROM NULL`, `b = true`, `1 = 1`; None for any other comparison."""
    found = constant(other)
    if found is None:
        return None
    if found.kind == NULL and kind in _NULL_TESTS:
        return operator(_NULL_TESTS[kind], side)
    is_equality = kind in ("COMPARE_EQUAL", "COMPARE_NOTEQUAL")
    if found.kind == BOOLEAN and is_equality and type_of(side, scope) == BOOLEAN:
        kept = (kind == "COMPARE_EQUAL") == (found.text == "true")
        return side if kept else operator("OPERATOR_NOT", side)
    if found.kind == INTEGER and kind == "COMPARE_EQUAL" and constant(side) == found:
        return literal(BOOLEAN, "true")
    return None


def _conjunction(tree: Tree, scope: Scope) -> Tree:
    """All terms on one level, without neutral constants. A single BOOLEAN stands for itself."""
    kind = tree["type"]
    every = list(_connected(tree, kind, scope))
    terms = [term for term in every if not _is(term, _NEUTRAL[kind])]
    if len(terms) == 1 and type_of(terms[0], scope) != BOOLEAN:
        terms = every  # AND makes it a BOOLEAN
    return joined(kind, terms or [literal(BOOLEAN, _NEUTRAL[kind])])


def _connected(tree: Tree, kind: str, scope: Scope) -> Iterator[Tree]:
    for child in tree["children"]:
        term = normal(child, scope)
        if term["class"] == "CONJUNCTION" and term["type"] == kind:
            yield from term["children"]
        else:
            yield term


def _between(tree: Tree, scope: Scope) -> Tree:
    """`x BETWEEN a AND b` as two comparisons, if x can be computed twice, and is compared with each
    as it is with both."""
    value, lower, upper = tree["input"], tree["lower"], tree["upper"]
    if not (is_repeatable(value) and _all_fit(value, (lower, upper), scope)):
        return tree
    ends = [
        compared("COMPARE_GREATERTHANOREQUALTO", value, lower),
        compared("COMPARE_LESSTHANOREQUALTO", value, upper),
    ]
    return _conjunction(joined("CONJUNCTION_AND", ends), scope)


def _all_fit(value: Tree, others: Sequence[Tree], scope: Scope) -> bool:
    """Whether comparing a value with others one by one means the same as with all at once."""
    return never_fails(value, scope) and all(
        comparable(value, other, scope) and never_fails(other, scope) for other in others
    )


def _operation(tree: Tree, scope: Scope) -> Tree:
    match tree["type"]:
        case "OPERATOR_NOT":
            return _opposite(normal(tree["children"][0], scope), tree, scope)
        case "COMPARE_IN":
            return _one_of(tree, scope)
        case "COMPARE_NOT_IN":  # of DuckDB 1
            return normal(operator("OPERATOR_NOT", {**tree, "type": "COMPARE_IN"}), scope)
        case "OPERATOR_COALESCE":
            return _first_of(tree, scope)
        case _:
            return tree


def _opposite(child: Tree, tree: Tree, scope: Scope) -> Tree:
    """NOT, moved inwards as far as possible."""
    kind = child["type"]
    if child["class"] == "CONJUNCTION" and never_fails(child, scope):
        terms = [operator("OPERATOR_NOT", term) for term in child["children"]]
        return normal(joined(_OTHERWISE[kind], terms), scope)
    if kind in _OPPOSITES and _is_of_simple_types(child, scope):
        return normal({**child, "type": _OPPOSITES[kind]}, scope)
    if kind in _IS_NULL:
        return {**child, "type": _IS_NULL[kind]}
    if kind == "OPERATOR_NOT" and type_of(child["children"][0], scope) == BOOLEAN:
        return normal(child["children"][0], scope)
    found = constant(child)
    if found and found.kind == BOOLEAN:
        return literal(BOOLEAN, "false" if found.text == "true" else "true")
    return {**tree, "children": [child]}


def _is_of_simple_types(tree: Tree, scope: Scope) -> bool:
    sides = (tree["left"], tree["right"])
    return all(is_simple(type_of(side, scope)) for side in sides)


def _one_of(tree: Tree, scope: Scope) -> Tree:
    """`x IN (a, b)` as `x = a OR x = b`, if each comparison alone means the same."""
    value, *others = tree["children"]
    if not (is_repeatable(value) and _all_fit(value, others, scope)):
        return tree
    constants = {found: other for other in others if (found := constant(other))}
    if len(others) > _LIST:
        kept = [constants[key] for key in sorted(constants)]
        return {**tree, "children": [value, *kept]} if len(constants) == len(others) else tree
    terms = [compared("COMPARE_EQUAL", value, other) for other in others]
    return normal(joined("CONJUNCTION_OR", terms), scope)


def _first_of(tree: Tree, scope: Scope) -> Tree:
    """coalesce() of one value as that value; a coalesce() that comes first in another one as part
    of it, if all values are of one type."""
    first, *rest = (normal(child, scope) for child in tree["children"])
    if not rest:
        return first
    inner = first["children"] if first["type"] == "OPERATOR_COALESCE" else None
    if inner and all(_alike(inner[0], value, scope) for value in (*inner, *rest)):
        return {**tree, "children": [*inner, *rest]}
    return {**tree, "children": [first, *rest]}


def _alike(one: Tree, other: Tree, scope: Scope) -> bool:
    """Whether two values are of the same type, or the second is a constant that takes on the type
    of the first."""
    type_, second = type_of(one, scope), type_of(other, scope)
    if second == INTEGER:
        return type_ in ("INTEGER", "BIGINT", "DOUBLE") and number(other) in range(-_INT, _INT)
    return is_exact(type_) and (second == type_ or (second, type_) == (STRING, "VARCHAR"))


def _case(tree: Tree, scope: Scope) -> Tree:
    """`CASE WHEN a IS NULL THEN b ELSE a END` as a coalesce(). Its key `unsaid` holds the tested
    expression, whose names are still to be read."""
    if len(tree["case_checks"]) != 1 or not tree.get("else_expr"):
        return tree
    check = tree["case_checks"][0]
    when = normal(check["when_expr"], scope)
    one, other = check["then_expr"], tree["else_expr"]
    if when["type"] == "OPERATOR_IS_NULL":
        one, other = other, one
    elif when["type"] != "OPERATOR_IS_NOT_NULL":
        return tree
    tested = when["children"][0]
    if bare(one) == bare(tested) and is_repeatable(one) and _alike(one, other, scope):
        return {**normal(operator("OPERATOR_COALESCE", one, other), scope), "unsaid": [tested]}
    return tree


def _cast(tree: Tree, scope: Scope) -> Tree:
    if type_name(tree) == "INTERVAL":
        return _interval(tree)
    word = cast_word(tree)
    if not word:
        return tree
    if value := constant(tree):
        return literal(*value)
    child = normal(tree["child"], scope)
    is_of = type_of(child, scope)
    if is_of == word:
        return child
    found = {**tree, "child": child}
    if tree.get("try_cast") and widens(is_of, word):
        found["try_cast"] = False
    given = tree.get("type_expr")
    if word == "VARCHAR" and given and given.get("children"):
        found["type_expr"] = {**given, "children": []}  # the engine ignores the length of a VARCHAR
    return found


def _interval(tree: Tree) -> Tree:
    """`INTERVAL '1 day'`, in one spelling."""
    found = constant(tree["child"])
    parts = _INTERVAL.fullmatch(found.text) if found and found.kind == STRING else None
    return interval(int(parts[1]), parts[2].lower()) if parts and not tree.get("try_cast") else tree


def _function(tree: Tree, scope: Scope) -> Tree:
    name = functions.called(tree)
    rule = normal_functions.RULES.get(name)
    if name != tree["function_name"]:
        tree = {**tree, "function_name": name}
    if name in _MACROS:
        made = _MACROS[name](arguments(tree))
        return _case(made, scope) if made else tree
    return rule(tree, scope, normal) if rule else tree


def _window(tree: Tree, _scope: Scope) -> Tree:
    name = functions.called(tree)
    return tree if name == tree["function_name"] else {**tree, "function_name": name}


def _nullif(given: Sequence[Tree]) -> Tree | None:
    if len(given) != 2:
        return None
    return case_of(compared("COMPARE_EQUAL", *given), literal(NULL, ""), given[0])


def _if(given: Sequence[Tree]) -> Tree | None:
    return case_of(*given) if len(given) == 3 else None


# Macros of the engine, and the CASE that they mean; None for a wrong number of arguments. DuckDB 1
# reads `if` as a CASE by itself.
_MACROS: Mapping[str, Callable[[Sequence[Tree]], Tree | None]] = {"nullif": _nullif, "if": _if}


_RULES: Mapping[str, Callable[[Tree, Scope], Tree]] = {
    "BETWEEN": _between,
    "CASE": _case,
    "CAST": _cast,
    "COMPARISON": _comparison,
    "CONJUNCTION": _conjunction,
    "CONSTANT": _constant,
    "FUNCTION": _function,
    "OPERATOR": _operation,
    "WINDOW": _window,
}
