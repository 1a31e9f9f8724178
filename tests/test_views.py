"""Transforms that are views: published over tables, with no copy of their rows."""

from __future__ import annotations

import pytest

from seeknal_git.commands.project import open_project
from seeknal_git.commands.repl import words
from seeknal_git.errors import limits
from tests.conftest import Repo, Templates, make_published

CLEAN = "seeknal/transforms/clean_orders.yml"
DAILY = "seeknal/transforms/daily.yml"
BY_CUSTOMER = "seeknal/transforms/by_customer.yml"


def as_view(repo: Repo, *paths: str) -> None:
    for path in paths:
        repo.write(path, repo.read(path) + "materialized: view\n")


def make_views(repo: Repo) -> None:
    """The orders without gaps are a view, and the totals by day a view of it."""
    make_published(repo)
    as_view(repo, CLEAN, DAILY)
    repo.commit("Views")
    repo.seeknal("run")


@pytest.fixture
def views(copy_of: Templates) -> Repo:
    return copy_of("views", make_views)


def texts(repo: Repo, schema: str = "main") -> dict[str, str]:
    return dict(
        repo.numbers(f"SELECT view_name, sql FROM duckdb_views() WHERE schema_name = '{schema}'")
    )


def tables(repo: Repo) -> set[str]:
    found = repo.numbers("SELECT table_name FROM duckdb_tables() WHERE schema_name = '_snapshots'")
    return {name for (name,) in found}


def test_a_view_stands_on_tables_alone(views: Repo, published: Repo) -> None:
    assert views.production() == published.production()
    found = texts(views)
    assert "_snapshots.orders__" in found["daily"]
    assert "clean_orders__" not in found["daily"] + found["by_customer"]
    assert not any(f"main.{name}" in text for text in found.values() for name in found)


def test_only_materialized_changed_makes_that_node_anew_and_no_reader(published: Repo) -> None:
    before, answers = published.production(), published.numbers("FROM _seeknal.audits")
    as_view(published, CLEAN)
    assert published.categories() == {"transform.clean_orders": "METADATA"}
    assert published.plan()["layers"] == [["transform.clean_orders"]]
    assert published.built() == ["transform.clean_orders"]
    assert published.production() == before
    assert published.numbers("FROM _seeknal.audits") == answers
    assert "_snapshots.orders__" in texts(published)["clean_orders"]
    published.replace(CLEAN, "materialized: view\n", "materialized: table\n")
    assert published.built() == []
    assert "_snapshots.clean_orders__" in texts(published)["clean_orders"]
    assert published.production() == before


def test_a_reader_is_reused_unless_a_part_changed_that_it_reads(views: Repo) -> None:
    views.replace(CLEAN, "SELECT id, customer, day, amount", "SELECT *, amount * 2 AS twice")
    assert views.categories() == {"transform.clean_orders": "NON_BREAKING"}
    assert views.built() == ["transform.clean_orders"]
    views.replace(CLEAN, "amount IS NOT NULL", "amount > 10")
    assert views.categories()["transform.clean_orders"] == "BREAKING"
    assert views.built() == [
        "transform.by_customer",
        "transform.clean_orders",
        "transform.daily",
    ]
    views.commit("Larger")
    assert views.built() == []
    assert views.production() == views.fresh_build()


def test_a_promotion_makes_nothing_that_its_branch_has_made(views: Repo) -> None:
    views.switch("dev", create=True)
    views.replace(CLEAN, "amount IS NOT NULL", "amount > 10")
    before = views.production()
    views.seeknal("run")
    assert views.production() == before
    views.commit("Larger")
    views.switch("main")
    views.merge("dev")
    promoted = views.seeknal("promote", "--json").json
    assert promoted["built"] == {}
    assert views.production() == views.fresh_build()


def test_a_check_of_a_view_keeps_wrong_rows_from_production(views: Repo) -> None:
    before = views.production()
    views.replace(CLEAN, "SELECT id,", "SELECT 1 AS id,")
    views.commit("Not unique")
    assert "unique" in views.seeknal("run", code=1).out
    assert views.production() == before
    shown = views.seeknal("query", "--failed", "clean_orders", "--format", "csv").out
    assert "4" in shown
    assert "unique" in views.seeknal("checks", "clean_orders", "--rows", code=None).out


def test_a_view_that_fails_on_its_rows_is_not_published(views: Repo) -> None:
    before = views.production()
    views.replace(CLEAN, "day, amount", "day, CAST('x' || amount AS INTEGER) AS amount")
    views.commit("No number")
    assert "x10" in views.seeknal("run", code=1).out
    assert views.production() == before


