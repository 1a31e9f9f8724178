"""Queries of the engine's tree become relations: SELECT, set operations, and recursive CTEs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

from seeknal_git.anatomy.book import Book
from seeknal_git.anatomy.expressions import conditions, direction, position, read
from seeknal_git.anatomy.scope import Marks, Output, Query, Relation, Scope, Source, Table, renamed
from seeknal_git.anatomy.stars import Column, Item, columns_of
from seeknal_git.anatomy.tables import source_of
from seeknal_git.anatomy.terms import Obstacle, Term, compound, same
from seeknal_git.anatomy.tree import Tree, objects, only, spelled
from seeknal_git.statement import COLLATION, EVERYTHING

_NODE = frozenset({"type", "modifiers", "cte_map"})
_SELECT = _NODE | {"select_list", "from_table", "where_clause", "group_expressions", "group_sets", "having", "qualify",
                   "aggregate_handling", "sample"}  # fmt: skip
_SET = _NODE | {"setop_type", "setop_all", "left", "right", "children"}
_RECURSIVE = _NODE | {"cte_name", "union_all", "left", "right", "aliases"}
_CTE = frozenset({"aliases", "materialized", "query", "query_node"})
_ALL = frozenset({"class", "type", "columns"})


def relation_of(tree: Tree, around: Scope, queries: Mapping[str, Query], book: Book) -> Relation:
    """What a query returns; what cannot be read in a sub-query that stands alone is left whole. Raises Obstacle.

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
    for entry in (tree.get("cte_map") or {}).get("map") or ():
        seen[entry["key"].lower()] = _cte(entry["value"], around, dict(seen), book)
    inside = replace(around, queries=seen, marks=Marks())
    match tree["type"]:
        case "SELECT_NODE":
            return _select(only(tree, _SELECT, "a query"), inside, book)
        case "SET_OPERATION_NODE":
            return _set_operation(only(tree, _SET, "a set operation"), inside, book)
        case "RECURSIVE_CTE_NODE":
            return _recursive(only(tree, _RECURSIVE, "a recursive CTE"), inside, book)
        case other:
            raise Obstacle(f"a query of the kind {other.lower().replace('_', ' ')}")


def whole(tree: Tree, queries: Mapping[str, Query], book: Book, why: str) -> Relation:
    """A query as one piece: its text, and everything of every table that it names. Nothing in it counts as stable."""
    tables = [each for each in objects(tree) if "reference" in each or each.get("type") == "BASE_TABLE"]
    named = [each["table_name"].lower() for each in tables if "reference" not in each]
    others = [queries[name]() for name in dict.fromkeys(named) if name in queries]
    inputs = [each["reference"] for each in tables if "reference" in each]
    terms = [book.holes.term(book.first[reference], EVERYTHING) for reference in inputs]
    terms += [term for each in others for term in (each.rows, *(output.term for output in each.outputs))]
    written = spelled(tree)
    why = COLLATION if '"COLLATE"' in written else why
    text = book.holes.short(compound(f"whole {written}", terms, why))
    return Relation(text, (Output(None, text, lambda name: compound(f"of {json.dumps(name)}", [text])),))


def _cte(value: Tree, around: Scope, queries: Mapping[str, Query], book: Book) -> Query:
    """A CTE, read when it is first named; an unused one is never read.

    It may mean no column of the query around it here, so that it is the same wherever it is named.
    """
    tree = value.get("query_node") or value["query"]["node"]
    alone = _alone(around)
    root = Scope(Source(Term("")), None, queries, Marks(), closed=not alone)

    @cache
    def query() -> Relation:
        only(value, _CTE, "a CTE")
        relation = (relation_of if alone else read_query)(tree, root, queries, book)
        kept = _kept_once(relation, value.get("materialized", ""))
        return replace(kept, outputs=renamed(kept.outputs, value.get("aliases") or ()))

    return query


