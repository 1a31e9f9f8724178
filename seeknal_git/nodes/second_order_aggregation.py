"""A second order aggregation: one row for each id, over all of its rows up to the date of each."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from seeknal_git.nodes.aggregates import (
    AGE,
    Aggregated,
    Aggregates,
    Outputs,
    aggregate,
    ratio,
    select_of,
)
from seeknal_git.nodes.checks import listed
from seeknal_git.nodes.form import Form, Whole
from seeknal_git.nodes.node_file import Compiled, Mistake
from seeknal_git.nodes.semantics import closed

Window = Annotated[list[Whole], Field(min_length=2, max_length=2)]


class Ratio(Form):
    """Aggregates of the ages of one window, by the same of another."""

    model_config = ConfigDict(extra="forbid")
    numerator: Window
    denominator: Window
    aggs: Aggregates


class Since(Form):
    """Aggregates of the rows that a condition holds for."""

    model_config = ConfigDict(extra="forbid")
    condition: str = ""
    aggs: Aggregates


class Feature(Form):
    """A column, and the aggregates of it."""

    model_config = ConfigDict(extra="forbid")
    source_feature: str | None = None
    basic: Annotated[list[str], BeforeValidator(listed)] = Field(default_factory=list)
    window: Window | None = None
    ratio: Ratio | None = None
    since: Since | None = None
    percentile: Any = None
    delta: Any = None
    description: str | None = None

    @model_validator(mode="after")
    def _supported(self) -> Feature:
        for key in ("percentile", "delta"):
            if getattr(self, key) is not None:
                raise ValueError(f"`{key}` is not supported, and would give no column")
        if self.window is not None and not self.basic:
            raise ValueError("a `window` is of the aggregates of `basic`: `basic: [sum]`")
        return self


class File(Aggregated):
    features: Annotated[dict[str, Feature], Field(min_length=1)]

    @model_validator(mode="after")
    def _sound(self) -> File:
        for name, feature in self.features.items():
            windowed = feature.window is not None or feature.ratio is not None
            if windowed and self.application_date_col is None:
                message = "a window counts days before a date: add `application_date_col`"
                raise Mistake(message, f"features.{name}")
        _outputs(self, {})  # raises for two columns of one name
        return self


def compile_file(file: File, lines: Mapping[str, int]) -> Compiled:
    keys = {file.id_col: "id_col"}
    return Compiled(
        sql=select_of(file, _outputs(file, lines), keys, lines), promises=dict(file.types)
    )


def _outputs(file: File, lines: Mapping[str, int]) -> Outputs:
    outputs = Outputs()
    past = "" if file.application_date_col is None else f"{AGE} >= 0"
    for key, feature in file.features.items():
        place = f"features.{key}"
        for name, expression in _columns(feature, feature.source_feature or key, past):
            outputs.add(name, lines.get(place, 1), expression, place)
    return outputs


def _columns(feature: Feature, column: str, past: str) -> Iterator[tuple[str, str]]:
    for name in map(_function, feature.basic):
        yield f"{column}_{name.upper()}", aggregate(name, column, past)
        if feature.window is not None:
            low, high = feature.window
            value = aggregate(name, column, _between(feature.window))
            yield f"{column}_{name.upper()}_{low}_{high}", value
    if feature.ratio is not None:
        above, below = feature.ratio.numerator, feature.ratio.denominator
        for name in map(_function, feature.ratio.aggs):
            said = [f"{name.upper()}{low}_{high}" for low, high in (above, below)]
            value = ratio(name, column, _between(above), _between(below))
            yield f"{column}_{'_'.join(said)}", value
    if feature.since is not None:
        parts = [past, closed(feature.since.condition) if feature.since.condition else ""]
        condition = " AND ".join(filter(None, parts))
        for name in map(_function, feature.since.aggs):
            yield f"SINCE_{name.upper()}_{column}_GEO_D", aggregate(name, column, condition)


def _function(name: str) -> str:
    """The name of an aggregate function of the engine. Raises Mistake for anything else."""
    if not re.fullmatch(r"[A-Za-z]\w*", name):
        raise Mistake(f"`{name}` is not the name of an aggregate", "features")
    return name


def _between(window: list[int]) -> str:
    return f"{AGE} BETWEEN {window[0]} AND {window[1]}"
