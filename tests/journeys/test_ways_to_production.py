"""Every way in which code reaches the production branch, with the hooks installed, ends in the
right numbers.

The numbers are read as anybody reads them, through a plain `duckdb.connect`, and are compared with
a build of the same commit from nothing in an empty warehouse.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import pytest

from seeknal_git.commands import promote
from seeknal_git.project.workspace import open_workspace
from tests.conftest import Repo, Templates, make_published
from tests.lakes import of_a_file

DAILY = "seeknal/transforms/daily.yml"
BY_CUSTOMER = "seeknal/transforms/by_customer.yml"


def make_hooked(shop: Repo) -> None:
    """Production is published, the hooks are there, and `dev` counts the orders of a day; we are on
    main."""
    make_published(shop)
    shop.install_hooks()
    shop.switch("dev", create=True)
    shop.replace(DAILY, "sum(amount) AS total", "sum(amount) AS total, count(*) AS orders")
    shop.commit("Count the orders of a day")
    assert shop.built() == ["transform.daily"]
    shop.switch("main")


def make_moved(shop: Repo) -> None:
    """Like `make_hooked`; then somebody else changed another node on main, and the hook promoted
    that."""
    make_hooked(shop)
    shop.replace(
        BY_CUSTOMER, "sum(o.amount) AS total", "sum(o.amount) AS total, max(o.amount) AS largest"
    )
    assert shop.commit("The largest order") == shop.production_ref


@pytest.fixture
def shop(copy_of: Templates) -> Repo:
    return copy_of("hooked", make_hooked)


@pytest.fixture
def moved(copy_of: Templates) -> Repo:
    return copy_of("moved", make_moved)


def fast_forward(shop: Repo) -> None:
    shop.merge("dev")


def true_merge(shop: Repo) -> None:
    shop.merge("dev")


def merge_commit_of_a_fast_forward(shop: Repo) -> None:
    shop.merge("dev", "--no-ff")


def conflict_resolved_by_hand(shop: Repo) -> None:
    shop.replace(DAILY, "sum(amount) AS total", "sum(amount) AS total, max(amount) AS largest")
    shop.commit("The largest order of a day")
    assert shop.try_git("merge", "--no-edit", "dev").returncode == 1
    assert len(shop.production()["daily"][0]) == 3, "an unfinished merge promotes nothing"
    shop.git("checkout", "--ours", DAILY)
    shop.replace(DAILY, "max(amount) AS largest", "max(amount) AS largest, count(*) AS orders")
    shop.git("add", DAILY)
    shop.git("commit", "--no-edit")


def merge_without_commit_then_commit(shop: Repo) -> None:
    shop.merge("dev", "--no-commit")
    assert "orders" not in str(shop.production()["daily"][0]), (
        "nothing is promoted before there is a commit"
    )
    shop.git("commit", "--no-edit")


def squash(shop: Repo) -> None:
    shop.git("merge", "--squash", "dev")
    assert "orders" not in str(shop.production()["daily"][0]), (
        "nothing is promoted before there is a commit"
    )
    shop.git("commit", "--message", "Squashed")


def revert(shop: Repo) -> None:
    shop.merge("dev")
    shop.git("revert", "--no-edit", "HEAD")


def revert_of_a_merge(shop: Repo) -> None:
    shop.merge("dev")
    shop.git("revert", "--no-edit", "--mainline", "1", "HEAD")


def revert_of_a_revert(shop: Repo) -> None:
    revert(shop)
    shop.git("revert", "--no-edit", "HEAD")


def cherry_pick(shop: Repo) -> None:
    shop.git("cherry-pick", "dev")


def rebase_then_fast_forward(shop: Repo) -> None:
    shop.switch("dev")
    shop.git("rebase", "--quiet", "main")
    shop.switch("main")
    shop.merge("dev", "--ff-only")


def rebase_of_main(shop: Repo) -> None:
    shop.git("rebase", "--quiet", "dev")


def amend(shop: Repo) -> None:
    shop.merge("dev")
    shop.replace(DAILY, "count(*) AS orders", "count(*) AS number_of_orders")
    shop.git("commit", "--quiet", "--all", "--amend", "--no-edit")


def pull(shop: Repo) -> None:
    shop.git("pull", "--quiet", "--no-rebase", "--no-edit", ".", "dev")


def pull_and_rebase(shop: Repo) -> None:
    shop.git("pull", "--quiet", "--rebase", ".", "dev")


def pull_by_fast_forward(shop: Repo) -> None:
    shop.git("pull", "--quiet", "--ff-only", ".", "dev")


def server_side_squash_then_pull(shop: Repo) -> None:
    """A server squashed the branch into a commit that it made itself; the branch is gone there."""
    server, other = Repo(shop.path.parent / "server.git"), Repo(shop.path.parent / "other")
    shop.git("clone", "--quiet", "--bare", ".", str(server.path))
    server.git("clone", "--quiet", ".", str(other.path))
    other.git("merge", "--squash", "origin/dev")
    other.git("commit", "--quiet", "--message", "Count the orders of a day (#7)")
    other.git("push", "--quiet", "origin", "main", ":dev")
    shop.git("remote", "add", "server", str(server.path))
    shop.git("pull", "--quiet", "--no-rebase", "server", "main")


def several_cherry_picks(shop: Repo) -> None:
    shop.switch("dev")
    shop.replace(DAILY, "count(*) AS orders", "count(*) AS orders, min(amount) AS smallest")
    shop.commit("The smallest order of a day", hooks=False)
    shop.seeknal("run")
    shop.switch("main")
    shop.git("cherry-pick", "dev~1", "dev")


def commit_on_main(shop: Repo) -> None:
    shop.git("rm", "--quiet", "seeknal/rules/amounts_are_positive.yml", DAILY)
    shop.replace("data/customers.csv", "Ada", "Augusta Ada")
    shop.commit("No days any more, and a proper name")


def promote_fast_forward(shop: Repo) -> None:
    said = shop.seeknal("promote", "dev")
    assert "git merge" in said.err, "the git command is printed"


def promote_true_merge(shop: Repo) -> None:
    shop.seeknal("promote", "dev")
    assert len(shop.git("rev-list", "--parents", "-1", "main").split()) == 3


def promote_while_dev_is_checked_out(shop: Repo) -> None:
    shop.switch("dev")
    shop.seeknal("promote", "dev")
    assert shop.git("branch", "--show-current") == "dev", "the branch that was checked out still is"


def promote_from_a_linked_worktree(shop: Repo) -> None:
    linked = Repo(shop.path.parent / "linked")
    shop.git("worktree", "add", "--quiet", str(linked.path), "dev")
    linked.seeknal("promote", "dev")


def reset_then_promote(shop: Repo) -> None:
    shop.git("reset", "--quiet", "--hard", "dev")
    assert "orders" not in str(shop.production()["daily"][0]), "no hook sees a reset"
    shop.seeknal("promote")


def reset_back_then_promote(shop: Repo) -> None:
    shop.merge("dev")
    shop.git("reset", "--quiet", "--hard", "HEAD~1")
    shop.seeknal("promote")


def branch_moved_by_force_then_promote(shop: Repo) -> None:
    shop.switch("dev")
    shop.git("branch", "--force", "main", "dev")
    shop.seeknal("promote")


def fetched_then_promote(shop: Repo) -> None:
    shop.switch("dev")
    shop.git("fetch", "--quiet", ".", "dev:main")
    shop.seeknal("promote", subprocess=True)


def pushed_from_another_clone_then_promote(shop: Repo) -> None:
    shop.git("config", "receive.denyCurrentBranch", "updateInstead")
    clone = Repo(shop.path.parent / "clone")
    shop.git("clone", "--quiet", ".", str(clone.path))
    clone.git("merge", "--quiet", "--no-edit", "origin/dev")
    clone.git("push", "--quiet", "origin", "main")
    assert "orders" not in str(shop.production()["daily"][0]), "no hook of ours sees a push"
    shop.seeknal("promote")


def reset_to_an_older_commit_then_promote(shop: Repo) -> None:
    shop.git("reset", "--quiet", "--hard", "HEAD~1")
    shop.seeknal("promote")


def update_ref_then_run(shop: Repo) -> None:
    shop.git("update-ref", "refs/heads/main", "dev")
    shop.git("reset", "--quiet", "--hard")
    assert shop.built() == []


# `records`: one a promotion: a way of two steps has two.
@pytest.mark.parametrize(
    ("start", "way", "built", "records"),
    [
        pytest.param(start, way, built, records, id=way.__name__.replace("_", " "))
        for start, way, built, records in [
            (make_hooked, fast_forward, [], 1),
            (make_moved, true_merge, [], 1),
            (make_hooked, merge_commit_of_a_fast_forward, [], 1),
            (make_hooked, conflict_resolved_by_hand, ["transform.daily", "transform.daily"], 2),
            (make_moved, merge_without_commit_then_commit, [], 1),
            (make_moved, squash, [], 1),
            (make_hooked, revert, [], 2),
            (make_moved, revert_of_a_merge, [], 2),
            (make_hooked, revert_of_a_revert, [], 3),
            (make_moved, cherry_pick, [], 1),
            (make_moved, rebase_then_fast_forward, [], 1),
            (make_moved, rebase_of_main, [], 1),
            (make_hooked, amend, ["transform.daily"], 2),
            (make_moved, pull, [], 1),
            (make_hooked, commit_on_main, ["source.customers", "transform.by_customer"], 1),
            (make_hooked, promote_fast_forward, [], 1),
            (make_moved, promote_true_merge, [], 1),
            (make_moved, promote_while_dev_is_checked_out, [], 1),
            (make_moved, promote_from_a_linked_worktree, [], 1),
            (make_hooked, reset_then_promote, [], 1),
            (make_hooked, reset_back_then_promote, [], 2),
            (make_hooked, branch_moved_by_force_then_promote, [], 1),
            (make_hooked, fetched_then_promote, [], 1),
            (make_moved, pull_and_rebase, [], 1),
            (make_hooked, pull_by_fast_forward, [], 1),
            (make_moved, server_side_squash_then_pull, [], 1),
            (make_moved, several_cherry_picks, ["transform.daily"], 2),
            (make_moved, pushed_from_another_clone_then_promote, [], 1),
            (make_moved, reset_to_an_older_commit_then_promote, [], 1),
            (make_hooked, update_ref_then_run, [], 1),
        ]
    ],
)
def test_production_equals_a_build_of_its_commit_from_nothing(
    copy_of: Templates,
    start: Callable[[Repo], None],
    way: Callable[[Repo], None],
    built: list[str],
    records: int,
) -> None:
    shop = copy_of(start.__name__.removeprefix("make_"), start)
    before, promotions = shop.snapshots(), shop.promotions()
    way(shop)
    assert shop.production() == shop.fresh_build("main")
    assert shop.production_ref == shop.git("rev-parse", "main")
    assert shop.new_snapshots(before) == built, "what the branch built is re-used"
    assert shop.promotions() == promotions + records
    once = shop.publications(), shop.snapshots(), shop.production()
    shop.seeknal("promote")
    assert (shop.publications(), shop.snapshots(), shop.production()) == once, (
        "a second promotion changes nothing"
    )


@pytest.mark.parametrize(
    "command",
    [["plan"], ["run", "--env", "dev"], ["query", "FROM daily"], ["log"], ["env", "list"]],
    ids=" ".join,
)
def test_where_no_hook_fires_the_next_command_says_so(shop: Repo, command: list[str]) -> None:
    assert "seeknal promote" not in shop.seeknal(*command).err
    shop.switch("dev")
    shown = shop.production_ref
    shop.git("fetch", "--quiet", ".", "dev:main")
    word = f"Production shows {shown[:8]}, and main is at {shop.head[:8]}: seeknal promote\n"
    assert word in shop.seeknal(*command).err
    assert shop.seeknal("status", "--json").json["production"]["pending"] is True
    shop.seeknal("promote")
    assert "seeknal promote" not in shop.seeknal(*command).err


def test_what_another_clone_promoted_is_not_pending_here(
    shop: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEEKNAL_DATA_ROOT", str(shop.path))
    clone = Repo(shop.path.parent / "clone")
    shop.git("clone", "--quiet", ".", str(clone.path))
    clone.git("merge", "--quiet", "origin/dev")
    clone.seeknal("promote")
    shop.git("fetch", "--quiet", str(clone.path), "main:refs/remotes/clone/main")
    shop.git("update-ref", "refs/heads/main", "refs/remotes/clone/main")
    assert "seeknal promote" not in shop.seeknal("plan").err
    assert shop.production_ref == clone.head


STALE = [
    ["promote"],
    ["promote", "--dry-run"],
    ["promote", "mine"],
    ["run"],
    ["run", "--nodes", "daily"],
]


def make_stale(shop: Repo) -> Repo:
    """A clone that shares the warehouse, and whose main lacks what was released since."""
    clone = Repo(shop.path.parent / "clone")
    shop.git("clone", "--quiet", ".", str(clone.path))
    clone.git("config", "seeknal.dataRoot", str(shop.path))
    clone.git("branch", "mine")
    shop.merge("dev", "--no-ff")
    assert shop.production_ref == shop.head
    return clone


def test_a_clone_that_is_not_up_to_date_takes_nothing_back(shop: Repo) -> None:
    clone = make_stale(shop)
    unknown = f"Production shows {shop.head[:8]}, which this clone does not have, and main is at {clone.head[:8]}: git pull"
    assert unknown in clone.seeknal("plan").err
    clone.git("fetch", "--quiet")
    lacking = f"Production shows {shop.head[:8]}, and main is 2 commits behind"
    assert f"{lacking}: git pull\n" in clone.seeknal("plan").err
    assert f"warning: {lacking}: git pull" in clone.seeknal("status").out
    assert f"{lacking}." in clone.seeknal("doctor", code=1).out
    before, tip = (shop.production(), shop.publications()), clone.head
    for command in STALE:
        clone.git(
            "update-ref", "refs/seeknal/production", tip
        )  # as if it had published that itself
        assert f"error: {lacking}. A promotion would take that back.\n  Bring it in: git pull." in (
            clone.seeknal(*command, code=1).err
        )
    clone.install_hooks()
    clone.commit("On top of what is old")
    assert (shop.production(), shop.publications()) == before
    clone.git("pull", "--quiet", "--no-rebase", "--no-edit")
    clone.seeknal("promote")
    assert shop.production() == clone.fresh_build() == before[0]
    assert clone.git("merge-base", tip, "HEAD") == tip


def test_what_a_clone_had_and_gave_up_is_taken_back(shop: Repo) -> None:
    clone = make_stale(shop)
    clone.git("pull", "--quiet")
    clone.git("reflog", "expire", "--expire=now", "--all")
    clone.git("reset", "--quiet", "--hard", "HEAD~1")
    clone.seeknal("promote")
    assert shop.production() == clone.fresh_build()


def test_the_work_on_a_branch_leaves_production_alone(shop: Repo) -> None:
    assert shop.production() == shop.fresh_build("main")
    assert "orders BIGINT" in shop.views("dev")["daily"][0]


def test_a_revert_brings_the_old_numbers_back(shop: Repo) -> None:
    before = shop.production()
    shop.merge("dev")
    assert shop.production() != before
    shop.git("revert", "--no-edit", "HEAD")
    assert shop.production() == before


def test_a_commit_on_a_branch_promotes_nothing(shop: Repo) -> None:
    before = shop.publications(), shop.production()
    shop.switch("dev")
    shop.replace(DAILY, "count(*)", "2 * count(*)")
    shop.commit("Twice")
    assert (shop.publications(), shop.production()) == before


def test_a_rule_that_fails_on_promotion_leaves_production_untouched_and_the_merge_done(
    shop: Repo,
) -> None:
    before = shop.production(), shop.production_ref
    shop.switch("dev")
    shop.replace("seeknal/transforms/clean_orders.yml", "day, amount", "day, amount - 15 AS amount")
    shop.commit("A discount", hooks=False)
    shop.switch("main")
    done = shop.try_git("merge", "--no-edit", "dev")
    assert done.returncode == 0, "a hook never makes a git command fail after the fact"
    assert shop.head == shop.git("rev-parse", "dev")
    assert "amounts_are_positive" in done.stderr + done.stdout
    assert (shop.production(), shop.production_ref) == before
    assert shop.seeknal("promote", code=1).err, "it stays pending until it is mended"
    shop.git("revert", "--no-edit", "HEAD")
    assert shop.production() == shop.fresh_build("main")


def test_nodes_that_do_not_validate_leave_production_untouched_and_the_merge_done(
    shop: Repo,
) -> None:
    before = shop.production()
    shop.switch("dev")
    shop.replace(DAILY, "GROUP BY day", "GROUP BY week")
    shop.git("commit", "--quiet", "--all", "--no-verify", "--message", "Broken")
    shop.switch("main")
    done = shop.try_git("merge", "--no-edit", "dev")
    assert done.returncode == 0
    assert f"{DAILY}:8" in done.stderr
    assert "pending" in done.stderr
    assert shop.production() == before


@of_a_file
def test_a_merge_while_another_process_holds_the_warehouse_is_completed_by_the_next_promote(
    shop: Repo,
) -> None:
    before = shop.production()
    with shop.held() as pid:
        done = shop.try_git("merge", "--no-edit", "dev")
        assert done.returncode == 0
        assert f"process {pid}" in done.stderr
        assert "pending" in done.stderr
    assert shop.production() == before
    shop.seeknal("promote")
    assert shop.production() == shop.fresh_build("main")


def test_a_promotion_waits_for_the_warehouse_as_long_as_it_is_told(shop: Repo) -> None:
    shop.git("reset", "--quiet", "--hard", "dev")
    with shop.held():
        waiting = subprocess.Popen(
            shop.command("promote", "--lock-timeout", "30"),
            cwd=shop.path,
            stderr=subprocess.PIPE,
            text=True,
        )
        with pytest.raises(subprocess.TimeoutExpired):
            waiting.wait(1.5)
    _, said = waiting.communicate(timeout=30)
    assert waiting.returncode == 0, said
    assert shop.production() == shop.fresh_build("main")


@pytest.mark.parametrize(
    "ahead", [pytest.param(True, id="a new commit"), pytest.param(False, id="a reset")]
)
def test_a_promotion_that_waited_publishes_what_the_branch_is_by_then(
    shop: Repo, ahead: bool
) -> None:
    shop.git("-c", "core.hooksPath=/dev/null", "merge", "--quiet", "--no-edit", "dev")
    waiting = promote.prepare(open_workspace(shop.path))
    assert waiting.revision.commit == shop.git("rev-parse", "dev")
    if ahead:
        shop.replace(BY_CUSTOMER, "sum(o.amount)", "max(o.amount)")
        shop.commit("The largest order of a customer", hooks=False)
    else:
        shop.git("reset", "--quiet", "--hard", "HEAD~1")
    promote.carry_out(waiting, lambda event: None)
    assert shop.production_ref == shop.git("rev-parse", "main") != waiting.revision.commit
    assert shop.production() == shop.fresh_build("main")


def test_of_two_promotions_the_later_one_does_not_bring_back_an_older_commit(shop: Repo) -> None:
    shop.git("-c", "core.hooksPath=/dev/null", "merge", "--quiet", "--no-edit", "dev")
    waiting = promote.prepare(open_workspace(shop.path))
    shop.replace(BY_CUSTOMER, "sum(o.amount)", "max(o.amount)")
    shop.commit("The largest order of a customer")
    assert shop.production_ref == shop.head
    before = shop.production(), shop.publications(), shop.snapshots()
    promote.carry_out(waiting, lambda event: None)
    assert (shop.production(), shop.publications(), shop.snapshots()) == before
    assert shop.production_ref == shop.head


def test_a_conflict_is_refused_with_its_files_named_and_nothing_changed(shop: Repo) -> None:
    shop.replace(DAILY, "sum(amount) AS total", "sum(amount) AS total, max(amount) AS largest")
    shop.commit("The largest order of a day")
    before = shop.head, shop.production(), shop.publications(), shop.git("status", "--porcelain")
    refused = shop.seeknal("promote", "dev", code=1)
    assert DAILY in refused.err
    assert "Traceback" not in refused.err
    assert (
        shop.head,
        shop.production(),
        shop.publications(),
        shop.git("status", "--porcelain"),
    ) == before


@pytest.mark.parametrize(
    "staged", [pytest.param(True, id="resolved"), pytest.param(False, id="not resolved yet")]
)
def test_a_merge_that_is_not_finished_elsewhere_survives_a_promotion(
    shop: Repo, staged: bool
) -> None:
    shop.git("branch", "other", "dev")
    shop.replace(DAILY, "sum(amount) AS total", "sum(amount) AS total, max(amount) AS largest")
    shop.commit("The largest order of a day")
    linked = Repo(shop.path.parent / "linked")
    shop.git("worktree", "add", "--quiet", str(linked.path), "-b", "mine")
    linked.replace(BY_CUSTOMER, "sum(o.amount)", "max(o.amount)")
    linked.commit("The largest order of a customer")
    assert shop.try_git("merge", "--no-edit", "other").returncode == 1
    if staged:
        shop.git("checkout", "--ours", DAILY)
        shop.replace(DAILY, "max(amount) AS largest", "max(amount) AS largest, count(*) AS orders")
        shop.git("add", DAILY)
    before = (
        shop.head,
        shop.git("status", "--porcelain"),
        shop.read(DAILY),
        shop.production(),
        shop.publications(),
    )
    said = linked.seeknal("promote", "mine", code=1).err
    assert f"A merge is not finished in {shop.path}." in said
    assert "git merge --abort" in said
    assert (
        shop.head,
        shop.git("status", "--porcelain"),
        shop.read(DAILY),
        shop.production(),
        shop.publications(),
    ) == before
    assert shop.git("rev-parse", "MERGE_HEAD") == shop.git("rev-parse", "other")
    if staged:
        shop.git("commit", "--no-edit")
        linked.seeknal("promote", "mine")
        assert shop.production() == shop.fresh_build("main")


def test_a_change_of_production_s_working_tree_survives_a_promotion_from_elsewhere(
    shop: Repo,
) -> None:
    linked = Repo(shop.path.parent / "linked")
    shop.git("worktree", "add", "--quiet", str(linked.path), "dev")
    shop.replace(DAILY, "sum(amount) AS total", "sum(amount) AS total, max(amount) AS largest")
    before = shop.head, shop.git("status", "--porcelain"), shop.read(DAILY), shop.production()
    assert DAILY in linked.seeknal("promote", "dev", code=1).err
    assert (
        shop.head,
        shop.git("status", "--porcelain"),
        shop.read(DAILY),
        shop.production(),
    ) == before
    assert shop.try_git("rev-parse", "--verify", "MERGE_HEAD").returncode != 0


def test_a_promotion_with_uncommitted_changes_is_refused_and_nothing_is_lost(shop: Repo) -> None:
    shop.replace(BY_CUSTOMER, "AS total", "AS sum_total")
    before = shop.head, shop.production(), shop.read(BY_CUSTOMER)
    assert BY_CUSTOMER in shop.seeknal("promote", "dev", code=1).err
    assert (shop.head, shop.production(), shop.read(BY_CUSTOMER)) == before


@pytest.mark.parametrize("path", [DAILY, "seeknal/transforms/new.yml"])
def test_a_promotion_of_a_branch_whose_changes_are_all_uncommitted_is_refused(
    shop: Repo, path: str
) -> None:
    """Otherwise it would find that there is nothing to merge."""
    shop.git("switch", "--quiet", "--create", "later")
    shop.write(path, "kind: transform\nname: new\ntransform: SELECT 1 AS one\n")
    before = shop.head, shop.production(), shop.publications(), shop.git("status", "--porcelain")
    assert path in shop.seeknal("promote", "later", code=1).err
    assert (
        shop.head,
        shop.production(),
        shop.publications(),
        shop.git("status", "--porcelain"),
    ) == before
    shop.git("add", path)
    assert path in shop.seeknal("promote", "later", code=1).err


@pytest.mark.parametrize("folder", ["my project", "données", "été 2024/a b", 'it"s', "a -> b"])
def test_a_new_node_is_never_left_behind_whatever_its_folder_is_called(
    repo: Repo, folder: str
) -> None:
    repo.write(f"{folder}/seeknal_project.yml", "name: inner\n")
    repo.write(
        f"{folder}/seeknal/transforms/one.yml",
        "kind: transform\nname: one\ntransform: SELECT 1 AS x\n",
    )
    repo.commit()
    inner = Repo(repo.path / folder)
    inner.seeknal("run")
    inner.switch("dev", create=True)
    inner.replace("seeknal/transforms/one.yml", "1 AS x", "2 AS x")
    inner.commit()
    inner.write(
        "seeknal/transforms/été 2.yml", "kind: transform\nname: two\ntransform: SELECT 2 AS x\n"
    )
    before = inner.production(), inner.git("rev-parse", "main")
    said = inner.seeknal("promote", "dev", code=1).err
    assert f"{folder}/seeknal/transforms/été 2.yml" in said
    assert (inner.production(), inner.git("rev-parse", "main")) == before
    inner.commit()
    inner.seeknal("promote", "dev")
    assert sorted(inner.production()) == ["one", "two"]


def test_a_file_that_is_no_node_is_no_uncommitted_change(shop: Repo) -> None:
    shop.write("notes/été 2.txt", "mine")
    shop.seeknal("promote", "dev")
    assert shop.production() == shop.fresh_build("main")


def test_a_dry_run_of_a_promotion_says_what_would_be_done_and_does_nothing(moved: Repo) -> None:
    shop = moved
    before = shop.head, shop.production(), shop.publications(), shop.written
    preview = shop.seeknal("promote", "dev", "--dry-run", "--json").json
    assert preview["repoint"] == ["transform.daily"]
    assert preview["build"] == {}
    assert (shop.head, shop.production(), shop.publications(), shop.written) == before
    assert shop.production_ref == shop.head


def test_promote_into_another_branch_leaves_production_alone(shop: Repo) -> None:
    before = shop.production(), shop.production_ref
    shop.git("branch", "staging")
    shop.seeknal("promote", "dev", "staging")
    assert shop.views("staging") == shop.views("dev")
    assert (shop.production(), shop.production_ref) == before
    assert shop.git("rev-parse", "staging") == shop.git("rev-parse", "dev")
    assert shop.git("branch", "--show-current") == "main"


def test_promote_prod_is_production_itself(shop: Repo) -> None:
    assert "itself" in shop.seeknal("promote", "main", "prod", code=2).err


def test_a_branch_that_does_not_exist_is_refused_with_the_nearest_name(shop: Repo) -> None:
    assert "Did you mean dev?" in shop.seeknal("promote", "devv", code=2).err


@pytest.mark.parametrize(
    "there",
    [
        pytest.param("main", id="from main"),
        pytest.param("dev", id="from the branch"),
        pytest.param("", id="from no branch"),
    ],
)
def test_a_tag_is_never_taken_for_a_branch_of_its_name(moved: Repo, there: str) -> None:
    shop = moved
    shop.git("tag", "dev", "main~1")
    shop.git("tag", "main", "main~1")
    shop.git("checkout", "--quiet", *([there] if there else ["--detach", "refs/heads/main"]))
    head = shop.head
    shop.seeknal("promote", "dev")
    main = shop.git("rev-parse", "refs/heads/main")
    assert shop.try_git("merge-base", "--is-ancestor", "refs/heads/dev", main).returncode == 0
    assert shop.production_ref == main
    assert "orders BIGINT" in shop.production()["daily"][0]
    assert shop.production() == shop.fresh_build(main)
    if there:
        assert shop.git("symbolic-ref", "HEAD") == f"refs/heads/{there}"
    else:
        assert shop.try_git("symbolic-ref", "HEAD").returncode != 0
        assert shop.head == head


def test_a_branch_that_only_the_remote_has_can_be_promoted(moved: Repo) -> None:
    clone = Repo(moved.path.parent / "clone")
    moved.git("branch", "feat/orders", "dev")
    moved.git("clone", "--quiet", ".", str(clone.path))
    clone.seeknal("run")
    assert clone.try_git("rev-parse", "--verify", "refs/heads/feat/orders").returncode != 0
    preview = clone.seeknal("promote", "feat/orders", "--dry-run", "--json").json
    assert list(preview["build"]) == ["transform.daily"]
    clone.seeknal("promote", "feat/orders")
    assert clone.production() == clone.fresh_build("main")
    assert "orders BIGINT" in clone.production()["daily"][0]
    assert clone.git("branch", "--format=%(refname:short)") == "main"
    assert "feat/orders" in clone.git("log", "-1", "--format=%s")


def test_the_exposure_of_production_is_written_by_the_promotion_only(shop: Repo) -> None:
    before = shop.read("exports/by_customer.csv")
    shop.switch("dev")
    shop.replace(BY_CUSTOMER, "sum(o.amount)", "10 * sum(o.amount)")
    shop.commit("Ten times", hooks=False)
    shop.seeknal("run")
    assert shop.read("exports/by_customer.csv") == before
    shop.switch("main")
    shop.merge("dev")
    assert "Cy,400" in shop.read("exports/by_customer.csv")


def test_a_node_that_was_removed_loses_its_view_on_promotion(shop: Repo) -> None:
    shop.switch("dev")
    shop.git("rm", "--quiet", DAILY)
    shop.commit("No days", hooks=False)
    shop.switch("main")
    shop.merge("dev")
    assert "daily" not in shop.production()
    assert shop.production() == shop.fresh_build("main")


def test_data_that_moved_on_since_the_branch_was_built_is_built_again_before_it_is_published(
    shop: Repo,
) -> None:
    shop.replace("data/orders.csv", "4,3,2024-01-02,40", "4,3,2024-01-02,4000")
    shop.commit("Orders of today")
    built = shop.snapshots()
    shop.merge("dev")
    assert shop.new_snapshots(built) == ["transform.daily"]
    assert shop.production() == shop.fresh_build("main")
    assert (4030,) in shop.numbers("SELECT total FROM daily")
