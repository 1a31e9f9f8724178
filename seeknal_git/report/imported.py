"""An import: the nodes that were written, and everything that was left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import groupby
from typing import TYPE_CHECKING, Any

from seeknal_git.names import split_id
from seeknal_git.report import aligned
from seeknal_git.report.terminal import below_itself, bold, counted, dim, note, out

if TYPE_CHECKING:
    from seeknal_git.commands.import_dbt import Imported
    from seeknal_git.errors import Problem

# Raise it when a key of the JSON is removed or changes its meaning; new keys may come at any time.
JSON_VERSION = 1


def show(done: Imported) -> None:
    if done.command:
        note(f"$ {done.command}")
    _taken(done)
    _list("Taken without", done.notes)
    _list("Not taken", done.left)
    _summary(done)


def _taken(done: Imported) -> None:
    rows = [[node.id, node.paths[0], dim(node.origin)] for node in done.taken]
    rows += [[dim("data"), path, dim(f"{size:,} bytes")] for path, size in done.copies.items()]
    rows += [[dim("variable"), f"{name}: {text}", ""] for name, text in done.variables.items()]
    if rows:
        out("Would be written:" if done.is_dry_run else "Written:")
        aligned.show(rows, "  ")
        out()
    if done.awaited:
        out("Data that is still to come:")
        aligned.show([*done.awaited.items()], "  ")
        out()


def _list(title: str, problems: Iterable[Problem]) -> None:
    """Problems by file, each with its line."""
    by_file = sorted(problems, key=lambda problem: (problem.path or "", problem.line or 0))
    if by_file:
        out(f"{title}:")
    for path, found in groupby(by_file, key=lambda problem: problem.path or ""):
        out(f"  {bold(path)}")
        for problem in found:
            below_itself(f"    {problem.line or 1}: {problem.message}", " " * 7)
            if problem.hint:
                below_itself(f"       {dim(problem.hint)}", " " * 9)
    if by_file:
        out()


def _summary(done: Imported) -> None:
    kinds = Counter(split_id(node.id)[0] for node in done.taken)
    words = ", ".join(counted(number, kind) for kind, number in kinds.items()) or "nothing"
    there = ""
    if done.present:
        words_there = Counter(
            "macro" if split_id(found)[0] == "macro" else "node" for found in done.present
        )
        shown = " and ".join(counted(number, word) for word, number in words_there.items())
        there = f" {shown} {'was' if len(done.present) == 1 else 'were'} there already."
    files = len({problem.path for problem in done.left})
    left = f" {counted(len(done.left), 'thing')} in {counted(files, 'file')} not taken."
    verb = "would be taken" if done.is_dry_run else "taken"
    out(f"{bold(done.name)}: {words} {verb}.{there}{left if done.left else ''}")
    if done.is_dry_run or not done.taken:
        return
    out("Next: seeknal validate")


def as_json(done: Imported) -> dict[str, Any]:
    """An import as data. docs/cli.md documents it."""
    return {
        "version": JSON_VERSION,
        "project": done.name,
        "dry_run": done.is_dry_run,
        "taken": [
            {"node": node.id, "files": list(node.paths), "from": node.origin} for node in done.taken
        ],
        "present": list(done.present),
        "data": dict(done.copies),
        "variables": dict(done.variables),
        "awaited": dict(done.awaited),
        "left": [_as_data(problem) for problem in done.left],
        "notes": [_as_data(problem) for problem in done.notes],
    }


def _as_data(problem: Problem) -> dict[str, Any]:
    return {
        "file": problem.path,
        "line": problem.line,
        "message": problem.message,
        "hint": problem.hint,
    }
