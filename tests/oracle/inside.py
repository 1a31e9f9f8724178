"""Edits inside of expressions, stars, pivots and recursion."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from tests.oracle.catalogue import (
    branches_of,
    edit,
    one_changed,
    one_removed,
    operator_of,
    swapped_pair,
)
from tests.oracle.expressions import (
    COMPARISONS,
    DIRECTIONS,
    FRAMES,
    LITERALS,
    Draw,
    comparison,
    condition,
    expression,
    ordering,
    reference,
)
from tests.oracle.queries import draw_star, items_of
from tests.oracle.sql import (
    Aggregate,
    Cte,
    Expr,
    Item,
    Order,
    Pivot,
    Query,
    Select,
    SetOp,
    Star,
    Step,
    Window,
    put,
    walk,
)


@edit(Expr)
def literal_changed(expr: Expr, draw: Draw) -> Expr | None:
    if expr.args or expr.form not in LITERALS.get(expr.kind, ()):
        return None
    return replace(expr, form=draw.pick(LITERALS[expr.kind]))


@edit(Expr)
def number_in_an_expression_changed(expr: Expr, draw: Draw) -> Expr:
    return replace(
        expr,
        form=re.sub(
            r"(?<![\w'(-])[012](?![\w'.-])",
            lambda found: str(int(found[0]) + 1),
            expr.form,
            count=1,
        ),
    )


@edit(Expr)
def operator_changed(expr: Expr, draw: Draw) -> Expr | None:
    operator = operator_of(expr)
    return (
        replace(expr, form=f"({{}} {draw.pick(COMPARISONS)} {{}})")
        if operator in COMPARISONS
        else None
    )


@edit(Expr)
def AND_becomes_OR(expr: Expr, draw: Draw) -> Expr:
    form = expr.form.replace(" AND {}", " OR {}") if " BETWEEN " not in expr.form else expr.form
    return replace(expr, form=form if form != expr.form else expr.form.replace(" OR {}", " AND {}"))


@edit(Expr)
def NOT_added(expr: Expr, draw: Draw) -> Expr | None:
    return Expr("(NOT {})", (expr,), "bool") if expr.kind == "bool" else None


@edit(Expr)
def arguments_swapped(expr: Expr, draw: Draw) -> Expr | None:
    swapped = swapped_pair(expr.args, draw)
    return (
        replace(expr, args=swapped)
        if swapped and not any(isinstance(arg, Query) for arg in expr.args)
        else None
    )


@edit(Expr)
def function_replaced(expr: Expr, draw: Draw) -> Expr | None:
    functions = {
        "greatest": "least",
        "upper": "lower",
        "left": "right",
        "round": "ceil",
        "year": "day",
        "EXISTS": "NOT EXISTS",
    }
    functions |= {
        "floor": "round",
        "list_sort": "list_reverse_sort",
        " IN ({})": " NOT IN ({})",
        "ANY": "ALL",
        "list_sum": "list_max",
        "max(COLUMNS": "min(COLUMNS",
    }
    old = next((old for old in functions if old in expr.form and "NOT " not in expr.form), None)
    return replace(expr, form=expr.form.replace(old, functions[old])) if old else None


@edit(Expr)
def struct_field_changed(expr: Expr, draw: Draw) -> Expr | None:
    form = re.sub(
        r"(\.|\[?'|\()([xy])\b",
        lambda found: found[1] + ("y" if found[2] == "x" else "x"),
        expr.form,
    )
    return replace(expr, form=form) if expr.args else None


@edit(Expr)
def lambda_body_changed(expr: Expr, draw: Draw) -> Expr | None:
    if not re.search(r"lambda \w+: \{|FOR", expr.form):
        return None
    return replace(
        expr,
        args=one_changed(
            expr.args, draw, lambda arg: Expr("({} + 1)", (arg,)) if arg.kind == "int" else None
        )
        or expr.args,
    )


@edit(Aggregate)
def aggregate_changed(aggregated: Aggregate, draw: Draw) -> Aggregate | None:
    other = {
        "sum": "max",
        "max": "min",
        "min": "max",
        "count": "max",
        "avg": "median",
        "median": "avg",
        "bool_or": "bool_and",
    }
    return (
        replace(aggregated, name=other[aggregated.name])
        if aggregated.args and aggregated.name in other
        else None
    )


@edit(Aggregate)
def aggregate_of_distinct_values(aggregated: Aggregate, draw: Draw) -> Aggregate | None:
    return (
        replace(aggregated, distinct=not aggregated.distinct) if len(aggregated.args) == 1 else None
    )


@edit(Aggregate)
def order_of_an_aggregate_changed(aggregated: Aggregate, draw: Draw) -> Aggregate | None:
    if aggregated.name not in ("list", "first") or not aggregated.args:
        return None
    return replace(aggregated, order=(Order(aggregated.args[0], draw.pick(DIRECTIONS)),))


@edit(Select)
def filter_of_an_aggregate_changed(select: Select, draw: Draw) -> Select | None:
    found = [(path, node) for path, node in walk(select) if isinstance(node, Aggregate)]
    if not found:
        return None
    path, node = draw.pick(found)
    where = None if node.where else comparison(draw, select.scope)
    return put(select, path, replace(node, where=where))


@edit(Select)
def window_changed(select: Select, draw: Draw) -> Select | None:
    found = [(path, node) for path, node in walk(select) if isinstance(node, Window)]
    if not found:
        return None
    path, node = draw.pick(found)
    partition = () if node.partition else (reference(draw, select.scope, "int"),)
    changes: tuple[dict[str, Any], ...] = (
        {"partition": partition},
        {"order": ordering(draw, select.scope)},
        {"frame": draw.pick(FRAMES)} if node.order else {},
    )
    return put(select, path, replace(node, **draw.pick(changes)))


@edit(Expr)
def aggregate_added_inside_EXISTS(expr: Expr, draw: Draw) -> Expr | None:
    """EXISTS of an aggregate is always true."""
    if "EXISTS" not in expr.form or not isinstance(expr.args[0], Query):
        return None
    body = expr.args[0].body
    return replace(
        expr,
        args=(
            replace(expr.args[0], body=replace(body, items=(Item(Aggregate("count", (), "int")),))),
        ),
    )


@edit(Expr)
def correlated_predicate_changed(expr: Expr, draw: Draw) -> Expr | None:
    query = expr.args[-1] if expr.args else None
    if not isinstance(query, Query) or not isinstance(query.body, Select):
        return None
    return replace(
        expr,
        args=(
            *expr.args[:-1],
            replace(query, body=replace(query.body, where=condition(draw, query.body.scope))),
        ),
    )


@edit(Select)
def star_changed(select: Select, draw: Draw) -> Select | None:
    place = next((index for index, item in enumerate(select.items) if isinstance(item, Star)), None)
    if place is None:
        return None
    return replace(
        select,
        items=(*select.items[:place], draw_star(draw, select.scope), *select.items[place + 1 :]),
    )


@edit(Item)
def pattern_of_COLUMNS_changed(item: Item, draw: Draw) -> Item | None:
    if not isinstance(item.expr, Expr) or "COLUMNS" not in item.expr.form:
        return None
    return replace(
        item, expr=Expr(draw.pick(("COLUMNS(*)", "COLUMNS('a|k')", "COLUMNS(lambda n: n > 'b')")))
    )


@edit(Pivot)
def pivot_changed(pivot: Pivot, draw: Draw) -> Pivot:
    return replace(
        pivot,
        values=one_removed(pivot.values, draw)
        if len(pivot.values) > 1
        else (*pivot.values, "'Pq'"),
    )


@edit(Pivot)
def keys_of_a_pivot_changed(pivot: Pivot, draw: Draw) -> Pivot | None:
    return (
        None
        if isinstance(pivot.measure, str)
        else replace(pivot, keys=() if pivot.keys else ("k",))
    )


@edit(Step)
def recursion_changed(step: Step, draw: Draw) -> Step:
    return replace(step, bound=step.bound + draw.pick((0, 1)), increment=draw.pick((1, 2)))


@edit(Cte)
def column_added_to_a_recursion(cte: Cte, draw: Draw) -> Cte | None:
    if (
        not cte.recursive
        or not isinstance(cte.query, Query)
        or not isinstance(cte.query.body, SetOp)
    ):
        return None
    (_, query, base), *_ = branches_of(cte.query.body)
    name = draw.pick([name for name in ("z", "w", "m") if name not in cte.columns])
    items = (*base.items, Item(reference(draw, base.scope, "int"), name))
    step = cte.query.body.right.body
    right = replace(cte.query.body.right, body=replace(step, carried=(*step.carried, name)))
    body = replace(
        cte.query.body, left=replace(query, body=replace(base, items=items)), right=right
    )
    return replace(cte, query=replace(cte.query, body=body), columns=(*cte.columns, name))


@edit(Select)
def columns_drawn_anew(select: Select, draw: Draw) -> Select:
    kinds = [item.expr.kind if isinstance(item, Item) else "int" for item in select.items]
    return replace(
        select,
        items=items_of(
            draw, tuple(expression(draw, select.scope, kind) for kind in kinds), select.scope
        ),
    )
