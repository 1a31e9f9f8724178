"""What `validate` found."""

from __future__ import annotations

from typing import Any

from seeknal_git.errors import Problem, ProjectError
from seeknal_git.report.terminal import coloured, counted, error, note, out
from seeknal_git.validate import Validation


def as_text(found: Validation, *, verbose: bool) -> None:
    error(ProjectError(found.problems))
    for warning in found.warnings:
        warn(warning)
    for source in found.unknown:
        note(
            f"{coloured('warning')}: the raw data of {source} is not here: what reads it was not checked by the engine."
        )
    if verbose:
        for each in found.notes:
            note(f"{each.place}: {each.message}")
        for path in found.foreign:
            note(f"passed over: {path} has no `kind`, so it is no node")
    if found.problems:
        out(f"{counted(len(found.problems), 'problem')} in {counted(found.nodes, 'node')}.")
    else:
        out(f"{counted(found.nodes, 'node')} valid.")


def warn(problem: Problem) -> None:
    place = f"{problem.place}: " if problem.place else ""
    note(f"{coloured('warning')}: {place}{problem.message}")


def as_json(found: Validation) -> dict[str, Any]:
    return {
        "version": 1,
        "valid": not found.problems,
        "nodes": found.nodes,
        "problems": [_entry(each) for each in found.problems],
        "warnings": [_entry(each) for each in found.warnings],
        "unknown": list(found.unknown),
        "foreign": list(found.foreign),
    }


def _entry(problem: Problem) -> dict[str, Any]:
    return {
        "message": problem.message,
        "path": problem.path,
        "line": problem.line,
        "hint": problem.hint,
        "node": problem.node,
    }
