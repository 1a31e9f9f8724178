"""The two streams of a process, made fit for whatever is at their other end."""

from __future__ import annotations

import codecs
import io
import os
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

# Our own signs for encodings that have none; all else that cannot be written is named by its
# number, and not lost.
_SPELLED = {"→": "->", "↔": "<->", "…": "...", "─": "-", "━": "-", "│": "|", "├": "|", "└": "`"}
ERRORS = "seeknal"


def prepare() -> None:
    """Make the streams of this process write anything, and nothing at all once nobody reads."""
    codecs.register_error(ERRORS, _spell)
    _open_closed()
    sys.stdout, sys.stderr = _fit(sys.stdout, 1), _fit(sys.stderr, 2)


def _spell(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    signs = error.object[error.start : error.end]
    if all(sign in _SPELLED for sign in signs):
        return "".join(_SPELLED[sign] for sign in signs), error.end
    one = UnicodeEncodeError(
        error.encoding, error.object, error.start, error.start + 1, error.reason
    )
    sign = error.object[error.start]
    return (
        (_SPELLED[sign], error.start + 1)
        if sign in _SPELLED
        else codecs.backslashreplace_errors(one)
    )


def _open_closed() -> None:
    """Open what was closed, as git does: else the next file that is opened, a warehouse, would be
    the output."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def _fit(stream: TextIO | None, number: int) -> TextIO:
    """The stream over a file that a reader may leave. Left alone if it is not the process's own."""
    if stream is None:  # it was closed when the interpreter began
        return open(number, "w", encoding="utf-8", errors=ERRORS, closefd=False)
    if type(stream) is not io.TextIOWrapper or stream.fileno() != number:
        return stream
    file = io.BufferedWriter(_Leavable(number, "w", closefd=False))
    return io.TextIOWrapper(file, stream.encoding, ERRORS, line_buffering=stream.line_buffering)


class _Leavable(io.FileIO):
    """A file whose reader may go, as in `| head`: from then on nothing is written, and the command
    does its work."""

    left = False

    def write(self, data: ReadableBuffer, /) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            self._leave()
            return memoryview(data).nbytes
        except OSError:
            self._leave()  # a full disk is told once, and not again by the interpreter's last flush
            raise

    def _leave(self) -> None:
        self.left = True
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fileno())
        os.close(nowhere)
