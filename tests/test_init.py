"""`seeknal init`, in empty folders, in projects and in repositories that people have already."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import yaml

from seeknal_git.commands.init import init as begin
from seeknal_git.git import hooks
from seeknal_git.project.settings import Settings, read_settings
from tests.conftest import Repo

KIND_FOLDERS = [
    f"seeknal/{kind}s/.gitkeep"
    for kind in ("exposure", "feature_group", "rule", "source", "transform")
]
COMMITTED = sorted([".gitignore", "seeknal_project.yml", *KIND_FOLDERS])


def committed(repo: Repo) -> list[str]:
    return sorted(repo.git("show", "--name-only", "--format=", "HEAD").splitlines())


def add(repo: Repo, name: str, text: str = "") -> None:
    """Commit one file and nothing else."""
    repo.write(name, text)
    repo.git("add", "--", name)
    repo.git("commit", "--quiet", "-m", f"Add {name}")


def files(repo: Repo) -> dict[str, bytes]:
    """Everything but what is git's."""
    found = (path for path in repo.path.rglob("*") if path.is_file() and ".git" not in path.parts)
    return {path.relative_to(repo.path).as_posix(): path.read_bytes() for path in found}


def settings(repo: Repo) -> Settings:
    return read_settings((repo.path / "seeknal_project.yml").read_bytes())


def know(repo: Repo) -> None:
    """Do what `init` says to do."""
    repo.git("config", "--global", "user.name", "Ada")
    repo.git("config", "--global", "user.email", "ada@example.com")


