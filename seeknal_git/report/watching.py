"""A command at work, as the terminal shows it."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from seeknal_git.commands.observer import Observer
from seeknal_git.report.terminal import note

if TYPE_CHECKING:
    from seeknal_git.build.progress import Report
    from seeknal_git.errors import Problem


def _ran(command: str) -> None:
    note(f"$ {command}", whole=True)


def _began(line: str) -> None:
    if sys.stderr.isatty():
        note(line)


def _warn(problem: Problem) -> None:
    from seeknal_git.report.validate import warn

    warn(problem)


def _progress(nodes: int) -> AbstractContextManager[Report]:
    from seeknal_git.report.progress import progress

    return progress(nodes)


TERMINAL = Observer(ran=_ran, began=_began, note=note, warn=_warn, progress=_progress)
