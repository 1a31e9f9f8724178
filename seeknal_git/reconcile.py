"""Make an environment match a graph: execute the work, then publish what can be trusted, and record how it ended.

`run` and `promote` are both this; they differ in where the graph comes from, and in whether a part may be published.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from seeknal_git.answers import Violation, known_answers, violations, with_samples
from seeknal_git.cache import Cache
from seeknal_git.errors import RunFailed, SeeknalError
from seeknal_git.execute import Progress, Report, doomed, execute, known_failure, snapshot_of
from seeknal_git.exposures import content_of
from seeknal_git.names import BRANCHES_FILES, exposures_folder
from seeknal_git.warehouse import state
from seeknal_git.warehouse.build import deliver, remove, write_exposure
from seeknal_git.warehouse.connection import Warehouse
from seeknal_git.warehouse.interrupt import interruptible
from seeknal_git.warehouse.publish import Outcome, Publication, need_places, publish
from seeknal_git.warehouse.sql import SqlError
from seeknal_git.warehouse.state import Delivery, Published
from seeknal_git.work import Work, tables_of

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True, slots=True)
class Origin:
    """Where what is published comes from: a commit, its author, the command that publishes it, and the branch that
    came in with the commit, where that is known."""

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
    """How it ended. outcome: None where nothing was published; failures: node → why; held_back: nodes not published;
    delivered: exposures whose file was written and put in place; violations: the checks that do not hold, also those
    that an earlier run has answered: nobody is to think that they are mended."""

    work: Work
    progress: Progress
    outcome: Outcome | None
    failures: Mapping[str, str]
    held_back: tuple[str, ...] = ()
    delivered: tuple[str, ...] = ()
    violations: tuple[Violation, ...] = ()
    replaces: str | None = None  # who had published the environment, if that was another clone


def without_rows(done: Reconciled) -> Reconciled:
    """The same, fit for a log that others read: rows may be personal data."""
    return replace(done, violations=tuple(replace(each, sample=None) for each in done.violations))


def reconcile(warehouse: Warehouse, work: Work, origin: Origin, report: Report) -> Reconciled:
    """Build, check and publish. Where something failed, publish the rest, or with the option `all_or_nothing`
    nothing at all.

    Raises RunFailed where an exposure cannot be written; nothing is published then.
    """
    connection, schema, run_id = warehouse.connection, work.target.schema, uuid.uuid4().hex
    state.begin_run(connection, run_id, schema, origin.command)
    try:
        need_places(connection, schema, (work.graph.views[each] for each in work.repoint if each in work.chosen))
        progress = execute(warehouse, work, report)
        failures = {each: known_failure(work, each) for each in work.failing} | progress.failed
        outcome, delivered, undelivered = (
            (None, (), {})
            if failures and work.options.all_or_nothing
            else _published(warehouse, work, progress, origin)
        )
        failures |= undelivered
    except SeeknalError as exc:
        state.end_run(connection, run_id, "failed", str(exc))
        raise
    except KeyboardInterrupt:
        state.end_run(connection, run_id, "interrupted", "it was interrupted")
        raise
    message = "; ".join(f"{node}: {why}" for node, why in failures.items())
    state.end_run(connection, run_id, "failed" if failures else "succeeded", message or None)
    good = trusted(work, progress)
    held_back = tuple(each for each in work.graph.views if each not in good) if failures else ()
    found = _violations(warehouse, work, progress)
    if outcome is not None:
        _record_warnings(connection, work, found)
    return Reconciled(work, progress, outcome, failures, held_back, delivered, found)


def _violations(warehouse: Warehouse, work: Work, progress: Progress) -> tuple[Violation, ...]:
    """The checks that do not hold, with some rows of each."""
    connection = warehouse.connection
    tables = tables_of(work, progress.built)
    shown = {node: each.table for node, each in state.published(connection, work.target.schema).items()}
    found = violations(work, known_answers(work) | progress.answers, tables, shown)
    look = partial(with_samples, connection, work, found, tables, progress.answers.keys())
    return tuple(interruptible(look, lambda: [connection])) if found else ()


def _record_warnings(connection: duckdb.DuckDBPyConnection, work: Work, found: Sequence[Violation]) -> None:
    """Write down the warnings with the publication; those about nodes that were not chosen stay."""
    schema = work.target.schema
    old = [each for each in state.warnings(connection, schema) if each.partition(": ")[0] not in work.chosen]
    kept = old if work.options.chosen is not None else []
    state.record_warnings(
        connection, schema, [*kept, *(f"{each.node}: {each.message}" for each in found if not each.fails)]
    )


def trusted(work: Work, progress: Progress) -> set[str]:
    """The nodes that yield a table, have it, and may be shown: nothing before them failed, or was skipped unchecked."""
    bad = doomed(work.graph, {*work.failing, *progress.skipped, *progress.failed})
    return {
        each
        for each in work.graph.views
        if each not in bad and (each in progress.built or work.wanted[each] in work.there)
    }


def shown(work: Work, progress: Progress) -> dict[str, Published]:
    """What the environment is to show: trusted nodes as they should be; others, and those not chosen, as they were. A
    branch shows production's tables of what was not chosen and that it never showed."""
    good = trusted(work, progress) & work.chosen
    in_part = work.options.chosen is not None and not work.options.whole
    kept = work.shows if in_part else work.shows.keys() & work.graph.views.keys()
    found = {identifier: work.shows[identifier] for identifier in kept if identifier not in good}
    rest = work.graph.views.keys() - work.chosen - found.keys()
    found |= {
        each: replace(work.production[each], view=work.graph.views[each]) for each in rest & work.production.keys()
    }
    taken = {work.graph.views[each].lower() for each in good}  # of two nodes with one view, the old one goes
    found = {each: old for each, old in found.items() if old.view.lower() not in taken}
    for identifier in good:
        snapshot = snapshot_of(work, progress, identifier)
        fingerprint = work.graph.fingerprints[identifier].whole
        view = work.graph.views[identifier]
        found[identifier] = Published(identifier, view, snapshot.id, snapshot.table, fingerprint)
    return found


