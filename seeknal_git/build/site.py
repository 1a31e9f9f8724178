"""The site of a run: everything that each of its steps needs, and the tables that it has."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from seeknal_git.build.compute import Statement
from seeknal_git.build.pieces import Pieces
from seeknal_git.build.progress import Progress, Report
from seeknal_git.build.schedule import Schedule
from seeknal_git.build.transactions import Worker
from seeknal_git.build.work import Work
from seeknal_git.warehouse.model.snapshots import Snapshot
from seeknal_git.warehouse.protocol import Warehouse

if TYPE_CHECKING:
    from seeknal_git.build.check_questions import Answers
    from seeknal_git.build.python_nodes import Functions
    from seeknal_git.build.sending import Sender


@dataclass(frozen=True, slots=True)
class Site:
    """Everything that each step of a run needs."""

    warehouse: Warehouse
    work: Work
    report: Report
    progress: Progress
    schedule: Schedule
    # Names of snapshot tables, in lower case: asked once, as the engine walks its catalog to
    # answer.
    taken: frozenset[str]
    pieces: Pieces
    # Earlier answers to the checks that look at each row by itself.
    answers: Answers
    # The Python nodes, if the run builds any.
    functions: Functions | None = None
    # Snapshot id → what this run built: nodes that are made of the same share one table.
    made: dict[str, Snapshot] = field(default_factory=dict)
    # Snapshot id → the SELECT over the result of a Python node.
    computed: dict[str, Statement] = field(default_factory=dict)
    # The nodes whose SQL was told: a table may be built again after its transaction was undone.
    told: set[str] = field(default_factory=set)
    workers: list[Worker] = field(default_factory=list)
    senders: list[Sender] = field(default_factory=list)  # one, if processes build
    stopping: threading.Event = field(default_factory=threading.Event)
    # Held while a worker is added, so that none is added once the run ends.
    opening: threading.Lock = field(default_factory=threading.Lock)


def relations_of(site: Site, nodes: Iterable[str]) -> dict[str, str]:
    """Node → its table as SQL names it."""
    return {node: snapshot_of(site.work, site.progress, node).relation for node in nodes}


def snapshot_of(work: Work, progress: Progress, identifier: str) -> Snapshot:
    """The table that a node has after a run."""
    found = progress.built.get(identifier) or work.inventory.snapshot(identifier)
    assert found is not None
    return found