def test_rows_move_with_the_raw_data_and_back_with_a_rollback(views: Repo) -> None:
    before = views.production()
    views.replace("data/orders.csv", "4,3,2024-01-02,40", "4,3,2024-01-02,400")
    views.commit("Corrected")
    views.seeknal("run")
    after = views.production()
    assert after == views.fresh_build() != before
    views.seeknal("rollback")
    assert views.production() == before
    views.seeknal("rollback", "3")
    assert views.production() == after


def test_a_rollback_goes_from_a_view_to_the_table_that_was_there(views: Repo) -> None:
    before = views.production()
    views.seeknal("rollback")
    assert "_snapshots.clean_orders__" in texts(views)["clean_orders"]
    assert views.production() == before
    views.seeknal("promote")
    assert "_snapshots.orders__" in texts(views)["clean_orders"]


def test_gc_keeps_the_tables_that_a_view_stands_on(views: Repo) -> None:
    """The view reads no new column, so it stays on the old load, which nothing else shows."""
    views.write("seeknal_project.yml", "name: shop\nkeep_promotions: 1\nkeep_history: 0s\n")
    orders = views.read("data/orders.csv").splitlines()
    views.write("data/orders.csv", "".join(f"{line},x\n" for line in orders))
    views.commit("A column more")
    views.seeknal("run")
    for _ in range(2):
        views.seeknal("gc", "--yes")
        assert views.production() == views.fresh_build()
    assert views.built() == []
    assert len([name for name in tables(views) if name.startswith("clean_orders")]) == 0


def test_gc_drops_what_only_an_old_view_stood_on(views: Repo) -> None:
    views.write("seeknal_project.yml", "name: shop\nkeep_promotions: 1\nkeep_history: 0s\n")
    old = {name for name in tables(views) if name.startswith("orders__")}
    views.replace("data/orders.csv", "4,3,2024-01-02,40", "4,3,2024-01-02,400")
    views.commit("Corrected")
    views.seeknal("run")
    views.seeknal("gc", "--yes")
    assert old.isdisjoint(tables(views))
    views.replace("data/orders.csv", "4,3,2024-01-02,400", "4,3,2024-01-02,40")
    views.commit("As it was")
    assert "transform.clean_orders" in views.built()
    assert views.production() == views.fresh_build()


def test_a_table_that_is_gone_is_built_again_below_its_views(views: Repo) -> None:
    table = views.snapshots_shown()["source.orders"]
    views.tamper(f"DROP TABLE _snapshots.{table}")
    assert "daily dangles" in views.seeknal("doctor", code=None).out
    views.seeknal("run")
    assert views.production() == views.fresh_build()


def test_one_that_somebody_replaced_is_kept(views: Repo) -> None:
    views.tamper("CREATE OR REPLACE VIEW main.daily AS SELECT 1 AS n")
    views.replace(CLEAN, "amount IS NOT NULL", "amount > 10")
    views.commit("Larger")
    refused = views.seeknal("run", code=None)
    assert refused.code != 0
    assert "main.daily" in refused.err
    assert views.numbers("FROM main.daily") == [(1,)]


def test_an_environment_of_views_is_deleted(views: Repo) -> None:
    views.switch("dev", create=True)
    views.seeknal("run")
    views.switch("main")
    views.seeknal("env", "delete", "dev")
    schemas = views.numbers("SELECT schema_name FROM information_schema.schemata")
    assert ("dev",) not in schemas


def test_a_file_is_delivered_from_a_view_and_written_again_by_a_rollback(views: Repo) -> None:
    def delivered() -> list[str]:  # no order is asked, and a view is computed each time
        return sorted(views.read("exports/by_customer.csv").splitlines())

    before = delivered()
    as_view(views, BY_CUSTOMER)
    views.replace(BY_CUSTOMER, "sum(o.amount)", "max(o.amount)")
    views.commit("The largest")
    views.seeknal("run")
    largest = delivered()
    assert largest != before
    views.replace(BY_CUSTOMER, "max(o.amount)", "min(o.amount)")
    views.commit("The smallest")
    views.seeknal("run")
    views.seeknal("rollback")
    assert delivered() == largest
    views.seeknal("rollback", "2")
    assert delivered() == before


def test_full_makes_views_again(views: Repo) -> None:
    before = views.production()
    assert "transform.daily" in views.built("--full")
    assert views.production() == before
    assert views.built() == []


