"""The two streams: `out` for results, `note` for everything that is said along the way."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from io import TextIOWrapper
from numbers import Number
from typing import Any

import typer

from seeknal_git.errors import ProjectError, SeeknalError

_COLOURS = {
    "BREAKING": "red", "REMOVED": "red", "DATA": "yellow", "NON_BREAKING": "yellow", "NEW": "green",
    "CHECK": "blue", "METADATA": "blue",
    "failed": "red", "skipped": "yellow", "warning": "yellow", "built": "green", "error": "red",
}  # fmt: skip


def out(text: str = "") -> None:
    _echo(_readable(text) if sys.stdout.isatty() else text, err=False)


def note(text: str = "") -> None:
    _echo(_readable(text) if sys.stderr.isatty() else text, err=True)


def tell(text: str, *, err: bool = False) -> None:
    """A sentence, as lines that fit."""
    _echo(_folded(text, "  ") if (sys.stderr if err else sys.stdout).isatty() else text, err=err)


def _echo(text: str, *, err: bool) -> None:
    """Write a text with the characters that the stream has (see cli/streams.py): typer takes ASCII for UTF-8."""
    stream = sys.stderr if err else sys.stdout
    encoding = (stream.encoding or "utf-8").lower()
    spelled = text if encoding.startswith("utf") else text.encode(encoding, stream.errors or "replace").decode(encoding)
    typer.echo(spelled, err=err)


def as_data() -> None:
    """Make stdout write UTF-8, whatever a terminal's encoding is: what follows is for programs."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")


def hint(text: str) -> None:
    """What goes with a message: how to mend it, and what each side of a conflict did."""
    lines = f"  {text}".split("\n")
    note("\n".join(_folded(line, "    ") for line in lines) if sys.stderr.isatty() else f"  {text}")


_COLOUR = re.compile(r"\x1b\[[\d;]*m")
_MESSAGE = re.compile(r"(?:error|warning|failed|wrong|not verified): ")
_WHOLE = re.compile(r"(?<=: )(?:git|seeknal) [^,;]{,70}$|`[^`]{,70}`")  # commands, and lines to add to a node


def _readable(text: str) -> str:
    """Messages as lines that fit; tables, plans and what is to be copied stay as they are."""
    if not _MESSAGE.match(_COLOUR.sub("", text)):
        return text
    first, *rest = text.split("\n")
    return "\n".join([_folded(first, "  "), *(_folded(line, "    ") for line in rest)])


def _folded(line: str, indent: str) -> str:
    """A line as lines that fit, without a break in a command at its end or in `what is quoted`."""
    lines: list[str] = []
    for word in _WHOLE.sub(lambda found: found[0].replace(" ", "\0"), line).split(" "):
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and lines[-1].strip() and len(_COLOUR.sub("", longer)) > width():
            lines.append(indent + word)
        else:
            lines[-1:] = [longer]
    return "\n".join(lines).replace("\0", " ")


def out_json(value: Any) -> None:
    as_data()
    typer.echo(json.dumps(value, indent=2, default=str, ensure_ascii=False))


def coloured(word: str, text: str | None = None) -> str:
    """A word in the colour that belongs to it; typer leaves colours out where there is no terminal."""
    return typer.style(text or word, fg=_COLOURS.get(word), bold=word in ("BREAKING", "error"))


def bold(text: str) -> str:
    return typer.style(text, bold=True)


def dim(text: str) -> str:
    return typer.style(text, dim=True)


def error(exc: SeeknalError) -> None:
    """What is wrong, where, and how to mend it."""
    if isinstance(exc, ProjectError):
        for problem in exc.problems:
            place = f"{problem.place}: " if problem.place else ""
            note(f"{coloured('error')}: {place}{problem.message}")
            if problem.hint:
                hint(problem.hint)
        return
    note(f"{coloured('error')}: {exc.message}")
    if exc.hint:
        hint(exc.hint)


def width() -> int:
    return shutil.get_terminal_size((80, 24)).columns


def is_terminal() -> bool:
    return sys.stdout.isatty()


def listed(names: Iterable[str], room: int) -> str:
    """As many names as fit into `room` characters, and how many more there are."""
    names = list(names)
    text = ", ".join(names)
    shown = len(names)
    while len(text) > room and shown > 1:
        shown -= 1
        text = f"{', '.join(names[:shown])} and {len(names) - shown} more"
    return text


def columns(rows: Sequence[Sequence[str]], indent: str = "") -> list[str]:
    """Rows as aligned lines."""
    widths = [max(len(row[number]) for row in rows) for number in range(len(rows[0]))] if rows else []
    return [
        (indent + "  ".join(cell.ljust(size) for cell, size in zip(row, widths, strict=True))).rstrip() for row in rows
    ]


def pairs(rows: Sequence[tuple[str, str]]) -> None:
    """Names and what is said of each, aligned; on a terminal, what is said goes on below itself."""
    indent = " " * (max(len(name) for name, _ in rows) + 4)
    for line in columns(rows, "  "):
        out(_folded(line, indent) if is_terminal() else line)


def cut(text: str, room: int) -> str:
    """A text on one line, or its beginning if it is long. Nothing in it reaches the terminal but signs that print."""
    line = "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)
    return line if len(line) <= room else f"{line[: room - 1]}…"


def counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


_MOST_ROWS = 40
_WIDEST_CELL = 40


def table(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """A result as a table: its first rows, and on a terminal the columns that fit. What is left out is said."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    shown, cells = rows[:_MOST_ROWS], [["" if cell is None else str(cell) for cell in row] for row in rows[:_MOST_ROWS]]
    fitting = _fitting(names, cells) if is_terminal() else len(names)
    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for number, name in enumerate(names[:fitting]):
        numeric = bool(shown) and all(isinstance(row[number], Number) or row[number] is None for row in shown)
        drawn.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for row in cells:
        drawn.add_row(*row[:fitting])
    Console(width=None if is_terminal() else 10_000, highlight=False, markup=False, emoji=False).print(drawn)
    if len(rows) > len(shown):
        note(dim(f"and {counted(len(rows) - len(shown), 'row')} more; --format csv prints all"))
    if fitting < len(names):
        note(dim(f"and {counted(len(names) - fitting, 'column')} more: {listed(names[fitting:], width() - 20)}"))


def _fitting(names: Sequence[str], cells: Sequence[Sequence[str]]) -> int:
    """How many columns fit beside each other; at least one."""
    room = width()
    for number, name in enumerate(names):
        room -= 3 + min(max(len(name), *(len(row[number]) for row in cells), 0), _WIDEST_CELL)
        if room < -3:
            return max(number, 1)
    return len(names)


def mapping(values: Mapping[str, str]) -> None:
    """Labelled lines, labels aligned."""
    size = max(map(len, values), default=0)
    for label, value in values.items():
        line = f"{label.ljust(size)}  {value}"
        out(_folded(line, " " * (size + 2)) if is_terminal() else line)
