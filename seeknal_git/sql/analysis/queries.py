"""Queries of the engine's tree become relations: SELECT, set operations, and recursive CTEs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache

from seeknal_git.names import folded
from seeknal_git.sql.analysis import setops
from seeknal_git.sql.analysis.clauses import Clauses, finished, key_of, order_of
from seeknal_git.sql.analysis.context import Context
from seeknal_git.sql.analysis.scope import (
    Marks,
    Output,
    Query,
    Relation,
    Scope,
    Source,
    Table,
    names_of,
    renamed,
)
from seeknal_git.sql.analysis.select import read_select
from seeknal_git.sql.analysis.terms import POSITION, Obstacle, Term, compound, same
from seeknal_git.sql.analysis.tree import Tree, objects, only, spelled
from seeknal_git.sql.statement import COLLATION, EVERYTHING, query_of

_NODE = frozenset({"type", "modifiers", "cte_map"})
_SELECT = _NODE | {
    "select_list",
    "from_table",
    "where_clause",
    "group_expressions",
    "group_sets",
    "having",
    "qualify",
    "aggregate_handling",
    "sample",
}
_SET = _NODE | {"setop_type", "setop_all", "left", "right", "children"}
_RECURSIVE = _NODE | {"cte_name", "union_all", "left", "right", "aliases"}
_CTE = frozenset({"aliases", "materialized", "query", "query_node"})


def relation_of(
    tree: Tree, around: Scope, queries: Mapping[str, Query], context: Context
) -> Relation:
    """The result of a query. A sub-query that stands alone is left whole if it cannot be resolved.
    Raises Obstacle.

    around: the scope that the query is in; queries: the CTEs that it sees.
    """
    try:
        return read_query(tree, around, queries, context)
    except Obstacle as obstacle:
        if not _alone(around):
            raise
        context.obstacles.append(str(obstacle))
        return whole(tree, queries, context, str(obstacle))


def _alone(around: Scope) -> bool:
    """Whether no name in a query could mean something around it."""
    return around.parent is None and not around.source.tables


def read_query(
    tree: Tree, around: Scope, queries: Mapping[str, Query], context: Context
) -> Relation:
    """The result of a query, resolved. Raises Obstacle."""
    seen = dict(queries)
    entries = (tree.get("cte_map") or {}).get("map") or ()
    for entry in entries:
        _stay(query_of(entry["value"]), seen, context)  # unless it is read
        seen[folded(entry["key"])] = _cte(entry["value"], around, dict(seen), context)
    inside = replace(around, queries=seen, marks=Marks())
    match tree["type"]:
        case "SELECT_NODE":
            return read_select(only(tree, _SELECT, "a query"), inside, context)
        case "SET_OPERATION_NODE":
            return _set_operation(only(tree, _SET, "a set operation"), inside, context)
        case "RECURSIVE_CTE_NODE":
            return _recursive(only(tree, _RECURSIVE, "a recursive CTE"), inside, context)
        case other:
            raise Obstacle(f"a query of the kind {other.lower().replace('_', ' ')}")


def whole(tree: Tree, queries: Mapping[str, Query], context: Context, why: str) -> Relation:
    """A query as one piece: its text, and everything of every table that it names. It is unstable.

    why: the construct that could not be resolved.
    """
    others = _ctes_in(tree, queries)
    _stay(tree, queries, context)
    inputs = [part["reference"] for part in objects(tree) if "reference" in part]
    terms = [context.holes.term(context.first[reference], EVERYTHING) for reference in inputs]
    terms += [term for relation in others for term in relation.terms]
    names = [names_of(relation.outputs, "a CTE that is read as one piece") for relation in others]
    written = spelled(tree)
    why = COLLATION if '"COLLATE"' in written else why
    text = context.holes.short(compound(f"whole {json.dumps(names)} {written}", terms, why))
    return Relation(
        text, (Output(None, text, lambda name: compound(f"of {json.dumps(name)}", [text])),)
    )


def _ctes_in(tree: Tree, queries: Mapping[str, Query]) -> list[Relation]:
    """The CTEs that a query names."""
    tables = [part for part in objects(tree) if part.get("type") == "BASE_TABLE"]
    named = [folded(table["table_name"]) for table in tables if "reference" not in table]
    return [queries[name].read() for name in dict.fromkeys(named) if name in queries]


def _stay(tree: Tree, queries: Mapping[str, Query], context: Context) -> None:
    """Note that a query keeps its text in the statement that is written again."""
    context.spelling.piece(tree, {name: query.called for name, query in queries.items()})


def _cte(value: Tree, around: Scope, queries: Mapping[str, Query], context: Context) -> Query:
    """A CTE. It is read when it is first named; an unused one is never read.

    It may use no column of the query around it, so that it is the same wherever it is named.
    """
    tree = query_of(value)
    alone = _alone(around)
    root = Scope(Source(Term("")), None, queries, Marks(), closed=not alone)

    @cache
    def query() -> Relation:
        only(value, _CTE, "a CTE")
        context.spelling.pieces.pop(id(tree), None)
        relation = (relation_of if alone else read_query)(tree, root, queries, context)
        kept = _kept_once(relation, value.get("materialized", ""))
        return replace(kept, outputs=renamed(kept.outputs, value.get("aliases") or ()))

    return Query(context.spelling.fresh(tree), _noting(query, context))


def _noting(query: Callable[[], Relation], context: Context) -> Callable[[], Relation]:
    """The reader of a query that is computed once. Its ORDER BY is noted each time that it is read,
    since its rows come in that order."""
    noted: list[Term] = []

    def read() -> Relation:
        before = len(context.orders)
        relation = query()
        if noted:
            context.orders.extend(noted)
        else:
            noted.append(
                context.holes.short(compound("again", context.orders[before:]), always=True)
            )
        return relation

    return read


def _kept_once(relation: Relation, materialized: str) -> Relation:
    """A CTE with marked unstable terms: whether it is computed once, or each time that it is named,
    makes a difference to them."""

    def told(term: Term) -> Term:
        return same(f"cte {materialized}", term) if term.unstable else term

    numbers = [output.term for output in relation.outputs if output.term.text in relation.numbered]
    return replace(
        relation,
        rows=told(relation.rows),
        outputs=tuple(output.mapped(told) for output in relation.outputs),
        numbered={told(number).text: relation.numbered[number.text] for number in numbers},
    )


def _set_operation(tree: Tree, around: Scope, context: Context) -> Relation:
    children, shape = setops.arms_of(tree)
    relations = [read_query(child, around, around.queries, context) for child in children]
    arms = setops.arms(tree, relations, shape, context)
    outputs = setops.columns(tree["setop_type"], arms, context)
    rows = arms.rows
    unique: tuple[frozenset[str], ...] = ()
    if arms.kind != "UNION ALL":  # all columns decide which rows are left
        rows = compound("of", [rows, *context.holes.ordered(output.term for output in outputs)])
    if not tree.get("setop_all"):
        unique = key_of([output.term for output in outputs])
    clauses = Clauses(rows, outputs, unique, {"set operation": rows})
    scope = Scope(_united(rows, outputs), None, around.queries, Marks())
    return finished(tree, clauses, order_of(tree, outputs, scope, context), scope, context)


def _united(rows: Term, outputs: tuple[Output, ...]) -> Source:
    """A set operation as its ORDER BY sees it.

    The engine also finds columns by the names that they have on the other sides, so a column
    without a name hides all names.
    """
    table = Table(outputs, called=POSITION)
    return Source(
        rows, {} if table.vague else {"": table}, tuple(("", output) for output in outputs)
    )


def _recursive(tree: Tree, around: Scope, context: Context) -> Relation:
    """A recursive CTE as one piece: each column depends on the whole CTE."""
    first = read_query(tree["left"], around, around.queries, context)
    if any(output.many for output in first.outputs):
        raise Obstacle("a recursive CTE whose columns are not known")
    named = renamed(first.outputs, tree.get("aliases") or ())
    itself = Term(f"recursion {next(context.recursions)}")
    query = Query(
        context.spelling.fresh(tree), lambda: Relation(itself, _columns_of(itself, named))
    )
    queries = {**around.queries, folded(tree["cte_name"]): query}
    step = read_query(tree["right"], around, queries, context)
    kind = f"recursive {'ALL' if tree.get('union_all') else ''} {itself.text}"
    rows = context.holes.short(compound(kind, [*first.terms, *step.terms]))
    return Relation(rows, _columns_of(rows, named))


def _columns_of(rows: Term, named: Sequence[Output]) -> tuple[Output, ...]:
    return tuple(
        replace(output, term=compound(f"of {place}", [rows])) for place, output in enumerate(named)
    )
