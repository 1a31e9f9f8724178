"""The hooks of a repository that holds several projects, each with an installation of its own."""

from __future__ import annotations

import os
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from seeknal_git.git.hook_scripts import HOOKS, _digest
from seeknal_git.git.hooks import HookState, install, status, uninstall
from seeknal_git.names import production_ref_of
from tests.git.conftest import SEEKNAL, USER_HOOK, Story, executable

POST_HOOKS = ("post-merge", "post-commit", "post-rewrite")

A = "it's a shop"
B = "a -> b/été"


@dataclass(frozen=True)
class Project:
    """One of several projects: its calls are written down with its folder."""

    story: Story
    folder: str
    command: tuple[str, ...]
    production: str = "main"

    def install(self) -> list[HookState]:
        return install(self.story.top, f"{self.folder}/", self.production, self.command)

    def uninstall(self) -> list[HookState]:
        return uninstall(self.story.top, f"{self.folder}/")

    def states(self) -> set[str]:
        return {hook.state for hook in status(self.story.top, f"{self.folder}/", self.production)}

    def validated(self) -> str:
        return f"{self.folder}|-C|{self.folder}|validate|--staged|"

    def promoted(self) -> str:
        return f"{self.folder}|-C|{self.folder}|promote|--hook|"

    def fail(self, exit_code: int) -> None:
        program = Path(self.command[0])
        program.write_text(program.read_text() + f"exit {exit_code}\n")


def project(story: Story, folder: str, production: str = "main") -> Project:
    """A project that is committed, and published; without its hooks."""
    story.commit(f"{folder}/seeknal_project.yml")
    story.git(f"update-ref {production_ref_of(folder)} HEAD")
    program = executable(story.record / f"venv of {folder}/seeknal", SEEKNAL, story.record, folder)
    return Project(story, folder, (str(program), folder), production)


@pytest.fixture
def story(story: Story) -> Story:
    """Without the project at the top."""
    story.git("rm --quiet seeknal_project.yml")
    story.git("commit --quiet --no-verify --message empty")
    return story


@pytest.fixture
def both(story: Story) -> tuple[Project, Project]:
    """Two projects of one production branch, both with the hooks, and both published at its tip."""
    projects = (project(story, A), project(story, B))
    for each in projects:
        each.install()
        story.git(f"update-ref {production_ref_of(each.folder)} HEAD")
    return projects


def test_a_project_is_added_to_the_hooks_of_another(story: Story) -> None:
    a, b = project(story, A), project(story, B)
    a.install()
    assert (a.states(), b.states()) == ({"installed"}, {"missing"})
    assert {hook.state for hook in b.install()} == {"installed"}
    assert (a.states(), b.states()) == ({"installed"}, {"installed"})
    assert {hook.others for hook in b.install()} == {(A,)}


def test_installing_again_changes_nothing_and_the_order_does_not_matter(
    both: tuple[Project, Project],
) -> None:
    a, b = both
    scripts = [hook.path.read_bytes() for hook in b.install()]
    a.install()
    assert [hook.path.read_bytes() for hook in a.install()] == scripts
    a.uninstall()
    a.install()
    assert [hook.path.read_bytes() for hook in a.install()] == scripts
    assert all(len(script.splitlines()) <= 30 for script in scripts)


def test_installing_again_replaces_only_the_own_line(both: tuple[Project, Project]) -> None:
    a, b = both
    other = executable(b.story.record / "other/seeknal", SEEKNAL, b.story.record, B)
    moved = Project(b.story, B, (str(other), "moved"))
    moved.install()
    b.story.git("commit --allow-empty -m m")
    assert b.story.calls() == [
        f"moved|-C|{B}|validate|--staged|",
        a.validated(),
        f"moved|-C|{B}|promote|--hook|",
        a.promoted(),
    ]


def test_a_commit_validates_and_promotes_every_project(both: tuple[Project, Project]) -> None:
    a, b = both
    a.story.git("commit --allow-empty -m m")
    assert a.story.calls() == [b.validated(), a.validated(), b.promoted(), a.promoted()]


def test_a_merge_validates_and_promotes_every_project(both: tuple[Project, Project]) -> None:
    a, b = both
    a.story.git("merge --no-ff topic")
    assert a.story.calls() == [b.validated(), a.validated(), b.promoted(), a.promoted()]


def test_a_rebase_promotes_every_project(both: tuple[Project, Project]) -> None:
    a, b = both
    a.story.git("rebase topic")
    assert [call for call in a.story.calls() if "promote" in call] == [b.promoted(), a.promoted()]


@pytest.mark.parametrize("failing", [0, 1], ids=["the one", "the other"])
def test_a_commit_fails_if_any_project_fails_and_all_are_validated(
    both: tuple[Project, Project], failing: int
) -> None:
    a, b = both
    both[failing].fail(1)
    assert a.story.try_git("commit --allow-empty -m m").returncode != 0
    assert a.story.calls() == [b.validated(), a.validated()]


