"""Draw expressions of a wanted kind from what is in scope."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import TypeVar

from tests.oracle.sql import (
    Aggregate,
    Column,
    Expr,
    Item,
    Node,
    Order,
    Query,
    Ref,
    Relation,
    Scope,
    Select,
    Table,
    Window,
)

T = TypeVar("T")

TYPES = {
    "int": "INTEGER",
    "double": "DOUBLE",
    "text": "VARCHAR",
    "date": "DATE",
    "bool": "BOOLEAN",
    "list": "INTEGER[]",
    "struct": "STRUCT(x INTEGER, y VARCHAR)",
}
# One name mostly has one kind, so that NATURAL and USING find something to join on, and that names
# capture each other.
NAMES = {
    name: kind
    for kind, names in {
        "int": "kabx",
        "text": "cgy",
        "date": "d",
        "bool": "e",
        "double": "f",
        "list": "l",
        "struct": "s",
    }.items()
    for name in names
}
# Names that mean something else where they do not find a column: a table, the engine's user, the
# place of a row, a day. In every other world a few of these are hot: columns, aliases, CTEs and
# parameters are often called so, and collide.
COLLIDING = {"t": "struct", "u": "text", "node": "text", "p": "int", "q": "text", "é": "int"}
COLLIDING |= {"user": "text", "tag": "int", "rowid": "int", "current_date": "date"}
KIND_OF = {**NAMES, **COLLIDING}
KINDS = ("int", "int", "int", "text", "text", "double", "date", "bool", "list", "struct")
# Sums of multiples of a half are exact, in whatever order they are added.
LITERALS = {
    "int": ("0", "1", "2", "3", "(-1)", "NULL::INTEGER"),
    "double": ("0.5::DOUBLE", "1.5::DOUBLE", "2::DOUBLE"),
    "text": ("'p'", "'q'", "''", "'1'", "'a b'"),
    "date": ("DATE '2024-01-01'", "DATE '2024-01-02'", "DATE '2024-02-01'"),
    "bool": ("TRUE", "FALSE"),
    "list": ("[1, 2]", "[3]", "[]::INTEGER[]"),
    "struct": ("{{'x': 1, 'y': 'p'}}", "struct_pack(x := 2, y := 'q')"),
}


def _templates(text: str) -> list[tuple[str, tuple[str, ...]]]:
    """Each template with the kinds of its arguments: `({int} + {int})` becomes `({} + {})`, int and
    int."""
    kinds = re.compile(r"\{(\w+)\}")
    return [(kinds.sub("{}", form.strip()), tuple(kinds.findall(form))) for form in text.split(";")]


FORMS = {
    kind: _templates(text)
    for kind, text in {
        "int": """({int} + {int}); ({int} - 1); ({int} * 2); abs({int}); (-{int}); coalesce({int}, 0); length({text});
        year({date}); len({list}); ({list})[1]; list_sum({list}); struct_extract({struct}, 'x'); ({struct}).x;
        TRY_CAST({text} AS INTEGER); ({bool}::INTEGER); CAST({int} AS BIGINT); nullif({int}, {int}); ({int} % 2);
        (CASE WHEN {bool} THEN {int} ELSE {int} END); (CASE {int} WHEN {int} THEN {int} END); greatest({int}, {int});
        if({bool}, {int}, {int}); date_part('month', {date}); CAST({double} AS INTEGER); ({int}::INTEGER)""",
        "double": """({double} + {double}); CAST({int} AS DOUBLE); ({double} * 2); ({int} / 2); round({double});
        coalesce({double}, 0.5); floor({double}); ({int}::DOUBLE)""",
        "text": """upper({text}); ({text} || {text}); CAST({int} AS VARCHAR); ({int}::VARCHAR); ({struct}).y; left({text}, 1);
        concat({text}, '-', {int}); coalesce({text}, 'z'); (CASE WHEN {bool} THEN {text} END); ({text})[1:1];
        replace({text}, 'p', 'q'); ({struct})['y']; ({text}).lower(); CAST({date} AS VARCHAR)""",
        "date": """CAST(({date} + INTERVAL 1 DAY) AS DATE); ({date} + 1); CAST(date_trunc('month', {date}) AS DATE);
        greatest({date}, {date})""",
        "bool": """({int} > 1); ({text} LIKE 'p%'); ({bool} AND {bool}); ({bool} OR {bool}); (NOT {bool});
        ({bool} AND {bool} AND {bool}); ({int} IN (1, {int})); ({int} BETWEEN {int} AND {int}); ({int} IS NULL);
        list_contains({list}, {int}); ({text} IS NOT NULL); ({text} IN ('p', 'q')); ({int} NOT IN (0, 2));
        (({int}, {text}) = ({int}, {text})); regexp_matches({text}, 'p'); ({int} IN {list}); ({bool} IS NOT TRUE)""",
        "list": """[{int}, {int}]; list_sort({list}); list_concat({list}, {list}); list_distinct([{int}]); ({list})[1:2];
        list_value({int})""",
        "struct": "{{'x': {int}, 'y': {text}}}; struct_pack(x := {int}, y := {text})",
    }.items()
}
COMPARISONS = (
    "=",
    "=",
    "=",
    "<>",
    "!=",
    "<",
    ">",
    "<=",
    ">=",
    "IS DISTINCT FROM",
    "IS NOT DISTINCT FROM",
)
AGGREGATES = [
    tuple(word.split(":"))
    for word in (
        "sum:int:int max:int:int min:int:int max:text:text min:date:date count:int:text count:int: count:int: bool_or:bool:bool "
        "sum:double:double avg:double:int median:double:int max:double:double min:text:text"
    ).split()
]
UNSTABLE = [
    tuple(word.split(":"))
    for word in "list:list:int any_value:text:text first:int:int arg_max:int:int,text".split()
]
RANKS = (
    "rank",
    "dense_rank",
    "percent_rank",
    "cume_dist",
    "row_number",
    "ntile",
    "lag",
    "first_value",
)
FRAMES = (
    "",
    "",
    "",
    "ROWS BETWEEN 1 PRECEDING AND CURRENT ROW",
    "ROWS UNBOUNDED PRECEDING",
    "RANGE UNBOUNDED PRECEDING",
)
DIRECTIONS = ("", "", " DESC", " NULLS FIRST", " DESC NULLS LAST")


@dataclass(frozen=True)
class Draw:
    """The choices, which a test lets hypothesis make and shrink, and a long run a plain
    generator."""

    random: Random
    hot: list[str] = field(default_factory=list)

    def name(self, options: Sequence[str], hot: float = 0.3) -> str:
        """One of the options, or one of the names that everything is called by."""
        return self.pick(self.hot) if self.hot and self.chance(hot) else self.pick(options)

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def pick(self, options: Sequence[T]) -> T:
        return options[self.random.randrange(len(options))]

    def some(self, options: Sequence[T], least: int, most: int) -> tuple[T, ...]:
        """Several of the options, each once."""
        most = min(most, len(options))
        return tuple(self.random.sample(list(options), self.random.randint(min(least, most), most)))

    def shuffled(self, options: Sequence[T]) -> list[T]:
        return self.random.sample(list(options), len(options))


def references(scope: Scope, kind: str | None = None, *, outer: bool = False) -> list[Ref]:
    """All ways to name a column of `kind`: with its table, and alone where that is not
    ambiguous."""
    near = [column.name for relation in scope.relations for column in relation.columns]
    far = [column.name for relation in scope.outer for column in relation.columns]
    found = []
    for relation in scope.outer if outer else scope.relations:
        for column in relation.columns:
            if kind in (None, column.kind):
                alone = (
                    column.name in scope.merged
                    or (near + far if outer else near).count(column.name) == 1
                )
                found += [Ref("", column.name, column.kind)] * alone
                hidden = outer and any(relation.name == other.name for other in scope.relations)
                found += [Ref(relation.name, column.name, column.kind)] * (
                    bool(relation.name) and not hidden
                )
    return found


def reference(draw: Draw, scope: Scope, kind: str) -> Node:
    """A column, or a literal if there is none; a sub-query sometimes reads the query around it."""
    outer = references(scope, kind, outer=True) if scope.outer and draw.chance(0.25) else []
    found = outer or references(scope, kind)
    return (
        draw.pick(found)
        if found and draw.chance(0.93)
        else Expr(draw.pick(LITERALS[kind]), (), kind)
    )


def expression(draw: Draw, scope: Scope, kind: str, depth: int = 2) -> Node:
    if depth <= 0 or draw.chance(0.5):
        return reference(draw, scope, kind)
    if scope.depth < 2 and draw.chance(0.05):
        return _sub_query(draw, scope, kind)
    if draw.chance(0.05):
        return lambda_of(draw, scope, kind, depth)
    if kind == "bool" and draw.chance(0.06):
        return guarded(draw, scope)
    if kind == "bool" and draw.chance(0.5):
        return comparison(draw, scope, depth)
    form, kinds = draw.pick(FORMS[kind])
    return Expr(form, tuple(expression(draw, scope, part, depth - 1) for part in kinds), kind)


def kind_in(draw: Draw, scope: Scope) -> str:
    """A kind, mostly one that a column in scope has, so that not everything is made of literals."""
    found = [column.kind for relation in scope.relations for column in relation.columns]
    return draw.pick(found) if found and draw.chance(0.85) else draw.pick(KINDS)


def comparison(draw: Draw, scope: Scope, depth: int = 1) -> Expr:
    kind = kind_in(draw, scope)
    sides = (reference(draw, scope, kind), expression(draw, scope, kind, depth - 1))
    return Expr(f"({{}} {draw.pick(COMPARISONS)} {{}})", sides, "bool")


def guarded(draw: Draw, scope: Scope) -> Expr:
    """A term that fails on some values, beside one that keeps these from it."""
    text = reference(draw, scope, "text")
    guard, cast = (
        Expr("({} = '1')", (text,), "bool"),
        Expr("(CAST({} AS INTEGER) = 1)", (text,), "bool"),
    )
    if draw.chance(0.3):
        return Expr("({} OR {})", (Expr("({} <> '1')", (text,), "bool"), cast), "bool")
    if draw.chance(0.4):
        return Expr("(CASE WHEN {} AND {} THEN TRUE ELSE FALSE END)", (guard, cast), "bool")
    return Expr("({} AND {})", (guard, cast), "bool")


def lambda_of(draw: Draw, scope: Scope, kind: str, depth: int) -> Node:
    """A lambda over a list, whose parameter may hide a column; other kinds take a comprehension's
    length or sum."""
    name = draw.name(("p", "a", "b", "k"), 0.5)
    near = tuple(
        replace(
            relation, columns=tuple(column for column in relation.columns if column.name != name)
        )
        for relation in scope.relations
    )
    inside = replace(scope, relations=(*near, _parameter(name)), depth=9)
    values = reference(draw, scope, "list")
    body, test = expression(draw, inside, "int", depth - 1), comparison(draw, inside, 1)
    if draw.chance(0.25):
        body = Expr(
            draw.pick((f"{name}.abs()", f"{name}.greatest({{}})")),
            (reference(draw, inside, "int"),),
        )
    if draw.chance(0.1):
        other = draw.pick(tuple(each for each in ("i", "a", "x") if each != name))
        return (
            Expr(
                f"list_transform({{}}, lambda {name}, {other}: {{}} + {other})",
                (values, body),
                "list",
            )
            if kind == "list"
            else reference(draw, scope, kind)
        )
    made = draw.pick(
        (
            Expr(f"list_transform({{}}, lambda {name}: {{}})", (values, body), "list"),
            Expr(f"list_filter({{}}, lambda {name}: {{}})", (values, test), "list"),
            Expr(f"[{{}} FOR {name} IN {{}} IF {{}}]", (body, values, test), "list"),
        )
    )
    shorter = {
        "int": "len({})",
        "text": "CAST({} AS VARCHAR)",
        "bool": "(len({}) > 1)",
        "double": "CAST(len({}) AS DOUBLE)",
    }
    return (
        Expr(shorter[kind], (made,), kind)
        if kind in shorter
        else made
        if kind == "list"
        else reference(draw, scope, kind)
    )


def _parameter(name: str) -> Relation:
    return Relation("", (Column(name, "int"),))


def sub_scope(scope: Scope) -> Scope:
    """What a sub-query sees: nearer names hide those further out."""
    near = {relation.name for relation in scope.relations}
    far = tuple(relation for relation in scope.outer if relation.name not in near)
    return replace(
        scope,
        outer=(*scope.relations, *far),
        relations=(),
        merged=frozenset(),
        depth=scope.depth + 1,
    )


def simple_source(draw: Draw, scope: Scope, name: str | None = None) -> tuple[Node, Scope]:
    """One table or CTE."""
    relation = draw.pick((*scope.tables, *scope.ctes, *scope.ctes))
    alias = name or (draw.name(("p", "q", "r", "t", "u", "a"), 0.2) if draw.chance(0.4) else "")
    shown = alias or relation.name.rsplit(".", maxsplit=1)[-1]
    made = Table(relation.name, alias, word=draw.pick((" AS ", " ")))
    return made, replace(scope, relations=(*scope.relations, Relation(shown, relation.columns)))


def correlated(draw: Draw, scope: Scope) -> Node:
    """A predicate that mostly compares a column of a sub-query with one of the query around it."""
    inner, outer = references(scope), references(scope, outer=True)
    pairs = [(one, other) for one in inner for other in outer if one.kind == other.kind]
    if not pairs or draw.chance(0.2):
        return comparison(draw, scope)
    pair = Expr(f"({{}} {draw.pick(('=', '=', '<', '<>'))} {{}})", draw.pick(pairs), "bool")
    return (
        pair if draw.chance(0.7) else Expr("({} AND {})", (pair, comparison(draw, scope)), "bool")
    )


def _sub_query(draw: Draw, scope: Scope, kind: str) -> Node:
    """A sub-query as a value: scalar, EXISTS, IN, ANY or ARRAY."""
    source, inside = simple_source(draw, sub_scope(scope))
    where = correlated(draw, inside) if draw.chance(0.85) else None
    if kind == "bool":
        return _predicate(draw, scope, Select((), source, where, scope=inside))
    value: Node = aggregate(draw, inside, kind)
    if kind == "list":
        return Expr(
            "ARRAY({})",
            (Query(Select((Item(reference(draw, inside, "int")),), source, where, scope=inside)),),
            kind,
        )
    if scope.ctes and draw.chance(0.3):  # the first one, by an order that the CTE may have
        return Expr(
            "({})",
            (
                Query(
                    Select((Item(reference(draw, inside, kind)),), source, scope=inside),
                    limit="LIMIT 1",
                ),
            ),
            kind,
        )
    if kind == "int" and draw.chance(0.15):  # what is added up may be the outer query's alone
        value = Aggregate("sum", (expression(draw, inside, "int", 1),), "int")
    return Expr("({})", (Query(Select((Item(value),), source, where, scope=inside)),), kind)


def _predicate(draw: Draw, scope: Scope, select: Select) -> Expr:
    if draw.chance(0.5):
        item = draw.pick(
            (Item(Expr("1")), Item(Expr("*")), Item(reference(draw, select.scope, "int")))
        )
        form = draw.pick(("EXISTS ({})", "EXISTS ({})", "(NOT EXISTS ({}))"))
        return Expr(form, (Query(replace(select, items=(item,))),), "bool")
    kind = draw.pick(("int", "text"))
    query = Query(replace(select, items=(Item(reference(draw, select.scope, kind)),)))
    form = draw.pick(
        ("({} IN ({}))", "({} IN ({}))", "({} NOT IN ({}))", "({} = ANY ({}))", "({} >= ALL ({}))")
    )
    return Expr(form, (reference(draw, scope, kind), query), "bool")


def condition(draw: Draw, scope: Scope) -> Node:
    """A filter."""
    if scope.depth < 2 and scope.relations and draw.chance(0.12):
        return _sub_query(draw, scope, "bool")
    return expression(draw, scope, "bool") if draw.chance(0.4) else comparison(draw, scope)


def aggregate(draw: Draw, scope: Scope, kind: str | None = None) -> Aggregate:
    """An aggregate; of text, date and so on it is max, which every kind has."""
    known = [entry for entry in AGGREGATES if kind in (None, entry[1])] or [
        ("max", str(kind), str(kind))
    ]
    name, made, kinds = (
        draw.pick(UNSTABLE) if kind is None and draw.chance(0.08) else draw.pick(known)
    )
    args = tuple(expression(draw, scope, part, 1) for part in str(kinds).split(",") if part)
    where = comparison(draw, scope) if draw.chance(0.07) else None
    order = ordering(draw, scope) if name in ("list", "first") and draw.chance(0.5) else ()
    if name == "list" and order:
        order = (Order(args[0], draw.pick(DIRECTIONS)),)
    return Aggregate(
        str(name),
        args,
        str(made),
        bool(args) and name != "first" and not order and draw.chance(0.08),
        order,
        where,
    )


def ordering(draw: Draw, scope: Scope) -> tuple[Order, ...]:
    kinds = draw.some(("int", "text", "date", "double"), 1, 2)
    return tuple(Order(reference(draw, scope, kind), draw.pick(DIRECTIONS)) for kind in kinds)


def window(draw: Draw, scope: Scope, kind: str | None = None) -> Window:
    partition = (reference(draw, scope, draw.pick(("int", "text"))),) if draw.chance(0.6) else ()
    if kind not in (None, "int") or draw.chance(0.5):
        function = replace(aggregate(draw, scope, kind), order=(), distinct=False)
        order = ordering(draw, scope) if draw.chance(0.5) else ()
        return Window(function, partition, order, draw.pick(FRAMES) if order else "", function.kind)
    name = draw.pick(RANKS[:2] if kind else RANKS)
    args: tuple[Node, ...] = {"ntile": (Expr("2"),)}.get(name, ())
    if name in ("lag", "first_value"):
        args = (reference(draw, scope, "int"),)
    made = "double" if name in ("percent_rank", "cume_dist") else "int"
    function_text = Expr(f"{name}({{}})" if args else f"{name}()", args, made)
    return Window(function_text, partition, ordering(draw, scope), "", made)
