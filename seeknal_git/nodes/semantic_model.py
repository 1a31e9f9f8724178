"""A semantic model: the meaning of a table's columns, as dimensions to group by and measures to
aggregate. It yields no table; metrics are made of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, field_validator, model_validator

from seeknal_git.names import IDENTIFIER, folded, quote
from seeknal_git.nodes.checks import listed
from seeknal_git.nodes.form import Form
from seeknal_git.nodes.metric import Definition
from seeknal_git.nodes.node_file import Compiled, InputFile, Mistake, NodeFile, as_input
from seeknal_git.nodes.placed import Placed
from seeknal_git.nodes.semantics import aggregated, closed

_AGGREGATES = {"average": "avg"}
_NAMES = ("entities", "dimensions", "measures", "metrics", "joins")


class _Named(Form):
    model_config = ConfigDict(extra="allow")
    name: str
    description: str | None = None
    label: str | None = None

    @field_validator("name")
    @classmethod
    def _identifier(cls, name: str) -> str:
        if not IDENTIFIER.fullmatch(name) or "__" in name:
            raise ValueError("a name is made of letters, digits and single _")
        return name


class Entity(_Named):
    """A thing that rows are about, by which models are joined."""

    type: Literal["primary", "foreign", "unique"]
    expr: str | None = None


class Dimension(_Named):
    """An expression to group by."""

    type: Literal["time", "categorical", "string", "number", "boolean"] = "categorical"
    expr: str | None = None
    time_granularity: str | None = None


class Measure(_Named):
    """An expression to aggregate, over the rows that all filters hold for."""

    agg: Literal["sum", "count", "count_distinct", "average", "avg", "min", "max"]
    expr: str | None = None
    filters: Annotated[list[str], BeforeValidator(listed)] = Field(default_factory=list)
    aliases: Any = None

    @property
    def aggregate(self) -> str:
        return _AGGREGATES.get(self.agg, self.agg)


class Join(Form):
    """An explicit join to another model."""

    model_config = ConfigDict(extra="allow")
    name: str
    relationship: Literal["many_to_one", "one_to_one", "one_to_many", "many_to_many"]
    sql: str


class Inline(Definition):
    """A metric within a semantic model."""

    name: str


class File(NodeFile):
    model: Annotated[InputFile, BeforeValidator(as_input)]
    default_time_dimension: str | None = None
    entities: list[Entity] = Field(default_factory=list)
    dimensions: list[Dimension] = Field(default_factory=list)
    measures: list[Measure] = Field(default_factory=list)
    metrics: list[Inline] = Field(default_factory=list)
    joins: list[Join] = Field(default_factory=list)

    @model_validator(mode="before")
    @classmethod
    def _reads_its_model(cls, given: Any) -> Any:
        if isinstance(given, dict) and given.get("model"):
            return {**given, "inputs": [given["model"]]}
        return given

    @model_validator(mode="after")
    def _sound(self) -> File:
        if self.tests or self.audits:
            raise Mistake("a semantic model has no rows to test", "tests", "audits")
        for key in _NAMES:
            names = [folded(entry.name) for entry in getattr(self, key)]
            for number, name in enumerate(names):
                if name in names[:number]:
                    raise Mistake(f"`{name}` is there twice among the {key}", f"{key}.{number}")
        times = [folded(entry.name) for entry in self.dimensions if entry.type == "time"]
        wanted = self.default_time_dimension
        if wanted is not None and folded(wanted) not in times:
            raise Mistake(
                f"`{wanted}` is not one of the dimensions of type time", "default_time_dimension"
            )
        return self


def compile_file(file: File, lines: Mapping[str, int]) -> Compiled:
    semantics: dict[str, Any] = {
        "time": file.default_time_dimension,
        "entities": {one.name: [one.type, one.expr or one.name] for one in file.entities},
        "dimensions": {one.name: [one.type, one.expr or one.name] for one in file.dimensions},
        "measures": {
            one.name: [one.aggregate, one.expr or one.name, one.filters] for one in file.measures
        },
        "metrics": {one.name: one.as_data for one in file.metrics},
        "joins": {one.name: [one.relationship, one.sql] for one in file.joins},
    }
    # The engine is asked about everything else, which so has a column of its own.
    definition = {
        "time": file.default_time_dimension,
        "entities": {one.name: one.type for one in file.entities},
        "joins": semantics["joins"],
    }
    return Compiled(sql=_binding(file, lines), definition=definition, semantics=semantics)


def _binding(file: File, lines: Mapping[str, int]) -> str:
    """A SELECT of everything that the model says, which the engine can check. Each expression is on
    its own line of the file, so that errors name it."""
    sql = Placed()
    sql.add("SELECT ")
    sql.add_all(sorted(_items(file, lines)) or [(1, "1 AS nothing")])
    sql.add(" FROM input_0")
    return sql.text


def _items(file: File, lines: Mapping[str, int]) -> Iterator[tuple[int, str]]:
    def line(key: str, number: int) -> int:
        place = f"{key}.{number}"
        return lines.get(f"{place}.expr", lines.get(place, 1))

    for number, entity in enumerate(file.entities):
        value = closed(entity.expr or entity.name)
        yield line("entities", number), f"{value} AS {quote(f'entity {entity.name}')}"
    for number, dimension in enumerate(file.dimensions):
        value = closed(dimension.expr or dimension.name)
        if dimension.type == "time":
            value = f"CAST(date_trunc('day', {value}) AS TIMESTAMP)"
        yield line("dimensions", number), f"{value} AS {quote(dimension.name)}"
    for number, measure in enumerate(file.measures):
        when = " AND ".join(map(closed, measure.filters))
        value = aggregated(measure.aggregate, closed(measure.expr or measure.name), when)
        yield line("measures", number), f"{value} OVER () AS {quote(measure.name)}"
    for number, metric in enumerate(file.metrics):
        if metric.filter:
            name = quote(f"filter {metric.name}")
            yield line("metrics", number), f"{closed(metric.filter)} AS {name}"