def _kept_once(relation: Relation, materialized: str) -> Relation:
    """It makes a difference to what is unstable whether it is computed once, or wherever it is named."""

    def told(term: Term) -> Term:
        return same(f"cte {materialized}", term) if term.unstable else term

    return replace(relation, rows=told(relation.rows), outputs=tuple(each.mapped(told) for each in relation.outputs))


@dataclass(slots=True)
class _Clauses:
    """A query while it is read. rows grow clause by clause; words: each clause, for a plan to say what changed.

    unique: sets of texts of columns, each of which no two rows share.
    """

    rows: Term
    outputs: tuple[Output, ...]
    unique: tuple[frozenset[str], ...]
    words: dict[str, Term]

    def add(self, word: str, kind: str, terms: Sequence[Term], unstable: str = "") -> None:
        clause = compound(kind, terms, unstable)
        self.words[word] = clause
        self.rows = compound("then", [self.rows, clause])


def _select(tree: Tree, around: Scope, book: Book) -> Relation:
    source = source_of(tree.get("from_table") or {"type": "EMPTY"}, replace(around, marks=Marks()), book)
    scope, items = _scope(tree, source, around, book)
    columns = [column for item in items for column in columns_of(item, scope, book)]
    outputs = tuple(column.output for column in columns)
    late = replace(scope, early=True)
    clauses = _Clauses(source.rows, outputs, source.unique, {"FROM": source.rows})
    if where := conditions(tree.get("where_clause"), scope, book):
        clauses.add("filter", "where", where)
    keys = _keys(tree, columns, late, book)
    having, qualify = (conditions(tree.get(name), late, book) for name in ("having", "qualify"))
    order = _order(tree, outputs, late, book)
    if keys or having or tree.get("group_expressions") or scope.marks.aggregates:
        sets = _sets(tree, keys)
        clauses.add("grouping", f"group {sets}", keys)
        clauses.unique = () if sets else _key(keys)
    for word, terms in (("filter on groups", having), ("filter on windows", qualify)):
        if terms:
            clauses.add(word, word, terms)
    if scope.marks.unnests:
        clauses.add("unnest", "unnest", book.holes.ordered(scope.marks.unnests))
        clauses.unique = ()
    if tree.get("sample"):
        clauses.add("sample", f"sample {json.dumps(tree['sample'], sort_keys=True)}", [], "a sample")
    return _finished(tree, clauses, order, late, book)


def _finished(tree: Tree, clauses: _Clauses, order: Sequence[tuple[Term, Term]], scope: Scope, book: Book) -> Relation:
    """DISTINCT, ORDER BY and LIMIT, which a SELECT and a set operation share."""
    directed = [term for _, term in order]
    for modifier in tree.get("modifiers") or ():
        match modifier["type"]:
            case "DISTINCT_MODIFIER":
                _distinct(modifier, clauses, directed, scope, book)
            case "LIMIT_MODIFIER" | "LIMIT_PERCENT_MODIFIER":
                decided = {key.text for key, _ in order}
                unstable = "" if any(key <= decided for key in clauses.unique) else "LIMIT"
                clauses.add("LIMIT", "limit", [*_limit(modifier, scope, book), *directed], unstable)
            case "ORDER_MODIFIER":
                book.orders.append(compound("order", directed))
                clauses.words["order"] = book.orders[-1]
            case other:
                raise Obstacle(f"a query with {other.lower()}")
    if not directed:
        book.orders.append(Term("no order"))
    texts = [output.term.text for output in clauses.outputs]
    places = tuple(frozenset(map(texts.index, key)) for key in clauses.unique if key <= set(texts))
    return Relation(book.holes.short(clauses.rows), clauses.outputs, places, clauses.words)


def _key(terms: Sequence[Term]) -> tuple[frozenset[str], ...]:
    """The columns that no two rows share; none where one of them may be another each time that it is computed."""
    return () if any(term.unstable for term in terms) else (frozenset(term.text for term in terms),)


