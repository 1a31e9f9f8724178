"""Shapes of queries: a SELECT whose FROM is one query may mean the same as a single SELECT.

`SELECT a FROM (SELECT a, b FROM t WHERE c) WHERE b` means `SELECT a FROM t WHERE c AND b`, and a
query that only picks columns of another one means that one. The terms of the inner columns then
stand for themselves, since they are of the same rows. In these cases they do not, and the inner
query is a table like any other:

- A filter over aggregates or windows is a HAVING or a QUALIFY. The query around it must have
  neither of these, since they would see other rows.
- DISTINCT, LIMIT, set operations, unnest() and samples end a SELECT. The query around it may only
  pick and compute.
- A condition, or a LIMIT, around columns that can fail may be asked before or after they are
  computed.
- An unstable value is computed at the place where it is written, and the number of times is part of
  its meaning.
"""

from __future__ import annotations

from collections.abc import Sequence

from seeknal_git.sql.analysis import functions
from seeknal_git.sql.analysis.context import Context
from seeknal_git.sql.analysis.expressions import terms_of
from seeknal_git.sql.analysis.from_clause import named, relation_alone, seen_through, source_of
from seeknal_git.sql.analysis.safety import is_passed_on, never_fails
from seeknal_git.sql.analysis.scope import Filter, Scope, Source
from seeknal_git.sql.analysis.terms import Term, is_fixed
from seeknal_git.sql.analysis.tree import Tree, arguments, objects
from seeknal_git.sql.analysis.types import is_exact, meant, type_of

WHERE, HAVING, QUALIFY = "filter", "filter on groups", "filter on windows"
_ENDINGS = ("group_expressions", "group_sets", "having", "qualify", "sample")


def source_of_select(tree: Tree, around: Scope, context: Context) -> Source:
    """The FROM of a SELECT."""
    given = tree.get("from_table") or {"type": "EMPTY"}
    relation = relation_alone(given, around, context)
    if relation is None:
        return source_of(given, around, context)
    is_unstable = any(term.unstable for term in relation.terms)
    if is_unstable or any(output.many for output in relation.outputs):
        return named(given, relation, 0, context)
    if _takes_rows_away(tree) and not relation.total():
        return named(given, relation, 0, context)
    last = relation.last or Filter("", relation.rows)
    if last.word == WHERE or (_picks(tree) and (last.word or not tree.get("where_clause"))):
        return seen_through(given, relation, last, context)
    return named(given, relation, 0, context)


def _takes_rows_away(tree: Tree) -> bool:
    """Whether a SELECT drops rows of its FROM: the columns of these rows may be computed or not."""
    modifiers = [
        modifier for modifier in tree.get("modifiers") or () if modifier["type"] != "ORDER_MODIFIER"
    ]
    return bool(modifiers) or any(
        tree.get(key) for key in ("where_clause", "having", "qualify", "sample")
    )


def _picks(tree: Tree) -> bool:
    """Whether a SELECT only picks rows, and computes values row by row."""
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


def filtered(trees: Sequence[Tree], source: Source, scope: Scope, context: Context) -> Filter:
    """The terms of a WHERE, together with the filter that they join."""
    before = source.last or Filter(WHERE, source.rows)
    return before.joined(
        terms_of(trees, scope, context), all(never_fails(condition, scope) for condition in trees)
    )


def has_windows(tree: Tree) -> bool:
    """Whether a SELECT computes windows, which see the rows before a condition around it."""
    return any(
        part.get("class") == "WINDOW"
        for part in objects([tree["select_list"], tree.get("qualify")], ("SUBQUERY",))
    )


def computes_safely(tree: Tree, terms: Sequence[Term], scope: Scope) -> bool:
    """Whether an item computes nothing of a row that can fail. Aggregates and windows are computed
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
    """Whether no aggregate of a SELECT computes something that can fail."""
    calls = objects([tree["select_list"], tree.get("having"), tree.get("modifiers")])
    for call in calls:
        if "function_name" in call and _folds(call):
            computed = [*arguments(call), *filter(None, [call.get("filter")])]
            if not all(never_fails(value, scope) for value in computed):
                return False
    return True


def movable(keys: Sequence[Term], tree: Tree, scope: Scope) -> bool:
    """Whether a condition on groups reads keys alone, so that it can be asked of each row before
    the groups are made."""
    names = [part for part in objects(tree) if part.get("class") == "COLUMN_REF"]
    texts = {key.text for key in keys}
    on_keys = all(
        (term := meant(name, scope)) and term.text in texts and is_exact(type_of(name, scope))
        for name in names
    )
    return bool(names) and on_keys and never_fails(tree, scope)
