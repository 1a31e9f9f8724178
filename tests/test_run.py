"""`seeknal run`: what is built, what is published, and what is left alone."""

from __future__ import annotations

import json
import os
import shutil
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from seeknal_git.build import aside, execute
from seeknal_git.warehouse.builder import Builder
from tests.conftest import Repo, Templates, make_published

CLEAN = "seeknal/transforms/clean_orders.yml"
DAILY = "seeknal/transforms/daily.yml"
BY_CUSTOMER = "seeknal/transforms/by_customer.yml"
RULE = "seeknal/rules/amounts_are_positive.yml"
EXPOSURE = "seeknal/exposures/by_customer_csv.yml"
ALL = [
    "source.customers",
    "source.orders",
    "transform.by_customer",
    "transform.clean_orders",
    "transform.daily",
]


@pytest.fixture
def dev(published: Repo) -> Repo:
    """On a branch that has not changed anything yet."""
    published.switch("dev", create=True)
    return published


def discount(repo: Repo) -> None:
    """Makes an amount negative, which the rule does not allow."""
    repo.replace(CLEAN, "day, amount", "day, amount - 15 AS amount")


def untracked_orders(repo: Repo, rows: str = "1,1,2024-01-01,10\n") -> None:
    """Orders are read from a file that git does not track."""
    repo.write("raw/orders.csv", f"id,customer,day,amount\n{rows}")
    repo.replace("seeknal/sources/orders.yml", "data/orders.csv", "raw/orders.csv")
    repo.commit("Orders from outside")
    repo.seeknal("run")


# What is built


def test_the_first_run_builds_everything(shop: Repo) -> None:
    assert shop.built() == ALL
    assert sorted(shop.production()) == [
        "by_customer",
        "clean_orders",
        "customers",
        "daily",
        "orders",
    ]


def test_a_second_run_builds_and_publishes_nothing(published: Repo) -> None:
    before = published.publications()
    done = published.run()
    assert (done["built"], done["repointed"]) == ({}, [])
    assert published.publications() == before


def test_a_run_with_nothing_to_do_leaves_the_warehouse_untouched(published: Repo) -> None:
    published.run()
    before = published.warehouse.stat().st_mtime_ns, published.warehouse.read_bytes()
    assert published.run()["built"] == {}
    assert "5 as before" in published.seeknal("promote").out
    assert (published.warehouse.stat().st_mtime_ns, published.warehouse.read_bytes()) == before


def test_a_run_with_nothing_to_do_is_refused_while_somebody_writes(published: Repo) -> None:
    published.run()
    with published.held() as pid:
        assert f"is held by process {pid}" in published.seeknal("run", code=1).err


def test_a_run_with_nothing_to_do_says_that_the_last_failure_is_over(published: Repo) -> None:
    published.run()
    published.tamper("UPDATE _seeknal.runs SET status = 'failed', message = 'a failure'")
    published.run()
    assert published.numbers("SELECT last(status ORDER BY rowid) FROM _seeknal.runs") == [
        ("succeeded",)
    ]


def test_a_run_with_nothing_to_do_keeps_an_environment_from_growing_old(dev: Repo) -> None:
    dev.run()
    dev.tamper("UPDATE _seeknal.environments SET used_at = used_at - INTERVAL 2 HOUR")
    dev.run()
    assert dev.numbers(
        "SELECT branch FROM _seeknal.environments WHERE used_at > now()::TIMESTAMP - INTERVAL 1 HOUR"
    ) == [("dev",)]


def test_a_branch_builds_only_what_changed_and_shows_the_rest_without_a_copy(dev: Repo) -> None:
    before = dev.snapshots()
    dev.replace(DAILY, "sum(amount)", "max(amount)")
    dev.seeknal("run")
    assert dev.new_snapshots(before) == ["transform.daily"]
    assert sorted(dev.views("dev")) == sorted(dev.production())
    assert dev.views("dev")["orders"] == dev.production()["orders"]


def test_no_view_stands_on_another_view(dev: Repo) -> None:
    dev.seeknal("run")
    definitions = dev.numbers("SELECT sql FROM duckdb_views() WHERE NOT internal")
    assert all("FROM _snapshots." in text for (text,) in definitions)


def test_a_node_is_rebuilt_only_where_it_reads_what_changed(dev: Repo) -> None:
    dev.replace(CLEAN, "day, amount", "day, amount, 1 AS one")
    assert dev.built() == ["transform.clean_orders"]
    dev.replace(CLEAN, "SELECT id", "SELECT id + 1 AS id")
    assert dev.built() == ["transform.clean_orders"], "nobody reads id"
    dev.replace(CLEAN, "customer, day", "customer, day + 1 AS day")
    assert dev.built() == ["transform.clean_orders", "transform.daily"]


READS = [
    pytest.param(
        "SELECT j.a AS address FROM ref('source.j') AS j",
        "SELECT j.b AS address FROM ref('source.j') AS j",
        ["SELECT address.x AS w FROM ref('transform.address')"],
        id="a field of a struct that is called like its table",
    ),
    pytest.param(
        "SELECT j.a AS address FROM ref('source.j') AS j",
        "SELECT j.b AS address FROM ref('source.j') AS j",
        ["SELECT address.address.x AS w FROM ref('transform.address')"],
        id="a field of a struct, with its table's name",
    ),
    pytest.param(
        "SELECT j.a AS home FROM ref('source.j') AS j",
        "SELECT j.b AS home FROM ref('source.j') AS j",
        ["SELECT home.x AS w FROM ref('transform.address') AS home"],
        id="a field of a struct that is called like an alias",
    ),
    pytest.param(
        "SELECT j.id AS id, j.a AS home FROM ref('source.j') AS j",
        "SELECT j.id AS id, j.b AS home FROM ref('source.j') AS j",
        [
            "SELECT home.x AS w FROM ref('source.j') AS home JOIN ref('transform.address') AS t USING (id)"
        ],
        id="a field of a struct that is called like the alias of another table",
    ),
    pytest.param(
        "SELECT j.m AS v FROM ref('source.j') AS j",
        "SELECT j.n AS v FROM ref('source.j') AS j",
        [
            "SELECT CAST(v AS VARCHAR) FROM ref('transform.address')",
            """SELECT "CAST(v AS VARCHAR)" AS w FROM ref('transform.t2')""",
        ],
        id="a column that the engine names",
    ),
    pytest.param(
        "SELECT j.m AS v FROM ref('source.j') AS j",
        "SELECT j.n AS v FROM ref('source.j') AS j",
        [
            "SELECT v::VARCHAR FROM ref('transform.address')",
            """SELECT "CAST(v AS VARCHAR)" AS w FROM ref('transform.t2')""",
        ],
        id="a column that the engine names otherwise than it is written",
    ),
    pytest.param(
        "SELECT j.k AS k, j.m AS v FROM ref('source.j') AS j",
        "SELECT j.k AS k, j.n AS v FROM ref('source.j') AS j",
        [
            "SELECT k, max(v) FROM ref('transform.address') GROUP BY k",
            """SELECT "max(v)" AS w FROM ref('transform.t2')""",
        ],
        id="an aggregate that the engine names",
    ),
    pytest.param(
        "SELECT lower(k) AS g, sum(m) AS s FROM ref('source.j') GROUP BY (1)",
        "SELECT k AS g, sum(m) AS s FROM ref('source.j') GROUP BY (1)",
        ["SELECT s AS w FROM ref('transform.address')"],
        id="a sum in groups by a position in parentheses",
    ),
]


