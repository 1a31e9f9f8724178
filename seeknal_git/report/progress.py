"""A run while it happens."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from seeknal_git.names import shown
from seeknal_git.report.terminal import coloured, counted, dim, folded, listed, note, with_styles

if TYPE_CHECKING:
    from seeknal_git.build.progress import Event, Report

# The word for each event that is told in a line.
_WORDS = {
    "built": "built",
    "checked": "checked",
    "delivered": "delivered",
    "failed": "failed",
    "skipped": "skipped",
    "warned": "warning",
    "doubted": "warning",
}

_CODE = ("sql", "printed")  # texts of others, whose lines stay as they are


@contextmanager
def progress(total: int) -> Iterator[Report]:
    """Somebody to report events to: a live display on a terminal, plain lines elsewhere (on
    stderr)."""
    if sys.stderr.isatty() and total:
        with _live(total) as report:
            yield report
    else:
        yield _plain


def _plain(event: Event) -> None:
    for line in _lines(event):
        note(line)


def _lines(event: Event) -> list[str]:
    """An event as the lines that tell of it; none if it is not told."""
    if event.what == "layer":
        return [dim(f"layer {event.layer[0]} of {event.layer[1]}")]
    if event.what in _CODE:
        texts = event.message.strip().splitlines()
        return [f"  {event.what.ljust(8)} {event.node}", *(dim(f"    {text}") for text in texts)]
    word, about = _WORDS.get(event.what, ""), ""
    rows, seconds = counted(event.rows, "row"), f"{event.seconds:.2f} s"
    if event.what == "built":
        told = ", ".join(filter(None, [rows, event.message, seconds]))
        about = f"  {dim(told)}"
    if event.what == "checked":
        told = f"{rows} found" if event.rows else "no row found"
        about = f": {event.message}  {dim(f'{told}, {seconds}')}"
    if event.what == "delivered":
        about = f"  {dim(event.message)}"
    if event.what in ("skipped", "doubted"):
        about = f": {event.message}"
    # Why a node failed, or a check warns, is for the summary, on the other stream.
    return [f"  {coloured(word, word.ljust(8))} {event.node}{about}"] if word else []


@contextmanager
def _live(total: int) -> Iterator[Report]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True, highlight=False, markup=False, emoji=False)
    running: dict[str, None] = {}
    lock = threading.Lock()
    look = (
        TextColumn("{task.fields[layer]}"),
        BarColumn(24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*look, console=console, transient=True) as bar:
        task = bar.add_task("", total=total, layer="")

        def report(event: Event) -> None:
            with lock:
                if event.what == "layer":
                    bar.update(task, layer=f"layer {event.layer[0]}/{event.layer[1]}")
                elif event.what == "start":
                    running[event.node] = None
                if event.what in ("done", "skipped"):
                    running.pop(event.node, None)
                    bar.advance(task)
                for line in _lines(event) if event.what != "layer" else ():
                    for part in [line] if event.what in _CODE else folded(line).split("\n"):
                        bar.console.out(with_styles(part))
                bar.update(task, description=shown(listed(running, 30)))

        yield report
