"""`effective_from` and `before`: earlier partitions keep the code of an earlier commit."""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import Repo, Templates, examples
from tests.partitions.shop import DAYS, TRANSFORMS, Raw, Transform, begin, shown, truth, write_nodes
from tests.partitions.test_law import ORDER
from tests.partitions.test_partitions import MONTHLY

ORDERS = {
    number: (f"2026-01-0{number} 10:00:00", 1 + number % 2, 10 * number) for number in range(1, 6)
}
DAILY = Transform(
    "SELECT ordered_at::DATE AS day, count(*) AS orders, sum(amount) AS amount\n"
    "FROM source.orders GROUP BY 1",
    ("source.orders",),
    DAYS,
)
NODES = {"daily": DAILY, "monthly": MONTHLY}
YML = "seeknal/transforms/daily.yml"
TWICE = replace(DAILY, sql=DAILY.sql.replace("sum(amount)", "2 * sum(amount)"))


def make(repo: Repo) -> None:
    begin(repo, Raw(dict(ORDERS), {}, {1: "Rome", 2: "Oslo"}), NODES)
    repo.seeknal("run")


@pytest.fixture
def shop(copy_of: Templates) -> Repo:
    return copy_of("effective", make)


def rev(repo: Repo) -> str:
    return repo.git("rev-parse", "HEAD").strip()


def write(repo: Repo, node: Transform, before: str, day: str = "2026-01-04") -> None:
    said = f"effective_from: {day}\nbefore: {before}\n"
    repo.write(YML, node.yml("daily").replace("inputs:", f"{said}inputs:", 1) + "\n")


def amounts(repo: Repo, schema: str = "main") -> dict[int, int]:
    return {row[0].day: int(row[-1]) for row in shown(repo, schema)["daily"]}


def built(repo: Repo, *arguments: str) -> list[str]:
    table = repo.run(*arguments)["built"].get("transform.daily", {})
    found: list[str] = table.get("partitions", {}).get("built", [])
    return found


def test_earlier_partitions_keep_their_code_and_their_pieces(shop: Repo) -> None:
    write(shop, TWICE, rev(shop))
    shop.commit("Twice")
    assert "2 to build (2026-01-04, 2026-01-05), 3 re-used" in shop.seeknal("plan").out
    assert built(shop) == ["2026-01-04", "2026-01-05"]
    assert amounts(shop) == {1: 10, 2: 20, 3: 30, 4: 80, 5: 100}
    assert built(shop) == []


def test_new_data_is_computed_by_the_code_of_its_day(shop: Repo) -> None:
    write(shop, TWICE, rev(shop))
    shop.commit("Twice")
    shop.seeknal("run")
    orders = {
        **ORDERS,
        1: ("2026-01-01 10:00:00", 1, 11),
        6: ("2026-01-06 10:00:00", 1, 60),
        7: ("2026-01-02 10:00:00", 1, 5),
    }
    Raw(orders, {}, {1: "Rome"}).write(shop)
    assert built(shop) == ["2026-01-01", "2026-01-02", "2026-01-06"]
    assert amounts(shop) == {1: 11, 2: 25, 3: 30, 4: 80, 5: 100, 6: 120}
    shop.seeknal("plan", "--verify", "--all")


def test_another_edit_builds_the_later_partitions_alone(shop: Repo) -> None:
    first = rev(shop)
    write(shop, TWICE, first)
    shop.commit("Twice")
    shop.seeknal("run")
    thrice = replace(DAILY, sql=DAILY.sql.replace("sum(amount)", "3 * sum(amount)"))
    write(shop, thrice, first)
    shop.commit("Thrice")
    assert built(shop) == ["2026-01-04", "2026-01-05"]
    # A third code from another day on: the commit before has two of them.
    fourth = replace(DAILY, sql=DAILY.sql.replace("sum(amount)", "4 * sum(amount)"))
    write(shop, fourth, rev(shop), "2026-01-05")
    shop.commit("Four times")
    assert built(shop) == ["2026-01-05"]
    assert amounts(shop) == {1: 10, 2: 20, 3: 30, 4: 120, 5: 200}


