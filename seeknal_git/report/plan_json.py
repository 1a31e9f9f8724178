"""A plan as JSON. docs/cli.md documents the keys."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from seeknal_git.environments.parts import parts_as_json
from seeknal_git.report import partitions
from seeknal_git.report.plan import as_change
from seeknal_git.report.reasons import worded

if TYPE_CHECKING:
    from seeknal_git.commands.planned import Found, Planned
    from seeknal_git.plan.changes import Change, Plan

# Raise it when a key of the JSON is removed or changes its meaning; new keys may come at any time.
JSON_VERSION = 1


def as_json(planned: Planned, found: Found | None) -> dict[str, Any]:
    """The plan as data."""
    plan = planned.plan
    warnings = (*planned.warnings, *planned.head.absent, *planned.moved, *planned.elsewhere_only)
    return {
        "version": JSON_VERSION,
        "environment": planned.environment.name,
        "schema": planned.environment.schema,
        "production": planned.environment.is_production,
        "base": planned.base_commit,
        "head": planned.head_commit,
        "dirty": planned.dirty,
        "selected": None if planned.selected is None else sorted(planned.selected),
        "changes": [
            _change_as_json(change, plan)
            for change in (*map(as_change, planned.settings), *plan.changes)
        ],
        "layers": [list(layer) for layer in plan.layers],
        "reused": list(plan.reused),
        "reasons": {node: worded(reasons) for node, reasons in plan.reasons.items()},
        "tests": {node: list(names) for node, names in plan.tests.items()},
        "uses": dict(plan.uses),
        **_found_as_json(found),
        "absent": [
            {
                "node": absent.node,
                "raw_data": planned.head.graph.node(absent.node or "").definition["path"],
            }
            for absent in planned.head.absent
        ],
        "frozen": {node: list(inputs) for node, inputs in planned.frozen.items()},
        "unbuilt": list(planned.head.binding.unbuilt),
        "warnings": list(map(str, warnings)),
    }


def _change_as_json(change: Change, plan: Plan) -> dict[str, Any]:
    return {
        "node": change.node,
        "category": str(change.category),
        "path": change.path,
        "line": change.line,
        "what": list(change.words),
        "rows": change.rows,
        "columns": [
            {
                "name": column.name,
                "change": column.kind,
                "before": column.before,
                "after": column.after,
            }
            for column in change.columns
        ],
        "obstacles": list(plan.obstacles.get(change.node, ())),
        "rebuilds": list(change.rebuilds),
        "reuses": list(change.reuses),
    }


def _found_as_json(found: Found | None) -> dict[str, Any]:
    """The facts from the warehouse; None for each that is not known."""
    tables = found if found is not None and found.known else None
    answers = found if found is not None and not found.unread else None
    return {
        "built": sorted(tables.built) if tables else None,
        "missing": sorted(tables.missing) if tables else None,
        "partial": parts_as_json(found.partial if found else {}),
        "unread": found.unread if found else None,
        "failing": list(answers.failing) if answers else None,
        "warned": list(answers.warned) if answers else None,
        "partitions": partitions.as_json(found.partitions) if found else {},
        "moved": [asdict(moved) for moved in found.moved] if found else [],
    }
