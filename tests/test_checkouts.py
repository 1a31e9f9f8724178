"""Whatever way a repository was checked out, a plan sees what was edited and nothing else, and a
run builds just that."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import SHOP, Repo, Templates, make_published

DAILY = "seeknal/transforms/daily.yml"
CLEAN = "seeknal/transforms/clean_orders.yml"
LARGEST = ("sum(amount) AS total", "sum(amount) AS total, max(amount) AS largest")


def cloned(repo: Repo, *options: str, name: str = "clone") -> Repo:
    clone = Repo(repo.path.parent / name)
    repo.git("clone", "--quiet", *options, f"file://{repo.path}", str(clone.path))
    return clone


def on_dev(repo: Repo) -> Repo:
    """Production is built; we are on dev."""
    repo.seeknal("run")
    repo.switch("dev", create=True)
    return repo


def as_usual(shop: Repo) -> Repo:
    return on_dev(shop)


def in_a_folder(shop: Repo, folder: str) -> Repo:
    """The same project in a folder of a repository that holds other things too."""
    whole = Repo(shop.path.parent / "whole")
    (whole.path / "other").mkdir(parents=True)
    (whole.path / "other/notes.txt").write_text("hello\n")
    shutil.copytree(shop.path, whole.path / folder, ignore=shutil.ignore_patterns(".git", "target"))
    whole.git("init", "--quiet")
    whole.commit("Everything")
    return Repo(whole.path / folder)


def a_folder_of_a_monorepo(shop: Repo) -> Repo:
    return on_dev(in_a_folder(shop, "teams/été 2024/shop"))


def a_submodule(shop: Repo) -> Repo:
    outer = Repo(shop.path.parent / "outer")
    outer.path.mkdir()
    outer.git("init", "--quiet")
    outer.git(
        "-c", "protocol.file.allow=always", "submodule", "add", "--quiet", str(shop.path), "shop"
    )
    inner = Repo(outer.path / "shop")
    inner.git("switch", "--quiet", "-C", "main")
    assert (inner.path / ".git").is_file()
    return on_dev(inner)


def a_linked_worktree(shop: Repo) -> Repo:
    shop.seeknal("run")
    linked = Repo(shop.path.parent / "linked")
    shop.git("worktree", "add", "--quiet", "-b", "dev", str(linked.path))
    return linked


def a_worktree_of_a_bare_clone(shop: Repo) -> Repo:
    bare = cloned(shop, "--bare", name="shop.git")
    place = shop.path.parent
    bare.git("config", "seeknal.dataRoot", str(place / "data root"))
    main = Repo(place / "main")
    bare.git("worktree", "add", "--quiet", str(main.path), "main")
    main.seeknal("run")
    linked = Repo(place / "dev")
    bare.git("worktree", "add", "--quiet", "-b", "dev", str(linked.path))
    assert not (linked.path / "target").exists()
    return linked


def a_separate_git_dir(shop: Repo) -> Repo:
    return on_dev(cloned(shop, f"--separate-git-dir={shop.path.parent / 'elsewhere.git'}"))


def a_data_root_of_its_own(shop: Repo, monkeypatch: pytest.MonkeyPatch) -> Repo:
    monkeypatch.setenv("SEEKNAL_DATA_ROOT", str(shop.path.parent / "data root"))
    cloned(shop, name="another").seeknal("run")
    clone = on_dev(cloned(shop))
    assert not clone.warehouse.exists()
    return clone


def a_sparse_checkout(shop: Repo) -> Repo:
    clone = on_dev(cloned(shop))
    clone.git(
        "sparse-checkout",
        "set",
        "--no-cone",
        "/*",
        "!/seeknal/rules",
        "!/seeknal/sources/customers.yml",
    )
    assert not (clone.path / "seeknal/rules").exists()
    return clone


def a_sparse_index(shop: Repo) -> Repo:
    clone = on_dev(cloned(shop))
    clone.git("sparse-checkout", "set", "--cone", "--sparse-index", "data", "seeknal/transforms")
    assert not (clone.path / "seeknal/rules").exists()
    return clone


def a_split_index(shop: Repo) -> Repo:
    on_dev(shop).git("update-index", "--split-index")
    assert list((shop.path / ".git").glob("sharedindex.*"))
    return shop


def converted_line_ends(shop: Repo) -> Repo:
    clone = on_dev(cloned(shop, "-c", "core.autocrlf=true"))
    assert b"\r\n" in (clone.path / DAILY).read_bytes()
    return clone


def line_ends_by_attribute(shop: Repo) -> Repo:
    shop.write(".gitattributes", "*.yml text eol=crlf\n*.csv text eol=crlf\n")
    shop.commit()
    clone = on_dev(cloned(shop))
    assert b"\r\n" in (clone.path / DAILY).read_bytes()
    return clone


def a_shallow_clone_that_reaches_back(shop: Repo) -> Repo:
    return on_dev(cloned(shop, "--depth=1"))


def a_partial_clone(shop: Repo) -> Repo:
    shop.git("config", "uploadpack.allowFilter", "true")
    old = shop.read(CLEAN)
    shop.replace(CLEAN, "amount IS NOT NULL", "amount > 0")
    shop.commit()
    shop.write(CLEAN, old)
    shop.commit()
    return on_dev(cloned(shop, "--filter=blob:none"))


def odd_file_names(shop: Repo) -> Repo:
    for name in ("été — 2024.yml", "a b'c\"d.yml", "tab\there.yml", "日本.yml"):
        node = f"kind: transform\nname: n{len(list((shop.path / 'seeknal/transforms').iterdir()))}\ntransform: SELECT 1 AS x\n"
        shop.write(f"seeknal/transforms/{name}", node)
    shop.commit()
    return on_dev(shop)


def production_called_trunk(shop: Repo) -> Repo:
    shop.git("branch", "--move", "trunk")
    shop.write("seeknal_project.yml", "name: shop\nproduction_branch: trunk\n")
    shop.commit()
    return on_dev(shop)


def production_only_on_the_remote(shop: Repo) -> Repo:
    shop.git("branch", "dev")
    clone = cloned(shop, "--branch", "dev")
    assert clone.git("branch", "--format=%(refname:short)") == "dev"
    clone.seeknal("run", "--env", "prod")
    return clone


def a_remote_of_another_name(shop: Repo) -> Repo:
    shop.git("branch", "dev")
    clone = cloned(shop, "--branch", "dev", "--origin", "upstream")
    clone.seeknal("run", "--env", "prod")
    return clone


WORKING = [
    as_usual,
    a_folder_of_a_monorepo,
    a_submodule,
    a_linked_worktree,
    a_worktree_of_a_bare_clone,
    a_separate_git_dir,
    a_data_root_of_its_own,
    a_sparse_checkout,
    a_sparse_index,
    a_split_index,
    converted_line_ends,
    line_ends_by_attribute,
    a_shallow_clone_that_reaches_back,
    a_partial_clone,
    odd_file_names,
    production_called_trunk,
    production_only_on_the_remote,
    a_remote_of_another_name,
]


@pytest.mark.parametrize(
    "checkout", [pytest.param(each, id=each.__name__.replace("_", " ")) for each in WORKING]
)
def test_a_plan_sees_the_edit_and_a_run_builds_it(
    shop: Repo, monkeypatch: pytest.MonkeyPatch, checkout: Callable[..., Repo]
) -> None:
    repo = checkout(shop, monkeypatch) if checkout is a_data_root_of_its_own else checkout(shop)
    plan = repo.plan()
    assert (plan["changes"], plan["dirty"]) == ([], False)
    assert repo.built() == [], "everything else is a view onto production"
    edit(repo)
    repo.write(
        "seeknal/transforms/fresh.yml", "kind: transform\nname: fresh\ntransform: SELECT 42 AS x\n"
    )
    changes = {"transform.daily": "NON_BREAKING", "transform.fresh": "NEW"}
    assert repo.categories() == changes
    assert repo.built() == ["transform.daily", "transform.fresh"]
    repo.git("add", "--all", ".")
    repo.git("commit", "--quiet", "--message", "Edited")
    plan = repo.plan()
    assert {change["node"]: change["category"] for change in plan["changes"]} == changes
    assert plan["dirty"] is False
    assert repo.built() == []
    answer = repo.seeknal("query", "FROM daily LIMIT 1", "--json").json
    assert "largest" in answer[0]
    assert (
        "largest"
        not in repo.seeknal("query", "FROM daily LIMIT 1", "--env", "prod", "--json").json[0]
    )


def edit(repo: Repo) -> None:
    """An edit that keeps the line ends."""
    place = repo.path / DAILY
    old, new = (text.encode() for text in LARGEST)
    place.write_bytes(place.read_bytes().replace(old, new))


def test_a_fresh_clone_learns_from_the_warehouse_what_production_shows(
    published: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEEKNAL_DATA_ROOT", str(published.path))
    clone = cloned(published)
    assert clone.plan()["changes"] == []
    assert clone.production_ref == published.head


# What has no branch


def make_edited(shop: Repo) -> None:
    """Production is built, and `dev`, which is checked out, has an edit."""
    make_published(shop)
    shop.switch("dev", create=True)
    edit(shop)
    shop.commit("Edited")


@pytest.fixture
def edited(copy_of: Templates) -> Repo:
    return copy_of("edited", make_edited)


def detached(edited: Repo, *ref: str) -> Repo:
    edited.git("switch", "--quiet", "--detach", *ref)
    return edited


@pytest.mark.parametrize(
    ("variables", "arguments", "name"),
    [
        pytest.param({}, [], None, id="the commit's own name"),
        pytest.param({}, ["--env", "review-7"], "review-7", id="a name that is given"),
        pytest.param(
            {"GITHUB_HEAD_REF": "dev", "GITHUB_REF_NAME": "7/merge"},
            [],
            "dev",
            id="a pull request on GitHub",
        ),
        pytest.param(
            {"GITHUB_REF_TYPE": "branch", "GITHUB_REF_NAME": "dev"},
            [],
            "dev",
            id="a push on GitHub",
        ),
        pytest.param(
            {"CI_MERGE_REQUEST_SOURCE_BRANCH_NAME": "dev"},
            [],
            "dev",
            id="a merge request on GitLab",
        ),
        pytest.param({"CI_COMMIT_BRANCH": "dev"}, [], "dev", id="a push on GitLab"),
        pytest.param({"BUILD_SOURCEBRANCH": "refs/heads/dev"}, [], "dev", id="Azure"),
        pytest.param({"GIT_BRANCH": "origin/dev"}, [], "dev", id="Jenkins"),
        pytest.param(
            {"CI_COMMIT_BRANCH": "dev"}, ["--env", "mine"], "mine", id="a given name comes first"
        ),
        pytest.param(
            {"GITHUB_HEAD_REF": "main"},
            [],
            "pull-request/main",
            id="a fork's main is not production",
        ),
        pytest.param(
            {"BUILDKITE_BRANCH": "main", "BUILDKITE_PULL_REQUEST": "7"},
            [],
            "pull-request/main",
            id="nor is it on Buildkite",
        ),
    ],
)
def test_a_detached_head_has_an_environment(
    edited: Repo,
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    arguments: list[str],
    name: str | None,
) -> None:
    repo = detached(edited)
    before = repo.production()
    for key, value in variables.items():
        monkeypatch.setenv(key, value)
    assert repo.categories() == {"transform.daily": "NON_BREAKING"}
    run = repo.run(*arguments)
    assert run["environment"] == (name or repo.head[:8])
    assert list(run["built"]) == ["transform.daily"]
    assert "largest" in repo.seeknal("query", "FROM daily LIMIT 1", *arguments, "--json").json[0]
    assert repo.production() == before


@pytest.mark.parametrize("name", ["dev", "pull-request/main"], ids=["a branch", "a fork's main"])
def test_a_promotion_merges_the_commit_that_is_checked_out(
    edited: Repo, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """And not another that has its name, in a clone that is not up to date."""
    repo = detached(edited, "dev")
    repo.git("branch", "--force", "dev", "main")
    monkeypatch.setenv("GITHUB_HEAD_REF", name.removeprefix("pull-request/"))
    commit = repo.head
    assert f"$ git merge --no-edit {commit[:8]}" in repo.seeknal("promote", name).err
    assert repo.git("rev-parse", "main") == commit
    assert "largest BIGINT" in repo.production()["daily"][0]


def test_a_detached_production_is_production_where_ci_says_so(
    shop: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.git("switch", "--quiet", "--detach")
    shop.git("branch", "--delete", "--force", "main")
    monkeypatch.setenv("CI_COMMIT_BRANCH", "main")
    assert shop.run()["environment"] == "main"
    edit(shop)
    shop.git("commit", "--quiet", "--all", "--message", "Edited")
    shop.seeknal("promote")
    assert "largest BIGINT" in shop.production()["daily"][0]


def test_a_pipeline_of_production_that_checked_out_something_else_does_not_publish_it(
    edited: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A comment on a pull request starts a pipeline of the production branch, which this clone does
    not have."""
    main = edited.git("rev-parse", "main")
    repo = detached(edited, "dev")
    before = repo.production(), repo.publications()
    repo.git("branch", "--delete", "--force", "main")
    for name, value in {
        "GITHUB_REF_TYPE": "branch",
        "GITHUB_REF_NAME": "main",
        "GITHUB_SHA": main,
    }.items():
        monkeypatch.setenv(name, value)
    for command in ("run", "promote", "plan"):
        assert (
            f"{repo.head[:8]}, which is checked out, is not the tip of main."
            in repo.seeknal(command, code=1).err
        )
    assert (repo.production(), repo.publications()) == before
    monkeypatch.setenv("GITHUB_SHA", repo.head)
    assert repo.run()["environment"] == "main"


