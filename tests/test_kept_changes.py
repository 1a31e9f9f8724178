"""`keep: changes`: the history of a source, which raw data cannot give back."""

from __future__ import annotations

import shlex
from datetime import datetime, timedelta
from typing import Any

import duckdb
import pytest

from tests.conftest import Repo, Templates

ORDERS = "seeknal/sources/orders.yml"
VERSIONS = "seeknal/transforms/versions.yml"
FILES = {
    ORDERS: """
        kind: source
        name: orders
        source: csv
        table: raw/orders.csv
        keep: changes
        key: [id]
    """,
    VERSIONS: """
        kind: transform
        name: versions
        transform: |
          SELECT id, count(*) AS versions FROM ref('changes.orders') GROUP BY id
    """,
}
Rows = dict[int, str]


def load(repo: Repo, rows: Rows) -> None:
    """Another file of orders: id → status."""
    lines = [f"{key},{value}" for key, value in rows.items()]
    repo.write("raw/orders.csv", "\n".join(["id,status", *lines, ""]))


def make_kept(repo: Repo) -> None:
    """Three orders, of the first load that production kept."""
    repo.path.mkdir()
    repo.git("init", "--quiet")
    repo.write("seeknal_project.yml", "name: kept\n")
    repo.write(".gitignore", "target/\nexports/\nraw/\n")
    for path, text in FILES.items():
        repo.write(path, text)
    load(repo, {1: "new", 2: "new", 3: "new"})
    repo.commit("First")
    repo.seeknal("run")


@pytest.fixture
def kept(copy_of: Templates) -> Repo:
    return copy_of("kept", make_kept)


def intervals(
    repo: Repo, columns: str = "id, status", schema: str = "main"
) -> list[tuple[Any, ...]]:
    """The rows of the history, with the number of the load that began and ended each."""
    rows = repo.numbers(
        f"SELECT {columns}, _valid_from, _valid_to FROM {schema}.orders_changes ORDER BY ALL"
    )
    times = sorted({time for *_, start, end in rows for time in (start, end) if time})
    number: dict[datetime | None, int | None] = {time: at for at, time in enumerate(times, 1)}
    return [(*row, number[start], number.get(end)) for *row, start, end in rows]


FIRST = [(1, "new", 1, None), (2, "new", 1, None), (3, "new", 1, None)]
SECOND = [
    (1, "new", 1, None),
    (2, "new", 1, 2),
    (2, "paid", 2, None),
    (3, "new", 1, 2),
    (4, "new", 2, None),
]


def test_each_load_ends_rows_and_begins_others(kept: Repo) -> None:
    assert intervals(kept) == FIRST
    load(kept, {1: "new", 2: "paid", 4: "new"})
    kept.seeknal("run")
    assert intervals(kept) == SECOND
    assert kept.numbers("FROM main.versions ORDER BY ALL") == [(1, 1), (2, 2), (3, 1), (4, 1)]


def test_raw_data_that_goes_back_begins_new_intervals(kept: Repo) -> None:
    for rows in ({1: "new"}, {1: "new", 2: "new", 3: "new"}):
        load(kept, rows)
        kept.seeknal("run")
    assert intervals(kept) == [
        (1, "new", 1, None),
        (2, "new", 1, 2),
        (2, "new", 3, None),
        (3, "new", 1, 2),
        (3, "new", 3, None),
    ]


def test_a_load_in_another_order_makes_no_difference(kept: Repo) -> None:
    load(kept, {3: "new", 2: "new", 1: "new"})
    assert "changes.orders" in kept.built()
    assert intervals(kept) == FIRST
    assert kept.built() == []


