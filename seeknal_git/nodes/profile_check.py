"""A check of a rule on one statistic of a profile."""

from __future__ import annotations

import difflib
import re

from pydantic import ConfigDict, field_validator, model_validator

from seeknal_git.names import literal
from seeknal_git.nodes.form import Form
from seeknal_git.nodes.profile import AGE, METRICS, TABLE

_NUMBER = r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?"
_COMPARED = re.compile(rf"\s*(>=|<=|!=|<>|==|=|>|<)\s*({_NUMBER})\s*")
_BETWEEN = re.compile(rf"\s*between\s+({_NUMBER})\s+and\s+({_NUMBER})\s*", re.IGNORECASE)


class ProfileCheck(Form):
    """A statistic, and the conditions under which it is violated."""

    model_config = ConfigDict(extra="forbid")
    metric: str
    column: str = TABLE
    warn: str | None = None
    fail: str | None = None

    @field_validator("metric")
    @classmethod
    def _known(cls, given: str) -> str:
        if given in METRICS:
            return given
        near = difflib.get_close_matches(given, METRICS, 1)
        hint = f"did you mean {near[0]}?" if near else f"a metric is one of {', '.join(METRICS)}"
        raise ValueError(f"there is no metric {given}; {hint}")

    @field_validator("warn", "fail")
    @classmethod
    def _sound(cls, given: str | None) -> str | None:
        if given is not None:
            _condition(given)
        return given

    @model_validator(mode="after")
    def _complete(self) -> ProfileCheck:
        if self.warn is None and self.fail is None:
            raise ValueError('a check says when it is violated: `fail: "< 1"`, `warn: "> 10"`')
        if self.metric == "row_count" and self.column != TABLE:
            raise ValueError("`row_count` is of the whole table, and has no `column`")
        if self.metric != "row_count" and self.column == TABLE:
            raise ValueError(f"`{self.metric}` is of a column: add `column: …`")
        return self

    @property
    def place(self) -> str:
        """The statistic in words, such as price.avg."""
        return self.metric if self.column == TABLE else f"{self.column}.{self.metric}"

    def violation(self, when: str) -> str:
        """Selects the statistic if a condition holds for it, or if there is no such number."""
        kept = "max" if self.metric == AGE else self.metric
        where = f"lower(column_name) = lower({literal(self.column)}) AND metric = {literal(kept)}"
        value, number = "value", "TRY_CAST(value AS DOUBLE)"
        if self.metric == AGE:
            number = "epoch(now() - TRY_CAST(value AS TIMESTAMPTZ)) / 3600"
            value = f"CAST(round({number}, 2) AS VARCHAR)"
        found = f"SELECT max(value) FILTER (WHERE {where}) AS value FROM input_0"
        said = f"{literal(self.column)} AS column_name, {literal(self.metric)} AS metric"
        test = _condition(when)
        return (
            f"SELECT {said}, {value} AS value FROM ({found}) WHERE coalesce({number} {test}, true)"
        )


def _condition(text: str) -> str:
    """A condition on a number, as SQL. Raises ValueError."""
    if found := _COMPARED.fullmatch(text):
        return f"{'=' if found[1] == '==' else found[1]} {found[2]}"
    if found := _BETWEEN.fullmatch(text):
        return f"BETWEEN {found[1]} AND {found[2]}"
    raise ValueError(f'a condition is `"> 10"` or `"between 1 and 5"`, not {text!r}')