@pytest.mark.parametrize(("before", "after", "readers"), READS)
def test_a_reader_is_rebuilt_where_what_it_reads_has_other_values(
    repo: Repo, before: str, after: str, readers: list[str]
) -> None:
    """The nodes are address, t2 and t3, each of which reads the one before."""
    rows = [
        {"id": 1, "k": "p", "m": 1, "n": 10, "a": {"x": 1}, "b": {"x": 10}},
        {"id": 2, "k": "P", "m": 2, "n": 20, "a": {"x": 2}, "b": {"x": 20}},
    ]
    repo.write("data/j.json", json.dumps(rows))
    repo.write("seeknal/sources/j.yml", "kind: source\nname: j\nsource: json\ntable: data/j.json\n")
    names = ["address", "t2", "t3"][: len(readers) + 1]
    for name, sql in zip(names, [before, *readers], strict=True):
        repo.write(
            f"seeknal/transforms/{name}.yml",
            f"kind: transform\nname: {name}\ntransform: |\n  {sql}\n",
        )
    repo.seeknal("run")
    old = repo.production()
    repo.replace("seeknal/transforms/address.yml", before, after)
    assert repo.built() == [f"transform.{name}" for name in names]
    assert repo.production()[names[-1]] != old[names[-1]], "this case is about other values"
    again = repo.production()
    repo.seeknal("run", "--full")
    assert repo.production() == again


def test_two_branches_that_make_the_same_change_share_one_table(dev: Repo) -> None:
    dev.replace(DAILY, "sum(amount)", "max(amount)")
    dev.commit()
    assert dev.built() == ["transform.daily"]
    dev.git("switch", "--quiet", "--create", "other", "main")
    dev.replace(DAILY, "sum(amount)", "max(amount)")
    assert dev.built() == []
    assert dev.views("other") == dev.views("dev")


def test_old_code_finds_its_old_table(published: Repo) -> None:
    published.replace(DAILY, "sum(amount)", "max(amount)")
    assert published.built() == ["transform.daily"]
    published.replace(DAILY, "max(amount)", "sum(amount)")
    assert published.built() == []


def test_a_renamed_file_builds_nothing(published: Repo) -> None:
    published.git("mv", DAILY, "seeknal/anywhere.yaml")
    assert published.built() == []


def test_another_environment_is_run_without_checking_it_out(dev: Repo) -> None:
    dev.replace(DAILY, "sum(amount)", "max(amount)")
    dev.commit()
    dev.switch("main")
    assert dev.built("--env", "dev") == ["transform.daily"]
    assert "max" not in dev.read(DAILY)


def test_prod_is_another_name_for_production(shop: Repo) -> None:
    assert shop.run("--env", "prod")["schema"] == "main"


# What is published


def test_a_branch_publishes_what_succeeded(dev: Repo) -> None:
    dev.replace(DAILY, "sum(amount) AS total", "sum(amount) AS total, error('no')::INT AS oops")
    dev.replace(BY_CUSTOMER, "sum(o.amount) AS total", "max(o.amount) AS total")
    done = dev.run("--continue-on-error", code=1)
    assert list(done["failed"]) == ["transform.daily"]
    assert ("Bob", 20) in dev.views("dev")["by_customer"][1]
    assert "daily" not in dev.views("dev"), "it was never published here"


def test_a_branch_keeps_showing_the_last_good_version_of_a_node_that_fails(dev: Repo) -> None:
    dev.seeknal("run")
    dev.replace(DAILY, "sum(amount) AS total", "sum(amount) AS total, error('no')::INT AS oops")
    dev.run(code=1)
    assert dev.views("dev")["daily"] == dev.production()["daily"]


def test_production_publishes_all_or_nothing(published: Repo) -> None:
    before = published.production(), published.publications(), published.production_ref
    published.replace(
        DAILY, "sum(amount) AS total", "sum(amount) AS total, error('no')::INT AS oops"
    )
    published.replace(BY_CUSTOMER, "sum(o.amount) AS total", "max(o.amount) AS total")
    said = published.seeknal("run", "--continue-on-error", code=1)
    assert "Nothing was published" in said.err
    assert DAILY in said.out
    assert (published.production(), published.publications(), published.production_ref) == before
    published.git("checkout", "--quiet", DAILY)
    assert published.built() == [], "what was finished is kept"
    assert ("Bob", 20) in published.production()["by_customer"][1]


def test_a_failing_rule_keeps_its_input_and_what_is_behind_it_from_being_published(
    dev: Repo,
) -> None:
    dev.seeknal("run")
    before = dev.views("dev")
    discount(dev)
    dev.replace("data/customers.csv", "Ada", "Augusta")
    done = dev.run(code=1)
    assert list(done["failed"]) == ["rule.amounts_are_positive"]
    after = dev.views("dev")
    assert {name for name in before if before[name] != after[name]} == {"customers"}


def test_a_failing_rule_fails_again_when_nothing_was_mended(dev: Repo) -> None:
    discount(dev)
    said = dev.seeknal("run", "--no-parallel", code=1).out
    assert "1 failed" in said
    assert "written" not in said, "the file of what failed is not"
    for option in ("--no-parallel", "--parallel", "--continue-on-error"):
        done = dev.run(option, code=1)
        assert list(done["failed"]) == ["rule.amounts_are_positive"], (
            "a known answer does not make it pass"
        )
        assert (done["built"], sorted(done["skipped"])) == (
            {},
            ["transform.by_customer", "transform.daily"],
        )
    assert dev.run("--dry-run")["failing"] == ["rule.amounts_are_positive"]
    assert "fail   rule.amounts_are_positive" in dev.seeknal("run", "--dry-run").out
    assert "clean_orders" not in dev.views("dev")


def test_a_failing_rule_leaves_production_untouched(published: Repo) -> None:
    before = published.production()
    discount(published)
    published.seeknal("run", code=1)
    assert published.production() == before
    published.seeknal("run", code=1)
    assert published.production() == before


def test_a_rule_of_severity_warn_says_so_and_holds_nothing_back(published: Repo) -> None:
    published.write(RULE, published.read(RULE) + "params:\n  severity: warn\n")
    discount(published)
    done = published.run()
    assert "amounts_are_positive" in done["warnings"][0]
    assert (1, 1, -5) in published.numbers("SELECT id, customer, amount FROM clean_orders")


def test_a_failing_test_of_a_node_keeps_it_from_being_published(dev: Repo) -> None:
    dev.replace(CLEAN, "unique: id", "unique: day")
    done = dev.run(code=1)
    assert list(done["failed"]) == ["transform.clean_orders"]
    assert sorted(dev.views("dev")) == ["customers", "orders"]
    dev.replace(DAILY, "sum(amount)", "max(amount)")
    dev.write(
        "seeknal/transforms/towns.yml",
        "kind: transform\nname: towns\ntransform: FROM source.customers\n",
    )
    assert dev.built(code=1) == [], "the first failure stops a run, also one that is known"
    assert dev.built("--continue-on-error", code=1) == ["transform.towns"]


def test_a_test_of_severity_warn_holds_nothing_back(dev: Repo) -> None:
    dev.replace(CLEAN, "- unique: id", "- {unique: day, severity: warn}")
    assert len(dev.run()["warnings"]) == 1
    assert len(dev.views("dev")) == 5


