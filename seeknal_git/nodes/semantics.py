"""Semantic models and metrics as values: the meaning of each name, or why it has none. Pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from seeknal_git.names import folded, quote
from seeknal_git.nodes.node import Node

KINDS = ("semantic_model", "metric")
GRAINS = ("second", "minute", "hour", "day", "week", "month", "quarter", "year")


class Meaningless(ValueError):
    """A name, or a combination of names, that has no meaning. hint: how to mend it."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message, self.hint = message, hint


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric as its definition says. expr: of a derived one; inputs: (metric, name in expr)."""

    name: str
    type: str
    measure: str | None = None
    filter: str | None = None
    numerator: str | None = None
    denominator: str | None = None
    grain_to_date: str | None = None
    expr: str | None = None
    inputs: tuple[tuple[str, str], ...] = ()
    of: str | None = None  # the model whose measure it is, if it has none of its own


@dataclass(frozen=True, slots=True)
class Model:
    """A semantic model. Names are in lower case."""

    name: str
    id: str
    table: str  # the node that it is about
    time: str | None
    entities: Mapping[str, tuple[str, str]]  # name → type, expression
    dimensions: Mapping[str, tuple[str, str]]  # name → type, expression
    measures: Mapping[str, tuple[str, str, tuple[str, ...]]]  # → aggregate, expression, filters
    joins: Mapping[str, tuple[str, str]]  # model → relationship, SQL


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All semantic models and metrics of a project."""

    models: Mapping[str, Model] = field(default_factory=dict)
    metrics: Mapping[str, Metric] = field(default_factory=dict)

    def metric(self, name: str, *, but: str | None = None) -> Metric:
        """The metric of a name: a defined one, else a measure. but: not this one. Raises
        Meaningless."""
        found = self.metrics.get(folded(name))
        if found is not None and found.name != but:
            return found
        model, measure = self.measure(name)
        return Metric(measure, "simple", measure=measure, of=model.name)

    def measure(self, name: str) -> tuple[Model, str]:
        """The measure of a name, or of `model.name`, with its model. Raises Meaningless."""
        of, _, bare = folded(name).rpartition(".")
        found = [
            model
            for model in self.models.values()
            if bare in model.measures and of in ("", folded(model.name))
        ]
        if len(found) == 1:
            return found[0], bare
        if found:
            said = " or ".join(f"{model.name}.{bare}" for model in found)
            raise Meaningless(f"{name} is a measure of several models.", f"Write {said}.")
        names = [*self.metrics, *(one for model in self.models.values() for one in model.measures)]
        raise Meaningless(f"There is no metric {name}.", near(name, names))

    def measure_of(self, leaf: Metric) -> tuple[Model, str]:
        """The measure of a simple or cumulative metric, with its model. Raises Meaningless."""
        return self.measure(f"{leaf.of}.{leaf.measure}" if leaf.of else str(leaf.measure))

    def path(self, base: Model, model: Model) -> list[tuple[Model, str]] | None:
        """The joins, many to one, that lead from a model to another: each with its condition. None
        if there are none; the way to itself has one step without a condition."""
        ways: list[list[tuple[Model, str]]] = [[(base, "")]]
        seen = {base.name}
        for way in ways:  # grows on the way
            last = way[-1][0]
            if last.name == model.name:
                return way
            for further, condition in self._joins(last):
                if further.name not in seen:
                    seen.add(further.name)
                    ways.append([*way, (further, condition)])
        return None

    def _joins(self, model: Model) -> Iterator[tuple[Model, str]]:
        """The models that have at most one row for each of a model, with the conditions."""
        for name, (relationship, sql) in model.joins.items():
            other = self.models.get(name)
            if other is not None and relationship in ("many_to_one", "one_to_one"):
                yield other, closed(sql)
        for entity in model.entities:
            for other in self.models.values():
                kind, _ = other.entities.get(entity, ("", ""))
                if other.name != model.name and kind in ("primary", "unique"):
                    key = quote(f"{entity}.key")
                    yield other, f"{quote(model.name)}.{key} = {quote(other.name)}.{key}"


