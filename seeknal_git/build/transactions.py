"""Gather the steps of a worker in transactions, and take steps again if theirs is undone.

A node that takes a moment is committed at once, smaller ones are committed together, also with
those that read them. So a run that is killed loses the nodes it was just building, and small ones
of at most half a second; in a lake, five seconds.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from seeknal_git.build.failures import FAILURES
from seeknal_git.sql.engine import Overtaken, SqlError
from seeknal_git.warehouse.protocol import Builder

_RETRY_PAUSE_SECONDS = 0.1
_ATTEMPTS = 5  # of a step whose commit others are in the way of
# A commit is worth its time after a step that takes ten times as long, or after many steps.
LONG_STEP, _MANY_STEPS = 10, 100


@dataclass(frozen=True, slots=True)
class Step:
    """Building a table, or making a check: it can be taken again if the transaction is undone."""

    node: str
    # Returns whether it is done: a long one is taken in stages.
    take: Callable[[Builder], bool]
    check: int | None = None  # its number


@dataclass(slots=True)
class Worker:
    """One thread's builder, and the steps that it has not committed yet."""

    builder: Builder
    commit_seconds: float  # that a commit takes, about
    stopping: threading.Event  # set once the run is to end
    failed: Mapping[str, str]  # the nodes of the run that failed so far
    forget: Callable[[str], None]  # called with a node whose table was undone
    lose: Callable[[str, Exception], None]  # called with a node if a step cannot be taken again
    # Whether a node that was undone cannot be built again, as a node that it reads was lost; such a
    # node is skipped then.
    skipped: Callable[[str], bool]
    uncommitted: list[Step] = field(default_factory=list)
    busy: threading.Lock = field(default_factory=threading.Lock)


def take(worker: Worker, step: Step, attempts: int = 1) -> None:
    """Take a step, and commit if enough has gathered, and after each stage but the last. A failure
    undoes the uncommitted steps before it too, so these are taken again. Raises one of FAILURES if
    the last attempt fails."""
    while not _is_done(worker, step, attempts):
        commit(worker)
        if worker.stopping.is_set() or step.node in worker.failed:
            return


def _is_done(worker: Worker, step: Step, attempts: int) -> bool:
    """Take a step, or a stage of it; whether it is done."""
    for attempt in range(1, attempts + 1):
        started = time.perf_counter()
        try:
            is_done = step.take(worker.builder)
            break
        except FAILURES:
            undone, worker.uncommitted = worker.uncommitted, []
            worker.builder.undo()
            if not _taken_together(worker, undone):
                _take_again(worker, undone)
            if attempt == attempts or worker.stopping.is_set():
                raise
            time.sleep(_RETRY_PAUSE_SECONDS * attempt)
    worker.uncommitted.append(step)
    is_long = time.perf_counter() - started >= LONG_STEP * worker.commit_seconds
    is_due = is_long or worker.builder.open_for >= _MANY_STEPS * worker.commit_seconds
    # The answer that failed a node is final, also if its table could be another one next time.
    if is_due or step.node in worker.failed:
        commit(worker)
    return is_done


def _take_whole(worker: Worker, step: Step) -> None:
    """Take a step to its end, in one transaction."""
    while not step.take(worker.builder):
        pass


def commit(worker: Worker) -> None:
    """Commit the steps together. If that fails, take each again, so that each fails by itself."""
    steps, worker.uncommitted = worker.uncommitted, []
    try:
        worker.builder.commit()
    except SqlError:
        _take_again(worker, steps)


def _taken_together(worker: Worker, undone: Sequence[Step]) -> bool:
    """Take steps that another one's failure undid once more, in one transaction; whether that
    worked."""
    _forget(worker, undone)
    if worker.stopping.is_set():
        return False
    try:
        for step in undone:
            _take_whole(worker, step)
        worker.builder.commit()
    except FAILURES:
        worker.builder.undo()
        return False
    return True


def _take_again(worker: Worker, undone: Sequence[Step]) -> None:
    """Take steps that were undone once more, each in a transaction of its own."""
    _forget(worker, undone)
    lost: set[str] = set()
    for step in undone:
        if worker.stopping.is_set() or step.node in lost:
            continue
        if worker.skipped(step.node):
            lost.add(step.node)
            continue
        try:
            _take_alone(worker, step)
        except FAILURES as exc:
            lost.add(step.node)
            worker.lose(step.node, exc)


def _take_alone(worker: Worker, step: Step) -> None:
    """Take a step in a transaction of its own, and again if somebody else commits first."""
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            _take_whole(worker, step)
            worker.builder.commit()
            return
        except FAILURES as exc:
            worker.builder.undo()
            if not isinstance(exc, Overtaken) or attempt == _ATTEMPTS:
                raise
        if step.check is None:
            worker.forget(step.node)
        time.sleep(random.uniform(0, _RETRY_PAUSE_SECONDS) * attempt)


def _forget(worker: Worker, undone: Sequence[Step]) -> None:
    for step in undone:
        if step.check is None:
            worker.forget(step.node)