@pytest.mark.parametrize(
    "sql",
    [
        pytest.param("SELECT * FROM input_0 WHERE id < @;", id="a semicolon"),
        pytest.param(
            "SELECT * FROM input_0 WHERE id < @; -- the end; really", id="a semicolon and a comment"
        ),
        pytest.param("SELECT * FROM input_0 WHERE id < @ -- the end", id="a comment"),
        pytest.param(
            "SELECT * FROM input_0 WHERE id < @ /* the; end */ ;", id="a comment and a semicolon"
        ),
        pytest.param(
            'SELECT id AS "a; --b" FROM input_0 WHERE id < @', id="a column called like an end"
        ),
        pytest.param(
            'SELECT id AS "a""; --b" FROM input_0 WHERE id < @;',
            id="a column with quotes of its own",
        ),
        pytest.param(
            "SELECT '; -- ''' AS a FROM input_0 WHERE id < @; -- it's", id="a text like an end"
        ),
        pytest.param("SELECT $$; -- '$$ AS a FROM input_0 WHERE id < @;", id="a text in dollars"),
        pytest.param(
            "SELECT $x$; $$ -- '$x$ AS a FROM input_0 WHERE id < @;",
            id="a text in dollars with a name",
        ),
        pytest.param(
            "SELECT e'\\'; -- ' AS a FROM input_0 WHERE id < @;", id="a text with an escape"
        ),
        pytest.param(
            "SELECT /* a /* b */ ; */ id FROM input_0 WHERE id < @;", id="a comment in a comment"
        ),
    ],
)
def test_a_test_in_sql_may_end_in_any_way(published: Repo, sql: str) -> None:
    for below, code in (("0", 0), ("3", 1)):
        published.git("checkout", "--quiet", DAILY, CLEAN)
        text = f"tests:\n  - custom_sql: |\n      {sql.replace('@', below)}\n"
        published.write(CLEAN, published.read(CLEAN).replace("tests:\n", text))
        failed = published.run(code=code)["failed"]
        assert list(failed) == ["transform.clean_orders"] * code
        assert not code or "its SQL returns 2 rows" in failed["transform.clean_orders"]


def test_a_test_of_a_column_called_like_an_end_of_sql(repo: Repo) -> None:
    repo.write("data/x.csv", 'id,"a; --b"\n1,\n')
    text = (
        """kind: source\nname: x\nsource: csv\ntable: data/x.csv\ntests:\n  - unique: "a; --b"\n"""
    )
    repo.write("seeknal/sources/x.yml", text)
    repo.commit()
    assert repo.built() == ["source.x"]
    repo.write("seeknal/sources/x.yml", text.replace("unique", "not_null"))
    assert list(repo.run(code=1)["failed"]) == ["source.x"]


def test_a_removed_node_loses_its_view(published: Repo) -> None:
    published.git("rm", "--quiet", DAILY)
    assert published.run()["removed"] == ["transform.daily"]
    assert "daily" not in published.production()


def test_two_nodes_of_one_name_have_views_that_say_the_kind(published: Repo) -> None:
    text = "kind: transform\nname: orders\ntransform: SELECT id FROM ref('source.orders') WHERE id > 2\n"
    published.write("seeknal/transforms/orders.yml", text)
    published.seeknal("run")
    assert {"source__orders", "transform__orders"} < set(published.production())
    assert "orders" not in published.production()
    published.git("clean", "--quiet", "--force", "seeknal")
    published.seeknal("run")
    assert "orders" in published.production()
    assert "source__orders" not in published.production()


def test_what_a_user_made_in_an_environments_schema_stays(published: Repo) -> None:
    published.tamper(
        "CREATE TABLE main.notes AS SELECT 1 AS x; CREATE VIEW main.mine AS SELECT 2 AS y"
    )
    published.replace(DAILY, "sum(amount)", "max(amount)")
    published.seeknal("run")
    assert published.numbers("SELECT x, y FROM notes, mine") == [(1, 2)]


def test_something_else_in_the_place_of_a_view_is_an_error_and_survives(published: Repo) -> None:
    published.tamper("DROP VIEW main.daily; CREATE TABLE main.daily AS SELECT 1 AS mine")
    published.replace(DAILY, "sum(amount)", "max(amount)")
    said = published.seeknal("run", code=1)
    assert "daily" in said.err
    assert published.numbers("SELECT mine FROM daily") == [(1,)]


@pytest.mark.parametrize("name", ["other.duckdb", "my data/über's.duckdb", "a.b.db"])
def test_a_warehouse_of_another_name_is_read_by_anybody(published: Repo, name: str) -> None:
    published.write("seeknal_project.yml", f'name: shop\nwarehouse: "target/{name}"\n')
    published.git(
        "commit", "--quiet", "--no-verify", "-m", "Another name", "--", "seeknal_project.yml"
    )
    published.seeknal("run")
    path = published.path / "target" / name
    with duckdb.connect() as connection:
        connection.execute(
            f"ATTACH '{str(path).replace(chr(39), chr(39) * 2)}' AS theirs (READ_ONLY)"
        )
        assert connection.execute("SELECT count(*) FROM theirs.main.orders").fetchall() == [(5,)]


# The warehouse is not trusted


def test_a_rule_is_asked_again_of_a_table_that_is_built_again(published: Repo) -> None:
    """What it says may be another value each time."""
    published.write(
        "seeknal/t.yml", "kind: transform\nname: t\ntransform: SELECT txid_current() AS n\n"
    )
    published.write(
        "seeknal/r.yml", "kind: rule\nname: r\ninputs: [{ref: transform.t}]\nrule: n > 0\n"
    )
    published.seeknal("run")
    table = next(table for node, table in published.snapshots() if node == "transform.t")
    published.tamper(f'DROP TABLE _snapshots."{table}"')
    asked = "SELECT count(*) FROM _seeknal.audits WHERE node = 'rule.r'"
    assert published.numbers(asked) == [(1,)]
    published.seeknal("run")
    assert published.numbers(asked) == [(2,)]


def test_a_snapshot_that_somebody_dropped_is_built_again(published: Repo) -> None:
    table = dict(published.snapshots())["transform.daily"]
    before = published.production()
    published.tamper(f"DROP TABLE _snapshots.{table}")
    assert published.built() == ["transform.daily"]
    assert published.production() == before


def test_a_view_that_somebody_dropped_is_restored(published: Repo) -> None:
    before = published.production()
    published.tamper("DROP VIEW main.daily")
    assert published.built() == []
    assert published.production() == before


def test_a_schema_that_somebody_dropped_is_restored(dev: Repo) -> None:
    dev.seeknal("run")
    before = dev.views("dev")
    dev.tamper("DROP SCHEMA dev CASCADE")
    dev.seeknal("run")
    assert dev.views("dev") == before


def test_a_warehouse_that_is_gone_is_built_again(published: Repo) -> None:
    before = published.production()
    published.warehouse.unlink()
    assert published.built() == ALL
    assert published.production() == before


