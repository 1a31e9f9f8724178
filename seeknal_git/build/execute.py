"""Build and check the nodes of a run, layer by layer."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from seeknal_git.build import telling
from seeknal_git.build.compute import (
    Statement,
    check_of,
    fails_node,
    query_of,
    reads_files,
    reads_row_ids,
    select_of,
    statement_of,
    targets_of_check,
    verdict,
    violates,
)
from seeknal_git.build.failures import FAILURES, NodeFailed, in_words
from seeknal_git.build.layers import doomed, layer_of, skip
from seeknal_git.build.pieces import Pieces
from seeknal_git.build.progress import Event, Progress, Report
from seeknal_git.build.rebuilds import is_partial
from seeknal_git.build.schedule import Schedule
from seeknal_git.build.sources_in_place import moved_words, over_kept_files, refuse_broken
from seeknal_git.build.transactions import Step, Worker, commit, take
from seeknal_git.build.work import Work
from seeknal_git.errors import FileFault, ProjectError
from seeknal_git.names import is_changes
from seeknal_git.nodes.node import Node
from seeknal_git.project.file_by_file import is_of_files
from seeknal_git.project.misfits import misfit_of
from seeknal_git.project.partitions import Layouts
from seeknal_git.project.python_columns import type_words
from seeknal_git.project.questions import broken_promises
from seeknal_git.sql.engine import SqlError
from seeknal_git.warehouse.interrupt import Busy, interruptible
from seeknal_git.warehouse.model import (
    Audit,
    AuditQuery,
    Blueprint,
    Part,
    Query,
    Snapshot,
    relation,
)
from seeknal_git.warehouse.protocol import Builder, Warehouse

if TYPE_CHECKING:
    from seeknal_git.build.files import FileLoad
    from seeknal_git.build.histories import Histories
    from seeknal_git.build.python_nodes import Functions

_PAUSE_SECONDS = 0.1  # between two attempts to interrupt a worker


@dataclass(frozen=True, slots=True)
class _Site:
    """Everything that each step of a run needs."""

    warehouse: Warehouse
    work: Work
    report: Report
    progress: Progress
    schedule: Schedule
    # Names of snapshot tables, in lower case: asked once, as the engine walks its catalog to
    # answer.
    taken: frozenset[str]
    pieces: Pieces
    # The Python nodes, if the run builds any.
    functions: Functions | None = None
    # Snapshot id → what this run built: nodes that are made of the same share one table.
    made: dict[str, Snapshot] = field(default_factory=dict)
    # Snapshot id → the SELECT over the result of a Python node.
    computed: dict[str, Statement] = field(default_factory=dict)
    # The nodes whose SQL was told: a table may be built again after its transaction was undone.
    told: set[str] = field(default_factory=set)
    workers: list[Worker] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)
    # Held while a worker is added, so that none is added once the run ends.
    opening: threading.Lock = field(default_factory=threading.Lock)


def execute(warehouse: Warehouse, work: Work, report: Report) -> Progress:
    """Build and check everything; failures are in the result."""
    taken = frozenset(map(str.lower, warehouse.snapshots.tables()))
    progress = Progress()
    layers = deque(layer_of(work, report, progress, layer) for layer in work.layers)
    pieces = Pieces(work.inventory, taken, Layouts(work.graph))
    site = _Site(
        warehouse, work, report, progress, Schedule(layers), taken, pieces, _functions(work)
    )
    try:
        interruptible(partial(_build_all, site), partial(_stop, site))
    finally:
        _close(site)
    return site.progress


def _functions(work: Work) -> Functions | None:
    """The Python nodes of a run, if it builds any. Only then is their part of the code imported."""
    code = work.graph.structure.python & work.reasons.keys()
    if not code:
        return None
    from seeknal_git.build.python_nodes import Functions

    return Functions.of(work.graph, work.root, code)


def _stop(site: _Site) -> list[Busy]:
    """Begin nothing new; returns those who are to be interrupted."""
    with site.opening:
        site.stopping.set()
        site.schedule.end()
        code = [site.functions] if site.functions else []
        return [*code, *(worker.builder for worker in site.workers)]


def _close(site: _Site) -> None:
    """Close all builders. If the run broke off, some threads may still be at work: the engine ends
    the whole process if a connection is closed under them, so they are interrupted and waited
    for."""
    _stop(site)
    if site.functions:
        site.functions.interrupt()
    for worker in site.workers:
        while not worker.busy.acquire(timeout=_PAUSE_SECONDS):
            worker.builder.interrupt()
        worker.builder.close()
    if site.functions:
        site.functions.close()


# Workers


def _build_all(site: _Site) -> None:
    """Build light layers in this thread; the others, and all that come after, by several
    workers."""
    _work(site, alone=True)
    if site.schedule.is_empty:
        return
    work = site.work
    workers = min(work.options.workers, max(map(len, work.layers), default=0))
    if workers <= 1:
        _work(site)
        return
    from joblib import Parallel, delayed

    # Threads: the engine releases the interpreter while it executes.
    pool = Parallel(n_jobs=workers, backend="threading", batch_size=1)
    pool(delayed(_work)(site) for _ in range(workers))


def _work(site: _Site, *, alone: bool = False) -> None:
    """Be one worker until the run ends. alone: only while layers are light."""
    worker = _hired(site)
    if worker is None:
        return
    schedule, done = site.schedule, partial(commit, worker)
    with worker.busy, schedule.joined():
        for twins in schedule.light_units(done) if alone else schedule.units(done):
            for node in twins:
                _build_unless_failed(site, worker, node)
        commit(worker)


def _hired(site: _Site) -> Worker | None:
    """A worker more; None once the run is stopped."""
    with site.opening:
        if site.stopping.is_set():
            return None
        worker = Worker(
            builder=site.warehouse.builder(),
            stopping=site.stopping,
            failed=site.progress.failed,
            forget=partial(_forget, site),
            lose=partial(_lose, site),
            skipped=partial(_skipped, site),
        )
        site.workers.append(worker)
        return worker


def _build_unless_failed(site: _Site, worker: Worker, identifier: str) -> None:
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
        _fail(site, identifier, in_words(exc, site.work.graph.node(identifier).path))
    site.report(Event("done", identifier))


def _fail(site: _Site, identifier: str, why: str) -> None:
    if identifier not in site.progress.failed:
        site.progress.failed[identifier] = why
        site.report(Event("failed", identifier, why))


def _forget(site: _Site, identifier: str) -> None:
    """Undo the record of a table: its transaction was undone."""
    site.progress.built.pop(identifier, None)
    site.made.pop(site.work.inventory.wanted(identifier), None)


def _lose(site: _Site, identifier: str, exc: Exception) -> None:
    """Fail a node because one of its steps could not be taken again."""
    _forget(site, identifier)
    _fail(site, identifier, in_words(exc, site.work.graph.node(identifier).path))


def _skipped(site: _Site, identifier: str) -> bool:
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


def _build_and_check(site: _Site, worker: Worker, identifier: str) -> None:
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


def _build(site: _Site, identifier: str, builder: Builder) -> None:
    """Build a node's table, unless another node has the same."""
    wanted = site.work.inventory.wanted(identifier)
    if wanted not in site.made:
        site.made[wanted] = _built(site, builder, identifier)
    site.progress.built[identifier] = site.made[wanted]


