"""How a run or a promotion builds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seeknal_git.build.processes import Processes


@dataclass(frozen=True, slots=True)
class Since:
    """The time that a run limits partitions to, half-open, in UTC."""

    words: str  # as the option says it
    hours: int | None = None  # before `end`, or before the end of the newest partition
    start: datetime | None = None
    end: datetime | None = None


@dataclass(frozen=True, slots=True)
class Options:
    """How to build."""

    refresh: bool = False  # read raw data again
    full: bool = False  # build all other nodes again
    chosen: frozenset[str] | None = None  # only these nodes; None for all
    keep_going: bool = False  # after a failure
    workers: int = 1
    processes: Processes | None = None  # that build; None for the run's own threads
    retry: int = 0
    all_or_nothing: bool = False  # publish nothing if anything failed
    force: bool = False  # release also if that takes back the release of another clone
    reason: str | None = None  # why somebody insists
    whole: bool = False  # production is to show just this graph, also if only some nodes are chosen
    sandbox: bool = False  # run no Python node
    verbose: bool = False  # tell the SQL of nodes, the output of functions, and each check
    newest: bool = False  # of several tables made of the same, take the newest, shown or not
    since: Since | None = None  # build only the partitions of this time
    no_backfill: bool = False  # refuse to complete tables that were built in part
    # Identity → its build that was made already, though it is to be built again.
    made: Mapping[str, str] = field(default_factory=dict)
