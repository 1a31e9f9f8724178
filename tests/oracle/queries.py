"""Draw tables with data, queries over them, and queries that read what such a query makes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from tests.oracle.expressions import (
    COLLIDING,
    DIRECTIONS,
    KIND_OF,
    NAMES,
    TYPES,
    Draw,
    aggregate,
    comparison,
    condition,
    correlated,
    expression,
    kind_in,
    lambda_of,
    ordering,
    reference,
    references,
    simple_source,
    sub_scope,
    window,
)
from tests.oracle.sql import (
    Column,
    Cte,
    Derived,
    Expr,
    Item,
    Join,
    Node,
    Order,
    Part,
    Pivot,
    Query,
    Ref,
    Relation,
    Scope,
    Select,
    SetOp,
    Star,
    Step,
    Table,
    walk,
)

VALUES = {
    "int": ("0", "1", "1", "2", "3", "-1"),
    "double": ("0.5", "1.0", "1.5", "-2.5"),
    "text": ("'p'", "'q'", "'Pq'", "''", "'1'"),
    "date": ("'2024-01-01'", "'2024-01-02'", "'2024-02-01'"),
    "bool": ("TRUE", "FALSE"),
    "list": ("[1, 2]", "[]", "[3, NULL, 1]", "[2]"),
    "struct": ("{'x': 1, 'y': 'p'}", "{'x': 2, 'y': NULL}", "{'x': 1, 'y': 'q'}"),
}
JOINS = (
    " JOIN ",
    " JOIN ",
    " INNER JOIN ",
    " LEFT JOIN ",
    " LEFT JOIN ",
    " LEFT OUTER JOIN ",
    " RIGHT JOIN ",
    " FULL JOIN ",
    " SEMI JOIN ",
    " ANTI JOIN ",
    ", ",
    " CROSS JOIN ",
    " NATURAL JOIN ",
    " NATURAL LEFT JOIN ",
    " POSITIONAL JOIN ",
    " ASOF JOIN ",
    " ASOF LEFT JOIN ",
)
CTES = ("t", "u", "q", "w", "v", "k", "source")
SET_OPERATIONS = (
    "UNION ALL",
    "UNION ALL",
    "UNION ALL",
    "UNION",
    "INTERSECT",
    "EXCEPT",
    "EXCEPT ALL",
    "INTERSECT ALL",
    "UNION ALL BY NAME",
    "UNION BY NAME",
)
PIVOTS = (
    "PIVOT {0} ON {1} IN ({2}) USING {3}{4}",
    "FROM {0} PIVOT ({3} FOR {1} IN ({2}){4})",
    "FROM {0} UNPIVOT ({3} FOR {1} IN ({2}){4})",
    "UNPIVOT {0} ON {2} INTO NAME {1} VALUE {3}",
)


@dataclass(frozen=True)
class World:
    """The tables with their rows."""

    tables: tuple[Relation, ...]
    rows: tuple[tuple[tuple[str, ...], ...], ...]

    @property
    def schemas(self) -> dict[str, tuple[tuple[str, str], ...]]:
        """As seeknal is told of them."""
        return {
            table.name.removeprefix("source."): tuple(
                (column.name, TYPES[column.kind]) for column in table.columns
            )
            for table in self.tables
        }


def draw_world(draw: Draw) -> World:
    draw.hot[:] = draw.some(tuple(COLLIDING), 2, 2) if draw.chance(0.5) else []
    tables = tuple(
        Relation(f"source.{name}", _schema(draw)) for name in "tuv"[: draw.pick((2, 2, 3))]
    )
    return World(tables, tuple(_rows(draw, table) for table in tables))


def _schema(draw: Draw) -> tuple[Column, ...]:
    names = draw.some(tuple(NAMES)[1:], 2, 5)
    names = ("k", *names) if draw.chance(0.85) else names
    if draw.hot and draw.chance(0.5):
        names = (*(name for name in names if name not in draw.hot), draw.pick(draw.hot))
    return tuple(Column(name, _kind(draw, name)) for name in names)


def _kind(draw: Draw, name: str) -> str:
    return draw.pick(tuple(TYPES)) if draw.chance(0.06) else KIND_OF[name]


def _rows(draw: Draw, table: Relation) -> tuple[tuple[str, ...], ...]:
    count = draw.pick((0, 1, 2, 3, 4, 5, 6, 7, 8))
    rows = [tuple(_value(draw, column.kind) for column in table.columns) for _ in range(count)]
    return tuple(rows + rows[:1] if draw.chance(0.3) else rows)


def _value(draw: Draw, kind: str) -> str:
    return "NULL" if draw.chance(0.12) else draw.pick(VALUES[kind])


def draw_query(draw: Draw, scope: Scope, kinds: tuple[str, ...] | None = None) -> Query:
    """Any query; with `kinds`, one that makes columns of these kinds."""
    ctes, scope = _ctes(draw, scope) if scope.depth < 2 and draw.chance(0.3) else ((), scope)
    body = (
        set_operation(draw, scope, kinds)
        if scope.depth < 2 and draw.chance(0.13)
        else draw_select(draw, scope, kinds)
    )
    query = Query(body, ctes)
    if not draw.chance(0.12):
        return query
    limit = draw.pick(
        (f"LIMIT {draw.pick('123')}", f"LIMIT 2 OFFSET {draw.pick('01')}", "LIMIT 50%", "")
    )
    if isinstance(body, Select) and body.scope.relations and limit and draw.chance(0.15):
        key = reference(draw, body.scope, draw.pick(("int", "text")))
        return replace(
            query,
            body=replace(body, distinct=()),
            order=(Order(key, draw.pick(DIRECTIONS)),),
            limit=limit,
        )
    order = _order(draw, query) if draw.chance(0.8) or not limit else ()
    return replace(query, order=order, limit=limit)


def _order(draw: Draw, query: Query) -> tuple[Order, ...]:
    names = [Ref("", column.name, column.kind) for column in query.columns]
    keys: list[Node] = [*names, Expr("1"), Expr("ALL")]
    if isinstance(query.body, Select) and not (query.body.group or query.body.grouping):
        keys += references(query.body.scope)
    keys += [Expr("({} + 1)", (name,)) for name in names if name.kind == "int"][:1]
    return (Order(draw.pick(keys), draw.pick(DIRECTIONS)),)


def _ctes(draw: Draw, scope: Scope) -> tuple[tuple[Cte, ...], Scope]:
    ctes: list[Cte] = []
    for _ in range(draw.pick((1, 1, 2, 2, 3))):
        around = [relation.name for relation in scope.ctes]
        name = draw.pick(around) if around and draw.chance(0.25) else draw.name(CTES, 0.2)
        if name not in [cte.name for cte in ctes]:
            inside = replace(scope, depth=scope.depth + 1)
            cte = _recursive(draw, inside, name) if draw.chance(0.07) else _cte(draw, inside, name)
            if ctes and not ctes[-1].recursive and draw.chance(0.3):
                cte = _in_another_order(draw, ctes[-1], name)
            ctes.append(cte)
            known = tuple(relation for relation in scope.ctes if relation.name != name)
            scope = replace(
                scope, ctes=(*known, Relation(name, _renamed(cte.query.columns, cte.columns)))
            )
    return tuple(ctes), scope


def _cte(draw: Draw, scope: Scope, name: str) -> Cte:
    query = draw_query(draw, scope)
    return Cte(name, query, _names(draw, len(query.columns)) if draw.chance(0.12) else ())


def _in_another_order(draw: Draw, cte: Cte, name: str) -> Cte:
    query = cte.query
    if isinstance(query, Query) and query.columns and not query.limit:
        key = Ref("", draw.pick(query.columns).name)
        query = replace(query, order=(Order(key, draw.pick(DIRECTIONS)),))
    return replace(cte, name=name, query=query)


def _recursive(draw: Draw, scope: Scope, name: str) -> Cte:
    base = plain_select(draw, scope, ("int", *draw.some(("int", "text", "date"), 0, 1)))
    names = _names(draw, len(base.items))
    step = Step(name, draw.pick((2, 3)), 1, names[0], names[1:])
    body = SetOp(
        Query(base, operand=True), draw.pick(("UNION ALL", "UNION")), Query(step, operand=True)
    )
    return Cte(name, Query(body), names, recursive=True)


def _names(draw: Draw, count: int) -> tuple[str, ...]:
    return draw.some(tuple(NAMES), count, count)


def _renamed(columns: tuple[Column, ...], names: tuple[str, ...]) -> tuple[Column, ...]:
    """A column list may be shorter than the columns."""
    return tuple(
        replace(column, name=names[index]) if index < len(names) else column
        for index, column in enumerate(columns)
    )


def set_operation(draw: Draw, scope: Scope, kinds: tuple[str, ...] | None = None) -> SetOp:
    kinds = kinds or tuple(draw.pick(tuple(TYPES)) for _ in range(draw.pick((1, 2, 2, 3))))
    inside = replace(scope, depth=scope.depth + 1)
    left, right = draw_query(draw, inside, kinds), draw_query(draw, inside, kinds)
    return SetOp(
        replace(left, operand=True), draw.pick(SET_OPERATIONS), replace(right, operand=True)
    )


def draw_select(draw: Draw, scope: Scope, kinds: tuple[str, ...] | None = None) -> Select:
    styles: tuple[Callable[[Draw, Scope, tuple[str, ...] | None], Select], ...] = (
        (plain_select, plain_select, plain_select, _windowed, _grouped, _grouped)
        if kinds is not None
        else (
            plain_select,
            plain_select,
            plain_select,
            _windowed,
            _grouped,
            _grouped,
            _grouped,
            _folded,
            _starred,
            _starred,
            _by_alias,
        )
    )
    select = draw.pick(styles)(draw, scope, kinds)
    if draw.chance(0.07):
        on = (
            (reference(draw, select.scope, "int"),) if draw.chance(0.3) and not select.group else ()
        )
        select = replace(select, distinct=on)
    return replace(select, from_first=select.source is not None and draw.chance(0.05))


def _wanted(draw: Draw, scope: Scope, kinds: tuple[str, ...] | None) -> tuple[str, ...]:
    return kinds or tuple(kind_in(draw, scope) for _ in range(draw.pick((1, 2, 2, 3, 3, 4))))


def items_of(draw: Draw, exprs: tuple[Node, ...], scope: Scope) -> tuple[Item, ...]:
    """A select list: columns often keep their names, other expressions mostly get one, never the
    same twice."""
    taken: set[str] = set()
    items = []
    for expr in exprs:
        bare = isinstance(expr, Ref) and expr.name not in taken and draw.chance(0.6)
        alias = "" if bare or draw.chance(0.03) else free_name(draw, taken, scope)
        taken.add(alias or (expr.name if isinstance(expr, Ref) else ""))
        items.append(Item(expr, alias, draw.pick((" AS ", " AS ", " AS ", " "))))
    return tuple(items)


def free_name(draw: Draw, taken: set[str], scope: Scope) -> str:
    """A name for a column, which may well be that of a column that is read."""
    near = [
        column.name for relation in (*scope.relations, *scope.outer) for column in relation.columns
    ]
    others = draw.hot if draw.hot and draw.chance(0.25) else [*NAMES, "z", "w", "h", "m", "n"]
    names = [name for name in (near if near and draw.chance(0.3) else others) if name not in taken]
    return draw.pick(names or ["z" * index for index in range(1, 9) if "z" * index not in taken])


def plain_select(draw: Draw, scope: Scope, kinds: tuple[str, ...] | None = None) -> Select:
    source, scope = draw_source(draw, scope)
    where = condition(draw, scope) if draw.chance(0.45) else None
    exprs = tuple(_projected(draw, scope, kind) for kind in _wanted(draw, scope, kinds))
    items = _chained(draw, items_of(draw, exprs, scope), scope)
    sample = "USING SAMPLE 50%" if draw.chance(0.01) else ""
    return Select(items, source, where, sample=sample, scope=scope)


def _projected(draw: Draw, scope: Scope, kind: str) -> Node:
    if kind == "int" and draw.chance(0.04):
        return Expr("unnest({})", (reference(draw, scope, "list"),))
    if kind == "list" and draw.chance(0.3):
        return lambda_of(draw, scope, kind, 2)
    if kind == "double" and draw.chance(0.03):
        return Expr("random()", (), kind)
    if kind == "text" and draw.chance(0.06) and scope.relations:
        return Expr(
            "CAST({} AS VARCHAR)", (Ref(draw.pick(scope.relations).name, "", "text"),), kind
        )
    return expression(draw, scope, kind)


def _chained(draw: Draw, items: tuple[Item, ...], scope: Scope) -> tuple[Item, ...]:
    """Sometimes a column is computed from the alias of another, which a column of an input may
    hide."""
    first, last = items[0], items[-1]
    kind = first.expr.kind
    if (
        len(items) < 2
        or not first.alias
        or kind != last.expr.kind
        or kind not in ("int", "text")
        or draw.chance(0.5)
    ):
        return items
    form = "({} + 1)" if kind == "int" else "upper({})"
    chained = Item(
        Expr(form, (Ref("", first.alias, kind),), kind),
        last.alias or free_name(draw, {first.alias}, scope),
    )
    return (*items[:-1], chained)


def _windowed(draw: Draw, scope: Scope, kinds: tuple[str, ...] | None = None) -> Select:
    select = plain_select(draw, scope, kinds)
    place = draw.random.randrange(len(select.items))
    item = select.items[place]
    assert isinstance(item, Item)
    wanted = item.expr.kind if kinds else None
    made = Item(
        window(draw, select.scope, wanted), item.alias or free_name(draw, set(), select.scope)
    )
    qualify = Expr("({} <= {})", (window(draw, select.scope, "int"), Expr(draw.pick("12"))), "bool")
    items = (*select.items[:place], made, *select.items[place + 1 :])
    return replace(select, items=items, qualify=qualify if draw.chance(0.3) else None)


def _folded(draw: Draw, scope: Scope, _: object = None) -> Select:
    """Aggregates without GROUP BY."""
    source, scope = draw_source(draw, scope)
    where = condition(draw, scope) if draw.chance(0.4) else None
    exprs = tuple(aggregate(draw, scope) for _ in range(draw.pick((1, 2, 3))))
    having = _having(draw, scope) if draw.chance(0.1) else None
    return Select(items_of(draw, exprs, scope), source, where, having=having, scope=scope)


def _having(draw: Draw, scope: Scope) -> Expr:
    return Expr(
        f"({{}} {draw.pick(('>', '<=', '='))} {{}})",
        (aggregate(draw, scope, "int"), Expr(draw.pick("012"))),
        "bool",
    )


def _grouped(draw: Draw, scope: Scope, kinds: tuple[str, ...] | None = None) -> Select:
    source, scope = draw_source(draw, scope)
    where = condition(draw, scope) if draw.chance(0.35) else None
    having = _having(draw, scope) if draw.chance(0.2) else None
    if kinds:
        keys = tuple(expression(draw, scope, kind, 1) for kind in kinds[:1])
        made = (*keys, *(aggregate(draw, scope, kind) for kind in kinds[1:]))
    else:
        keys = tuple(expression(draw, scope, kind, 1) for kind in _wanted(draw, scope, None)[:2])
        made = (
            *keys[: draw.pick((1, 2, 2, 2))],
            *(aggregate(draw, scope) for _ in range(draw.pick((0, 1, 1, 2)))),
        )
    select = Select(items_of(draw, made, scope), source, where, keys, having=having, scope=scope)
    return _styled(draw, select)


def _by_alias(draw: Draw, scope: Scope, _: object = None) -> Select:
    """HAVING and GROUP BY go by names that the select list makes, which columns of the inputs may
    have too."""
    source, scope = draw_source(draw, scope)
    key, name = reference(draw, scope, "int"), free_name(draw, set(), scope)
    total = aggregate(draw, scope, "int")
    made: Part = Item(total, free_name(draw, {name}, scope))
    if draw.chance(0.3):
        column = draw.pick(
            [each.name for relation in scope.relations for each in relation.columns] or ["k"]
        )
        made = Item(Expr(f"{draw.pick(('max', 'min', 'count'))}(COLUMNS('^{column}$'))", (), "int"))
        alias = column
    else:
        alias = made.alias
    having = Expr(
        f"({{}} {draw.pick(('>', '<=', '='))} {{}})",
        (Ref("", alias), Expr(draw.pick("012"))),
        "bool",
    )
    group = draw.pick(((key,), (Ref("", name),), (Expr("1"),)))
    return Select((Item(key, name), made), source, None, group, having=having, scope=scope)


def _styled(draw: Draw, select: Select) -> Select:
    """The keys as they are, by position, ALL or with sub-totals."""
    shown = len(
        [item for item in select.items if isinstance(item, Item) and item.expr in select.group]
    )
    if shown == len(select.group) and draw.chance(0.3):
        if draw.chance(0.5):
            return replace(select, group=(), grouping="ALL")
        return replace(select, group=tuple(Expr(str(index + 1)) for index in range(shown)))
    if any(isinstance(key, Expr) and not key.args for key in select.group):
        return replace(select, group=(), grouping="ALL")
    return replace(select, grouping="ROLLUP" if draw.chance(0.06) else "")


def _starred(draw: Draw, scope: Scope, _: object = None) -> Select:
    source, scope = draw_source(draw, scope)
    where = condition(draw, scope) if draw.chance(0.4) else None
    star = _long_star(draw, scope) if draw.chance(0.2) else draw_star(draw, scope)
    more = (
        items_of(draw, (expression(draw, scope, draw.pick(("int", "text"))),), scope)
        if draw.chance(0.35)
        else ()
    )
    return Select((star, *more), source, where, scope=scope)


def draw_star(draw: Draw, scope: Scope) -> Node:
    """All columns, in one of the ways to leave some out or change them."""
    names = [
        (column.name, column.kind) for relation in scope.relations for column in relation.columns
    ]
    twice = len({name for name, _ in names} - scope.merged) < len(
        [name for name, _ in names if name not in scope.merged]
    )
    if not names or draw.chance(0.05 if twice else 0.4):
        return Star()
    if twice and draw.chance(
        0.8
    ):  # two columns of one name are rare in queries that somebody wrote
        return Star(draw.pick(scope.relations).name)
    name, kind = draw.pick(names)
    table = draw.pick(scope.relations)
    inside = tuple(column.name for column in table.columns)
    unique = [each for each, _ in names].count(name) == 1
    return draw.pick(
        (
            Star(table.name),
            Star(table.name, exclude=draw.some(inside, 1, 2) if len(inside) > 2 else ()),
            Star(exclude=(name,) if len(names) > 1 else ()),
            Star(replace=(Item(expression(draw, scope, kind, 1), name),) if unique else ()),
            Star(rename=((name, draw.pick(("z", "n", "m"))),) if unique else ()),
            Item(
                Expr(
                    draw.pick(
                        (
                            "COLUMNS(*)",
                            f"COLUMNS('{name}|z')",
                            "COLUMNS(lambda n: n < 'e')",
                            "COLUMNS('^[^k]')",
                        )
                    )
                )
            ),
        )
    )


def _long_star(draw: Draw, scope: Scope) -> Node:
    """Several changes of a star at once, or an expression of many columns, also of a name that two
    tables have."""
    table = draw.pick(("", draw.pick(scope.relations).name)) if scope.relations else ""
    seen = [
        each
        for relation in scope.relations
        for each in relation.columns
        if table in ("", relation.name)
    ]
    if len(seen) < 2:
        return Star()
    one, other, *_ = draw.some(seen, 2, 2)
    new = draw.pick(("z", "n", "k", "a", draw.pick(seen).name))
    swapped = Item(expression(draw, scope, one.kind, 1), one.name)
    prefix = f"{table}." if table else ""
    return draw.pick(
        (
            Star(table, replace=(swapped,)),
            Star(table, rename=((one.name, new),)),
            Star(table, replace=(swapped,), rename=((other.name, new),)),
            Star(table, exclude=(other.name,), replace=(swapped,)),
            Star(table, exclude=(other.name,), rename=((one.name, new),)),
            Item(Expr(f"{prefix}COLUMNS(* EXCLUDE ({one.name}))")),
            Item(Expr("COLUMNS('^(.)') ", (), one.kind), "'x_\\1'"),
            Item(Expr(f"COLUMNS('^({one.name}|{other.name})$') IS NULL", (), "bool")),
            Item(Expr(f"COLUMNS([x for x in (*) if x <> '{one.name}'])")),
        )
    )


def draw_source(draw: Draw, scope: Scope) -> tuple[Node, Scope]:
    """FROM: mostly one table or a join of two, now and then of three."""
    source, scope = _factor(draw, scope)
    for _ in range(draw.pick((0, 0, 0, 0, 1, 1, 1, 2))):
        source, scope = _joined(draw, source, scope)
    return source, scope


def _factor(draw: Draw, scope: Scope) -> tuple[Part, Scope]:
    if scope.depth < 2 and draw.chance(0.15):
        return _derived(draw, scope)
    if draw.chance(0.025):
        return _pivot(draw, scope)
    if draw.chance(0.02):
        rows = "(VALUES (1, 'p'), (2, 'q'), (NULL, 'p'))"
        columns = (Column("k", "int"), Column("c", "text"))
        return Table(rows, "w", ("k", "c")), replace(
            scope, relations=(*scope.relations, Relation("w", columns))
        )
    return simple_source(draw, scope)


def _derived(draw: Draw, scope: Scope) -> tuple[Node, Scope]:
    query = draw_query(
        draw, replace(scope, relations=(), merged=frozenset(), depth=scope.depth + 1)
    )
    alias = draw.name(("q", "r", "t", "u", "h"), 0.2)
    starred = any(isinstance(node, Star) for _, node in walk(query))
    columns = (
        _names(draw, len(query.columns))
        if draw.chance(0.3 if starred else 0.1) and query.columns
        else ()
    )
    relation = Relation(alias, _renamed(query.columns, columns))
    return Derived(query, alias, columns), replace(scope, relations=(*scope.relations, relation))


def _pivot(draw: Draw, scope: Scope) -> tuple[Node, Scope]:
    """PIVOT or UNPIVOT of a table, with its values spelled out."""
    table, inside = simple_source(draw, replace(scope, relations=()))
    columns = inside.relations[0].columns
    texts = [column.name for column in columns if column.kind == "text"]
    ints = [column.name for column in columns if column.kind == "int"]
    assert isinstance(table, Table)
    bare = replace(table, alias="")
    if texts and ints and draw.chance(0.6):
        keys = (ints[0],) if draw.chance(0.5) else ()
        pivot = Pivot(
            draw.pick(PIVOTS[:2]),
            bare,
            texts[0],
            ("'p'", "'q'"),
            aggregate(draw, _only(inside, ints[-1])),
            keys,
        )
        made = (*(Column(key, "int") for key in keys), Column('"p"', "int"))
    else:
        pivot = Pivot(draw.pick(PIVOTS[2:]), bare, "n", tuple(ints[:2]) or ("k",), "m")
        made = (
            Column("n", "text"),
            Column("m", "int"),
            *(column for column in columns if column.name not in ints[:2]),
        )
    return Derived(pivot, "z"), replace(scope, relations=(*scope.relations, Relation("z", made)))


def _only(scope: Scope, name: str) -> Scope:
    return replace(scope, relations=(Relation("", (Column(name, "int"),)),), outer=(), depth=9)


def _joined(draw: Draw, left: Node, scope: Scope) -> tuple[Node, Scope]:
    known = {relation.name for relation in scope.relations}
    right, both = _factor(draw, scope)
    added = both.relations[-1]
    if added.name in known:
        fresh = next(name for name in ("q", "r", "h", "j", "i") if name not in known)
        right, added = replace(right, alias=fresh), replace(added, name=fresh)
    both = replace(scope, relations=(*scope.relations, added))
    if draw.chance(0.07):
        return _lateral(draw, left, scope)
    kind = draw.pick(JOINS)
    if kind in (", ", " CROSS JOIN ", " POSITIONAL JOIN "):
        return Join(left, kind, right), both
    shared = [column.name for column in added.columns if _shared(column, scope)]
    if "NATURAL" in kind and shared:
        return Join(left, kind, right), replace(both, merged=both.merged | set(shared))
    kind = kind.replace("NATURAL ", "")
    if "ASOF" not in kind and shared and draw.chance(0.25):
        using = draw.some(shared, 1, 2)
        both = replace(both, merged=both.merged | set(using))
        return Join(left, kind, right, using=using), _seen(kind, scope, both)
    return Join(left, kind, right, on=_on(draw, kind, scope, added)), _seen(kind, scope, both)


def _shared(column: Column, scope: Scope) -> bool:
    found = [
        other
        for relation in scope.relations
        for other in relation.columns
        if other.name == column.name
    ]
    return bool(found) and (len(found) == 1 or column.name in scope.merged)


def _seen(kind: str, left: Scope, both: Scope) -> Scope:
    """SEMI and ANTI joins show their left side alone."""
    return left if kind in (" SEMI JOIN ", " ANTI JOIN ") else both


def _on(draw: Draw, kind: str, scope: Scope, added: Relation) -> Node:
    """An equality of the two sides, and sometimes more."""
    both = replace(scope, relations=(*scope.relations, added), depth=9)
    lefts = [ref for ref in references(both) if ref.table and ref.table != added.name]
    rights = [Ref(added.name, column.name, column.kind) for column in added.columns]
    pairs: list[tuple[Part, Part]] = [
        (one, other) for one in lefts for other in rights if one.kind == other.kind
    ]
    key = [pair for pair in pairs if pair[0].name == pair[1].name]
    pairs = pairs or [(Expr("1"), Expr("1"))]
    equal: Node = Expr("({} = {})", draw.pick(key if key and draw.chance(0.7) else pairs), "bool")
    if "ASOF" in kind:
        ordered = [pair for pair in pairs if pair[0].kind in ("int", "date")] or pairs
        return Expr("({} AND {} >= {})", (equal, *draw.pick(ordered)), "bool")
    more = replace(both, outer=())
    return (
        Expr("({} AND {})", (equal, comparison(draw, more)), "bool") if draw.chance(0.2) else equal
    )


def _lateral(draw: Draw, left: Node, scope: Scope) -> tuple[Node, Scope]:
    known = {relation.name for relation in scope.relations}
    alias = next(name for name in ("j", "i", "o", "z") if name not in known)
    if draw.chance(0.3):
        right = Table(
            "unnest({})", alias, ("x",), args=(reference(draw, replace(scope, outer=()), "list"),)
        )
        return Join(left, ", ", right), replace(
            scope, relations=(*scope.relations, Relation(alias, (Column("x", "int"),)))
        )
    source, inside = simple_source(draw, sub_scope(scope))
    exprs = (expression(draw, inside, "int", 1),)
    query = Query(
        Select(items_of(draw, exprs, inside), source, correlated(draw, inside), scope=inside)
    )
    relations = (*scope.relations, Relation(alias, query.columns))
    return Join(left, ", ", Derived(query, alias, lateral=True)), replace(
        scope, relations=relations
    )


def draw_reader(draw: Draw, world: World, node: tuple[Column, ...]) -> Query:
    """A query downstream of the edited one, with a taste for what sees columns that it does not
    name."""
    relation = Relation("transform.node", node)
    scope = Scope((relation, *world.tables))
    whole = Scope((relation,), relations=(Relation("node", node),))
    if draw.chance(0.3):
        return draw.pick(tuple(_traps(draw, world, whole, scope)))
    if draw.chance(0.12):
        return draw.pick(tuple(_collisions(draw, world, whole, scope)))
    for _ in range(20):
        query = draw_query(
            draw, Scope((relation, relation, *world.tables), depth=draw.pick((0, 1, 2)))
        )
        if "transform.node" in str(query):
            return query
    return Query(plain_select(draw, replace(scope, tables=(relation,))))


def _traps(draw: Draw, world: World, whole: Scope, scope: Scope) -> Iterator[Query]:
    node, other = Table("transform.node"), draw.pick(world.tables)
    star = Select((Star(),), node, scope=whole)
    yield Query(star)
    yield Query(replace(star, items=(draw_star(draw, whole),)))
    yield Query(replace(star, distinct=()))
    yield Query(replace(star, items=(Item(Expr("hash({})", (Ref("node", ""),)), "h"),)))
    yield Query(replace(star, items=(Item(Expr("min(COLUMNS(*))")),)))
    yield Query(
        replace(
            star,
            items=(Item(Expr("count(*)"), "n"),),
            source=Table("transform.node"),
            where=condition(draw, whole),
        )
    )
    yield Query(replace(star, items=(Star(), Item(Expr("count(*)"), "n")), grouping="ALL"))
    yield Query(
        replace(
            star,
            source=Join(
                node, draw.pick((" NATURAL JOIN ", " NATURAL LEFT JOIN ")), Table(other.name)
            ),
        )
    )
    yield Query(
        replace(
            star,
            items=(Item(Expr("count(*)"), "n"),),
            source=Join(Table(other.name), " NATURAL JOIN ", node),
        )
    )
    both = Query(star, operand=True)
    yield Query(
        SetOp(
            both,
            draw.pick(("UNION", "EXCEPT", "INTERSECT")),
            Query(replace(star, where=condition(draw, whole)), operand=True),
        )
    )
    yield Query(
        SetOp(
            both,
            draw.pick(("UNION ALL BY NAME", "UNION BY NAME")),
            Query(Select((Star(),), Table(other.name)), operand=True),
        )
    )
    outer = Scope(
        scope.tables, relations=(Relation(other.name.removeprefix("source."), other.columns),)
    )
    inside = replace(sub_scope(outer), relations=whole.relations)
    test = Select(
        (Item(draw.pick((Expr("1"), Expr("*")))),), node, correlated(draw, inside), scope=inside
    )
    exists = Expr(draw.pick(("EXISTS ({})", "(NOT EXISTS ({}))")), (Query(test),), "bool")
    yield Query(
        replace(
            plain_select(draw, replace(outer, relations=())),
            source=Table(other.name),
            where=exists,
            items=(Star(),),
        )
    )
    value = replace(test, items=(Item(aggregate(draw, inside, "int")),))
    yield Query(
        Select((Star(), Item(Expr("({})", (Query(value),)), "h")), Table(other.name), scope=outer)
    )
    yield Query(
        replace(
            star, items=items_of(draw, (window(draw, whole), reference(draw, whole, "int")), whole)
        )
    )
    yield Query(star, order=ordering(draw, whole), limit="LIMIT 2")


def _collisions(draw: Draw, world: World, whole: Scope, scope: Scope) -> Iterator[Query]:
    """Names of the node where something nearer may be called so, and names that are values."""
    node, other = Table("transform.node"), draw.pick(world.tables)
    star = Select((Star(),), node, scope=whole)
    yield from _of_names(node, star)
    outer = Scope(scope.tables, relations=whole.relations)
    alias = draw.name(("x", other.name.removeprefix("source.")), 0.3)
    inside = replace(sub_scope(outer), relations=(Relation(alias, other.columns),))
    test = Select(
        (Item(Expr("1")),), Table(other.name, alias), correlated(draw, inside), scope=inside
    )
    yield Query(
        replace(
            star,
            where=Expr("EXISTS ({})", (Query(test),), "bool"),
            items=(reference(draw, whole, "int"),),
        )
    )
    value = replace(test, items=(Item(aggregate(draw, inside, "int")),))
    yield Query(replace(star, items=(Item(Expr("({})", (Query(value),)), "h"),)))
    yield Query(replace(star, items=(Item(lambda_of(draw, whole, "list", 2), "h"),)))


def _of_names(node: Table, star: Select) -> Iterator[Query]:
    """Queries that have the names of columns as values."""
    for form in ("to_json({})", "CAST({} AS VARCHAR)", "{}"):
        yield Query(replace(star, items=(Item(Expr(form, (Ref("node", ""),)), "h"),)))
    ints = [column.name for column in star.scope.relations[0].columns if column.kind == "int"]
    if ints:
        pivot = Pivot(PIVOTS[3], node, "n", (f"COLUMNS('{'|'.join(ints)}')",), "m")
        yield Query(
            replace(star, items=(Ref("", "n", "text"), Ref("", "m")), source=Derived(pivot, "z"))
        )