def test_python_reads_a_view(views: Repo) -> None:
    views.write(
        "seeknal/days.py",
        """
        from seeknal.pipeline import transform

        @transform(name="days", inputs=["transform.daily"], columns={"n": "BIGINT"})
        def days(ctx):
            return ctx.duckdb.sql("SELECT count(*) AS n FROM d", d=ctx.ref("transform.daily"))
        """,
    )
    views.replace(
        "seeknal/days.py",
        'return ctx.duckdb.sql("SELECT count(*) AS n FROM d", d=ctx.ref("transform.daily"))',
        'd = ctx.ref("transform.daily")\n    return ctx.duckdb.sql("SELECT count(*) AS n FROM d")',
    )
    views.seeknal("run", "--select", "days")
    assert views.numbers("FROM main.days") == [(2,)]


def test_sql_may_end_as_it_likes_and_name_its_tables_as_it_likes(published: Repo) -> None:
    published.write(
        DAILY,
        """
        kind: transform
        name: daily
        materialized: view
        inputs: [transform.clean_orders, source.customers]
        transform: |
          WITH orders AS (SELECT * FROM input_0)  -- the name of another node's view
          SELECT orders.day, sum(amount) AS total
          FROM orders
          WHERE customer IN (SELECT id FROM source.customers) -- all of them
          GROUP BY ALL; -- the end
        """,
    )
    published.write(
        "seeknal/twice.yml",
        """
        kind: transform
        name: twice
        materialized: view
        transform: |
          WITH q AS (SELECT * FROM ref('transform.daily'))
          SELECT daily.day, q.total + daily.total AS total
          FROM transform.daily JOIN q USING (day) -- twice
        """,
    )
    published.seeknal("run")
    assert published.numbers("SELECT total::BIGINT FROM main.twice ORDER BY 1") == [(60,), (140,)]


def test_a_long_chain_of_views_is_one_view(published: Repo) -> None:
    for number in range(1, 41):
        read = f"transform.v{number - 1}" if number > 1 else "transform.clean_orders"
        published.write(
            f"seeknal/v{number}.yml",
            f"kind: transform\nname: v{number}\nmaterialized: view\n"
            f"transform: SELECT * FROM ref('{read}') WHERE amount <> {100 + number}\n",
        )
    published.seeknal("run", "--select", "+v40")
    assert published.numbers("SELECT count(*) FROM main.v40") == [(4,)]
    assert "_snapshots.clean_orders__" in texts(published)["v40"]


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        pytest.param(
            "SELECT random() AS n", "other rows each time it is read (random)", id="chance"
        ),
        pytest.param("SELECT now() AS n", "other rows each time it is read", id="the time"),
        pytest.param("FROM ref('source.orders') LIMIT 2", "other rows each time", id="any rows"),
    ],
)
def test_a_view_has_the_same_rows_each_time(published: Repo, sql: str, why: str) -> None:
    published.write(
        "seeknal/v.yml", f"kind: transform\nname: v\ntransform: {sql}\nmaterialized: view\n"
    )
    refused = published.seeknal("validate", code=1).err
    assert f"seeknal/v.yml:4: transform.v cannot be a view: it may have {why}" in refused
    assert "Leave out `materialized: view`" in refused


def test_views_that_read_views_many_times_are_refused(published: Repo) -> None:
    words = f"/* {'x' * (limits().statement_kb << 8)} */"
    for number in range(4):
        read = f"ref('transform.v{number - 1}')" if number else "ref('source.orders')"
        published.write(
            f"seeknal/v{number}.yml",
            f"kind: transform\nname: v{number}\nmaterialized: view\ntransform: |\n"
            f"  SELECT a.id {words if not number else ''}\n"
            f"  FROM {read} AS a JOIN {read} AS b USING (id)\n",
        )
    refused = published.seeknal("validate", code=1).err
    assert "transform.v3 cannot be a view: with the views that it reads" in refused


@pytest.mark.parametrize("word", ["incremental", "viw"])
def test_another_word_names_those_that_there_are(published: Repo, word: str) -> None:
    published.write(DAILY, published.read(DAILY) + f"materialized: {word}\n")
    refused = published.seeknal("validate", code=1).err
    assert f"a transform is `table`, `view` or `ephemeral`, not '{word}'" in refused


# Ephemeral nodes


def make_ephemeral(repo: Repo) -> None:
    """The orders without gaps are shown by no environment."""
    make_published(repo)
    repo.write(CLEAN, repo.read(CLEAN) + "materialized: ephemeral\n")
    repo.commit("Ephemeral")
    repo.seeknal("run")


@pytest.fixture
def ephemeral(copy_of: Templates) -> Repo:
    return copy_of("ephemeral", make_ephemeral)


def test_an_ephemeral_node_is_in_its_readers_alone(ephemeral: Repo, published: Repo) -> None:
    before = published.production()
    assert "clean_orders" in before
    del before["clean_orders"]
    assert ephemeral.production() == before == ephemeral.fresh_build()
    assert ephemeral.run()["built"] == {}
    assert [each["nodes"] for each in ephemeral.seeknal("env", "list", "--json").json] == [4]
    assert not {'""', "transform.clean_orders"}.intersection(words(open_project(ephemeral.path)))
    assert ephemeral.seeknal("doctor", code=None).out.count("clean_orders") == 0
    assert "Unp" not in ephemeral.seeknal("status").out