def test_a_warehouse_that_is_gone_is_said_and_planned_for(published: Repo) -> None:
    before = published.production()
    shutil.rmtree(published.path / "target", ignore_errors=True)
    published.warehouse.unlink()
    assert sorted(published.categories()) == sorted(
        [*ALL, "rule.amounts_are_positive", "exposure.by_customer_csv"]
    )
    assert (
        ".git/seeknal/warehouse.duckdb is gone: seeknal run builds it again"
        in published.seeknal("status").out
    )
    published.switch("dev", create=True)
    assert ".git/seeknal/warehouse.duckdb is gone" in published.seeknal("status").out
    published.switch("main")
    assert not (published.path / "target").exists(), "a look writes nothing"
    published.seeknal("promote", "--hook")
    assert published.production() == before
    assert published.categories() == {}
    assert "is gone" not in published.seeknal("status").out


def test_a_file_that_is_no_warehouse_is_refused_and_left_as_it_is(published: Repo) -> None:
    published.warehouse.write_text("not a database, but somebody's notes")
    said = published.seeknal("run", code=1)
    assert "Traceback" not in said.err
    assert published.warehouse.read_text().startswith("not a database")


def test_a_warehouse_held_by_another_process_is_named_with_its_pid(published: Repo) -> None:
    with published.held() as pid:
        assert f"process {pid}" in published.seeknal("run", code=1).err
        assert published.categories() == {}, "a plan needs no warehouse"


# Options


def test_nodes_builds_a_node_and_what_depends_on_it(published: Repo) -> None:
    published.replace(BY_CUSTOMER, "sum(o.amount)", "max(o.amount)")
    published.replace(DAILY, "sum(amount)", "max(amount)")
    assert published.built("--nodes", "daily") == ["transform.daily"]
    assert published.built("--nodes", "transform.clean_orders") == ["transform.by_customer"]


def test_nodes_builds_what_a_node_needs_too(shop: Repo) -> None:
    assert shop.built("--nodes", "daily") == [
        "source.orders",
        "transform.clean_orders",
        "transform.daily",
    ]
    due = f"Production shows only the nodes that were run by name, and main is at {shop.head[:8]}: seeknal promote"
    assert due in shop.seeknal("plan").err
    said = shop.seeknal("status").out
    assert "main in part, published" in said
    assert due in said


def test_a_run_of_some_nodes_does_not_claim_that_production_is_at_that_commit(
    published: Repo,
) -> None:
    before = published.production_ref
    published.replace(BY_CUSTOMER, "sum(o.amount)", "max(o.amount)")
    published.replace(DAILY, "sum(amount)", "max(amount)")
    published.commit()
    published.seeknal("run", "--nodes", "daily")
    assert published.production_ref not in (before, published.head)
    assert f"main is at {published.head[:8]}: seeknal promote" in published.seeknal("plan").err
    assert published.built() == ["transform.by_customer"]
    assert published.production_ref == published.head


def make_two_changes(project: Repo) -> None:
    make_published(project)
    project.write(
        "seeknal/transforms/ids.yml",
        "kind: transform\nname: ids\ntransform: SELECT id FROM source.orders\n",
    )
    project.commit("One more")
    project.seeknal("run")
    project.switch("dev", create=True)
    project.replace(BY_CUSTOMER, "sum(o.amount)", "max(o.amount)")
    project.replace(DAILY, "sum(amount)", "max(amount)")
    project.git("rm", "--quiet", "seeknal/transforms/ids.yml")
    project.commit("Otherwise")
    project.seeknal("run")
    project.switch("main")
    project.merge("dev")


@pytest.fixture
def two_changes(copy_of: Templates) -> Repo:
    """On main: days and customers are summed up otherwise, which a branch has built already, and a
    node is gone."""
    return copy_of("two_changes", make_two_changes)


def test_a_run_of_some_nodes_repoints_and_removes_no_others(two_changes: Repo) -> None:
    before, file = two_changes.production(), two_changes.read("exports/by_customer.csv")
    work = two_changes.run("--nodes", "daily", "--dry-run")
    assert (work["repoint"], work["remove"]) == (["transform.daily"], [])
    done = two_changes.run("--nodes", "daily")
    assert (done["built"], done["repointed"], done["removed"]) == ({}, ["transform.daily"], [])
    after = two_changes.production()
    assert {name for name in before if before[name] != after[name]} == {"daily"}
    assert after.keys() == before.keys()
    assert two_changes.read("exports/by_customer.csv") == file
    done = two_changes.run()
    assert (done["repointed"], done["removed"]) == (["transform.by_customer"], ["transform.ids"])
    assert two_changes.production() == two_changes.fresh_build()


def test_a_dry_run_of_a_release_that_builds_nothing_names_its_views(two_changes: Repo) -> None:
    said = two_changes.seeknal("promote", "--dry-run").out
    moved = "transform.by_customer, transform.daily"
    assert f"2 views to re-point ({moved}), 1 to remove (transform.ids)." in said
    assert "2 views re-pointed, 3 as before, 1 removed" in two_changes.seeknal("promote").out
    two_changes.git("rm", "--quiet", DAILY)
    two_changes.commit("No days")
    said = two_changes.seeknal("promote", "--dry-run").out
    assert "0 views to re-point, 1 to remove (transform.daily)." in said


def test_a_run_of_some_nodes_shows_one_node_in_a_view_that_another_had(published: Repo) -> None:
    text = (
        published.read(DAILY)
        .replace("kind: transform", "kind: feature_group")
        .replace("sum(amount)", "max(amount)")
    )
    published.write(DAILY, text + "entity: {name: day, join_keys: [day]}\n")
    published.seeknal("run", "--nodes", "daily")
    now = published.production()["daily"]
    for _ in range(2):
        assert published.run("--nodes", "by_customer")["repointed"] == []
        assert published.production()["daily"] == now


def test_a_run_of_some_nodes_shows_what_they_read(published: Repo) -> None:
    published.write("raw/visits.csv", "n\n1\n")
    published.write(
        "seeknal/sources/visits.yml",
        "kind: source\nname: visits\nsource: csv\ntable: raw/visits.csv\n",
    )
    published.write(
        "seeknal/transforms/seen.yml",
        "kind: transform\nname: seen\ntransform: SELECT sum(n) AS n FROM source.visits\n",
    )
    published.commit("Visits")
    published.seeknal("run")
    published.write("raw/visits.csv", "n\n1\n19\n")
    published.switch("dev", create=True)
    published.seeknal("run", "--refresh")
    published.switch("main")
    assert published.built("--nodes", "seen") == []
    assert published.numbers(
        "SELECT (SELECT n FROM main.seen), (SELECT sum(n) FROM main.visits)"
    ) == [(20, 20)]


def test_two_nodes_that_say_the_same_show_one_table_from_the_start(published: Repo) -> None:
    for name in ("one", "other"):
        published.write(
            f"seeknal/{name}.yml",
            f"kind: transform\nname: {name}\ntransform: SELECT id FROM source.orders\n",
        )
    published.seeknal("run", "--no-parallel")
    assert published.run()["repointed"] == []


def test_a_run_of_some_kinds_repoints_and_removes_no_others(two_changes: Repo) -> None:
    before = two_changes.production()
    done = two_changes.run("--types", "source")
    assert (done["built"], done["repointed"], done["removed"]) == ({}, [], [])
    assert two_changes.production() == before


