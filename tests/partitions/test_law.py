"""A table in partitions equals a build from nothing, after any history of data and code."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import Repo, examples
from tests.partitions.shop import (
    TRANSFORMS,
    Raw,
    Transform,
    begin,
    shown,
    truth,
    write_nodes,
)

DAY = st.integers(1, 28)
ORDER = st.tuples(
    st.builds("2026-{:02}-{:02} {:02}:00:00".format, st.integers(1, 3), DAY, st.integers(0, 23)),
    st.integers(1, 4),
    st.integers(1, 50),
)
REFUND = st.tuples(st.builds("2026-{:02}-{:02}".format, st.integers(1, 3), DAY), st.integers(1, 9))
EDITS = {
    "daily": ("sum(amount)", "max(amount)"),
    "net": ("coalesce(r.amount, 0)", "2 * coalesce(r.amount, 0)"),
    "by_town": ("c.town", "upper(c.town) AS town"),
    "best": ("amount DESC", "amount ASC"),
    "rolling": ("sum(b.amount)", "min(b.amount)"),
}
STEP = st.one_of(
    st.tuples(st.just("order"), st.lists(ORDER, min_size=1, max_size=5)),
    st.tuples(st.just("refund"), st.lists(REFUND, min_size=1, max_size=3)),
    st.tuples(st.just("correct"), st.integers(0, 1000)),
    st.tuples(st.just("delete"), st.integers(0, 1000)),
    st.tuples(st.just("move"), st.tuples(st.integers(1, 4), st.sampled_from(["Rome", "Oslo"]))),
    st.tuples(st.just("edit"), st.sampled_from(sorted(EDITS))),
    st.tuples(st.just("branch"), st.sampled_from(sorted(EDITS))),
    st.tuples(st.just("full"), st.none()),
    st.tuples(st.just("rollback"), st.none()),
)


def test_production_equals_a_build_from_nothing() -> None:
    @settings(max_examples=examples(2), suppress_health_check=list(HealthCheck))
    @given(st.lists(ORDER, min_size=3, max_size=12), st.lists(STEP, min_size=3, max_size=6))
    def holds(first: list[tuple[str, int, int]], steps: list[tuple[str, object]]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            walk = Walk(Repo(Path(folder) / "shop"), first)
            for name, given in steps:
                getattr(walk, name)(given)
                walk.compare()

    holds()


def _moved(before: Mapping[int, Any], after: Mapping[int, Any]) -> set[str]:
    """The days whose rows differ. The first value of a row is its time."""
    changed = [
        rows[number][0][:10]
        for number in before.keys() | after.keys()
        for rows in (before, after)
        if before.get(number) != after.get(number) and number in rows
    ]
    return set(changed)


class Walk:
    def __init__(
        self,
        repo: Repo,
        orders: list[tuple[str, int, int]],
        transforms: Mapping[str, Transform] = TRANSFORMS,
    ) -> None:
        self.repo, self.transforms = repo, dict(transforms)
        self.raw = Raw(dict(enumerate(orders)), {}, {1: "Rome", 2: "Oslo", 3: "Bonn", 4: "Rome"})
        begin(repo, self.raw, transforms)
        repo.seeknal("run")
        self.seen, self.is_of_data = deepcopy(self.raw), True
        self.compare()

    def compare(self) -> None:
        """Production shows the truth, once it has seen the raw data, and has built no partition
        that nothing moved."""
        self.raw.write(self.repo)
        built = self.repo.run()["built"]
        assert shown(self.repo) == truth(self.repo.path, self.transforms)
        if self.is_of_data:
            for node, allowed in self.moved().items():
                made = built.get(node, {}).get("partitions", {}).get("built", [])
                assert set(made) <= allowed, node
        self.seen, self.is_of_data = deepcopy(self.raw), True
        assert self.repo.run()["built"] == {}

    def moved(self) -> dict[str, set[str]]:
        """Node → the partitions that the raw data moved since the last run."""
        orders = _moved(self.seen.orders, self.raw.orders)
        refunds = _moved(self.seen.refunds, self.raw.refunds)
        rolling = {
            str(date.fromisoformat(day) + timedelta(days=n)) for day in orders for n in range(3)
        }
        found = {
            "source.orders": orders,
            "source.refunds": refunds,
            "transform.daily": orders,
            "transform.net": orders | refunds,
            "transform.monthly": {day[:7] for day in orders | refunds},
            "transform.rolling": rolling,
        }
        if self.seen.towns == self.raw.towns:
            found |= {"transform.by_town": orders, "transform.best": orders}
        return found

    def order(self, orders: list[tuple[str, int, int]]) -> None:
        start = max(self.raw.orders, default=0) + 1
        self.raw.orders |= dict(enumerate(orders, start))

    def refund(self, refunds: list[tuple[str, int]]) -> None:
        start = max(self.raw.refunds, default=0) + 1
        self.raw.refunds |= dict(enumerate(refunds, start))

    def correct(self, place: int) -> None:
        number = list(self.raw.orders)[place % len(self.raw.orders)]
        time, customer, amount = self.raw.orders[number]
        self.raw.orders[number] = (time, customer, amount + 1)

    def delete(self, place: int) -> None:
        if len(self.raw.orders) > 1:
            del self.raw.orders[list(self.raw.orders)[place % len(self.raw.orders)]]

    def move(self, given: tuple[int, str]) -> None:
        self.raw.towns[given[0]] = given[1]

    def edit(self, name: str) -> None:
        self.is_of_data = False
        self.transforms[name] = self._edited(name)
        write_nodes(self.repo, self.transforms)
        self.repo.commit(f"Edit {name}")

    def branch(self, name: str) -> None:
        """Edit on a branch, run there, merge with more raw data come in meanwhile."""
        self.is_of_data = False
        edited = {**self.transforms, name: self._edited(name)}
        self.repo.switch("dev", create=True)
        write_nodes(self.repo, edited)
        self.repo.commit(f"Edit {name}")
        self.repo.seeknal("run")
        assert shown(self.repo, "dev").get(name) == truth(self.repo.path, edited)[name]
        self.repo.switch("main")
        self.repo.merge("dev", "--no-ff")
        self.repo.git("branch", "--quiet", "--delete", "dev")
        self.transforms = edited
        self.repo.seeknal("promote")

    def full(self, _: None) -> None:
        self.is_of_data = False
        self.repo.seeknal("run", "--full")

    def rollback(self, _: None) -> None:
        self.is_of_data = False
        self.repo.seeknal("rollback", code=None)

    def _edited(self, name: str) -> Transform:
        before, after = EDITS[name]
        old = self.transforms[name]
        words = (before, after) if before in old.sql and after not in old.sql else (after, before)
        return replace(old, sql=old.sql.replace(*words))
