"""Two sources become one: the rows of a join, and the columns that it merges."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace

from seeknal_git.names import folded
from seeknal_git.sql.analysis.context import Context
from seeknal_git.sql.analysis.expressions import conditions, connected, read
from seeknal_git.sql.analysis.safety import is_repeatable
from seeknal_git.sql.analysis.scope import Marks, Output, Scope, Source
from seeknal_git.sql.analysis.spelling import Spelling
from seeknal_git.sql.analysis.terms import COALESCE, Obstacle, Term, compound
from seeknal_git.sql.analysis.tree import Tree
from seeknal_git.sql.analysis.uniqueness import compared_as_it_is

_EQUALITIES = ("COMPARE_EQUAL", "COMPARE_NOT_DISTINCT_FROM")


def both_sides(tree: Tree, left: Source, right: Source, around: Scope, context: Context) -> Source:
    """A join whose rows are made of rows of both sides, or of one side."""
    kind, way = tree["join_type"], tree["ref_type"]
    both, terms = _condition(tree, left, right, around, context)
    using = _using(tree) if way == "ASOF" else []  # the last is the order
    nearest = [tree.get("nearest_count"), tree.get("nearest_order_type")]
    shape = json.dumps([kind, way, using, *nearest, len(terms)])
    by_chance = way == "POSITIONAL" or (way == "ASOF" and kind != "LEFT")
    unstable = f"{way} JOIN" if by_chance else ""
    rows = context.holes.short(compound(f"join {shape}", [left.rows, right.rows, *terms], unstable))
    if kind in ("SEMI", "ANTI"):
        return replace(left, rows=rows, size=both.size)
    both = _uncertain(both, right, "ASOF JOIN") if way == "ASOF" else both
    return replace(both, rows=rows, unique=())


def _using(tree: Tree) -> list[str]:
    return [folded(name) for name in tree.get("using_columns") or ()]


def _condition(
    tree: Tree, left: Source, right: Source, around: Scope, context: Context
) -> tuple[Source, list[Term]]:
    """The tables of both sides together, and the terms of the condition that joins them."""
    if left.tables.keys() & right.tables.keys():
        raise Obstacle("two tables of one name")
    names = _common(left, right) if tree["ref_type"] == "NATURAL" else _using(tree)
    pairs = {name: (_only(left, name), _only(right, name)) for name in names}
    if tree["ref_type"] == "REGULAR":
        context.spelling.joins[id(tree)] = [(one.path, other.path) for one, other in pairs.values()]
    both = _together(left, right, tree["join_type"], pairs)
    scope = Scope(both, around, around.queries, Marks())
    written = conditions(tree.get("condition"), scope, context)
    equal = [
        compound("COMPARE_EQUAL", sorted(pair, key=lambda t: context.holes.named(t.text)))
        for pair in pairs.values()
    ]
    return both, [*written, *context.holes.ordered(equal)]


def _common(left: Source, right: Source) -> list[str]:
    if left.vague or right.vague:
        raise Obstacle("NATURAL JOIN of columns that are not known")
    there = {folded(output.name) for _, output in right.star if output.name}
    names = dict.fromkeys(folded(output.name) for _, output in left.star if output.name)
    return [name for name in names if name in there]


def _only(source: Source, name: str) -> Term:
    found = source.find([name])
    if len(found) != 1 or source.vague:
        raise Obstacle(f"USING ({name}), which is not certain")
    return found[0]


def _together(
    left: Source, right: Source, kind: str, pairs: Mapping[str, tuple[Term, Term]]
) -> Source:
    merged = {name: _merged(kind, *pair) for name, pair in pairs.items()}
    spelled = {
        folded(name): output
        for _, output in right.star
        if kind == "RIGHT" and (name := output.name)
    }

    def both_of(output: Output) -> Output:
        name = folded(output.name or "")
        return replace(spelled.get(name, output), term=merged[name]) if name in merged else output

    star = [(table, both_of(output)) for table, output in left.star]
    star += [
        (table, output) for table, output in right.star if folded(output.name or "") not in merged
    ]
    return Source(
        Term(""),
        {**left.tables, **right.tables},
        tuple(star),
        {**left.merged, **right.merged, **merged},
        (),
        max(left.size, right.size),
    )


def _merged(kind: str, left: Term, right: Term) -> Term:
    """The column that USING makes of two columns."""
    if kind == "LEFT":
        return left
    path = {"RIGHT": right.path, "FULL": (COALESCE, left.path, right.path)}.get(kind, left.path)
    return compound(f"using {kind}", (left, right))._replace(path=path)


def _uncertain(both: Source, right: Source, why: str) -> Source:
    """The tables of a join, with unstable columns on the right: they may be of one row or
    another."""

    def shaky(output: Output) -> Output:
        return output.mapped(lambda term: term._replace(unstable=term.unstable or why))

    tables = {
        name: replace(table, outputs=tuple(map(shaky, table.outputs)))
        if name in right.tables
        else table
        for name, table in both.tables.items()
    }
    merged = {
        name: term._replace(unstable=term.unstable or why) for name, term in both.merged.items()
    }
    star = tuple(
        (name, shaky(output) if name in right.tables else output) for name, output in both.star
    )
    return replace(both, tables=tables, merged=merged, star=star)


def looked_up(
    tree: Tree, left: Source, right: Source, beside: Scope, context: Context
) -> Source | None:
    """A LEFT JOIN that finds at most one row for each row on the left; None if it may find more. It
    changes no rows, and is part of its columns.

    It finds at most one row if all columns of a key of the right side are compared for equality
    with values that do not depend on the right side.
    """
    around = beside.parent
    assert around is not None, "it is beside a table of a query"
    both, terms = _condition(tree, left, right, around, context)
    names = _using(tree)
    fixed = {
        _only(right, name).text
        for name in names
        if _one_type(_only(left, name), _only(right, name))
    }
    fixed |= set(
        _fixed(tree.get("condition"), Scope(both, around, around.queries, Marks()), beside, context)
    )
    if not any(key <= fixed for key in right.unique):
        return None
    found = compound(f"found {len(terms)}", [left.rows, right.rows, *terms])

    def looked_up(output: Output) -> Output:
        def looked(term: Term) -> Term:
            whole = context.holes.short(compound("lookup", [found, term]), always=True)
            return whole._replace(name=output.spelled, path=term.path)

        return output.mapped(looked)

    moved = replace(
        right,
        tables={
            name: replace(table, outputs=tuple(map(looked_up, table.outputs)))
            for name, table in right.tables.items()
        },
        star=tuple((name, looked_up(output)) for name, output in right.star),
        merged={},
    )
    pairs = {name: (_only(left, name), _only(moved, name)) for name in names}
    return replace(
        _together(left, moved, "LEFT", pairs), rows=left.rows, unique=left.unique, size=left.size
    )


def _fixed(condition: Tree | None, both: Scope, beside: Scope, context: Context) -> Iterator[str]:
    """The texts of the columns that a condition compares for equality with a value of the left
    side."""
    context = replace(context, spelling=Spelling())  # names are only tried here
    for term in connected(condition, both, context):
        if term["class"] != "COMPARISON" or term["type"] not in _EQUALITIES:
            continue
        for one, other in ((term["left"], term["right"]), (term["right"], term["left"])):
            if one["class"] != "COLUMN_REF" or not is_repeatable(other):
                continue
            with suppress(Obstacle):
                found, value = read(one, both, context), read(other, both, context)
                on_the_left = value == read(other, beside, context) and not value.unstable
                if on_the_left and _fits(one, other, found, value, both):
                    yield found.text


def _fits(one: Tree, other: Tree, found: Term, value: Term, both: Scope) -> bool:
    return _one_type(found, value) or compared_as_it_is(one, other, both)


def _one_type(one: Term, other: Term) -> bool:
    """Whether two columns are compared without a cast, which could make different values equal."""
    return one.type == other.type != "" and not other.unstable
