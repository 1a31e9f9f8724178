"""Checks that do not hold: in words, some of the rows, and the command that shows all of them."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Number
from typing import TYPE_CHECKING, Any

from seeknal_git.report.terminal import coloured, counted, cut, dim, out, width

if TYPE_CHECKING:
    from seeknal_git.build.failed_checks import Sample, Violation

_INDENT = " " * 4
_WIDEST = 32
_GAP = 2


def show(violation: Violation, environment: str | None, *, with_rows: bool = True) -> None:
    """environment: the one that was checked, if it is not what is checked out."""
    word = "failed" if violation.fails else "warning"
    out(f"{coloured(word)}: {violation.node}: {violation.message}")
    if violation.sample and with_rows:
        _rows(violation.sample, violation.audit.violations)
    out(f"  {dim('all:')} {violation.question(environment)}", whole=True)


def _rows(sample: Sample, violations: int) -> None:
    cells = [[_cell(value) for value in row] for row in sample.rows]
    names = [cut(name, _WIDEST) for name in sample.names]
    widths = [max(map(len, column)) for column in zip(names, *cells, strict=True)]
    fitting = _fitting(widths)
    numeric = [_is_numeric(column) for column in zip(*sample.rows, strict=True)]
    for number, row in enumerate([names, *cells]):
        padded = (
            cell.rjust(size) if right else cell.ljust(size)
            for cell, size, right in zip(row[:fitting], widths, numeric, strict=False)
        )
        line = (_INDENT + (" " * _GAP).join(padded)).rstrip()
        out(line if number else dim(line), whole=True)
    left = [counted(violations - len(cells), "more row")] if violations > len(cells) else []
    left += [counted(sample.columns - fitting, "more column")] if fitting < sample.columns else []
    if left:
        out(dim(f"{_INDENT}and {', '.join(left)}"))


def _cell(value: object) -> str:
    return cut("NULL" if value is None else str(value), _WIDEST)


def _is_numeric(column: Sequence[object]) -> bool:
    return all(
        value is None or (isinstance(value, Number) and not isinstance(value, bool))
        for value in column
    )


def _fitting(widths: Sequence[int]) -> int:
    """How many columns fit beside each other; at least one."""
    used = len(_INDENT) - _GAP
    for number, size in enumerate(widths):
        used += size + _GAP
        if used > width():
            return max(number, 1)
    return len(widths)


def as_json(violation: Violation, environment: str | None) -> dict[str, Any]:
    sample = violation.sample
    return {
        "node": violation.node,
        "check": violation.check.name,
        "severity": violation.check.severity,
        "message": violation.message,
        "path": violation.path,
        "line": violation.check.line,
        "violations": violation.audit.violations,
        "of": violation.audit.rows,
        "rows": [dict(zip(sample.names, row, strict=True)) for row in sample.rows]
        if sample
        else [],
        "sql": violation.sql,
        "command": violation.question(environment),
    }
