"""A command at work, as the terminal shows it."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import partial
from typing import TYPE_CHECKING

from seeknal_git.commands.observer import Observer
from seeknal_git.report.terminal import note, tell
from seeknal_git.report.validate import warn

if TYPE_CHECKING:
    from seeknal_git.build.progress import Report


def _ran(command: str) -> None:
    note(f"$ {command}")


def _progress(nodes: int) -> AbstractContextManager[Report]:
    from seeknal_git.report.run import progress

    return progress(nodes)


TERMINAL = Observer(ran=_ran, note=partial(tell, err=True), warn=warn, progress=_progress)
