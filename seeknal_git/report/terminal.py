"""The two streams: `out` for results, `note` for everything that is said along the way.

All lines pass through this module, and count as data, except for our own styles: characters that
do not print are spelled out, and no line is a command for a machine that reads along. JSON and CSV
are written unchanged.
"""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from io import TextIOWrapper
from numbers import Number
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

import typer

from seeknal_git.errors import Problem, ProjectError, SeeknalError
from seeknal_git.names import parts, shown, split_id

if TYPE_CHECKING:
    from rich.console import RenderableType

_COLOURS = {
    "BREAKING": "red",
    "REMOVED": "red",
    "DATA": "yellow",
    "NON_BREAKING": "yellow",
    "NEW": "green",
    "CHECK": "blue",
    "METADATA": "blue",
    "failed": "red",
    "skipped": "yellow",
    "warning": "yellow",
    "built": "green",
    "delivered": "green",
    "error": "red",
}


# The beginning of a style. Only this process knows it, so that no data can bring a style along.
_STYLE = f"\x1b{os.urandom(8).hex()}"
_COLOUR = re.compile(rf"{_STYLE}\[[\d;]*m")


def out(*lines: str, whole: bool = False) -> None:
    """Each text is one line, whatever is in it. On a terminal, a long one is broken between words.

    whole: the lines are code or commands, and are not broken.
    """
    _say(lines, err=False, fold=not whole)


def note(*lines: str, whole: bool = False) -> None:
    _say(lines, err=True, fold=not whole)


def kept_files(kept: Mapping[str, Path]) -> None:
    """The files that somebody had changed since they were delivered, and that are kept."""
    for node, path in kept.items():
        changed = f"somebody had changed the file of {node}"
        note(f"{coloured('warning')}: {changed}: that one is now {path}")


def kept_views(places: Iterable[str]) -> None:
    """The views and tables that a command left alone, as somebody made them."""
    for place in places:
        out(f"kept: {place} (yours)")


def _say(lines: Sequence[str], *, err: bool, fold: bool) -> None:
    terminal = (sys.stderr if err else sys.stdout).isatty()
    for line in lines or ("",):
        _echo(folded(line) if fold and terminal else _plain(line), err=err)


def folded(line: str) -> str:
    """A line, continued below itself if it is too long for the terminal."""
    plain = _plain(line)
    return _folded(plain, " " * (len(plain) - len(plain.lstrip(" ")) + 2))


def _plain(line: str) -> str:
    """A line with our styles in it, and everything else such that it prints."""
    if line.isprintable():
        return line
    styles = [*_COLOUR.findall(line), ""]
    return "".join(
        f"{shown(text)}{style}" for text, style in zip(_COLOUR.split(line), styles, strict=True)
    )


# Commands that a CI service obeys in a log: GitHub at the beginning of a line and in its older
# form, Azure and TeamCity anywhere. Those of GitLab have control characters.
_COMMAND = re.compile(
    rf"^((?:\s|{_COLOUR.pattern})*)(?=::|section_(?:start|end):)|#(?=#\w*\[)", re.MULTILINE
)


def _echo(text: str, *, err: bool) -> None:
    """Write a text with the characters that the stream has (see cli/streams.py): typer takes ASCII
    for UTF-8."""
    stream = sys.stderr if err else sys.stdout
    safe = _COMMAND.sub(lambda found: f"{found[0]}\\", text).replace(_STYLE, "\x1b")
    encoding = (stream.encoding or "utf-8").lower()
    spelled = (
        safe
        if encoding.startswith("utf")
        else safe.encode(encoding, stream.errors or "replace").decode(encoding)
    )
    typer.echo(spelled, err=err)