def test_a_key_that_is_twice_or_missing_in_a_load_fails_the_run(kept: Repo) -> None:
    kept.write("raw/orders.csv", "id,status\n1,new\n1,paid\n,new\n")
    said = kept.seeknal("run", code=1)
    assert "key_not_null(id): 1 of 3 rows violates it" in said.out
    assert "key_unique(id): 1 value occurs more than once in 3 rows" in said.out
    assert intervals(kept) == FIRST


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("keep: changes", "`keep: changes` needs the `key` of a row, such as `key: [id]`"),
        ("key: [id]", "`key` belongs to `keep: changes`, which is not here"),
        ("keep: changes\nkey: [no]", "key_not_null(no)"),
        ("keep: changes\nkey: [id]\ncompare: [no]", "changes.orders compares the column no"),
        ("keep: all\nkey: [id]", "`keep`"),
    ],
    ids=["no key", "a key alone", "an unknown key", "an unknown column", "an unknown word"],
)
def test_a_mistake_in_the_file_is_told_with_its_line(kept: Repo, lines: str, message: str) -> None:
    kept.replace(ORDERS, "keep: changes\nkey: [id]", lines)
    said = kept.seeknal("validate", code=1)
    assert message in said.err
    assert f"{ORDERS}:" in said.err


def test_a_node_of_the_kind_cannot_be_written(kept: Repo) -> None:
    kept.write("seeknal/changes.yml", "kind: changes\nname: orders\n")
    assert "Write `keep: changes` and the `key`" in kept.seeknal("validate", code=1).err


def test_gc_keeps_a_history_whose_source_is_gone(kept: Repo) -> None:
    load(kept, {1: "paid"})
    kept.seeknal("run")
    expected = intervals(kept)
    kept.write("seeknal_project.yml", "name: kept\nkeep_promotions: 1\nkeep_history: 0s\n")
    kept.git("rm", "--quiet", ORDERS, VERSIONS)
    without = kept.commit("Without orders")
    kept.seeknal("promote")
    said = kept.seeknal("gc", "--yes").out
    assert "snapshot versions__" in said
    told = kept.seeknal("gc").err
    assert f'DROP TABLE "_snapshots"."{tables(kept)[0]}";' in told
    export = "seeknal query --at 2 'FROM orders_changes' -o orders_changes.parquet"
    assert export in told
    kept.seeknal(*shlex.split(export)[1:])
    rows = duckdb.execute(f"FROM '{kept.path}/orders_changes.parquet'").fetchall()
    assert len(rows) == len(expected)
    assert "no longer kept whole" in kept.seeknal("query", "--at", "2", "FROM versions", code=1).err
    kept.git("revert", "--no-edit", without)
    kept.seeknal("promote")
    assert intervals(kept) == expected


# Branches


def test_a_branch_shows_the_history_of_production_and_adds_nothing(kept: Repo) -> None:
    load(kept, {1: "new", 2: "paid", 4: "new"})
    kept.seeknal("run")
    kept.switch("dev", create=True)
    kept.replace(VERSIONS, "count(*) AS versions", "count(*) AS versions, max(_valid_from) AS last")
    load(kept, {5: "new"})
    assert kept.built() == ["transform.versions"]
    assert intervals(kept, schema="dev") == SECOND
    assert intervals(kept) == SECOND


def test_a_branch_with_other_raw_data_shows_one_more_load_for_itself(kept: Repo) -> None:
    kept.switch("dev", create=True)
    load(kept, {1: "new", 2: "paid", 4: "new"})
    kept.seeknal("run", "--refresh")
    assert intervals(kept, schema="dev") == SECOND
    assert intervals(kept) == FIRST
    own = kept.numbers("SELECT max(_valid_from) FROM dev.orders_changes")
    kept.switch("main")
    kept.seeknal("run")
    assert intervals(kept) == SECOND
    assert kept.numbers("SELECT max(_valid_from) FROM main.orders_changes") > own
    kept.switch("dev")
    kept.seeknal("run")
    assert kept.views("dev")["orders_changes"] == kept.views("main")["orders_changes"]


