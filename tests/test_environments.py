"""`seeknal env`: which environments there are, and which of them go."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import typer

from seeknal_git.cli import application
from seeknal_git.names import schema_of
from tests.conftest import ENVIRONMENTS, Repo, Templates, make_published

DAILY = "seeknal/transforms/daily.yml"


def make_dev(project: Repo) -> None:
    make_published(project)
    project.switch("dev", create=True)
    project.replace(DAILY, "sum(amount)", "max(amount)")
    project.commit("The largest order of a day")
    project.seeknal("run")
    project.switch("main")


@pytest.fixture
def dev(copy_of: Templates) -> Repo:
    """On main; the branch dev has an environment."""
    return copy_of("dev", make_dev)


def test_a_branch_lists_its_own_tables_alone(dev: Repo) -> None:
    dev.switch("dev")
    dev.git(
        "rm", "-q", "seeknal/transforms/by_customer.yml", "seeknal/exposures/by_customer_csv.yml"
    )
    dev.run()
    for listing in ("SHOW TABLES", "show tables;", "DESCRIBE"):
        found = [row["name"] for row in dev.seeknal("query", listing, "--json").json]
        assert found == ["clean_orders", "customers", "daily", "orders"]
    assert "by_customer" in dev.seeknal("query", "--env", "prod", "SHOW TABLES").out
    past = dev.seeknal("query", "--at", "1", "SHOW TABLES", "--json").json
    assert len(past) == 5


def environments(repo: Repo) -> list[str]:
    return [each["branch"] for each in repo.seeknal("env", "list", "--json").json]


def pruned(repo: Repo) -> list[str]:
    """What is dropped, which the list before says too; nobody else's views change."""
    listed = repo.seeknal("env", "prune", "--json").json
    goes = {each["schema"]: each["branch"] for each in listed["environments"]}
    schemas = [
        schema for (schema,) in repo.numbers(f"SELECT schema_name FROM {ENVIRONMENTS} ORDER BY 1")
    ]
    before = {schema: repo.views(schema) for schema in schemas}
    done = repo.seeknal("env", "prune", "--yes", "--json").json
    assert done == {**listed, "deleted": True}
    assert {schema: repo.views(schema) for schema in schemas} == {
        schema: {} if schema in goes else views for schema, views in before.items()
    }
    return sorted(goes.values())


def age(repo: Repo, days: float, branch: str | None = None) -> None:
    """An environment, or all of them, was last used so many days ago."""
    then = datetime.now(UTC).replace(tzinfo=None) - timedelta(days=days)
    where = f" WHERE branch = '{branch}'" if branch else ""
    repo.tamper(f"UPDATE _seeknal.environments SET used_at = '{then}'{where}")


def test_an_environment_whose_branch_is_there_is_kept(dev: Repo) -> None:
    assert pruned(dev) == []
    assert environments(dev) == ["main", "dev"]


def test_an_environment_whose_branch_is_gone_and_that_was_idle_is_pruned_and_its_tables_are_kept(
    dev: Repo,
) -> None:
    tables = dev.snapshots()
    dev.git("branch", "--quiet", "-D", "dev")
    assert pruned(dev) == []
    age(dev, days=6.9)
    assert pruned(dev) == []
    age(dev, days=7.1)
    assert pruned(dev) == ["dev"]
    assert environments(dev) == ["main"], "production never expires"
    assert dev.views("dev") == {}
    assert dev.snapshots() == tables


@pytest.mark.parametrize(
    ("command", "state", "told"),
    [
        pytest.param("env delete dev", "there", "target/exposures/dev", id="env delete"),
        pytest.param("env prune --yes", "there", "target/exposures/dev", id="env prune"),
        pytest.param("gc --yes", "there", "target/exposures/dev", id="gc"),
        pytest.param("env delete dev", "gone", "dev", id="gone already"),
        pytest.param("gc --yes", "a link", "dev", id="a link that leads elsewhere"),
        pytest.param(
            "env delete dev", "not ours to delete", "cannot be deleted", id="not ours to delete"
        ),
        pytest.param(
            "gc --yes", "not ours to delete", "cannot be deleted", id="not ours to delete, by gc"
        ),
    ],
)
def test_the_files_of_an_environment_go_with_it(
    dev: Repo, monkeypatch: pytest.MonkeyPatch, command: str, state: str, told: str
) -> None:
    ours, others = dev.path / "target/exposures/dev", dev.path / "target/exposures/other"
    dev.write("target/exposures/dev/exports/by_customer.csv", "a file")
    dev.write("target/exposures/other/exports/by_customer.csv", "another's")
    if state != "there":
        ours.rename(dev.path / "elsewhere")
    if state == "a link":
        ours.symlink_to(dev.path / "elsewhere")
    if state == "not ours to delete":
        (dev.path / "elsewhere").rename(ours)
        monkeypatch.setattr(os, "rmdir", refused)
    dev.git("branch", "--quiet", "-D", "dev")
    age(dev, days=8)
    if not command.startswith("env delete"):
        assert ("files of its exposures" in dev.seeknal(*command.split()[:-1]).out) == (
            ours.is_dir() and not ours.is_symlink()
        )
    said = dev.seeknal(*command.split())
    assert told in said.out + said.err
    assert ours.is_dir() == (state in ("a link", "not ours to delete"))
    assert list((dev.path / "elsewhere").rglob("*.csv")) or state in ("there", "not ours to delete")
    assert list(others.rglob("*.csv")), "nobody else's"
    assert environments(dev) == ["main"]