def test_to_take_a_view_away_breaks_who_asks_it_and_builds_nothing(published: Repo) -> None:
    published.write(CLEAN, published.read(CLEAN) + "materialized: view\n")
    published.commit("View")
    published.seeknal("run")
    published.replace(CLEAN, "materialized: view", "materialized: ephemeral")
    assert published.categories() == {"transform.clean_orders": "BREAKING"}
    assert published.built() == []
    assert "clean_orders" not in published.production()
    published.commit("Ephemeral")
    published.seeknal("run")
    published.replace(CLEAN, "materialized: ephemeral", "materialized: table")
    assert published.categories() == {"transform.clean_orders": "NON_BREAKING"}
    assert published.built() == []
    assert published.production()["clean_orders"][1]


def test_production_stays_of_one_piece_around_an_ephemeral_node(ephemeral: Repo) -> None:
    """Run by name: what moves above it reaches what reads it."""
    ephemeral.replace("data/orders.csv", "4,3,2024-01-02,40", "4,3,2024-01-02,400")
    ephemeral.commit("Corrected")
    ephemeral.seeknal("run", "--select", "source.orders")
    assert ephemeral.production() == ephemeral.fresh_build()
    ephemeral.replace(CLEAN, "amount IS NOT NULL", "amount > 10")
    ephemeral.commit("Larger")
    ephemeral.seeknal("run", "--select", "clean_orders")
    assert ephemeral.production() == ephemeral.fresh_build()


def test_a_failing_check_of_an_ephemeral_node_keeps_production(ephemeral: Repo) -> None:
    before = ephemeral.production()
    ephemeral.replace(CLEAN, "SELECT id,", "SELECT 1 AS id,")
    ephemeral.commit("Not unique")
    told = ephemeral.seeknal("run", code=1)
    assert "unique" in told.out
    assert ephemeral.production() == before
    assert "4" in ephemeral.seeknal("query", "--failed", "clean_orders", "--format", "csv").out


def test_a_branch_a_rollback_and_gc_know_it(ephemeral: Repo) -> None:
    before = ephemeral.production()
    ephemeral.switch("dev", create=True)
    ephemeral.replace(CLEAN, "amount IS NOT NULL", "amount > 10")
    ephemeral.seeknal("run")
    assert ephemeral.production() == before
    ephemeral.commit("Larger")
    ephemeral.switch("main")
    ephemeral.merge("dev")
    ephemeral.seeknal("promote")
    ephemeral.seeknal("gc", "--yes")
    after = ephemeral.production()
    assert after == ephemeral.fresh_build() != before
    ephemeral.seeknal("rollback")
    assert ephemeral.production() == before
    ephemeral.seeknal("rollback", "1")
    assert "clean_orders" in ephemeral.production()


def test_a_view_of_its_name_is_somebody_elses(ephemeral: Repo) -> None:
    ephemeral.tamper("CREATE VIEW main.clean_orders AS SELECT 1 AS n")
    ephemeral.replace(CLEAN, "amount IS NOT NULL", "amount > 10")
    ephemeral.commit("Larger")
    ephemeral.seeknal("run")
    assert ephemeral.numbers("FROM main.clean_orders") == [(1,)]


@pytest.mark.parametrize(
    "command",
    [
        ["query", "FROM transform.clean_orders"],
        ["query", "FROM clean_orders"],
        ["inspect", "clean_orders"],
    ],
    ids=["by its id", "by its name", "inspect"],
)
def test_asking_it_says_that_nobody_shows_it(ephemeral: Repo, command: list[str]) -> None:
    refused = ephemeral.seeknal(*command, code=None)
    assert refused.code != 0
    assert "transform.clean_orders is ephemeral: no environment shows it" in refused.err


def test_a_file_is_delivered_from_an_ephemeral_node(ephemeral: Repo) -> None:
    before = ephemeral.read("exports/by_customer.csv")
    ephemeral.write(BY_CUSTOMER, ephemeral.read(BY_CUSTOMER) + "materialized: ephemeral\n")
    ephemeral.replace(BY_CUSTOMER, "sum(o.amount)", "max(o.amount)")
    ephemeral.commit("The largest")
    ephemeral.seeknal("run")
    assert ephemeral.read("exports/by_customer.csv") != before
    assert "by_customer" not in ephemeral.production()
    ephemeral.seeknal("rollback")
    assert ephemeral.read("exports/by_customer.csv") == before
