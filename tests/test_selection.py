"""`--select` and its shorthands: the grammar as a table, its laws, and what run, plan and lineage make
of it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seeknal_git.errors import UsageError
from seeknal_git.nodes.node import Node
from seeknal_git.plan.selection import Candidates, Selecting, read, selected
from seeknal_git.project.graph import Structure
from tests.conftest import Repo

# raw ─▶ orders ─▶ daily ─▶ board
# raw ─▶ people ───▲     └▶ fine
INPUTS = {
    "source.raw": (),
    "transform.orders": ("source.raw",),
    "transform.people": ("source.raw",),
    "feature_group.orders": ("transform.orders",),
    "transform.daily": ("transform.orders", "transform.people"),
    "rule.fine": ("transform.daily",),
    "exposure.board": ("transform.daily",),
}
ABOUT: dict[str, dict[str, Any]] = {
    "transform.orders": {"tags": ["nightly", "big"], "owner": "ada@example.com"},
    "transform.people": {"tags": ["nightly"], "owner": "Data Team"},
    "transform.daily": {"tags": ["reports+more"], "owner": "Data Team"},
}
FACTS = {"changed": {"transform.people", "transform.gone"}, "failed": {"rule.fine"}}


def node(identifier: str) -> Node:
    kind, name = identifier.split(".")
    about = ABOUT.get(identifier, {})
    return Node(kind, name, f"seeknal/{kind}s/{name}.yml", "", 1, (), {}, {}, (), about)


AMONG = Candidates(Structure(INPUTS), node)
SHORT = {identifier.replace("feature_group", "group"): identifier for identifier in INPUTS}


def names(options: Selecting) -> str:
    """The selected nodes, by their bare names; of those called orders, by their ids."""
    found = selected(AMONG, read(options), FACTS)
    assert found <= INPUTS.keys()
    bare = (name if name.endswith(".orders") else name.split(".")[1] for name in found)
    return " ".join(sorted(bare))


def of(text: str) -> str:
    return names(Selecting((text,)))


@pytest.mark.parametrize(
    ("text", "nodes"),
    [
        ("daily", "daily"),
        ("transform.orders", "transform.orders"),
        ("+daily", "daily people raw transform.orders"),
        ("1+daily", "daily people transform.orders"),
        ("daily+", "board daily fine"),
        ("transform.orders+1", "daily feature_group.orders transform.orders"),
        ("1+daily+1", "board daily fine people transform.orders"),
        ("0+daily+0", "daily"),
        ("daily people", "daily people"),
        ("+daily,kind:source", "raw"),
        ("people+,+board fine", "board daily fine people"),
        ("*.orders", "feature_group.orders transform.orders"),
        ("p[a-e]*", "people"),
        ("*", "board daily feature_group.orders fine people raw transform.orders"),
        ("tag:nightly", "people transform.orders"),
        ("tag:nightly,tag:big", "transform.orders"),
        ("1+tag:big", "raw transform.orders"),
        ('tag:"reports+more"', "daily"),
        ("tag:'reports+more'+", "board daily fine"),
        ("kind:rule kind:exposure", "board fine"),
        ("kind:profile", ""),
        ("path:seeknal/rules", "fine"),
        ("path:./seeknal/sources/", "raw"),
        ("path:seeknal/transforms/d*.yml", "daily"),
        ("owner:'Data Team'", "daily people"),
        ("owner:*@example.com", "transform.orders"),
        ("changed", "people"),
        ("changed+", "board daily fine people"),
        ("failed", "fine"),
        ("1+failed", "daily fine"),
        ("changed,failed", ""),
    ],
)
def test_a_selection_means(text: str, nodes: str) -> None:
    assert of(text) == nodes


@pytest.mark.parametrize(
    ("options", "nodes"),
    [
        (Selecting(), of("*")),
        (Selecting(("daily", "raw")), "daily raw"),
        (Selecting(exclude=("kind:transform", "raw")), "board feature_group.orders fine"),
        (Selecting(("+daily",), ("+people",)), "daily transform.orders"),
        (Selecting(nodes=("daily", "raw,people")), of("raw+")),
        (Selecting(types=("source,rule", "exposure")), "board fine raw"),
        (Selecting(tags=("big nightly",)), of("+transform.orders +people")),
        (Selecting(tags=("nightly",), exclude_tags=("big",)), "people raw"),
        (Selecting(nodes=("people",), types=("rule",)), "fine"),
        (Selecting(("daily",), tags=("nightly",)), ""),
    ],
)
def test_options_narrow_each_other(options: Selecting, nodes: str) -> None:
    assert names(options) == nodes


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("dialy", "There is no node dialy (--select dialy).", "Did you mean daily?"),
        ("raw tag:nigthly", "There is no tag nigthly", "Did you mean nightly?"),
        ("raw tag:nigthly", "(--select 'raw tag:nigthly', character 5)", ""),
        ("kind:transfrom", "There is no kind transfrom", "Did you mean transform?"),
        ("path:seeknal/rule", "There is no path seeknal/rule", "Did you mean seeknal/rules?"),
        ("owner:nobody", "There is no owner nobody", "There are Data Team, ada@example.com."),
        ("zzz*", "No node matches zzz*", "seeknal parse lists them."),
        ("orders", "may be feature_group.orders or transform.orders", "Write the kind too."),
        ("tga:big", "There is no method tga:", "Did you mean tag:?"),
        ("state:modified+", "There is no method state:", "Write changed."),
        ("failed:raw", "There is no method failed:", "Write failed alone."),
        ("raw, daily", "(--select 'raw, daily', character 5)", "'a,b' selects the nodes of both"),
        ("raw ,daily", "There is a comma without a term on each side", ""),
        ("raw tag:", "tag: is no term", "for example"),
        ("++raw", "++raw is no term", "for example"),
        ("+", "+ is no term", "for example"),
        (f"{'9' * 5000}+raw", "is no term", "for example"),
        ("raw tag:'big", "A quote is not closed (--select", ""),
        (" ", "There is no term", "leave the option out"),
    ],
)
def test_a_mistake_is_named_with_its_place_and_cure(text: str, message: str, hint: str) -> None:
    with pytest.raises(UsageError) as raised:
        of(text)
    assert message in raised.value.message
    assert hint in (raised.value.hint or "")


TERMS = st.builds(
    "{}{}{}".format,
    st.sampled_from(["", "+", "1+", "2+"]),
    st.sampled_from([*INPUTS, "tag:nightly", "kind:transform", "changed", "failed", "p*", "*"]),
    st.sampled_from(["", "+", "+1"]),
)
TEXTS = st.lists(st.lists(TERMS, min_size=1, max_size=3).map(",".join), min_size=1, max_size=3).map(
    " ".join
)


def nodes_of(text: str, exclude: str | None = None) -> frozenset[str]:
    query = read(Selecting((text,), (exclude,) if exclude else ()))
    return selected(AMONG, query, FACTS)


@given(TEXTS, TEXTS)
def test_a_space_is_a_union_and_an_exclusion_a_difference(one: str, other: str) -> None:
    assert nodes_of(f"{one} {other}") == nodes_of(one) | nodes_of(other)
    assert nodes_of(one, other) == nodes_of(one) - nodes_of(other)


@given(TERMS, TERMS)
def test_a_comma_is_an_intersection(one: str, other: str) -> None:
    assert nodes_of(f"{one},{other}") == nodes_of(one) & nodes_of(other)


@given(st.sampled_from([*INPUTS, "tag:nightly", "changed"]), st.integers(0, 9), st.integers(0, 9))
def test_steps_widen_a_selection_up_to_all_nodes_on_the_way(term: str, up: int, down: int) -> None:
    narrow, wide = nodes_of(f"{up}+{term}+{down}"), nodes_of(f"{up + 1}+{term}+{down + 1}")
    assert nodes_of(term) <= narrow <= wide <= nodes_of(f"+{term}+")


# Commands

CLEAN, DAILY, BY_CUSTOMER = (
    f"seeknal/transforms/{name}.yml" for name in ("clean_orders", "daily", "by_customer")
)


@pytest.fixture
def edited(published: Repo) -> Repo:
    """Two edits on a branch."""
    published.switch("dev", create=True)
    published.replace(DAILY, "sum(amount)", "max(amount)")
    published.replace(BY_CUSTOMER, "sum(o.amount)", "max(o.amount)")
    published.commit("Otherwise")
    return published


def test_run_builds_the_selected_nodes_and_no_others(edited: Repo) -> None:
    assert edited.built("-s", "daily") == ["transform.daily"]
    assert edited.built("-s", "changed", "--exclude", "daily") == ["transform.by_customer"]


def test_run_builds_the_inputs_that_a_selected_node_is_missing(shop: Repo) -> None:
    built = shop.built("--select", "daily")
    assert built == ["source.orders", "transform.clean_orders", "transform.daily"]


def test_production_takes_along_the_readers_of_a_selected_node(published: Repo) -> None:
    published.replace(CLEAN, "IS NOT NULL", "> 10")
    assert set(published.built("-s", "clean_orders")) == {
        "transform.clean_orders",
        "transform.daily",
        "transform.by_customer",
    }
    assert published.production() == published.fresh_build(published.production_ref)


@pytest.mark.parametrize("branch", ["main", "dev"])
@pytest.mark.parametrize("text", ["changed", "daily,failed", "kind:profile"])
def test_a_run_of_no_nodes_succeeds_and_changes_nothing(
    published: Repo, branch: str, text: str
) -> None:
    published.switch(branch, create=branch != "main")
    before, release = published.production(), published.production_ref
    said = published.seeknal("run", "-s", text)
    assert "No node is selected" in said.err
    assert (published.production(), published.production_ref) == (before, release)
    assert published.seeknal("run", "-s", text, "--json").json["built"] == {}
    assert "0 are selected" in published.seeknal("plan", "-s", text).out
    assert "No node is selected." in published.seeknal("lineage", "-s", text).out


def test_a_run_of_all_nodes_is_a_whole_run(published: Repo) -> None:
    published.replace(DAILY, "sum(amount)", "max(amount)")
    (published.path / "seeknal/exposures/by_customer_csv.yml").unlink()
    (published.path / BY_CUSTOMER).unlink()
    published.commit("One less")
    done = published.run("-s", "kind:* changed")
    assert done["removed"] == ["transform.by_customer"]
    assert published.production_ref == published.head


def test_failed_means_the_last_run_of_that_environment(edited: Repo) -> None:
    edited.replace(DAILY, "max(amount)", "error('no')::INT")
    edited.seeknal("run", code=1)
    assert list(edited.run("-s", "failed", code=1)["failed"]) == ["transform.daily"]
    edited.replace(DAILY, "error('no')::INT", "min(amount)")
    assert edited.built("-s", "failed+") == ["transform.daily"]
    assert edited.built("-s", "failed") == []


def test_plan_shows_the_selected_nodes_and_all_that_is_built_for_them(edited: Repo) -> None:
    found = edited.seeknal("plan", "--json", "-s", "daily").json
    assert found["selected"] == ["transform.daily"]
    assert [change["node"] for change in found["changes"]] == ["transform.daily"]
    assert found["layers"] == [["transform.daily"]]
    said = edited.seeknal("plan", "-s", "daily").out
    assert "1 is selected." in said
    assert "Next: seeknal run --select daily" in said
    assert edited.seeknal("plan", "--json").json["selected"] is None


def test_plan_of_a_reader_names_the_change_that_reaches_it(published: Repo) -> None:
    published.switch("dev", create=True)
    published.replace(CLEAN, "IS NOT NULL", "> 10")
    found = published.seeknal("plan", "--json", "-s", "daily").json
    (change,) = found["changes"]
    assert change["node"] == "transform.clean_orders"
    assert change["rebuilds"] == ["rule.amounts_are_positive", "transform.daily"]
    assert ["transform.clean_orders"] in found["layers"]
    assert "transform.by_customer" not in str(found["layers"])
    assert set(published.built("-s", "daily")) == {"transform.clean_orders", "transform.daily"}


def test_the_first_plan_of_one_node_names_it_and_its_inputs(shop: Repo) -> None:
    nodes = ["source.orders", "transform.clean_orders", "transform.daily"]
    planned = shop.seeknal("plan", "--json", "-s", "daily").json
    built = [node for layer in planned["layers"] for node in layer]
    assert [node for node in built if not node.startswith("rule")] == nodes
    assert shop.built("-s", "daily") == nodes


def test_plan_of_production_takes_the_readers_along(published: Repo) -> None:
    published.replace(CLEAN, "IS NOT NULL", "> 10")
    found = published.seeknal("plan", "--json", "-s", "clean_orders").json
    assert "transform.by_customer" in str(found["layers"])


def test_plan_can_select_a_node_that_is_gone(edited: Repo) -> None:
    (edited.path / DAILY).unlink()
    for text in ("daily", "kind:transform,changed"):
        found = edited.seeknal("plan", "--json", "-s", text).json
        assert "transform.daily" in [change["node"] for change in found["changes"]]
    assert "There is no node daily" in edited.seeknal("run", "-s", "daily", code=2).err


def test_a_merge_is_planned_as_a_whole(edited: Repo) -> None:
    said = edited.seeknal("plan", "--into", "main", "--tags", "x", code=2).err
    assert "A merge is planned as a whole." in said


def test_a_plan_of_some_nodes_binds_a_run_as_a_whole_plan_does(edited: Repo) -> None:
    edited.seeknal("plan", "dev", "-s", "daily")
    edited.replace(BY_CUSTOMER, "max(o.amount)", "min(o.amount)")
    assert "transform.by_customer" in edited.seeknal("run", "--env", "dev", code=2).err


def test_lineage_shows_the_selected_nodes(edited: Repo) -> None:
    found = edited.seeknal("lineage", "--json", "-s", "1+daily").json
    assert {node["id"] for node in found["nodes"]} == {"transform.clean_orders", "transform.daily"}
    assert found["edges"] == [["transform.clean_orders", "transform.daily"]]
    changed = edited.seeknal("lineage", "--json", "-s", "changed").json["nodes"]
    assert {node["id"] for node in changed} == {"transform.daily", "transform.by_customer"}
    refused = edited.seeknal("lineage", "daily", "-s", "by_customer", code=2).err
    assert "transform.daily is not among the selected nodes." in refused


def test_lineage_of_a_project_that_does_not_validate_can_be_selected_but_by_changes(
    edited: Repo,
) -> None:
    edited.replace(DAILY, "max(amount)", "max(amuont)")
    found = edited.seeknal("lineage", "--json", "-s", "kind:source").json
    assert {node["kind"] for node in found["nodes"]} == {"source"}
    assert "amuont" in edited.seeknal("lineage", "-s", "changed", code=1).err


def test_tags_take_all_upstream_along(edited: Repo) -> None:
    edited.replace(DAILY, "kind: transform\n", "kind: transform\ntags: [reports]\n")
    said = edited.seeknal("lineage", "--json", "--tags", "reports").json["nodes"]
    assert [node["id"] for node in said][-1] == "transform.daily"
    assert {"source.orders", "transform.clean_orders"} <= {node["id"] for node in said}
    assert edited.built("--tags", "reports") == ["transform.daily"]
    assert edited.built("--exclude-tags", "reports") == ["transform.by_customer"]
    assert "Did you mean reports?" in edited.seeknal("run", "--tags", "report", code=2).err