def refused(*_: object, **__: object) -> None:
    raise PermissionError(1, "Operation not permitted")


def on_a_remote(repo: Repo) -> None:
    repo.git("remote", "add", "the/team", str(repo.path.parent / "team.git"))
    repo.git("init", "--quiet", "--bare", str(repo.path.parent / "team.git"))
    repo.git("push", "--quiet", "the/team", "dev")


def on_a_remote_that_was_removed(repo: Repo) -> None:
    on_a_remote(repo)
    commit = repo.git("rev-parse", "dev")
    repo.git("remote", "remove", "the/team")
    repo.git("update-ref", "refs/remotes/the/team/dev", commit)


def in_a_file_that_a_crash_emptied(repo: Repo) -> None:
    repo.git("pack-refs", "--all")
    repo.git("update-ref", "-d", "refs/heads/dev")
    repo.write(".git/refs/heads/dev", "")


HOLDERS = [
    pytest.param(lambda repo: None, "its branch is here", id="a branch here"),
    pytest.param(on_a_remote, "its branch is on the/team", id="a branch on a remote"),
    pytest.param(
        on_a_remote_that_was_removed,
        "refs/remotes/the/team/dev is here",
        id="a remote that is not known",
    ),
    pytest.param(lambda repo: repo.git("tag", "dev", "dev~1"), "a tag has its name", id="a tag"),
    pytest.param(
        in_a_file_that_a_crash_emptied, "its branch is here", id="a branch that git cannot read"
    ),
    pytest.param(
        lambda repo: repo.git("worktree", "add", "--quiet", "--detach", "../beside", "dev"),
        "a worktree is at",
        id="a commit that a worktree is at",
    ),
]


@pytest.mark.parametrize(("hold", "why"), HOLDERS)
def test_whatever_still_names_a_branch_keeps_its_environment(
    dev: Repo, hold: Callable[[Repo], object], why: str
) -> None:
    hold(dev)
    age(dev, days=1000)
    if why != "its branch is here":
        dev.git("branch", "--quiet", "-D", "dev")
    assert pruned(dev) == []
    kept = {
        each["branch"]: each["why"]
        for each in dev.seeknal("env", "prune", "--json").json["kept"]["environments"]
    }
    assert kept["main"] == "it is production"
    assert kept["dev"].startswith(why)


def test_it_is_the_same_from_a_linked_worktree_and_with_packed_refs(dev: Repo) -> None:
    dev.git("branch", "other", "main")
    dev.git("worktree", "add", "--quiet", "../beside", "other")
    beside = Repo(dev.path.parent / "beside")
    beside.seeknal("run")
    age(dev, days=8)
    dev.git("pack-refs", "--all")
    for repo in (dev, beside):
        assert repo.seeknal("env", "prune").out.endswith("There is nothing to delete.\n")
    dev.git("branch", "--quiet", "-D", "dev")
    for repo in (dev, beside):
        assert "1 environment to delete." in repo.seeknal("env", "prune").out
    beside.seeknal("env", "prune", "--yes")
    assert environments(dev) == ["main", "other"]


def test_what_only_resembles_a_branch_keeps_nothing(dev: Repo) -> None:
    age(dev, days=8)
    commit = dev.git("rev-parse", "dev")
    dev.git("remote", "add", "origin", "nowhere")
    for ref in (
        "refs/heads/my/dev",
        "refs/tags/dev2",
        "refs/remotes/origin/my/dev",
        "refs/seeknal/dev",
    ):
        dev.git("update-ref", ref, commit)
    dev.git("branch", "--quiet", "-D", "dev")
    assert pruned(dev) == ["dev"]