def near(name: str, names: Iterable[str]) -> str | None:
    """A hint: the name that was probably meant, else all of them."""
    names = list(dict.fromkeys(names))
    found = difflib.get_close_matches(folded(name), names, 1)
    if found:
        return f"Did you mean {found[0]}?"
    return f"There are {', '.join(names)}." if names else None


def catalogue_of(nodes: Iterable[Node]) -> Catalogue:
    """The models and metrics of some nodes, those within models too. The first of a name counts."""
    models: dict[str, Model] = {}
    metrics: dict[str, Metric] = {}
    for node in nodes:
        if node.kind == "metric":
            metrics.setdefault(folded(node.name), _metric(node.name, node.semantics))
        elif node.kind == "semantic_model":
            models.setdefault(folded(node.name), _model(node))
            for name, said in node.semantics["metrics"].items():
                metrics.setdefault(folded(name), _metric(name, said))
    return Catalogue(models, metrics)


def _metric(name: str, said: Mapping[str, Any]) -> Metric:
    inputs = tuple((metric, alias) for metric, alias in said["inputs"])
    return Metric(name, **{**said, "inputs": inputs})


def _model(node: Node) -> Model:
    said = node.semantics
    return Model(
        name=node.name,
        id=node.id,
        table=node.inputs[0].id,
        time=said["time"] and folded(said["time"]),
        entities={folded(name): (kind, expr) for name, (kind, expr) in said["entities"].items()},
        dimensions={
            folded(name): (kind, expr) for name, (kind, expr) in said["dimensions"].items()
        },
        measures={
            folded(name): (aggregate, expr, tuple(filters))
            for name, (aggregate, expr, filters) in said["measures"].items()
        },
        joins={folded(name): (kind, sql) for name, (kind, sql) in said["joins"].items()},
    )


def aggregated(aggregate: str, value: str, when: str = "") -> str:
    """The SQL of a measure. value, when: SQL of the value and of the filter."""
    call = f"count(DISTINCT {value})" if aggregate == "count_distinct" else f"{aggregate}({value})"
    return f"{call} FILTER (WHERE {when})" if when else call


def closed(expression: str) -> str:
    """An expression as one value; a comment at its end is closed."""
    text = expression.strip()
    return f"({text}\n)" if "--" in text else f"({text})"


_WORD = re.compile(r"[A-Za-z_]\w*")


def parts_of(catalogue: Catalogue, metric: Metric) -> dict[str, str]:
    """The metrics that a ratio or a derived metric is made of, by the names that they have in
    it. Raises Meaningless."""
    if metric.type == "ratio":
        return {part: str(getattr(metric, part)) for part in ("numerator", "denominator")}
    if metric.inputs:
        return {alias: part for part, alias in metric.inputs}
    found: dict[str, str] = {}
    for word in _WORD.findall(str(metric.expr)):
        try:
            catalogue.metric(word, but=metric.name)
        except Meaningless:
            if folded(word) == folded(metric.name):
                raise Meaningless(f"The metric {metric.name} is made of itself.") from None
            continue  # a function, or a word that the engine refuses
        found[word] = word
    if not found:
        raise Meaningless(f"The expression of {metric.name} names no metric.")
    return found


def leaves(catalogue: Catalogue, metric: Metric, within: tuple[str, ...] = ()) -> Iterator[Metric]:
    """The metrics of one measure that a metric is made of. Raises Meaningless for a circle."""
    if metric.type in ("simple", "cumulative"):
        yield metric
        return
    way = (*within, metric.name)
    if metric.name in within:
        raise Meaningless(f"These metrics are made of each other: {' → '.join(way)}.")
    for part in parts_of(catalogue, metric).values():
        yield from leaves(catalogue, catalogue.metric(part, but=metric.name), way)
