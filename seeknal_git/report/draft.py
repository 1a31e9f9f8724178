"""A draft written, looked at, and applied."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seeknal_git.names import operand
from seeknal_git.nodes.node import violated
from seeknal_git.report.terminal import (
    bold,
    coloured,
    columns,
    counted,
    dim,
    note,
    out,
    problem_of,
    table,
)

if TYPE_CHECKING:
    from seeknal_git.commands.draft import Applied, Checked, DryRun
    from seeknal_git.commands.drafted_entry import Merged

_DIFF = {"+": "NEW", "-": "REMOVED", "@": "METADATA"}
# Raise it when a key of the JSON is removed or changes its meaning; new keys may come at any time.
JSON_VERSION = 1


def drafted(path: Path, file: str | None) -> None:
    """file: the one that the draft was made from."""
    todo = (
        f"it says how {file} is read"
        if file
        else "fill in the values in <…>, and the keys that its comments offer"
    )
    out(f"Wrote {bold(path.name)}: {todo}.")
    out(f"Next: seeknal dry-run {operand(path.name)}")


def show_dry_run(done: DryRun) -> None:
    draft, sample = done.draft, done.sample
    _warnings(draft)
    if sample.obstacle:
        note(f"{coloured('warning')}: {sample.obstacle} The preview is computed from the sources.")
    _headline(draft)
    out()
    if sample.rows is None:
        _counts(done)
    else:
        out(*columns(sample.rows.columns, "  "))
        if done.dialect:
            out(dim(f"Read with {', '.join(_said(done.dialect))}"))
        out()
        table([name for name, _ in sample.rows.columns], sample.rows.rows)
        out(dim(_extent(len(sample.rows.rows), sample.rows.more)))
    _origins(done)
    force = " --force" if draft.before not in (None, draft.content) else ""
    is_applied = draft.shown == draft.target
    out(
        "Next: seeknal plan" if is_applied else f"Next: seeknal apply {operand(draft.shown)}{force}"
    )


def _warnings(draft: Checked) -> None:
    for warning in draft.warnings:
        problem_of("warning", warning)


def _headline(draft: Checked) -> None:
    where = "new" if draft.before is None else f"replaces {draft.target}"
    if draft.before == draft.content:
        where = f"identical to {draft.target}"
    out(f"{draft.shown} is valid: {bold(draft.node.id)} ({where})")


def _counts(done: DryRun) -> None:
    rows = []
    for count in done.sample.counts:
        verdict = "holds" if count.holds else "would fail" if count.fails else "would warn"
        rows.append(
            (count.check.name, verdict, violated(count.check, count.violations, count.rows))
        )
    out(*columns(rows, "  "))


def _said(dialect: Mapping[str, Any]) -> Iterator[str]:
    """The dialect of a source's files, as params would say it."""
    for key, value in dialect.items():
        if value not in ("", None, [], False) or key == "header":
            name = "delimiter" if key == "delim" else key
            yield f"{name}: {json.dumps(value, ensure_ascii=False)}"


def _extent(shown: int, more: bool) -> str:
    return f"The first {counted(shown, 'row')}." if more else f"{counted(shown, 'row')} in all."


def _origins(done: DryRun) -> None:
    computed = [node for node, schema in done.sample.origins.items() if schema is None]
    read = [f"{node} ({schema})" for node, schema in done.sample.origins.items() if schema]
    if read:
        out(dim(f"Read from the warehouse: {', '.join(read)}"))
    if computed:
        out(dim(f"Computed for this preview: {', '.join(computed)}"))


def dry_run_as_json(done: DryRun) -> dict[str, Any]:
    """A dry run as data. docs/cli.md documents it."""
    draft, rows = done.draft, done.sample.rows
    return {
        "version": JSON_VERSION,
        "draft": draft.shown,
        "node": draft.node.id,
        "target": draft.target,
        "replaces": draft.before is not None,
        "columns": [{"name": name, "type": word} for name, word in rows.columns] if rows else [],
        "rows": [
            dict(zip((name for name, _ in rows.columns), row, strict=True)) for row in rows.rows
        ]
        if rows
        else [],
        "more": rows.more if rows else False,
        "dialect": dict(done.dialect),
        "checks": [
            {
                "name": count.check.name,
                "severity": count.check.severity,
                "violations": count.violations,
                "rows": count.rows,
                "fails": not count.holds,
            }
            for count in done.sample.counts
        ],
        "inputs": dict(done.sample.origins),
        "warnings": [str(warning) for warning in draft.warnings]
        + ([done.sample.obstacle] if done.sample.obstacle else []),
    }


def applied(done: Applied) -> None:
    draft = done.draft
    _warnings(draft)
    if draft.unknown:
        nodes = [draft.loaded.graph.node(identifier) for identifier in draft.unknown]
        files = ", ".join(f"{node.definition['path']} ({node.id})" for node in nodes)
        left = (
            ""
            if draft.node.kind == "source"
            else f": the SQL of {draft.node.id} could not be checked"
        )
        note(f"{coloured('warning')}: raw data is missing: {files}{left}.")
    note(f"$ {done.command}", whole=True)
    for line in done.diff or ():
        out(coloured(_DIFF[line[0]], line) if line[0] in _DIFF else line, whole=True)
    out(f"{bold(draft.node.id)} {_what(done)} {draft.target}, and is staged.")
    out("Next: seeknal plan")


def merged(done: Merged) -> None:
    """An entry that is in a common file now."""
    note(f"$ {done.command}", whole=True)
    for line in done.diff:
        out(coloured(_DIFF[line[0]], line) if line[0] in _DIFF else line, whole=True)
    out(f"{bold(done.name)} is in {done.target}, and is staged.")
    out("Next: seeknal plan")


def _what(done: Applied) -> str:
    if done.diff is None:
        return "is new in"
    return "was replaced in" if done.diff else "is identical to the file in"
