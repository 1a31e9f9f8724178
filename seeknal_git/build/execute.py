"""Build and check the nodes of a run, layer by layer."""

from __future__ import annotations

import time
from collections import deque
from functools import partial
from typing import TYPE_CHECKING

from seeknal_git.build import telling
from seeknal_git.build.check_questions import earlier_answers, question_of
from seeknal_git.build.compute import reads_row_ids
from seeknal_git.build.failures import FAILURES, in_words
from seeknal_git.build.judging import check_refused, fail, judge
from seeknal_git.build.layers import doomed, layer_of, skip
from seeknal_git.build.piece_codes import earlier_codes
from seeknal_git.build.pieces import Pieces
from seeknal_git.build.progress import Event, Progress, Report
from seeknal_git.build.schedule import Bundle, Schedule
from seeknal_git.build.site import Site
from seeknal_git.build.tables import table_of
from seeknal_git.build.transactions import LONG_STEP, Step, Worker, commit, take
from seeknal_git.build.work import Work
from seeknal_git.project.partitions import Layouts
from seeknal_git.sql.engine import SqlError
from seeknal_git.warehouse.interrupt import Busy, interruptible
from seeknal_git.warehouse.model.pieces import Stage
from seeknal_git.warehouse.protocol import Builder, Warehouse

if TYPE_CHECKING:
    from seeknal_git.build.processes import Processes
    from seeknal_git.build.python_nodes import Functions

_PAUSE_SECONDS = 0.1  # between two attempts to interrupt a worker


def execute(
    warehouse: Warehouse, work: Work, report: Report, before: Progress | None = None
) -> Progress:
    """Build and check everything; failures are in the result.

    before: the results of the same run so far, which are added to.
    """
    taken = frozenset(map(str.lower, warehouse.snapshots.tables()))
    progress = before or Progress()
    earlier = earlier_codes(work.graph, work.reasons, work.root)
    layers = deque(layer_of(work, report, progress, layer) for layer in work.layers)
    site = Site(
        warehouse,
        work,
        report,
        progress,
        Schedule(layers, LONG_STEP * warehouse.commit_seconds),
        taken,
        Pieces(work.inventory, earlier, taken, _layouts(work)),
        earlier_answers(warehouse, work),
        _functions(work),
        made={snapshot.id: snapshot for snapshot in progress.built.values()},
    )
    try:
        interruptible(partial(_build_all, site), partial(_stop, site))
    finally:
        _close(site)
    return site.progress


def _layouts(work: Work) -> Layouts:
    """The layouts of all nodes to build, found once, before workers share them."""
    layouts = Layouts(work.graph)
    for node in work.graph.structure.pieces.keys() & work.reasons.keys():
        layouts.of(node)
    return layouts


def _functions(work: Work) -> Functions | None:
    """The Python nodes of a run, if it builds any. Only then is their part of the code imported."""
    code = work.graph.structure.python & work.reasons.keys()
    if not code:
        return None
    from seeknal_git.build.python_nodes import Functions

    return Functions.of(work.graph, work.root, code)


def _stop(site: Site) -> list[Busy]:
    """Begin nothing new; returns those who are to be interrupted."""
    with site.opening:
        site.stopping.set()
        site.schedule.end()
        code = [site.functions] if site.functions else []
        pools = [sender.pool for sender in site.senders]
        return [*code, *pools, *(worker.builder for worker in site.workers)]


def _close(site: Site) -> None:
    """Close all builders. If the run broke off, some threads may still be at work: the engine ends
    the whole process if a connection is closed under them, so they are interrupted and waited
    for."""
    _stop(site)
    if site.functions:
        site.functions.interrupt()
    for sender in site.senders:
        sender.pool.close()
    for worker in site.workers:
        while not worker.busy.acquire(timeout=_PAUSE_SECONDS):
            worker.builder.interrupt()
        worker.builder.close()
    if site.functions:
        site.functions.close()


# Workers


def _build_all(site: Site) -> None:
    """Build light layers in this thread; the others, and all that come after, by several
    workers."""
    first = _hired(site, site.warehouse.builder())
    _work(site, first, alone=True)
    if site.schedule.is_empty or site.stopping.is_set():
        return
    work = site.work
    workers = min(work.options.workers, max(map(len, work.layers), default=0))
    if work.options.processes:
        workers += _hire_processes(site, work.options.processes)
    more = 0 if site.warehouse.takes_turns else workers - 1
    with site.warehouse.more_builders(more) as builders:
        others = [_hired(site, builder) for builder in builders]
        if not others:
            _work(site, first)
            return
        from joblib import Parallel, delayed

        # Threads: the engine releases the interpreter while it executes.
        pool = Parallel(n_jobs=1 + len(others), backend="threading", batch_size=1)
        pool(delayed(_work)(site, worker) for worker in [first, *others])


