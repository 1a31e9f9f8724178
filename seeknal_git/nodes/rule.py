"""A rule: a condition that its inputs must meet before they are published.

A rule yields no table. It is a boolean expression over the rows of its first input (NULL passes, as
in SQL's CHECK), or one or several of the types null, range, uniqueness, freshness, sql_assertion
and profile_check.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, field_validator, model_validator

from seeknal_git.names import quote, split_id
from seeknal_git.nodes.checks import Columns, Severity, not_null, unique
from seeknal_git.nodes.form import Form, Number
from seeknal_git.nodes.node import Check
from seeknal_git.nodes.node_file import Compiled, Mistake, NodeFile
from seeknal_git.nodes.profile_check import ProfileCheck
from seeknal_git.nodes.scalars import is_nothing, number

_UNITS = {"s": "second", "m": "minute", "h": "hour", "d": "day", "w": "week"}


def _bound(value: object) -> str:
    """A number as SQL writes it, with all its digits: a float would keep about sixteen."""
    text, found = str(value).strip().replace("_", ""), number(value)
    if "x" in text.lower():
        return repr(found)
    return repr(found) if math.isfinite(found) and Decimal(text) == Decimal(repr(found)) else text


# The key that a condition of a type needs; `columns` for all others.
_NEEDS = {"expression": "value", "sql_assertion": "sql", "profile_check": "checks"}

_RETURNS = {"uniqueness": "keys", "sql_assertion": "answer"}  # if that is no row of the input

Bound = Annotated[str, BeforeValidator(_bound)]


class Params(Form):
    """The `params` of a rule, or of one entry in a list of rules."""

    model_config = ConfigDict(extra="forbid")
    severity: Severity = "error"
    error_message: str | None = None
    max_null_percentage: Number = Field(default=0.0, ge=0, le=1)
    min_val: Bound | None = None
    max_val: Bound | None = None
    max_age: str | None = None


class Condition(Form):
    """One condition of a rule."""

    model_config = ConfigDict(extra="forbid")
    type: Literal[
        "expression",
        "null",
        "range",
        "uniqueness",
        "freshness",
        "sql_assertion",
        "profile_check",
    ] = "expression"
    value: str | None = None
    columns: Columns | None = None
    sql: str | None = None
    checks: Annotated[list[ProfileCheck], Field(min_length=1)] | None = None
    params: Params = Field(default_factory=Params)

    @model_validator(mode="before")
    @classmethod
    def _forms(cls, given: object) -> object:
        if isinstance(given, str):
            return {"value": given}
        if isinstance(given, dict):
            given = {("columns" if key == "column" else key): value for key, value in given.items()}
            if is_nothing(given.get("type", "")):
                given["type"] = "null"  # `type: null` without quotes
        return given

    @field_validator("params")
    @classmethod
    def _age(cls, params: Params) -> Params:
        if params.max_age is not None and not re.fullmatch(r"\d+[smhdw]?", params.max_age):
            raise ValueError("max_age is a number and a unit, such as 30s, 15m, 24h or 2d")
        return params

    @model_validator(mode="after")
    def _complete(self) -> Condition:
        needs = _NEEDS.get(self.type, "columns")
        if getattr(self, needs) is None:
            raise ValueError(f"a rule of type {self.type} needs `{needs}`")
        if self.type == "range" and self.params.min_val is None and self.params.max_val is None:
            raise ValueError("a range needs `params.min_val` or `params.max_val`")
        if self.type == "freshness" and self.params.max_age is None:
            raise ValueError("freshness needs `params.max_age`, such as 24h")
        return self


class File(NodeFile):
    reads_params = True

    rule: Annotated[list[Condition], Field(min_length=1)]
    params: Params = Field(default_factory=Params)  # type: ignore[assignment]

    @model_validator(mode="before")
    @classmethod
    def _listed(cls, given: Any) -> Any:
        if isinstance(given, dict) and isinstance(given.get("rule"), str | dict):
            return {**given, "rule": [given["rule"]]}
        return given

    @model_validator(mode="after")
    def _on_something(self) -> File:
        if not self.inputs and any(condition.type != "sql_assertion" for condition in self.rule):
            raise ValueError("a rule says what it checks: `inputs: [{ref: transform.orders}]`")
        of_profiles = any(condition.type == "profile_check" for condition in self.rule)
        if of_profiles and split_id(self.inputs[0].ref)[0] != "profile":
            raise Mistake("a profile_check reads a profile: `inputs: [{ref: profile.x}]`", "inputs")
        return self


def compile_file(file: File, lines: Mapping[str, int]) -> Compiled:
    aliases = {"input_data": "input_0"}
    for place, reference in enumerate(file.inputs):
        aliases["_".join(split_id(reference.ref))] = f"input_{place}"
    checks: list[Check] = []
    for place, condition in enumerate(file.rule):
        line = lines.get(f"rule.{place}", lines.get("rule", 1))
        if condition.type == "profile_check":
            checks += _of_profile(file, condition, line)
        else:
            checks.append(_check(file, condition, line))
    return Compiled(sql=None, aliases=aliases, checks=tuple(checks))


def _params(file: File, condition: Condition) -> Params:
    """The params of a condition. Those of the node override its own."""
    return condition.params.model_copy(
        update={key: getattr(file.params, key) for key in file.params.model_fields_set}
    )


def _of_profile(file: File, condition: Condition, line: int) -> Iterator[Check]:
    """One check for each `warn` and `fail` of a `profile_check`."""
    params = _params(file, condition)
    before = f"{params.error_message}: " if params.error_message else ""
    for check in condition.checks or ():
        for word, when in (("fails", check.fail), ("warns", check.warn)):
            if when is not None:
                stated = f"{check.place} {word} if {' '.join(when.split())}"
                severity = params.severity if word == "fails" else "warn"
                sql, plain = check.violation(when), stated if before else ""
                yield Check(
                    f"{before}{stated}",
                    sql,
                    severity,
                    line=line,
                    condition=plain,
                    returns="statistic",
                )


def _check(file: File, condition: Condition, line: int) -> Check:
    params = _params(file, condition)
    columns = condition.columns or []
    name = condition.type if condition.value is None else " ".join(condition.value.split())
    if columns:
        name = f"{name}({', '.join(columns)})"
    return Check(
        name=params.error_message or name,
        sql=_violations(condition, params),
        severity=params.severity,
        allowed=params.max_null_percentage if condition.type == "null" else 0.0,
        line=line,
        key=tuple(columns) if condition.type == "uniqueness" else (),
        condition=name if params.error_message else "",
        returns=_RETURNS.get(condition.type, "rows"),
    )


def _violations(condition: Condition, params: Params) -> str:
    columns = condition.columns or []
    match condition.type:
        case "null":
            return not_null(columns)
        case "uniqueness":
            return unique(columns)
        case "range":
            low = [
                f"{quote(column)} < {params.min_val}"
                for column in columns
                if params.min_val is not None
            ]
            high = [
                f"{quote(column)} > {params.max_val}"
                for column in columns
                if params.max_val is not None
            ]
            return f"SELECT * FROM input_0 WHERE {' OR '.join(low + high)}"
        case "freshness":
            oldest = f"now() - {_interval(params.max_age)}"
            late = " OR ".join(
                f"CAST({quote(column)} AS TIMESTAMPTZ) < {oldest}" for column in columns
            )
            return f"SELECT * FROM input_0 WHERE {late}"
        case "sql_assertion":
            return condition.sql or ""
        case _:
            return f"SELECT * FROM input_0 WHERE NOT ({condition.value}\n)"


def _interval(age: str | None) -> str:
    match = re.fullmatch(r"(\d+)([smhdw]?)", str(age))
    assert match, "validated above"
    return f"INTERVAL '{match[1]} {_UNITS[match[2] or 's']}'"
