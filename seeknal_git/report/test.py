"""Examples of nodes: which hold, and the rows in which the others differ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from seeknal_git.report import aligned
from seeknal_git.report.terminal import (
    bold,
    coloured,
    counted,
    cut,
    dim,
    hint,
    in_colour,
    listed,
    note,
    out,
    out_lines,
    width,
)

if TYPE_CHECKING:
    from seeknal_git.build.examples import Difference, Mismatch, Tried
    from seeknal_git.commands.example_of_rows import Written
    from seeknal_git.commands.test import Tests

_INDENT = " " * 4
_WIDEST = 32
_GAP = 2
_MOST = 10  # differences that are shown


def show(found: Tests, text: str = "") -> None:
    """A line for each example that holds, the rows of the others, and a summary."""
    aligned.show([("holds", tried.node, tried.name) for tried in found.tried if tried.holds])
    for tried in found.failures:
        _show_failure(tried)
    if not found.tried:
        _show_nothing(found, text)
        return
    failures = len(found.failures)
    holding = len(found.tried) - failures
    counts = [f"{holding} {'holds' if holding == 1 else 'hold'}"] if holding else []
    counts += [f"{failures} {'fails' if failures == 1 else 'fail'}"] if failures else []
    out(f"{bold(counted(len(found.tried), 'example'))}: {', '.join(counts)}.")


def _show_nothing(found: Tests, text: str) -> None:
    if text:
        out(f"No example has {text!r} in its name.")
        return
    out("There is no example." if found.nodes else "No node is selected.")
    if found.nodes:
        note("Rows of a node for its examples: seeknal test NODE --from 'SELECT …'")


def _show_failure(tried: Tried) -> None:
    place = dim(f"({tried.path}:{tried.line})")
    out(f"{coloured('failed')}: {tried.node}: {tried.name} {place}")
    if tried.problem:
        where = "" if tried.problem.line in (None, tried.line) else f"{tried.problem.place}: "
        out(f"  {where}{tried.problem.message}")
        if tried.problem.hint:
            hint(tried.problem.hint)
    for mismatch in tried.mismatches:
        out(f"  {mismatch.words}")
        _show_rows(mismatch)
        if mismatch.unsaid:
            names = listed(mismatch.unsaid, width() - 40)
            hint(f"`expect` does not give {names}: NULL. With `only`, some columns count alone.")


def _show_rows(mismatch: Mismatch) -> None:
    shown = mismatch.differences[:_MOST]
    if not shown:
        return
    columns = _chosen(mismatch, shown)
    lines = [line for difference in shown for line in _lines(difference, columns)]
    names = ["", *(cut(mismatch.columns[number][0], _WIDEST) for number in columns)]
    sizes = [
        max(map(len, cells)) for cells in zip(names, *(line[0] for line in lines), strict=True)
    ]
    out(dim(_joined(names, sizes)))
    for cells, colours, place in lines:
        padded = [cell.ljust(size) for cell, size in zip(cells, sizes, strict=True)]
        texts = [in_colour(*pair) for pair in zip(padded, colours, strict=True)]
        end = f"{' ' * _GAP}{dim(place)}" if place else ""
        out(f"{_INDENT}{(' ' * _GAP).join(texts)}{end}".rstrip())
    left = max(mismatch.missing, mismatch.unexpected) - len(shown)
    more = [counted(left, "more row")] if left > 0 else []
    hidden = len(mismatch.columns) - len(columns)
    more += [counted(hidden, "more column")] if hidden else []
    if more:
        out(dim(f"{_INDENT}and {', '.join(more)}"))


def _joined(cells: Sequence[str], sizes: Sequence[int]) -> str:
    padded = (cell.ljust(size) for cell, size in zip(cells, sizes, strict=True))
    return f"{_INDENT}{(' ' * _GAP).join(padded)}".rstrip()


def _lines(
    difference: Difference, columns: Sequence[int]
) -> Iterator[tuple[list[str], list[str | None], str]]:
    """The cells of the rows of a difference, their colours, and the place of the expected one."""
    one, other = difference.expected, difference.made
    wrong = [not (one and other) or one[number] != other[number] for number in columns]
    place = f"line {difference.line}" if difference.line else f"row {difference.row}"
    sides = (
        ("missing", difference.expected, "red", place),
        ("unexpected", difference.made, "green", ""),
    )
    for word, row, colour, where in sides:
        if row is not None:
            cells = [word, *(_cell(row[number]) for number in columns)]
            yield cells, [colour, *(colour if differs else None for differs in wrong)], where


def _cell(value: str | None) -> str:
    return cut("NULL" if value is None else value, _WIDEST)


def _chosen(mismatch: Mismatch, shown: Sequence[Difference]) -> list[int]:
    """The columns that fit beside each other: the first one, those that differ, then the others."""
    rows = [row for found in shown for row in (found.expected, found.made) if row is not None]
    both = [(one.expected, one.made) for one in shown if one.expected and one.made]
    numbers = range(len(mismatch.columns))
    differing = {n for n in numbers if any(one[n] != other[n] for one, other in both)}
    room = width() - len(_INDENT) - len("unexpected") - len("  line 1000")
    chosen: list[int] = []
    for number in sorted(numbers, key=lambda at: (at > 0 and at not in differing, at)):
        cells = [cut(mismatch.columns[number][0], _WIDEST), *(_cell(row[number]) for row in rows)]
        room -= _GAP + max(map(len, cells))
        if room < 0 and chosen:
            break
        chosen.append(number)
    return sorted(chosen)


def show_written(written: Written) -> None:
    """The example that was written, and the inputs that it gives no rows to."""
    for sentence in written.notes:
        note(sentence)
    out(f"Written into {written.path}:{written.line}:")
    out()
    out_lines("\n".join(f"  {line}" for line in written.lines))
    out()
    empty = [read for read, rows in written.given.items() if not rows]
    if empty:
        note(f"{', '.join(empty)} {'has' if len(empty) == 1 else 'have'} no rows in it.")
        note(f'One more --from "SELECT …" gives rows to {empty[0]}.')
    if not written.holds:
        why = f"{written.node} may give other rows each time"
        warning = coloured("warning")
        note(f"{warning}: it does not hold when it is tried again: {why}.")


def written_as_json(written: Written) -> dict[str, Any]:
    return {
        "version": 1,
        "node": written.node,
        "example": written.name,
        "path": written.path,
        "line": written.line,
        "given": dict(written.given),
        "rows": written.rows,
        "holds": written.holds,
    }


def as_json(found: Tests) -> dict[str, Any]:
    """docs/cli.md documents the keys."""
    return {"version": 1, "examples": [_as_json(tried) for tried in found.tried]}


def _as_json(tried: Tried) -> dict[str, Any]:
    problem = tried.problem
    return {
        "node": tried.node,
        "example": tried.name,
        "state": "holds" if tried.holds else "failed",
        "path": tried.path,
        "line": tried.line,
        "error": None
        if problem is None
        else {
            "message": problem.message,
            "path": problem.path,
            "line": problem.line,
            "hint": problem.hint,
        },
        "differences": [_mismatch_as_json(mismatch) for mismatch in tried.mismatches],
    }


def _mismatch_as_json(mismatch: Mismatch) -> dict[str, Any]:
    names = [name for name, _ in mismatch.columns]

    def row(cells: Sequence[str | None] | None) -> dict[str, str | None] | None:
        return None if cells is None else dict(zip(names, cells, strict=True))

    return {
        "cte": mismatch.cte or None,
        "rows": mismatch.rows,
        "count": mismatch.count,
        "missing": mismatch.missing,
        "unexpected": mismatch.unexpected,
        "differing": [
            {
                "row": one.row,
                "line": one.line,
                "missing": row(one.expected),
                "unexpected": row(one.made),
            }
            for one in mismatch.differences
        ],
    }
