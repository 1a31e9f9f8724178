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
def test_a_clone_that_is_behind_releases_nothing(published: Repo, clone: Repo, fetched: bool) -> None:
    clone.git("branch", "mine")
    release(published)
    before, shown = published.production(), published.head[:8]
    assert clone.production_ref == clone.head, "as far as the clone knows, production is at its tip"
    if fetched:
        clone.git("fetch", "--quiet")
    what = "main here is 1 commit behind" if fetched else "which this clone does not have"
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


def test_what_is_gone_from_the_remote_is_taken_back_if_somebody_says_so(published: Repo, clone: Repo) -> None:
    before = published.production()
    release(published)
    published.git("push", "--quiet", "--force", "origin", "main~1:main")
    clone.git("fetch", "--quiet")
    assert "--force" in clone.seeknal("promote", code=1).err
    clone.seeknal("promote", "--force")
    assert published.production() == before


def test_uncommitted_nodes_of_another_clone_are_nobodys_release(published: Repo, clone: Repo) -> None:
    before = published.production()
    published.replace(DAILY, "sum(amount)", "100 * sum(amount)")
    published.seeknal("run")
    assert clone.seeknal("status", "--json").json["production"]["uncommitted"]
    clone.seeknal("promote")
    assert published.production() == before


def test_what_the_warehouse_said_is_remembered_while_nobody_writes_to_it(published: Repo, clone: Repo) -> None:
    release(published)
    said = clone.seeknal("plan").err
    assert "which this clone does not have" in said
    clone.git("update-ref", "refs/seeknal/production", clone.head)
    with published.held():
        assert clone.seeknal("plan").err == said
