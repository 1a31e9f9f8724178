"""Build beside the warehouse, which others read meanwhile (docs/design/readers.md).

A run finds out its work by reading. If there is something to build, it builds that in a file of its
own. Only then it holds the warehouse, to copy its tables and to publish. If somebody else has
changed the warehouse meanwhile, it begins again, and keeps its tables.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from seeknal_git.build.compute import reads_row_ids
from seeknal_git.build.options import Options
from seeknal_git.build.progress import Progress
from seeknal_git.build.work import Work


@dataclass(frozen=True, slots=True)
class Ahead:
    """The work of a run, and its results so far, before it holds the warehouse."""

    work: Work  # to publish: all of the run
    stamp: str  # of the warehouse that it is about
    rest: Work  # to build when the warehouse is held
    progress: Progress = field(default_factory=Progress)
    file: Path | None = None  # in which it was built, if anything was

    @property
    def made(self) -> dict[str, str]:
        """Identity → the build that was made of it."""
        return {one.identity: one.build for one in self.progress.built.values()}


def split(work: Work) -> tuple[Work, Work]:
    """The work that can be done beside the warehouse, and the rest.

    SQL that reads row ids finds none in a view, and a table of the warehouse is one there.
    """
    graph, later = work.graph, set[str]()
    for node in {*work.reasons, *work.checks}:
        definition = graph.node(node)
        texts = [definition.sql or "", *(check.sql for check in definition.checks)]
        if any(map(reads_row_ids, texts)):
            later.add(node)
    if not later:
        return work, nothing_of(work)
    later |= graph.downstream(later)
    return _of(work, {*graph.members} - later), _of(work, later)


def nothing_of(work: Work) -> Work:
    """A work with nothing to build or to check."""
    return _of(work, set())


def _of(work: Work, nodes: set[str]) -> Work:
    """The part of the work that is about some nodes."""
    return replace(
        work,
        reasons={node: why for node, why in work.reasons.items() if node in nodes},
        checks={node: numbers for node, numbers in work.checks.items() if node in nodes},
        failing={node: numbers for node, numbers in work.failing.items() if node in nodes},
    )


def tables_read(work: Work) -> Iterator[str]:
    """The tables of the warehouse that the work reads."""
    graph, inventory = work.graph, work.inventory
    busy = {*work.reasons, *work.checks}
    read = {name for node in busy for name in graph.inputs[node]}
    read |= {name for node in busy for targets in graph.targets[node] for name in targets}
    for node in busy | read:
        if node in inventory.identities and (found := inventory.snapshot(node)):
            yield from found.tables
    for node in work.reasons:
        definition = graph.node(node)
        if definition.kind == "source" and (other := inventory.in_another_form(definition)):
            yield from other.tables
        newest = inventory.histories.newest.get(node) if inventory.histories else None
        if newest:
            yield from newest.tables


def with_made(options: Options, before: Ahead | None) -> Options:
    """The options of a run that begins again, which uses all that it has built."""
    return options if before is None else replace(options, made={**options.made, **before.made})


def continued(work: Work, before: Ahead | None) -> tuple[Work, Progress]:
    """The work of a run that begins again, and the results of before that still count."""
    if before is None:
        return work, Progress()
    graph, inventory, old = work.graph, work.inventory, before.progress
    built = {}
    for node, snapshot in old.built.items():
        there = inventory.snapshot(node) if node in graph.views else None
        if there and there.id == snapshot.id and node not in work.reasons:
            # Somebody else may have built the same in a table of another name.
            built[node] = replace(there, partitions=snapshot.partitions, read=snapshot.read)
    reasons = {**before.work.reasons, **work.reasons}
    told = {node: reasons[node] for node in graph.members if node in work.reasons or node in built}
    answers = {
        (node, number): answer
        for (node, number), answer in old.answers.items()
        if inventory.answer_ids.get((node, number)) == answer.id
    }
    doubts = [doubt for doubt in old.doubts if doubt[0] in built]
    return replace(work, reasons=told), Progress(built=built, answers=answers, doubts=doubts)
