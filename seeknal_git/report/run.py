"""A run when it has ended."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from seeknal_git.build.failed_checks import Violation, known_violations
from seeknal_git.environments.parts import extent_in_words, parts_as_json, parts_in_words
from seeknal_git.names import command_line
from seeknal_git.names import parts as in_parts
from seeknal_git.plan.reason import Because
from seeknal_git.plan.wording import said_of_use
from seeknal_git.report import partitions, violations
from seeknal_git.report.reasons import worded, worded_beside
from seeknal_git.report.terminal import (
    bold,
    coloured,
    counted,
    dim,
    extent,
    kept_files,
    kept_views,
    listed,
    note,
    out,
    width,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seeknal_git.build.progress import Reconciled
    from seeknal_git.build.work import Work
    from seeknal_git.commands.result import RunResult
    from seeknal_git.plan.reason import Reason
    from seeknal_git.warehouse.model.snapshots import Snapshot

_MOST_REPEATED = 3  # warnings of earlier runs whose rows are shown again
_WIDE, _WORTH_SAYING = 4, 1.1  # nodes in a layer, and times faster, that are worth a tip


def show_result(result: RunResult) -> None:
    """The result of a run, a promotion, or a dry run of one."""
    environment = result.work.environment
    if result.done is not None:
        word = "Promotion" if result.command == "promote" else "Run"
        summary(result.done, result.seconds, f"{word} of {environment.name}", result.elsewhere)
    elif result.command == "promote":
        into = f"{result.merges} into {environment.name}" if result.merges else environment.name
        show_work(result.work, f"Promotion of {into} (dry run)")
    else:
        show_work(result.work, f"A run of {environment.name}")


def result_as_json(result: RunResult) -> dict[str, Any]:
    """docs/cli.md documents the keys."""
    if result.done is None:
        return work_as_json(result.work)
    return done_as_json(result.done, result.elsewhere)


def notes(result: RunResult) -> None:
    """The work that is left after a run or a promotion."""
    if result.failures:
        if not result.is_published:
            note("Nothing was published: the environment is as it was.")
        return
    if result.done is not None and (parts := result.work.parts(result.done.progress.built)):
        note(parts_in_words(result.environment, parts))
    if result.uncommitted:
        note("There are uncommitted changes: a merge takes only what is committed.")
        if result.next_step is not None:
            note(f"Next: {result.next_step}")
    if result.command == "run" and result.done is not None and result.work.options.workers == 1:
        _tip(result.done)


def _tip(done: Reconciled) -> None:
    """Say how much faster a sequential run of a wide graph could be."""
    built = done.progress.built
    layers = [
        [built[node].seconds for node in layer if node in built] for layer in done.work.layers
    ]
    widest = max(layers, key=len, default=[])
    if len(widest) < _WIDE:
        return
    cores = os.cpu_count() or 1
    at_best = sum(max(max(layer, default=0), sum(layer) / cores) for layer in layers)
    gain = sum(map(sum, layers)) / max(at_best, 1e-9)
    faster = f" for a run that is about {gain:.1f}x faster" if gain >= _WORTH_SAYING else ""
    wide = f"This pipeline has {len(widest)} independent nodes in one layer."
    note(f"Tip: {wide} Use --parallel{faster}.")


def _delivered(done: Reconciled) -> list[str]:
    """The numbers of files that were written, and of deliveries to other systems."""
    nodes = map(done.work.graph.node, done.delivered)
    elsewhere = sum(node.target is not None for node in nodes)
    files = len(done.delivered) - elsewhere
    told = [f"{counted(files, 'file')} written"] if files else []
    return [*told, f"{elsewhere} delivered elsewhere"] if elsewhere else told


def summary(done: Reconciled, seconds: float, what: str, elsewhere: str | None = None) -> None:
    """The result of a run or a promotion. elsewhere: its environment, if another one is checked
    out."""
    built, reused = len(done.progress.built), len(done.work.reused)
    parts = [f"{built} built", f"{reused} re-used", f"{len(done.progress.answers)} checked"]
    parts += _delivered(done)
    if done.failures:
        parts.append(coloured("failed", f"{len(done.failures)} failed"))
    if done.progress.skipped:
        parts.append(coloured("skipped", f"{len(done.progress.skipped)} skipped"))
    out(f"{bold(what)}: {', '.join(parts)} in {seconds:.1f} s.")
    for reason, nodes in _by_reason(done).items():
        why = worded_beside(reason)
        out(f"  {listed(nodes, width() - len(why) - 5)}: {dim(why)}")
    repeated = 0
    for warning in _warnings(done):
        repeated += (warning.node, warning.number) not in done.progress.answers
        violations.show(warning, elsewhere, with_rows=repeated <= _MOST_REPEATED)
    if done.outcome is not None:
        _published(done)
    if done.outcome is not None:
        _left(done.work, done=True)
        kept_files(done.kept)
        _not_delivered(done.work)
    if done.outcome is not None and done.held_back:
        out(f"Not published: {listed(done.held_back, width() - 16)}.")
    for node, why in done.failures.items():
        _failed(
            node,
            why,
            [
                violation
                for violation in done.violations
                if violation.fails and violation.node == node
            ],
            elsewhere,
        )


def _warnings(done: Reconciled) -> list[Violation]:
    return [violation for violation in done.violations if not violation.fails]


def _failed(node: str, why: str, checks: list[Violation], elsewhere: str | None) -> None:
    """A node that failed: because of checks, of the engine, or of both."""
    if why not in [violation.message for violation in checks]:
        first, *others = in_parts(why)
        out(f"{coloured('failed')}: {node}: {first}")
        if others:
            out(*(f"  {line}" for line in others))
    for check in checks:
        violations.show(check, elsewhere)


def _by_reason(done: Reconciled) -> dict[Reason, list[str]]:
    """Why nodes were built that had been built before."""
    found: dict[Reason, list[str]] = {}
    for node in done.progress.built:
        reason = done.work.reasons[node]
        if reason.kind is not Because.NEVER_BUILT:
            found.setdefault(reason, []).append(node)
    return found


def _published(done: Reconciled) -> None:
    assert done.outcome is not None
    schema, outcome = done.work.environment.schema, done.outcome
    if done.replaces:
        note(
            f"{coloured('warning')}: {done.work.environment.name} was published {done.replaces}."
            " This run replaced that."
        )
    changed = [
        f"{counted(len(outcome.repointed), 'view')} re-pointed",
        f"{len(outcome.unchanged)} as before",
    ]
    if outcome.removed:
        changed.append(f"{len(outcome.removed)} removed ({listed(outcome.removed, width() - 50)})")
    out(f"Published in schema {bold(schema)}: {', '.join(changed)}.")
    kept_views(view.place for view in outcome.yours)


def _left(work: Work, *, done: bool) -> None:
    """The files that no exposure writes any more: production's stay, as somebody may read them."""
    for exposure in work.left:
        path = work.places.of_delivered(exposure)
        if work.environment.is_production:
            remove = command_line("rm", *(["-r"] if path.is_dir() else []), str(path))
            out(
                f"{path} stays as {exposure.node} delivered it, and nothing writes it any more. "
                f"If nobody reads it: {remove}"
            )
        else:
            out(
                f"{path} {'was' if done else 'will be'} removed: this branch no longer delivers it."
            )