def test_a_run_of_some_nodes_publishes_nothing_whose_new_test_was_not_asked(
    two_changes: Repo,
) -> None:
    two_changes.write(
        BY_CUSTOMER, two_changes.read(BY_CUSTOMER) + "tests:\n  - row_count: {min: 1000}\n"
    )
    two_changes.commit("A test that fails")
    before = two_changes.production()
    two_changes.seeknal("run", "--nodes", "daily")
    after = two_changes.production()
    assert {name for name in before if before[name] != after[name]} == {"daily"}
    done = two_changes.run(code=1)
    assert list(done["failed"]) == ["transform.by_customer"]
    assert two_changes.production() == after


@pytest.mark.parametrize("options", [("--nodes", "daily"), ("--types", "transform")])
def test_a_run_of_some_nodes_asks_the_rules_of_all_that_it_publishes(
    published: Repo, options: tuple[str, str]
) -> None:
    before = published.production()
    published.replace(
        CLEAN, "SELECT id, customer, day, amount", "SELECT id, customer, day, -amount AS amount"
    )
    assert list(published.run(*options, code=1)["failed"]) == ["rule.amounts_are_positive"]
    assert published.production() == before


def test_a_node_that_was_skipped_before_its_new_test_is_not_repointed(two_changes: Repo) -> None:
    two_changes.git("switch", "--quiet", "--create", "other", "main~1")
    two_changes.seeknal("run")
    before = two_changes.views("other")
    two_changes.merge("main")
    two_changes.write(
        BY_CUSTOMER, two_changes.read(BY_CUSTOMER) + "tests:\n  - row_count: {min: 1000}\n"
    )
    bad = "kind: transform\nname: bad\ntransform: SELECT error('no')::INT AS x FROM source.customers\n"
    two_changes.write("seeknal/transforms/bad.yml", bad)
    done = two_changes.run(code=1)
    assert list(done["failed"]) == ["transform.bad"]
    assert "transform.by_customer" in done["skipped"]
    assert two_changes.views("other")["by_customer"] == before["by_customer"]
    (two_changes.path / "seeknal/transforms/bad.yml").unlink()
    assert list(two_changes.run(code=1)["failed"]) == ["transform.by_customer"]
    assert two_changes.views("other")["by_customer"] == before["by_customer"]


@pytest.mark.parametrize("given", ["source,transform", "source transform"])
def test_types_builds_only_nodes_of_those_kinds(shop: Repo, given: str) -> None:
    assert shop.built("--types", given) == ALL


def test_types_builds_what_those_nodes_need(shop: Repo) -> None:
    assert shop.built("--types", "source") == ["source.customers", "source.orders"]


def test_a_node_or_kind_that_does_not_exist_is_refused_with_the_nearest_name(
    published: Repo,
) -> None:
    assert "Did you mean daily?" in published.seeknal("run", "--nodes", "dayly", code=2).err
    assert "transform" in published.seeknal("run", "--types", "transfrom", code=2).err
    assert "Did you mean" in published.seeknal("run", "--env", "mian", code=2).err


def test_full_builds_everything_again(published: Repo) -> None:
    before = published.production()
    assert published.built("--full") == ALL
    assert published.production() == before


def test_continue_on_error_builds_what_does_not_depend_on_the_failure(shop: Repo) -> None:
    shop.replace("data/customers.csv", "1,Ada,London", "1,Ada,London")
    shop.replace(CLEAN, "day, amount", "day, error('no')::BIGINT AS amount")
    shop.write(
        "seeknal/transforms/towns.yml",
        "kind: transform\nname: towns\ntransform: SELECT town FROM source.customers\n",
    )
    shop.switch("dev", create=True)
    done = shop.run("--continue-on-error", code=1)
    assert "transform.towns" in done["built"]
    assert set(done["skipped"]) >= {"transform.daily", "transform.by_customer"}
    assert sorted(shop.views("dev")) == ["customers", "orders", "towns"]


def test_without_it_a_run_stops_at_the_first_failing_layer(shop: Repo) -> None:
    shop.replace(CLEAN, "day, amount", "day, error('no')::BIGINT AS amount")
    shop.write(
        "seeknal/transforms/a.yml",
        "kind: transform\nname: a\ntransform: SELECT town FROM source.customers\n",
    )
    shop.write(
        "seeknal/transforms/b.yml",
        "kind: transform\nname: b\ntransform: SELECT town FROM transform.a\n",
    )
    done = shop.run(code=1)
    assert "transform.b" in done["skipped"]


def test_retry_tries_again_after_a_while(shop: Repo) -> None:
    later, soon = ((datetime.now(UTC) + timedelta(seconds=wait)).isoformat() for wait in (600, 1.5))
    shop.replace(
        CLEAN,
        "day, amount",
        f"day, CASE WHEN now() < '{later}'::TIMESTAMPTZ THEN error('not yet') END AS x, amount",
    )
    assert "not yet" in shop.seeknal("run", code=1).out
    shop.replace(CLEAN, later, soon)
    assert shop.built("--retry", "5") == [
        "transform.by_customer",
        "transform.clean_orders",
        "transform.daily",
    ]


@pytest.mark.parametrize("exists", [True, False])
def test_a_dry_run_says_what_would_be_done_and_writes_nothing(
    shop: Repo, published: Repo, exists: bool
) -> None:
    repo = published if exists else shop
    repo.replace(DAILY, "sum(amount)", "max(amount)")
    before = sorted(
        (path, path.stat().st_mtime_ns) for path in repo.path.rglob("*") if ".git" not in path.parts
    )
    work = repo.run("--dry-run")
    assert sorted(work["build"]) == (["transform.daily"] if exists else ALL)
    assert (
        sorted(
            (path, path.stat().st_mtime_ns)
            for path in repo.path.rglob("*")
            if ".git" not in path.parts
        )
        == before
    )
    assert repo.built() == sorted(work["build"]), "the run does what the dry run said"


def test_show_plan_shows_the_plan_and_runs_nothing(published: Repo) -> None:
    published.replace(DAILY, "sum(amount)", "max(amount)")
    before = published.production(), published.publications()
    for option in ("--show-plan", "-p", "--dry-run"):
        assert "build  transform.daily" in published.seeknal("run", option).out
        assert published.seeknal("run", option, "--json").json["build"] == {
            "transform.daily": "its definition changed"
        }
    assert (published.production(), published.publications()) == before


def test_json_is_all_there_is_on_stdout(published: Repo) -> None:
    published.replace(DAILY, "sum(amount)", "max(amount)")
    assert published.seeknal("run", "--json").json["built"]


def test_a_sequential_run_of_a_wide_graph_says_what_parallel_would_save(shop: Repo) -> None:
    for number in range(5):
        text = f"kind: transform\nname: wide_{number}\ntransform: SELECT id + {number} AS x FROM source.orders\n"
        shop.write(f"seeknal/transforms/wide_{number}.yml", text)
    assert "Use --parallel" in shop.seeknal("run", "--no-parallel").err
    assert "Use --parallel" not in shop.seeknal("run", "--full").err


# Exposures


def test_the_exposures_of_a_branch_have_a_folder_of_their_own(dev: Repo) -> None:
    before = dev.read("exports/by_customer.csv")
    dev.replace(BY_CUSTOMER, "sum(o.amount)", "1000 * sum(o.amount)")
    assert dev.run()["written"] == ["exposure.by_customer_csv"]
    assert dev.read("exports/by_customer.csv") == before
    assert "Cy,40000" in dev.read("target/exposures/dev/exports/by_customer.csv")


