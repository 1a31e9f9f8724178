"""A SELECT becomes a relation."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace

from seeknal_git.sql.analysis.clauses import Clauses, finished, key_of, order_of, positioned
from seeknal_git.sql.analysis.context import Context
from seeknal_git.sql.analysis.expressions import arranged, conditions, connected, terms_of
from seeknal_git.sql.analysis.scope import Filter, Marks, Output, Relation, Scope, Source
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

# Clauses by which a SELECT of aggregates without keys may return no row, or several.
_MORE_OR_LESS = ("group_sets", "having", "qualify", "modifiers", "sample")


def read_select(tree: Tree, around: Scope, context: Context) -> Relation:
    """The result of a SELECT. Raises Obstacle."""
    source = source_of_select(tree, replace(around, marks=Marks()), context)
    scope, items = _scope(tree, source, around, context)
    parts = [(item.tree, list(columns_of(item, scope, context))) for item in items]
    columns = [column for _, part in parts for column in part]
    outputs = tuple(column.output for column in columns)
    late = _late(scope, columns)
    where = connected(tree.get("where_clause"), scope, context)
    last = filtered(where, source, scope, context)
    keys = _keys(tree, columns, late, context)
    last, groups = _asked_early(tree, keys, last, late, context)
    having = arranged(groups, late, context)
    qualify = conditions(tree.get("qualify"), late, context)
    order = order_of(tree, outputs, late, context)
    unique = narrowed(source.unique, where, scope, context)
    clauses = Clauses(source.rows, outputs, unique, {"FROM": source.rows})
    clauses.filter(last, context)
    if _is_grouped(tree, keys, scope):
        last = _add_groups(clauses, keys, _sets(tree, keys), having, context)
    if has_windows(tree):
        last = _add_windows(tree, clauses, qualify, late, context)
    _add_endings(tree, clauses, scope, context)
    relation = finished(tree, clauses, order, late, context)
    if scope.marks.unnests:
        return relation
    relation = replace(
        relation,
        single=_is_one_row(tree, keys, scope),
        numbered=_numbered(outputs, context),
        total=lambda: _compute_safely(parts, scope),
    )
    ends = tree.get("modifiers") or tree.get("sample") or not last.word
    return relation if ends else replace(relation, last=last)


def _late(scope: Scope, columns: Sequence[Column]) -> Scope:
    """The scope of the clauses after the select list, which see its columns."""
    made = tuple(column.output for column in columns if column.made)
    return replace(scope, early=True, made=made)


def _asked_early(
    tree: Tree, keys: Sequence[Term], last: Filter, scope: Scope, context: Context
) -> tuple[Filter, list[Tree]]:
    """The WHERE, joined by the conditions of the HAVING that can be asked of each row before the
    groups are made; and the other conditions of the HAVING."""
    groups = connected(tree.get("having"), scope, context)
    if not keys or _sets(tree, keys) or not last.total:
        return last, groups
    early = [group for group in groups if movable(keys, group, scope)]
    if early and not folds_safely(tree, scope):
        early = []
    context.shapes.append(Term(f"{len(early)} early"))
    last = last.joined(terms_of(early, scope, context), total=True)
    return last, [group for group in groups if group not in early]


def _is_grouped(tree: Tree, keys: Sequence[Term], scope: Scope) -> bool:
    # GROUP BY () has a set, and no keys.
    clauses = tree.get("having") or tree.get("group_sets")
    return bool(keys or clauses or scope.marks.aggregates)


def _add_groups(
    clauses: Clauses, keys: Sequence[Term], sets: str, having: Sequence[Term], context: Context
) -> Filter:
    """Add GROUP BY and HAVING. Returns the filter that a condition on the groups may join."""
    clauses.add("grouping", f"group {sets}" if sets or not keys else "distinct", keys)
    context.shapes.append(Term("group"))
    clauses.unique = () if sets else key_of(keys)
    last = Filter(HAVING, clauses.rows).joined(having, total=False)
    clauses.filter(last, context)
    return last


def _add_windows(
    tree: Tree, clauses: Clauses, qualify: Sequence[Term], scope: Scope, context: Context
) -> Filter:
    """Add windows and QUALIFY. Returns the filter that a condition on the result may join."""
    last = Filter(QUALIFY, clauses.rows).joined(qualify, total=False)
    clauses.filter(last, context)
    kept = connected(tree.get("qualify"), scope, context)
    clauses.unique = narrowed(clauses.unique, kept, scope, context)
    return last


def _add_endings(tree: Tree, clauses: Clauses, scope: Scope, context: Context) -> None:
    """Add unnest() and a sample, which change the rows of all clauses before."""
    if scope.marks.unnests:
        clauses.add("unnest", "unnest", context.holes.ordered(scope.marks.unnests))
        clauses.unique = ()
    if sample := tree.get("sample"):
        clauses.add("sample", f"sample {json.dumps(sample, sort_keys=True)}", [], "a sample")


def _is_one_row(tree: Tree, keys: Sequence[Term], scope: Scope) -> bool:
    """Whether aggregates without keys make exactly one row."""
    others = any(tree.get(key) for key in _MORE_OR_LESS)
    return scope.marks.aggregates and not keys and not others


def _numbered(outputs: Sequence[Output], context: Context) -> dict[str, frozenset[str]]:
    """The texts of partitions for each column that is a row_number()."""
    texts = [output.term.text for output in outputs]
    return {text: context.numbered[text] for text in texts if text in context.numbered}


def _compute_safely(parts: Sequence[tuple[Tree, Sequence[Column]]], scope: Scope) -> bool:
    """Whether no item of a SELECT can fail. parts: each item with its columns."""
    return all(
        computes_safely(expression, [column.output.term for column in part], scope)
        for expression, part in parts
    )


def _scope(tree: Tree, source: Source, around: Scope, context: Context) -> tuple[Scope, list[Item]]:
    """The scope of a SELECT, and its items. Each item is read once, when it or its alias is first
    used."""
    grouped = (
        tree.get("group_expressions")
        or tree.get("group_sets")
        or tree.get("aggregate_handling") == "FORCE_AGGREGATES"
    )
    verbatim = around.verbatim or len(tree.get("group_sets") or ()) > 1
    unique = () if grouped else source.unique
    scope = Scope(source, around, around.queries, Marks(), {}, unique=unique, verbatim=verbatim)
    items = [Item(item, scope, context) for item in tree["select_list"]]
    aliases: dict[str, Callable[[], Term]] = {
        item.alias: item.named for item in items if item.alias
    }
    scope = replace(scope, aliases=aliases)
    for item in items:
        item.scope = scope
    return scope, items


def _keys(tree: Tree, columns: Sequence[Column], scope: Scope, context: Context) -> list[Term]:
    """The terms to group by: sorted, unless there are several sets of them."""
    outputs = [column.output for column in columns]
    if tree.get("aggregate_handling") == "FORCE_AGGREGATES":
        if any(column.output.many or column.key is None for column in columns):
            raise Obstacle("GROUP BY ALL of columns that may be constants")
        return context.holes.ordered(column.output.term for column in columns if column.key)
    keys = [positioned(key, outputs, scope, context) for key in tree.get("group_expressions") or ()]
    return keys if _sets(tree, keys) else context.holes.ordered(keys)


def _sets(tree: Tree, keys: Sequence[Term]) -> str:
    """The sets to group by; nothing if there is one set of all keys."""
    sets = tree.get("group_sets") or []
    return json.dumps(sets) if len(sets) > 1 or (sets and len(sets[0]) < len(keys)) else ""
