"""Build and check what a piece of work asks for, layer by layer. What was finished stays, whatever
happens next."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial

from seeknal_git.build.failed_checks import verdict
from seeknal_git.build.work import Work, violates
from seeknal_git.errors import FileFault, ProjectError, SeeknalError
from seeknal_git.nodes.node import Node
from seeknal_git.project.contract import Reader, reader_now
from seeknal_git.project.graph import Graph
from seeknal_git.project.raw_data import Opened
from seeknal_git.sql.engine import SqlError
from seeknal_git.sql.engine_version import exactly
from seeknal_git.sql.statement import Reading, over_tables
from seeknal_git.warehouse.interrupt import interruptible
from seeknal_git.warehouse.model import Audit, Blueprint, Question, Snapshot, relation
from seeknal_git.warehouse.protocol import Builder, Warehouse

_RETRY_PAUSE_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a node during a run.

    what: `layer`, `start`, `built`, `warned`, `failed`, `skipped` or `done`; layer: its number, of
    how many.
    """

    what: str
    node: str
    message: str = ""
    rows: int = 0
    seconds: float = 0.0
    layer: tuple[int, int] = (0, 0)


Report = Callable[[Event], None]


@dataclass(slots=True)
class Progress:
    """What a run has done so far: snapshots by node, why nodes failed, which were skipped, and the
    answers of checks by node and number."""

    built: dict[str, Snapshot] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)
    answers: dict[tuple[str, int], Audit] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Session:
    """A worker's builder, and whether the worker uses it at the moment."""

    builder: Builder
    busy: threading.Lock = field(default_factory=threading.Lock)


@dataclass(frozen=True, slots=True)
class _Site:
    """Where the building goes on: everything that each step needs."""

    warehouse: Warehouse
    work: Work
    report: Report
    progress: Progress
    taken: frozenset[str]
    """Names of snapshot tables, in lower case: asked once, as the engine walks its catalog to answer."""
    made: dict[str, Snapshot] = field(default_factory=dict)
    """Snapshot id → what this run built: nodes that say the same share one table."""
    making: Mapping[str, threading.Lock] = field(default_factory=dict)
    sessions: dict[int, _Session] = field(default_factory=dict)
    stopping: threading.Event = field(default_factory=threading.Event)
    opening: threading.Lock = field(default_factory=threading.Lock)
    """Held while a session is opened, so that none is once the run ends."""


def execute(warehouse: Warehouse, work: Work, report: Report) -> Progress:
    """Build and check everything; failures are in the result."""
    taken = frozenset(map(str.lower, warehouse.snapshots.tables()))
    making = {work.wanted[each]: threading.Lock() for each in work.reasons}
    site = _Site(warehouse, work, report, Progress(), taken, making=making)
    try:
        interruptible(partial(_build_layers, site), partial(_stop, site))
    finally:
        _close(site)
    return site.progress


def _stop(site: _Site) -> list[Builder]:
    """Begin nothing new; returns the builders to interrupt."""
    with site.opening:
        site.stopping.set()
        return [each.builder for each in site.sessions.values()]


def _close(site: _Site) -> None:
    """Close all sessions. If the run broke off, some threads may still be at work: the engine ends
    the whole process if a connection is closed under them, so they are interrupted and waited
    for."""
    _stop(site)
    for each in site.sessions.values():
        while not each.busy.acquire(timeout=_RETRY_PAUSE_SECONDS):
            each.builder.interrupt()
        each.builder.close()


def _build_layers(site: _Site) -> None:
    work = site.work
    with _side_by_side(work.options.workers, max(map(len, work.layers), default=0)) as build_all:
        for layer in work.layers:
            site.report(Event("layer", "", layer=(work.graph.layer_of[layer[0]], work.graph.depth)))
            _fail_again(site, layer)
            failed = site.progress.failed
            lost = doomed(work.graph, failed)
            _skip(site, [each for each in layer if each in lost and each not in failed])
            build_all(
                partial(_build_unless_stopped, site), [each for each in layer if each not in lost]
            )


def _fail_again(site: _Site, layer: Sequence[str]) -> None:
    """What failed in an earlier run on the same data fails still: a run ends like the one before
    it."""
    work, failed = site.work, site.progress.failed
    if failed and not work.options.keep_going:
        return
    lost = doomed(work.graph, failed)
    for each in layer:
        if each in work.failing and each not in lost:
            failed[each] = known_failure(work, each)
            site.report(Event("failed", each, failed[each]))
            site.report(Event("done", each))