def test_a_revert_takes_it_back(shop: Repo) -> None:
    write(shop, TWICE, rev(shop))
    shop.commit("Twice")
    shop.seeknal("run")
    shop.git("revert", "--no-edit", "HEAD")
    assert built(shop) == []
    assert shown(shop)["daily"] == truth(shop.path, NODES)["daily"]


def test_a_branch_and_its_merge_use_the_pieces_of_production(shop: Repo) -> None:
    before = rev(shop)
    shop.switch("dev", create=True)
    write(shop, TWICE, before)
    shop.commit("Twice")
    (change,) = shop.plan()["changes"]
    assert (change["node"], change["category"]) == ("transform.daily", "BREAKING")
    assert built(shop) == ["2026-01-04", "2026-01-05"]
    shop.switch("main")
    shop.git("merge", "--quiet", "--squash", "dev")
    shop.commit("Twice, squashed")
    assert shop.seeknal("promote").code == 0
    assert amounts(shop) == {1: 10, 2: 20, 3: 30, 4: 80, 5: 100}
    assert built(shop) == []


def test_a_column_that_the_earlier_code_lacks_is_null_there(shop: Repo) -> None:
    more = replace(
        DAILY, sql=DAILY.sql.replace("sum(amount)", "max(amount) AS largest, sum(amount)")
    )
    write(shop, more, rev(shop))
    shop.commit("The largest")
    assert built(shop) == [f"2026-01-0{day}" for day in range(1, 6)]
    largest = [row[2] for row in shown(shop)["daily"]]
    assert largest == [None, None, None, 40, 50]


def test_an_input_whose_code_changed_is_read_by_both(shop: Repo) -> None:
    """The earlier code is that of the node alone: its inputs are those of today."""
    write(shop, TWICE, rev(shop))
    shop.commit("Twice")
    shop.seeknal("run")
    path = "seeknal/sources/orders.yml"
    shop.write(
        path, shop.read(path).replace("amount, data_type: BIGINT", "amount, data_type: DOUBLE")
    )
    shop.commit("Other amounts")
    assert built(shop) == [f"2026-01-0{day}" for day in range(1, 6)]
    assert amounts(shop) == {1: 10, 2: 20, 3: 30, 4: 80, 5: 100}


def test_the_earlier_code_may_read_other_inputs(shop: Repo) -> None:
    own = Transform(
        "SELECT o.ordered_at::DATE AS day, count(*) AS orders, sum(o.amount) AS amount\n"
        "FROM source.orders AS o JOIN source.customers AS c ON c.id = o.customer GROUP BY 1",
        ("source.customers", "source.orders"),
        DAYS,
    )
    write_nodes(shop, {**NODES, "daily": own})
    shop.commit("Customers that are known")
    shop.seeknal("run")
    write(shop, replace(TWICE, sql=TWICE.sql.replace("source.orders", "__THIS__")), rev(shop))
    shop.commit("Twice")
    assert built(shop) == ["2026-01-04", "2026-01-05"]
    assert amounts(shop) == {1: 10, 2: 20, 3: 30, 4: 80, 5: 100}


def test_a_node_that_was_moved_is_found(shop: Repo) -> None:
    before = rev(shop)
    shop.git("mv", YML, "seeknal/transforms/by_day.yml")
    said = f"effective_from: 2026-01-04\nbefore: {before[:9]}\n"
    text = TWICE.yml("daily").replace("inputs:", f"{said}inputs:", 1)
    shop.write("seeknal/transforms/by_day.yml", text + "\n")
    shop.commit("Moved")
    assert built(shop) == ["2026-01-04", "2026-01-05"]


def test_readers_are_built_of_the_partitions_that_changed(shop: Repo) -> None:
    write(shop, TWICE, rev(shop))
    shop.commit("Twice")
    run = shop.run()["built"]
    assert run["transform.monthly"]["partitions"]["built"] == ["2026-01"]
    assert [int(row[1]) for row in shown(shop)["monthly"]] == [240]


