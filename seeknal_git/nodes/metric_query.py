"""Metrics become one SELECT. Pure.

Each measure is aggregated over the rows of its own model, to which other models are joined only
many to one. So no row is counted twice, whatever is asked for together.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from seeknal_git.names import folded, literal, quote
from seeknal_git.nodes.semantics import (
    GRAINS,
    Catalogue,
    Meaningless,
    Metric,
    Model,
    aggregated,
    closed,
    leaves,
    near,
    parts_of,
)

_ADDED_UP = {"sum": "sum", "count": "sum", "min": "min", "max": "max"}


@dataclass(frozen=True, slots=True)
class Filter:
    """A condition on rows, and the names in it: dimensions, else columns of the model's table."""

    sql: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Names of metrics and dimensions that are asked for."""

    metrics: Sequence[str]
    dimensions: Sequence[str] = ()
    filters: Sequence[Filter] = ()
    order_by: Sequence[str] = ()
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class MetricQuery:
    """A SELECT that computes metrics."""

    sql: str
    tables: tuple[str, ...]  # the nodes that it reads
    # For each model whose rows are looked up in others: its name, and a SELECT of the number of its
    # rows and of those after the joins, which must be equal.
    lookups: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class _Dimension:
    """A dimension that is asked for. name: of the column in the answer."""

    model: str
    name: str
    value: str
    is_time: bool


@dataclass(frozen=True, slots=True)
class _Measured:
    """A measure that is aggregated. name: of its column."""

    model: str
    name: str
    aggregate: str
    value: str
    when: str


@dataclass(slots=True)
class _Query:
    catalogue: Catalogue
    relation_of: Callable[[Model], str]
    columns_of: Callable[[Model], Sequence[str]]
    measured: dict[tuple[str, str, str], _Measured] = field(default_factory=dict)
    dimensions: list[_Dimension] = field(default_factory=list)
    # model → the columns that are computed of its rows: name → expression
    columns: dict[str, dict[str, str]] = field(default_factory=dict)
    # model → the models that are looked up for its rows
    looked_up: dict[str, dict[str, None]] = field(default_factory=dict)

    # Metrics

    def value(self, metric: Metric) -> str:
        """A metric as an expression over aggregated measures. Raises Meaningless."""
        if metric.type == "simple":
            return f"measured.{quote(self._measure(metric).name)}"
        if metric.type == "cumulative":
            return self._cumulative(metric)
        parts = {
            alias: self.value(self.catalogue.metric(part, but=metric.name))
            for alias, part in parts_of(self.catalogue, metric).items()
        }
        if metric.type == "ratio":
            return f"({parts['numerator']} / nullif({parts['denominator']}, 0))"
        # The engine reads the expression over its parts, under the names that it gives them.
        named = ", ".join(f"{value} AS {quote(alias)}" for alias, value in parts.items())
        return f"(SELECT {closed(str(metric.expr))} FROM (SELECT {named}) AS parts)"

    def _measure(self, metric: Metric) -> _Measured:
        model, name = self.catalogue.measure_of(metric)
        key = (model.name, name, metric.filter or "")
        if key not in self.measured:
            aggregate, value, filters = model.measures[name]
            conditions = [*filters, *([metric.filter] if metric.filter else [])]
            column = self._free(name)
            columns = self._columns(model)
            columns[f"{column}.value"] = closed(value)
            when = ""
            if conditions:
                when = f"{column}.when"
                columns[when] = " AND ".join(map(closed, conditions))
            self.measured[key] = _Measured(model.name, column, aggregate, f"{column}.value", when)
        return self.measured[key]

    def _free(self, name: str) -> str:
        taken = {folded(one.name) for one in self.measured.values()}
        taken |= {folded(one.name) for one in self.dimensions}
        number, found = 1, name
        while folded(found) in taken:
            number += 1
            found = f"{name}_{number}"
        return found

    def _columns(self, model: Model) -> dict[str, str]:
        return self.columns.setdefault(model.name, {})

    def _cumulative(self, metric: Metric) -> str:
        measured = self._measure(metric)
        model = self.catalogue.models[folded(measured.model)]
        adding = _ADDED_UP.get(measured.aggregate)
        if adding is None:
            raise Meaningless(
                f"{metric.name} adds up {measured.aggregate} over time, which gives no"
                f" {measured.aggregate}."
            )
        if model.time is None:
            raise Meaningless(
                f"{metric.name} is cumulative, and {model.name} has no default_time_dimension."
            )
        times = [one for one in self.dimensions if one.is_time]
        own = [one for one in times if one.model == model.name and one.value == model.time]
        if not own:
            raise Meaningless(
                f"{metric.name} is cumulative, and needs a time dimension to grow along.",
                f"--dimensions {model.time}",
            )
        if len(times) > 1:
            raise Meaningless(f"{metric.name} is cumulative, and can grow along one time alone.")
        time = f"measured.{quote(own[0].name)}"
        apart = [f"measured.{quote(one.name)}" for one in self.dimensions if one not in own]
        if metric.grain_to_date:
            apart.append(f"date_trunc({literal(metric.grain_to_date)}, {time})")
        over = f"PARTITION BY {', '.join(apart)} " if apart else ""
        return f"{adding}(measured.{quote(measured.name)}) OVER ({over}ORDER BY {time})"

    # Dimensions and joins

    def dimension(self, asked: str, bases: Sequence[Model]) -> _Dimension:
        """The dimension of a name such as `region`, `ordered_at__month` or `orders.region`, looked
        up for the rows of some models. Raises Meaningless."""
        name, _, grain = asked.partition("__")
        bare = folded(name.rpartition(".")[2])
        model = self._model_with(asked, name, bases)
        kind, expression = model.dimensions[bare]
        if grain and (kind != "time" or grain not in GRAINS):
            hint = f"A grain is one of {', '.join(GRAINS)}." if kind == "time" else None
            raise Meaningless(f"{bare} has no grain {grain}.", hint)
        value, column = closed(expression), f"{bare}_{grain}" if grain else bare
        if grain:
            value = f"date_trunc({literal(grain)}, {value})"
        for base in bases:
            self._look_up(base, model)
        self._columns(model)[column] = value
        return _Dimension(model.name, column, bare, kind == "time")

    def _model_with(self, asked: str, name: str, bases: Sequence[Model]) -> Model:
        """The model of a dimension that can be looked up for the rows of all `bases`. name: the
        dimension, without its grain."""
        of, _, bare = folded(name).rpartition(".")
        every = self.catalogue.models.values()
        models = [
            model for model in every if bare in model.dimensions and of in ("", folded(model.name))
        ]
        if not models:
            names = [one for model in every for one in model.dimensions]
            raise Meaningless(f"There is no dimension {asked}.", near(bare, names))
        if len(bases) == 1 and bases[0] in models:
            return bases[0]
        path = self.catalogue.path
        reached = [model for model in models if all(path(base, model) for base in bases)]
        if len(reached) > 1:
            said = " or ".join(f"{model.name}.{bare}" for model in reached)
            raise Meaningless(f"{asked} is a dimension of several models.", f"Write {said}.")
        if not reached:
            raise self._out_of_reach(asked, models[0], bases)
        return reached[0]

    def _look_up(self, base: Model, model: Model) -> None:
        """Compute the columns by which a model is joined to another."""
        if model.name == base.name:
            return
        self.looked_up.setdefault(base.name, {})[model.name] = None
        way = self.catalogue.path(base, model) or []
        for (one, _), (other, condition) in pairwise(way):
            for side in (one, other):
                columns = self._columns(side)
                for entity, (_, expression) in side.entities.items():
                    if quote(f"{entity}.key") in condition:
                        columns[f"{entity}.key"] = closed(expression)
                for of, column in re.findall(r"\b(\w+)\.(\w+)\b", condition):
                    if folded(of) == folded(side.name):
                        columns[column] = quote(column)

    def _out_of_reach(self, asked: str, model: Model, bases: Sequence[Model]) -> Meaningless:
        base = next(base for base in bases if not self.catalogue.path(base, model))
        if self.catalogue.path(model, base):
            return Meaningless(
                f"{asked} is a dimension of {model.name}, which may have several rows for one of"
                f" {base.name}: its measures would be counted several times.",
                "Ask for a dimension of the same model, or of one that it refers to.",
            )
        return Meaningless(
            f"{asked} is a dimension of {model.name}, and no entity leads there from {base.name}.",
            f"Let {base.name} have an entity that is primary or unique in {model.name}.",
        )

    def need_connected(self, bases: Sequence[Model]) -> None:
        """Raise Meaningless for models that have nothing to do with each other."""
        for base in bases[1:]:
            first = bases[0]
            if not any(
                self.catalogue.path(first, model) and self.catalogue.path(base, model)
                for model in self.catalogue.models.values()
            ):
                raise Meaningless(
                    f"{first.name} and {base.name} have no entity in common, so their metrics do"
                    " not belong into one table.",
                    "Ask for them one by one.",
                )

    def filtered(self, filter_: Filter, base: Model) -> str:
        """A filter on the rows of a model, whose names it makes known."""
        for name in filter_.names:
            bare = folded(name.rpartition(".")[2].partition("__")[0])
            known = any(bare in model.dimensions for model in self.catalogue.models.values())
            if known:
                found = self.dimension(name, [base])
                columns = self.columns[found.model]
                columns[folded(name)] = columns[found.name]
            else:
                there = self.columns_of(base)
                if there and folded(name) not in map(folded, there):
                    names = [*there, *base.dimensions]
                    message = f"There is no dimension {name}, and no column of {base.table}."
                    raise Meaningless(message, near(name, names))
                self._columns(base)[name] = quote(name)
        return closed(filter_.sql)

    # SQL

    def rows(self, model: str) -> str:
        """The columns of a model's rows that are asked for."""
        relation = self.relation_of(self.catalogue.models[folded(model)])
        columns = [f"{value} AS {quote(name)}" for name, value in self.columns[model].items()]
        return f"SELECT {', '.join(columns) or '1 AS one'} FROM {relation}"

    def joined(self, base: Model, models: Sequence[str]) -> str:
        """A model with those that are looked up for its rows."""
        steps: dict[str, str] = {}
        for name in models:
            for model, condition in (
                self.catalogue.path(base, self.catalogue.models[folded(name)]) or []
            )[1:]:
                steps[model.name] = condition
        text = f"{_rows(base.name)} AS {quote(base.name)}"
        for name, condition in steps.items():
            text += f"\n  LEFT JOIN {_rows(name)} AS {quote(name)} ON {condition}"
        return text


