"""The task of a worker in another process: build a table and make the checks of its nodes.

A task is SQL, ids, and the way to the lake. The worker finds secrets in a profile and variables of
its own machine, opens the lake as a run does, and commits each table together with its record. So a
task may be given again if its worker died: the table is found then, and not made twice.
"""

from __future__ import annotations

import platform
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from seeknal_git.build.failures import FAILURES, without_place
from seeknal_git.build.transactions import Step, Worker, commit, take
from seeknal_git.errors import WarehouseError
from seeknal_git.names import SPILL
from seeknal_git.project.lake_place import Directions
from seeknal_git.sql.engine import SqlError
from seeknal_git.sql.sandbox import Reach
from seeknal_git.warehouse.location import Lake
from seeknal_git.warehouse.model.snapshots import Audit, AuditQuery, Blueprint, Snapshot
from seeknal_git.warehouse.opening import open_warehouse
from seeknal_git.warehouse.protocol import Builder, Warehouse


@dataclass(frozen=True, slots=True)
class Question:
    """A check to make."""

    node: str
    number: int
    query: AuditQuery
    again: bool  # whether it is asked although there is an answer


@dataclass(frozen=True, slots=True)
class Task:
    """A table to build, if there is one, and checks to make then."""

    number: int
    run: str  # an id
    directions: Directions
    blueprint: Blueprint | None
    taken: tuple[str, ...]  # as in Builder.build
    questions: tuple[Question, ...]
    attempts: int  # to build the table


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why the lake, or its engine, refused something."""

    message: str
    line: int | None = None

    def raise_again(self) -> None:
        """Raise the refusal as SqlError."""
        raise SqlError(self.message, self.line)


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer of a worker to a question."""

    question: Question
    audit: Audit | None
    seconds: float
    refusal: Refusal | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """The outcome of a task. If its table was refused, nothing was checked."""

    number: int
    snapshot: Snapshot | None = None
    answers: tuple[Answer, ...] = ()
    refusal: Refusal | None = None


def perform(task: Task) -> Done:
    """Do a task, in the worker's process. Refusals are in the result."""
    _ignore_interrupts()
    try:
        with _opened(task) as engine:
            return _performed(engine, task)
    except FAILURES as exc:
        return Done(task.number, refusal=Refusal(f"{without_place(exc)} (on {platform.node()})"))


def dask_setup(_worker: object) -> None:
    """Begin a worker of a Dask cluster that a run has begun on its own machine."""
    _ignore_interrupts()


def _ignore_interrupts() -> None:
    """Leave Ctrl-C to the run, which ends its workers."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def _performed(engine: _Engine, task: Task) -> Done:
    made: list[Snapshot] = []
    if blueprint := task.blueprint:

        def build(builder: Builder) -> bool:
            made[:] = [builder.build(blueprint, task.taken)]
            return True

        if refusal := engine.taken(Step(blueprint.node, build), task.attempts):
            return Done(task.number, refusal=refusal)
    refused: set[str] = set()
    answers = list[Answer]()
    for question in task.questions:
        if question.node not in refused:
            answer = _answer(engine, question)
            answers.append(answer)
            refused |= {question.node} if answer.refusal else set()
    return Done(task.number, made[0] if made else None, tuple(answers))


def _answer(engine: _Engine, question: Question) -> Answer:
    """Make a check, unless a worker that died has made it already."""
    started = time.perf_counter()
    if not question.again and (known := engine.known(question.query)):
        return Answer(question, known, time.perf_counter() - started)
    made: list[Audit] = []

    def check(builder: Builder) -> bool:
        made[:] = [builder.check(question.query)]
        return True

    refusal = engine.taken(Step(question.node, check, question.number))
    seconds = time.perf_counter() - started
    return Answer(question, None if refusal else made[0], seconds, refusal)


# The engine of a process


@dataclass(slots=True)
class _Engine:
    """A lake that a process keeps open between its tasks. One thread at a time uses it: it has all
    the memory, and its queries all the cores."""

    warehouse: Warehouse
    open_: ExitStack

    def taken(self, step: Step, attempts: int = 1) -> Refusal | None:
        """Take a step and commit it. Returns why that was refused."""
        lost: list[Exception] = []
        builder = self.warehouse.builder()
        worker = Worker(
            builder=builder,
            commit_seconds=self.warehouse.commit_seconds,
            stopping=threading.Event(),
            failed={},
            forget=lambda _: None,
            lose=lambda _, exc: lost.append(exc),
            skipped=lambda _: False,
        )
        try:
            take(worker, step, attempts)
            commit(worker)
        except FAILURES as exc:
            lost.append(exc)
        finally:
            builder.close()
        return _refusal(lost[0]) if lost else None

    def known(self, query: AuditQuery) -> Audit | None:
        """The answer to a check that was made."""
        own = query.ids[0]
        return self.warehouse.snapshots.audits([own]).get(own)


def _refusal(exc: Exception) -> Refusal:
    return Refusal(without_place(exc), exc.line if isinstance(exc, SqlError) else None)


_engines: dict[tuple[str, Directions], _Engine] = {}
_in_use = threading.Lock()


@contextmanager
def _opened(task: Task) -> Iterator[_Engine]:
    """The lake of a task. A process keeps that of one run: profiles may change until the next."""
    key = (task.run, task.directions)
    with _in_use:
        for other in [other for other in _engines if other != key]:
            _engines.pop(other).open_.close()
        if key not in _engines:
            _engines[key] = _open(_lake(task.directions))
        yield _engines[key]


def _open(lake: Lake) -> _Engine:
    """Open a lake as a run does: the engine is confined, and SQL reaches the lake alone."""
    if lake.folder is not None and not lake.folder.is_dir():
        raise WarehouseError(
            f"There is no folder {lake.folder}, where the rows of the warehouse are.",
            "Workers need it under this name; or let `warehouse.data` be an object store.",
        )
    with ExitStack() as stack:
        spill = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="seeknal-")))
        warehouse = stack.enter_context(
            open_warehouse(lake, None, reach=Reach(spill=spill / SPILL))
        )
        return _Engine(warehouse, stack.pop_all())


def _lake(directions: Directions) -> Lake:
    """The lake, by the profile on this machine: in the project's folder, or where the worker was
    started. The run has made sure that git does not track it."""
    places = directions.places
    folders = [folder for folder in places.folders if folder.is_dir()]
    file = places.file if places.file and places.file.is_file() else None
    here = replace(places, folders=tuple(dict.fromkeys([*folders, Path.cwd()])), file=file)
    return replace(directions, places=here).lake(())
