"""Production is defined by production: a branch, a push or a clone that is behind decides nothing
about it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.conftest import Repo, copied

FILE = "seeknal_project.yml"
DAILY = "seeknal/transforms/daily.yml"

WRITING = (
    ["run"],
    ["promote"],
    ["gc", "--yes"],
    ["env", "prune", "--yes"],
    ["env", "delete", "dev"],
    ["rollback"],
    ["warehouse", "move"],
)
READING = (["env", "list"], ["gc"], ["env", "prune"], ["status"], ["log"], ["query", "FROM daily"])

# What a hostile branch may write into the project file, and how `plan` shows it.
SETTINGS = {
    "production_branch: evil": "production_branch main → evil",
    "warehouse: ../other.duckdb": "warehouse the default place → ../other.duckdb",
    "warehouse: ~/.ssh/authorized_keys2": "warehouse the default place → ~/.ssh/authorized_keys2",
    "keep_promotions: 0": "keep_promotions 10 → 0",
    "keep_history: 0s": "keep_history 7d → 0s",
    "time_to_live: 0s": "time_to_live 7d → 0s",
    "protect_production: true": "protect_production false → true",
    "promote: ci": "promote anywhere → ci",
    "show_rows: false": "show_rows true → false",
}


def set_to(repo: Repo, *lines: str) -> None:
    repo.write(FILE, "\n".join(["name: shop", *lines, ""]))


def on_evil(repo: Repo, *lines: str, commit: bool = True) -> Repo:
    """A branch that also changes a number, and says something else about production."""
    repo.switch("evil", create=True)
    set_to(repo, *lines)
    repo.replace(DAILY, "sum(amount)", "sum(amount) * 100")
    if commit:
        repo.commit("Evil")
    return repo


def total(repo: Repo) -> object:
    return repo.seeknal(
        "query", "--env", "prod", "SELECT sum(total) AS s FROM daily", "--json"
    ).json[0]["s"]


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_branch_that_says_otherwise_about_production_writes_nothing(
    published: Repo, setting: str
) -> None:
    published.git("branch", "dev")
    published.seeknal("run", "--env", "dev")
    before = published.warehouse.read_bytes()
    on_evil(published, setting, commit=setting != "keep_promotions: 0")
    for command in WRITING:
        refused = published.seeknal(*command, code=1).err
        key, value = setting.split(": ")
        old = SETTINGS[setting].partition(" ")[2].partition(" → ")[0]
        assert (
            f"{FILE}:2: This branch sets {key} to {value}, and production (main) has {old}."
            in refused
        ), command
        assert "git switch main && git merge evil" in refused
    assert published.warehouse.read_bytes() == before
    assert not (published.path.parent / "other.duckdb").exists()
    assert total(published) == 100


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_plan_shows_what_a_branch_says_otherwise(published: Repo, setting: str) -> None:
    on_evil(published, setting)
    change = f"{FILE}: {SETTINGS[setting]}"
    said = published.seeknal("plan").out
    assert f"BREAKING      {change}" in said
    assert "Next:" not in said, "a run of this branch is refused"
    assert f"| **BREAKING** | `{change}` |" in published.seeknal("plan", "--markdown").out
    assert (
        f"{FILE} of this branch does not count: {SETTINGS[setting]}"
        in published.seeknal("status").err
    )
    first = published.plan()["changes"][0]
    found = (first["node"], first["category"], first["path"], first["line"], first["what"])
    assert found == (FILE, "BREAKING", FILE, 2, [SETTINGS[setting]])


def test_the_settings_of_a_branch_are_refused_from_elsewhere_too(published: Repo) -> None:
    on_evil(published, "warehouse: other.duckdb")
    published.switch("main")
    for command in (
        ["run", "--env", "evil"],
        ["promote", "evil"],
        ["promote", "evil", "--dry-run"],
    ):
        assert "evil sets warehouse to other.duckdb" in published.seeknal(*command, code=1).err
    assert published.git("log", "-1", "--format=%s") == "First"


def test_a_change_of_settings_that_git_merges_counts(published: Repo) -> None:
    published.switch("settings", create=True)
    set_to(published, "protect_production: true", "keep_promotions: 3")
    published.commit("Protect production")
    published.switch("main")
    published.merge("settings")
    shown = [f"{each['category']} {each['what'][0]}" for each in published.plan()["changes"]]
    assert shown == ["BREAKING protect_production false → true", "BREAKING keep_promotions 10 → 3"]
    published.seeknal("promote")
    assert published.plan()["changes"] == []
    published.replace(DAILY, "sum(amount)", "max(amount)")
    assert "Production is protected" in published.seeknal("run", code=2).err
    published.git("restore", ".")
    published.switch("dev", create=True)
    published.seeknal("run")


def test_a_branch_that_is_merely_behind_has_changed_nothing(published: Repo) -> None:
    published.switch("dev", create=True)
    published.replace(DAILY, "sum(amount)", "max(amount)")
    published.commit("Dev")
    published.switch("main")
    set_to(published, "keep_promotions: 3")
    published.commit("Keep less")
    published.switch("dev")
    assert [each["node"] for each in published.plan()["changes"]] == ["transform.daily"]
    published.seeknal("run")


def test_an_edit_on_the_production_branch_counts_once_it_is_committed(published: Repo) -> None:
    set_to(published, "warehouse: other.duckdb")
    said = published.seeknal("plan").out
    assert f"BREAKING      {FILE}: warehouse the default place → other.duckdb" in said
    assert "The project file counts as it is committed." in said
    told = published.seeknal("run").err
    assert (
        f"{FILE} is edited, and counts as it is committed: warehouse the default place → other.duckdb"
        in told
    )
    assert not (published.path / "other.duckdb").exists()


def test_the_project_file_of_the_working_tree_counts_before_production_has_one(
    shop: Repo, tmp_path: Path
) -> None:
    fresh = Repo(tmp_path / "fresh")
    fresh.path.mkdir()
    fresh.git("init", "--quiet", "--initial-branch", "trunk")
    for path in shop.git("ls-files").splitlines():
        fresh.write(path, shop.read(path))
    set_to(fresh, "production_branch: trunk")
    assert fresh.seeknal("validate").code == 0
    fresh.commit("First")
    fresh.seeknal("run")
    assert fresh.git("config", "seeknal.productionBranch") == "trunk"


@pytest.mark.parametrize("content", ["name: [\n", "name: a\nwarehous: b\n", "", "- a\n"])
def test_a_malformed_project_file_on_a_branch_breaks_nothing_for_others(
    published: Repo, content: str
) -> None:
    published.switch("broken", create=True)
    (published.path / FILE).write_text(content)
    published.commit("Broken")
    for command in READING:
        published.seeknal(*command)
    for command in (["plan"], *WRITING):
        assert published.seeknal(*command, code=1).err.startswith(f"error: {FILE}:"), command
    assert f"wrong: {FILE}:" in published.seeknal("doctor", code=1).out
    published.switch("main")
    for command in (*READING, ["run"], ["promote"], ["gc", "--yes"], ["env", "prune", "--yes"]):
        published.seeknal(*command)
    assert f"error: {FILE}:" in published.seeknal("run", "--env", "broken", code=1).err


def test_a_project_file_that_is_a_link_shows_nothing_of_where_it_leads(
    published: Repo, tmp_path: Path
) -> None:
    secret = tmp_path / "hosts.yml"
    secret.write_text("name: a\ntime_to_live: the secret\n")
    published.switch("linked", create=True)
    (published.path / FILE).unlink()
    (published.path / FILE).symlink_to(secret)
    published.commit("Linked")
    for command in (["plan"], ["status"], ["validate"], ["doctor"], *WRITING):
        said = published.seeknal(*command, code=None)
        assert "The project file is a link" in said.out + said.err, command
        assert "the secret" not in said.out + said.err, command


def test_a_malformed_project_file_of_production_is_named_and_can_be_mended(published: Repo) -> None:
    (published.path / FILE).write_text("name: shop\nkeep: 1\n")
    published.commit("Broken", hooks=False)
    published.switch("mend", create=True)
    set_to(published)
    for command in (["run"], ["gc", "--yes"], ["query", "FROM daily"]):
        refused = published.seeknal(*command, code=1).err
        assert refused.startswith(
            f"error: {FILE}:2: At the tip of main: There is no setting `keep`."
        )
        assert "Mend the project file on main, and commit it" in refused
    published.seeknal("validate")
    published.commit("Mended")
    published.seeknal("validate", "--staged")
    published.switch("main")
    published.merge("mend")
    published.seeknal("promote")


# Which branch is production


def test_a_branch_that_calls_itself_production_is_an_environment(published: Repo) -> None:
    on_evil(published, "production_branch: evil")
    for command in (["run"], ["promote"], ["env", "delete", "main"]):
        published.seeknal(*command, code=1)
    assert [
        each["branch"]
        for each in published.seeknal("env", "list", "--json").json
        if each["production"]
    ] == ["main"]
    published.switch("main")
    assert (
        "main is production, and is never deleted"
        in published.seeknal("env", "delete", "main", code=2).err
    )
    assert total(published) == 100


def test_no_branch_names_itself_production_if_others_do_not(published: Repo) -> None:
    published.git("branch", "--quiet", "--move", "main", "trunk")
    published.git("config", "--unset-all", "seeknal.productionBranch")
    set_to(published, "production_branch: trunk")
    published.commit("Trunk", hooks=False)
    published.git("branch", "dev")
    assert published.seeknal("status", "--json").json["production"]["branch"] == "trunk"
    set_to(published)
    published.commit("No name", hooks=False)
    published.git("branch", "--force", "dev")
    on_evil(published, "production_branch: evil")
    for command in WRITING[:4]:
        assert "There is no production branch" in published.seeknal(*command, code=2).err


def test_git_s_configuration_keeps_what_the_first_run_found(published: Repo) -> None:
    assert published.git("config", "seeknal.productionBranch") == "main"
    published.switch("trunk", create=True)
    set_to(published, "production_branch: main")
    published.commit("Production is called main")
    published.switch("main")
    set_to(published, "production_branch: trunk")
    published.commit("Production is called trunk")
    assert published.seeknal("status", "--json").json["production"]["branch"] == "main", (
        "trunk declines: it says main"
    )
    published.git("branch", "--force", "trunk", "main")
    assert published.seeknal("status", "--json").json["production"]["branch"] == "trunk"
    published.seeknal("promote")
    assert published.git("config", "seeknal.productionBranch") == "trunk"


def test_the_option_and_the_variable_come_first(
    published: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    published.git("branch", "release")
    assert published.seeknal("status", "--json").json["production"]["branch"] == "main"
    monkeypatch.setenv("SEEKNAL_PRODUCTION_BRANCH", "release")
    assert published.seeknal("status", "--json").json["production"]["branch"] == "release"
    said = published.seeknal("--production-branch", "main", "status", "--json").json
    assert said["production"]["branch"] == "main"


def test_a_project_in_a_folder_has_a_production_branch_of_its_own(shop: Repo) -> None:
    shop.git("branch", "release")
    shop.git("config", "seeknal.shops/europe.productionBranch", "release")
    for path in ("seeknal_project.yml", DAILY):
        shop.write(f"shops/europe/{path}", shop.read(path))
    europe = Repo(shop.path / "shops/europe")
    assert europe.seeknal("status", "--json").json["production"]["branch"] == "release"
    assert shop.seeknal("status", "--json").json["production"]["branch"] == "main"


@pytest.mark.parametrize(
    "name", ["trunk", "Main", "MAIN", "refs/heads/main", "main^{}", "origin/main", "v1"]
)
def test_a_name_that_is_no_branch_is_never_production(published: Repo, name: str) -> None:
    before = published.warehouse.read_bytes()
    published.git("tag", "v1")
    published.git("config", "seeknal.productionBranch", name)
    published.switch("dev", create=True)
    for command in (["run"], ["promote"], ["plan"]):
        refused = published.seeknal(*command, code=2).err
        assert refused.startswith(f"error: There is no production branch {name}.")
        assert "git config seeknal.productionBranch main" in refused
    assert published.warehouse.read_bytes() == before


def test_neither_a_tag_nor_another_remote_s_branch_is_taken_for_production(
    published: Repo, tmp_path: Path
) -> None:
    released = published.head
    evil = copied(published, tmp_path / "evil")
    on_evil(evil)
    evil.git("branch", "--force", "main", "evil")
    published.git("remote", "add", "another", str(evil.path))
    published.git("remote", "add", "origin", str(published.path))
    published.git("fetch", "--quiet", "another")
    published.git("tag", "main", "another/main")
    published.git("branch", "origin/main", "another/main")
    published.seeknal("promote")
    assert published.production_ref == released
    assert total(published) == 100
    published.git("switch", "--quiet", "--detach")
    published.git("branch", "--quiet", "-D", "main")
    assert (
        "There is no production branch main in this clone"
        in published.seeknal("promote", code=2).err
    )


def cloned(repo: Repo, path: Path, *options: str) -> Repo:
    subprocess.run(
        ["git", "clone", "--quiet", *options, f"file://{repo.path}", str(path)], check=True
    )
    clone = Repo(path)
    clone.git("config", "seeknal.dataRoot", str(repo.path))
    return clone


def test_a_clone_of_one_branch_takes_it_for_nobody_s_production(
    published: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    published.git("branch", "--move", "main", "trunk")
    published.git("config", "seeknal.productionBranch", "trunk")
    published.seeknal("run")
    before = published.warehouse.read_bytes()
    on_evil(published, "production_branch: evil")
    published.switch("trunk")
    clone = cloned(
        published, tmp_path / "clone", "--single-branch", "--branch", "evil", "--depth", "1"
    )
    for command in WRITING[:4]:
        refused = clone.seeknal(*command, code=2).err
        assert "There is no production branch main in this clone" in refused
        assert "git config seeknal.productionBranch NAME" in refused
    assert published.warehouse.read_bytes() == before
    monkeypatch.setenv("SEEKNAL_PRODUCTION_BRANCH", "trunk")
    assert "git fetch origin trunk:refs/remotes/origin/trunk" in clone.seeknal("run", code=2).err


def test_a_shallow_detached_clone_finds_production_on_its_remote(
    published: Repo, tmp_path: Path
) -> None:
    published.git("branch", "dev")
    on_evil(published, "time_to_live: 0s")
    published.switch("main")
    clone = cloned(published, tmp_path / "clone", "--depth", "1", "--no-single-branch")
    clone.git("switch", "--quiet", "--detach", "origin/evil")
    clone.git("branch", "--quiet", "-D", "main")
    assert clone.seeknal("status", "--json").json["production"]["branch"] == "main"
    assert "This branch sets time_to_live to 0s" in clone.seeknal("gc", "--yes", code=1).err
    clone.git("switch", "--quiet", "--detach", "origin/dev")
    clone.seeknal("gc", "--yes")


def test_a_remote_that_is_on_no_branch_names_no_production(published: Repo, tmp_path: Path) -> None:
    clone = cloned(published, tmp_path / "clone")
    clone.git("symbolic-ref", "--delete", "refs/remotes/origin/HEAD")
    clone.git("update-ref", "refs/remotes/origin/HEAD", clone.head)
    assert clone.seeknal("status", "--json").json["production"]["branch"] == "main"


def test_a_push_decides_nothing_on_a_server(published: Repo, tmp_path: Path) -> None:
    server = Repo(tmp_path / "server.git")
    published.git("clone", "--quiet", "--bare", ".", str(server.path))
    data = tmp_path / "data"
    data.mkdir()
    copied(Repo(published.path / "data"), data / "data")
    server.seeknal("hooks", "install", "--data-root", str(data))
    server.seeknal("promote")
    assert server.git("config", "seeknal.productionBranch") == "main"
    on_evil(published, "production_branch: evil", "warehouse: ../authorized_keys2")
    published.git(
        "push",
        "--quiet",
        str(server.path),
        "evil",
        "evil:refs/heads/origin/main",
        "evil:refs/tags/main",
    )
    server.seeknal("promote")
    assert not (tmp_path / "authorized_keys2").exists()
    assert server.seeknal("status", "--json").json["production"]["branch"] == "main"
    server.git("symbolic-ref", "HEAD", "refs/heads/evil")
    assert server.seeknal("status", "--json").json["production"]["branch"] == "main"


def test_a_server_and_its_clones_agree_on_the_default_branch(
    published: Repo, tmp_path: Path
) -> None:
    server = Repo(tmp_path / "server.git")
    published.git("branch", "trunk")
    published.git("clone", "--quiet", "--bare", ".", str(server.path))
    server.git("remote", "remove", "origin")
    server.git("symbolic-ref", "HEAD", "refs/heads/trunk")
    server.git("config", "seeknal.dataRoot", str(published.path))
    clone = cloned(server, tmp_path / "clone")
    for each in (server, clone):
        assert each.seeknal("status", "--json").json["production"]["branch"] == "trunk"


# Who may release


@pytest.fixture
def by_ci(published: Repo, monkeypatch: pytest.MonkeyPatch) -> Repo:
    """Production's project file says that continuous integration alone releases, and this is a
    laptop."""
    set_to(published, "promote: ci")
    published.replace(DAILY, "sum(amount)", "sum(amount) + 1")
    published.commit("Only CI releases")
    monkeypatch.setenv("SEEKNAL_CI", "0")
    return published


FROM_A_LAPTOP = (
    ["run"],
    ["promote"],
    ["promote", "dev"],
    ["rollback"],
    ["run", "--nodes", "daily"],
)


@pytest.mark.parametrize("command", FROM_A_LAPTOP, ids=" ".join)
def test_a_laptop_releases_nothing_if_continuous_integration_does(
    by_ci: Repo, command: list[str]
) -> None:
    by_ci.git("branch", "dev")
    by_ci.install_hooks()
    before, head = by_ci.warehouse.read_bytes(), by_ci.head
    refused = by_ci.seeknal(*command, code=2).err
    assert (
        "Continuous integration alone releases main (promote: ci in its project file). Nothing was done."
        in refused
    )
    assert "--force needs a reason" in by_ci.seeknal(*command, "--force", code=2).err
    assert (
        "--force needs a reason" in by_ci.seeknal(*command, "--force", "--reason", " ", code=2).err
    )
    assert (by_ci.warehouse.read_bytes(), by_ci.head) == (before, head)


def test_a_laptop_goes_on_with_branches_previews_and_hooks(by_ci: Repo) -> None:
    for command in (["run", "--dry-run"], ["promote", "--dry-run"], ["rollback", "--dry-run"]):
        if command[0] != "rollback":
            by_ci.seeknal(*command)
    by_ci.switch("dev", create=True)
    by_ci.replace(DAILY, "+ 1", "+ 2")
    by_ci.commit("Dev")
    by_ci.seeknal("run")
    by_ci.switch("main")
    assert "continuous integration promotes it" in by_ci.seeknal("status").out
    by_ci.install_hooks()
    said = by_ci.try_git("merge", "--no-edit", "dev").stderr
    assert "seeknal: main moved, and continuous integration promotes it: git push" in said
    assert total(by_ci) == 100


@pytest.mark.parametrize("variable", ["SEEKNAL_CI", "CI", "TF_BUILD", "JENKINS_URL"])
def test_continuous_integration_releases(
    by_ci: Repo, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    for each in ("SEEKNAL_CI", "CI"):
        monkeypatch.delenv(each, raising=False)
    monkeypatch.setenv(variable, "true")
    by_ci.seeknal("promote")
    assert total(by_ci) == 102


def test_a_release_by_force_says_why_in_the_log(by_ci: Repo) -> None:
    by_ci.seeknal("promote", "--force", "--reason", "CI is down")
    by_ci.seeknal("rollback", "--force", "--reason", "It was wrong")
    assert [each["reason"] for each in by_ci.seeknal("log", "--json").json["publications"]][:2] == [
        "It was wrong",
        "CI is down",
    ]
    log = by_ci.seeknal("log").out
    assert "Reason: promote, by force: CI is down, " in log
    assert "Reason: rollback to publication 1, by force: It was wrong, " in log


@pytest.mark.parametrize("setting", ["promote: anywhere", ""])
def test_a_branch_does_not_let_a_laptop_release(by_ci: Repo, setting: str) -> None:
    by_ci.switch("evil", create=True)
    set_to(by_ci, setting)
    by_ci.commit("Anybody may")
    assert "This branch sets promote to anywhere" in by_ci.seeknal("promote", code=1).err
    by_ci.switch("main")
    set_to(by_ci, setting)
    assert "Continuous integration alone releases main" in by_ci.seeknal("run", code=2).err


def test_day_one_says_before_it_builds_that_nothing_is_committed(shop: Repo) -> None:
    shop.replace(DAILY, "sum(amount)", "sum(error('it broke')::INT)")
    done = shop.seeknal("run", code=1)
    assert "Production runs with uncommitted changes" in done.err
    assert "it broke" in done.out


def test_a_project_that_begins_with_ci_protects_production(tmp_path: Path) -> None:
    for options, protected in ((["--ci", "github"], True), ([], False)):
        place = Repo(tmp_path / f"new-{protected}")
        place.path.mkdir()
        place.seeknal("init", *options)
        assert ("protect_production: true" in place.read(FILE)) == protected
        assert place.git("config", "seeknal.productionBranch") == "main"


def test_doctor_recommends_protection_once_there_is_a_remote(published: Repo) -> None:
    advice = "Set protect_production: true in seeknal_project.yml"
    assert advice not in published.seeknal("doctor", code=None).out
    published.git("remote", "add", "origin", "../origin.git")
    assert advice in published.seeknal("doctor", code=None).out
    set_to(published, "protect_production: true")
    published.commit("Protected")
    assert advice not in published.seeknal("doctor", code=None).out


# A clone that is behind


@pytest.fixture
def beside(published: Repo, tmp_path: Path) -> Repo:
    """A clone without remotes that shares the warehouse, and lacks what production shows."""
    clone = cloned(published, tmp_path / "beside")
    clone.git("remote", "remove", "origin")
    published.replace(DAILY, "sum(amount)", "sum(amount) * 100")
    published.commit("A hundred times")
    published.seeknal("promote")
    return clone


RELEASING = (["run"], ["promote"], ["run", "--nodes", "daily"])


def test_a_clone_without_remotes_that_lacks_what_production_shows_releases_nothing(
    published: Repo, beside: Repo
) -> None:
    before = published.production()
    for command in RELEASING:
        refused = beside.seeknal(*command, code=1).err
        assert "which this clone does not have" in refused
        assert "git fetch DIR main" in refused
    beside.git("fetch", "--quiet", str(published.path), "main")
    for command in (["gc", "--yes"], ["env", "prune", "--yes"]):
        assert "Nothing was deleted" in beside.seeknal(*command, code=1).err
    for command in RELEASING:
        refused = beside.seeknal(*command, code=1).err
        assert "main is 1 commit behind" in refused
        assert f"git merge --ff-only {published.head[:8]}" in refused
    for command in (
        ["status"],
        ["plan"],
        ["query", "FROM daily"],
        ["log"],
        ["gc"],
        ["env", "list"],
        ["diff"],
    ):
        said = beside.seeknal(*command)
        assert "main is 1 commit behind" in said.out + said.err, command
    assert published.production() == before
    assert [each["node"] for each in beside.plan()["changes"]] == ["transform.daily"], (
        "against what production shows"
    )
    beside.git("merge", "--quiet", "--ff-only", "FETCH_HEAD")
    assert beside.plan()["changes"] == []
    beside.seeknal("promote")
    assert published.production() == before


def test_a_clone_that_is_behind_and_has_work_of_its_own_releases_nothing(
    published: Repo, beside: Repo
) -> None:
    before = published.production()
    beside.commit("Something of its own")
    beside.git("fetch", "--quiet", str(published.path), "main")
    for command in RELEASING:
        assert "main is 1 commit behind" in beside.seeknal(*command, code=1).err
    assert published.production() == before


def test_what_this_clone_had_is_taken_back_without_more_ado(published: Repo) -> None:
    first = published.head
    published.replace(DAILY, "sum(amount)", "sum(amount) * 100")
    published.commit("A hundred times")
    published.seeknal("promote")
    published.replace(DAILY, "* 100", "* 7")
    published.seeknal("run")
    published.git("reset", "--quiet", "--hard", first)
    published.seeknal("promote")
    assert total(published) == 100


def test_a_rollback_needs_no_commit_of_this_clone(published: Repo, beside: Repo) -> None:
    beside.seeknal("rollback")
    assert total(published) == 100


# What git must not hold

TRACKED = {
    "a folder": (
        "target/warehouse.duckdb",
        "target/warehouse.duckdb: git tracks target/warehouse.duckdb: a run writes",
    ),
    "another case": ("Target/x", "Target/x: git tracks Target/x: a run writes"),
    "a file": ("target", "target: git tracks target: a run writes"),
    "secrets": (".env", ".env: git tracks .env: it is yours alone"),
    "connections": ("Profiles.YML", "Profiles.YML: git tracks Profiles.YML: it is yours alone"),
}


def staged(repo: Repo, path: str) -> None:
    """Stage a file that is not in the working tree, as it would be in a commit of somebody else."""
    blob = repo.git("hash-object", "-w", FILE)
    repo.git("update-index", "--add", "--cacheinfo", f"100644,{blob},{path}")


@pytest.mark.parametrize("name", TRACKED)
def test_a_tree_with_what_git_must_not_hold_is_refused(shop: Repo, name: str) -> None:
    path, words = TRACKED[name]
    staged(shop, path)
    said = shop.seeknal("validate", "--staged", code=1)
    assert words in said.out + said.err
    assert f"git rm -r --cached -- {path.split('/')[0]}" in said.out + said.err
    shop.install_hooks()
    assert shop.try_git("commit", "--message", "Evil").returncode
    shop.git("rm", "-r", "--quiet", "--cached", "--", path.split("/")[0])
    shop.seeknal("validate", "--staged")


def test_a_link_called_target_and_the_warehouse_s_own_path_are_refused(shop: Repo) -> None:
    set_to(shop, "warehouse: data/Store/main.duckdb")
    shop.commit("Another warehouse")
    for path in ("data/store/main.duckdb", "data/Store/main.duckdb.wal"):
        staged(shop, path)
        said = shop.seeknal("validate", "--staged", code=1)
        assert (
            f"git tracks {path}: a checkout would put a branch's file over production"
            in said.out + said.err
        )
        shop.git("rm", "--quiet", "--cached", "--", path)
    for name in ("target", "data/Store"):
        (shop.path / name).symlink_to("/tmp")
        shop.git("add", "--force", name)
        said = shop.seeknal("validate", code=1)
        assert f"git tracks {name}: " in said.out + said.err
        shop.git("rm", "--quiet", "--force", name)
    shop.seeknal("validate")


def test_what_git_must_not_hold_is_not_promoted_after_a_fast_forward(published: Repo) -> None:
    before = published.production()
    staged(published, "target/warehouse.duckdb")
    published.git("commit", "--quiet", "--no-verify", "--message", "Evil")
    said = published.seeknal("promote", code=1)
    assert "git tracks target/warehouse.duckdb" in said.err
    assert "Move it away unless it is yours" in said.err
    assert published.production() == before


@pytest.mark.parametrize("fast_forward", [True, False])
def test_a_branch_with_what_git_must_not_hold_is_not_merged(
    published: Repo, fast_forward: bool
) -> None:
    published.switch("evil", create=True)
    staged(published, "target/warehouse.duckdb")
    published.git("commit", "--quiet", "--message", "Evil")
    before = published.warehouse.read_bytes()
    published.git("-c", "advice.detachedHead=false", "symbolic-ref", "HEAD", "refs/heads/main")
    published.git("reset", "--quiet")
    if not fast_forward:
        published.commit("Something else")
    head = published.head
    for command in (
        ["promote", "evil"],
        ["promote", "evil", "--dry-run"],
        ["plan", "evil", "--into", "main"],
    ):
        said = published.seeknal(*command, code=1)
        assert "git tracks target/warehouse.duckdb" in said.out + said.err
    assert (published.head, published.warehouse.read_bytes()) == (head, before)
