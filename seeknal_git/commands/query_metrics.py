"""The command `query --metrics`: metrics of semantic models, by dimensions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from seeknal_git.commands.query import Query, query, stream
from seeknal_git.environments.revision import head_tree, load_sound, revision_of
from seeknal_git.errors import UsageError
from seeknal_git.names import quote
from seeknal_git.nodes.metric_query import Filter, MetricQuery, Wanted, compile_metrics
from seeknal_git.nodes.semantics import Meaningless, Model, catalogue_of
from seeknal_git.project.workspace import Workspace
from seeknal_git.sql.engine import SqlError
from seeknal_git.sql.queries import columns_named
from seeknal_git.warehouse.model.answers import Answer


@dataclass(frozen=True, slots=True)
class Asked:
    """Metrics to compute, by their names."""

    metrics: Sequence[str]
    dimensions: Sequence[str] = ()
    filters: Sequence[str] = ()  # conditions on dimensions, or on columns of the models
    order_by: Sequence[str] = ()  # names of the answer; `-name` for the largest first
    limit: int | None = None


def compiled(workspace: Workspace, asked: Asked, environment: str | None = None) -> MetricQuery:
    """The SELECT of metrics over the views of an environment, by their bare names.

    Raises UsageError for names without a meaning, for joins that would count rows several times,
    and ProjectError if the project is wrong.
    """
    revision = revision_of(workspace, environment)
    tree = head_tree(workspace, revision)
    graph = load_sound(workspace, tree, revision, keeps=revision.schema).graph
    kinds = ("semantic_model", "metric")
    ids = [identifier for kind in kinds for identifier in graph.structure.of_kind(kind)]
    catalogue = catalogue_of(map(graph.node, ids))
    if not catalogue.models:
        hint = "Write one with: seeknal draft semantic-model NAME"
        raise UsageError("There is no semantic model, so there are no metrics.", hint)

    def columns_of(model: Model) -> list[str]:
        return [name for name, _ in graph.columns[model.table] or ()]

    wanted = Wanted(
        asked.metrics,
        asked.dimensions,
        tuple(map(_filter, asked.filters)),
        asked.order_by,
        asked.limit,
    )
    try:
        return compile_metrics(
            catalogue, wanted, lambda model: quote(graph.views[model.table]), columns_of
        )
    except Meaningless as exc:
        raise UsageError(exc.message, exc.hint) from exc


def _filter(text: str) -> Filter:
    try:
        return Filter(text, tuple(columns_named(text)))
    except SqlError as exc:
        raise UsageError(f"The filter {text!r} is no condition: {exc.message}.") from exc


def stream_metrics(
    workspace: Workspace,
    asked: Asked,
    environment: str | None,
    form: str,
    show: Callable[[Answer], None],
    note: Callable[[str], None],
    file: Path | None = None,
) -> None:
    """Compute metrics, and call `show` with the answer. file: for the form PARQUET.

    Raises what `compiled` and `query` raise; and UsageError if a model has several rows for a key
    that it says is unique: rows would be counted several times.
    """
    made = compiled(workspace, asked, environment)
    for model, sql in made.lookups:
        ((own, joined),) = query(workspace, sql, environment=environment).rows
        if own != joined:
            raise UsageError(
                f"The {own:,} rows of {model} become {joined:,} where others are looked up for"
                " them: a key that should be unique is not, and they would be counted several"
                " times.",
                "Test the key where it is primary or unique: `tests: [unique: key]`.",
            )
    stream(workspace, Query(made.sql, environment, file=file), form, show, note)
