"""Edits of which rows there are."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.oracle.catalogue import (
    branches_of,
    edit,
    one_removed,
    shown_name,
    swapped_pair,
    with_column,
)
from tests.oracle.expressions import (
    DIRECTIONS,
    NAMES,
    Draw,
    aggregate,
    comparison,
    condition,
    reference,
    references,
    simple_source,
    window,
)
from tests.oracle.queries import SET_OPERATIONS
from tests.oracle.sql import (
    Aggregate,
    Derived,
    Expr,
    Item,
    Join,
    Order,
    Query,
    Ref,
    Select,
    SetOp,
    Star,
    Step,
    Table,
    put,
    walk,
)


@edit(Select)
def filter_added(select: Select, draw: Draw) -> Select | None:
    if select.source is None:
        return None
    extra = condition(draw, select.scope)
    return replace(
        select, where=Expr("({} AND {})", (select.where, extra), "bool") if select.where else extra
    )


@edit(Select)
def filter_removed(select: Select, draw: Draw) -> Select:
    return replace(select, where=None)


@edit(Select)
def filter_changed(select: Select, draw: Draw) -> Select | None:
    return replace(select, where=condition(draw, select.scope)) if select.where else None


@edit(Select)
def filter_on_a_column_that_is_new(select: Select, draw: Draw) -> Select | None:
    """A filter may name an alias, which a column of an input hides."""
    edited = with_column(select, draw, reference(draw, select.scope, "int"))
    new = (
        next(item for item in edited.items if item not in select.items)
        if edited.items != select.items
        else None
    )
    if not isinstance(new, Item) or not select.source:
        return None
    test = Expr("({} > 0)", (Ref("", new.alias),), "bool")
    return replace(
        edited, where=Expr("({} AND {})", (select.where, test), "bool") if select.where else test
    )


@edit(Join)
def kind_of_join_changed(join: Join, draw: Draw) -> Join | None:
    kinds = (" JOIN ", " LEFT JOIN ", " RIGHT JOIN ", " FULL JOIN ", " SEMI JOIN ", " ANTI JOIN ")
    return (
        replace(join, kind=draw.pick(kinds))
        if join.on or join.using
        else replace(join, kind=draw.pick((" CROSS JOIN ", " POSITIONAL JOIN ")))
    )


@edit(Select)
def join_added(select: Select, draw: Draw) -> Select | None:
    if select.source is None:
        return None
    kind = draw.pick(
        (
            " LEFT JOIN ",
            " LEFT JOIN ",
            " JOIN ",
            " FULL JOIN ",
            " CROSS JOIN ",
            " NATURAL LEFT JOIN ",
        )
    )
    right, scope = simple_source(draw, select.scope, "zz")
    on = None
    if "CROSS" not in kind and "NATURAL" not in kind:
        column = draw.pick(scope.relations[-1].columns or [None])
        if column is None:
            return None
        on = Expr(
            "({} = {})",
            (reference(draw, select.scope, column.kind), Ref("zz", column.name, column.kind)),
            "bool",
        )
    joined = replace(select, source=Join(select.source, kind, right, on), scope=scope)
    news = [ref for ref in references(scope) if ref.table == "zz"]
    return (
        with_column(joined, draw, draw.pick(news))
        if news and draw.chance(0.5) and not select.group
        else joined
    )


@edit(Select)
def unique_join_added(select: Select, draw: Draw) -> Select | None:
    """A LEFT JOIN with a side that has each key once, for the sake of a new column."""
    table = draw.pick(select.scope.tables)
    keys = [column for column in table.columns if references(select.scope, column.kind)]
    if not keys or select.source is None:
        return None
    key = draw.pick(keys)
    outer, inner = draw.pick(references(select.scope, key.kind)), Ref("", key.name, key.kind)
    total = () if draw.chance(0.25) else (Item(Aggregate("count", (), "int"), "z2"),)
    grouped = Select(
        (Item(inner, "z1"), *total),
        Table(table.name),
        group=(inner,) if total else (),
        distinct=None if total else (),
    )
    on = Expr("({} = {})", (outer, Ref("zz", "z1")), "bool")
    joined = replace(
        select, source=Join(select.source, " LEFT JOIN ", Derived(Query(grouped), "zz"), on)
    )
    return with_column(joined, draw, Ref("zz", "z2" if total else "z1"))


@edit(Join)
def join_key_changed(join: Join, draw: Draw) -> Join | None:
    if join.using:
        return (
            replace(join, using=one_removed(join.using, draw))
            if len(join.using) > 1
            else replace(join, using=(draw.pick("kabcd"),))
        )
    if join.on is None:
        return None
    refs = [(path, node) for path, node in walk(join.on) if isinstance(node, Ref)]
    if not refs:
        return None
    path, ref = draw.pick(refs)
    return replace(
        join,
        on=put(
            join.on,
            path,
            replace(ref, name=draw.pick([name for name in NAMES if NAMES[name] == ref.kind])),
        ),
    )


@edit(Join)
def join_with_USING_becomes_NATURAL(join: Join, draw: Draw) -> Join | None:
    return replace(join, kind=f" NATURAL{join.kind}", using=()) if join.using else None


@edit(Join)
def sides_of_a_join_swapped(join: Join, draw: Draw) -> Join | None:
    return None if isinstance(join.left, Join) else replace(join, left=join.right, right=join.left)


@edit(Select)
def DISTINCT_added(select: Select, draw: Draw) -> Select | None:
    return (
        replace(select, distinct=()) if select.distinct is None else replace(select, distinct=None)
    )


@edit(Select)
def DISTINCT_ON_changed(select: Select, draw: Draw) -> Select:
    return replace(select, distinct=(reference(draw, select.scope, "int"),))


@edit(Query)
def LIMIT_changed(query: Query, draw: Draw) -> Query:
    return replace(
        query,
        limit=draw.pick(
            [limit for limit in ("LIMIT 1", "LIMIT 2", "OFFSET 1", "") if limit != query.limit]
        ),
    )


@edit(Query)
def order_changed_under_LIMIT(query: Query, draw: Draw) -> Query | None:
    if not query.limit or not query.columns:
        return None
    return replace(
        query, order=(Order(Ref("", draw.pick(query.columns).name), draw.pick(DIRECTIONS)),)
    )


@edit(Query)
def order_by_an_aggregate_added(query: Query, draw: Draw) -> Query:
    """Which folds all rows into one, if there was no aggregate before."""
    return replace(query, order=(*query.order, Order(Aggregate("count", (), "int"))))


@edit(Select)
def GROUP_BY_key_changed(select: Select, draw: Draw) -> Select | None:
    if select.grouping == "ALL":
        return with_column(select, draw, reference(draw, select.scope, "int"))
    if not select.group:
        return None
    more = (*select.group, reference(draw, select.scope, draw.pick(("int", "text"))))
    return replace(select, group=more if draw.chance(0.6) else one_removed(select.group, draw))


@edit(Select)
def grouping_changed(select: Select, draw: Draw) -> Select | None:
    return (
        replace(
            select,
            grouping=draw.pick([one for one in ("", "ROLLUP", "ALL") if one != select.grouping]),
        )
        if select.group
        else None
    )


@edit(Select)
def HAVING_changed(select: Select, draw: Draw) -> Select | None:
    if not (
        select.group
        or select.grouping
        or any(isinstance(node, Aggregate) for _, node in walk(select))
    ):
        return None
    test = Expr(
        f"({{}} {draw.pick(('>', '<='))} 1)", (aggregate(draw, select.scope, "int"),), "bool"
    )
    return replace(select, having=test if select.having is None or draw.chance(0.5) else None)


@edit(Select)
def QUALIFY_changed(select: Select, draw: Draw) -> Select | None:
    if select.qualify:
        return replace(select, qualify=None)
    return replace(select, qualify=Expr("({} = 1)", (window(draw, select.scope, "int"),), "bool"))


@edit(Select)
def sample_added(select: Select, draw: Draw) -> Select | None:
    return (
        replace(select, sample=draw.pick(("USING SAMPLE 50%", "USING SAMPLE 2 ROWS")))
        if select.source
        else None
    )


@edit(SetOp)
def set_operation_changed(operation: SetOp, draw: Draw) -> SetOp:
    return replace(
        operation, kind=draw.pick([kind for kind in SET_OPERATIONS if kind != operation.kind])
    )


@edit(SetOp)
def branches_swapped(operation: SetOp, draw: Draw) -> SetOp | None:
    sides = [operation.left, operation.right]
    return (
        None
        if any(isinstance(side, Query) and isinstance(side.body, Step) for side in sides)
        else replace(operation, left=sides[1], right=sides[0])
    )


@edit(SetOp)
def column_added_to_both_branches(operation: SetOp, draw: Draw) -> SetOp | None:
    kind, name = draw.pick(("int", "text")), draw.pick(("z", "w", "a"))
    branches = branches_of(operation)
    made: dict[str, Any] = {
        side: replace(
            query,
            body=replace(body, items=(*body.items, Item(reference(draw, body.scope, kind), name))),
        )
        for side, query, body in branches
    }
    return replace(operation, **made) if len(made) == 2 else None


@edit(SetOp)
def columns_swapped_in_one_branch(operation: SetOp, draw: Draw) -> SetOp | None:
    for side, query, body in draw.shuffled(branches_of(operation)):
        if swapped := swapped_pair(body.items, draw):
            changed: dict[str, Any] = {side: replace(query, body=replace(body, items=swapped))}
            return replace(operation, **changed)
    return None


@edit(Query)
def branch_added(query: Query, draw: Draw) -> Query | None:
    """The same rows again, or some of them."""
    body = query.body
    if not isinstance(body, Select) or body.source is None or query.operand:
        return None
    twice = SetOp(
        Query(body, operand=True),
        draw.pick(SET_OPERATIONS),
        Query(replace(body, where=None), operand=True),
    )
    return replace(query, body=twice)


@edit(Select)
def table_replaced_by_a_sub_query(select: Select, draw: Draw) -> Select | None:
    if not isinstance(select.source, Table) or select.source.columns:
        return None
    inside = Query(
        Select(
            (Star(),),
            replace(select.source, alias=""),
            comparison(draw, select.scope),
            scope=select.scope,
        )
    )
    return replace(select, source=Derived(inside, shown_name(select.source)))
