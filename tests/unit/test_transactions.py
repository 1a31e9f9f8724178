"""Steps of a worker that share a transaction."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial

import pytest

from seeknal_git.build.failures import NodeFailed
from seeknal_git.build.transactions import Step, Worker, commit, take
from seeknal_git.warehouse.model.snapshots import Blueprint
from seeknal_git.warehouse.opening import open_warehouse
from seeknal_git.warehouse.protocol import Builder, Warehouse


@pytest.fixture
def warehouse() -> Iterator[Warehouse]:
    with open_warehouse(None, None) as warehouse:
        yield warehouse


class Events:
    def __init__(self) -> None:
        self.forgotten: list[str] = []
        self.lost: list[str] = []
        self.skipped: list[str] = []

    def lose(self, node: str, exc: Exception) -> None:
        self.lost.append(node)

    def skip(self, node: str) -> bool:
        """Everything reads the node before."""
        if self.lost:
            self.skipped.append(node)
        return bool(self.lost)


def hired(warehouse: Warehouse, events: Events) -> Worker:
    return Worker(
        warehouse.builder(),
        warehouse.commit_seconds,
        threading.Event(),
        {},
        events.forgotten.append,
        events.lose,
        events.skip,
    )


def building(node: str, sql: str) -> Step:
    def build(builder: Builder) -> bool:
        builder.build(Blueprint(node, node, "", False, node, node, node, None, sql, {}))
        return True

    return Step(node, build)


def failing(builder: Builder) -> bool:
    raise NodeFailed("its raw data changed")


def tables(warehouse: Warehouse) -> set[str]:
    return {name.partition("__")[0] for name in warehouse.snapshots.tables()}


def test_steps_before_one_that_fails_without_the_engine_are_kept(warehouse: Warehouse) -> None:
    events = Events()
    worker = hired(warehouse, events)
    take(worker, building("first", "SELECT 1 AS id"))
    take(worker, building("second", 'FROM warehouse._snapshots."first__first"'))
    with pytest.raises(NodeFailed):
        take(worker, Step("third", failing))
    commit(worker)
    assert (tables(warehouse), events.lost) == ({"first", "second"}, [])
    assert events.forgotten == ["first", "second"]


def test_what_reads_a_step_that_cannot_be_taken_again_is_skipped(warehouse: Warehouse) -> None:
    events, times = Events(), iter([None, NodeFailed("gone"), NodeFailed("gone")])
    worker = hired(warehouse, events)

    def once(build: Step, builder: Builder) -> bool:
        if (fault := next(times)) is not None:
            raise fault
        return build.take(builder)

    take(worker, Step("first", partial(once, building("first", "SELECT 1 AS id"))))
    take(worker, building("second", 'FROM warehouse._snapshots."first__first"'))
    with pytest.raises(NodeFailed):
        take(worker, Step("third", failing))
    commit(worker)
    assert (tables(warehouse), events.lost, events.skipped) == (set(), ["first"], ["second"])