def _rows(model: str) -> str:
    return quote(f"rows of {model}")


def compile_metrics(
    catalogue: Catalogue,
    wanted: Wanted,
    relation_of: Callable[[Model], str],
    columns_of: Callable[[Model], Sequence[str]] = lambda _: (),
) -> MetricQuery:
    """One SELECT: the dimensions that are asked for, then the metrics, each in the order of the
    request. Raises Meaningless.

    relation_of: the table of a model, as SQL names it; columns_of: its columns, if they are known.
    """
    metrics = {metric.name: metric for metric in map(catalogue.metric, wanted.metrics)}
    if not metrics:
        raise Meaningless("There is no metric to compute.")
    query = _Query(catalogue, relation_of, columns_of)
    measured = [one for metric in metrics.values() for one in leaves(catalogue, metric)]
    bases = list({model.name: model for model, _ in map(catalogue.measure_of, measured)}.values())
    query.need_connected(bases)
    for asked in dict.fromkeys(wanted.dimensions):
        query.dimensions.append(query.dimension(asked, bases))
    values = {name: query.value(metric) for name, metric in metrics.items()}
    return _assembled(query, bases, wanted, values)


def _assembled(
    query: _Query, bases: Sequence[Model], wanted: Wanted, values: Mapping[str, str]
) -> MetricQuery:
    """The SELECT of metrics. values: metric → its expression over the measures of the bases."""
    aggregates = [_aggregate(query, base, wanted.filters) for base in bases]
    rows = [f"{_rows(model)} AS (\n  {query.rows(model)}\n)" for model in query.columns]
    names = [one.name for one in query.dimensions]
    outputs = [f"measured.{quote(name)} AS {quote(name)}" for name in names]
    outputs += [f"{value} AS {quote(name)}" for name, value in values.items()]
    together = _together(query, [sql for sql, _ in aggregates])
    head = f"WITH {', '.join([*rows, f'measured AS ({together})'])}"
    return MetricQuery(
        f"{head}\nSELECT {', '.join(outputs)}\nFROM measured{_end(wanted, names, list(values))}",
        tuple(query.catalogue.models[folded(name)].table for name in query.columns),
        tuple(
            (base.name, f"WITH {', '.join(rows)}\n{look}")
            for base, (_, look) in zip(bases, aggregates, strict=True)
            if look
        ),
    )


