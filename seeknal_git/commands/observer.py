"""Whoever watches a command at work: a terminal, or nobody."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seeknal_git.errors import Problem

if TYPE_CHECKING:
    from seeknal_git.build.progress import Report


def _ignore(_: object) -> None:
    pass


def _without_display(_: int) -> AbstractContextManager[Report]:
    return nullcontext(_ignore)


@dataclass(frozen=True, slots=True)
class Observer:
    """Functions that a command calls while it works. By default they do nothing."""

    # Takes a git command, just after the command ran it.
    ran: Callable[[str], None] = _ignore
    # Takes one line that says what begins; of use to somebody who waits.
    began: Callable[[str], None] = _ignore
    # Takes one line that the user has to know.
    note: Callable[[str], None] = _ignore
    # Takes something that is suspicious about the project.
    warn: Callable[[Problem], None] = _ignore
    # Takes the number of nodes; yields a function that takes the events of a run.
    progress: Callable[[int], AbstractContextManager[Report]] = _without_display


NOBODY = Observer()