@pytest.fixture
def nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repo:
    """An empty folder of somebody whom git does not know."""
    config = tmp_path / "gitconfig"
    config.write_text("[user]\nuseConfigOnly = true\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    (tmp_path / "shop").mkdir()
    return Repo(tmp_path / "shop")


@pytest.fixture
def place(nobody: Repo) -> Repo:
    """The same, of somebody whom git knows."""
    know(nobody)
    return nobody


def test_an_empty_folder_becomes_a_project_with_one_commit(place: Repo) -> None:
    said = place.seeknal("init", "-d", "Orders: all of them")

    assert place.git("branch", "--show-current") == "main"
    assert place.git("rev-list", "--count", "HEAD") == "1"
    assert committed(place) == COMMITTED
    assert place.git("status", "--porcelain") == ""
    assert settings(place) == Settings("shop", "Orders: all of them", "main", "", 7 * 86400)
    assert "$ git init -b main" in said.err
    assert "$ git commit -m" in said.err


def test_the_next_steps_are_the_whole_journey(place: Repo) -> None:
    out = place.seeknal("init").out

    steps = [
        "draft source",
        "dry-run",
        "apply",
        "seeknal plan",
        "seeknal run",
        "plan dev",
        "git merge dev",
        "promote dev",
    ]
    positions = [out.index(step) for step in steps]
    assert positions == sorted(positions)


def test_the_project_can_be_planned_at_once(place: Repo) -> None:
    place.seeknal("init")

    assert "There are no nodes yet" in place.seeknal("plan").out


def test_what_is_private_is_ignored_by_git(place: Repo) -> None:
    place.seeknal("init")

    assert (place.path / "profiles.yml").exists()
    for name in ("target/x", "profiles.yml", ".env"):
        assert place.git("check-ignore", name) == name


def test_profiles_explain_where_secrets_go(place: Repo) -> None:
    place.seeknal("init")

    lines = (place.path / "profiles.yml").read_text().splitlines()
    assert all(line.startswith("#") for line in lines)
    assert any("${NAME} stands for the environment variable NAME" in line for line in lines)


def test_the_hooks_are_installed_after_the_first_commit(place: Repo) -> None:
    place.seeknal("init")

    assert {hook.state for hook in hooks.status(place.path, ".", "main")} == {"installed"}
    refs = place.git("for-each-ref", "refs/seeknal/production")
    assert refs == "", "the first commit promoted"


@pytest.mark.parametrize("name", ["shop: the best", "yes", "1.10", "Ärger & Söhne", "{x}", 'a "b"'])
def test_any_name_and_description_survive_the_file(place: Repo, name: str) -> None:
    place.seeknal("init", "--name", name, "--description", name)

    assert (settings(place).name, settings(place).description) == (name, name)


@pytest.mark.parametrize("option", ["--path", "-p", "-C", "--project-path"])
def test_a_folder_that_is_not_there_is_made(place: Repo, option: str) -> None:
    said = place.seeknal("init", option, "deep/down")

    assert (place.path / "deep/down/.git").is_dir()
    assert "cd " in said.out
    assert settings(Repo(place.path / "deep/down")).name == "down"


def test_a_file_in_the_folder_s_place_is_named(place: Repo) -> None:
    place.write("taken", "")

    assert "taken" in place.seeknal("init", "--path", "taken", code=2).err


def test_without_an_identity_the_two_commands_are_told_and_nothing_is_lost(nobody: Repo) -> None:
    said = nobody.seeknal("init")

    assert 'git config --global user.name "Your Name"' in said.err
    assert "git config --global user.email you@example.com" in said.err
    assert sorted(nobody.git("diff", "--cached", "--name-only").splitlines()) == COMMITTED
    assert {hook.state for hook in hooks.status(nobody.path, ".", "main")} == {"installed"}


def test_the_commit_that_is_told_works_once_there_is_an_identity(nobody: Repo) -> None:
    said = nobody.seeknal("init")
    know(nobody)

    command = next(
        line.strip() for line in said.err.splitlines() if line.startswith("  git commit")
    )
    nobody.git(*shlex.split(command)[1:2], "--no-verify", *shlex.split(command)[2:])

    assert committed(nobody) == COMMITTED


def test_a_second_time_changes_nothing(place: Repo) -> None:
    place.seeknal("init")
    before, head = files(place), place.git("rev-parse", "HEAD")

    said = place.seeknal("init", "--name", "other")

    assert (files(place), place.git("rev-parse", "HEAD")) == (before, head)
    assert "created" not in said.out
    assert "git init" not in said.err


def test_what_is_there_is_never_overwritten(place: Repo) -> None:
    place.write("seeknal_project.yml", "name: mine  # kept\n")
    place.write(".gitignore", "mine\n")
    place.write("profiles.yml", "connections: {}\n")
    place.write(
        "seeknal/sources/orders.yml",
        "kind: source\nname: orders\nsource: csv\ntable: data/orders.csv\n",
    )
    before = files(place)

    said = place.seeknal("init", "--name", "other")

    after = files(place)
    assert {name: after[name] for name in before} == before
    assert "seeknal/sources/.gitkeep" not in after
    assert "seeknal/rules/.gitkeep" in after
    assert "git does not ignore target/, exports/, draft_*.yml, profiles.yml, .env" in said.err


def test_a_copied_project_gets_a_repository_that_holds_its_nodes_and_not_what_else_lies_there(
    place: Repo,
) -> None:
    place.write("seeknal_project.yml", "name: mine\n")
    place.write(
        "seeknal/sources/orders.yml",
        "kind: source\nname: orders\nsource: csv\ntable: data/orders.csv\n",
    )
    place.write("data/orders.csv", "id\n1\n")

    said = place.seeknal("init")

    assert "seeknal/sources/orders.yml" in committed(place)
    assert "data/orders.csv" not in committed(place)
    assert "git add data/" in said.err
    assert "seeknal draft" not in said.out


def test_in_a_repository_only_the_new_files_are_committed(place: Repo) -> None:
    place.git("init", "-b", "main")
    add(place, "README.md", "one\n")
    place.write("README.md", "two\n")
    place.write("staged.txt", "")
    place.git("add", "staged.txt")
    place.write("untracked.txt", "")

    said = place.seeknal("init")

    assert committed(place) == COMMITTED
    assert place.git("status", "--porcelain").splitlines() == [
        "M README.md",
        "A  staged.txt",
        "?? untracked.txt",
    ]
    assert "git init" not in said.err


def test_in_a_repository_without_a_commit_only_the_new_files_are_committed(place: Repo) -> None:
    place.git("init", "-b", "trunk")
    place.write("staged.txt", "")
    place.git("add", "staged.txt")

    place.seeknal("init")

    assert committed(place) == COMMITTED
    assert place.git("status", "--porcelain") == "A  staged.txt"
    assert settings(place).production_branch == "trunk"


@pytest.mark.parametrize(
    ("branches", "current", "production"),
    [
        pytest.param(["main", "dev"], "dev", "main", id="main, wherever one stands"),
        pytest.param(["master", "dev"], "dev", "master", id="master, where there is no main"),
        pytest.param(["master", "main"], "master", "main", id="main before master"),
        pytest.param(["trunk", "dev"], "trunk", "trunk", id="else the current one"),
        pytest.param(["no"], "no", "no", id="a name that YAML takes for something else"),
    ],
)
def test_the_production_branch_is_the_one_that_is_there(
    place: Repo, branches: list[str], current: str, production: str
) -> None:
    place.git("init", "-b", branches[0])
    add(place, "README.md")
    for branch in branches[1:]:
        place.git("branch", branch)
    place.git("switch", "--quiet", current)

    place.seeknal("init")

    assert settings(place).production_branch == production
    assert {hook.state for hook in hooks.status(place.path, ".", production)} == {"installed"}
    assert place.git("branch", "--show-current") == current


def test_a_project_file_that_names_a_branch_that_is_not_there_is_said(place: Repo) -> None:
    place.git("init", "-b", "master")
    add(place, "seeknal_project.yml", "name: old\nproduction_branch: main\n")

    assert "there is no branch main" in place.seeknal("init").err


def test_a_project_in_a_folder_of_a_repository_uses_that_repository(place: Repo) -> None:
    place.git("init", "-b", "main")
    add(place, "README.md")

    place.seeknal("init", "--path", "pipelines/shop")

    assert not (place.path / "pipelines/shop/.git").exists()
    assert committed(place) == sorted(f"pipelines/shop/{name}" for name in COMMITTED)
    assert {hook.state for hook in hooks.status(place.path, "pipelines/shop", "main")} == {
        "installed"
    }


def test_a_project_file_that_is_wrong_stops_everything(place: Repo) -> None:
    place.write("seeknal_project.yml", "name: x\nproduction_brunch: y\n")

    said = place.seeknal("init", code=1)

    assert "seeknal_project.yml:2" in said.err
    assert list(files(place)) == ["seeknal_project.yml"]


def test_a_merge_that_is_not_finished_is_left_alone(place: Repo) -> None:
    place.git("init", "-b", "main")
    add(place, "README.md", "one\n")
    place.git("switch", "--quiet", "-c", "dev")
    add(place, "dev.txt")
    place.git("switch", "--quiet", "main")
    add(place, "main.txt")
    place.git("merge", "--no-commit", "--no-ff", "dev")
    head = place.git("rev-parse", "HEAD")

    said = place.seeknal("init")

    assert "the first commit is still to be made" in said.err
    assert place.git("rev-parse", "HEAD") == head
    assert (place.path / ".git/MERGE_HEAD").exists()


def test_a_hook_of_the_user_that_refuses_is_quoted_and_everything_is_kept(place: Repo) -> None:
    place.git("init", "-b", "main")
    add(place, "README.md")
    place.write(".git/hooks/pre-commit", "#!/bin/sh\necho not today >&2; exit 1\n")
    (place.path / ".git/hooks/pre-commit").chmod(0o755)

    said = place.seeknal("init")

    assert "not today" in said.err
    assert sorted(place.git("diff", "--cached", "--name-only").splitlines()) == COMMITTED


def test_where_hooks_are_elsewhere_the_lines_to_add_are_printed(place: Repo) -> None:
    place.git("init", "-b", "main")
    place.git("config", "core.hooksPath", ".husky")

    said = place.seeknal("init")

    assert "pre-commit hook. Add these lines to it:" in said.err
    assert "validate --staged" in said.err
    assert not (place.path / ".husky").exists()


def test_a_file_where_the_nodes_belong_is_an_error_and_no_traceback(place: Repo) -> None:
    place.write("seeknal", "")

    assert "cannot be written" in place.seeknal("init", code=1).err


def test_a_bare_repository_is_refused(place: Repo) -> None:
    place.git("init", "--bare", "--quiet")

    assert "git cannot work in" in place.seeknal("init", code=1).err


# Continuous integration


@pytest.fixture
def project(place: Repo) -> Repo:
    """A project of somebody's, with changes that are not committed."""
    place.git("init", "--quiet", "-b", "main")
    add(place, "seeknal_project.yml", "name: shop\nproduction_branch: release/1+1\n")
    add(place, "README.md", "one\n")
    place.write("README.md", "two\n")
    place.write("staged.txt", "")
    place.git("add", "staged.txt")
    return place


@pytest.mark.parametrize(
    ("service", "path"), [("github", ".github/workflows/seeknal.yml"), ("gitlab", ".gitlab-ci.yml")]
)
def test_a_project_that_is_there_gets_the_workflow_and_nothing_else(
    project: Repo, service: str, path: str
) -> None:
    before, head = files(project), project.head
    said = project.seeknal("init", "--ci", service).err
    assert "SEEKNAL_DATA_ROOT" in said
    assert "SEEKNAL_INSTALL: where Seeknal is installed from, as it is on no package index" in said
    assert f"Not committed yet: git add :/{path} && git commit" in said
    assert files(project).keys() - before.keys() == {path}
    assert project.head == head
    assert project.git("ls-files", "--others", "--exclude-standard") == path
    assert project.git("status", "--porcelain").splitlines()[:2] == ["M README.md", "A  staged.txt"]
    assert {hook.state for hook in hooks.status(project.path, ".", "release/1+1")} == {"missing"}

    head, after = project.head, files(project)
    project.seeknal("init", "--ci", service)
    assert (project.head, files(project)) == (head, after)


def test_the_workflow_of_a_new_project_is_for_its_author_to_commit(place: Repo) -> None:
    place.seeknal("init", "--ci", "gitlab")
    assert committed(place) == COMMITTED
    assert place.git("status", "--porcelain") == "?? .gitlab-ci.yml"


def test_drafts_and_deliveries_of_a_new_project_are_no_work_to_commit(place: Repo) -> None:
    place.seeknal("init")
    place.seeknal("draft", "source", "orders")
    place.write("exports/orders.csv", "id\n1\n")
    assert place.git("status", "--porcelain") == ""


def test_a_workflow_that_is_there_is_left_as_it_is(project: Repo) -> None:
    project.write(".github/workflows/seeknal.yml", "mine\n")
    assert "was left as it is" in project.seeknal("init", "--ci", "github").err
    assert project.read(".github/workflows/seeknal.yml") == "mine\n"


def test_a_pipeline_of_gitlab_that_is_there_includes_ours(project: Repo) -> None:
    add(project, ".gitlab-ci.yml", "test:\n  script: make\n")
    for _ in range(2):
        said = project.seeknal("init", "--ci", "gitlab").err
        assert "include:\n  - local: .gitlab/seeknal.yml" in said
    assert project.read(".gitlab-ci.yml") == "test:\n  script: make\n"
    assert project.git("ls-files", "--others", "--exclude-standard") == ".gitlab/seeknal.yml"


def test_a_service_that_is_not_known_is_refused(project: Repo) -> None:
    assert "github" in project.seeknal("init", "--ci", "jenkins", code=2).err


def test_a_workflow_of_github_starts_for_the_production_branch_and_the_project_s_folder(
    project: Repo,
) -> None:
    odd = "shops/it's [1]"
    project.write(f"{odd}/seeknal_project.yml", "name: shop\nproduction_branch: release/1+1\n")
    project.seeknal("init", "--ci", "github", "--path", odd)
    (path,) = project.git("ls-files", "--others", "--exclude-standard", ".github").splitlines()
    assert path.startswith(".github/workflows/seeknal-shops_it_s_1_")
    workflow = yaml.safe_load(project.read(path))
    started = workflow[True]  # what YAML makes of `on`
    assert started["push"] == {"branches": ["release/1\\+1"], "paths": ["shops/it's \\[1\\]/**"]}
    assert started["pull_request"]["paths"] == started["push"]["paths"]
    assert workflow["defaults"]["run"]["working-directory"] == odd
    assert workflow["env"]["PRODUCTION"] == "release/1+1"
    assert workflow["permissions"] == {"contents": "read"}
    jobs = workflow["jobs"]
    assert list(jobs) == ["plan", "build", "fork", "drop", "promote", "nightly"]
    assert {name for name, job in jobs.items() if "write" in str(job.get("permissions"))} == {
        "plan"
    }
    assert jobs["promote"]["concurrency"] == jobs["nightly"]["concurrency"]
    assert jobs["promote"]["concurrency"]["cancel-in-progress"] is False
    assert {
        each["with"]["ref"]
        for name in ("drop", "promote", "nightly")
        for each in jobs[name]["steps"][:1]
    } == {"release/1+1"}
    assert jobs["fork"]["runs-on"] == "ubuntu-latest"
    assert "SEEKNAL_DATA_ROOT" not in str(jobs["fork"])
    used = {step["uses"] for job in jobs.values() for step in job["steps"] if "uses" in step}
    assert [each for each in used if not re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", each)] == []
    assert {name for name, job in jobs.items() if "actions/cache" in str(job)} == {"plan"}
    kept = next(step for step in jobs["plan"]["steps"] if "actions/cache" in step.get("uses", ""))
    assert kept["with"]["path"] == ".git/seeknal/cache"
    assert kept["with"]["key"].startswith(kept["with"]["restore-keys"])
    assert all(job["timeout-minutes"] <= 60 for job in jobs.values())
    groups = {
        name: job["concurrency"]["group"] for name, job in jobs.items() if "concurrency" in job
    }
    assert not [name for name, group in groups.items() if "head_ref" in group], (
        "a branch may be called production"
    )
    scripts = [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]
    assert not [
        script
        for script in scripts
        if re.search(r"(?<!-I )-m (pip|seeknal_git)|(^|\s)seeknal ", script)
    ]
    assert not [
        script for script in scripts if "${{" in script
    ]  # what others wrote never becomes part of a script


def test_a_pipeline_of_gitlab_starts_for_the_production_branch_and_the_project_s_folder(
    project: Repo,
) -> None:
    project.write(
        "shops/europe/seeknal_project.yml", "name: shop\nproduction_branch: release/1+1\n"
    )
    project.seeknal("init", "--ci", "gitlab", "--path", "shops/europe")
    pipeline = yaml.safe_load(project.read(".gitlab-ci.yml"))
    (base,) = [name for name in pipeline if name.startswith(".")]
    jobs = {name.partition(":")[2]: job for name, job in pipeline.items() if name != base}
    assert list(jobs) == ["plan", "build", "drop", "fork", "promote", "nightly"]
    assert {job["extends"] for job in jobs.values()} == {base}
    assert pipeline[base]["before_script"][-1] == "cd shops/europe"
    for name, job in jobs.items():
        (rule,) = job["rules"]
        assert rule.get("changes", ["shops/europe/**"]) == ["shops/europe/**"]
        assert ("changes" in rule) == (name != "nightly")
        assert ("SEEKNAL_DATA_ROOT" in rule["if"]) == (name not in ("plan", "fork"))
    assert '$CI_COMMIT_BRANCH == "release/1+1"' in jobs["promote"]["rules"][0]["if"]
    assert jobs["promote"]["resource_group"] == jobs["nightly"]["resource_group"]
    assert jobs["build"]["environment"]["on_stop"].endswith(":drop")


def test_the_way_from_there_is_numbered_as_the_journey_has_it(place: Repo) -> None:
    said = place.seeknal("init", "--name", "my_project").out
    assert said.startswith("Project 'my_project' initialized successfully!\n")
    steps = said[said.index("Next steps:\n") :]
    assert steps.startswith(
        "Next steps:\n"
        "  1. Create sources:     seeknal draft source <name>\n"
        "  2. Validate drafts:    seeknal dry-run draft_source_<name>.yml\n"
        "  3. Apply to project:   seeknal apply draft_source_<name>.yml\n"
        "  4. Plan execution:     seeknal plan\n"
        "  5. Run pipeline:       seeknal run\n"
    )
    assert steps.endswith(
        "\nAdvanced:\n"
        "  - Test in isolation:   seeknal plan dev && seeknal run --env dev\n"
        '  - Release with git:    git commit -am "A change" && git switch main && git merge dev\n'
        "  - Promote to prod:     seeknal promote dev\n"
        "  - Parallel execution:  seeknal run --parallel\n"
    )
    assert "is initialized already" in place.seeknal("init").out


# The production branch


def joined(place: Repo, default: str, current: str) -> None:
    """A repository whose origin begins with one branch, while another is checked out."""
    place.git("init", "-b", "main")
    add(place, "README.md")
    for branch in (default, current):
        place.git("branch", "--force", branch) if branch != "main" else None
    place.git("remote", "add", "origin", "../elsewhere")
    place.git("update-ref", f"refs/remotes/origin/{default}", "HEAD")
    place.git("symbolic-ref", "refs/remotes/origin/HEAD", f"refs/remotes/origin/{default}")
    place.git("switch", "--quiet", current)


def test_the_default_branch_of_origin_is_production(place: Repo) -> None:
    joined(place, "trunk", "feature")
    said = place.seeknal("init")
    assert settings(place).production_branch == "trunk"
    assert "the branch trunk, the default branch" in said.out
    assert "name it in seeknal_project.yml: production_branch" in said.err


def test_an_option_names_the_production_branch(place: Repo) -> None:
    joined(place, "trunk", "feature")
    assert "Did you mean main?" in place.seeknal("init", "--production-branch", "mian", code=2).err
    assert not (place.path / "seeknal_project.yml").exists()
    place.seeknal("init", "--production-branch", "main")
    assert settings(place).production_branch == "main"
    assert "Change the line" in place.seeknal("init", "--production-branch", "trunk", code=2).err


@pytest.mark.parametrize(("answer", "branch"), [("\n", "trunk"), ("feature\n", "feature")])
def test_on_a_feature_branch_a_person_is_asked(place: Repo, answer: str, branch: str) -> None:
    joined(place, "trunk", "feature")
    asked: list[tuple[str, str]] = []

    def ask(here: str, likely: str) -> str:
        asked.append((here, likely))
        return answer.strip() or likely

    assert begin(place.path, ask=ask).settings.production_branch == branch
    assert place.git("config", "seeknal.productionBranch") == branch
    assert asked == [("feature", "trunk")]


def test_on_the_production_branch_nobody_is_asked(place: Repo) -> None:
    joined(place, "main", "main")

    def ask(here: str, likely: str) -> str:
        raise AssertionError(here, likely)

    assert begin(place.path, ask=ask).settings.production_branch == "main"


@pytest.mark.parametrize("text", ["name: old\n", "name: old", "# A shop\nname: old\n\n"])
def test_a_project_of_a_repository_on_master_gets_the_line_that_it_lacks(
    place: Repo, text: str
) -> None:
    place.git("init", "-b", "master")
    place.path.joinpath("seeknal_project.yml").write_text(text)
    place.git("add", "--all")
    place.git("commit", "--quiet", "-m", "One")
    said = place.seeknal("init")
    begins = text if text.endswith("\n") else f"{text}\n"
    assert place.read("seeknal_project.yml") == f"{begins}production_branch: master\n"
    assert "Added to seeknal_project.yml: production_branch: master" in said.err
    assert "warning" not in said.err.replace("warning: .gitignore", "")
    assert place.git("status", "--porcelain") == ""
    place.seeknal("run")
    assert "Added to" not in place.seeknal("init").err


def test_an_edited_project_file_is_completed_and_not_committed(place: Repo) -> None:
    place.git("init", "-b", "master")
    add(place, "seeknal_project.yml", "name: old\n")
    place.write("seeknal_project.yml", "name: new\n")
    place.seeknal("init")
    assert place.read("seeknal_project.yml") == "name: new\nproduction_branch: master\n"
    assert place.git("show", "HEAD:seeknal_project.yml") == "name: old"


def test_a_project_file_that_no_line_can_be_added_to_is_left_as_it_is(place: Repo) -> None:
    place.git("init", "-b", "master")
    add(place, "seeknal_project.yml", "{name: old}\n")
    assert (
        "Add to seeknal_project.yml on master: production_branch: master"
        in place.seeknal("init").err
    )
    assert place.read("seeknal_project.yml") == "{name: old}\n"


def test_a_branch_that_is_checked_out_does_not_name_another_production(place: Repo) -> None:
    place.git("init", "-b", "main")
    add(place, "seeknal_project.yml", "name: old\n")
    place.git("switch", "--quiet", "-c", "evil")
    add(place, "seeknal_project.yml", "name: old\nproduction_branch: evil\n")
    assert "production  the branch main" in place.seeknal("init").out
    assert place.git("config", "seeknal.productionBranch") == "main"


def test_the_line_is_not_added_on_another_branch(place: Repo) -> None:
    place.git("init", "-b", "master")
    add(place, "seeknal_project.yml", "name: old\n")
    place.git("switch", "--quiet", "-c", "dev")
    assert (
        "Add to seeknal_project.yml on master: production_branch: master"
        in place.seeknal("init").err
    )
    assert place.read("seeknal_project.yml") == "name: old\n"
    place.seeknal("plan")