def test_an_old_pipeline_that_runs_again_does_not_take_production_back(
    published: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = published.head
    edit(published)
    published.commit("Edited")
    published.seeknal("promote")
    before = published.production()
    published.git("switch", "--quiet", "--detach", old)
    monkeypatch.setenv("CI_COMMIT_BRANCH", "main")
    assert (
        f"{old[:8]}, which is checked out, is not the tip of main."
        in published.seeknal("run", code=1).err
    )
    published.seeknal("promote")
    assert published.production() == before


# What a status says


@pytest.mark.parametrize(
    ("variables", "environment"),
    [
        pytest.param({}, None, id="the commit's own name"),
        pytest.param({"CI_COMMIT_BRANCH": "feature/new"}, "feature/new", id="a branch in CI"),
    ],
)
def test_a_status_names_the_environment_of_a_detached_head(
    edited: Repo,
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    environment: str | None,
) -> None:
    repo = detached(edited)
    for key, value in variables.items():
        monkeypatch.setenv(key, value)
    name = environment or repo.head[:8]
    status = repo.seeknal("status", "--json").json
    assert (status["branch"], status["environment"], status["ahead"]) == (None, name, 1)
    assert status["changed"] == {"NON_BREAKING": ["transform.daily"]}
    assert status["unbuilt"] == ["transform.daily"]
    assert status["unpublished"] == status["built"], (
        "production has them, and the environment was never made"
    )
    repo.seeknal("run")
    status = repo.seeknal("status", "--json").json
    assert (status["unbuilt"], status["unpublished"], status["unpromoted"]) == (
        [],
        [],
        ["transform.daily"],
    )
    said = repo.seeknal("status").out
    assert f"HEAD is detached at {repo.head[:8]}, 1 ahead of and 0 behind main" in said
    assert f"{name}, schema " in said


def test_a_status_in_the_middle_of_a_rebase_is_of_the_branch_that_is_rebased(shop: Repo) -> None:
    repo = on_dev(shop)
    repo.replace(DAILY, "sum(amount)", "max(amount)")
    repo.commit("Largest")
    repo.switch("main")
    repo.replace(DAILY, "sum(amount)", "min(amount)")
    repo.commit("Smallest")
    repo.switch("dev")
    assert repo.try_git("rebase", "main").returncode != 0
    status = repo.seeknal("status", "--json").json
    assert (status["branch"], status["environment"], status["operation"]) == (
        "dev",
        "dev",
        "rebase",
    )
    assert "conflict markers" in status["problems"][0]
    assert (status["changed"], status["dirty"]) == (None, True)
    assert "Changed      unknown, as no plan can be made" in repo.seeknal("status").out
    repo.write(DAILY, SHOP[DAILY])
    repo.replace(DAILY, "sum(amount)", "max(amount)")
    status = repo.seeknal("status", "--json").json
    assert status["changed"] == {"BREAKING": ["transform.daily"]}
    assert f"dev at {repo.head[:8]}" in repo.seeknal("status").out


def test_a_status_of_a_pipeline_that_may_not_publish_says_why(
    published: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    published.git("switch", "--quiet", "--detach")
    published.git("branch", "--force", "main", published.commit("Another"))
    published.git("switch", "--quiet", "--detach", "HEAD~1")
    monkeypatch.setenv("CI_COMMIT_BRANCH", "main")
    status = published.seeknal("status", "--json").json
    assert (status["environment"], status["schema"]) == (None, None)
    assert "is not the tip of main" in status["problems"][0]


def test_a_status_says_what_a_clone_lacks(shop: Repo) -> None:
    shop.git("branch", "dev")
    clone = cloned(shop, "--single-branch", "--branch=dev")
    assert (
        "git fetch origin main:refs/remotes/origin/main"
        in clone.seeknal("status", "--json").json["problems"][0]
    )


# What is not checked out


def test_a_branch_that_is_only_on_the_remote_is_suggested(shop: Repo) -> None:
    shop.git("branch", "feature/new")
    clone = cloned(shop)
    for wrong in ("remote/feature/new", "feature/nwe"):
        assert (
            "Did you mean feature/new?"
            in clone.seeknal("plan", wrong, "--into", "main", code=2).err
        )
    for number in range(10):
        shop.git("branch", f"b{number}")
    said = shop.seeknal("run", "--env", "nothing-like-it", code=2).err
    assert "There are b0, b1, b2, b3, b4, b5, b6, b7 and 4 more." in said


def test_a_branch_of_a_remote_may_be_written_in_full(edited: Repo) -> None:
    revisions(edited)
    clone = cloned(edited)
    changes = {"transform.daily": "NON_BREAKING"}
    assert (
        clone.categories("origin/dev")
        == clone.categories("origin/dev", "--into", "origin/main")
        == changes
    )
    assert clone.plan("dev", "--into", "origin/main")["environment"] == "main"
    assert clone.run("--env", "origin/dev")["environment"] == "dev", "there is no other one here"
    clone.git("branch", "dev", "main")
    assert clone.run("--env", "origin/dev")["environment"] == "origin/dev", (
        "which is not the dev that is here"
    )
    clone.git("commit", "--quiet", "--allow-empty", "--message", "Not pushed")
    assert clone.run("--env", "origin/main")["environment"] == "origin/main", "nor production"
    assert clone.plan("--into", "origin/main")["changes"] == []
    assert clone.git("branch", "--list", "origin/*") == ""
    assert (
        "name the branch here: main" in clone.seeknal("promote", "dev", "origin/main", code=2).err
    )


def revisions(edited: Repo) -> str:
    """Tag `dev` v1 and v2, and check out main. The commit of dev."""
    commit = edited.head
    edited.git("tag", "v1")
    edited.git("tag", "--annotate", "--message", "Annotated", "v2")
    edited.switch("main")
    return commit


@pytest.mark.parametrize("revision", ["dev", "v1", "v2", "{commit}", "{short}", "dev~0"])
def test_a_branch_a_tag_and_a_commit_need_no_checkout(edited: Repo, revision: str) -> None:
    commit = revisions(edited)
    name = revision.format(commit=commit, short=commit[:10])
    before = edited.production(), edited.head, edited.git("status", "--porcelain")
    assert edited.categories(name) == {"transform.daily": "NON_BREAKING"}
    run = edited.run("--env", name)
    assert run["environment"] == (name if name in ("dev", "v1", "v2") else commit[:8])
    assert list(run["built"]) == ["transform.daily"]
    said = edited.seeknal("plan", name).out
    assert said.endswith(f"It is built already.\nNext: seeknal run --env {run['environment']}\n")
    assert (
        "largest" in edited.seeknal("query", "--env", name, "FROM daily LIMIT 1", "--json").json[0]
    )
    assert (edited.production(), edited.head, edited.git("status", "--porcelain")) == before
    edited.seeknal("promote", name)
    assert edited.git("rev-parse", "main") == commit
    assert edited.production() == edited.fresh_build("main")


# Bare repositories


def test_a_bare_repository_promotes_into_the_data_root_that_is_named(shop: Repo) -> None:
    bare, data = cloned(shop, "--bare", name="shop.git"), shop.path.parent / "data root"
    empty = Repo(shop.path.parent / "empty.git")
    shop.git("init", "--quiet", "--bare", "--initial-branch", "main", str(empty.path))
    assert (
        "Push the project first"
        in empty.seeknal("hooks", "install", "--data-root", str(data), code=1).err
    )
    assert "Name one: git config seeknal.dataRoot DIR" in bare.seeknal("promote", code=2).err
    bare.seeknal("promote", "--data-root", str(data))
    assert Repo(data).production() == shop.fresh_build("main")
    edit(shop)
    shop.commit("Edited")
    shop.git("push", "--quiet", str(bare.path), "main")
    assert "main" in bare.seeknal("env", "list", "--data-root", str(data)).out
    said = bare.seeknal("hooks", "install", "--data-root", os.path.relpath(data, bare.path))
    assert f"$ git config seeknal.dataRoot {shlex.quote(str(data))}" in said.err
    assert list(bare.plan()["layers"]) == [["transform.daily"]]
    bare.seeknal("promote")
    assert Repo(data).production() == shop.fresh_build("main")
    assert len(bare.seeknal("query", "FROM daily", "--json").json) == 2
    assert "has no working tree to merge in" in bare.seeknal("promote", "main~1", code=1).err
    bare.seeknal("hooks", "uninstall")
    assert bare.git("config", "seeknal.dataRoot") == str(data), "the warehouse is still there"


def test_a_bare_repository_with_two_projects_is_told_which(
    shop: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = in_a_folder(shop, "one")
    shutil.copytree(inner.path, inner.path.parent / "two", ignore=shutil.ignore_patterns("target"))
    inner.git("-C", "..", "add", ".")
    inner.git("commit", "--quiet", "--message", "Two projects")
    bare, data = (
        cloned(Repo(inner.path.parent), "--bare", name="shop.git"),
        shop.path.parent / "data",
    )
    bare.git("config", "seeknal.dataRoot", str(data))
    said = bare.seeknal("promote", code=2).err
    assert "holds these projects: one, two" in said
    assert "SEEKNAL_PROJECT=FOLDER" in said
    for project in ("one", "two"):
        monkeypatch.setenv("SEEKNAL_PROJECT", project)
        bare.seeknal("promote")
        assert Repo(data / project).production() == shop.fresh_build("main")


def test_a_bare_repository_is_looked_at_as_its_head_is(shop: Repo) -> None:
    bare, data = cloned(shop, "--bare", name="shop.git"), shop.path.parent / "data"
    bare.git("config", "seeknal.dataRoot", str(data))
    assert bare.seeknal("validate").out == shop.seeknal("validate").out
    assert (
        "Nothing can be staged in a bare repository."
        in bare.seeknal("validate", "--staged", code=1).err
    )
    bare.seeknal("parse")
    assert (data / "target/manifest.json").is_file()
    bare.seeknal("promote")
    status = bare.seeknal("status", "--json").json
    assert (status["branch"], status["environment"], status["unbuilt"]) == ("main", "main", [])
    assert not (bare.path / "target").exists()


# Several projects


def test_two_projects_of_one_repository_are_apart(shop: Repo) -> None:
    one = in_a_folder(shop, "one")
    two = Repo(Path(shutil.copytree(one.path, one.path.parent / "two")))
    one.git("-C", "..", "add", ".")
    one.git("commit", "--quiet", "--message", "Two projects")
    one.seeknal("run")
    assert two.seeknal("status", "--json").json["production"]["published"] is None
    two.seeknal("run")
    edit(two)
    two.git("commit", "--quiet", "--all", "--message", "Edited")
    assert (one.plan()["changes"], list(two.categories())) == ([], ["transform.daily"])
    two.seeknal("promote")
    assert "largest BIGINT" in two.production()["daily"][0]
    assert "largest BIGINT" not in one.production()["daily"][0]
    assert one.seeknal("status", "--json").json["production"]["pending"] is True


def test_a_saved_plan_binds_its_own_project_only(shop: Repo) -> None:
    one = in_a_folder(shop, "one")
    two = Repo(Path(shutil.copytree(one.path, one.path.parent / "two")))
    one.git("-C", "..", "add", ".")
    one.git("commit", "--quiet", "--message", "Two projects")
    one.seeknal("run")
    two.seeknal("run")
    one.seeknal("plan", "dev")
    edit(two)
    two.seeknal("plan", "dev")
    assert one.built("--env", "dev") == []
    assert two.built("--env", "dev") == ["transform.daily"]


# What cannot be


@pytest.mark.parametrize(
    ("operation", "command"),
    [
        ("merge", ["promote"]),
        ("merge", ["promote", "dev"]),
        ("merge", ["run", "--env", "main"]),
        ("rebase", ["promote"]),
        ("cherry-pick", ["promote"]),
    ],
    ids=str,
)
def test_in_the_middle_of_a_merge_or_a_rebase_there_is_a_plan_and_no_promotion(
    shop: Repo, operation: str, command: list[str]
) -> None:
    repo = on_dev(shop)
    edit(repo)
    repo.commit("Largest")
    repo.switch("main")
    repo.replace(DAILY, "sum(amount)", "min(amount)")
    repo.commit("Smallest", hooks=False)
    before = repo.production(), repo.publications()
    assert repo.try_git(operation, "dev").returncode != 0
    repo.write(DAILY, SHOP[DAILY])
    assert repo.plan()["environment"] == "main"
    said = repo.seeknal(*command, code=1).err
    assert f"A {operation} is not finished" in said
    assert f"git {operation} --abort" in said
    assert (repo.production(), repo.publications()) == before
    repo.git(operation, "--abort")
    repo.seeknal("promote")
    assert repo.production() == repo.fresh_build("main")


def test_a_shallow_clone_that_does_not_reach_back_says_what_to_fetch(shop: Repo) -> None:
    shop.git("branch", "dev")
    for number in range(3):
        shop.write("notes.txt", str(number))
        shop.commit()
    shop.switch("dev")
    edit(shop)
    shop.commit("Edited")
    shop.switch("main")
    clone = cloned(shop, "--depth=1", "--no-single-branch", "--branch=dev")
    said = clone.seeknal("plan", code=1).err
    assert "This clone is shallow" in said
    assert "git fetch --unshallow" in said
    clone.git("fetch", "--quiet", "--unshallow")
    assert clone.categories() == {"transform.daily": "NON_BREAKING"}


def test_a_clone_of_one_branch_says_how_to_fetch_production(shop: Repo) -> None:
    shop.git("branch", "dev")
    clone = cloned(shop, "--single-branch", "--branch=dev")
    said = clone.seeknal("plan", code=2).err
    command = "git fetch origin main:refs/remotes/origin/main"
    assert command in said
    assert command in clone.seeknal("doctor", code=1).out
    clone.git(*command.split()[1:])
    assert clone.plan()["changes"] == []


def test_an_orphan_branch_runs_and_has_no_plan(published: Repo) -> None:
    published.git("switch", "--quiet", "--orphan", "dev")
    published.git("checkout", "main", "--", ".")
    edit(published)
    published.commit()
    assert "unrelated histories" in published.seeknal("plan", code=1).err
    assert published.built() == ["transform.daily"]
    assert "unrelated histories" in published.seeknal("promote", "dev", code=1).err


@pytest.mark.parametrize("link", [DAILY, "seeknal/more", "seeknal/more.yml"])
def test_a_linked_node_or_folder_is_told(shop: Repo, link: str) -> None:
    """git keeps the link's name, not what it leads to: on another machine that may be nothing."""
    place = shop.path / link
    place.unlink(missing_ok=True)
    place.symlink_to(shop.path.parent)
    shop.git("add", "--all")
    said = shop.seeknal("validate", code=1).err
    assert f"{link}: This is a symbolic link" in said


def test_a_repository_of_somebody_else_is_opened_once_it_is_trusted(shop: Repo) -> None:
    import os

    if os.getuid() != 0:
        pytest.skip("only root can give a folder away")
    for place in (shop.path, shop.path / ".git"):
        os.chown(place, 12345, 12345)
    said = shop.seeknal("plan", code=1, subprocess=True).err
    assert "belongs to another user" in said
    assert "git config --global --add safe.directory" in said
