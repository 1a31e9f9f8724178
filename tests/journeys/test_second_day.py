"""Day 2, day 3 and so on: the seed's three lines, whatever has become of the branch since; and
nothing is lost."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import pytest

from tests.conftest import Repo

DAILY = "seeknal/transforms/daily.yml"
NEW = "seeknal/transforms/new.yml"
ONE = "kind: transform\nname: new\ntransform: SELECT 1 AS one\n"


def edit(repo: Repo, by: int) -> None:
    text = repo.read(DAILY)
    repo.write(
        DAILY,
        text.replace(text[text.index("sum(") : text.index(" AS total")], f"sum(amount * {by})"),
    )


def day(repo: Repo, by: int) -> None:
    """The three lines, with the commit that the second one names."""
    edit(repo, by)
    repo.seeknal("plan", "dev")
    assert repo.git("branch", "--show-current") == "dev"
    said = repo.seeknal("run", "--env", "dev").err.splitlines()
    line = "git commit -am 'Change daily' && seeknal promote dev"
    assert said[-1] == f"Next: {line}"
    assert line in repo.seeknal("promote", "dev", code=1).err
    repo.git("commit", "--quiet", "--all", "--message", f"Times {by}")
    repo.seeknal("promote", "dev")
    assert repo.numbers("SELECT max(total) FROM main.daily") == [(70 * by,)]


def test_the_three_lines_work_on_every_day(published: Repo) -> None:
    """On dev as it was left, on main, on main as it went on, and on a clone's main of another
    day."""
    day(published, 2)
    day(published, 3)
    published.switch("main")
    day(published, 4)
    published.switch("main")
    published.write(NEW, ONE)
    published.commit("Something else")
    day(published, 5)


def test_the_branch_comes_along_and_git_says_how(published: Repo) -> None:
    published.git("branch", "dev")
    published.write(NEW, ONE)
    published.commit("Something else")
    edit(published, 2)
    done = published.seeknal("plan", "dev")
    assert "$ git fetch . HEAD:dev\n$ git switch dev\n" in done.err
    assert "transform.daily" in done.out
    assert published.git("rev-parse", "dev") == published.git("rev-parse", "main")


@pytest.mark.parametrize("name", ["heads/dev", "tags/v1", "it's", "feature/a-b"])
def test_a_branch_of_any_name_is_the_one_that_comes_along(published: Repo, name: str) -> None:
    published.git("branch", name)
    published.git("config", "fetch.prune", "true")
    published.git("config", "fetch.pruneTags", "true")
    published.git("tag", "kept")
    published.write(NEW, ONE)
    published.commit("Something else")
    edit(published, 2)
    before = published.git("for-each-ref", "--format=%(refname)")
    published.seeknal("plan", name)
    assert published.git("symbolic-ref", "HEAD") == f"refs/heads/{name}"
    assert published.git("for-each-ref", "--format=%(refname)") == before
    assert published.git("rev-parse", "HEAD") == published.git("rev-parse", "main")


def test_a_run_of_another_branch_takes_the_changes_there(published: Repo) -> None:
    published.git("branch", "dev")
    edit(published, 2)
    assert published.seeknal("run", "--env", "dev").err.startswith("$ git switch dev\n")
    assert published.numbers("SELECT max(total) FROM dev.daily") == [(140,)]


def state_of(repo: Repo, of: str = "symbolic-ref") -> tuple[str, ...]:
    """All that somebody may lose: the index, the working tree, branches, and what is stashed."""
    listed = (
        "status --porcelain",
        "diff",
        "diff --cached",
        "for-each-ref refs/heads",
        "stash list",
    )
    return (*(repo.git(*each.split()) for each in listed), repo.git(of, "HEAD"))


def ahead(repo: Repo) -> None:
    repo.switch("dev", create=True)
    repo.write(NEW, ONE)
    repo.commit("On dev")
    repo.switch("main")


def diverged(repo: Repo) -> None:
    ahead(repo)
    repo.write("README.md", "On main\n")
    repo.commit("On main")


def conflicting(repo: Repo) -> None:
    repo.switch("dev", create=True)
    edit(repo, 7)
    repo.commit("On dev")
    repo.switch("main")


def in_a_worktree(repo: Repo) -> None:
    repo.git("worktree", "add", "--quiet", "-b", "dev", str(repo.path.parent / "linked"))


def only_on_origin(repo: Repo) -> None:
    conflicting(repo)
    repo.git("update-ref", "refs/remotes/origin/dev", "dev")
    repo.git("remote", "add", "origin", ".")
    repo.git("branch", "--quiet", "-D", "dev")


def ahead_on_origin(repo: Repo) -> None:
    """Somebody pushed to dev since, which is merged here: moved on by itself, it would part from
    that."""
    ahead(repo)
    repo.git("remote", "add", "origin", ".")
    repo.git("update-ref", "refs/remotes/origin/dev", "dev")
    repo.git("branch", "--force", "dev", "main")


STATES = [ahead, ahead_on_origin, diverged, conflicting, in_a_worktree, only_on_origin]
LINES = (
    ["plan", "dev"],
    ["plan", "dev", "--json"],
    ["run", "--env", "dev"],
    ["env", "apply", "dev"],
    ["promote", "dev"],
)


@pytest.mark.parametrize("make", STATES, ids=lambda make: make.__name__)
def test_a_branch_with_a_life_of_its_own_is_not_planned_without_the_changes(
    published: Repo, make: Callable[[Repo], None]
) -> None:
    """Nothing is lost and nothing is done; and the commands that the message names do what it
    says."""
    make(published)
    edit(published, 2)
    before = state_of(published)
    for line in LINES:
        done = published.seeknal(*line, code=1)
        assert DAILY in done.err, line
        assert "No changes" not in done.out
        assert state_of(published) == before
    cure = done.err.splitlines()[1].rpartition(": ")[2]
    subprocess.run(["sh", "-c", cure], cwd=published.path, capture_output=True, check=False)
    there = Repo(published.path.parent / "linked") if make is in_a_worktree else published
    assert there.git("branch", "--show-current") == "dev"
    assert "amount * 2" in there.read(DAILY)


def test_what_is_staged_stays_staged_and_what_is_untracked_stays_there(published: Repo) -> None:
    published.git("branch", "dev")
    published.write("README.md", "On main\n")
    published.commit("On main")
    edit(published, 2)
    published.git("add", DAILY)
    edit(published, 3)
    published.write(NEW, ONE)
    before = (
        published.git("status", "--porcelain"),
        published.git("diff"),
        published.git("diff", "--cached"),
    )
    done = published.plan
    published.seeknal("plan", "dev")
    assert published.git("branch", "--show-current") == "dev"
    assert (
        published.git("status", "--porcelain"),
        published.git("diff"),
        published.git("diff", "--cached"),
    ) == before
    assert {change["node"] for change in done()["changes"]} == {"transform.daily", "transform.new"}
    line = published.seeknal("run", "--env", "dev").err.splitlines()[-1]
    assert (
        line
        == f"Next: git add {NEW} && git commit -am 'Change daily and new' && seeknal promote dev"
    )


def removes(repo: Repo) -> str:
    repo.git("rm", "--quiet", DAILY)
    return "git commit -am 'Remove daily'"


def deletes(repo: Repo) -> str:
    (repo.path / DAILY).unlink()
    return "git commit -am 'Remove daily'"


def renames(repo: Repo) -> str:
    repo.git("mv", DAILY, NEW)
    repo.write(NEW, repo.read(NEW).replace("name: daily", "name: new"))
    return "git commit -am 'Change daily and new'"


def moves(repo: Repo) -> str:
    there = "seeknal/transforms/sales/daily.yml"
    repo.write(there, repo.read(DAILY).replace("sum(amount)", "sum(amount * 2)"))
    (repo.path / DAILY).unlink()
    return f"git add {there} && git commit -am 'Change daily'"


@pytest.mark.parametrize("change", [removes, deletes, renames, moves])
def test_the_next_line_works_after_a_deletion_and_after_a_rename(
    published: Repo, change: Callable[[Repo], str]
) -> None:
    published.switch("dev", create=True)
    commit = change(published)
    said = published.seeknal("run").err.splitlines()[-1]
    assert said == f"Next: {commit} && seeknal promote dev"
    subprocess.run(["sh", "-c", commit], cwd=published.path, check=True, capture_output=True)
    assert published.git("status", "--porcelain") == ""
    published.seeknal("promote", "dev")


def test_a_new_file_that_is_another_one_there_is_named(published: Repo) -> None:
    ahead(published)
    published.write(NEW, ONE.replace("1 AS", "2 AS"))
    said = published.seeknal("plan", "dev", code=1).err
    assert f"{NEW} is another file there. Rename it, then: git switch dev" in said
    assert "2 AS" in published.read(NEW)


def test_a_branch_that_is_only_on_origin_and_has_nothing_of_its_own_is_followed(
    published: Repo,
) -> None:
    published.git("update-ref", "refs/remotes/origin/dev", "HEAD")
    published.git("remote", "add", "origin", ".")
    edit(published, 2)
    said = published.seeknal("plan", "dev").err
    assert said.startswith("$ git switch --create dev\n$ git branch --set-upstream-to=origin/dev\n")
    assert published.git("rev-parse", "--abbrev-ref", "dev@{upstream}") == "origin/dev"


def test_no_branch_gets_commits_that_production_does_not_have(published: Repo) -> None:
    """To look at dev from a branch that was built on it is no reason to move it."""
    published.git("branch", "dev")
    ahead_of_main = published.git("rev-parse", "main")
    published.switch("topic", create=True)
    published.write(NEW, ONE)
    published.commit("On topic")
    edit(published, 2)
    assert "git switch dev" in published.seeknal("plan", "dev", code=1).err
    assert published.git("rev-parse", "dev") == ahead_of_main


def test_production_is_looked_at_without_the_changes_of_a_branch(published: Repo) -> None:
    published.switch("dev", create=True)
    edit(published, 2)
    done = published.seeknal("plan", "main")
    assert "Not in this plan: the uncommitted changes" in done.err
    assert published.git("branch", "--show-current") == "dev"


def test_a_merge_that_is_not_finished_is_finished_first(published: Repo) -> None:
    conflicting(published)
    published.git("branch", "other", "main")
    edit(published, 2)
    published.git("commit", "--quiet", "--all", "--no-verify", "--message", "On main")
    published.try_git("merge", "dev")
    before = state_of(published)
    assert "git status" in published.seeknal("plan", "other", code=1).err
    assert state_of(published) == before


def test_what_continuous_integration_builds_has_its_own_name(
    published: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HEAD is detached there, and the branch is known by a variable: its changes are its own."""
    published.git("branch", "dev")
    published.git("checkout", "--quiet", "--detach")
    edit(published, 2)
    before = state_of(published, of="rev-parse")
    monkeypatch.setenv("CI_COMMIT_BRANCH", "dev")
    assert "transform.daily" in published.seeknal("plan", "dev").out
    published.seeknal("run", "--env", "dev")
    assert published.numbers("SELECT max(total) FROM dev.daily") == [(140,)]
    assert state_of(published, of="rev-parse") == before