def _built(site: _Site, builder: Builder, identifier: str) -> Snapshot:
    node = site.work.graph.node(identifier)
    if reads_files(node):
        return _loaded(site, builder, node)
    if histories := site.work.inventory.histories if is_changes(identifier) else None:
        return _extended(site, builder, node, histories)
    if node.is_python:
        blueprint = _blueprint(site, identifier, _computed(site, builder, node))
        return _executed(site, builder, blueprint, partial(_refuse_broken, site, identifier))
    made = _made_of_tables(site, builder, node)
    if node.promises and site.work.graph.columns[identifier] is None:
        _need_promises(site, builder, node, made)
    return made


def _extended(site: _Site, builder: Builder, node: Node, histories: Histories) -> Snapshot:
    """Add the load of a source to its history."""
    blueprint = _blueprint(site, node.id, _statement(site, node.id))
    blueprint = replace(blueprint, name=site.work.graph.views[node.id])
    load = snapshot_of(site.work, site.progress, node.inputs[0].id).relation
    addition = histories.addition(node, load, blueprint)
    try:
        return builder.extend(blueprint, addition, site.taken)
    except SqlError as exc:
        raise NodeFailed(f"{exc.message} ({node.path}:{node.sql_line})") from exc


def _made_of_tables(site: _Site, builder: Builder, node: Node) -> Snapshot:
    if node.partition:
        graph = site.work.graph
        targets = graph.targets[node.id][0]
        reads = {read: snapshot_of(site.work, site.progress, read) for read in targets}

        def rendered(tables: Mapping[str, str]) -> Blueprint:
            return _blueprint(site, node.id, Statement(select_of(graph, node.id, tables)))

        with _in_words(node):
            _refuse_broken(site, node.id)
            if made := site.pieces.built(builder, node, reads, rendered):
                return made
    query = _query(site, node.id) if node.is_view else None
    blueprint = _blueprint(site, node.id, _statement(site, node.id), query)
    return _executed(site, builder, blueprint, partial(_refuse_broken, site, node.id))