def test_production_begins_its_own_history_at_the_promotion(kept: Repo) -> None:
    kept.switch("dev", create=True)
    kept.write("raw/customers.csv", "id\n1\n")
    source = kept.read(ORDERS).replace("orders", "customers")
    kept.write("seeknal/sources/customers.yml", source)
    kept.commit("Customers")
    kept.seeknal("run")
    [(before,)] = kept.numbers("SELECT _valid_from FROM dev.customers_changes")
    kept.switch("main")
    kept.merge("dev")
    kept.seeknal("promote")
    [(after,)] = kept.numbers("SELECT _valid_from FROM main.customers_changes")
    assert before < after
    assert intervals(kept) == FIRST


def test_a_promotion_adds_the_load_of_a_source_that_is_read_otherwise(kept: Repo) -> None:
    kept.switch("dev", create=True)
    kept.replace(ORDERS, "raw/orders.csv", "raw/renamed.csv")
    kept.commit("Another file")
    kept.write("raw/renamed.csv", "id,status\n1,new\n2,paid\n4,new\n")
    kept.seeknal("run")
    kept.switch("main")
    kept.merge("dev")
    kept.seeknal("promote")
    assert intervals(kept) == SECOND


# Runs that fail, rollbacks, and other ways back


def test_a_load_that_is_never_published_leaves_nothing(kept: Repo) -> None:
    kept.write(
        "seeknal/rules/few.yml",
        "kind: rule\nname: few\ninputs: [changes.orders]\nrule: id < 9\n",
    )
    kept.commit("A rule")
    kept.seeknal("run")
    load(kept, {1: "new", 2: "new", 3: "new", 9: "wrong"})
    kept.seeknal("run", code=1)
    load(kept, {1: "new", 2: "paid", 4: "new"})
    kept.seeknal("run")
    assert intervals(kept) == SECOND


def test_a_rollback_shows_an_earlier_history_and_rewinds_none(kept: Repo) -> None:
    load(kept, {1: "new", 2: "paid", 4: "new"})
    kept.seeknal("run")
    kept.seeknal("rollback")
    assert intervals(kept) == FIRST
    load(kept, {1: "new"})
    kept.seeknal("run")
    assert intervals(kept) == [
        (1, "new", 1, None),
        (2, "new", 1, 2),
        (2, "paid", 2, 3),
        (3, "new", 1, 2),
        (4, "new", 2, 3),
    ]


def test_a_rollback_and_the_same_load_show_the_newest_history_again(kept: Repo) -> None:
    load(kept, {1: "new", 2: "paid", 4: "new"})
    kept.seeknal("run")
    kept.seeknal("rollback")
    kept.seeknal("gc", "--yes")
    kept.seeknal("run")
    assert intervals(kept) == SECOND


def test_a_promotion_after_a_rollback_is_another_load_of_what_it_shows(kept: Repo) -> None:
    load(kept, {1: "new", 2: "paid", 4: "new"})
    kept.seeknal("run")
    kept.seeknal("rollback")
    kept.replace(VERSIONS, "count(*) AS versions", "count(*) + 0 AS versions")
    kept.commit("Other words")
    kept.seeknal("promote")
    assert intervals(kept) == [
        (1, "new", 1, None),
        (2, "new", 1, 2),
        (2, "new", 3, None),
        (2, "paid", 2, 3),
        (3, "new", 1, 2),
        (3, "new", 3, None),
        (4, "new", 2, 3),
    ]


def test_an_earlier_publication_shows_its_own_history(kept: Repo) -> None:
    load(kept, {1: "paid"})
    kept.seeknal("run")
    said = kept.seeknal("query", "--at", "1", "SELECT count(*) AS n FROM orders_changes", "--json")
    assert said.json == [{"n": 3}]


def test_a_run_of_everything_adds_no_load(kept: Repo) -> None:
    before = kept.views("main")["orders_changes"]
    kept.seeknal("run", "--full")
    assert kept.views("main")["orders_changes"] == before


