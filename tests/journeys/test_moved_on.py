"""What a branch built may not fit any more when it is merged: promotion re-uses what is valid and
builds the rest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests.conftest import Repo

DAILY = "seeknal/transforms/daily.yml"
CLEAN = "seeknal/transforms/clean_orders.yml"
BY_CUSTOMER = "seeknal/transforms/by_customer.yml"
RAW = "raw/orders.csv"
SINCE = "the raw data behind it moved on since it was built"
COUNTED = ("sum(amount) AS total", "sum(amount) AS total, count(*) AS orders")


def built_on_dev(shop: Repo, edit: Callable[[Repo], None]) -> None:
    """An edit is committed and built on dev; we are back on main."""
    shop.switch("dev", create=True)
    edit(shop)
    shop.commit("On dev")
    shop.seeknal("run")
    shop.switch("main")


def on_main(shop: Repo, edit: Callable[[Repo], None]) -> None:
    edit(shop)
    shop.commit("On main")
    shop.seeknal("promote")


def counts(shop: Repo) -> None:
    shop.replace(DAILY, *COUNTED)


def smallest(shop: Repo) -> None:
    shop.replace(BY_CUSTOMER, "sum(o.amount)", "min(o.amount)")


def only_large_orders(shop: Repo) -> None:
    shop.replace(CLEAN, "amount IS NOT NULL", "amount > 15")


def new_orders(shop: Repo) -> None:
    shop.write("data/orders.csv", shop.read("data/orders.csv") + "6,1,2024-01-04,60\n")


def sources_were_refreshed(shop: Repo) -> None:
    shop.replace("seeknal/sources/orders.yml", "data/orders.csv", RAW)
    shop.write(RAW, shop.read("data/orders.csv"))
    shop.commit("Orders are raw data now")
    shop.seeknal("run")
    built_on_dev(shop, counts)
    shop.write(RAW, shop.read(RAW) + "6,1,2024-01-04,60\n")
    shop.seeknal("run")
    shop.merge("dev")


def tracked_data_was_changed(shop: Repo) -> None:
    built_on_dev(shop, counts)
    on_main(shop, new_orders)
    shop.merge("dev")


def another_node_was_changed(shop: Repo) -> None:
    built_on_dev(shop, counts)
    on_main(shop, smallest)
    shop.merge("dev")


def the_same_node_was_changed(shop: Repo) -> None:
    built_on_dev(shop, counts)
    on_main(
        shop,
        lambda shop: shop.replace(DAILY, "GROUP BY day", "GROUP BY day\n  HAVING day IS NOT NULL"),
    )
    shop.merge("dev")


def its_input_was_changed(shop: Repo) -> None:
    built_on_dev(shop, counts)
    on_main(shop, only_large_orders)
    shop.merge("dev")


def a_node_that_reads_it_was_changed(shop: Repo) -> None:
    built_on_dev(shop, only_large_orders)
    on_main(shop, counts)
    shop.merge("dev")


def it_was_built_dirty_and_committed_otherwise(shop: Repo) -> None:
    shop.switch("dev", create=True)
    counts(shop)
    smallest(shop)
    shop.seeknal("run")
    shop.replace(DAILY, "count(*) AS orders", "count(*) AS number_of_orders")
    shop.commit("Not quite what was built")
    shop.switch("main")
    shop.merge("dev")


def it_was_never_built(shop: Repo) -> None:
    shop.switch("dev", create=True)
    counts(shop)
    shop.commit("On dev")
    shop.switch("main")
    shop.merge("dev")


def two_branches_changed_two_nodes(shop: Repo) -> None:
    built_on_dev(shop, counts)
    shop.switch("other", create=True)
    smallest(shop)
    shop.commit("On another branch")
    shop.seeknal("run")
    shop.switch("main")
    shop.merge("dev")
    shop.merge("other")


def two_branches_made_the_same_change(shop: Repo) -> None:
    built_on_dev(shop, counts)
    shop.switch("other", create=True)
    counts(shop)
    shop.commit("The same")
    assert shop.built() == [], "one table is enough for both"
    shop.switch("main")
    shop.merge("dev")
    shop.merge("other")


@dataclass(frozen=True)
class Case:
    """What happened; and which nodes the promotion builds, with the reason that it gives."""

    happened: Callable[[Repo], None]
    built: dict[str, str]


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(Case(happened, built), id=happened.__name__.replace("_", " "))
        for happened, built in [
            (sources_were_refreshed, {"transform.daily": SINCE}),
            (tracked_data_was_changed, {"transform.daily": SINCE}),
            (another_node_was_changed, {}),
            (the_same_node_was_changed, {"transform.daily": "its definition changed"}),
            (its_input_was_changed, {"transform.daily": "its definition changed"}),
            (
                a_node_that_reads_it_was_changed,
                {"transform.daily": "reads transform.clean_orders, which changed"},
            ),
            (
                it_was_built_dirty_and_committed_otherwise,
                {"transform.daily": "its definition changed"},
            ),
            (it_was_never_built, {"transform.daily": "its definition changed"}),
            (two_branches_changed_two_nodes, {}),
            (two_branches_made_the_same_change, {}),
        ]
    ],
)
def test_a_promotion_builds_what_moved_on_and_says_why(published: Repo, case: Case) -> None:
    case.happened(published)
    preview = published.seeknal("promote", "--dry-run", "--json").json
    assert preview["build"] == case.built
    done = published.seeknal("promote", "--json").json
    assert {node: each["reason"] for node, each in done["built"].items()} == case.built
    assert published.seeknal("promote", "--json").json["built"] == {}
    if not (published.path / RAW).exists():
        assert published.production() == published.fresh_build("main")
    else:
        assert (60,) in published.numbers("SELECT total FROM daily"), (
            "production's own load, not the branch's"
        )
        assert published.built() == []


def test_a_node_that_one_side_deleted_and_the_other_uses_stops_a_promotion_before_anything_is_built(
    published: Repo,
) -> None:
    built_on_dev(
        published,
        lambda shop: shop.write(
            "seeknal/transforms/busy.yml",
            "kind: transform\nname: busy\ninputs: [transform.daily]\n"
            "transform: SELECT day FROM transform.daily WHERE total > 20\n",
        ),
    )
    on_main(published, lambda shop: (shop.path / DAILY).unlink())
    published.merge("dev")
    before = published.production(), published.snapshots(), published.publications()
    said = published.seeknal("promote", code=1).err
    assert (
        "seeknal/transforms/busy.yml:3: transform.busy reads transform.daily, which does not exist."
        in said
    )
    assert (published.production(), published.snapshots(), published.publications()) == before
    assert published.seeknal("status", "--json").json["production"]["pending"] is True
    published.git("revert", "--no-edit", "--mainline", "1", "HEAD")
    published.seeknal("promote")
    assert published.production() == published.fresh_build("main")