def _need_promises(site: _Site, builder: Builder, node: Node, made: Snapshot) -> None:
    """Check the columns that a node declares, if they were not known before: it reads a Python
    node that declares none. Raises NodeFailed."""
    columns = builder.columns(f"SELECT * FROM {made.relation}")
    declared = {name: word for name, word in node.promises.items() if word}
    words = type_words(declared.values(), site.work.root.cache)
    types = {name: words[word] for name, word in declared.items()}
    for problem in broken_promises(node, columns, types):
        raise NodeFailed(f"{problem.message} ({problem.path}:{problem.line})")


def _loaded(site: _Site, builder: Builder, source: Node) -> Snapshot:
    """Read the files of a source. They must be those that the plan saw, until the end."""
    load = _by_file(site, builder, source) if is_of_files(source) else None
    with site.work.root.opened(source, load.unread if load else None) as opened:
        if opened.version != site.work.inventory.versions[source.id]:
            text = site.work.inventory.identities[source.id].text
            lost = site.work.inventory.builds.lost.get(text, ())
            raise NodeFailed(moved_words(site.warehouse, site.work.root, source, lost))
        statement = load.statement(opened) if load else None
        statement = statement or _statement(site, source.id, opened.paths)
        blueprint, confirm = _blueprint(site, source.id, statement), opened.confirm
        try:
            if source.is_view:
                blueprint, confirm = over_kept_files(site.work.root, opened, blueprint)
            settled = partial(_refuse_moving_data, confirm)
            if load or source.partition:
                _tell(site, source, blueprint)
                with _in_words(source):
                    if load:
                        return builder.load_files(load.order(blueprint, opened), settled)
                    return site.pieces.loaded(builder, source, blueprint, settled)
            return _executed(site, builder, blueprint, settled)
        except NodeFailed as exc:
            if found := misfit_of(source, opened, blueprint.dialect or {}):
                raise NodeFailed(f"{found.message} ({found.path}:{found.line})") from exc
            raise NodeFailed(opened.in_words(str(exc))) from exc


def _by_file(site: _Site, builder: Builder, source: Node) -> FileLoad | None:
    """How a source is read file by file; None if it has to be read as a whole."""
    from seeknal_git.build.files import FileLoad

    inventory, root = site.work.inventory, site.work.root
    with _in_problems():
        load = FileLoad.of(inventory, root, source, builder, site.taken)
    if isinstance(load, FileLoad):
        return load
    message = f"{load.why} ({source.path})"
    site.progress.doubts.append((source.id, message))
    site.report(Event("doubted", source.id, message))
    return None


def _computed(site: _Site, builder: Builder, node: Node) -> Statement:
    """The SELECT of the rows that a function returned. It runs once, however often its table is
    undone."""
    wanted = site.work.inventory.wanted(node.id)
    if wanted not in site.computed:
        tables = _relations(site, site.work.graph.targets[node.id][0])
        assert site.functions, "the run builds a Python node"
        told = telling.of_code(node, site.work.options, site.report, site.progress)
        site.computed[wanted] = site.functions.statement(node.id, tables, builder, *told)
    return site.computed[wanted]


def _statement(site: _Site, identifier: str, paths: Sequence[Path] | None = None) -> Statement:
    graph = site.work.graph
    tables = _relations(site, graph.targets[identifier][0])
    with _in_problems():
        return statement_of(graph, site.work.root, identifier, tables, paths)


@contextmanager
def _in_problems() -> Iterator[None]:
    """Problems of the project within the block fail the node."""
    try:
        yield
    except ProjectError as exc:
        words = [f"{problem.message} ({problem.path}:{problem.line})" for problem in exc.problems]
        raise NodeFailed("; ".join(words)) from exc


def _refuse_broken(site: _Site, identifier: str) -> None:
    reads = site.work.graph.targets[identifier][0]
    snapshots = [snapshot_of(site.work, site.progress, node) for node in reads]
    if any(snapshot.files for snapshot in snapshots):
        refuse_broken(site.warehouse, site.work.root, snapshots)


