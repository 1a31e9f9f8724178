"""The hook of a server's bare repository, with real pushes, and a script in place of seeknal that
writes down its calls."""

from __future__ import annotations

import os
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from seeknal_git.errors import UsageError
from seeknal_git.git.hooks import HookState, hooks_path, install, status, uninstall
from tests.git.conftest import Story, executable, isolate

# It has to find the repository whatever git sets, as the real command does.
SEEKNAL = """#!/bin/sh
{ printf '%s|' "$SEEKNAL_PROJECT" "$@"; git rev-parse main; } >> @RECORD@/calls
pwd > @RECORD@/folder
echo "promoting $SEEKNAL_PROJECT"
[ ! -e @RECORD@/fail ]
"""
USER_HOOK = """#!/bin/sh
cat > @RECORD@/stdin
[ ! -e @RECORD@/fail ]
"""


@dataclass(frozen=True)
class Server:
    """A bare repository with the hook, and a clone that pushes to it."""

    top: Path
    clone: Story
    command: tuple[str, ...]

    def install(
        self, project: str = "", production: str = "main", data: str = "data of it"
    ) -> HookState:
        (found,) = install(self.top, project, production, self.command, self.top.parent / data)
        return found

    def state(self, project: str = "", production: str = "main") -> str:
        (found,) = status(self.top, project, production)
        return found.state

    @property
    def hook(self) -> Path:
        return self.top / "hooks/post-receive"

    def hooks(self) -> list[str]:
        return sorted(
            path.name for path in (self.top / "hooks").iterdir() if path.suffix != ".sample"
        )

    def push(self, arguments: str) -> str:
        """Push, and return what the pusher sees."""
        done = self.clone.try_git(f"push origin {arguments}")
        assert done.returncode == 0, done.stderr
        return done.stderr

    def commit_and_push(self) -> str:
        self.clone.git("commit --quiet --allow-empty -m m")
        return self.push("main")

    def promoted(self, project: str = ".", data: str = "data of it") -> str:
        return f"{project}|-C|.|promote|--hook|--data-root|{self.top.parent / data}|{self.clone.git('rev-parse main')}"


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    isolate(tmp_path, monkeypatch)
    record = tmp_path / "what's recorded"
    program = executable(record / "venv/seeknal", SEEKNAL, record)
    clone = Story(tmp_path / "clone", record, ())
    clone.top.mkdir()
    clone.git("init --quiet --initial-branch main")
    clone.commit("seeknal_project.yml")
    clone.git("init --quiet --bare --initial-branch main '../the shop.git'")
    clone.git("remote add origin '../the shop.git'")
    clone.git("push --quiet origin main main:topic")
    return Server(tmp_path / "the shop.git", clone, (str(program),))


def test_a_push_to_the_production_branch_promotes_in_the_repository(server: Server) -> None:
    assert server.install().state == "installed"
    assert "promoting" in server.commit_and_push()
    assert server.clone.calls() == [server.promoted()]
    assert server.clone.recorded("folder") == [str(server.top)]


@pytest.mark.parametrize(
    ("arguments", "promotions"),
    [
        pytest.param("main:topic", 0, id="another branch"),
        pytest.param("main:refs/heads/x/main main:main2", 0, id="branches with a name like it"),
        pytest.param("main:refs/tags/main", 0, id="a tag of its name"),
        pytest.param(":main", 0, id="deletion"),
        pytest.param(":topic main", 1, id="deletion of another branch"),
        pytest.param("main main:topic main:new", 1, id="several refs at once"),
        pytest.param("--atomic main:new main:topic main", 1, id="atomic"),
        pytest.param("--force main~2:main", 1, id="a branch that goes back"),
        pytest.param("--force rewritten:main", 1, id="force"),
        pytest.param("--all", 1, id="all branches"),
    ],
)
def test_a_push_promotes_when_it_updates_the_production_branch(
    server: Server, arguments: str, promotions: int
) -> None:
    server.clone.git("commit --quiet --allow-empty -m 1")
    server.push("main")
    server.install()
    server.clone.git("commit --quiet --allow-empty -m 2")
    rewritten = server.clone.git("commit-tree main^{tree} -p main~2 -m 3")
    server.clone.git(f"branch --quiet rewritten {rewritten}")
    server.clone.git("-C ../'the shop.git' config receive.denyDeleteCurrent ignore")
    server.push(arguments)
    assert server.clone.promotions() == promotions