def known_failure(work: Work, identifier: str) -> str:
    """What an earlier run said of a node that fails still."""
    node = work.graph.node(identifier)
    number = work.failing[identifier][0]
    return verdict(node.path, node.checks[number], work.audits[work.answer_id(identifier, number)])


def doomed(graph: Graph, failed: Iterable[str]) -> set[str]:
    """What a failure takes with it: the node, of a rule its inputs too, and everything behind
    them."""
    roots = set(failed)
    roots |= {each for one in roots if graph.node(one).kind == "rule" for each in graph.inputs[one]}
    return roots | graph.downstream(roots)


def _skip(site: _Site, nodes: Sequence[str]) -> None:
    for each in nodes:
        site.progress.skipped.append(each)
        site.report(Event("skipped", each, "something before it failed"))


@contextmanager
def _side_by_side(
    workers: int, widest: int
) -> Iterator[Callable[[Callable[[str], None], Sequence[str]], None]]:
    """A way to call a function for several nodes: by threads that last for a whole run, or one
    after the other."""

    def one_by_one(function: Callable[[str], None], nodes: Sequence[str]) -> None:
        for each in nodes:
            function(each)

    if min(workers, widest) <= 1:
        yield one_by_one
        return
    from joblib import Parallel, delayed

    with Parallel(n_jobs=workers, backend="threading") as pool:
        yield lambda function, nodes: pool(delayed(function)(each) for each in nodes)


def _build_unless_stopped(site: _Site, identifier: str) -> None:
    """The first failure stops a run, but for what is being built at that moment."""
    session = _session(site)
    if session is None:
        return
    if site.progress.failed and not site.work.options.keep_going:
        _skip(site, [identifier])
        return
    with session.busy:
        site.report(Event("start", identifier))
        if why := _failure(site, session.builder, identifier):
            if site.stopping.is_set():
                return
            site.progress.failed[identifier] = why
            site.report(Event("failed", identifier, why))
        site.report(Event("done", identifier))


def _failure(site: _Site, builder: Builder, identifier: str) -> str | None:
    """Build and check a node; returns why it failed, if it did. It may be the machine's fault as
    well as the SQL's: a disk that is full, a file or a blob that is gone, no memory left."""
    try:
        _build_and_check(site, builder, identifier)
    except _NodeFailed as exc:
        return str(exc)
    except (SeeknalError, OSError, MemoryError) as exc:
        return f"{_in_words(exc)} ({site.work.graph.node(identifier).path})"
    return None


def _in_words(exc: SeeknalError | OSError | MemoryError) -> str:
    if isinstance(exc, ProjectError):
        return " ".join(f"{each.message} {each.hint or ''}".strip() for each in exc.problems)
    if isinstance(exc, SeeknalError):
        return f"{exc.message} {exc.hint or ''}".strip()
    if isinstance(exc, OSError):
        return f"{exc.strerror or exc}{f': {exc.filename}' if exc.filename else ''}"
    return "There is not enough memory."


class _NodeFailed(Exception):
    """The engine refused a node: its message, with the file and line."""


def _refused(exc: SqlError, node: Node) -> _NodeFailed:
    line = "" if node.kind == "source" or exc.line is None else f":{node.sql_line + exc.line - 1}"
    return _NodeFailed(f"{exc.message} ({node.path}{line})")


def _build_and_check(site: _Site, builder: Builder, identifier: str) -> None:
    if identifier in site.work.reasons:
        wanted = site.work.wanted[identifier]
        with site.making[wanted]:
            snapshot = site.made.get(wanted) or _built(site, builder, identifier)
            site.made[wanted] = snapshot
        site.progress.built[identifier] = snapshot
        site.report(Event("built", identifier, rows=snapshot.rows, seconds=snapshot.seconds))
    for number in site.work.checks.get(identifier, ()):
        _judge(site, identifier, number, _answered(site, builder, identifier, number))


def _session(site: _Site) -> _Session | None:
    """This thread's session; None once the run is stopped."""
    with site.opening:
        if site.stopping.is_set():
            return None
        thread = threading.get_ident()
        if thread not in site.sessions:
            site.sessions[thread] = _Session(site.warehouse.builder())
        return site.sessions[thread]


