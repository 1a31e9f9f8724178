"""`run --nodes`: production stays of one piece, and says which nodes are of no commit; a branch
shows the rest too."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.conftest import Repo, Templates, make_published

CLEAN, DAILY, BY_CUSTOMER = (
    f"seeknal/transforms/{name}.yml" for name in ("clean_orders", "daily", "by_customer")
)
SOURCE = "kind: source\nname: {name}\nsource: csv\ntable: {path}\n"
TRANSFORM = "kind: transform\nname: {name}\ntransform: {sql}\n"


def both_sums(repo: Repo) -> None:
    repo.replace(DAILY, "sum(amount)", "max(amount)")
    repo.replace(BY_CUSTOMER, "sum(o.amount)", "max(o.amount)")


def an_input_and_a_sum(repo: Repo) -> None:
    repo.replace(CLEAN, "IS NOT NULL", "> 10")
    repo.replace(DAILY, "sum(amount)", "max(amount)")


def a_table_of_data(repo: Repo) -> None:
    repo.replace("data/orders.csv", "1,1,2024-01-01,10", "1,1,2024-01-01,1000")
    repo.replace("data/customers.csv", "1,Ada,London", "1,Eve,London")


def a_node_is_gone(repo: Repo) -> None:
    (repo.path / "seeknal/transforms/ids.yml").unlink()
    repo.replace(CLEAN, "SELECT id, customer", "SELECT customer")
    repo.replace(CLEAN, "tests:\n  - unique: id\n", "")


def a_node_reads_another(repo: Repo) -> None:
    repo.write(
        "seeknal/transforms/ids.yml",
        TRANSFORM.format(name="ids", sql="SELECT id FROM source.orders"),
    )
    repo.replace(CLEAN, "SELECT id, customer", "SELECT customer")
    repo.replace(CLEAN, "tests:\n  - unique: id\n", "")


def files_are_swapped(repo: Repo) -> None:
    daily, other = repo.read(DAILY), repo.read(BY_CUSTOMER)
    repo.write(DAILY, other.replace("sum(o.amount)", "max(o.amount)"))
    repo.write(BY_CUSTOMER, daily)


def a_file_is_renamed(repo: Repo) -> None:
    repo.write("seeknal/days.yml", repo.read(DAILY).replace("sum(amount)", "max(amount)"))
    (repo.path / DAILY).unlink()


def a_new_input(repo: Repo) -> None:
    repo.write("data/rates.csv", "rate\n2\n")
    repo.git("add", "data")
    repo.write("seeknal/rates.yml", SOURCE.format(name="rates", path="data/rates.csv"))
    repo.replace(DAILY, "sum(amount)", "sum(amount * (SELECT rate FROM source.rates))")
    repo.replace(
        DAILY,
        "  - ref: transform.clean_orders\n",
        "  - ref: transform.clean_orders\n  - ref: source.rates\n",
    )


def another_source_of_the_same_file(repo: Repo) -> None:
    repo.replace("data/orders.csv", "1,1,2024-01-01,10", "1,1,2024-01-01,1000")


EDITS = [
    (both_sums, "daily"),
    (an_input_and_a_sum, "daily"),
    (a_table_of_data, "source.orders"),
    (a_table_of_data, "daily"),
    (a_node_is_gone, "clean_orders"),
    (a_node_reads_another, "clean_orders"),
    (files_are_swapped, "daily"),
    (a_file_is_renamed, "daily"),
    (a_new_input, "daily"),
    (another_source_of_the_same_file, "again"),
]


def make_shop(project: Repo) -> None:
    make_published(project)
    project.write(
        "seeknal/transforms/ids.yml",
        TRANSFORM.format(name="ids", sql="SELECT id FROM transform.clean_orders"),
    )
    project.write("seeknal/again.yml", SOURCE.format(name="again", path="data/orders.csv"))
    project.write(
        "seeknal/rows.yml",
        TRANSFORM.format(
            name="rows", sql="SELECT count(*) AS n, sum(amount) AS s FROM source.again"
        ),
    )
    project.commit("More")
    project.seeknal("run")


@pytest.fixture
def shop(copy_of: Templates) -> Repo:
    """Production with two more readers: of the cleaned orders, and of the same raw data."""
    return copy_of("shop", make_shop)


@pytest.mark.parametrize(("edit", "named"), EDITS)
def test_production_is_of_one_piece_and_can_be_built_again(
    shop: Repo, edit: Callable[[Repo], None], named: str
) -> None:
    edit(shop)
    shop.seeknal("run", "--nodes", named)
    assert shop.production() == shop.fresh_build(shop.production_ref)
    totals = sorted(
        f"{name},{total}"
        for name, total in shop.numbers("SELECT name, total FROM main.by_customer")
    )
    assert sorted(shop.read("exports/by_customer.csv").splitlines()[1:]) == totals


def test_nodes_of_no_commit_are_shown_until_production_is_a_commit_again(published: Repo) -> None:
    before = published.production()
    published.replace(DAILY, "sum(amount)", "max(amount)")
    published.seeknal("run", "--nodes", "daily")
    published.git("checkout", "--", "seeknal")
    assert published.seeknal("status", "--json").json["production"]["uncommitted"]
    assert "main with uncommitted nodes" in published.seeknal("status").out
    assert published.categories() == {"transform.daily": "BREAKING"}
    assert "with uncommitted nodes" in published.seeknal("log", "-n", "1").out
    published.install_hooks()
    published.write("README.md", "Read me.\n")
    published.commit("By the hook")
    assert published.production() == before
    assert not published.seeknal("status", "--json").json["production"]["uncommitted"]


def test_nodes_of_a_commit_that_is_given_up_are_taken_back_by_a_promotion(published: Repo) -> None:
    before = published.production()
    published.replace(DAILY, "sum(amount)", "max(amount)")
    published.commit("To be given up")
    published.seeknal("run", "--nodes", "daily")
    published.git("reset", "--quiet", "--hard", "HEAD~1")
    assert published.seeknal("status", "--json").json["production"]["uncommitted"]
    published.seeknal("promote")
    assert published.production() == before


def make_raw(project: Repo) -> None:
    make_published(project)
    for name in ("a", "b"):
        project.write(f"raw/{name}.csv", "n\n1\n")
        project.write(f"seeknal/{name}.yml", SOURCE.format(name=name, path=f"raw/{name}.csv"))
        sql = f"SELECT sum(n) AS n FROM source.{name}"
        project.write(f"seeknal/{name}_sum.yml", TRANSFORM.format(name=f"{name}_sum", sql=sql))
    both = "SELECT a.n + b.n AS n FROM transform.a_sum AS a, transform.b_sum AS b"
    project.write("seeknal/sums.yml", TRANSFORM.format(name="sums", sql=both))
    project.write(
        "seeknal/b_csv.yml",
        "kind: exposure\nname: b_csv\ntype: file\ninputs: [source.b]\n"
        "params: {path: exports/b.csv}\n",
    )
    project.commit("Raw")
    project.seeknal("run")
    project.write("raw/a.csv", "n\n10\n")
    project.write("raw/b.csv", "n\n500\n")


@pytest.fixture
def raw(copy_of: Templates) -> Repo:
    """Two sources of untracked data, a table of each, one of both, and a file."""
    return copy_of("raw", make_raw)


@pytest.mark.parametrize("named", ["a", "b_csv", "daily"])
@pytest.mark.parametrize("options", [(), ("--full",)], ids=["as it is", "full"])
def test_what_else_reads_a_source_that_moved_follows(
    raw: Repo, named: str, options: tuple[str, ...]
) -> None:
    raw.seeknal("run", "--nodes", named, *options)
    assert raw.numbers(
        "SELECT (SELECT sum(n) FROM a) = (FROM a_sum), (SELECT sum(n) FROM b) = (FROM b_sum), "
        "(FROM sums) = (FROM a_sum) + (FROM b_sum)"
    ) == [(True, True, True)]
    assert raw.read("exports/b.csv").split()[1:] == [str(raw.numbers("FROM b")[0][0])]
    moved = raw.numbers("SELECT (FROM a_sum) = 10, (FROM b_sum) = 500")
    assert moved == [(named != "daily", named != "daily")], "sums reads both"


def test_a_branch_shows_productions_tables_of_all_other_nodes(published: Repo) -> None:
    published.switch("dev", create=True)
    published.replace(DAILY, "sum(amount)", "max(amount)")
    published.replace(BY_CUSTOMER, "sum(o.amount)", "max(o.amount)")
    published.write("seeknal/new.yml", TRANSFORM.format(name="new", sql="SELECT 1 AS n"))
    for _ in range(2):
        published.seeknal("run", "--nodes", "daily")
        before, shown = published.production(), published.views("dev")
        assert shown.keys() == before.keys()
        assert {name for name in before if shown[name] != before[name]} == {"daily"}
    published.seeknal("run")
    assert published.views("dev").keys() == {*before, "new"}
    assert published.views("dev")["by_customer"] != before["by_customer"]


def test_a_branch_that_was_never_run_is_asked_as_production(published: Repo) -> None:
    published.switch("dev", create=True)
    note = "dev was never run: this asks production's own tables."
    done = published.seeknal("query", "SELECT sum(total) FROM daily", "--format", "csv")
    assert done.out.split() == ["sum(total)", "100"]
    assert note in done.err
    published.replace(DAILY, "sum(amount)", "max(amount)")
    published.write("seeknal/new.yml", TRANSFORM.format(name="new", sql="SELECT 1 AS n"))
    assert (
        f"{note} dev changes daily: seeknal run --env dev"
        in published.seeknal("query", "FROM daily").err
    )
    assert "changes" not in published.seeknal("query", "FROM orders").err
    refused = published.seeknal("query", "FROM new", code=2).err
    assert (
        refused
        == "error: new is new in dev, and not built yet.\n  It exists once it is built: seeknal run --env dev\n"
    )
    published.switch("main")
    assert note in published.seeknal("query", "--env", "dev", "FROM daily").err
    assert (
        "There is no branch devv"
        in published.seeknal("query", "--env", "devv", "FROM daily", code=2).err
    )
