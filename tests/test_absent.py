"""Raw data that is not here is said as such, by every command, with its path and all of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from tests.conftest import Repo, Templates, make_published, make_shop

SOURCE = """
    kind: source
    name: {0}
    source: csv
    table: raw/{0}.csv
    schema:
      - {{name: id, data_type: integer}}
      - {{name: v, data_type: varchar}}
"""
BOTH = ("raw/a.csv", "raw/b.csv")
READER = "seeknal/transforms/t.yml"


@pytest.fixture
def bare(repo: Repo) -> Repo:
    """Two sources whose files nobody has, and a node that reads both."""
    for name in ("a", "b"):
        repo.write(f"seeknal/sources/{name}.yml", SOURCE.format(name))
    repo.write(
        READER,
        "kind: transform\nname: t\ninputs: [source.a, source.b]\ntransform: |\n"
        "  SELECT a.id, b.v FROM source.a AS a JOIN source.b AS b USING (id)\n",
    )
    repo.commit(hooks=False)
    return repo


@pytest.fixture
def lost(bare: Repo) -> Repo:
    """The same, run once; then one of the files went."""
    for path in BOTH:
        bare.write(path, "id,v\n1,x\n")
    bare.seeknal("run")
    (bare.path / "raw/b.csv").unlink()
    return bare


@pytest.mark.parametrize(
    "command", ["status", "plan", "plan --markdown", "validate", "run", "run --dry-run", "doctor"]
)
def test_every_command_names_all_raw_data_that_is_missing(bare: Repo, command: str) -> None:
    said = bare.seeknal(*command.split(), code=None)
    text = f"{said.out}{said.err}"
    assert all(path in text for path in BOTH), text
    assert "(seeknal run)" not in text
    assert "cannot be read" not in text
    assert "Next: seeknal run" not in text


def test_missing_raw_data_stands_in_json(bare: Repo) -> None:
    expected = [{"node": f"source.{name}", "raw_data": f"raw/{name}.csv"} for name in ("a", "b")]
    plan = bare.plan()
    assert plan["absent"] == expected
    assert (plan["built"], plan["missing"]) == ([], []), "without a warehouse there is none"
    assert any("raw/b.csv" in each for each in plan["warnings"])
    assert bare.seeknal("status", "--json").json["absent"] == expected
    assert [each["node"] for each in bare.seeknal("validate", "--json").json["absent"]] == [
        "source.a",
        "source.b",
    ]


def test_without_raw_data_the_declared_types_are_held_against_the_sql(bare: Repo) -> None:
    bare.replace(READER, "a.id, b.v", "upper(a.id) AS id, b.v")
    said = bare.seeknal("validate", code=1).err
    assert f"{READER}:5" in said
    assert "upper(BIGINT)" in said
    assert "raw/a.csv" in said


def test_a_column_that_no_source_declares_may_be_in_the_file(bare: Repo) -> None:
    bare.replace(READER, "a.id, b.v", "a.id, b.w")
    said = bare.seeknal("validate")
    assert 'does not have a column named "w"' in said.err
    assert said.err.startswith("warning: ")
    bare.write("raw/a.csv", "id,v\n1,x\n")
    bare.write("raw/b.csv", "id,v,w\n1,x,y\n")
    assert bare.built() == ["source.a", "source.b", "transform.t"]


def test_raw_data_that_went_changes_no_plan_and_is_told(lost: Repo) -> None:
    plan = lost.plan()
    assert (plan["changes"], plan["layers"], plan["missing"]) == ([], [], [])
    assert "Raw data is missing: raw/b.csv (source.b)" in lost.seeknal("plan").out
    assert "missing: raw/b.csv (source.b)" in lost.seeknal("status").out


def test_a_lost_warehouse_without_raw_data_is_not_mended_by_a_run(lost: Repo) -> None:
    lost.switch("dev", create=True)
    assert "Raw data" not in lost.seeknal("plan").out, "a branch goes on with production's load"
    lost.warehouse.unlink()
    said = lost.seeknal("plan").out
    assert "builds what is missing" not in said
    assert "Raw data is missing: raw/b.csv (source.b)" in said


STRIPE = "seeknal/sources/stripe.yml"


CLEAN, INPUT = "seeknal/transforms/clean_orders.yml", "  - ref: source.orders\n"
PAYMENTS = """
    kind: transform
    name: payments
    inputs: [source.stripe]
    transform: SELECT id FROM source.stripe
    tests: [not_null: id]
