"""A SELECT becomes a relation."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace

from seeknal_git.sql.analysis.clauses import Clauses, finished, key_of, order_of, positioned
from seeknal_git.sql.analysis.context import Book
from seeknal_git.sql.analysis.expressions import arranged, conditions, connected, terms_of
from seeknal_git.sql.analysis.scope import Filter, Marks, Relation, Scope, Source
from seeknal_git.sql.analysis.select_list import Column, Item, columns_of
from seeknal_git.sql.analysis.shapes import (
    HAVING,
    QUALIFY,
    computes_safely,
    filtered,
    folds_safely,
    has_windows,
    movable,
    source_of_select,
)
from seeknal_git.sql.analysis.terms import Obstacle, Term
from seeknal_git.sql.analysis.tree import Tree
from seeknal_git.sql.analysis.uniqueness import narrowed

# What makes no row, or several, of what is folded into one.
_MORE_OR_LESS = ("group_sets", "having", "qualify", "modifiers", "sample")


def read_select(tree: Tree, around: Scope, book: Book) -> Relation:
    source = source_of_select(tree, replace(around, marks=Marks()), book)
    scope, items = _scope(tree, source, around, book)
    parts = [(item.tree, list(columns_of(item, scope, book))) for item in items]
    columns = [column for _, part in parts for column in part]
    outputs = tuple(column.output for column in columns)
    late = replace(
        scope, early=True, made=tuple(column.output for column in columns if column.made)
    )
    where = connected(tree.get("where_clause"), scope, book)
    last = filtered(where, source, scope, book)
    keys = _keys(tree, columns, late, book)
    groups = connected(tree.get("having"), late, book)
    if keys and not _sets(tree, keys) and last.total:
        early = [group for group in groups if movable(keys, group, late)]
        early = early if early and folds_safely(tree, late) else []
        groups = [group for group in groups if group not in early]
        book.shapes.append(Term(f"{len(early)} early"))
        last = last.joined(terms_of(early, late, book), total=True)
    having, qualify = arranged(groups, late, book), conditions(tree.get("qualify"), late, book)
    order = order_of(tree, outputs, late, book)
    unique = narrowed(source.unique, where, scope, book)
    clauses = Clauses(source.rows, outputs, unique, {"FROM": source.rows})
    clauses.filter(last, book)
    # GROUP BY () has a set, and no keys
    if keys or tree.get("having") or tree.get("group_sets") or scope.marks.aggregates:
        sets = _sets(tree, keys)
        clauses.add("grouping", f"group {sets}" if sets or not keys else "distinct", keys)
        book.shapes.append(Term("group"))
        clauses.unique = () if sets else key_of(keys)
        last = Filter(HAVING, clauses.rows).joined(having, total=False)
        clauses.filter(last, book)
    if has_windows(tree):
        last = Filter(QUALIFY, clauses.rows).joined(qualify, total=False)
        clauses.filter(last, book)
        clauses.unique = narrowed(
            clauses.unique, connected(tree.get("qualify"), late, book), late, book
        )
    if scope.marks.unnests:
        clauses.add("unnest", "unnest", book.holes.ordered(scope.marks.unnests))
        clauses.unique = ()
    if tree.get("sample"):
        clauses.add(
            "sample", f"sample {json.dumps(tree['sample'], sort_keys=True)}", [], "a sample"
        )
    relation = finished(tree, clauses, order, late, book)
    if not scope.marks.unnests:
        single = (
            scope.marks.aggregates and not keys and not any(tree.get(key) for key in _MORE_OR_LESS)
        )
        texts = [output.term.text for output in outputs]
        numbered = {text: book.numbered[text] for text in texts if text in book.numbered}

        def total() -> bool:
            return all(
                computes_safely(expression, [column.output.term for column in part], scope)
                for expression, part in parts
            )

        relation = replace(relation, single=single, numbered=numbered, total=total)
    ends = tree.get("modifiers") or tree.get("sample") or scope.marks.unnests or not last.word
    return relation if ends else replace(relation, last=last)


def _scope(tree: Tree, source: Source, around: Scope, book: Book) -> tuple[Scope, list[Item]]:
    """The scope of a SELECT, and its items: each is read once, when it or its alias is first asked
    for."""
    grouped = (
        tree.get("group_expressions")
        or tree.get("group_sets")
        or tree.get("aggregate_handling") == "FORCE_AGGREGATES"
    )
    verbatim = around.verbatim or len(tree.get("group_sets") or ()) > 1
    unique = () if grouped else source.unique
    scope = Scope(source, around, around.queries, Marks(), {}, unique=unique, verbatim=verbatim)
    items = [Item(item, scope, book) for item in tree["select_list"]]
    aliases: dict[str, Callable[[], Term]] = {
        item.alias: item.named for item in items if item.alias
    }
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
    keys = [positioned(key, outputs, scope, book) for key in tree.get("group_expressions") or ()]
    return keys if _sets(tree, keys) else book.holes.ordered(keys)


def _sets(tree: Tree, keys: Sequence[Term]) -> str:
    """The sets to group by; empty where it is one of all keys."""
    sets = tree.get("group_sets") or []
    return json.dumps(sets) if len(sets) > 1 or (sets and len(sets[0]) < len(keys)) else ""