def _refuse_moving_data(confirm: Callable[[], None]) -> None:
    """A file that changed while it was read is neither the old load nor the new one."""
    try:
        confirm()
    except FileFault as exc:
        raise SqlError(f"{exc.message} {exc.hint}".rstrip(".")) from exc


def _executed(
    site: _Site,
    builder: Builder,
    blueprint: Blueprint,
    confirm: Callable[[], None] = lambda: None,
) -> Snapshot:
    node = site.work.graph.node(blueprint.node)
    _tell(site, node, blueprint)
    with _in_words(node):
        return builder.build(blueprint, site.taken, confirm)


def _tell(site: _Site, node: Node, blueprint: Blueprint) -> None:
    if site.work.options.verbose and node.id not in site.told:
        site.told.add(node.id)
        telling.sql(node, blueprint, site.report)


@contextmanager
def _in_words(node: Node) -> Iterator[None]:
    """Errors of the engine within the block fail the node, with the line of its SQL."""
    try:
        yield
    except SqlError as exc:
        known = node.kind != "source" and exc.line is not None
        line = f":{node.line_of_sql(exc.line)}" if known else ""
        raise NodeFailed(f"{node.hides(exc.message)} ({node.sql_path}{line})") from exc


def _blueprint(
    site: _Site, identifier: str, statement: Statement, query: Query | None = None
) -> Blueprint:
    work, identity = site.work, site.work.inventory.identities[identifier]
    return Blueprint(
        id=identity.id,
        identity=identity.text,
        build=identity.build,
        unstable=work.graph.is_unstable(identifier),
        node=identifier,
        name=work.graph.node(identifier).name,
        fingerprint=work.graph.wholes[identifier],
        data_version=work.inventory.versions.get(identifier),
        sql=statement.sql if query is None else query.over(relation),
        query=query,
        parameters=statement.parameters,
        dialect=statement.dialect,
        form=work.graph.structure.pieces.get(identifier, ""),
        part=_over_parts(work, identifier) if is_partial(identity.build) else None,
    )


def _over_parts(work: Work, identifier: str) -> Part:
    """A table that is computed of tables in part."""
    limits = work.inventory.limits
    return Part(over=limits.behind(identifier) if limits else ())


def _query(site: _Site, identifier: str) -> Query:
    graph = site.work.graph
    reads = graph.targets[identifier][0]
    rows = {node: snapshot_of(site.work, site.progress, node).text for node in reads}
    return query_of(graph, identifier, rows, site.work.root.kept.folder)


def _relations(site: _Site, nodes: Iterable[str]) -> dict[str, str]:
    """Node → its table as SQL names it."""
    return {node: snapshot_of(site.work, site.progress, node).relation for node in nodes}


def snapshot_of(work: Work, progress: Progress, identifier: str) -> Snapshot:
    """The table that a node has after a run."""
    found = progress.built.get(identifier) or work.inventory.snapshot(identifier)
    assert found is not None
    return found


def _check(site: _Site, identifier: str, number: int, builder: Builder) -> None:
    work, node = site.work, site.work.graph.node(identifier)
    check, targets = node.checks[number], targets_of_check(work.graph, identifier, number)
    sql = check_of(work.graph, identifier, number, _relations(site, targets))
    rows = snapshot_of(work, site.progress, targets[0]).relation if targets else None
    question = AuditQuery(
        work.inventory.answer_ids[identifier, number], identifier, check.name, sql, rows
    )
    started = time.perf_counter()
    try:
        audit = builder.check(question)
    except SqlError as exc:
        what = "" if node.kind == "rule" else f"{check.name}: "  # a rule's tells of violations
        raise NodeFailed(f"{what}{node.hides(exc.message)} ({node.path}:{check.line})") from exc
    if site.work.options.verbose:
        telling.check(check.title, audit, time.perf_counter() - started, site.report)
    _judge(site, identifier, number, audit)


def _judge(site: _Site, identifier: str, number: int, audit: Audit) -> None:
    node, progress = site.work.graph.node(identifier), site.progress
    check, is_told = node.checks[number], (identifier, number) in progress.answers
    progress.answers[identifier, number] = audit
    if not violates(check, audit.violations, audit.rows):
        return
    message = verdict(node.path, check, audit)
    if fails_node(check):
        _fail(site, identifier, message)
    elif not is_told:
        site.report(Event("warned", identifier, message))