def test_a_run_of_some_nodes_adds_the_load_that_it_reads(kept: Repo) -> None:
    load(kept, {1: "new", 2: "paid", 4: "new"})
    kept.seeknal("run", "--nodes", "versions")
    assert intervals(kept) == SECOND


# The source changes


def test_a_new_column_is_null_before_and_a_lost_one_comes_back(kept: Repo) -> None:
    kept.write("raw/orders.csv", "id,status,amount\n1,new,10\n2,new,\n3,new,\n")
    kept.seeknal("run")
    expected = [(1, "new", 10, 2, None), (1, "new", None, 1, 2)]
    expected += [(key, "new", None, 1, None) for key in (2, 3)]
    assert intervals(kept, "id, status, amount") == expected
    kept.replace(ORDERS, "key: [id]", "key: [id]\non_drift: warn")
    kept.commit("Columns may go")
    load(kept, {1: "new", 2: "new", 3: "new"})
    kept.seeknal("run")
    assert intervals(kept) == [(1, "new", 1, 2), (1, "new", 2, None), *FIRST[1:]]
    kept.write("raw/orders.csv", "id,status,amount\n1,new,10\n2,new,\n3,new,\n")
    kept.seeknal("run")
    assert intervals(kept, "id, status, amount") == expected


def test_a_type_that_loses_values_of_the_history_fails_the_run(kept: Repo) -> None:
    kept.replace(ORDERS, "key: [id]", "key: [id]\nschema: [{name: status, data_type: BIGINT}]")
    kept.commit("Numbers")
    load(kept, {1: "7"})
    said = kept.seeknal("run", code=1).out
    assert "its load has status as BIGINT, and 3 values of its history, where it is VARCHAR" in said
    assert intervals(kept) == FIRST


def test_old_values_are_shown_in_a_type_that_holds_them(kept: Repo) -> None:
    kept.replace(ORDERS, "key: [id]", "key: [id]\nschema: [{name: id, data_type: VARCHAR}]")
    kept.commit("Texts")
    load(kept, {1: "new", 2: "new"})
    kept.seeknal("run")
    assert intervals(kept) == [("1", "new", 1, None), ("2", "new", 1, None), ("3", "new", 1, 2)]


def test_another_key_goes_on_with_the_rows_that_it_matches(kept: Repo) -> None:
    kept.write("raw/orders.csv", "id,status,part\n1,new,a\n1,new,b\n2,new,a\n")
    kept.replace(ORDERS, "key: [id]", "key: [id, part]")
    kept.commit("Parts")
    kept.seeknal("run")
    kept.write("raw/orders.csv", "id,status\n1,new\n2,new\n")
    kept.replace(ORDERS, "key: [id, part]", "key: [id]\non_drift: warn")
    kept.commit("No parts")
    kept.seeknal("run")
    assert [row for row in intervals(kept) if row[-1] is None] == [
        (1, "new", 2, None),
        (2, "new", 2, None),
    ]


def test_only_the_compared_columns_make_another_row(kept: Repo) -> None:
    kept.replace(ORDERS, "key: [id]", "key: id\ncompare: id")
    kept.commit("Only whether it is there")
    load(kept, {1: "paid", 2: "new"})
    kept.seeknal("run")
    assert intervals(kept) == [(1, "new", 1, None), (2, "new", 1, None), (3, "new", 1, 2)]


def test_edits_that_decide_the_history_are_breaking_for_it(kept: Repo) -> None:
    kept.replace(ORDERS, "key: [id]", "key: [id]\ndescription: Orders")
    assert set(kept.categories().values()) == {"METADATA"}
    kept.replace(ORDERS, "key: [id]", "key: [id]\ncompare: [status]")
    assert kept.categories()["changes.orders"] == "BREAKING"
    assert kept.categories()["source.orders"] == "METADATA"
    assert kept.plan()["layers"] == [["changes.orders"], ["transform.versions"]]


