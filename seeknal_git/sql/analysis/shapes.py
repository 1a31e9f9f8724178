"""Shapes of queries: a SELECT over a query that is all of its FROM may be one SELECT.

`SELECT a FROM (SELECT a, b FROM t WHERE c) WHERE b` reads as `SELECT a FROM t WHERE c AND b`, and a
query around another that only picks columns reads as that one. The terms of the inner columns then
stand for themselves: they are of the same rows. Otherwise they are columns of a table like any
other:

- A filter over aggregates or windows is a HAVING or a QUALIFY, and the query around it has neither of these, since they
  would see other rows.
- DISTINCT, LIMIT, set operations, unnest() and samples end a SELECT: a query around it may only pick and compute.
- A condition, or a LIMIT, around columns that can fail may be asked before they are computed, or after.
- An unstable value is computed where it is written, and how often is part of it.
"""

from __future__ import annotations

from collections.abc import Sequence

from seeknal_git.sql.analysis import functions
from seeknal_git.sql.analysis.context import Book
from seeknal_git.sql.analysis.expressions import terms_of
from seeknal_git.sql.analysis.from_clause import named, relation_alone, seen_through, source_of
from seeknal_git.sql.analysis.scope import Filter, Scope, Source
from seeknal_git.sql.analysis.terms import Term, is_fixed
from seeknal_git.sql.analysis.tree import Tree, arguments, objects
from seeknal_git.sql.analysis.types import is_exact, is_passed_on, meant, never_fails, type_of

WHERE, HAVING, QUALIFY = "filter", "filter on groups", "filter on windows"
_ENDINGS = ("group_expressions", "group_sets", "having", "qualify", "sample")


def source_of_select(tree: Tree, around: Scope, book: Book) -> Source:
    """The FROM of a SELECT."""
    given = tree.get("from_table") or {"type": "EMPTY"}
    relation = relation_alone(given, around, book)
    if relation is None:
        return source_of(given, around, book)
    if any(
        term.unstable for term in (relation.rows, *(output.term for output in relation.outputs))
    ) or any(output.many for output in relation.outputs):
        return named(given, relation, 0, book)
    if _takes_rows_away(tree) and not relation.total():
        return named(given, relation, 0, book)
    last = relation.last or Filter("", relation.rows)
    if last.word == WHERE or (_picks(tree) and (last.word or not tree.get("where_clause"))):
        return seen_through(given, relation, last, book)
    return named(given, relation, 0, book)


def _takes_rows_away(tree: Tree) -> bool:
    """Whether columns of an inner query may have been computed for rows that are not in the result,
    or not."""
    modifiers = [
        modifier for modifier in tree.get("modifiers") or () if modifier["type"] != "ORDER_MODIFIER"
    ]
    return bool(modifiers) or any(
        tree.get(key) for key in ("where_clause", "having", "qualify", "sample")
    )


def _picks(tree: Tree) -> bool:
    """Whether a SELECT does no more than to pick rows, and to compute values row by row."""
    modifiers = tree.get("modifiers") or ()
    if (
        any(tree.get(key) for key in _ENDINGS)
        or tree.get("aggregate_handling") == "FORCE_AGGREGATES"
    ):
        return False
    if any(modifier["type"] != "ORDER_MODIFIER" for modifier in modifiers):
        return False
    computed = [tree["select_list"], tree.get("where_clause"), modifiers]
    return all(_of_a_row(part) for part in objects(computed))


def _of_a_row(tree: Tree) -> bool:
    name = str(tree.get("function_name", "")).lower()
    is_known = not name or name in functions.SCALAR or name in functions.NAMING
    return is_known and tree.get("class") not in ("SUBQUERY", "WINDOW")


def filtered(trees: Sequence[Tree], source: Source, scope: Scope, book: Book) -> Filter:
    """The terms of a WHERE, together with what they join."""
    before = source.last or Filter(WHERE, source.rows)
    return before.joined(
        terms_of(trees, scope, book), all(never_fails(condition, scope) for condition in trees)
    )


def has_windows(tree: Tree) -> bool:
    """Whether a SELECT computes windows, which a condition around it does not take rows from."""
    return any(
        part.get("class") == "WINDOW"
        for part in objects([tree["select_list"], tree.get("qualify")], ("SUBQUERY",))
    )


def computes_safely(tree: Tree, terms: Sequence[Term], scope: Scope) -> bool:
    """Whether what an item computes of a row cannot fail; aggregates and windows are computed
    before any condition."""
    folded = tree["class"] == "WINDOW" or (tree["class"] == "FUNCTION" and _folds(tree))
    return (
        folded
        or all(is_passed_on(term) or is_fixed(term) for term in terms)
        or never_fails(tree, scope)
    )


def _folds(tree: Tree) -> bool:
    return functions.called(tree) in functions.AGGREGATE | functions.ORDERED


def folds_safely(tree: Tree, scope: Scope) -> bool:
    """Whether no aggregate of a SELECT computes what can fail."""
    calls = objects([tree["select_list"], tree.get("having"), tree.get("modifiers")])
    for call in (part for part in calls if "function_name" in part and _folds(part)):
        computed = [*arguments(call), *([call["filter"]] if call.get("filter") else [])]
        if not all(never_fails(value, scope) for value in computed):
            return False
    return True


def movable(keys: Sequence[Term], tree: Tree, scope: Scope) -> bool:
    """Whether a condition on groups is one on keys alone, so that it may as well be asked of each
    row before."""
    names = [part for part in objects(tree) if part.get("class") == "COLUMN_REF"]
    texts = {key.text for key in keys}
    on_keys = all(
        (term := meant(name, scope)) and term.text in texts and is_exact(type_of(name, scope))
        for name in names
    )
    return bool(names) and on_keys and never_fails(tree, scope)
