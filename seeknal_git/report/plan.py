"""A plan as text, Markdown and JSON."""

from __future__ import annotations

from typing import Any

from seeknal_git.fingerprint import Category
from seeknal_git.plan import Change
from seeknal_git.planning import Planned
from seeknal_git.report.terminal import bold, coloured, counted, dim, listed, out, width

# Raise it when a key of the JSON is removed or changes its meaning; new keys may come at any time.
JSON_VERSION = 1
_LABEL = len("NON_BREAKING") + 2


def as_text(planned: Planned, built: frozenset[str] | None) -> None:
    """The plan on a terminal."""
    out(bold(_title(planned)))
    out()
    if not planned.plan.changes and not planned.plan.builds:
        out("No changes.")
        return
    room = width() - _LABEL - 9
    for change in planned.plan.changes:
        _headline(change)
        if change.category == Category.NEW and change.node in planned.plan.builds:
            continue
        for word in change.words:
            out(f"{' ' * _LABEL}{word}")
        if change.rebuilds:
            out(f"{' ' * _LABEL}{dim('rebuilds')} {listed(change.rebuilds, room)}")
        if change.reuses:
            out(f"{' ' * _LABEL}{dim('re-uses ')} {listed(change.reuses, room)}")
    if planned.plan.layers:
        out()
        out(bold("To build"))
        for number, layer in enumerate(planned.plan.layers, 1):
            out(f"  {number}  {listed(layer, width() - 5)}")
    out()
    out(_summary(planned, built))
    out(f"Next: {_next(planned)}")


def _headline(change: Change) -> None:
    """Category, node and place; the place on a line of its own where the terminal is narrow."""
    place = f"{change.path}:{change.line}"
    label = coloured(change.category, change.category.ljust(_LABEL))
    if _LABEL + len(change.node) + 2 + len(place) <= width():
        out(f"{label}{change.node}  {dim(place)}")
    else:
        out(f"{label}{change.node}")
        out(f"{' ' * _LABEL}{dim(place)}")


def _title(planned: Planned) -> str:
    head = "the working tree" if planned.dirty else f"its tip {(planned.head_commit or '')[:8]}"
    if planned.is_production:
        base = f"what production last published ({planned.base_commit[:8]})" if planned.base_commit else "nothing"
        return f"Plan of production ({planned.branch}): from {base} to {head}"
    return f"Plan of {planned.branch}: from the merge base {(planned.base_commit or '')[:8]} to {head}"


def _summary(planned: Planned, built: frozenset[str] | None) -> str:
    plan = planned.plan
    already = f", {len(built)} of them built already" if built else ""
    unknown = " The warehouse cannot be read now, so what is built already is not known." if built is None else ""
    return f"{counted(len(plan.builds), 'node')} to build{already}; {len(plan.reused)} re-used.{unknown}"


def _next(planned: Planned) -> str:
    if planned.plan.builds:
        return "seeknal run"
    return "nothing has to be built" if planned.is_production else "seeknal run makes the environment; nothing is built"


def as_json(planned: Planned, built: frozenset[str] | None) -> dict[str, Any]:
    """The plan as data; docs/cli.md documents it."""
    plan = planned.plan
    return {
        "version": JSON_VERSION,
        "environment": planned.branch,
        "schema": planned.schema,
        "production": planned.is_production,
        "base": planned.base_commit,
        "head": planned.head_commit,
        "dirty": planned.dirty,
        "changes": [
            {
                "node": change.node,
                "category": str(change.category),
                "path": change.path,
                "line": change.line,
                "what": list(change.words),
                "rebuilds": list(change.rebuilds),
                "reuses": list(change.reuses),
            }
            for change in plan.changes
        ],
        "layers": [list(layer) for layer in plan.layers],
        "reused": list(plan.reused),
        "built": None if built is None else sorted(built),
        "warnings": [str(warning) for warning in planned.warnings],
    }


def as_markdown(planned: Planned, built: frozenset[str] | None) -> str:
    """The plan as a comment on a pull request."""
    plan = planned.plan
    lines = [f"### {_title(planned)}", ""]
    if not plan.changes and not plan.builds:
        return "\n".join([*lines, "No changes."])
    lines += ["| | node | what changed | rebuilds | re-uses |", "| --- | --- | --- | --- | --- |"]
    for change in plan.changes:
        what, rebuilds, reuses = (_cell(each) for each in (change.words, change.rebuilds, change.reuses))
        lines.append(f"| **{change.category}** | `{change.node}` | {what} | {rebuilds} | {reuses} |")
    if plan.layers:
        lines += ["", "<details><summary>Layers to build</summary>", ""]
        lines += [f"{number}. {_cell(layer)}" for number, layer in enumerate(plan.layers, 1)]
        lines += ["", "</details>"]
    return "\n".join([*lines, "", _summary(planned, built)])


def _cell(names: tuple[str, ...]) -> str:
    return ", ".join(name.replace("|", "\\|").replace("<", "&lt;") for name in names)
