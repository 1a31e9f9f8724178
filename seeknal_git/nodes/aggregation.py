"""An aggregation: features of an id at an application date, from its rows up to that date."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from seeknal_git.nodes.aggregates import (
    AGE,
    Aggregated,
    Aggregates,
    Outputs,
    aggregate,
    canonical,
    days,
    known,
    ratio,
    select_of,
)
from seeknal_git.nodes.checks import Columns, listed
from seeknal_git.nodes.form import Form
from seeknal_git.nodes.node_file import Compiled
from seeknal_git.nodes.semantics import closed

_PAST = f"{AGE} >= 0"


class _Part(Form):
    model_config = ConfigDict(extra="forbid")
    aggs: Aggregates

    @model_validator(mode="before")
    @classmethod
    def _functions(cls, given: Any) -> Any:
        if isinstance(given, dict) and "functions" in given:
            return {("aggs" if key == "functions" else key): given[key] for key in given}
        return given


class Rolling(_Part):
    """Aggregates of the last days; today and the first day are among them."""

    window: Any


class Ratio(_Part):
    """Aggregates of the last days, by the same of more days."""

    numerator: Any
    denominator: Any


class Since(_Part):
    """Aggregates of the rows that a condition holds for."""

    condition: str


class Feature(Form):
    """A column, and the aggregates of it."""

    model_config = ConfigDict(extra="allow")
    name: str
    column: str | None = None
    basic: Annotated[list[str], BeforeValidator(listed)] = Field(default_factory=list)
    rolling: Annotated[list[Rolling], BeforeValidator(listed)] = Field(default_factory=list)
    ratio: Annotated[list[Ratio], BeforeValidator(listed)] = Field(default_factory=list)
    since: Annotated[list[Since], BeforeValidator(listed)] = Field(default_factory=list)

    @model_validator(mode="after")
    def _some_column(self) -> Feature:
        if not (self.basic or self.rolling or self.ratio or self.since):
            raise ValueError("no aggregate of it is asked for, such as `basic: [sum]`")
        return self


class File(Aggregated):
    application_date_col: str
    group_by: Columns | None = None
    features: Annotated[list[Feature], Field(min_length=1)]

    @model_validator(mode="after")
    def _names_apart(self) -> File:
        _outputs(self, {})  # raises for a wrong window, aggregate or name
        return self


def compile_file(file: File, lines: Mapping[str, int]) -> Compiled:
    groups = dict.fromkeys(file.group_by or (), "group_by")
    dates = {file.application_date_col: "application_date_col"}
    keys = {file.id_col: "id_col", **dates, **groups}
    return Compiled(
        sql=select_of(file, _outputs(file, lines), keys, lines), promises=dict(file.types)
    )


def _outputs(file: File, lines: Mapping[str, int]) -> Outputs:
    outputs = Outputs()
    for number, feature in enumerate(file.features):
        key = f"features.{number}"
        for name, expression in _columns(feature, key):
            outputs.add(f"{feature.name}_{name}", lines.get(key, 1), expression, key)
    return outputs


def _columns(feature: Feature, key: str) -> Iterator[tuple[str, str]]:
    """The columns of a feature, each with the end of its name."""
    column = feature.column or feature.name
    for name in known(feature.basic, f"{key}.basic"):
        yield canonical(name), aggregate(name, column, _PAST)
    for rolling in feature.rolling:
        lengths = days(rolling.window, f"{key}.rolling")
        for length, name in product(lengths, known(rolling.aggs, f"{key}.rolling")):
            yield f"{canonical(name)}_{length}d", aggregate(name, column, _within(length))
    for part in feature.ratio:
        above_of, below_of = days(part.numerator, key), days(part.denominator, key)
        for above, below, name in product(above_of, below_of, known(part.aggs, f"{key}.ratio")):
            value = ratio(name, column, _within(above), _within(below))
            yield f"{canonical(name)}_ratio_{above}d_{below}d", value
    for since in feature.since:
        condition = f"{_PAST} AND {closed(since.condition)}"
        for name in known(since.aggs, f"{key}.since"):
            yield f"{canonical(name)}_if", _if(canonical(name), column, condition)


def _if(name: str, column: str, condition: str) -> str:
    """An aggregate of some rows: `count` counts them, and a sum of none is 0."""
    if name == "count":
        return f"count(*) FILTER (WHERE {condition})"
    value = aggregate(name, column, condition)
    return f"coalesce({value}, 0)" if name == "sum" else value


def _within(length: int) -> str:
    return f"{AGE} BETWEEN 0 AND {length}"
