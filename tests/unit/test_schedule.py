"""The order in which workers take the nodes of a run, and commit them."""

from __future__ import annotations

import random
import threading
import time
from collections import deque

import pytest

from seeknal_git.build.schedule import Bundle, Layer, Schedule


def test_who_takes_a_light_layer_after_others_has_committed_before() -> None:
    """Its transaction would be older than their tables."""
    heavy = Layer(lambda: False, lambda: [["a"], ["b"]])
    light = Layer(lambda: True, lambda: [["c"]])
    schedule, both = Schedule(deque([heavy, light]), 0.05), threading.Barrier(2)
    told: list[list[str]] = [[], []]

    def work(number: int) -> None:
        mine = told[number]

        def commit() -> None:
            mine.append("commit")

        with schedule.joined():
            both.wait(10)
            for unit in schedule.units(commit):
                assert not isinstance(unit, Bundle)
                mine += unit
                while unit == ["a"] and not schedule._idle:  # the other one is done
                    time.sleep(0.001)
            mine.append("commit")

    threads = [threading.Thread(target=work, args=[number]) for number in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    (taker,) = (each for each in told if "c" in each)
    assert taker[taker.index("c") - 1] == "commit"


class Tables:
    """Tables that are seen once they are committed, by transactions that begin after that."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.committed: set[str] = set()
        self.built: list[str] = []
        self.missing: list[tuple[str, set[str]]] = []


class Session:
    """A worker's connection. Its transaction begins with its first table."""

    def __init__(self, tables: Tables) -> None:
        self.tables = tables
        self.seen: set[str] | None = None
        self.own: set[str] = set()

    def build(self, table: str, reads: set[str]) -> None:
        with self.tables.lock:
            if self.seen is None:
                self.seen = set(self.tables.committed)
            if missing := reads - self.seen - self.own:
                self.tables.missing.append((table, missing))
            self.tables.built.append(table)
        self.own.add(table)

    def commit(self) -> None:
        with self.tables.lock:
            self.tables.committed |= self.own
        self.seen, self.own = None, set()


@pytest.mark.parametrize("seed", range(40))
def test_every_table_is_built_once_where_all_layers_before_are_seen(seed: int) -> None:
    chance, tables = random.Random(seed), Tables()
    layers = [
        [f"{number}.{place}" for place in range(chance.randint(0, 5))]
        for number in range(chance.randint(1, 12))
    ]
    light, slow = (
        [chance.random() < 0.6 for _ in layers],
        {table for layer in layers for table in layer if chance.random() < 0.2},
    )

    def laid(number: int) -> Layer:
        return Layer(lambda: light[number], lambda: [[table] for table in layers[number]])

    schedule = Schedule(deque(map(laid, range(len(layers)))), 0.001)

    def work(*, alone: bool = False) -> None:
        session = Session(tables)
        take = schedule.light_units if alone else schedule.units
        with schedule.joined():
            for unit in take(session.commit):
                assert not isinstance(unit, Bundle)
                (table,) = unit
                layer = int(table.partition(".")[0])
                session.build(table, {read for before in layers[:layer] for read in before})
                if table in slow:
                    time.sleep(0.002)
            session.commit()

    work(alone=True)
    if not schedule.is_empty:
        threads = [threading.Thread(target=work) for _ in range(chance.randint(1, 4))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
            assert not thread.is_alive()
    assert tables.missing == []
    assert sorted(tables.built) == sorted(table for layer in layers for table in layer)