def test_an_exposure_that_is_gone_is_written_again(published: Repo) -> None:
    before = published.read("exports/by_customer.csv")
    (published.path / "exports/by_customer.csv").unlink()
    published.seeknal("run")
    assert published.read("exports/by_customer.csv") == before


def test_an_exposure_is_written_only_when_its_data_moved(published: Repo) -> None:
    before = (published.path / "exports/by_customer.csv").stat().st_mtime_ns
    published.replace(DAILY, "sum(amount)", "max(amount)")
    published.seeknal("run")
    assert (published.path / "exports/by_customer.csv").stat().st_mtime_ns == before


def test_an_exposure_that_cannot_be_written_leaves_production_untouched(published: Repo) -> None:
    before, publications = published.production(), published.publications()
    published.replace(BY_CUSTOMER, "sum(o.amount)", "max(o.amount)")
    published.replace(EXPOSURE, "exports/by_customer.csv", "data/orders.csv/x.csv")
    said = published.seeknal("run", code=1)
    assert "Traceback" not in said.err
    assert (published.production(), published.publications()) == (before, publications)
    assert published.read("data/orders.csv").startswith("id,customer")


def test_a_folder_in_the_place_of_an_exposure_is_an_error_and_survives(published: Repo) -> None:
    before, publications = published.production(), published.publications()
    (published.path / "exports/by_customer.csv").unlink()
    published.write("exports/by_customer.csv/mine.txt", "mine")
    published.replace(BY_CUSTOMER, "sum(o.amount)", "max(o.amount)")
    said = published.seeknal("run", code=1)
    assert "by_customer" in said.err
    assert published.read("exports/by_customer.csv/mine.txt") == "mine"
    assert (published.production(), published.publications()) == (before, publications)


def test_a_partitioned_exposure_is_replaced_as_a_whole(published: Repo) -> None:
    published.write(
        EXPOSURE,
        published.read(EXPOSURE).replace("exports/by_customer.csv", "exports/days")
        + "  format: parquet\n  partition_by: [name]\n",
    )
    published.seeknal("run")
    published.replace("data/customers.csv", "Cy", "Cyril")
    published.seeknal("run")
    there = sorted(path.name for path in (published.path / "exports/days").iterdir())
    assert there == ["name=Ada", "name=Bob", "name=Cyril"]
    assert sorted(path.name for path in (published.path / "exports").iterdir()) == [
        "by_customer.csv",
        "days",
    ]
    published.switch("dev", create=True)
    for _ in range(2):  # what an environment of that name left is nobody else's
        published.replace("data/customers.csv", "Cyr", "XCyr")
        assert published.run()["written"] == ["exposure.by_customer_csv"]
        published.seeknal("env", "delete", "dev")


# Production, ahead of its commits


def test_uncommitted_nodes_run_on_production_and_are_recorded_as_ahead(published: Repo) -> None:
    published.replace(DAILY, "sum(amount)", "max(amount)")
    published.write(
        "seeknal/transforms/new.yml", "kind: transform\nname: new\ntransform: SELECT 1 AS one\n"
    )
    said = published.seeknal("run")
    assert "ahead" in said.err
    recorded = published.production_ref
    assert recorded != published.head
    assert published.git("branch", "--all", "--contains", recorded) == ""
    assert published.git("show", f"{recorded}:{DAILY}") == published.read(DAILY).strip()
    assert (
        published.git("diff", "--name-only", "HEAD", recorded).splitlines()
        == ["seeknal/transforms/new.yml", DAILY][::-1]
    )
    assert published.categories() == {}
    published.commit("Now they are")
    assert published.built() == []
    assert published.production_ref == published.head


def test_a_rollback_to_uncommitted_nodes_says_how_to_leave_them(published: Repo) -> None:
    published.replace(DAILY, "sum(amount)", "max(amount)")
    published.seeknal("run")
    published.git("restore", ".")
    published.seeknal("promote")
    published.seeknal("rollback")
    said = published.seeknal("status").out
    assert "nodes that are in no commit: seeknal promote goes back to the tip" in said
    assert "raw data" not in said


def test_a_protected_production_refuses_uncommitted_nodes(published: Repo) -> None:
    published.write("seeknal_project.yml", "name: shop\nprotect_production: true\n")
    published.commit("Protected")
    before = published.production()
    published.replace(DAILY, "sum(amount)", "max(amount)")
    assert "protected" in published.seeknal("run", code=2).err
    assert published.production() == before
    published.switch("dev", create=True)
    published.seeknal("run")
    published.switch("main")


# Data


def test_a_touched_but_equal_file_builds_nothing(published: Repo) -> None:
    os.utime(published.path / "data/orders.csv", (1, 1))
    assert published.built() == []


def test_a_touched_but_equal_file_that_git_does_not_track_builds_nothing(published: Repo) -> None:
    untracked_orders(published)
    os.utime(published.path / "raw/orders.csv", (1, 1))
    assert published.built() == []


@pytest.mark.parametrize("path", ["data/orders.csv", "raw/orders.csv"])
def test_other_content_of_the_same_size_and_time_is_noticed(published: Repo, path: str) -> None:
    if path.startswith("raw"):
        untracked_orders(published)
    file = published.path / path
    before = file.stat()
    file.write_text(file.read_text().replace("1,1,2024-01-01,10", "1,1,2024-01-01,99"))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert "source.orders" in published.built()
    assert (99,) in published.numbers("SELECT amount FROM orders")


@pytest.mark.parametrize("path", ["data/orders.csv", "raw/orders.csv"])
@pytest.mark.parametrize("moment", ["before it is read", "while it is read"])
def test_a_file_that_changes_during_a_run_is_an_error_and_the_next_run_is_right(
    published: Repo, monkeypatch: pytest.MonkeyPatch, path: str, moment: str
) -> None:
    if path.startswith("raw"):
        untracked_orders(published)
    before = published.production()
    published.replace(path, "1,1,2024-01-01,10", "1,1,2024-01-01,11")
    build = Builder.build

    def build_while_somebody_writes(
        builder: Builder, blueprint: Any, taken: Any, confirm: Any
    ) -> Any:
        def write_then_confirm() -> None:
            published.replace(path, "1,1,2024-01-01,11", "1,1,2024-01-01,12")
            confirm()

        return build(
            builder,
            blueprint,
            taken,
            write_then_confirm if blueprint.node == "source.orders" else confirm,
        )

    def execute_after_somebody_wrote(*arguments: Any) -> Any:
        published.replace(path, "1,1,2024-01-01,11", "1,1,2024-01-01,12")
        return execute.execute(*arguments)

    with monkeypatch.context() as patch:
        if moment == "while it is read":
            patch.setattr(Builder, "build", build_while_somebody_writes)
        else:
            patch.setattr(aside, "execute", execute_after_somebody_wrote)
        said = published.seeknal("run", code=None)
    assert said.code == 1 or moment == "before it is read"
    if said.code == 1:
        assert "changed while it was read" in said.out + said.err
        assert "Traceback" not in said.err
        assert published.production() == before
    published.seeknal("run")
    assert (1, 1, 12) in published.numbers("SELECT id, customer, amount FROM orders")
    published.replace(path, "1,1,2024-01-01,12", "1,1,2024-01-01,11")
    published.seeknal("run")
    assert (1, 1, 11) in published.numbers("SELECT id, customer, amount FROM orders"), (
        "no load is called another"
    )


