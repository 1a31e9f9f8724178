"""Command lines of Seeknal 2.13, dbt and SQLMesh: the same here, or the way that leads on."""

from __future__ import annotations

import pytest

from tests.conftest import Repo

DAILY = "seeknal/transforms/daily.yml"


@pytest.mark.parametrize(
    ("line", "message", "way"),
    [
        ("consolidate --prune", "No such command 'consolidate'.", "nothing to consolidate"),
        ("entity list", "No such command 'entity'.", "seeknal query"),
        ("docs x", "No such command 'docs'.", "--help"),
        ("gov report", "No such command 'gov'.", "another product"),
        ("status --profile dev.yml", "No such option: --profile.", "SEEKNAL_PROFILE=FILE"),
        ("run --profiles-dir dev", "No such option: --profiles-dir.", "SEEKNAL_PROFILE=FILE"),
        (
            "run --backfill",
            "No such option: --backfill.",
            "the partitions whose code or data changed",
        ),
        ("build", "No such command 'build'.", "seeknal run builds"),
        ("create_test orders", "No such command 'create_test'.", "seeknal test NODE --from"),
        ("ls --resource-type model", "No such command 'ls'.", "seeknal lineage"),
        ("snapshot", "No such command 'snapshot'.", "keep: changes"),
        ("run --full-refresh", "No such option: --full-refresh.", "seeknal run --full"),
        ("run --defer --state x", "No such option: --defer.", "re-uses"),
        ("run -m orders+", "No such option: -m.", "-s selects"),
        ("table_diff prod:dev orders", "No such command 'table_diff'.", "EXCEPT"),
        ("plan --auto-apply", "No such option: --auto-apply.", "seeknal run builds it"),
    ],
)
def test_a_command_that_is_not_here_names_the_way(
    shop: Repo, line: str, message: str, way: str
) -> None:
    said = shop.seeknal(*line.split(), code=2).err
    assert message in said.splitlines()[0]
    assert "Did you mean" not in said
    assert way in said


def test_a_command_that_never_was_has_no_way(shop: Repo) -> None:
    said = shop.seeknal("parze", code=2).err
    assert said.splitlines() == ["error: No such command 'parze'. Did you mean 'parse'?"]


def test_lineage_knows_the_options_of_seeknal(published: Repo) -> None:
    trees = published.seeknal("lineage", "daily").out
    assert published.seeknal("lineage", "daily", "--ascii").out == trees
    column = published.seeknal("lineage", "daily.total", "--json").json
    assert published.seeknal("lineage", "daily", "-c", "total", "--json").json == column
    assert "needs a NODE" in published.seeknal("lineage", "--column", "total", code=2).err
    published.seeknal("lineage", "--output", "target/lineage.html", "--no-open")
    assert "<html" in published.read("target/lineage.html")


@pytest.mark.parametrize("name", ["transforms/daily", DAILY, "transform.daily", "daily"])
def test_diff_knows_a_node_by_its_folder(published: Repo, name: str) -> None:
    published.switch("dev", create=True)
    published.replace(DAILY, "sum(amount)", "max(amount)")
    (change,) = published.seeknal("diff", name, "--json").json
    assert change["node"] == "transform.daily"


def test_a_dry_run_of_no_rows_shows_the_columns(published: Repo) -> None:
    assert "total" in published.seeknal("dry-run", DAILY, "--limit", "0").out


def test_inspect_shows_rows_columns_and_tables(published: Repo) -> None:
    rows = published.seeknal("query", "FROM daily LIMIT 1", "--format", "json").json
    for name in ("daily", "transform.daily", "transform_daily", '"transform.daily"'):
        assert published.seeknal("inspect", name, "--limit", "1", "--json").json == rows
    columns = published.seeknal("inspect", "daily", "--schema", "--json").json
    assert [column["column_name"] for column in columns] == list(rows[0])
    counts = {found["node"]: found["rows"] for found in published.seeknal("inspect", "--json").json}
    assert counts["transform.daily"] == published.numbers("SELECT count(*) FROM main.daily")[0][0]
    said = published.seeknal("inspect", "--list").out.splitlines()
    assert [line.split()[0] for line in said] == sorted(counts)


def test_inspect_of_no_table_is_refused(published: Repo) -> None:
    said = published.seeknal("inspect", "rule.amounts_are_positive", code=2).err
    assert "has no table" in said
    assert "Did you mean daily?" in published.seeknal("inspect", "dialy", code=2).err
    published.switch("dev", create=True)
    assert "dev shows nothing yet" in published.seeknal("inspect", code=2).err
    assert "never run: this asks production" in published.seeknal("inspect", "daily").err
