"""`partition:` as people use it: what a run builds, and what it says."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.conftest import Repo, Templates
from tests.partitions.shop import SOURCES, Raw, Transform, begin, shown, truth, write_nodes

ORDERS = {
    1: ("2026-01-01 10:00:00", 1, 10),
    2: ("2026-01-01 11:00:00", 2, 20),
    3: ("2026-01-02 10:00:00", 1, 30),
    4: ("2026-02-03 10:00:00", 2, 40),
}
DAILY = Transform(
    "SELECT ordered_at::DATE AS day, sum(amount) AS amount\nFROM source.orders GROUP BY 1",
    ("source.orders",),
    "{by: day, every: day, begin: 2026-01-01}",
)
MONTHLY = Transform(
    "SELECT date_trunc('month', day) AS month, sum(amount) AS amount\n"
    "FROM transform.daily GROUP BY 1",
    ("transform.daily",),
    "{by: month, every: month, begin: 2026-01-01}",
)
TRANSFORMS = {"daily": DAILY, "monthly": MONTHLY}
YML = "seeknal/transforms/daily.yml"


def make_daily(repo: Repo) -> None:
    begin(repo, Raw(dict(ORDERS), {}, {1: "Rome", 2: "Oslo"}), TRANSFORMS)
    repo.seeknal("run")


@pytest.fixture
def daily(copy_of: Templates) -> Repo:
    return copy_of("daily", make_daily)


def load(repo: Repo, orders: dict[int, tuple[str, int, int]]) -> None:
    Raw(orders, {}, {1: "Rome", 2: "Oslo"}).write(repo)


def partitions(repo: Repo, *arguments: str) -> dict[str, list[str]]:
    """Node → the partitions that a run builds of it, and all that it has."""
    built = repo.run(*arguments)["built"]
    return {
        node: table["partitions"]["built"] for node, table in built.items() if "partitions" in table
    }


def test_a_late_row_builds_its_own_partitions(daily: Repo) -> None:
    load(daily, {**ORDERS, 5: ("2026-01-02 09:00:00", 1, 5)})
    assert partitions(daily) == {
        "source.orders": ["2026-01-02"],
        "transform.daily": ["2026-01-02"],
        "transform.monthly": ["2026-01"],
    }
    assert shown(daily) == truth(daily.path, TRANSFORMS)


def test_a_row_that_is_gone_takes_its_partition_along(daily: Repo) -> None:
    load(daily, {number: order for number, order in ORDERS.items() if number != 4})
    done = daily.run()["built"]
    assert {node: table["partitions"]["total"] for node, table in done.items()} == {
        "source.orders": 2,
        "transform.daily": 2,
        "transform.monthly": 1,
    }
    assert shown(daily) == truth(daily.path, TRANSFORMS)


def test_an_old_load_that_comes_back_builds_nothing_again(daily: Repo) -> None:
    load(daily, {**ORDERS, 5: ("2026-01-02 09:00:00", 1, 5)})
    daily.seeknal("run")
    load(daily, {**ORDERS, 6: ("2026-03-01 09:00:00", 1, 5)})
    assert partitions(daily)["transform.daily"] == ["2026-03-01"]


def test_partitions_are_a_form_and_move_no_reader(daily: Repo) -> None:
    before = daily.production()
    daily.replace(YML, DAILY.partition, "{by: day, every: week, begin: 2026-01-01}")
    assert daily.categories() == {"transform.daily": "METADATA"}
    assert daily.plan()["layers"] == [["transform.daily"]]
    assert daily.built() == ["transform.daily"]
    assert daily.production() == before


def test_a_branch_shares_pieces_and_its_merge_builds_nothing(daily: Repo) -> None:
    daily.switch("dev", create=True)
    daily.replace(YML, "sum(amount)", "max(amount)")
    daily.commit("The largest")
    assert partitions(daily)["transform.daily"] == ["2026-01-01", "2026-01-02", "2026-02-03"]
    daily.switch("main")
    daily.merge("dev", "--squash")
    daily.commit("The largest")
    assert daily.seeknal("promote", "--json").json["built"] == {}


def test_a_rollback_shows_the_pieces_of_before(daily: Repo) -> None:
    before = daily.production()
    load(daily, {**ORDERS, 5: ("2026-01-02 09:00:00", 1, 5)})
    daily.seeknal("run")
    daily.seeknal("rollback")
    assert daily.production() == before


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("2025-12-31 10:00:00", "1 row falls into no partition"),
        ("", "ordered_at is NULL, or before 2026-01-01"),
    ],
    ids=["before begin", "NULL"],
)
def test_rows_outside_are_an_error_that_counts_them(daily: Repo, row: str, said: str) -> None:
    before = daily.production()
    load(daily, {**ORDERS, 5: (row, 1, 5)})
    failed = daily.seeknal("run", code=1)
    assert said in failed.out + failed.err
    assert daily.production() == before


@pytest.mark.parametrize(("outside", "rows"), [("keep", 5), ("drop", 4)])
def test_rows_outside_are_kept_or_dropped(daily: Repo, outside: str, rows: int) -> None:
    daily.replace(
        "seeknal/sources/orders.yml",
        "begin: 2026-01-01}",
        f"begin: 2026-01-01, outside: {outside}}}",
    )
    daily.replace(YML, "begin: 2026-01-01}", f"begin: 2026-01-01, outside: {outside}}}")
    daily.replace(
        "seeknal/transforms/monthly.yml",
        "begin: 2026-01-01}",
        f"begin: 2026-01-01, outside: {outside}}}",
    )
    load(daily, {**ORDERS, 5: ("2025-12-31 10:00:00", 1, 5)})
    daily.seeknal("run")
    assert len(shown(daily)["orders"]) == rows
    assert len(shown(daily)["daily"]) == rows - 1
    load(daily, {**ORDERS, 5: ("2025-12-31 10:00:00", 1, 6)})
    daily.seeknal("run")
    if outside == "keep":
        assert shown(daily) == truth(daily.path, TRANSFORMS)


def test_a_node_that_cannot_be_divided_is_built_as_a_whole_and_validate_says_why(
    daily: Repo,
) -> None:
    daily.replace(YML, "GROUP BY 1", "GROUP BY 1\n  ORDER BY day LIMIT 100")
    said = daily.seeknal("validate").err
    assert "transform.daily is built as a whole" in said
    assert f"{YML}:8" in said
    done = daily.run()
    assert "partitions" not in done["built"]["transform.daily"]
    assert shown(daily)["daily"] == truth(daily.path, TRANSFORMS)["daily"]


@pytest.mark.parametrize(
    ("by", "said"),
    [("dya", "it has no column dya"), ("amount", "amount is HUGEINT")],
)
def test_a_column_that_cannot_be_is_an_error(daily: Repo, by: str, said: str) -> None:
    daily.replace(YML, "by: day", f"by: {by}")
    assert said in daily.seeknal("validate", code=1).err
    planned = daily.seeknal("plan", code=None).out
    assert f"transform.daily: cannot be built: {said}" in " ".join(planned.split())


def test_buckets_of_a_key(daily: Repo) -> None:
    daily.replace(
        "seeknal/sources/orders.yml",
        "{by: ordered_at, every: day, begin: 2026-01-01}",
        "{by: customer, buckets: 4}",
    )
    by_customer = Transform(
        "SELECT customer, sum(amount) AS amount FROM source.orders GROUP BY customer",
        ("source.orders",),
        "{by: customer, buckets: 4}",
    )
    (daily.path / YML).unlink()
    (daily.path / "seeknal/transforms/monthly.yml").unlink()
    daily.write("seeknal/transforms/by_customer.yml", by_customer.yml("by_customer"))
    daily.seeknal("run")
    load(daily, {**ORDERS, 5: ("2026-01-02 09:00:00", 2, 5)})
    assert len(partitions(daily)["transform.by_customer"]) == 1
    assert shown(daily) == truth(daily.path, {"by_customer": by_customer})


def test_gc_drops_the_pieces_that_nobody_shows(daily: Repo) -> None:
    settings = "name: shop\nkeep_promotions: 1\nkeep_history: 0s\n"
    daily.write("seeknal_project.yml", settings)
    daily.commit("Keep little")
    for amount in (5, 6, 7):
        load(daily, {**ORDERS, 5: ("2026-01-02 09:00:00", 1, amount)})
        daily.seeknal("run")
    before = daily.production()
    found = daily.seeknal("gc", "--json").json["pieces"]
    assert {one["node"]: one["pieces"] for one in found} == {
        "source.orders": 3,
        "transform.daily": 3,
        "transform.monthly": 3,
    }
    daily.seeknal("gc", "--yes")
    assert daily.production() == before
    assert daily.seeknal("gc", "--json").json["pieces"] == []
    daily.seeknal("rollback", "2", code=1)
    assert daily.production() == before
    assert "gone" in daily.seeknal("log").out
    load(daily, {**ORDERS, 5: ("2026-01-02 09:00:00", 1, 5)})
    daily.seeknal("run")
    assert shown(daily) == truth(daily.path, TRANSFORMS)


def test_gc_keeps_the_pieces_that_a_view_of_somebodys_own_reads(daily: Repo) -> None:
    mean = replace(DAILY, sql=DAILY.sql.replace("sum", "avg"))
    daily.write("seeknal/transforms/Mean.yml", mean.yml("Mean"))
    daily.write("seeknal_project.yml", "name: shop\nkeep_promotions: 1\nkeep_history: 0s\n")
    daily.commit("A name with a capital")
    daily.seeknal("run")
    (table,) = {
        name
        for (name,) in daily.numbers("SELECT table_name FROM _seeknal.pieces")
        if name.startswith("Mean")
    }
    rows = f"SELECT count(*) FROM _snapshots.{table}"
    daily.tamper(f"CREATE SCHEMA own; CREATE VIEW own.all_rows AS FROM _snapshots.{table}")
    load(daily, {**ORDERS, 5: ("2026-01-02 09:00:00", 1, 5)})
    daily.seeknal("run")
    before = daily.numbers(rows)
    daily.seeknal("gc", "--yes")
    assert daily.numbers(rows) == before
    daily.tamper("DROP SCHEMA own CASCADE")
    daily.seeknal("gc", "--yes")
    assert daily.numbers(rows) != before


def test_a_table_of_pieces_that_somebody_dropped_is_built_again(daily: Repo) -> None:
    (table,) = {
        name
        for (name,) in daily.numbers("SELECT table_name FROM _seeknal.pieces")
        if name.startswith("daily")
    }
    before = daily.production()
    daily.tamper(f"DROP TABLE _snapshots.{table} CASCADE")
    assert daily.built() == ["transform.daily"]
    assert daily.production() == before


def test_a_plan_says_how_many_partitions_are_built(daily: Repo) -> None:
    daily.switch("dev", create=True)
    daily.replace("seeknal/transforms/monthly.yml", "sum(amount)", "max(amount)")
    daily.commit("The largest")
    said = daily.seeknal("plan").out
    assert "transform.monthly: 2 partitions to build" in said
    planned = daily.plan()["partitions"]["transform.monthly"]
    assert (planned["total"], planned["build"]) == (2, ["2026-01", "2026-02"])
    assert daily.run("--dry-run")["partitions"] == {"transform.monthly": planned}
    assert partitions(daily) == {"transform.monthly": planned["build"]}


def test_a_plan_names_the_partitions_that_are_new(daily: Repo) -> None:
    """The table of a month that is gone is made again of the pieces that are there."""
    load(daily, {number: order for number, order in ORDERS.items() if number != 4})
    daily.seeknal("run")
    daily.switch("dev", create=True)
    daily.replace("seeknal/transforms/monthly.yml", "sum(amount)", "max(amount)")
    daily.commit("The largest")
    daily.seeknal("run")
    daily.switch("main")
    load(daily, ORDERS)
    daily.seeknal("run")
    daily.merge("dev")
    said = daily.seeknal("promote", "--dry-run").out
    assert "2 partitions: 1 to build (2026-02), 1 re-used" in said
    assert partitions(daily)["transform.monthly"] == ["2026-02"]


def test_a_source_has_to_be_read_before_its_partitions_are_known(daily: Repo) -> None:
    load(daily, {**ORDERS, 5: ("2026-01-02 09:00:00", 1, 5)})
    said = daily.seeknal("run", "--dry-run").out
    assert said.count("partitions are known once source.orders is read") == 3


def test_the_sql_may_ask_which_partition_it_builds(daily: Repo) -> None:
    asked = (
        "SELECT $start::DATE AS day, count(*) AS orders, $partition AS name\n"
        "FROM source.orders WHERE ordered_at >= $start AND ordered_at < $end -- not $start\n"
        "GROUP BY ordered_at::DATE"
    )
    stated = Transform(asked, DAILY.inputs, DAILY.partition, "{source.orders: {}}")
    daily.write("seeknal/transforms/asked.yml", stated.yml("asked"))
    daily.seeknal("run")
    assert [(str(day), count, name) for day, count, name in shown(daily)["asked"]] == [
        ("2026-01-01", 2, "2026-01-01"),
        ("2026-01-02", 1, "2026-01-02"),
        ("2026-02-03", 1, "2026-02-03"),
    ]
    load(daily, {**ORDERS, 5: ("2026-01-02 09:00:00", 1, 5)})
    assert partitions(daily)["transform.asked"] == ["2026-01-02"]
    assert shown(daily)["asked"][1][1] == 2


def test_a_parameter_of_a_partition_needs_one(daily: Repo) -> None:
    daily.replace(YML, "GROUP BY 1", "WHERE ordered_at < $end GROUP BY 1 ORDER BY 1")
    refused = daily.seeknal("validate", code=1)
    assert "`$start`, `$end` and `$partition` are of a partition, and it has none" in refused.err
    daily.seeknal("run", code=1)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("partition: day", "partition`: a mapping such as `{by: ordered_at, every: day, begin:"),
        (
            f"partition: {DAILY.partition}\nreads: {{source.orders: 6d}}",
            "`reads.source.orders`: a mapping such as `{before: 6d}`, not '6d'",
        ),
    ],
    ids=["partition", "reads"],
)
def test_a_word_where_keys_belong_is_told_with_the_keys(daily: Repo, given: str, said: str) -> None:
    daily.replace(YML, f"partition: {DAILY.partition}", given)
    assert said in daily.seeknal("validate", code=1).err


def test_the_history_of_a_source_in_pieces_is_one_table(daily: Repo) -> None:
    keep = "source: csv\nkeep: changes\nkey: [id]"
    daily.replace("seeknal/sources/orders.yml", "source: csv", keep)
    assert "as a whole" not in daily.seeknal("validate").err
    assert "partitions" not in daily.run()["built"]["changes.orders"]
    load(daily, {**ORDERS, 5: ("2026-01-02 09:00:00", 1, 5)})
    assert partitions(daily)["transform.daily"] == ["2026-01-02"]
    assert len(shown(daily)["orders_changes"]) == 5


def test_aggregations_are_built_bucket_by_bucket(daily: Repo) -> None:
    buckets = "partition: {by: customer, buckets: 64}\n"
    daily.replace("seeknal/sources/orders.yml", f"partition: {SOURCES['orders']}\n", buckets)
    for node in TRANSFORMS:
        (daily.path / f"seeknal/transforms/{node}.yml").unlink()
    dates = "feature_date_col: ordered_at\napplication_date_col: ordered_at\n"
    feature = "features: [{name: amount, basic: [sum], rolling: [{window: 7d, aggs: [sum]}]}]\n"
    first = f"kind: aggregation\nname: spent\nsource: source.orders\nid_col: customer\n{dates}"
    daily.write("seeknal/spent.yml", first + feature)
    daily.seeknal("run")
    daily.commit("What customers spent")
    whole = shown(daily)["spent"]
    daily.write("seeknal/spent.yml", first + feature + buckets)
    assert daily.categories() == {"aggregation.spent": "METADATA"}
    daily.seeknal("run")
    assert shown(daily)["spent"] == whole
    load(daily, {**ORDERS, 5: ("2026-01-02 09:00:00", 2, 5)})
    assert len(partitions(daily)["aggregation.spent"]) == 1


def test_a_choice_among_equal_rows_is_named_as_the_reason(daily: Repo) -> None:
    daily.replace(YML, "sum(amount)", "first(amount)")
    assert "other rows each time it is built (first" in daily.seeknal("validate").err


def test_verify_compares_pieces_with_the_whole(daily: Repo) -> None:
    said = daily.seeknal("plan", "--verify").out
    assert "transform.daily    in pieces, equal on 3 rows, 2 columns (3 of 3 partitions)" in said
    rolling = Transform(
        "SELECT a.day, count(*) AS n FROM transform.daily AS a\n"
        "JOIN transform.daily AS b ON b.day <= a.day GROUP BY a.day",
        ("transform.daily",),
        DAILY.partition,
        "{transform.daily: {before: 1d}}",
    )
    daily.write("seeknal/transforms/rolling.yml", rolling.yml("rolling"))
    daily.commit("It looks back further than it says")
    daily.seeknal("run")
    refused = daily.seeknal("plan", "--all", code=1)
    assert "The partitions of transform.rolling differ from a build of all of it" in refused.err


def test_rows_are_dropped_only_from_a_node_with_partitions(daily: Repo) -> None:
    daily.replace("seeknal/sources/orders.yml", f"partition: {SOURCES['orders']}\n", "")
    dropping = DAILY.partition.replace("}", ", outside: drop}")
    daily.replace(YML, DAILY.partition, dropping)
    refused = daily.seeknal("validate", code=1).err
    assert (
        "`outside: drop` leaves out rows of no partition, and it has none: none of its" in refused
    )
    assert f"{YML}:" in refused
    daily.seeknal("run", code=1)


def test_a_load_in_another_form_is_copied_though_its_file_moved_on(daily: Repo) -> None:
    orders = "seeknal/sources/orders.yml"
    daily.replace(orders, f"partition: {SOURCES['orders']}\n", "")
    daily.commit("One table")
    daily.seeknal("run")
    before = shown(daily)["orders"]
    daily.switch("dev", create=True)
    daily.replace(orders, "schema:", f"partition: {SOURCES['orders']}\nschema:")
    daily.commit("By day")
    load(daily, {**ORDERS, 5: ("2026-01-02 09:00:00", 1, 5)})
    daily.seeknal("run")
    assert shown(daily, "dev")["orders"] == before
    daily.switch("main")
    daily.merge("dev")
    daily.seeknal("promote")
    assert shown(daily)["orders"] == before
    daily.seeknal("run")
    assert shown(daily) == truth(daily.path, TRANSFORMS)


def test_many_nodes_of_a_layer_are_divided_by_several_workers(daily: Repo) -> None:
    for number in range(24):
        sums = ", ".join(f"sum(amount + {place}) AS s{place}" for place in range(40))
        sql = DAILY.sql.replace("sum(amount) AS amount", f"{sums}, {number} AS number")
        node = Transform(sql, DAILY.inputs, DAILY.partition)
        daily.write(f"seeknal/transforms/sums_{number}.yml", node.yml(f"sums_{number}"))
    assert len(partitions(daily)) == 24


@pytest.mark.parametrize("end", [";", "; -- the end", "\n-- the end", ";\n;"])
def test_a_semicolon_ends_the_sql_of_a_node_in_pieces_too(daily: Repo, end: str) -> None:
    write_nodes(daily, {**TRANSFORMS, "daily": replace(DAILY, sql=f"{DAILY.sql}{end}")})
    daily.commit("The end")
    daily.seeknal("run", "--full")
    assert shown(daily) == truth(daily.path, TRANSFORMS)