def test_the_table_is_that_of_both_codes_after_any_history() -> None:
    day = "2026-02-01"
    sql = (
        f"SELECT * FROM ({TWICE.sql}) WHERE day >= DATE '{day}'"
        f" UNION ALL SELECT * FROM ({DAILY.sql}) WHERE day < DATE '{day}'"
    )
    law = {**NODES, "daily": replace(DAILY, sql=sql)}

    @settings(max_examples=examples(2), suppress_health_check=list(HealthCheck))
    @given(
        st.lists(ORDER, min_size=3, max_size=12),
        st.lists(st.lists(ORDER, min_size=1, max_size=4), min_size=2, max_size=4),
        st.data(),
    )
    def holds(
        first: list[tuple[str, int, int]],
        more: list[list[tuple[str, int, int]]],
        data: st.DataObject,
    ) -> None:
        with tempfile.TemporaryDirectory() as folder:
            repo, orders = Repo(Path(folder) / "shop"), dict(enumerate(first))
            make(repo)
            before = rev(repo)
            Raw(orders, {}, {1: "Rome"}).write(repo)
            repo.seeknal("run")
            write(repo, TWICE, before, day)
            repo.commit("Twice")
            for new in more:
                moved = [orders.pop(data.draw(st.sampled_from(sorted(orders)))), *new]
                orders |= dict(enumerate(new, max(orders, default=0) + 1))
                Raw(orders, {}, {1: "Rome"}).write(repo)
                made = {other for other in built(repo) if new is not more[0] or other < day}
                assert shown(repo) == truth(repo.path, law)
                assert made <= {time[:10] for time, _, _ in moved}

    holds()


HEX = "0123abc"


@pytest.mark.parametrize(
    ("keys", "said", "line"),
    [
        ("effective_from: 2026-01-04\n", "needs the commit whose code stays before it", 3),
        ("before: REV\n", "`before` needs the first day of the new code", 3),
        ("effective_from: 2026-01-04\nbefore: main\n", "git rev-parse main", 4),
        (
            f"effective_from: 2026-01-04\nbefore: {HEX}\n",
            f"`before` names {HEX}, which is not in this clone",
            4,
        ),
        ("effective_from: 2026-01-01\nbefore: REV\n", "No partition is before 2026-01-01", 3),
        ("effective_from: 2026-01-04\nbefore: ''\n", "needs the commit whose code stays", 3),
        ("effective_from: 4th\nbefore: REV\n", "a date such as 2024-01-01", 3),
    ],
)
def test_mistakes_have_a_message_with_their_line(
    shop: Repo, keys: str, said: str, line: int
) -> None:
    keys = keys.replace("REV", rev(shop))
    shop.write(YML, TWICE.yml("daily").replace("inputs:", f"{keys}inputs:", 1) + "\n")
    told = shop.seeknal("validate", code=1)
    assert said in " ".join(told.err.split())
    assert f"{YML}:{line}" in told.err


def problem(repo: Repo) -> str:
    return " ".join(repo.seeknal("validate", code=1).err.split())


def test_it_needs_intervals_that_begin_on_that_day(shop: Repo) -> None:
    weekly = replace(TWICE, partition="{by: day, every: week, begin: 2026-01-01}")
    write(shop, weekly, rev(shop), "2026-01-01")
    assert "No week begins on 2026-01-01: the one around it does on 2025-12-29" in problem(shop)
    write(shop, replace(TWICE, partition="{by: day, buckets: 4}"), rev(shop))
    assert "`effective_from` is of a node with `partition: {every: …}`" in problem(shop)


