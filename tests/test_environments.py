"""`seeknal env`: which environments there are, and which of them go."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.conftest import Repo

DAILY = "seeknal/transforms/daily.yml"


@pytest.fixture
def dev(published: Repo) -> Repo:
    """On main; the branch dev has an environment."""
    published.switch("dev", create=True)
    published.replace(DAILY, "sum(amount)", "max(amount)")
    published.commit("The largest order of a day")
    published.seeknal("run")
    published.switch("main")
    return published


def environments(repo: Repo) -> list[str]:
    return [each["branch"] for each in repo.seeknal("env", "list", "--json").json]


def pruned(repo: Repo) -> list[str]:
    """What is dropped; a preview says the same."""
    preview = repo.seeknal("env", "prune", "--dry-run", "--json").json
    assert repo.seeknal("env", "prune", "--json").json == preview
    return sorted(preview)


def test_an_environment_whose_branch_is_there_is_kept(dev: Repo) -> None:
    assert pruned(dev) == []
    assert environments(dev) == ["main", "dev"]


def test_an_environment_whose_branch_is_gone_is_pruned_and_its_tables_are_kept(dev: Repo) -> None:
    tables = dev.snapshots()
    dev.git("branch", "--quiet", "-D", "dev")
    assert pruned(dev) == ["dev"]
    assert environments(dev) == ["main"]
    assert dev.views("dev") == {}
    assert dev.snapshots() == tables


def test_an_environment_that_nobody_used_for_long_is_pruned(dev: Repo) -> None:
    long_ago = datetime.now(UTC).replace(tzinfo=None) - timedelta(days=8)
    dev.tamper(f"UPDATE _seeknal.environments SET used_at = '{long_ago}'")
    assert pruned(dev) == ["dev"]
    assert environments(dev) == ["main"], "production never expires"


def test_nothing_is_pruned_because_the_production_branch_was_renamed(dev: Repo) -> None:
    before = dev.production(), dev.views("dev")
    dev.git("branch", "--move", "main", "trunk")
    assert pruned(dev) == []
    assert (dev.production(), dev.views("dev")) == before
    dev.write("seeknal_project.yml", "name: shop\nproduction_branch: trunk\n")
    dev.commit("Production is called trunk")
    dev.seeknal("run")
    assert dev.views("trunk") == before[0]
    assert pruned(dev) == ["main"], "an environment like any other now, and without a branch"
    assert dev.views("main") == {}
    assert dev.views("trunk") == before[0]


def test_the_environment_of_a_deleted_branch_called_prod_is_pruned(dev: Repo) -> None:
    before = dev.production()
    dev.switch("prod", create=True)
    dev.replace(DAILY, "sum(amount)", "min(amount)")
    dev.commit("The smallest order of a day")
    dev.seeknal("run")
    assert environments(dev) == ["main", "dev", "prod"]
    dev.switch("main")
    assert pruned(dev) == []
    dev.git("branch", "--quiet", "-D", "prod")
    assert pruned(dev) == ["prod"]
    assert environments(dev) == ["main", "dev"]
    assert dev.production() == before


def test_a_branch_called_main_has_an_environment_like_any_other_where_production_is_another(shop: Repo) -> None:
    shop.git("branch", "--move", "main", "trunk")
    shop.write("seeknal_project.yml", "name: shop\nproduction_branch: trunk\n")
    shop.commit("Production is called trunk")
    shop.seeknal("run")
    shop.switch("main", create=True)
    shop.replace(DAILY, "sum(amount)", "max(amount)")
    shop.seeknal("run")
    trunk = shop.views("trunk")
    shop.tamper("CREATE TABLE main.notes AS SELECT 1 AS mine")
    assert environments(shop) == ["trunk", "main"]
    shop.seeknal("env", "delete", "main")
    assert environments(shop) == ["trunk"]
    assert list(shop.views("main")) == ["notes"], "what a user made there stays"
    assert shop.views("trunk") == trunk
    shop.tamper("DROP TABLE main.notes")
    shop.seeknal("run")
    shop.seeknal("env", "delete", "main")
    assert shop.views("main") == {}
    shop.seeknal("run")
    assert sorted(shop.views("main")) == sorted(trunk)


def test_production_is_never_deleted(dev: Repo) -> None:
    before = dev.production()
    for name in ("main", "prod"):
        assert "production" in dev.seeknal("env", "delete", name, code=2).err
    assert dev.production() == before
