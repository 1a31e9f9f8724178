"""Make an environment match a graph: execute the work, publish the nodes that can be trusted, and
record how the run ended.

`run` and `promote` are both this. They differ in the origin of the graph, and in whether a part may
be published.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from seeknal_git.build.ahead import Ahead
from seeknal_git.build.deliver import (
    docked,
    give_up,
    hand_over,
    refuse_places,
    write_files,
)
from seeknal_git.build.elsewhere import deliver_elsewhere
from seeknal_git.build.entity_views import with_entities
from seeknal_git.build.execute import execute
from seeknal_git.build.failed_checks import Violation, known_answers, violations, with_samples
from seeknal_git.build.layers import doomed, known_failure
from seeknal_git.build.progress import Origin, Progress, Reconciled, Report
from seeknal_git.build.site import snapshot_of
from seeknal_git.build.telling import of_folders
from seeknal_git.build.work import Work
from seeknal_git.errors import SeeknalError
from seeknal_git.project.entities import entities_of
from seeknal_git.warehouse.interrupt import interruptible
from seeknal_git.warehouse.model.deliveries import Folders
from seeknal_git.warehouse.model.environments import Published
from seeknal_git.warehouse.model.publications import Outcome, Publication, Warned
from seeknal_git.warehouse.protocol import Warehouse


@dataclass(frozen=True, slots=True)
class _Published:
    outcome: Outcome | None = None  # None if nothing was published
    delivered: tuple[str, ...] = ()  # exposures
    faults: Mapping[str, str] = field(default_factory=dict)  # exposure → why it is not delivered
    kept: Mapping[str, Path] = field(default_factory=dict)  # as in Reconciled
    folders: Mapping[str, Folders] = field(default_factory=dict)  # the same


def reconcile(
    warehouse: Warehouse, work: Work, origin: Origin, report: Report, ahead: Ahead | None = None
) -> Reconciled:
    """Build, check and publish. If something fails, publish the rest, or with the option
    `all_or_nothing` nothing at all.

    ahead: the tables that the run has built already. Raises RunFailed if an exposure cannot be
    written; nothing is published then.
    """
    run_id = uuid.uuid4().hex
    seconds = time.monotonic() - origin.started
    warehouse.runs.begin(run_id, work.environment.schema, origin.command, seconds)
    try:
        need_places(warehouse, work)
        progress = _executed(warehouse, work, report, ahead)
        failures = {node: known_failure(work, node) for node in work.failing} | progress.failed
        done = _Published()
        if not (failures and work.options.all_or_nothing):
            done = _published(warehouse, work, progress, origin, run_id)
            for node, folders in done.folders.items():
                report(of_folders(node, folders))
        failures |= done.faults
    except SeeknalError as exc:
        warehouse.runs.end(run_id, "failed", str(exc))
        raise
    except KeyboardInterrupt:
        warehouse.runs.end(run_id, "interrupted", "it was interrupted")
        raise
    ending = "failed" if failures else "succeeded"
    warehouse.runs.end(run_id, ending, failures=failures)
    violations = _violations(warehouse, work, progress)
    if done.outcome is not None:
        _record_warnings(warehouse, work, violations, done.outcome)
    return Reconciled(
        work,
        progress,
        done.outcome,
        failures,
        _held_back(work, progress) if failures else (),
        done.delivered,
        violations,
        kept=done.kept,
        folders=done.folders,
    )


def _executed(warehouse: Warehouse, work: Work, report: Report, ahead: Ahead | None) -> Progress:
    """Build what is still to be built."""
    if ahead is None:
        return execute(warehouse, work, report)
    rest = ahead.rest
    if not rest.layers:
        return ahead.progress
    return execute(warehouse, rest, report, ahead.progress)


def need_places(warehouse: Warehouse, work: Work) -> None:
    """Raise before anything is built, if a file or a view could not be put in its place."""
    nodes = map(work.graph.node, work.deliveries)
    files = [node for node in nodes if node.target is None]
    exposures = {node.id: work.places.of(node) for node in files}
    refuse_places(warehouse, work.root, exposures)
    views = [view for node, view in work.graph.views.items() if node in work.chosen]
    views += [entity.view for entity in entities_of(work.graph)]
    warehouse.environments.need_places(work.environment.schema, views)


def _held_back(work: Work, progress: Progress) -> tuple[str, ...]:
    good = trusted(work, progress)
    return tuple(node for node in work.graph.views if node not in good)


def _violations(warehouse: Warehouse, work: Work, progress: Progress) -> tuple[Violation, ...]:
    """The checks that do not hold, with some rows of each."""
    answers = known_answers(work) | progress.answers
    if not answers:
        return ()
    tables = work.tables(progress.built)
    shows = warehouse.environments.shown(work.environment.schema)
    shown_tables = {node: published.table for node, published in shows.items()}
    found = violations(work, answers, tables, shown_tables)
    relations = work.relations(progress.built)
    look = partial(with_samples, warehouse, work, found, relations, progress.answers.keys())
    return tuple(interruptible(look, lambda: [warehouse])) if found else ()


def _record_warnings(
    warehouse: Warehouse, work: Work, found: Sequence[Violation], outcome: Outcome
) -> None:
    """Write down the warnings with the publication. Those about nodes that were not chosen stay."""
    schema = work.environment.schema
    kept = []
    if work.options.chosen is not None:
        old = warehouse.publications.warnings(schema)
        kept = [warning for warning in old if warning.node not in work.chosen]
    new = [Warned(violation.node, violation.message) for violation in found if not violation.fails]
    if kept or new or outcome.publication is None:  # else it is new, and has none
        warehouse.publications.record_warnings(schema, [*kept, *new])


def trusted(work: Work, progress: Progress) -> set[str]:
    """The nodes that have a table and may be shown: nothing before them failed, or was skipped
    unchecked."""
    bad = doomed(work.graph, {*work.failing, *progress.skipped, *progress.failed})
    return {
        node
        for node in work.graph.views.keys() - bad
        if node in progress.built or work.inventory.snapshot(node) is not None
    }


def shown(work: Work, progress: Progress) -> dict[str, Published]:
    """Node → the table that the environment is to show of it.

    Trusted nodes have their new table. Other nodes, and those that were not chosen, keep the old
    one. A branch shows production's tables of nodes that were not chosen and that it never showed.
    """
    graph, shows, production = work.graph, work.inventory.shows, work.inventory.production
    good = trusted(work, progress) & work.chosen
    in_part = work.options.chosen is not None and not work.options.whole
    kept = shows.keys() if in_part else shows.keys() & graph.views.keys()
    found = {node: shows[node] for node in kept - good}
    for node in (graph.views.keys() - work.chosen - found.keys()) & production.keys():
        found[node] = replace(production[node], view=graph.views[node])
    # Of two nodes with one view, the old one goes.
    taken = {graph.views[node].lower() for node in good} - {""}
    found = {node: old for node, old in found.items() if old.view.lower() not in taken}
    for node in good:
        snapshot = snapshot_of(work, progress, node)
        found[node] = Published(
            node,
            graph.views[node],
            snapshot.id,
            snapshot.table,
            graph.wholes[node],
            snapshot.query,
        )
    return found


def _published(
    warehouse: Warehouse, work: Work, progress: Progress, origin: Origin, run_id: str
) -> _Published:
    """Write the files of exposures aside, publish, then put the files in place."""
    environment = work.environment
    shows = with_entities(warehouse, work, shown(work, progress))
    production, needed = environment.production_schema, bool(work.deliveries)
    with docked(warehouse, work.root, production, run_id, needed=needed) as dock:
        readable = trusted(work, progress)
        tables = {node: shows[node] for node in shows.keys() & readable}
        written = write_files(dock, work, tables)
        publication = Publication(
            environment.schema,
            environment.name,
            origin.commit,
            origin.author,
            origin.command,
            shows,
            progress.built,
            time.monotonic() - origin.started,
            origin.merged,
            base=origin.base,
            publisher=origin.publisher,
            clone=origin.clone,
            edited=origin.edited,
            reason=work.options.reason,
            after=origin.after,
        )
        outcome = warehouse.publications.publish(publication)
        ends = {file.delivery.node: hand_over(dock, environment.schema, file) for file in written}
        ends |= deliver_elsewhere(dock, work, tables)
    delivered = tuple(node for node, end in ends.items() if end.fault is None)
    give_up(warehouse, work, delivered)
    return _Published(
        outcome,
        delivered,
        {node: f"{end.fault} Mend it, then run again." for node, end in ends.items() if end.fault},
        {node: end.kept for node, end in ends.items() if end.kept},
        {node: end.folders for node, end in ends.items() if end.folders},
    )