def _not_delivered(work: Work) -> None:
    """The exposures that other systems deliver."""
    if names := [said_of_use(work.graph.node(node)) for node in work.uses]:
        out(f"Not delivered here: {'; '.join(names)}.")


def show_work(work: Work, what: str) -> None:
    """The work of a run, for `run --dry-run` and `promote --dry-run`."""
    out(bold(what))
    repoint, remove = work.moves.repointed, work.moves.removed
    if not (work.layers or repoint or remove or work.deliveries or work.left):
        out("Nothing to do.")
        _known(work)
        return
    for layer in work.layers:
        side_by_side = extent(layer).removesuffix(": ")
        number = f"layer {work.graph.layer_of[layer[0]]} of {work.graph.depth}"
        out(dim(f"{number}: {side_by_side}" if side_by_side else number))
        for node in layer:
            what, why = _to_do(work, node)
            out(f"  {what:6} {node}  {dim(why)}")
            if node in work.partitions:
                out(f"  {'':6} {dim(partitions.words(work.partitions[node]))}")
    _not_delivered(work)
    for delivery in work.deliveries:
        out(f"  {'write':6} {delivery}  {dim(str(work.graph.node(delivery).definition['path']))}")
    _left(work, done=False)
    out(
        f"{len(work.reasons)} to build, {len(work.reused)} re-used,"
        f" {counted(len(repoint), 'view')} to re-point{_named(repoint)},"
        f" {len(remove)} to remove{_named(remove)}."
    )
    _known(work)


