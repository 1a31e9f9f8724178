"""Exposures that other systems deliver: leaves of the graph that say who uses tables."""

from __future__ import annotations

import pytest

from tests.conftest import Repo, Templates, make_published

BOARD = "seeknal/exposures/sales_board.yml"
DASHBOARD = """
    kind: exposure
    name: sales_board
    type: dashboard
    owner: Ada
    url: https://boards.example.org/sales
    depends_on: [transform.daily, source.customers]
    params:
      headline: "{{ inputs.daily.columns }}"
"""
DAILY = "seeknal/transforms/daily.yml"


def make_with_board(project: Repo) -> None:
    make_published(project)
    project.write(BOARD, DASHBOARD)
    project.commit()
    project.seeknal("run")
    project.switch("dev", create=True)


@pytest.fixture
def with_board(copy_of: Templates) -> Repo:
    return copy_of("with_board", make_with_board)


def test_a_run_says_once_that_it_is_not_delivered_here(published: Repo) -> None:
    published.write(BOARD, DASHBOARD)
    done = published.seeknal("run")
    assert done.out.count("Not delivered here: dashboard sales_board, owner Ada.") == 1
    assert published.run()["not_delivered"] == ["exposure.sales_board"]
    assert "sales_board" not in published.production()
    assert not list(published.path.glob("**/sales_board*.csv"))


def test_a_plan_names_the_dashboard_that_a_change_reaches_and_its_owner(with_board: Repo) -> None:
    with_board.replace(DAILY, "sum(amount)", "max(amount)")
    told = with_board.seeknal("plan").out
    assert "rebuilds dashboard sales_board, owner Ada" in told
    assert "1 table to build;" in told
    plan = with_board.plan()
    assert plan["layers"] == [["transform.daily"]]
    assert plan["uses"] == {"exposure.sales_board": "dashboard sales_board, owner Ada"}
    assert "dashboard sales_board, owner Ada" in with_board.seeknal("plan", "--markdown").out


@pytest.mark.parametrize(
    ("old", "new"),
    [("owner: Ada", "owner: Bob"), ("transform.daily, ", ""), ("type: dashboard", "type: report")],
)
def test_an_edit_of_the_exposure_itself_is_metadata(with_board: Repo, old: str, new: str) -> None:
    with_board.replace(BOARD, old, new)
    assert with_board.categories() == {"exposure.sales_board": "METADATA"}
    assert with_board.built() == []


def test_the_order_of_rows_does_not_count_for_a_dashboard(with_board: Repo) -> None:
    with_board.replace(DAILY, "GROUP BY day", "GROUP BY day ORDER BY day")
    assert with_board.categories() == {"transform.daily": "METADATA"}


def test_it_is_a_leaf_of_the_lineage(with_board: Repo) -> None:
    told = with_board.seeknal("lineage", "transform.daily", "--downstream").out
    assert "exposure.sales_board  dashboard sales_board, owner Ada" in told
    told = with_board.seeknal("lineage", "exposure.sales_board").out
    assert "dashboard sales_board, owner Ada, https://boards.example.org/sales" in told
    nodes = with_board.seeknal("lineage", "--json").json["nodes"]
    (board,) = [node for node in nodes if node["id"] == "exposure.sales_board"]
    assert (board["columns"], board["url"]) == ([], "https://boards.example.org/sales")


@pytest.mark.parametrize("inputs", ["", "inputs: [source.orders]"])
@pytest.mark.parametrize("word", ["report", "api", "database", "notification", "starrocks_mv"])
def test_other_types_are_accepted_with_their_params_unread(
    shop: Repo, word: str, inputs: str
) -> None:
    shop.write(
        "seeknal/exposures/x.yml",
        f"kind: exposure\nname: x\ntype: {word}\n{inputs}\nparams: {{query: '{{{{ q }}}}', n: 1}}\n",
    )
    assert shop.run()["not_delivered"] == ["exposure.x"]


def test_path_and_format_of_a_file_may_stand_beside_params(shop: Repo) -> None:
    shop.replace(
        "seeknal/exposures/by_customer_csv.yml",
        "params:\n  path: exports/by_customer.csv",
        "path: exports/there.json\nformat: jsonl",
    )
    shop.seeknal("run")
    assert '"name":"Ada"' in shop.read("exports/there.json")


@pytest.mark.parametrize(
    ("word", "hint"), [("fiel", "Did you mean file?"), ("queue", "it is file, postgresql,")]
)
def test_an_unknown_type_is_refused(shop: Repo, word: str, hint: str) -> None:
    shop.write("seeknal/exposures/x.yml", f"kind: exposure\nname: x\ntype: {word}\n")
    told = shop.seeknal("validate", code=1).err
    assert f"there is no exposure of type {word}" in told
    assert hint.lower() in told.lower()


def test_a_remembered_graph_knows_exposures_of_other_systems(with_board: Repo) -> None:
    with_board.seeknal("plan")
    with_board.replace(BOARD, "type: dashboard", "type: file")
    with_board.replace(BOARD, "transform.daily, ", "")
    with_board.replace(BOARD, '  headline: "{{ inputs.daily.columns }}"', "  path: exports/b.csv")
    assert with_board.run()["written"] == ["exposure.sales_board"]
    assert with_board.plan()["layers"] == [["exposure.sales_board"]]