def test_the_commit_has_the_node_with_sql_that_is_its_own(shop: Repo) -> None:
    before = rev(shop)
    shop.write("seeknal/transforms/late.yml", TWICE.yml("late"))
    text = shop.read("seeknal/transforms/late.yml")
    said = f"effective_from: 2026-01-04\nbefore: {before}\n"
    shop.write("seeknal/transforms/late.yml", text.replace("inputs:", f"{said}inputs:", 1))
    assert f"transform.late is not in the commit {before[:12]}" in problem(shop)
    shop.write("seeknal/transforms/late.yml", TWICE.yml("late").replace("2 *", "{{ factor }} *"))
    shop.write("seeknal_project.yml", "name: shop\nvars: {factor: 2}\n")
    shop.commit("A factor")
    said = f"effective_from: 2026-01-04\nbefore: {rev(shop)}\n"
    shop.write("seeknal/transforms/late.yml", text.replace("inputs:", f"{said}inputs:", 1))
    assert "transform.late uses `factor`, whose value is not of a commit" in problem(shop)


@pytest.mark.parametrize("is_known", [False, True])
def test_a_commit_that_a_squash_leaves_behind_is_refused(shop: Repo, is_known: bool) -> None:
    """It would be gone in other clones, and here once git has cleaned up. is_known: whether the
    graph of the very tree is remembered by then."""
    shop.switch("dev", create=True)
    write_nodes(shop, {**NODES, "daily": replace(DAILY, sql=DAILY.sql.replace("sum", "max"))})
    shop.commit("The largest")
    before = rev(shop)
    write(shop, TWICE, before)
    shop.commit("Twice")
    told = f"main does not have the commit {before[:12]} of `before`"
    assert told in " ".join(shop.seeknal("validate").err.split())
    assert any(told in warning for warning in shop.plan()["warnings"])
    if is_known:
        remove_cache(shop)
        shop.seeknal("run")
    shop.switch("main")
    shop.git("merge", "--quiet", "--squash", "dev")
    assert f"`before` names {before[:12]}, which is not in this history" in problem(shop)
    shop.commit("Squashed")
    for command in ("plan", "promote", "run"):
        said = shop.seeknal(command, code=None)
        assert said.code != 0
        assert "which is not in this history" in " ".join(said.err.split())


def remove_cache(repo: Repo) -> None:
    for path in (repo.path / ".git/seeknal").iterdir():
        if path.name.startswith(("cache", "graphs", "nodes")):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def test_many_such_nodes_are_built_side_by_side(shop: Repo) -> None:
    """A connection mixes up the answers to two threads."""
    nodes = {
        f"daily{n}": replace(DAILY, sql=DAILY.sql.replace("amount)", f"amount + {n})"))
        for n in range(12)
    }
    write_nodes(shop, nodes)
    shop.commit("Many")
    shop.seeknal("run")
    before = rev(shop)
    for name, node in nodes.items():
        twice = replace(node, sql=node.sql.replace("sum(", "2 * sum("))
        said = f"effective_from: 2026-01-04\nbefore: {before}\n"
        text = twice.yml(name).replace("inputs:", f"{said}inputs:", 1)
        shop.write(f"seeknal/transforms/{name}.yml", text + "\n")
    shop.commit("All of them twice")
    run = json.loads(shop.seeknal("run", "--max-workers", "4", "--json", subprocess=True).out)
    for n in range(12):
        made = run["built"][f"transform.daily{n}"]["partitions"]["built"]
        assert made == ["2026-01-04", "2026-01-05"]
        totals = [int(row[-1]) for row in shown(shop)[f"daily{n}"]]
        assert totals == [10 + n, 20 + n, 30 + n, 2 * (40 + n), 2 * (50 + n)]


def test_a_feature_group_keeps_its_earlier_code_too(shop: Repo) -> None:
    group = (
        "kind: feature_group\nname: spent\nentity: {name: customer, join_keys: [customer]}\n"
        "partition: {by: day, every: day, begin: 2026-01-01}\n"
        "materialization: {event_time_col: day}\ninputs: [source.orders]\ntransform: |\n"
        "  SELECT customer, ordered_at::DATE AS day, sum(amount) AS spent\n"
        "  FROM input_0 GROUP BY ALL\n"
    )
    path = "seeknal/feature_groups/spent.yml"
    shop.write(path, group)
    shop.commit("A group")
    shop.seeknal("run")
    said = f"effective_from: 2026-01-04\nbefore: {rev(shop)}\n"
    shop.write(path, group.replace("sum(", "2 * sum(") + said)
    shop.commit("Twice")
    table = shop.run()["built"]["feature_group.spent"]
    assert table["partitions"]["built"] == ["2026-01-04", "2026-01-05"]
    rows = {row[1].day: int(row[2]) for row in shown(shop)["spent"]}
    assert rows == {1: 10, 2: 20, 3: 30, 4: 80, 5: 100}


