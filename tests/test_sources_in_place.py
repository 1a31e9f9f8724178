"""Sources of Parquet that are views: their files are read in place, with no copy of their rows."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import duckdb
import pytest

from tests.conftest import Repo, Templates, make_empty

ORDERS = "seeknal/sources/orders.yml"
SOURCE = """
    kind: source
    name: orders
    description: Orders, as they came
    source: parquet
    table: data/orders/*.parquet
    materialized: view
    immutable: true
    tests:
      - unique: [id]
"""
LARGE = """
    kind: transform
    name: large
    description: Large orders
    materialized: view
    transform: |
      SELECT id, amount FROM ref('source.orders') WHERE amount >= 20
"""
TOTAL = """
    kind: transform
    name: total
    description: All orders together
    transform: |
      SELECT count(*) AS orders, sum(amount) AS amount FROM ref('transform.large')
"""


def parquet(path: Path, sql: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    duckdb.sql(f"COPY ({sql}) TO '{path}' (FORMAT parquet)")


def orders(first: int, last: int) -> str:
    return f"SELECT id, id * 10 AS amount FROM range({first}, {last}) t(id)"


def make_in_place(repo: Repo) -> None:
    make_empty(repo)
    repo.write(".gitignore", "/data\n/target\n")
    repo.write(ORDERS, SOURCE)
    repo.write("seeknal/transforms/large.yml", LARGE)
    repo.write("seeknal/transforms/total.yml", TOTAL)
    parquet(repo.path / "data/orders/a.parquet", orders(1, 4))
    parquet(repo.path / "data/orders/b.parquet", orders(4, 6))
    repo.commit("Orders")
    repo.seeknal("run")


@pytest.fixture
def in_place(copy_of: Templates) -> Repo:
    repo = copy_of("in_place", make_in_place)
    shutil.rmtree(repo.path / ".git/seeknal/files")  # a copy of each file came with the repository
    repo.seeknal("run")
    return repo


def asked(repo: Repo, sql: str, *options: str) -> list[str]:
    return repo.seeknal("query", sql, "--format", "csv", *options).out.split()[1:]


def test_files_are_read_in_place_by_every_view_over_them(in_place: Repo) -> None:
    tables = in_place.numbers(
        "SELECT table_name FROM duckdb_tables() WHERE schema_name = '_snapshots'"
    )
    assert [name.partition("__")[0] for (name,) in tables] == ["total"]
    assert asked(in_place, "SELECT count(*), sum(amount) FROM orders") == ["5,150"]
    assert asked(in_place, "SELECT id FROM large ORDER BY id") == ["2", "3", "4", "5"]
    assert asked(in_place, "FROM total") == ["4,140"]
    assert in_place.built() == []


# Other programs


def test_another_program_reads_the_view_and_no_glob_is_in_it(in_place: Repo) -> None:
    parquet(in_place.path / "data/orders/c.parquet", orders(6, 7))
    assert in_place.numbers("SELECT count(*) FROM main.orders") == [(5,)]
    assert asked(in_place, "SELECT count(*) FROM orders") == ["5"]


# Files that come, go and change


def test_a_new_file_is_a_new_load_and_a_rollback_shows_the_old_list(in_place: Repo) -> None:
    parquet(in_place.path / "data/orders/c.parquet", orders(6, 7))
    assert in_place.built() == ["source.orders", "transform.large", "transform.total"]
    assert asked(in_place, "SELECT count(*) FROM orders") == ["6"]
    assert asked(in_place, "SELECT count(*) FROM orders", "--at", "1") == ["5"]
    in_place.seeknal("rollback")
    assert asked(in_place, "SELECT count(*) FROM orders") == ["5"]
    assert asked(in_place, "FROM total") == ["4,140"]


def test_a_file_that_was_deleted_or_replaced_is_shown_as_it_was(in_place: Repo) -> None:
    first, second = (in_place.path / f"data/orders/{name}.parquet" for name in "ab")
    first.unlink()
    replaced = second.with_suffix(".new")
    parquet(replaced, orders(40, 60))
    replaced.replace(second)
    assert asked(in_place, "SELECT count(*), sum(amount) FROM orders") == ["5,150"]
    assert "cannot be read" not in in_place.seeknal("status").out
    assert in_place.built() == ["source.orders", "transform.large", "transform.total"]
    assert asked(in_place, "SELECT count(*) FROM orders") == ["20"]
    assert asked(in_place, "SELECT sum(amount) FROM large", "--at", "1") == ["140"]


def overwrite(path: Path, sql: str) -> None:
    """Write into a file in place, with the size and the time that it had."""
    new, before = path.with_suffix(".new"), path.stat()
    parquet(new, sql)
    assert new.stat().st_size == before.st_size
    path.write_bytes(new.read_bytes())
    new.unlink()
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_a_file_that_was_changed_in_place_is_refused_by_its_name(in_place: Repo) -> None:
    path = in_place.path / "data/orders/a.parquet"
    content = path.read_bytes()
    overwrite(path, "SELECT id, id * 11 AS amount FROM range(1, 4) t(id)")
    broken = "data/orders/a.parquet of source.orders was changed in place"
    refused = in_place.seeknal("query", "FROM orders", code=None).err
    assert broken in refused
    cure = "as it was and run again, or read what is there now: seeknal run --refresh\n"
    assert refused.endswith(cure), "one command, so that a terminal shows it on a line of its own"
    assert broken in in_place.seeknal("query", "FROM large", code=None).err
    assert asked(in_place, "FROM total") == ["4,140"]
    assert broken in in_place.seeknal("status").out
    assert broken in in_place.seeknal("doctor", code=None).out
    in_place.switch("dev", create=True)
    in_place.replace("seeknal/transforms/total.yml", "sum(amount)", "max(amount)")
    assert broken in in_place.seeknal("run", code=1).out
    path.write_bytes(content)
    assert in_place.built() == ["transform.total"]
    assert asked(in_place, "SELECT sum(amount) FROM orders") == ["150"]


def test_production_reads_a_changed_file_again_and_refuses_the_old_load(in_place: Repo) -> None:
    overwrite(
        in_place.path / "data/orders/a.parquet",
        "SELECT id, id * 11 AS amount FROM range(1, 4) t(id)",
    )
    assert in_place.built() == ["source.orders", "transform.large", "transform.total"]
    assert asked(in_place, "SELECT sum(amount) FROM orders") == ["156"]
    for command in (("query", "FROM orders", "--at", "1"), ("rollback",)):
        refused = in_place.seeknal(*command, code=None).err
        assert "cannot be shown: data/orders/a.parquet of source.orders was changed" in refused
    assert asked(in_place, "FROM total", "--at", "1") == ["4,140"]
    assert asked(in_place, "SELECT sum(amount) FROM orders") == ["156"]


def test_a_kept_file_that_is_gone_is_kept_again_by_the_next_run(in_place: Repo) -> None:
    shutil.rmtree(in_place.path / ".git/seeknal/files")
    gone = in_place.seeknal("query", "FROM large", code=None).err
    assert "data/orders/a.parquet of source.orders is not in" in gone
    in_place.seeknal("run")
    assert asked(in_place, "SELECT sum(amount) FROM orders") == ["150"]


def test_gc_lets_files_go_that_no_publication_needs(in_place: Repo) -> None:
    in_place.replace("seeknal_project.yml", "name:", "keep_promotions: 1\nkeep_history: 0d\nname:")
    in_place.commit("Keep little")
    in_place.seeknal("run")
    (in_place.path / "data/orders/b.parquet").unlink()
    in_place.seeknal("run")
    kept = in_place.path / ".git/seeknal/files"
    assert len([*kept.iterdir()]) == 2
    assert "left behind" in in_place.seeknal("gc").out
    in_place.seeknal("gc", "--yes")
    assert len([*kept.iterdir()]) == 1
    assert asked(in_place, "SELECT count(*) FROM orders") == ["3"]


# Branches and clones


def test_a_branch_reads_productions_load_and_builds_nothing(in_place: Repo) -> None:
    in_place.switch("dev", create=True)
    parquet(in_place.path / "data/orders/c.parquet", orders(6, 7))
    in_place.replace("seeknal/transforms/total.yml", "sum(amount)", "max(amount)")
    assert in_place.built() == ["transform.total"]
    assert asked(in_place, "FROM total") == ["4,50"]
    in_place.commit("The largest")
    in_place.switch("main")
    in_place.merge("dev")
    assert in_place.seeknal("promote", "--json").json["built"] == {}
    assert asked(in_place, "FROM total") == ["4,50"]


def test_to_read_in_place_is_metadata_and_readers_are_reused(in_place: Repo) -> None:
    before = in_place.production()
    in_place.replace(ORDERS, "materialized: view\n", "")
    assert in_place.categories() == {"source.orders": "METADATA"}
    assert in_place.built() == ["source.orders"]
    assert in_place.production() == before
    in_place.git("checkout", "-q", ".")
    assert in_place.built() == []
    assert in_place.production() == before


def test_a_linked_worktree_reads_its_own_files_and_those_of_production(in_place: Repo) -> None:
    in_place.git("worktree", "add", "-q", "-b", "other", "../other")
    other = Repo(in_place.path.parent / "other")
    other.replace("seeknal/transforms/large.yml", ">= 20", ">= 30")
    assert other.built() == ["transform.large", "transform.total"]
    assert asked(other, "FROM total") == ["3,120"]
    parquet(other.path / "data/orders/d.parquet", orders(100, 101))
    other.seeknal("run", "--refresh")
    shutil.rmtree(other.path)
    assert asked(in_place, "SELECT max(id) FROM orders", "--env", "other") == ["100"]
    assert asked(in_place, "SELECT max(id) FROM orders") == ["5"]


def test_a_clone_that_was_moved_is_asked_at_once_and_published_by_a_run(in_place: Repo) -> None:
    moved = Repo(in_place.path.with_name("moved [1]*'s"))
    in_place.path.rename(moved.path)
    assert asked(moved, "SELECT sum(amount) FROM large") == ["140"]
    assert "names files where this clone was" in moved.seeknal("doctor", code=None).out
    assert moved.built() == []
    assert moved.numbers("SELECT sum(amount) FROM main.large") == [(140,)]
    assert "names files" not in moved.seeknal("doctor", code=None).out


def test_of_a_file_that_git_tracks_a_copy_is_kept(in_place: Repo) -> None:
    in_place.write(".gitignore", "/target\n")
    in_place.commit("Track the data")
    in_place.seeknal("run")
    parquet(in_place.path / "data/orders/a.parquet", orders(10, 12))
    assert asked(in_place, "SELECT sum(amount) FROM orders") == ["150"]
    in_place.commit("Other data")
    in_place.seeknal("run")
    assert asked(in_place, "SELECT sum(amount) FROM orders") == ["300"]
    assert asked(in_place, "SELECT sum(amount) FROM orders", "--at", "HEAD~1") == ["150"]


# Confinement


def test_no_text_of_a_warehouse_reads_another_file(in_place: Repo, tmp_path: Path) -> None:
    secret = tmp_path / "secret.parquet"
    parquet(secret, "SELECT 'hidden' AS word")
    inside = in_place.path / f".git/seeknal/files/{'a' * 40}.parquet"
    inside.symlink_to(secret)
    for path in (secret, inside, inside.parent / "../../config"):
        in_place.tamper(
            f"CREATE OR REPLACE VIEW main.large AS SELECT * FROM read_parquet(['{secret}'])"
            if path == secret
            else "SELECT 1"
        )
        refused = in_place.seeknal("query", f"FROM read_text('{path}')", code=None)
        assert "hidden" not in refused.out
        assert "Permission Error" in refused.err
    refused = in_place.seeknal("query", "FROM large", code=None)
    assert "hidden" not in refused.out
    assert "Permission Error" in refused.err


def test_a_file_outside_the_project_is_never_kept(in_place: Repo, tmp_path: Path) -> None:
    secret = tmp_path / "secret.parquet"
    parquet(secret, orders(1, 2))
    in_place.switch("hostile", create=True)
    in_place.replace(ORDERS, "data/orders/*.parquet", "../secret.parquet")
    assert in_place.seeknal("run", code=1).err
    in_place.replace(ORDERS, "../secret.parquet", "data/orders/*.parquet")
    (in_place.path / "data/orders/z.parquet").symlink_to(secret)
    failed = in_place.seeknal("run", "--refresh", code=1)
    assert "is a link that leaves the project" in failed.out + failed.err
    kept = [path.stat().st_ino for path in (in_place.path / ".git/seeknal/files").iterdir()]
    assert secret.stat().st_ino not in kept


# Declarations


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("immutable: true\n", "", "orders.yml:6: .*add `immutable: true`"),
        ("immutable: true", "immutable: no", "orders.yml:6: .*add `immutable: true`"),
        ("immutable: true", "immutable: perhaps", "orders.yml:7: .*true or false, not 'perhaps'"),
        ("source: parquet", "source: csv", "orders.yml:6: Only files of parquet are read in place"),
        ("materialized: view", "materialized: cube", "orders.yml:6: .*'table', 'view' or 'ephem"),
    ],
)
def test_a_wrong_declaration_is_an_error_with_its_line(
    in_place: Repo, old: str, new: str, message: str
) -> None:
    in_place.replace(ORDERS, old, new)
    refused = in_place.seeknal("validate", code=1).err
    assert re.search(message, refused), refused


def test_an_ephemeral_source_is_in_its_readers_alone(in_place: Repo) -> None:
    in_place.replace(ORDERS, "materialized: view", "materialized: ephemeral")
    in_place.seeknal("run")
    assert "source.orders is ephemeral" in in_place.seeknal("query", "FROM orders", code=None).err
    assert asked(in_place, "SELECT sum(amount) FROM large") == ["140"]


def test_immutable_files_of_a_table_are_copied_into_it(in_place: Repo) -> None:
    in_place.replace(ORDERS, "materialized: view\n", "")
    in_place.commit("A table")
    in_place.seeknal("run")
    shutil.rmtree(in_place.path / ".git/seeknal/files")
    assert asked(in_place, "SELECT sum(amount) FROM orders") == ["150"]


# What reads it


def test_files_of_other_columns_are_read_by_name_and_types_are_applied(in_place: Repo) -> None:
    in_place.write(ORDERS, SOURCE + "    schema:\n      - {name: amount, data_type: DOUBLE}\n")
    parquet(in_place.path / "data/orders/c.parquet", "SELECT 9 AS id, 'x' AS note, 90 AS amount")
    in_place.seeknal("run")
    assert asked(in_place, "SELECT count(note), sum(amount) FROM orders") == ["1,240.0"]
    assert "DOUBLE" in in_place.seeknal("query", "DESCRIBE orders").out


def test_functions_files_and_samples_read_through_the_view(in_place: Repo) -> None:
    in_place.write(
        "seeknal/exposures/list.yml",
        """
        kind: exposure
        name: list
        description: All large orders
        type: file
        params: {format: csv, path: target/list.csv}
        inputs: [transform.large]
        """,
    )
    in_place.commit("A file")
    in_place.seeknal("run")
    assert len(in_place.read("target/list.csv").split()) == 5


def test_functions_models_and_dry_runs_read_through_the_view(in_place: Repo) -> None:
    in_place.write(
        "seeknal/functions.py",
        """
        from seeknal.pipeline import transform


        @transform(name="counted", inputs=["source.orders"])
        def counted(ctx):
            orders = ctx.relation("source.orders")
            return orders.aggregate("count(*) AS n")
        """,
    )
    in_place.write(
        "seeknal/semantic_models/orders.yml",
        """
        kind: semantic_model
        name: orders_model
        description: Orders
        model: ref('source.orders')
        entities: [{name: id, type: primary}]
        measures: [{name: paid, expr: amount, agg: sum}]
        metrics: [{name: paid_in_all, type: simple, measure: paid}]
        """,
    )
    in_place.commit("More readers")
    in_place.seeknal("run")
    assert asked(in_place, "FROM counted") == ["5"]
    metrics = in_place.seeknal("query", "--metrics", "paid_in_all", "--format", "csv").out
    assert metrics.split()[1:] == ["150"]
    for node in ("transforms/large", "transforms/total"):
        sample = in_place.seeknal("dry-run", f"seeknal/{node}.yml").out
        assert "40" in sample
        assert "Read from the warehouse" in sample
    in_place.replace("seeknal/transforms/large.yml", "amount >= 20", "NOT amount < 20")
    assert "equal" in in_place.seeknal("plan", "--verify", code=None).out


def test_a_check_names_rows_of_a_view_that_was_not_published(in_place: Repo) -> None:
    parquet(in_place.path / "data/orders/c.parquet", orders(5, 7))
    assert "unique" in in_place.seeknal("run", code=1).out
    assert asked(in_place, "SELECT count(*) FROM orders") == ["5"]
    assert asked(in_place, "SELECT count(*) FROM orders", "--failed", "orders") == ["7"]
    assert "5" in in_place.seeknal("checks", "orders", "--rows", code=None).out


def test_a_merge_promotes_by_a_hook_what_its_branch_reads_in_place(in_place: Repo) -> None:
    in_place.install_hooks()
    in_place.switch("dev", create=True)
    parquet(in_place.path / "data/new/a.parquet", orders(7, 9))
    in_place.replace(ORDERS, "data/orders/*", "data/new/*")
    in_place.seeknal("run")
    in_place.commit("New orders")
    in_place.switch("main")
    in_place.merge("dev")
    assert asked(in_place, "SELECT sum(amount) FROM orders") == ["150"]
