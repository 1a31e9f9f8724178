"""Edits that leave the meaning of every query as it is: text, names that nobody sees, what means
the same."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tests.oracle.catalogue import (
    edit,
    one_changed,
    operator_of,
    shown_name,
    swapped_pair,
)
from tests.oracle.expressions import (
    DIRECTIONS,
    Draw,
    reference,
    simple_source,
)
from tests.oracle.sql import (
    Aggregate,
    Cte,
    Derived,
    Expr,
    Item,
    Join,
    Node,
    Order,
    Pivot,
    Query,
    Ref,
    Scope,
    Select,
    Star,
    Step,
    Table,
    scope_of,
    walk,
)

_TOKENS = re.compile(r"'(?:[^']|'')*'|\"[^\"]*\"|\w+|\s+|::|:=|[<>!=|]+|.")
_KEYWORDS = frozenset(
    "SELECT FROM WHERE GROUP BY HAVING ORDER LIMIT OFFSET AS JOIN LEFT RIGHT FULL INNER OUTER CROSS NATURAL SEMI ANTI ASOF "
    "POSITIONAL ON USING UNION ALL EXCEPT INTERSECT NAME DISTINCT CASE WHEN THEN ELSE END AND OR NOT IN IS NULL EXISTS OVER "
    "PARTITION ROWS RANGE BETWEEN PRECEDING CURRENT ROW UNBOUNDED DESC NULLS FIRST LAST WITH RECURSIVE QUALIFY CAST LIKE".split()
)


def _tokens(query: Query) -> list[str]:
    return _TOKENS.findall(str(query))


@edit(Query, harmless=True, top=True)
def comment_added(query: Query, draw: Draw) -> str:
    comment = draw.pick(("/* why; not 'this' */", '-- why, "x"\n', "/**/"))
    tokens = _tokens(query)
    spaces = [index for index, token in enumerate(tokens) if token.isspace()]
    return (
        "".join(
            f" {comment} " if index == draw.pick(spaces) else token
            for index, token in enumerate(tokens)
        )
        + f" {comment}"
    )


@edit(Query, harmless=True, top=True)
def whitespace_changed(query: Query, draw: Draw) -> str:
    space = draw.pick(("\n", "  ", "\t", "\n    "))
    return "".join(
        space if token.isspace() else f"{token} " * (token == ",") or token
        for token in _tokens(query)
    )


@edit(Query, harmless=True, top=True)
def keywords_in_lower_case(query: Query, draw: Draw) -> str:
    return "".join(token.lower() if token in _KEYWORDS else token for token in _tokens(query))


@edit(Query, harmless=True, top=True)
def names_in_upper_case(query: Query, draw: Draw) -> str:
    """But for the names of nodes, and those of the fields of a struct, which are part of its
    type."""
    return re.sub(r"'(?:[^']|'')*'|\"[^\"]*\"|source\.\w+|\w+ :=|\w+", _upper, str(query))


def _upper(found: re.Match[str]) -> str:
    return found[0].upper() if found[0].isidentifier() else found[0]


@edit(Query, harmless=True, top=True)
def semicolon_added(query: Query, draw: Draw) -> str:
    return f"{query} ;\n"


@edit(Ref, harmless=True)
def quotes_added(ref: Ref, draw: Draw) -> Ref | None:
    return replace(ref, name=f'"{ref.name}"') if ref.name and '"' not in ref.name else None


@edit(Table, harmless=True)
def quotes_added_to_a_table(table: Table, draw: Draw) -> Table | None:
    return replace(
        table, name=re.sub(r"^(\w+)\.(\w+)$", r'"\1"."\2"', table.name), alias=table.alias
    )


@edit(Item, harmless=True)
def quotes_added_to_an_alias(item: Item, draw: Draw) -> Item | None:
    return replace(item, alias=f'"{item.alias}"') if item.alias and '"' not in item.alias else None


@edit(Select, harmless=True)
def parentheses_added(select: Select, draw: Draw) -> Select | None:
    where = select.where and Expr("({})", (select.where,), "bool")
    items = one_changed(
        select.items, draw, lambda item: (isinstance(item, Item) and _in_parentheses(item)) or None
    )
    if where and draw.chance(0.5):
        return replace(select, where=where)
    return replace(select, items=items) if items else None


def _in_parentheses(item: Item) -> Item | None:
    bare = (
        not isinstance(item.expr, Expr) or "unnest" in item.expr.form or "COLUMNS" in item.expr.form
    )
    return None if bare else replace(item, expr=Expr("({})", (item.expr,), item.expr.kind))


@edit(Item, harmless=True)
def word_AS_dropped(item: Item, draw: Draw) -> Item | None:
    return replace(item, word=" " if item.word == " AS " else " AS ") if item.alias else None


@edit(Table, harmless=True)
def word_AS_dropped_from_a_table(table: Table, draw: Draw) -> Table | None:
    return replace(table, word=" " if table.word == " AS " else " AS ") if table.alias else None


def _fresh(query: Query, draw: Draw) -> str:
    return draw.pick(
        [name for name in ("alias1", "zz", "inner_table") if name not in str(query)]
        or ["yet_another"]
    )


def _everywhere(node: Any, change: Callable[[Node], Node]) -> Any:
    """The tree with each node changed, from the leaves up."""
    for name in node.__dataclass_fields__:
        value = getattr(node, name)
        if isinstance(value, Node):
            node = replace(node, **{name: _everywhere(value, change)})
        elif isinstance(value, tuple) and any(isinstance(item, Node) for item in value):
            node = replace(node, **{name: tuple(_everywhere(item, change) for item in value)})
    return change(node)


@edit(Query, harmless=True, top=True)
def table_alias_renamed(query: Query, draw: Draw) -> Query | None:
    shown = sorted({shown_name(node) for _, node in walk(query)} - {""})
    if not shown or any(isinstance(node, Pivot) for _, node in walk(query)):
        return None
    old, new = draw.pick(shown), _fresh(query, draw)

    def rename(node: Node) -> Node:
        if isinstance(node, Table | Derived) and shown_name(node) == old:
            return replace(node, alias=new)
        return (
            replace(node, table=new) if isinstance(node, Ref | Star) and node.table == old else node
        )

    return _everywhere(query, rename)


@edit(Query, harmless=True, top=True)
def CTE_renamed(query: Query, draw: Draw) -> Query | None:
    names = sorted(
        {node.name for _, node in walk(query) if isinstance(node, Cte) and not node.recursive}
    )
    if not names or any(isinstance(node, Pivot) for _, node in walk(query)):
        return None
    old, new = draw.pick(names), _fresh(query, draw)

    def rename(node: Node) -> Node:
        if isinstance(node, Table) and node.name == old:
            return replace(node, name=new, alias=node.alias or old)
        return (
            replace(node, name=new) if isinstance(node, Cte | Step) and node.name == old else node
        )

    return _everywhere(query, rename)


@edit(Table, harmless=True)
def alias_added_that_is_the_name(table: Table, draw: Draw) -> Table | None:
    return None if table.alias else replace(table, alias=table.name.rsplit(".", maxsplit=1)[-1])


@edit(Query, harmless=True, top=True)
def unused_CTE_added(query: Query, draw: Draw) -> Query:
    source, scope = simple_source(draw, Scope(scope_of(query).tables))
    cte = Cte(
        _fresh(query, draw),
        Query(Select((Item(reference(draw, scope, "int"), "a"),), source, scope=scope)),
    )
    return replace(query, ctes=draw.pick(((cte, *query.ctes), (*query.ctes, cte))))


@edit(Query, harmless=True)
def order_of_CTEs_changed(query: Query, draw: Draw) -> Query | None:
    if len(query.ctes) < 2:
        return None
    place = draw.random.randrange(len(query.ctes) - 1)
    first, second = query.ctes[place : place + 2]
    if any(
        isinstance(node, Table) and node.name in (first.name, second.name)
        for one in (first, second)
        for _, node in walk(one)
    ):
        return None
    return replace(query, ctes=(*query.ctes[:place], second, first, *query.ctes[place + 2 :]))


_SYMMETRIC = ("=", "<>", "!=", "IS DISTINCT FROM", "IS NOT DISTINCT FROM")
_TURNED = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}


@edit(Expr, harmless=True)
def order_of_AND_and_OR_changed(expr: Expr, draw: Draw) -> Expr | None:
    connected = re.fullmatch(r"\(\{\}( AND \{\})+\)|\(\{\}( OR \{\})+\)", expr.form)
    return replace(expr, args=tuple(draw.shuffled(expr.args))) if connected else None


@edit(Expr, harmless=True)
def sides_of_an_equality_swapped(expr: Expr, draw: Draw) -> Expr | None:
    return replace(expr, args=expr.args[::-1]) if operator_of(expr) in _SYMMETRIC else None


@edit(Expr, harmless=True)
def comparison_turned_around(expr: Expr, draw: Draw) -> Expr | None:
    turned = _TURNED.get(operator_of(expr))
    return Expr(f"({{}} {turned} {{}})", expr.args[::-1], expr.kind) if turned else None


@edit(Expr, harmless=True)
def inequality_spelled_otherwise(expr: Expr, draw: Draw) -> Expr | None:
    other = {"<>": "!=", "!=": "<>"}.get(operator_of(expr))
    return replace(expr, form=f"({{}} {other} {{}})") if other else None


@edit(Expr, harmless=True)
def cast_spelled_otherwise(expr: Expr, draw: Draw) -> Expr | None:
    form = re.sub(r"^CAST\(\{\} AS (\w+)\)$", r"({}::\1)", expr.form)
    return replace(
        expr,
        form=form if form != expr.form else re.sub(r"^\(\{\}::(\w+)\)$", r"CAST({} AS \1)", form),
    )


@edit(Join, harmless=True)
def join_spelled_otherwise(join: Join, draw: Draw) -> Join | None:
    same = {
        " JOIN ": " INNER JOIN ",
        " LEFT JOIN ": " LEFT OUTER JOIN ",
        " RIGHT JOIN ": " RIGHT OUTER JOIN ",
    }
    same |= {new: old for old, new in same.items()}
    return replace(join, kind=same.get(join.kind, join.kind))


@edit(Query, harmless=True, top=True)
def order_added(query: Query, draw: Draw) -> Query | None:
    body = query.body
    if query.limit or query.order or (isinstance(body, Select) and body.distinct):
        return None
    keys: list[Node] = [Ref("", column.name) for column in query.columns]
    return replace(
        query, order=(Order(draw.pick([*keys, Expr("1"), Expr("ALL")]), draw.pick(DIRECTIONS)),)
    )


@edit(Query, harmless=True, top=True)
def order_without_limit_removed(query: Query, draw: Draw) -> Query | None:
    folds = isinstance(query.body, Select) and query.body.distinct
    return None if query.limit or folds else replace(query, order=())


@edit(Order, harmless=True)
def word_ASC_added(order: Order, draw: Draw) -> Order | None:
    return (
        None if " DESC" in order.direction else replace(order, direction=f" ASC{order.direction}")
    )


@edit(Select, harmless=True)
def FROM_first(select: Select, draw: Draw) -> Select | None:
    return replace(select, from_first=not select.from_first) if select.source else None


def _places(select: Select) -> dict[Node, int]:
    return {
        item.expr: index
        for index, item in reversed(list(enumerate(select.items)))
        if isinstance(item, Item)
    }


@edit(Select, harmless=True)
def GROUP_BY_positions(select: Select, draw: Draw) -> Select | None:
    places = _places(select)
    if (
        select.grouping
        or any(isinstance(item, Star) for item in select.items)
        or not set(select.group) <= set(places)
    ):
        return None
    return replace(select, group=tuple(Expr(str(places[key] + 1)) for key in select.group))


@edit(Select, harmless=True)
def GROUP_BY_aliases(select: Select, draw: Draw) -> Select | None:
    near = {column.name for relation in select.scope.relations for column in relation.columns}
    aliases = {
        item.expr: item.alias
        for item in select.items
        if isinstance(item, Item) and item.alias and item.alias not in near
    }
    return replace(
        select,
        group=tuple(Ref("", aliases[key]) if key in aliases else key for key in select.group),
    )


@edit(Select, harmless=True)
def GROUP_BY_ALL(select: Select, draw: Draw) -> Select | None:
    exprs = {item.expr if isinstance(item, Item) else item for item in select.items}
    keys = {expr for expr in exprs if not isinstance(expr, Aggregate)}
    return (
        replace(select, group=(), grouping="ALL")
        if select.group and not select.grouping and keys == set(select.group)
        else None
    )


@edit(Select, harmless=True)
def GROUP_BY_keys_swapped(select: Select, draw: Draw) -> Select | None:
    swapped = (
        None if select.grouping or select.distinct is not None else swapped_pair(select.group, draw)
    )
    return replace(select, group=swapped) if swapped else None


@edit(Select, harmless=True)
def star_spelled_out(select: Select, draw: Draw) -> Select | None:
    if Star() not in select.items:
        return None
    seen: set[str] = set()
    spelled: list[Node] = []
    for relation in select.scope.relations:
        for column in relation.columns:
            merged = column.name in select.scope.merged
            if not (merged and column.name in seen):
                spelled.append(Item(Ref("" if merged else relation.name, column.name, column.kind)))
            seen.add(column.name)
    place = select.items.index(Star())
    return replace(select, items=(*select.items[:place], *spelled, *select.items[place + 1 :]))
