"""The tests that any node can carry: not_null, unique, accepted_values, row_count and custom_sql.

Written as `- not_null: [a, b]`, as `- unique: id`, as `- accepted_values: {column: c, values:
[...]}`, or in the long form `- {type: not_null, columns: [a], severity: warn}`.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from seeknal_git.names import literal, quote
from seeknal_git.nodes.form import Form, Whole
from seeknal_git.nodes.node import Check
from seeknal_git.nodes.scalars import is_nothing

TYPES = ("not_null", "unique", "accepted_values", "row_count", "custom_sql")


# The answer of a test, if that is no row of the table.
_RETURNS = {"unique": "keys", "row_count": "table", "custom_sql": "answer"}

Severity = Literal["error", "warn"]


def listed(value: object) -> object:
    """A single value as a list of one."""
    return [value] if isinstance(value, str | Mapping) else value


Columns = Annotated[list[str], BeforeValidator(listed), Field(min_length=1)]


def not_null(columns: Sequence[str], of: str = "input_0") -> str:
    """The rows in which any of the columns is NULL."""
    is_null = " OR ".join(f"{quote(column)} IS NULL" for column in columns)
    return f"SELECT * FROM {of} WHERE {is_null}"


def unique(columns: Sequence[str], of: str = "input_0") -> str:
    """The values of the columns that occur more than once, with their numbers. As in SQL, NULL
    equals nothing."""
    keys = ", ".join(map(quote, columns))
    there = " AND ".join(f"{quote(column)} IS NOT NULL" for column in columns)
    groups = f"SELECT {keys}, count(*) AS occurrences FROM {of} WHERE {there} GROUP BY {keys}"
    return f"{groups} HAVING count(*) > 1"


def _values(given: object) -> object:
    """The values without NULLs, which always pass."""
    return [value for value in given if not is_nothing(value)] if isinstance(given, list) else given


class Test(Form):
    """One test in its long form."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["not_null", "unique", "accepted_values", "row_count", "custom_sql"]
    name: str | None = None
    severity: Severity = "error"
    columns: Columns | None = None
    values: Annotated[list[str], BeforeValidator(_values), Field(min_length=1)] | None = None
    min: Whole | None = None
    max: Whole | None = None
    sql: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _long_form(cls, given: object) -> object:
        if isinstance(given, str):
            raise ValueError(f"write `- {given}: [column]`")
        if not isinstance(given, dict):
            return given
        if "type" not in given:
            given = _unfold(given)
        if "column" in given:
            given = {("columns" if key == "column" else key): value for key, value in given.items()}
        return given

    @model_validator(mode="after")
    def _complete(self) -> Test:
        needs = {
            "not_null": "columns",
            "unique": "columns",
            "accepted_values": "values",
            "custom_sql": "sql",
        }
        missing = needs.get(self.type)
        if missing and getattr(self, missing) is None:
            raise ValueError(f"{self.type} needs `{missing}`")
        if self.type == "accepted_values" and self.columns is None:
            raise ValueError("accepted_values needs `column`")
        return self


def _unfold(given: dict[str, Any]) -> dict[str, Any]:
    """`{not_null: [a], severity: warn}` → `{type: not_null, columns: [a], severity: warn}`."""
    names = [key for key in given if key not in Test.model_fields]
    if len(names) != 1 or names[0] not in TYPES:
        near = difflib.get_close_matches(names[0], TYPES, 1) if names else []
        hint = f"; did you mean {near[0]}?" if near else ""
        raise ValueError(f"a test is one of {', '.join(TYPES)}{hint}")
    value = given[names[0]]
    rest = {key: item for key, item in given.items() if key != names[0]}
    inner = (
        value
        if isinstance(value, dict)
        else {"sql" if names[0] == "custom_sql" else "columns": value}
    )
    return {"type": names[0], **inner, **rest}


def _sql(test: Test) -> str:
    columns = test.columns or []
    match test.type:
        case "not_null":
            return not_null(columns)
        case "unique":
            return unique(columns)
        case "accepted_values":
            accepted = ", ".join(
                map(literal, test.values or ())
            )  # the engine reads them as values of the column's type
            outside = " OR ".join(f"{quote(column)} NOT IN ({accepted})" for column in columns)
            return f"SELECT * FROM input_0 WHERE {outside}"
        case "row_count":
            low, high = test.min or 0, "NULL" if test.max is None else test.max
            counted = "SELECT count(*) AS row_count FROM input_0"
            return f"SELECT * FROM ({counted}) WHERE row_count < {low} OR row_count > {high}"
        case "custom_sql":
            return test.sql or ""


def compile_test(test: Test, line: int) -> Check:
    """A test as a check on the node that carries it (`input_0`)."""
    columns = test.columns or []
    name = test.name or _name(test)
    key = tuple(columns) if test.type == "unique" else ()
    accepted = {column: test.values for column in columns if test.values}
    return Check(
        name,
        _sql(test),
        test.severity,
        line=line,
        key=key,
        accepted=accepted,
        returns=_RETURNS.get(test.type, "rows"),
    )


def _name(test: Test) -> str:
    """The name of a test that has none: `unique(id)`, `row_count(min 10)`, `custom_sql`."""
    limits = {"min": test.min, "max": test.max}
    stated = [f"{word} {limit}" for word, limit in limits.items() if limit is not None]
    inner = ", ".join([*(test.columns or []), *stated])
    return f"{test.type}({inner})" if inner else test.type