# Damage, clocks, two files


MANY = dict.fromkeys(range(1, 20), "new")


def tables(repo: Repo) -> list[str]:
    """The tables of the history that production published last, the oldest first."""
    [(reads,)] = repo.numbers(
        "SELECT reads FROM _seeknal.publication_nodes "
        "WHERE node = 'changes.orders' AND reads IS NOT NULL "
        "ORDER BY publication_id DESC LIMIT 1"
    )
    return list(dict.fromkeys(reads.split()))


def test_a_history_of_which_a_part_is_gone_is_neither_read_nor_begun_anew(kept: Repo) -> None:
    load(kept, MANY)
    kept.seeknal("run")
    load(kept, MANY | {1: "paid"})
    kept.seeknal("run")
    load(kept, MANY | {1: "paid", 2: "paid"})
    older, newer = tables(kept)
    kept.tamper(f'DROP TABLE _snapshots."{older}"')
    said = kept.seeknal("run", code=1).out
    assert f"a part of its history is gone: the table {older}" in said
    kept.tamper(f'DROP TABLE _snapshots."{newer}"')
    kept.seeknal("run")
    assert [row[2:] for row in intervals(kept)] == [(1, None)] * len(MANY)
    assert kept.built() == []


def test_a_load_takes_in_the_tables_that_are_not_much_larger(kept: Repo) -> None:
    """Each row of a table that stays is there once, and few tables make a version."""
    rows = dict.fromkeys(range(1, 400), "new")
    for number in range(1, 24):
        load(kept, rows | {number: "paid", number + 100: "paid"})
        kept.seeknal("run")
    assert len(tables(kept)) <= 4
    assert len([row for row in intervals(kept) if row[-1] is None]) == 399
    before = intervals(kept)
    kept.write("seeknal_project.yml", "name: kept\nkeep_promotions: 1\nkeep_history: 0s\n")
    kept.commit("Keep little")
    kept.seeknal("promote")
    kept.seeknal("gc", "--yes")
    made = kept.numbers(
        "FROM duckdb_tables() WHERE schema_name = '_snapshots' "
        "AND starts_with(table_name, 'orders_changes__')"
    )
    assert len(made) == len(tables(kept))
    assert intervals(kept) == before