def test_a_branch_keeps_productions_data_until_it_is_refreshed(published: Repo) -> None:
    untracked_orders(published)
    published.switch("dev", create=True)
    published.seeknal("run")
    published.write(
        "raw/orders.csv", "id,customer,day,amount\n1,1,2024-01-01,10\n2,1,2024-01-01,5\n"
    )
    assert published.built() == []
    again = published.run("--full")
    assert again["reused"] == ["source.orders"], (
        "everything else is built again, on the load that there is"
    )
    assert sorted(again["built"]) == [each for each in ALL if each != "source.orders"]
    assert len(published.views("dev")["orders"][1]) == 1
    assert sorted(published.run("--full", "--refresh", "--dry-run")["build"]) == ALL
    assert "source.orders" in published.built("--refresh")
    assert len(published.views("dev")["orders"][1]) == 2
    assert len(published.production()["orders"][1]) == 1
    published.switch("main")
    assert published.built() == ["transform.by_customer"], (
        "made of customers that the branch has built again"
    )
    assert len(published.production()["orders"][1]) == 2


def test_a_branch_that_changes_a_node_builds_it_on_productions_data(published: Repo) -> None:
    untracked_orders(published)
    published.write(
        "raw/orders.csv", "id,customer,day,amount\n1,1,2024-01-01,10\n2,1,2024-01-01,5\n"
    )
    published.switch("dev", create=True)
    published.replace(DAILY, "sum(amount)", "count(*)")
    assert published.built() == ["transform.daily"]
    assert published.numbers("SELECT total FROM dev.daily") == [(1,)]


def test_a_tracked_data_file_edited_on_a_branch_is_part_of_the_branch(dev: Repo) -> None:
    dev.replace("data/orders.csv", "4,3,2024-01-02,40", "4,3,2024-01-02,400")
    assert dev.categories() == {"source.orders": "DATA"}
    dev.commit("Another amount")
    dev.seeknal("run")
    dev.switch("main")
    assert dev.built() == []
    assert (400,) in dev.numbers("SELECT amount FROM dev.orders")
    assert (400,) not in dev.numbers("SELECT amount FROM main.orders")


def test_a_branch_that_is_not_checked_out_reads_its_own_tracked_data(dev: Repo) -> None:
    dev.replace("data/orders.csv", "4,3,2024-01-02,40", "4,3,2024-01-02,400")
    dev.commit("Another amount")
    dev.switch("main")
    dev.seeknal("run", "--env", "dev")
    assert (400,) in dev.numbers("SELECT amount FROM dev.orders")


def test_files_of_a_glob_are_one_source(published: Repo) -> None:
    published.write("raw/o1.csv", "id,customer,day,amount\n1,1,2024-01-01,10\n")
    published.replace("seeknal/sources/orders.yml", "data/orders.csv", "raw/o*.csv")
    published.seeknal("run")
    published.write("raw/o2.csv", "id,customer,day,amount\n2,1,2024-01-01,30\n")
    assert "source.orders" in published.built()
    assert published.numbers("SELECT total FROM daily") == [(40,)]
    (published.path / "raw/o1.csv").unlink()
    published.seeknal("run")
    assert published.numbers("SELECT total FROM daily") == [(30,)]


def test_a_source_file_that_is_gone_is_an_error_that_names_it(published: Repo) -> None:
    untracked_orders(published)
    before = published.production()
    (published.path / "raw/orders.csv").unlink()
    said = published.seeknal("run", code=1)
    assert "raw/orders.csv" in said.err
    assert "seeknal/sources/orders.yml:4" in said.err
    assert published.production() == before


@pytest.mark.parametrize("table", ["data/year=2020/x.csv", "data/*/x.csv", "data/**/x.csv"])
def test_what_a_path_says_is_no_column(repo: Repo, table: str) -> None:
    repo.write("data/year=2020/x.csv", "id\n1\n")
    repo.write("seeknal/sources/x.yml", f"kind: source\nname: x\nsource: csv\ntable: {table}\n")
    repo.commit()
    repo.seeknal("run")
    repo.switch("dev", create=True)
    repo.write("data/year=2020/x.csv", "id\n2\n")
    repo.commit()
    repo.switch("main")
    repo.seeknal("run", "--env", "dev")
    assert repo.production()["x"] == (("id BIGINT",), [(1,)])
    assert repo.views("dev")["x"] == (("id BIGINT",), [(2,)])


def test_a_committed_change_of_one_of_several_files_is_part_of_the_branch(published: Repo) -> None:
    published.write("raw/a.csv", "id,customer,day,amount\n1,1,2024-01-01,10\n")
    published.write("raw/b.csv", "id,customer,day,amount\n2,1,2024-01-01,30\n")
    published.replace("seeknal/sources/orders.yml", "data/orders.csv", "raw/*.csv")
    published.git("add", "--force", "raw/a.csv")
    published.commit("One is tracked")
    published.seeknal("run")
    published.switch("dev", create=True)
    published.replace("raw/a.csv", ",10", ",100")
    published.commit("Another amount")
    assert "source.orders" in published.built()
    assert published.numbers("SELECT amount FROM dev.orders ORDER BY id") == [(100,), (30,)]
    published.switch("main")
    assert published.built() == []
    assert published.numbers("SELECT amount FROM main.orders ORDER BY id") == [(10,), (30,)]
    published.git("switch", "--quiet", "--create", "other", "dev")
    published.replace("raw/a.csv", ",100", ",200")
    published.commit("One more")
    published.switch("main")
    assert "source.orders" in published.built("--env", "other"), "without checking it out"
    assert published.numbers("SELECT amount FROM other.orders ORDER BY id") == [(200,), (30,)]
    published.merge("other")
    published.seeknal("promote")
    assert published.numbers("SELECT amount FROM main.orders ORDER BY id") == [(200,), (30,)]


# Git LFS

FILTER = """#!{python}
import hashlib, pathlib, sys
content, store = sys.stdin.buffer.read(), pathlib.Path({store!r})
if sys.argv[1] == "clean":
    digest = hashlib.sha256(content).hexdigest()
    (store / digest).write_bytes(content)
    sys.stdout.write("version https://git-lfs.github.com/spec/v1\\noid sha256:" + digest + f"\\nsize {{len(content)}}\\n")
else:
    sys.stdout.buffer.write((store / content.split(b"sha256:")[1][:64].decode()).read_bytes())
"""


def large(repo: Repo) -> None:
    """What `git lfs track 'data/*.csv'` does, with a store beside the repository."""
    store = repo.path.parent / "lfs"
    store.mkdir()
    script = store / "filter"
    script.write_text(FILTER.format(python=sys.executable, store=str(store)))
    script.chmod(0o755)
    for way in ("clean", "smudge"):
        repo.git("config", f"filter.lfs.{way}", f"'{script}' {way}")
    repo.git("config", "filter.lfs.required", "true")
    repo.write(".gitattributes", "data/*.csv filter=lfs -text\n")
    repo.git("add", "--renormalize", "--all")
    repo.commit("Large files")
    assert repo.git("show", "HEAD:data/orders.csv").startswith("version https://git-lfs")
    assert repo.read("data/orders.csv").startswith("id,")


def test_a_file_in_git_lfs_is_read_as_what_it_is(published: Repo) -> None:
    before = published.production()
    large(published)
    published.seeknal("run")
    assert published.production() == before
    assert published.built() == []
    assert published.categories() == {}


