"""The SELECTs of metrics, which follow from the semantic models of a project. Pure.

They are made from all nodes together, before references are resolved.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from seeknal_git.errors import Problem
from seeknal_git.nodes.metric_query import MetricQuery, Wanted, compile_metrics
from seeknal_git.nodes.node import Input, Node
from seeknal_git.nodes.semantics import Catalogue, Meaningless, Metric, Model, catalogue_of, leaves
from seeknal_git.project.definitions import Member
from seeknal_git.sql.statement import Reading, Reference

_MARK = re.compile("\0(.*?)\0")


def with_metrics(members: Mapping[str, Member]) -> tuple[dict[str, Member], list[Problem]]:
    """The nodes with the SELECTs of metrics; and the problems of metrics that have no meaning."""
    catalogue = catalogue_of(member.node for member in members.values())
    found, problems = dict(members), list[Problem]()
    for identifier, member in members.items():
        node = member.node
        if node.kind == "metric":
            try:
                found[identifier] = _compiled(member, catalogue)
            except Meaningless as exc:
                problems.append(_problem(node, node.line("type"), exc))
        elif node.kind == "semantic_model":
            problems += _inline(node, catalogue)
    return found, problems


def _compiled(member: Member, catalogue: Catalogue) -> Member:
    """A metric with its SELECT over the tables of its models."""
    metric = catalogue.metrics[member.node.name.lower()]
    query = _query(metric, catalogue)
    text, references = "", list[Reference]()
    for number, piece in enumerate(_MARK.split(query.sql)):
        if number % 2:
            references.append(Reference(len(text), len(text) + len(piece), piece, True))
        text += piece
    models = dict.fromkeys(model.id for model in _models(metric, catalogue))
    line = member.node.line("type")
    inputs = tuple(Input(model, line) for model in models)
    node = replace(member.node, sql=text, sql_line=line, inputs=inputs)
    return replace(member, node=node, sql=Reading(tuple(references)))


def _query(metric: Metric, catalogue: Catalogue) -> MetricQuery:
    """A metric by the time dimensions of its cumulative parts, if it has any. Raises
    Meaningless."""
    times = []
    for leaf in leaves(catalogue, metric):
        model, _ = catalogue.measure_of(leaf)
        if leaf.type == "cumulative" and model.time:
            times.append(f"{model.name}.{model.time}")
    wanted = Wanted([metric.name], tuple(dict.fromkeys(times)))
    return compile_metrics(catalogue, wanted, lambda model: f"\0{model.table}\0")


def _models(metric: Metric, catalogue: Catalogue) -> Iterator[Model]:
    for leaf in leaves(catalogue, metric):
        yield catalogue.measure_of(leaf)[0]


def _inline(model: Node, catalogue: Catalogue) -> Iterator[Problem]:
    """The problems of the metrics within a model."""
    for number, name in enumerate(model.semantics["metrics"]):
        line = model.line("metrics", number)
        metric = catalogue.metrics[name.lower()]
        if metric.type != "simple" or metric.of is None:
            try:
                _query(metric, catalogue)
            except Meaningless as exc:
                yield _problem(model, line, exc)


def _problem(node: Node, line: int, exc: Meaningless) -> Problem:
    return Problem(f"{node.id}: {exc.message}", node.path, line, exc.hint, node.id)
