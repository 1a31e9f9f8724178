"""What an edit is, and what edits have in common."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from tests.oracle.expressions import (
    Draw,
)
from tests.oracle.queries import free_name
from tests.oracle.sql import (
    Derived,
    Expr,
    Item,
    Node,
    Query,
    Select,
    SetOp,
    Table,
    put,
    walk,
)

N = TypeVar("N", bound=Node)


@dataclass(frozen=True)
class Edit:
    """apply: the edited query, its text if only that was edited, or None if there is nothing to
    edit."""

    name: str
    harmless: bool
    apply: Callable[[Query, Draw], Query | str | None]


EDITS: list[Edit] = []


def edit(
    kind: type[N], *, harmless: bool = False, top: bool = False
) -> Callable[..., Callable[[N, Draw], Any]]:
    """Register a function that edits one node of `kind`, wherever in a query, or only the query
    itself."""

    def register(function: Callable[[N, Draw], Any]) -> Callable[[N, Draw], Any]:
        def apply(query: Query, draw: Draw) -> Query | str | None:
            around = [((), query)] if top else walk(query)
            found = [(path, node) for path, node in around if isinstance(node, kind)]
            for path, node in found if top else draw.shuffled(found):
                edited = function(node, draw)
                if edited is not None and edited != node:
                    return edited if isinstance(edited, str) else put(query, path, edited)
            return None

        EDITS.append(Edit(function.__name__.strip("_").replace("_", " "), harmless, apply))
        return function

    return register


def swapped_pair(items: tuple[Any, ...], draw: Draw) -> tuple[Any, ...] | None:
    """Two of the items in each other's place."""
    if len(items) < 2:
        return None
    one, other = sorted(draw.some(range(len(items)), 2, 2))
    return (*items[:one], items[other], *items[one + 1 : other], items[one], *items[other + 1 :])


def one_changed(
    items: tuple[Any, ...], draw: Draw, change: Callable[[Any], Any]
) -> tuple[Any, ...] | None:
    """One of the items changed."""
    if not items:
        return None
    place = draw.random.randrange(len(items))
    new = change(items[place])
    return None if new is None else (*items[:place], new, *items[place + 1 :])


def one_removed(items: tuple[Any, ...], draw: Draw) -> tuple[Any, ...]:
    place = draw.random.randrange(len(items))
    return (*items[:place], *items[place + 1 :])


def shown_name(node: Node) -> str:
    """The name under which an entry of FROM is known."""
    if isinstance(node, Table | Derived):
        return node.alias or (
            node.name.rsplit(".", maxsplit=1)[-1] if isinstance(node, Table) else ""
        )
    return ""


def operator_of(expr: Expr) -> str:
    found = re.fullmatch(r"\(\{\} ([^{}]+) \{\}\)", expr.form)
    return found[1] if found else ""


def with_column(select: Select, draw: Draw, expr: Node) -> Select:
    taken = {column.name for column in select.columns}
    item = Item(expr, free_name(draw, taken, select.scope))
    place = len(select.items) if draw.chance(0.7) else draw.random.randrange(len(select.items) + 1)
    return replace(select, items=(*select.items[:place], item, *select.items[place:]))


def branches_of(operation: SetOp) -> list[tuple[str, Query, Select]]:
    sides = (("left", operation.left), ("right", operation.right))
    return [
        (name, side, side.body)
        for name, side in sides
        if isinstance(side, Query) and isinstance(side.body, Select)
    ]
