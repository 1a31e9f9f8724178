"""The order in which workers take the nodes of a run, and commit them."""

from __future__ import annotations

import threading
import time
from collections import deque

from seeknal_git.build.schedule import Layer, Schedule


def test_who_takes_a_light_layer_after_others_has_committed_before() -> None:
    """Its transaction would be older than their tables."""
    heavy = Layer(lambda: False, lambda: [["a"], ["b"]])
    light = Layer(lambda: True, lambda: [["c"]])
    schedule, both = Schedule(deque([heavy, light])), threading.Barrier(2)
    told: list[list[str]] = [[], []]

    def work(number: int) -> None:
        mine = told[number]

        def commit() -> None:
            mine.append("commit")

        with schedule.joined():
            both.wait(10)
            for unit in schedule.units(commit):
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