def test_a_production_branch_that_is_deleted_and_pushed_again_is_promoted(server: Server) -> None:
    server.clone.git("-C ../'the shop.git' config receive.denyDeleteCurrent ignore")
    server.install()
    server.push(":main")
    assert server.clone.calls() == []
    server.push("main")
    assert server.clone.promotions() == 1


def test_a_push_of_many_refs_promotes_once_also_after_a_users_hook_that_reads_none(
    server: Server,
) -> None:
    executable(server.hook, "#!/bin/sh\nexit 0\n", server.clone.record)
    server.install()
    server.clone.git("commit --quiet --allow-empty -m m")
    refs = "".join(f"create refs/heads/{'b' * 200}{number} main\n" for number in range(300))
    subprocess.run(
        ["git", "update-ref", "--stdin"], cwd=server.clone.top, input=refs, text=True, check=True
    )
    server.push("--quiet --all")
    assert server.clone.calls() == [server.promoted()]


def test_a_push_that_is_refused_promotes_nothing(server: Server) -> None:
    server.install()
    executable(server.top / "hooks/pre-receive", "#!/bin/sh\nexit 1\n", server.clone.record)
    server.clone.git("commit --quiet --allow-empty -m m")
    assert server.clone.try_git("push origin main").returncode != 0
    assert server.clone.calls() == []


@pytest.mark.parametrize("production", ["it's/$(exit)", "données", "release/1.0;x"])
def test_production_may_be_called_what_git_allows(server: Server, production: str) -> None:
    server.install(production=production)
    server.push(shlex.quote(f"main:refs/heads/{production}"))
    assert server.clone.promotions() == 1
    assert server.state(production=production) == "installed"


# Nothing makes a push fail


def test_a_promotion_that_fails_does_not_fail_the_push(server: Server) -> None:
    server.install()
    (server.clone.record / "fail").touch()
    server.commit_and_push()
    assert server.clone.promotions() == 1
    assert server.clone.git("ls-remote origin main").startswith(server.clone.git("rev-parse main"))


def test_an_installation_that_is_gone_is_told_to_the_pusher(server: Server) -> None:
    server.install()
    Path(server.command[0]).unlink()
    assert "nor on PATH: production was not promoted" in server.commit_and_push()
    assert server.state() == "outdated"