def test_rows_outside_are_told_if_the_earlier_code_does_not_ask_for_its_partition(
    shop: Repo,
) -> None:
    path = "seeknal/sources/orders.yml"
    shop.replace(path, "begin: 2026-01-01}", "begin: 2026-01-01, outside: keep}")
    shop.commit("Keep all orders")
    shop.seeknal("run")
    until = TWICE.sql.replace("GROUP BY 1", "WHERE ordered_at < $end GROUP BY 1")
    write(shop, replace(TWICE, sql=until), rev(shop))
    shop.commit("Twice")
    shop.seeknal("run")
    Raw({**ORDERS, 9: ("2025-12-31 10:00:00", 1, 9)}, {}, {1: "Rome"}).write(shop)
    told = shop.seeknal("run", code=1)
    assert "1 row falls into no partition" in " ".join((told.out + told.err).split())


def test_a_past_that_the_earlier_code_had_frozen_stays_frozen(shop: Repo) -> None:
    by_town = TRANSFORMS["by_town"]
    frozen = ("source.orders", "{ref: source.customers, history: frozen}")
    write_nodes(shop, {"daily": replace(by_town, inputs=frozen)})
    shop.git("rm", "--quiet", "seeknal/transforms/monthly.yml")
    shop.commit("By town")
    shop.seeknal("run")
    write(
        shop,
        replace(DAILY, sql=DAILY.sql.replace("count(*) AS orders", "'all' AS town")),
        rev(shop),
    )
    assert "the history of source.customers is frozen, and not here" in problem(shop)
    own = replace(
        DAILY, sql=DAILY.sql.replace("count(*) AS orders", "'all' AS town"), inputs=frozen
    )
    write(shop, own, rev(shop))
    shop.commit("From then on of all towns")
    Raw(dict(ORDERS), {}, {1: "Bonn", 2: "Bonn"}).write(shop)
    assert built(shop) == ["2026-01-04", "2026-01-05"]
    assert [row[1] for row in shown(shop)["daily"]] == ["Oslo", "Rome", "Oslo", "all", "all"]


def test_a_plan_says_which_code_stays(shop: Repo) -> None:
    before = rev(shop)
    shop.switch("dev", create=True)
    write(shop, TWICE, before)
    (change,) = shop.plan()["changes"]
    assert change["what"] == [f"before 2026-01-04, the code of {before[:12]}"]


def test_errors_of_the_earlier_code_name_its_key(shop: Repo) -> None:
    gone = replace(
        DAILY, sql=DAILY.sql.replace("source.orders", "source.refunds"), inputs=("source.refunds",)
    )
    gone = replace(
        gone,
        sql="SELECT day, count(*) AS orders, sum(amount) AS amount\nFROM source.refunds GROUP BY 1",
    )
    write_nodes(shop, {**NODES, "daily": gone})
    shop.commit("Of refunds")
    write(shop, TWICE, rev(shop))
    shop.git("rm", "--quiet", "seeknal/sources/refunds.yml")
    told = shop.seeknal("validate", code=1).err
    assert f"{YML}:4" in told
    assert "source.refunds, which does not exist" in " ".join(told.split())
    write(shop, replace(TWICE, sql="SELECT\n  nothing AS day\nFROM source.orders"), rev(shop))
    shop.git("reset", "--quiet", "--hard", "HEAD^")
    write(shop, replace(TWICE, sql="SELECT\n  nothing AS day\nFROM source.orders"), rev(shop))
    assert f"{YML}:9" in shop.seeknal("validate", code=1).err