def _aggregate(query: _Query, base: Model, filters: Sequence[Filter]) -> tuple[str, str]:
    """The SELECT of a model's measures; and, if other models are looked up, one of the number of
    its rows and of those after the joins."""
    conditions = [query.filtered(one, base) for one in filters]
    others = list(query.looked_up.get(base.name, ()))
    keys = [f"{quote(one.model)}.{quote(one.name)}" for one in query.dimensions]
    outputs = [
        f"{key} AS {quote(one.name)}" for key, one in zip(keys, query.dimensions, strict=True)
    ]
    own = [one for one in query.measured.values() if one.model == base.name]
    outputs += [f"{_aggregated(one)} AS {quote(one.name)}" for one in own]
    joined = query.joined(base, others)
    where = f"\n  WHERE {' AND '.join(conditions)}" if conditions else ""
    group = f"\n  GROUP BY {', '.join(keys)}" if keys else ""
    sql = f"\n  SELECT {', '.join(outputs)}\n  FROM {joined}{where}{group}\n"
    count = f"(SELECT count(*) FROM {_rows(base.name)})"
    return sql, f"SELECT {count} AS own, count(*) AS joined FROM {joined}" if others else ""


def _aggregated(one: _Measured) -> str:
    of = quote(one.model)
    when = one.when and f"{of}.{quote(one.when)}"
    return aggregated(one.aggregate, f"{of}.{quote(one.value)}", when)


