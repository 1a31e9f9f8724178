"""The items of a select list become columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from seeknal_git.names import folded
from seeknal_git.sql.analysis.tree import Tree, arguments, objects
from seeknal_git.sql.locality.carriers import Scope, value_of
from seeknal_git.sql.locality.columns import Column, Obstruction, place_of

# Calls that return a list. An unnest() of a struct makes several columns.
_LISTS = frozenset({"list_value", "range", "generate_series", "string_split", "split"})


def columns_of(item: Tree, scope: Scope) -> list[Column]:
    """The columns of an item of a select list. Raises Obstruction if it is not known which they
    are."""
    if item["class"] == "STAR" and not item.get("expr") and not item.get("columns"):
        return _star(item, scope)
    for part in objects(item, ("SUBQUERY",)):
        if part.get("class") == "STAR" or part.get("type") == "OPERATOR_UNPACK":
            raise Obstruction("COLUMNS(…)", item)
        if part.get("function_name", "").lower() == "unnest" and not _is_list(part, scope):
            raise Obstruction("unnest() of a value that may be a STRUCT", item)
    written = item["column_names"][-1] if item["class"] == "COLUMN_REF" else None
    called = item.get("alias") or written
    return [replace(value_of(item, scope), name=called, place=place_of(item))]


def _is_list(call: Tree, scope: Scope) -> bool:
    given = arguments(call)
    if len(given) != 1:
        return False
    called = str(given[0].get("function_name", "")).lower()
    is_made = called in _LISTS or given[0].get("type") == "ARRAY_CONSTRUCTOR"
    return is_made or value_of(given[0], scope).type.endswith("]")


class _Exceptions(NamedTuple):
    """The exceptions of a star, by folded names."""

    excluded: frozenset[str]
    values: dict[str, Tree]
    names: dict[str, str]


def _exceptions(item: Tree) -> _Exceptions:
    qualified = list(item.get("qualified_exclude_list") or ())
    renamed = item.get("rename_list") or ()
    if any(name.get("table") for name in (*qualified, *(entry["key"] for entry in renamed))):
        raise Obstruction("* with an exception for one table", item)
    excluded = [*(item.get("exclude_list") or ()), *(name["column"] for name in qualified)]
    return _Exceptions(
        frozenset(map(folded, excluded)),
        {folded(entry["key"]): entry["value"] for entry in item.get("replace_list") or ()},
        {folded(entry["key"]["column"]): entry["value"] for entry in renamed},
    )


def _star(item: Tree, scope: Scope) -> list[Column]:
    columns, exceptions = _chosen(item, scope), _exceptions(item)
    if any(exceptions) and any(column.name is None for column in columns):
        raise Obstruction("* with exceptions, over columns that the engine names", item)
    found: list[Column] = []
    replaced = set()
    for column in columns:
        name = folded(column.name or "")
        if name in exceptions.excluded or name in replaced:
            continue
        value = column
        if name in exceptions.values:  # one column takes the place of all columns of the name
            replaced.add(name)
            value = value_of(exceptions.values[name], scope)
        called = exceptions.names.get(name, column.name)
        found.append(replace(value, name=called, place=place_of(item)))
    return found


def _chosen(item: Tree, scope: Scope) -> Sequence[Column]:
    """The columns of `*` or of `table.*`."""
    table = folded(str(item.get("relation_name") or ""))
    columns = scope.source.tables.get(table) if table else scope.source.star
    if columns is None:
        raise Obstruction("* over columns that are not known", item)
    return columns
