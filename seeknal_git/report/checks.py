"""The checks of an environment with their last answers, as text and JSON."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from seeknal_git.names import of_option
from seeknal_git.nodes.node import violated
from seeknal_git.report import aligned, violations
from seeknal_git.report.terminal import bold, counted, cut, is_terminal, note, out, width

if TYPE_CHECKING:
    from seeknal_git.commands.checks import Asked, Checks, State
    from seeknal_git.warehouse.model.snapshots import Audit

# The states of a check, and how the summary counts it.
_WORDS: dict[State, tuple[str, str]] = {
    "holds": ("holds", "hold"),
    "not asked": ("is not asked yet", "are not asked yet"),
    "warning": ("warns", "warn"),
    "failed": ("fails", "fail"),
}
# Characters of a title that are shown at least on a terminal, and at most elsewhere.
_SHORTEST, _LONGEST = 24, 10_000


def show(found: Checks) -> None:
    """The checks that hold or were not asked, a line for each; those that do not hold; and a
    summary."""
    fine = [
        check for state in ("holds", "not asked") for check in found.checks if check.state == state
    ]
    room = _room(fine)
    aligned.show([_line(check, room) for check in fine])
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


def _line(check: Asked, room: int) -> tuple[str, str, str, str]:
    return check.state, check.node, cut(check.check.title, room), _counted(check)


def _room(checks: Iterable[Asked]) -> int:
    """The characters that a title has on a line beside the number of rows."""
    if not is_terminal():
        return _LONGEST
    cells = [(check.state, check.node, _rows(check.audit)) for check in checks]
    used = sum(2 + max(map(len, column)) for column in zip(*cells, strict=True))
    return max(_SHORTEST, width() - used)


def _counted(check: Asked) -> str:
    audit = check.audit
    if audit is None:
        return ""
    if not audit.violations:
        return _rows(audit)
    said = violated(check.check, audit.violations, audit.rows)
    return f"{said}; {check.check.allowed * 100:g} % may"


def _rows(audit: Audit | None) -> str:
    return counted(audit.rows, "row") if audit else ""


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