def _built(site: _Site, builder: Builder, identifier: str) -> Snapshot:
    """Build a node, as often as the options allow."""
    node, blueprint = site.work.graph.node(identifier), _blueprint(site, identifier)
    if node.kind != "source":
        return _attempted(site, builder, node, blueprint)
    with site.work.root.opened(node) as opened:
        if opened.version != blueprint.data_version:
            raise _NodeFailed(
                f"{node.definition['path']} changed while it was read; run again ({node.path})"
            )
        reader = _reader(site, node)
        files = replace(
            blueprint,
            sql=reader.sql,
            parameters={"files": [exactly(path) for path in opened.paths]},
            dialect=reader.dialect,
        )
        try:
            return _attempted(site, builder, node, files, partial(_refuse_moving_data, opened))
        except _NodeFailed as exc:
            raise _NodeFailed(opened.in_words(str(exc))) from exc


def _reader(site: _Site, source: Node) -> Reader:
    try:
        return reader_now(source, site.work.root)
    except ProjectError as exc:
        raise _NodeFailed(
            "; ".join(f"{each.message} ({each.path}:{each.line})" for each in exc.problems)
        ) from exc


def _attempted(
    site: _Site,
    builder: Builder,
    node: Node,
    blueprint: Blueprint,
    confirm: Callable[[], None] = lambda: None,
) -> Snapshot:
    for attempt in range(site.work.options.retry + 1):
        time.sleep(_RETRY_PAUSE_SECONDS * attempt)
        try:
            snapshot = builder.build(blueprint, site.taken, confirm)
            builder.commit()
        except SqlError as exc:
            last = exc
        else:
            return snapshot
    raise _refused(last, node) from last


def _blueprint(site: _Site, identifier: str) -> Blueprint:
    work = site.work
    member = work.graph.members[identifier]
    sql = member.node.sql or ""
    if member.sql:
        sql = _over_tables(site, sql, member.sql, work.graph.targets[identifier][0])
    return Blueprint(
        id=work.wanted[identifier],
        identity=work.identities[identifier].text,
        build=work.identities[identifier].build,
        unstable=work.graph.is_unstable(identifier),
        node=identifier,
        name=member.node.name,
        fingerprint=work.graph.fingerprints[identifier].whole,
        data_version=work.versions.get(identifier),
        sql=sql,
        parameters={},
    )


def _over_tables(site: _Site, sql: str, reading: Reading, targets: Sequence[str]) -> str:
    """A statement with its references replaced by the snapshots that they mean."""
    tables = {
        target: relation(snapshot_of(site.work, site.progress, target).table) for target in targets
    }
    return over_tables(sql, reading, targets, tables)


def snapshot_of(work: Work, progress: Progress, identifier: str) -> Snapshot:
    return progress.built.get(identifier) or work.there[work.wanted[identifier]]


def _refuse_moving_data(opened: Opened) -> None:
    """A file that changed while it was read is neither the old load nor the new one."""
    try:
        opened.confirm()
    except FileFault as exc:
        raise SqlError(f"{exc.message} {exc.hint}".rstrip(".")) from exc


def _answered(site: _Site, builder: Builder, identifier: str, number: int) -> Audit:
    work, member = site.work, site.work.graph.members[identifier]
    check, targets = member.node.checks[number], work.graph.targets[identifier][number + 1]
    sql = _over_tables(site, check.sql, member.checks[number], targets)
    table = snapshot_of(work, site.progress, targets[0]).table if targets else None
    question = Question(work.answer_id(identifier, number), identifier, check.name, sql, table)
    try:
        audit = builder.check(question)
        builder.commit()
    except SqlError as exc:
        raise _NodeFailed(f"{check.name}: {exc.message} ({member.node.path}:{check.line})") from exc
    return audit


def _judge(site: _Site, identifier: str, number: int, audit: Audit) -> None:
    node, progress = site.work.graph.node(identifier), site.progress
    check = node.checks[number]
    progress.answers[identifier, number] = audit
    if not violates(check, audit):
        return
    message = verdict(node.path, check, audit)
    if check.severity == "warn":
        site.report(Event("warned", identifier, message))
    elif identifier not in progress.failed:
        progress.failed[identifier] = message
        site.report(Event("failed", identifier, message))
