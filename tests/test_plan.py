"""Two trees become a plan."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import sha1

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seeknal_git.cache import Cache
from seeknal_git.git.tree import Tree
from seeknal_git.plan.changes import Plan, make_plan
from seeknal_git.project.bound_graph import bound_graph
from seeknal_git.project.graph import build_graph
from seeknal_git.project.node_files import load_project
from seeknal_git.project.snapshot_ids import State, identities
from seeknal_git.project.vocabulary import Vocabulary
from tests.conftest import Repo

Files = Mapping[str, str]
CLEAN = "seeknal/transforms/clean_orders.yml"
DAILY = "seeknal/transforms/daily.yml"
BY_CUSTOMER = "seeknal/transforms/by_customer.yml"
RULE = "seeknal/rules/amounts_are_positive.yml"


@pytest.fixture(scope="module")
def state_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Files], State]:
    cache = Cache(tmp_path_factory.mktemp("cache") / "cache.sqlite")

    def state_of(files: Files) -> State:
        blobs = {sha1(text.encode()).hexdigest(): text.encode() for text in files.values()}
        tree = Tree(
            {path: sha1(text.encode()).hexdigest() for path, text in files.items()},
            blobs.__getitem__,
        )
        graph = build_graph(load_project(Vocabulary(tree), cache))
        assert graph.problems == ()
        return State(
            bound_graph(graph, {}),
            {each: "1" for each in graph.members if each.startswith("source.")},
        )

    return state_of


EXPRESSIONS = ["a", "b", "a + b", "a * 2", "-b"]
TAILS = ["", " WHERE a > 1", " WHERE b > 1 ORDER BY a LIMIT 3", " GROUP BY ALL"]


@st.composite
def projects(draw: st.DrawFn) -> dict[str, str]:
    """A DAG of some nodes over one source; each returns the columns a and b."""
    files = {"seeknal/s.yml": "kind: source\nname: s\nsource: csv\ntable: data/s.csv\n"}
    names = ["source.s"]
    for number in range(draw(st.integers(0, 6))):
        reads = draw(st.lists(st.sampled_from(names), min_size=1, max_size=3, unique=True))
        columns = (
            f"{draw(st.sampled_from(EXPRESSIONS))} AS a, {draw(st.sampled_from(EXPRESSIONS))} AS b"
        )
        tables = " UNION ALL ".join(
            f"SELECT {columns} FROM {each}{draw(st.sampled_from(TAILS[:2]))}" for each in reads
        )
        files[f"seeknal/t{number}.yml"] = f"kind: transform\nname: t{number}\ntransform: {tables}\n"
        names.append(f"transform.t{number}")
    if draw(st.booleans()):
        files["seeknal/r.yml"] = (
            f"kind: rule\nname: r\ninputs: [{draw(st.sampled_from(names))}]\nrule: a > 0\n"
        )
    return files


@settings(max_examples=60)
@given(projects())
def test_a_plan_against_itself_is_empty(
    state_of: Callable[[Files], State], files: dict[str, str]
) -> None:
    plan = make_plan(state_of(files), state_of(dict(reversed(files.items()))))
    assert plan == Plan((), (), plan.reused)
    assert set(plan.reused) == set(state_of(files).graph.members)


@settings(max_examples=60)
@given(projects(), st.data())
def test_a_plan_builds_what_was_edited_or_reads_it_and_nothing_else(
    state_of: Callable[[Files], State], files: dict[str, str], data: st.DataObject
) -> None:
    path = data.draw(st.sampled_from(sorted(files)))
    edited = {
        **files,
        path: files[path].replace("a AS a", "a + 1 AS a").replace("rule: a > 0", "rule: a > 1"),
    }
    base, head = state_of(files), state_of(edited)
    plan = make_plan(base, head)
    changed = {change.node for change in plan.changes}
    assert changed == (
        {
            head.graph.members[each].node.id
            for each in head.graph.members
            if head.graph.node(each).path == path
        }
        if edited != files
        else set()
    )
    assert set(plan.builds) <= changed | head.graph.downstream(changed)
    assert set(plan.builds).isdisjoint(plan.reused)
    assert set(plan.builds) | set(plan.reused) == set(head.graph.members)


@settings(max_examples=60)
@given(projects())
def test_layers_hold_every_node_after_its_inputs(
    state_of: Callable[[Files], State], files: dict[str, str]
) -> None:
    graph = state_of(files).graph
    nothing = Tree({}, dict[str, bytes]().__getitem__)
    plan = make_plan(
        State(bound_graph(build_graph(load_project(Vocabulary(nothing), Forgetful())), {}), {}),
        state_of(files),
    )
    place = {each: number for number, layer in enumerate(plan.layers) for each in layer}
    assert set(place) == set(graph.members)
    assert all(
        place[reads] < place[each] for each, inputs in graph.inputs.items() for reads in inputs
    )
    assert {change.category for change in plan.changes} == {"NEW"}


class Forgetful(Cache):
    """Remembers nothing."""

    def __init__(self) -> None:
        pass

    def get(self, topic: str, keys: object) -> dict[str, object]:
        return {}

    def put(self, topic: str, values: object) -> None:
        pass


@settings(max_examples=60)
@given(projects(), projects())
def test_a_plan_is_right_in_both_directions(
    state_of: Callable[[Files], State], one: dict[str, str], other: dict[str, str]
) -> None:
    base, head = state_of(one), state_of(other)
    known = set(identities(base.graph, base.versions).values())
    plan = make_plan(base, head)
    assert set(plan.builds) == {
        node for node, each in identities(head.graph, head.versions).items() if each not in known
    }
    back = make_plan(head, base)
    new, removed = (
        {c.node for c in p.changes if c.category == k}
        for p, k in ((plan, "NEW"), (back, "REMOVED"))
    )
    assert new == removed


# Through the command line


def test_the_first_plan_of_production_is_all_new(shop: Repo) -> None:
    assert set(shop.categories().values()) == {"NEW"}
    assert len(shop.categories()) == 7


def test_a_plan_after_a_run_is_empty(published: Repo) -> None:
    assert published.plan()["changes"] == []
    assert published.plan()["layers"] == []
    assert "No changes" in published.seeknal("plan").out


def test_a_plan_needs_no_warehouse_and_writes_none(shop: Repo) -> None:
    shop.seeknal("plan")
    assert not (shop.path / "target").exists()


def test_a_plan_made_twice_says_the_same(published: Repo) -> None:
    published.replace(DAILY, "sum(amount)", "max(amount)")
    assert published.plan() == published.plan()


EDITS = [
    (
        "formatting",
        DAILY,
        "SELECT day",
        "SELECT   day",
        "METADATA",
        "only the way it is written",
        [],
        [],
    ),
    (
        "SQL comment",
        DAILY,
        "SELECT day",
        "SELECT -- x\n    day",
        "METADATA",
        "only the way it is written",
        [],
        [],
    ),
    (
        "quotes of a reference",
        CLEAN,
        "ref('source.orders')",
        'ref("source.orders")',
        "METADATA",
        "only the way it is written",
        [],
        [],
    ),
    (
        "YAML comment",
        DAILY,
        "name: daily",
        "name: daily # x",
        "METADATA",
        "only the way it is written",
        [],
        [],
    ),
    (
        "description",
        CLEAN,
        "name: clean_orders",
        "name: clean_orders\ndescription: x",
        "METADATA",
        "description added",
        [],
        ["transform.by_customer", "transform.daily"],
    ),
    (
        "test",
        CLEAN,
        "unique: id",
        "not_null: id",
        "METADATA",
        "test unique(id) removed",
        [],
        ["transform.daily"],
    ),
    ("column added", DAILY, "AS total", "AS total, 1 AS one", "NON_BREAKING", "+ one", [], []),
    (
        "column added upstream",
        CLEAN,
        "day, amount",
        "day, amount, 1 AS one",
        "NON_BREAKING",
        "+ one",
        [],
        ["transform.by_customer", "transform.daily"],
    ),
    (
        "unread column changed",
        CLEAN,
        "SELECT id",
        "SELECT -id AS id",
        "BREAKING",
        "~ id",
        [],
        ["transform.by_customer", "transform.daily"],
    ),
    (
        "read by one",
        CLEAN,
        "customer, day",
        "customer, day + 1 AS day",
        "BREAKING",
        "~ day",
        ["transform.daily"],
        ["transform.by_customer"],
    ),
    (
        "filter",
        CLEAN,
        "amount IS NOT NULL",
        "amount > 15",
        "BREAKING",
        "filter changed",
        ["transform.by_customer", "transform.daily"],
        [],
    ),
    (
        "filter removed",
        CLEAN,
        "  WHERE amount IS NOT NULL\n",
        "",
        "BREAKING",
        "filter removed",
        ["transform.by_customer", "transform.daily"],
        [],
    ),
    (
        "column removed",
        CLEAN,
        "SELECT id, customer",
        "SELECT customer",
        "BREAKING",
        "- id",
        [],
        ["transform.by_customer", "transform.daily"],
    ),
    (
        "a row more",
        "data/orders.csv",
        "1,1,2024-01-01,10",
        "1,1,2024-01-01,10\n9,1,2024-01-01,9",
        "DATA",
        "data/orders.csv changed",
        ["transform.clean_orders"],
        [],
    ),
    (
        "another cell",
        "data/customers.csv",
        "Oslo",
        "Rome",
        "DATA",
        "data/customers.csv changed",
        ["transform.by_customer"],
        [],
    ),
    (
        "a column more in the data",
        "data/customers.csv",
        "id,name,town\n1,Ada,London\n2,Bob,Paris\n3,Cy,Oslo",
        "id,name,town,Age\n1,Ada,London,1\n2,Bob,Paris,2\n3,Cy,Oslo,3",
        "DATA",
        "+ Age",
        ["transform.by_customer"],
        [],
    ),
    (
        "another type in the data",
        "data/customers.csv",
        "3,Cy",
        "3.5,Cy",
        "BREAKING",
        "~ id",
        ["transform.by_customer"],
        [],
    ),
    (
        "grouping",
        DAILY,
        "SELECT day, sum(amount) AS total\n  FROM transform.clean_orders\n  GROUP BY day",
        "SELECT customer, sum(amount) AS total\n  FROM transform.clean_orders\n  GROUP BY customer",
        "BREAKING",
        "grouping changed",
        [],
        [],
    ),
    (
        "join",
        BY_CUSTOMER,
        "JOIN input_1",
        "LEFT JOIN input_1",
        "BREAKING",
        "FROM changed",
        ["exposure.by_customer_csv"],
        [],
    ),
    (
        "order of columns",
        CLEAN,
        "id, customer, day",
        "customer, id, day",
        "NON_BREAKING",
        "order of columns changed",
        [],
        ["transform.daily"],
    ),
    ("bound of a rule", RULE, "amount > 0", "amount > 1", "CHECK", "rule changed", [], []),
    (
        "path of a source",
        "seeknal/sources/orders.yml",
        "data/orders.csv",
        "data/./orders.csv",
        "METADATA",
        "table changed",
        [],
        ["transform.clean_orders"],
    ),
]


@pytest.mark.parametrize(
    ("path", "old", "new", "category", "words", "rebuilds", "reuses"),
    [pytest.param(*case[1:], id=case[0]) for case in EDITS],
)
def test_a_plan_says_what_changed_how_badly_and_what_follows(
    published: Repo,
    path: str,
    old: str,
    new: str,
    category: str,
    words: str,
    rebuilds: list[str],
    reuses: list[str],
) -> None:
    published.switch("dev", create=True)
    if words == "- id":
        published.replace(CLEAN, "tests:\n  - unique: id\n", "")
        published.commit()
        published.git("branch", "--force", "main")
        published.seeknal("promote")
    published.replace(path, old, new)
    plan = published.plan()
    (change,) = plan["changes"]
    assert change["category"] == category
    signs = {"added": "+", "removed": "-", "changed": "~"}
    columns = [f"{signs[column['change']]} {column['name']}" for column in change["columns"]]
    assert words in [*change["what"], *columns]
    assert set(rebuilds) <= set(change["rebuilds"])
    assert set(reuses) <= set(change["reuses"])
    assert change["path"] == path or path.startswith("data/")
    assert change["line"] == 2
    run = published.run("--dry-run")
    built = {
        each
        for layer in plan["layers"]
        for each in layer
        if not each.startswith(("rule", "exposure"))
    }
    assert set(run["build"]) == built, "the run builds what the plan says"


def test_an_input_that_was_replaced_is_told_as_such(published: Repo) -> None:
    published.replace(DAILY, "ref: transform.clean_orders", "ref: source.orders")
    published.replace(DAILY, "FROM transform.clean_orders", "FROM source.orders")
    (change,) = published.plan()["changes"]
    assert change["category"] == "BREAKING"
    assert "input transform.clean_orders replaced by source.orders" in change["what"]


def test_new_and_removed_nodes(published: Repo) -> None:
    published.git("rm", "--quiet", DAILY)
    published.write(
        "seeknal/transforms/new.yml", "kind: transform\nname: new\ntransform: SELECT 1 AS one\n"
    )
    assert published.categories() == {"transform.daily": "REMOVED", "transform.new": "NEW"}


def test_the_working_tree_counts_staged_or_not(published: Repo) -> None:
    published.switch("dev", create=True)
    published.replace(DAILY, "sum(amount)", "max(amount)")
    published.git("add", "--all")
    published.replace(BY_CUSTOMER, "sum(o.amount)", "max(o.amount)")
    published.write("seeknal/new.yml", "kind: transform\nname: new\ntransform: SELECT 1 AS one\n")
    assert sorted(published.categories()) == [
        "transform.by_customer",
        "transform.daily",
        "transform.new",
    ]


def test_a_branch_is_compared_with_the_merge_base_not_with_what_came_after(published: Repo) -> None:
    published.switch("dev", create=True)
    published.replace(DAILY, "sum(amount)", "max(amount)")
    published.commit()
    published.switch("main")
    published.replace(BY_CUSTOMER, "sum(o.amount)", "max(o.amount)")
    published.commit()
    published.switch("dev")
    assert published.categories() == {"transform.daily": "BREAKING"}
    published.switch("main")
    assert published.categories("dev") == {"transform.daily": "BREAKING"}, "without checking it out"


def test_a_plan_for_a_branch_that_does_not_exist_creates_it_and_keeps_the_edits(
    published: Repo,
) -> None:
    published.replace(DAILY, "sum(amount)", "max(amount)")
    assert "BREAKING      transform.daily" in published.seeknal("plan", "dev").out
    assert published.git("branch", "--show-current") == "dev"
    assert "max(amount)" in published.read(DAILY)


@pytest.mark.parametrize("name", ["a b", "a..b", "-x", "a~1", "HEAD", ""])
def test_a_name_that_git_does_not_take_is_refused(published: Repo, name: str) -> None:
    said = published.seeknal("plan", "--", name, code=None)
    assert said.code in (0, 1, 2) if name == "" else said.code in (1, 2)
    assert "Traceback" not in said.err
    assert published.git("branch", "--format=%(refname:short)") == "main"


def test_a_project_that_does_not_validate_has_no_plan(published: Repo) -> None:
    published.replace(DAILY, "GROUP BY day", "GROUP BY week")
    said = published.seeknal("plan", code=1)
    assert f"{DAILY}:8" in said.err
    assert said.out == ""


def test_a_plan_in_markdown_is_a_table(published: Repo) -> None:
    published.replace(DAILY, "sum(amount)", "max(amount)")
    said = published.seeknal("plan", "--markdown").out
    assert "| **BREAKING** | `transform.daily` |" in said


def test_a_plan_has_no_colour_without_a_terminal(published: Repo) -> None:
    published.replace(DAILY, "sum(amount)", "max(amount)")
    assert "\x1b" not in published.seeknal("plan", subprocess=True).out


def wide(repo: Repo, sources: int) -> None:
    for number in range(sources):
        repo.write(f"data/s{number}.csv", "id\n1\n")
        text = f"kind: source\nname: s{number}\nsource: csv\ntable: data/s{number}.csv\n"
        repo.write(f"seeknal/sources/s{number}.yml", text)
    inputs = "".join(f"  - source.s{number}\n" for number in range(sources))
    repo.write(
        "seeknal/transforms/all.yml",
        f"kind: transform\nname: all_of_it\ninputs:\n{inputs}transform: SELECT id FROM input_0\n",
    )
    repo.write(
        "seeknal/exposures/file.yml",
        "kind: exposure\nname: file\ntype: file\ninputs: [transform.all_of_it]\nparams: {path: exports/all.csv}\n",
    )
    repo.commit()


def test_each_layer_is_headed_by_its_nodes_and_numbered_as_a_run_does(repo: Repo) -> None:
    wide(repo, 5)
    layers = (
        "To build\n  1  5 sources, side by side: source.s0, source.s1, source.s2 and 2 more\n"
        "  2  transform.all_of_it\n     then the files of exposure.file\n"
    )
    assert layers in repo.seeknal("plan").out
    assert "1. 5 sources, side by side: source.s0" in repo.seeknal("plan", "--markdown").out
    shown = repo.seeknal("run", "--dry-run").out
    assert "layer 1 of 2: 5 sources, side by side\n" in shown
    assert "layer 2 of 2\n" in shown


@pytest.mark.parametrize(("sources", "told"), [(3, False), (4, True)])
def test_a_sequential_run_of_a_wide_layer_has_a_tip(repo: Repo, sources: int, told: bool) -> None:
    wide(repo, sources)
    said = repo.seeknal("run", "--no-parallel").err
    assert (
        "Tip: This pipeline has 4 independent nodes in one layer. Use --parallel" in said
    ) == told
    assert "Tip" not in repo.seeknal("run", "--parallel", "--full").err