def _distinct(modifier: Tree, clauses: _Clauses, directed: Sequence[Term], scope: Scope, book: Book) -> None:
    if on := modifier.get("distinct_on_targets"):
        terms = [_positioned(each, clauses.outputs, scope, book) for each in on]
        clauses.add("DISTINCT", f"distinct on {len(terms)}", [*terms, *directed], "DISTINCT ON")
    else:
        clauses.add("DISTINCT", "distinct", book.holes.ordered(output.term for output in clauses.outputs))
        clauses.unique = _key([output.term for output in clauses.outputs])


def _limit(modifier: Tree, scope: Scope, book: Book) -> list[Term]:
    terms = [Term(json.dumps([modifier["type"], modifier.get("limit_type")]))]
    return terms + [
        compound(key, [read(modifier[key], scope, book)]) for key in ("limit", "offset") if modifier.get(key)
    ]


def _scope(tree: Tree, source: Source, around: Scope, book: Book) -> tuple[Scope, list[Item]]:
    """The scope of a SELECT, and its items: each is read once, when it or its alias is first asked for."""
    grouped = tree.get("group_expressions") or tree.get("aggregate_handling") == "FORCE_AGGREGATES"
    scope = Scope(source, around, around.queries, Marks(), {}, unique=() if grouped else source.unique)
    items = [Item(each, scope, book) for each in tree["select_list"]]
    aliases: dict[str, Callable[[], Term]] = {item.alias: item.term for item in items if item.alias}
    scope = replace(scope, aliases=aliases)
    for item in items:
        item.scope = scope
    return scope, items


def _keys(tree: Tree, columns: Sequence[Column], scope: Scope, book: Book) -> list[Term]:
    """The terms to group by; in an order of their own, unless there are several sets of them."""
    outputs = [column.output for column in columns]
    if tree.get("aggregate_handling") == "FORCE_AGGREGATES":
        if any(column.output.many or column.key is None for column in columns):
            raise Obstacle("GROUP BY ALL of columns that may be constants")
        return book.holes.ordered(column.output.term for column in columns if column.key)
    keys = [_positioned(each, outputs, scope, book) for each in tree.get("group_expressions") or ()]
    return keys if _sets(tree, keys) else book.holes.ordered(keys)


def _sets(tree: Tree, keys: Sequence[Term]) -> str:
    """The sets to group by; empty where it is one of all keys."""
    sets = tree.get("group_sets") or []
    return json.dumps(sets) if len(sets) > 1 or (sets and len(sets[0]) < len(keys)) else ""


def _positioned(tree: Tree, outputs: Sequence[Output], scope: Scope, book: Book) -> Term:
    """An expression, or the column whose position it is."""
    index = _integer(tree)
    return book.holes.short(read(tree, scope, book)) if index is None else position(index, outputs)


def _integer(tree: Tree) -> int | None:
    """The whole number that an expression is, in the forms that DuckDB 1 and 2 have for it."""
    if tree["class"] != "CONSTANT":
        return None
    literal = tree.get("literal") or {}
    if literal.get("kind") == "INTEGER":
        return int(literal["text"])
    value = tree.get("value") or {}
    return value["value"] if (value.get("type") or {}).get("id") in ("INTEGER", "BIGINT") else None


def _order(tree: Tree, outputs: Sequence[Output], scope: Scope, book: Book) -> list[tuple[Term, Term]]:
    """What a query is ordered by: each term as it is, and with its direction."""
    found: list[tuple[Term, Term]] = []
    for modifier in tree.get("modifiers") or ():
        for entry in modifier.get("orders") or ():
            found += _ordered_by(entry, outputs, scope, book)
    return found


