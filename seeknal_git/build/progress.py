"""A run as values: where it comes from, how it goes, and how it ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seeknal_git.build.failed_checks import Violation
    from seeknal_git.build.work import Work
    from seeknal_git.warehouse.model.deliveries import Folders
    from seeknal_git.warehouse.model.publications import Outcome
    from seeknal_git.warehouse.model.snapshots import Audit, Snapshot


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a publication comes from."""

    commit: str
    author: str
    command: str
    merged: str | None = None  # the branch that came in with the commit, if that is known
    base: str | None = None  # the commit under uncommitted nodes
    publisher: str | None = None  # who runs the command
    clone: str | None = None  # the git folder that it is run in
    edited: bool = False  # whether nodes are not as they were committed
    after: int | None = None  # as in Publication
    started: float = field(default_factory=time.monotonic)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a node during a run."""

    # `layer`, `start`, `built`, `warned` (a check), `doubted` (code), `failed`, `skipped`, `done`;
    # `delivered` (folders of an exposure); of a verbose run also `sql`, `printed` (by a function)
    # and `checked`
    what: str
    node: str
    message: str = ""
    rows: int = 0  # of a check: those that violate it
    seconds: float = 0.0
    layer: tuple[int, int] = (0, 0)  # its number, and the number of layers


Report = Callable[[Event], None]


@dataclass(slots=True)
class Progress:
    """The results of a run so far."""

    built: dict[str, Snapshot] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)  # node → why
    skipped: list[str] = field(default_factory=list)
    answers: dict[tuple[str, int], Audit] = field(default_factory=dict)  # by node and number
    doubts: list[tuple[str, str]] = field(default_factory=list)  # nodes, and warnings of their code


@dataclass(frozen=True, slots=True)
class Reconciled:
    """How a run or a promotion ended."""

    work: Work
    progress: Progress
    outcome: Outcome | None  # None if nothing was published
    failures: Mapping[str, str]  # node → why
    held_back: tuple[str, ...] = ()  # nodes that were not published
    delivered: tuple[str, ...] = ()  # exposures whose file was put in place
    # The checks that do not hold, also by earlier runs: they are not mended yet.
    violations: tuple[Violation, ...] = ()
    replaces: str | None = None  # who had published the environment, if that was another clone
    # exposure → where the file is that somebody had changed
    kept: Mapping[str, Path] = field(default_factory=dict)
    folders: Mapping[str, Folders] = field(default_factory=dict)  # of partitioned exposures


def without_rows(done: Reconciled) -> Reconciled:
    """The same, fit for a log that others read: rows may be personal data."""
    violations = [replace(violation, sample=None) for violation in done.violations]
    return replace(done, violations=tuple(violations))