def _published(
    warehouse: Warehouse, work: Work, progress: Progress, origin: Origin
) -> tuple[Outcome, tuple[str, ...], dict[str, str]]:
    """Write the files of exposures aside, publish, then put the files in place; tells those that are, and those that
    could not be, with the reason."""
    connection, target = warehouse.connection, work.target
    shows = shown(work, progress)
    written = _write_files(warehouse, work, progress, shows)
    publication = Publication(
        target.schema, target.branch, origin.commit, origin.author, origin.command, shows, progress.built,
        time.monotonic() - origin.started, origin.merged, base=origin.base,
        publisher=origin.publisher, clone=origin.clone, edited=origin.edited,
    )  # fmt: skip
    outcome = publish(connection, publication)
    undelivered: dict[str, str] = {}
    for delivery, path in written:
        try:
            hand_over(connection, target.schema, delivery, path, work.root.cache)
        except OSError as exc:
            undelivered[delivery.node] = f"{delivery.path} cannot be replaced: {exc.strerror}. Mend it, then run again."
    delivered = tuple(each.node for each, _ in written if each.node not in undelivered)
    _give_up(connection, work, delivered)
    return outcome, delivered, undelivered


def _give_up(connection: duckdb.DuckDBPyConnection, work: Work, delivered: Collection[str]) -> None:
    """Forget files that no exposure writes any more. A branch's go; production's stay, as somebody may read them.

    delivered: the exposures whose new file was recorded just now, in the place of the old one.
    """
    folder = work.root.home.resolve() / exposures_folder(work.target.schema)
    for each in work.left:
        place = work.places.of_delivered(each)
        if not work.target.is_production and place.resolve().is_relative_to(folder):
            with suppress(OSError):
                remove(place)
        if each.node not in delivered:
            state.record_exposure(connection, work.target.schema, replace(each, snapshot="", content=None))


def _write_files(
    warehouse: Warehouse, work: Work, progress: Progress, shows: Mapping[str, Published]
) -> list[tuple[Delivery, Path]]:
    """What is delivered, and where it was written."""
    good = trusted(work, progress)
    ours = state.exposure_paths(warehouse.connection)
    written = []
    for identifier in work.deliveries:
        read = work.graph.inputs[identifier][0]
        if read in good:
            definition = work.graph.node(identifier).definition
            path = work.places.of(work.graph.node(identifier))
            delivery = Delivery(identifier, work.wanted[identifier], path, shows[read].table, definition)
            written.append((delivery, write_aside(warehouse, work.root.home, delivery, ours)))
    return written


def write_aside(warehouse: Warehouse, home: Path, delivery: Delivery, ours: set[str]) -> Path:
    """Write a file beside its place, and return where. home: the project's folder in the data root; ours: every
    path that was delivered to. Raises RunFailed."""
    node, path = delivery.node, delivery.path
    assert delivery.table is not None
    assert delivery.definition is not None
    _refuse_what_is_not_ours(node, path, home, warehouse)
    if not path.is_relative_to(home / BRANCHES_FILES):
        _refuse_a_folder_of_others(node, path, ours)
    try:
        return write_exposure(warehouse.connection, delivery.table, delivery.definition, path)
    except SqlError as exc:
        raise RunFailed(f"{node} cannot be written to {path}: {exc.message}", _NOTHING) from exc


def hand_over(
    connection: duckdb.DuckDBPyConnection, schema: str, delivery: Delivery, written: Path, cache: Cache
) -> None:
    """Put a file in place, and write that down. In between the state says of neither file that it is there: whoever is
    killed then delivers again, whichever way production goes on."""
    state.record_exposure(connection, schema, replace(delivery, snapshot=""))
    delivery = replace(delivery, content=content_of(written, cache))
    deliver(written, delivery.path)
    state.record_exposure(connection, schema, delivery)


_NOTHING = "Nothing was published. Mend it, or give the exposure another path, then run again."


def _refuse_what_is_not_ours(identifier: str, path: Path, home: Path, warehouse: Warehouse) -> None:
    """No delivery over the warehouse and the files beside it, or through a link that leaves the project."""
    real = path.parent.resolve() / path.name
    if f"{real}.".startswith(f"{warehouse.path.resolve()}."):
        raise RunFailed(f"{identifier} cannot be written to {path}: the warehouse is there.", _NOTHING)
    if path.is_symlink() or not real.is_relative_to(home.resolve()):
        raise RunFailed(f"{identifier} cannot be written to {path}: a link there leads elsewhere.", _NOTHING)


def _refuse_a_folder_of_others(identifier: str, path: Path, ours: set[str]) -> None:
    """A delivery replaces what is at its path: that has to be an earlier delivery, or a single file."""
    if path.is_dir() and any(path.iterdir()) and str(path) not in ours:
        raise RunFailed(f"{identifier} would replace the folder {path}, which holds something else.", _NOTHING)
