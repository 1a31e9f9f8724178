"""A prompt on a terminal, with history and completion."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from seeknal_git.files import make_private_file
from seeknal_git.names import shown

_MOST_LINES = 1_000  # of history
# A word ends at these: a name may have dots.
_DELIMITERS = " \t\n,;()=<>+-*/'\""


@contextmanager
def line_editor(history: Path, words: Callable[[], Iterable[str]]) -> Iterator[None]:
    """Let lines be edited, recalled and completed within the block. history: a file of ours for the
    lines; words: gives those that may complete one."""
    try:
        import readline
    except ImportError:  # a Python without it still reads lines
        yield
        return
    known: list[str] = []

    def complete(begun: str, number: int) -> str | None:
        if number == 0:
            low = begun.lower()
            known[:] = [word for word in words() if word.lower().startswith(low)]
        return known[number] if number < len(known) else None

    with suppress(OSError):
        make_private_file(history)
        readline.read_history_file(history)
    readline.set_history_length(_MOST_LINES)
    readline.set_completer_delims(_DELIMITERS)
    readline.set_completer(complete)
    is_libedit = "libedit" in (readline.__doc__ or "")
    readline.parse_and_bind("bind ^I rl_complete" if is_libedit else "tab: complete")
    try:
        yield
    finally:
        readline.set_completer(None)
        with suppress(OSError):
            readline.write_history_file(history)


def line(prompt: str) -> str | None:
    """A line that somebody types; None at the end. Raises KeyboardInterrupt."""
    try:
        return input(f"{shown(prompt)} ")
    except EOFError:
        return None
