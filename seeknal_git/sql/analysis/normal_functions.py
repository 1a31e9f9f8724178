"""Normal forms of calls of functions. See normal.py.

A rule takes a call, its scope, and the function that gives the normal form of its arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from seeknal_git.sql.analysis.builders import integer, interval, with_arguments
from seeknal_git.sql.analysis.constants import (
    BOOLEAN,
    NULL,
    STRING,
    Constant,
    constant,
    is_cast_number,
    literal,
    never_null,
    number,
)
from seeknal_git.sql.analysis.safety import never_fails
from seeknal_git.sql.analysis.scope import Scope
from seeknal_git.sql.analysis.tree import Tree, arguments
from seeknal_git.sql.analysis.types import loosened, type_of

Normalizer = Callable[[Tree, Scope], Tree]
Rule = Callable[[Tree, Scope, Normalizer], Tree]

_INT = 2**31
_DATE_PARTS = frozenset(
    """
    year month day hour minute second quarter week dayofweek dayofyear isodow isoyear decade century
    millennium era
    """.split()
)
_PART_FIRST = frozenset(
    {"date_part", "datepart", "date_trunc", "datetrunc", "date_diff", "datediff"}
)
UNITS = "year month week day hour minute second".split()
# Aggregates that ignore NULLs: leaving a row out means the same as giving them a NULL.
_PASSING = frozenset("count sum avg min max median stddev_samp stddev_pop var_samp var_pop".split())
# Aggregates for which DISTINCT makes no difference.
_EITHER_WAY = frozenset({"min", "max", "bool_and", "bool_or"})


def _part(tree: Tree, scope: Scope, _normal: Normalizer) -> Tree:
    """`year(d)` as `date_part('year', d)`."""
    given = arguments(tree)
    if len(given) != 1 or type_of(given[0], scope) not in ("DATE", "TIMESTAMP"):
        return tree
    return {
        **with_arguments(tree, [literal(STRING, tree["function_name"]), *given]),
        "function_name": "date_part",
    }


def _part_named(tree: Tree, _scope: Scope, _normal: Normalizer) -> Tree:
    """The name of a part of a date, in lower case."""
    first, *rest = arguments(tree) or [{"class": ""}]
    found = constant(first)
    if found is None or found.kind != STRING:
        return tree
    return with_arguments(tree, [literal(STRING, found.text.lower()), *rest])


def _interval_of(tree: Tree, _scope: Scope, _normal: Normalizer) -> Tree:
    """`INTERVAL 1 DAY`, which the parser turns into a call of to_days."""
    given = arguments(tree)
    value = given[0] if len(given) == 1 else None
    while value and (value["class"] == "CAST" or value.get("function_name") == "trunc"):
        value = value["child"] if value["class"] == "CAST" else next(iter(arguments(value)), None)
    count = number(value) if value else None
    return (
        tree if count is None or abs(count) > 9999 else interval(count, tree["function_name"][3:-1])
    )


def _arithmetic(tree: Tree, scope: Scope, normal: Normalizer) -> Tree:
    """A sum, a difference or a product: of whole numbers it is computed, otherwise a number loses a
    cast that the other operand makes needless."""
    given = [normal(argument, scope) for argument in arguments(tree)]
    if len(given) != 2:
        return tree
    left, right = map(_whole_number, given)
    if left is not None and right is not None:
        result = {"+": left + right, "-": left - right, "*": left * right}[tree["function_name"]]
        if max(abs(left), abs(right), abs(result)) < _INT:
            return integer(result)
    one, other = given
    return with_arguments(tree, [loosened(one, other, scope), loosened(other, one, scope)])


def _whole_number(tree: Tree) -> int | None:
    return number(tree["child"] if is_cast_number(tree) else tree)


def _concatenation(tree: Tree, scope: Scope, normal: Normalizer) -> Tree:
    """`(a || b) || c` is `a || (b || c)` for text."""
    operands: list[Tree] = []
    for argument in arguments(tree):
        found = normal(argument, scope)
        operands += arguments(found) if found.get("function_name") == "||" else [found]
    joined = with_arguments(tree, operands)
    return joined if type_of(joined, scope) == "VARCHAR" else tree


def _concat(tree: Tree, scope: Scope, normal: Normalizer) -> Tree:
    """concat() as `||`, for text that is never NULL: concat() ignores NULLs, and `||` does not."""
    given = arguments(tree)
    if len(given) < 2 or not all(_is_certain_text(argument, scope) for argument in given):
        return tree
    joined = {**with_arguments(tree, given), "function_name": "||", "is_operator": True}
    return _concatenation(joined, scope, normal)


def _is_certain_text(tree: Tree, scope: Scope) -> bool:
    return type_of(tree, scope) in ("VARCHAR", STRING) and never_null(tree)


def _aggregate(tree: Tree, scope: Scope, normal: Normalizer) -> Tree:
    """An aggregate without a DISTINCT that says nothing, with FILTER for CASE, and `count(*)` for
    the count of a constant."""
    name, given = tree["function_name"], arguments(tree)
    if len(given) != 1 or given[0].get("alias"):
        return tree
    if name in _EITHER_WAY and tree.get("distinct"):
        tree = {**tree, "distinct": False}
    tree = _filtered(tree, normal(given[0], scope), scope)
    found = constant(arguments(tree)[0])
    if name == "count" and found and found.kind != NULL and not tree.get("distinct"):
        return {**with_arguments(tree, []), "function_name": "count_star"}
    return tree


def _filtered(tree: Tree, value: Tree, scope: Scope) -> Tree:
    """`sum(CASE WHEN c THEN x END)` as `sum(x) FILTER (WHERE c)`, if x can be computed for rows
    that do not meet c."""
    if value["class"] != "CASE" or len(value["case_checks"]) != 1 or tree.get("filter"):
        return tree
    check, other = value["case_checks"][0], value.get("else_expr")
    if other is not None and constant(other) != Constant(NULL, ""):
        return tree
    if type_of(check["when_expr"], scope) != BOOLEAN or not never_fails(check["then_expr"], scope):
        return tree
    return {**with_arguments(tree, [check["then_expr"]]), "filter": check["when_expr"]}


RULES: Mapping[str, Rule] = {
    "||": _concatenation,
    "concat": _concat,
    **dict.fromkeys(("+", "-", "*"), _arithmetic),
    **dict.fromkeys((f"to_{unit}s" for unit in UNITS), _interval_of),
    **dict.fromkeys(_PART_FIRST, _part_named),
    **dict.fromkeys(_DATE_PARTS, _part),
    **dict.fromkeys(_PASSING | _EITHER_WAY, _aggregate),
}
