"""Set operations: their rows and columns. The arms are sorted if the operation has no order.

The rows of a UNION ALL do not depend on the order and the nesting of its arms. The type of a column
may depend on them, unless it is the same in all arms.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from seeknal_git.names import folded
from seeknal_git.sql.analysis.context import Context
from seeknal_git.sql.analysis.scope import Output, Relation
from seeknal_git.sql.analysis.terms import Obstacle, Term, compound
from seeknal_git.sql.analysis.tree import Tree
from seeknal_git.sql.analysis.types import is_exact, is_simple

_UNIONS = ("UNION", "UNION_BY_NAME")
_EITHER_WAY = frozenset({*_UNIONS, "INTERSECT"})
_ABSENT = Output(None, Term("absent"))


@dataclass(frozen=True, slots=True)
class Arms:
    """The queries that a set operation combines."""

    kind: str
    # In the order of the text.
    relations: tuple[Relation, ...]
    # Their places, sorted.
    order: tuple[int, ...]
    # Their nesting and their places, as JSON.
    shape: str

    @property
    def rows(self) -> Term:
        return compound(self.kind, [self.relations[place].rows for place in self.order])

    def column(self, outputs: Sequence[Output], context: Context) -> Output:
        """A column, made of one column of each arm. The first arm that has the column names it."""
        named = next(output for output in outputs if output is not _ABSENT)
        types = {output.term.type for output in outputs if output is not _ABSENT}
        type_ = types.pop() if len(types) == 1 else ""
        certain = is_simple(type_) if self.kind.endswith("ALL") else is_exact(type_)
        kind = "of each" if certain else f"of each {self.shape}"
        term = compound(kind, [outputs[place].term for place in self.order])
        return replace(
            named, term=context.holes.short(term)._replace(type=type_ if certain else "")
        )


def arms_of(tree: Tree) -> tuple[list[Tree], Any]:
    """The queries of a set operation, and their nesting. A UNION within a UNION adds its own
    queries."""
    found: list[Tree] = []
    shape: list[Any] = []
    for child in tree.get("children") or [tree["left"], tree["right"]]:
        inner, nested = arms_of(child) if _continues(tree, child) else ([child], 0)
        shape.append(_moved(nested, len(found)))
        found += inner
    return found, shape


def _moved(shape: Any, by: int) -> Any:
    return [_moved(inner, by) for inner in shape] if isinstance(shape, list) else shape + by


def _continues(tree: Tree, child: Tree) -> bool:
    operation = (tree["type"], tree["setop_type"])
    same = operation[1] == "UNION" and (child.get("type"), child.get("setop_type")) == operation
    alone = not child.get("modifiers") and not (child.get("cte_map") or {}).get("map")
    return same and alone and bool(child.get("setop_all")) == bool(tree.get("setop_all"))


def arms(tree: Tree, relations: Sequence[Relation], shape: Any, context: Context) -> Arms:
    """The arms of a set operation, sorted. Arms of the same rows keep their order, and all arms do
    if one is unstable."""
    word = tree["setop_type"]
    kind = "UNION" if word in _UNIONS else word
    kind += " ALL" if tree.get("setop_all") else ""
    places = list(range(len(relations)))
    if word in _EITHER_WAY and not any(relation.rows.unstable for relation in relations):
        places.sort(key=lambda place: context.holes.named(relations[place].rows.text))
    written = json.dumps([word, shape, places])
    context.shapes.append(Term(f"arms {written}"))
    return Arms(kind, tuple(relations), tuple(places), written)


def columns(word: str, found: Arms, context: Context) -> tuple[Output, ...]:
    if any(output.many for relation in found.relations for output in relation.outputs):
        raise Obstacle(f"{found.kind} of columns that are not known")
    matched = (_by_name if word == "UNION_BY_NAME" else _by_position)(found.relations)
    return tuple(found.column(outputs, context) for outputs in matched)


def _by_position(relations: Sequence[Relation]) -> list[tuple[Output, ...]]:
    if len({len(relation.outputs) for relation in relations}) > 1:
        raise Obstacle("a set operation of different numbers of columns")
    return list(zip(*(relation.outputs for relation in relations), strict=True))


def _by_name(relations: Sequence[Relation]) -> list[tuple[Output, ...]]:
    tables = [
        {folded(str(output.name)): output for output in relation.outputs} for relation in relations
    ]
    if any(output.name is None for relation in relations for output in relation.outputs):
        raise Obstacle("UNION BY NAME of columns that the engine names")
    if any(
        len(table) < len(relation.outputs)
        for table, relation in zip(tables, relations, strict=True)
    ):
        raise Obstacle("UNION BY NAME of two columns of one name")
    names = dict.fromkeys(name for table in tables for name in table)
    return [tuple(table.get(name, _ABSENT) for table in tables) for name in names]
