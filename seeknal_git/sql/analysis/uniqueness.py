"""Keys of a query that follow from its conditions: columns whose values no two rows share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from seeknal_git.sql.analysis.constants import INTEGER, INTEGERS, STRING, constant, number
from seeknal_git.sql.analysis.context import Context
from seeknal_git.sql.analysis.expressions import read
from seeknal_git.sql.analysis.safety import is_moment
from seeknal_git.sql.analysis.scope import Scope
from seeknal_git.sql.analysis.tree import Tree
from seeknal_git.sql.analysis.types import is_simple, type_of

Keys = tuple[frozenset[str], ...]


def narrowed(unique: Keys, trees: Sequence[Tree], scope: Scope, context: Context) -> Keys:
    """The keys of the rows that meet some conditions. unique: the keys of all rows."""
    numbered = [key for condition in trees for key in _first_of_each(condition, scope, context)]
    fixed = {text for condition in trees for text in _fixed(condition, scope, context)}
    return tuple(key - fixed for key in (*unique, *numbered))


def _sides(tree: Tree) -> Iterator[tuple[Tree, Tree]]:
    if tree["class"] == "COMPARISON" and tree["type"] == "COMPARE_EQUAL":
        yield tree["left"], tree["right"]
        yield tree["right"], tree["left"]


def _first_of_each(tree: Tree, scope: Scope, context: Context) -> Iterator[frozenset[str]]:
    """`row_number() OVER (PARTITION BY a, b …) = 1` leaves one row for each a and b."""
    for one, other in _sides(tree):
        if number(other) == 1 and one["class"] in ("COLUMN_REF", "WINDOW"):
            text = read(one, scope, context).text
            yield from (
                known[text] for known in (scope.source.numbered, context.numbered) if text in known
            )


def _fixed(tree: Tree, scope: Scope, context: Context) -> Iterator[str]:
    """`a = 'x'` leaves rows of one a."""
    for one, other in _sides(tree):
        if (
            one["class"] == "COLUMN_REF"
            and constant(other)
            and compared_as_it_is(one, other, scope)
        ):
            yield read(one, scope, context).text


def compared_as_it_is(one: Tree, other: Tree, scope: Scope) -> bool:
    """Whether a column is compared without a cast that could make two of its values equal."""
    type_, second = type_of(one, scope), type_of(other, scope)
    if type_ in INTEGERS:
        return second in INTEGERS or second == INTEGER
    if type_ in ("DATE", "TIMESTAMP") and second == STRING:
        return is_moment(type_, other)
    known = is_simple(type_) and type_ not in (INTEGER, STRING)
    return known and (second == type_ or (type_, second) == ("VARCHAR", STRING))