def test_a_file_in_git_lfs_that_is_written_anew_by_a_checkout_builds_nothing(
    published: Repo,
) -> None:
    large(published)
    published.seeknal("run")
    (published.path / "data/orders.csv").unlink()
    published.git("checkout", "--quiet", "data/orders.csv")
    for _ in range(2):
        assert published.categories() == {}
        assert published.built() == []
        assert "ahead" not in published.seeknal("run").err
        os.utime(published.path / "data/orders.csv", (1, 1))
    assert published.git("status", "--porcelain") == ""


def test_a_branch_with_another_version_of_a_file_in_git_lfs_is_run_where_it_is_checked_out(
    published: Repo,
) -> None:
    large(published)
    published.seeknal("run")
    published.switch("dev", create=True)
    published.replace("data/orders.csv", "4,3,2024-01-02,40", "4,3,2024-01-02,400")
    published.commit("Another amount")
    assert "source.orders" in published.built()
    assert (400,) in published.numbers("SELECT amount FROM dev.orders")
    published.switch("main")
    assert published.built() == []
    assert published.built("--env", "dev") == []
    published.seeknal("promote", "dev")
    assert (400,) in published.numbers("SELECT amount FROM main.orders")


@pytest.mark.parametrize("there", ["nothing", "another version"])
def test_a_file_in_git_lfs_that_is_not_here_is_an_error_that_says_so(
    published: Repo, there: str
) -> None:
    before = published.production()
    large(published)
    published.switch("dev", create=True)
    published.replace("data/orders.csv", "4,3,2024-01-02,40", "4,3,2024-01-02,400")
    published.commit("Another amount")
    published.switch("main")
    if there == "nothing":
        (published.path / "data/orders.csv").unlink()
    for command in ("plan", "dev"), ("run", "--env", "dev"):
        said = published.seeknal(*command, code=1)
        assert "is kept in Git LFS, and that version is not here.\n  git lfs pull" in said.err
        assert "git lfs pull" in said.err
    assert published.production() == before


def test_a_clone_without_git_lfs_has_pointers_and_no_data(shop: Repo) -> None:
    large(shop)
    clone = Repo(shop.path.parent / "clone")
    shop.git("clone", "--quiet", ".", str(clone.path))
    assert clone.read("data/orders.csv").startswith("version https://git-lfs")
    said = clone.seeknal("run", code=1)
    assert "is kept in Git LFS, and that version is not here.\n  git lfs pull" in said.err
    assert "git lfs pull" in said.err


# Saved plans


def test_a_saved_plan_binds(published: Repo) -> None:
    published.seeknal("plan", "dev")
    published.replace(DAILY, "sum(amount)", "max(amount)")
    refused = published.seeknal("run", "--env", "dev", code=2)
    assert "transform.daily" in refused.err
    assert "transform.by_customer" not in refused.err
    published.seeknal("run", "--env", "dev", "--force")


def test_a_saved_plan_binds_until_it_is_made_again(published: Repo) -> None:
    published.seeknal("plan", "dev")
    published.replace(DAILY, "sum(amount)", "max(amount)")
    published.seeknal("plan", "dev")
    assert published.built("--env", "dev") == ["transform.daily"]


def test_a_saved_plan_notices_a_test_and_a_threshold(published: Repo) -> None:
    published.seeknal("plan", "dev")
    published.replace(RULE, "amount > 0", "amount > 1")
    assert "rule.amounts_are_positive" in published.seeknal("run", "--env", "dev", code=2).err


# Processes


def test_a_run_in_a_process_of_its_own_ends_as_one_in_this(shop: Repo) -> None:
    done = shop.seeknal("run", "--json", subprocess=True)
    assert sorted(done.json["built"]) == ALL
    assert shop.production() == shop.fresh_build()


def test_linked_worktrees_share_the_warehouse(published: Repo) -> None:
    linked = Repo(published.path.parent / "linked")
    published.git("worktree", "add", "--quiet", "-b", "dev", str(linked.path))
    linked.replace(DAILY, "sum(amount)", "max(amount)")
    assert linked.built() == ["transform.daily"]
    assert published.views("dev")["daily"] != published.production()["daily"]
    assert not (linked.path / "target").exists()


def test_a_run_leaves_no_connection_and_no_file_open(published: Repo) -> None:
    if not sys.platform.startswith("linux"):
        pytest.skip("needs /proc")
    published.seeknal("run")
    open_files = [
        str(each.readlink()) for each in Path("/proc/self/fd").iterdir() if each.is_symlink()
    ]
    assert [each for each in open_files if "warehouse.duckdb" in each] == []


def test_what_somebody_made_in_the_warehouse_decides_nothing(repo: Repo) -> None:
    repo.write("data/t.csv", "id,g\n1,a\n2,b\n")
    repo.write("seeknal/sources/t.yml", "kind: source\nname: t\nsource: csv\ntable: data/t.csv\n")
    repo.write(
        "seeknal/transforms/n.yml",
        "kind: transform\nname: n\ntransform: SELECT upper(g) AS g FROM source.t\n",
    )
    test = "tests:\n  - custom_sql: SELECT * FROM input_0 WHERE lower(g) = 'macro'\n"
    repo.write(
        "seeknal/transforms/m.yml",
        f"kind: transform\nname: m\ntransform: SELECT g FROM source.t\n{test}",
    )
    repo.commit("nodes")
    assert repo.seeknal("run").code == 0
    with duckdb.connect(repo.warehouse) as connection:
        for name in ("upper", "lower", "read_csv"):
            kind = "TABLE SELECT 1 AS x" if name == "read_csv" else "'macro'"
            connection.execute(f"CREATE OR REPLACE MACRO main.{name}(x) AS {kind}")
    assert repo.seeknal("run", "--full").code == 0
    with duckdb.connect(repo.warehouse) as connection:
        assert connection.execute("FROM main.n ORDER BY g").fetchall() == [("A",), ("B",)]


def test_a_node_that_reads_row_ids_of_a_table_of_the_same_run_gets_those_of_the_table(
    published: Repo,
) -> None:
    """The engine numbers the rows of a table anew when it commits it."""
    published.switch("dev", create=True)
    select = "kind: transform\nname: {}\ntransform: {}\n"
    write = published.write
    write("seeknal/transforms/few.yml", select.format("few", "SELECT id FROM ref('source.orders')"))
    reading = "SELECT rowid AS number FROM ref('transform.few')"
    write("seeknal/transforms/numbered.yml", select.format("numbered", reading))
    published.seeknal("run")
    rows = published.numbers("SELECT min(number), max(number) - count(*) FROM dev.numbered")
    assert rows == [(0, -1)]


@pytest.mark.parametrize("command", ["run", "plan", "lineage"])
def test_a_command_loads_only_the_code_that_its_nodes_need(published: Repo, command: str) -> None:
    """No node is read again, and none is in Python."""
    loaded = published.loaded_by(command)
    assert "seeknal_git.project.load" in loaded
    needless = {"pydantic", "joblib", "seeknal_git.build.python_nodes", "seeknal_git.sql.worker"}
    assert loaded & needless == set()


def test_a_node_that_was_never_built_is_not_said_to_be_re_used(shop: Repo) -> None:
    first = shop.run("--select", "orders")
    assert (list(first["built"]), first["reused"]) == (["source.orders"], [])
    assert shop.run("--select", "customers")["reused"] == ["source.orders"]