def test_a_clock_that_goes_back_ends_no_row_before_it_began(
    kept: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    [(first,)] = kept.numbers("SELECT max(_valid_from) FROM main.orders_changes")
    monkeypatch.setattr("seeknal_git.build.histories.now", lambda: first - timedelta(days=9))
    load(kept, {1: "new", 2: "paid", 4: "new"})
    kept.seeknal("run")
    assert intervals(kept) == SECOND
    [(last,)] = kept.numbers("SELECT max(_valid_from) FROM main.orders_changes")
    assert (last - first).total_seconds() == 1e-6


def test_a_source_with_a_column_of_that_name_has_no_history(kept: Repo) -> None:
    kept.write("raw/orders.csv", "id,_valid_to\n1,2\n")
    kept.commit("Other columns")
    said = kept.seeknal("validate", code=1).err
    assert "_valid_to" in said


# Names


def test_a_bare_name_means_the_source_and_that_of_the_view_its_history(kept: Repo) -> None:
    assert "source.orders" in kept.seeknal("lineage", "orders").out.splitlines()[0]
    assert "changes.orders" in kept.seeknal("lineage", "orders_changes").out.splitlines()[0]
    load(kept, {1: "paid"})
    said = kept.seeknal("run", "--dry-run", "--select", "orders_changes").out
    assert "changes.orders" in said
    for written in ("orders_changes", "changes.orders", "changes_orders"):
        found = kept.seeknal("query", f"SELECT count(*) AS n FROM {written}", "--json").json
        assert found == [{"n": 3}]


def test_a_view_of_that_name_is_refused(kept: Repo) -> None:
    kept.write(
        "seeknal/transforms/orders_changes.yml",
        "kind: transform\nname: orders_changes\ntransform: SELECT 1 AS a\n",
    )
    said = kept.seeknal("validate", code=1).err
    assert "would both be the view orders_changes" in said


def test_a_source_that_is_called_as_other_nodes_keeps_its_history(kept: Repo) -> None:
    kept.write(
        "seeknal/transforms/orders.yml",
        "kind: transform\nname: orders\ntransform: FROM ref('changes.orders')\n",
    )
    kept.commit("Two of a name")
    kept.seeknal("run")
    assert {"source__orders", "transform__orders", "orders_changes"} <= kept.production().keys()


def test_a_partitioned_source_keeps_changes_too(kept: Repo) -> None:
    kept.write("raw/orders.csv", "id,day,status\n1,2026-01-01,new\n2,2026-01-02,new\n")
    partition = "partition: {by: day, every: day, begin: 2026-01-01}"
    kept.replace(ORDERS, "key: [id]", f"key: [id]\n{partition}")
    kept.commit("By day")
    kept.seeknal("run")
    kept.write("raw/orders.csv", "id,day,status\n1,2026-01-01,new\n2,2026-01-02,paid\n")
    kept.seeknal("run")
    assert [row for row in intervals(kept, "id, day::VARCHAR, status") if row[-1] is None] == [
        (1, "2026-01-01", "new", 2, None),
        (2, "2026-01-02", "paid", 3, None),
    ]


def test_a_view_and_a_file_of_a_history_stand_on_its_tables(kept: Repo) -> None:
    kept.write(
        "seeknal/transforms/now.yml",
        "kind: transform\nname: now\nmaterialized: view\n"
        "transform: SELECT id, status FROM ref('changes.orders') WHERE _valid_to IS NULL\n",
    )
    kept.write(
        "seeknal/exposures/history.yml",
        "kind: exposure\nname: history\ntype: file\ninputs: [changes.orders]\n"
        "params: {path: exports/history.csv}\n",
    )
    kept.commit("Readers")
    kept.seeknal("run")
    load(kept, {1: "new", 2: "paid", 4: "new"})
    kept.seeknal("run")
    assert kept.numbers("FROM main.now ORDER BY ALL") == [(1, "new"), (2, "paid"), (4, "new")]
    [(text,)] = kept.numbers("SELECT sql FROM duckdb_views() WHERE view_name = 'now'")
    assert "main.orders_changes" not in text
    assert len(duckdb.execute(f"FROM '{kept.path}/exports/history.csv'").fetchall()) == 5


def test_a_production_of_another_name_goes_on_with_the_history(kept: Repo) -> None:
    load(kept, {1: "new", 2: "paid", 4: "new"})
    kept.git("branch", "--move", "main", "trunk")
    kept.git("config", "seeknal.productionBranch", "trunk")
    kept.seeknal("run")
    assert intervals(kept, schema="trunk") == SECOND


def test_a_source_in_python_keeps_changes_too(kept: Repo) -> None:
    kept.git("rm", "--quiet", ORDERS)
    kept.write(
        "seeknal/orders.py",
        """
        from seeknal.pipeline import source

        @source(name="orders", source="csv", table="raw/orders.csv", keep="changes", key=["id"])
        def orders(): ...
        """,
    )
    kept.commit("In Python")
    load(kept, {1: "new", 2: "paid", 4: "new"})
    kept.seeknal("run")
    assert intervals(kept) == SECOND
    kept.replace(VERSIONS, "count(*) AS versions", "count(*) + 0 AS versions")
    assert kept.built() == ["transform.versions"]


def test_status_says_that_a_history_without_its_tables_is_lost(kept: Repo) -> None:
    kept.tamper(f'DROP TABLE _snapshots."{tables(kept)[0]}"')
    said = kept.seeknal("status", code=None)
    assert "no run builds the loads before again that changes.orders had" in said.out + said.err
