"""Two clones that share a warehouse: what one releases, the other neither hides nor takes back."""

from __future__ import annotations

import pytest

from tests.conftest import Repo

DAILY = "seeknal/transforms/daily.yml"


@pytest.fixture
def clone(published: Repo) -> Repo:
    """A clone that shares the warehouse of `published`, whose tip production shows."""
    found = Repo(published.path.parent / "clone")
    published.git("clone", "--quiet", "--bare", ".", "../origin.git")
    published.git("remote", "add", "origin", "../origin.git")
    published.git("clone", "--quiet", "../origin.git", str(found.path))
    found.git("config", "seeknal.dataRoot", str(published.path))
    found.seeknal("run")
    assert found.production_ref == found.head
    return found


def release(repo: Repo) -> None:
    repo.replace(DAILY, "sum(amount)", "100 * sum(amount)")
    repo.commit("A hundred times")
    repo.seeknal("promote")
    repo.git("push", "--quiet", "origin", "main")


REFUSED = [["run"], ["promote"], ["run", "--nodes", "daily"], ["promote", "mine"]]


@pytest.mark.parametrize("fetched", [False, True], ids=["not fetched", "fetched"])
def test_a_clone_that_is_behind_releases_nothing(
    published: Repo, clone: Repo, fetched: bool
) -> None:
    clone.git("branch", "mine")
    release(published)
    before, shown = published.production(), published.head[:8]
    assert clone.production_ref == clone.head, "as far as the clone knows, production is at its tip"
    if fetched:
        clone.git("fetch", "--quiet")
    what = "main is 1 commit behind" if fetched else "which this clone does not have"
    for command in (["plan"], ["query", "FROM daily"], ["status"], ["log"], ["env", "list"]):
        done = clone.seeknal(*command)
        assert f"Production shows {shown}, " in done.out + done.err
        assert what in done.out + done.err
    clone.install_hooks()
    for command in REFUSED:
        assert "A promotion would take that back." in clone.seeknal(*command, code=1).err
    clone.commit("Something else")
    assert published.production() == before
    clone.git("pull", "--quiet", "--no-rebase", "--no-edit")
    assert published.production() == before
    assert published.production() == clone.fresh_build()


def test_what_is_gone_from_the_remote_is_taken_back_if_somebody_says_so(
    published: Repo, clone: Repo
) -> None:
    before = published.production()
    release(published)
    published.git("push", "--quiet", "--force", "origin", "main~1:main")
    clone.git("fetch", "--quiet")
    assert "--force" in clone.seeknal("promote", code=1).err
    clone.seeknal("promote", "--force")
    assert published.production() == before


def test_uncommitted_nodes_of_another_clone_are_nobodys_release(
    published: Repo, clone: Repo
) -> None:
    before = published.production()
    published.replace(DAILY, "sum(amount)", "100 * sum(amount)")
    published.seeknal("run")
    assert clone.seeknal("status", "--json").json["production"]["uncommitted"]
    clone.seeknal("promote")
    assert published.production() == before


def test_what_the_warehouse_said_is_remembered_while_nobody_writes_to_it(
    published: Repo, clone: Repo
) -> None:
    release(published)
    said = clone.seeknal("plan").err
    assert "which this clone does not have" in said
    clone.git("update-ref", "refs/seeknal/production", clone.head)
    with published.held():
        assert clone.seeknal("plan").err == said


# A branch of one name in both clones: they share its environment


@pytest.fixture
def both(published: Repo, clone: Repo) -> tuple[Repo, Repo]:
    """Ada's clone and Bob's; each has a branch dev, and no other person's."""
    clone.git("config", "user.name", "Bob")
    clone.git("config", "user.email", "bob@example.org")
    for repo in (published, clone):
        repo.switch("dev", create=True)
    return published, clone


def times(repo: Repo, by: int, *, commit: bool) -> None:
    repo.replace(DAILY, "sum(amount)", f"{by} * sum(amount)")
    if commit:
        repo.commit(f"Times {by}")
    repo.seeknal("run")


