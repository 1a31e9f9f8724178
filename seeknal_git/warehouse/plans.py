"""Ask the engine whether it makes one plan of two statements."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import duckdb

from seeknal_git.statement import Columns, Reference, rendered
from seeknal_git.warehouse.sql import empty_table, explaining

# What a plan says of the text: names that nobody sees outside, and where something stands.
_TEXT = re.compile(
    r'"(?:alias|ctename)":"(?:[^"\\]|\\.)*"|"query_location(?:_length)?":\d+|"is_operator":(?:true|false)'
    r'|"(?:bound_columns|parameter_names|names)":\[[^\]]*\]'
)


class Opinion:
    """What the engine makes of a statement, over empty tables in place of its inputs.

    tables: the name of the table behind each reference.
    """

    def __init__(self, sql: str, references: Sequence[Reference], inputs: Mapping[str, Columns]) -> None:
        self.tables = [empty_table(inputs[reference.target]) for reference in references]
        names = dict(zip(references, self.tables, strict=True))
        self.text = rendered(sql, references, names.__getitem__)

    def agrees(self, tree: Mapping[str, Any], plain: Callable[[], Mapping[str, Any]]) -> bool:
        """Whether it means the same by another statement, which is a tree. plain: its own tree, over these tables.

        A tree that is written out as text comes back in another form in places (VALUES becomes a sub-query). So if the
        plans differ, this statement is written out too.
        """
        other = _document(tree)
        return _one_plan("$1", self.text, other) or _one_plan("json_deserialize_sql($1)", _document(plain()), other)


def _one_plan(first: str, one: str, other: str) -> bool:
    """Whether the binder makes one plan of a statement and of a tree. Both are bound at once: now() is in the plan."""
    plans = ", ".join(f"json_serialize_plan({sql}, optimize := false)" for sql in (first, "json_deserialize_sql($2)"))
    try:
        row = explaining().execute(f"SELECT {plans}", [one, other]).fetchone() or ("", "")
    except duckdb.Error:
        return False
    return not row[0].startswith('{"error":true') and _TEXT.sub("", row[0]) == _TEXT.sub("", row[1])


def _document(tree: Mapping[str, Any]) -> str:
    return json.dumps({"error": False, "statements": [{"node": tree, "named_param_map": []}]})
