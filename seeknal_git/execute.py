"""Build and check what a piece of work asks for, layer by layer. What was finished stays, whatever happens next."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from seeknal_git.data import DataRoot
from seeknal_git.graph import Graph
from seeknal_git.nodes.node import Check, Node
from seeknal_git.statement import Reading, Reference, rendered
from seeknal_git.warehouse.build import Blueprint, build_snapshot, count_rows, run_check
from seeknal_git.warehouse.connection import Warehouse, session
from seeknal_git.warehouse.sql import SqlError
from seeknal_git.warehouse.state import Audit, Snapshot, relation
from seeknal_git.work import Options, Work, audit_id, violates

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a node during a run: `layer`, `start`, `built`, `warned`, `failed`,
    `skipped`, `done`."""

    what: str
    node: str
    message: str = ""
    rows: int = 0
    seconds: float = 0.0
    layer: tuple[int, int] = (0, 0)


Report = Callable[[Event], None]


@dataclass(slots=True)
class Progress:
    """What a run has done so far: snapshots by node, why nodes failed, which were skipped, and the warnings."""

    built: dict[str, Snapshot] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    checked: int = 0


def execute(warehouse: Warehouse, work: Work, root: DataRoot, options: Options, report: Report) -> Progress:
    """Build and check everything; failures are in the result."""
    progress = Progress()
    layers = work.layers
    for number, layer in enumerate(layers, 1):
        report(Event("layer", "", layer=(number, len(layers))))
        lost = doomed(work.graph, progress)
        todo = [each for each in layer if each not in lost]
        if progress.failed and not options.keep_going:
            todo = []
        for each in layer:
            if each not in todo:
                progress.skipped.append(each)
                report(Event("skipped", each, "something before it failed"))
        _build_layer(warehouse, work, root, options, report, progress, todo)
    return progress


def doomed(graph: Graph, progress: Progress) -> set[str]:
    """What cannot be trusted: everything behind a node that failed, and behind the inputs of a rule that failed."""
    roots = set(progress.failed) | {
        each for failed in progress.failed if graph.node(failed).kind == "rule" for each in graph.inputs[failed]
    }
    return graph.downstream(roots)


def _build_layer(
    warehouse: Warehouse,
    work: Work,
    root: DataRoot,
    options: Options,
    report: Report,
    progress: Progress,
    todo: list[str],
) -> None:
    def one(identifier: str) -> None:
        report(Event("start", identifier))
        try:
            _build_one(warehouse, work, root, options, report, progress, identifier)
        except SqlError as exc:
            progress.failed[identifier] = _placed(work.graph.node(identifier), exc)
            report(Event("failed", identifier, progress.failed[identifier]))
        finally:
            report(Event("done", identifier))

    if options.workers == 1 or len(todo) == 1:
        for each in todo:
            if progress.failed and not options.keep_going:
                progress.skipped.append(each)
                report(Event("skipped", each, "something before it failed"))
            else:
                one(each)
    elif todo:
        from joblib import Parallel, delayed

        Parallel(n_jobs=options.workers, backend="threading")(delayed(one)(each) for each in todo)


def _placed(node: Node, exc: SqlError) -> str:
    if node.kind == "source" or exc.line is None:
        return f"{exc.message} ({node.path})"
    return f"{exc.message} ({node.path}:{node.sql_line + exc.line - 1})"


def _build_one(
    warehouse: Warehouse,
    work: Work,
    root: DataRoot,
    options: Options,
    report: Report,
    progress: Progress,
    identifier: str,
) -> None:
    connection = session(warehouse)
    try:
        if identifier in work.reasons:
            blueprint = _blueprint(work, root, progress, identifier)
            confirm = partial(_refuse_moving_data, work, root, identifier)
            snapshot = _with_retries(partial(build_snapshot, connection, blueprint, confirm), options)
            progress.built[identifier] = snapshot
            report(Event("built", identifier, rows=snapshot.rows, seconds=snapshot.seconds))
        for number in work.checks.get(identifier, ()):
            audit = _check(connection, work, progress, identifier, number)
            _judge(work.graph.node(identifier), number, audit, progress, report)
    finally:
        connection.close()


def _with_retries(attempt: Callable[[], Snapshot], options: Options) -> Snapshot:
    for remaining in range(options.retry, 0, -1):
        try:
            return attempt()
        except SqlError:
            time.sleep(0.1 * (options.retry - remaining + 1))
    return attempt()


def _blueprint(work: Work, root: DataRoot, progress: Progress, identifier: str) -> Blueprint:
    member = work.graph.members[identifier]
    node, sql, parameters = member.node, member.node.sql or "", {}
    if node.kind == "source":
        parameters = {"files": [str(path) for path in root.paths(node)]}
    elif member.sql:
        sql = _over_tables(work, progress, sql, member.sql, work.graph.targets[identifier][0])
    return Blueprint(
        work.wanted[identifier], identifier, node.name, work.graph.fingerprints[identifier].whole,
        work.versions.get(identifier), sql, parameters,
    )  # fmt: skip


def _over_tables(work: Work, progress: Progress, sql: str, reading: Reading, targets: Sequence[str]) -> str:
    """A statement with its references replaced by the snapshots that they mean."""
    tables: dict[Reference, str] = {
        reference: relation(snapshot_of(work, progress, target).table)
        for reference, target in zip(reading.references, targets, strict=True)
    }
    return rendered(sql, reading.references, tables.__getitem__)


def snapshot_of(work: Work, progress: Progress, identifier: str) -> Snapshot:
    return progress.built.get(identifier) or work.there[work.wanted[identifier]]


def _refuse_moving_data(work: Work, root: DataRoot, identifier: str) -> None:
    """A file that changed while it was read is neither the old load nor the new one."""
    node = work.graph.node(identifier)
    if node.kind == "source" and root.version(node) != work.versions[identifier]:
        raise SqlError(f"{node.definition['path']} changed while it was read; run again")


def _check(
    connection: duckdb.DuckDBPyConnection, work: Work, progress: Progress, identifier: str, number: int
) -> Audit:
    member = work.graph.members[identifier]
    check, reading, targets = (
        member.node.checks[number],
        member.checks[number],
        work.graph.targets[identifier][number + 1],
    )
    sql = _over_tables(work, progress, check.sql, reading, targets)
    rows = count_rows(snapshot_of(work, progress, targets[0]).table) if targets else "SELECT 0"
    return run_check(connection, audit_id(work.wanted[identifier], check), identifier, check.name, sql, rows)


def verdict(node: Node, check: Check, audit: Audit) -> str:
    return f"{check.name}: {audit.violations:,} of {audit.rows:,} rows violate it ({node.path}:{check.line})"


def _judge(node: Node, number: int, audit: Audit, progress: Progress, report: Report) -> None:
    check = node.checks[number]
    progress.checked += 1
    if not violates(check, audit):
        return
    message = verdict(node, check, audit)
    if check.severity == "warn":
        progress.warnings.append(f"{node.id}: {message}")
        report(Event("warned", node.id, message))
    elif node.id not in progress.failed:
        progress.failed[node.id] = message
        report(Event("failed", node.id, message))
