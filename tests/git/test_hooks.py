"""The hooks against real git, for one project."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from seeknal_git.errors import GitError
from seeknal_git.git import hooks
from seeknal_git.git.hook_scripts import HOOKS, _digest
from seeknal_git.git.hooks import install
from tests.git.conftest import SEEKNAL, USER_HOOK, Story, executable, tell

PRE_HOOKS = ("pre-commit", "pre-merge-commit")
POST_HOOKS = ("post-merge", "post-commit", "post-rewrite")


# When a hook promotes, and when it does not


@pytest.mark.parametrize(
    ("commands", "promotions"),
    [
        pytest.param(["merge topic"], 1, id="fast-forward"),
        pytest.param(["merge --no-ff topic"], 1, id="true merge"),
        pytest.param(["merge --no-ff --no-commit topic"], 0, id="merge, not committed yet"),
        pytest.param(["merge --no-ff --no-commit topic", "commit -m m"], 1, id="merge by hand"),
        pytest.param(["merge --squash topic"], 0, id="squash, not committed yet"),
        pytest.param(["merge --squash topic", "commit -m m"], 1, id="squash"),
        pytest.param(["merge topic", "merge topic"], 1, id="merge with nothing to merge"),
        pytest.param(["pull --quiet . topic"], 1, id="pull"),
        pytest.param(["commit --allow-empty -m m"], 1, id="commit"),
        pytest.param(["commit --amend -m m"], 1, id="amend"),
        pytest.param(["cherry-pick topic~1"], 1, id="cherry-pick"),
        pytest.param(["cherry-pick main..topic"], 2, id="cherry-pick of two commits"),
        pytest.param(["merge topic", "revert --no-edit HEAD"], 2, id="revert"),
        pytest.param(["switch topic", "switch main"], 0, id="switch"),
        pytest.param(["switch topic", "commit --allow-empty -m m"], 0, id="another branch"),
        pytest.param(["switch topic", "commit --amend -m m"], 0, id="amend on another branch"),
        pytest.param(["switch topic", "merge --no-ff main"], 0, id="merge from production"),
        pytest.param(["switch --detach", "commit --allow-empty -m m"], 0, id="detached HEAD"),
        pytest.param(["branch --force main topic"], 0, id="not seen: branch --force"),
        pytest.param(["reset --hard topic"], 0, id="not seen: reset"),
        pytest.param(["reset --hard topic", "commit --allow-empty -m m"], 1, id="seen later"),
    ],
)
def test_a_hook_promotes_once_for_each_move_of_production(
    story: Story, commands: list[str], promotions: int
) -> None:
    story.install()
    for command in commands:
        story.try_git(command)
    assert story.promotions() == promotions


def test_a_rebase_of_several_commits_promotes_once_and_at_its_end(story: Story) -> None:
    story.commit("three")
    story.commit("four")
    story.install()
    story.git("rebase topic")
    assert story.promotions() == 1
    assert story.git("rev-parse refs/seeknal/production") == story.git("rev-parse main")
    assert story.git("log --format=%s main").split() == [
        "four",
        "three",
        "two",
        "one",
        "seeknal_project.yml",
    ]


def test_a_rebase_of_another_branch_promotes_nothing(story: Story) -> None:
    story.commit("three")
    story.install()
    story.git("switch topic")
    story.git("rebase main")
    assert story.promotions() == 0


@pytest.mark.parametrize("name", POST_HOOKS)
def test_a_hook_does_nothing_where_the_tip_was_promoted(story: Story, name: str) -> None:
    story.install()
    assert story.run_hook(name).returncode == 0
    assert story.calls() == []


@pytest.mark.parametrize("name", POST_HOOKS)
def test_a_hook_promotes_where_production_was_never_promoted(story: Story, name: str) -> None:
    story.install()
    story.git("update-ref -d refs/seeknal/production")
    story.run_hook(name)
    assert story.calls() == ["-m|seeknal_git|-C|.|promote|--hook|"]


def test_a_hook_promotes_where_production_was_published_from_another_commit(story: Story) -> None:
    story.install()
    story.git("update-ref refs/seeknal/production topic")
    story.run_hook("post-commit")
    assert story.promotions() == 1


def test_a_branch_below_the_name_of_production_is_not_production(story: Story) -> None:
    story.install(production="release")
    story.git("switch --create release/next")
    story.git("commit --allow-empty -m m")
    assert story.promotions() == 0


@pytest.mark.parametrize("production", ["it's/$(exit)", "données", "release/1.0;x", "@PROJECT@"])
def test_production_may_be_called_what_git_allows(story: Story, production: str) -> None:
    story.install(production)
    story.git(f"switch --create {shlex.quote(production)}")
    story.git("commit --allow-empty -m m")
    assert story.promotions() == 1
    assert story.states(production) == {"installed"}


def test_the_post_hooks_are_quiet_while_seeknal_itself_runs_git(story: Story) -> None:
    story.install()
    story.git("merge --no-ff topic", SEEKNAL_HOOKS="0")
    story.git("commit --amend -m m", SEEKNAL_HOOKS="0")
    assert story.promotions() == 0
    story.git("commit --amend -m n", SEEKNAL_HOOKS="1")
    assert story.promotions() == 1


@pytest.mark.parametrize("name", POST_HOOKS)
def test_a_failed_promotion_does_not_fail_git(story: Story, name: str) -> None:
    story.install()
    story.git("update-ref refs/seeknal/production topic")
    (story.record / "fail").touch()
    assert story.run_hook(name).returncode == 0
    assert story.promotions() == 1


# What is validated


@pytest.mark.parametrize(
    ("command", "staged"),
    [
        pytest.param("commit -m m", ["new"], id="what is staged"),
        pytest.param("commit --all -m m", ["new", "old"], id="commit -a"),
        pytest.param("commit -m m old", ["old"], id="commit PATH"),
        pytest.param("commit -m m --include old", ["new", "old"], id="commit --include"),
    ],
)
def test_the_index_of_the_commit_is_validated(
    story: Story, command: str, staged: list[str]
) -> None:
    story.commit("old")
    story.git("switch --create dev")
    story.install()
    story.write("old", "changed")
    story.write("new")
    story.git("add new")
    story.git(command)
    assert story.calls() == ["-m|seeknal_git|-C|.|validate|--staged|"]
    assert story.recorded("staged") == staged


def test_the_result_of_a_merge_is_validated(story: Story) -> None:
    story.install()
    story.git("merge --no-ff topic", SEEKNAL_HOOKS="0")
    assert story.calls() == ["-m|seeknal_git|-C|.|validate|--staged|"]
    assert story.recorded("staged") == ["one", "two"]


@pytest.mark.parametrize("command", ["commit --allow-empty -m m", "merge --no-ff topic"])
def test_what_does_not_validate_is_not_committed(story: Story, command: str) -> None:
    story.install()
    before = story.git("rev-parse HEAD")
    (story.record / "fail").touch()
    assert story.try_git(command).returncode != 0
    assert story.git("rev-parse HEAD") == before


def test_a_working_tree_without_the_project_is_none_of_our_business(story: Story) -> None:
    story.git("switch --orphan pages")
    story.install(production="pages")
    story.git("commit --allow-empty -m m")
    assert story.calls() == []


# Where the project is, and where git is called


@pytest.mark.parametrize(
    "project", ["data", 'it\'s data/of "us"', "données/été", "$(exit 1)", "@COMMAND@", "-C"]
)
def test_the_project_may_be_in_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, project: str
) -> None:
    story = tell(tmp_path, monkeypatch, project)
    install(story.top, f"{project}/", "main", story.command)
    story.git("commit --allow-empty -m m")
    assert story.calls() == [
        f"-m|seeknal_git|-C|{project}|validate|--staged|",
        f"-m|seeknal_git|-C|{project}|promote|--hook|",
    ]
    assert story.recorded("folder") == [str(story.top)]
    assert story.states() == {"installed"}


def test_a_linked_worktree_shares_the_hooks_and_has_its_own_branch(story: Story) -> None:
    story.git("worktree add -b other '../the other'")
    linked = Story(story.top.parent / "the other", story.record, story.command)
    assert {hook.state for hook in linked.install()} == {"installed"}
    assert story.states() == {"installed"}
    linked.git("commit --allow-empty -m m")
    assert linked.promotions() == 0
    story.git("switch topic")
    linked.git("switch main")
    linked.git("merge other")
    assert linked.promotions() == 1
    assert linked.recorded("folder") == [str(linked.top)]
    linked.uninstall()
    assert story.states() == {"missing"}


@pytest.mark.parametrize("git_dir", [".git", "{top}/.git"])
def test_a_hook_works_where_git_is_told_its_folder(story: Story, git_dir: str) -> None:
    story.install()
    place = git_dir.format(top=story.top)
    story.git("commit --allow-empty -m m", GIT_DIR=place, GIT_WORK_TREE=".")
    assert story.promotions() == 1


# Which seeknal is called


def test_seeknal_on_the_path_replaces_an_installation_that_is_gone(
    story: Story, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    story.install()
    Path(story.command[0]).unlink()
    executable(tmp_path / "bin/seeknal", SEEKNAL, story.record)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
    story.git("commit --allow-empty -m m")
    assert story.calls() == ["-C|.|validate|--staged|", "-C|.|promote|--hook|"]


def test_without_any_seeknal_git_goes_on_with_a_warning(story: Story) -> None:
    story.install()
    Path(story.command[0]).unlink()
    done = story.try_git("commit --allow-empty -m m")
    assert done.returncode == 0
    assert "nor on PATH: the commit was not validated" in done.stderr
    assert "nor on PATH: production was not promoted" in done.stderr
    assert story.states() == {"outdated"}


@pytest.mark.parametrize("name", HOOKS)
def test_every_hook_ends_well_without_any_seeknal(story: Story, name: str) -> None:
    story.install()
    story.git("update-ref -d refs/seeknal/production")
    Path(story.command[0]).unlink()
    done = story.run_hook(name)
    assert (done.returncode, "nor on PATH" in done.stderr) == (0, True)


# The hook that a user already has


@pytest.mark.parametrize("name", HOOKS)
def test_a_users_hook_runs_first_with_its_arguments_and_input(story: Story, name: str) -> None:
    story.user_hook(name)
    story.install()
    story.git("update-ref -d refs/seeknal/production")
    story.run_hook(name, "rebase", "a b")
    theirs, ours = story.calls()
    assert theirs == f"user {name}.before-seeknal rebase a b"
    assert ours.startswith("-m|seeknal_git|")
    assert story.recorded("stdin") == ["old new"]


def test_a_users_hook_reads_what_git_says_was_rewritten(story: Story) -> None:
    story.user_hook("post-rewrite")
    story.install()
    old = story.git("rev-parse HEAD")
    story.git("commit --amend -m m")
    assert story.recorded("stdin") == [f"{old} {story.git('rev-parse HEAD')}"]


@pytest.mark.parametrize("name", PRE_HOOKS)
def test_a_users_hook_may_refuse(story: Story, name: str) -> None:
    story.user_hook(name)
    story.install()
    (story.record / "user-fail").touch()
    assert story.run_hook(name).returncode == 1
    assert story.calls() == [f"user {name}.before-seeknal "]


@pytest.mark.parametrize("name", POST_HOOKS)
def test_a_users_hook_that_fails_does_not_keep_ours_from_promoting(story: Story, name: str) -> None:
    story.user_hook(name)
    story.install()
    story.git("update-ref -d refs/seeknal/production")
    (story.record / "user-fail").touch()
    assert story.run_hook(name).returncode == 0
    assert story.promotions() == 1


def test_a_users_hook_runs_also_while_seeknal_itself_runs_git(story: Story) -> None:
    story.user_hook("post-merge")
    story.install()
    story.git("merge topic", SEEKNAL_HOOKS="0")
    assert story.calls() == ["user post-merge.before-seeknal 0"]


def test_a_users_hook_that_is_not_executable_is_kept_and_not_run(story: Story) -> None:
    story.user_hook("post-commit").chmod(0o640)
    story.install()
    story.git("commit --allow-empty -m m")
    assert not any(call.startswith("user") for call in story.calls())
    story.uninstall()
    assert story.hook("post-commit").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("times", [1, 2], ids=["once", "twice"])
def test_uninstall_brings_a_users_hook_back_byte_for_byte(story: Story, times: int) -> None:
    before = story.user_hook("pre-commit").read_bytes()
    for _ in range(times):
        story.install()
    assert story.hook("pre-commit").read_bytes() != before
    assert {hook.state for hook in story.uninstall()} == {"missing"}
    assert story.hook("pre-commit").read_bytes() == before
    assert story.hook("pre-commit").stat().st_mode & 0o777 == 0o750
    assert not [name for name in story.hooks() if "seeknal" in name]


@pytest.mark.parametrize("target", ["../../their hook", "../../gone"], ids=["", "dangling"])
def test_a_users_hook_that_is_a_symlink_stays_one(story: Story, target: str) -> None:
    executable(story.top / "their hook", USER_HOOK, story.record)
    story.hook("post-commit").symlink_to(target)
    story.install()
    story.git("commit --allow-empty -m m")
    users = [call for call in story.calls() if call.startswith("user")]
    assert users == ([] if "gone" in target else ["user post-commit.before-seeknal "])
    story.uninstall()
    assert str(story.hook("post-commit").readlink()) == target


# Installing, and what stands there


def test_install_twice_changes_nothing(story: Story) -> None:
    first = story.install()
    scripts = [hook.path.read_bytes() for hook in first]
    assert story.install() == first
    assert [hook.path.read_bytes() for hook in first] == scripts
    assert {(hook.state, hook.kept) for hook in first} == {("installed", None)}
    assert story.hooks() == sorted(HOOKS)


def test_a_hook_is_a_whole_script_that_is_small_and_executable(story: Story) -> None:
    for hook in story.install():
        script = hook.path.read_text()
        assert script.startswith("#!/bin/sh\n# Seeknal hook ")
        assert len(script.splitlines()) < 30
        assert hook.path.stat().st_mode & 0o777 == 0o755
        assert subprocess.run(["sh", "-n", hook.path], check=False).returncode == 0


def test_a_hook_of_another_installation_is_rewritten(story: Story, tmp_path: Path) -> None:
    story.user_hook("post-merge")
    story.install()
    other = executable(tmp_path / "other/python", SEEKNAL, story.record)
    assert {hook.state for hook in install(story.top, ".", "main", [str(other)])} == {"installed"}
    story.git("commit --allow-empty -m m")
    assert story.calls() == ["-C|.|validate|--staged|", "-C|.|promote|--hook|"]
    story.uninstall()
    assert "user" in story.hook("post-merge").read_text()


def test_status_says_which_hooks_there_are(story: Story) -> None:
    story.user_hook("pre-commit")
    assert story.states() == {"missing"}
    story.install()
    kept = {hook.name: hook.kept for hook in story.status()}
    assert kept.pop("pre-commit") == story.hook("pre-commit.before-seeknal")
    assert set(kept.values()) == {None}


def older(story: Story) -> None:
    """Write the hooks as a release with another template would have."""
    for name in HOOKS:
        script = story.hook(name).read_bytes().replace(b"\nproject ", b"\nserve ")
        digest = _digest(script)
        story.hook(name).write_bytes(script.replace(script.split()[4][:12], digest, 1))


@pytest.mark.parametrize(
    ("change", "production"),
    [
        pytest.param(lambda story: None, "trunk", id="another production branch"),
        pytest.param(lambda story: Path(story.command[0]).unlink(), "main", id="installation gone"),
        pytest.param(
            lambda story: [story.hook(name).chmod(0o644) for name in HOOKS],
            "main",
            id="not executable",
        ),
        pytest.param(older, "main", id="another version"),
    ],
)
def test_a_hook_that_no_longer_agrees_is_outdated_and_rewritten(
    story: Story, change: object, production: str
) -> None:
    story.install()
    assert callable(change)
    change(story)
    outdated = {hook.name for hook in story.status(production) if hook.state == "outdated"}
    assert outdated == set(POST_HOOKS if production == "trunk" else HOOKS)
    executable(Path(story.command[0]), SEEKNAL, story.record)
    assert {hook.state for hook in story.install(production)} == {"installed"}
    assert {hook.kept for hook in story.install(production)} == {None}


def test_a_hook_that_was_edited_is_left_alone(story: Story) -> None:
    story.user_hook("post-commit")
    story.install()
    edited = story.hook("post-commit").read_bytes() + b"echo mine\n"
    story.hook("post-commit").write_bytes(edited)
    for hooks_now in (story.install(), story.uninstall()):
        assert {hook.name for hook in hooks_now if hook.state == "edited"} == {"post-commit"}
        assert story.hook("post-commit").read_bytes() == edited
        assert story.hook("post-commit.before-seeknal").exists()
    assert not story.hook("pre-commit").exists()


def test_a_hook_that_was_replaced_is_left_alone_and_the_lines_for_it_are_told(story: Story) -> None:
    story.user_hook("post-commit")
    story.install()
    executable(story.hook("post-commit"), "#!/bin/sh\nexit 0\n", story.record)
    for hooks_now in (story.install(), story.uninstall()):
        found = {hook.name: hook for hook in hooks_now}["post-commit"]
        assert found.state == "shadowed"
        assert found.kept == story.hook("post-commit.before-seeknal")
    assert story.hook("post-commit").read_text() == "#!/bin/sh\nexit 0\n"
    lines = {hook.name: hook.lines for hook in story.install()}["post-commit"]
    executable(story.hook("post-commit"), f"#!/bin/sh\n{lines}", story.record)
    assert {hook.state for hook in story.install()} == {"installed"}
    story.git("commit --allow-empty -m m")
    assert story.promotions() == 1


def test_a_users_hook_that_calls_seeknal_is_left_alone(story: Story) -> None:
    text = "#!/bin/sh\nseeknal validate --staged\n"
    executable(story.hook("pre-commit"), text, story.record)
    assert {hook.state for hook in story.install()} == {"installed"}
    story.uninstall()
    assert story.hook("pre-commit").read_text() == text


def test_a_symlink_to_one_of_our_hooks_is_never_kept_to_call_itself(story: Story) -> None:
    story.install()
    story.hook("post-merge").rename(story.top / "shared")
    story.hook("post-merge").symlink_to("../../shared")
    assert {hook.name for hook in story.install() if hook.state == "edited"} == {"post-merge"}
    assert not story.hook("post-merge.before-seeknal").exists()


def test_uninstall_brings_back_a_kept_hook_whose_place_is_empty(story: Story) -> None:
    before = story.user_hook("post-merge").read_bytes()
    story.install()
    story.hook("post-merge").unlink()
    assert story.states() == {"installed", "missing"}
    story.uninstall()
    assert story.hook("post-merge").read_bytes() == before


def test_uninstall_without_hooks_does_nothing(story: Story) -> None:
    story.user_hook("post-merge")
    before = story.hooks()
    story.uninstall()
    assert story.hooks() == before


def test_a_hooks_folder_that_is_missing_is_made(story: Story) -> None:
    shutil.rmtree(story.hook("."))
    assert {hook.state for hook in story.uninstall()} == {"missing"}
    assert {hook.state for hook in story.install()} == {"installed"}


def test_a_hooks_folder_that_cannot_be_written_is_an_error(story: Story) -> None:
    shutil.rmtree(story.hook("."))
    story.hook(".").parent.joinpath("hooks").touch()
    with pytest.raises(GitError, match="cannot be written"):
        story.install()


# core.hooksPath


@pytest.fixture(params=["--local", "--global"])
def husky(story: Story, request: pytest.FixtureRequest) -> Path:
    """A folder `.husky` that core.hooksPath names."""
    (story.top / ".husky").mkdir()
    story.git(f"config {request.param} core.hooksPath .husky")
    return story.top / ".husky"


def test_where_hooks_path_is_set_nothing_is_written(story: Story, husky: Path) -> None:
    before = story.hooks()
    found = story.install()
    assert [hook.path for hook in found] == [husky / name for name in HOOKS]
    assert {hook.state for hook in found} == {"shadowed"}
    assert story.hooks() == before
    assert not list(husky.iterdir())
    assert hooks.hooks_path(story.top) == husky


def test_the_lines_to_add_by_hand_work_in_a_strict_script(story: Story, husky: Path) -> None:
    for hook in story.install():
        text = f"#!/bin/sh -eu\necho before\n{hook.lines}echo after >> @RECORD@/calls\n"
        executable(hook.path, text, story.record)
    assert story.states() == {"installed"}
    story.git("merge --no-ff topic")
    validated, after_pre, promoted, after_post = story.calls()
    assert (validated, promoted) == (
        "-m|seeknal_git|-C|.|validate|--staged|",
        "-m|seeknal_git|-C|.|promote|--hook|",
    )
    assert after_pre == after_post == "after"
    (story.record / "fail").touch()
    assert story.try_git("commit --allow-empty -m m").returncode != 0
    assert story.run_hook("../../.husky/post-rewrite").returncode == 0


def test_hooks_that_hooks_path_hides_can_be_uninstalled(story: Story) -> None:
    story.install()
    story.git("config core.hooksPath .husky")
    assert story.states() == {"shadowed"}
    assert {hook.state for hook in story.uninstall()} == {"missing"}
    assert not story.hook("post-merge").exists()


# The pre-commit framework


def pre_commit(story: Story, command: str) -> None:
    types = " ".join(f"--hook-type {name}" for name in HOOKS)
    arguments = shlex.split(f"{command} {types}")
    subprocess.run(
        [sys.executable, "-m", "pre_commit", *arguments],
        cwd=story.top,
        check=True,
        capture_output=True,
    )


@pytest.mark.parametrize(
    "order",
    [
        pytest.param(["pre-commit", "seeknal"], id="before"),
        pytest.param(["seeknal", "pre-commit"], id="after"),
        pytest.param(["pre-commit", "seeknal", "pre-commit", "seeknal"], id="again and again"),
    ],
)
def test_hooks_of_the_pre_commit_framework_and_ours_run_side_by_side(
    story: Story, monkeypatch: pytest.MonkeyPatch, order: list[str]
) -> None:
    monkeypatch.setenv("PRE_COMMIT_HOME", str(story.record / "cache"))
    story.commit(".pre-commit-config.yaml")
    story.write(".pre-commit-config.yaml", "repos: []\n")
    story.git("add .")
    for installer in order:
        if installer == "seeknal":
            story.install()
        else:
            pre_commit(story, "install")
    assert story.states() == {"installed"}
    story.git("commit -m m")
    assert story.calls() == [
        "-m|seeknal_git|-C|.|validate|--staged|",
        "-m|seeknal_git|-C|.|promote|--hook|",
    ]
    story.uninstall()
    story.git("commit --allow-empty -m m")
    assert story.calls() == []
    pre_commit(story, "uninstall")
    assert not story.hook("pre-commit").exists()