def test_a_branch_without_a_commit_is_there_while_a_worktree_has_it(dev: Repo) -> None:
    age(dev, days=8)
    dev.git("worktree", "add", "--quiet", "../beside", "dev")
    dev.git("update-ref", "-d", "refs/heads/dev")
    assert pruned(dev) == []
    dev.git("worktree", "remove", "--force", "../beside")
    assert pruned(dev) == ["dev"]


def test_an_environment_of_an_abbreviated_commit_is_kept_while_a_worktree_is_at_it(
    dev: Repo,
) -> None:
    short = dev.git("rev-parse", "--short=8", "main")
    dev.git("branch", short, "main")
    dev.git("worktree", "add", "--quiet", "../beside", short)
    beside = Repo(dev.path.parent / "beside")
    beside.seeknal("run")
    beside.git("switch", "--quiet", "--detach")
    beside.git("branch", "--quiet", "-D", short)
    age(dev, days=8)
    dev.tamper(f"UPDATE _seeknal.publications SET commit_id = '' WHERE branch = '{short}'")
    assert pruned(dev) == []
    beside.git("commit", "--quiet", "--allow-empty", "--message", "On")
    dev.git("commit", "--quiet", "--allow-empty", "--message", "On")
    assert pruned(dev) == [short]


@pytest.mark.parametrize(
    "view",
    [
        pytest.param(
            "CREATE SCHEMA mine; CREATE VIEW mine.large AS SELECT * FROM dev.daily", id="elsewhere"
        ),
        pytest.param(
            'CREATE VIEW main.large AS SELECT * FROM warehouse."DEV".daily',
            id="in production's schema",
        ),
        pytest.param("CREATE VIEW dev.large AS SELECT * FROM dev.daily", id="in its own schema"),
    ],
)
def test_an_environment_that_somebody_s_own_view_reads_is_kept(dev: Repo, view: str) -> None:
    dev.tamper(view)
    age(dev, days=8)
    dev.git("branch", "--quiet", "-D", "dev")
    assert pruned(dev) == []
    assert "view" in dev.seeknal("env", "prune").out


def test_what_somebody_made_in_an_environment_stays(dev: Repo) -> None:
    dev.tamper("CREATE TABLE dev.notes AS SELECT 1 AS mine; CREATE MACRO dev.half(a) AS a / 2")
    age(dev, days=8)
    dev.git("branch", "--quiet", "-D", "dev")
    dev.seeknal("env", "prune", "--yes")
    assert environments(dev) == ["main"]
    dev.tamper("DROP TABLE dev.notes")
    dev.switch("dev", create=True)
    dev.seeknal("run")
    assert "Git is as it was: its branch is here." in dev.seeknal("env", "delete", "dev").out
    assert dev.numbers("SELECT dev.half(3)") == [(1.5,)]


def test_a_clock_that_was_wrong_lets_nothing_go_early(dev: Repo) -> None:
    dev.git("branch", "--quiet", "-D", "dev")
    age(dev, days=-1000)
    assert pruned(dev) == []


def test_the_list_says_what_will_happen(dev: Repo) -> None:
    def expires() -> tuple[str, str | None]:
        text = next(
            line for line in dev.seeknal("env", "list").out.splitlines() if line.startswith("dev ")
        )
        found = next(
            each for each in dev.seeknal("env", "list", "--json").json if each["branch"] == "dev"
        )
        assert (found["expires_at"] is None) == (found["held"] is not None)
        assert text.split()[-1] == "5", "nodes"
        assert (" (gone)  " in text) == (found["held"] is None), text
        return re.split(r" (?:min|h|d)  ", text, maxsplit=1)[1].removesuffix("5").strip(), found[
            "held"
        ]

    age(dev, days=5)
    assert expires() == ("never", "its branch is here")
    dev.git("branch", "--quiet", "-D", "dev")
    assert expires() == ("in 2 d", None)
    age(dev, days=8)
    assert expires() == ("expired", None)


@pytest.mark.parametrize("time_to_live", ["0s", "999999w"])
def test_times_to_live_may_be_as_short_or_long_as_somebody_likes(
    dev: Repo, time_to_live: str
) -> None:
    dev.write("seeknal_project.yml", f"name: shop\ntime_to_live: {time_to_live}\n")
    dev.commit("How long environments stay")
    dev.git("branch", "--quiet", "-D", "dev")
    dev.seeknal("env", "list")
    assert pruned(dev) == (["dev"] if time_to_live == "0s" else [])


