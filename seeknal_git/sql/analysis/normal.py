"""Normal forms: what means the same for any row becomes the same tree, before it is read.

Each rule says when it holds. Types decide most of them, so a rule is only followed where types.py
is certain of what it needs; NULLs and errors are as before. What AND and OR connect is only moved
about if none of it can fail, since the engine asks such terms in an order of its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from seeknal_git.sql.analysis import functions
from seeknal_git.sql.analysis.scope import Scope
from seeknal_git.sql.analysis.tree import Tree, arguments, bare, receiver
from seeknal_git.sql.analysis.types import (
    BOOLEAN,
    INTEGER,
    NULL,
    NUMERIC,
    STRING,
    Constant,
    cast_word,
    comparable,
    constant,
    is_exact,
    is_repeatable,
    is_simple,
    literal,
    never_fails,
    never_null,
    number,
    type_name,
    type_of,
    widens,
)

_OPPOSITES = {
    "COMPARE_EQUAL": "COMPARE_NOTEQUAL",
    "COMPARE_LESSTHAN": "COMPARE_GREATERTHANOREQUALTO",
    "COMPARE_GREATERTHAN": "COMPARE_LESSTHANOREQUALTO",
    "COMPARE_DISTINCT_FROM": "COMPARE_NOT_DISTINCT_FROM",
}
_OPPOSITES |= {other: one for one, other in _OPPOSITES.items()}
_OTHERWISE = {"CONJUNCTION_AND": "CONJUNCTION_OR", "CONJUNCTION_OR": "CONJUNCTION_AND"}
# What a conjunction says as well without it, and what it cannot say with it.
_NEUTRAL = {"CONJUNCTION_AND": "true", "CONJUNCTION_OR": "false"}
# A longer list is left a list.
_LIST = 30
_INT = 2**31
_DATE_PARTS = frozenset(
    """
    year month day hour minute second quarter week dayofweek dayofyear isodow isoyear decade century millennium era
    """.split()
)
_PART_FIRST = frozenset(
    {"date_part", "datepart", "date_trunc", "datetrunc", "date_diff", "datediff"}
)
_UNITS = "year month week day hour minute second".split()
_INTERVAL = re.compile(rf"\s*(-?\d{{1,4}})\s+({'|'.join(_UNITS)})s?\s*", re.IGNORECASE)
# Aggregates that pass over NULLs, so that a value that is left out may as well be one.
_PASSING = frozenset("count sum avg min max median stddev_samp stddev_pop var_samp var_pop".split())
_EITHER_WAY = frozenset({"min", "max", "bool_and", "bool_or"})


class Normal(dict[str, Any]):
    """A tree that is in its normal form already. said: whether it is another one than was
    written."""

    said: bool = False


def normal(tree: Tree, scope: Scope) -> Tree:
    """An expression in its normal form; its parts may still be as they were written."""
    rule = (
        None
        if isinstance(tree, Normal) or scope.verbatim or receiver(tree)
        else _RULES.get(tree["class"])
    )
    if rule is None:
        return tree
    found = rule(tree, scope)
    if found["class"] == "COLUMN_REF" or receiver(found):
        return found  # a name stays the same object
    made = Normal(found)
    made.said = (made["class"], made["type"]) != (tree["class"], tree["type"]) or any(
        map(_is_said, made.values())
    )
    return made


def _is_said(value: object) -> bool:
    return (
        any(map(_is_said, value))
        if isinstance(value, list)
        else isinstance(value, Normal) and value.said
    )


def _is(tree: Tree, truth: str) -> bool:
    found = constant(tree)
    return found is not None and found == (BOOLEAN, truth)


def _compared(kind: str, left: Tree, right: Tree) -> Tree:
    return {"class": "COMPARISON", "type": kind, "left": left, "right": right}


def _joined(kind: str, children: Sequence[Tree]) -> Tree:
    return (
        {"class": "CONJUNCTION", "type": kind, "children": list(children)}
        if len(children) > 1
        else children[0]
    )


def _operator(kind: str, *children: Tree) -> Tree:
    return {"class": "OPERATOR", "type": kind, "children": list(children)}


def _constant(tree: Tree, _scope: Scope) -> Tree:
    found = constant(tree)
    return tree if found is None or found.kind == NUMERIC else literal(*found)


def _comparison(tree: Tree, scope: Scope) -> Tree:
    kind, left, right = (
        tree["type"],
        *(normal(side, scope) for side in (tree["left"], tree["right"])),
    )
    if found := _with_constant(kind, left, right, scope) or _with_constant(
        kind, right, left, scope
    ):
        return normal(found, scope)
    return {**tree, "left": _loosened(left, right, scope), "right": _loosened(right, left, scope)}


def _with_constant(kind: str, side: Tree, other: Tree, scope: Scope) -> Tree | None:
    """`x IS DISTINCT FROM NULL`, `b = true`, `1 = 1`."""
    found = constant(other)
    if found is None:
        return None
    if found.kind == NULL and kind in ("COMPARE_DISTINCT_FROM", "COMPARE_NOT_DISTINCT_FROM"):
        return _operator(
            f"OPERATOR_IS_{'NOT_' if kind == 'COMPARE_DISTINCT_FROM' else ''}NULL", side
        )
    if (
        found.kind == BOOLEAN
        and kind in ("COMPARE_EQUAL", "COMPARE_NOTEQUAL")
        and type_of(side, scope) == BOOLEAN
    ):
        kept = (kind == "COMPARE_EQUAL") == (found.text == "true")
        return side if kept else _operator("OPERATOR_NOT", side)
    if found.kind == INTEGER and kind == "COMPARE_EQUAL" and constant(side) == found:
        return literal(BOOLEAN, "true")
    return None


def _loosened(tree: Tree, beside: Tree, scope: Scope) -> Tree:
    """A whole number that is cast to INTEGER, without the cast where it is fitted to the same type
    without it."""
    if is_cast_number(tree) and type_of(beside, scope) in (
        "INTEGER",
        "BIGINT",
        "HUGEINT",
        "DOUBLE",
    ):
        return tree["child"]  # type: ignore[no-any-return]
    return tree


def is_cast_number(tree: Tree) -> bool:
    """Whether an expression is a whole number as an INTEGER, which is not fitted to what stands
    beside it."""
    if tree["class"] != "CAST" or cast_word(tree) != "INTEGER" or tree.get("try_cast"):
        return False
    found = number(tree["child"])
    return found is not None and abs(found) < _INT


def _conjunction(tree: Tree, scope: Scope) -> Tree:
    """One level of terms, without what says nothing there; a single one stands for itself if it is
    true or false."""
    kind = tree["type"]
    every = list(_connected(tree, kind, scope))
    terms = [term for term in every if not _is(term, _NEUTRAL[kind])]
    if len(terms) == 1 and type_of(terms[0], scope) != BOOLEAN:
        terms = every  # AND makes it one
    return _joined(kind, terms or [literal(BOOLEAN, _NEUTRAL[kind])])


def _connected(tree: Tree, kind: str, scope: Scope) -> Iterator[Tree]:
    for child in tree["children"]:
        term = normal(child, scope)
        if term["class"] == "CONJUNCTION" and term["type"] == kind:
            yield from term["children"]
        else:
            yield term


def _between(tree: Tree, scope: Scope) -> Tree:
    """`x BETWEEN a AND b`, where x may be computed twice, and is compared with both as it would be
    with one."""
    value, lower, upper = tree["input"], tree["lower"], tree["upper"]
    if not (is_repeatable(value) and _all_fit(value, (lower, upper), scope)):
        return tree
    ends = [
        _compared("COMPARE_GREATERTHANOREQUALTO", value, lower),
        _compared("COMPARE_LESSTHANOREQUALTO", value, upper),
    ]
    return _conjunction(_joined("CONJUNCTION_AND", ends), scope)


def _all_fit(value: Tree, others: Sequence[Tree], scope: Scope) -> bool:
    """Whether a value can be compared with each of others, one by one, as well as with all at
    once."""
    return never_fails(value, scope) and all(
        comparable(value, other, scope) and never_fails(other, scope) for other in others
    )


def _operation(tree: Tree, scope: Scope) -> Tree:
    match tree["type"]:
        case "OPERATOR_NOT":
            return _opposite(normal(tree["children"][0], scope), tree, scope)
        case "COMPARE_IN":
            return _one_of(tree, scope)
        case "COMPARE_NOT_IN":  # so DuckDB 1 has it
            return normal(_operator("OPERATOR_NOT", {**tree, "type": "COMPARE_IN"}), scope)
        case "OPERATOR_COALESCE":
            return _first_of(tree, scope)
        case _:
            return tree


def _opposite(child: Tree, tree: Tree, scope: Scope) -> Tree:
    """NOT, moved inwards as far as it goes."""
    kind = child["type"]
    if child["class"] == "CONJUNCTION" and never_fails(child, scope):
        terms = [_operator("OPERATOR_NOT", term) for term in child["children"]]
        return normal(_joined(_OTHERWISE[kind], terms), scope)
    if kind in _OPPOSITES and all(
        is_simple(type_of(child[side], scope)) for side in ("left", "right")
    ):
        return normal({**child, "type": _OPPOSITES[kind]}, scope)
    if kind in ("OPERATOR_IS_NULL", "OPERATOR_IS_NOT_NULL"):
        other = {
            "OPERATOR_IS_NULL": "OPERATOR_IS_NOT_NULL",
            "OPERATOR_IS_NOT_NULL": "OPERATOR_IS_NULL",
        }[kind]
        return {**child, "type": other}
    if kind == "OPERATOR_NOT" and type_of(child["children"][0], scope) == BOOLEAN:
        return normal(child["children"][0], scope)
    found = constant(child)
    if found and found.kind == BOOLEAN:
        return literal(BOOLEAN, "false" if found.text == "true" else "true")
    return {**tree, "children": [child]}


def _one_of(tree: Tree, scope: Scope) -> Tree:
    """`x IN (a, b)` as `x = a OR x = b`, where each of them is compared as it would be alone."""
    value, *others = tree["children"]
    if not (is_repeatable(value) and _all_fit(value, others, scope)):
        return tree
    constants = {found: other for other in others if (found := constant(other))}
    if len(others) > _LIST:
        kept = [constants[key] for key in sorted(constants)]
        return {**tree, "children": [value, *kept]} if len(constants) == len(others) else tree
    terms = [_compared("COMPARE_EQUAL", value, other) for other in others]
    return normal(_joined("CONJUNCTION_OR", terms), scope)


def _first_of(tree: Tree, scope: Scope) -> Tree:
    """coalesce() of one, and of another coalesce() first, if all are of one type."""
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
    """`CASE WHEN a IS NULL THEN b ELSE a END` is a coalesce(). unsaid: what it named besides."""
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
        return {**normal(_operator("OPERATOR_COALESCE", one, other), scope), "unsaid": [tested]}
    return tree


def _cast(tree: Tree, scope: Scope) -> Tree:
    if type_name(tree) == "INTERVAL":
        return _interval(tree)
    word = cast_word(tree)
    if not word:
        return tree
    if found := constant(tree):
        return literal(*found)
    child = normal(tree["child"], scope)
    is_of = type_of(child, scope)
    if is_of == word:
        return child
    if tree.get("try_cast") and widens(is_of, word):
        tree = {**tree, "try_cast": False}
    return (
        _without_length({**tree, "child": child}) if word == "VARCHAR" else {**tree, "child": child}
    )


def _without_length(tree: Tree) -> Tree:
    """The engine passes over the length of a VARCHAR."""
    given = tree.get("type_expr")
    return (
        {**tree, "type_expr": {**given, "children": []}}
        if given and given.get("children")
        else tree
    )


def _interval(tree: Tree) -> Tree:
    """`INTERVAL '1 day'`, in one spelling."""
    found = constant(tree["child"])
    parts = _INTERVAL.fullmatch(found.text) if found and found.kind == STRING else None
    return _span(int(parts[1]), parts[2].lower()) if parts and not tree.get("try_cast") else tree


def _span(count: int, unit: str) -> Tree:
    type_ = {"class": "TYPE", "type": "TYPE", "type_name": "INTERVAL"}
    return {
        "class": "CAST",
        "type": "OPERATOR_CAST",
        "child": literal(STRING, f"{count} {unit}"),
        "type_expr": type_,
    }


def _function(tree: Tree, scope: Scope) -> Tree:
    name = functions.called(tree)
    rule = _FUNCTIONS.get(name)
    if name != tree["function_name"]:
        tree = {**tree, "function_name": name}
    return rule(name, tree, scope) if rule else tree


def _window(tree: Tree, _scope: Scope) -> Tree:
    name = functions.called(tree)
    return tree if name == tree["function_name"] else {**tree, "function_name": name}


def _with(tree: Tree, children: Sequence[Tree]) -> Tree:
    """A function over other arguments."""
    return {**tree, "children": list(children), "arguments": []}


def _nullif(_name: str, tree: Tree, scope: Scope) -> Tree:
    """A macro of the engine."""
    given = arguments(tree)
    if len(given) != 2:
        return tree
    check = {"when_expr": _compared("COMPARE_EQUAL", *given), "then_expr": literal(NULL, "")}
    return _case(
        {"class": "CASE", "type": "CASE_EXPR", "case_checks": [check], "else_expr": given[0]}, scope
    )


def _if(_name: str, tree: Tree, scope: Scope) -> Tree:
    """A macro of the engine; DuckDB 1 reads it as a CASE."""
    given = arguments(tree)
    if len(given) != 3:
        return tree
    check = {"when_expr": given[0], "then_expr": given[1]}
    return _case(
        {"class": "CASE", "type": "CASE_EXPR", "case_checks": [check], "else_expr": given[2]}, scope
    )


def _part(name: str, tree: Tree, scope: Scope) -> Tree:
    """`year(d)`, which is part of a date or of a time."""
    given = arguments(tree)
    if len(given) != 1 or type_of(given[0], scope) not in ("DATE", "TIMESTAMP"):
        return tree
    return {**_with(tree, [literal(STRING, name), *given]), "function_name": "date_part"}


def _part_named(_name: str, tree: Tree, _scope: Scope) -> Tree:
    """The name of a part, in which case does not count."""
    first, *rest = arguments(tree) or [{"class": ""}]
    found = constant(first)
    return (
        _with(tree, [literal(STRING, found.text.lower()), *rest])
        if found and found.kind == STRING
        else tree
    )


def _interval_of(name: str, tree: Tree, _scope: Scope) -> Tree:
    """`INTERVAL 1 DAY`, which the parser makes a call of to_days."""
    given = arguments(tree)
    value = given[0] if len(given) == 1 else None
    while value and (value["class"] == "CAST" or value.get("function_name") == "trunc"):
        value = value["child"] if value["class"] == "CAST" else next(iter(arguments(value)), None)
    count = number(value) if value else None
    return tree if count is None or abs(count) > 9999 else _span(count, name[3:-1])


def _arithmetic(name: str, tree: Tree, scope: Scope) -> Tree:
    """A sum, a difference or a product of whole numbers is computed; a number is fitted to what it
    stands beside."""
    given = [normal(argument, scope) for argument in arguments(tree)]
    if len(given) != 2:
        return tree
    left, right = (
        number(argument["child"]) if is_cast_number(argument) else number(argument)
        for argument in given
    )
    if left is not None and right is not None:
        result = {"+": left + right, "-": left - right, "*": left * right}[name]
        if max(abs(left), abs(right), abs(result)) < _INT:
            return _typed(result)
    return _with(tree, [_loosened(given[0], given[1], scope), _loosened(given[1], given[0], scope)])


def _typed(value: int) -> Tree:
    """A whole number as an INTEGER, which is not fitted to what stands beside it."""
    type_ = {"class": "TYPE", "type": "TYPE", "type_name": "INTEGER"}
    return {
        "class": "CAST",
        "type": "OPERATOR_CAST",
        "child": literal(INTEGER, str(value)),
        "type_expr": type_,
    }


def as_column(tree: Tree) -> Tree:
    """A constant that is a column by itself: it has a type of its own, and is not fitted to
    anything."""
    found = constant(tree)
    return (
        _typed(int(found.text))
        if found and found.kind == INTEGER and abs(int(found.text)) < _INT
        else tree
    )


def _concatenation(_name: str, tree: Tree, scope: Scope) -> Tree:
    """`(a || b) || c` is `a || (b || c)` for text."""
    given = (normal(argument, scope) for argument in arguments(tree))
    joined = _with(tree, [operand for part in given for operand in (_parts(part) or [part])])
    return joined if type_of(joined, scope) == "VARCHAR" else tree


def _parts(tree: Tree) -> list[Tree]:
    return arguments(tree) if tree.get("function_name") == "||" else []


def _concat(_name: str, tree: Tree, scope: Scope) -> Tree:
    """concat() passes over NULLs, and `||` does not: they are the same for text that is never
    NULL."""
    given = arguments(tree)
    if len(given) < 2 or not all(
        type_of(argument, scope) in ("VARCHAR", STRING) and never_null(argument)
        for argument in given
    ):
        return tree
    joined = {**_with(tree, given), "function_name": "||", "is_operator": True}
    return _concatenation("||", joined, scope)


def _aggregate(name: str, tree: Tree, scope: Scope) -> Tree:
    given = arguments(tree)
    if len(given) != 1 or given[0].get("alias"):
        return tree
    if name in _EITHER_WAY and tree.get("distinct"):
        tree = {**tree, "distinct": False}
    tree = _filtered(tree, normal(given[0], scope), scope)
    found = constant(arguments(tree)[0])
    if name == "count" and found and found.kind != NULL and not tree.get("distinct"):
        return {**_with(tree, []), "function_name": "count_star"}
    return tree


def _filtered(tree: Tree, value: Tree, scope: Scope) -> Tree:
    """`sum(CASE WHEN c THEN x END)` as `sum(x) FILTER (WHERE c)`, if x can be computed where c does
    not hold."""
    if value["class"] != "CASE" or len(value["case_checks"]) != 1 or tree.get("filter"):
        return tree
    check, other = value["case_checks"][0], value.get("else_expr")
    left_out = other is None or constant(other) == Constant(NULL, "")
    if (
        left_out
        and type_of(check["when_expr"], scope) == BOOLEAN
        and never_fails(check["then_expr"], scope)
    ):
        return {**_with(tree, [check["then_expr"]]), "filter": check["when_expr"]}
    return tree


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
_FUNCTIONS: Mapping[str, Callable[[str, Tree, Scope], Tree]] = {
    "nullif": _nullif,
    "if": _if,
    "||": _concatenation,
    "concat": _concat,
    **dict.fromkeys(("+", "-", "*"), _arithmetic),
    **dict.fromkeys((f"to_{unit}s" for unit in _UNITS), _interval_of),
    **dict.fromkeys(_PART_FIRST, _part_named),
    **dict.fromkeys(_DATE_PARTS, _part),
    **dict.fromkeys(_PASSING | _EITHER_WAY, _aggregate),
}
