"""Edits that say the same in other words, and look-alikes that do not, wherever in a query: in any
scope, of any type.

None of them counts as harmless, since whether one is recognised depends on the types that are known
where it stands.
"""

from __future__ import annotations

from dataclasses import replace

from tests.oracle.catalogue import edit
from tests.oracle.expressions import Draw
from tests.oracle.sql import (
    Aggregate,
    Cte,
    Derived,
    Expr,
    Item,
    Node,
    Query,
    Scope,
    Select,
    SetOp,
    Star,
    Table,
)

# form of an expression → forms of the same value, and forms that are mistaken for it
WORDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "({} + {})": (("({1} + {0})",), ("({0} - {1})",)),
    "({} * 2)": (("(2 * {0})", "({0} * (1 + 1))"), ("({0} * (1 + 2))", "({0} * 2.0)")),
    "({} - 1)": (("({0} - (2 - 1))", "({0} - 1_0 + 9)"), ("(1 - {0})",)),
    "({} % 2)": (("mod({0}, 2)",), ("mod(2, {0} * {0} + 1)",)),
    "coalesce({}, 0)": (
        ("(CASE WHEN {0} IS NULL THEN 0 ELSE {0} END)", "ifnull({0}, 0)"),
        ("nullif({0}, 0)",),
    ),
    "coalesce({}, 'z')": (
        ("(CASE WHEN {0} IS NOT NULL THEN {0} ELSE 'z' END)",),
        ("nullif({0}, 'z')",),
    ),
    "nullif({}, {})": (
        (
            "(CASE WHEN {0} = {1} THEN NULL ELSE {0} END)",
            "(CASE WHEN {1} = {0} THEN NULL ELSE {0} END)",
        ),
        ("(CASE WHEN {0} <> {1} THEN {0} END)", "nullif({1}, {0})"),
    ),
    "if({}, {}, {})": (
        ("(CASE WHEN {0} THEN {1} ELSE {2} END)",),
        ("(CASE WHEN NOT {0} THEN {2} ELSE {1} END)",),
    ),
    "greatest({}, {})": (("greatest({1}, {0})",), ("least({0}, {1})",)),
    "length({})": (("len({0})", "char_length({0})"), ("bit_length({0})",)),
    "year({})": (("extract(year FROM {0})", "date_part('YEAR', {0})"), ("month({0})",)),
    "date_part('month', {})": (("month({0})", "date_part('Month', {0})"), ("day({0})",)),
    "struct_extract({}, 'x')": (("({0})['x']", "({0}).x"), ("coalesce(({0}).x, 0)",)),
    "({})['y']": (("({0}).y", "struct_extract({0}, 'Y')"), ("({0}).y || ''",)),
    "({}::INTEGER)": (("CAST({0} AS INTEGER)", "{0}"), ("({0}::BIGINT)",)),
    "CAST({} AS BIGINT)": (
        ("TRY_CAST({0} AS BIGINT)", "({0}::INT8)"),
        ("TRY_CAST({0} AS SMALLINT)",),
    ),
    "CAST({} AS VARCHAR)": (
        ("TRY_CAST({0} AS VARCHAR)", "({0}::VARCHAR(3))"),
        ("CAST({0} AS VARCHAR) || ''",),
    ),
    "upper({})": (("ucase({0})", "upper({0}::VARCHAR)"), ("lcase({0})",)),
    "({} || {})": (("({0} || ('' || {1}))",), ("concat({0}, {1})", "({1} || {0})")),
    "({} > 1)": (("(NOT {0} <= 1)", "({0} > 2 - 1)", "(1 < {0})"), ("(NOT {0} < 1)", "({0} >= 1)")),
    "({} AND {})": (
        ("(NOT (NOT {0} OR NOT {1}))", "({0} AND TRUE AND {1})", "({0} AND {1} AND {1})"),
        ("({0} OR {1})", "(NOT (NOT {0} AND NOT {1}))"),
    ),
    "({} OR {})": (
        ("(NOT (NOT {0} AND NOT {1}))", "({0} OR FALSE OR {1})"),
        ("(NOT (NOT {0} OR NOT {1}))",),
    ),
    "(NOT {})": (
        ("({0} = FALSE)", "({0} <> TRUE)"),
        ("({0} IS NOT TRUE)", "({0} IS DISTINCT FROM TRUE)"),
    ),
    "({} IN (1, {}))": (("({0} IN ({1}, 1))", "({0} = 1 OR {0} = {1})"), ("({0} IN (2, {1}))",)),
    "({} NOT IN (0, 2))": (
        ("({0} <> 2 AND {0} <> 0)", "(NOT {0} IN (2, 0, 2))"),
        ("({0} NOT IN (0, 2, NULL))", "({0} IS DISTINCT FROM 2 AND {0} IS DISTINCT FROM 0)"),
    ),
    "({} IN ('p', 'q'))": (
        ("({0} = 'q' OR {0} = 'p')",),
        ("({0} IN ('P', 'q'))", "({0} IN ('p', 'q', NULL))"),
    ),
    "({} BETWEEN {} AND {})": (
        (
            "({0} >= {1} AND {0} <= {2})",
            "({2} >= {0} AND {1} <= {0})",
            "(NOT ({0} < {1} OR {0} > {2}))",
        ),
        (
            "({0} BETWEEN {2} AND {1})",
            "({0} >= {1} AND {0} < {2})",
            "({0} BETWEEN SYMMETRIC {1} AND {2})",
        ),
    ),
    "({} IS NULL)": (
        ("(NOT {0} IS NOT NULL)", "({0} IS NOT DISTINCT FROM NULL)"),
        ("({0} = NULL)",),
    ),
    "({} IS NOT NULL)": (("(NOT {0} IS NULL)", "({0} IS DISTINCT FROM NULL)"), ("({0} <> NULL)",)),
    "({} = {})": (("(NOT {0} <> {1})", "({0} IN ({1}))"), ("({0} IS NOT DISTINCT FROM {1})",)),
    "({} < {})": (("(NOT {0} >= {1})",), ("(NOT {0} > {1})",)),
}


