"""Make an environment match a graph: execute the work, then publish what can be trusted, and record
how it ended.

`run` and `promote` are both this; they differ in where the graph comes from, and in whether a part
may be published.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from seeknal_git.build.deliver import Dock, Written, docked, hand_over, refuse_places, write_aside
from seeknal_git.build.execute import Progress, Report, doomed, execute, known_failure, snapshot_of
from seeknal_git.build.failed_checks import Violation, known_answers, violations, with_samples
from seeknal_git.build.work import Work
from seeknal_git.errors import SeeknalError
from seeknal_git.files import remove_whole
from seeknal_git.names import exposures_folder
from seeknal_git.warehouse.interrupt import interruptible
from seeknal_git.warehouse.model import Delivery, Outcome, Publication, Published
from seeknal_git.warehouse.protocol import Warehouse


@dataclass(frozen=True, slots=True)
class Origin:
    """Where what is published comes from: a commit, its author, the command that publishes it, and
    the branch that came in with the commit, where that is known."""

    commit: str
    author: str
    command: str
    merged: str | None = None
    base: str | None = None  # the commit under uncommitted nodes
    publisher: str | None = None  # who runs the command
    clone: str | None = None  # the git folder that it is run in
    edited: bool = False  # whether nodes are not as they were committed
    started: float = field(default_factory=time.monotonic)


@dataclass(frozen=True, slots=True)
class Reconciled:
    """How it ended. outcome: None where nothing was published; failures: node → why; held_back:
    nodes not published; delivered: exposures whose file was written and put in place; violations:
    the checks that do not hold, also those that an earlier run has answered: nobody is to think
    that they are mended."""

    work: Work
    progress: Progress
    outcome: Outcome | None
    failures: Mapping[str, str]
    held_back: tuple[str, ...] = ()
    delivered: tuple[str, ...] = ()
    violations: tuple[Violation, ...] = ()
    replaces: str | None = None  # who had published the environment, if that was another clone
    kept: Mapping[str, Path] = field(
        default_factory=dict
    )  # exposure → where the file is that somebody had changed


@dataclass(frozen=True, slots=True)
class _Published:
    """outcome: None where nothing was published; delivered, faults, kept: of exposures."""

    outcome: Outcome | None = None
    delivered: tuple[str, ...] = ()
    faults: Mapping[str, str] = field(default_factory=dict)
    kept: Mapping[str, Path] = field(default_factory=dict)


def without_rows(done: Reconciled) -> Reconciled:
    """The same, fit for a log that others read: rows may be personal data."""
    return replace(done, violations=tuple(replace(each, sample=None) for each in done.violations))


def reconcile(warehouse: Warehouse, work: Work, origin: Origin, report: Report) -> Reconciled:
    """Build, check and publish. Where something failed, publish the rest, or with the option
    `all_or_nothing` nothing at all.

    Raises RunFailed where an exposure cannot be written; nothing is published then.
    """
    schema, run_id = work.environment.schema, uuid.uuid4().hex
    warehouse.runs.begin(run_id, schema, origin.command)
    try:
        refuse_places(
            warehouse,
            work.root,
            {each: work.places.of(work.graph.node(each)) for each in work.deliveries},
        )
        warehouse.environments.need_places(
            schema,
            (view for each, view in work.graph.views.items() if each in work.chosen),
        )
        progress = execute(warehouse, work, report)
        failures = {each: known_failure(work, each) for each in work.failing} | progress.failed
        withheld = failures and work.options.all_or_nothing
        done = _Published() if withheld else _published(warehouse, work, progress, origin, run_id)
        failures |= done.faults
    except SeeknalError as exc:
        warehouse.runs.end(run_id, "failed", str(exc))
        raise
    except KeyboardInterrupt:
        warehouse.runs.end(run_id, "interrupted", "it was interrupted")
        raise
    message = "; ".join(f"{node}: {why}" for node, why in failures.items())
    warehouse.runs.end(run_id, "failed" if failures else "succeeded", message or None)
    good = trusted(work, progress)
    held_back = tuple(each for each in work.graph.views if each not in good) if failures else ()
    found = _violations(warehouse, work, progress)
    if done.outcome is not None:
        _record_warnings(warehouse, work, found)
    return Reconciled(
        work, progress, done.outcome, failures, held_back, done.delivered, found, kept=done.kept
    )


def _violations(warehouse: Warehouse, work: Work, progress: Progress) -> tuple[Violation, ...]:
    """The checks that do not hold, with some rows of each."""
    tables = work.tables(progress.built)
    shown = {
        node: each.table
        for node, each in warehouse.environments.shown(work.environment.schema).items()
    }
    found = violations(work, known_answers(work) | progress.answers, tables, shown)
    look = partial(with_samples, warehouse, work, found, tables, progress.answers.keys())
    return tuple(interruptible(look, lambda: [warehouse])) if found else ()


def _record_warnings(warehouse: Warehouse, work: Work, found: Sequence[Violation]) -> None:
    """Write down the warnings with the publication; those about nodes that were not chosen stay."""
    schema = work.environment.schema
    old = [
        each
        for each in warehouse.publications.warnings(schema)
        if each.partition(": ")[0] not in work.chosen
    ]
    kept = old if work.options.chosen is not None else []
    warehouse.publications.record_warnings(
        schema,
        [*kept, *(f"{each.node}: {each.message}" for each in found if not each.fails)],
    )


def trusted(work: Work, progress: Progress) -> set[str]:
    """The nodes that yield a table, have it, and may be shown: nothing before them failed, or was
    skipped unchecked."""
    bad = doomed(work.graph, {*work.failing, *progress.skipped, *progress.failed})
    return {
        each
        for each in work.graph.views
        if each not in bad and (each in progress.built or work.inventory.snapshot(each) is not None)
    }


def shown(work: Work, progress: Progress) -> dict[str, Published]:
    """What the environment is to show: trusted nodes as they should be; others, and those not
    chosen, as they were. A branch shows production's tables of what was not chosen and that it
    never showed."""
    good = trusted(work, progress) & work.chosen
    in_part = work.options.chosen is not None and not work.options.whole
    kept = (
        work.inventory.shows if in_part else work.inventory.shows.keys() & work.graph.views.keys()
    )
    found = {
        identifier: work.inventory.shows[identifier]
        for identifier in kept
        if identifier not in good
    }
    rest = work.graph.views.keys() - work.chosen - found.keys()
    found |= {
        each: replace(work.inventory.production[each], view=work.graph.views[each])
        for each in rest & work.inventory.production.keys()
    }
    taken = {
        work.graph.views[each].lower() for each in good
    }  # of two nodes with one view, the old one goes
    found = {each: old for each, old in found.items() if old.view.lower() not in taken}
    for identifier in good:
        snapshot = snapshot_of(work, progress, identifier)
        fingerprint = work.graph.wholes[identifier]
        view = work.graph.views[identifier]
        found[identifier] = Published(identifier, view, snapshot.id, snapshot.table, fingerprint)
    return found


def _published(
    warehouse: Warehouse, work: Work, progress: Progress, origin: Origin, run_id: str
) -> _Published:
    """Write the files of exposures aside, publish, then put the files in place."""
    environment = work.environment
    shows = shown(work, progress)
    with docked(
        warehouse, work.root, environment.production_schema, run_id, needed=bool(work.deliveries)
    ) as dock:
        written = _write_files(dock, work, progress, shows)
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
        )
        outcome = warehouse.publications.publish(publication)
        ends = {each.delivery.node: hand_over(dock, environment.schema, each) for each in written}
    delivered = tuple(node for node, end in ends.items() if end.fault is None)
    faults = {
        node: f"{end.fault} Mend it, then run again." for node, end in ends.items() if end.fault
    }
    _give_up(warehouse, work, delivered)
    return _Published(
        outcome, delivered, faults, {node: end.kept for node, end in ends.items() if end.kept}
    )


def _give_up(warehouse: Warehouse, work: Work, delivered: Collection[str]) -> None:
    """Forget files that no exposure writes any more. A branch's go; production's stay, as somebody
    may read them.

    delivered: the exposures whose new file was recorded just now, in the place of the old one.
    """
    folder = work.root.home.resolve() / exposures_folder(work.environment.schema)
    for each in work.left:
        place = work.places.of_delivered(each)
        if not work.environment.is_production and place.resolve().is_relative_to(folder):
            with suppress(OSError):
                remove_whole(place)
        if each.node not in delivered:
            warehouse.deliveries.record(
                work.environment.schema, replace(each, snapshot="", content=None)
            )


def _write_files(
    dock: Dock, work: Work, progress: Progress, shows: Mapping[str, Published]
) -> list[Written]:
    good = trusted(work, progress)
    written = []
    for identifier in work.deliveries:
        read = work.graph.inputs[identifier][0]
        if read in good:
            definition = work.graph.node(identifier).definition
            path = work.places.of(work.graph.node(identifier))
            delivery = Delivery(
                identifier, work.inventory.wanted(identifier), path, shows[read].table, definition
            )
            written.append(write_aside(dock, delivery))
    return written