def test_nothing_is_pruned_because_the_production_branch_was_renamed(dev: Repo) -> None:
    before = dev.production(), dev.views("dev")
    dev.git("branch", "--move", "main", "trunk")
    assert pruned(dev) == []
    assert (dev.production(), dev.views("dev")) == before
    dev.write("seeknal_project.yml", "name: shop\nproduction_branch: trunk\n")
    dev.commit("Production is called trunk")
    said = dev.seeknal("run", code=2).err
    assert "error: There is no production branch main." in said
    assert "If it has another name now, tell git: git config seeknal.productionBranch trunk" in said
    dev.git("config", "seeknal.productionBranch", "trunk")
    dev.seeknal("run")
    assert dev.views("trunk") == before[0]
    age(dev, days=8, branch="main")
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
    age(dev, days=8)
    assert pruned(dev) == ["prod"]
    assert environments(dev) == ["main", "dev"]
    assert dev.production() == before


def test_a_branch_called_main_has_an_environment_like_any_other_where_production_is_another(
    shop: Repo,
) -> None:
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
    shop.git("switch", "--quiet", "trunk", "--force")
    shop.git("branch", "--quiet", "-D", "main")
    assert "Its branch is gone." in shop.seeknal("env", "delete", "main").out
    assert shop.views("main") == {}
    shop.switch("main", create=True)
    shop.replace(DAILY, "sum(amount)", "max(amount)")
    shop.seeknal("run")
    assert sorted(shop.views("main")) == sorted(trunk)


def test_production_is_never_deleted(dev: Repo) -> None:
    before = dev.production()
    for name in ("main", "prod"):
        assert "production" in dev.seeknal("env", "delete", name, code=2).err
    assert dev.production() == before


@pytest.mark.parametrize("old", ["plan", "apply", "promote"])
def test_the_old_names_have_every_option_of_the_new_ones(old: str) -> None:
    root: Any = typer.main.get_command(application())
    new = root.commands["run" if old == "apply" else old]
    there = {
        option
        for each in root.commands["env"].commands[old].params
        for option in each.opts + each.secondary_opts
    }
    wanted = {
        option
        for each in new.params
        if not each.hidden
        for option in each.opts + each.secondary_opts
    }
    assert wanted - there <= {"--env", "hook"}
    if old == "apply":
        assert {
            "--parallel",
            "--max-workers",
            "--continue-on-error",
            "--dry-run",
            "--no-force",
        } <= there


def test_scripts_with_the_old_names_go_on(published: Repo) -> None:
    published.switch("dev", create=True)
    published.replace("seeknal/transforms/daily.yml", "sum(amount)", "max(amount)")
    published.seeknal("env", "plan", "dev", "--verbose")
    assert "transform.daily" in published.seeknal("env", "apply", "dev", "--dry-run").out
    assert "dev" not in {each["schema"] for each in published.seeknal("env", "list", "--json").json}
    options = ("--parallel", "--max-workers", "2", "--continue-on-error", "--no-force")
    assert "1 built" in published.seeknal("env", "apply", "dev", *options).out
    published.commit()
    before = published.promotions()
    assert "dev into main" in published.seeknal("env", "promote", "dev", "--dry-run").out
    assert published.promotions() == before
    published.seeknal("env", "promote", "dev", "--parallel", "--max-workers", "2")
    assert published.promotions() == before + 1


ODD_BRANCHES = [
    "information_schema",
    "Main",
    "MAIN",
    "feature/a-b",
    "feature/a.b",
    "feature/A-b",
    "naïve",
    "x" * 200,
    "_snapshots",
    "_seeknal",
    "main_",
    "temp",
]


def test_branches_with_odd_names_each_have_an_environment_of_their_own(published: Repo) -> None:
    for number, branch in enumerate(ODD_BRANCHES):
        published.git(
            "update-ref", f"refs/heads/{branch}", "main"
        )  # where the file system ignores case, packed refs do not
        published.git("symbolic-ref", "HEAD", f"refs/heads/{branch}")
        published.write("data/customers.csv", f"id,name,town\n1,Ada,{number}\n")
        published.seeknal("run")
        published.git("checkout", "--quiet", "--", "data/customers.csv")
    published.switch("main")
    for number, branch in enumerate(ODD_BRANCHES):
        assert published.numbers(f"SELECT town FROM {schema_of(branch)}.customers") == [
            (str(number),)
        ]
    assert published.production() == published.fresh_build("main")
