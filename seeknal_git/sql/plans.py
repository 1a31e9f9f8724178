"""Ask the engine for its plan of a statement: which tables it reads, and whether another statement
means the same."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import duckdb

from seeknal_git.sql.engine import PURE_FUNCTIONS, SqlError, empty_table, explaining, need_memory
from seeknal_git.sql.statement import Columns, Reference, rendered

# The traces of a text in its plan: names that nobody sees outside, and positions.
_TEXT = re.compile(
    r'"(?:alias|ctename)":"(?:[^"\\]|\\.)*"|"query_location(?:_length)?":\d+'
    r'|"is_operator":(?:true|false)'
    r'|"(?:bound_columns|parameter_names|names)":\[[^\]]*\]'
)


class Opinion:
    """The engine's judgement of a statement, over empty tables in place of its inputs.

    tables: the name of the table behind each reference.
    """

    def __init__(
        self, sql: str, references: Sequence[Reference], inputs: Mapping[str, Columns]
    ) -> None:
        self.tables = [empty_table(inputs[reference.target]) for reference in references]
        names = dict(zip(references, self.tables, strict=True))
        self.text = rendered(sql, references, names.__getitem__)

    def agrees(self, tree: Mapping[str, Any], plain: Callable[[], Mapping[str, Any]]) -> bool:
        """Whether it means the same by another statement, which is a tree. plain: its own tree,
        over these tables.

        A tree that is written out as text comes back in another form in places (VALUES becomes a
        sub-query). So if the plans differ, this statement is written out too.
        """
        other = _document(tree)
        return _one_plan("$1", self.text, other) or _one_plan(
            "json_deserialize_sql($1)", _document(plain()), other
        )

    def refuse_strangers(self) -> None:
        """Raise SqlError if it reads anything but its inputs: a macro of the engine may, and a name
        that was taken for a CTE."""
        row = (
            explaining()
            .execute("SELECT json_serialize_plan($1, optimize := false)", [self.text])
            .fetchone()
        )
        try:
            plan = json.loads(_NUMBERS.sub("null", row[0] if row else ""))
        except ValueError as exc:  # DuckDB 2 writes a constant of the type BIT as bytes
            raise SqlError("the engine does not say which tables this reads") from exc
        if plan["error"]:
            need_memory(plan["error_type"])
            raise SqlError(
                f"the engine does not say which tables this reads: {plan.get('error_message')}"
            )
        allowed = {("memory", "main", name) for name in self.tables}
        for name, table in _read(plan):
            if name not in PURE_FUNCTIONS and table not in allowed:
                raise SqlError(f"it reads {table[-1] or name}, which is not an input")


# DuckDB 2 writes these numbers, which JSON does not have. They are also taken out of a text that
# contains them, which does no harm.
_NUMBERS = re.compile(r"(?<=:)-?(?:NAN|INF(?:INITY)?)(?=[,}\]])", re.IGNORECASE)


@cache
def tables_of_engine() -> frozenset[str]:
    """The tables that the engine has of its own, such as `sqlite_master`."""
    return frozenset(
        name for (name,) in explaining().execute("SELECT view_name FROM duckdb_views()").fetchall()
    )


def _read(plan: Any) -> Iterator[tuple[str, tuple[str, str, str]]]:
    """The scans of a plan: for each the name of its function, and its table."""
    waiting = [plan]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            if value.get("type") == "LOGICAL_GET":
                of = value.get("function_data") or {}
                name = value["qname"]["path"][-1] if "qname" in value else value["name"]
                yield name, (of.get("catalog", ""), of.get("schema", ""), of.get("table", ""))
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value


_FAILED = re.compile(r'\{"error":true(?:,"error_type":"([^"]*)")?')


def _one_plan(first: str, one: str, other: str) -> bool:
    """Whether the binder makes one plan of a statement and of a tree. Both are bound at once: now()
    is in the plan."""
    plans = ", ".join(
        f"json_serialize_plan({sql}, optimize := false)"
        for sql in (first, "json_deserialize_sql($2)")
    )
    try:
        row = explaining().execute(f"SELECT {plans}", [one, other]).fetchone() or ("", "")
    except duckdb.Error as exc:
        need_memory(exc)
        return False
    for failed in filter(None, map(_FAILED.match, row)):
        need_memory(failed[1])
    return not _FAILED.match(row[0]) and _TEXT.sub("", row[0]) == _TEXT.sub("", row[1])


def _document(tree: Mapping[str, Any]) -> str:
    return json.dumps({"error": False, "statements": [{"node": tree, "named_param_map": []}]})