def _together(query: _Query, aggregates: Sequence[str]) -> str:
    """The measures of all models in one table."""
    if len(aggregates) == 1:
        return aggregates[0]
    keys = [quote(one.name) for one in query.dimensions]
    values = [f"max({quote(one.name)}) AS {quote(one.name)}" for one in query.measured.values()]
    group = f" GROUP BY {', '.join(keys)}" if keys else ""
    every = ") UNION ALL BY NAME (".join(aggregates)
    return f"\n  SELECT {', '.join([*keys, *values])} FROM (({every})){group}\n"


def _end(wanted: Wanted, dimensions: Sequence[str], metrics: Sequence[str]) -> str:
    """The order and the limit. By default, rows are in the order of the dimensions."""
    there = {folded(name): name for name in (*dimensions, *metrics)}
    order = []
    for given in wanted.order_by or dimensions:
        name = folded(given.lstrip("-+").replace("__", "_"))
        if name not in there:
            raise Meaningless(f"There is no {given.lstrip('-+')} in the answer.", near(name, there))
        order.append(f"{quote(there[name])}{' DESC' if given.startswith('-') else ''}")
    text = f"\nORDER BY {', '.join(order)}" if order else ""
    return text if wanted.limit is None else f"{text}\nLIMIT {wanted.limit}"