def as_data() -> None:
    """Make stdout write UTF-8, with any terminal: the following output is for programs."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")


def hint(text: str) -> None:
    """The lines below a message: how to mend it, and the edits of each side of a conflict."""
    for line in parts(text):
        plain = _plain(f"  {line}")
        _echo(_folded(plain, "    ") if sys.stderr.isatty() else plain, err=True)


# Commands, also within a sentence, and lines to add to a node.
_COMMANDS = "|".join(
    """
    add apply branch checks clean commit config diff doctor draft dry-run env fetch gc hooks init
    lineage log lfs merge parse plan promote pull push query restore revert rm rollback run status
    submodule switch validate warehouse
    """.split()
)
_WORDS = r"(?:\"[^\"]*\"|'[^']*'|[^,;:()\"']){,70}?"
_WHOLE = re.compile(
    r"(?<=: )(?:git|seeknal) [^,;]{,300}$|`[^`]{,70}`|\d s(?=[.,)\x1b]|$)"
    rf"|\b(?:git|seeknal) (?:{_COMMANDS})\b{_WORDS}(?=[,;:()]|\. |\.?$)"
)


def _folded(line: str, indent: str) -> str:
    """A line as lines that fit, without a break in a command at its end, in `what is quoted`, or
    before the unit of a time."""
    lines: list[str] = []
    for word in _WHOLE.sub(lambda found: found[0].replace(" ", "\0"), line).split(" "):
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and lines[-1].strip() and len(_COLOUR.sub("", longer)) > width():
            lines.append(indent + word)
        else:
            lines[-1:] = [longer]
    return "\n".join(lines).replace("\0", " ")


def out_lines(text: str) -> None:
    """A text of our own that has several lines, such as a script. Elsewhere a line end is data."""
    out(*text.split("\n"), whole=True)


def out_part(text: str) -> bool:
    """A part of CSV or JSON, as it is. Returns whether anybody still reads: `head` leaves."""
    sys.stdout.write(text)
    return not getattr(getattr(getattr(sys.stdout, "buffer", None), "raw", None), "left", False)


def out_bytes(opened: BinaryIO) -> None:
    """A file as it is, for another program."""
    sys.stdout.flush()
    shutil.copyfileobj(opened, sys.stdout.buffer)
    sys.stdout.buffer.flush()


def json_part(text: str) -> str:
    """A part of JSON in which what a terminal may obey is spelled out."""
    return _UNPRINTED.sub(_as_json, text)


def out_json(value: Any) -> None:
    as_data()
    text = json.dumps(finite(value), indent=2, default=str, ensure_ascii=False)
    typer.echo(_UNPRINTED.sub(_as_json, text))


# Characters that JSON does not escape, and that a terminal may obey: C1, characters without a
# width, and changes of direction; and the beginning of a command of a CI service, see above.
_UNPRINTED = re.compile(
    "[\x7f-\x9f\xad\u0600-\u0605\u061c\u06dd\u070f\u08e2\u180e\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]|#(?=#\\w*\\[)"
)


def _as_json(found: re.Match[str]) -> str:
    return r"\u0023" if found[0] == "#" else json.dumps(found[0])[1:-1]


def finite(value: Any) -> Any:
    """A value for JSON, which has no infinite numbers and no NaN: they become texts."""
    if isinstance(value, dict):
        return {key: finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [finite(entry) for entry in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _styled(text: str, **look: Any) -> str:
    """A text in a style; typer leaves styles out if there is no terminal."""
    before, after = typer.style("\0", **look).replace("\x1b", _STYLE).split("\0")
    return f"{before}{text}{after}"


def coloured(word: str, text: str | None = None) -> str:
    """A word in the colour that belongs to it."""
    return _styled(text or word, fg=_COLOURS.get(word), bold=word in ("BREAKING", "error"))


def in_colour(text: str, colour: str | None) -> str:
    return _styled(text, fg=colour)


def bold(text: str) -> str:
    return _styled(text, bold=True)


def dim(text: str) -> str:
    return _styled(text, dim=True)


def error(exc: SeeknalError) -> None:
    """Print an error: the problem, its place, and how to mend it."""
    if isinstance(exc, ProjectError):
        for problem in exc.problems:
            problem_of("error", problem)
        return
    message("error", exc.message, exc.hint)


def problem_of(word: str, problem: Problem) -> None:
    """One thing that is wrong, as an error or a warning, with its place and its cure."""
    place = f"{problem.place}: " if problem.place else ""
    message(word, f"{place}{problem.message}", problem.hint)


def message(word: str, text: str, cure: str | None = None) -> None:
    first, *others = parts(text)
    note(f"{coloured(word)}: {first}")
    for line in (*others, *([cure] if cure else [])):
        hint(line)


def width() -> int:
    return shutil.get_terminal_size((80, 24)).columns


def prompt(question: str, default: str) -> str:
    answer: str = typer.prompt(
        f"{_plain(question)} [{_plain(default)}]", default=default, show_default=False
    )
    return answer


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
    cells = [[_plain(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        (
            indent + "  ".join(cell.ljust(size) for cell, size in zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    ]


def printed_length(text: str) -> int:
    """The number of characters that a text takes on a line, without styles."""
    return len(_COLOUR.sub("", _plain(text)))


def pairs(rows: Sequence[tuple[str, str]]) -> None:
    """Names with texts, aligned. On a terminal, a long text continues below itself."""
    indent = " " * (max(len(name) for name, _ in rows) + 4)
    for line in columns(rows, "  "):
        below_itself(line, indent)


def cut(text: str, room: int) -> str:
    """A text on one line, or its beginning if it is long."""
    line = shown(text)
    return line if len(line) <= room else f"{line[: room - 1]}…"


def counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def extent(layer: Sequence[str]) -> str:
    """The numbers of nodes of each kind that are built side by side; "" for a single node.

    >>> extent(["source.a", "source.b", "transform.c"])
    '2 sources, 1 transform, side by side: '
    """
    kinds = Counter(split_id(node)[0].replace("_", " ") for node in layer)
    kind_words = ", ".join(counted(number, kind) for kind, number in kinds.items())
    return f"{kind_words}, side by side: " if len(layer) > 1 else ""


ROWS_OF_A_TABLE = 40
_WIDEST_CELL = 40


def _justified(values: Iterable[Any]) -> Literal["left", "right"]:
    """Numbers stand on the right. A column without values stands on the left."""
    kinds = {value is None or isinstance(value, Number) for value in values}
    return "right" if kinds == {True} else "left"


def table(names: Sequence[str], rows: Sequence[Sequence[Any]], total: int | None = None) -> None:
    """Print a result as a table: its first rows, and on a terminal the columns that fit. The
    numbers of omitted rows and columns follow.

    total: the number of all rows, if these are only the first.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    few, names = rows[:ROWS_OF_A_TABLE], [shown(name) for name in names]
    cells = [["NULL" if cell is None else shown(str(cell)) for cell in row] for row in few]
    fitting = _fitting(names, cells) if is_terminal() else len(names)
    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for number, name in enumerate(names[:fitting]):
        justify = _justified(row[number] for row in few)
        drawn.add_column(name, justify=justify, overflow="fold")
    for row, values in zip(cells, few, strict=True):
        drawn.add_row(
            *(
                Text(cell, style="dim" if value is None else "")
                for cell, value in zip(row[:fitting], values[:fitting], strict=True)
            )
        )
    draw(drawn, None if is_terminal() else 10_000)
    more = (total or len(rows)) - len(few)
    if more:
        note(dim(f"and {counted(more, 'row')} more; --format csv prints all"))
    if fitting < len(names):
        hidden = counted(len(names) - fitting, "column")
        note(dim(f"and {hidden} more: {listed(names[fitting:], width() - 20)}"))


def draw(picture: RenderableType, room: int | None) -> None:
    """Print a picture of rich's, whose texts went through `shown` or `with_styles`."""
    from rich.console import Console

    console = Console(width=room, highlight=False, markup=False, emoji=False)
    with console.capture() as captured:
        console.print(picture)
    _echo(captured.get().removesuffix("\n"), err=False)


def with_styles(line: str) -> str:
    """A line for a library that writes to a terminal by itself."""
    return _plain(line).replace(_STYLE, "\x1b")


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
        below_itself(f"{label.ljust(size)}  {value}", " " * (size + 2))


def below_itself(line: str, indent: str) -> None:
    """Print a line. On a terminal, a long one continues below itself, behind an indent."""
    plain = _plain(line)
    _echo(_folded(plain, indent) if is_terminal() else plain, err=False)
