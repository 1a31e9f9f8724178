"""The checks of an environment with their last answers, as text and JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from seeknal_git.names import of_option
from seeknal_git.nodes.node import violated
from seeknal_git.report import violations
from seeknal_git.report.terminal import bold, columns, counted, note, out

if TYPE_CHECKING:
    from seeknal_git.commands.checks import Asked, Checks, State

# The states of a check, and how the summary counts it.
_WORDS: dict[State, tuple[str, str]] = {
    "holds": ("holds", "hold"),
    "not asked": ("is not asked yet", "are not asked yet"),
    "warning": ("warns", "warn"),
    "failed": ("fails", "fail"),
}


def show(found: Checks) -> None:
    """The checks that hold or were not asked, a line for each; those that do not hold; and a
    summary."""
    lines = [
        (check.state, check.node, check.check.title, _counted(check))
        for state in ("holds", "not asked")
        for check in found.checks
        if check.state == state
    ]
    out(*columns(lines)) if lines else None
    for state in ("warning", "failed"):
        for check in found.checks:
            if check.violation is not None and check.state == state:
                violations.show(check.violation, found.elsewhere)
    if not found.checks:
        out("There is no test and no rule.")
        return
    counts = [
        f"{count} {_WORDS[state][count != 1]}" for state in _WORDS if (count := found.counts[state])
    ]
    out(f"{bold(counted(len(found.checks), 'check'))} of {found.environment}: {', '.join(counts)}.")
    if found.counts["not asked"]:
        env = f" {of_option('--env', found.elsewhere)}" if found.elsewhere else ""
        note(f"A run asks them: seeknal run{env}")


def _counted(check: Asked) -> str:
    if check.audit is None:
        return ""
    if check.audit.violations:
        return violated(check.audit.violations, check.audit.rows)
    return counted(check.audit.rows, "row")


def as_json(found: Checks) -> dict[str, Any]:
    """docs/cli.md documents the keys."""
    return {
        "version": 1,
        "environment": found.environment,
        "schema": found.schema,
        "checks": [_as_json(check, found.elsewhere) for check in found.checks],
    }


def _as_json(check: Asked, environment: str | None) -> dict[str, Any]:
    audit = check.audit
    told: dict[str, Any] = {
        "node": check.node,
        "check": check.check.name,
        "state": check.state,
        "severity": check.check.severity,
        "path": check.path,
        "line": check.check.line,
        "violations": audit.violations if audit else None,
        "of": audit.rows if audit else None,
    }
    violation = check.violation
    return told | (violations.as_json(violation, environment) if violation else {})