def test_seeknal_on_the_path_replaces_an_installation_that_is_gone(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.install()
    Path(server.command[0]).rename(server.clone.record / "seeknal")
    monkeypatch.setenv("PATH", str(server.clone.record), prepend=os.pathsep)
    server.commit_and_push()
    assert server.clone.calls() == [server.promoted()]


def test_a_push_promotes_nothing_where_the_hooks_are_turned_off(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.install()
    monkeypatch.setenv("SEEKNAL_HOOKS", "0")
    server.commit_and_push()
    assert server.clone.calls() == []


# Several projects


ODD = 'a -> b/it\'s "été"'


def test_each_project_is_promoted_with_its_folder_and_its_data(server: Server) -> None:
    for folder in ("europe", ODD):
        server.clone.commit(f"{folder}/seeknal_project.yml")
        server.install(f"{folder}/", data=f"data/{folder}")
    server.install()
    server.push("main")
    assert server.clone.calls() == [
        server.promoted(),
        server.promoted(ODD, f"data/{ODD}"),
        server.promoted("europe", "data/europe"),
    ]
    assert {server.state(), server.state("europe"), server.state(f"{ODD}/")} == {"installed"}


def test_each_project_has_a_production_branch_of_its_own(server: Server) -> None:
    server.clone.commit("europe/seeknal_project.yml")
    server.install()
    server.install("europe/", "release", "europe")
    server.push("main main:release")
    assert server.clone.calls() == [server.promoted(), server.promoted("europe", "europe")]
    server.clone.git("commit --quiet --allow-empty -m m")
    server.push("main")
    assert server.clone.calls() == [server.promoted()]


def test_a_project_that_is_not_in_what_was_pushed_is_passed_over(server: Server) -> None:
    server.install()
    server.install("gone/", data="gone")
    server.commit_and_push()
    assert server.clone.calls() == [server.promoted()]


def test_another_place_for_the_data_replaces_the_first(server: Server) -> None:
    server.install()
    server.install(data="other")
    server.commit_and_push()
    assert server.clone.calls() == [server.promoted(data="other")]


# Installing


def test_only_the_servers_hook_is_installed_and_it_is_small(server: Server) -> None:
    before = server.hooks()
    server.install()
    assert server.hooks() == sorted([*before, "post-receive"])
    assert len(server.hook.read_text().splitlines()) < 30
    assert subprocess.run(["sh", "-n", server.hook], check=False).returncode == 0


def test_a_repository_with_a_working_tree_does_not_get_it(server: Server, tmp_path: Path) -> None:
    names = {hook.name for hook in install(server.clone.top, "", "main", server.command)}
    assert "post-receive" not in names
    assert not server.clone.hook("post-receive").exists()
    with pytest.raises(UsageError, match="has a working tree"):
        install(server.clone.top, "", "main", server.command, tmp_path)


def test_a_bare_repository_needs_a_place_for_the_data(server: Server) -> None:
    with pytest.raises(UsageError, match="no folder for a warehouse"):
        install(server.top, "", "main", server.command)
    assert server.state() == "missing"


def test_a_worktree_of_a_bare_repository_has_the_other_hooks(server: Server) -> None:
    server.install()
    server.clone.git("-C ../'the shop.git' worktree add --quiet ../tree topic")
    tree = server.top.parent / "tree"
    assert {hook.name for hook in status(tree, "", "main")}.isdisjoint({"post-receive"})
    assert {hook.state for hook in install(tree, "", "main", server.command)} == {"installed"}
    assert {"post-commit", "post-receive"} < set(server.hooks())
    uninstall(tree, "")
    assert server.state() == "installed"


def test_uninstall_removes_one_project_after_the_other(server: Server) -> None:
    before = server.hooks()
    server.install()
    server.install("europe/", data="europe")
    uninstall(server.top, "")
    assert (server.state(), server.state("europe/")) == ("missing", "installed")
    uninstall(server.top, "europe/")
    assert server.hooks() == before


@pytest.mark.parametrize("fails", [False, True])
def test_a_users_hook_reads_what_was_pushed_and_comes_back_byte_for_byte(
    server: Server, fails: bool
) -> None:
    before = executable(server.hook, USER_HOOK, server.clone.record).read_bytes()
    old = server.clone.git("rev-parse main")
    server.install()
    if fails:
        (server.clone.record / "fail").touch()
    server.clone.git("commit --quiet --allow-empty -m m")
    server.push("main main:topic")
    new = server.clone.git("rev-parse main")
    assert sorted(server.clone.recorded("stdin")) == [
        f"{old} {new} refs/heads/{name}" for name in ("main", "topic")
    ]
    assert server.clone.promotions() == 1
    uninstall(server.top, "")
    assert server.hook.read_bytes() == before


@pytest.mark.parametrize(
    "reads", ["", "pushed=$(cat)\n"], ids=["nothing was read", "it was read before"]
)
def test_the_lines_to_add_by_hand_work_in_a_strict_script(server: Server, reads: str) -> None:
    server.clone.git(
        f"-C ../'the shop.git' config core.hooksPath {shlex.quote(str(server.top.parent / 'shared'))}"
    )
    found = server.install()
    assert (found.state, hooks_path(server.top), server.hook.exists()) == (
        "shadowed",
        found.path.parent,
        False,
    )
    executable(
        found.path,
        f"#!/bin/sh -eu\n{reads}{found.lines}echo after >> @RECORD@/calls\n",
        server.clone.record,
    )
    assert server.state() == "installed"
    (server.clone.record / "fail").touch()
    server.commit_and_push()
    assert server.clone.calls() == [server.promoted(), "after"]
