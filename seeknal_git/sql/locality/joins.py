"""Joins: which of them keep each row in its home, and the keys that their columns carry."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from seeknal_git.names import folded
from seeknal_git.sql.analysis.tree import Tree, conjuncts, objects
from seeknal_git.sql.locality.carriers import Scope, value_of
from seeknal_git.sql.locality.columns import (
    UNKNOWN,
    Column,
    Level,
    Obstruction,
    Partitions,
    Source,
)

_EQUALITIES = ("COMPARE_EQUAL", "COMPARE_NOT_DISTINCT_FROM")
_KINDS = frozenset({"INNER", "LEFT", "RIGHT", "FULL", "SEMI", "ANTI"})
_WAYS = frozenset({"REGULAR", "CROSS", "NATURAL", "ASOF", "POSITIONAL"})
_BY_ORDER = ("ASOF", "POSITIONAL")
# The sides of an outer join whose columns are NULL in rows that only the other side has.
_LACKING = {"LEFT": ("right",), "RIGHT": ("left",), "FULL": ("left", "right")}


class Pair(NamedTuple):
    """Two values that a join compares for equality."""

    left: Column
    right: Column

    @property
    def is_plain(self) -> bool:
        """Whether they are compared without a cast."""
        return self.left.type == self.right.type != ""


def joined(
    tree: Tree, left: Source, right: Source, given: Sequence[Tree], partitions: Partitions
) -> Source:
    """Two sides of a join. Raises Obstruction.

    given: the terms of a WHERE around it, which an INNER JOIN may count as its own.
    """
    kind, way = tree["join_type"], tree["ref_type"]
    if kind not in _KINDS or way not in _WAYS:
        raise Obstruction(f"a join of the kind {kind} {way}", tree)
    shared = _shared(tree, left, right)
    pairs = [*shared.values()]
    terms = [*(conjuncts(tree["condition"]) if tree.get("condition") else ())]
    for term in [*terms, *(given if kind == "INNER" else ())]:
        pairs += _pairs(term, left, right, partitions)
    # The last pair of an ASOF JOIN is its order.
    pairs = [] if way in _BY_ORDER else pairs
    aligned = _aligned(left, right, pairs) >= partitions.keys
    level = max(left.level, right.level)
    if level is Level.LOCAL:
        _refuse(tree, left, right, aligned, partitions)
    gained = _gained(kind, left, right, pairs, aligned)
    join = id(tree)
    sides = (
        left.mapped(lambda column: _seen(column, gained, kind, (join, "left"))),
        right.mapped(lambda column: _seen(column, gained, kind, (join, "right"))),
    )
    if kind in ("SEMI", "ANTI"):
        return replace(sides[0], level=level)
    merged = {
        name: _merged(name, kind, *sides, Pair(*(gained.get(side, side) for side in pair)))
        for name, pair in shared.items()
    }
    return _together(*sides, merged, level)


def _shared(tree: Tree, left: Source, right: Source) -> dict[str, Pair]:
    """The columns that USING or NATURAL compares, by their folded names."""
    names = [folded(name) for name in tree.get("using_columns") or ()]
    if tree["ref_type"] == "NATURAL":
        if left.star is None or right.star is None:
            raise Obstruction("a NATURAL JOIN of columns that are not known", tree)
        if any(column.name is None for column in (*left.star, *right.star)):
            raise Obstruction("a NATURAL JOIN of columns that the engine names", tree)
        there = {folded(str(column.name)) for column in right.star}
        names = [folded(str(column.name)) for column in left.star]
        names = [name for name in dict.fromkeys(names) if name in there]
    return {
        name: Pair(left.find([name]) or UNKNOWN, right.find([name]) or UNKNOWN) for name in names
    }


def _pairs(term: Tree, left: Source, right: Source, partitions: Partitions) -> Iterator[Pair]:
    """The values that a condition compares, one of each side."""
    if term["class"] != "COMPARISON" or term["type"] not in _EQUALITIES:
        return
    for one, other in ((term["left"], term["right"]), (term["right"], term["left"])):
        if _is_apart(one, right) and _is_apart(other, left):
            yield Pair(
                value_of(one, Scope(left, partitions)), value_of(other, Scope(right, partitions))
            )


def _is_apart(tree: Tree, side: Source) -> bool:
    """Whether an expression names no known column of a side. The engine refuses a name that may be
    of both sides."""
    names = (part["column_names"] for part in objects(tree) if part.get("class") == "COLUMN_REF")
    return all(side.find(name) in (None, UNKNOWN) for name in names)


def _aligned(left: Source, right: Source, pairs: Sequence[Pair]) -> frozenset[int]:
    """The keys that are equal on both sides of a join."""
    found = set()
    for pair in pairs:
        keys = pair.left.key, pair.right.key
        if Level.STATED in (left.level, right.level):  # any value may tell the home of such a row
            keys = (max(keys, key=lambda key: -1 if key is None else key),) * 2
        if Level.WHOLE not in (left.level, right.level) and pair.is_plain and keys[0] == keys[1]:
            found.add(keys[0])
    return frozenset(key for key in found if key is not None)


def _refuse(tree: Tree, left: Source, right: Source, aligned: bool, partitions: Partitions) -> None:
    """Raise Obstruction for a join that may make rows without a home, or of several homes."""
    kind, way = tree["join_type"], tree["ref_type"]
    if way == "POSITIONAL":
        raise Obstruction("the POSITIONAL JOIN", tree)
    if way == "ASOF" and (right.level is Level.LOCAL or kind not in ("INNER", "LEFT")):
        raise Obstruction("the ASOF JOIN to a partitioned table", tree)
    if aligned:
        return
    said = "the CROSS JOIN" if way == "CROSS" else f"the {kind} JOIN"
    if left.level is right.level is Level.LOCAL:
        raise Obstruction(
            f"{said} of two partitioned tables {_unlike(left, right, partitions)}", tree
        )
    if left.level is Level.LOCAL and kind not in ("INNER", "LEFT", "SEMI", "ANTI"):
        raise Obstruction(f"{said} that keeps rows of a table without partitions", tree)
    if right.level is Level.LOCAL and kind not in ("INNER", "RIGHT"):
        raise Obstruction(f"{said} that keeps rows of a table without partitions", tree)


def _unlike(left: Source, right: Source, partitions: Partitions) -> str:
    """Why two partitioned sides of a join are not aligned."""
    names, types = [], []
    for key in sorted(partitions.keys):
        sides = left.key(key, of_table=True), right.key(key, of_table=True)
        one, other = left.carrier(key)[0].type, right.carrier(key)[0].type
        names.append(" = ".join(sides))
        if one and other and one != other:
            types.append(f"{sides[0]} is {one} and {sides[1]} is {other}")
    return f"whose keys differ: {types[0]}" if types else f"without {' and '.join(names)}"


def _gained(
    kind: str, left: Source, right: Source, pairs: Sequence[Pair], aligned: bool
) -> Mapping[Column, Column]:
    """The columns that carry a key because they are equal to one that does."""
    found: dict[Column, Column] = {}
    on_the_left = kind == "INNER" or (aligned and left.level is Level.STATED)
    on_the_right = kind == "INNER" or (aligned and right.level is Level.STATED)
    for one, other in pairs:
        if one.type == other.type != "":
            if on_the_left and one.key is None and other.key is not None:
                found[one] = replace(one, key=other.key)
            if on_the_right and other.key is None and one.key is not None:
                found[other] = replace(other, key=one.key)
    return found


def _seen(
    column: Column, gained: Mapping[Column, Column], kind: str, at: tuple[int, str]
) -> Column:
    """A column after a join. at: the join, and the side of the column. It is NULL in rows that only
    the other side has."""
    found = gained.get(column, column)
    if at[1] not in _LACKING.get(kind, ()):
        return found
    lacks = found.lacks or found.key is not None
    half = None if kind != "FULL" or found.key is None else (*at, found.key)
    return replace(found, key=None, half=half, lacks=lacks)


def _merged(name: str, kind: str, left: Source, right: Source, pair: Pair) -> Column:
    """The column that USING makes of two columns. pair: both, as they are before the join."""
    if kind != "FULL":
        return (right if kind == "RIGHT" else left).find([name]) or UNKNOWN
    if not pair.is_plain:
        return Column(pair.left.name)
    key = pair.left.key if pair.left.key == pair.right.key else None
    return Column(pair.left.name, pair.left.type, key)


def _together(left: Source, right: Source, merged: Mapping[str, Column], level: Level) -> Source:
    twice = left.tables.keys() & right.tables.keys()
    tables = {**left.tables, **right.tables, **dict.fromkeys(twice)}
    star = None
    if left.star is not None and right.star is not None:
        star = tuple(
            replace(merged[name], name=column.name) if name in merged else column
            for column, name in _by_name(left.star)
        )
        star += tuple(column for column, name in _by_name(right.star) if name not in merged)
    return Source(level, tables, star, {**left.merged, **right.merged, **merged})


def _by_name(columns: Sequence[Column]) -> list[tuple[Column, str]]:
    return [(column, folded(column.name or "")) for column in columns]
