"""Queries of the engine's tree become relations: SELECT, set operations, and recursive CTEs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache

from seeknal_git.names import folded
from seeknal_git.sql.analysis import setops
from seeknal_git.sql.analysis.clauses import Clauses, finished, key_of, order_of
from seeknal_git.sql.analysis.context import Book
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


def relation_of(tree: Tree, around: Scope, queries: Mapping[str, Query], book: Book) -> Relation:
    """What a query returns; what cannot be read in a sub-query that stands alone is left whole.
    Raises Obstacle.

    around: the scope that the query is in; queries: the CTEs that it sees.
    """
    try:
        return read_query(tree, around, queries, book)
    except Obstacle as obstacle:
        if not _alone(around):
            raise
        book.obstacles.append(str(obstacle))
        return whole(tree, queries, book, str(obstacle))


def _alone(around: Scope) -> bool:
    """Whether there is nothing around a query that a name in it could mean."""
    return around.parent is None and not around.source.tables


def read_query(tree: Tree, around: Scope, queries: Mapping[str, Query], book: Book) -> Relation:
    """What a query returns, resolved. Raises Obstacle."""
    seen = dict(queries)
    entries = (tree.get("cte_map") or {}).get("map") or ()
    for entry in entries:
        _stay(query_of(entry["value"]), seen, book)  # unless it is read
        seen[folded(entry["key"])] = _cte(entry["value"], around, dict(seen), book)
    inside = replace(around, queries=seen, marks=Marks())
    match tree["type"]:
        case "SELECT_NODE":
            return read_select(only(tree, _SELECT, "a query"), inside, book)
        case "SET_OPERATION_NODE":
            return _set_operation(only(tree, _SET, "a set operation"), inside, book)
        case "RECURSIVE_CTE_NODE":
            return _recursive(only(tree, _RECURSIVE, "a recursive CTE"), inside, book)
        case other:
            raise Obstacle(f"a query of the kind {other.lower().replace('_', ' ')}")


def whole(tree: Tree, queries: Mapping[str, Query], book: Book, why: str) -> Relation:
    """A query as one piece: its text, and everything of every table that it names. Nothing in it
    counts as stable."""
    tables = [
        part for part in objects(tree) if "reference" in part or part.get("type") == "BASE_TABLE"
    ]
    named = [folded(table["table_name"]) for table in tables if "reference" not in table]
    others = [queries[name].read() for name in dict.fromkeys(named) if name in queries]
    _stay(tree, queries, book)
    inputs = [table["reference"] for table in tables if "reference" in table]
    terms = [book.holes.term(book.first[reference], EVERYTHING) for reference in inputs]
    terms += [
        term
        for relation in others
        for term in (relation.rows, *(output.term for output in relation.outputs))
    ]
    names = [names_of(relation.outputs, "a CTE that is read as one piece") for relation in others]
    written = spelled(tree)
    why = COLLATION if '"COLLATE"' in written else why
    text = book.holes.short(compound(f"whole {json.dumps(names)} {written}", terms, why))
    return Relation(
        text, (Output(None, text, lambda name: compound(f"of {json.dumps(name)}", [text])),)
    )


def _stay(tree: Tree, queries: Mapping[str, Query], book: Book) -> None:
    """A query stays as it is written in the statement that is written again."""
    book.spelling.piece(tree, {name: query.called for name, query in queries.items()})


def _cte(value: Tree, around: Scope, queries: Mapping[str, Query], book: Book) -> Query:
    """A CTE, read when it is first named; an unused one is never read.

    It may mean no column of the query around it here, so that it is the same wherever it is named.
    """
    tree = query_of(value)
    alone = _alone(around)
    root = Scope(Source(Term("")), None, queries, Marks(), closed=not alone)

    @cache
    def query() -> Relation:
        only(value, _CTE, "a CTE")
        book.spelling.pieces.pop(id(tree), None)
        relation = (relation_of if alone else read_query)(tree, root, queries, book)
        kept = _kept_once(relation, value.get("materialized", ""))
        return replace(kept, outputs=renamed(kept.outputs, value.get("aliases") or ()))

    return Query(book.spelling.fresh(tree), _noting(query, book))


def _noting(query: Callable[[], Relation], book: Book) -> Callable[[], Relation]:
    """A query that is computed once. Its ORDER BY is noted wherever it is read: its rows come in
    that order there."""
    noted: list[Term] = []

    def read() -> Relation:
        before = len(book.orders)
        relation = query()
        if noted:
            book.orders.extend(noted)
        else:
            noted.append(book.holes.short(compound("again", book.orders[before:]), always=True))
        return relation

    return read


def _kept_once(relation: Relation, materialized: str) -> Relation:
    """It makes a difference to what is unstable whether it is computed once, or wherever it is
    named."""

    def told(term: Term) -> Term:
        return same(f"cte {materialized}", term) if term.unstable else term

    numbers = [output.term for output in relation.outputs if output.term.text in relation.numbered]
    return replace(
        relation,
        rows=told(relation.rows),
        outputs=tuple(output.mapped(told) for output in relation.outputs),
        numbered={told(number).text: relation.numbered[number.text] for number in numbers},
    )


def _set_operation(tree: Tree, around: Scope, book: Book) -> Relation:
    children, shape = setops.arms_of(tree)
    relations = [read_query(child, around, around.queries, book) for child in children]
    arms = setops.arms(tree, relations, shape, book)
    outputs = setops.columns(tree["setop_type"], arms, book)
    rows = arms.rows
    unique: tuple[frozenset[str], ...] = ()
    if arms.kind != "UNION ALL":  # which rows there are depends on all columns
        rows = compound("of", [rows, *book.holes.ordered(output.term for output in outputs)])
    if not tree.get("setop_all"):
        unique = key_of([output.term for output in outputs])
    clauses = Clauses(rows, outputs, unique, {"set operation": rows})
    scope = Scope(_united(rows, outputs), None, around.queries, Marks())
    return finished(tree, clauses, order_of(tree, outputs, scope, book), scope, book)


def _united(rows: Term, outputs: tuple[Output, ...]) -> Source:
    """What an ORDER BY sees of a set operation, and nothing around that.

    The engine also finds columns by the names that they have on the other sides, so one without a
    name hides all names.
    """
    table = Table(outputs, called=POSITION)
    return Source(
        rows, {} if table.vague else {"": table}, tuple(("", output) for output in outputs)
    )


def _recursive(tree: Tree, around: Scope, book: Book) -> Relation:
    """A recursive CTE is one piece: each of its columns is made of all that it says."""
    first = read_query(tree["left"], around, around.queries, book)
    if any(output.many for output in first.outputs):
        raise Obstacle("a recursive CTE whose columns are not known")
    named = renamed(first.outputs, tree.get("aliases") or ())
    itself = Term(f"recursion {next(book.recursions)}")
    query = Query(book.spelling.fresh(tree), lambda: Relation(itself, _columns_of(itself, named)))
    queries = {**around.queries, folded(tree["cte_name"]): query}
    step = read_query(tree["right"], around, queries, book)
    kind = f"recursive {'ALL' if tree.get('union_all') else ''} {itself.text}"
    terms = [
        term
        for relation in (first, step)
        for term in (relation.rows, *(output.term for output in relation.outputs))
    ]
    rows = book.holes.short(compound(kind, terms))
    return Relation(rows, _columns_of(rows, named))


def _columns_of(rows: Term, named: Sequence[Output]) -> tuple[Output, ...]:
    return tuple(
        replace(output, term=compound(f"of {place}", [rows])) for place, output in enumerate(named)
    )