def _ordered_by(entry: Tree, outputs: Sequence[Output], scope: Scope, book: Book) -> list[tuple[Term, Term]]:
    expression = entry["expression"]
    if expression["class"] == "STAR":
        only(expression, _ALL, "ORDER BY *")
        keys = [output.term for output in outputs]
    else:
        keys = [_positioned(expression, outputs, scope, book)]
    return [(key, compound(direction(entry), [key])) for key in keys]


def _set_operation(tree: Tree, around: Scope, book: Book) -> Relation:
    children = tree.get("children") or [tree["left"], tree["right"]]
    relations = [read_query(child, around, around.queries, book) for child in children]
    kind = f"{tree['setop_type']} {'ALL' if tree.get('setop_all') else ''}".strip()
    if any(output.many for relation in relations for output in relation.outputs):
        raise Obstacle(f"{kind} of columns that are not known")
    outputs = (_by_name if tree["setop_type"] == "UNION_BY_NAME" else _by_position)(relations, book)
    rows = compound(kind, [relation.rows for relation in relations])
    unique: tuple[frozenset[str], ...] = ()
    if kind not in ("UNION ALL", "UNION_BY_NAME ALL"):  # which rows there are depends on all columns
        rows = compound("of", [rows, *(output.term for output in outputs)])
    if not tree.get("setop_all"):
        unique = _key([output.term for output in outputs])
    clauses = _Clauses(rows, outputs, unique, {"set operation": rows})
    table = Source(rows, {"": Table(outputs)}, tuple(("", output) for output in outputs))
    scope = Scope(table, around, around.queries, Marks())
    return _finished(tree, clauses, _order(tree, outputs, scope, book), scope, book)


def _by_position(relations: Sequence[Relation], book: Book) -> tuple[Output, ...]:
    if len({len(relation.outputs) for relation in relations}) > 1:
        raise Obstacle("a set operation of different numbers of columns")
    columns = zip(*(relation.outputs for relation in relations), strict=True)
    return tuple(
        replace(column[0], term=book.holes.short(compound("of each", [output.term for output in column])))
        for column in columns
    )


def _by_name(relations: Sequence[Relation], book: Book) -> tuple[Output, ...]:
    tables = [{str(output.name).lower(): output for output in relation.outputs} for relation in relations]
    if any(output.name is None for relation in relations for output in relation.outputs):
        raise Obstacle("UNION BY NAME of columns that the engine names")
    if any(len(table) < len(relation.outputs) for table, relation in zip(tables, relations, strict=True)):
        raise Obstacle("UNION BY NAME of two columns of one name")
    first = {name: output for table in reversed(tables) for name, output in table.items()}
    ordered = dict.fromkeys(name for table in tables for name in table)
    absent = Output(None, Term("absent"))

    def of_each(name: str) -> Term:
        return book.holes.short(compound("of each", [table.get(name, absent).term for table in tables]))

    return tuple(replace(first[name], term=of_each(name)) for name in ordered)


def _recursive(tree: Tree, around: Scope, book: Book) -> Relation:
    """A recursive CTE is one piece: each of its columns is made of all that it says."""
    first = read_query(tree["left"], around, around.queries, book)
    if any(output.many for output in first.outputs):
        raise Obstacle("a recursive CTE whose columns are not known")
    named = renamed(first.outputs, tree.get("aliases") or ())
    itself = Term(f"recursion {next(book.recursions)}")
    queries = {**around.queries, tree["cte_name"].lower(): lambda: Relation(itself, _columns_of(itself, named))}
    step = read_query(tree["right"], around, queries, book)
    kind = f"recursive {'ALL' if tree.get('union_all') else ''} {itself.text}"
    terms = [term for each in (first, step) for term in (each.rows, *(output.term for output in each.outputs))]
    rows = book.holes.short(compound(kind, terms))
    return Relation(rows, _columns_of(rows, named))


def _columns_of(rows: Term, named: Sequence[Output]) -> tuple[Output, ...]:
    return tuple(replace(output, term=compound(f"of {place}", [rows])) for place, output in enumerate(named))
