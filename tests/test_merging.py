"""`plan --into`: a merge that is made in memory, and what breaks in it although neither side is
wrong."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import Repo, Templates, make_published

DAILY = "seeknal/transforms/daily.yml"
CLEAN = "seeknal/transforms/clean_orders.yml"
BY_CUSTOMER = "seeknal/transforms/by_customer.yml"
BIG = "seeknal/transforms/big.yml"
PROJECT = "seeknal_project.yml"


def transform(name: str, sql: str, *inputs: str, more: str = "") -> str:
    reads = ", ".join(inputs)
    return f"kind: transform\nname: {name}\ninputs: [{reads}]\ntransform: |\n{textwrap.indent(sql, '  ')}\n{more}"


Edit = Callable[[Repo], object]


def written(path: str, text: str) -> Edit:
    return lambda repo: repo.write(path, text)


def replaced(path: str, old: str, new: str) -> Edit:
    return lambda repo: repo.replace(path, old, new)


def removed(path: str) -> Edit:
    def remove(repo: Repo) -> None:
        (repo.path / path).unlink()

    return remove


def all_of(*edits: Edit) -> Edit:
    def do(repo: Repo) -> None:
        for edit in edits:
            edit(repo)

    return do


def diverged(repo: Repo, mine: Edit, theirs: Edit) -> Repo:
    """`dev` and `main` have both moved on since the merge base, and each is sound; we are on
    dev."""
    repo.switch("dev", create=True)
    mine(repo)
    repo.commit("On dev")
    repo.switch("main")
    theirs(repo)
    repo.commit("On main")
    repo.seeknal("validate")
    repo.switch("dev")
    repo.seeknal("validate")
    return repo


READS_DAILY = written(
    BIG, transform("big", "SELECT day FROM transform.daily\nWHERE total > 30", "transform.daily")
)
NO_DAILY = removed(DAILY)
RENAMES_DAILY = all_of(
    removed(DAILY),
    written(
        "seeknal/transforms/per_day.yml",
        transform(
            "per_day",
            "SELECT day, sum(amount) AS total\nFROM transform.clean_orders\nGROUP BY day",
            "transform.clean_orders",
        ),
    ),
)
READS_CUSTOMER = written(
    BIG,
    transform("big", "SELECT id, customer\nFROM transform.clean_orders", "transform.clean_orders"),
)
NO_CUSTOMER = all_of(
    replaced(CLEAN, "id, customer, day", "id, day"),
    replaced(BY_CUSTOMER, "o.customer", "o.id"),
)
READS_THROUGH_A_STAR = all_of(
    written(
        "seeknal/transforms/every.yml",
        transform("every", "FROM transform.clean_orders", "transform.clean_orders"),
    ),
    written(BIG, transform("big", "SELECT id, customer FROM transform.every", "transform.every")),
)
RETYPES_DAY = replaced(CLEAN, "customer, day,", "customer, day::VARCHAR AS day,")
MOST_OF_CUSTOMER = replaced(BY_CUSTOMER, "sum(o.amount)", "max(o.amount)")
RETYPES_AMOUNT_AND_DESCRIBES = all_of(
    replaced(CLEAN, "day, amount", "day, amount::DOUBLE AS amount"),
    replaced(BY_CUSTOMER, "name: by_customer", "name: by_customer\ndescription: What each bought"),
)
READS_DAY = written(
    BIG,
    transform(
        "big", "SELECT max(day) AS last\nFROM transform.clean_orders", "transform.clean_orders"
    ),
)
YEAR_OF_DAY = written(
    BIG,
    transform(
        "big", "SELECT id, year(day) AS y\nFROM transform.clean_orders", "transform.clean_orders"
    ),
)
READS_TOWN = written(BIG, transform("big", "SELECT town FROM source.customers", "source.customers"))
NO_TOWN = replaced("data/customers.csv", "id,name,town", "id,name,city")
BIG_HERE = written(BIG, transform("big", "SELECT 1 AS one", "transform.daily"))
BIG_THERE = written(
    "seeknal/transforms/more/large.yml", transform("big", "SELECT 2 AS two", "transform.daily")
)
A_READS_B = all_of(
    written(
        "seeknal/transforms/a.yml", transform("a", "SELECT day FROM transform.b", "transform.b")
    )
)
B_READS_A = all_of(
    written(
        "seeknal/transforms/b.yml", transform("b", "SELECT day FROM transform.a", "transform.a")
    )
)
A, B = "seeknal/transforms/a.yml", "seeknal/transforms/b.yml"
READS_B_TOO = all_of(
    replaced(
        BY_CUSTOMER,
        "  - ref: source.customers\n",
        "  - ref: source.customers\n  - ref: transform.b\n",
    ),
    replaced(BY_CUSTOMER, "GROUP BY", "WHERE EXISTS (FROM transform.b)\n  GROUP BY"),
)
RENAMES_B = all_of(
    replaced(B, "name: b", "name: c"),
    replaced(BY_CUSTOMER, "kind: transform", "owner: Ada\nkind: transform"),
)
READS_B_AS_C = all_of(
    replaced(B, "name: b", "name: c"),
    written(BIG, transform("big", "SELECT day FROM transform.c", "transform.c")),
)
NO_DAY_IN_B = replaced(B, "SELECT day FROM", "SELECT id FROM")
RETYPES_DAY_IN_B = replaced(B, "SELECT day FROM", "SELECT day::VARCHAR AS day FROM")
A_READS_CUSTOMER = replaced(A, "SELECT day FROM", "SELECT customer FROM")
NO_CUSTOMER_AND_A_IS_ADAS = all_of(
    NO_CUSTOMER, replaced(A, "kind: transform", "owner: Ada\nkind: transform")
)
NO_CUSTOMER_AND_A_IS_C = all_of(NO_CUSTOMER, replaced(A, "name: a", "name: c"))
ONE_OF_BIG = written(
    "seeknal/transforms/one.yml", transform("one", "SELECT one FROM transform.big", "transform.big")
)
TWO_OF_BIG = written(
    "seeknal/transforms/two.yml", transform("two", "SELECT two FROM transform.big", "transform.big")
)
READS_SPARE = written(BIG, transform("big", "SELECT extra\nFROM source.spare", "source.spare"))
NO_SPARE = written("data/spare.csv", "id\n1\n")
RETYPES_SPARE = written("data/spare.csv", "id,extra\n1,much\n")
PROMISES_INTEGERS = replaced(DAILY, "inputs:", "columns:\n  total: {dtype: HUGEINT}\ninputs:")
AVERAGES = replaced(CLEAN, "day, amount", "day, amount::DOUBLE AS amount")


@dataclass(frozen=True)
class Case:
    """mine, theirs: the edits on dev and on main; says: what the conflict says; at: each side's
    file and line."""

    mine: Edit
    theirs: Edit
    says: str
    at: Mapping[str, str]


def make_ab(repo: Repo) -> None:
    """Like `published`, with two transforms that do not read each other yet, and a source that
    nobody reads."""
    make_published(repo)
    repo.write(
        PROJECT, "name: shop\n# Who works here.\n# Nobody in particular.\nkeep_promotions: 10\n"
    )
    repo.write("data/spare.csv", "id,extra\n1,2\n")
    repo.write(
        "seeknal/sources/spare.yml",
        "kind: source\nname: spare\nsource: csv\ntable: data/spare.csv\n",
    )
    customers = "seeknal/sources/customers.yml"
    repo.write(customers, repo.read(customers) + "on_drift: warn\n")
    for name in ("a", "b"):
        text = transform(name, "SELECT day FROM transform.clean_orders", "transform.clean_orders")
        repo.write(f"seeknal/transforms/{name}.yml", text)
    repo.commit("a and b")


CASES = [
    pytest.param(
        Case(
            READS_DAILY,
            NO_DAILY,
            "transform.big reads transform.daily, which does not exist",
            {"dev": f"{BIG}:2", "main": f"{DAILY}:2"},
        ),
        id="a reference to a node that the other side removed",
    ),
    pytest.param(
        Case(
            NO_DAILY,
            READS_DAILY,
            "transform.big reads transform.daily, which does not exist",
            {"dev": f"{DAILY}:2", "main": f"{BIG}:2"},
        ),
        id="the same with the sides changed",
    ),
    pytest.param(
        Case(
            READS_DAILY,
            RENAMES_DAILY,
            "transform.big reads transform.daily, which does not exist",
            {"dev": f"{BIG}:2", "main": f"{DAILY}:2"},
        ),
        id="a reference to a node that the other side renamed",
    ),
    pytest.param(
        Case(READS_CUSTOMER, NO_CUSTOMER, "customer", {"dev": f"{BIG}:2", "main": f"{CLEAN}:2"}),
        id="a column that the other side dropped",
    ),
    pytest.param(
        Case(
            READS_THROUGH_A_STAR, NO_CUSTOMER, "customer", {"dev": f"{BIG}:2", "main": f"{CLEAN}:2"}
        ),
        id="a column that the other side dropped, through a star",
    ),
    pytest.param(
        Case(YEAR_OF_DAY, RETYPES_DAY, "year", {"dev": f"{BIG}:2", "main": f"{CLEAN}:2"}),
        id="a column that the other side retyped, which breaks",
    ),
    pytest.param(
        Case(
            READS_DAY,
            RETYPES_DAY,
            "day of transform.clean_orders, which was DATE and becomes VARCHAR",
            {"dev": f"{BIG}:2", "main": f"{CLEAN}:2"},
        ),
        id="a column that the other side retyped, which binds",
    ),
    pytest.param(
        Case(
            MOST_OF_CUSTOMER,
            RETYPES_AMOUNT_AND_DESCRIBES,
            "amount of transform.clean_orders, which was BIGINT and becomes DOUBLE",
            {"dev": f"{BY_CUSTOMER}:2", "main": f"{CLEAN}:2"},
        ),
        id="a column retyped for a reader whose file both edited",
    ),
    pytest.param(
        Case(READS_TOWN, NO_TOWN, "town", {"dev": f"{BIG}:2", "main": "data/customers.csv:1"}),
        id="a column that the other side's data lost",
    ),
    pytest.param(
        Case(
            BIG_HERE,
            BIG_THERE,
            "transform.big is defined twice",
            {"dev": f"{BIG}:2", "main": "seeknal/transforms/more/large.yml:2"},
        ),
        id="one name in two files",
    ),
    pytest.param(
        Case(
            all_of(BIG_HERE, ONE_OF_BIG),
            all_of(BIG_THERE, TWO_OF_BIG),
            "transform.big is defined twice",
            {"dev": f"{BIG}:2", "main": "seeknal/transforms/more/large.yml:2"},
        ),
        id="one name in two files, which is read",
    ),
    pytest.param(
        Case(
            READS_B_TOO,
            RENAMES_B,
            "transform.by_customer reads transform.b, which does not exist",
            {"dev": f"{BY_CUSTOMER}:2", "main": f"{B}:2"},
        ),
        id="a node that both edited reads what one of them renamed",
    ),
    pytest.param(
        Case(
            A_READS_CUSTOMER,
            NO_CUSTOMER_AND_A_IS_ADAS,
            "customer",
            {"dev": f"{A}:2", "main": f"{CLEAN}:2"},
        ),
        id="a node that both edited reads what one of them dropped",
    ),
    pytest.param(
        Case(
            A_READS_CUSTOMER,
            NO_CUSTOMER_AND_A_IS_C,
            "customer",
            {"dev": f"{A}:2", "main": f"{CLEAN}:2"},
        ),
        id="a node that the other side renamed reads what that dropped",
    ),
    pytest.param(
        Case(READS_B_AS_C, NO_DAY_IN_B, "day", {"dev": f"{BIG}:2", "main": f"{B}:2"}),
        id="a column that the other side dropped from a node renamed here",
    ),
    pytest.param(
        Case(
            READS_B_AS_C,
            RETYPES_DAY_IN_B,
            "day of transform.c, which was DATE and becomes VARCHAR",
            {"dev": f"{BIG}:2", "main": f"{B}:2"},
        ),
        id="a column that the other side retyped in a node renamed here",
    ),
    pytest.param(
        Case(READS_SPARE, NO_SPARE, "extra", {"dev": f"{BIG}:2", "main": "data/spare.csv:1"}),
        id="a column that the other side dropped from the data",
    ),
    pytest.param(
        Case(
            READS_SPARE,
            RETYPES_SPARE,
            "extra of source.spare, which was BIGINT and becomes VARCHAR",
            {"dev": f"{BIG}:2", "main": "data/spare.csv:1"},
        ),
        id="a column whose data the other side retyped",
    ),
    pytest.param(
        Case(
            replaced(PROJECT, "name: shop\n", "name: shop\ndescription: ours\n"),
            replaced(
                PROJECT, "keep_promotions: 10\n", "keep_promotions: 10\ndescription: theirs\n"
            ),
            "the key description is given twice",
            {"dev": f"{PROJECT}:1", "main": f"{PROJECT}:1"},
        ),
        id="one setting twice",
    ),
    pytest.param(
        Case(
            replaced(BY_CUSTOMER, "kind: transform\n", "owner: Ada\nkind: transform\n"),
            replaced(BY_CUSTOMER, "inputs:\n", "owner: Bob\ninputs:\n"),
            "the key owner is given twice",
            {"dev": f"{BY_CUSTOMER}:3", "main": f"{BY_CUSTOMER}:2"},
        ),
        id="one key twice",
    ),
    pytest.param(
        Case(
            A_READS_B,
            B_READS_A,
            "read each other in a circle",
            {"dev": "seeknal/transforms/a.yml:2", "main": "seeknal/transforms/b.yml:2"},
        ),
        id="a circle of both sides' edges",
    ),
    pytest.param(
        Case(PROMISES_INTEGERS, AVERAGES, "total", {"dev": f"{DAILY}:2", "main": f"{CLEAN}:2"}),
        id="a contract that the other side breaks",
    ),
]


@pytest.mark.parametrize("case", CASES)
def test_a_merge_that_breaks_the_pipeline_names_both_sides(copy_of: Templates, case: Case) -> None:
    repo = diverged(copy_of("ab", make_ab), case.mine, case.theirs)
    tips = {"dev": repo.git("rev-parse", "dev"), "main": repo.git("rev-parse", "main")}
    before = everything(repo)
    done = repo.seeknal("plan", "--into", "main", "--json", code=1)
    assert everything(repo) == before, "nothing is written"
    (conflict,) = done.json["conflicts"]
    assert case.says in conflict["message"]
    sides = {side["branch"]: side for side in conflict["sides"]}
    assert {branch: f"{side['path']}:{side['line']}" for branch, side in sides.items()} == case.at
    assert {branch: side["commit"] for branch, side in sides.items()} == tips
    for branch, place in case.at.items():
        assert f"{branch} {tips[branch][:8]}: " in done.err
        assert place in done.err
    assert done.err.endswith("\n  Merge main into dev and mend it there: git merge main\n")


# One for each of the checks that find a conflict.
FINDERS = (
    "a reference to a node that the other side removed",
    "a column that the other side dropped",
    "a column that the other side retyped, which binds",
    "one name in two files",
    "one key twice",
    "a circle of both sides' edges",
    "a contract that the other side breaks",
)


@pytest.mark.parametrize("case", [each for each in CASES if each.id in FINDERS])
def test_a_promotion_says_the_same(copy_of: Templates, case: Case) -> None:
    repo = diverged(copy_of("ab", make_ab), case.mine, case.theirs)
    before = everything(repo)
    said = repo.seeknal("promote", "dev", "--dry-run", code=1).err
    assert everything(repo) == before, "nothing is written"
    assert repo.seeknal("plan", "--into", "main", code=1).err.endswith(said)


@pytest.mark.parametrize(
    ("theirs", "now"),
    [
        pytest.param(
            RENAMES_DAILY,
            "renamed to transform.per_day (seeknal/transforms/per_day.yml:2)",
            id="the same in another file",
        ),
        pytest.param(
            all_of(
                replaced(DAILY, "name: daily", "name: per_day"), replaced(DAILY, "sum(", "min(")
            ),
            "renamed to transform.per_day",
            id="something else in the same file",
        ),
        pytest.param(
            all_of(
                NO_DAILY,
                written(
                    "seeknal/transforms/c.yml",
                    transform("c", "SELECT 1 AS day", "transform.clean_orders"),
                ),
            ),
            "the node is gone",
            id="something else in another file",
        ),
    ],
)
def test_a_node_that_was_renamed_is_not_called_gone(
    published: Repo, theirs: Edit, now: str
) -> None:
    repo = diverged(published, READS_DAILY, theirs)
    (conflict,) = repo.seeknal("plan", "--into", "main", "--json", code=1).json["conflicts"]
    assert conflict["sides"][0]["what"] == [now]


def test_a_node_that_was_only_renamed_may_read_a_column_of_another_type(published: Repo) -> None:
    repo = diverged(published, RENAMES_DAILY, RETYPES_DAY)
    assert repo.categories("--into", "main") == {
        "transform.per_day": "NEW",
        "transform.daily": "REMOVED",
    }


def test_what_to_do_about_columns_of_another_type_is_said_once(published: Repo) -> None:
    another = written(
        "seeknal/transforms/first.yml",
        transform(
            "first", "SELECT min(day) AS d\nFROM transform.clean_orders", "transform.clean_orders"
        ),
    )
    repo = diverged(published, all_of(READS_DAY, another), RETYPES_DAY)
    said = repo.seeknal("plan", "--into", "main", code=1).err
    assert said.count("which was DATE and becomes VARCHAR") == 2
    assert said.count("git merge --no-verify") == 1


@pytest.mark.parametrize("case", [each for each in CASES if each.id in FINDERS])
def test_the_hook_stops_the_same_merge(copy_of: Templates, case: Case) -> None:
    repo = diverged(copy_of("ab", make_ab), case.mine, case.theirs)
    repo.install_hooks()
    repo.switch("main")
    head = repo.head
    done = repo.try_git("merge", "--no-edit", "dev")
    assert done.returncode != 0
    assert repo.head == head
    for branch, place in case.at.items():
        assert f"{branch} {repo.git('rev-parse', branch)[:8]}: " in done.stderr
        assert f"({place})" in done.stderr
    assert "or give the merge up: git merge --abort" in done.stderr


@pytest.mark.parametrize(
    ("merged", "name"),
    [
        pytest.param(
            "{commit}", "origin/dev {short}: ", id="a commit that a remote's branch points at"
        ),
        pytest.param("{commit}~0", "{commit}~0 {short}: ", id="a revision"),
        pytest.param("v1", "v1 {short}: ", id="a tag"),
    ],
)
def test_the_hook_calls_the_other_side_what_somebody_knows(
    published: Repo, merged: str, name: str
) -> None:
    repo = diverged(published, READS_DAILY, NO_DAILY)
    commit = repo.head
    repo.install_hooks()
    repo.switch("main")
    repo.git("tag", "v1", "dev")
    repo.git("update-ref", "refs/remotes/origin/dev", "dev")
    repo.git("branch", "--delete", "--force", "dev")
    said = repo.try_git("merge", "--no-edit", merged.format(commit=commit)).stderr
    assert f"  {name.format(commit=commit, short=commit[:8])}transform.big" in said


def test_a_commit_that_no_branch_points_at_is_named_once(published: Repo) -> None:
    repo = diverged(published, READS_DAILY, NO_DAILY)
    commit = repo.head
    repo.git("switch", "--quiet", "--detach")
    repo.git("branch", "--delete", "--force", "dev")
    assert f"\n  {commit[:8]}: transform.big" in repo.seeknal("plan", "--into", "main", code=1).err


def everything(repo: Repo) -> tuple[object, ...]:
    """Whatever a command could write: files, objects, refs, and the warehouse."""
    objects = sorted(path for path in (repo.path / ".git/objects").rglob("*"))
    return (
        objects,
        repo.git("for-each-ref"),
        repo.git("status", "--porcelain"),
        repo.warehouse.stat().st_mtime_ns,
    )


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        pytest.param(
            READS_DAILY,
            replaced(DAILY, "sum(amount) AS total", "sum(amount) AS total, count(*) AS n"),
            id="a column more",
        ),
        pytest.param(READS_CUSTOMER, NO_DAILY, id="a removed node that nobody new reads"),
        pytest.param(READS_CUSTOMER, RETYPES_DAY, id="a retyped column that is not read"),
    ],
)
def test_a_merge_that_holds_together_has_a_plan(published: Repo, mine: Edit, theirs: Edit) -> None:
    repo = diverged(published, mine, theirs)
    before = everything(repo)
    plan = repo.plan("--into", "main")
    assert everything(repo) == before
    assert (plan["environment"], plan["merges"], plan["conflicts"]) == ("main", "dev", [])
    assert [change["node"] for change in plan["changes"]] == ["transform.big"], (
        "main's own edits are no change to main"
    )
    assert plan["base"] == repo.git("rev-parse", "main")
    repo.switch("main")
    repo.merge("dev")
    repo.seeknal("validate")


def test_the_plan_of_a_merge_is_what_the_merge_then_changes(published: Repo) -> None:
    repo = diverged(
        published,
        replaced(DAILY, "sum(amount)", "max(amount)"),
        replaced(BY_CUSTOMER, "sum(o", "min(o"),
    )
    repo.switch("main")
    repo.seeknal("run")
    plan = repo.plan("dev", "--into", "prod")
    repo.merge("dev")
    assert [change["node"] for change in plan["changes"]] == [
        change["node"] for change in repo.plan()["changes"]
    ]
    assert plan["layers"] == [["transform.daily"]]
    assert repo.built() == ["transform.daily"]


def test_textual_conflicts_are_named(published: Repo) -> None:
    repo = diverged(
        published,
        replaced(DAILY, "sum(amount)", "max(amount)"),
        replaced(DAILY, "sum(amount)", "min(amount)"),
    )
    before = everything(repo)
    done = repo.seeknal("plan", "--into", "main", "--json", code=1)
    assert done.json["textual_conflicts"] == [DAILY]
    refused = repo.seeknal("promote", "dev", code=1).err
    assert refused == (
        f"error: dev and main conflict in {DAILY}.\n"
        "  Merge main into dev and mend it there: git merge main\n"
    )
    assert done.err.endswith(refused)
    assert DAILY in repo.seeknal("plan", "--into", "main", "--markdown", code=1).out
    assert everything(repo) == before


def test_a_merge_can_be_planned_into_any_branch(published: Repo) -> None:
    repo = diverged(published, READS_DAILY, NO_DAILY)
    repo.git("branch", "staging", "main~1")
    assert repo.categories("--into", "staging") == {"transform.big": "NEW"}
    repo.git("tag", "v1", "dev")
    assert repo.categories("v1", "--into", "staging") == {"transform.big": "NEW"}
    said = repo.seeknal("plan", "v1", "--into", "main", code=1).err
    assert "v1 " in said
    assert said.endswith(f"git switch -c NAME {repo.head[:8]} && git merge main\n")


def test_what_is_already_wrong_on_one_side_is_no_conflict(published: Repo) -> None:
    repo = diverged(published, READS_CUSTOMER, replaced(BY_CUSTOMER, "sum(o", "min(o"))
    repo.switch("main")
    repo.replace(DAILY, "GROUP BY day", "GROUP BY week")
    repo.commit("Broken on main")
    repo.switch("dev")
    done = repo.seeknal("plan", "--into", "main", "--json", code=1)
    assert done.json["conflicts"] == []
    assert [problem["node"] for problem in done.json["problems"]] == ["transform.daily"]


def test_a_merge_that_mends_a_branch_has_a_plan(published: Repo) -> None:
    published.replace(DAILY, "GROUP BY day", "GROUP BY week")
    published.commit("Broken on main")
    published.switch("dev", create=True)
    published.replace(DAILY, "GROUP BY week", "GROUP BY day")
    published.commit("Mended")
    plan = published.plan("--into", "main")
    assert {change["node"]: change["category"] for change in plan["changes"]} == {
        "transform.daily": "BREAKING"
    }
    assert plan["layers"] == [["transform.daily"]]


def test_a_branch_that_took_the_other_side_in_has_no_conflict_with_it_any_more(
    published: Repo,
) -> None:
    repo = diverged(published, READS_DAY, RETYPES_DAY)
    repo.seeknal("plan", "--into", "main", code=1)
    repo.merge("main")
    assert repo.categories("--into", "main") == {"transform.big": "NEW"}


def test_uncommitted_changes_are_not_in_the_plan_of_a_merge(published: Repo) -> None:
    repo = diverged(published, READS_DAILY, replaced(BY_CUSTOMER, "sum(o", "min(o"))
    repo.replace(DAILY, "sum(amount)", "max(amount)")
    done = repo.seeknal("plan", "--into", "main", "--json")
    assert [change["node"] for change in done.json["changes"]] == ["transform.big"]
    assert "Not in this plan: the uncommitted changes" in done.err


def test_a_folder_that_was_renamed_merges_as_git_merges_it(published: Repo) -> None:
    """git takes a new file along into the folder's new place, or calls it a conflict; so has the
    preview to."""
    repo = diverged(
        published,
        READS_DAILY,
        lambda repo: (repo.path / "seeknal/transforms").rename(repo.path / "seeknal/models"),
    )
    repo.switch("main")
    merged = repo.try_git("merge", "--no-edit", "dev").returncode == 0
    repo.git("merge", "--abort") if not merged else repo.git(
        "reset", "--quiet", "--hard", "ORIG_HEAD"
    )
    repo.seeknal("plan", "dev", "--into", "main", code=0 if merged else 1)


def test_an_older_git_has_the_same_preview(
    published: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`git merge-tree --write-tree` came with git 2.38."""
    repo = diverged(published, READS_DAILY, NO_DAILY)
    repo.git("branch", "staging", "main~1")
    repo.switch("staging")
    repo.replace(BY_CUSTOMER, "sum(o", "min(o")
    repo.commit("On staging")
    repo.switch("dev")
    (tmp_path / "bin").mkdir()
    shim = tmp_path / "bin/git"
    real = repo.git("--exec-path")
    shim.write_text(f'#!/bin/sh\n[ "$1" = merge-tree ] && exit 129\nexec "{real}/git" "$@"\n')
    shim.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
    before = everything(repo)
    assert repo.categories("--into", "staging") == {"transform.big": "NEW"}
    (conflict,) = repo.seeknal("plan", "--into", "main", "--json", code=1).json["conflicts"]
    assert len(conflict["sides"]) == 2
    assert everything(repo) == before


def test_merges_that_crossed_have_the_merge_of_their_bases_as_base(published: Repo) -> None:
    """Two merge bases: against either alone, what the other side released long ago would look like
    a change."""
    repo = diverged(
        published,
        replaced(DAILY, "sum(amount)", "max(amount)"),
        replaced(BY_CUSTOMER, "sum(o", "min(o"),
    )
    repo.git("branch", "before", "dev")
    repo.merge("main")
    repo.switch("main")
    repo.git("merge", "--no-edit", "--no-ff", "before")
    repo.switch("dev")
    assert len(repo.git("merge-base", "--all", "dev", "main").split()) == 2
    repo.write(BIG, transform("big", "SELECT 1 AS one", "transform.daily"))
    repo.commit("More")
    assert repo.categories() == {"transform.big": "NEW"}
    assert repo.categories("--into", "main") == {"transform.big": "NEW"}
