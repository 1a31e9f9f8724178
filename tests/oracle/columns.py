"""Edits of what a select list makes, and of what the names in it mean."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from tests.oracle.catalogue import (
    edit,
    one_changed,
    one_removed,
    shown_name,
    swapped_pair,
    with_column,
)
from tests.oracle.expressions import (
    LITERALS,
    NAMES,
    Draw,
    aggregate,
    condition,
    expression,
    kind_in,
    reference,
    references,
    simple_source,
    window,
)
from tests.oracle.sql import (
    Aggregate,
    Cte,
    Derived,
    Expr,
    Item,
    Join,
    Node,
    Pivot,
    Query,
    Ref,
    Scope,
    Select,
    Star,
    Table,
    put,
    scope_of,
    walk,
)


@edit(Query, top=True)
def column_added_at_the_top(query: Query, draw: Draw) -> Query | None:
    body = query.body
    if not isinstance(body, Select) or body.group:
        return None
    return replace(
        query, body=with_column(body, draw, expression(draw, body.scope, kind_in(draw, body.scope)))
    )


@edit(Select)
def column_added(select: Select, draw: Draw) -> Select:
    return with_column(select, draw, reference(draw, select.scope, kind_in(draw, select.scope)))


@edit(Select)
def computed_column_added(select: Select, draw: Draw) -> Select:
    return with_column(select, draw, expression(draw, select.scope, kind_in(draw, select.scope)))


@edit(Select)
def group_key_added_as_a_column(select: Select, draw: Draw) -> Select | None:
    return with_column(select, draw, draw.pick(select.group)) if select.group else None


@edit(Select)
def aggregate_added(select: Select, draw: Draw) -> Select:
    return with_column(select, draw, aggregate(draw, select.scope))


@edit(Select)
def aggregate_added_to_aggregates(select: Select, draw: Draw) -> Select | None:
    folds = [
        item for item in select.items if isinstance(item, Item) and isinstance(item.expr, Aggregate)
    ]
    return with_column(select, draw, aggregate(draw, select.scope)) if folds else None


@edit(Select)
def window_added(select: Select, draw: Draw) -> Select:
    return with_column(select, draw, window(draw, select.scope))


@edit(Select)
def unnest_added(select: Select, draw: Draw) -> Select:
    return with_column(select, draw, Expr("unnest({})", (reference(draw, select.scope, "list"),)))


@edit(Select)
def volatile_column_added(select: Select, draw: Draw) -> Select:
    return with_column(select, draw, Expr(draw.pick(("random()", "uuid()", "now()")), (), "double"))


@edit(Select)
def constant_added(select: Select, draw: Draw) -> Select:
    kind = kind_in(draw, select.scope)
    return with_column(select, draw, Expr(draw.pick(LITERALS[kind]), (), kind))


@edit(Select)
def sub_query_added(select: Select, draw: Draw) -> Select:
    scope = replace(select.scope, depth=1)
    kind = draw.pick(("int", "bool"))
    tries = (expression(draw, scope, kind, 1) for _ in range(60))
    found = next(
        (one for one in tries if any(isinstance(node, Query) for _, node in walk(one))),
        Expr("(SELECT 1)"),
    )
    return with_column(select, draw, found)


@edit(Select)
def column_of_an_alias_added(select: Select, draw: Draw) -> Select | None:
    aliases = [item.alias for item in select.items if isinstance(item, Item) and item.alias]
    return with_column(select, draw, Ref("", draw.pick(aliases))) if aliases else None


@edit(Select)
def star_added(select: Select, draw: Draw) -> Select | None:
    return (
        replace(select, items=(*select.items, Star()))
        if Star() not in select.items and select.source
        else None
    )


@edit(Select)
def column_removed(select: Select, draw: Draw) -> Select | None:
    return replace(select, items=one_removed(select.items, draw)) if len(select.items) > 1 else None


@edit(Item)
def column_renamed(item: Item, draw: Draw) -> Item:
    return replace(
        item, alias=draw.pick([name for name in (*NAMES, "z", "w") if name != item.alias])
    )


@edit(Select)
def columns_reordered(select: Select, draw: Draw) -> Select | None:
    swapped = swapped_pair(select.items, draw)
    return replace(select, items=swapped) if swapped else None


@edit(Select)
def aliases_swapped(select: Select, draw: Draw) -> Select | None:
    named = [item for item in select.items if isinstance(item, Item) and item.alias]
    items = swapped_pair(select.items, draw)
    if items is None or len(named) < len(items):
        return None
    return replace(
        select,
        items=tuple(replace(item, expr=old.expr) for item, old in zip(items, named, strict=True)),
    )


@edit(Item)
def alias_becomes_that_of_an_input(item: Item, draw: Draw) -> Item | None:
    names = [node.name for _, node in walk(item) if isinstance(node, Ref) and node.name]
    return replace(item, alias=draw.pick(names)) if names else None


@edit(Select)
def column_changed(select: Select, draw: Draw) -> Select | None:
    def change(item: Node) -> Node | None:
        kind = item.expr.kind if isinstance(item, Item) else ""
        return (
            Item(expression(draw, select.scope, kind), item.alias)
            if isinstance(item, Item) and item.alias
            else None
        )

    items = one_changed(select.items, draw, change)
    return replace(select, items=items) if items else None


@edit(Item)
def type_changed(item: Item, draw: Draw) -> Item | None:
    if not item.alias or (isinstance(item.expr, Expr) and "unnest" in item.expr.form):
        return None
    return replace(
        item,
        expr=Expr(
            f"CAST({{}} AS {draw.pick(('VARCHAR', 'BIGINT', 'DOUBLE'))})", (item.expr,), "text"
        ),
    )


@edit(Item)
def wrapped_in_a_function(item: Item, draw: Draw) -> Item | None:
    return (
        replace(item, expr=Expr("coalesce({0}, {0})", (item.expr,), "int")) if item.alias else None
    )


@edit(Select)
def column_of_another_name_read(select: Select, draw: Draw) -> Select | None:
    """Any column in this SELECT, in its sub-queries too, becomes another one of the same kind."""
    refs = [(path, node) for path, node in walk(select) if isinstance(node, Ref) and node.name]
    if not refs:
        return None
    path, ref = draw.pick(refs)
    scope = select.scope
    others = [*references(scope, ref.kind), *references(scope, ref.kind, outer=True)]
    return put(select, path, draw.pick(others)) if others else None


@edit(Ref)
def qualifier_dropped(ref: Ref, draw: Draw) -> Ref | None:
    return replace(ref, table="") if ref.table and ref.name else None


@edit(Select)
def qualifier_added(select: Select, draw: Draw) -> Select | None:
    refs = [(path, node) for path, node in walk(select) if isinstance(node, Ref) and not node.table]
    tables = [
        relation.name
        for relation in (*select.scope.relations, *select.scope.outer)
        if relation.name
    ]
    if not refs or not tables:
        return None
    path, ref = draw.pick(refs)
    return put(select, path, replace(ref, table=draw.pick(tables)))


@edit(Join)
def aliases_of_a_join_swapped(join: Join, draw: Draw) -> Join | None:
    left, right = join.left, join.right
    if not isinstance(left, Table) or not isinstance(right, Table):
        return None
    return replace(
        join,
        left=replace(left, alias=shown_name(right)),
        right=replace(right, alias=shown_name(left)),
    )


@edit(Query)
def CTE_hidden_by_another(query: Query, draw: Draw) -> Query | None:
    """A sub-query gets a CTE of its own under the name of one that it reads."""
    names = [
        node.name
        for _, node in walk(query)
        if isinstance(node, Table) and "." not in node.name and node.name.isidentifier()
    ]
    if not names:
        return None
    source, scope = simple_source(draw, Scope(scope_of(query).tables))
    hiding = Query(Select((Star(),), source, condition(draw, scope), scope=scope))
    name = draw.pick(names)
    return (
        None
        if name in [cte.name for cte in query.ctes]
        else replace(query, ctes=(Cte(name, hiding), *query.ctes))
    )


@edit(Query, top=True)
def CTE_named_as_a_table(query: Query, draw: Draw) -> Query | None:
    """All tables are named with their schema, which a CTE never has."""
    source, scope = simple_source(draw, Scope(scope_of(query).tables))
    name = draw.pick(("t", "u", "source"))
    taken = any(isinstance(node, Cte) and node.name == name for _, node in walk(query))
    made = Cte(name, Query(Select((Star(),), source, scope=scope)))
    return None if taken else replace(query, ctes=(made, *query.ctes))


@edit(Derived)
def column_list_of_a_sub_query_changed(derived: Derived, draw: Draw) -> Derived | None:
    return _relisted(derived, draw)


@edit(Cte)
def column_list_of_a_CTE_changed(cte: Cte, draw: Draw) -> Cte | None:
    return None if cte.recursive else _relisted(cte, draw)


def _relisted(named: Any, draw: Draw) -> Any:
    """The column list with two names swapped, or one that swaps two names."""
    if isinstance(named.query, Pivot):
        return None
    names = named.columns or tuple(column.name for column in named.query.columns)
    swapped = swapped_pair(names, draw)
    return replace(named, columns=swapped) if swapped else None


@edit(Table)
def another_table_read(table: Table, draw: Draw) -> Table | None:
    others = [name for name in ("source.t", "source.u") if name != table.name]
    return (
        replace(table, name=draw.pick(others), alias=table.alias or shown_name(table))
        if table.name.startswith("source.")
        else None
    )


@edit(Query)
def another_CTE_read(query: Query, draw: Draw) -> Query | None:
    names = [cte.name for cte in query.ctes]
    found = [
        (path, node)
        for path, node in walk(query.body)
        if isinstance(node, Table) and node.name in names
    ]
    if len(names) < 2 or not found:
        return None
    path, table = draw.pick(found)
    other = replace(table, name=draw.pick(names), alias=table.alias or shown_name(table))
    return replace(query, body=put(query.body, path, other))


@edit(Expr)
def lambda_parameter_renamed(expr: Expr, draw: Draw) -> Expr | None:
    """The parameter alone, so that its body comes to name a column, or the other way round."""
    return replace(
        expr, form=re.sub(r"(lambda|FOR) \w+", rf"\1 {draw.pick(('p', 'a', 'b', 'k'))}", expr.form)
    )
