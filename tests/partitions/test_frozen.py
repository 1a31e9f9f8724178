"""`history: frozen` on an input: its new data is for new partitions alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.conftest import Repo, Templates
from tests.partitions.shop import DAYS, TRANSFORMS, Raw, Transform, begin, shown, write_nodes

TOWNS = {1: "Rome", 2: "Oslo"}
ORDERS = {1: ("2026-01-01 10:00:00", 1, 10), 2: ("2026-01-02 10:00:00", 2, 20)}
BY_TOWN = replace(
    TRANSFORMS["by_town"],
    inputs=("source.orders", "{ref: source.customers, history: frozen}"),
)
NODES = {
    "by_town": BY_TOWN,
    "total": Transform(
        "SELECT town, sum(amount) AS amount FROM transform.by_town GROUP BY town",
        ("transform.by_town",),
    ),
}
YML = "seeknal/transforms/by_town.yml"
DAY = Any


def load(repo: Repo, orders: dict[int, tuple[str, int, int]], towns: dict[int, str]) -> None:
    Raw(orders, {}, towns).write(repo)


def make(repo: Repo) -> None:
    begin(repo, Raw(dict(ORDERS), {}, TOWNS), NODES)
    repo.seeknal("run")


@pytest.fixture
def frozen(copy_of: Templates) -> Repo:
    return copy_of("frozen", make)


def towns(repo: Repo, schema: str = "main") -> list[tuple[int, str, int]]:
    return [(day.day, town, amount) for day, town, amount in shown(repo, schema)["by_town"]]


def test_new_data_of_the_input_is_for_new_partitions_alone(frozen: Repo) -> None:
    load(frozen, ORDERS, {1: "Bonn", 2: "Bonn"})
    assert frozen.built() == ["source.customers"]
    assert towns(frozen) == [(1, "Rome", 10), (2, "Oslo", 20)]
    orders = {
        **ORDERS,
        2: ("2026-01-02 10:00:00", 2, 25),
        3: ("2026-01-03 10:00:00", 1, 30),
    }
    load(frozen, orders, {1: "Bonn", 2: "Bonn"})
    built = frozen.run()["built"]["transform.by_town"]["partitions"]["built"]
    assert built == ["2026-01-02", "2026-01-03"]
    assert towns(frozen) == [(1, "Rome", 10), (2, "Bonn", 25), (3, "Bonn", 30)]
    assert ("Bonn", 55) in shown(frozen)["total"]
    assert frozen.built() == []


def test_new_code_and_a_full_run_build_all_partitions_of_the_data_of_today(frozen: Repo) -> None:
    load(frozen, ORDERS, {1: "Bonn", 2: "Bonn"})
    frozen.seeknal("run", "--full")
    assert towns(frozen) == [(1, "Bonn", 10), (2, "Bonn", 20)]
    load(frozen, ORDERS, {1: "Rome", 2: "Rome"})
    frozen.seeknal("run")
    frozen.switch("dev", create=True)
    edited = replace(BY_TOWN, sql=BY_TOWN.sql.replace("sum(o.amount)", "2 * sum(o.amount)"))
    write_nodes(frozen, {**NODES, "by_town": edited})
    frozen.commit("Twice")
    frozen.seeknal("run")
    assert towns(frozen, "dev") == [(1, "Rome", 20), (2, "Rome", 40)]
    assert towns(frozen) == [(1, "Bonn", 10), (2, "Bonn", 20)]
    frozen.switch("main")
    frozen.merge("dev")
    assert frozen.seeknal("promote").code == 0
    assert towns(frozen) == [(1, "Rome", 20), (2, "Rome", 40)]


def test_other_code_of_the_input_builds_all_partitions(frozen: Repo) -> None:
    path = "seeknal/sources/customers.yml"
    text = frozen.read(path)
    frozen.write(path, text + "\nparams: {dateformat: '%Y'}\n")
    assert "transform.by_town" in frozen.plan()["layers"][1]


def test_every_plan_says_so(frozen: Repo) -> None:
    told = "transform.by_town keeps its partitions when source.customers has new data"
    frozen.switch("dev", create=True)
    assert told in " ".join(frozen.seeknal("plan").out.split())
    assert told in frozen.seeknal("plan", "--markdown").out.replace("\\_", "_")
    frozen.write("seeknal/transforms/more.yml", Transform("SELECT 1 AS a", ()).yml("more"))
    assert told in " ".join(frozen.seeknal("plan").out.split())
    assert frozen.plan()["frozen"] == {"transform.by_town": ["source.customers"]}


def test_to_freeze_and_to_thaw_are_breaking(frozen: Repo) -> None:
    load(frozen, ORDERS, {1: "Bonn", 2: "Bonn"})
    frozen.seeknal("run")
    frozen.switch("dev", create=True)
    write_nodes(frozen, {**NODES, "by_town": TRANSFORMS["by_town"]})
    frozen.commit("Thaw")
    (change,) = frozen.plan()["changes"]
    assert (change["node"], change["category"]) == ("transform.by_town", "BREAKING")
    assert change["what"] == ["history of source.customers not frozen"]
    frozen.seeknal("run")
    assert towns(frozen, "dev") == [(1, "Bonn", 10), (2, "Bonn", 20)]


def test_a_verification_leaves_it_out(frozen: Repo) -> None:
    load(frozen, ORDERS, {1: "Bonn", 2: "Bonn"})
    frozen.seeknal("run")
    told = frozen.seeknal("plan", "--verify", "--all")
    assert "the history of source.customers is frozen" in " ".join(told.err.split())


def test_a_run_since_some_days_has_all_of_the_input(frozen: Repo) -> None:
    """A piece that was computed of a part of it would stay for good."""
    sums = Transform(
        "SELECT ordered_at::DATE AS day, sum(amount) AS amount FROM source.orders GROUP BY 1",
        ("source.orders",),
        DAYS,
    )
    weekly = Transform(
        "SELECT o.ordered_at::DATE AS day, sum(o.amount) / (SELECT sum(amount) FROM"
        " transform.sums) AS share\nFROM source.orders AS o GROUP BY 1",
        ("source.orders", "{ref: transform.total_sums, history: frozen}"),
        DAYS,
    )
    total = Transform("SELECT sum(amount) AS amount FROM transform.sums", ("transform.sums",))
    weekly = replace(weekly, sql=weekly.sql.replace("transform.sums", "transform.total_sums"))
    frozen.switch("dev", create=True)
    write_nodes(frozen, {**NODES, "sums": sums, "total_sums": total, "share": weekly})
    frozen.commit("Shares")
    told = frozen.seeknal("run", "--start", "2026-01-02")
    assert "transform.share" in told.err + told.out
    assert [(day.day, share) for day, share in shown(frozen, "dev")["share"]] == [(2, 20 / 30)]
    assert len(shown(frozen, "dev")["sums"]) == 2


def test_what_gc_has_dropped_is_another_build_and_is_checked_again(frozen: Repo) -> None:
    text = frozen.read(YML)
    frozen.write(YML, text + "tests:\n  - accepted_values: {column: town, values: [Rome, Oslo]}\n")
    frozen.write("seeknal_project.yml", "name: shop\nkeep_promotions: 1\nkeep_history: 0s\n")
    frozen.commit("Known towns")
    frozen.seeknal("run")
    load(frozen, {**ORDERS, 2: ("2026-01-02 10:00:00", 2, 25)}, TOWNS)
    frozen.seeknal("run")
    frozen.seeknal("gc", "--yes")
    load(frozen, ORDERS, {1: "Bonn", 2: "Bonn"})
    told = frozen.seeknal("run", code=None)
    assert told.code != 0
    assert "accepted_values" in told.err + told.out
    assert towns(frozen) == [(1, "Rome", 10), (2, "Oslo", 25)]
    load(frozen, ORDERS, TOWNS)
    frozen.seeknal("run", "--full")
    assert towns(frozen) == [(1, "Rome", 10), (2, "Oslo", 20)]


@pytest.mark.parametrize(
    ("file", "said"),
    [
        (
            replace(BY_TOWN, partition=""),
            "`history: frozen` keeps the partitions of a node: give it `partition:`",
        ),
        (
            replace(
                BY_TOWN,
                inputs=("{ref: source.orders, history: frozen}", "source.customers"),
            ),
            "source.orders is read partition by partition, so nothing of it is frozen",
        ),
        (
            replace(BY_TOWN, reads="{source.customers: {before: 1d}}"),
            "`reads` says that source.customers is read partition by partition",
        ),
        (
            replace(BY_TOWN, inputs=("source.orders", "{ref: source.customers, history: cold}")),
            "input should be 'frozen'",
        ),
        (
            replace(BY_TOWN, sql=BY_TOWN.sql + " LIMIT 3"),
            "`history: frozen` keeps partitions, and it has none",
        ),
    ],
)
def test_mistakes_have_a_message_with_their_line(frozen: Repo, file: Transform, said: str) -> None:
    write_nodes(frozen, {"by_town": file})
    told = frozen.seeknal("validate", code=None)
    assert told.code == 1
    assert said in " ".join(told.err.split())
    assert f"{YML}:" in told.err


def test_other_nodes_have_no_frozen_inputs(frozen: Repo) -> None:
    frozen.write(
        "seeknal/exposures/file.yml",
        "kind: exposure\nname: file\ntype: file\nparams: {path: a.csv}\n"
        "inputs: [{ref: transform.total, history: frozen}]\n",
    )
    told = frozen.seeknal("validate", code=1)
    assert "`history: frozen` is of a node with `partition:`" in " ".join(told.err.split())