def _said(expr: Expr, draw: Draw, which: int) -> Expr | None:
    found = WORDS.get(expr.form)
    return replace(expr, form=draw.pick(found[which])) if found else None


@edit(Expr)
def said_in_other_words(expr: Expr, draw: Draw) -> Expr | None:
    return _said(expr, draw, 0)


@edit(Expr)
def said_in_words_that_only_look_alike(expr: Expr, draw: Draw) -> Expr | None:
    return _said(expr, draw, 1)


@edit(Aggregate)
def FILTER_becomes_CASE(aggregate: Aggregate, draw: Draw) -> Aggregate | None:
    if not aggregate.where or len(aggregate.args) > 1:
        return None
    value = aggregate.args[0] if aggregate.args else Expr("1")
    form = draw.pick(
        (
            "CASE WHEN {} THEN {} END",
            "CASE WHEN {} THEN {} ELSE NULL END",
            "CASE WHEN {} THEN {} ELSE 0 END",
        )
    )
    return replace(aggregate, args=(Expr(form, (aggregate.where, value)),), where=None)


@edit(Aggregate)
def count_of_rows_or_values(aggregate: Aggregate, draw: Draw) -> Aggregate | None:
    if aggregate.name != "count" or aggregate.distinct:
        return None
    return replace(
        aggregate,
        args=() if aggregate.args else (Expr(draw.pick(("1", "'x'", "NULL", "NULL::INTEGER"))),),
    )


@edit(Query, top=True)
def wrapped_in_a_CTE(query: Query, draw: Draw) -> Query | None:
    names = tuple(column.name for column in query.columns)
    if not names or query.limit or query.operand or len(set(names)) < len(names):
        return None
    items: tuple[Node, ...] = (
        (Star(),) if draw.chance(0.5) else tuple(Item(Expr(name)) for name in names)
    )
    outer = Select(items, Table("final"), scope=_scope(query))
    return Query(outer, (Cte("final", replace(query, order=())),))


def _scope(query: Query) -> Scope:
    return query.body.scope if isinstance(query.body, Select) else Select(()).scope


@edit(Select)
def filter_moved_beneath(select: Select, draw: Draw) -> Select | None:
    """The filter, or a part of a SELECT, moves into a sub-query of the only table."""
    table = select.source
    if (
        not isinstance(table, Table)
        or not select.where
        or table.columns
        or table.args
        or not table.alias
    ):
        return None
    inner = Query(Select((Star(),), replace(table, alias=""), scope=select.scope))
    return replace(select, source=Derived(inner, table.alias))


@edit(Select)
def DISTINCT_or_GROUP_BY(select: Select, draw: Draw) -> Select | None:
    """DISTINCT as a GROUP BY of all, or the other way."""
    if select.distinct == () and not select.group and not select.grouping and not select.having:
        keys = tuple(item.expr for item in select.items if isinstance(item, Item))
        return (
            replace(select, distinct=None, group=keys) if len(keys) == len(select.items) else None
        )
    if select.group and not select.grouping and not select.having and select.distinct is None:
        return replace(select, distinct=(), group=())
    return None


@edit(Select)
def HAVING_becomes_WHERE(select: Select, draw: Draw) -> Select | None:
    if select.having and not select.where:
        return replace(select, where=select.having, having=None)
    return (
        replace(select, where=None, having=select.where) if select.where and select.group else None
    )


@edit(SetOp)
def arms_and_parentheses(operation: SetOp, draw: Draw) -> SetOp:
    return replace(operation, left=operation.right, right=operation.left)