def _named(nodes: Sequence[str]) -> str:
    return f" ({listed(nodes, width())})" if nodes else ""


def _known(work: Work) -> None:
    """Answers of earlier runs about checks that do not hold, until these are asked again."""
    for violation in known_violations(work):
        word = coloured("failed" if violation.fails else "warning")
        out(f"{word}: {violation.node}: {violation.message}")


def _to_do(work: Work, node: str) -> tuple[str, str]:
    if node in work.failing:
        return "fail", "it failed before, and nothing was mended"
    reason, limits = work.reasons.get(node), work.inventory.limits
    if reason and limits and (part := limits.parts().get(node)):
        return "build", f"{worded([reason])}; in part: {extent_in_words(part)}"
    return ("build", worded([reason])) if reason else ("check", "its checks have no answer yet")


def _paths_left(work: Work) -> dict[str, str]:
    return {exposure.node: str(work.places.of_delivered(exposure)) for exposure in work.left}


def work_as_json(work: Work) -> dict[str, Any]:
    return {
        "version": 1,
        "environment": work.environment.name,
        "schema": work.environment.schema,
        "layers": [list(layer) for layer in work.layers],
        "build": {node: worded([reason]) for node, reason in work.reasons.items()},
        "partitions": partitions.as_json(work.partitions),
        "check": sorted(work.checks),
        "failing": sorted(work.failing),
        "warned": [
            f"{violation.node}: {violation.message}"
            for violation in known_violations(work)
            if not violation.fails
        ],
        "write": list(work.deliveries),
        "left": _paths_left(work),
        "not_delivered": list(work.uses),
        "reused": list(work.reused),
        "repoint": list(work.moves.repointed),
        "remove": list(work.moves.removed),
        "partial": parts_as_json(limits.parts() if (limits := work.inventory.limits) else {}),
    }


def done_as_json(done: Reconciled, elsewhere: str | None = None) -> dict[str, Any]:
    """The result of a run or a promotion as data; docs/cli.md documents it."""
    outcome = done.outcome
    return {
        "version": 1,
        "environment": done.work.environment.name,
        "schema": done.work.environment.schema,
        "published": outcome is not None,
        "built": {
            node: {
                "rows": table.rows,
                "seconds": round(table.seconds, 3),
                "reason": worded([done.work.reasons[node]]),
                **_parts(table),
            }
            for node, table in done.progress.built.items()
        },
        "reused": list(done.work.reused),
        "repointed": list(outcome.repointed) if outcome else [],
        "removed": list(outcome.removed) if outcome else [],
        "written": list(done.delivered),
        "folders": {node: asdict(folders) for node, folders in done.folders.items()},
        "left": _paths_left(done.work) if outcome else {},
        "not_delivered": list(done.work.uses),
        "replaces": done.replaces,
        "kept": {node: str(path) for node, path in done.kept.items()},
        "yours": [view.place for view in outcome.yours] if outcome else [],
        "failed": dict(done.failures),
        "failures": _failures_as_json(done, elsewhere),
        "skipped": list(done.progress.skipped),
        "warnings": [f"{warning.node}: {warning.message}" for warning in _warnings(done)],
        "warned": [violations.as_json(warning, elsewhere) for warning in _warnings(done)],
        "partial": parts_as_json(done.work.parts(done.progress.built)),
        "doubted": [{"node": node, "message": why} for node, why in done.progress.doubts],
    }


def _parts(table: Snapshot) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if parts := table.partitions:
        found["partitions"] = {"total": parts.total, "built": list(parts.built)}
    if files := table.read:
        found["files"] = {"total": files.total, "read": list(files.read)}
    return found


def _failures_as_json(done: Reconciled, elsewhere: str | None) -> list[dict[str, Any]]:
    """Each check that failed, with rows, and each node that failed for another reason."""
    failed = [
        violation
        for violation in done.violations
        if violation.fails and violation.node in done.failures
    ]
    found = [violations.as_json(violation, elsewhere) for violation in failed]
    told = {(violation["node"], violation["message"]) for violation in found}
    others = [(node, why) for node, why in done.failures.items() if (node, why) not in told]
    return [
        *found,
        *(
            {"node": node, "check": None, "message": why, "rows": [], "sql": None}
            for node, why in others
        ),
    ]
