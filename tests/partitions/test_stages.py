"""A build that takes long commits its partitions as they come, and a run that ends goes on there."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import date, timedelta

import pytest

from seeknal_git.sql.engine import SqlError
from seeknal_git.warehouse import pieces
from seeknal_git.warehouse.builder import Builder
from tests.conftest import Repo, Templates
from tests.partitions.shop import TRANSFORMS, Raw, begin, shown, truth

DAYS = 12
# Each of its partitions has a statement of its own.
NODES = {name: TRANSFORMS[name] for name in ("daily", "rolling")}


def make(repo: Repo) -> None:
    orders = {
        number: (f"{date(2026, 1, 1) + timedelta(days=number)} 10:00:00", 1, number + 1)
        for number in range(DAYS)
    }
    begin(repo, Raw(orders, {}, {1: "Rome"}), NODES)


@pytest.fixture
def shop(copy_of: Templates, monkeypatch: pytest.MonkeyPatch) -> Repo:
    monkeypatch.setattr(pieces, "STAGE_SECONDS", 0.0)
    return copy_of("stages", make)


def broken_off(monkeypatch: pytest.MonkeyPatch, number: int, fault: BaseException) -> None:
    """Let the build of pieces break off when it is asked for the n-th time."""
    whole: Callable[..., object] = Builder.build_pieces
    times = iter(range(number))

    def build(*given: object) -> object:
        if next(times, None) is None:
            raise fault
        return whole(*given)

    monkeypatch.setattr(Builder, "build_pieces", build)


def test_all_stages_together_are_one_table(shop: Repo) -> None:
    built = shop.run()["built"]
    assert len(built["transform.rolling"]["partitions"]["built"]) == DAYS + 2
    assert shown(shop) == truth(shop.path, NODES)
    assert shop.built() == []


@pytest.mark.parametrize("fault", [KeyboardInterrupt(), RuntimeError("out of paper")])
def test_a_run_goes_on_where_another_one_ended(
    shop: Repo, monkeypatch: pytest.MonkeyPatch, fault: BaseException
) -> None:
    with monkeypatch.context() as patch:
        broken_off(patch, 8, fault)
        with contextlib.suppress(RuntimeError):
            assert shop.seeknal("run", code=None).code != 0
    assert shop.views("main") == {}
    built = shop.run()["built"]["transform.rolling"]["partitions"]["built"]
    assert 0 < len(built) < DAYS
    assert shown(shop) == truth(shop.path, NODES)


def test_gc_between_both_costs_the_pieces_and_nothing_else(
    shop: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        broken_off(patch, 8, KeyboardInterrupt())
        shop.seeknal("run", code=None)
    shop.seeknal("gc", "--yes")
    shop.seeknal("run")
    assert shown(shop) == truth(shop.path, NODES)
    assert shop.seeknal("gc", "--json").json["pieces"] == []


def test_other_steps_of_the_run_stay_in_their_transactions(
    shop: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failure of a later stage takes back neither the stages before nor the other tables."""
    with monkeypatch.context() as patch:
        broken_off(patch, 8, SqlError("Disk full"))
        told = shop.seeknal("run", code=1)
    assert "Disk full" in told.err + told.out
    built = shop.run()["built"]
    assert "source.orders" not in built
    assert len(built["transform.rolling"]["partitions"]["built"]) < DAYS
    assert shown(shop) == truth(shop.path, NODES)


def test_a_full_run_in_stages_makes_one_table_anew(shop: Repo) -> None:
    shop.seeknal("run")
    built = shop.run("--full")["built"]
    assert len(built["transform.rolling"]["partitions"]["built"]) == DAYS + 2
    assert shown(shop) == truth(shop.path, NODES)
    assert shop.built() == []
    tables = "SELECT count(DISTINCT table_name) FROM _seeknal.pieces WHERE id IN"
    tables += " (SELECT id FROM _seeknal.pieces WHERE starts_with(table_name, 'rolling'))"
    assert shop.numbers(tables) == [(2,)]