@pytest.mark.parametrize("exit_code", [1, 126, 127])
def test_a_promotion_that_fails_keeps_neither_git_nor_the_other_project(
    both: tuple[Project, Project], exit_code: int
) -> None:
    a, b = both
    b.fail(exit_code)
    hook = a.story.hook("post-rewrite")
    a.story.git("-c core.hooksPath=/dev/null commit --allow-empty -m m")
    done = subprocess.run([hook], cwd=a.story.top, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 0
    assert a.story.calls() == [b.promoted(), a.promoted()]


def test_a_project_that_is_up_to_date_is_not_promoted_with_the_other(
    both: tuple[Project, Project],
) -> None:
    a, b = both
    a.story.git("-c core.hooksPath=/dev/null commit --allow-empty -m m")
    a.story.git(f"update-ref {production_ref_of(A)} HEAD")
    a.story.run_hook("post-merge", "0")
    assert a.story.calls() == [b.promoted()]


def test_what_the_project_at_the_top_published_is_its_own(story: Story) -> None:
    top, a = project(story, "."), project(story, A)
    for each in (top, a):
        each.install()
    story.git(f"update-ref {production_ref_of('.')} HEAD")
    story.git(f"update-ref {production_ref_of(A)} HEAD~1")
    story.run_hook("post-commit")
    assert story.calls() == [a.promoted()]
    story.run_hook("post-commit")
    assert story.calls() == []


def test_each_project_has_a_production_branch_of_its_own(story: Story) -> None:
    a, b = project(story, A), project(story, B, "release")
    for each in (a, b):
        each.install()
    story.git("commit --allow-empty -m m")
    assert [call for call in story.calls() if "promote" in call] == [a.promoted()]
    story.git("switch --create release")
    story.git("commit --allow-empty -m m")
    assert [call for call in story.calls() if "promote" in call] == [b.promoted()]
    assert (a.states(), b.states()) == ({"installed"}, {"installed"})


def test_another_production_branch_of_one_project_is_outdated_for_that_one(
    both: tuple[Project, Project],
) -> None:
    a, b = both
    trunk = Project(b.story, B, b.command, "trunk")
    found = {hook.name: hook.state for hook in status(b.story.top, B, "trunk")}
    assert {name for name, state in found.items() if state == "outdated"} == set(POST_HOOKS)
    trunk.install()
    assert (a.states(), trunk.states(), b.states()) == (
        {"installed"},
        {"installed"},
        {"installed", "outdated"},
    )


# A project, or its installation, that is gone


def test_a_project_that_is_not_in_the_working_tree_is_passed_over(
    both: tuple[Project, Project],
) -> None:
    a, _ = both
    a.story.git(f"rm --quiet -r {shlex.quote(B)}")
    a.story.git("commit -m gone")
    assert a.story.calls() == [a.validated(), a.promoted()]


def test_an_installation_that_is_gone_is_outdated_for_its_project_alone(
    both: tuple[Project, Project],
) -> None:
    a, b = both
    Path(b.command[0]).unlink()
    assert (a.states(), b.states()) == ({"installed"}, {"outdated"})
    done = a.story.try_git("commit --allow-empty -m m")
    assert done.returncode == 0
    assert "nor on PATH: the commit was not validated" in done.stderr
    assert a.story.calls() == [a.validated(), a.promoted()]


def test_an_installation_whose_python_is_gone_does_not_stop_git(
    both: tuple[Project, Project],
) -> None:
    a, b = both
    Path(b.command[0]).write_text("#!/gone/python\n")
    done = a.story.try_git("commit --allow-empty -m m")
    assert done.returncode == 0
    assert "nor on PATH: the commit was not validated" in done.stderr
    assert a.story.calls() == [a.validated(), a.promoted()]


# Uninstalling


def test_uninstall_removes_only_the_own_project_and_the_last_one_brings_the_users_hook_back(
    story: Story,
) -> None:
    before = story.user_hook("post-commit").read_bytes()
    a, b = project(story, A), project(story, B)
    for each in (a, b):
        each.install()
    assert {hook.state for hook in a.uninstall()} == {"missing"}
    assert (a.states(), b.states()) == ({"missing"}, {"installed"})
    story.calls()
    story.git("commit --allow-empty -m m")
    assert story.calls() == [b.validated(), "user post-commit.before-seeknal ", b.promoted()]
    a.uninstall()
    assert b.states() == {"installed"}
    b.uninstall()
    assert story.hooks() == ["post-commit"]
    assert story.hook("post-commit").read_bytes() == before


def test_a_hook_that_was_edited_is_left_alone_for_every_project(
    both: tuple[Project, Project],
) -> None:
    a, _ = both
    edited = a.story.hook("post-commit").read_bytes() + b"echo mine\n"
    a.story.hook("post-commit").write_bytes(edited)
    for each in both:
        assert {hook.name for hook in each.uninstall() if hook.state == "edited"} == {"post-commit"}
        assert {hook.name for hook in each.install() if hook.state == "edited"} == {"post-commit"}
    assert a.story.hook("post-commit").read_bytes() == edited


# Odd names, and odd places


@pytest.mark.parametrize(
    "folder",
    [
        "b\nproject c",
        'of "us"',
        "$(exit 1)",
        "-C",
        "@PROJECTS@",
        "project",
        "a\\b",
        "*",
        "tab\there",
        "#no",
        "café/ü",
    ],
)
def test_a_folder_may_be_called_anything(story: Story, folder: str) -> None:
    a, odd = project(story, A), project(story, folder)
    for each in (a, odd, a):
        each.install()
    assert (a.states(), odd.states()) == ({"installed"}, {"installed"})
    assert {hook.others for hook in a.install()} == {(folder,)}
    for name in HOOKS:
        assert subprocess.run(["sh", "-n", story.hook(name)], check=False).returncode == 0
    story.git("commit --allow-empty -m m")
    calls = (story.record / "calls").read_text()
    assert all(
        f"{call}\n" in calls for each in (a, odd) for call in (each.validated(), each.promoted())
    )
    a.uninstall()
    assert odd.states() == {"installed"}


def test_two_linked_worktrees_share_the_hooks_of_both_projects(
    both: tuple[Project, Project],
) -> None:
    a, b = both
    story = a.story
    story.git("switch topic")
    story.git("worktree add '../the other' main")
    linked = Story(story.top.parent / "the other", story.record, ())
    assert {hook.state for hook in status(linked.top, B, "main")} == {"installed"}
    linked.git("commit --allow-empty -m m")
    assert story.calls() == [b.validated(), a.validated(), b.promoted(), a.promoted()]
    story.git("commit --allow-empty -m m")
    assert story.calls() == []


def test_a_submodule_has_hooks_of_its_own(both: tuple[Project, Project]) -> None:
    a, _ = both
    story = a.story
    story.git("init --quiet --initial-branch main ../sub")
    story.git("-C ../sub commit --quiet --allow-empty --message m")
    story.git("-c protocol.file.allow=always submodule --quiet add ../sub sub")
    story.git("-c core.hooksPath=/dev/null commit -m sub")
    sub = Story(story.top / "sub", story.record, ())
    inside = project(sub, "the data")
    inside.install()
    assert (inside.states(), {hook.state for hook in status(sub.top, A, "main")}) == (
        {"installed"},
        {"missing"},
    )
    sub.git("commit --allow-empty -m m")
    assert story.calls() == [inside.validated(), inside.promoted()]


@pytest.mark.parametrize(
    ("branch", "started"),
    [
        pytest.param("topic", ["symbolic-ref"], id="another branch"),
        pytest.param("main", ["symbolic-ref", "for-each-ref"], id="the production branch"),
    ],
)
def test_an_idle_hook_starts_git_as_often_as_for_one_project(
    both: tuple[Project, Project], monkeypatch: pytest.MonkeyPatch, branch: str, started: list[str]
) -> None:
    story = both[0].story
    counting = '#!/bin/sh\necho "$1" >> @RECORD@/started\nPATH=${PATH#*:} exec git "$@"\n'
    executable(story.record / "bin/git", counting, story.record)
    story.git(f"switch --quiet {branch}")
    monkeypatch.setenv("PATH", str(story.record / "bin"), prepend=os.pathsep)
    for name in POST_HOOKS:
        story.run_hook(name, "0")
    assert (story.calls(), story.recorded("started")) == ([], started * 3)


# core.hooksPath


def test_the_lines_of_two_projects_stand_beside_each_other_in_a_script_by_hand(
    story: Story,
) -> None:
    a, b = project(story, A), project(story, B)
    story.git("config core.hooksPath .husky")
    for each in (a, b):
        assert each.states() == {"shadowed"}
        for hook in each.install():
            before = hook.path.read_text() if hook.path.exists() else "#!/bin/sh -eu\n"
            executable(hook.path, before + hook.lines, story.record)
        assert each.states() == {"installed"}
    story.git("commit --allow-empty -m m")
    assert story.calls() == [a.validated(), b.validated(), a.promoted(), b.promoted()]
    b.fail(1)
    assert story.try_git("commit --allow-empty -m m").returncode != 0


def test_a_users_hook_that_has_the_lines_of_another_project_needs_ours_too(story: Story) -> None:
    a, b = project(story, A), project(story, B)
    story.git("config core.hooksPath .git/by-hand")
    lines = {hook.name: hook.lines for hook in a.install()}
    story.git("config --unset core.hooksPath")
    executable(story.hook("post-commit"), f"#!/bin/sh\n{lines['post-commit']}", story.record)
    before = story.hook("post-commit").read_text()
    assert {hook.name for hook in b.install() if hook.state == "shadowed" and hook.lines} == {
        "post-commit"
    }
    assert story.hook("post-commit").read_text() == before
    assert {hook.name: hook.state for hook in a.install()}["post-commit"] == "installed"


# The hooks of an older version, which served one project


OLD_HEAD = """#!/bin/sh
# Seeknal hook @DIGEST@: {title}.
# `seeknal hooks install` wrote it; `seeknal hooks uninstall` brings back what was here before.
kept=${{0%/*}}/{name}.before-seeknal
"""
OLD_PRE = """if [ -x "$kept" ]; then "$kept" "$@" || exit; fi

project={project}
[ -f "$project/seeknal_project.yml" ] || exit 0

set -- {command}
[ -x "$1" ] || set -- seeknal
if command -v "$1" >/dev/null; then exec "$@" -C "$project" validate --staged; fi
echo "seeknal is not where it was, nor on PATH: the commit was not validated." >&2
"""
OLD_POST = """if [ -x "$kept" ]; then "$kept" "$@"; fi

project={project} production=refs/heads/{production}
[ "${{SEEKNAL_HOOKS-}}" != 0 ] && [ -f "$project/seeknal_project.yml" ] || exit 0
# The production branch, starred, is all of this where it is checked out and still to promote.
refs=$(git for-each-ref --points-at=HEAD --format='%(HEAD)%(refname)' \\
    "$production" refs/seeknal/production)
[ "$refs" = "*$production" ] || exit 0

set -- {command}
[ -x "$1" ] || set -- seeknal
if command -v "$1" >/dev/null; then "$@" -C "$project" promote --hook; exit 0; fi
echo "seeknal is not where it was, nor on PATH: production was not promoted." >&2
"""


def old_script(name: str, project: Project) -> str:
    title = "promotes when a commit moved the production branch"
    script = (OLD_HEAD + (OLD_PRE if name.startswith("pre-") else OLD_POST)).format(
        name=name,
        title=title,
        project=shlex.quote(project.folder),
        production=shlex.quote(project.production),
        command=shlex.join(project.command),
    )
    return script.replace("@DIGEST@", _digest(script.encode()).decode(), 1)


def install_old(project: Project) -> None:
    for name in HOOKS:
        executable(project.story.hook(name), old_script(name, project), project.story.record)


@pytest.mark.parametrize("folder", [".", A, "b\nproject c"])
def test_the_hooks_of_an_older_version_are_outdated_and_keep_their_project(
    story: Story, folder: str
) -> None:
    story.git('switch --create "it\'s"')
    a, b = project(story, folder, "it's"), project(story, B)
    install_old(a)
    assert (a.states(), b.states()) == ({"outdated"}, {"missing"})
    assert {hook.state for hook in b.install()} == {"installed"}
    assert (a.states(), b.states()) == ({"installed"}, {"installed"})
    scripts = [hook.path.read_bytes() for hook in b.install()]
    a.install()
    assert [hook.path.read_bytes() for hook in b.install()] == scripts


def test_the_hooks_of_an_older_version_are_brought_up_to_date(story: Story) -> None:
    before = executable(
        story.hook("post-commit.before-seeknal"), USER_HOOK, story.record
    ).read_bytes()
    a = project(story, A)
    install_old(a)
    assert {hook.state for hook in a.install()} == {"installed"}
    story.git("commit --allow-empty -m m")
    assert story.calls() == [a.validated(), "user post-commit.before-seeknal ", a.promoted()]
    a.uninstall()
    assert story.hooks() == ["post-commit"]
    assert story.hook("post-commit").read_bytes() == before


def test_the_hooks_of_an_older_version_can_be_uninstalled_by_their_project_alone(
    story: Story,
) -> None:
    a, b = project(story, A), project(story, B)
    install_old(a)
    b.uninstall()
    assert story.hooks() == sorted(HOOKS)
    a.uninstall()
    assert story.hooks() == []


def test_the_old_lines_by_hand_serve_the_project_at_the_top_and_no_other(story: Story) -> None:
    top, a = project(story, "."), project(story, A)
    story.git("config core.hooksPath .husky")
    for each, states in ((top, {"installed"}), (a, {"installed", "shadowed"})):
        for name in HOOKS:
            lines = old_script(name, each).split("\n\n", 1)[1]
            executable(
                story.top / ".husky" / name, f"#!/bin/sh\n(\n{lines}) || true\n", story.record
            )
        assert each.states() == states