@pytest.mark.parametrize("commit", [True, False], ids=["of a commit", "uncommitted"])
def test_a_clone_says_whose_work_its_branch_shows(both: tuple[Repo, Repo], commit: bool) -> None:
    ada, bob = both
    times(ada, 2, commit=commit)
    of_ada, of_bob = (
        f"by Ada <ada@example.org> from {ada.head[:8]}",
        "by Bob <bob@example.org> from ",
    )
    assert "published by" not in ada.seeknal("status").out + ada.seeknal("query", "FROM daily").err
    said = bob.seeknal("query", "FROM daily")
    assert f"dev was published {of_ada}" in said.err
    assert "seeknal run" in said.err
    assert f"published {of_ada}" in bob.seeknal("status").out
    bob.replace(DAILY, "sum(amount)", "3 * sum(amount)")
    assert f"dev was published {of_ada}" in bob.seeknal("run").err
    assert "published by" not in bob.seeknal("status").out + bob.seeknal("query", "FROM daily").err
    assert f"dev was published {of_bob}" in ada.seeknal("query", "FROM daily").err
    assert f"published {of_bob}" in ada.seeknal("status").out
    assert ada.run()["replaces"].startswith(of_bob)


def test_a_clone_that_lacks_the_commit_says_so(both: tuple[Repo, Repo]) -> None:
    ada, bob = both
    times(ada, 2, commit=True)
    unknown = f"from {ada.head[:8]}, which this clone does not have"
    assert unknown in bob.seeknal("query", "FROM daily").err
    assert unknown in bob.seeknal("status").out
    bob.git("fetch", "--quiet", str(ada.path), "dev")
    assert "does not have" not in bob.seeknal("query", "FROM daily").err


def test_the_same_person_in_two_clones_is_told_only_of_differences(
    published: Repo, clone: Repo
) -> None:
    for repo in (published, clone):
        repo.switch("dev", create=True)
    published.seeknal("run")
    assert clone.seeknal("query", "FROM daily").err.splitlines()[:-1] == []
    times(published, 2, commit=False)
    assert "dev was published by Ada" in clone.seeknal("query", "FROM daily").err


def test_production_is_everybodys(published: Repo, clone: Repo) -> None:
    clone.git("config", "user.name", "Bob")
    release(published)
    clone.git("pull", "--quiet")
    assert clone.seeknal("query", "FROM daily").err == "2 rows\n"
    assert "published by" not in clone.seeknal("status").out
    published.replace(DAILY, "100 *", "200 *")
    said = published.seeknal("query", "FROM daily").err
    assert said.startswith(
        "main shows daily as of its last run, and the working tree is ahead: seeknal run\n"
    )


def test_a_query_says_that_the_working_tree_is_ahead(published: Repo) -> None:
    published.switch("dev", create=True)
    published.seeknal("run")
    ahead = "and the working tree is ahead: seeknal run\n"
    assert "ahead" not in published.seeknal("query", "FROM daily").err
    published.replace(DAILY, "sum(amount)", "2 * sum(amount)")
    assert (
        f"dev shows daily as of its last run, {ahead}"
        in published.seeknal("query", "FROM dev.daily").err
    )
    assert "ahead" not in published.seeknal("query", "FROM orders").err
    published.seeknal("run")
    assert "ahead" not in published.seeknal("query", "FROM daily").err
    published.git("checkout", "--quiet", DAILY)
    assert ahead in published.seeknal("query", "FROM daily").err
    published.replace(DAILY, "sum(amount)", "3 * sum(amount)")
    published.commit("Times 3")
    published.switch("main")
    assert (
        "the tip of dev is ahead: seeknal run --env dev"
        in published.seeknal("query", "--env", "dev", "FROM daily").err
    )
    published.switch("dev")
    published.write(
        "seeknal/transforms/new.yml", "kind: transform\nname: new\ntransform: SELECT 1 AS one\n"
    )
    assert (
        "new is new in dev, and not built yet."
        in published.seeknal("query", "FROM new", code=2).err
    )