def test_where_continuous_integration_releases_the_branch_is_pushed(published: Repo) -> None:
    published.write("seeknal_project.yml", "name: shop\npromote: ci\n")
    published.commit()
    published.switch("dev", create=True)
    edit(published, 2)
    next_ = "Next: git commit -am 'Change daily' && git push --set-upstream origin dev"
    assert published.seeknal("run").err.splitlines()[-1] == next_


def test_force_runs_the_branch_as_it_is_committed(published: Repo) -> None:
    ahead(published)
    edit(published, 2)
    said = published.seeknal("run", "--env", "dev", "--force").err
    assert f"Not in this run: the uncommitted changes here ({DAILY})." in said
    assert published.numbers("SELECT one FROM dev.new") == [(1,)]


def test_a_run_of_production_from_a_branch_names_the_edits_that_stay_behind(
    published: Repo,
) -> None:
    published.switch("dev", create=True)
    assert "Not in this run" not in published.seeknal("run", "--env", "main").err
    edit(published, 2)
    told = f"Not in this run: the uncommitted changes here ({DAILY})."
    for options in ([], ["--dry-run"]):
        assert told in published.seeknal("run", "--env", "prod", *options).err
    published.switch("main")
    assert "Not in this run" not in published.seeknal("run", "--env", "main").err


