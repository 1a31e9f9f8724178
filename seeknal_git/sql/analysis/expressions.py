"""Expressions of the engine's tree become terms."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from seeknal_git.names import folded
from seeknal_git.sql.analysis import functions
from seeknal_git.sql.analysis.constants import BOOLEAN, STRING, constant
from seeknal_git.sql.analysis.context import Context
from seeknal_git.sql.analysis.normal import normal
from seeknal_git.sql.analysis.safety import comparable, never_fails
from seeknal_git.sql.analysis.scope import (
    Output,
    Scope,
    combined,
    fields,
    lambdas_around,
    meaning,
    parameter,
)
from seeknal_git.sql.analysis.terms import CALL, Obstacle, Term, compound
from seeknal_git.sql.analysis.tree import (
    PLACES,
    Normal,
    Tree,
    arguments,
    bare,
    conjuncts,
    is_empty,
    only,
    spelled,
)
from seeknal_git.sql.analysis.types import is_exact, is_number, type_of
from seeknal_git.sql.statement import COLLATION

# Keys that tell the place of an object in the text, or repeat another key.
_BESIDES = PLACES | {
    "alias",
    "qualified_name",
    "catalog",
    "schema",
    "class",
    "type",
    "is_operator",
    "unsaid",
}
_FUNCTION = _BESIDES | {"function_name", "children", "arguments", "filter", "distinct", "order_bys"}
_WINDOW = frozenset({"partitions", "orders", "arguments", "children", "function_name"})
_OVER_WINDOWS = functions.AGGREGATE | functions.ORDERED | functions.RANKING | functions.POSITIONAL
# Constants and types: they hold no name to look up.
_VERBATIM = frozenset({"literal", "value", "cast_type", "type_expr", "collation"})
_FLIPPED = {
    "COMPARE_GREATERTHAN": "COMPARE_LESSTHAN",
    "COMPARE_GREATERTHANOREQUALTO": "COMPARE_LESSTHANOREQUALTO",
}
_SYMMETRIC = frozenset(
    {"COMPARE_EQUAL", "COMPARE_NOTEQUAL", "COMPARE_DISTINCT_FROM", "COMPARE_NOT_DISTINCT_FROM"}
)


def read(tree: Tree, scope: Scope, context: Context) -> Term:
    """The term of an expression. Raises Obstacle."""
    tree = _normal(tree, scope, context)
    reader = _READERS.get(tree["class"])
    if reader is None:
        raise Obstacle(tree["class"].lower().replace("_", " "))
    return context.holes.short(reader(tree, scope, context))


def terms_of(trees: Iterable[Tree], scope: Scope, context: Context) -> list[Term]:
    return [read(condition, scope, context) for condition in trees]


def conditions(tree: Tree | None, scope: Scope, context: Context) -> list[Term]:
    """The terms of a condition that AND connects, sorted if their order does not matter."""
    return arranged(connected(tree, scope, context), scope, context)


def arranged(trees: Sequence[Tree], scope: Scope, context: Context) -> list[Term]:
    """The terms that AND or OR connects: sorted, unless one can fail, which those before it may
    guard."""
    terms = terms_of(trees, scope, context)
    if all(never_fails(condition, scope) for condition in trees):
        return context.holes.ordered(terms)
    return list(dict.fromkeys(terms))


def connected(tree: Tree | None, scope: Scope, context: Context) -> list[Tree]:
    """The terms that AND connects in a condition, without those that are always true."""
    terms = conjuncts(_normal(tree, scope, context)) if tree else ()
    return [term for term in terms if constant(term) != (BOOLEAN, "true")]


def _normal(tree: Tree, scope: Scope, context: Context) -> Tree:
    """The normal form of an expression. If it differs from the text, that is noted, since the
    engine may make rows in another order for it."""
    found = normal(tree, scope)
    if found is not tree and isinstance(found, Normal) and found.said:
        context.shapes.append(Term(f"said as {tree['class']} {tree['type']}"))
    return found


def position(index: int, outputs: Sequence[Output]) -> Term:
    """The term of a column that is named by its position, from 1."""
    if not 0 < index <= len(outputs) or any(output.many for output in outputs[:index]):
        raise Obstacle(f"position {index}, before which the columns are not known")
    return outputs[index - 1].term


def _column(tree: Tree, scope: Scope, context: Context) -> Term:
    term = _meant(tree["column_names"], scope, context)
    context.spelling.name(tree, term.path)
    return term


def _meant(names: Sequence[str], scope: Scope, context: Context) -> Term:
    try:
        found = meaning(names, scope)
    except Obstacle:
        # `current_date` stands without parentheses.
        if len(names) == 1 and folded(names[0]) in functions.VOLATILE:
            return _volatile(folded(names[0]), [], context)
        raise
    if len(names) == 1 and folded(names[0]) in functions.VOLATILE and _is_vague(scope):
        return combined([found, _volatile(folded(names[0]), [], context)])
    return found


def _is_vague(scope: Scope | None) -> bool:
    """Whether a scope, or one around it, may have columns that are not known."""
    return scope is not None and (scope.source.vague or _is_vague(scope.parent))


def _volatile(name: str, terms: Sequence[Term], context: Context) -> Term:
    """A call whose value differs from place to place: two calls are never the same term."""
    return compound(f"volatile {name} {next(context.volatiles)}", terms, name)._replace(
        path=(CALL, name)
    )


def _comparison(tree: Tree, scope: Scope, context: Context) -> Term:
    sides = [read(tree["left"], scope, context), read(tree["right"], scope, context)]
    kind = tree["type"]
    if not _turns(tree["left"], tree["right"], scope):
        return compound(kind, sides)
    if kind in _SYMMETRIC:
        sides = context.holes.ordered(sides) if sides[0] != sides[1] else sides
    elif kind in _FLIPPED:
        kind, sides = _FLIPPED[kind], sides[::-1]
    return compound(kind, sides)


def _turns(left: Tree, right: Tree, scope: Scope) -> bool:
    """Whether a comparison means the same with its sides exchanged.

    The engine may cast one side to the type of the other: TIME and TIMETZ give another answer the
    other way round. A constant is always fitted to the other side.
    """
    types = type_of(left, scope), type_of(right, scope)
    if all(types):
        return types[0] == types[1] or comparable(left, right, scope)
    return constant(left) is not None or constant(right) is not None


def _general(tree: Tree, scope: Scope, context: Context) -> Term:
    """An expression as all its values under their keys, so that no key of a later engine is
    missed."""
    kind = f"{tree['class']} {tree['type']}"
    if scope.verbatim and tree.get("type_expr"):
        kind += f" {spelled(tree['type_expr'])}"
    return compound(
        kind,
        [
            _value(key, value, scope, context)
            for key, value in sorted(tree.items())
            if _tells(key, value)
        ],
    )


def _tells(key: str, value: object) -> bool:
    return key not in _BESIDES and not is_empty(value)


def _value(key: str, value: Any, scope: Scope, context: Context) -> Term:
    if isinstance(value, list):
        return compound(key, [_value("", inner, scope, context) for inner in value])
    if not isinstance(value, dict) or key in _VERBATIM:
        return Term(f"{key} {json.dumps(bare(value), sort_keys=True)}")
    if "class" in value:
        return compound(key, [read(value, scope, context)])
    inside = [
        (name, inner)
        for name, inner in sorted(value.items())
        if name not in PLACES and not is_empty(inner)
    ]
    return compound(key, [_value(name, inner, scope, context) for name, inner in inside])


def _function(tree: Tree, scope: Scope, context: Context) -> Term:
    name = tree["function_name"].lower()
    only(tree, _FUNCTION, f"{name}()")
    if name in functions.VOLATILE:
        return _volatile(name, terms_of(arguments(tree), scope, context), context)
    if name in functions.AGGREGATE or name in functions.ORDERED:
        return _aggregate(name, tree, scope, context)
    if name == "unnest":
        return _unnest(tree, scope, context)
    if name not in functions.SCALAR and name not in functions.NAMING:
        raise Obstacle(f"{name}(), a function that is not known")
    if any(tree.get(key) for key in ("filter", "distinct")) or _orders(tree):
        raise Obstacle(f"{name}() with the clauses of an aggregate")
    terms = [
        _argument(name, argument, scope, context, place)
        for place, argument in enumerate(arguments(tree))
    ]
    if name not in functions.NAMING:
        return compound(name, _turned(name, tree, terms, scope, context))
    names = [
        _name_of(argument, term) for argument, term in zip(arguments(tree), terms, strict=True)
    ]
    return compound(f"{name} {json.dumps(names)}", terms)


def _turned(name: str, tree: Tree, terms: list[Term], scope: Scope, context: Context) -> list[Term]:
    """The arguments of a function, sorted if their order does not matter to it."""
    given = arguments(tree)
    if any(term.unstable for term in terms):
        return terms
    numbers = name in ("+", "*") and all(is_number(argument, scope) for argument in given)
    types = (
        {type_of(argument, scope) for argument in given} if name in ("greatest", "least") else set()
    )
    if numbers or (len(types) == 1 and is_exact(*types)):
        return sorted(terms, key=lambda term: context.holes.named(term.text))
    return terms


def _name_of(tree: Tree, term: Term) -> str:
    """The name of an argument in the value: its alias, or the name of the column that it is."""
    if tree["class"] == "STAR" or tree["type"] == "OPERATOR_UNPACK":
        raise Obstacle("* as arguments that bring their names")
    if tree["class"] == "COLUMN_REF" and not (tree.get("alias") or term.name):
        raise Obstacle(
            f"{'.'.join(tree['column_names'])}, which brings a name that the engine knows"
        )
    return tree.get("alias") or term.name


def _argument(function: str, tree: Tree, scope: Scope, context: Context, place: int = 0) -> Term:
    is_lambda = tree["class"] == "LAMBDA" and function in functions.LAMBDAS and place == 1
    term = _lambda(tree, scope, context) if is_lambda else read(tree, scope, context)
    named = tree.get("alias") if function not in functions.NAMING else None
    return compound(f"named {json.dumps(folded(named))}", [term]) if named else term


def _lambda(tree: Tree, scope: Scope, context: Context) -> Term:
    heads = [tree["lhs"]] if tree["lhs"]["class"] == "COLUMN_REF" else arguments(tree["lhs"])
    names = tuple(folded(head["column_names"][-1]) for head in heads)
    inside = replace(scope, parent=scope, aliases={}, parameters=names)
    for place, head in enumerate(heads):
        context.spelling.name(head, (parameter(lambdas_around(inside), place),))
    return compound(f"lambda {len(names)}", [read(tree["expr"], inside, context)])


def _orders(tree: Tree) -> list[Tree]:
    return list((tree.get("order_bys") or {}).get("orders") or ())


def _aggregate(name: str, tree: Tree, scope: Scope, context: Context) -> Term:
    """An aggregate. Raises Obstacle if all its columns are of a scope around it, which would
    compute it."""
    outer, scope.marks.depths = scope.marks.depths, set()
    terms = [_argument(name, argument, scope, context) for argument in arguments(tree)]
    terms += [read(tree["filter"], scope, context)] if tree.get("filter") else []
    order = [ordering(entry, scope, context) for entry in _orders(tree)]
    if scope.marks.depths and 0 not in scope.marks.depths:
        raise Obstacle(f"{name}() over columns of the query around it")
    scope.marks.depths |= outer
    scope.marks.aggregates = True
    shape = [len(arguments(tree)), bool(tree.get("filter")), bool(tree.get("distinct"))]
    decided = name in functions.COLLECTING and any(key.text == terms[0].text for key, _ in order)
    unstable = "" if name in functions.AGGREGATE or decided else f"{name}()"
    return compound(f"{name} {json.dumps(shape)}", [*terms, *(term for _, term in order)], unstable)


def ordering(tree: Tree, scope: Scope, context: Context) -> tuple[Term, Term]:
    """An entry of an ORDER BY: its key, and the key with the direction."""
    key = read(tree["expression"], scope, context)
    return key, compound(direction(tree), [key])


def direction(tree: Tree) -> str:
    """The direction of an entry of an ORDER BY, with the defaults written out."""
    up = "ASCENDING" if tree["type"] == "ORDER_DEFAULT" else tree["type"]
    nulls = tree["null_order"].replace("_", " ")
    return f"{up} {'NULLS LAST' if nulls == 'ORDER DEFAULT' else nulls}"


def _unnest(tree: Tree, scope: Scope, context: Context) -> Term:
    if len(arguments(tree)) != 1:
        raise Obstacle("unnest() with named arguments")
    term = compound(
        "unnest", [_argument("unnest", argument, scope, context) for argument in arguments(tree)]
    )
    scope.marks.unnests.append(term)
    return term


def _window(tree: Tree, scope: Scope, context: Context) -> Term:
    name = tree["function_name"].lower()
    if name not in _OVER_WINDOWS:
        raise Obstacle(f"{name}() OVER, a function that is not known")
    partitions = context.holes.ordered(terms_of(tree.get("partitions") or (), scope, context))
    orders = [ordering(entry, scope, context) for entry in tree.get("orders") or ()]
    inputs = terms_of(arguments(tree), scope, context)
    rest = [
        _value(key, value, scope, context)
        for key, value in sorted(tree.items())
        if key not in _WINDOW and _tells(key, value)
    ]
    shape = json.dumps([len(partitions), len(orders), len(inputs)])
    is_settled = _settled(name, tree, scope, {*partitions, *(key for key, _ in orders)})
    unstable = "" if is_settled else f"{name}() OVER"
    terms = [*partitions, *(term for _, term in orders), *inputs, *rest]
    window = context.holes.short(compound(f"window {name} {shape}", terms, unstable))
    if name == "row_number" and not any(partition.unstable for partition in partitions):
        context.numbered[window.text] = frozenset(partition.text for partition in partitions)
    return window


def _settled(name: str, tree: Tree, scope: Scope, keys: set[Term]) -> bool:
    """Whether a window gives equal values to rows that are equal in its order, or has no such
    rows."""
    if tree.get("arg_orders"):
        return False
    if any(unique <= {key.text for key in keys} for unique in scope.unique):
        return name not in functions.ORDERED
    if name in functions.RANKING:
        return True
    frame = {tree.get("start", ""), tree.get("end", "")}
    whole = frame == {"UNBOUNDED_PRECEDING", "UNBOUNDED_FOLLOWING"}
    return name in functions.AGGREGATE and (whole or not any("ROWS" in end for end in frame))


def _subquery(tree: Tree, scope: Scope, context: Context) -> Term:
    inner = context.query(tree["subquery"]["node"], scope, scope.queries, context)
    match tree["subquery_type"]:
        case "EXISTS":
            terms = [inner.rows]
        case "SCALAR" | "ANY":
            terms = [inner.rows, *(output.term for output in inner.outputs)]
        case other:
            raise Obstacle(f"a sub-query of the kind {other}")
    child = [read(tree["child"], scope, context)] if tree.get("child") else []
    kind = f"{tree['subquery_type']} {tree.get('comparison_type', '')} {len(child)}"
    return context.holes.short(compound(kind, [*child, *terms]))


def _conjunction(tree: Tree, scope: Scope, context: Context) -> Term:
    return compound(tree["type"], arranged(list(conjuncts(tree, tree["type"])), scope, context))


def _operator(tree: Tree, scope: Scope, context: Context) -> Term:
    """An operator; `k['a']` of a struct is k.a."""
    terms_of(tree.get("unsaid", ()), scope, context)
    if tree["type"] == "ARRAY_EXTRACT":
        value, place = tree["children"]
        found = constant(place)
        if found and found.kind == STRING:
            term = read(value, scope, context)
            if term.type.startswith("STRUCT"):
                return fields(term, [found.text])
    return _general(tree, scope, context)


def _arrow(tree: Tree, scope: Scope, context: Context) -> Term:
    return compound(
        "arrow", [read(tree["lhs"], scope, context), read(tree["expr"], scope, context)]
    )


def _positional(tree: Tree, scope: Scope, context: Context) -> Term:
    if scope.early or scope.source.merged:
        raise Obstacle(f"#{tree['index']}, which the engine counts otherwise here")
    term = position(tree["index"], [output for _, output in scope.source.star])
    context.spelling.names[id(tree)] = term.path
    return term


def _star(_tree: Tree, scope: Scope, _context: Context) -> Term:
    if scope.chosen is None:
        raise Obstacle("* inside of an expression")
    return scope.chosen


def _collated(tree: Tree, scope: Scope, context: Context) -> Term:
    return compound("COLLATE", [_general(tree, scope, context)], COLLATION)


_READERS: Mapping[str, Callable[[Tree, Scope, Context], Term]] = {
    "BETWEEN": _general,
    "CASE": _general,
    "CAST": _general,
    "CONSTANT": _general,
    "OPERATOR": _operator,
    "COLLATE": _collated,
    "COLUMN_REF": _column,
    "COMPARISON": _comparison,
    "CONJUNCTION": _conjunction,
    "FUNCTION": _function,
    "LAMBDA": _arrow,
    "POSITIONAL_REFERENCE": _positional,
    "STAR": _star,
    "SUBQUERY": _subquery,
    "WINDOW": _window,
}
