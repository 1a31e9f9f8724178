"""The clauses of a query that put rows together: GROUP BY, DISTINCT and LIMIT."""

from __future__ import annotations

from collections.abc import Sequence

from seeknal_git.sql.analysis.constants import number
from seeknal_git.sql.analysis.tree import Tree
from seeknal_git.sql.locality.carriers import Scope, value_of
from seeknal_git.sql.locality.columns import UNKNOWN, Column, Obstruction, carried

_LIMITS = ("LIMIT_MODIFIER", "LIMIT_PERCENT_MODIFIER")


def check_groups(
    tree: Tree, scope: Scope, columns: Sequence[Column], aggregate: Tree | None
) -> None:
    """Raise Obstruction for groups that may hold rows of several homes.

    columns: those of the SELECT. aggregate: the first aggregate in it.
    """
    keys, sets = tree.get("group_expressions") or (), tree.get("group_sets") or ()
    if len(sets) > 1 or (sets and len(sets[0]) < len(keys)):
        raise Obstruction("the GROUP BY of several sets", keys)
    wanted = scope.source.keys(scope.partitions)
    # GROUP BY ALL groups by each column that is no aggregate and no constant.
    if tree.get("aggregate_handling") == "FORCE_AGGREGATES":
        found = carried(columns)
    elif keys:
        found = carried(_keyed(key, scope, columns) for key in keys)
    elif sets or aggregate or tree.get("having"):
        raise Obstruction(f"an aggregate without GROUP BY {wanted}", aggregate)
    else:
        return
    if not found >= scope.partitions.keys:
        words = f"the GROUP BY without {wanted} (or a part of it)"
        raise Obstruction(words, keys or tree["select_list"])


def check_ending(tree: Tree, scope: Scope, columns: Sequence[Column]) -> None:
    """Raise Obstruction for a DISTINCT or a LIMIT over rows of several homes."""
    for modifier in tree.get("modifiers") or ():
        kind = modifier["type"]
        if kind in _LIMITS:
            raise Obstruction("the LIMIT", modifier)
        if kind == "DISTINCT_MODIFIER":
            targets = modifier.get("distinct_on_targets") or ()
            chosen = [_keyed(target, scope, columns) for target in targets] or columns
            if not carried(chosen) >= scope.partitions.keys:
                wanted = scope.source.keys(scope.partitions)
                word = "DISTINCT ON" if targets else "DISTINCT"
                raise Obstruction(
                    f"the {word} without {wanted}", targets or tree.get("select_list")
                )
        elif kind != "ORDER_MODIFIER":
            raise Obstruction(kind.lower().replace("_", " "), modifier)


def _keyed(tree: Tree, scope: Scope, columns: Sequence[Column]) -> Column:
    """The value of an entry of a GROUP BY or a DISTINCT ON, which may be a position."""
    place = number(tree)
    if place is None:
        return value_of(tree, scope)
    return columns[place - 1] if 0 < place <= len(columns) else UNKNOWN