def test_other_files_may_stay_behind(published: Repo) -> None:
    ahead(published)
    published.write("README.md", "A thought\n")
    published.git("add", "README.md")
    assert "transform.new" in published.seeknal("plan", "dev").out


def test_a_run_of_what_is_checked_out_says_where_production_is(published: Repo) -> None:
    published.switch("dev", create=True)
    said = published.seeknal("run").err
    assert said.startswith("Run of dev; production is main.\n")


# A branch that does not exist


def test_a_near_miss_of_a_branch_creates_none(published: Repo) -> None:
    published.git("branch", "dev")
    before = state_of(published)
    for name in ("dve", "Dev", "devv", "dv", "dev2", "mian", "prd"):
        assert "Did you mean" in published.seeknal("plan", name, code=2).err
    assert state_of(published) == before
    published.seeknal("plan", "--create", "dve")
    assert published.git("branch", "--show-current") == "dve"


@pytest.mark.parametrize("name", ["staging", "qa", "feature/orders", "JIRA-102"])
def test_a_new_name_creates_a_branch(published: Repo, name: str) -> None:
    for other in ("dev", "feature/other", "JIRA-101"):
        published.git("branch", other)
    assert published.seeknal("plan", name).err.startswith(f"$ git switch --create {name}\n")


@pytest.mark.parametrize("form", ["--json", "--markdown"])
def test_a_plan_as_data_creates_nothing(published: Repo, form: str) -> None:
    before = state_of(published)
    for more in ([], ["--create"]):
        said = published.seeknal("plan", "qa", form, *more, code=2).err
        assert "git switch --create qa" in said
    assert state_of(published) == before


def test_a_name_of_something_else_creates_no_branch(published: Repo) -> None:
    before = state_of(published)
    for name in ("transform.daily", DAILY, "deadbeef", "production"):
        assert f"seeknal plan --create {name}" in published.seeknal("plan", name, code=2).err
    assert state_of(published) == before


def test_continuous_integration_moves_and_creates_no_branch(
    published: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "true")
    published.git("branch", "dev")
    edit(published, 2)
    assert "git switch dev" in published.seeknal("run", "--env", "dev", code=1).err
    published.git("checkout", "--quiet", DAILY)
    assert "continuous integration" in published.seeknal("plan", "qa", code=2).err
    assert published.git("branch", "--list", "qa") == ""


def test_an_edited_setting_of_production_follows_to_no_branch_that_would_refuse_it(
    published: Repo,
) -> None:
    published.git("branch", "dev")
    published.write("seeknal_project.yml", "name: shop\nkeep_promotions: 3\n")
    refused = published.seeknal("run", "--env", "dev", code=1).err
    assert "The working tree sets keep_promotions to 3, and production (main) has 10." in refused
    assert "Commit it on main by itself, or take it back." in refused
    assert published.git("branch", "--show-current") == "main"
