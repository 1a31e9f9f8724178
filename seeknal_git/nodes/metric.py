"""A metric: a number made of the measures of semantic models. It yields no table; `seeknal query
--metrics` computes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from seeknal_git.nodes.form import Form
from seeknal_git.nodes.node_file import Compiled, Mistake, NodeFile

_NEEDS = {
    "simple": ("measure",),
    "ratio": ("numerator", "denominator"),
    "cumulative": ("measure",),
    "derived": ("expr",),
}
_OF_TYPE = {"filter": "simple", "grain_to_date": "cumulative", "parts": "derived"}
_KEYS = ("type", "measure", "filter", "numerator", "denominator", "grain_to_date", "expr")


class Part(Form):
    """A metric that a derived one is made of, and its name in there."""

    model_config = ConfigDict(extra="allow")
    metric: str
    alias: str | None = None


def _part(value: object) -> object:
    return {"metric": value} if isinstance(value, str) else value


class Definition(Form):
    """The keys of a metric. Its `inputs` are metrics, and no nodes."""

    model_config = ConfigDict(extra="allow")
    type: Literal["simple", "ratio", "cumulative", "derived"]
    label: str | None = None
    measure: str | None = None
    filter: str | None = None
    numerator: str | None = None
    denominator: str | None = None
    grain_to_date: Literal["day", "week", "month", "quarter", "year"] | None = None
    expr: str | None = None
    parts: list[Annotated[Part, BeforeValidator(_part)]] = Field(default_factory=list)

    @model_validator(mode="before")
    @classmethod
    def _made_of(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        rest = {key: value for key, value in given.items() if key != "inputs"}
        return {**rest, "parts": given.get("inputs") or []}

    @model_validator(mode="after")
    def _complete(self) -> Definition:
        for key in _NEEDS[self.type]:
            if getattr(self, key) is None:
                raise Mistake(f"a metric of type {self.type} needs `{key}`", "type")
        for key, of in _OF_TYPE.items():
            if getattr(self, key) and self.type != of:
                word = "inputs" if key == "parts" else key
                raise Mistake(f"`{word}` is of metrics of type {of}", word)
        for extra in (self.model_extra, *(part.model_extra for part in self.parts)):
            for key in extra or ():
                if key.startswith(("offset", "window")):
                    raise Mistake(f"`{key}` is not supported: nothing would be shifted", key)
        return self

    @property
    def as_data(self) -> dict[str, Any]:
        inputs = [[part.metric, part.alias or part.metric] for part in self.parts]
        return {**{key: getattr(self, key) for key in _KEYS}, "inputs": inputs}


class File(Definition, NodeFile):
    @model_validator(mode="after")
    def _without_rows(self) -> File:
        if self.tests or self.audits:
            raise Mistake("a metric has no rows to test", "tests", "audits")
        return self


def compile_file(file: File, lines: Mapping[str, int]) -> Compiled:
    return Compiled(sql=None, semantics=file.as_data)
