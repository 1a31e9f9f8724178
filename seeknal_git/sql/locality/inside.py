"""Looks into the expressions of a query, for aggregates, windows and sub-queries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seeknal_git.names import folded
from seeknal_git.sql.analysis import functions
from seeknal_git.sql.analysis.tree import Tree, arguments, objects
from seeknal_git.sql.locality.carriers import Scope, value_of
from seeknal_git.sql.locality.columns import (
    Input,
    Level,
    Obstruction,
    Partitions,
    carried,
)
from seeknal_git.sql.locality.reading import Queries, level_of
from seeknal_git.sql.statement import Columns

_AGGREGATES = functions.AGGREGATE | functions.ORDERED


@dataclass(slots=True)
class Inside:
    """The expressions of one query."""

    inputs: Sequence[Input]
    partitions: Partitions
    queries: Queries
    # That of the query.
    level: Level
    # The first aggregate that was met.
    aggregate: Tree | None = None

    def look(self, expressions: Any, scope: Scope) -> None:
        """Note the aggregates in expressions. Raises Obstruction for a window or a sub-query that
        may see rows of several homes."""
        if self.level is not Level.LOCAL:
            return
        waiting = [expressions]
        while waiting:
            value = waiting.pop()
            if isinstance(value, list | tuple):
                waiting += value
            if not isinstance(value, dict):
                continue
            self._meet(value, scope)
            waiting += [part for key, part in value.items() if key != "subquery"]

    def _meet(self, tree: Tree, scope: Scope) -> None:
        kind = tree.get("class")
        if kind == "WINDOW":
            self._window(tree, scope)
        elif kind == "SUBQUERY":
            self._subquery(tree, scope)
        elif kind == "POSITIONAL_REFERENCE":
            raise Obstruction("a column that is named by its position", tree)
        elif is_aggregate(tree) and self.aggregate is None:
            self.aggregate = tree

    def _window(self, tree: Tree, scope: Scope) -> None:
        found = carried(value_of(key, scope) for key in tree.get("partitions") or ())
        if not found >= self.partitions.keys:
            wanted = scope.source.keys(self.partitions)
            raise Obstruction(f"the window without PARTITION BY {wanted} (or a part of it)", tree)

    def _subquery(self, tree: Tree, scope: Scope) -> None:
        node = tree["subquery"]["node"]
        if level_of(node, self.queries, self.inputs) is Level.LOCAL:
            raise Obstruction("the sub-query over a partitioned table", tree)
        for select in objects(node):
            if select.get("type") == "SELECT_NODE":
                for call in _aggregates(select):
                    if not self._is_its_own(call, select, scope):
                        raise Obstruction(
                            "an aggregate in a sub-query that may be one of the query around it",
                            call,
                        )

    def _is_its_own(self, call: Tree, select: Tree, scope: Scope) -> bool:
        """Whether an aggregate of a sub-query is computed there. The engine computes it in the
        query around, if all its columns are of that query."""
        parts = [*arguments(call), call.get("filter"), call.get("order_bys")]
        names = [part["column_names"] for part in objects(parts) if "column_names" in part]
        if any(part.get("class") == "LAMBDA" for part in objects(parts)):
            return False
        tables = dict(self._tables(select))
        return not names or any(_is_in(name, tables, scope) for name in names)

    def _tables(self, select: Tree) -> Iterator[tuple[str, frozenset[str]]]:
        """The tables in the FROM of a SELECT, with the columns that are known of them."""
        waiting = [select.get("from_table") or {}]
        while waiting:
            table = waiting.pop()
            if table.get("type") == "JOIN":
                waiting += [table["left"], table["right"]]
                continue
            known: Columns = ()
            if "reference" in table and not table.get("column_name_alias"):
                known = self.inputs[table["reference"]].known.columns or ()
            name = table.get("alias") or table.get("called") or table.get("table_name") or ""
            yield folded(str(name)), frozenset(folded(column) for column, _ in known)


def _is_in(name: Sequence[str], tables: Mapping[str, frozenset[str]], scope: Scope) -> bool:
    """Whether a name in a sub-query is certain to be a column of its tables."""
    first, is_around = folded(name[0]), scope.source.find(name) is not None
    if len(name) > 1:
        return first in tables and (not is_around or folded(name[1]) in tables[first])
    return not is_around or any(first in columns for columns in tables.values())


def is_aggregate(tree: Tree) -> bool:
    name = str(tree.get("function_name", "")).lower()
    return tree.get("class") == "FUNCTION" and name in _AGGREGATES


def _aggregates(select: Tree) -> Iterator[Tree]:
    """The aggregates in the clauses of one SELECT, but not in its sub-queries."""
    parts = [part for key, part in select.items() if key not in ("from_table", "cte_map")]
    return (part for part in objects(parts, ("SUBQUERY",)) if is_aggregate(part))