def _hire_processes(site: Site, processes: Processes) -> int:
    """Let processes build all that can be sent to them. Returns how many threads that takes."""
    from seeknal_git.build.backends import backend_of
    from seeknal_git.build.pools import Pool
    from seeknal_git.build.sending import Sender

    with site.opening:
        if site.stopping.is_set():
            return 0
        sender = Sender(site, processes, Pool(backend_of(processes)))
        site.senders.append(sender)
    site.schedule.gathered = sender.gathered
    return 1


def _work(site: Site, worker: Worker | None, *, alone: bool = False) -> None:
    """Let a worker build until the run ends. alone: only while layers are light."""
    if worker is None:
        return
    schedule, done = site.schedule, partial(commit, worker)
    with worker.busy, schedule.joined():
        for unit in schedule.light_units(done) if alone else schedule.units(done):
            if isinstance(unit, Bundle):
                commit(worker)
                site.senders[0].send(unit, worker.builder)
                continue
            for node in unit:
                _build_unless_failed(site, worker, node)
        commit(worker)


def _hired(site: Site, builder: Builder) -> Worker | None:
    """A worker more; None once the run is stopped."""
    with site.opening:
        if site.stopping.is_set():
            builder.close()
            return None
        worker = Worker(
            builder=builder,
            commit_seconds=site.warehouse.commit_seconds,
            stopping=site.stopping,
            failed=site.progress.failed,
            forget=partial(_forget, site),
            lose=partial(_lose, site),
            skipped=partial(_skipped, site),
        )
        site.workers.append(worker)
        return worker


def _build_unless_failed(site: Site, worker: Worker, identifier: str) -> None:
    """The first failure stops a run; the nodes that are being built at that moment are finished."""
    if site.stopping.is_set():
        return
    if site.progress.failed and not site.work.options.keep_going:
        skip([identifier], site.report, site.progress)
        return
    site.report(Event("start", identifier))
    try:
        _build_and_check(site, worker, identifier)
    except FAILURES as exc:
        if site.stopping.is_set():
            return
        fail(site, identifier, in_words(exc, site.work.graph.node(identifier).path))
    site.report(Event("done", identifier))


def _forget(site: Site, identifier: str) -> None:
    """Undo the record of a table: its transaction was undone."""
    site.progress.built.pop(identifier, None)
    site.made.pop(site.work.inventory.wanted(identifier), None)


def _lose(site: Site, identifier: str, exc: Exception) -> None:
    """Fail a node because one of its steps could not be taken again."""
    _forget(site, identifier)
    fail(site, identifier, in_words(exc, site.work.graph.node(identifier).path))


def _skipped(site: Site, identifier: str) -> bool:
    """Skip a node that was undone, if a node that it reads failed meanwhile; whether it was."""
    progress = site.progress
    failed = progress.failed
    if identifier in failed or identifier not in doomed(site.work.graph, failed):
        return False
    for answered in [key for key in progress.answers if key[0] == identifier]:
        del progress.answers[answered]
    skip([identifier], site.report, progress)
    return True


# Steps


def _build_and_check(site: Site, worker: Worker, identifier: str) -> None:
    work, built = site.work, site.progress.built
    if identifier in work.reasons:
        step = Step(identifier, partial(_build, site, identifier))
        take(worker, step, work.options.retry + 1)
        if made := built.get(identifier):
            site.report(telling.of_table(identifier, made))
    for number in work.checks.get(identifier, ()):
        if reads_row_ids(work.graph.node(identifier).checks[number].sql):
            commit(worker)
        if identifier in work.reasons and identifier not in built:
            return  # its table could not be committed
        check = partial(_check, site, identifier, number)
        take(worker, Step(identifier, check, number))


def _build(site: Site, identifier: str, builder: Builder) -> bool:
    """Build a node's table, unless another node has the same; or a stage of it. Returns whether it
    is done."""
    wanted = site.work.inventory.wanted(identifier)
    if wanted not in site.made:
        made = table_of(site, builder, identifier)
        if isinstance(made, Stage):
            return False
        site.made[wanted] = made
    site.progress.built[identifier] = site.made[wanted]
    return True


def _check(site: Site, identifier: str, number: int, builder: Builder) -> bool:
    node = site.work.graph.node(identifier)
    check, started = node.checks[number], time.perf_counter()
    try:
        question = question_of(site, builder, identifier, number)
        audit = builder.check(question)
    except SqlError as exc:
        raise check_refused(node, check, exc) from exc
    if site.work.options.verbose:
        telling.check(check.title, question, audit, time.perf_counter() - started, site.report)
    judge(site, identifier, number, audit)
    return True