"""
GONE = "source.stripe reads raw/stripe.csv, and there is no such file"


def with_stripe(repo: Repo, *, read: bool = False) -> Repo:
    """The shop with a source whose file nobody has. read: all nodes behind the orders read it."""
    repo.write(STRIPE, SOURCE.format("stripe"))
    repo.write("seeknal/payments.yml", PAYMENTS)
    if read:
        some = "IS NOT NULL AND id NOT IN (SELECT id FROM source.stripe)"
        repo.replace(CLEAN, "IS NOT NULL", some)
        repo.replace(CLEAN, INPUT, f"{INPUT}  - ref: source.stripe\n")
    repo.commit(hooks=False)
    return repo


OTHERS = [("-s", "+daily"), ("--exclude", "source.stripe+")]


@pytest.mark.parametrize("selection", OTHERS)
@pytest.mark.parametrize("start", [make_shop, make_published])
@pytest.mark.parametrize("branch", ["main", "dev"])
def test_raw_data_that_no_selected_node_needs_stops_no_run(
    copy_of: Templates, start: Callable[[Repo], None], branch: str, selection: Sequence[str]
) -> None:
    shop = with_stripe(copy_of(start.__name__, start))
    if branch == "dev":
        shop.switch("dev", create=True)
        shop.replace("seeknal/transforms/daily.yml", "sum(amount)", "max(amount)")
    assert GONE in shop.seeknal("run", code=1).err
    assert "put the raw data there" in shop.seeknal("plan").out
    assert "put the raw data there" not in shop.seeknal("plan", *selection).out
    assert shop.seeknal("run", "--dry-run", *selection).code == 0
    shop.seeknal("run", *selection)
    total = 40 if branch == "dev" else 70
    assert shop.numbers(f"SELECT max(total) FROM {branch}.daily") == [(total,)]
    assert not {"stripe", "payments"} & shop.views(branch).keys()
    assert "holds" in shop.seeknal("checks", *selection).out
    assert GONE in shop.seeknal("checks", "-s", "payments", code=None).err


@pytest.mark.parametrize("selection", ["-s payments", "--exclude stripe", "-s daily"])
@pytest.mark.parametrize("branch", ["main", "dev"])
def test_raw_data_that_a_selected_node_needs_stops_a_run(
    published: Repo, branch: str, selection: str
) -> None:
    if branch == "dev":
        published.switch("dev", create=True)
    before = published.production()
    shop = with_stripe(published, read=True)
    assert GONE in shop.seeknal("run", *selection.split(), code=1).err
    assert shop.production() == before


def test_production_keeps_the_tables_behind_raw_data_that_went(published: Repo) -> None:
    shop = with_stripe(published)
    shop.write("raw/stripe.csv", "id,v\n1,x\n")
    shop.seeknal("run")
    before = shop.snapshots_shown()
    (shop.path / "raw/stripe.csv").unlink()
    shop.replace("seeknal/transforms/daily.yml", "sum(amount)", "max(amount)")
    shop.seeknal("run", "-s", "daily")
    after = shop.snapshots_shown()
    assert {node for node in after if after[node] != before.get(node)} == {"transform.daily"}
    assert {"stripe", "payments"} < shop.production().keys()


def test_a_reader_that_production_takes_along_needs_its_raw_data(published: Repo) -> None:
    shop = with_stripe(published, read=True)
    shop.write("raw/stripe.csv", "id,v\n99,x\n")
    shop.seeknal("run")
    before = shop.production()
    (shop.path / "raw/stripe.csv").unlink()
    shop.write("data/orders.csv", shop.read("data/orders.csv") + "9,1,2024-01-09,5\n")
    assert GONE in shop.seeknal("run", "-s", "source.orders", code=1).err
    assert shop.production() == before
