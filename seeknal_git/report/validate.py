"""The result of `validate`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from seeknal_git.errors import Problem, ProjectError
from seeknal_git.project.outsides import OUTSIDE
from seeknal_git.report.terminal import coloured, counted, error, note, out

if TYPE_CHECKING:
    from seeknal_git.commands.validate import Validation


def show(found: Validation, *, verbose: bool) -> None:
    error(ProjectError(found.problems))
    for warning in found.warnings:
        warn(warning)
    for absent in found.absent:
        warn(absent)
        if absent.group == OUTSIDE and absent.hint:
            note(f"  {absent.hint}")
    if found.absent:
        note(
            "Nodes that read that were checked by the columns that were loaded before or are"
            " declared, if any are."
        )
    if verbose:
        for problem in found.notes:
            note(f"{problem.place}: {problem.message}")
        for path in found.foreign:
            note(f"passed over: {path} has no `kind`, so it is no node")
    if found.problems:
        out(f"{counted(len(found.problems), 'problem')} in {counted(found.nodes, 'node')}.")
    else:
        examples = f", {_holding(found.examples)}" if found.examples else ""
        out(f"{counted(found.nodes, 'node')} valid{examples}.")


def _holding(examples: int) -> str:
    return f"{counted(examples, 'example')} {'holds' if examples == 1 else 'hold'}"


def warn(problem: Problem) -> None:
    place = f"{problem.place}: " if problem.place else ""
    note(f"{coloured('warning')}: {place}{problem.message}")


def as_json(found: Validation) -> dict[str, Any]:
    return {
        "version": 1,
        "valid": not found.problems,
        "nodes": found.nodes,
        "examples": found.examples,
        "problems": [_entry(problem) for problem in found.problems],
        "warnings": [_entry(warning) for warning in found.warnings],
        "unknown": list(found.unknown),
        "absent": [_entry(absent) for absent in found.absent],
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
