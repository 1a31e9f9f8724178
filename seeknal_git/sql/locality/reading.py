"""The levels of the inputs that a part of a statement reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seeknal_git.names import folded
from seeknal_git.sql.locality.columns import Input, Level, Relation
from seeknal_git.sql.statement import tables_with_ctes


@dataclass(frozen=True, slots=True)
class Query:
    """A CTE."""

    level: Level
    # Reads it. Raises Obstruction.
    relation: Callable[[], Relation]


Queries = Mapping[str, Query]


def level_of(tree: Any, queries: Queries, inputs: Sequence[Input]) -> Level:
    """The highest level of the inputs that a tree reads. queries: the CTEs that it sees."""
    seen = {name: id(query) for name, query in queries.items()}
    level = Level.WHOLE
    for table, ctes in tables_with_ctes(tree, seen):
        if "reference" in table:
            level = max(level, inputs[table["reference"]].level)
        elif table["type"] == "BASE_TABLE":
            name = folded(table["table_name"])
            if name in seen and ctes.get(name) == seen[name]:
                level = max(level, queries[name].level)
    return level
